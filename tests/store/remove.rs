//! Tests of removing checkpoints: which files go, and which stay.

use std::collections::BTreeMap;
use std::fs;
use std::ops::ControlFlow;
use std::os::unix::fs::{MetadataExt, symlink};

use fleet::fault::{ExitClass, Fault};
use fleet::interrupt::Interrupt;
use fleet::manifest::PartState;
use fleet::name::{CheckpointRef, Stamp};
use fleet::store::{
    Error, HostLock, Level, PackHealth, PartFacts, Removed, Scope, SealedCheckpoint,
};

use super::fixture::{NOW, StoreFixture, facts, grow_tree, host, id, plain_part, source, walk};

const FIRST: &str = "20261121T101500Z";
const SECOND: &str = "20261121T101501Z";
const THIRD: &str = "20261121T101502Z";

fn lock(bed: &StoreFixture) -> HostLock {
    bed.store
        .lock(&host(), None, &Interrupt::new())
        .expect("the lock")
}

fn stamp(text: &str) -> Stamp {
    text.parse().expect("a stamp")
}

fn remove(bed: &StoreFixture, stamps: &[&str]) -> Removed {
    let stamps: Vec<Stamp> = stamps.iter().map(|text| stamp(text)).collect();
    lock(bed).remove(&stamps).expect("removed")
}

fn checkpoint(stamp: &str) -> String {
    format!("dev-vm@{stamp}")
}

/// Three checkpoints: the second needs the packs of both, the third only the second's entries.
fn bed() -> StoreFixture {
    let bed = StoreFixture::quick();
    grow_tree(&bed.tree());
    bed.seal(NOW, &["app"], None);
    let first = bed.open(&checkpoint(FIRST));
    bed.seal(NOW, &["app/server.js"], Some(&first));
    share(&bed, &bed.open(&checkpoint(SECOND)));
    bed
}

/// Seals one in which nothing changed.
fn share(bed: &StoreFixture, earlier: &SealedCheckpoint) {
    let incoming = bed.begin(NOW);
    let entries = incoming.share_entries(&source("app"), earlier);
    let part = PartFacts {
        part: plain_part(&source("app"), PartState::Complete),
        entries: Some(entries.expect("shared")),
    };
    incoming
        .seal(facts(vec![(part, Vec::new())]))
        .expect("sealed");
}

/// What the host's files take on the disk, each inode once.
fn on_disk(bed: &StoreFixture) -> u64 {
    let sizes: BTreeMap<u64, u64> = walk(&bed.store.dir().join("dev-vm"))
        .iter()
        .filter(|path| path.is_file() && !path.ends_with(".lock") && !path.ends_with(".spent"))
        .map(|path| {
            let facts = path.metadata().expect("metadata");
            (facts.ino(), facts.len())
        })
        .collect();
    sizes.values().sum()
}

/// The names in the host's folder and those of all packs.
fn names(bed: &StoreFixture) -> Vec<String> {
    let host = bed.store.dir().join("dev-vm");
    let shown = |path: &std::path::Path| {
        path.strip_prefix(&host)
            .expect("beneath")
            .display()
            .to_string()
    };
    let mut names: Vec<String> = walk(&host)
        .iter()
        .map(|path| shown(path))
        .filter(|name| !name.contains('/') || name.starts_with("packs/"))
        .filter(|name| name != ".spent")
        .collect();
    names.sort();
    names
}

#[test]
fn packs_go_with_the_last_checkpoint_that_names_them() {
    let bed = bed();
    let all = on_disk(&bed);

    let first = remove(&bed, &[FIRST]);
    assert_eq!(first.checkpoints, [id(&checkpoint(FIRST))]);
    assert_eq!((&*first.packs, &*first.undecided), (&[][..], &[][..]));
    assert_eq!(first.freed_bytes, all - on_disk(&bed));
    bed.assert_clean();

    // Its entries file is the third's as well, and so are the packs.
    let entries = bed
        .store
        .dir()
        .join(format!("dev-vm/{SECOND}/entries/app.ndjson.zst"));
    let shared_bytes = entries.metadata().expect("metadata").len();
    let own: u64 = walk(&bed.store.dir().join(format!("dev-vm/{SECOND}")))
        .iter()
        .filter(|path| path.is_file())
        .map(|path| path.metadata().expect("metadata").len())
        .sum();
    let second = remove(&bed, &[SECOND]);
    assert_eq!(second.freed_bytes, own - shared_bytes);
    assert_eq!(second.packs, []);
    bed.assert_clean();
    assert_eq!(
        names(&bed),
        [
            ".lock",
            THIRD,
            "packs",
            &format!("packs/{FIRST}"),
            &format!("packs/{FIRST}/app.tar.zst"),
            &format!("packs/{SECOND}"),
            &format!("packs/{SECOND}/app.tar.zst"),
        ]
    );

    let left = on_disk(&bed);
    let third = remove(&bed, &[THIRD]);
    let packs: Vec<String> = third.packs.iter().map(ToString::to_string).collect();
    assert_eq!(
        packs,
        [FIRST, SECOND].map(|stamp| format!("packs/{stamp}/app.tar.zst"))
    );
    assert_eq!(third.freed_bytes, left);
    assert_eq!(names(&bed), [".lock", "packs"]);
    assert_eq!(bed.store.hosts().expect("hosts"), []);
}

#[test]
fn several_go_at_once_and_each_is_counted_once() {
    let bed = bed();
    let all = on_disk(&bed);
    let removed = remove(&bed, &[THIRD, FIRST, SECOND, FIRST]);
    assert_eq!(
        removed.checkpoints,
        [FIRST, SECOND, THIRD].map(|stamp| id(&checkpoint(stamp)))
    );
    assert_eq!(removed.packs.len(), 2);
    assert_eq!(removed.freed_bytes, all);
    assert_eq!(remove(&bed, &[]), Removed::default());
}

#[test]
fn one_that_is_not_there_keeps_all_others() {
    let bed = bed();
    let before = names(&bed);
    let refused = lock(&bed).remove(&[stamp(FIRST), stamp("20200101T000000Z")]);
    assert!(
        matches!(&refused, Err(Error::UnknownCheckpoint { known, .. }) if known.len() == 3),
        "{refused:?}"
    );
    assert_eq!(names(&bed), before);
}

#[test]
fn a_removed_stamp_is_never_given_out_again() {
    let bed = bed();
    // The lock file knows nothing; only the folders tell.
    fs::write(bed.store.dir().join("dev-vm/.lock"), b"").expect("scribbled");
    remove(&bed, &[FIRST, SECOND, THIRD]);
    let next = bed.seal("1999-01-01T00:00:00Z", &["app/server.js"], None);
    assert_eq!(next.id.stamp.to_string(), "20261121T101503Z");
}

#[test]
fn packs_that_are_gone_are_forgotten() {
    let bed = bed();
    let text = || fs::read_to_string(bed.store.dir().join("dev-vm/.lock")).expect("a lock file");
    let pack = bed.open(&checkpoint(FIRST)).checkpoint().packs[0].clone();
    assert!(text().contains(&pack.name.to_string()));
    remove(&bed, &[FIRST, SECOND, THIRD]);
    assert!(!text().contains("packs/"), "{}", text());
    let health = lock(&bed).pack_health(std::slice::from_ref(&pack), &Interrupt::new());
    assert_eq!(health.expect("health")[&pack.name], PackHealth::Missing);
}

#[test]
fn what_is_not_ours_is_left_alone() {
    let bed = bed();
    let packs = bed.store.dir().join("dev-vm/packs");
    fs::write(packs.join(format!("{FIRST}/notes")), b"mine").expect("written");
    fs::create_dir(packs.join("mine")).expect("a folder");
    fs::write(packs.join("mine/app.tar.zst"), b"mine").expect("written");
    let removed = remove(&bed, &[FIRST, SECOND, THIRD]);
    assert_eq!(removed.packs.len(), 2);
    assert_eq!(
        names(&bed),
        [
            ".lock",
            "packs",
            &format!("packs/{FIRST}"),
            &format!("packs/{FIRST}/notes"),
            "packs/mine",
            "packs/mine/app.tar.zst",
        ]
    );
}

#[test]
fn packs_that_only_a_damaged_checkpoint_names_stay() {
    let pack_lines = |line: &&str| !line.contains("packs/");
    for kind in ["record", "and its sums are cut", "and its manifest"] {
        let bed = bed();
        let dir = bed.store.dir().join(format!("dev-vm/{THIRD}"));
        let record = fs::read(dir.join("checkpoint.json")).expect("a record");
        fs::write(dir.join("checkpoint.json"), &record[..100]).expect("cut");
        if kind != "record" {
            // Where a line ends, so that what is left reads well.
            let sums = fs::read_to_string(dir.join("SHA256SUMS")).expect("sums");
            let cut: Vec<&str> = sums.lines().filter(pack_lines).collect();
            assert_eq!(cut.len(), 3);
            fs::write(dir.join("SHA256SUMS"), cut.join("\n") + "\n").expect("cut");
        }
        if kind == "and its manifest" {
            fs::write(dir.join("MANIFEST.txt"), b"").expect("cut");
        }
        let packs = |bed: &StoreFixture| -> Vec<String> {
            let names = names(bed).into_iter();
            names.filter(|name| name.ends_with(".zst")).collect()
        };
        let before = packs(&bed);
        let removed = remove(&bed, &[FIRST, SECOND]);
        assert_eq!(removed.packs, [], "{kind}");
        assert_eq!(packs(&bed), before, "{kind}");
        let undecided = match kind {
            "and its manifest" => vec![id(&checkpoint(THIRD))],
            _ => vec![],
        };
        assert_eq!(removed.undecided, undecided, "{kind}");

        // The damaged one can be removed as well, and the packs go with it.
        let removed = remove(&bed, &[THIRD]);
        assert_eq!((removed.packs.len(), removed.undecided.len()), (2, 0));
        assert_eq!(names(&bed), [".lock", "packs"], "{kind}");
    }
}

#[test]
fn a_checkpoint_of_a_newer_fleet_keeps_all_packs() {
    let bed = bed();
    let path = bed
        .store
        .dir()
        .join(format!("dev-vm/{THIRD}/checkpoint.json"));
    let text = fs::read_to_string(&path).expect("a record");
    let (body, _) = text.rsplit_once(",\n  \"seal\"").expect("a seal");
    let body = body.replace("\"version\": 1", "\"version\": 2");
    let seal = |digits: &str| format!("{body},\n  \"seal\": \"{digits}\"\n}}\n");
    let digest = fleet::digest::Sha256::of(seal(&"0".repeat(64)).as_bytes());
    fs::write(&path, seal(&digest.to_string())).expect("written");
    let removed = remove(&bed, &[FIRST, SECOND]);
    assert_eq!(removed.undecided, [id(&checkpoint(THIRD))]);
    assert_eq!(removed.packs, []);
}

#[test]
fn readers_are_told_that_it_was_removed() {
    let bed = bed();
    let opened = bed.open(&checkpoint(FIRST));
    let path = "/app/server.js".parse().expect("a path");
    let (_, entry) = opened.find(&path).expect("an entry");
    remove(&bed, &[FIRST, SECOND, THIRD]);
    let mut output = Vec::new();
    let archive = bed.dir.path().join("x.tar");
    let format = fleet::store::ArchiveFormat::Tar;
    for error in [
        opened.entries(&source("app")).expect_err("gone"),
        opened.find(&path).expect_err("gone"),
        opened.write_content(&path, &mut output).expect_err("gone"),
        opened.write_entry(&entry, &mut output).expect_err("gone"),
        opened
            .export_archive(&archive, format, &mut |_| ControlFlow::Continue(()))
            .expect_err("gone"),
    ] {
        assert_eq!(
            error.to_string(),
            format!("{} was removed meanwhile", checkpoint(FIRST))
        );
        assert_eq!(error.exit_class(), ExitClass::Usage);
    }
    assert_eq!(output, b"");
    assert!(!archive.exists());
}

#[test]
fn verifying_takes_a_removal_for_no_damage() {
    for level in [Level::Full, Level::Quick] {
        // Whenever it comes.
        for at in 0.. {
            let bed = bed();
            let mut told = 0;
            let report = bed
                .store
                .verify(&Scope::All, level, &mut |_| {
                    if told == at {
                        remove(&bed, &[FIRST, SECOND]);
                    }
                    told += 1;
                    ControlFlow::Continue(())
                })
                .expect("a report");
            assert_eq!(report.problems, [], "{level:?}, {at}");
            if told <= at {
                break;
            }
        }
    }
}

#[test]
fn references_pass_over_what_is_hidden() {
    let bed = bed();
    remove(&bed, &[THIRD]);
    // As one looks that is hidden after the folder was listed.
    let host_dir = bed.store.dir().join("dev-vm");
    symlink("nowhere", host_dir.join(THIRD)).expect("a link");
    let latest: CheckpointRef = "dev-vm@latest".parse().expect("a reference");
    let found = bed.store.resolve(&latest).expect("a checkpoint");
    assert_eq!(found, id(&checkpoint(SECOND)));
    fs::remove_file(host_dir.join(THIRD)).expect("removed");
    let refused = bed.store.open_checkpoint(&id(&checkpoint(THIRD)));
    assert!(
        matches!(&refused, Err(Error::UnknownCheckpoint { known, .. }) if known.len() == 2),
        "{refused:?}"
    );
}
