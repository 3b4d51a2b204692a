//! Tests that compressible and incompressible members go into frames of their own.

use std::path::Path;

use proptest::prelude::*;

use super::{dense_noise, free, noise, pack, raw_member};
use crate::name::RemotePath;
use crate::pack::{FRAME_BYTES, Order, PackOptions, PackReader, PackSummary, PackWriter};
use crate::tarstream::sample::sh;

fn create(path: &Path) -> PackWriter {
    PackWriter::create(path, PackOptions::default()).expect("created")
}

fn add(writer: &mut PackWriter, raw: &[u8], order: Order) -> usize {
    let number = writer.begin_member(raw.len() as u64, order).expect("begun");
    // In pieces of a size that fits nothing.
    for piece in raw.chunks(3001) {
        writer.write(piece).expect("written");
    }
    writer.end_member().expect("ended");
    number
}

fn hard_link(name: &str, target: &str) -> Vec<u8> {
    let mut header = tar::Header::new_ustar();
    header.set_path(name).expect("a short name");
    header.set_entry_type(tar::EntryType::Link);
    header.set_link_name(target).expect("a short name");
    header.set_size(0);
    header.set_mode(0o644);
    header.set_cksum();
    header.as_bytes().to_vec()
}

/// Text that compresses well.
fn text(length: usize, seed: u64) -> Vec<u8> {
    let words = [b"exten => ".as_slice(), b"same", b",n,", b"Dial(", b")\n"];
    let noise = noise(length, seed);
    let mut text: Vec<u8> = noise
        .iter()
        .flat_map(|n| words[usize::from(n % 5)])
        .copied()
        .collect();
    text.truncate(length);
    text
}

fn path(name: &str) -> RemotePath {
    format!("/{name}").parse().expect("a path")
}

fn read(reader: &mut PackReader, offset: u64, name: &str) -> Vec<u8> {
    let mut raw = Vec::new();
    let member = reader.raw_member(offset, &path(name), &mut raw);
    member.expect("there");
    raw
}

/// So many files of either kind, in turn, with `order`. Several share each of zstd's blocks.
fn interleaved(path: &Path, order: Order) -> (PackSummary, Vec<usize>) {
    let mut writer = create(path);
    let mut dense = Vec::new();
    for n in 0..120 {
        let seed = 2 * n + 1;
        let raw = raw_member(&format!("d{n}"), &dense_noise(20_000, seed));
        dense.push(add(&mut writer, &raw, order));
        let raw = raw_member(&format!("t{n}"), &noise(20_000, seed + 1000));
        add(&mut writer, &raw, order);
    }
    (writer.finish().expect("finished"), dense)
}

#[test]
fn noise_and_text_share_no_frame() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("p.tar.zst");
    let (summary, dense) = interleaved(&path, free(512));
    let reader = PackReader::open(&path).expect("opened");
    let dense_in = |frame: &crate::pack::Frame| {
        let within = |offset: &u64| (frame.offset_bytes..frame.end_bytes()).contains(offset);
        let numbers = (0..summary.offsets.len()).filter(|&n| within(&summary.offsets[n]));
        let (is_dense, all): (Vec<_>, Vec<_>) = numbers.map(|n| (dense.contains(&n), n)).unzip();
        (is_dense.iter().filter(|d| **d).count(), all.len())
    };
    let found: Vec<(usize, usize)> = reader.frames().iter().map(dense_in).collect();
    // 50 are more than a MiB. What compresses comes first at the end, and the end of the archive last.
    assert_eq!(found[..4], [(50, 50), (0, 50), (50, 50), (0, 50)]);
    assert_eq!(found[4..], [(0, 20), (20, 20), (0, 0)]);

    let mixed = dir.path().join("mixed.tar.zst");
    let (in_order, _) = interleaved(&mixed, Order::Kept);
    assert_eq!(in_order.content_bytes, summary.content_bytes);
    assert!(in_order.offsets.is_sorted());
    assert!(
        summary.stored_bytes * 100 < in_order.stored_bytes * 97,
        "{} {}",
        summary.stored_bytes,
        in_order.stored_bytes
    );
}

#[test]
fn a_link_lies_behind_its_target_whatever_that_holds() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut writer = create(&dir.path().join("p.tar.zst"));
    let mut pairs = Vec::new();
    for (n, size) in [3000, 700_000, 3 * FRAME_BYTES, 900_000, 100]
        .into_iter()
        .enumerate()
    {
        for (kind, content) in [("dense", dense_noise(size, 5)), ("text", text(size, 5))] {
            // Enough that groups are full at different times.
            add(
                &mut writer,
                &raw_member("other", &dense_noise(400_000, 9)),
                free(512),
            );
            let name = format!("{kind}{n}");
            let target = add(&mut writer, &raw_member(&name, &content), Order::Kept);
            let link = hard_link(&format!("{name}-link"), &name);
            pairs.push((target, add(&mut writer, &link, Order::Kept)));
        }
    }
    let summary = writer.finish().expect("finished");
    for (target, link) in pairs {
        assert!(
            summary.offsets[target] < summary.offsets[link],
            "{target} {link}"
        );
    }
    sh(dir.path(), "mkdir out && tar --zstd -xpf p.tar.zst -C out");
    let linked = sh(dir.path(), "find out -type f -links 2 | wc -l");
    assert_eq!(linked, b"20\n");
}

#[test]
fn what_is_cut_back_leaves_either_group_as_it_was() {
    let dir = tempfile::tempdir().expect("a folder");
    let target = dir.path().join("p.tar.zst");
    let mut writer = create(&target);
    let dense = raw_member("dense", &dense_noise(50_000, 1));
    let text = raw_member("text", &text(50_000, 1));
    let mut kept = Vec::new();
    for arrived in [0, 512, 513, 4096 + 511, 4096 + 512, 40_000] {
        for (name, raw) in [("dense", &dense), ("text", &text)] {
            let before = writer.position_bytes();
            let number = writer
                .begin_member(raw.len() as u64, free(512))
                .expect("begun");
            writer.write(&raw[..arrived]).expect("written");
            assert_eq!(writer.position_bytes(), before + arrived as u64);
            writer.cut_back().expect("cut back");
            assert_eq!(writer.position_bytes(), before);
            assert_eq!(add(&mut writer, raw, free(512)), number);
            kept.push((number, name, raw));
        }
    }
    let summary = writer.finish().expect("finished");
    assert_eq!(summary.members, 12);
    let mut reader = PackReader::open(&target).expect("opened");
    for (number, name, raw) in kept {
        assert!(
            read(&mut reader, summary.offsets[number], name) == *raw,
            "{number}"
        );
    }
    let listed = sh(
        dir.path(),
        "zstd -qt p.tar.zst && tar --zstd -tf p.tar.zst | sort -r | uniq -c",
    );
    assert_eq!(listed, b"      6 text\n      6 dense\n");
}

#[test]
fn directories_have_their_modes_though_files_come_first() {
    let dir = tempfile::tempdir().expect("a folder");
    let script = "mkdir -p tree/a tree/b; head -c 50000 /dev/urandom > tree/a/noise
        head -c 50000 /dev/urandom > tree/b/noise; echo text > tree/b/text
        chmod 2750 tree/a; chmod 1777 tree/b; touch -d 2001-02-03 tree/a tree/b tree";
    sh(dir.path(), script);
    pack(
        &crate::tarstream::sample::archive(dir.path()),
        &dir.path().join("p.tar.zst"),
    );
    let facts = "find tree -printf '%p %m %s\\n' -type f -exec sha256sum {} + | sort";
    for option in ["", "--delay-directory-restore"] {
        sh(
            dir.path(),
            &format!("rm -rf out; mkdir out; tar --zstd {option} -xpf p.tar.zst -C out"),
        );
        let is = sh(&dir.path().join("out"), facts);
        assert_eq!(is, sh(dir.path(), facts), "{option}");
    }
    // Times of directories take the option.
    let times = "find tree -type d -printf '%p %T@\\n' | sort";
    let is = sh(&dir.path().join("out"), times);
    assert_eq!(is, sh(dir.path(), times));
}

#[test]
fn two_neighbouring_frames_are_kept_while_reading() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("p.tar.zst");
    let (summary, _) = interleaved(&path, free(512));
    let mut reader = PackReader::open(&path).expect("opened");
    let all = |reader: &mut PackReader, numbers: std::ops::Range<usize>| {
        for number in numbers {
            let kind = if number % 2 == 0 { "d" } else { "t" };
            let name = format!("{kind}{}", number / 2);
            read(reader, summary.offsets[number], &name);
        }
    };
    // Both are read once; after that the disk is not needed.
    all(&mut reader, 0..2);
    std::fs::OpenOptions::new()
        .write(true)
        .truncate(true)
        .open(&path)
        .expect("emptied");
    all(&mut reader, 0..100);
    let lost = reader.raw_member(
        summary.offsets[100],
        &"/d50".parse().expect("a path"),
        &mut Vec::new(),
    );
    assert!(lost.is_err(), "{lost:?}");
}

fn member() -> impl Strategy<Value = (usize, u8, bool)> {
    let size = prop_oneof![
        4 => 0..10_000_usize,
        4 => 10_000..300_000_usize,
        1 => FRAME_BYTES - 1100..FRAME_BYTES + 600,
    ];
    (size, 0..4_u8, prop::bool::weighted(0.2))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn every_member_lies_where_its_number_says(
        members in prop::collection::vec(member(), 1..40),
    ) {
        let dir = tempfile::tempdir().expect("a folder");
        let target = dir.path().join("p.tar.zst");
        let mut writer = create(&target);
        let (mut should, mut in_order) = (Vec::new(), Vec::new());
        for (n, &(size, kind, is_cut)) in members.iter().enumerate() {
            let name = format!("m{n}");
            let content = if kind & 1 == 0 { text } else { dense_noise };
            let raw = raw_member(&name, &content(size, n as u64 + 1));
            let order = if kind & 2 == 0 { Order::Kept } else { free(512) };
            if is_cut {
                writer.begin_member(raw.len() as u64, order).expect("begun");
                writer.write(&raw[..raw.len() / 2]).expect("written");
                writer.cut_back().expect("cut back");
                continue;
            }
            let number = add(&mut writer, &raw, order);
            prop_assert_eq!(number, should.len());
            if order == Order::Kept {
                in_order.push(number);
            }
            should.push((name, raw));
        }
        let length: usize = should.iter().map(|(_, raw)| raw.len()).sum();
        prop_assert_eq!(writer.position_bytes(), length as u64);
        let summary = writer.finish().expect("finished");
        prop_assert_eq!(summary.offsets.len(), should.len());
        prop_assert!(in_order.iter().map(|&n| summary.offsets[n]).is_sorted());
        let mut reader = PackReader::open(&target).expect("opened");
        for ((name, raw), &offset) in should.iter().zip(&summary.offsets) {
            prop_assert!(read(&mut reader, offset, name) == *raw, "{}", name);
        }
        let mut names: Vec<(u64, &str)> = summary.offsets.iter().copied()
            .zip(should.iter().map(|(name, _)| name.as_str()))
            .collect();
        names.sort_unstable();
        let names: String = names.iter().map(|(_, name)| format!("{name}\n")).collect();
        let listed = sh(dir.path(), "zstd -qt p.tar.zst && tar --zstd -tf p.tar.zst");
        prop_assert_eq!(String::from_utf8_lossy(&listed), names);
    }
}
