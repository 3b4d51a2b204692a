//! Tests of mounts beneath a source: left out by name, or dead.

use std::fs;

use serde_json::{Value, json};

use super::HostFixture;
use crate::support::mount::Mounted;
use crate::support::tree;

fn shown(scene: &HostFixture) -> Value {
    shown_of(scene, "web@latest")
}

fn shown_of(scene: &HostFixture, checkpoint: &str) -> Value {
    let shown = scene.fleet.run(&["--json", "show", checkpoint]).exits(0);
    serde_json::from_str(&shown.stdout).expect("a document")
}

#[test]
fn what_is_mounted_beneath_a_source_is_named_wherever_it_is_left_out() {
    let Some(scene) = HostFixture::start() else {
        return;
    };
    tree::fill(&scene.tree, &[("a", "1"), ("secret/b", "2")]);
    let (cache, secret) = (scene.tree.join("cache"), scene.tree.join("secret"));
    let Some(_cache) = Mounted::tmpfs(&cache) else {
        return;
    };
    let Some(_secret) = Mounted::tmpfs(&secret) else {
        return;
    };
    fs::write(cache.join("x"), "mounted").expect("a file");
    // What is excluded anyway is not named.
    let source = |more: Value| {
        let mut app = json!({ "directory": scene.tree, "exclude": ["secret/"] });
        for (key, value) in more.as_object().expect("keys") {
            app[key] = value.clone();
        }
        json!({ "app": app })
    };
    scene.sources(source(json!({})));
    let left_out = json!([{ "path": cache, "kind": "tmpfs" }]);
    let note = format!("other file systems left out: {} (tmpfs)", cache.display());

    let doctor = scene.fleet.run(&["--json", "doctor", "web"]).exits(0);
    let doctor: Value = serde_json::from_str(&doctor.stdout).expect("a document");
    assert_eq!(doctor["hosts"][0]["sources"][0]["left_out"], left_out);
    let doctor = scene.fleet.run(&["doctor", "web"]).exits(0);
    assert!(doctor.stdout.contains(&note), "{}", doctor.stdout);

    let ran = scene.fleet.run(&["checkpoint", "web"]).exits(0);
    assert!(ran.stderr.contains(&note), "{}", ran.stderr);
    let show = scene.fleet.run(&["show", "web@latest"]).exits(0);
    assert!(
        show.stdout.contains(&format!("app: {note}")),
        "{}",
        show.stdout
    );
    let ran = scene.fleet.checkpoint(&["web"]).exits(0);
    assert_eq!(ran.state(), "complete");
    assert_eq!(shown(&scene)["parts"][0]["left_out"], left_out);
    let mut events = ran.stdout.lines().map(|line| {
        let event: Value = serde_json::from_str(line).expect("an event");
        event
    });
    let ended = events.find(|event| event["type"] == "part-ended");
    assert_eq!(ended.expect("it ended")["part"]["left_out"], left_out);
    let stamp = ran.id().split_once('@').expect("a stamp").1.to_owned();
    let manifest = scene
        .fleet
        .store()
        .join("web")
        .join(stamp)
        .join("MANIFEST.txt");
    let manifest = fs::read_to_string(manifest).expect("it is there");
    let line = format!("    not entered: {} (tmpfs)\n", cache.display());
    assert!(manifest.contains(&line), "{manifest}");
    let out = scene.tree_in(&scene.fleet.exported(&ran.id()));
    assert!(out.join("cache").is_dir() && !out.join("cache/x").exists());
    assert!(!out.join("secret").exists());

    scene.sources(source(json!({ "one_file_system": false })));
    let ran = scene.fleet.checkpoint(&["web"]).exits(0);
    assert_eq!(shown(&scene)["parts"][0]["left_out"], json!([]));
    let out = scene.tree_in(&scene.fleet.exported(&ran.id()));
    assert_eq!(
        fs::read_to_string(out.join("cache/x")).expect("it is there"),
        "mounted"
    );
    scene.fleet.assert_verified();
}

#[test]
fn a_mount_that_hangs_costs_the_source_that_it_is_in() {
    let Some(scene) = HostFixture::start() else {
        return;
    };
    tree::fill(&scene.tree, &[("a", "1"), ("other/b", "2")]);
    let mnt = scene.tree.join("mnt");
    let Some(mounted) = Mounted::fuse(&mnt, &json!({})) else {
        return;
    };
    mounted.hang();
    let mut host = scene.host(json!({
        "app": { "directory": scene.tree },
        "other": { "directory": scene.tree.join("other") },
        // It says that it goes on, for longer than the time limit.
        "slow": { "shell": "sleep 20; echo done" },
    }));
    host["stall_timeout"] = json!("8s");
    scene.describe(host);
    let ran = scene.fleet.checkpoint(&["web"]).exits(3);
    assert_eq!(ran.failed(), ["web app: web sent nothing for 8 s"]);
    assert_eq!(ran.state(), "partial");
    let parts: Vec<(Value, Value)> = shown_of(&scene, &ran.id())["parts"]
        .as_array()
        .expect("parts")
        .iter()
        .map(|part| (part["name"].clone(), part["state"].clone()))
        .collect();
    let expected = [
        ("app", "failed"),
        ("other", "complete"),
        ("slow", "complete"),
    ];
    assert_eq!(
        parts,
        expected.map(|(name, state)| (json!(name), json!(state)))
    );
}

#[test]
fn a_dead_mount_fails_only_itself() {
    let Some(scene) = HostFixture::start() else {
        return;
    };
    tree::fill(&scene.tree, &[("a", "1"), ("z/b.conf", "2")]);
    let mnt = scene.tree.join("mnt");
    let Some(mut mounted) = Mounted::fuse(&mnt, &json!({})) else {
        return;
    };
    mounted.die();
    let why = format!("{} (Transport endpoint is not connected)", mnt.display());
    let hint = "If something is mounted there, its server does not answer: mount it again.";
    for one_file_system in [true, false] {
        let source = |more: Value| {
            let mut app = json!({ "directory": scene.tree, "one_file_system": one_file_system });
            for (key, value) in more.as_object().expect("keys") {
                app[key] = value.clone();
            }
            scene.sources(json!({ "app": app }));
        };
        source(json!({}));
        let ran = scene.fleet.checkpoint(&["web"]).exits(3);
        assert_eq!(
            ran.failed(),
            [format!("web app: 1 entry can't be read: {why}")]
        );
        assert_eq!(
            ran.hints(),
            [format!(
                "{hint} Or leave it out with `exclude`, or set `unreadable: skip` to capture the rest."
            )]
        );
        assert_eq!(ran.checkpoint()["files"], 2);

        source(json!({ "exclude": ["mnt/"] }));
        let ran = scene.fleet.checkpoint(&["web"]).exits(0);
        assert_eq!(ran.state(), "complete", "{}", ran.stdout);

        source(json!({ "unreadable": "skip" }));
        let ran = scene.fleet.checkpoint(&["web"]).exits(0);
        assert_eq!(ran.state(), "warned");
        let warning = format!("1 entry can't be read: {why}");
        assert!(ran.stdout.contains(&warning), "{}", ran.stdout);
        let out = scene.tree_in(&scene.fleet.exported(&ran.id()));
        assert!(out.join("z/b.conf").exists() && !out.join("mnt").exists());
        scene.fleet.assert_verified();
    }

    // It is no matter of rights at a root either, nor where patterns look.
    scene.sources(json!({
        "conf": { "files": scene.tree.join("*/b.conf") },
        "other": { "files": scene.tree.join("z/*.conf") },
        "root": { "directory": mnt, "optional": true },
    }));
    let ran = scene.fleet.checkpoint(&["web"]).exits(3);
    assert_eq!(
        ran.failed(),
        [
            format!("web conf: 1 entry can't be read: {why}"),
            format!(
                "web root: {} can't be read: Transport endpoint is not connected",
                mnt.display()
            ),
        ]
    );
    assert_eq!(ran.hints(), [hint, hint]);
}
