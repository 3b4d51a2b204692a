//! Exclude patterns against git itself.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use fleet::source::exclude::Exclude;

use crate::support::sshd::installed;

const NAMES: [&str; 14] = [
    "a", "b", "{", "}", "\\", "[", "a{", "{a", "{b}", "{a,b}", "a,b", "x{y}", "x\\{y}", "é{",
];

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

/// The names that git ignores by `pattern` in the repository `folder`.
fn ignored(folder: &Path, pattern: &str) -> BTreeSet<String> {
    fs::write(folder.join(".gitignore"), format!("{pattern}\n")).expect("a file");
    let mut git = git(folder)
        .args(["check-ignore", "--no-index", "--stdin", "-z"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("git starts");
    let mut stdin = git.stdin.take().expect("a pipe");
    stdin
        .write_all(NAMES.map(|name| format!("{name}\0")).concat().as_bytes())
        .expect("git reads");
    drop(stdin);
    let output = git.wait_with_output().expect("git ends");
    // 1: nothing is ignored.
    assert!(matches!(output.status.code(), Some(0 | 1)), "{pattern}");
    let text = String::from_utf8(output.stdout).expect("text");
    let names = text.split_terminator('\0');
    names.map(str::to_owned).collect()
}

#[test]
fn braces_mean_what_they_mean_to_git() {
    if installed("git").is_none() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let made = git(folder.path()).args(["init", "-q"]).status();
    assert!(made.expect("git starts").success());
    let root = "/srv".parse().expect("a root");
    for pattern in [
        "{", "}", "*{", "{*", "{a,b}", "x\\{y}", "x\\\\{y}", "[{]", "[!{]", "[]{]", "?{", "x{?}",
        "/{", "\\{a", "{a,b", "[ab]{",
    ] {
        let exclude = Exclude::new(&[pattern.to_owned()]).expect("a pattern");
        let left_out = NAMES.into_iter().filter(|name| {
            let path = format!("/srv/{name}").parse().expect("a path");
            exclude.leaves_out(&root, &path, false)
        });
        let left_out: BTreeSet<String> = left_out.map(str::to_owned).collect();
        assert_eq!(left_out, ignored(folder.path(), pattern), "{pattern}");
    }
}
