//! Hosts whose tools are busybox's: pulled whole.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::fs::symlink;

use serde_json::json;

use super::{HostFixture, program};
use crate::support::sshd::installed;
use crate::support::tree;

pub(super) fn with_busybox() -> Option<HostFixture> {
    let busybox = installed("busybox")?;
    HostFixture::with_tools(|folder| {
        for name in ["find", "tar", "cat", "head", "date", "df"] {
            symlink(&busybox, folder.join(name)).expect("a link");
        }
    })
}

#[test]
fn a_busybox_host_is_pulled_whole_and_what_is_excluded_is_not_stored() {
    let Some(scene) = with_busybox() else { return };
    tree::fill(
        &scene.tree,
        &[
            ("a", "content"),
            ("deep/b", "more"),
            ("deep/x.log", "left out"),
            ("node_modules/m/index.js", "left out"),
            ("new\nline", "odd"),
        ],
    );
    symlink("/etc/passwd", scene.tree.join("out")).expect("a link");
    fs::hard_link(scene.tree.join("a"), scene.tree.join("hard")).expect("a hard link");
    scene.sources(json!({ "app": {
        "directory": scene.tree,
        "exclude": ["node_modules/", "*.log"],
    } }));
    let ran = scene.fleet.checkpoint(&["web"]).exits(0);
    assert_eq!(ran.state(), "complete", "{}", ran.stdout);
    fs::remove_dir_all(scene.tree.join("node_modules")).expect("removed");
    fs::remove_file(scene.tree.join("deep/x.log")).expect("removed");
    // Such a tar knows whole seconds; these directories have just been changed as well.
    let out = scene.tree_in(&scene.fleet.exported(&ran.id()));
    let without_times = |root| -> Vec<String> {
        tree::describe(root)
            .into_iter()
            .map(|(path, facts)| {
                let mut words: Vec<&str> = facts.split(' ').collect();
                words.remove(2);
                format!("{path:?} {}", words.join(" "))
            })
            .collect()
    };
    assert_eq!(without_times(&out), without_times(&scene.tree));
    scene.fleet.assert_verified();
    let again = scene.fleet.checkpoint(&["web"]).exits(0);
    assert_eq!(again.state(), "complete");
    assert_eq!(
        again.checkpoint()["fetched_bytes"],
        ran.checkpoint()["fetched_bytes"]
    );
    let said = "its `find` doesn't report changes, so everything is fetched again";
    assert!(again.stdout.contains(said), "{}", again.stdout);
    assert!(!ran.stdout.contains(said), "{}", ran.stdout);
}

#[test]
fn a_directory_that_busybox_cannot_read_fails_the_part() {
    let Some(busybox) = installed("busybox") else {
        return;
    };
    let root = rustix::process::geteuid().is_root();
    if root && installed("setpriv").is_none() {
        return;
    }
    let Some(scene) = HostFixture::with_tools(|folder| {
        for name in ["find", "tar"] {
            let drop = if root {
                "setpriv --reuid=65534 --regid=65534 --clear-groups "
            } else {
                ""
            };
            let script = format!("exec {drop}{} {name} \"$@\"", busybox.display());
            program(folder, name, &script);
        }
    }) else {
        return;
    };
    for folder in [scene.sshd.folder(), &scene.tree] {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).expect("mode");
    }
    tree::fill(&scene.tree, &[("a", "1"), ("locked/inside", "2")]);
    let locked = scene.tree.join("locked");
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o0)).expect("mode");
    let ran = scene.fleet.checkpoint(&["web"]).exits(3);
    assert_eq!(
        ran.failed(),
        [format!(
            "web app: 1 entry can't be read: {}",
            locked.display()
        )]
    );
    scene.sources(json!({ "app": { "directory": scene.tree, "exclude": ["locked/"] } }));
    let ran = scene.fleet.checkpoint(&["web"]);
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o755)).expect("mode");
    assert_eq!(ran.exits(0).state(), "complete");
}
