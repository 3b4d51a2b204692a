//! Runs that end before their time, or that may not begin: kills, Ctrl-C, locks, full disks.

use std::fs;

use serde_json::json;

use super::{HostFixture, program};
use crate::support::disk::SmallDisk;
use crate::support::fleet::RunningFleet;
use crate::support::not_here;
use crate::support::proxy::{Faults, Proxy};
use crate::support::sshd::{Sshd, eventually};
use crate::support::tree;

/// A pull that is under way, and would take long.
fn slow_pull(scene: &HostFixture) -> (Proxy, RunningFleet) {
    fs::write(scene.tree.join("large"), tree::noise(32 << 20)).expect("a file");
    tree::fill(&scene.tree, &[("a", "1")]);
    let proxy = scene.through(Faults::slow(4 << 20));
    let mut begun = scene.fleet.begin_checkpoint(&["web"]);
    begun.wait_for("progress");
    (proxy, begun)
}

/// Nothing is visible, nothing is left on the host, and the next run is complete.
fn assert_no_trace(scene: &HostFixture) {
    let begun = std::time::Instant::now();
    scene.sshd.wait_until_idle();
    assert!(begun.elapsed().as_secs() < 10, "{:?}", begun.elapsed());
    assert_eq!(scene.fleet.listed().len(), 0);
    scene.fleet.assert_verified();
    scene.sources(scene.app());
    let ran = scene.fleet.checkpoint(&["web"]).exits(0);
    assert_eq!(ran.state(), "complete");
    scene.assert_holds_tree(&ran.id());
    scene.fleet.assert_verified();
    let hidden: Vec<_> = fs::read_dir(scene.fleet.store().join("web"))
        .expect("the host's folder")
        .map(|entry| entry.expect("an entry").file_name())
        .filter(|name| name.to_string_lossy().starts_with(".incoming"))
        .collect();
    assert_eq!(hidden, Vec::<std::ffi::OsString>::new());
}

#[test]
fn a_killed_run_leaves_nothing_visible_and_nothing_running() {
    let Some(scene) = HostFixture::start() else {
        return;
    };
    let (_proxy, begun) = slow_pull(&scene);
    begun.signal("KILL");
    assert_eq!(begun.end().exit, None);
    assert_no_trace(&scene);
}

#[test]
fn ctrl_c_ends_a_pull_and_keeps_only_what_arrived_whole() {
    let Some(scene) = HostFixture::start() else {
        return;
    };
    let (_proxy, begun) = slow_pull(&scene);
    begun.signal("INT");
    let ran = begun.end().exits(130);
    assert_eq!(
        (ran.state().as_str(), ran.checkpoint()["files"].as_u64()),
        ("partial", Some(1))
    );
    assert_eq!(
        ran.summary()["error"]["hint"],
        "1 checkpoint was sealed and kept, and nothing needs cleaning up. Run the same command again \
         to go on."
    );
    scene.sshd.wait_until_idle();
    scene.fleet.assert_verified();
}

#[test]
fn a_run_that_is_killed_while_the_host_is_silent_leaves_nothing_running() {
    let Some(scene) = HostFixture::with_tools(|folder| {
        let script = "case \"$*\" in *--version*) echo 'find (GNU findutils) 4.9'; exit 0;; *' -maxdepth 0 '*) exec /usr/bin/find \"$@\";; esac\n\
            sleep 1000 & sleep 1000; wait";
        program(folder, "find", script);
    }) else {
        return;
    };
    for signal in ["KILL", "TERM"] {
        let mut begun = scene.fleet.begin_checkpoint(&["web"]);
        begun.wait_for("connected");
        eventually("find sleeps", || {
            let sleeping = |(_, line): &(u32, String)| line.starts_with("sleep 1000");
            scene
                .sshd
                .descendants()
                .iter()
                .filter(|p| sleeping(p))
                .count()
                == 2
        });
        // sshd hands them over to nobody: they must be looked for by their ids.
        let there = scene.sshd.descendants();
        begun.signal(signal);
        let ran = begun.end();
        assert_eq!(ran.exit, if signal == "TERM" { Some(130) } else { None });
        // One that was just beginning or ending has no command line to be known by.
        for (pid, line) in there.into_iter().filter(|(_, line)| !line.is_empty()) {
            eventually(&format!("{line} has ended"), || is_gone(pid, &line));
        }
    }
    assert_eq!(scene.fleet.listed().len(), 0);
}

/// No process of that id runs this command.
fn is_gone(pid: u32, line: &str) -> bool {
    let now = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&now).replace('\0', " ") != line
}

#[test]
fn runs_that_begin_at_once_share_a_new_store() {
    let Some(scene) = HostFixture::start() else {
        return;
    };
    tree::fill(&scene.tree, &[("a", "1")]);
    let host = scene.host(scene.app());
    let names = ["one", "two", "three", "four"];
    let hosts = names.map(|name| (name.to_owned(), host.clone()));
    scene.describe_all(hosts.into_iter().collect::<serde_json::Map<_, _>>().into());
    let begun = names.map(|name| scene.fleet.begin_checkpoint(&[name]));
    for run in begun {
        assert_eq!(run.end().exits(0).state(), "complete");
    }
    assert_eq!(scene.fleet.listed().len(), 4);
    scene.fleet.assert_verified();
}

#[test]
fn a_second_run_names_the_holder_or_waits() {
    let Some(scene) = HostFixture::start() else {
        return;
    };
    let (proxy, first) = slow_pull(&scene);
    let ran = scene.fleet.checkpoint(&["web"]).exits(7);
    let failed = ran.failed();
    assert_eq!(failed.len(), 1, "{failed:?}");
    assert!(
        failed[0].starts_with("web -: web is locked by "),
        "{failed:?}"
    );
    assert!(failed[0].contains(&first.pid().to_string()), "{failed:?}");
    assert_eq!(ran.codes(), ["store-locked"]);
    let second = scene.fleet.begin_checkpoint(&["web", "--wait", "60s"]);
    proxy.set(Faults::default());
    let (first, second) = (first.end().exits(0), second.end().exits(0));
    assert!(first.id() < second.id());
    assert_eq!(scene.fleet.listed().len(), 2);
    scene.assert_holds_tree(&second.id());
}

#[test]
fn a_full_disk_here_fails_clearly_and_shows_nothing() {
    let Some(mut scene) = HostFixture::start() else {
        return;
    };
    let Some(disk) = SmallDisk::mount("2m") else {
        not_here("mounting a small disk takes root");
        return;
    };
    tree::fill(&scene.tree, &[("a", "1")]);
    scene.fleet = scene.fleet.with_store(&disk.path().join("store"));
    scene.sources(scene.app());
    assert_eq!(
        scene.fleet.checkpoint(&["web"]).exits(0).state(),
        "complete"
    );
    fs::write(scene.tree.join("large"), tree::noise(4 << 20)).expect("a file");
    let ran = scene.fleet.checkpoint(&["web"]).exits(1);
    let failed = ran.failed();
    assert_eq!(failed.len(), 1, "{failed:?}");
    assert!(
        failed[0].starts_with("web -: can't checkpoint web: can't capture source `app`: ")
            && failed[0].contains("No space left on device"),
        "{failed:?}"
    );
    assert_eq!(
        ran.hints()[0],
        "Free space on the disk that holds the store, or choose a store on a larger one with `--store DIR`. Nothing incomplete is kept."
    );
    assert_eq!(scene.fleet.listed().len(), 1);
    scene.fleet.assert_verified();
    scene.sshd.wait_until_idle();
    fs::remove_file(scene.tree.join("large")).expect("removed");
    assert_eq!(
        scene.fleet.checkpoint(&["web"]).exits(0).state(),
        "complete"
    );
}

/// What a start-up file may put in the place of the shell. The input comes back, and is no sign of life.
#[test]
fn a_host_that_never_begins_is_given_up_and_can_be_stopped() {
    let Some(scene) = HostFixture::with(Sshd::builder().option("ForceCommand exec cat")) else {
        return;
    };
    let mut host = scene.host(scene.app());
    host["stall_timeout"] = json!("7s");
    scene.describe(host);
    let ran = scene.fleet.checkpoint(&["web"]);
    assert_eq!(ran.exit, Some(1), "{}", ran.stdout);
    assert_eq!(ran.failed().len(), 1);
    assert!(
        ran.failed()[0].starts_with("web -: web did not run the command (exit status unknown)"),
        "{:?}",
        ran.failed()
    );

    scene.describe(scene.host(scene.app()));
    for signal in ["INT", "TERM", "HUP"] {
        let mut begun = scene.fleet.begin_checkpoint(&["web"]);
        begun.wait_for("connected");
        begun.signal(signal);
        assert_eq!(begun.end().exit, Some(130), "{signal}");
    }
}
