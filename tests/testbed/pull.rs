//! Tests of a full checkpoint of the test bed's hosts, and that prod is not touched.

use std::fs;
use std::path::Path;

use fleet::digest::Sha256;
use serde_json::{Value, json};

use crate::support::testbed::Testbed;
use crate::support::tree;

fn part<'a>(checkpoint: &'a Value, name: &str) -> &'a Value {
    checkpoint["parts"]
        .as_array()
        .and_then(|parts| parts.iter().find(|part| part["name"] == name))
        .expect("a part")
}

/// `DIGEST  NAME` of every file beneath `root`, as sha256sum writes it.
fn digests(root: &Path) -> Vec<String> {
    let mut lines: Vec<String> = tree::describe(root)
        .into_iter()
        .filter(|(_, facts)| facts.contains(" file "))
        .map(|(path, _)| {
            let digest = Sha256::of(&fs::read(root.join(&path)).expect("a file"));
            format!("{digest}  ./{}", path.display())
        })
        .collect();
    lines.sort();
    lines
}

#[test]
fn a_development_host_is_pulled_whole() {
    let Some(testbed) = Testbed::find() else {
        return;
    };
    let fleet = testbed.fleet();
    let ran = fleet.checkpoint(&["dev-vm", "-m", "whole"]).exits(0);
    let checkpoint = ran.checkpoint();
    assert_eq!(checkpoint["state"], "complete", "{checkpoint}");
    assert_eq!(checkpoint["description"], "whole");
    let files: Vec<(&str, &Value, &Value)> = ["app", "asterisk", "grafana"]
        .into_iter()
        .map(|name| {
            let part = part(&checkpoint, name);
            (name, &part["state"], &part["files"])
        })
        .collect();
    assert_eq!(
        files,
        [
            ("app", &json!("complete"), &json!(980)),
            ("asterisk", &json!("complete"), &json!(109)),
            ("grafana", &json!("absent"), &json!(0)),
        ]
    );
    let homer = part(&checkpoint, "homer");
    assert_eq!(homer["state"], "complete");
    assert_ne!(homer["files"], 0);
    fleet.assert_verified();
    if testbed.has("own-root") {
        let out = fleet.exported(&ran.id());
        let script =
            "sudo -n sh -c 'cd /etc/asterisk && find . -type f -exec sha256sum {} +' | sort";
        let there = testbed.tool(&["ssh", "dev-vm", script]);
        let there: Vec<&str> = there.lines().collect();
        assert_eq!(digests(&out.join("etc/asterisk")), there);
    }
}

#[test]
fn a_checkpoint_of_prod_changes_nothing_there() {
    let Some(testbed) = Testbed::find() else {
        return;
    };
    let before = testbed.tool(&["digest", "prod-vm"]);
    let fleet = testbed.fleet();
    let ran = fleet.checkpoint(&["prod-vm"]).exits(0);
    assert_eq!(ran.state(), "complete");
    assert_eq!(testbed.tool(&["digest", "prod-vm"]), before);
    let ran = fleet
        .run(&["--json", "guard", "explain", "prod-vm", "restore"])
        .exits(4);
    let document: Value = serde_json::from_str(&ran.stdout).expect("a document");
    assert_eq!(document["operations"][0]["decision"], "deny", "{document}");
}

#[test]
fn what_takes_sudo_is_named_where_nobody_asked_for_sudo() {
    let Some(testbed) = Testbed::find() else {
        return;
    };
    if !testbed.has("owners") {
        return;
    }
    for unreadable in ["fail", "skip"] {
        // Without its root nothing of a source is there, so there is nothing to skip.
        let sources = json!({ "sources": { "asterisk": {
            "directory": "/etc/asterisk",
            "unreadable": unreadable,
        } } });
        let fleet = testbed.fleet_of("dev-vm", &sources);
        let ran = fleet.checkpoint(&["dev-vm"]).exits(3);
        assert_eq!(
            ran.failed(),
            ["dev-vm asterisk: /etc/asterisk can't be read: permission denied"]
        );
        assert_eq!(
            ran.hints(),
            ["Set `sudo: true` on the source, or log in as an account with permission to read it."]
        );
    }
    let sources = |unreadable| {
        json!({ "sources": { "pam": {
            "directory": "/etc/security",
            "unreadable": unreadable,
        } } })
    };
    let fleet = testbed.fleet_of("dev-vm", &sources("fail"));
    let ran = fleet.checkpoint(&["dev-vm"]).exits(3);
    assert_eq!(
        ran.failed(),
        ["dev-vm pam: 1 entry can't be read: /etc/security/opasswd"]
    );
    let fleet = testbed.fleet_of("dev-vm", &sources("skip"));
    let ran = fleet.checkpoint(&["dev-vm"]).exits(0);
    assert_eq!(ran.state(), "warned");
    fleet.assert_verified();
}

#[test]
fn a_sudo_that_wants_a_password_fails_its_part_and_does_not_hang() {
    let Some(testbed) = Testbed::find() else {
        return;
    };
    if !testbed.has("sudo") {
        return;
    }
    let host = json!({
        "user": "clerk",
        "sources": {
            "asterisk": { "directory": "/etc/asterisk", "sudo": true },
            "units": { "directory": "/etc/systemd/system" },
        },
    });
    let fleet = testbed.fleet_of("dev-vm", &host);
    let ran = fleet.checkpoint(&["dev-vm"]).exits(3);
    assert_eq!(
        ran.failed(),
        ["dev-vm asterisk: sudo on dev-vm refused clerk: sudo: a password is required"]
    );
    assert!(!ran.hints()[0].is_empty());
    assert_eq!(part(&ran.checkpoint(), "units")["state"], "complete");
}
