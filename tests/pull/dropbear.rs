//! A host that runs dropbear: it takes short command lines only.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use serde_json::json;

use super::Scene;
use crate::support::not_here;
use crate::support::sshd::{Process, eventually, free_port, installed, user};
use crate::support::tree;

/// A dropbear that lets the operator in, as the account that runs the tests. Its view of the account's
/// home is a folder of the test's own.
fn dropbear(scene: &Scene) -> Option<(Process, u16)> {
    let program = installed("dropbear")?;
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
    let key = scene.sshd.folder().join("dropbear_key");
    let made = Command::new("dropbearkey")
        .args(["-t", "ed25519", "-f"])
        .arg(&key)
        .output()
        .expect("dropbearkey");
    let said = String::from_utf8_lossy(&made.stdout).into_owned();
    let line = said
        .lines()
        .find(|line| line.starts_with("ssh-ed25519 "))
        .expect("a public key");
    let port = free_port();
    let script = "mount --bind \"$1\" /root && shift && exec \"$@\"";
    let child = Command::new("unshare")
        .args(["--mount", "sh", "-c", script, "sh"])
        .arg(&home)
        .arg(program)
        .args(["-F", "-E", "-s", "-p", &format!("127.0.0.1:{port}"), "-r"])
        .arg(&key)
        .arg("-P")
        .arg(scene.sshd.folder().join("dropbear_pid"))
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("dropbear");
    let process = Process(child);
    eventually("dropbear listens", || {
        std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
    });
    let known = format!("[127.0.0.1]:{port} {line}\n");
    scene.sshd.write_known_hosts(&known);
    Some((process, port))
}

#[test]
fn a_host_with_dropbear_is_captured_like_any_other() {
    let Some(scene) = Scene::start() else { return };
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
    let Some(scene) = Scene::start() else { return };
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
        let running = || crate::support::sshd::processes_with(mark);
        eventually("it runs", || {
            running().iter().any(|(_, line)| line.starts_with("sh -c "))
        });
        begun.signal(signal);
        let ran = begun.end();
        assert_eq!(ran.exit, (signal == "INT").then_some(130));
        eventually("nothing is left", || running().is_empty());
    }
}
