//! Connections that end in the middle: nothing wrong is ever sealed, and the next run needs no help.

use std::fs;
use std::time::{Duration, Instant};

use super::{HostFixture, program};
use crate::support::fleet::FleetOutput;
use crate::support::proxy::{Cut, Faults, Proxy};
use crate::support::tree;

/// A tree of some megabytes in many files and one large one.
fn grow(scene: &HostFixture) {
    let noise = tree::noise(3 << 20);
    for number in 0..40 {
        let folder = scene.tree.join(format!("d{}", number % 4));
        fs::create_dir_all(&folder).expect("a directory");
        let begin = number * 16 * 1024;
        fs::write(
            folder.join(format!("{number}")),
            &noise[begin..begin + 20_000],
        )
        .expect("a file");
    }
    fs::write(scene.tree.join("large"), &noise).expect("a file");
}

/// Nothing of it is wrong, whatever there is.
fn assert_never_wrong(scene: &HostFixture, ran: &FleetOutput, listed_before: usize) {
    let listed = scene.fleet.listed().len();
    match ran.exit {
        Some(5) => {
            assert_eq!(ran.summary()["checkpoints"], serde_json::json!([]));
            assert_eq!(ran.failed().len(), 1, "{:?}", ran.failed());
            assert_eq!(listed, listed_before);
        }
        Some(3) => {
            assert_eq!(ran.state(), "partial");
            assert_eq!(listed, listed_before + 1);
            // What is there is right.
            let out = tree::describe(&scene.tree_in(&scene.fleet.exported(&ran.id())));
            let whole = tree::describe(&scene.tree);
            for (path, facts) in out {
                assert_eq!(whole.get(&path), Some(&facts), "{path:?}");
            }
        }
        // The cut came after everything that matters.
        Some(0) => scene.assert_holds_tree(&ran.id()),
        _ => assert_eq!(ran.exit, Some(5), "{}\n{}", ran.stdout, ran.stderr),
    }
    scene.fleet.assert_verified();
}

/// What a whole pull takes, as seen by a proxy.
fn whole_bytes(scene: &HostFixture) -> u64 {
    let proxy = scene.through(Faults::default());
    let ran = scene.fleet.checkpoint(&["web"]).exits(0);
    assert_eq!(ran.state(), "complete");
    proxy.down_bytes()
}

/// Cuts one pull after another, each later than the one before.
fn cut_everywhere(cut: Cut, limit: u32, places: u64) {
    let Some(scene) = HostFixture::start() else {
        return;
    };
    grow(&scene);
    let whole = whole_bytes(&scene);
    let mut exits = Vec::new();
    for place in 0..places {
        // Handshake, scan and end are near the edges, content is between them.
        let after = match place {
            0 => 30,
            1 => 2_500,
            _ => whole * (place - 1) / (places - 2) - 200,
        };
        let proxy = Proxy::start(scene.sshd.port, Faults::cut(cut, after));
        scene.describe(scene.behind(&proxy, limit));
        let before = scene.fleet.listed().len();
        let ran = scene.fleet.checkpoint(&["web", "--full"]);
        exits.push(ran.exit);
        assert_never_wrong(&scene, &ran, before);
    }
    assert_eq!(exits.first(), Some(&Some(5)), "{exits:?}");
    assert!(exits.contains(&Some(3)), "{exits:?}");
    scene.sources(scene.app());
    let ran = scene.fleet.checkpoint(&["web"]).exits(0);
    assert_eq!(ran.state(), "complete");
    scene.assert_holds_tree(&ran.id());
    scene.sshd.wait_until_idle();
}

#[test]
fn a_connection_that_is_reset_anywhere_leaves_nothing_wrong() {
    cut_everywhere(Cut::Reset, 30, 9);
}

#[test]
fn a_connection_that_is_closed_anywhere_leaves_nothing_wrong() {
    cut_everywhere(Cut::Close, 30, 9);
}

#[test]
fn a_connection_that_falls_silent_anywhere_leaves_nothing_wrong() {
    cut_everywhere(Cut::Silence, 1, 5);
}

#[test]
fn a_flipped_bit_anywhere_leaves_nothing_wrong() {
    cut_everywhere(Cut::Corrupt, 30, 5);
}

#[test]
fn a_hung_host_ends_the_run_within_its_limit() {
    let Some(scene) = HostFixture::start() else {
        return;
    };
    grow(&scene);
    let proxy = Proxy::start(scene.sshd.port, Faults::cut(Cut::Silence, 1 << 20));
    scene.describe(scene.behind(&proxy, 2));
    let begun = Instant::now();
    let ran = scene.fleet.checkpoint(&["web"]).exits(3);
    // Twice the limit is promised; the rest is for a busy machine.
    assert!(
        begun.elapsed() < Duration::from_secs(4 + 16),
        "{:?}",
        begun.elapsed()
    );
    assert_eq!(ran.failed().len(), 1);
    assert!(
        ran.failed()[0].contains("web sent nothing for 2 s"),
        "{:?}",
        ran.failed()
    );
}

#[test]
fn what_was_captured_before_the_loss_is_kept() {
    // The second source is scanned when the first one was captured.
    let Some(scene) = HostFixture::with_tools(|folder| {
        let script = format!(
            "case \"$*\" in */second*) until [ -e '{}/go' ]; do sleep 0.02; done;; esac\n\
             exec /usr/bin/find \"$@\"",
            folder.display()
        );
        program(folder, "find", &script);
    }) else {
        return;
    };
    let second = scene.sshd.folder().join("second");
    tree::fill(&scene.tree, &[("a", "1"), ("b/c", "2")]);
    tree::fill(&second, &[("a", "1")]);
    fs::write(second.join("large"), tree::noise(24 << 20)).expect("a file");
    let proxy = Proxy::start(scene.sshd.port, Faults::slow(4 << 20));
    let mut host = scene.behind(&proxy, 30);
    host["sources"] = serde_json::json!({
        "app": { "directory": scene.tree },
        "second": { "directory": second },
    });
    scene.describe(host);
    let mut begun = scene.fleet.begin_checkpoint(&["web"]);
    begun.wait_for("part-ended");
    fs::write(scene.tools().join("go"), "").expect("a file");
    begun.wait_for("progress");
    proxy.cut_now(Cut::Reset);
    let ran = begun.end().exits(3);
    let checkpoint = ran.checkpoint();
    let states: Vec<&str> = checkpoint["parts"]
        .as_array()
        .expect("parts")
        .iter()
        .map(|part| part["state"].as_str().unwrap_or_default())
        .collect();
    assert_eq!(states, ["complete", "failed"]);
    assert_eq!(ran.failed().len(), 1);
    assert!(ran.failed()[0].starts_with("web second: lost the connection to web"));
    scene.assert_holds_tree(&ran.id());
    scene.fleet.assert_verified();
    scene.sshd.wait_until_idle();
}

#[test]
fn a_connection_lost_before_anything_arrived_seals_nothing() {
    let Some(scene) = HostFixture::start() else {
        return;
    };
    fs::write(scene.tree.join("large"), tree::noise(6 << 20)).expect("a file");
    let proxy = scene.through(Faults::slow(4 << 20));
    let mut begun = scene.fleet.begin_checkpoint(&["web"]);
    begun.wait_for("connected");
    proxy.cut_now(Cut::Reset);
    let ran = begun.end().exits(5);
    assert_eq!(scene.fleet.listed().len(), 0);
    assert_eq!(ran.failed().len(), 1);
    assert!(ran.failed()[0].starts_with("web -: "), "{:?}", ran.failed());
    scene.sshd.wait_until_idle();
}
