//! `RECOVER.md`: a checkpoint comes back where there is no fleet.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::support::recover;

use super::fixture::{
    GROUPS, NOW, StoreFixture, capture, describe, facts, give_away, grow_tree, noise,
};

fn tools(bed: &StoreFixture, json: &str) -> Option<PathBuf> {
    recover::tools(bed.dir.path(), json)
}

fn recover(bed: &StoreFixture, tools: &Path, stamp: &str, target: &Path) -> Output {
    command(bed, tools, stamp, target).output().expect("sh")
}

fn command(bed: &StoreFixture, tools: &Path, stamp: &str, target: &Path) -> Command {
    let folder = format!("dev-vm/{stamp}");
    recover::command(bed.store.dir(), bed.dir.path(), tools, &folder, target)
}

#[test]
fn the_script_takes_a_path_of_two_parts_once() {
    for json in ["python3", "jq"] {
        let bed = StoreFixture::new();
        grow_tree(&bed.tree());
        let incoming = bed.begin(NOW);
        let web = capture(&incoming, &bed.tree(), "web", &["app/public"], None);
        let app = capture(&incoming, &bed.tree(), "app", &["app"], None);
        incoming.seal(facts(vec![web, app])).expect("sealed");
        let Some(tools) = tools(&bed, json) else {
            continue;
        };
        let target = bed.dir.path().join("target");
        let output = recover(&bed, &tools, "20261121T101500Z", &target);
        assert!(output.status.success(), "{json}: {output:?}");
        assert_eq!(describe(&target), describe(&bed.tree()));
    }
}

/// Somebody who is not root.
const NOBODY: u32 = 65_534;

fn three_packs() -> StoreFixture {
    grown_by(|tree| {
        // Some that hardly compress and are in frames of their own, apart from their neighbours.
        for name in ["app/a.jpg", "app/public/b.jpg", "app/public.d/c.jpg"] {
            let path = tree.join(name);
            if !path.exists() {
                fs::write(path, noise(20_000)).expect("a file");
            }
        }
    })
}

fn grown_by(change: impl Fn(&Path)) -> StoreFixture {
    let bed = StoreFixture::new();
    grow_tree(&bed.tree());
    change(&bed.tree());
    bed.seal(NOW, &["app"], None);
    let first = bed.open("dev-vm@20261121T101500Z");
    fs::write(bed.tree().join("app/new\nline"), "changed\n").expect("a file");
    fs::create_dir_all(bed.tree().join("app/public/new/empty")).expect("folders");
    change(&bed.tree());
    bed.seal(NOW, &["app/public", "app/new\nline"], Some(&first));
    let second = bed.open("dev-vm@20261121T101501Z");
    bed.seal(NOW, &GROUPS, Some(&second));
    bed
}

fn rebuilds_the_tree(json: &str) {
    let bed = three_packs();
    let Some(tools) = tools(&bed, json) else {
        return;
    };
    let target = bed.dir.path().join("target");
    let output = recover(&bed, &tools, "20261121T101502Z", &target);
    assert_eq!(
        String::from_utf8_lossy(&output.stderr),
        format!("{} holds the checkpoint\n", target.display())
    );
    assert!(output.status.success());
    assert_eq!(describe(&target), describe(&bed.tree()));
}

#[test]
fn the_script_rebuilds_the_tree_with_python() {
    rebuilds_the_tree("python3");
}

#[test]
fn the_script_rebuilds_the_tree_with_jq() {
    rebuilds_the_tree("jq");
}

#[test]
fn the_script_needs_no_root() {
    if !rustix::process::geteuid().is_root() {
        // The other tests of the script are this one then.
        return;
    }
    let bed = grown_by(|tree| give_away(tree, NOBODY));
    give_away(bed.dir.path(), NOBODY);
    for json in ["python3", "jq"] {
        // An interpreter in root's home is not there for others.
        let Some(tools) = tools(&bed, json) else {
            continue;
        };
        let target = bed.dir.path().join(format!("target-{json}"));
        let output = command(&bed, &tools, "20261121T101502Z", &target)
            .uid(NOBODY)
            .gid(NOBODY)
            .output()
            .expect("sh");
        if String::from_utf8_lossy(&output.stderr).ends_with("jq: not found\n") {
            continue;
        }
        assert_eq!(
            String::from_utf8_lossy(&output.stderr),
            format!("{} holds the checkpoint\n", target.display())
        );
        assert_eq!(describe(&target), describe(&bed.tree()));
    }
}

#[test]
fn the_script_stops_at_damage_and_at_a_folder_in_use() {
    let bed = three_packs();
    let Some(tools) = tools(&bed, "python3") else {
        return;
    };
    let output = recover(&bed, &tools, "20261121T101502Z", &bed.tree());
    assert_eq!(output.status.code(), Some(2));
    let pack = bed
        .store
        .dir()
        .join("dev-vm/packs/20261121T101500Z/app.tar.zst");
    let mut bytes = fs::read(&pack).expect("a pack");
    bytes[100] ^= 1;
    fs::write(&pack, bytes).expect("written");
    let target = bed.dir.path().join("target");
    let output = recover(&bed, &tools, "20261121T101502Z", &target);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(fs::read_dir(&target).expect("a folder").count(), 0);
}
