//! Tests of writing: members that are cut off, full disks, calls in the wrong order.

use std::path::Path;

use super::{copy_members, free, noise, raw_member};
use crate::fault::Fault as _;
use crate::pack::{Error, FRAME_BYTES, Order, PackOptions, PackReader, PackWriter};
use crate::tarstream::sample::{archive, make_tree, sh};

fn create(path: &Path) -> PackWriter {
    PackWriter::create(path, PackOptions::default()).expect("created")
}

/// What plain tar finds in `dir/p.tar.zst`.
fn listed(dir: &Path) -> Vec<String> {
    let output = sh(dir, "zstd -qt p.tar.zst && tar --zstd -tf p.tar.zst");
    String::from_utf8(output)
        .expect("plain names")
        .lines()
        .map(str::to_owned)
        .collect()
}

#[test]
fn what_arrived_whole_is_kept_wherever_the_stream_is_cut() {
    let dir = tempfile::tempdir().expect("a folder");
    make_tree(dir.path());
    let archive = archive(dir.path());
    for cut in (0..archive.len()).step_by(1536) {
        let path = dir.path().join("p.tar.zst");
        let mut writer = create(&path);
        let members = copy_members(&archive[..cut], &mut writer).expect("written");
        let summary = writer.finish().expect("finished");
        assert_eq!(summary.members, members.len() as u64);
        let count = sh(
            dir.path(),
            "tar --zstd --quoting-style=escape -tf p.tar.zst | wc -l",
        );
        assert_eq!(
            String::from_utf8_lossy(&count).trim(),
            members.len().to_string(),
            "{cut}"
        );
        std::fs::remove_file(path).expect("removed");
    }
}

#[test]
fn cutting_back_a_large_member_leaves_the_others() {
    let large = raw_member("large", &noise(4 * FRAME_BYTES, 3));
    let small = raw_member("small", b"x");
    let other = raw_member("other", &noise(2 * FRAME_BYTES, 4));
    for arrived in [
        0,
        1,
        512,
        FRAME_BYTES - 1,
        FRAME_BYTES,
        3 * FRAME_BYTES + 7,
        large.len(),
    ] {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("p.tar.zst");
        let mut writer = create(&path);
        let add = |writer: &mut PackWriter, bytes: &[u8]| {
            let length = bytes.len() as u64;
            let number = writer.begin_member(length, free(512)).expect("begun");
            writer.write(bytes).expect("written");
            writer.end_member().expect("ended");
            number
        };
        assert_eq!(add(&mut writer, &small), 0);
        let number = writer.begin_member(large.len() as u64, free(512));
        assert_eq!(number.expect("begun"), 1);
        writer.write(&large[..arrived]).expect("written");
        assert_eq!(writer.position_bytes(), (1024 + arrived) as u64);
        writer.cut_back().expect("cut back");
        writer.cut_back().expect("nothing to cut");
        assert_eq!(writer.position_bytes(), 1024);
        assert_eq!(add(&mut writer, &other), 1);
        let second = raw_member("again", &noise(2 * FRAME_BYTES, 5));
        writer
            .begin_member(second.len() as u64, Order::Kept)
            .expect("begun");
        writer.write(&second[..FRAME_BYTES + 1]).expect("written");
        writer.cut_back().expect("cut back");
        assert_eq!(add(&mut writer, &raw_member("last", b"y")), 2);
        let summary = writer.finish().expect("finished");
        assert_eq!(summary.members, 3);
        assert_eq!(summary.offsets, [0, 1024, 1024 + other.len() as u64]);
        assert_eq!(listed(dir.path()), ["small", "other", "last"], "{arrived}");
        let file = std::fs::read(&path).expect("readable");
        assert_eq!(summary.sha256, crate::digest::Sha256::of(&file));
        let mut reader = PackReader::open(&path).expect("opened");
        let mut raw = Vec::new();
        reader
            .raw_member(1024, &"/other".parse().expect("a path"), &mut raw)
            .expect("there");
        assert!(raw == other);
    }
}

#[test]
fn members_are_exactly_as_long_as_declared() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("p.tar.zst");
    let mut writer = create(&path);
    let lengths = |result: Result<(), Error>| match result {
        Err(Error::MemberLength {
            declared, written, ..
        }) => Some((declared, written)),
        Ok(()) | Err(_) => None,
    };
    assert_eq!(lengths(writer.write(b"x")), Some((0, 1)));
    assert_eq!(lengths(writer.end_member()), Some((0, 0)));
    writer.begin_member(1024, Order::Kept).expect("begun");
    writer.write(&[b'x'; 1000]).expect("written");
    assert_eq!(lengths(writer.write(&[b'x'; 25])), Some((1024, 1025)));
    assert_eq!(lengths(writer.end_member()), Some((1024, 1000)));
    let again = writer
        .begin_member(512, Order::Kept)
        .map_err(|e| e.to_string());
    let text = format!("a member of the pack {} is not finished", path.display());
    assert_eq!(again, Err(text.clone()));
    let finished = writer.finish().map_err(|e| e.to_string());
    assert_eq!(finished, Err(text));
}

#[test]
fn a_pack_never_replaces_a_file() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("p.tar.zst");
    std::fs::write(&path, "precious").expect("written");
    let error = PackWriter::create(&path, PackOptions::default()).expect_err("refused");
    assert_eq!(
        error.to_string(),
        format!("can't create the pack {}", path.display())
    );
    assert_eq!(std::fs::read(&path).expect("readable"), b"precious");
}

#[test]
fn an_abandoned_pack_is_gone() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("p.tar.zst");
    let mut writer = create(&path);
    writer.begin_member(2 << 20, Order::Kept).expect("begun");
    writer.write(&noise(1 << 20, 1)).expect("written");
    writer.abandon().expect("removed");
    assert!(!path.exists());
}

/// Writes large members until an error is returned, then asks again.
fn write_until_error(mut writer: PackWriter) -> (Error, Error) {
    let member = raw_member("m", &noise(FRAME_BYTES, 9));
    let mut add = || {
        writer.begin_member(member.len() as u64, Order::Kept)?;
        writer.write(&member)?;
        writer.end_member()
    };
    for _ in 0..64 {
        if let Err(error) = add() {
            writer.cut_back().map_or_else(drop, drop);
            let again = writer.finish().expect_err("it has failed");
            return (error, again);
        }
    }
    let error = writer.finish().expect_err("the disk is full");
    let path = Path::new("").to_owned();
    (error, Error::Stopped { path })
}

#[test]
fn a_full_disk_is_told_with_the_pack_and_a_way_out() {
    let file = std::fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .expect("there");
    let writer =
        PackWriter::onto("p.tar.zst".into(), file, PackOptions::default()).expect("opened");
    let (error, again) = write_until_error(writer);
    assert_eq!(error.to_string(), "can't write the pack p.tar.zst");
    assert_eq!(
        crate::fault::chain(&error)[1..],
        ["No space left on device (os error 28)".to_owned()]
    );
    assert_eq!(
        error.hint().as_deref(),
        Some(
            "Free space on the disk that holds the store, or choose a store on a larger one with `--store DIR`. Nothing incomplete is kept."
        )
    );
    assert!(matches!(again, Error::Stopped { .. }), "{again:?}");
}

#[test]
fn a_disk_that_fills_up_in_the_last_moment_is_told() {
    let file = std::fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .expect("there");
    let mut writer =
        PackWriter::onto("p.tar.zst".into(), file, PackOptions::default()).expect("opened");
    writer.begin_member(512, Order::Kept).expect("begun");
    writer.write(&[b'x'; 512]).expect("written");
    writer.end_member().expect("ended");
    let error = writer.finish().expect_err("full");
    assert!(
        matches!(&error, Error::Write { source, .. } if source.kind() == std::io::ErrorKind::StorageFull),
        "{error:?}"
    );
}

#[test]
fn a_writer_that_is_dropped_leaves_no_thread_behind() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("p.tar.zst");
    let mut writer = create(&path);
    writer.begin_member(4 << 20, Order::Kept).expect("begun");
    writer.write(&noise(3 << 20, 1)).expect("written");
    drop(writer);
    // Three frames were handed on, and the threads were waited for.
    let file = std::fs::read(&path).expect("readable");
    assert_eq!(
        zstd::decode_all(&file[..]).expect("whole frames").len(),
        3 << 20
    );
}
