//! Tests of scans for patterns in real shells with real tools.

use std::path::Path;

use super::*;
use crate::inventory::glob::FileGlob;

/// The scan for `pattern` beneath `root`.
fn scan_for(root: &Path, pattern: &str) -> ReadCommand {
    let glob = FileGlob::new(&format!("{}/{pattern}", root.display()));
    ReadCommand::ScanFiles {
        walks: glob.expect("a pattern").walks().collect(),
        facts: FactsFrom::Find,
    }
}

fn fill(root: &Path) {
    for name in [
        "log/1.log",
        "log/-2.log",
        "log/d/3.log",
        "log/.4.log",
        "log/it's",
        "q",
    ] {
        let path = root.join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, "x").expect("a file");
    }
    std::os::unix::fs::symlink("log", root.join("current")).expect("a link");
    std::os::unix::fs::symlink("nowhere", root.join("log/link.log")).expect("a link");
}

#[test]
fn a_scan_for_patterns_goes_no_deeper_and_finds_no_less_than_it_has_to() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().join("it's *");
    fill(&root);
    // The blank and the star of the root are no part of the patterns.
    let escaped = folder.path().join("it's \\*");
    let usual = std::env::var_os("PATH").expect("a search path");
    let tools = tempfile::tempdir().expect("a folder");
    let plain = plain_find(tools.path());
    for (pattern, with_facts, without) in [
        (
            "log/*.log",
            vec!["/log/-2.log", "/log/.4.log", "/log/1.log", "/log/link.log"],
            None,
        ),
        (
            "log/*",
            vec![
                "/log/-2.log",
                "/log/.4.log",
                "/log/1.log",
                "/log/d",
                "/log/it's",
                "/log/link.log",
            ],
            Some(vec![
                "/log/-2.log",
                "/log/.4.log",
                "/log/1.log",
                "/log/it's",
                "/log/link.log",
            ]),
        ),
        ("**/?.log", vec!["/log/1.log", "/log/d/3.log"], None),
        ("log/d/*/**", vec![], None),
        ("*/d/3.log", vec!["/log/d/3.log"], None),
        ("q", vec!["/q"], None),
        ("current", vec!["/current"], None),
        // Found through the link, and named without it.
        ("current/1*", vec!["/log/1.log"], None),
        ("{q,log/it's}", vec!["/log/it's", "/q"], None),
        ("q/*", vec![], None),
        (
            "[ql]",
            vec!["/current", "/log", "/q"],
            Some(vec!["/current", "/q"]),
        ),
    ] {
        for shell in ["sh", "bash"] {
            for (path, expected) in [
                (&usual, &with_facts),
                (&plain, without.as_ref().unwrap_or(&with_facts)),
            ] {
                let answer = answer_with(path, shell, &scan_for(&escaped, pattern), b"");
                assert_eq!(answer.status, Some(0), "{pattern}");
                assert_eq!(names(&answer.body, &root), *expected, "{pattern}");
            }
        }
    }
}

#[test]
fn a_scan_for_what_is_not_there_ends_with_the_status_of_find() {
    let folder = tempfile::tempdir().expect("a folder");
    for pattern in ["gone", "gone/*", "gone/**"] {
        let answer = answer("sh", &scan_for(folder.path(), pattern), b"");
        let opening = answer
            .body
            .iter()
            .position(|&b| b == 0)
            .expect("an opening");
        let rest = String::from_utf8_lossy(&answer.body[opening + 1..]).into_owned();
        let real = format!(">{}/gone\0\0", folder.path().display());
        assert_eq!((answer.status, rest), (Some(1), real), "{pattern}");
    }
}

#[test]
fn files_that_report_no_size_are_read_to_their_end_one_after_the_other() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut list = Vec::new();
    let mut add = |path: &[u8]| {
        list.extend_from_slice(path);
        list.push(0);
    };
    for (name, content) in [("a\nb'", "one\n"), ("empty", ""), ("-z", "\0\u{ff}")] {
        let file = folder.path().join(name);
        fs::write(&file, content).expect("a file");
        add(file.as_os_str().as_bytes());
    }
    add(folder.path().join("gone").as_os_str().as_bytes());
    add(b"/proc/version");
    let version = fs::read("/proc/version").expect("Linux has it");
    let answer = answer("sh", &ReadCommand::Read, &list);
    assert_eq!(answer.status, Some(0));
    let hex = |content: &[u8]| -> String {
        let lines = content.chunks(16).map(|line| {
            let words: String = line.iter().map(|byte| format!(" {byte:02x}")).collect();
            format!("{words}\n")
        });
        lines.collect()
    };
    let expected = [
        hex(b"one\n"),
        ". 0\n. 0\n".to_owned(),
        hex(b"\0\xc3\xbf"),
        ". 0\n. 1\n".to_owned(),
        hex(&version),
        ". 0\n".to_owned(),
    ];
    assert_eq!(String::from_utf8_lossy(&answer.body), expected.concat());
}
