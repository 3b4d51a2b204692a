//! Tests of compression during transfer: used where it is asked for or pays, and never at the cost of
//! content.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::json;

use super::{HostFixture, program};
use crate::support::proxy::{Faults, Proxy};
use crate::support::sshd::installed;

/// Text that every compressor makes small, and each file of it different.
fn grow(scene: &HostFixture, files: usize, bytes: usize) {
    for number in 0..files {
        let folder = scene.tree.join(format!("d{}", number % 3));
        fs::create_dir_all(&folder).expect("a directory");
        let line = format!("{number}: the same words once more, and once more\n");
        let text = line.repeat(bytes / line.len() + 1);
        fs::write(folder.join(format!("{number}.log")), text).expect("a file");
    }
    symlink("d0/0.log", scene.tree.join("link")).expect("a link");
}

#[test]
fn contents_come_compressed_where_that_is_wished_for() {
    let Some(scene) = HostFixture::start() else {
        return;
    };
    grow(&scene, 10, 200_000);
    // The inventory's wish, the operator's, and whether it takes fewer bytes.
    let mut cases = vec![
        ("auto", None, false),
        ("none", None, false),
        ("gzip", None, true),
        ("none", Some("gzip"), true),
        ("gzip", Some("auto"), false),
    ];
    if installed("zstd").is_some() {
        cases.extend([("zstd", None, true), ("zstd", Some("none"), false)]);
    }
    for (said, asked, is_small) in cases {
        let proxy = Proxy::start(scene.sshd.port, Faults::default());
        let mut host = scene.behind(&proxy, 30);
        host["compression"] = json!(said);
        scene.describe(host);
        let mut arguments = vec!["web", "--full"];
        if let Some(asked) = asked {
            arguments.extend(["--compression", asked]);
        }
        let ran = scene.fleet.checkpoint(&arguments).exits(0);
        assert_eq!(ran.state(), "complete");
        scene.assert_holds_tree(&ran.id());
        let small = proxy.down_bytes() < 1_000_000;
        assert_eq!(
            small,
            is_small,
            "{said} {asked:?}: {} bytes",
            proxy.down_bytes()
        );
        assert_eq!(ran.checkpoint()["fetched_bytes"], ran.checkpoint()["bytes"]);
    }
    scene.fleet.assert_verified();
    scene.sshd.wait_until_idle();
}

#[test]
fn a_link_that_proves_slow_is_compressed_from_there_on_and_remembered() {
    if installed("zstd").is_none() {
        return;
    }
    let Some(scene) = HostFixture::start() else {
        return;
    };
    grow(&scene, 60, 500_000);
    let proxy = scene.through(Faults::slow(1_500_000));
    let ran = scene.fleet.checkpoint(&["web"]).exits(0);
    assert_eq!(ran.state(), "complete");
    scene.assert_holds_tree(&ran.id());
    let first = proxy.down_bytes();
    assert!(first < 20_000_000, "30 MB took {first}");
    // Known to be slow, so that the whole of it comes compressed.
    let ran = scene.fleet.checkpoint(&["web", "--full"]).exits(0);
    assert_eq!(ran.state(), "complete");
    scene.assert_holds_tree(&ran.id());
    let second = proxy.down_bytes() - first;
    assert!(second < 1_000_000, "30 MB took {second}");
    scene.fleet.assert_verified();
    scene.sshd.wait_until_idle();
}

#[test]
fn a_compressor_that_the_host_lacks_is_told_and_done_without() {
    let tools = [
        "sh", "tar", "find", "cat", "head", "date", "uname", "id", "df", "setsid",
    ];
    let Some(scene) = HostFixture::with_only_tools(&tools) else {
        return;
    };
    grow(&scene, 3, 1_000);
    let mut host = scene.host(scene.app());
    host["compression"] = json!("zstd");
    scene.describe(host);
    let ran = scene.fleet.checkpoint(&["web"]).exits(0);
    assert_eq!(ran.state(), "warned");
    let shown = scene.fleet.run(&["show", &ran.id()]).exits(0).stdout;
    assert!(
        shown.contains("the host has no `zstd`, so everything comes uncompressed"),
        "{shown}"
    );
    scene.assert_holds_tree(&ran.id());
}

#[test]
fn a_compressor_that_fails_seals_nothing_wrong() {
    let scripts = [
        ("exit 1", "`zstd` failed on the host"),
        // Swallows the end, and tells that all is well.
        (
            "PATH=/usr/bin:/bin; zstd \"$@\" | head -c 100",
            "incomplete frame",
        ),
        ("cat", "Unknown frame descriptor"),
    ];
    for (script, told) in scripts {
        let Some(scene) = HostFixture::with_tools(|folder| program(folder, "zstd", script)) else {
            return;
        };
        grow(&scene, 3, 100_000);
        let ran = scene
            .fleet
            .checkpoint(&["web", "--compression", "zstd"])
            .exits(3);
        assert_eq!(ran.state(), "partial");
        assert_eq!(ran.failed().len(), 1);
        assert!(ran.failed()[0].contains(told), "{:?}", ran.failed());
        scene.fleet.assert_verified();
        scene.sshd.wait_until_idle();
    }
}
