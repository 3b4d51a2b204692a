//! The second pull and all that follow: only what changed crosses the wire, and what is put together
//! from old and new is the host's tree, whatever happened to it in between.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;

use super::{HostFixture, set_machine_id};
use crate::support::fleet::FleetOutput;
use crate::support::proxy::{Cut, Faults};
use crate::support::sshd::eventually;
use crate::support::tree;

/// Waits until what is in the tree has come to rest: a change now gets a clearly later time.
pub(super) fn rest(scene: &HostFixture) {
    let clock = scene.sshd.folder().join("clock");
    let now = || {
        fs::write(&clock, "tick").expect("a file");
        let changed = fs::metadata(&clock).expect("facts");
        changed.ctime() * 1000 + changed.ctime_nsec() / 1_000_000
    };
    let begun = now();
    eventually("a later time", || now() > begun + 80);
}

/// Takes a checkpoint, and proves that it holds the tree.
pub(super) fn pull(scene: &HostFixture) -> FleetOutput {
    rest(scene);
    let ran = scene.fleet.checkpoint(&["web"]).exits(0);
    assert_eq!(ran.state(), "complete", "{}", ran.stdout);
    scene.assert_holds_tree(&ran.id());
    ran
}

pub(super) fn fetched(ran: &FleetOutput) -> u64 {
    ran.checkpoint()["fetched_bytes"]
        .as_u64()
        .expect("a number")
}

fn entries_file(scene: &HostFixture, ran: &FleetOutput) -> std::path::PathBuf {
    let id = ran.id();
    let (host, stamp) = id.split_once('@').expect("an id");
    let folder = scene.fleet.store().join(host).join(stamp);
    folder.join("entries/app.ndjson.zst")
}

fn fill(scene: &HostFixture) {
    tree::make_hostile(&scene.tree);
    tree::fill(
        &scene.tree,
        &[
            ("etc/sip.conf", "[general]\n"),
            ("etc/extensions.conf", "[default]\n"),
            ("var/log", "one\n"),
        ],
    );
    fs::write(scene.tree.join("big"), tree::noise(3 << 20)).expect("a file");
}

#[test]
fn nothing_changed_sends_nothing_and_costs_no_room() {
    let Some(scene) = HostFixture::start() else {
        return;
    };
    fill(&scene);
    let first = pull(&scene);
    assert!(fetched(&first) > 3 << 20);
    let second = pull(&scene);
    assert_eq!(fetched(&second), 0);
    let stored = second.checkpoint()["stored_bytes"].as_u64();
    assert!(stored < Some(16 << 10), "{stored:?}");
    let inode = |ran| {
        fs::metadata(entries_file(&scene, ran))
            .expect("it is there")
            .ino()
    };
    assert_eq!(inode(&first), inode(&second));
    assert_eq!(first.checkpoint()["files"], second.checkpoint()["files"]);
    assert_eq!(first.checkpoint()["bytes"], second.checkpoint()["bytes"]);
    scene.fleet.assert_verified();
}

#[test]
fn only_what_changed_is_sent_and_each_checkpoint_stays_what_it_was() {
    let Some(scene) = HostFixture::start() else {
        return;
    };
    fill(&scene);
    let first = pull(&scene);
    let before = tree::describe(&scene.tree);
    tree::fill(
        &scene.tree,
        &[
            ("etc/sip.conf", "[general]\nbind=198.51.100.7\n"),
            ("new/file", "new"),
        ],
    );
    fs::remove_file(scene.tree.join("var/log")).expect("removed");
    let second = pull(&scene);
    assert_eq!(fetched(&second), 28 + 3);
    let held = tree::describe(&scene.tree_in(&scene.fleet.exported(&first.id())));
    assert_eq!(held, before);
    scene.fleet.assert_verified();
}

/// Every change of kind, name and metadata that leaves content alone or swaps it.
#[test]
fn changes_of_every_kind_are_seen() {
    let Some(scene) = HostFixture::start() else {
        return;
    };
    fill(&scene);
    tree::fill(
        &scene.tree,
        &[
            ("k/file", "file"),
            ("k/dir/in", "in"),
            ("k/was-link-target", "t"),
            ("k/same", "12345"),
        ],
    );
    symlink("file", scene.tree.join("k/link")).expect("a link");
    pull(&scene);
    let at = |name: &str| scene.tree.join("k").join(name);

    fs::remove_file(at("file")).expect("removed");
    fs::create_dir(at("file")).expect("a directory");
    fs::write(at("file/now"), "beneath").expect("a file");
    fs::remove_dir_all(at("dir")).expect("removed");
    fs::write(at("dir"), "a file now").expect("a file");
    fs::remove_file(at("link")).expect("removed");
    fs::write(at("link"), "no link").expect("a file");
    let second = pull(&scene);
    assert_eq!(fetched(&second), 7 + 10 + 7);

    // Metadata alone: the member is fetched again, so that plain tools find it right.
    fs::set_permissions(at("same"), fs::Permissions::from_mode(0o600)).expect("mode");
    assert_eq!(fetched(&pull(&scene)), 5);

    // The same size and an older time that was put back: only the change time tells.
    let times = fs::metadata(at("same"))
        .expect("facts")
        .modified()
        .expect("a time");
    fs::write(at("same"), "54321").expect("a file");
    let file = fs::File::options()
        .write(true)
        .open(at("same"))
        .expect("opened");
    file.set_modified(times).expect("set");
    drop(file);
    assert_eq!(fetched(&pull(&scene)), 5);

    // A name that moves to another content of the same size.
    fs::rename(at("same"), at("other")).expect("renamed");
    fs::write(at("same"), "abcde").expect("a file");
    assert_eq!(fetched(&pull(&scene)), 10);

    fs::remove_dir_all(at("file")).expect("removed");
    symlink("/etc", at("file")).expect("a link");
    assert_eq!(fetched(&pull(&scene)), 0);
    scene.fleet.assert_verified();
}

#[test]
fn names_of_one_file_are_fetched_together() {
    let Some(scene) = HostFixture::start() else {
        return;
    };
    tree::fill(&scene.tree, &[("a", "12345"), ("d/x", "x")]);
    pull(&scene);
    fs::hard_link(scene.tree.join("a"), scene.tree.join("b")).expect("a link");
    assert_eq!(fetched(&pull(&scene)), 5);
    assert_eq!(fetched(&pull(&scene)), 0);
    fs::hard_link(scene.tree.join("a"), scene.tree.join("d/c")).expect("a link");
    assert_eq!(fetched(&pull(&scene)), 5);
    fs::remove_file(scene.tree.join("a")).expect("removed");
    assert_eq!(fetched(&pull(&scene)), 5);

    // The first name is left out, and taken in again: no name changed on the host.
    let mut app = scene.app();
    app["app"]["exclude"] = serde_json::json!(["/b"]);
    scene.sources(app);
    rest(&scene);
    let ran = scene.fleet.checkpoint(&["web"]).exits(0);
    assert_eq!(fetched(&ran), 5);
    let out = scene.tree_in(&scene.fleet.exported(&ran.id()));
    assert_eq!(
        fs::read_to_string(out.join("d/c")).expect("it is there"),
        "12345"
    );
    assert!(!out.join("b").exists());
    scene.sources(scene.app());
    assert_eq!(fetched(&pull(&scene)), 5);
    scene.fleet.assert_verified();
}

#[test]
fn full_fetches_everything_whatever_is_known() {
    let Some(scene) = HostFixture::start() else {
        return;
    };
    fill(&scene);
    let all = fetched(&pull(&scene));
    rest(&scene);
    let full = scene.fleet.checkpoint(&["web", "--full"]).exits(0);
    assert_eq!(fetched(&full), all);
    assert_eq!(full.state(), "complete");
}

#[test]
fn nothing_is_taken_over_from_another_machine_of_the_same_name() {
    let Some(scene) = HostFixture::with_tools(|folder| set_machine_id(folder, 1)) else {
        return;
    };
    fill(&scene);
    let all = fetched(&pull(&scene));
    assert_eq!(fetched(&pull(&scene)), 0);
    set_machine_id(scene.tools(), 2);
    assert_mended(&scene, "it is another machine than at web@", all);
}

#[test]
fn unchanged_files_are_proven_to_be_on_request() {
    let Some(scene) = HostFixture::start() else {
        return;
    };
    fill(&scene);
    pull(&scene);
    rest(&scene);
    let proven = scene
        .fleet
        .checkpoint(&["web", "--verify-unchanged"])
        .exits(0);
    assert_eq!((proven.state().as_str(), fetched(&proven)), ("complete", 0));
    scene.assert_holds_tree(&proven.id());
}

#[test]
fn a_pull_that_was_cut_goes_on_where_it_stopped() {
    let Some(scene) = HostFixture::start() else {
        return;
    };
    for name in ["a", "b", "c", "d"] {
        fs::write(scene.tree.join(name), tree::noise(2 << 20)).expect("a file");
    }
    rest(&scene);
    let _proxy = scene.through(Faults::cut(Cut::Close, 5 << 20));
    let cut = scene.fleet.checkpoint(&["web"]).exits(3);
    assert_eq!(cut.state(), "partial");
    let kept = cut.checkpoint()["bytes"].as_u64().expect("a number");
    assert!(kept >= 2 << 20, "{kept}");
    scene.sources(scene.app());
    let rest = pull(&scene);
    assert_eq!(fetched(&rest), (8 << 20) - kept);
    scene.fleet.assert_verified();
}

#[test]
fn a_cut_of_an_incremental_pull_loses_nothing_that_was_at_hand() {
    let Some(scene) = HostFixture::start() else {
        return;
    };
    for name in ["a", "b", "z/deep/old"] {
        tree::fill(&scene.tree, &[(name, "")]);
        fs::write(scene.tree.join(name), tree::noise(2 << 20)).expect("a file");
    }
    pull(&scene);
    // A directory late in the order changes, beneath which much is unchanged.
    tree::fill(&scene.tree, &[("z/deep/new", "new")]);
    for name in ["c", "d"] {
        fs::write(scene.tree.join(name), tree::noise(3 << 20)).expect("a file");
    }
    rest(&scene);
    let _proxy = scene.through(Faults::cut(Cut::Close, 4 << 20));
    let cut = scene.fleet.checkpoint(&["web"]).exits(3);
    let kept = cut.checkpoint()["bytes"].as_u64().expect("a number");
    assert_eq!(kept, (6 << 20) + (3 << 20));
    scene.sources(scene.app());
    assert_eq!(fetched(&pull(&scene)), (3 << 20) + 3);
    scene.fleet.assert_verified();
}

#[test]
fn an_interrupted_pull_keeps_what_had_arrived() {
    let Some(scene) = HostFixture::start() else {
        return;
    };
    for name in ["a", "b", "c", "d", "e", "f", "g", "h"] {
        fs::write(scene.tree.join(name), tree::noise(2 << 20)).expect("a file");
    }
    rest(&scene);
    let _proxy = scene.through(Faults::slow(4 << 20));
    let mut begun = scene.fleet.begin_checkpoint(&["web"]);
    begun.wait_for_bytes(5 << 20);
    begun.signal("INT");
    let ran = begun.end().exits(130);
    assert_eq!(ran.state(), "partial");
    let kept = ran.checkpoint()["bytes"].as_u64().expect("a number");
    assert!(kept >= 4 << 20, "{kept}");
    scene.sshd.wait_until_idle();
    scene.sources(scene.app());
    assert_eq!(fetched(&pull(&scene)), (16 << 20) - kept);
    scene.fleet.assert_verified();
}

/// What is wrong with what is in the store, told as a warning, and everything fetched again.
fn assert_mended(scene: &HostFixture, warning: &str, all: u64) {
    rest(scene);
    let ran = scene.fleet.checkpoint(&["web"]).exits(0);
    assert_eq!(ran.state(), "warned", "{}", ran.stdout);
    assert_eq!(fetched(&ran), all);
    let shown = scene.fleet.run(&["--json", "show", &ran.id()]).exits(0);
    assert!(shown.stdout.contains(warning), "{}", shown.stdout);
    scene.assert_holds_tree(&ran.id());
    assert_eq!(fetched(&pull(scene)), 0);
}

fn flip(path: &Path) {
    let mut bytes = fs::read(path).expect("it is there");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(path, bytes).expect("it can be changed");
}

#[test]
fn damaged_records_and_packs_are_never_referred_to() {
    let Some(scene) = HostFixture::start() else {
        return;
    };
    fill(&scene);
    let first = pull(&scene);
    let all = fetched(&first);
    let folder = |ran: &FleetOutput| {
        let file = entries_file(&scene, ran);
        file.parent()
            .and_then(Path::parent)
            .expect("a folder")
            .to_owned()
    };
    flip(&entries_file(&scene, &first));
    assert_mended(&scene, "everything is fetched again", all);

    // The record of the last one, and nothing else: what is older is not looked at either.
    let newest = scene.fleet.listed().last().expect("one")["id"].clone();
    let stamp = newest
        .as_str()
        .and_then(|id| id.split_once('@'))
        .expect("an id")
        .1
        .to_owned();
    flip(&folder(&first).with_file_name(stamp).join("checkpoint.json"));
    assert_mended(&scene, "everything is fetched again", all);

    let packs = folder(&first).with_file_name("packs");
    let newest_pack = || {
        let mut folders: Vec<_> = fs::read_dir(&packs)
            .expect("packs")
            .map(|item| item.expect("a folder").path())
            .collect();
        folders.sort();
        folders.last().expect("one").join("app.tar.zst")
    };
    flip(&newest_pack());
    assert_mended(&scene, "so what it held is fetched again", all);
    fs::remove_file(newest_pack()).expect("removed");
    assert_mended(&scene, "so what it held is fetched again", all);
    let file = fs::File::options()
        .write(true)
        .open(newest_pack())
        .expect("opened");
    file.set_len(100).expect("cut");
    assert_mended(&scene, "so what it held is fetched again", all);
}

#[test]
fn a_run_that_is_killed_leaves_the_last_checkpoint_to_go_on_from() {
    let Some(scene) = HostFixture::start() else {
        return;
    };
    fill(&scene);
    let first = pull(&scene);
    fs::write(scene.tree.join("more"), tree::noise(8 << 20)).expect("a file");
    let _proxy = scene.through(Faults::slow(4 << 20));
    let mut begun = scene.fleet.begin_checkpoint(&["web"]);
    begun.wait_for("progress");
    begun.signal("KILL");
    assert_eq!(begun.end().exit, None);
    scene.sshd.wait_until_idle();
    assert_eq!(scene.fleet.listed().len(), 1);
    scene.fleet.assert_verified();
    scene.sources(scene.app());
    assert_eq!(fetched(&pull(&scene)), 8 << 20);
    assert_eq!(scene.fleet.listed()[0]["id"], first.id());
    scene.fleet.assert_verified();
}
