//! Services and probes around `fleet restore`: a process is stopped, started again and checked.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::fixture::{plan, pull, restore, start, summary};
use crate::support::host_fixture::{HostFixture, program};
use crate::support::sshd::eventually;
use crate::support::tree;

/// A server of this test's: a script in the tree that sleeps, and writes which configuration it has read.
fn with_server<'h>(host: &'h HostFixture, probes: &Value) -> Server<'h> {
    let server = Server(host);
    tree::fill(&host.tree, &[("app/conf", "good\n")]);
    let folder = host.tree.join("app");
    let script = format!(
        "cd '{0}' || exit 1\ncat conf >../seen\n\
         trap '[ ! -e state ] || echo stopped >>state; exit 0' TERM\nwhile :; do sleep 0.1; done",
        folder.display()
    );
    program(&folder, "server", &script);
    let mut entry = host.host(json!({ "app": { "directory": folder } }));
    let argv = json!(["sh", folder.join("server")]);
    entry["services"] = json!({
        "server": { "process": argv, "cwd": folder, "start": "always", "grace": "5s" },
    });
    entry["probes"] = probes.clone();
    host.describe(entry);
    let started = Command::new("setsid")
        .arg("--fork")
        .arg(folder.join("server"))
        .current_dir(&folder)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .status()
        .expect("setsid");
    assert!(started.success());
    eventually("the server", || pids(host).len() == 1);
    server
}

/// The processes of the server.
fn pids(host: &HostFixture) -> Vec<String> {
    let wanted = host.tree.join("app/server");
    let of = |entry: std::io::Result<fs::DirEntry>| {
        let entry = entry.ok()?;
        let line = fs::read(entry.path().join("cmdline")).ok()?;
        let words: Vec<&[u8]> = line.split(|&b| b == 0).collect();
        let is_server = words
            .iter()
            .any(|word| *word == wanted.as_os_str().as_encoded_bytes());
        is_server.then(|| entry.file_name().to_string_lossy().into_owned())
    };
    fs::read_dir("/proc")
        .expect("proc")
        .filter_map(of)
        .collect()
}

/// Ends the server with the test, however that ends.
struct Server<'h>(&'h HostFixture);

impl Drop for Server<'_> {
    fn drop(&mut self) {
        for pid in pids(self.0) {
            drop(Command::new("kill").args(["-KILL", &pid]).status());
        }
    }
}

fn seen(host: &HostFixture) -> String {
    fs::read_to_string(host.tree.join("seen")).unwrap_or_default()
}

#[test]
fn a_process_is_stopped_and_started_on_the_restored_files() {
    let Some(host) = start() else {
        return;
    };
    let _server = with_server(&host, &json!({}));
    pull(&host);
    fs::write(host.tree.join("app/conf"), "bad\n").expect("a file");
    let before = pids(&host);
    let shown = plan(&host, &[], 0);
    assert_eq!(
        shown["services"][0]["action"],
        json!("stop-start"),
        "{shown}"
    );
    assert_eq!(pids(&host), before, "a dry run stops nothing");
    let ended = summary(restore(&host, &[]), 0);
    assert_eq!(ended["outcome"], json!("restored"));
    eventually("the server", || pids(&host).len() == 1);
    assert_ne!(pids(&host), before);
    eventually("what it read", || seen(&host) == "good\n");
    // Nothing to do stops nothing.
    let running = pids(&host);
    assert_eq!(
        summary(restore(&host, &[]), 0)["outcome"],
        json!("unchanged")
    );
    assert_eq!(pids(&host), running);
}

#[test]
fn what_a_service_writes_while_it_stops_is_in_the_safety_checkpoint() {
    let Some(host) = start() else {
        return;
    };
    let _server = with_server(&host, &json!({}));
    let state = host.tree.join("app/state");
    fs::write(&state, "at first\n").expect("a file");
    pull(&host);
    fs::write(&state, "later\n").expect("a file");
    let ended = summary(restore(&host, &[]), 0);
    assert_eq!(ended["outcome"], json!("restored"));
    assert_eq!(fs::read_to_string(&state).expect("a file"), "at first\n");
    let safety = ended["safety"].as_str().expect("a checkpoint");
    let path = state.display().to_string();
    let kept = host.fleet.run(&["cat", safety, &path]).exits(0);
    assert_eq!(kept.stdout, "later\nstopped\n");
}

#[test]
fn a_probe_that_fails_brings_everything_back() {
    let Some(host) = start() else {
        return;
    };
    let _server = with_server(
        &host,
        &json!({ "port": { "tcp": free_port(), "within": "1s" } }),
    );
    pull(&host);
    fs::write(host.tree.join("app/conf"), "bad\n").expect("a file");
    let before = tree::describe(&host.tree.join("app"));
    let ended = summary(restore(&host, &[]), 1);
    assert_eq!(ended["outcome"], json!("rolled-back"));
    assert_eq!(ended["error"]["code"], json!("probe-failed"));
    assert_eq!(ended["probes"][0]["ok"], json!(false));
    assert_eq!(tree::describe(&host.tree.join("app")), before);
    eventually("the server", || pids(&host).len() == 1);
    eventually("what it read", || seen(&host) == "bad\n");
    assert!(!Path::new(&host.tree.join("app/.fleet-restore")).exists());
}

/// A fresh machine lacks what no checkpoint holds; on the host itself the same is a failure.
#[test]
fn on_another_host_what_cannot_be_started_yet_is_reported() {
    let Some(host) = start() else {
        return;
    };
    let app = host.tree.join("app");
    tree::fill(&app, &[("conf", "good")]);
    let mut entry = host.host(json!({ "app": { "directory": app } }));
    entry["services"] = json!({
        "server": { "process": ["/nowhere/server"], "cwd": app, "start": "always" },
    });
    entry["probes"] = json!({ "port": { "tcp": free_port(), "within": "1s" } });
    let mut fresh = entry.clone();
    fresh["services"] = json!({});
    fresh["probes"] = json!({});
    host.describe_all(json!({ "web": entry, "new": fresh }));
    pull(&host);
    fs::write(app.join("conf"), "bad").expect("a file");
    let refused = summary(restore(&host, &[]), 1);
    assert_eq!(refused["outcome"], json!("rolled-back"));
    assert_eq!(fs::read(app.join("conf")).expect("a file"), b"bad");

    let arguments = ["restore", "web@latest", "--to", "new", "--confirm", "new"];
    let output = host.fleet.run(&arguments).exits(0);
    assert_eq!(fs::read(app.join("conf")).expect("a file"), b"good");
    for told in [
        "server (no process) is started, if it can be",
        "it was not active on this host before",
        "warning: probe `port` failed on new",
    ] {
        let text = format!("{}{}", output.stdout, output.stderr);
        assert!(text.contains(told), "{told}: {text}");
    }
}

fn free_port() -> u16 {
    crate::support::sshd::free_port()
}
