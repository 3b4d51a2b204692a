//! Exclude patterns against git itself, the short cut for `find` against `find`, and patterns of files
//! against bash.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use fleet::guard::Prune;
use fleet::inventory::glob::FileGlob;
use fleet::name::RemotePath;
use fleet::source::exclude::Exclude;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, TestRunner};

use crate::support::sshd::installed;

/// git in `folder`, whatever the tester's own configuration ignores.
fn git(folder: &Path) -> Command {
    let mut git = Command::new("git");
    git.current_dir(folder)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("HOME", folder)
        .env_remove("XDG_CONFIG_HOME")
        .env_remove("GIT_DIR");
    git
}

/// Lists of patterns, each in a folder of its own of one repository.
struct Repository {
    folder: tempfile::TempDir,
    lists: Vec<Vec<String>>,
}

impl Repository {
    fn new(lists: Vec<Vec<String>>) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let made = git(folder.path()).args(["init", "-q"]).status();
        assert!(made.expect("git starts").success());
        for (index, list) in lists.iter().enumerate() {
            let case = folder.path().join(index.to_string());
            fs::create_dir(&case).expect("a folder");
            // git reads a carriage return at the end of a line as a part of its end.
            let text: String = list
                .iter()
                .map(|pattern| format!("{pattern}\r\n"))
                .collect();
            fs::write(case.join(".gitignore"), text).expect("a file");
        }
        Self { folder, lists }
    }

    /// For each list, those of `paths` that git ignores.
    fn ignored(&self, paths: &[&[u8]]) -> Vec<BTreeSet<Vec<u8>>> {
        let mut asked = Vec::new();
        for index in 0..self.lists.len() {
            for path in paths {
                asked.extend(format!("{index}/").bytes());
                asked.extend_from_slice(path);
                asked.push(0);
            }
        }
        let mut git = git(self.folder.path())
            .args(["check-ignore", "--no-index", "--stdin", "-z"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("git starts");
        let mut stdin = git.stdin.take().expect("a pipe");
        let writer = std::thread::spawn(move || stdin.write_all(&asked));
        let output = git.wait_with_output().expect("git ends");
        writer.join().expect("it ends").expect("git reads");
        // 1: nothing is ignored.
        assert!(matches!(output.status.code(), Some(0 | 1)));
        let mut ignored = vec![BTreeSet::new(); self.lists.len()];
        for path in output.stdout.split(|&byte| byte == 0) {
            let Some(slash) = path.iter().position(|&byte| byte == b'/') else {
                continue;
            };
            let index = std::str::from_utf8(&path[..slash]).expect("a number");
            let index: usize = index.parse().expect("a number");
            ignored[index].insert(path[slash + 1..].to_vec());
        }
        ignored
    }
}

fn beneath(root: &str, path: &[u8]) -> RemotePath {
    RemotePath::from_bytes([root.as_bytes(), b"/", path].concat()).expect("a path")
}

/// Whether fleet leaves out `path`, or a directory above it.
fn left_out(exclude: &Exclude, path: &[u8], is_directory: bool) -> bool {
    let root = "/srv".parse().expect("a root");
    let mut ends: Vec<usize> = (0..path.len()).filter(|&at| path[at] == b'/').collect();
    ends.push(path.len());
    ends.into_iter().any(|end| {
        let is_directory = end < path.len() || is_directory;
        exclude.leaves_out(&root, &beneath("/srv", &path[..end]), is_directory)
    })
}

/// Paths of a tree; those that end in `/` are directories.
const TREE: &[&str] = &[
    "a", "b", "ab", "aab", "a b", "a ", "1", "x1", "-", ".", "é", "[", "]", "{", "}", "{a,b}",
    "{b}", "\\", "!", "#x", "~", ":", ".h", "a.log", "t\t", "r\r", "\u{a0}", "d/", "d/a", "d/b/",
    "d/b/a", "d/b/1", "d/s/", "d/s/d/", "d/s/d/a", "s/", "s/d/", "s/d/a", "s/a", "a1/", "a1/b",
    "ad/", "ad/s/", "ad/s/b",
];

const PIECES: &[&str] = &[
    "a",
    "a",
    "b",
    "1",
    "d",
    "s",
    "d/",
    "s/",
    "/",
    "/",
    "*",
    "*",
    "**",
    "**/",
    "/**",
    "***",
    "?",
    "é",
    "[ab]",
    "[!a]",
    "[^b]",
    "[a-c]",
    "[c-]",
    "[a-b-d]",
    "[]a]",
    "[!]]",
    "[a\\]]",
    "[\\]]",
    "[.-0]",
    "[[:digit:]]",
    "[![:alpha:]]",
    "[[:punct:]1]",
    "[[:digit:]-s]",
    "[!é]",
    "{",
    "}",
    ",",
    "\\*",
    "\\a",
    "\\[",
    " ",
    "\\ ",
    "\\\\",
    "!",
    "#",
    "~",
    "-",
    ":",
    ".",
    "\t",
    "\r",
    "[",
];

/// Before version 2.52 git takes `**` for deep where a name without wildcards is before it in the same
/// component, against its own documentation.
fn is_misread(pattern: &str) -> bool {
    let first = pattern.find(['*', '?', '[', '\\']).unwrap_or(pattern.len());
    let (before, rest) = pattern.split_at(first);
    let before = before.trim_start_matches('!');
    pattern.contains('/') && rest.starts_with("**") && !before.is_empty() && !before.ends_with('/')
}

/// Lists of patterns that fleet takes, the same ones each time.
fn random_lists(count: usize) -> Vec<Vec<String>> {
    let mut runner = TestRunner::new_with_rng(
        Config::default(),
        proptest::test_runner::TestRng::deterministic_rng(
            proptest::test_runner::RngAlgorithm::ChaCha,
        ),
    );
    let pattern = proptest::collection::vec(proptest::sample::select(PIECES), 1..6);
    let list = proptest::collection::vec(pattern, 1..4);
    let mut lists = Vec::new();
    while lists.len() < count {
        let drawn = list.new_tree(&mut runner).expect("a list").current();
        let list: Vec<String> = drawn.iter().map(|pieces| pieces.concat()).collect();
        let is_taken = Exclude::new(&list).is_ok();
        if is_taken && !list.iter().any(|pattern| is_misread(pattern)) {
            lists.push(list);
        }
    }
    lists
}

#[test]
fn patterns_mean_what_they_mean_to_git() {
    if installed("git").is_none() {
        return;
    }
    let mut lists: Vec<Vec<String>> = [
        "{", "}", "*{", "{*", "{a,b}", "x\\{y}", "[{]", "[!{]", "[]{]", "?{", "/{", "\\{a", "{a,b",
        "[ab]{", "a ", "a\\ ", "a\\  ", "t\t", "r\r", "\u{a0}", "**", "***", "**/", "/**", "d/**",
        "d/**/a", "**/d/a", "d/***/a", "*/b", "/*/", "!a", "a\\/", "d\\/a",
    ]
    .iter()
    .map(|pattern| vec![(*pattern).to_owned()])
    .filter(|list| Exclude::new(list).is_ok())
    .collect();
    for list in [["d/", "!d/a"], ["d/*", "!d/a"], ["*", "!*/"], ["/*", "!/d"]] {
        lists.push(list.map(str::to_owned).to_vec());
    }
    lists.extend(random_lists(1_000));
    let repository = Repository::new(lists);
    let paths: Vec<&[u8]> = TREE
        .iter()
        .filter(|name| **name != ".")
        .map(|name| name.trim_end_matches('/').as_bytes())
        .collect();
    for index in 0..repository.lists.len() {
        for directory in TREE.iter().filter(|name| name.ends_with('/')) {
            let path = repository.folder.path().join(index.to_string());
            fs::create_dir_all(path.join(directory)).expect("a folder");
        }
    }
    let ignored = repository.ignored(&paths);
    for (list, ignored) in repository.lists.iter().zip(ignored) {
        let exclude = Exclude::new(list).expect("patterns");
        let is_directory =
            |path: &[u8]| TREE.contains(&&*format!("{}/", String::from_utf8_lossy(path)));
        let ours: BTreeSet<Vec<u8>> = paths
            .iter()
            .filter(|path| left_out(&exclude, path, is_directory(path)))
            .map(|path| path.to_vec())
            .collect();
        let text = |set: &BTreeSet<Vec<u8>>| -> Vec<String> {
            set.iter()
                .map(|path| String::from_utf8_lossy(path).into_owned())
                .collect()
        };
        assert_eq!(text(&ours), text(&ignored), "{list:?}");
    }
}

#[test]
fn character_classes_have_the_bytes_that_git_gives_them() {
    if installed("git").is_none() {
        return;
    }
    let names = [
        "alnum", "alpha", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space",
        "upper", "xdigit",
    ];
    let patterns = names
        .iter()
        .flat_map(|name| [format!("[[:{name}:]]"), format!("[![:{name}:]]")]);
    let repository = Repository::new(patterns.map(|pattern| vec![pattern]).collect());
    let bytes: Vec<[u8; 1]> = (1..=u8::MAX)
        .filter(|byte| !matches!(byte, b'/' | b'.'))
        .map(|byte| [byte])
        .collect();
    let paths: Vec<&[u8]> = bytes.iter().map(<[u8; 1]>::as_slice).collect();
    let ignored = repository.ignored(&paths);
    for (list, ignored) in repository.lists.iter().zip(ignored) {
        let exclude = Exclude::new(list).expect("patterns");
        let ours: BTreeSet<Vec<u8>> = paths
            .iter()
            .filter(|path| left_out(&exclude, path, false))
            .map(|path| path.to_vec())
            .collect();
        assert_eq!(ours, ignored, "{list:?}");
        assert!(!ours.is_empty());
    }
}

#[test]
fn find_leaves_out_nothing_that_the_patterns_keep() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().to_str().expect("text");
    for name in TREE {
        fs::create_dir_all(folder.path().join(name)).expect("a folder");
    }
    let remote = root.parse().expect("a root");
    let mut pruned = 0;
    for list in random_lists(300) {
        let exclude = Exclude::new(&list).expect("patterns");
        for prune in exclude.prune() {
            let mut find = Command::new("find");
            find.env("LC_ALL", "C")
                .args([root, "-mindepth", "1", "-type", "d"]);
            match prune {
                Prune::Name(name) => find.args(["-name", name]),
                Prune::Beneath(path) => find.args(["-path", &format!("{root}/{path}")]),
            };
            let output = find.arg("-print0").output().expect("find starts");
            assert!(output.status.success(), "{list:?}");
            for path in output
                .stdout
                .split(|&byte| byte == 0)
                .filter(|path| !path.is_empty())
            {
                pruned += 1;
                let path = RemotePath::from_bytes(path.to_vec()).expect("a path");
                assert!(
                    exclude.leaves_out(&remote, &path, true),
                    "{list:?} keeps {path}, and {prune:?} does not"
                );
            }
        }
    }
    assert!(pruned > 100, "{pruned}");
}

#[test]
fn patterns_of_files_mean_what_they_mean_to_bash() {
    if installed("bash").is_none() {
        return;
    }
    let names = [
        "a", "b", "ab", "7", "a7", "-", "]", "[", "\\", ":", "a]", "é", "_", "Z", "a b", "^", "!",
        "d",
    ];
    let patterns = [
        "[[:digit:]]",
        "a[[:digit:]]",
        "[![:digit:]]",
        "[^[:alpha:]]",
        "[[:upper:][:digit:]]",
        "[]a]",
        "[!]a]",
        "[a\\]]",
        "[\\\\]",
        "[a-c]",
        "[a-]",
        "[-a]",
        "[a-c-e]",
        "[[:punct:]]",
        "[a[:digit:]-]",
        "?",
        "??",
        "*7",
        "a*",
        "\\[",
        "\\\\",
        "[[]",
        "[!é]",
        "*[[:digit:]]*",
        "[\\]a]]",
        "[[:blank:]]",
        "a[[:blank:]]b",
    ];
    let script = "for p in \"${@:2}\"; do while IFS= read -r n; do \
                  if [[ $n == $p ]]; then printf y; else printf n; fi; done <<<\"$1\"; echo; done";
    let output = Command::new("bash")
        .env("LC_ALL", "C")
        .args(["-c", script, "bash", &names.join("\n")])
        .args(patterns)
        .output()
        .expect("bash starts");
    let text = String::from_utf8(output.stdout).expect("text");
    assert_eq!(text.lines().count(), patterns.len());
    for (pattern, answers) in patterns.iter().zip(text.lines()) {
        let glob = FileGlob::new(&format!("/d/{pattern}")).expect("a pattern");
        let ours: String = names
            .iter()
            .map(|name| {
                let path = Path::new(OsStr::from_bytes(b"/d")).join(name);
                let path = RemotePath::from_bytes(path.as_os_str().as_bytes()).expect("a path");
                if glob.matches(&path) { 'y' } else { 'n' }
            })
            .collect();
        assert_eq!(ours, answers, "{pattern}");
    }
}
