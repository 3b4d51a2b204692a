//! Several hosts in one run.

use serde_json::json;

use super::HostFixture;
use crate::support::sshd::free_port;
use crate::support::tree;

/// The scene's host, and one on whose port nobody listens.
fn with_a_host_that_is_down(scene: &HostFixture) -> u16 {
    let port = free_port();
    let mut down = scene.host(scene.app());
    down["port"] = json!(port);
    scene.describe_all(json!({ "down": down, "web": scene.host(scene.app()) }));
    port
}

#[test]
fn a_host_that_is_down_does_not_stop_the_others() {
    let Some(scene) = HostFixture::start() else {
        return;
    };
    tree::fill(&scene.tree, &[("a", "1")]);
    let port = with_a_host_that_is_down(&scene);
    let ran = scene.fleet.checkpoint(&["--all"]).exits(3);
    assert_eq!(ran.checkpoint()["host"], "web");
    assert_eq!(ran.state(), "complete");
    assert_eq!(
        ran.failed()
            .iter()
            .map(|text| crate::support::untimed(text))
            .collect::<Vec<_>>(),
        [format!(
            "down -: can't connect to down at 127.0.0.1:{port} (3 attempts): connection refused"
        )]
    );
    assert_eq!(ran.codes(), ["host-unreachable"]);
    assert!(
        ran.stderr.contains("error: can't connect to down"),
        "{}",
        ran.stderr
    );
    scene.assert_holds_tree(&ran.id());
}

#[test]
fn if_every_host_is_down_the_exit_status_says_so() {
    let Some(scene) = HostFixture::start() else {
        return;
    };
    let mut down = scene.host(scene.app());
    down["port"] = json!(free_port());
    scene.describe_all(json!({ "down": down, "too": down }));
    let ran = scene.fleet.checkpoint(&["--all"]).exits(5);
    assert_eq!(ran.checkpoints(), Vec::<serde_json::Value>::new());
    assert_eq!(ran.failed().len(), 2);
}

#[test]
fn hosts_side_by_side_are_all_sealed() {
    let Some(scene) = HostFixture::start() else {
        return;
    };
    tree::fill(&scene.tree, &[("a", "1"), ("b/c", "2")]);
    let host = scene.host(scene.app());
    scene.describe_all(json!({ "one": host, "two": host, "three": host, "four": host }));
    for jobs in ["1", "4"] {
        let ran = scene.fleet.checkpoint(&["--all", "-j", jobs]).exits(0);
        let hosts: Vec<String> = ran
            .checkpoints()
            .iter()
            .map(|checkpoint| {
                assert_eq!(checkpoint["state"], "complete");
                checkpoint["host"].as_str().unwrap_or_default().to_owned()
            })
            .collect();
        let mut sorted = hosts.clone();
        sorted.sort();
        assert_eq!(sorted, ["four", "one", "three", "two"]);
    }
    scene.fleet.assert_verified();
}
