//! Tests of each kind of change, with lists made for it.

use std::convert::Infallible;

use proptest::prelude::*;

use super::*;
use crate::digest::Sha256;
use crate::manifest::{ContentRange, FileTime, Owner, Piece, ScanMark};

fn entry(path: &[u8], kind: EntryKind) -> Entry {
    Entry {
        path: RemotePath::from_bytes(path).expect("a path"),
        kind,
        mode: 0o644,
        owner: Owner {
            uid: 1000,
            gid: 1000,
            user: "azureuser".to_owned(),
            group: "azureuser".to_owned(),
        },
        mtime: time(100),
        scan: None,
        content: Vec::new(),
        extended: None,
        first_name: None,
        unstable: false,
    }
}

fn time(seconds: i64) -> FileTime {
    FileTime {
        seconds,
        nanoseconds: 0,
    }
}

fn file(path: &[u8], content: &[u8]) -> Entry {
    let kind = EntryKind::File {
        size_bytes: content.len() as u64,
        sha256: Sha256::of(content),
    };
    entry(path, kind)
}

fn name_of(path: &[u8], first: &[u8], content: &[u8]) -> Entry {
    let kind = EntryKind::HardLink {
        target: RemotePath::from_bytes(first).expect("a path"),
        size_bytes: content.len() as u64,
        sha256: Sha256::of(content),
    };
    entry(path, kind)
}

fn with_links(mut entry: Entry, links: u64) -> Entry {
    entry.scan = Some(ScanMark {
        inode: 1,
        device: 1,
        links,
        size_bytes: 1,
        mtime: time(1),
        ctime: time(1),
    });
    entry
}

fn said(old: &Entry, new: &Entry) -> Option<(ChangeKind, Vec<Attribute>)> {
    Change::between(Some(old.clone()), Some(new.clone()))
        .map(|change| (change.kind(), change.differs().to_vec()))
}

fn changes(old: &[Entry], new: &[Entry]) -> Vec<(ChangeKind, String)> {
    let listed = |entries: &[Entry]| {
        let entries: Vec<Result<Entry, Infallible>> = entries.iter().cloned().map(Ok).collect();
        entries
    };
    Change::all(listed(old), listed(new))
        .map(|change| change.map(|c| (c.kind(), c.path().to_string())))
        .collect::<Result<_, _>>()
        .expect("no errors")
}

#[test]
fn what_is_on_one_side_alone_was_added_or_removed() {
    let old = [file(b"/a", b"1"), file(b"/b", b"2"), file(b"/d", b"4")];
    let new = [file(b"/b", b"2"), file(b"/c", b"3"), file(b"/d", b"5")];
    assert_eq!(
        changes(&old, &new),
        [
            (ChangeKind::Removed, "/a".to_owned()),
            (ChangeKind::Added, "/c".to_owned()),
            (ChangeKind::Modified, "/d".to_owned()),
        ]
    );
    assert_eq!(changes(&old, &old), []);
    assert_eq!(changes(&[], &[]), []);
    assert_eq!(changes(&old, &[]).len(), 3);
    assert_eq!(changes(&[], &new).len(), 3);
}

#[test]
fn paths_are_ordered_by_bytes_whatever_they_hold() {
    let names: [&[u8]; 6] = [b"/a", b"/a-b", b"/a/b", b"/a/\n", b"/a/\\\"", b"/\xff"];
    let mut all: Vec<Entry> = names.iter().map(|name| file(name, b"x")).collect();
    all.sort_by(|a, b| a.path.cmp(&b.path));
    for left_out in 0..all.len() {
        let mut some = all.clone();
        let gone = some.remove(left_out).path.to_string();
        assert_eq!(changes(&all, &some), [(ChangeKind::Removed, gone.clone())]);
        assert_eq!(changes(&some, &all), [(ChangeKind::Added, gone)]);
    }
}

#[test]
fn another_kind_of_object_is_a_change_of_type() {
    let link = EntryKind::Symlink {
        target: b"x".to_vec(),
    };
    let device = EntryKind::CharDevice { major: 1, minor: 3 };
    let block = EntryKind::BlockDevice { major: 1, minor: 3 };
    let kinds = [
        file(b"/x", b"").kind,
        EntryKind::Directory,
        link,
        EntryKind::Fifo,
        EntryKind::Socket,
        device,
        block,
    ];
    for (at, old) in kinds.iter().enumerate() {
        for (other, new) in kinds.iter().enumerate() {
            let said = said(&entry(b"/x", old.clone()), &entry(b"/x", new.clone()));
            let expected = (at != other).then(|| (ChangeKind::Type, vec![Attribute::Type]));
            assert_eq!(said, expected, "{old:?} {new:?}");
        }
    }
}

#[test]
fn content_link_texts_and_device_numbers_are_modified() {
    let link = |text: &[u8]| {
        let target = text.to_vec();
        entry(b"/x", EntryKind::Symlink { target })
    };
    let device = |minor| entry(b"/x", EntryKind::BlockDevice { major: 8, minor });
    for (old, new, attribute) in [
        (file(b"/x", b"1"), file(b"/x", b"2"), Attribute::Content),
        (link(b"a"), link(b"a\xff"), Attribute::Target),
        (device(0), device(1), Attribute::Device),
    ] {
        assert_eq!(
            said(&old, &new),
            Some((ChangeKind::Modified, vec![attribute]))
        );
    }
}

#[test]
fn mode_owner_and_time_are_metadata_and_all_of_it_is_told() {
    let old = file(b"/x", b"1");
    let mut new = old.clone();
    new.mode = 0o600;
    let mode = vec![Attribute::Mode];
    assert_eq!(said(&old, &new), Some((ChangeKind::Metadata, mode)));
    new.owner.uid = 0;
    new.mtime = time(101);
    let all = vec![Attribute::Mode, Attribute::Owner, Attribute::Mtime];
    assert_eq!(said(&old, &new), Some((ChangeKind::Metadata, all.clone())));
    new.kind = file(b"/x", b"2").kind;
    let with_content = [vec![Attribute::Content], all].concat();
    assert_eq!(said(&old, &new), Some((ChangeKind::Modified, with_content)));
}

#[test]
fn a_name_of_an_owner_counts_where_both_sides_know_one() {
    let old = file(b"/x", b"1");
    let mut new = old.clone();
    new.owner.group = String::new();
    assert_eq!(said(&old, &new), None);
    new.owner.user = "asterisk".to_owned();
    let owner = vec![Attribute::Owner];
    assert_eq!(said(&old, &new), Some((ChangeKind::Metadata, owner)));
}

#[test]
fn the_time_of_a_directory_is_no_change() {
    let old = entry(b"/x", EntryKind::Directory);
    let mut new = old.clone();
    new.mtime = time(101);
    assert_eq!(said(&old, &new), None);
    new.mode = 0o700;
    let mode = vec![Attribute::Mode];
    assert_eq!(said(&old, &new), Some((ChangeKind::Metadata, mode)));
}

#[test]
fn where_it_lies_and_what_the_scan_saw_is_no_change() {
    let old = file(b"/x", b"1");
    let mut new = with_links(old.clone(), 1);
    new.unstable = true;
    new.content = vec![Piece {
        pack: "packs/20261121T101500Z/app.tar.zst"
            .parse()
            .expect("a pack"),
        member: b"x".to_vec(),
        offset_bytes: 0,
        range: ContentRange::default(),
    }];
    assert_eq!(said(&old, &new), None);
}

#[test]
fn a_further_name_tells_and_the_order_of_names_does_not() {
    let link = vec![Attribute::Link];
    let (alone, further) = (file(b"/b", b"1"), name_of(b"/b", b"/a", b"1"));
    let became = Some((ChangeKind::Metadata, link));
    assert_eq!(said(&alone, &further), became);
    assert_eq!(said(&further, &alone), became);
    // The other name was sent first this time.
    assert_eq!(said(&with_links(alone.clone(), 2), &further), None);
    assert_eq!(said(&with_links(alone, 1), &further), became);
    let elsewhere = name_of(b"/b", b"/c", b"1");
    assert_eq!(said(&further, &elsewhere), None);
    let other = name_of(b"/b", b"/a", b"2");
    let content = vec![Attribute::Content];
    assert_eq!(
        said(&further, &other),
        Some((ChangeKind::Modified, content))
    );
    let directory = entry(b"/b", EntryKind::Directory);
    let kind = vec![Attribute::Type];
    assert_eq!(said(&further, &directory), Some((ChangeKind::Type, kind)));
}

#[test]
fn the_first_error_of_either_list_ends_the_comparison() {
    let good = || Ok(file(b"/b", b"1"));
    for (old, new) in [
        (vec![Err("old"), good()], vec![good()]),
        (vec![good()], vec![Err("new"), good()]),
        (vec![good(), Err("old")], vec![good()]),
        (vec![], vec![Err("new")]),
    ] {
        let mut found: Vec<Result<Change, &str>> = Change::all(old, new).collect();
        assert!(matches!(found.pop(), Some(Err("old" | "new"))));
        assert!(found.iter().all(Result::is_ok));
    }
}

proptest! {
    #[test]
    fn the_walk_finds_what_comparing_maps_finds(
        old in proptest::collection::btree_map("(/[a.-]{1,2}){1,2}", 0_u8..3, 0..12),
        new in proptest::collection::btree_map("(/[a.-]{1,2}){1,2}", 0_u8..3, 0..12),
    ) {
        let listed = |side: &std::collections::BTreeMap<String, u8>| -> Vec<Entry> {
            side.iter()
                .filter(|(path, _)| RemotePath::from_bytes(path.as_bytes()).is_ok())
                .map(|(path, content)| file(path.as_bytes(), &[*content]))
                .collect()
        };
        let (old, new) = (listed(&old), listed(&new));
        let mut expected = Vec::new();
        let find = |side: &[Entry], path: &RemotePath| {
            side.iter().find(|entry| entry.path == *path).cloned()
        };
        let mut paths: Vec<RemotePath> =
            old.iter().chain(&new).map(|entry| entry.path.clone()).collect();
        paths.sort();
        paths.dedup();
        for path in paths {
            let pair = (find(&old, &path), find(&new, &path));
            let kind = match &pair {
                (Some(_), None) => ChangeKind::Removed,
                (None, Some(_)) => ChangeKind::Added,
                (Some(a), Some(b)) if a.kind != b.kind => ChangeKind::Modified,
                _ => continue,
            };
            expected.push((kind, path.to_string()));
        }
        prop_assert_eq!(changes(&old, &new), expected);
    }
}

#[test]
fn content_that_nobody_read_differs_and_is_not_told() {
    let (old, new) = (file(b"/a", b""), file(b"/a", b""));
    let unread = |old: Option<&Entry>, new: &Entry, known| {
        Change::unread(old.cloned(), new.clone(), known).expect("a change")
    };
    let change = unread(Some(&old), &new, Known::Facts);
    assert_eq!(change.kind(), ChangeKind::Modified);
    assert_eq!(change.differs(), [Attribute::Content]);
    assert_eq!(
        (change.bytes_after(), change.sha256_after()),
        (Some(0), None)
    );
    let change = unread(Some(&old), &new, Known::Path);
    assert_eq!((change.bytes_after(), change.sha256_after()), (None, None));

    let directory = entry(b"/a", EntryKind::Directory);
    let change = unread(Some(&directory), &new, Known::Facts);
    assert_eq!(change.kind(), ChangeKind::Type);
    assert_eq!(change.differs(), [Attribute::Type]);
    assert_eq!(unread(None, &new, Known::Path).kind(), ChangeKind::Added);
    let same = Change::unread(Some(directory.clone()), directory, Known::Path);
    assert_eq!(same, None);

    let read = Change::between(None, Some(file(b"/a", b"1"))).expect("a change");
    assert_eq!(read.known(), Known::Entry);
    assert_eq!(read.sha256_after(), Some(Sha256::of(b"1")));
}
