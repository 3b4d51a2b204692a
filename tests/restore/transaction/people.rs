//! The script that people use where fleet is not at hand.

use std::path::Path;
use std::process::Output;

use fleet::guard::{Compression, RestoreTools, TransactionStep};

use super::host::{Host, trees};
use super::plan::{stage, stage_slowly};
use super::scan::{Tree, differences, plain, scan};

/// A restore that is staged, with what its root shall be and was.
fn staged(host: Host) -> (Host, Tree, Tree) {
    trees(host.folder());
    let want = host.folder().join("want");
    let scratch = tempfile::tempdir().expect("a folder");
    let archive = match host.tools {
        RestoreTools::Gnu => stage(&want, &host.roots[0], scratch.path()),
        RestoreTools::Slow => stage_slowly(&want, &host.roots[0], scratch.path()),
    };
    let trees = (seen(&host, &want), seen(&host, &host.roots[0]));
    host.begin().ok();
    host.stage(0, Compression::None, &archive).ok();
    host.step(TransactionStep::Staged).ok();
    (host, trees.0, trees.1)
}

/// A tree, as far as the host's tools put it back.
fn seen(host: &Host, root: &Path) -> Tree {
    match host.tools {
        RestoreTools::Gnu => scan(root),
        RestoreTools::Slow => plain(scan(root)),
    }
}

fn finish(host: &Host, script: &Path, way: &[&str]) -> Output {
    let mut command = host.program("sh");
    command
        .env("HOME", host.folder())
        .env("PATH", &host.path)
        .arg(script)
        .args(way)
        .output()
        .expect("sh")
}

#[track_caller]
fn finished(host: &Host, script: &Path, way: &[&str]) -> String {
    let output = finish(host, script, way);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn a_person_can_go_forward_and_back_and_end() {
    let new = || Host::new(&["live"]);
    let busybox = new().with_busybox();
    let hosts = [(new(), false), (new(), true)].into_iter();
    for (host, is_alone) in hosts.chain(busybox.map(|host| (host, false))) {
        let (host, wanted, had) = staged(host);
        let own = host.staging(0).join("finish");
        let script = if is_alone {
            own.clone()
        } else {
            host.record().join("finish")
        };
        if is_alone {
            // Somebody has removed the record.
            std::fs::remove_dir_all(host.record()).expect("a folder");
        }
        let at = |state: &str| format!("{}: {state}\n", host.roots[0].display());
        assert_eq!(finished(&host, &script, &[]), at("staged"));
        assert_eq!(finished(&host, &script, &["forward"]), at("new"));
        assert_eq!(
            differences(&wanted, &seen(&host, &host.roots[0])),
            Vec::<String>::new()
        );
        assert_eq!(finished(&host, &script, &["back"]), at("old"));
        assert_eq!(
            differences(&had, &seen(&host, &host.roots[0])),
            Vec::<String>::new()
        );
        finished(&host, &script, &["done"]);
        assert_eq!(
            differences(&had, &seen(&host, &host.roots[0])),
            Vec::<String>::new()
        );
        assert!(!host.staging(0).exists() && !host.record().exists());
    }
}

#[test]
fn the_script_for_people_says_how_it_is_used() {
    let (host, ..) = staged(Host::new(&["live"]));
    let script = host.staging(0).join("finish");
    let text = std::fs::read_to_string(&script).expect("a script");
    assert!(
        text.contains("#   sh finish back       puts everything back, as it was\n"),
        "{text}"
    );
    let output = finish(&host, &script, &["sideways"]);
    assert_eq!(output.status.code(), Some(64), "{output:?}");
    let output = finish(&host, &script, &["back"]);
    assert!(output.status.success(), "{output:?}");
    host.step(TransactionStep::Done).ok();
}
