//! `fleet diff`: what changed between two checkpoints, told, in JSON, and as a patch.

use std::ffi::OsStr;
use std::fs;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use fleet::fault::{Code, Problem};
use fleet::manifest::{Checkpoint, Pack, PartState};
use fleet::store::PartFacts;
use insta::assert_snapshot;
use serde_json::Value;

use super::fixture::{NOW, StoreFixture, capture, facts, plain_part, source, walk};
use crate::cli::schema;

const LATER: &str = "2026-11-21T10:30:00Z";

/// What one run of the program came to.
pub(super) struct FleetOutput {
    pub(super) code: Option<i32>,
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: String,
}

impl FleetOutput {
    pub(super) fn text(&self) -> String {
        String::from_utf8(self.stdout.clone()).expect("text")
    }

    pub(super) fn document(&self, shape: &str) -> Value {
        let document = serde_json::from_slice(&self.stdout).expect("one JSON document");
        assert_eq!(schema::flaws(shape, &document), Vec::<String>::new());
        document
    }

    pub(super) fn whole(&self) -> String {
        let code = self.code.unwrap_or(-1);
        format!(
            "exit {code}\n── stdout\n{}── stderr\n{}",
            self.text(),
            self.stderr
        )
    }
}

/// Runs the program on the bed's store.
pub(super) fn fleet(bed: &StoreFixture, arguments: &[&str]) -> FleetOutput {
    let output: Output = Command::new(env!("CARGO_BIN_EXE_fleet"))
        .args(arguments)
        .arg("--store")
        .arg(bed.store.dir())
        .env_clear()
        .env("HOME", bed.dir.path())
        .current_dir(bed.dir.path())
        .stdin(Stdio::null())
        .output()
        .expect("the program runs");
    FleetOutput {
        code: output.status.code(),
        stdout: output.stdout,
        stderr: String::from_utf8(output.stderr).expect("text"),
    }
}

pub(super) fn write(bed: &StoreFixture, name: &[u8], content: &[u8]) -> PathBuf {
    let path = bed.tree().join("app").join(OsStr::from_bytes(name));
    fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
    fs::write(&path, content).expect("a file");
    set_mode(&path, 0o644);
    set_time(&path, 1_700_000_000);
    path
}

pub(super) fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("a mode");
}

pub(super) fn set_time(path: &Path, seconds: i64) {
    let time = rustix::fs::Timespec {
        tv_sec: seconds,
        tv_nsec: 0,
    };
    let times = rustix::fs::Timestamps {
        last_access: time,
        last_modification: time,
    };
    let no_follow = rustix::fs::AtFlags::SYMLINK_NOFOLLOW;
    rustix::fs::utimensat(rustix::fs::CWD, path, &times, no_follow).expect("times");
}

/// Seals everything beneath `app` as it is now.
pub(super) fn seal(bed: &StoreFixture, now: &str) -> Checkpoint {
    bed.seal(now, &["app"], None)
}

/// Seals the tree with its part in that state, with entries or without any.
pub(super) fn seal_in_state(
    bed: &StoreFixture,
    now: &str,
    part: &str,
    state: PartState,
    has_entries: bool,
) -> Checkpoint {
    let incoming = bed.begin(now);
    let (mut captured, packs) = if has_entries {
        capture(&incoming, &bed.tree(), part, &["app"], None)
    } else {
        let nothing = PartFacts {
            part: plain_part(&source(part), state),
            entries: None,
        };
        (nothing, Vec::<Pack>::new())
    };
    captured.part.state = state;
    captured.part.failure = (state == PartState::Failed)
        .then(|| Problem::in_part(Code::ConnectionLost, "the connection was lost", None));
    let sealed = incoming.seal(facts(vec![(captured, packs)]));
    sealed.expect("a sealed checkpoint")
}

/// One of everything that can change.
fn grow(bed: &StoreFixture) {
    write(bed, b"server.js", b"listen(3000)\n");
    write(bed, b"gone.conf", b"x\n");
    write(bed, b"key", b"secret\n");
    write(bed, b"touched", b"same\n");
    write(bed, b"becomes-a-folder", b"file\n");
    write(bed, b"binary", b"\0\x01\x02");
    write(bed, b"bytes-\xff", b"not text\n");
    write(bed, b"new\nline \x1b[31m", b"one\n");
    write(bed, b"first-name", b"shared\n");
    write(bed, b"apart", b"shared\n");
    write(bed, b"folder/quiet", b"quiet\n");
    symlink("server.js", bed.tree().join("app/link")).expect("a link");
    set_time(&bed.tree().join("app/link"), 1_700_000_000);
}

fn change(bed: &StoreFixture) {
    let at = |name: &str| bed.tree().join("app").join(name);
    write(bed, b"server.js", b"listen(3001)\nlisten(3002)\n");
    set_mode(&at("server.js"), 0o755);
    fs::remove_file(at("gone.conf")).expect("removed");
    set_mode(&at("key"), 0o600);
    set_time(&at("touched"), 1_700_000_001);
    fs::remove_file(at("becomes-a-folder")).expect("removed");
    write(bed, b"becomes-a-folder/new", b"");
    set_mode(&at("becomes-a-folder"), 0o755);
    write(bed, b"binary", b"\0\x01\x02\x03");
    write(bed, b"bytes-\xff", b"still not text\n");
    write(bed, b"new\nline \x1b[31m", b"two\x1b[2J\n");
    fs::remove_file(at("apart")).expect("removed");
    fs::hard_link(at("first-name"), at("apart")).expect("a link");
    write(bed, b"added", b"1\n2\n");
    fs::remove_file(at("link")).expect("removed");
    symlink("main.js", at("link")).expect("a link");
    set_time(&at("link"), 1_700_000_000);
    // Its time changes, and that is no change.
    set_time(&at("folder"), 1_700_000_002);
}

fn changed() -> StoreFixture {
    let bed = StoreFixture::new();
    grow(&bed);
    seal(&bed, NOW);
    change(&bed);
    seal(&bed, LATER);
    bed
}

#[test]
fn every_kind_of_change_is_told() {
    let bed = changed();
    let ran = fleet(&bed, &["diff", "dev-vm@~1", "dev-vm@latest"]);
    assert_snapshot!("diff", ran.whole());
    let ran = fleet(&bed, &["diff", "dev-vm@~1", "dev-vm@latest", "--json"]);
    ran.document("diff");
    assert_snapshot!("diff_json", ran.whole());
    let back = fleet(&bed, &["diff", "dev-vm@latest", "dev-vm@~1"]);
    assert_snapshot!("diff_back", back.whole());
}

#[test]
fn no_pack_is_read_without_a_patch() {
    let bed = changed();
    let told = fleet(&bed, &["diff", "dev-vm@~1", "dev-vm@latest"]).whole();
    fs::remove_dir_all(bed.store.dir().join("dev-vm/packs")).expect("removed");
    let ran = fleet(&bed, &["diff", "dev-vm@~1", "dev-vm@latest"]);
    assert_eq!(ran.whole(), told);
    let ran = fleet(&bed, &["diff", "dev-vm@~1", "dev-vm@latest", "-p"]);
    assert_eq!(ran.code, Some(6));
    assert!(ran.stderr.contains("it is missing"), "{}", ran.stderr);
}

#[test]
fn nothing_changed_is_said_aside_and_told_by_the_exit_status() {
    let bed = changed();
    let same = fleet(
        &bed,
        &["diff", "dev-vm@latest", "dev-vm@latest", "--exit-code"],
    );
    assert_eq!(
        same.whole(),
        "exit 0\n── stdout\n── stderr\nnothing changed from dev-vm@20261121T103000Z to dev-vm@20261121T103000Z\n"
    );
    let quiet = fleet(&bed, &["diff", "dev-vm@latest", "dev-vm@latest", "-q"]);
    assert_eq!(quiet.whole(), "exit 0\n── stdout\n── stderr\n");
    let other = fleet(&bed, &["diff", "dev-vm@~1", "dev-vm@latest", "--exit-code"]);
    assert_eq!(other.code, Some(1));
    let json = fleet(&bed, &["diff", "dev-vm@~1", "dev-vm@~1", "--json"]);
    assert_eq!(json.document("diff")["changes"], serde_json::json!([]));
    assert_eq!(json.stderr, "");
}

#[test]
fn a_shared_entries_file_is_not_read() {
    let bed = StoreFixture::new();
    write(&bed, b"x", b"1\n");
    seal(&bed, NOW);
    let first = bed.open("dev-vm@20261121T101500Z");
    let incoming = bed.begin(LATER);
    let written = incoming.share_entries(&source("app"), &first);
    let part = PartFacts {
        part: plain_part(&source("app"), PartState::Complete),
        entries: Some(written.expect("the same file")),
    };
    incoming
        .seal(facts(vec![(part, Vec::new())]))
        .expect("sealed");
    for stamp in ["20261121T101500Z", "20261121T103000Z"] {
        let file = format!("dev-vm/{stamp}/entries/app.ndjson.zst");
        fs::remove_file(bed.store.dir().join(file)).expect("removed");
    }
    let ran = fleet(&bed, &["diff", "dev-vm@~1", "dev-vm@latest"]);
    assert_eq!((ran.code, ran.stdout.len()), (Some(0), 0), "{}", ran.stderr);
}

#[test]
fn the_patch_makes_the_new_tree_of_the_old_one() {
    let bed = StoreFixture::new();
    grow(&bed);
    write(&bed, b"empty-later", b"content\n");
    write(&bed, b"with blank", b"a\nb\nc\n");
    write(&bed, b"carriage", b"a\r\nb\rc\r\n");
    write(&bed, b"no-end", b"a\nb");
    write(&bed, b"quo\"te\\", b"a\n");
    write(&bed, b"latin", b"gr\xf6\xdfe\n");
    let many: String = (0..400).map(|line| format!("{line}\n")).collect();
    write(&bed, b"many", many.as_bytes());
    seal(&bed, NOW);
    let old = bed.dir.path().join("old");
    copy_tree(&bed.tree(), &old);
    let at = |name: &str| bed.tree().join("app").join(name);
    write(&bed, b"server.js", b"listen(3001)\n");
    write(&bed, b"empty-later", b"");
    write(&bed, b"with blank", b"a\nB\nc\nd\n");
    write(&bed, b"carriage", b"a\r\nB\rc\r\n");
    write(&bed, b"no-end", b"a\nB");
    write(&bed, b"quo\"te\\", b"a\nb\n");
    write(&bed, b"latin", b"gr\xf6\xdfer\n");
    write(&bed, b"bytes-\xff", b"x\n");
    write(&bed, b"new\nline \x1b[31m", b"two\x1b[2J\n");
    write(&bed, b"new-folder/new file", b"new\n");
    write(&bed, b"new-empty", b"");
    set_mode(&at("key"), 0o600);
    write(&bed, b"script", b"#!/bin/sh\n");
    set_mode(&at("script"), 0o755);
    fs::remove_file(at("gone.conf")).expect("removed");
    let many = many.replace("\n7\n", "\nseven\n").replace("\n390\n", "\n");
    write(&bed, b"many", many.as_bytes());
    seal(&bed, LATER);
    let ran = fleet(&bed, &["diff", "dev-vm@~1", "dev-vm@latest", "-p"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let mut patch = Command::new("patch")
        .args(["-p1", "--no-backup-if-mismatch"])
        .current_dir(&old)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("patch");
    let mut input = patch.stdin.take().expect("a pipe");
    input.write_all(&ran.stdout).expect("written");
    drop(input);
    let output = patch.wait_with_output().expect("patch ends");
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(contents(&old), contents(&bed.tree()));
}

fn copy_tree(from: &Path, to: &Path) {
    let status = Command::new("cp").arg("-a").args([from, to]).status();
    assert!(status.expect("cp runs").success());
}

/// Path, permission bits and content of every file.
fn contents(root: &Path) -> Vec<(PathBuf, u32, Vec<u8>)> {
    walk(root)
        .into_iter()
        .filter(|path| fs::symlink_metadata(path).expect("metadata").is_file())
        .map(|path| {
            let mode = fs::metadata(&path).expect("metadata").permissions().mode();
            let content = fs::read(&path).expect("a file");
            let name = path.strip_prefix(root).expect("beneath").to_owned();
            (name, mode & 0o777, content)
        })
        .collect()
}

#[test]
fn a_patch_is_escaped_for_eyes_and_only_for_them() {
    let bed = changed();
    let arguments = ["diff", "dev-vm@~1", "dev-vm@latest", "-p"];
    let piped = fleet(&bed, &arguments);
    let has =
        |ran: &FleetOutput, text: &[u8]| ran.stdout.windows(text.len()).any(|part| part == text);
    assert!(has(&piped, b"+two\x1b[2J\n"));
    assert!(has(&piped, b"Binary files differ (3 B \xe2\x86\x92 4 B)\n"));
    assert!(!has(&piped, b"\x1b[3"));
    let shown = fleet(&bed, &[&arguments[..], &["--color", "always"]].concat());
    assert!(has(&shown, b"+two\\u{1b}[2J"));
    assert!(!has(&shown, b"two\x1b[2J"));
    assert!(has(&shown, b"\x1b[32m+two"));
    assert_snapshot!("diff_patch", piped.whole());
    let json = fleet(&bed, &[&arguments[..], &["--json"]].concat());
    let document = json.document("diff");
    let of = |path: &str| {
        let mut changes = document["changes"].as_array().expect("changes").iter();
        let found = changes.find(|change| change["path"] == path);
        found.expect("the change").clone()
    };
    assert_eq!(of("/app/binary")["no_patch"], "binary");
    assert_eq!(
        of("/app/key")["patch"],
        "diff --git a/app/key b/app/key\nold mode 100644\nnew mode 100600\n"
    );
    assert_eq!(of("/app/touched")["patch"], Value::Null);
}

#[test]
fn a_large_file_is_named_and_not_shown() {
    let bed = StoreFixture::new();
    write(&bed, b"large.txt", "line\n".repeat(210_000).as_bytes());
    write(&bed, b"small.txt", b"1\n");
    seal(&bed, NOW);
    write(&bed, b"large.txt", b"small now\n");
    seal(&bed, LATER);
    let ran = fleet(&bed, &["diff", "dev-vm@~1", "dev-vm@latest", "-p"]);
    assert_snapshot!("diff_large", ran.whole());
    let json = fleet(
        &bed,
        &["diff", "dev-vm@~1", "dev-vm@latest", "-p", "--json"],
    );
    assert_eq!(json.document("diff")["changes"][0]["no_patch"], "large");
}

#[test]
fn a_part_that_one_side_did_not_ask_for_is_a_note() {
    let bed = StoreFixture::new();
    write(&bed, b"x", b"1\n");
    seal(&bed, NOW);
    seal_in_state(&bed, LATER, "config", PartState::Complete, true);
    let ran = fleet(&bed, &["diff", "dev-vm@~1", "dev-vm@latest", "--exit-code"]);
    assert_snapshot!("diff_not_asked", ran.whole());
    let json = fleet(&bed, &["diff", "dev-vm@~1", "dev-vm@latest", "--json"]);
    let document = json.document("diff");
    assert_eq!(document["changes"], serde_json::json!([]));
    assert_eq!(document["notes"].as_array().map(Vec::len), Some(2));
}

#[test]
fn an_absent_part_has_nothing_and_a_failed_one_says_nothing_of_what_it_lacks() {
    let bed = StoreFixture::new();
    write(&bed, b"x", b"1\n");
    write(&bed, b"y", b"1\n");
    seal(&bed, NOW);
    seal_in_state(
        &bed,
        "2026-11-21T10:16:00Z",
        "app",
        PartState::Absent,
        false,
    );
    write(&bed, b"y", b"2\n");
    fs::remove_file(bed.tree().join("app/x")).expect("removed");
    seal_in_state(&bed, "2026-11-21T10:17:00Z", "app", PartState::Failed, true);
    seal_in_state(
        &bed,
        "2026-11-21T10:18:00Z",
        "app",
        PartState::Failed,
        false,
    );
    let mut text = String::new();
    for (old, new) in [
        ("101500", "101600"),
        ("101600", "101500"),
        ("101500", "101700"),
        ("101700", "101500"),
        ("101500", "101800"),
    ] {
        let [old, new] = [old, new].map(|time| format!("dev-vm@20261121T{time}Z"));
        text.push_str(&format!("$ fleet diff {old} {new}\n"));
        text.push_str(&fleet(&bed, &["diff", &old, &new]).whole());
    }
    assert_snapshot!("diff_states", text);
}

#[test]
fn what_is_damaged_is_never_compared() {
    let bed = changed();
    let pack = bed
        .store
        .dir()
        .join("dev-vm/packs/20261121T103000Z/app.tar.zst");
    // In the first frame: what is not text has one of its own, and is not read for a patch.
    let mut bytes = fs::read(&pack).expect("a pack");
    bytes[100] ^= 1;
    fs::write(&pack, bytes).expect("a damaged pack");
    let ran = fleet(&bed, &["diff", "dev-vm@~1", "dev-vm@latest", "-p"]);
    assert_eq!(ran.code, Some(6), "{}", ran.stderr);
    assert!(!ran.text_lossy().contains("listen(3001)"));
    let entries = "dev-vm/20261121T103000Z/entries/app.ndjson.zst";
    flip(&bed.store.dir().join(entries));
    let ran = fleet(&bed, &["diff", "dev-vm@~1", "dev-vm@latest", "--json"]);
    assert_eq!(ran.code, Some(6));
    assert_eq!(
        ran.document("diff")["error"]["message"],
        format!("{entries} is damaged: its digest does not match")
    );
}

impl FleetOutput {
    fn text_lossy(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }
}

pub(super) fn flip(file: &Path) {
    let mut bytes = fs::read(file).expect("a file");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(file, bytes).expect("a damaged file");
}
