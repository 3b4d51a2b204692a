//! Digests by each of the tools that a host may have for them.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::*;
use crate::digest::Sha256;

/// Names that some tool prints in a way of its own, or takes for something else.
const ODD: [&[u8]; 8] = [
    b"-z it's",
    b"line\nend",
    b"back\\slash",
    b"\xff\xfe no text",
    b"carriage\rreturn",
    b" *star  two blanks ",
    b"$(echo x) `echo y`",
    b"\n",
];

fn fill(folder: &Path, names: &[&[u8]]) -> (Vec<u8>, BTreeMap<Vec<u8>, Sha256>) {
    let (mut list, mut wanted) = (Vec::new(), BTreeMap::new());
    for (number, name) in names.iter().enumerate() {
        let path = folder.join(OsStr::from_bytes(name));
        let content = format!("content {number}");
        fs::write(&path, &content).expect("a file");
        let path = path.into_os_string().into_encoded_bytes();
        list.extend_from_slice(&path);
        list.push(0);
        wanted.insert(path, Sha256::of(content.as_bytes()));
    }
    (list, wanted)
}

fn records(answer: &Answer) -> BTreeMap<Vec<u8>, Sha256> {
    let records = answer.body.split(|&byte| byte == 0);
    let records = records.filter(|record| !record.is_empty());
    let record = |record: &[u8]| {
        let sha256 = std::str::from_utf8(&record[..64]).expect("a digest");
        assert!(
            [b"  ", b" *"]
                .iter()
                .any(|two| record[64..].starts_with(*two))
        );
        (record[66..].to_vec(), sha256.parse().expect("a digest"))
    };
    records.map(record).collect()
}

/// A search path that begins with `folder`, which has programs of these names and texts.
fn path_with(folder: &Path, programs: &[(&str, &str)]) -> OsString {
    for (name, script) in programs {
        let file = folder.join(name);
        fs::write(&file, format!("#!/bin/sh\n{script}\n")).expect("a script");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).expect("mode");
    }
    let mut path = folder.as_os_str().to_owned();
    path.push(":");
    path.push(std::env::var_os("PATH").expect("a search path"));
    path
}

/// Programs that note their name and do what the real ones do.
fn noting(log: &Path) -> Vec<(&'static str, String)> {
    let found = |name: &str| -> Option<PathBuf> {
        let path = std::env::var_os("PATH")?;
        std::env::split_paths(&path)
            .map(|at| at.join(name))
            .find(|file| file.exists())
    };
    let names = ["sha256sum", "openssl"].into_iter();
    let there = names.filter_map(|name| Some((name, found(name)?)));
    let script = |(name, real): (&'static str, PathBuf)| {
        let (log, real) = (log.display(), real.display());
        (
            name,
            format!("echo {name} $# >>'{log}'\nexec '{real}' \"$@\""),
        )
    };
    there.map(script).collect()
}

fn answered(shell: &str, programs: &[(&str, &str)], list: &[u8]) -> Answer {
    let tools = tempfile::tempdir().expect("a folder");
    let path = path_with(tools.path(), programs);
    answer_with(&path, shell, &ReadCommand::Digest, list)
}

#[test]
fn digests_come_for_what_can_be_read_and_for_nothing_else() {
    let folder = tempfile::tempdir().expect("a folder");
    for names in [&ODD[..], &[b"plain", b"other"]] {
        let (mut list, wanted) = fill(folder.path(), names);
        let gone = folder
            .path()
            .join("gone")
            .into_os_string()
            .into_encoded_bytes();
        // One that is gone comes first, in the middle and last.
        let at = list.iter().position(|&b| b == 0).expect("a name") + 1;
        list.splice(at..at, [gone.as_slice(), b"\0"].concat());
        let list = [gone.as_slice(), b"\0", &list, &gone, b"\0"].concat();
        for shell in ["sh", "bash"] {
            for broken in [
                &[][..],
                &[("openssl", "exit 1")],
                &[("openssl", "echo junk")],
            ] {
                let answer = answered(shell, broken, &list);
                assert_ne!(answer.status, Some(0), "one is gone: {broken:?}");
                assert_eq!(records(&answer), wanted, "{shell} {broken:?}");
            }
        }
    }
    let nothing = answer("sh", &ReadCommand::Digest, b"");
    assert_eq!((nothing.body, nothing.status), (Vec::new(), Some(0)));
}

#[test]
fn openssl_hashes_where_it_is_and_no_name_needs_another_tool() {
    let folder = tempfile::tempdir().expect("a folder");
    let log = folder.path().join("log");
    let programs = noting(&log);
    if programs.len() < 2 {
        return;
    }
    let programs: Vec<(&str, &str)> = programs
        .iter()
        .map(|(name, text)| (*name, text.as_str()))
        .collect();
    let tree = folder.path().join("tree");
    fs::create_dir(&tree).expect("a directory");
    let plain = ODD.map(|name| {
        if name.iter().any(|b| b"\n\\".contains(b)) {
            b"plain"
        } else {
            name
        }
    });
    for (names, tool) in [(plain, "openssl 11"), (ODD, "sha256sum 10")] {
        let (list, wanted) = fill(&tree, &names);
        let answer = answered("sh", &programs, &list);
        assert_eq!((records(&answer), answer.status), (wanted, Some(0)));
        let called = fs::read_to_string(&log).expect("a log");
        // The first call of openssl is the one that shows what it prints.
        assert!(called.starts_with("openssl 3\n"), "{called}");
        assert!(called.contains(tool), "{called}");
        fs::remove_file(&log).expect("removed");
    }
}

#[test]
fn an_account_that_may_run_only_sha256sum_as_root_is_asked_for_nothing_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let (list, wanted) = fill(folder.path(), &[b"one", b"two"]);
    let tools = tempfile::tempdir().expect("a folder");
    let log = folder.path().join("log");
    let sudo = format!(
        "[ \"$1 $2\" = '-n --' ] || exit 1; shift 2\necho \"$1\" >>'{}'\n\
         [ \"$1\" = sha256sum ] || exit 1\nexec \"$@\"",
        log.display()
    );
    let id = "[ \"$1\" = -un ] && echo ops || echo 1000";
    let path = path_with(tools.path(), &[("sudo", &sudo), ("id", id)]);
    let command = ReadCommand::Digest;
    let rendered = command.render(NONCE, Sudo::Tools, Priority::Normal, list.len() as u64);
    let mut login = Command::new("sh");
    let answer = answer_of(login.env("PATH", path).arg("-c"), &rendered, &list);
    assert_eq!((records(&answer), answer.status), (wanted, Some(0)));
    assert_eq!(fs::read_to_string(&log).expect("a log"), "sha256sum\n");
}
