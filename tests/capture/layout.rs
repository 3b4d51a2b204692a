//! Tests of captured output in the layouts of exports.

use std::fs;

use serde_json::json;

use super::HostFixture;

#[test]
fn what_programs_print_has_a_folder_of_its_own_beside_the_sources() {
    let Some(scene) = HostFixture::start() else {
        return;
    };
    fs::create_dir(scene.tree.join("conf.d")).expect("a folder");
    fs::write(scene.tree.join("conf.d/a.conf"), "a\n").expect("a file");
    scene.sources(json!({
        "config": { "directory": scene.tree },
        "version": { "command": ["echo", "1.2.3"] },
        "pip": { "command": ["echo", "uuid==1"], "file": "pip-freeze.txt" },
    }));
    let id = scene.fleet.checkpoint(&["web"]).exits(0).id();
    let out = scene.fleet.folder().join("out");
    let target = format!("{}/", out.display());
    let _ran = scene
        .fleet
        .run(&["export", &id, "--layout", "snapshot", "-o", &target])
        .exits(0);
    for (name, content) in [
        ("config/conf.d/a.conf", "a\n"),
        ("env/version.txt", "1.2.3\n"),
        ("env/pip-freeze.txt", "uuid==1\n"),
    ] {
        let found = fs::read_to_string(out.join("snapshot").join(name));
        assert_eq!(found.ok().as_deref(), Some(content), "{name}");
    }
    let sums = fs::read_to_string(out.join("snapshot/sha256sums.txt")).expect("the list");
    let names: Vec<&str> = sums.lines().map(|line| &line[66..]).collect();
    assert_eq!(
        names,
        [
            "config/conf.d/a.conf",
            "env/pip-freeze.txt",
            "env/version.txt"
        ]
    );
}
