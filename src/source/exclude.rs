//! Excludes: the entries of a source that are left out, by gitignore's rules, relative to a root.

use crate::guard::Prune;
use crate::inventory::pattern::{self, Decision, PatternError, Rules};
use crate::name::RemotePath;

/// The patterns of one source, ready to be asked.
#[derive(Debug)]
pub struct Exclude {
    rules: Rules,
    prune: Vec<Prune>,
}

impl Exclude {
    /// Reads `patterns` in order; a later one beats an earlier one.
    ///
    /// # Errors
    ///
    /// [`PatternError`] for the first that is no pattern.
    pub fn new(patterns: &[String]) -> Result<Self, PatternError> {
        Ok(Self {
            rules: pattern::rules(patterns)?,
            prune: prunes(patterns),
        })
    }

    /// The directories that a host need not walk. Fewer than are left out, never more.
    #[must_use]
    pub fn prune(&self) -> &[Prune] {
        &self.prune
    }

    /// Whether the entry `path` beneath `root` is left out by a pattern of its own. An entry in a
    /// directory that is left out is left out too, which the caller keeps track of.
    #[must_use]
    pub fn leaves_out(&self, root: &RemotePath, path: &RemotePath, is_directory: bool) -> bool {
        match path.relative_to(root) {
            None | Some(b"") => false,
            Some(relative) => {
                let decision = self.rules.decide(relative, is_directory);
                matches!(decision, Some(Decision::Excluded { .. }))
            }
        }
    }
}

/// Translates the patterns that mean the same to `find`, and gives up on all as soon as one pattern
/// takes something back in.
fn prunes(patterns: &[String]) -> Vec<Prune> {
    if patterns.iter().any(|pattern| pattern.starts_with('!')) {
        return Vec::new();
    }
    patterns
        .iter()
        .filter_map(|pattern| prune(pattern))
        .collect()
}

fn prune(pattern: &str) -> Option<Prune> {
    let plain = |text: &str| !text.is_empty() && !text.contains(['[', ']', '{', '}', '\\', '#']);
    let pattern = pattern.strip_suffix('/').unwrap_or(pattern);
    let pattern = pattern.strip_prefix("**/").unwrap_or(pattern);
    if !plain(pattern) || pattern.ends_with(' ') {
        return None;
    }
    if !pattern.contains('/') {
        // In the C locale `?` is one byte, so that find leaves out no more than the matcher does.
        return Some(Prune::Name(pattern.to_owned()));
    }
    let path = pattern.strip_prefix('/').unwrap_or(pattern);
    let literal = plain(path) && !path.contains(['*', '?']);
    literal.then(|| Prune::Beneath(path.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exclude(patterns: &[&str]) -> Exclude {
        let patterns: Vec<String> = patterns.iter().map(|p| (*p).to_owned()).collect();
        Exclude::new(&patterns).expect("patterns")
    }

    fn left_out(patterns: &[&str], path: &str, is_directory: bool) -> bool {
        let root = "/srv/app".parse().expect("a root");
        let path = format!("/srv/app{path}").parse().expect("a path");
        exclude(patterns).leaves_out(&root, &path, is_directory)
    }

    #[test]
    fn patterns_mean_what_they_mean_to_git() {
        let cases: &[(&[&str], &str, bool, bool)] = &[
            (&["node_modules/"], "/node_modules", true, true),
            (&["node_modules/"], "/a/node_modules", true, true),
            (&["node_modules/"], "/node_modules", false, false),
            (&["*.log"], "/a/b/x.log", false, true),
            (&["*.log"], "/x.logs", false, false),
            (&["/top"], "/top", false, true),
            (&["/top"], "/a/top", false, false),
            (&["a/b"], "/a/b", false, true),
            (&["a/b"], "/x/a/b", false, false),
            (&["**/cache"], "/x/cache", true, true),
            (&["*.wav", "!keep.wav"], "/keep.wav", false, false),
            (&["*.wav", "!keep.wav"], "/other.wav", false, true),
            (&["# a remark", ""], "/# a remark", false, false),
            (&["\\#x"], "/#x", false, true),
            (&["*"], "", true, false),
            (&["{a,b}"], "/a", false, false),
            (&["{a,b}", "x\\{y}"], "/{a,b}", false, true),
            (&["x\\{y}"], "/x{y}", false, true),
            (&["{"], "/{", false, true),
            (&["*.{"], "/a.{", false, true),
            (&["[{]"], "/{", false, true),
            (&["[{]"], "/\\", false, false),
        ];
        for (patterns, path, is_directory, expected) in cases {
            assert_eq!(
                left_out(patterns, path, *is_directory),
                *expected,
                "{patterns:?} {path}"
            );
        }
    }

    #[test]
    fn names_that_are_no_text_are_matched_too() {
        let path = RemotePath::from_bytes(b"/srv/app/\xff\n.log".to_vec()).expect("a path");
        let root = "/srv/app".parse().expect("a root");
        assert!(exclude(&["*.log"]).leaves_out(&root, &path, false));
    }

    #[test]
    fn find_is_told_only_what_means_the_same_to_it() {
        let name = |text: &str| Prune::Name(text.to_owned());
        let beneath = |text: &str| Prune::Beneath(text.to_owned());
        let cases: &[(&[&str], Vec<Prune>)] = &[
            (
                &["node_modules/", ".git/"],
                vec![name("node_modules"), name(".git")],
            ),
            (
                &["**/cache/", "build-*"],
                vec![name("cache"), name("build-*")],
            ),
            (
                &["/var/cache/", "data/db"],
                vec![beneath("var/cache"), beneath("data/db")],
            ),
            (
                &["a/*/b", "[ab]", "\\!x", "{a,b}", "# remark", ""],
                Vec::new(),
            ),
            (&["node_modules/", "!important/node_modules/"], Vec::new()),
        ];
        for (patterns, expected) in cases {
            assert_eq!(exclude(patterns).prune(), expected, "{patterns:?}");
        }
    }
}
