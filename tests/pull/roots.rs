//! Roots that are there, are not, or are not what the inventory says.

use std::fs;

use serde_json::{Value, json};

use super::HostFixture;
use super::packs::record;
use crate::support::tree;

#[test]
fn a_pulled_tree_is_the_tree_that_was_there() {
    let Some(scene) = HostFixture::start() else {
        return;
    };
    tree::make_hostile(&scene.tree);
    let ran = scene.fleet.checkpoint(&["web"]).exits(0);
    assert_eq!(ran.state(), "complete", "{}", ran.stdout);
    assert_eq!(ran.failed(), Vec::<String>::new());
    scene.assert_holds_tree(&ran.id());
    // Sockets cannot be fetched; they are recorded, and no warning.
    let shown = scene.fleet.run(&["--json", "show", "web@latest"]).exits(0);
    assert!(!shown.stdout.contains("socket ignored"), "{}", shown.stdout);
    scene.fleet.assert_verified();
    scene.sshd.wait_until_idle();
}

#[test]
fn a_missing_root_fails_its_part_and_is_named() {
    let Some(scene) = HostFixture::start() else {
        return;
    };
    tree::fill(&scene.tree, &[("a", "content")]);
    scene.sources(json!({
        "app": { "directory": scene.tree },
        "gone": { "directory": "/nonexistent/place" },
    }));
    let ran = scene.fleet.checkpoint(&["web"]).exits(3);
    assert_eq!(ran.state(), "partial");
    assert_eq!(
        ran.failed(),
        ["web gone: /nonexistent/place does not exist"]
    );
    assert_eq!(
        ran.hints(),
        ["Correct the path, or set `optional: true` on the source if this host doesn't need it."]
    );
    assert_eq!(ran.codes(), ["root-missing"]);
    let failure = record(&scene, &ran)["parts"][1]["failure"].clone();
    assert_eq!(failure["code"], "root-missing");
    let document = scene.fleet.run(&["--json", "show", &ran.id()]).exits(0);
    let document: Value = serde_json::from_str(&document.stdout).expect("a document");
    assert_eq!(document["parts"][1]["error"]["code"], "root-missing");
    // What could be had is kept.
    scene.assert_holds_tree(&ran.id());
    scene.fleet.assert_verified();
}

#[test]
fn an_optional_root_that_is_missing_is_absent_and_the_checkpoint_complete() {
    let Some(scene) = HostFixture::start() else {
        return;
    };
    tree::fill(&scene.tree, &[("a", "content")]);
    scene.sources(json!({
        "app": { "directory": scene.tree },
        "gone": { "directory": "/nonexistent/place", "optional": true },
        "some": { "directories": ["/nonexistent/other", scene.tree], "optional": true },
    }));
    let ran = scene.fleet.checkpoint(&["web"]).exits(0);
    let checkpoint = ran.checkpoint();
    assert_eq!(checkpoint["state"], "complete");
    assert_eq!(
        checkpoint["parts"],
        json!([
            { "name": "app", "state": "complete", "files": 1, "bytes": 7 },
            { "name": "gone", "state": "absent", "files": 0, "bytes": 0 },
            { "name": "some", "state": "complete", "files": 1, "bytes": 7 },
        ])
    );
    scene.fleet.assert_verified();
}

#[test]
fn a_root_that_is_a_link_or_a_file_is_refused_by_name() {
    let Some(scene) = HostFixture::start() else {
        return;
    };
    tree::fill(&scene.tree, &[("file", "content")]);
    let link = scene.sshd.folder().join("link");
    std::os::unix::fs::symlink(&scene.tree, &link).expect("a link");
    scene.sources(json!({
        "file": { "directory": scene.tree.join("file") },
        "link": { "directory": link },
    }));
    let ran = scene.fleet.checkpoint(&["web"]).exits(3);
    assert_eq!(
        ran.failed(),
        [
            format!("web file: {}/file is not a directory", scene.tree.display()),
            format!(
                "web link: {} is a symbolic link to {}",
                link.display(),
                scene.tree.display()
            ),
        ]
    );
    assert_eq!(
        ran.hints(),
        [
            "Use a `files:` source to capture single files.".to_owned(),
            format!(
                "Name the directory itself: `directory: {}`.",
                scene.tree.display()
            ),
        ]
    );
}

#[test]
fn an_empty_directory_is_a_failure_unless_it_may_be() {
    let Some(scene) = HostFixture::start() else {
        return;
    };
    let ran = scene.fleet.checkpoint(&["web"]).exits(3);
    assert_eq!(
        ran.failed(),
        [format!("web app: {} is empty", scene.tree.display())]
    );
    scene.sources(json!({ "app": { "directory": scene.tree, "may_shrink": true } }));
    let ran = scene.fleet.checkpoint(&["web"]).exits(0);
    assert_eq!(ran.state(), "complete");
    scene.assert_holds_tree(&ran.id());
}

#[test]
fn a_source_that_shrank_to_under_half_is_a_failure_unless_it_may() {
    let Some(scene) = HostFixture::start() else {
        return;
    };
    tree::fill(
        &scene.tree,
        &[("a", "1"), ("b", "2"), ("c", "3"), ("d", "4")],
    );
    assert_eq!(
        scene.fleet.checkpoint(&["web"]).exits(0).state(),
        "complete"
    );
    for name in ["b", "c", "d"] {
        fs::remove_file(scene.tree.join(name)).expect("removed");
    }
    for _ in 0..2 {
        // The partial one is not what the next is compared with.
        let ran = scene.fleet.checkpoint(&["web"]).exits(3);
        assert_eq!(
            ran.failed(),
            ["web app: it shrank to under half: from 4 files, 4 bytes to 1 files, 1 bytes"]
        );
        assert_eq!(ran.codes(), ["part-shrunk"]);
    }
    scene.sources(json!({ "app": { "directory": scene.tree, "may_shrink": true } }));
    assert_eq!(
        scene.fleet.checkpoint(&["web"]).exits(0).state(),
        "complete"
    );
}

#[test]
fn a_source_is_compared_with_the_last_time_that_it_was_captured() {
    let Some(scene) = HostFixture::start() else {
        return;
    };
    let other = scene.sshd.folder().join("other");
    tree::fill(&scene.tree, &[("a", "1"), ("b", "2"), ("c", "3")]);
    tree::fill(&other, &[("a", "1")]);
    scene.sources(json!({
        "app": { "directory": scene.tree },
        "gone": { "directory": "/nonexistent/place" },
        "other": { "directory": other },
    }));
    // A host of which one source always fails has only partial checkpoints.
    assert_eq!(scene.fleet.checkpoint(&["web"]).exits(3).failed().len(), 1);
    let only = scene.fleet.checkpoint(&["web", "--only", "other"]);
    assert_eq!(only.exits(0).state(), "complete");
    for name in ["b", "c"] {
        fs::remove_file(scene.tree.join(name)).expect("removed");
    }
    let ran = scene.fleet.checkpoint(&["web"]).exits(3);
    assert_eq!(
        ran.failed(),
        [
            "web app: it shrank to under half: from 3 files, 3 bytes to 1 files, 1 bytes",
            "web gone: /nonexistent/place does not exist",
        ]
    );
}

#[test]
fn only_the_named_source_is_captured() {
    let Some(scene) = HostFixture::start() else {
        return;
    };
    tree::fill(&scene.tree, &[("a", "content")]);
    scene.sources(json!({
        "app": { "directory": scene.tree },
        "gone": { "directory": "/nonexistent/place" },
    }));
    let ran = scene.fleet.checkpoint(&["web", "--only", "app"]).exits(0);
    assert_eq!(ran.checkpoint()["parts"].as_array().map(Vec::len), Some(1));
    let ran = scene
        .fleet
        .run(&["checkpoint", "web", "--only", "nope"])
        .exits(2);
    assert_eq!(
        ran.stderr,
        "error: no selected host has a source `nope`\n  hint: There are: app, gone.\n"
    );
}

#[test]
fn checkpoints_within_one_second_get_stamps_of_their_own() {
    let Some(scene) = HostFixture::start() else {
        return;
    };
    tree::fill(&scene.tree, &[("a", "content")]);
    let mut ids: Vec<String> = (0..3)
        .map(|_| scene.fleet.checkpoint(&["web"]).exits(0).id())
        .collect();
    let taken = ids.clone();
    ids.sort();
    ids.dedup();
    assert_eq!(ids, taken);
    let listed: Vec<String> = scene
        .fleet
        .listed()
        .iter()
        .map(|checkpoint| checkpoint["id"].as_str().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(listed, taken);
}
