//! Trees that change while they are read.

use std::fs;
use std::io::Write as _;

use serde_json::Value;

use super::HostFixture;
use crate::support::proxy::Faults;
use crate::support::tree;

#[test]
fn a_file_that_grows_and_one_that_vanishes_are_told_and_the_rest_is_right() {
    let Some(scene) = HostFixture::start() else {
        return;
    };
    // More than all buffers between tar and fleet hold, so that tar is still reading.
    let big = scene.tree.join("a-big");
    let before = tree::noise(48 << 20);
    fs::write(&big, &before).expect("a file");
    tree::fill(&scene.tree, &[("z-late", "gone soon"), ("zz", "stays")]);
    let proxy = scene.through(Faults::slow(12 << 20));
    let mut begun = scene.fleet.begin_checkpoint(&["web"]);
    begun.wait_for("progress");
    fs::remove_file(scene.tree.join("z-late")).expect("removed");
    let mut file = fs::File::options().append(true).open(&big).expect("opened");
    file.write_all(b"more").expect("written");
    drop(file);
    proxy.set(Faults::default());
    let ran = begun.end().exits(0);
    assert_eq!(ran.state(), "warned", "{}", ran.stdout);
    let shown = scene.fleet.run(&["--json", "show", "web@latest"]).exits(0);
    let shown: Value = serde_json::from_str(&shown.stdout).expect("a document");
    let shown = shown.to_string();
    for warning in [
        format!("1 entry changed while being read: {}", big.display()),
        format!(
            "1 entry vanished before being read: {}/z-late",
            scene.tree.display()
        ),
    ] {
        assert!(shown.contains(&warning), "{warning}\n{shown}");
    }
    // What was read of the growing file is what it held first.
    let out = scene.tree_in(&scene.fleet.exported(&ran.id()));
    let got = fs::read(out.join("a-big")).expect("it is there");
    assert!(got == before, "{} bytes", got.len());
    assert_eq!(
        fs::read_to_string(out.join("zz")).expect("it is there"),
        "stays"
    );
    assert!(!out.join("z-late").exists());
    scene.fleet.assert_verified();
    assert_eq!(
        scene.fleet.checkpoint(&["web"]).exits(0).state(),
        "complete"
    );
}

#[test]
fn a_file_that_shrinks_while_it_is_read_is_told() {
    let Some(scene) = HostFixture::start() else {
        return;
    };
    let big = scene.tree.join("a-big");
    fs::write(&big, tree::noise(48 << 20)).expect("a file");
    let proxy = scene.through(Faults::slow(12 << 20));
    let mut begun = scene.fleet.begin_checkpoint(&["web"]);
    begun.wait_for("progress");
    let file = fs::File::options().write(true).open(&big).expect("opened");
    file.set_len(1 << 20).expect("shortened");
    proxy.set(Faults::default());
    let ran = begun.end().exits(0);
    assert_eq!(ran.state(), "warned", "{}", ran.stdout);
    let shown = scene.fleet.run(&["--json", "show", "web@latest"]).exits(0);
    let warning = "got shorter while being read, the missing end is zeros";
    assert!(shown.stdout.contains(warning), "{}", shown.stdout);
    scene.fleet.assert_verified();
}
