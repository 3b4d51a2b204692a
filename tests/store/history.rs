//! `fleet log`: in which checkpoints a path changed.

use std::fs;

use fleet::manifest::PartState;
use insta::assert_snapshot;

use super::changes::{FleetOutput, fleet, flip, seal, seal_in_state, set_mode, set_time, write};
use super::fixture::{NOW, StoreFixture, source};

/// A file that is added, changed, touched, removed, and there again; each fifteen minutes.
fn lived() -> StoreFixture {
    let bed = StoreFixture::new();
    let x = bed.tree().join("app/x.conf");
    let folder = bed.tree().join("app/folder");
    write(&bed, b"other", b"1\n");
    seal(&bed, NOW);
    write(&bed, b"x.conf", b"one\n");
    write(&bed, b"folder/a", b"1\n");
    write(&bed, b"folder-not/a", b"1\n");
    set_time(&folder, 1_700_000_003);
    seal(&bed, "2026-11-21T10:30:00Z");
    // Nothing of interest changed.
    write(&bed, b"other", b"2\n");
    seal(&bed, "2026-11-21T10:45:00Z");
    write(&bed, b"x.conf", b"two, longer\n");
    write(&bed, b"folder/a", b"2\n");
    write(&bed, b"folder/b", b"1\n");
    set_time(&folder, 1_700_000_004);
    seal(&bed, "2026-11-21T11:00:00Z");
    set_mode(&x, 0o600);
    set_time(&x, 1_700_000_005);
    seal(&bed, "2026-11-21T11:15:00Z");
    fs::remove_file(&x).expect("removed");
    fs::remove_dir_all(&folder).expect("removed");
    // The part failed, and what it lacks may be there.
    seal_in_state(&bed, "2026-11-21T11:30:00Z", "app", PartState::Failed, true);
    seal_in_state(
        &bed,
        "2026-11-21T11:31:00Z",
        "app",
        PartState::Failed,
        false,
    );
    seal(&bed, "2026-11-21T11:45:00Z");
    std::os::unix::fs::symlink("other", &x).expect("a link");
    set_time(&x, 1_700_000_006);
    seal(&bed, "2026-11-21T12:00:00Z");
    bed
}

#[test]
fn a_file_is_followed_through_all_checkpoints() {
    let bed = lived();
    let ran = fleet(&bed, &["log", "/app/x.conf"]);
    assert_snapshot!("log", ran.whole());
    for arguments in [
        &["log", "app/x.conf"][..],
        &["log", "//app/x.conf/", "dev-vm"],
    ] {
        assert_eq!(fleet(&bed, arguments).whole(), ran.whole());
    }
    let ran = fleet(&bed, &["log", "/app/x.conf", "--json"]);
    ran.document("log");
    assert_snapshot!("log_json", ran.whole());
}

#[test]
fn a_directory_counts_what_changed_beneath_it() {
    let bed = lived();
    assert_snapshot!("log_folder", fleet(&bed, &["log", "/app/folder"]).whole());
    let ran = fleet(&bed, &["log", "/app/folder", "--json"]);
    let document = ran.document("log");
    assert_eq!(
        document["log"][1]["beneath"],
        serde_json::json!({"added": 1, "removed": 0, "type": 0, "modified": 1, "metadata": 0})
    );
    // What was captured is beneath it, and it was not itself.
    assert_snapshot!("log_root", fleet(&bed, &["log", "/"]).whole());
}

#[test]
fn a_path_that_never_was_exits_2() {
    let bed = lived();
    let mut text = String::new();
    for arguments in [
        &["log", "/app/x"][..],
        &["log", "../x"],
        &["log", "/app/x", "dev-wm"],
    ] {
        text.push_str(&fleet(&bed, arguments).whole());
    }
    assert_snapshot!("log_unknown", text);
    let ran = fleet(&bed, &["log", "/app/x", "--json"]);
    assert_eq!(
        ran.document("log")["error"]["message"],
        "/app/x is in no checkpoint of `dev-vm`"
    );
}

#[test]
fn a_failed_part_that_has_the_file_tells_of_it() {
    let bed = StoreFixture::new();
    write(&bed, b"x", b"one\n");
    seal(&bed, NOW);
    write(&bed, b"x", b"two\n");
    seal_in_state(&bed, "2026-11-21T10:30:00Z", "app", PartState::Failed, true);
    seal(&bed, "2026-11-21T10:45:00Z");
    let told = changes_of(&fleet(&bed, &["log", "/app/x", "--json"]));
    assert_eq!(
        told,
        [
            ("dev-vm@20261121T101500Z".to_owned(), "added".to_owned()),
            ("dev-vm@20261121T103000Z".to_owned(), "modified".to_owned()),
        ]
    );
}

#[test]
fn a_checkpoint_that_left_the_part_out_says_nothing() {
    let bed = StoreFixture::new();
    write(&bed, b"x", b"one\n");
    seal(&bed, NOW);
    seal_in_state(
        &bed,
        "2026-11-21T10:30:00Z",
        "config",
        PartState::Absent,
        false,
    );
    seal(&bed, "2026-11-21T10:45:00Z");
    seal_in_state(
        &bed,
        "2026-11-21T11:00:00Z",
        "app",
        PartState::Absent,
        false,
    );
    let told = changes_of(&fleet(&bed, &["log", "/app/x", "--json"]));
    assert_eq!(
        told,
        [
            ("dev-vm@20261121T101500Z".to_owned(), "added".to_owned()),
            ("dev-vm@20261121T110000Z".to_owned(), "removed".to_owned()),
        ]
    );
}

#[test]
fn names_that_json_escapes_are_found_and_followed() {
    let bed = StoreFixture::new();
    let names: [&[u8]; 4] = [
        b"new\nline",
        b"quo\"te\\",
        "größe".as_bytes(),
        b"bytes-\xff",
    ];
    for name in names {
        write(&bed, name, b"one\n");
    }
    seal(&bed, NOW);
    for name in names {
        write(&bed, name, b"two\n");
    }
    seal(&bed, "2026-11-21T10:30:00Z");
    let first = bed.open("dev-vm@20261121T101500Z");
    for name in names {
        let path = [b"/app/", name].concat();
        let path = fleet::name::RemotePath::from_bytes(path).expect("a path");
        let history = bed.store.history(&super::fixture::host(), &path);
        let moments = history.expect("a history").moments;
        let kinds: Vec<&str> = moments.iter().map(|moment| moment.kind.as_str()).collect();
        assert_eq!(kinds, ["added", "modified"], "{path}");
        let (part, entry) = first.find(&path).expect("an entry");
        assert_eq!((part, entry.path), (source("app"), path));
    }
}

#[test]
fn a_damaged_checkpoint_hides_no_other_and_exits_6() {
    let bed = lived();
    let file = "dev-vm/20261121T110000Z/entries/app.ndjson.zst";
    flip(&bed.store.dir().join(file));
    fs::write(
        bed.store
            .dir()
            .join("dev-vm/20261121T111500Z/checkpoint.json"),
        "{}",
    )
    .expect("damaged");
    let ran = fleet(&bed, &["log", "/app/x.conf", "--json"]);
    assert_eq!(ran.code, Some(6), "{}", ran.stderr);
    let document = ran.document("log");
    assert_eq!(document["damaged"][0]["id"], "dev-vm@20261121T110000Z");
    assert_eq!(document["damaged"][1]["id"], "dev-vm@20261121T111500Z");
    let told: Vec<String> = changes_of(&ran).into_iter().map(|(_, kind)| kind).collect();
    assert_eq!(told, ["added", "removed", "added"]);
}

/// Checkpoint and kind of change of every line.
fn changes_of(ran: &FleetOutput) -> Vec<(String, String)> {
    let document = ran.document("log");
    let text = |value: &serde_json::Value| value.as_str().expect("text").to_owned();
    let lines = document["log"].as_array().expect("a list");
    lines
        .iter()
        .map(|line| (text(&line["checkpoint"]), text(&line["change"])))
        .collect()
}
