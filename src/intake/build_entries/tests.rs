//! Tests of every way in which the received members can differ from the requested list.

use super::*;
use crate::digest::Sha256;
use crate::manifest::{EntryKind, Extended, FileTime, Owner, ScanMark, Totals};
use crate::source::scan::Facts;
use crate::tarstream::{Head, Kind, Member};

const TIME: FileTime = FileTime {
    seconds: 7,
    nanoseconds: 0,
};

fn path(text: &str) -> RemotePath {
    text.parse().expect("a path")
}

fn found(kind: FileType, at: &str) -> Found {
    let mark = ScanMark {
        inode: 1,
        device: 1,
        links: 1,
        size_bytes: 5,
        mtime: TIME,
        ctime: TIME,
    };
    let facts = Facts {
        kind,
        mode: 0o600,
        uid: 3,
        gid: 4,
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

fn member(kind: Kind, at: &str) -> Member {
    let sha256 = matches!(kind, Kind::File { .. }).then(|| Sha256::of(at.as_bytes()));
    let head = Head {
        path: path(at),
        kind,
        mode: 0o644,
        owner: Owner::default(),
        mtime: TIME,
        stored_bytes: 512,
    };
    Member {
        head,
        sha256,
        extended: Extended::default(),
    }
}

fn file(at: &str) -> Member {
    member(Kind::File { size_bytes: 5 }, at)
}

fn asked(wanted: &[&str]) -> Asked {
    let mut found: Vec<Found> = wanted.iter().map(|at| found(FileType::File, at)).collect();
    found.insert(0, self::found(FileType::Directory, "/a"));
    Asked {
        roots: vec![path("/a")],
        difference: Difference {
            fetch: found,
            ..Difference::default()
        },
        ..Asked::default()
    }
}

fn received(members: Vec<Member>) -> Received {
    let mut all = vec![member(Kind::Directory, "/a")];
    all.extend(members);
    let members = all.into_iter().zip((0..).step_by(1024)).collect();
    Received {
        members,
        pack: None,
        content_bytes: 0,
        sent_bytes: HashMap::new(),
        first_names: HashMap::new(),
        cut: None,
    }
}

fn compose_with(asked: Asked, mut received: Received, notes: Vec<Note>, status: u32) -> Composed {
    let pack = "packs/20261121T101500Z/app.tar.zst"
        .parse()
        .expect("a pack");
    build_entries(asked, &mut received, notes, status, &pack)
}

fn paths(composed: &Composed) -> Vec<String> {
    composed
        .content
        .fresh
        .iter()
        .map(|entry| entry.path.to_string())
        .collect()
}

#[test]
fn what_arrived_is_recorded_as_the_stream_told_it() {
    let mut asked = asked(&["/a/x"]);
    let socket = found(FileType::Socket, "/a/s");
    asked.difference.sockets.push(socket);
    let composed = compose_with(asked, received(vec![file("/a/x")]), Vec::new(), 0);
    assert_eq!(paths(&composed), ["/a", "/a/s", "/a/x"]);
    assert_eq!(composed.failure, None);
    assert_eq!(composed.content.totals(), Totals { files: 1, bytes: 5 });
    let entry = &composed.content.fresh[2];
    assert_eq!(
        entry.kind,
        EntryKind::File {
            size_bytes: 5,
            sha256: Sha256::of(b"/a/x")
        }
    );
    assert_eq!((entry.mode, entry.unstable), (0o644, false));
    assert_eq!(entry.content[0].member, b"a/x");
    assert_eq!(entry.content[0].offset_bytes, 1024);
    assert_eq!(composed.content.fresh[1].content, []);
}

#[test]
fn vanished_and_changed_entries_are_warnings() {
    let notes = vec![
        Note::Vanished(path("/a/gone")),
        Note::Changed(path("/a/x")),
        Note::Shrank(path("/a/y")),
    ];
    let composed = compose_with(
        asked(&["/a/gone", "/a/x", "/a/y"]),
        received(vec![file("/a/x"), file("/a/y")]),
        notes,
        2,
    );
    assert_eq!(composed.failure, None);
    assert_eq!(
        composed.warnings,
        [
            "1 entry changed while being read: /a/x",
            "1 entry got shorter while being read, the missing end is zeros: /a/y",
            "1 entry vanished before being read: /a/gone",
        ]
    );
    let unstable: Vec<bool> = composed
        .content
        .fresh
        .iter()
        .map(|entry| entry.unstable)
        .collect();
    assert_eq!(unstable, [false, true, true]);
}

#[test]
fn a_file_that_is_not_what_the_scan_saw_is_fetched_again_next_time() {
    let composed = compose_with(
        asked(&["/a/x"]),
        received(vec![member(Kind::File { size_bytes: 6 }, "/a/x")]),
        Vec::new(),
        0,
    );
    assert_eq!(
        (composed.failure, composed.content.fresh[1].unstable),
        (None, true)
    );
}

#[test]
fn what_did_not_arrive_without_a_reason_is_a_failure() {
    let composed = compose_with(
        asked(&["/a/x", "/a/y"]),
        received(vec![file("/a/x")]),
        Vec::new(),
        0,
    );
    assert_eq!(
        composed.failure,
        Some(Error::Missing {
            count: 1,
            first: vec![path("/a/y")]
        })
    );
    assert_eq!(paths(&composed), ["/a", "/a/x"]);
}

#[test]
fn after_a_cut_the_cut_is_the_reason() {
    let mut received = received(vec![file("/a/x")]);
    received.cut = Some(tarstream::Error::Cut {
        offset: 9,
        within: None,
    });
    let composed = compose_with(asked(&["/a/x", "/a/y"]), received, Vec::new(), 0);
    assert_eq!((composed.failure, composed.warnings), (None, Vec::new()));
}

#[test]
fn what_tar_could_not_read_is_a_failure_that_names_it() {
    let notes = || {
        vec![
            Note::Denied(path("/a/x")),
            Note::Unread(
                path("/a/y"),
                "Read error at byte 0: Input/output error".to_owned(),
            ),
        ]
    };
    let composed = compose_with(
        asked(&["/a/x", "/a/y"]),
        received(vec![file("/a/y")]),
        notes(),
        2,
    );
    let text = "2 of the entries can't be read: /a/x (permission denied), \
                /a/y (Read error at byte 0: Input/output error)";
    assert_eq!(
        composed.failure.map(|error| error.to_string()).as_deref(),
        Some(text)
    );
    let pack = "packs/20261121T101500Z/app.tar.zst"
        .parse()
        .expect("a pack");
    let skipping = Asked {
        unreadable: Unreadable::Skip,
        ..asked(&["/a/x", "/a/y"])
    };
    let mut received = received(vec![file("/a/y")]);
    let skipping = build_entries(skipping, &mut received, notes(), 2, &pack);
    assert_eq!(
        (skipping.failure, skipping.warnings),
        (None, vec![text.to_owned()])
    );
}

#[test]
fn a_tar_that_fails_without_a_reason_is_a_failure() {
    let notes = vec![Note::Other("tar: Cannot chdir: boom".to_owned())];
    let composed = compose_with(asked(&["/a/x"]), received(vec![file("/a/x")]), notes, 2);
    assert_eq!(
        composed.failure.map(|error| error.to_string()).as_deref(),
        Some("tar exited with 2: tar: Cannot chdir: boom")
    );
    let killed = compose_with(
        asked(&["/a/x"]),
        received(vec![file("/a/x")]),
        Vec::new(),
        137,
    );
    assert_eq!(
        killed.failure,
        Some(Error::Tar {
            status: 137,
            said: Vec::new()
        })
    );
}

#[test]
fn what_tar_said_and_nobody_kept_makes_everything_unstable() {
    let notes = || vec![Note::Vanished(path("/a/y")), Note::Dropped(2048)];
    let composed = compose_with(
        asked(&["/a/x", "/a/y"]),
        received(vec![file("/a/x")]),
        notes(),
        1,
    );
    assert_eq!(composed.failure, None);
    assert!(!composed.content.fresh.is_empty());
    assert!(composed.content.fresh.iter().all(|entry| entry.unstable));
    assert_eq!(
        composed.warnings[1],
        "tar said so much that 2.0 KiB of it were not kept: any file may have changed while it was read, \
         so all are fetched again next time"
    );
    // An error among it is not explained by what is known.
    let failed = compose_with(
        asked(&["/a/x", "/a/y"]),
        received(vec![file("/a/x")]),
        notes(),
        2,
    );
    assert!(matches!(failed.failure, Some(Error::Tar { status: 2, .. })));
}

#[test]
fn a_hard_link_needs_its_target_before_it() {
    let link = |at: &str, target: &str| {
        member(
            Kind::HardLink {
                target: path(target),
            },
            at,
        )
    };
    let whole = received(vec![file("/a/x"), link("/a/y", "/a/x")]);
    let composed = compose_with(asked(&["/a/x", "/a/y"]), whole, Vec::new(), 0);
    assert_eq!(composed.failure, None);
    assert_eq!(
        composed.content.totals(),
        Totals {
            files: 2,
            bytes: 10
        }
    );
    let dangling = received(vec![link("/a/x", "/a/y"), file("/a/y")]);
    let composed = compose_with(asked(&["/a/x", "/a/y"]), dangling, Vec::new(), 0);
    assert_eq!(
        composed.failure,
        Some(Error::Link {
            path: path("/a/x"),
            target: path("/a/y")
        })
    );
}

#[test]
fn further_names_of_links_and_pipes_tell_the_first_one() {
    let link = |target: &[u8]| Kind::Symlink {
        target: target.to_vec(),
    };
    let entries = |kinds: [(Kind, FileType, u64); 4], told: &[(&str, &str)]| {
        let names = ["/a/1", "/a/2", "/a/3", "/a/4"];
        let mut asked = asked(&[]);
        let mut members = Vec::new();
        for (name, (kind, found_kind, inode)) in names.into_iter().zip(kinds) {
            let mut found = found(found_kind, name);
            let facts = found.facts.as_mut().expect("facts");
            (facts.mark.inode, facts.mark.links) = (inode, 2);
            if inode == 0 {
                found.facts = None;
            }
            asked.difference.fetch.push(found);
            members.push(member(kind, name));
        }
        let mut received = received(members);
        let told = told.iter().map(|(name, first)| (path(name), path(first)));
        received.first_names = told.collect();
        let composed = compose_with(asked, received, Vec::new(), 0);
        assert_eq!(composed.failure, None);
        let fresh = composed.content.fresh.into_iter();
        let firsts = fresh.map(|entry| entry.first_name.map(|name| name.to_string()));
        firsts.skip(1).collect::<Vec<_>>()
    };
    let one = |name: &str| Some(name.to_owned());
    // By the inode that the scan saw.
    let pipes = [
        (Kind::Fifo, FileType::Fifo, 7),
        (link(b"x"), FileType::Symlink, 8),
        (Kind::Fifo, FileType::Fifo, 7),
        (link(b"x"), FileType::Symlink, 8),
    ];
    assert_eq!(
        entries(pipes.clone(), &[]),
        [None, None, one("/a/1"), one("/a/2")]
    );
    // What is another link by now is no further name.
    let mut moved = pipes.clone();
    moved[3].0 = link(b"y");
    assert_eq!(entries(moved, &[]), [None, None, one("/a/1"), None]);
    // By what the stream said, where the scan tells no inodes.
    let untold = pipes.map(|(kind, found, _)| (kind, found, 0));
    assert_eq!(
        entries(untold, &[("/a/4", "/a/2")]),
        [None, None, None, one("/a/2")]
    );
}

#[test]
fn what_would_be_written_through_a_link_is_not_kept() {
    let through = received(vec![
        member(
            Kind::Symlink {
                target: b"/etc".to_vec(),
            },
            "/a/l",
        ),
        file("/a/l/passwd"),
    ]);
    let composed = compose_with(asked(&["/a/l", "/a/l/passwd"]), through, Vec::new(), 0);
    assert!(
        matches!(composed.failure, Some(Error::Tree(_))),
        "{:?}",
        composed.failure
    );
    assert_eq!(composed.content.fresh, Vec::new());
}

#[test]
fn attributes_that_cannot_be_read_are_a_warning() {
    let notes = vec![Note::Attributes(
        path("/a/x"),
        "file_has_acl_at: File name too long".to_owned(),
    )];
    let composed = compose_with(asked(&["/a/x"]), received(vec![file("/a/x")]), notes, 0);
    assert_eq!(composed.failure, None);
    assert_eq!(
        composed.warnings,
        ["1 entry came without ACLs and extended attributes, which can't be read: /a/x"]
    );
}

/// `extended` of each entry, after notes of tar.
fn extended_after(notes: Vec<Note>, tells_extended: bool) -> (Vec<Option<Extended>>, Vec<String>) {
    let some = Extended::new([Some(Sha256::of(b"x")), None, None, None]);
    let link = member(
        Kind::HardLink {
            target: path("/a/x"),
        },
        "/a/y",
    );
    let with = Member {
        extended: some,
        ..file("/a/x")
    };
    let asked = Asked {
        tells_extended,
        ..asked(&["/a/x", "/a/y", "/a/z"])
    };
    let composed = compose_with(asked, received(vec![with, link, file("/a/z")]), notes, 0);
    assert_eq!(composed.failure, None);
    let entries = composed.content.fresh.into_iter();
    // The directory comes first.
    let extended = entries.skip(1).map(|entry| entry.extended).collect();
    (extended, composed.warnings)
}

#[test]
fn extended_metadata_is_that_of_the_first_name_and_unknown_where_tar_does_not_tell_it() {
    let some = Some(Extended::new([Some(Sha256::of(b"x")), None, None, None]));
    let none = Some(Extended::default());
    let (told, warnings) = extended_after(Vec::new(), true);
    assert_eq!(told, [some.clone(), some.clone(), none.clone()]);
    assert_eq!(warnings, Vec::<String>::new());
    let (seen, _) = extended_after(Vec::new(), false);
    assert_eq!(seen, [some.clone(), some, None]);
    // What came of it may be only a part.
    let bare = Note::Attributes(path("/a/x"), "llistxattr".to_owned());
    let (told, _) = extended_after(vec![bare], true);
    assert_eq!(told, [None, None, none]);
    let lacking = Note::Other("tar: XATTR support is not available".to_owned());
    let (told, warnings) = extended_after(vec![lacking], true);
    assert_eq!(told, [None, None, None]);
    assert_eq!(
        warnings,
        [
            "the host's tar was built without extended attributes: ACLs and capabilities are not captured"
        ]
    );
}
