//! Tests of damaged packs: what differs from what was written is an error.

use std::io::Read as _;
use std::path::Path;

use super::{noise, pack, raw_member};
use crate::fault::{ExitClass, Fault as _};
use crate::pack::{Error, FRAME_BYTES, PackReader};
use crate::tarstream::Member;

/// The archive in the pack, or why not.
fn read_all(path: &Path) -> Result<Vec<u8>, String> {
    let mut reader = PackReader::open(path).map_err(|e| e.to_string())?;
    let mut archive = Vec::new();
    reader
        .read_at(0)
        .map_err(|e| e.to_string())?
        .read_to_end(&mut archive)
        .map_err(|e| e.to_string())?;
    Ok(archive)
}

/// Every member's raw bytes by offset, or why not.
fn read_members(path: &Path, members: &[(Member, u64)]) -> Result<Vec<Vec<u8>>, Error> {
    let mut reader = PackReader::open(path)?;
    members
        .iter()
        .map(|(member, offset)| {
            let mut raw = Vec::new();
            reader.raw_member(*offset, &member.head.path, &mut raw)?;
            Ok(raw)
        })
        .collect()
}

fn sample() -> Vec<u8> {
    let mut archive = [
        raw_member("a", b"hello hello hello"),
        raw_member("b", &noise(300, 2)),
        raw_member("c", &vec![b'z'; FRAME_BYTES]),
        raw_member("d", b"end"),
    ]
    .concat();
    archive.resize((archive.len() + 1024).next_multiple_of(10_240), 0);
    archive
}

#[test]
fn no_flipped_bit_changes_what_is_read() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("p.tar.zst");
    let archive = sample();
    let (_, members) = pack(&archive, &path);
    let whole = std::fs::read(&path).expect("readable");
    let raw_members = read_members(&path, &members).expect("whole");
    let damaged = dir.path().join("damaged.tar.zst");
    let mut found = 0;
    for place in 0..whole.len() {
        for mask in [1_u8, 0x80, 0xff] {
            let mut bytes = whole.clone();
            bytes[place] ^= mask;
            std::fs::write(&damaged, &bytes).expect("written");
            match read_all(&damaged) {
                Ok(read) => assert!(read == archive, "byte {place}"),
                Err(_) => found += 1,
            }
            match read_members(&damaged, &members) {
                Ok(read) => assert!(read == raw_members, "byte {place}"),
                Err(error) => assert_eq!(error.exit_class(), ExitClass::Mismatch, "{error:?}"),
            }
        }
    }
    assert!(found * 10 >= whole.len() * 3 * 9, "{found}");
}

#[test]
fn no_shortened_or_lengthened_pack_is_read() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("p.tar.zst");
    pack(&sample(), &path);
    let whole = std::fs::read(&path).expect("readable");
    let damaged = dir.path().join("damaged.tar.zst");
    for length in 0..whole.len() {
        std::fs::write(&damaged, &whole[..length]).expect("written");
        let error = PackReader::open(&damaged).expect_err("too short");
        assert!(
            matches!(error, Error::Damaged { .. }),
            "{length}: {error:?}"
        );
    }
    for (front, back) in [(&b"x"[..], &b""[..]), (b"", b"x")] {
        std::fs::write(&damaged, [front, &whole, back].concat()).expect("written");
        let error = PackReader::open(&damaged).expect_err("too long");
        assert!(matches!(error, Error::Damaged { .. }), "{error:?}");
    }
}

#[test]
fn each_damage_is_told_in_its_own_words() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("p.tar.zst");
    pack(&[raw_member("a", b"1"), vec![0; 1024]].concat(), &path);
    let whole = std::fs::read(&path).expect("readable");
    let length = whole.len();
    let flip = |place: usize| {
        let mut bytes = whole.clone();
        bytes[place] ^= 0xff;
        bytes
    };
    let text = |bytes: &[u8]| {
        std::fs::write(&path, bytes).expect("written");
        let text = read_all(&path).expect_err("damaged");
        text.replace(&*path.to_string_lossy(), "P")
    };
    assert_eq!(
        text(b""),
        "the pack P is damaged at byte 0: it is too short for a pack"
    );
    assert_eq!(
        text(&flip(length - 1)),
        format!(
            "the pack P is damaged at byte {}: it does not end with an index",
            length - 9
        )
    );
    assert_eq!(
        text(&flip(length - 5)),
        format!(
            "the pack P is damaged at byte {}: its index is of an unknown kind",
            length - 9
        )
    );
    assert_eq!(
        text(&flip(length - 6)),
        format!(
            "the pack P is damaged at byte {}: its index is longer than the file",
            length - 9
        )
    );
    let index = length - (40 + 8 + 2 * 8 + 9);
    assert_eq!(
        text(&flip(length - 20)),
        format!("the pack P is damaged at byte {index}: its index does not match its digest")
    );
    assert_eq!(
        text(&flip(index)),
        format!("the pack P is damaged at byte {index}: its index does not match its digest")
    );
    assert_eq!(
        text(&[b"x", &whole[..]].concat()),
        format!(
            "the pack P is damaged at byte {}: its index does not match its length",
            index + 1
        )
    );
    assert_eq!(
        text(&flip(0)),
        "the pack P is damaged: its frame at byte 0 can't be decompressed"
    );
}

#[test]
fn a_pack_that_is_not_there_is_no_damage() {
    let error = PackReader::open("/nowhere/p.tar.zst").expect_err("missing");
    assert_eq!(error.to_string(), "can't read the pack /nowhere/p.tar.zst");
    assert_eq!(error.exit_class(), ExitClass::Failed);
}

#[test]
fn a_frame_that_is_whole_but_not_the_right_one_is_found() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("p.tar.zst");
    pack(&sample(), &path);
    let frame = {
        let reader = PackReader::open(&path).expect("opened");
        reader.frames()[0].clone()
    };
    let mut bytes = std::fs::read(&path).expect("readable");
    let room = usize::try_from(frame.compressed.end).expect("small");
    // A frame of other content, filled up with a skippable frame to the same length.
    let mut other = zstd::encode_all(&b"other"[..], 3).expect("compressed");
    let filler = u32::try_from(room - other.len() - 8).expect("small");
    other.extend(0x184D_2A50_u32.to_le_bytes());
    other.extend(filler.to_le_bytes());
    other.resize(room, 0);
    bytes[..room].copy_from_slice(&other);
    std::fs::write(&path, &bytes).expect("written");
    assert_eq!(
        read_all(&path),
        Err(format!(
            "the pack {} is damaged at byte 0: a frame's length differs from the index",
            path.display()
        ))
    );
}
