//! A host that runs dropbear: it takes short command lines only.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::json;

use super::HostFixture;
use crate::support::sshd::{Process, eventually, user};
use crate::support::{self, not_here, tree};

/// A dropbear that lets the operator in, as the account that runs the tests. Its view of the account's
/// home is a folder of the test's own.
fn dropbear(scene: &HostFixture) -> Option<(Process, u16)> {
    if user() != "root" {
        not_here("dropbear reads the home of its account, which only root can put elsewhere");
        return None;
    }
    let home = scene.sshd.folder().join("dropbear_home");
    fs::create_dir_all(home.join(".ssh")).expect("a home");
    for folder in [home.clone(), home.join(".ssh")] {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).expect("mode");
    }
    let allowed = home.join(".ssh/authorized_keys");
    fs::copy(scene.sshd.operator_key().with_extension("pub"), &allowed).expect("the key");
    fs::set_permissions(&allowed, fs::Permissions::from_mode(0o600)).expect("mode");
    support::dropbear::dropbear(&scene.sshd, Some(&home))
}

#[test]
fn a_host_with_dropbear_is_captured_like_any_other() {
    let Some(scene) = HostFixture::start() else {
        return;
    };
    let Some((_dropbear, port)) = dropbear(&scene) else {
        return;
    };
    tree::fill(&scene.tree, &[("a", "1"), ("deep/b", "2")]);
    let exclude: Vec<String> = (0..400).map(|n| format!("not-there-number-{n}/")).collect();
    let mut host = scene.host(json!({
        "app": { "directory": scene.tree, "exclude": exclude },
        "says": { "command": ["printf", "%s", "x".repeat(20_000)] },
    }));
    host["port"] = json!(port);
    scene.describe(host);
    let ran = scene.fleet.checkpoint(&["web"]).exits(0);
    assert_eq!(ran.state(), "complete", "{}", ran.stdout);
    scene.assert_holds_tree(&ran.id());
    let again = scene.fleet.checkpoint(&["web"]).exits(0);
    assert_eq!(again.checkpoint()["fetched_bytes"], 0);
}

#[test]
fn a_command_on_dropbear_ends_with_its_run() {
    let Some(scene) = HostFixture::start() else {
        return;
    };
    let Some((_dropbear, port)) = dropbear(&scene) else {
        return;
    };
    let mark = "fleet-test-on-dropbear";
    for signal in ["INT", "KILL"] {
        let shell = format!("sh -c 'trap \"\" TERM HUP; while :; do sleep 1; done' {mark}");
        let mut host = scene.host(json!({ "app": { "shell": shell, "timeout": "10m" } }));
        host["port"] = json!(port);
        scene.describe(host);
        let begun = scene.fleet.begin_checkpoint(&["web"]);
        let running = || support::sshd::processes_with(mark);
        eventually("it runs", || {
            running().iter().any(|(_, line)| line.starts_with("sh -c "))
        });
        begun.signal(signal);
        let ran = begun.end();
        assert_eq!(ran.exit, (signal == "INT").then_some(130));
        eventually("nothing is left", || running().is_empty());
    }
}
