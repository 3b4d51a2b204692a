//! Tests of `verify`: any flipped, cut or missing byte is found and named.

use std::fs;
use std::ops::ControlFlow;
use std::path::PathBuf;

use fleet::fault::{ExitClass, Fault};
use fleet::interrupt::Interrupt;
use fleet::store::{Error, Level, Scope, Store, VerifyReport};

use super::fixture::{NOW, StoreFixture, grow_tree, host, id, source, walk};

/// Two checkpoints; the second one needs the packs of both.
fn bed() -> StoreFixture {
    let bed = StoreFixture::new();
    let app = bed.tree().join("app");
    fs::create_dir_all(&app).expect("a folder");
    for (name, content) in [("a.js", "one"), ("b.js", "two"), ("c", "three")] {
        fs::write(app.join(name), content).expect("a file");
    }
    bed.seal(NOW, &["app"], None);
    let first = bed.open("dev-vm@20261121T101500Z");
    bed.seal(NOW, &["app/b.js"], Some(&first));
    bed.assert_clean();
    bed
}

/// Every stored file that damage must be found in, and what `verify` calls it.
fn files(bed: &StoreFixture) -> Vec<(PathBuf, String)> {
    walk(bed.store.dir())
        .into_iter()
        .filter(|path| path.is_file() && !path.ends_with(".lock") && !path.ends_with("RECOVER.md"))
        .map(|path| {
            let shown = path.strip_prefix(bed.store.dir()).expect("beneath");
            let shown = shown.display().to_string();
            (path, shown)
        })
        .collect()
}

fn named(report: &VerifyReport) -> Vec<&str> {
    report.problems.iter().map(|p| p.file.as_str()).collect()
}

#[test]
fn a_flipped_bit_anywhere_is_found_and_named() {
    const TRIED_MAX: usize = 40;
    let bed = bed();
    let files = files(&bed);
    assert_eq!(files.len(), 13);
    for (path, shown) in files {
        let whole = fs::read(&path).expect("a file");
        let step = whole.len().div_ceil(TRIED_MAX);
        let tried = (0..whole.len()).step_by(step).chain([whole.len() - 1]);
        for at in tried {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << (at % 8);
            fs::write(&path, &bytes).expect("written");
            let report = bed.verify(Level::Full);
            assert_eq!(named(&report), [shown.as_str()], "{shown}, byte {at}");
        }
        fs::write(&path, &whole).expect("written");
    }
    bed.assert_clean();
}

#[test]
fn a_cut_or_missing_file_is_found_and_named_by_both_levels() {
    let bed = bed();
    for (path, shown) in files(&bed) {
        let whole = fs::read(&path).expect("a file");
        for level in [Level::Full, Level::Quick] {
            for kept in [0, whole.len() / 2, whole.len() - 1] {
                fs::write(&path, &whole[..kept]).expect("written");
                let report = bed.verify(level);
                assert_eq!(
                    named(&report),
                    [shown.as_str()],
                    "{shown}, {kept}, {level:?}"
                );
            }
            let longer = [&whole[..], b"\n"].concat();
            fs::write(&path, longer).expect("written");
            assert_eq!(named(&bed.verify(level)), [shown.as_str()], "{level:?}");
            fs::remove_file(&path).expect("removed");
            let report = bed.verify(level);
            assert_eq!(named(&report), [shown.as_str()], "{shown}, {level:?}");
            assert_eq!(report.problems[0].problem, "it is missing");
            fs::write(&path, &whole).expect("written");
        }
    }
}

#[test]
fn a_damaged_pack_names_every_checkpoint_that_needs_it() {
    let bed = bed();
    let pack = "dev-vm/packs/20261121T101500Z/app.tar.zst";
    fs::remove_file(bed.store.dir().join(pack)).expect("removed");
    let report = bed.verify(Level::Full);
    assert_eq!(report.checked, 2);
    assert_eq!(named(&report), [pack]);
    assert_eq!(
        report.problems[0].checkpoints,
        [id("dev-vm@20261121T101500Z"), id("dev-vm@20261121T101501Z")]
    );
}

#[test]
fn damage_beside_a_damaged_record_is_found_too() {
    let bed = bed();
    let dir = bed.store.dir().join("dev-vm/20261121T101501Z");
    fs::write(dir.join("checkpoint.json"), "{}").expect("written");
    fs::write(dir.join("MANIFEST.txt"), "x").expect("written");
    fs::write(dir.join("entries/app.ndjson.zst"), "x").expect("written");
    let pack = bed
        .store
        .dir()
        .join("dev-vm/packs/20261121T101501Z/app.tar.zst");
    fs::write(pack, "x").expect("written");
    assert_eq!(
        named(&bed.verify(Level::Full)),
        [
            "dev-vm/20261121T101501Z/MANIFEST.txt",
            "dev-vm/20261121T101501Z/checkpoint.json",
            "dev-vm/20261121T101501Z/entries/app.ndjson.zst",
            "dev-vm/packs/20261121T101501Z/app.tar.zst",
        ]
    );
}

#[test]
fn only_what_was_asked_for_is_verified() {
    let bed = bed();
    let manifest = bed.store.dir().join("dev-vm/20261121T101501Z/MANIFEST.txt");
    fs::remove_file(manifest).expect("removed");
    let verify = |hosts: Vec<_>, checkpoints: Vec<_>| {
        let scope = Scope::Some { hosts, checkpoints };
        bed.store
            .verify(&scope, Level::Full, &mut |_| ControlFlow::Continue(()))
    };
    let first = verify(vec![], vec![id("dev-vm@20261121T101500Z")]).expect("a report");
    assert_eq!((first.checked, first.problems.len()), (1, 0));
    let all = verify(vec![host()], vec![]).expect("a report");
    assert_eq!((all.checked, all.problems.len()), (2, 1));
    let unknown = verify(vec!["dev-vn".parse().expect("a host")], vec![]);
    assert!(
        matches!(&unknown, Err(Error::UnknownHost { nearest: Some(near), .. }) if *near == host()),
        "{unknown:?}"
    );
    let unknown = verify(vec![], vec![id("dev-vm@20200101T000000Z")]);
    assert!(
        matches!(&unknown, Err(Error::UnknownCheckpoint { known, .. }) if known.len() == 2),
        "{unknown:?}"
    );
}

#[test]
fn verifying_ends_when_it_is_told_to() {
    let bed = bed();
    let stopped = bed
        .store
        .verify(&Scope::All, Level::Full, &mut |_| ControlFlow::Break(()));
    assert!(
        matches!(&stopped, Err(error @ Error::Stopped) if error.exit_class() == ExitClass::Interrupted)
    );
}

#[test]
fn an_entry_that_lies_elsewhere_than_it_says_is_found() {
    let bed = bed();
    let opened = bed.open("dev-vm@20261121T101500Z");
    let incoming = bed.begin(NOW);
    let mut writer = incoming.entries(&source("app")).expect("a writer");
    for entry in opened.entries(&source("app")).expect("entries") {
        let mut entry = entry.expect("an entry");
        entry.content[0].offset_bytes += 512;
        writer.append(&entry).expect("appended");
    }
    let part = fleet::store::PartFacts {
        part: super::fixture::plain_part(&source("app"), fleet::manifest::PartState::Complete),
        entries: Some(writer.finish().expect("finished")),
    };
    incoming
        .seal(super::fixture::facts(vec![(part, Vec::new())]))
        .expect("sealed");
    let report = bed.verify(Level::Full);
    assert_eq!(
        report.problems[0].problem,
        "4 entries are at another offset than it says, first /app in packs/20261121T101500Z/app.tar.zst"
    );
    assert_eq!(
        named(&report),
        ["dev-vm/20261121T101502Z/entries/app.ndjson.zst"]
    );
    assert_eq!(bed.verify(Level::Quick).problems, []);
}

#[test]
fn a_store_of_a_newer_fleet_is_no_damage() {
    let bed = bed();
    let check = fleet::digest::Sha256::of(b"fleet-store 2");
    let text = format!("{{\"format\":\"fleet-store\",\"version\":2,\"check\":\"{check}\"}}");
    fs::write(bed.store.dir().join("fleet-store.json"), text).expect("written");
    for error in [
        Store::open(bed.store.dir()).expect_err("newer"),
        Store::open_or_create(bed.store.dir()).expect_err("newer"),
        bed.store
            .lock(&host(), None, &Interrupt::new())
            .expect_err("newer"),
    ] {
        assert_eq!(
            error.to_string(),
            "fleet-store.json has version 2, and this fleet reads versions up to 1"
        );
        assert_eq!(error.exit_class(), ExitClass::Usage);
    }
}

#[test]
fn a_damaged_store_file_stops_writers_and_no_readers() {
    let bed = bed();
    let path = bed.store.dir().join("fleet-store.json");
    let whole = fs::read_to_string(&path).expect("a file");
    for damage in [Some(whole.replace("\"version\":1", "\"version\":2")), None] {
        match damage {
            Some(text) => fs::write(&path, text).expect("written"),
            None => fs::remove_file(&path).expect("removed"),
        }
        let opened = Store::open(bed.store.dir()).expect("a store");
        assert_eq!(opened.hosts().expect("hosts"), [host()]);
        for error in [
            Store::open_or_create(bed.store.dir()).expect_err("damaged"),
            opened
                .lock(&host(), None, &Interrupt::new())
                .expect_err("damaged"),
        ] {
            assert!(
                matches!(&error, Error::Damaged { file, .. } if file == "fleet-store.json"),
                "{error:?}"
            );
            assert_eq!(error.exit_class(), ExitClass::Mismatch);
            let hint = error.hint().expect("a hint");
            let (_, line) = hint.split_once("`: ").expect("the line");
            assert_eq!(format!("{line}\n"), whole);
        }
    }
}

#[test]
fn a_checkpoint_of_a_newer_fleet_is_told_from_damage() {
    let bed = bed();
    let path = bed
        .store
        .dir()
        .join("dev-vm/20261121T101501Z/checkpoint.json");
    let text = fs::read_to_string(&path).expect("a record");
    let (body, _) = text.rsplit_once(",\n  \"seal\"").expect("a seal");
    let body = body.replace("\"version\": 1", "\"version\": 2");
    let seal = |digits: &str| format!("{body},\n  \"seal\": \"{digits}\"\n}}\n");
    let digest = fleet::digest::Sha256::of(seal(&"0".repeat(64)).as_bytes());
    fs::write(&path, seal(&digest.to_string())).expect("written");
    let error = bed
        .store
        .open_checkpoint(&id("dev-vm@20261121T101501Z"))
        .expect_err("newer");
    assert_eq!(
        error.to_string(),
        "dev-vm/20261121T101501Z/checkpoint.json has version 2, and this fleet reads versions up to 1"
    );
}

#[test]
fn nothing_of_a_damaged_checkpoint_is_delivered() {
    let bed = StoreFixture::new();
    grow_tree(&bed.tree());
    bed.seal(NOW, &["app"], None);
    let pack = bed
        .store
        .dir()
        .join("dev-vm/packs/20261121T101500Z/app.tar.zst");
    let mut bytes = fs::read(&pack).expect("a pack");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&pack, bytes).expect("written");

    let checkpoint = bed.open("dev-vm@20261121T101500Z");
    let large = "/app/large.bin".parse().expect("a path");
    let mut output = Vec::new();
    let error = checkpoint
        .write_content(&large, &mut output)
        .expect_err("damaged");
    assert_eq!((error.exit_class(), output.len()), (ExitClass::Mismatch, 0));

    let out = bed.dir.path().join("out");
    fs::create_dir(&out).expect("a folder");
    let go_on = &mut |_: &_| ControlFlow::Continue(());
    let archive = out.join("x.tar");
    let format = fleet::store::ArchiveFormat::Tar;
    for error in [
        checkpoint
            .export_archive(&archive, format, go_on)
            .expect_err("damaged"),
        checkpoint
            .export_stream(&mut output, format, go_on)
            .expect_err("damaged"),
        checkpoint
            .export_folder(&out.join("new"), go_on)
            .expect_err("damaged"),
        checkpoint.export_folder(&out, go_on).expect_err("damaged"),
    ] {
        assert_eq!(error.exit_class(), ExitClass::Mismatch, "{error:?}");
    }
    assert_eq!(output, b"");
    assert_eq!(walk(&out), Vec::<PathBuf>::new());
}
