//! Archives that real tar made of real trees.

use std::collections::HashMap;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;

use super::super::sample::{archive, archive_as, make_tree, read_all, sh};
use super::super::{Error, Event, Kind, Member, MemberContent, MemberStream};
use crate::digest::Sha256;
use crate::manifest::{EntryKind, FileTime};
use crate::name::RemotePath;

fn path(text: &str) -> RemotePath {
    text.parse().expect("a path")
}

/// Compares `member` with what is in `dir`.
fn assert_is_on_disk(dir: &Path, member: &Member, nanoseconds: bool) {
    let name = std::ffi::OsStr::from_bytes(member.head.path.member());
    let place = dir.join(name);
    let facts = std::fs::symlink_metadata(&place).expect("it is there");
    let head = &member.head;
    assert_eq!(head.mode, facts.mode() & 0o7777, "{}", head.path);
    assert_eq!(
        head.mtime,
        FileTime {
            seconds: facts.mtime(),
            nanoseconds: if nanoseconds {
                u32::try_from(facts.mtime_nsec()).expect("below a second")
            } else {
                0
            },
        },
        "{}",
        head.path
    );
    assert_eq!(head.owner.uid, u64::from(facts.uid()));
    assert_eq!(head.owner.gid, u64::from(facts.gid()));
    let kind = facts.file_type();
    let is_same = match &head.kind {
        Kind::File { size_bytes } => {
            let content = std::fs::read(&place).expect("readable");
            assert_eq!(*size_bytes, content.len() as u64, "{}", head.path);
            assert_eq!(member.sha256, Some(Sha256::of(&content)), "{}", head.path);
            kind.is_file()
        }
        Kind::HardLink { target } => {
            let other = dir.join(std::ffi::OsStr::from_bytes(target.member()));
            std::fs::metadata(other).expect("it is there").ino() == facts.ino()
        }
        Kind::Directory => kind.is_dir(),
        Kind::Symlink { target } => {
            let is = std::fs::read_link(&place).expect("a link");
            is.as_os_str().as_bytes() == target
        }
        Kind::Fifo => kind.is_fifo(),
        Kind::CharDevice { major, minor } => kind.is_char_device() && (*major, *minor) == (1, 3),
        Kind::BlockDevice { major, minor } => {
            kind.is_block_device() && (*major, *minor) == (7, 200)
        }
    };
    assert!(is_same, "{}: {:?}", head.path, head.kind);
    assert_eq!(
        member.sha256.is_some(),
        matches!(head.kind, Kind::File { .. })
    );
}

fn names_on_disk(dir: &Path) -> Vec<RemotePath> {
    sh(dir, "find tree -print0 | sort -z")
        .split(|&b| b == 0)
        .filter(|name| !name.is_empty())
        .map(|name| RemotePath::from_member(name).expect("a name"))
        .collect()
}

fn names(members: &[Member]) -> Vec<RemotePath> {
    members.iter().map(|m| m.head.path.clone()).collect()
}

#[test]
fn every_kind_of_entry_comes_out_as_the_file_system_has_it() {
    let dir = tempfile::tempdir().expect("a folder");
    make_tree(dir.path());
    let members = read_all(&archive(dir.path())).expect("a whole archive");
    assert_eq!(names(&members), names_on_disk(dir.path()));
    for member in &members {
        assert_is_on_disk(dir.path(), member, true);
    }
}

#[test]
fn archives_of_other_dialects_are_read_too() {
    let dir = tempfile::tempdir().expect("a folder");
    make_tree(dir.path());
    for options in ["--format=gnu", "--format=oldgnu", "--format=posix"] {
        let members = read_all(&archive_as(dir.path(), options)).expect("a whole archive");
        assert_eq!(names(&members), names_on_disk(dir.path()), "{options}");
        for member in &members {
            assert_is_on_disk(dir.path(), member, options == "--format=posix");
        }
    }
    sh(
        dir.path(),
        "rm -r tree/deep/* tree/long-link tree/xxx* tree/old tree/new tree/mode",
    );
    sh(
        dir.path(),
        "mkdir -p tree/deep/$(printf 'd%.0s' {1..90}); printf x > $(echo tree/deep/d*)/$(printf 'f%.0s' {1..90})",
    );
    let members = read_all(&archive_as(dir.path(), "--format=ustar")).expect("a whole archive");
    assert_eq!(names(&members), names_on_disk(dir.path()));
    sh(
        dir.path(),
        "rm -rf tree/deep tree/device tree/block tree/pipe",
    );
    let members = read_all(&archive_as(dir.path(), "--format=v7")).expect("a whole archive");
    assert_eq!(names(&members), names_on_disk(dir.path()));
}

/// Other writers of tar, where the machine has them.
#[test]
fn archives_of_other_tars_are_read_too() {
    let dir = tempfile::tempdir().expect("a folder");
    make_tree(dir.path());
    // bsdtar writes fractions of seconds before 1970 the wrong way round.
    sh(dir.path(), "rm tree/old");
    for (program, options, nanoseconds) in [
        ("bsdtar", "-c --format pax -f -", true),
        ("bsdtar", "-c --format ustar -f -", false),
        ("bsdtar", "-c --format gnutar -f -", false),
        ("busybox", "tar -c -f -", false),
    ] {
        if program == "busybox" || options.contains("ustar") {
            // These can't hold such times, names and numbers.
            sh(
                dir.path(),
                "rm -rf tree/new tree/deep tree/long-link tree/xxx* tree/mode",
            );
        }
        let script = format!("! command -v {program} >/dev/null || {program} {options} tree");
        let archive = sh(dir.path(), &script);
        if archive.is_empty() {
            continue;
        }
        let members = read_all(&archive).expect("a whole archive");
        let mut found = names(&members);
        found.sort();
        assert_eq!(found, names_on_disk(dir.path()), "{program} {options}");
        for member in &members {
            assert_is_on_disk(dir.path(), member, nanoseconds);
        }
    }
}

#[test]
fn old_forms_of_sparse_files_are_refused() {
    let dir = tempfile::tempdir().expect("a folder");
    sh(dir.path(), "mkdir tree; truncate -s 1M tree/sparse");
    for (options, text) in [
        (
            "-S --format=gnu",
            "the sparse file at byte 512 of the archive is in an old form",
        ),
        (
            "-S --format=posix --sparse-version=0.0",
            "the extended header at byte 1536 has a GNU record that is not known",
        ),
        (
            "-S --format=posix --sparse-version=0.1",
            "the extended header at byte 1536 has a GNU record that is not known",
        ),
    ] {
        let error = read_all(&archive_as(dir.path(), options)).expect_err("refused");
        assert_eq!(error.to_string(), text, "{options}");
    }
}

#[test]
fn the_size_of_a_sparse_file_counts_its_holes() {
    let dir = tempfile::tempdir().expect("a folder");
    sh(
        dir.path(),
        "mkdir tree; truncate -s 9G tree/sparse; printf x | dd of=tree/sparse bs=1 seek=5G conv=notrunc status=none",
    );
    let archive = archive(dir.path());
    assert!(archive.len() < 20_000, "{}", archive.len());
    let mut stream = MemberStream::new(&archive[..]);
    let mut sizes = Vec::new();
    while sizes.is_empty() {
        if let Event::Begin { head, .. } = stream.next().expect("whole")
            && let Kind::File { size_bytes } = head.kind
        {
            sizes.push((size_bytes, head.stored_bytes));
        }
    }
    assert_eq!(sizes, [(9 << 30, 512 + 4096)]);
}

#[test]
fn content_is_read_from_the_front_of_any_member() {
    let dir = tempfile::tempdir().expect("a folder");
    make_tree(dir.path());
    let archive = archive(dir.path());
    let mut offsets = HashMap::new();
    let mut stream = MemberStream::new(&archive[..]);
    loop {
        let offset = stream.offset_bytes();
        match stream.next().expect("whole") {
            Event::Begin { head, .. } => offsets.insert(head.path.clone(), offset),
            Event::Data(_) | Event::Hole(_) | Event::End(_) => None,
            Event::Finished => break,
        };
    }
    assert_eq!(offsets.len(), names_on_disk(dir.path()).len());
    for (name, offset) in offsets {
        let from = usize::try_from(offset).expect("small");
        let mut reader = MemberContent::open(&archive[from..]).expect("a member");
        assert_eq!(reader.head().path, name);
        let mut content = Vec::new();
        reader.read_to_end(&mut content).expect("readable");
        let should = if matches!(reader.head().kind, Kind::File { .. }) {
            let place = dir.path().join(std::ffi::OsStr::from_bytes(name.member()));
            std::fs::read(place).expect("readable")
        } else {
            Vec::new()
        };
        assert_eq!(content, should, "{name}");
    }
}

#[test]
fn a_link_becomes_an_entry_once_its_target_is_known() {
    let dir = tempfile::tempdir().expect("a folder");
    sh(
        dir.path(),
        "mkdir tree; printf x > tree/a; ln tree/a tree/b",
    );
    let members = read_all(&archive(dir.path())).expect("a whole archive");
    let [tree, a, b] = &members[..] else {
        assert_eq!(members.len(), 3);
        return;
    };
    assert_eq!(tree.entry_kind(|_| None), Some(EntryKind::Directory));
    let digest = Sha256::of(b"x");
    assert_eq!(
        a.entry_kind(|_| None),
        Some(EntryKind::File {
            size_bytes: 1,
            sha256: digest
        })
    );
    assert_eq!(b.entry_kind(|_| None), None);
    assert_eq!(
        b.entry_kind(|target| (*target == path("/tree/a")).then_some((1, digest))),
        Some(EntryKind::HardLink {
            target: path("/tree/a"),
            size_bytes: 1,
            sha256: digest
        })
    );
}

#[test]
fn the_root_of_a_host_may_be_a_member() {
    let dir = tempfile::tempdir().expect("a folder");
    let archive = sh(dir.path(), "tar --format=posix --no-recursion -cf - .");
    let members = read_all(&archive).expect("a whole archive");
    assert_eq!(names(&members), [path("/")]);
}

#[test]
fn a_reader_that_fails_is_named_with_its_place() {
    struct Broken;
    impl std::io::Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::ConnectionReset.into())
        }
    }
    let mut stream = MemberStream::new(Broken);
    let error = stream.next().map(|_| ()).expect_err("broken");
    assert!(matches!(error, Error::Read { offset: 0, .. }), "{error}");
    let again = stream.next().map(|_| ()).expect_err("broken");
    assert!(matches!(again, Error::Refused), "{again}");
}
