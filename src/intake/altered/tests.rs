//! Tests of the entries that count as altered, and of those that do not.

use super::*;
use crate::manifest::Extended;
use crate::manifest::{Owner, ScanMark};
use crate::tarstream::Member;

fn path(text: &str) -> RemotePath {
    text.parse().expect("a path")
}

fn time(seconds: i64, nanoseconds: u32) -> FileTime {
    FileTime {
        seconds,
        nanoseconds,
    }
}

fn facts(kind: FileType, inode: u64, links: u64) -> Facts {
    Facts {
        kind,
        mode: 0o640,
        uid: 3,
        gid: 4,
        mark: ScanMark {
            inode,
            device: 1,
            links,
            size_bytes: 5,
            mtime: time(7, 9),
            ctime: time(8, 0),
        },
        link: b"target".to_vec(),
        blocks: 8,
        readable: true,
    }
}

fn head(at: &str, kind: Kind) -> Head {
    Head {
        path: path(at),
        kind,
        mode: 0o640,
        owner: Owner {
            uid: 3,
            gid: 4,
            ..Owner::default()
        },
        mtime: time(7, 9),
        stored_bytes: 512,
    }
}

fn what(wanted: &[(&str, Facts)], sent: &[Head]) -> Vec<String> {
    let wanted: Vec<Found> = wanted
        .iter()
        .map(|(at, facts)| Found {
            path: path(at),
            facts: Some(facts.clone()),
        })
        .collect();
    let member = |head: &Head| Member {
        head: head.clone(),
        sha256: None,
        extended: Extended::default(),
    };
    let received = Received {
        members: sent.iter().map(|head| (member(head), 0)).collect(),
        ..Received::default()
    };
    let found = mismatches(&wanted, &received).into_iter();
    found
        .map(|one| format!("{}: {}", one.path, one.what.join(", ")))
        .collect()
}

const FILE: Kind = Kind::File { size_bytes: 5 };

#[test]
fn what_is_sent_as_it_was_seen_is_no_mismatch() {
    let link = Kind::Symlink {
        target: b"target".to_vec(),
    };
    let other_name = Kind::HardLink { target: path("/a") };
    let wanted = [
        ("/a", facts(FileType::File, 1, 2)),
        ("/b", facts(FileType::File, 1, 2)),
        ("/c", facts(FileType::Directory, 2, 2)),
        ("/d", facts(FileType::Symlink, 3, 1)),
        ("/e", facts(FileType::Fifo, 4, 1)),
    ];
    let mut sent = [
        head("/a", FILE),
        head("/b", other_name),
        head("/c", Kind::Directory),
        head("/d", link),
        head("/e", Kind::Fifo),
    ];
    assert_eq!(what(&wanted, &sent), Vec::<String>::new());
    // Whole seconds are all that some tars write.
    sent.iter_mut().for_each(|head| head.mtime = time(7, 0));
    assert_eq!(what(&wanted, &sent), Vec::<String>::new());
}

#[test]
fn every_difference_is_named() {
    let wanted = [("/a", facts(FileType::File, 1, 1))];
    let mut sent = head("/a", Kind::File { size_bytes: 6 });
    sent.mode = 0o4640;
    sent.owner.gid = 9;
    sent.mtime = time(7, 8);
    assert_eq!(
        what(&wanted, &[sent]),
        [
            "/a: mode 4640 instead of 0640, owner 3:9 instead of 3:4, time 7.000000008 instead of \
             7.000000009, 6 bytes instead of 5"
        ]
    );
    let link = Kind::Symlink {
        target: b"\x1b".to_vec(),
    };
    assert_eq!(
        what(&wanted, &[head("/a", link.clone())]),
        ["/a: a symbolic link instead of a file"]
    );
    let wanted = [("/a", facts(FileType::Symlink, 1, 1))];
    assert_eq!(
        what(&wanted, &[head("/a", link)]),
        [r"/a: a link to \u{1b} instead of target"]
    );
}

#[test]
fn names_of_one_file_are_sent_as_hard_links_to_it() {
    let wanted = [
        ("/a", facts(FileType::File, 1, 2)),
        ("/b", facts(FileType::File, 1, 2)),
        ("/c", facts(FileType::File, 2, 2)),
    ];
    let to_a = Kind::HardLink { target: path("/a") };
    let sent = [head("/a", FILE), head("/b", FILE), head("/c", to_a)];
    assert_eq!(
        what(&wanted, &sent),
        [
            "/b: a file of its own instead of a hard link to /a",
            "/c: a hard link to /a, which is another file"
        ]
    );
}

#[test]
fn the_size_of_a_file_of_which_lines_are_kept_is_the_one_that_was_sent() {
    let wanted = [Found {
        path: path("/a"),
        facts: Some(facts(FileType::File, 1, 1)),
    }];
    let member = Member {
        head: head("/a", Kind::File { size_bytes: 2 }),
        sha256: None,
        extended: Extended::default(),
    };
    let mut received = Received {
        members: vec![(member, 0)],
        ..Received::default()
    };
    received.sent_bytes.insert(path("/a"), 5);
    assert_eq!(mismatches(&wanted, &received), []);
    received.sent_bytes.insert(path("/a"), 4);
    assert_eq!(
        mismatches(&wanted, &received)[0].what,
        ["4 bytes instead of 5"]
    );
}

#[test]
fn what_changed_and_changed_back_is_not_the_same() {
    let before = facts(FileType::File, 1, 1);
    assert!(is_same(&before, &before));
    let mut touched = before.clone();
    touched.mark.ctime = time(8, 1);
    assert!(!is_same(&touched, &before));
}
