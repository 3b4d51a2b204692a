//! Tests of finding stores, hosts and checkpoints by the references that people write.

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

use fleet::fault::{ExitClass, Fault};
use fleet::manifest::{PartState, Trigger, Uncounted};
use fleet::store::{Error, Level, PartFacts, Scope, Store};

use super::fixture::{StoreFixture, facts, host, id, plain_part, source};

/// Complete, warned, partial, complete.
fn bed() -> StoreFixture {
    let bed = StoreFixture::new();
    for (now, state) in [
        ("2026-11-20T10:00:00Z", PartState::Complete),
        ("2026-11-21T10:00:00Z", PartState::Warned),
        ("2026-11-21T11:00:00Z", PartState::Failed),
        ("2026-11-22T10:00:00Z", PartState::Complete),
        ("2026-11-22T11:00:00Z", PartState::Failed),
    ] {
        let part = PartFacts {
            part: plain_part(&source("app"), state),
            entries: None,
        };
        bed.begin(now)
            .seal(facts(vec![(part, Vec::new())]))
            .expect("sealed");
    }
    bed
}

fn resolve(bed: &StoreFixture, text: &str) -> Result<String, Error> {
    bed.store
        .resolve(&text.parse().expect("a reference"))
        .map(|id| id.to_string())
}

#[test]
fn references_mean_what_people_mean() {
    let bed = bed();
    for (text, expected) in [
        ("dev-vm@latest", "dev-vm@20261122T100000Z"),
        ("dev-vm@~0", "dev-vm@20261122T100000Z"),
        ("dev-vm@~1", "dev-vm@20261121T100000Z"),
        ("dev-vm@~2", "dev-vm@20261120T100000Z"),
        ("dev-vm@20261120", "dev-vm@20261120T100000Z"),
        ("dev-vm@20261121T11", "dev-vm@20261121T110000Z"),
        ("dev-vm@20261122T110000Z", "dev-vm@20261122T110000Z"),
    ] {
        assert_eq!(resolve(&bed, text).expect(text), expected);
    }
}

/// Seals one with a part `app` in that state.
fn seal(
    bed: &StoreFixture,
    now: &str,
    state: PartState,
    change: impl FnOnce(&mut fleet::store::Facts),
) {
    let part = PartFacts {
        part: plain_part(&source("app"), state),
        entries: None,
    };
    let mut facts = facts(vec![(part, Vec::new())]);
    change(&mut facts);
    bed.begin(now).seal(facts).expect("sealed");
}

#[test]
fn subsets_and_those_of_restores_are_never_counted_and_skipped_ones_are_told() {
    let bed = bed();
    let complete = PartState::Complete;
    seal(&bed, "2026-11-23T10:00:00Z", complete, |facts| {
        facts.subset = true;
    });
    seal(&bed, "2026-11-23T11:00:00Z", complete, |facts| {
        facts.trigger = Trigger::PreRestore;
    });
    seal(&bed, "2026-11-23T12:00:00Z", PartState::Failed, |facts| {
        facts.subset = true;
    });
    let look_up = |text: &str| {
        let resolved = bed.store.look_up(&text.parse().expect("a reference"));
        let resolved = resolved.expect("found");
        let skipped = resolved.skipped.iter();
        let skipped = skipped.map(|one| (one.id.stamp.to_string(), one.why));
        (resolved.id.to_string(), skipped.collect::<Vec<_>>())
    };
    let skipped = |stamp: &str, why| (stamp.to_owned(), why);
    assert_eq!(
        look_up("dev-vm@latest"),
        (
            "dev-vm@20261122T100000Z".to_owned(),
            vec![
                skipped("20261123T120000Z", Uncounted::Partial),
                skipped("20261123T110000Z", Uncounted::PreRestore),
                skipped("20261123T100000Z", Uncounted::Subset),
                skipped("20261122T110000Z", Uncounted::Partial),
            ]
        )
    );
    let older = |id: &str| (id.to_owned(), Vec::new());
    assert_eq!(look_up("dev-vm@~1"), older("dev-vm@20261121T100000Z"));
    assert_eq!(
        look_up("dev-vm@20261123T10"),
        older("dev-vm@20261123T100000Z")
    );
}

#[test]
fn imported_subsets_are_counted_as_long_as_there_is_nothing_better() {
    let bed = StoreFixture::new();
    let import = |facts: &mut fleet::store::Facts| {
        facts.trigger = Trigger::Import;
        facts.subset = true;
    };
    let complete = PartState::Complete;
    seal(&bed, "2026-11-20T10:00:00Z", complete, import);
    seal(&bed, "2026-11-21T10:00:00Z", complete, import);
    seal(&bed, "2026-11-21T11:00:00Z", complete, |facts| {
        facts.subset = true;
    });
    let found = |text: &str| resolve(&bed, text).expect(text);
    assert_eq!(found("dev-vm@latest"), "dev-vm@20261121T100000Z");
    assert_eq!(found("dev-vm@~1"), "dev-vm@20261120T100000Z");
    let latest = "dev-vm@latest".parse().expect("a reference");
    let skipped = bed.store.look_up(&latest).expect("found").skipped;
    assert_eq!(skipped.len(), 1);
    assert_eq!(skipped[0].id, id("dev-vm@20261121T110000Z"));
    seal(&bed, "2026-11-22T10:00:00Z", complete, |_| {});
    seal(&bed, "2026-11-23T10:00:00Z", complete, import);
    assert_eq!(found("dev-vm@latest"), "dev-vm@20261122T100000Z");
}

#[test]
fn references_to_nothing_list_what_there_is() {
    let bed = bed();
    for (text, message, hint) in [
        (
            "dev-vm@~3",
            "no checkpoint dev-vm@~3",
            "There are `dev-vm@20261120T100000Z`, `dev-vm@20261121T100000Z`, `dev-vm@20261121T110000Z`, `dev-vm@20261122T100000Z`, `dev-vm@20261122T110000Z`; `latest` and `~N` skip partial checkpoints and subsets.",
        ),
        (
            "dev-vm@20261121",
            "dev-vm@20261121 matches 2 checkpoints",
            "Write more of the stamp: `dev-vm@20261121T100000Z`, `dev-vm@20261121T110000Z`.",
        ),
        (
            "dev-wm@latest",
            "the store has no checkpoints of dev-wm",
            "Did you mean `dev-vm`?",
        ),
        (
            "gateway@latest",
            "the store has no checkpoints of gateway",
            "The store has checkpoints of `dev-vm`.",
        ),
    ] {
        let error = resolve(&bed, text).expect_err(text);
        assert_eq!(error.to_string(), message);
        assert_eq!(error.hint().as_deref(), Some(hint));
        assert_eq!(error.exit_class(), ExitClass::Usage);
    }
    let error = bed
        .store
        .open_checkpoint(&id("dev-vm@20200101T000000Z"))
        .expect_err("unknown");
    assert_eq!(error.to_string(), "no checkpoint dev-vm@20200101T000000Z");
}

#[test]
fn a_damaged_checkpoint_hides_no_other_and_is_never_skipped_in_silence() {
    let bed = bed();
    fs::remove_file(
        bed.store
            .dir()
            .join("dev-vm/20261122T100000Z/checkpoint.json"),
    )
    .expect("removed");
    let listing = bed.store.checkpoints(&host()).expect("a listing");
    assert_eq!(listing.checkpoints.len(), 4);
    assert_eq!(listing.damaged[0].id, id("dev-vm@20261122T100000Z"));
    assert_eq!(
        listing.damaged[0].error.to_string(),
        "dev-vm/20261122T100000Z/checkpoint.json is damaged: it is missing"
    );
    let error = resolve(&bed, "dev-vm@latest").expect_err("uncountable");
    assert_eq!(
        fleet::fault::chain(&error),
        [
            "can't tell which checkpoint dev-vm@latest is: dev-vm@20261122T100000Z is damaged",
            "dev-vm/20261122T100000Z/checkpoint.json is damaged: it is missing"
        ]
    );
    assert_eq!(error.exit_class(), ExitClass::Mismatch);
    assert_eq!(
        resolve(&bed, "dev-vm@20261121T10").expect("named"),
        "dev-vm@20261121T100000Z"
    );
}

#[test]
fn a_moved_checkpoint_is_not_taken_for_another() {
    let bed = bed();
    let dir = bed.store.dir().join("dev-vm");
    fs::rename(dir.join("20261120T100000Z"), dir.join("20261119T100000Z")).expect("moved");
    let error = bed
        .store
        .open_checkpoint(&id("dev-vm@20261119T100000Z"))
        .expect_err("moved");
    assert_eq!(
        error.to_string(),
        "dev-vm/20261119T100000Z/checkpoint.json is damaged: it belongs to dev-vm@20261120T100000Z"
    );
}

#[test]
fn a_store_of_version_1_is_read_forever() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/store-1");
    let store = Store::open(&dir).expect("a store");
    let report = store
        .verify(&Scope::All, Level::Full, &mut |_| ControlFlow::Continue(()))
        .expect("a report");
    assert_eq!((report.checked, report.problems), (2, Vec::new()));
    let id = store
        .resolve(&"dev-vm@latest".parse().expect("a reference"))
        .expect("a checkpoint");
    let checkpoint = store.open_checkpoint(&id).expect("a checkpoint");
    let mut content = Vec::new();
    for path in ["/app/a.js", "/app/b.js"] {
        let path = path.parse().expect("a path");
        checkpoint
            .write_content(&path, &mut content)
            .expect("content");
    }
    assert_eq!(content, b"onetwo");
    // Its checkpoints were sealed before there was a file of facts.
    let folder = dir.join("dev-vm").join(id.stamp.to_string());
    assert!(folder.join("checkpoint.json").exists());
    assert!(!folder.join("facts.json").exists());
}

#[test]
fn only_empty_folders_become_stores() {
    let dir = tempfile::tempdir().expect("a folder");
    let empty = dir.path().join("empty");
    fs::create_dir(&empty).expect("a folder");
    let deep = dir.path().join("a/b/c");
    for path in [&empty, &deep] {
        let error = Store::open(path).expect_err("no store yet");
        assert!(
            matches!(&error, Error::NoStore { dir } if dir == path),
            "{error:?}"
        );
        assert_eq!(error.exit_class(), ExitClass::Usage);
        let made = Store::open_or_create(path).expect("a store");
        assert_eq!(Store::open(path).expect("a store"), made);
        assert_eq!(Store::open_or_create(path).expect("a store"), made);
    }
    let full = dir.path().join("full");
    fs::create_dir(&full).expect("a folder");
    fs::write(full.join("thesis.txt"), "text").expect("a file");
    for error in [
        Store::open(&full).expect_err("no store"),
        Store::open_or_create(&full).expect_err("no store"),
    ] {
        assert!(
            matches!(&error, Error::NotAStore { dir } if *dir == full),
            "{error:?}"
        );
        assert_eq!(error.exit_class(), ExitClass::Usage);
    }
    assert_eq!(super::fixture::walk(&full), [full.join("thesis.txt")]);
}

#[test]
fn a_store_whose_making_was_cut_is_made_again() {
    let dir = tempfile::tempdir().expect("a folder");
    fs::write(dir.path().join("RECOVER.md"), "ha").expect("a file");
    fs::write(dir.path().join(".new-abc"), "half").expect("a file");
    Store::open_or_create(dir.path()).expect("a store");
    let text = fs::read_to_string(dir.path().join("RECOVER.md")).expect("a text");
    assert!(text.starts_with("# Getting a checkpoint back without fleet\n"));
}
