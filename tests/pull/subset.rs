//! Checkpoints of some sources only: kept and named, and never taken for the whole host.

use std::fs;

use serde_json::{Value, json};

use super::HostFixture;
use crate::support::fleet::FleetOutput;
use crate::support::tree;

/// A host with the sources `app` (the tree) and `other`.
fn two_sources() -> Option<HostFixture> {
    let scene = HostFixture::start()?;
    let other = scene.sshd.folder().join("other");
    tree::fill(&scene.tree, &[("a", "1"), ("b", "2"), ("c", "3")]);
    tree::fill(&other, &[("o", "1")]);
    scene.sources(json!({
        "app": { "directory": scene.tree, "may_shrink": true },
        "other": { "directory": other },
    }));
    Some(scene)
}

/// Seals a checkpoint of these arguments beside `web`.
fn sealed(scene: &HostFixture, arguments: &[&str]) -> FleetOutput {
    super::incremental::rest(scene);
    let ran = scene.fleet.checkpoint(&[&["web"], arguments].concat());
    let ran = ran.exits(0);
    assert_eq!(ran.state(), "complete");
    ran
}

fn shown(scene: &HostFixture, reference: &str) -> (Value, String) {
    let ran = scene.fleet.run(&["--json", "show", reference]).exits(0);
    (serde_json::from_str(&ran.stdout).expect("JSON"), ran.stderr)
}

#[test]
fn a_subset_is_recorded_shown_and_never_the_latest() {
    let Some(scene) = two_sources() else { return };
    let whole = sealed(&scene, &[]);
    assert_eq!(whole.checkpoint()["subset"], false);
    assert_eq!(shown(&scene, "web@latest").1, "");
    let first = sealed(&scene, &["--only", "other"]);
    let second = sealed(&scene, &["--only", "other"]);
    assert_eq!(second.checkpoint()["subset"], true);
    let all = sealed(&scene, &["--only", "other", "--only", "app"]);
    assert_eq!(all.checkpoint()["subset"], false, "nothing is left out");
    let third = sealed(&scene, &["--only", "app"]);

    for (reference, meant) in [
        ("web@latest", &all),
        ("web@~1", &whole),
        (third.id().as_str(), &third),
        (first.id().as_str(), &first),
    ] {
        let (document, _) = shown(&scene, reference);
        assert_eq!(document["checkpoint"]["id"], meant.id(), "{reference}");
    }
    let (document, note) = shown(&scene, "web@latest");
    assert_eq!(
        document["skipped_newer"],
        json!([{ "host": "web", "newest": third.id(), "partial": 0, "subset": 1, "pre_restore": 0 }])
    );
    assert!(note.starts_with("note: web@latest is "), "{note}");
    let ending = format!(" old; 1 newer subset is skipped ({})\n", third.id());
    assert!(note.ends_with(&ending), "{note}");
    assert_eq!(
        shown(&scene, "web@~1").1,
        "",
        "only `latest` promises anything"
    );

    let listed = scene.fleet.listed();
    let subsets: Vec<bool> = listed.iter().map(|c| c["subset"] == true).collect();
    assert_eq!(subsets, [false, true, true, false, true]);
    let table = scene.fleet.run(&["ls"]).exits(0).stdout;
    let lines: Vec<&str> = table
        .lines()
        .filter(|line| line.contains("  subset  "))
        .collect();
    assert_eq!(lines.len(), 3, "{table}");
    let line = "  subset       only some of the host's sources; `latest` skips it\n";
    let text = scene.fleet.run(&["show", &third.id()]).exits(0).stdout;
    assert!(text.contains(line), "{text}");
    let stamp = third.id();
    let (_, stamp) = stamp.split_once('@').expect("a name");
    let manifest = scene
        .fleet
        .store()
        .join("web")
        .join(stamp)
        .join("MANIFEST.txt");
    let manifest = fs::read_to_string(manifest).expect("a manifest");
    assert!(manifest.contains("State:         subset\n"), "{manifest}");
    let line = scene
        .fleet
        .run(&["checkpoint", "web", "--only", "app"])
        .exits(0);
    assert!(
        line.stdout.contains("Z  subset  3 files, 3 B"),
        "{}",
        line.stdout
    );
    scene.fleet.assert_verified();
}

#[test]
fn every_verb_reads_the_last_whole_one_and_says_what_it_skips() {
    let Some(scene) = two_sources() else { return };
    let whole = sealed(&scene, &[]);
    let subset = sealed(&scene, &["--only", "other"]);
    let path = scene.tree.join("a");
    let path = path.to_str().expect("text");
    let note = format!("1 newer subset is skipped ({})", subset.id());
    let cat = scene.fleet.run(&["cat", "web@latest", path]).exits(0);
    assert_eq!(cat.stdout, "1");
    assert!(cat.stderr.contains(&note), "{}", cat.stderr);
    let out = scene.fleet.folder().join("out.tar");
    let out = out.to_str().expect("text");
    let export = ["--json", "export", "web@latest", "-o", out];
    let export = scene.fleet.run(&export).exits(0);
    assert!(export.stderr.contains(&note), "{}", export.stderr);
    assert_eq!(export.summary()["checkpoint"], whole.id());
    assert_eq!(export.summary()["skipped_newer"][0]["subset"], 1);
    for arguments in [
        &["--json", "diff", "web@latest", "web@latest"][..],
        &["--json", "diff", "web@latest", "--live"],
        &["--json", "verify", "web@latest"],
    ] {
        let ran = scene.fleet.run(arguments).exits(0);
        assert!(ran.stderr.contains(&note), "{}", ran.stderr);
        let document: Value = serde_json::from_str(&ran.stdout).expect("JSON");
        assert_eq!(document["skipped_newer"][0]["newest"], subset.id());
    }
    // A subset says nothing of what it did not ask for.
    let log = scene.fleet.run(&["--json", "log", path]).exits(0);
    let log: Value = serde_json::from_str(&log.stdout).expect("JSON");
    let moments = log["log"].as_array().expect("a list");
    let moments: Vec<(&Value, &Value)> = moments
        .iter()
        .map(|moment| (&moment["checkpoint"], &moment["change"]))
        .collect();
    assert_eq!(moments, [(&json!(whole.id()), &json!("added"))]);
}

#[test]
fn a_host_with_subsets_and_partial_ones_alone_has_no_latest() {
    let Some(scene) = two_sources() else { return };
    let subset = sealed(&scene, &["--only", "app"]);
    fs::remove_dir_all(scene.sshd.folder().join("other")).expect("removed");
    let partial = scene.fleet.checkpoint(&["web"]).exits(3);
    let ran = scene.fleet.run(&["show", "web@latest"]).exits(2);
    assert_eq!(
        ran.stderr,
        format!(
            "error: no checkpoint web@latest: web has no complete one\n  \
             hint: Name one by its stamp: `{} (subset)`, `{} (partial)`.\n",
            subset.id(),
            partial.id()
        )
    );
}

#[test]
fn a_subset_saves_fetching_and_is_no_baseline_for_shrinking() {
    let Some(scene) = two_sources() else { return };
    sealed(&scene, &[]);
    let many: Vec<String> = (0..20).map(|number| format!("more/{number}")).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|name| (name.as_str(), "x")).collect();
    tree::fill(&scene.tree, &many);
    let subset = sealed(&scene, &["--only", "app"]);
    assert_eq!(subset.checkpoint()["files"], 23);
    scene.sources(json!({
        "app": { "directory": scene.tree },
        "other": { "directory": scene.sshd.folder().join("other") },
    }));
    // What the subset fetched is not fetched again.
    let whole = sealed(&scene, &[]);
    assert_eq!(whole.checkpoint()["fetched_bytes"], 0);

    tree::fill(&scene.tree, &[("again", "x")]);
    let second = &["--only", "app"];
    fs::remove_dir_all(scene.tree.join("more")).expect("removed");
    scene.sources(json!({
        "app": { "directory": scene.tree, "may_shrink": true },
        "other": { "directory": scene.sshd.folder().join("other") },
    }));
    sealed(&scene, second);
    scene.sources(json!({
        "app": { "directory": scene.tree },
        "other": { "directory": scene.sshd.folder().join("other") },
    }));
    // The small subset did not lower the bar.
    let ran = scene.fleet.checkpoint(&["web"]).exits(3);
    assert_eq!(
        ran.failed(),
        ["web app: it shrank to under half: from 23 files, 23 bytes to 4 files, 4 bytes"]
    );
}

#[test]
fn warnings_are_printed_even_if_quiet_and_strictly_they_exit_3() {
    let Some(scene) = HostFixture::start() else {
        return;
    };
    tree::fill(&scene.tree, &[("a", "1"), ("dir/b", "2")]);
    let strict = ["-q", "checkpoint", "web", "--strict"];
    let quiet = scene.fleet.run(&strict).exits(0);
    assert_eq!((quiet.stdout.as_str(), quiet.stderr.as_str()), ("", ""));
    let pattern = format!("{}/d*", scene.tree.display());
    scene.sources(json!({
        "app": { "directory": scene.tree },
        "logs": { "files": pattern, "optional": true },
    }));
    let warning = format!("web logs: warning: only directories match `{pattern}`\n");
    let quiet = scene.fleet.run(&["-q", "checkpoint", "web"]).exits(0);
    assert_eq!(
        (quiet.stdout, quiet.stderr),
        (String::new(), warning.clone())
    );
    let strict = scene.fleet.run(&strict).exits(3);
    assert_eq!((strict.stdout, strict.stderr), (String::new(), warning));
    let json = scene.fleet.checkpoint(&["web", "--strict"]).exits(3);
    assert_eq!(json.state(), "warned");
    assert_eq!(json.summary()["exit"], 3);
    assert_eq!(json.summary()["failed"], json!([]));
}
