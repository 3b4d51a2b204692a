//! Tests of scan results: every way in which a source can differ from the inventory.

use super::*;
use crate::fault::Fault as _;
use crate::manifest::{FileTime, ScanMark};
use crate::source::scan::Facts;
use crate::units::size;

fn path(text: &str) -> RemotePath {
    text.parse().expect("a path")
}

fn found(kind: FileType, at: &str) -> Found {
    let time = FileTime {
        seconds: 1,
        nanoseconds: 0,
    };
    let mark = ScanMark {
        inode: 1,
        device: 1,
        links: 1,
        size_bytes: 10,
        mtime: time,
        ctime: time,
    };
    let facts = Facts {
        kind,
        mode: 0o644,
        uid: 0,
        gid: 0,
        mark,
        link: Vec::new(),
        blocks: 8,
        readable: true,
    };
    Found {
        path: path(at),
        facts: Some(facts),
    }
}

fn unreadable(kind: FileType, at: &str) -> Found {
    let mut found = found(kind, at);
    found.facts.as_mut().expect("facts").readable = false;
    found
}

fn source(roots: &[&str]) -> DirectorySource {
    DirectorySource {
        roots: roots.iter().map(|root| path(root)).collect(),
        exclude: Vec::new(),
        one_file_system: true,
        unreadable: Unreadable::Fail,
    }
}

fn make(
    source: &DirectorySource,
    optional: bool,
    found: Vec<Found>,
    notes: &[FindNote],
) -> Result<Option<ScanResult>, Error> {
    let exclude = Exclude::new(&source.exclude).expect("patterns");
    ScanResult::make(source, optional, &exclude, found, notes)
}

fn denied(name: Option<&str>, said: &str) -> FindNote {
    FindNote::Denied {
        path: name.map(path),
        said: said.to_owned(),
    }
}

fn missing(root: &str) -> FindNote {
    FindNote::Missing(format!("find: '{root}': No such file or directory"))
}

fn wanted(result: &ScanResult) -> Vec<String> {
    result
        .wanted
        .iter()
        .map(|found| found.path.to_string())
        .collect()
}

use FileType::{Directory, File, Socket, Symlink};

#[test]
fn entries_are_asked_for_by_path_and_once() {
    let tree = vec![
        found(Directory, "/a"),
        found(File, "/a/z"),
        found(Directory, "/a/b"),
        found(File, "/a/b/x"),
        found(File, "/a/b-c"),
        found(Directory, "/a/b"),
        found(File, "/a/b/x"),
        found(Socket, "/a/s"),
    ];
    let result = make(&source(&["/a", "/a/b"]), false, tree, &[])
        .expect("a plan")
        .expect("there");
    assert_eq!(wanted(&result), ["/a", "/a/b", "/a/b-c", "/a/b/x", "/a/z"]);
    assert_eq!(result.sockets.len(), 1);
    assert_eq!(
        result.totals,
        Totals {
            files: 3,
            bytes: 30
        }
    );
    assert_eq!(result.warnings, Vec::<String>::new());
}

#[test]
fn what_lies_in_an_excluded_directory_is_left_out_with_it() {
    let mut source = source(&["/a"]);
    source.exclude = vec![
        "cache/".to_owned(),
        "*.log".to_owned(),
        "!keep.log".to_owned(),
    ];
    let tree = vec![
        found(Directory, "/a"),
        found(Directory, "/a/cache"),
        found(File, "/a/cache/keep.log"),
        found(File, "/a/cache-not"),
        found(File, "/a/x.log"),
        found(File, "/a/keep.log"),
    ];
    let result = make(&source, false, tree, &[])
        .expect("a plan")
        .expect("there");
    assert_eq!(wanted(&result), ["/a", "/a/cache-not", "/a/keep.log"]);
}

#[test]
fn finds_that_tell_only_names_are_understood_too() {
    let mut source = source(&["/a"]);
    source.exclude = vec!["cache/".to_owned()];
    let tree = ["/a", "/a/cache", "/a/cache/x", "/a/f"]
        .map(|at| Found {
            path: path(at),
            facts: None,
        })
        .to_vec();
    let result = make(&source, false, tree, &[])
        .expect("a plan")
        .expect("there");
    assert_eq!(wanted(&result), ["/a", "/a/f"]);
}

#[test]
fn a_root_that_is_missing_is_a_failure_unless_it_is_optional() {
    let there = || vec![found(Directory, "/a"), found(File, "/a/x")];
    let both = source(&["/a", "/b"]);
    assert_eq!(
        make(&both, false, there(), &[missing("/b")]).map(|_| ()),
        Err(Error::Missing { root: path("/b") })
    );
    let result = make(&both, true, there(), &[missing("/b")])
        .expect("a plan")
        .expect("there");
    assert_eq!(result.roots, [path("/a")]);
    let nothing = make(&source(&["/b"]), true, Vec::new(), &[missing("/b")]);
    assert!(matches!(nothing, Ok(None)), "{nothing:?}");
}

#[test]
fn a_root_that_cannot_be_reached_is_never_taken_for_missing() {
    let denied = [denied(Some("/b"), "find: '/b': Permission denied")];
    assert_eq!(
        make(&source(&["/b"]), true, Vec::new(), &denied).map(|_| ()),
        Err(Error::Denied { root: path("/b") })
    );
    let mut skipping = source(&["/b"]);
    skipping.unreadable = Unreadable::Skip;
    assert_eq!(
        make(&skipping, true, vec![unreadable(Directory, "/b")], &[]).map(|_| ()),
        Err(Error::Denied { root: path("/b") })
    );
    let mut plain = found(Directory, "/b");
    plain.facts = None;
    assert_eq!(
        make(&skipping, true, vec![plain], &denied).map(|_| ()),
        Err(Error::Denied { root: path("/b") })
    );
    assert_eq!(
        make(&source(&["/b"]), true, Vec::new(), &[]).map(|_| ()),
        Err(Error::Scan {
            said: vec!["find did not report /b".to_owned()]
        })
    );
}

#[test]
fn a_root_that_is_no_directory_is_a_failure() {
    let mut link = found(Symlink, "/a");
    link.facts.as_mut().expect("facts").link = b"/srv/\x1ba".to_vec();
    let error = make(&source(&["/a"]), true, vec![link], &[]).expect_err("a link");
    assert_eq!(error.to_string(), r"/a is a symbolic link to /srv/\u{1b}a");
    assert_eq!(
        error.hint().as_deref(),
        Some(r"Name the directory itself: `directory: /srv/\u{1b}a`.")
    );
    assert_eq!(
        make(&source(&["/a"]), false, vec![found(File, "/a")], &[]).map(|_| ()),
        Err(Error::NotADirectory { root: path("/a") })
    );
}

#[test]
fn what_find_cannot_explain_is_a_failure() {
    let tree = || vec![found(Directory, "/a"), found(File, "/a/x")];
    let said = FindNote::Other("find: read error: Input/output error".to_owned());
    assert_eq!(
        make(&source(&["/a"]), false, tree(), &[said]).map(|_| ()),
        Err(Error::Scan {
            said: vec!["find: read error: Input/output error".to_owned()]
        })
    );
    let harmless = FindNote::Aside("sudo: unable to resolve host x: No address".to_owned());
    assert!(make(&source(&["/a"]), false, tree(), &[harmless]).is_ok());
}

#[test]
fn unreadable_entries_are_named_up_to_ten() {
    let mut tree = vec![found(Directory, "/a"), unreadable(Directory, "/a/closed")];
    tree.push(found(File, "/a/closed/x"));
    tree.extend((0..11).map(|n| unreadable(File, &format!("/a/f{n:02}"))));
    let result = make(&source(&["/a"]), false, tree.clone(), &[])
        .expect("a plan")
        .expect("there");
    assert_eq!(wanted(&result), ["/a"]);
    assert_eq!(
        result.unreadable.expect("unreadable").to_string(),
        "12 entries can't be read: /a/closed, /a/f00, /a/f01, /a/f02, /a/f03, /a/f04, /a/f05, \
         /a/f06, /a/f07, /a/f08 and 2 more"
    );
    let mut skipping = source(&["/a"]);
    skipping.unreadable = Unreadable::Skip;
    let result = make(&skipping, false, tree, &[])
        .expect("a plan")
        .expect("there");
    assert_eq!(result.unreadable, None);
    assert_eq!(result.warnings.len(), 1);
}

#[test]
fn paths_that_no_host_can_open_are_named() {
    let long = |length: usize| {
        format!("/a/{}", "x/".repeat(length))
            .trim_end_matches('/')
            .to_owned()
    };
    let fits = long(2046) + "yy";
    let too_long = long(2046) + "yyy";
    assert_eq!((fits.len(), too_long.len()), (4096, 4097));
    let tree = vec![
        found(Directory, "/a"),
        found(File, &fits),
        found(Directory, &too_long),
        found(File, &(too_long.clone() + "/z")),
    ];
    let result = make(&source(&["/a"]), false, tree, &[])
        .expect("a plan")
        .expect("there");
    assert_eq!(wanted(&result), ["/a".to_owned(), fits]);
    assert_eq!(
        result.warnings,
        [format!(
            "1 path is longer than the host can open, not fetched: {too_long}"
        )]
    );
}

#[test]
fn a_source_with_nothing_but_its_roots_is_empty() {
    let result = |tree| {
        make(&source(&["/a"]), false, tree, &[])
            .expect("a plan")
            .expect("there")
    };
    assert!(result(vec![found(Directory, "/a")]).is_empty());
    assert!(!result(vec![found(Directory, "/a"), found(Symlink, "/a/l")]).is_empty());
    assert!(!result(vec![found(Directory, "/a"), unreadable(File, "/a/x")]).is_empty());
}

#[test]
fn what_find_was_refused_is_unreadable_though_no_entry_says_so() {
    let mut plain = vec![found(Directory, "/a"), found(Directory, "/a/locked")];
    plain.push(found(File, "/a/x"));
    for entry in &mut plain {
        entry.facts = None;
    }
    let notes = [
        denied(Some("/a/locked"), "find: /a/locked: Permission denied"),
        denied(Some("/a/mount"), "find: /a/mount: Permission denied"),
        denied(Some("/a/cache/x"), "find: /a/cache/x: Permission denied"),
        denied(Some("/b"), "find: /b: Permission denied"),
    ];
    let mut source = source(&["/a"]);
    source.exclude = vec!["cache/".to_owned()];
    let result = make(&source, false, plain.clone(), &notes)
        .expect("a plan")
        .expect("there");
    assert_eq!(
        result.unreadable.expect("unreadable").to_string(),
        "2 entries can't be read: /a/locked, /a/mount"
    );
    let unnamed = denied(None, "find: 'odd: Permission denied");
    assert_eq!(
        make(&source, false, plain, &[unnamed]).map(|_| ()),
        Err(Error::Scan {
            said: vec!["find: 'odd: Permission denied".to_owned()]
        })
    );
    // What is in a directory that is marked is reported with it.
    let marked = vec![
        found(Directory, "/a"),
        unreadable(Directory, "/a/locked"),
        found(File, "/a/x"),
    ];
    let inside = denied(
        Some("/a/locked/in"),
        "find: '/a/locked/in': Permission denied",
    );
    let result = make(&source, false, marked, &[inside])
        .expect("a plan")
        .expect("there");
    assert_eq!(
        result.unreadable.expect("unreadable").to_string(),
        "1 entry can't be read: /a/locked"
    );
}

#[test]
fn a_scan_that_leaves_the_roots_or_has_no_end_is_refused() {
    let roots = [path("/a")];
    let inside = [found(Directory, "/a"), found(File, "/a/x")];
    let check = |found: &[Found], new, entries| {
        let limits = ScanLimits {
            entries,
            ..ScanLimits::HOST
        };
        check_found(&roots, found, new, &mut 0, limits)
    };
    assert_eq!(check(&inside, 0, 2), Ok(()));
    assert_eq!(check(&inside, 1, 1), Err(Error::TooMany { max: 1 }));
    let outside = [found(Directory, "/a"), found(File, "/ab")];
    assert_eq!(
        check(&outside, 1, 2),
        Err(Error::Outside { path: path("/ab") })
    );
    assert_eq!(check(&outside, 2, 2), Ok(()));
}

#[test]
fn a_scan_is_bounded_by_the_memory_that_it_takes() {
    let roots = [path("/a")];
    let all = [found(Directory, "/a"), found(File, "/a/x")];
    let limits = ScanLimits {
        bytes: all.iter().map(Found::held_bytes).sum(),
        ..ScanLimits::HOST
    };
    assert!(all[1].held_bytes() > size_of::<Found>() + 4);
    let mut held = 0;
    assert_eq!(check_found(&roots, &all[..1], 0, &mut held, limits), Ok(()));
    assert_eq!(check_found(&roots, &all, 1, &mut held, limits), Ok(()));
    let error = check_found(&roots, &all, 1, &mut held, limits).expect_err("too much");
    let max = size(limits.bytes as u64);
    assert_eq!(
        error.to_string(),
        format!("the list of entries takes more than {max} of memory")
    );
    assert!(error.hint().is_some());
}
