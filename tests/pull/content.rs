//! Tests of checkpoints of trees that are hard to read.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::{HostFixture, program};
use crate::support::sshd::installed;
use crate::support::tree;

/// A host whose `find` and `tar` run as an account that may not read everything, whoever runs the
/// tests.
pub(super) fn with_unprivileged_tools() -> Option<HostFixture> {
    if rustix::process::geteuid().is_root() {
        installed("setpriv")?;
    }
    let scene = HostFixture::with_tools(|folder| {
        if rustix::process::geteuid().is_root() {
            for name in ["find", "tar"] {
                let script = format!(
                    "exec setpriv --reuid=65534 --regid=65534 --clear-groups /usr/bin/{name} \"$@\""
                );
                program(folder, name, &script);
            }
        }
    })?;
    for folder in [scene.sshd.folder(), &scene.tree] {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).expect("mode");
    }
    Some(scene)
}

fn close(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("mode");
}

#[test]
fn unreadable_files_fail_the_part_and_the_first_ten_are_named() {
    let Some(scene) = with_unprivileged_tools() else {
        return;
    };
    tree::fill(
        &scene.tree,
        &[("a", "1"), ("locked/inside", "2"), ("listed/inside", "3")],
    );
    for number in 0..12 {
        let file = scene.tree.join(format!("secret-{number:02}"));
        fs::write(&file, "s").expect("a file");
        close(&file, 0o0);
    }
    close(&scene.tree.join("locked"), 0);
    close(&scene.tree.join("listed"), 0o444);
    let ran = scene.fleet.checkpoint(&["web"]);
    let named: Vec<String> = ["listed", "locked"]
        .into_iter()
        .map(str::to_owned)
        .chain((0..8).map(|number| format!("secret-{number:02}")))
        .map(|name| format!("{}/{name}", scene.tree.display()))
        .collect();
    let unreadable = format!("14 entries can't be read: {} and 4 more", named.join(", "));
    let ran = ran.exits(3);
    assert_eq!(ran.state(), "partial");
    assert_eq!(ran.failed(), [format!("web app: {unreadable}")]);
    assert_eq!(
        ran.hints(),
        [
            "Set `sudo: true` on the source to read them, or `unreadable: skip` to capture the rest without them."
        ]
    );
    // What could be read is there.
    assert_eq!(ran.checkpoint()["files"], 1);

    scene.sources(json!({ "app": { "directory": scene.tree, "unreadable": "skip" } }));
    let ran = scene.fleet.checkpoint(&["web"]).exits(0);
    assert_eq!(ran.state(), "warned");
    assert_eq!(ran.checkpoint()["files"], 1);
    let shown = scene.fleet.run(&["--json", "show", "web@latest"]).exits(0);
    let shown: Value = serde_json::from_str(&shown.stdout).expect("a document");
    assert!(shown.to_string().contains(&unreadable), "{shown}");
    scene.fleet.assert_verified();
    for name in ["locked", "listed"] {
        close(&scene.tree.join(name), 0o755);
    }
}

#[test]
fn a_host_without_tar_or_find_says_so() {
    let tools = ["sh", "cat", "id", "uname", "date", "head", "df"];
    let Some(scene) = HostFixture::with_only_tools(&tools) else {
        return;
    };
    tree::fill(&scene.tree, &[("a", "1")]);
    let ran = scene.fleet.checkpoint(&["web"]).exits(3);
    assert_eq!(ran.failed(), ["web app: the host has no `tar`"]);
    let tar = installed("tar").expect("tests of tar have it");
    std::os::unix::fs::symlink(tar, scene.tools().join("tar")).expect("a link");
    let ran = scene.fleet.checkpoint(&["web"]).exits(3);
    assert_eq!(ran.failed(), ["web app: the host has no `find`"]);
    assert_eq!(
        ran.hints(),
        ["Install `find` on the host (in findutils or busybox)."]
    );
}

#[test]
fn a_root_that_the_account_may_not_enter_is_named() {
    let Some(scene) = with_unprivileged_tools() else {
        return;
    };
    tree::fill(&scene.tree, &[("locked/app/file", "1")]);
    close(&scene.tree.join("locked"), 0);
    let root = scene.tree.join("locked/app");
    // Nobody can tell whether it is there: `optional` does not make it absent.
    scene.sources(json!({ "app": { "directory": root, "optional": true } }));
    let ran = scene.fleet.checkpoint(&["web"]).exits(3);
    assert_eq!(
        ran.failed(),
        [format!(
            "web app: {} can't be read: permission denied",
            root.display()
        )]
    );
    assert_eq!(ran.codes(), ["sudo-needed"]);
    close(&scene.tree.join("locked"), 0o755);
}

/// A path of exactly `length` bytes beneath `tree`, made step by step; the file holds "deep".
fn deep_file(tree: &Path, length: usize) -> String {
    let mut path = tree.display().to_string();
    let mut steps = Vec::new();
    while length - path.len() > 250 {
        steps.push("d".repeat(180));
        path += &format!("/{}", "d".repeat(180));
    }
    let name = "f".repeat(length - path.len() - 1);
    let script = "cd \"$1\"; shift; while [ $# -gt 1 ]; do mkdir -p \"$1\" && cd -P \"./$1\" || exit 1; shift; done; printf deep > \"$1\"";
    let status = Command::new("bash")
        .args(["-c", script, "bash"])
        .arg(tree)
        .args(&steps)
        .arg(&name)
        .status()
        .expect("bash");
    assert!(status.success());
    format!("{path}/{name}")
}

#[test]
fn paths_up_to_4096_bytes_are_fetched_and_longer_ones_named() {
    let Some(scene) = HostFixture::start() else {
        return;
    };
    let fits = deep_file(&scene.tree, 4096);
    let too_long = deep_file(&scene.tree, 4097);
    assert_eq!((fits.len(), too_long.len()), (4096, 4097));
    let ran = scene.fleet.checkpoint(&["web"]).exits(0);
    assert_eq!(ran.state(), "warned");
    assert_eq!(ran.checkpoint()["files"], 1);
    let content = scene.fleet.run(&["cat", &ran.id(), &fits]).exits(0);
    assert_eq!(content.stdout, "deep");
    let shown = scene.fleet.run(&["--json", "show", "web@latest"]).exits(0);
    let warning = format!("1 path is longer than the host can open, not fetched: {too_long}");
    assert!(shown.stdout.contains(&warning), "{}", shown.stdout);
    scene.fleet.assert_verified();
    // Too deep for the test's own clearing away.
    let status = Command::new("rm").arg("-rf").arg(&scene.tree).status();
    assert!(status.is_ok_and(|status| status.success()));
}

#[test]
fn a_hole_of_a_gigabyte_costs_next_to_nothing() {
    let Some(scene) = HostFixture::start() else {
        return;
    };
    let file = scene.tree.join("sparse");
    let sparse = fs::File::create(&file).expect("a file");
    std::os::unix::fs::FileExt::write_all_at(&sparse, b"begin", 0).expect("written");
    std::os::unix::fs::FileExt::write_all_at(&sparse, b"end", (1 << 30) - 3).expect("written");
    drop(sparse);
    let ran = scene.fleet.checkpoint(&["web"]).exits(0);
    assert_eq!(ran.state(), "complete");
    let checkpoint = ran.checkpoint();
    assert_eq!(checkpoint["bytes"], 1 << 30);
    assert!(
        checkpoint["fetched_bytes"].as_u64() < Some(64 << 10),
        "{checkpoint}"
    );
    let out = scene
        .tree_in(&scene.fleet.exported(&ran.id()))
        .join("sparse");
    let facts = fs::metadata(&out).expect("it is there");
    assert_eq!(facts.len(), 1 << 30);
    assert!(facts.blocks() * 512 < 1 << 20, "{} blocks", facts.blocks());
    let same = Command::new("cmp").arg(&file).arg(&out).status();
    assert!(same.is_ok_and(|status| status.success()));
}

#[test]
fn what_is_excluded_is_not_stored() {
    let Some(scene) = HostFixture::start() else {
        return;
    };
    tree::fill(
        &scene.tree,
        &[
            ("a", "1"),
            ("x.log", "2"),
            ("deep/y.log", "3"),
            ("deep/keep.log", "4"),
            ("node_modules/m/index.js", "5"),
            ("deep/node_modules/m/index.js", "6"),
            ("deep/node_modules_not", "7"),
            ("build/out", "8"),
            ("deep/build/in", "9"),
        ],
    );
    scene.sources(json!({ "app": {
        "directory": scene.tree,
        "exclude": ["node_modules/", "*.log", "!keep.log", "/build"],
    } }));
    let ran = scene.fleet.checkpoint(&["web"]).exits(0);
    assert_eq!(ran.state(), "complete");
    let out = scene.tree_in(&scene.fleet.exported(&ran.id()));
    let held: Vec<String> = tree::describe(&out)
        .keys()
        .map(|path| path.display().to_string())
        .collect();
    assert_eq!(
        held,
        [
            "",
            "a",
            "deep",
            "deep/build",
            "deep/build/in",
            "deep/keep.log",
            "deep/node_modules_not",
        ]
    );
}

#[test]
fn a_directory_that_is_left_out_need_not_be_readable() {
    let Some(scene) = with_unprivileged_tools() else {
        return;
    };
    tree::fill(
        &scene.tree,
        &[("a", "1"), ("cache/x", "2"), ("data-1/x", "3")],
    );
    for name in ["cache", "data-1"] {
        close(&scene.tree.join(name), 0);
    }
    // The second pattern is none that the host is told.
    scene.sources(
        json!({ "app": { "directory": scene.tree, "exclude": ["cache/", "data-[0-9]/"] } }),
    );
    let ran = scene.fleet.checkpoint(&["web"]).exits(0);
    assert_eq!(ran.state(), "complete", "{}", ran.stdout);
    for name in ["cache", "data-1"] {
        close(&scene.tree.join(name), 0o755);
    }
}
