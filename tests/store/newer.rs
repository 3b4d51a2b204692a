//! A checkpoint that only a newer fleet can read: it is refused, all others stay usable.

use std::fs;
use std::ops::ControlFlow;

use fleet::digest::Sha256;
use fleet::fault::{ExitClass, Fault as _};
use fleet::interrupt::Interrupt;
use fleet::store::{Error, Level, Scope};

use super::fixture::{NOW, StoreFixture, grow_tree, host, id};

const OLD: &str = "dev-vm@20261121T101500Z";
const NEWER: &str = "dev-vm@20261121T101501Z";

/// Adds a field to the record of [`NEWER`], as another program would have sealed it.
fn add_field(bed: &StoreFixture, field: &str) {
    let dir = bed.store.dir().join("dev-vm/20261121T101501Z");
    let path = dir.join("checkpoint.json");
    let text = fs::read_to_string(&path).expect("a record");
    let text = text.replacen("{\n", &format!("{{\n  {field},\n"), 1);
    let (body, _) = text.rsplit_once(",\n  \"seal\"").expect("a seal");
    let with_seal = |digits: &str| format!("{body},\n  \"seal\": \"{digits}\"\n}}\n");
    let seal = Sha256::of(with_seal(&"0".repeat(64)).as_bytes());
    let sealed = with_seal(&seal.to_string());
    let sums = fs::read_to_string(dir.join("SHA256SUMS")).expect("sums");
    let (_, others) = sums.split_once('\n').expect("lines");
    let own = format!("{}  checkpoint.json\n", Sha256::of(sealed.as_bytes()));
    fs::write(path, sealed).expect("written");
    fs::write(dir.join("SHA256SUMS"), own + others).expect("written");
}

fn bed() -> StoreFixture {
    let bed = StoreFixture::quick();
    grow_tree(&bed.tree());
    bed.seal(NOW, &["app"], None);
    let first = bed.open(OLD);
    bed.seal(NOW, &["app/server.js"], Some(&first));
    bed
}

#[test]
fn a_checkpoint_that_needs_a_newer_fleet_is_refused_by_itself() {
    let bed = bed();
    add_field(&bed, r#""needs": ["encryption"]"#);
    let error = bed.store.open_checkpoint(&id(NEWER)).expect_err("refused");
    assert_eq!(
        error.to_string(),
        "dev-vm/20261121T101501Z/checkpoint.json needs `encryption`, which this version of fleet doesn't support"
    );
    assert!(
        error
            .hint()
            .is_some_and(|hint| hint.contains("newer fleet"))
    );
    assert_eq!(error.exit_class(), ExitClass::Usage);

    let listing = bed.store.checkpoints(&host()).expect("a listing");
    assert_eq!(listing.checkpoints.len(), 1);
    assert!(
        matches!(listing.damaged.as_slice(), [one] if one.id == id(NEWER)
            && matches!(one.error, Error::Needs { .. })),
        "{listing:?}"
    );
    let path = "/app/server.js".parse().expect("a path");
    let mut content = Vec::new();
    bed.open(OLD)
        .write_content(&path, &mut content)
        .expect("content");
    assert_eq!(
        content,
        fs::read(bed.tree().join("app/server.js")).expect("a file")
    );
    let report = bed
        .store
        .verify(
            &Scope::Some {
                hosts: Vec::new(),
                checkpoints: vec![id(OLD)],
            },
            Level::Full,
            &mut |_| ControlFlow::Continue(()),
        )
        .expect("a report");
    assert_eq!(report.problems, []);
    // What cannot be verified is no silent success.
    let problems = bed.verify(Level::Full).problems;
    assert!(
        matches!(problems.as_slice(), [one] if one.problem.contains("needs `encryption`")),
        "{problems:?}"
    );
}

#[test]
fn latest_is_not_told_while_only_a_newer_fleet_can_read_one() {
    let bed = bed();
    add_field(&bed, r#""needs": ["encryption"]"#);
    let latest = "dev-vm@latest".parse().expect("a reference");
    let error = bed.store.look_up(&latest).expect_err("not counted");
    assert_eq!(
        error.to_string(),
        "can't tell which checkpoint dev-vm@latest is: dev-vm@20261121T101501Z needs a newer fleet"
    );
    assert_eq!(error.code().as_str(), "fleet-too-old");
    assert_eq!(
        error.hint().as_deref(),
        Some("Name the checkpoint by its stamp (`fleet ls dev-vm` shows them), or upgrade fleet.")
    );
}

#[test]
fn every_pack_may_be_one_that_a_newer_fleet_needs() {
    let bed = bed();
    add_field(&bed, r#""needs": ["encryption"]"#);
    let mut lock = bed
        .store
        .lock(&host(), None, &Interrupt::new())
        .expect("the lock");
    let removed = lock.remove(&[id(OLD).stamp]).expect("removed");
    assert_eq!(removed.undecided, [id(NEWER)]);
    assert_eq!(removed.packs, []);
}

#[test]
fn an_empty_list_of_needs_is_none() {
    let bed = bed();
    add_field(&bed, r#""needs": []"#);
    bed.assert_clean();
    bed.open(NEWER);
}
