//! Tests of foreign archives: forms that only they have, and forged ones.

use std::io::Read as _;

use tar::{EntryType, GnuExtSparseHeader, Header};

use super::super::sample::{make_tree, sh};
use super::super::{Error, Event, Kind, Member, MemberStream, Relocated};
use crate::digest::Sha256;
use crate::name::RemotePath;

fn block(name: &[u8], kind: u8, size: u64, change: impl FnOnce(&mut Header)) -> Vec<u8> {
    let mut header = Header::new_gnu();
    header.as_old_mut().name[..name.len()].copy_from_slice(name);
    header.set_entry_type(EntryType::new(kind));
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(size);
    change(&mut header);
    header.set_cksum();
    header.as_bytes().to_vec()
}

fn member(name: &[u8], kind: u8, data: &[u8]) -> Vec<u8> {
    let mut bytes = block(name, kind, data.len() as u64, |_| {});
    bytes.extend_from_slice(data);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

fn read(reader: impl std::io::Read) -> Result<Vec<Member>, Error> {
    let mut stream = MemberStream::of_archive(reader);
    let mut members = Vec::new();
    loop {
        match stream.next()? {
            Event::Begin { .. } | Event::Data(_) | Event::Hole(_) => {}
            Event::End(member) => members.push(member),
            Event::Finished => return Ok(members),
        }
    }
}

/// The error for an archive with these members and a right end.
fn said(members: &[Vec<u8>]) -> String {
    let mut bytes = members.concat();
    bytes.resize(bytes.len() + 1024, 0);
    match read(bytes.as_slice()) {
        Ok(members) => {
            let names = members
                .iter()
                .map(|m| format!("{} {:?}", m.head.path, m.head.kind));
            names.collect::<Vec<_>>().join(", ")
        }
        Err(error) => error.to_string(),
    }
}

fn sparse(real: u64, data: u64, regions: &[(u64, u64)], more: &[&[(u64, u64)]]) -> Vec<u8> {
    let mut bytes = block(b"s", b'S', data, |header| {
        let gnu = header.as_gnu_mut().expect("made as one");
        gnu.set_real_size(real);
        gnu.set_is_extended(!more.is_empty());
        for (field, &(offset, length)) in gnu.sparse.iter_mut().zip(regions) {
            field.set_offset(offset);
            field.set_length(length);
        }
    });
    for (at, regions) in more.iter().enumerate() {
        let mut block = GnuExtSparseHeader::new();
        block.set_is_extended(at + 1 < more.len());
        for (field, &(offset, length)) in block.sparse.iter_mut().zip(*regions) {
            field.set_offset(offset);
            field.set_length(length);
        }
        bytes.extend_from_slice(block.as_bytes());
    }
    let length = usize::try_from(data).expect("small").next_multiple_of(512);
    bytes.resize(bytes.len() + length, b'x');
    bytes
}

#[test]
fn names_are_tidied_and_dangerous_ones_refused() {
    let file = |name: &[u8]| said(&[member(name, b'0', b"data")]);
    assert_eq!(file(b"./a//b"), "/a/b File { size_bytes: 4 }");
    assert_eq!(said(&[member(b"./", b'5', b"")]), "/ Directory");
    // Before tar had a type for them.
    assert_eq!(said(&[member(b"old/", b'\0', b"")]), "/old Directory");
    for name in [&b"/a"[..], b"../a", b"./../a", b"a/..", b"//a"] {
        let text = file(name);
        assert_eq!(text, "the archive member at byte 0 has a bad name");
    }
    let link = |target: &[u8]| {
        said(&[block(b"./l", b'1', 0, |header| {
            header.as_old_mut().linkname[..target.len()].copy_from_slice(target);
        })])
    };
    assert_eq!(link(b"./a"), "/l HardLink { target: \"/a\" }");
    assert_eq!(
        link(b"/etc/passwd"),
        "the link `/l` has a bad target `/etc/passwd`"
    );
    assert_eq!(
        said(&[member(b"./a", b'0', b""), member(b"a", b'0', b"")]),
        "`/a` is in the archive twice"
    );
}

#[test]
fn a_comment_for_all_members_is_passed_over_and_nothing_else_is() {
    let file = member(b"a", b'0', b"");
    let global = |body: &[u8]| said(&[member(b"g", b'g', body), file.clone()]);
    assert_eq!(global(b"15 comment=abc\n"), "/a File { size_bytes: 0 }");
    assert_eq!(
        global(b"9 path=b\n"),
        "the archive has a global header at byte 0"
    );
    assert_eq!(
        global(b"22 GNU.sparse.map=0,1\n"),
        "the extended header at byte 0 has a GNU record that is not known"
    );
}

#[test]
fn checksums_of_signed_bytes_are_taken() {
    let mut bytes = member(b"\xff\xfe", b'0', b"");
    let signed: i32 = bytes[..512]
        .iter()
        .enumerate()
        .map(|(at, &byte)| match at {
            148..156 => 32,
            _ => i32::from(byte.cast_signed()),
        })
        .sum();
    bytes[148..156].copy_from_slice(format!("{signed:06o}\0 ").as_bytes());
    assert_eq!(
        said(std::slice::from_ref(&bytes)),
        "/\\xff\\xfe File { size_bytes: 0 }"
    );
    assert!(matches!(
        MemberStream::new(bytes.as_slice()).next(),
        Err(Error::Checksum { offset: 0 })
    ));
    bytes[0] = b'a';
    assert_eq!(
        said(&[bytes]),
        "the archive header at byte 0 has a wrong checksum"
    );
}

#[test]
fn old_sparse_maps_are_taken_only_if_they_fit() {
    let end = member(b"z", b'0', b"");
    let of = |bytes: Vec<u8>| said(&[bytes, end.clone()]);
    let fits = "/s File { size_bytes: 4096 }, /z File { size_bytes: 0 }";
    assert_eq!(of(sparse(4096, 1024, &[(0, 512), (2048, 512)], &[])), fits);
    let four = [(0, 512), (1024, 512), (2048, 512), (3072, 512)];
    assert_eq!(of(sparse(4096, 2560, &four, &[&[(3584, 512)]])), fits);
    assert_eq!(of(sparse(4096, 2048, &four, &[&[]])), fits);
    assert_eq!(of(sparse(4096, 0, &[(4096, 0)], &[])), fits);
    for (bytes, text) in [
        (
            sparse(4096, 1024, &[(2048, 512), (0, 512)], &[]),
            "the sparse map of `/s` overlaps or goes backwards",
        ),
        (
            sparse(1024, 1024, &[(0, 512), (1024, 512)], &[]),
            "the sparse map of `/s` goes beyond the file",
        ),
        (
            sparse(4096, 512, &[(0, 512), (1024, 512)], &[]),
            "the sparse map of `/s` does not match the data",
        ),
        (
            sparse(4096, 612, &[(0, 100), (1024, 512)], &[]),
            "the sparse map of `/s` has a region of odd length",
        ),
        (
            sparse(1 << 41, 512, &[(0, 512)], &[]),
            "`/s` declares 2199023255040 bytes of holes, more than 1099511627776",
        ),
    ] {
        assert_eq!(of(bytes), text);
    }
    let ustar = block(b"s", b'S', 0, |header| {
        header.as_ustar_mut();
        header.as_mut_bytes()[257..265].copy_from_slice(b"ustar\x0000");
    });
    assert_eq!(
        said(&[ustar]),
        "the archive header at byte 0 has a bad sparse map"
    );
}

fn path(text: &str) -> RemotePath {
    text.parse().expect("a path")
}

/// `archive` with everything that is in `tree` beneath `/srv/new`.
fn relocated(archive: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let place = |from: &RemotePath| {
        let rest = from.relative_to(&path("/tree"))?;
        let to = [&b"/srv/new/"[..], rest].concat();
        RemotePath::from_bytes(to.strip_suffix(b"/").unwrap_or(&to)).ok()
    };
    Relocated::new(archive, place)
        .read_to_end(&mut bytes)
        .expect("a harmless archive");
    bytes
}

#[test]
fn what_is_relocated_is_what_a_host_could_have_sent() {
    let dir = tempfile::tempdir().expect("a folder");
    make_tree(dir.path());
    for options in [
        "--format=gnu -S",
        "--format=oldgnu -S",
        "--format=posix -S --xattrs --acls",
    ] {
        let archive = sh(
            dir.path(),
            &format!("tar {options} --sort=name -cf - ./tree"),
        );
        let before = read(archive.as_slice()).expect("a whole archive");
        let bytes = relocated(&archive);
        let mut stream = MemberStream::new(bytes.as_slice());
        let mut after = Vec::new();
        loop {
            match stream.next().expect("strictly whole") {
                Event::Begin { .. } | Event::Data(_) | Event::Hole(_) => {}
                Event::End(member) => after.push(member),
                Event::Finished => break,
            }
        }
        assert_eq!(before.len(), after.len());
        for (before, after) in before.iter().zip(&after) {
            assert_eq!(
                after.head.path.as_bytes().strip_prefix(b"/srv/new"),
                before.head.path.as_bytes().strip_prefix(b"/tree"),
            );
            assert_eq!(after.sha256, before.sha256, "{}", before.head.path);
            assert_eq!(
                (after.head.mode, &after.head.owner, after.head.mtime),
                (before.head.mode, &before.head.owner, before.head.mtime)
            );
            match (&before.head.kind, &after.head.kind) {
                (Kind::HardLink { .. }, Kind::HardLink { target }) => {
                    assert!(target.is_within(&path("/srv/new")));
                }
                (before, after) => assert_eq!(before, after),
            }
        }
        // What tar makes of it is the tree.
        sh(dir.path(), "rm -rf out; mkdir out");
        std::fs::write(dir.path().join("moved.tar"), &bytes).expect("a file");
        sh(
            dir.path(),
            "tar --xattrs --xattrs-include='*' --acls -xpf moved.tar -C out; diff -r tree/plain out/srv/new/plain; \
             [ $(stat -c %b out/srv/new/sparse) -lt 2000 ]; \
             cmp tree/sparse out/srv/new/sparse; cmp tree/odd-tail out/srv/new/odd-tail; \
             cmp tree/all-hole out/srv/new/all-hole; \
             [ $(stat -c %i out/srv/new/second) = $(stat -c %i out/srv/new/plain) ]; \
             [ $(stat -c %a out/srv/new/mode) = $(stat -c %a tree/mode) ]",
        );
    }
}

#[test]
fn what_belongs_nowhere_is_left_out() {
    let bytes = [
        member(b"tree/a", b'0', b"data"),
        member(b"else/b", b'0', b"other"),
        member(b"tree/c", b'0', &[7; 1000]),
        vec![0; 1024],
    ]
    .concat();
    let moved = relocated(&bytes);
    let members = read(moved.as_slice()).expect("whole");
    let found: Vec<_> = members
        .iter()
        .map(|member| (member.head.path.to_string(), member.sha256))
        .collect();
    assert_eq!(
        found,
        [
            ("/srv/new/a".to_owned(), Some(Sha256::of(b"data"))),
            ("/srv/new/c".to_owned(), Some(Sha256::of(&[7; 1000])))
        ]
    );
}

#[test]
fn a_cut_archive_ends_with_an_error_that_says_so() {
    let bytes = [member(b"tree/a", b'0', b"data"), vec![0; 1024]].concat();
    for length in [100, 512, 700, 1024, 1536] {
        let mut moved = Vec::new();
        let error = Relocated::new(&bytes[..length], |from| Some(from.clone()))
            .read_to_end(&mut moved)
            .expect_err("cut");
        let inner = error.downcast::<Error>().expect("ours");
        assert!(matches!(inner, Error::Cut { .. }), "{length}: {inner}");
    }
}
