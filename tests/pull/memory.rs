//! Tests of the memory and time that a hostile host can cost.

use std::fs;
use std::os::unix::fs::FileExt as _;

use serde_json::json;

use super::{HostFixture, program};
use crate::support::memory::measured;
use crate::support::tree;

/// More than a run needs, much less than what the hosts below send.
const PEAK_MAX_MIB: u64 = 150;

/// A host whose `find` tells of the tree and then runs the script `more`.
fn with_find(more: &str) -> Option<HostFixture> {
    let find = crate::support::sshd::installed("find")?;
    let scene = HostFixture::with_tools(|folder| {
        let script = format!(
            "'{}' \"$@\" || exit\ncase \"$*\" in *tree*) tree=$2; . '{}/more';; esac",
            find.display(),
            folder.display()
        );
        program(folder, "find", &script);
        fs::write(folder.join("more"), more).expect("a script");
    })?;
    tree::fill(&scene.tree, &[("a", "1"), ("b", "2")]);
    Some(scene)
}

#[test]
fn paths_of_megabytes_take_no_memory_and_are_named() {
    // Sixty paths of two megabytes, each in another directory.
    let Some(scene) = with_find(
        "long=$(printf '%02000d/' 0); long=$long$long$long$long$long; long=$long$long$long$long$long\n\
         long=$long$long$long$long$long$long$long$long; i=0\n\
         while [ $i -lt 60 ]; do i=$((i + 1))\n\
         printf 'f 644 0 0 1 1.0 1.0 1 1 1 8 %s/%s/%s%s%s%sx\\0\\0' \"$tree\" $i $long $long $long $long\n\
         done",
    ) else {
        return;
    };
    let (ran, peak) = measured(&scene.fleet.command(&["--json", "checkpoint", "web"]));
    let ran = ran.exits(0);
    assert_eq!(ran.state(), "warned");
    assert_eq!(ran.checkpoint()["files"], 2);
    let warning = "60 paths are longer than the host can open, not fetched: ";
    assert!(ran.stdout.contains(warning), "{}", ran.stderr);
    assert!(peak < PEAK_MAX_MIB, "{peak} MiB");
}

#[test]
fn links_that_no_file_system_stores_fail_the_part() {
    let Some(scene) = with_find(
        "i=0; while [ $i -lt 100 ]; do i=$((i + 1))\n\
         printf 'l 777 0 0 1 1.0 1.0 1 1 1 0 %s/%s\\0%01000000d\\0' \"$tree\" $i 0\n\
         done",
    ) else {
        return;
    };
    let (ran, peak) = measured(&scene.fleet.command(&["--json", "checkpoint", "web"]));
    let ran = ran.exits(3);
    let tree = scene.tree.display();
    assert_eq!(
        ran.failed(),
        [format!(
            "web app: a link with a text of more than 4096 bytes in find's output: `{tree}/1…`"
        )]
    );
    assert_eq!(
        ran.hints(),
        ["Leave out the directory that holds it with `exclude`, and look at the host."]
    );
    assert!(peak < PEAK_MAX_MIB, "{peak} MiB");
}

#[test]
fn digests_without_end_prove_nothing() {
    let Some(scene) = HostFixture::with_tools(|folder| {
        let script =
            "n=$(printf '%064d' 0); exec yes \"$n  /$(printf '%01000d' 0)\" | tr '\\n' '\\0'";
        program(folder, "sha256sum", script);
        program(folder, "openssl", "exit 1");
    }) else {
        return;
    };
    tree::fill(&scene.tree, &[("a", "1"), ("b", "2")]);
    super::incremental::rest(&scene);
    drop(scene.fleet.checkpoint(&["web"]).exits(0));
    let arguments = ["--json", "checkpoint", "web", "--verify-unchanged"];
    let (ran, peak) = measured(&scene.fleet.command(&arguments));
    let ran = ran.exits(0);
    assert_eq!(ran.state(), "warned");
    let warning = "2 files could not be hashed on the host, fetched again";
    assert!(ran.stdout.contains(warning), "{}", ran.stdout);
    assert_eq!(ran.checkpoint()["fetched_bytes"], 2);
    assert!(peak < PEAK_MAX_MIB, "{peak} MiB");
    scene.sshd.wait_until_idle();
}

#[test]
fn a_tar_that_says_too_much_makes_every_file_unstable() {
    let Some(tar) = crate::support::sshd::installed("tar") else {
        return;
    };
    let Some(scene) = HostFixture::with_tools(|folder| {
        let script = format!(
            "'{}' \"$@\" || exit\n\
             case \"$*\" in *--version*) exit;; esac\n\
             i=0; while [ $i -lt 4000 ]; do i=$((i + 1))\n\
             printf 'tar: \"x/%080d\": file changed as we read it\\n' $i >&2; done\n\
             [ ! -e '{}/fail' ] || exit 2; exit 1",
            tar.display(),
            folder.display()
        );
        program(folder, "tar", &script);
    }) else {
        return;
    };
    tree::fill(&scene.tree, &[("a", "1"), ("b", "2")]);
    for _ in 0..2 {
        super::incremental::rest(&scene);
        let ran = scene.fleet.checkpoint(&["web"]).exits(0);
        assert_eq!(ran.state(), "warned");
        assert!(
            ran.stdout
                .contains("any file may have changed while it was read"),
            "{}",
            ran.stdout
        );
        assert_eq!(ran.checkpoint()["fetched_bytes"], 2, "all is fetched again");
    }
    // What it failed to read may be among what was not kept.
    fs::write(scene.tools().join("fail"), "").expect("a file");
    let ran = scene.fleet.checkpoint(&["web"]).exits(3);
    assert!(
        ran.failed()[0].starts_with("web app: tar exited with 2"),
        "{:?}",
        ran.failed()
    );
}

#[test]
fn more_holes_than_can_be_hashed_fail_the_part() {
    let Some(scene) = HostFixture::start() else {
        return;
    };
    tree::fill(&scene.tree, &[("a", "1")]);
    let big = fs::File::create(scene.tree.join("big")).expect("a file");
    big.set_len(300 << 30).expect("a hole");
    // Something that is no hole, for a file without any block may be no sparse file at all.
    big.write_all_at(b"end", (300 << 30) - 3).expect("written");
    scene.sources(json!({
        "app": { "directory": scene.tree },
        "other": { "directory": scene.tree, "exclude": ["big"] },
    }));
    let ran = scene.fleet.checkpoint(&["web"]).exits(3);
    assert_eq!(
        ran.failed(),
        [format!(
            "web app: the sparse files have more than 256.0 GiB of holes, counted up to `{}/big`",
            scene.tree.display()
        )]
    );
    assert!(ran.hints()[0].starts_with("Leave the largest of them out with `exclude`"));
    assert_eq!(ran.checkpoint()["parts"][1]["state"], "complete");
}

#[test]
fn a_hole_that_is_being_hashed_stops_at_a_wish() {
    let Some(scene) = HostFixture::start() else {
        return;
    };
    tree::fill(&scene.tree, &[("a", "1")]);
    let big = fs::File::create(scene.tree.join("big")).expect("a file");
    big.set_len(250 << 30).expect("a hole");
    big.write_all_at(b"end", (250 << 30) - 3).expect("written");
    let mut begun = scene.fleet.begin_checkpoint(&["web"]);
    begun.wait_for("progress");
    begun.signal("INT");
    // Hashing all of it takes many minutes.
    let ran = begun.end().exits(130);
    assert!(ran.failed().len() <= 1, "{:?}", ran.failed());
    scene.fleet.assert_verified();
    scene.sshd.wait_until_idle();
}
