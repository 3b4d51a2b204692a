//! `fleet diff CHECKPOINT --live`: what changed on the host, with nothing written there or in the
//! store.

mod lacking;
mod patch;

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::incremental::pull;
use super::{HostFixture, program};
use crate::cli::schema::flaws;
use crate::support::proxy::{Cut, Faults};
use crate::support::sshd::{eventually, free_port};
use crate::support::tree;

/// `fleet --json diff web@latest --live`, with these options.
fn live(scene: &HostFixture, options: &[&str], status: i32) -> Value {
    let arguments = ["--json", "diff", "web@latest", "--live"];
    let ran = scene.fleet.run(&[&arguments, options].concat());
    let ran = ran.exits(status);
    let document: Value = serde_json::from_str(&ran.stdout).expect("a document");
    assert_eq!(flaws("diff", &document), Vec::<String>::new());
    document
}

/// `modified d/x: content mtime`, with paths relative to the tree.
fn told(scene: &HostFixture, document: &Value) -> Vec<String> {
    let changes = document["changes"].as_array().expect("a list");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let one = |change: &Value| {
        let path = PathBuf::from(text(&change["path"]));
        let path = path.strip_prefix(&scene.tree).expect("beneath the tree");
        let differs = change["differs"].as_array().cloned().unwrap_or_default();
        let mut line = format!("{} {}", text(&change["change"]), path.display());
        for differs in differs {
            line += &format!(" {}", text(&differs["attribute"]));
        }
        line
    };
    changes.iter().map(one).collect()
}

fn set_times(file: &Path, times: std::time::SystemTime) {
    let opened = fs::File::options().write(true).open(file);
    let set = opened.and_then(|file| file.set_modified(times));
    set.expect("times can be set");
}

fn modified(file: &Path) -> std::time::SystemTime {
    let facts = fs::metadata(file).expect("facts");
    facts.modified().expect("a time")
}

#[test]
fn nothing_changed_prints_nothing_and_writes_nowhere() {
    let Some(scene) = HostFixture::start() else {
        return;
    };
    tree::make_hostile(&scene.tree);
    tree::fill(&scene.tree, &[("etc/a", "1"), ("etc/b", "2")]);
    fs::hard_link(scene.tree.join("etc/a"), scene.tree.join("c")).expect("a link");
    let id = pull(&scene).id();
    let before = (
        tree::with_change_times(&scene.tree),
        tree::with_change_times(scene.fleet.store()),
    );
    let arguments = ["diff", "web@latest", "--live", "--exit-code", "-p"];
    let ran = scene.fleet.run(&arguments).exits(0);
    assert_eq!(ran.stdout, "");
    assert_eq!(ran.stderr, format!("nothing changed on web since {id}\n"));
    let document = live(&scene, &["--exit-code"], 0);
    let wanted = json!({
        "version": 1, "old": id, "new": "web", "live": true, "changes": [], "notes": [],
    });
    assert_eq!(document, wanted);

    // What there is to be seen changes nothing either.
    tree::fill(&scene.tree, &[("etc/b", "3"), ("etc/new", "4")]);
    let tree_before = tree::with_change_times(&scene.tree);
    live(&scene, &["-p", "--exit-code"], 1);
    assert_eq!(tree::with_change_times(&scene.tree), tree_before);
    assert_eq!(tree::with_change_times(scene.fleet.store()), before.1);
    assert_ne!(tree_before, before.0);
    scene.sshd.wait_until_idle();
}

#[test]
fn each_kind_of_change_is_told() {
    let Some(scene) = HostFixture::start() else {
        return;
    };
    let names = [
        "chmod",
        "ctime",
        "first",
        "gone/in",
        "grown",
        "kept",
        "rewritten",
        "same",
        "touched",
        "type",
    ];
    tree::fill(&scene.tree, &names.map(|name| (name, "12345")));
    let at = |name: &str| scene.tree.join(name);
    symlink("kept", at("link")).expect("a link");
    pull(&scene);

    let mode = |name, mode| fs::set_permissions(at(name), fs::Permissions::from_mode(mode));
    let was = fs::metadata(at("ctime")).expect("facts").mode();
    mode("chmod", 0o600).expect("mode");
    mode("ctime", 0o600).expect("mode");
    mode("ctime", was).expect("mode");
    mode("", 0o750).expect("mode");
    fs::hard_link(at("first"), at("second")).expect("a link");
    fs::remove_dir_all(at("gone")).expect("removed");
    fs::write(at("grown"), "1234567").expect("a file");
    let times = modified(&at("rewritten"));
    fs::write(at("rewritten"), "54321").expect("a file");
    set_times(&at("rewritten"), times);
    // Another file of the same content, mode and time.
    let times = modified(&at("same"));
    fs::copy(at("same"), at("copy")).expect("copied");
    fs::rename(at("copy"), at("same")).expect("renamed");
    set_times(&at("same"), times);
    let earlier = modified(&at("touched")) - std::time::Duration::from_secs(60);
    set_times(&at("touched"), earlier);
    fs::remove_file(at("type")).expect("removed");
    fs::create_dir(at("type")).expect("a directory");
    fs::remove_file(at("link")).expect("removed");
    symlink("same", at("link")).expect("a link");
    tree::fill(&scene.tree, &[("new/file", "new")]);

    let document = live(&scene, &["--exit-code"], 1);
    let wanted = [
        "metadata  mode",
        "metadata chmod mode",
        "metadata first link",
        "removed gone",
        "removed gone/in",
        "modified grown content mtime",
        "modified link target mtime",
        "added new",
        "added new/file",
        "modified rewritten content",
        "added second",
        "metadata touched mtime",
        "type type type mode",
    ];
    assert_eq!(told(&scene, &document), wanted);
    let changes = &document["changes"];
    assert_eq!(
        (&changes[5]["old_size"], &changes[5]["size"]),
        (&json!(5), &json!(7))
    );
    // What was not read has no digest; what was hashed on the host has one.
    let digest = |at: usize| changes[at]["differs"][0]["new"].as_str().map(str::len);
    assert_eq!((digest(5), digest(9)), (Some(0), Some(64)));
    let ran = scene.fleet.run(&["diff", "web@latest", "--live"]).exits(0);
    let line = format!("\n  modified  {}  5 B → 7 B\n", at("grown").display());
    assert!(ran.stdout.starts_with("part app\n"), "{}", ran.stdout);
    assert!(ran.stdout.contains(&line), "{}", ran.stdout);
    assert_eq!(
        ran.stderr,
        "13 changed: 3 added, 2 removed, 1 of another type, 3 modified, 4 metadata only\n"
    );
}

#[test]
fn it_takes_no_lock() {
    let Some(scene) = HostFixture::start() else {
        return;
    };
    tree::fill(&scene.tree, &[("a", "1")]);
    pull(&scene);
    fs::write(scene.tree.join("big"), tree::noise(32 << 20)).expect("a file");
    let _proxy = scene.through(Faults::slow(1 << 20));
    let mut begun = scene.fleet.begin_checkpoint(&["web"]);
    begun.wait_for("part-started");
    scene.sources(scene.app());
    let second = scene.fleet.checkpoint(&["web"]).exits(7);
    assert_eq!(second.checkpoints(), Vec::<Value>::new());
    let document = live(&scene, &[], 0);
    assert_eq!(told(&scene, &document), ["added big"]);
    begun.signal("INT");
    drop(begun.end().exits(130));
}

#[test]
fn a_host_that_cannot_be_reached_is_no_answer() {
    let Some(scene) = HostFixture::start() else {
        return;
    };
    tree::fill(&scene.tree, &[("a", "1")]);
    pull(&scene);
    let mut host = scene.host(scene.app());
    host["port"] = json!(free_port());
    scene.describe(host);
    let ran = scene
        .fleet
        .run(&["--json", "diff", "web@latest", "--live"])
        .exits(5);
    let document: Value = serde_json::from_str(&ran.stdout).expect("a document");
    let message = document["error"]["message"].as_str().expect("a message");
    assert!(message.starts_with("can't connect to web"), "{message}");
    assert_eq!(document["error"]["code"], "host-unreachable");

    scene.describe_all(json!({ "other": scene.host(scene.app()) }));
    let ran = scene.fleet.run(&["diff", "web@latest", "--live"]).exits(2);
    assert!(
        ran.stderr.contains("there is no host `web`"),
        "{}",
        ran.stderr
    );
    drop(scene.fleet.run(&["diff", "web@latest"]).exits(2));
    let both = ["diff", "web@latest", "web@latest", "--live"];
    drop(scene.fleet.run(&both).exits(2));
}

#[test]
fn a_connection_that_is_cut_is_no_answer_or_half_of_one() {
    let Some(scene) = HostFixture::start() else {
        return;
    };
    let text: String = tree::noise(1 << 19)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    for name in ["a", "b", "c", "d"] {
        tree::fill(&scene.tree, &[(name, "old\n")]);
    }
    for number in 0..2000 {
        tree::fill(&scene.tree, &[(&format!("many/{number:0>200}"), "")]);
    }
    pull(&scene);
    let proxy = scene.through(Faults::cut(Cut::Close, 100_000));
    let ran = scene
        .fleet
        .run(&["--json", "diff", "web@latest", "--live"])
        .exits(5);
    let document: Value = serde_json::from_str(&ran.stdout).expect("a document");
    let message = document["error"]["message"].as_str().expect("a message");
    assert!(message.contains("web"), "{message}");
    drop(proxy);

    for name in ["a", "b", "c", "d"] {
        tree::fill(&scene.tree, &[(name, &text)]);
    }
    let proxy = scene.through(Faults::cut(Cut::Close, 3 << 20));
    let document = live(&scene, &["-p"], 3);
    drop(proxy);
    assert_eq!(document["failed"][0]["part"], "app");
    let shown = |at: usize| document["changes"][at]["patch"].as_str().map(str::len);
    assert!(shown(0) > Some(text.len()), "{:?}", shown(0));
    assert_eq!(document["changes"][3]["no_patch"], "unread");
}

#[test]
fn it_can_be_stopped() {
    let scene = HostFixture::with_tools(|folder| {
        let script = "if [ -e \"${0%/*}/hang\" ]; then : >\"${0%/*}/begun\"; exec sleep 600; fi\n\
                      exec /usr/bin/find \"$@\"";
        program(folder, "find", script);
    });
    let Some(scene) = scene else { return };
    tree::fill(&scene.tree, &[("a", "1")]);
    pull(&scene);
    fs::write(scene.tools().join("hang"), "").expect("a file");
    let mut command = scene.fleet.command(&["diff", "web@latest", "--live"]);
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let mut child = child.expect("fleet starts");
    let begun = scene.tools().join("begun");
    eventually("a scan", || begun.exists());
    let pid = child.id().to_string();
    let sent = Command::new("kill").args(["-INT", &pid]).status();
    assert!(sent.expect("kill").success());
    assert_eq!(child.wait().expect("it ends").code(), Some(130));
    scene.sshd.wait_until_idle();
}
