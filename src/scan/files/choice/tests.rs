//! Tests of choosing files by patterns from a scan.

use super::*;
use crate::manifest::{ScanMark, Totals};
use crate::source::scan::Facts;

fn path(text: &str) -> RemotePath {
    text.parse().expect("a path")
}

fn at(seconds: i64) -> FileTime {
    FileTime {
        seconds,
        nanoseconds: 0,
    }
}

fn found(kind: FileType, name: &str, changed: i64) -> Found {
    let facts = Facts {
        kind,
        mode: 0o644,
        uid: 0,
        gid: 0,
        mark: ScanMark {
            inode: 1,
            device: 1,
            links: 1,
            size_bytes: 10,
            mtime: at(changed),
            ctime: at(changed),
        },
        link: Vec::new(),
        blocks: 8,
        readable: true,
    };
    Found {
        path: path(name),
        facts: Some(facts),
    }
}

fn file(name: &str) -> Found {
    found(FileType::File, name, 1)
}

fn nameless(name: &str) -> Found {
    Found {
        path: path(name),
        facts: None,
    }
}

fn source(globs: &[&str]) -> FilesSource {
    FilesSource {
        globs: globs.iter().map(|glob| (*glob).to_owned()).collect(),
        newest: None,
        lines: None,
    }
}

fn chosen(
    source: &FilesSource,
    optional: bool,
    found: Vec<Found>,
    notes: &[FindNote],
) -> Result<Option<ScanResult>, Error> {
    let globs = source.globs.iter().map(|text| FileGlob::new(text));
    let globs: Vec<FileGlob> = globs.collect::<Result<_, _>>().expect("patterns");
    let opening = Opening {
        is_of_stat: false,
        has_facts: found.iter().all(|found| found.facts.is_some()),
        clock: None,
    };
    let answer = Answer {
        opening,
        found,
        notes,
        resolved: &[],
    };
    choose(source, &globs, optional, answer)
}

fn result(source: &FilesSource, found: Vec<Found>) -> ScanResult {
    let result = chosen(source, false, found, &[]);
    result.expect("a plan").expect("there")
}

fn wanted(result: &ScanResult) -> Vec<String> {
    let wanted = result.wanted.iter();
    wanted.map(|found| found.path.to_string()).collect()
}

fn denied(name: &str) -> FindNote {
    FindNote::Denied {
        path: Some(path(name)),
        said: format!("find: '{name}': Permission denied"),
    }
}

#[test]
fn files_and_links_that_match_are_meant_once_and_nothing_else() {
    let result = result(
        &source(&["/a/*.log", "/a/b*", "/a/d/*.log"]),
        vec![
            file("/a/x.log"),
            file("/a/b.log"),
            file("/a/b.log"),
            file("/a/other"),
            file("/etc/shadow"),
            found(FileType::Symlink, "/a/b-link", 1),
            found(FileType::Directory, "/a/dir.log", 1),
            found(FileType::Fifo, "/a/fifo.log", 1),
            found(FileType::Socket, "/a/socket.log", 1),
            file("/a/d/y.log"),
        ],
    );
    let expected = ["/a/b-link", "/a/b.log", "/a/d/y.log", "/a/x.log"];
    assert_eq!(wanted(&result), expected);
    assert_eq!(result.roots, expected.map(path));
    assert_eq!(result.named, ["/a/*.log", "/a/b*", "/a/d/*.log"].map(path));
    let totals = Totals {
        files: 3,
        bytes: 30,
    };
    assert_eq!((result.totals, result.warnings), (totals, Vec::new()));
}

#[test]
fn every_pattern_has_to_match_unless_it_is_optional() {
    let source = source(&["/a/*", "/b/x"]);
    let nothing = chosen(&source, false, vec![file("/a/1")], &[]);
    let error = nothing.expect_err("one matches nothing");
    assert_eq!(error.to_string(), "nothing matches `/b/x`");
    let some = chosen(&source, true, vec![file("/a/1")], &[]);
    let some = some.expect("a plan").expect("there");
    assert_eq!(
        (wanted(&some), some.named),
        (vec!["/a/1".to_owned()], vec![path("/a/*")])
    );
    let none = chosen(&source, true, Vec::new(), &[]).expect("no error");
    assert!(none.is_none());
}

#[test]
fn directories_alone_are_told_apart_from_nothing() {
    let directories = || vec![found(FileType::Directory, "/a/d", 1)];
    let error = chosen(&source(&["/a/*"]), false, directories(), &[]).expect_err("no file");
    assert_eq!(error.to_string(), "only directories match `/a/*`");
    let result = chosen(&source(&["/a/*"]), true, directories(), &[]);
    let result = result.expect("a plan").expect("a warning");
    assert_eq!(result.warnings, ["only directories match `/a/*`"]);
    assert_eq!(result.wanted, Vec::new());
    // Beside files they are nothing to speak of.
    let beside = [directories(), vec![file("/a/f")]].concat();
    let result = chosen(&source(&["/a/*"]), false, beside, &[]);
    assert_eq!(
        result.expect("a plan").expect("there").warnings,
        Vec::<String>::new()
    );
}

#[test]
fn the_newest_are_counted_over_all_patterns() {
    let mut source = source(&["/a/*", "/b/*"]);
    let tree = || {
        vec![
            found(FileType::File, "/a/old", 1),
            found(FileType::File, "/a/z", 5),
            found(FileType::File, "/b/a", 5),
            found(FileType::Symlink, "/b/new", 9),
            found(FileType::File, "/b/z", 5),
        ]
    };
    for (count, expected) in [
        (1, vec!["/b/new"]),
        (3, vec!["/a/z", "/b/a", "/b/new"]),
        (9, vec!["/a/old", "/a/z", "/b/a", "/b/new", "/b/z"]),
    ] {
        source.newest = Some(count);
        assert_eq!(wanted(&result(&source, tree())), expected);
    }
}

#[test]
fn without_times_all_are_asked_for() {
    let mut source = source(&["/a/*"]);
    source.newest = Some(1);
    let result = result(&source, vec![nameless("/a/x"), nameless("/a/y")]);
    assert_eq!(wanted(&result), ["/a/x", "/a/y"]);
}

#[test]
fn what_cannot_be_read_counts_if_it_may_be_meant() {
    let source = source(&["/a/*/x", "/b"]);
    let mut closed = file("/b");
    closed.facts.as_mut().expect("facts").readable = false;
    let notes = [denied("/a/1"), denied("/a/1/y"), denied("/c")];
    let result = chosen(&source, true, vec![closed, file("/a/2/x")], &notes);
    let result = result.expect("a plan").expect("there");
    assert_eq!(wanted(&result), ["/a/2/x"]);
    assert_eq!(
        result.unreadable,
        Some(Error::UnreadableFiles {
            count: 2,
            first: ["/a/1", "/b"].map(|at| path(at).into()).to_vec(),
        })
    );
    // Nobody can tell whether it is there: neither missing nor absent.
    for optional in [false, true] {
        let result = chosen(&source, optional, vec![file("/b")], &[denied("/a")]);
        let unreadable = result.expect("a plan").expect("there").unreadable;
        assert_eq!(
            unreadable.map(|error| error.to_string()),
            Some("1 entry can't be read: /a".to_owned())
        );
    }
}

#[test]
fn a_scan_that_complains_is_not_trusted() {
    let source = source(&["/a/*"]);
    let unnamed = FindNote::Denied {
        path: None,
        said: "find: 'x: Permission denied".to_owned(),
    };
    for note in [FindNote::Other("find: boom\x1b".to_owned()), unnamed] {
        let refused = chosen(&source, true, vec![file("/a/1")], &[note]);
        assert!(matches!(refused, Err(Error::Scan { .. })), "{refused:?}");
    }
    let aside = FindNote::Aside("welcome".to_owned());
    assert!(chosen(&source, false, vec![file("/a/1")], &[aside]).is_ok());
}

#[test]
fn large_files_are_not_looked_through() {
    let mut large = file("/a/large");
    let mark = &mut large.facts.as_mut().expect("facts").mark;
    mark.size_bytes = FILE_MAX_BYTES + 1;
    assert_eq!(check_sizes(&[file("/a/x"), nameless("/a/y")]), Ok(()));
    let error = check_sizes(&[file("/a/x"), large]).expect_err("too large");
    assert_eq!(
        error.to_string(),
        "1 file is larger than 16 MiB, too large for `lines`: /a/large"
    );
}
