//! Tests of every attribute by which an entry counts as changed.

use super::*;
use crate::digest::Sha256;
use crate::manifest::FileType;
use crate::manifest::Owner;

const LONG_AGO: FileTime = FileTime {
    seconds: 1_700_000_000,
    nanoseconds: 123,
};

fn time(seconds: i64, nanoseconds: u32) -> FileTime {
    FileTime {
        seconds,
        nanoseconds,
    }
}

fn mark() -> ScanMark {
    ScanMark {
        inode: 7,
        device: 1,
        links: 1,
        size_bytes: 5,
        mtime: LONG_AGO,
        ctime: LONG_AGO,
    }
}

fn found() -> Facts {
    Facts {
        kind: FileType::File,
        mode: 0o640,
        uid: 3,
        gid: 4,
        mark: mark(),
        link: Vec::new(),
        blocks: 8,
        readable: true,
    }
}

fn known() -> Entry {
    Entry {
        path: "/a".parse().expect("a path"),
        kind: EntryKind::File {
            size_bytes: 5,
            sha256: Sha256::of(b"12345"),
        },
        mode: 0o640,
        owner: Owner {
            uid: 3,
            gid: 4,
            ..Owner::default()
        },
        mtime: LONG_AGO,
        scan: Some(mark()),
        content: Vec::new(),
        extended: None,
        first_name: None,
        unstable: false,
    }
}

fn same(change: impl FnOnce(&mut Facts, &mut Entry)) -> bool {
    let (mut facts, mut entry) = (found(), known());
    change(&mut facts, &mut entry);
    let found = Found {
        path: entry.path.clone(),
        facts: Some(facts),
    };
    is_same(&found, &entry, Some(time(1_800_000_000, 0)))
}

#[test]
fn an_entry_that_is_at_rest_is_the_same() {
    assert!(same(|_, _| {}));
    // Another number of the device, after it was mounted again.
    assert!(same(|facts, _| facts.mark.device = 2));
}

#[test]
fn whatever_differs_makes_it_another() {
    assert!(!same(|facts, _| facts.mark.inode = 8));
    assert!(!same(|facts, _| facts.mark.size_bytes = 6));
    assert!(!same(|facts, _| facts.mark.mtime = time(1_700_000_000, 124)));
    assert!(!same(|facts, _| facts.mark.ctime = time(1_700_000_000, 122)));
    assert!(!same(|facts, _| facts.mode = 0o600));
    assert!(!same(|facts, _| facts.uid = 0));
    assert!(!same(|facts, _| facts.gid = 0));
    assert!(!same(|facts, _| facts.kind = FileType::Directory));
    assert!(!same(|_, entry| entry.unstable = true));
    assert!(!same(|_, entry| entry.scan = None));
    assert!(!same(|facts, entry| {
        facts.kind = FileType::Symlink;
        facts.link = b"there".to_vec();
        entry.kind = EntryKind::Symlink {
            target: b"here".to_vec(),
        };
    }));
}

#[test]
fn what_was_not_at_rest_when_it_was_scanned_is_not_trusted() {
    let changed = |ctime: FileTime, scanned_at: FileTime| {
        let (mut facts, mut entry) = (found(), known());
        facts.mark.ctime = ctime;
        entry.scan = Some(facts.mark);
        let found = Found {
            path: entry.path.clone(),
            facts: Some(facts),
        };
        !is_same(&found, &entry, Some(scanned_at))
    };
    assert!(!changed(time(100, 900_000_000), time(101, 0)));
    assert!(changed(time(100, 960_000_000), time(101, 0)));
    // A file system that keeps whole seconds hides a change for longer.
    assert!(changed(time(99, 0), time(101, 0)));
    assert!(!changed(time(98, 0), time(101, 0)));
    // A clock that was set back since the file was changed.
    assert!(changed(time(500, 1), time(101, 0)));
}

#[test]
fn without_a_clock_or_facts_nothing_is_the_same() {
    let entry = known();
    let found = |facts| Found {
        path: entry.path.clone(),
        facts,
    };
    assert!(!is_same(&found(Some(self::found())), &entry, None));
    assert!(!is_same(&found(None), &entry, Some(time(1_800_000_000, 0))));
}
