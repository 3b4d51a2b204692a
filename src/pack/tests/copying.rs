//! Tests of members that are copied out of older packs.

use std::path::Path;

use proptest::prelude::*;

use super::{dense_noise, free, noise, pack, raw_member};
use crate::digest::Sha256;
use crate::fault::{ExitClass, Fault as _};
use crate::name::RemotePath;
use crate::pack::{Error, FRAME_BYTES, Order, PackOptions, PackReader, PackWriter, Wanted};
use crate::tarstream::Member;
use crate::tarstream::sample::{archive, make_tree, sh};

fn create(path: &Path) -> PackWriter {
    PackWriter::create(path, PackOptions::default()).expect("created")
}

/// Writes a member as one that was fetched.
fn add(writer: &mut PackWriter, raw: &[u8]) -> usize {
    let length = raw.len() as u64;
    let number = writer.begin_member(length, free(512)).expect("begun");
    writer.write(raw).expect("written");
    writer.end_member().expect("ended");
    number
}

fn wanted(members: &[(Member, u64)]) -> Vec<Wanted<'_>> {
    members
        .iter()
        .map(|(member, offset)| Wanted {
            offset_bytes: *offset,
            path: &member.head.path,
            sha256: member.sha256,
        })
        .collect()
}

/// Packs files of these sizes at `path`; gives their raw bytes as well.
fn pack_files(path: &Path, name: &str, sizes: &[usize]) -> (Vec<Vec<u8>>, Vec<(Member, u64)>) {
    let raws: Vec<Vec<u8>> = sizes
        .iter()
        .enumerate()
        .map(|(n, &size)| raw_member(&format!("{name}{n}"), &noise(size, n as u64 + 1)))
        .collect();
    let (_, members) = pack(&[raws.concat(), vec![0; 1024]].concat(), path);
    (raws, members)
}

fn read_raw(reader: &mut PackReader, offset: u64, path: &RemotePath) -> Vec<u8> {
    let mut raw = Vec::new();
    reader.raw_member(offset, path, &mut raw).expect("there");
    raw
}

/// The compressed bytes of each frame.
fn frames(path: &Path) -> Vec<Vec<u8>> {
    let file = std::fs::read(path).expect("readable");
    let reader = PackReader::open(path).expect("opened");
    let place = |at: u64| usize::try_from(at).expect("small");
    reader
        .frames()
        .iter()
        .map(|f| file[place(f.compressed.start)..place(f.compressed.end)].to_vec())
        .collect()
}

fn lines(dir: &Path, script: &str) -> Vec<String> {
    String::from_utf8(sh(dir, script))
        .expect("plain names")
        .lines()
        .map(str::to_owned)
        .collect()
}

#[test]
fn a_whole_tree_is_copied_and_plain_tar_restores_it() {
    let dir = tempfile::tempdir().expect("a folder");
    make_tree(dir.path());
    let old = dir.path().join("old.tar.zst");
    let (_, mut members) = pack(&archive(dir.path()), &old);
    members.sort_by_key(|(_, offset)| *offset);
    let new = dir.path().join("new.tar.zst");
    let mut writer = create(&new);
    let mut source = PackReader::open(&old).expect("opened");
    let numbers = writer
        .copy_from(&mut source, &wanted(&members))
        .expect("whole");
    assert_eq!(numbers, 0..members.len());
    let summary = writer.finish().expect("finished");
    assert_eq!(summary.members, members.len() as u64);
    let mut target = PackReader::open(&new).expect("opened");
    assert_eq!(summary.content_bytes, target.content_bytes());
    for ((member, old_offset), new_offset) in members.iter().zip(&summary.offsets) {
        let path = &member.head.path;
        let before = read_raw(&mut source, *old_offset, path);
        assert!(read_raw(&mut target, *new_offset, path) == before, "{path}");
    }
    let names = "tar --zstd --quoting-style=escape -tvf";
    assert_eq!(
        lines(dir.path(), &format!("{names} new.tar.zst")),
        lines(dir.path(), &format!("{names} old.tar.zst"))
    );
}

#[test]
fn live_frames_are_copied_as_they_are_and_others_grouped_anew() {
    let dir = tempfile::tempdir().expect("a folder");
    let old = dir.path().join("old.tar.zst");
    let third = FRAME_BYTES / 3;
    // Three full groups, a large file in three frames, and a short group.
    let sizes = [[third; 9].as_slice(), &[2 * FRAME_BYTES + 100], &[1000; 3]].concat();
    let (raws, members) = pack_files(&old, "f", &sizes);
    let before = frames(&old);
    assert_eq!(before.len(), 3 + 3 + 1 + 1);
    // One member of the second group is dead.
    let mut live = wanted(&members);
    live.remove(4);
    let new = dir.path().join("new.tar.zst");
    let mut writer = create(&new);
    let mut source = PackReader::open(&old).expect("opened");
    let numbers = writer.copy_from(&mut source, &live).expect("whole");
    assert_eq!(numbers, 0..12);
    // And one that was fetched joins the short group.
    let last = add(&mut writer, &raw_member("fresh", b"x"));
    let summary = writer.finish().expect("finished");
    assert_eq!(summary.members, 13);
    let after = frames(&new);
    assert_eq!(after.len(), before.len());
    assert!(after[0] == before[0]);
    assert!(after[1] != before[1]);
    assert!(after[2..6] == before[2..6]);
    assert!(after[6] != before[6]);
    let group = third.next_multiple_of(512) as u64 + 512;
    assert_eq!(summary.offsets[3..6], [3 * group, 4 * group, 5 * group]);
    assert_eq!(
        summary.offsets[last],
        raws.iter().map(|r| r.len() as u64).sum::<u64>() - group
    );
    sh(dir.path(), "zstd -qt new.tar.zst");
}

#[test]
fn many_tiny_packs_become_one_frame() {
    let dir = tempfile::tempdir().expect("a folder");
    let new = dir.path().join("new.tar.zst");
    let mut writer = create(&new);
    for n in 0..40 {
        let old = dir.path().join(format!("{n}.tar.zst"));
        let (_, members) = pack_files(&old, &format!("p{n}-"), &[10_000]);
        let mut source = PackReader::open(&old).expect("opened");
        let numbers = writer
            .copy_from(&mut source, &wanted(&members))
            .expect("whole");
        assert_eq!(numbers, n..n + 1);
    }
    let summary = writer.finish().expect("finished");
    assert!(summary.offsets.into_iter().eq((0..40).map(|n| n * 10_752)));
    assert_eq!(frames(&new).len(), 2);
}

#[test]
fn a_little_that_is_gathered_joins_the_first_frame() {
    let dir = tempfile::tempdir().expect("a folder");
    let old = dir.path().join("old.tar.zst");
    let half = FRAME_BYTES / 2;
    let (_, members) = pack_files(&old, "f", &[half; 6]);
    let before = frames(&old);
    let frames_after = |gathered: usize| {
        let new = dir.path().join(format!("{gathered}.tar.zst"));
        let mut writer = create(&new);
        add(&mut writer, &raw_member("fresh", &noise(gathered, 50)));
        let mut source = PackReader::open(&old).expect("opened");
        writer
            .copy_from(&mut source, &wanted(&members))
            .expect("whole");
        writer.finish().expect("finished");
        frames(&new)
    };
    let little = frames_after(1000);
    assert_eq!(little.len(), before.len());
    assert!(little[0] != before[0] && little[1..3] == before[1..3]);
    let much = frames_after(300_000);
    assert_eq!(much.len(), before.len() + 1);
    assert!(much[1..4] == before[..3]);
}

#[test]
fn no_flipped_byte_is_copied() {
    let dir = tempfile::tempdir().expect("a folder");
    let old = dir.path().join("old.tar.zst");
    let sizes = [FRAME_BYTES / 2, FRAME_BYTES / 2, FRAME_BYTES + 100, 10, 20];
    let (raws, members) = pack_files(&old, "f", &sizes);
    let whole = std::fs::read(&old).expect("readable");
    let end = PackReader::open(&old).expect("opened").frames()[3]
        .compressed
        .end;
    let live = wanted(&members);
    let first = raw_member("first", &noise(1000, 7));
    let last = raw_member("last", &noise(FRAME_BYTES, 8));
    let dense = raw_member("dense", &dense_noise(20_000, 9));
    let mut found = 0;
    let places: Vec<u64> = (0..40).chain((0..60).map(|n| n * (end / 60))).collect();
    for &place in &places {
        let mut bytes = whole.clone();
        bytes[usize::try_from(place).expect("small")] ^= 0x20;
        let damaged = dir.path().join("damaged.tar.zst");
        std::fs::write(&damaged, &bytes).expect("written");
        let new = dir.path().join("p.tar.zst");
        let mut writer = create(&new);
        assert_eq!(add(&mut writer, &first), 0);
        // Gathered as well, apart from it.
        assert_eq!(add(&mut writer, &dense), 1);
        let mut source = PackReader::open(&damaged).expect("its index is whole");
        match writer.copy_from(&mut source, &live) {
            Ok(numbers) => {
                // A bit that no decoder looks at.
                let summary = writer.finish().expect("finished");
                let mut reader = PackReader::open(&new).expect("opened");
                for ((wanted, number), raw) in live.iter().zip(numbers).zip(&raws) {
                    assert!(
                        read_raw(&mut reader, summary.offsets[number], wanted.path) == *raw,
                        "{place}"
                    );
                }
            }
            Err(error) => {
                found += 1;
                assert_eq!(error.exit_class(), ExitClass::Mismatch, "{error:?}");
                assert!(error.to_string().contains("damaged.tar.zst"), "{error}");
                // The pack goes on as if nothing had been.
                assert_eq!(add(&mut writer, &last), 2);
                let summary = writer.finish().expect("finished");
                assert_eq!(summary.members, 3);
                assert_eq!(
                    summary.offsets,
                    [0, (first.len() + last.len()) as u64, first.len() as u64]
                );
                let file = std::fs::read(&new).expect("readable");
                assert_eq!(summary.sha256, Sha256::of(&file));
                assert_eq!(
                    lines(dir.path(), "zstd -qt p.tar.zst && tar --zstd -tf p.tar.zst"),
                    ["first", "last", "dense"]
                );
            }
        }
        std::fs::remove_file(new).expect("removed");
    }
    assert!(found >= places.len() - 2, "{found} of {}", places.len());
}

/// The error about `asked`, and nothing is copied.
fn refusal(writer: &mut PackWriter, source: &mut PackReader, asked: &[Wanted<'_>]) -> String {
    let error = writer.copy_from(source, asked).expect_err("refused");
    assert_eq!(error.exit_class(), ExitClass::Mismatch);
    assert!(error.hint().is_some());
    let dir = source.path().parent().expect("in a folder");
    error.to_string().replace(&*dir.to_string_lossy(), "DIR")
}

/// `live` with one of them changed.
fn with<'a>(live: &[Wanted<'a>], place: usize, changed: Wanted<'a>) -> Vec<Wanted<'a>> {
    let mut asked = live.to_vec();
    asked[place] = changed;
    asked
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn each_refusal_names_the_older_pack_and_leaves_the_new_one_as_it_was() {
    let dir = tempfile::tempdir().expect("a folder");
    let old = dir.path().join("old.tar.zst");
    let sizes = [FRAME_BYTES, 3 * FRAME_BYTES, 10, 20];
    let (raws, members) = pack_files(&old, "f", &sizes);
    let mut source = PackReader::open(&old).expect("opened");
    let live = wanted(&members);
    let other: RemotePath = "/other".parse().expect("a path");
    let zeros = Some(Sha256::of(b""));
    let new = dir.path().join("new.tar.zst");
    let mut writer = create(&new);
    let small = raw_member("small", b"1");
    add(&mut writer, &small);
    let mut said = |asked: &[Wanted<'_>]| refusal(&mut writer, &mut source, asked);
    let third = live[2].offset_bytes;
    let fourth = live[3].offset_bytes;
    let at = |offset_bytes| Wanted {
        offset_bytes,
        ..live[3]
    };
    for large in [1, 3] {
        let name = live[large].path;
        assert_eq!(
            said(&with(
                &live,
                large,
                Wanted {
                    sha256: zeros,
                    ..live[large]
                }
            )),
            format!(
                "the content of `{name}` in the pack DIR/old.tar.zst does not match its digest"
            )
        );
        assert_eq!(
            said(&with(
                &live,
                large,
                Wanted {
                    path: &other,
                    ..live[large]
                }
            )),
            format!("the pack DIR/old.tar.zst has `{name}` where `/other` should be")
        );
    }
    assert_eq!(
        said(&with(&live, 3, at(fourth + 512))),
        format!(
            "the pack DIR/old.tar.zst has no whole member at its uncompressed byte {}",
            fourth + 512
        )
    );
    assert_eq!(
        said(&with(&live, 3, at(fourth + 1024))),
        format!(
            "the pack DIR/old.tar.zst has no whole member at its uncompressed byte {}",
            fourth + 1024
        )
    );
    assert_eq!(
        said(&with(&live, 3, at(1 << 40))),
        format!("the pack DIR/old.tar.zst has no byte {}", 1_u64 << 40)
    );
    assert_eq!(
        said(&[live[0], live[3], live[2]]),
        format!(
            "the requested members of the pack DIR/old.tar.zst overlap or go backwards at its \
             uncompressed byte {third}"
        )
    );
    assert_eq!(
        said(&with(&live, 2, live[1])),
        format!(
            "the requested members of the pack DIR/old.tar.zst overlap or go backwards at its \
             uncompressed byte {}",
            live[1].offset_bytes
        )
    );
    let numbers = writer.copy_from(&mut source, &live).expect("whole");
    assert_eq!(numbers, 1..5);
    let summary = writer.finish().expect("finished");
    assert_eq!(summary.members, 5);
    let mut reader = PackReader::open(&new).expect("opened");
    assert!(read_raw(&mut reader, 0, &"/small".parse().expect("a path")) == small);
    for ((wanted, offset), raw) in live.iter().zip(&summary.offsets[1..]).zip(&raws) {
        assert!(read_raw(&mut reader, *offset, wanted.path) == *raw);
    }
}

#[test]
fn an_open_member_is_not_interrupted() {
    let dir = tempfile::tempdir().expect("a folder");
    let old = dir.path().join("old.tar.zst");
    let (_, members) = pack_files(&old, "f", &[10]);
    let mut source = PackReader::open(&old).expect("opened");
    let mut writer = create(&dir.path().join("new.tar.zst"));
    let raw = raw_member("open", b"1");
    let length = raw.len() as u64;
    writer.begin_member(length, Order::Kept).expect("begun");
    let error = writer
        .copy_from(&mut source, &wanted(&members))
        .expect_err("open");
    assert!(matches!(error, Error::MemberOpen { .. }), "{error:?}");
    writer.write(&raw).expect("written");
    writer.end_member().expect("ended");
    assert_eq!(writer.copy_from(&mut source, &[]).expect("nothing"), 1..1);
    assert_eq!(writer.finish().expect("finished").members, 1);
}

#[test]
fn a_full_disk_is_told_as_the_new_packs() {
    let dir = tempfile::tempdir().expect("a folder");
    let old = dir.path().join("old.tar.zst");
    let (_, members) = pack_files(&old, "f", &[64 * FRAME_BYTES]);
    let mut source = PackReader::open(&old).expect("opened");
    let full = std::fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .expect("there");
    let mut writer =
        PackWriter::onto("p.tar.zst".into(), full, PackOptions::default()).expect("opened");
    let error = writer
        .copy_from(&mut source, &wanted(&members))
        .expect_err("full");
    assert_eq!(error.to_string(), "can't write the pack p.tar.zst");
    let again = writer.copy_from(&mut source, &wanted(&members));
    assert!(matches!(again, Err(Error::Stopped { .. })), "{again:?}");
}

/// Small, near a frame, several frames.
fn size() -> impl Strategy<Value = usize> {
    prop_oneof![
        6 => 0..60_000_usize,
        2 => FRAME_BYTES / 2..FRAME_BYTES,
        1 => FRAME_BYTES - 1100..FRAME_BYTES + 600,
        1 => FRAME_BYTES..4 * FRAME_BYTES,
    ]
}

/// Sizes of files, and whether each is still live.
fn old_pack() -> impl Strategy<Value = Vec<(usize, bool)>> {
    let mostly = prop::bool::weighted(0.9);
    let all = Just(true);
    let file = prop_oneof![(size(), mostly), (size(), all)];
    prop::collection::vec(file, 1..30)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn whatever_is_copied_reads_the_same(
        olds in prop::collection::vec((old_pack(), prop::collection::vec((size(), prop::bool::ANY), 0..4)), 1..4),
    ) {
        let dir = tempfile::tempdir().expect("a folder");
        let new = dir.path().join("new.tar.zst");
        let mut writer = create(&new);
        let mut should: Vec<(usize, RemotePath, Vec<u8>)> = Vec::new();
        for (n, (files, fresh)) in olds.iter().enumerate() {
            for (m, &(size, is_dense)) in fresh.iter().enumerate() {
                let name = format!("fresh{n}-{m}");
                let content = if is_dense { dense_noise } else { noise };
                let raw = raw_member(&name, &content(size, 77));
                let number = add(&mut writer, &raw);
                should.push((number, format!("/{name}").parse().expect("a path"), raw));
            }
            let old = dir.path().join(format!("{n}.tar.zst"));
            let sizes: Vec<usize> = files.iter().map(|f| f.0).collect();
            let (raws, members) = pack_files(&old, &format!("old{n}-"), &sizes);
            let is_live = |place: usize| files[place].1;
            let live: Vec<Wanted<'_>> = wanted(&members)
                .into_iter()
                .enumerate()
                .filter(|(place, _)| is_live(*place))
                .map(|(_, wanted)| wanted)
                .collect();
            let mut source = PackReader::open(&old).expect("opened");
            let numbers = writer.copy_from(&mut source, &live).expect("whole");
            prop_assert_eq!(numbers.len(), live.len());
            let raws = raws.into_iter().enumerate().filter(|(place, _)| is_live(*place));
            for ((wanted, number), (_, raw)) in live.iter().zip(numbers).zip(raws) {
                should.push((number, wanted.path.clone(), raw));
            }
        }
        let summary = writer.finish().expect("finished");
        let file = std::fs::read(&new).expect("readable");
        prop_assert_eq!(summary.sha256, Sha256::of(&file));
        prop_assert_eq!(summary.stored_bytes, file.len() as u64);
        prop_assert_eq!(summary.members, should.len() as u64);
        prop_assert_eq!(summary.offsets.len(), should.len());
        let mut reader = PackReader::open(&new).expect("opened");
        prop_assert_eq!(summary.content_bytes, reader.content_bytes());
        // What was copied stays in its order.
        let copied = |&(number, ref path, _): &(usize, RemotePath, Vec<u8>)| {
            let is_copied = path.to_string().starts_with("/old");
            is_copied.then(|| summary.offsets[number])
        };
        prop_assert!(should.iter().filter_map(copied).is_sorted());
        should.sort_by_key(|&(number, ..)| summary.offsets[number]);
        let mut end = 0;
        for (number, path, raw) in &should {
            prop_assert_eq!(summary.offsets[*number], end);
            end += raw.len() as u64;
            prop_assert!(read_raw(&mut reader, summary.offsets[*number], path) == *raw, "{}", path);
        }
        let names: Vec<String> = should
            .iter()
            .map(|(_, path, _)| path.to_string().trim_start_matches('/').to_owned())
            .collect();
        prop_assert_eq!(lines(dir.path(), "tar --zstd -tf new.tar.zst"), names);
    }
}
