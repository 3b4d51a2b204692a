//! Tests that plain tar and zstd read a pack as fleet does.

use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;

use super::{dense_noise, noise, pack, raw_member, raw_members};
use crate::digest::Sha256;
use crate::name::RemotePath;
use crate::pack::{Error, FRAME_BYTES, Frame, PackOptions, PackReader, PackWriter, ReadAt};
use crate::tarstream::sample::{archive, make_tree, sh};
use crate::tarstream::{Kind, MemberStream};

/// Kind, mode, owner, times and content of everything in a tree, as plain tools see it.
const FACTS: &str = "find tree -printf '%p %y %m %U %G %T@ %n %l\\n' | sort; \
     find tree -type f -print0 | sort -z | xargs -0 sha256sum; \
     find tree -type f -size +0 -print0 | sort -z | xargs -0 getcap 2>/dev/null || :";

#[test]
fn plain_tar_restores_the_whole_tree_from_a_pack() {
    let dir = tempfile::tempdir().expect("a folder");
    make_tree(dir.path());
    let (summary, members) = pack(&archive(dir.path()), &dir.path().join("p.tar.zst"));
    assert_eq!(summary.members, members.len() as u64);
    sh(dir.path(), "zstd -qt p.tar.zst");
    let listed = sh(
        dir.path(),
        "tar --zstd --quoting-style=escape -tf p.tar.zst | sort",
    );
    let should = sh(
        dir.path(),
        "find tree -print0 | sort -z | tar --format=posix --no-recursion --null -T - -cf - | tar --quoting-style=escape -tf - | sort",
    );
    assert_eq!(listed, should);
    sh(
        dir.path(),
        "mkdir out; tar --zstd --xattrs --xattrs-include='*' --acls --delay-directory-restore \
         -xpf p.tar.zst -C out",
    );
    let before = sh(dir.path(), FACTS);
    let after = sh(&dir.path().join("out"), FACTS);
    assert_eq!(
        String::from_utf8_lossy(&after),
        String::from_utf8_lossy(&before)
    );
}

#[test]
fn the_summary_is_true_of_the_file() {
    let dir = tempfile::tempdir().expect("a folder");
    make_tree(dir.path());
    let path = dir.path().join("p.tar.zst");
    let archive = archive(dir.path());
    let (summary, _) = pack(&archive, &path);
    let file = std::fs::read(&path).expect("readable");
    assert_eq!(summary.sha256, Sha256::of(&file));
    assert_eq!(summary.stored_bytes, file.len() as u64);
    assert_eq!(summary.content_bytes, archive.len() as u64);
    let mode = std::fs::metadata(&path)
        .expect("there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o7777, 0o600);
}

#[test]
fn the_archive_comes_out_as_it_went_in_from_any_byte_on() {
    let dir = tempfile::tempdir().expect("a folder");
    let large = noise(3 * FRAME_BYTES + 5, 1);
    let mut archive: Vec<u8> = [
        raw_member("a", b"small"),
        raw_member("b", &large),
        raw_member("c", &large[..FRAME_BYTES - 100]),
        raw_member("d", b"small"),
    ]
    .concat();
    archive.resize((archive.len() + 1024).next_multiple_of(10_240), 0);
    let path = dir.path().join("p.tar.zst");
    pack(&archive, &path);
    let mut reader = PackReader::open(&path).expect("opened");
    for offset in [
        0,
        1,
        511,
        512,
        1_048_576,
        1_049_600,
        3_000_000,
        archive.len() - 1,
    ] {
        let mut rest = Vec::new();
        reader
            .read_at(offset as u64)
            .expect("within")
            .read_to_end(&mut rest)
            .expect("readable");
        assert!(rest == archive[offset..], "from {offset}");
    }
    let beyond = reader.read_at(archive.len() as u64).map(|_| ());
    assert!(
        matches!(beyond, Err(Error::Beyond { offset, .. }) if offset == archive.len() as u64),
        "{beyond:?}"
    );
}

#[test]
fn frames_end_at_members_or_belong_to_one() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("p.tar.zst");
    let sizes = [
        700_000,
        700_000,
        100,
        2 * FRAME_BYTES - 512,
        2 * FRAME_BYTES,
        100,
    ];
    let archive: Vec<u8> = (b'a'..)
        .zip(sizes)
        .flat_map(|(name, size)| raw_member(&char::from(name).to_string(), &noise(size, 7)))
        .chain([0; 1024])
        .collect();
    let (_, members) = pack(&archive, &path);
    let reader = PackReader::open(&path).expect("opened");
    let frames: Vec<(u64, u32)> = reader
        .frames()
        .iter()
        .map(|f| (f.offset_bytes, f.length_bytes))
        .collect();
    let offsets: Vec<u64> = members.iter().map(|(_, offset)| *offset).collect();
    let mib = FRAME_BYTES as u32;
    let group = 2 * (700_416 + 512);
    let b = u64::from(group) + 1024;
    assert_eq!(
        offsets,
        [
            0,
            700_928,
            u64::from(group),
            b,
            b + 2 * u64::from(mib),
            b + 4 * u64::from(mib) + 512,
        ]
    );
    assert_eq!(
        frames,
        [
            (0, group),
            (u64::from(group), 1024),
            (b, mib),
            (b + u64::from(mib), mib),
            (offsets[4], mib),
            (offsets[4] + u64::from(mib), mib),
            (offsets[4] + 2 * u64::from(mib), 512),
            (offsets[5], 1024),
            (
                offsets[5] + 1024,
                (10_240 - (offsets[5] + 1024 + 1024) % 10_240) as u32 + 1024
            ),
        ]
    );
    let compressed: Vec<&Frame> = reader.frames().iter().collect();
    assert_eq!(compressed[0].compressed.start, 0);
    assert!(
        compressed
            .windows(2)
            .all(|w| w[0].compressed.end == w[1].compressed.start)
    );
}

#[test]
fn one_member_is_read_by_its_offset() {
    let dir = tempfile::tempdir().expect("a folder");
    make_tree(dir.path());
    let archive = archive(dir.path());
    let path = dir.path().join("p.tar.zst");
    let (_, members) = pack(&archive, &path);
    let raws = raw_members(&archive);
    let mut reader = PackReader::open(&path).expect("opened");
    for (member, offset) in members.iter().rev() {
        let name = &member.head.path;
        let mut content = reader.member(*offset, name).expect("there");
        assert_eq!(content.head(), &member.head);
        let mut bytes = Vec::new();
        content.read_to_end(&mut bytes).expect("readable");
        if let Kind::File { size_bytes } = member.head.kind {
            assert_eq!(bytes.len() as u64, size_bytes);
            assert_eq!(Some(Sha256::of(&bytes)), member.sha256);
        } else {
            assert_eq!(bytes, [0_u8; 0]);
        }
        let mut raw = Vec::new();
        let copied = reader.raw_member(*offset, name, &mut raw).expect("there");
        assert_eq!(&copied, member);
        assert!(raw == raws[name], "{name}");
    }
}

/// A pack that is no file here.
struct InMemory(Vec<u8>);

impl ReadAt for InMemory {
    fn length_bytes(&self) -> io::Result<u64> {
        Ok(self.0.len() as u64)
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let from = usize::try_from(offset).map_err(io::Error::other)?;
        let bytes = self.0.get(from..).and_then(|rest| rest.get(..buffer.len()));
        buffer.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

#[test]
fn a_pack_need_not_be_a_file() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("p.tar.zst");
    let archive = [raw_member("a", b"1"), raw_member("b", b"2"), vec![0; 1024]].concat();
    pack(&archive, &path);
    let bytes = std::fs::read(&path).expect("a pack");
    let mut reader = PackReader::over(InMemory(bytes.clone()), "elsewhere").expect("opened");
    let mut content = Vec::new();
    reader
        .member(1024, &"/b".parse().expect("a path"))
        .expect("a member")
        .read_to_end(&mut content)
        .expect("content");
    assert_eq!(content, b"2");
    let cut = InMemory(bytes[..bytes.len() - 1].to_vec());
    let error = PackReader::over(cut, "elsewhere").expect_err("cut");
    assert!(error.to_string().contains("elsewhere"), "{error}");
}

#[test]
fn what_lies_elsewhere_is_not_given() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("p.tar.zst");
    let archive = [raw_member("a", b"1"), raw_member("b", b"2"), vec![0; 1024]].concat();
    pack(&archive, &path);
    let mut reader = PackReader::open(&path).expect("opened");
    let name: RemotePath = "/a".parse().expect("a path");
    let text = |error: Error| {
        error
            .to_string()
            .replace(&*dir.path().to_string_lossy(), "DIR")
    };
    let mut said = |offset: u64| {
        let content = reader.member(offset, &name).map(|_| ()).map_err(text);
        let raw = reader
            .raw_member(offset, &name, &mut Vec::new())
            .map(|_| ())
            .map_err(text);
        assert_eq!(content, raw);
        raw
    };
    assert_eq!(said(0), Ok(()));
    assert_eq!(
        said(1024),
        Err("the pack DIR/p.tar.zst has `/b` where `/a` should be".to_owned())
    );
    assert_eq!(
        said(512),
        Err("the pack DIR/p.tar.zst has no whole member at its uncompressed byte 512".to_owned())
    );
    assert_eq!(
        said(2048),
        Err("the pack DIR/p.tar.zst has no whole member at its uncompressed byte 2048".to_owned())
    );
    assert_eq!(
        said(10_240),
        Err("the pack DIR/p.tar.zst has no byte 10240".to_owned())
    );
}

#[test]
fn an_output_that_fails_is_told_apart_from_the_pack() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("p.tar.zst");
    pack(&[raw_member("a", b"1"), vec![0; 1024]].concat(), &path);
    let mut reader = PackReader::open(&path).expect("opened");
    let mut full = std::fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .expect("there");
    let error = reader
        .raw_member(0, &"/a".parse().expect("a path"), &mut full)
        .expect_err("full");
    assert!(
        matches!(&error, Error::Output { source, .. } if source.kind() == io::ErrorKind::StorageFull),
        "{error:?}"
    );
}

#[test]
fn packs_do_not_depend_on_the_number_of_threads() {
    let dir = tempfile::tempdir().expect("a folder");
    let archive: Vec<u8> = (0..40_u64)
        .flat_map(|n| raw_member(&format!("f{n}"), &noise(150_000, n)))
        .chain(raw_member("large", &noise(5_000_000, 99)))
        .chain([0; 1024])
        .collect();
    let mut digests = Vec::new();
    for threads in [0, 1, 2, 5] {
        let path = dir.path().join(format!("{threads}.tar.zst"));
        let mut writer =
            PackWriter::create(path, PackOptions { level: 3, threads }).expect("created");
        super::copy_members(&archive, &mut writer).expect("written");
        digests.push(writer.finish().expect("finished").sha256);
    }
    digests.dedup();
    assert_eq!(digests.len(), 1);
}

#[test]
fn an_empty_pack_is_an_empty_archive() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("p.tar.zst");
    let (summary, members) = pack(&[0; 1024], &path);
    assert_eq!(
        (summary.members, summary.content_bytes, members),
        (0, 10_240, vec![])
    );
    assert_eq!(sh(dir.path(), "tar --zstd -tf p.tar.zst"), b"");
    let mut reader = PackReader::open(&path).expect("opened");
    let mut stream = MemberStream::new(reader.read_at(0).expect("within"));
    assert!(matches!(
        stream.next(),
        Ok(crate::tarstream::Event::Finished)
    ));
}

/// Lines of digits, in which every match is short and chance.
fn log_lines(length: usize) -> Vec<u8> {
    let numbers = dense_noise(length / 8, 7);
    let text = numbers.chunks_exact(4).map(|chunk| {
        let number = u32::from_le_bytes(chunk.try_into().expect("four bytes"));
        format!("took {number:08x} us, next {:06} ms\n", number % 999_983)
    });
    let mut text = text.collect::<String>().into_bytes();
    text.truncate(length);
    text
}

#[test]
fn the_first_frames_are_compressed_well_and_logs_at_their_end_no_worse_than_usual() {
    let dir = tempfile::tempdir().expect("a folder");
    let text = log_lines(20_000_000);
    let usual = |text: &[u8]| -> u64 {
        let frames = text.chunks(1 << 20);
        let packed = frames.map(|frame| zstd::bulk::compress(frame, 3).expect("compressed").len());
        packed.sum::<usize>() as u64
    };
    let mut sizes = Vec::new();
    for content in [&text[..8_000_000], &text] {
        let path = dir.path().join(content.len().to_string());
        let archive = [raw_member("log", content), vec![0; 1024]].concat();
        sizes.push(pack(&archive, &path).0.stored_bytes);
        let read = sh(
            dir.path(),
            &format!("tar --zstd -xOf {} log", path.display()),
        );
        assert!(read == content, "it reads back");
    }
    let (early, all) = (sizes[0], sizes[1]);
    assert!(early < usual(&text[..8_000_000]), "{early}");
    assert!(all - early < usual(&text[8_000_000..]), "{all}");
}
