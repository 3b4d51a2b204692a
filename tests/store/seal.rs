//! Tests of sealing: the files of a sealed checkpoint, and checkpoints that are refused.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::Command;

use fleet::fault::{Code, ExitClass, Fault};
use fleet::interrupt::Interrupt;
use fleet::manifest::{PartState, State};
use fleet::store::{Error, Level, PartFacts, Problem, Store};

use super::fixture::{
    NOW, StoreFixture, capture, facts, grow_tree, host, id, observed, plain_part, source, walk,
};
use crate::support::disk::SmallDisk;

#[test]
fn a_sealed_checkpoint_reads_back_as_it_was_sealed() {
    let bed = StoreFixture::new();
    grow_tree(&bed.tree());
    let sealed = bed.seal(NOW, &["app"], None);
    assert_eq!(sealed.id.to_string(), "dev-vm@20261121T101500Z");
    assert_eq!(sealed.state(), State::Complete);
    let listing = bed.store.checkpoints(&host()).expect("a listing");
    assert_eq!(listing.checkpoints, std::slice::from_ref(&sealed));
    assert!(listing.damaged.is_empty());

    let opened = bed.open("dev-vm@20261121T101500Z");
    assert_eq!(*opened.checkpoint(), sealed);
    let files = opened
        .entries(&source("app"))
        .expect("entries")
        .map(|entry| entry.expect("an entry"))
        .filter_map(|entry| entry.file_bytes())
        .collect::<Vec<_>>();
    assert_eq!(sealed.parts[0].totals.files, files.len() as u64);
    assert_eq!(sealed.parts[0].totals.bytes, files.iter().sum::<u64>());
    assert_eq!(sealed.parts[0].entries as usize, walk(&bed.tree()).len());
    bed.assert_clean();
}

#[test]
fn stored_bytes_are_what_the_disk_holds() {
    let bed = StoreFixture::new();
    grow_tree(&bed.tree());
    let sealed = bed.seal(NOW, &["app"], None);
    let dir = bed.store.dir().join("dev-vm");
    let on_disk: u64 = walk(&dir)
        .iter()
        .filter(|path| path.is_file() && !path.ends_with(".lock"))
        .map(|path| path.metadata().expect("metadata").len())
        .sum();
    assert_eq!(sealed.stored_bytes, on_disk);
}

#[test]
fn everything_in_the_store_is_private() {
    let bed = StoreFixture::new();
    grow_tree(&bed.tree());
    bed.seal(NOW, &["app"], None);
    let mut paths = walk(bed.store.dir());
    paths.push(bed.store.dir().to_owned());
    for path in paths {
        let facts = path.metadata().expect("metadata");
        let expected = if facts.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(
            facts.permissions().mode() & 0o7777,
            expected,
            "{}",
            path.display()
        );
    }
}

#[test]
fn the_folder_holds_exactly_this() {
    let bed = StoreFixture::new();
    grow_tree(&bed.tree());
    bed.seal(NOW, &["app"], None);
    let found: Vec<String> = walk(bed.store.dir())
        .iter()
        .map(|path| {
            path.strip_prefix(bed.store.dir())
                .expect("beneath")
                .display()
                .to_string()
        })
        .collect();
    assert_eq!(
        found,
        [
            "RECOVER.md",
            "dev-vm",
            "dev-vm/.lock",
            "dev-vm/20261121T101500Z",
            "dev-vm/20261121T101500Z/MANIFEST.txt",
            "dev-vm/20261121T101500Z/SHA256SUMS",
            "dev-vm/20261121T101500Z/checkpoint.json",
            "dev-vm/20261121T101500Z/entries",
            "dev-vm/20261121T101500Z/entries/app.ndjson.zst",
            "dev-vm/20261121T101500Z/facts.json",
            "dev-vm/packs",
            "dev-vm/packs/20261121T101500Z",
            "dev-vm/packs/20261121T101500Z/app.tar.zst",
            "fleet-store.json",
        ]
    );
}

#[test]
fn sha256sum_checks_a_checkpoint_and_its_packs() {
    let bed = StoreFixture::new();
    grow_tree(&bed.tree());
    bed.seal(NOW, &["app"], None);
    let first = bed.open("dev-vm@20261121T101500Z");
    bed.seal(NOW, &["app/server.js"], Some(&first));
    let output = Command::new("sha256sum")
        .args(["-c", "SHA256SUMS"])
        .current_dir(bed.store.dir().join("dev-vm/20261121T101501Z"))
        .output()
        .expect("sha256sum");
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "checkpoint.json: OK\nMANIFEST.txt: OK\nentries/app.ndjson.zst: OK\n\
         ../packs/20261121T101500Z/app.tar.zst: OK\n../packs/20261121T101501Z/app.tar.zst: OK\n"
    );
    assert!(output.status.success());
}

#[test]
fn the_description_and_facts_are_in_a_file_of_their_own_too() {
    let bed = StoreFixture::quick();
    grow_tree(&bed.tree());
    bed.seal(NOW, &["app"], None);
    let dir = bed.store.dir().join("dev-vm/20261121T101500Z");
    let read = |file: &str| -> serde_json::Value {
        let text = fs::read(dir.join(file)).expect("a file");
        serde_json::from_slice(&text).expect("JSON")
    };
    let (record, facts) = (read("checkpoint.json"), read("facts.json"));
    assert_eq!(
        facts,
        serde_json::json!({
            "format": "fleet-checkpoint-facts",
            "version": 1,
            "id": "dev-vm@20261121T101500Z",
            "description": "before the codec change",
            "facts": record["facts"],
        })
    );
    assert!(record["facts"]["processes"].is_array());
    // Earlier versions of fleet make SHA256SUMS anew without the file, and compare.
    let sums = fs::read_to_string(dir.join("SHA256SUMS")).expect("sums");
    assert!(!sums.contains("facts.json"), "{sums}");

    let verify = || bed.verify(Level::Quick).problems;
    assert_eq!(verify(), []);
    let problem = |problem: &str| {
        vec![Problem {
            file: "dev-vm/20261121T101500Z/facts.json".to_owned(),
            code: Code::StoreDamaged,
            problem: problem.to_owned(),
            checkpoints: vec![id("dev-vm@20261121T101500Z")],
        }]
    };
    fs::write(dir.join("facts.json"), "{}").expect("written");
    assert_eq!(verify(), problem("it has 2 bytes, 1533 were sealed"));
    fs::remove_file(dir.join("facts.json")).expect("removed");
    assert_eq!(verify(), problem("it is missing"));
    // Nothing else needs it.
    bed.open("dev-vm@20261121T101500Z");
}

#[test]
fn packs_are_named_relative_to_the_host() {
    let bed = StoreFixture::new();
    grow_tree(&bed.tree());
    bed.seal(NOW, &["app"], None);
    let record = fs::read(
        bed.store
            .dir()
            .join("dev-vm/20261121T101500Z/checkpoint.json"),
    )
    .expect("a record");
    let record: serde_json::Value = serde_json::from_slice(&record).expect("JSON");
    assert_eq!(
        record["packs"],
        serde_json::json!(["packs/20261121T101500Z/app.tar.zst"])
    );
}

#[test]
fn the_manifest_reads_like_this() {
    let bed = StoreFixture::new();
    let app = bed.tree().join("app");
    fs::create_dir_all(&app).expect("a folder");
    for (name, content) in [("a.js", "1"), ("b.JS", "22"), (".env", "333"), ("big", "")] {
        fs::write(app.join(name), content).expect("a file");
    }
    let incoming = bed.begin(NOW);
    let mut app = capture(&incoming, &bed.tree(), "app", &["app"], None);
    app.0.part.state = PartState::Warned;
    app.0.part.warnings = vec!["/app/\u{1b}[2J vanished".to_owned()];
    let absent = PartFacts {
        part: plain_part(&source("grafana"), PartState::Absent),
        entries: None,
    };
    let sealed = incoming
        .seal(facts(vec![app, (absent, Vec::new())]))
        .expect("sealed");
    let text = fs::read_to_string(bed.store.dir().join("dev-vm/20261121T101500Z/MANIFEST.txt"))
        .expect("a manifest");
    let pack_bytes = sealed.packs[0].stored_bytes.to_string();
    insta::assert_snapshot!(text.replace(&pack_bytes, "N"));
}

#[test]
fn a_manifest_keeps_to_a_few_screens_whatever_the_host_holds() {
    let bed = StoreFixture::new();
    for folder in 0..80 {
        let folder = bed.tree().join(format!("app/folder-{folder:02}"));
        fs::create_dir_all(&folder).expect("a folder");
        for name in [
            "a".to_owned(),
            format!(
                "b.{}x",
                folder
                    .file_name()
                    .expect("a name")
                    .to_string_lossy()
                    .replace("folder-", "e")
            ),
        ] {
            fs::write(folder.join(name), "1").expect("a file");
        }
    }
    let incoming = bed.begin(NOW);
    let mut facts = facts(vec![capture(&incoming, &bed.tree(), "app", &["app"], None)]);
    facts.notes.clear();
    let observed = &mut facts.observed;
    for list in 0..7 {
        let mut repository = observed.repositories[0].clone();
        let changes = repository.changes.as_mut().expect("known");
        changes.first = vec!["?? x".repeat(50); 50];
        changes.count = 1_000_000 + list;
        observed.repositories.push(repository);
    }
    observed.processes = vec![observed.processes[0].clone(); 32];
    observed.more_processes = 1000;
    let sealed = incoming.seal(facts).expect("sealed");
    let text = fs::read_to_string(bed.store.dir().join("dev-vm/20261121T101500Z/MANIFEST.txt"))
        .expect("a manifest");
    assert!(
        text.lines().count() < 320,
        "{}\n{text}",
        text.lines().count()
    );
    for line in [
        "    160 files       160 B  app\n",
        "      2 files         2 B    /app/folder-00\n",
        "     80 files        80 B    (others)\n",
        "     80 files        80 B  (no ending)\n",
        "    160 files       160 B  all\n",
        "  … 1012 more\n",
        "  … 999986 more\n",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    assert_eq!(sealed.totals().files, 160);
}

#[test]
fn what_the_host_was_like_is_read_back_and_makes_no_part_differ() {
    let bed = StoreFixture::new();
    grow_tree(&bed.tree());
    let first = bed.seal(NOW, &["app"], None);
    assert_eq!(first.facts, observed());
    let earlier = bed.open("dev-vm@20261121T101500Z");
    assert_eq!(earlier.checkpoint().facts, observed());
    let incoming = bed.begin(NOW);
    let part = PartFacts {
        part: plain_part(&source("app"), PartState::Complete),
        entries: Some(
            incoming
                .share_entries(&source("app"), &earlier)
                .expect("shared"),
        ),
    };
    let mut facts = facts(vec![(part, Vec::new())]);
    facts.observed = fleet::manifest::HostFacts::default();
    assert_eq!(
        incoming.seal(facts).expect("sealed").facts,
        fleet::manifest::HostFacts::default()
    );
    let read = |stamp: &str, file: &str| {
        fs::read(bed.store.dir().join(format!("dev-vm/{stamp}/{file}"))).expect("a file")
    };
    for (file, same) in [("entries/app.ndjson.zst", true), ("MANIFEST.txt", false)] {
        let (before, after) = (
            read("20261121T101500Z", file),
            read("20261121T101501Z", file),
        );
        assert_eq!(before == after, same, "{file}");
    }
    let text = String::from_utf8(read("20261121T101501Z", "checkpoint.json")).expect("text");
    assert!(
        !text.contains("\"facts\"") && text.contains("\"folders\""),
        "{text}"
    );
    bed.assert_clean();
}

#[test]
fn an_unchanged_part_shares_the_earlier_file() {
    let bed = StoreFixture::new();
    grow_tree(&bed.tree());
    let first = bed.seal(NOW, &["app"], None);
    let earlier = bed.open("dev-vm@20261121T101500Z");
    let incoming = bed.begin(NOW);
    let shared = incoming
        .share_entries(&source("app"), &earlier)
        .expect("shared");
    assert_eq!(shared.totals(), first.parts[0].totals);
    assert_eq!(shared.packs(), [first.packs[0].name.clone()]);
    let part = PartFacts {
        part: plain_part(&source("app"), PartState::Complete),
        entries: Some(shared),
    };
    let second = incoming
        .seal(facts(vec![(part, Vec::new())]))
        .expect("sealed");
    assert_eq!(second.parts[0].totals, first.parts[0].totals);
    assert_eq!(second.packs, first.packs);
    assert!(second.stored_bytes < 10_240, "{}", second.stored_bytes);
    let inode = |stamp: &str| {
        bed.store
            .dir()
            .join(format!("dev-vm/{stamp}/entries/app.ndjson.zst"))
            .metadata()
            .expect("metadata")
            .ino()
    };
    assert_eq!(inode("20261121T101500Z"), inode("20261121T101501Z"));
    bed.assert_clean();
}

#[test]
fn stamps_are_never_used_twice() {
    let bed = StoreFixture::new();
    grow_tree(&bed.tree());
    let stamps: Vec<String> = [NOW, NOW, "1999-01-01T00:00:00Z", "2026-11-21T10:20:00Z"]
        .iter()
        .map(|now| bed.seal(now, &["app/server.js"], None).id.stamp.to_string())
        .collect();
    assert_eq!(
        stamps,
        [
            "20261121T101500Z",
            "20261121T101501Z",
            "20261121T101502Z",
            "20261121T102000Z"
        ]
    );
    // Not even after the newest one was removed.
    fs::remove_dir_all(bed.store.dir().join("dev-vm/20261121T102000Z")).expect("removed");
    fs::remove_dir_all(bed.store.dir().join("dev-vm/packs/20261121T102000Z")).expect("removed");
    let next = bed.seal(NOW, &["app/server.js"], None);
    assert_eq!(next.id.stamp.to_string(), "20261121T102001Z");
}

#[test]
fn a_second_run_is_refused_and_told_who_holds_the_host() {
    let bed = StoreFixture::new();
    let incoming = bed.begin(NOW);
    let refused = bed.store.lock(&host(), None, &Interrupt::new());
    let Err(error) = refused else {
        unreachable!("two runs at once");
    };
    assert_eq!(error.exit_class(), ExitClass::Locked);
    let holder = format!("dev-vm is locked by process {} (`", std::process::id());
    assert!(error.to_string().starts_with(&holder), "{error}");
    // Another host is free, and readers need no lock.
    let other = "new-vm".parse().expect("a host");
    drop(
        bed.store
            .lock(&other, None, &Interrupt::new())
            .expect("free"),
    );
    assert_eq!(bed.store.hosts().expect("hosts"), []);
    incoming.abandon().expect("abandoned");
    drop(
        bed.store
            .lock(&host(), None, &Interrupt::new())
            .expect("free again"),
    );
}

#[test]
fn an_abandoned_checkpoint_leaves_nothing() {
    let bed = StoreFixture::new();
    grow_tree(&bed.tree());
    let incoming = bed.begin(NOW);
    let (part, _) = capture(&incoming, &bed.tree(), "app", &["app"], None);
    drop(part);
    incoming.abandon().expect("abandoned");
    let left: Vec<_> = walk(&bed.store.dir().join("dev-vm"));
    assert_eq!(left, [bed.store.dir().join("dev-vm/.lock")]);
}

#[test]
fn what_nothing_names_is_not_sealed() {
    let bed = StoreFixture::new();
    grow_tree(&bed.tree());
    let incoming = bed.begin(NOW);
    let app = capture(&incoming, &bed.tree(), "app", &["app"], None);
    drop(capture(
        &incoming,
        &bed.tree(),
        "cut",
        &["app/server.js"],
        None,
    ));
    let failed = PartFacts {
        part: plain_part(&source("cut"), PartState::Failed),
        entries: None,
    };
    let sealed = incoming
        .seal(facts(vec![app, (failed, Vec::new())]))
        .expect("sealed");
    assert_eq!(sealed.state(), State::Partial);
    let names: Vec<bool> = walk(bed.store.dir())
        .iter()
        .map(|path| path.display().to_string().contains("cut."))
        .collect();
    assert!(!names.contains(&true));
    bed.assert_clean();
}

#[test]
fn facts_that_contradict_what_was_written_are_not_sealed() {
    let bed = StoreFixture::new();
    grow_tree(&bed.tree());
    let refused = |error: Error| {
        assert_eq!(bed.store.hosts().expect("hosts"), []);
        match error {
            Error::Facts { problem, .. } => problem,
            other => other.to_string(),
        }
    };
    let incoming = bed.begin(NOW);
    let mut app = capture(&incoming, &bed.tree(), "app", &["app"], None);
    app.1[0].stored_bytes += 1;
    let length = app.1[0].stored_bytes;
    let error = incoming.seal(facts(vec![app])).expect_err("refused");
    assert_eq!(
        refused(error),
        format!(
            "packs/20261121T101500Z/app.tar.zst has {} bytes, its writer counted {length}",
            length - 1
        )
    );

    let incoming = bed.begin(NOW);
    let mut app = capture(&incoming, &bed.tree(), "app", &["app"], None);
    app.0.part.name = source("other");
    let error = incoming.seal(facts(vec![app])).expect_err("refused");
    assert_eq!(refused(error), "part `other` comes with entries of `app`");

    let incoming = bed.begin(NOW);
    let part = || PartFacts {
        part: plain_part(&source("app"), PartState::Absent),
        entries: None,
    };
    let twice = facts(vec![(part(), Vec::new()), (part(), Vec::new())]);
    let error = incoming.seal(twice).expect_err("refused");
    assert_eq!(refused(error), "part `app` is there twice");
}

#[test]
fn a_pack_of_no_checkpoint_is_not_sealed() {
    let bed = StoreFixture::new();
    grow_tree(&bed.tree());
    bed.seal(NOW, &["app"], None);
    let earlier = bed.open("dev-vm@20261121T101500Z");
    let incoming = bed.begin(NOW);
    let part = capture(
        &incoming,
        &bed.tree(),
        "app",
        &["app/server.js"],
        Some(&earlier),
    );
    fs::remove_dir_all(bed.store.dir().join("dev-vm/20261121T101500Z")).expect("removed");
    let error = incoming.seal(facts(vec![part])).expect_err("refused");
    assert_eq!(
        error.to_string(),
        "can't seal dev-vm@20261121T101501Z: no earlier checkpoint names packs/20261121T101500Z/app.tar.zst"
    );
    assert_eq!(bed.store.hosts().expect("hosts"), []);
}

#[test]
fn a_pack_that_its_writer_told_nothing_about_is_hashed() {
    let bed = StoreFixture::new();
    grow_tree(&bed.tree());
    let incoming = bed.begin(NOW);
    let (part, packs) = capture(&incoming, &bed.tree(), "app", &["app"], None);
    let sealed = incoming
        .seal(facts(vec![(part, Vec::new())]))
        .expect("sealed");
    assert_eq!(sealed.packs, packs);
    bed.assert_clean();
}

#[test]
fn entries_out_of_order_are_refused() {
    let bed = StoreFixture::new();
    grow_tree(&bed.tree());
    bed.seal(NOW, &["app"], None);
    let entries: Vec<_> = bed
        .open("dev-vm@20261121T101500Z")
        .entries(&source("app"))
        .expect("entries")
        .map(|entry| entry.expect("an entry"))
        .collect();
    let incoming = bed.begin(NOW);
    let mut writer = incoming.entries(&source("app")).expect("a writer");
    writer.append(&entries[1]).expect("appended");
    for entry in &entries[..2] {
        let refused = writer.append(entry);
        assert!(
            matches!(&refused, Err(Error::Order { path, previous })
                if *path == entry.path && *previous == entries[1].path),
            "{refused:?}"
        );
    }
}

#[test]
fn a_full_disk_is_an_error_and_shows_nothing() {
    let Some(disk) = SmallDisk::mount("512k") else {
        return;
    };
    let store = Store::open_or_create(&disk.path().join("store")).expect("a store");
    let attempt = || -> Result<(), Error> {
        let incoming = store
            .lock(&host(), None, &Interrupt::new())?
            .begin(super::fixture::time(NOW))?;
        let part = PartFacts {
            part: plain_part(&source("app"), PartState::Complete),
            entries: Some(incoming.entries(&source("app"))?.finish()?),
        };
        incoming.seal(facts(vec![(part, Vec::new())])).map(drop)
    };
    let mut failures = 0;
    for free_pages in 0.. {
        disk.fill(free_pages);
        let outcome = attempt();
        disk.empty();
        let Err(error) = outcome else {
            break;
        };
        failures += 1;
        assert_eq!(error.exit_class(), ExitClass::Failed);
        assert!(
            error
                .hint()
                .is_some_and(|hint| hint.starts_with("Free space on the disk that holds ")),
            "{free_pages}: {error:?}"
        );
        assert_eq!(store.hosts().expect("hosts"), [], "{free_pages}");
    }
    // The lock, the entries and each of the records need a page.
    assert!(failures >= 5, "{failures}");
    let listing = store.checkpoints(&host()).expect("a listing");
    assert_eq!(listing.checkpoints.len(), 1);
    // Nothing is left aside: the lock, and a folder of five files and one folder.
    assert_eq!(walk(&disk.path().join("store/dev-vm")).len(), 8);
}

#[test]
fn what_is_being_made_moves_between_threads() {
    fn is_send<T: Send>() {}
    is_send::<fleet::store::HostLock>();
    is_send::<fleet::store::Incoming>();
    is_send::<fleet::store::EntriesWriter>();
    is_send::<fleet::store::Entries>();
    is_send::<fleet::store::SealedCheckpoint>();
    is_send::<Error>();
}
