//! Shell patterns for file names (globs), parsed in one way for the check of the inventory and for the
//! capture.
//!
//! What is matched is a name on a host; no file here is read.

use super::wildcard::{self, Wildcard, WildcardError, class_bytes};
use crate::name::RemotePath;

/// More patterns than this are not made of the braces of one.
const WAYS_MAX: usize = 1024;

/// A pattern of absolute file names.
///
/// `*`, `?` (one byte), `[abc]` and `[[:digit:]]` match within one component of a path, and never the dot
/// that it begins with. `**` as a whole component stands for any number of components that begin with no dot.
/// `{one,two}` makes two patterns of one.
#[derive(Debug, Clone)]
pub struct FileGlob {
    ways: Vec<Way>,
}

/// One of the patterns that braces make of one.
#[derive(Debug, Clone)]
struct Way {
    components: Vec<Component>,
}

#[derive(Debug, Clone)]
enum Component {
    /// Just this name.
    Literal(Vec<u8>),
    /// Names that match.
    Pattern {
        text: String,
        matcher: Wildcard,
        sees_hidden: bool,
    },
    /// `**`
    Deep,
}

/// Where on a host everything is that a pattern may match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Walk {
    /// A file if `depth_max` is 0, else a directory or a symbolic link to one.
    pub from: RemotePath,
    /// How many components what matches has beneath it, at least.
    pub depth_min: usize,
    /// At most; none: any number.
    pub depth_max: Option<usize>,
    /// What matches has a name of this pattern, in which just `*` and `?` are special, and `\` before
    /// what is not; none: any.
    pub name: Option<String>,
}

/// The text is no pattern of absolute file names.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GlobError {
    /// It is not absolute, or has empty, `.` or `..` components.
    #[error("it is not absolute, or has empty, `.` or `..` components")]
    Path,
    /// It is no pattern.
    #[error(transparent)]
    Pattern(WildcardError),
    /// `{` without `}`, or `}` without `{`.
    #[error("{}", if *.0 == '{' { "`{` has no closing `}`" } else { "`}` closes nothing" })]
    Brace(char),
    /// Its braces make too many patterns.
    #[error("its braces make more than {WAYS_MAX} patterns")]
    TooMany,
}

impl FileGlob {
    /// Reads a pattern.
    ///
    /// # Errors
    ///
    /// [`GlobError`] if it is none.
    pub fn new(text: &str) -> Result<Self, GlobError> {
        check_path(text)?;
        check_braces(text)?;
        // As a whole first: it tells best what is wrong.
        wildcard::check(text).map_err(GlobError::Pattern)?;
        let mut texts = Vec::new();
        expand(text, &mut texts)?;
        let ways = texts.iter().map(|text| Way::new(text));
        Ok(Self {
            ways: ways.collect::<Result<_, _>>()?,
        })
    }

    /// Whether `path` is meant.
    #[must_use]
    pub fn matches(&self, path: &RemotePath) -> bool {
        self.ways.iter().any(|way| way.follow(path).is_match)
    }

    /// Whether what is meant may be beneath `path`.
    #[must_use]
    pub fn is_above(&self, path: &RemotePath) -> bool {
        self.ways.iter().any(|way| way.follow(path).goes_on)
    }

    /// Where everything is that is meant.
    pub fn walks(&self) -> impl Iterator<Item = Walk> {
        self.ways.iter().map(Way::walk)
    }
}

fn check_path(text: &str) -> Result<(), GlobError> {
    let is_path = text.strip_prefix('/').is_some_and(|rest| {
        rest.split('/')
            .all(|part| !matches!(part, "" | "." | "..") && !part.contains(['\0', '\n']))
    });
    if is_path {
        Ok(())
    } else {
        Err(GlobError::Path)
    }
}

/// Whether each brace that is none of the letters has its partner.
fn check_braces(text: &str) -> Result<(), GlobError> {
    let mut depth = 0_usize;
    for (c, _) in pieces(text) {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.checked_sub(1).ok_or(GlobError::Brace('}'))?,
            _ => {}
        }
    }
    if depth == 0 {
        Ok(())
    } else {
        Err(GlobError::Brace('{'))
    }
}

/// The characters of a pattern with their places; brackets and what a backslash escapes are one piece,
/// and come as `[` and `\\`.
fn pieces(text: &str) -> impl Iterator<Item = (char, usize)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = &text[at..];
        let c = rest.chars().next()?;
        let place = at;
        at += match c {
            '\\' => rest.chars().take(2).map(char::len_utf8).sum(),
            '[' => class_bytes(rest).unwrap_or(1),
            other => other.len_utf8(),
        };
        Some((c, place))
    })
}

/// Writes the first pair of braces out, and those of what comes of it.
fn expand(text: &str, texts: &mut Vec<String>) -> Result<(), GlobError> {
    let Some((before, choices, after)) = braces(text) else {
        if texts.len() == WAYS_MAX {
            return Err(GlobError::TooMany);
        }
        texts.push(text.to_owned());
        return Ok(());
    };
    for choice in choices {
        expand(&format!("{before}{choice}{after}"), texts)?;
    }
    Ok(())
}

/// What is before the first pair of braces, between their commas, and behind them.
fn braces(text: &str) -> Option<(&str, Vec<&str>, &str)> {
    let (mut depth, mut open, mut choice) = (0_usize, 0, 0);
    let mut choices = Vec::new();
    for (c, at) in pieces(text) {
        match c {
            '{' => {
                if depth == 0 {
                    (open, choice) = (at, at + 1);
                }
                depth += 1;
            }
            ',' if depth == 1 => {
                choices.push(&text[choice..at]);
                choice = at + 1;
            }
            '}' if depth == 1 => {
                choices.push(&text[choice..at]);
                return Some((&text[..open], choices, &text[at + 1..]));
            }
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    None
}

impl Component {
    fn new(text: &str) -> Result<Self, GlobError> {
        if text == "**" {
            return Ok(Self::Deep);
        }
        let matcher = Wildcard::new(text).map_err(GlobError::Pattern)?;
        match matcher.exact() {
            Some(b"" | b"." | b"..") => Err(GlobError::Path),
            Some(name) if name.contains(&b'/') => Err(GlobError::Path),
            Some(name) => Ok(Self::Literal(name.to_vec())),
            None => Ok(Self::Pattern {
                matcher,
                sees_hidden: text.starts_with('.') || text.starts_with("\\."),
                text: text.to_owned(),
            }),
        }
    }

    fn matches(&self, name: &[u8]) -> bool {
        match self {
            Self::Literal(literal) => literal == name,
            Self::Pattern {
                matcher,
                sees_hidden,
                ..
            } => (*sees_hidden || !is_hidden(name)) && matcher.is_match(name),
            Self::Deep => !is_hidden(name),
        }
    }

    /// The pattern by which `find` finds at least the same names.
    fn find_name(&self) -> Option<String> {
        match self {
            Self::Literal(name) => {
                let name = std::str::from_utf8(name).ok()?;
                let mut text = String::new();
                for c in name.chars() {
                    if matches!(c, '*' | '?' | '[' | '\\') {
                        text.push('\\');
                    }
                    text.push(c);
                }
                Some(text)
            }
            // What brackets and backslashes mean differs from find to find.
            Self::Pattern { text, .. } if text.contains(['[', ']', '\\', '{', '}']) => None,
            Self::Pattern { text, .. } => Some(text.clone()),
            Self::Deep => None,
        }
    }
}

fn is_hidden(name: &[u8]) -> bool {
    name.starts_with(b".")
}

/// What a path is to a pattern.
struct Followed {
    is_match: bool,
    /// A longer path may match.
    goes_on: bool,
}

impl Way {
    fn new(text: &str) -> Result<Self, GlobError> {
        check_path(text)?;
        let components = text[1..].split('/').map(Component::new);
        Ok(Self {
            components: components.collect::<Result<_, _>>()?,
        })
    }

    /// Goes down `path`, and keeps how many components of the pattern may be used up so far.
    fn follow(&self, path: &RemotePath) -> Followed {
        let end = self.components.len();
        let mut used = vec![false; end + 1];
        used[0] = true;
        self.skip(&mut used);
        let names = path.member().split(|&byte| byte == b'/');
        for name in names.filter(|name| !name.is_empty()) {
            let mut next = vec![false; end + 1];
            for (at, component) in self.components.iter().enumerate() {
                if !used[at] || !component.matches(name) {
                    continue;
                }
                match component {
                    Component::Literal(_) | Component::Pattern { .. } => next[at + 1] = true,
                    Component::Deep => {
                        next[at] = true;
                        // At the end of a pattern it stands for one component at least.
                        next[end] |= at + 1 == end;
                    }
                }
            }
            self.skip(&mut next);
            used = next;
        }
        Followed {
            is_match: used[end],
            goes_on: used[..end].contains(&true),
        }
    }

    /// `**` may stand for nothing.
    fn skip(&self, used: &mut [bool]) {
        let before_last = self.components.len().saturating_sub(1);
        for at in 0..before_last {
            if used[at] && matches!(self.components[at], Component::Deep) {
                used[at + 1] = true;
            }
        }
    }

    fn walk(&self) -> Walk {
        let is_literal = |component: &&Component| matches!(component, Component::Literal(_));
        let literals = self.components.iter().take_while(is_literal).count();
        let mut from = Vec::new();
        for component in &self.components[..literals] {
            if let Component::Literal(name) = component {
                from.push(b'/');
                from.extend_from_slice(name);
            }
        }
        if from.is_empty() {
            from.push(b'/');
        }
        let rest = &self.components[literals..];
        let is_deep = |component: &&Component| matches!(component, Component::Deep);
        let deep = rest.iter().filter(is_deep).count();
        let least = rest.len() - deep;
        // At the end of a pattern `**` stands for one component at least.
        let last = usize::from(rest.last().as_ref().is_some_and(is_deep));
        Walk {
            from: RemotePath::from_bytes(from).expect("components were checked"),
            depth_min: least + last,
            depth_max: (deep == 0).then_some(least),
            name: rest.last().and_then(Component::find_name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn glob(text: &str) -> FileGlob {
        FileGlob::new(text).expect("a pattern")
    }

    fn path(text: &str) -> RemotePath {
        text.parse().expect("a path")
    }

    #[test]
    fn patterns_mean_what_they_mean_to_a_shell() {
        for (pattern, name, is_meant) in [
            ("/var/log/gw-*.log", "/var/log/gw-1.log", true),
            ("/var/log/gw-*.log", "/var/log/gw-.log", true),
            ("/var/log/gw-*.log", "/var/log/gw-1.log.gz", false),
            ("/var/log/gw-*.log", "/var/log/gw-a/b.log", false),
            ("/var/log/*", "/var/log", false),
            ("/var/log/*", "/var/log/.hidden", false),
            ("/var/log/.*", "/var/log/.hidden", true),
            ("/var/log/\\.*", "/var/log/.hidden", true),
            ("/var/log/?x", "/var/log/.x", false),
            ("/var/log/[.]x", "/var/log/.x", false),
            ("/a/*.d/x", "/a/b.d/x", true),
            ("/a/*/x", "/a/.b/x", false),
            ("/a/.b/x", "/a/.b/x", true),
            ("/a/**/x", "/a/x", true),
            ("/a/**/x", "/a/b/c/x", true),
            ("/a/**/x", "/a/.b/x", false),
            ("/a/**/x", "/b/x", false),
            ("/a/**/.x", "/a/b/.x", true),
            ("/a/**", "/a", false),
            ("/a/**", "/a/b/c", true),
            ("/a/**", "/a/b/.c", false),
            ("/**/b/**/d", "/a/b/c/d", true),
            ("/**/b/**/d", "/b/d", true),
            ("/**/b/**/d", "/a/c/d", false),
            ("/a**b/c", "/axb/c", true),
            ("/a**b/c", "/a/b/c", false),
            ("/a/{.env,app/*.conf}", "/a/.env", true),
            ("/a/{.env,app/*.conf}", "/a/app/x.conf", true),
            ("/a/{.env,app/*.conf}", "/a/x.conf", false),
            ("/a/x{,.old}", "/a/x", true),
            ("/a/x{,.old}", "/a/x.old", true),
            ("/a/{b{1,2},c}", "/a/b2", true),
            ("/a/{b{1,2},c}", "/a/c", true),
            ("/a/{b{1,2},c}", "/a/b", false),
            ("/a/[{]x", "/a/{x", true),
            ("/a/\\{x\\}", "/a/{x}", true),
            ("/a/[!x]y", "/a/zy", true),
            ("/a/\\*", "/a/*", true),
            ("/a/\\*", "/a/b", false),
            ("/a/[a-c]", "/a/b", true),
            ("/a/[[:digit:]]{b,c}", "/a/7c", true),
            ("/a/[[:digit:]]{b,c}", "/a/xc", false),
            ("/a/[[:digit:]{]", "/a/{", true),
            ("/a/[a\\]{]", "/a/]", true),
        ] {
            assert_eq!(
                glob(pattern).matches(&path(name)),
                is_meant,
                "{pattern} {name}"
            );
        }
    }

    #[test]
    fn names_that_are_no_text_are_matched_too() {
        let name = RemotePath::from_bytes(b"/a/\xff\n.log".to_vec()).expect("a path");
        assert!(glob("/a/*.log").matches(&name));
        assert!(glob("/a/??.log").matches(&name));
        assert!(!glob("/a/?.log").matches(&name));
    }

    #[test]
    fn directories_that_may_hold_what_is_meant_are_told_from_others() {
        for (pattern, directory, is_above) in [
            ("/a/b/*.log", "/a", true),
            ("/a/b/*.log", "/a/b", true),
            ("/a/b/*.log", "/a/b/c", false),
            ("/a/b/*.log", "/a/b/c.log", false),
            ("/a/b/*.log", "/", true),
            ("/a/gw-*/x", "/a/gw-1", true),
            ("/a/gw-*/x", "/a/private", false),
            ("/a/**/x", "/a/b/c", true),
            ("/a/**/x", "/a/.b", false),
            ("/a/**", "/a/b", true),
            ("/a/b", "/a/b", false),
        ] {
            assert_eq!(
                glob(pattern).is_above(&path(directory)),
                is_above,
                "{pattern} {directory}"
            );
        }
    }

    #[test]
    fn a_walk_begins_at_the_longest_literal_directory() {
        let walk = |from: &str, depth_min, depth_max, name: Option<&str>| Walk {
            from: path(from),
            depth_min,
            depth_max,
            name: name.map(str::to_owned),
        };
        for (pattern, expected) in [
            ("/a/.env", vec![walk("/a/.env", 0, Some(0), None)]),
            ("/a/\\[x\\]", vec![walk("/a/[x]", 0, Some(0), None)]),
            ("/a/b/gw-?*", vec![walk("/a/b", 1, Some(1), Some("gw-?*"))]),
            ("/a/*/c/[x]", vec![walk("/a", 3, Some(3), None)]),
            ("/a/*/c/x", vec![walk("/a", 3, Some(3), Some("x"))]),
            ("/a/*/\\*", vec![walk("/a", 2, Some(2), Some("\\*"))]),
            ("/a/**/x", vec![walk("/a", 1, None, Some("x"))]),
            ("/a/**", vec![walk("/a", 1, None, None)]),
            ("/a/*/**", vec![walk("/a", 2, None, None)]),
            ("/*", vec![walk("/", 1, Some(1), Some("*"))]),
            (
                "/a/{b,c/*}",
                vec![
                    walk("/a/b", 0, Some(0), None),
                    walk("/a/c", 1, Some(1), Some("*")),
                ],
            ),
        ] {
            assert_eq!(
                glob(pattern).walks().collect::<Vec<_>>(),
                expected,
                "{pattern}"
            );
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for (pattern, why) in [
            ("a", GlobError::Path),
            ("/", GlobError::Path),
            ("/a//b", GlobError::Path),
            ("/a/../b", GlobError::Path),
            ("/a\n/b", GlobError::Path),
            ("/a/{..,b}/c", GlobError::Path),
            ("/a/{,b}/c", GlobError::Path),
            ("/a/\\.\\.", GlobError::Path),
            ("/a/[b", GlobError::Pattern(WildcardError::Unclosed)),
            ("/a/[b/c]", GlobError::Pattern(WildcardError::Unclosed)),
            ("/a/{b", GlobError::Brace('{')),
            ("/a/b}", GlobError::Brace('}')),
            (
                "/{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}",
                GlobError::TooMany,
            ),
        ] {
            assert_eq!(FileGlob::new(pattern).err(), Some(why), "{pattern}");
        }
    }
}
