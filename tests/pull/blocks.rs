//! Files whose size or blocks say nothing about their content.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use serde_json::json;

use super::HostFixture;
use crate::support::mount::Mounted;
use crate::support::tree;

const SETTING: &str = "/sys/kernel/mm/transparent_hugepage/enabled";

fn exported(scene: &HostFixture, id: &str, path: &Path) -> Vec<u8> {
    let out = scene.fleet.exported(id);
    fs::read(tree::beneath(&out, path)).expect("it was exported")
}

#[test]
fn files_of_proc_and_sys_are_read_to_their_end() {
    let Some(scene) = HostFixture::start() else {
        return;
    };
    for (at, size) in [("/proc/version", 0), (SETTING, 4096)] {
        let facts = fs::metadata(at).expect("Linux has it");
        assert_eq!((facts.size(), facts.blocks()), (size, 0), "{at}");
    }
    scene.sources(json!({
        "kernel": { "files": ["/proc/version", SETTING] },
        "one": { "files": "/proc/version", "lines": "^Linux" },
        "none": { "files": "/proc/version", "lines": "^nothing", "optional": true },
    }));
    for _ in 0..2 {
        let ran = scene.fleet.checkpoint(&["web"]).exits(0);
        assert_eq!(ran.state(), "complete", "{}", ran.stdout);
        for at in ["/proc/version", SETTING] {
            let is = fs::read(at).expect("readable");
            assert_eq!(exported(&scene, &ran.id(), Path::new(at)), is, "{at}");
        }
        scene.fleet.assert_verified();
        let live = ["--json", "diff", "web@latest", "--live"];
        let live = scene.fleet.run(&live).exits(0);
        assert!(live.stdout.contains("\"changes\": []"), "{}", live.stdout);
    }
}

#[test]
fn what_cannot_be_read_to_its_end_is_named_and_nothing_is_called_empty() {
    let Some(scene) = HostFixture::start() else {
        return;
    };
    // The memory of a process cannot be read where nothing is mapped.
    let memory = format!("/proc/{}/mem", std::process::id());
    scene.sources(json!({ "kernel": { "files": ["/proc/version", memory] } }));
    let ran = scene.fleet.checkpoint(&["web"]).exits(3);
    assert_eq!(
        ran.failed(),
        [format!(
            "web kernel: 1 file can't be read to its end: {memory}"
        )]
    );
    assert_eq!(ran.checkpoint()["files"], 1);
    scene.fleet.assert_verified();
}

#[test]
fn a_file_system_that_reports_no_blocks_or_sizes_is_stored_as_it_reads() {
    let Some(scene) = HostFixture::start() else {
        return;
    };
    let large = "0123456789abcdef".repeat(6_000);
    let files = json!({
        "blockless": ["content", 7, 0],
        "empty": ["", 0, 0],
        "large": [large, large.len(), 0],
        "unsized": ["more\n", 0, 0],
        "usual": ["usual", 5, 1],
    });
    let Some(_mounted) = Mounted::fuse(&scene.tree.join("cloud"), &files) else {
        return;
    };
    tree::fill(&scene.tree, &[("a", "1"), ("b", "")]);
    scene.sources(json!({ "app": { "directory": scene.tree, "one_file_system": false } }));
    for run in 0..3 {
        let ran = scene.fleet.checkpoint(&["web"]).exits(0);
        assert_eq!(ran.state(), "complete", "{}", ran.stdout);
        let out = scene.tree_in(&scene.fleet.exported(&ran.id()));
        for (name, facts) in files.as_object().expect("files") {
            let content = fs::read(out.join("cloud").join(name)).expect("it is there");
            let expected = facts[0].as_str().expect("text").as_bytes();
            assert!(content == expected, "{name}: {} bytes", content.len());
        }
        scene.fleet.assert_verified();
        // What has a size that can be compared is not fetched again.
        let fetched = ran.checkpoint()["fetched_bytes"].clone();
        assert!(run < 2 || fetched == 5, "{fetched}");
    }
}

#[test]
fn a_hole_costs_nothing() {
    let Some(scene) = HostFixture::start() else {
        return;
    };
    tree::fill(&scene.tree, &[("a", "1")]);
    let hole = fs::File::create(scene.tree.join("hole")).expect("a file");
    hole.set_len(1 << 20).expect("a hole");
    let ran = scene.fleet.checkpoint(&["web"]).exits(0);
    assert_eq!(ran.state(), "complete", "{}", ran.stdout);
    let fetched = ran.checkpoint()["fetched_bytes"].as_u64();
    // The map of a sparse file takes a block.
    assert!(fetched < Some(4096), "{fetched:?}");
    scene.assert_holds_tree(&ran.id());
}
