//! `fleet diff CHECKPOINT --live`: what changed on the host, with nothing written there or in the
//! store.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::incremental::{pull, rest};
use super::{Scene, program};
use crate::cli::schema::flaws;
use crate::support::proxy::{Cut, Faults};
use crate::support::sshd::{eventually, free_port, installed};
use crate::support::tree;

/// `fleet --json diff web@latest --live`, with these options.
fn live(scene: &Scene, options: &[&str], status: i32) -> Value {
    let arguments = ["--json", "diff", "web@latest", "--live"];
    let ran = scene.fleet.run(&[&arguments, options].concat());
    let ran = ran.exits(status);
    let document: Value = serde_json::from_str(&ran.stdout).expect("a document");
    assert_eq!(flaws("diff", &document), Vec::<String>::new());
    document
}

/// `modified d/x: content mtime`, with paths relative to the tree.
fn told(scene: &Scene, document: &Value) -> Vec<String> {
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

/// Everything beneath `root`, change times included.
fn with_change_times(root: &Path) -> BTreeMap<PathBuf, String> {
    let described = tree::describe(root).into_iter();
    described
        .map(|(path, mut facts)| {
            let found = fs::symlink_metadata(root.join(&path)).expect("an entry");
            facts += &format!(" {}.{:09}", found.ctime(), found.ctime_nsec());
            (path, facts)
        })
        .collect()
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
    let Some(scene) = Scene::start() else { return };
    tree::make_hostile(&scene.tree);
    tree::fill(&scene.tree, &[("etc/a", "1"), ("etc/b", "2")]);
    fs::hard_link(scene.tree.join("etc/a"), scene.tree.join("c")).expect("a link");
    let id = pull(&scene).id();
    let before = (
        with_change_times(&scene.tree),
        with_change_times(scene.fleet.store()),
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
    let tree_before = with_change_times(&scene.tree);
    live(&scene, &["-p", "--exit-code"], 1);
    assert_eq!(with_change_times(&scene.tree), tree_before);
    assert_eq!(with_change_times(scene.fleet.store()), before.1);
    assert_ne!(tree_before, before.0);
    scene.sshd.wait_until_idle();
}

#[test]
fn each_kind_of_change_is_told() {
    let Some(scene) = Scene::start() else { return };
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
fn patches_are_made_with_what_is_on_the_host() {
    let Some(scene) = Scene::start() else { return };
    let large = "x\n".repeat(600_000);
    tree::fill(
        &scene.tree,
        &[
            ("bin", "a\0b"),
            ("gone", "1\n"),
            ("large", &large),
            ("mode", "m\n"),
            ("text", "a\nb\nc\n"),
        ],
    );
    pull(&scene);
    let at = |name: &str| scene.tree.join(name);
    fs::write(at("bin"), "a\0c").expect("a file");
    fs::remove_file(at("gone")).expect("removed");
    fs::write(at("large"), large + "y\n").expect("a file");
    fs::set_permissions(at("mode"), fs::Permissions::from_mode(0o600)).expect("mode");
    fs::write(at("text"), "a\nB\nc\n").expect("a file");
    fs::write(at("zwei"), "new\n").expect("a file");
    fs::hard_link(at("zwei"), at("zweite")).expect("a link");
    let temporary = tempfile::tempdir().expect("a folder");
    let mut command = scene
        .fleet
        .command(&["--json", "diff", "web@latest", "--live", "-p"]);
    let output = command.env("TMPDIR", temporary.path()).output();
    let output = output.expect("fleet starts");
    assert_eq!(output.status.code(), Some(0));
    let document: Value = serde_json::from_slice(&output.stdout).expect("a document");
    assert_eq!(flaws("diff", &document), Vec::<String>::new());
    assert_eq!(fs::read_dir(temporary.path()).expect("a folder").count(), 0);
    let shown: Vec<String> = document["changes"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|change| {
            let patch = change["patch"].as_str().unwrap_or_default();
            let is_told = |line: &&str| {
                let is_name = line.starts_with("+++ ") || line.starts_with("--- ");
                line.starts_with(['+', '-', 'o', 'n']) && !is_name
            };
            let lines: Vec<&str> = patch.lines().filter(is_told).collect();
            let why = change["no_patch"].as_str().unwrap_or_default();
            format!("{}{why}", lines.join(" "))
        })
        .collect();
    assert_eq!(
        shown,
        [
            "binary",
            "-1",
            "large",
            "old mode 100644 new mode 100600",
            "-b +B",
            "new file mode 100644 +new",
            "new file mode 100644 +new",
        ]
    );
    let ran = scene
        .fleet
        .run(&["diff", "web@latest", "--live", "-p"])
        .exits(0);
    assert!(ran.stdout.contains("\n-b\n+B\n"), "{}", ran.stdout);
    let see = "Too large to be shown (1.1 MiB → 1.1 MiB); see it with `fleet cat web@";
    assert!(ran.stdout.contains(see), "{}", ran.stdout);
}

#[test]
fn it_takes_no_lock() {
    let Some(scene) = Scene::start() else { return };
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
    let Some(scene) = Scene::start() else { return };
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
fn sources_that_are_not_on_both_sides_are_named() {
    let Some(scene) = Scene::start() else { return };
    tree::fill(
        &scene.tree,
        &[("a/x", "1"), ("b/x", "1"), ("c/x", "1"), ("d/x", "1")],
    );
    let source = |name: &str| json!({ "directory": scene.tree.join(name) });
    let may_lack = json!({ "directory": scene.tree.join("d"), "optional": true });
    scene.sources(json!({ "a": source("a"), "b": source("b"), "d": may_lack.clone() }));
    rest(&scene);
    let ran = scene.fleet.checkpoint(&["web"]).exits(0);
    fs::remove_dir_all(scene.tree.join("d")).expect("removed");
    scene.sources(json!({ "b": source("b"), "c": source("c"), "d": may_lack }));
    let document = live(&scene, &[], 0);
    assert_eq!(told(&scene, &document), ["removed d", "removed d/x"]);
    let id = ran.id();
    assert_eq!(
        document["notes"],
        json!([
            format!("`a` is not compared: it is in {id}, and is no source of web any more"),
            format!("`c` is not compared: {id} did not ask for it"),
        ])
    );

    // Another root, and another pattern.
    let mut other = source("b");
    other["exclude"] = json!(["/x"]);
    scene.sources(json!({ "a": source("a"), "b": other, "d": source("a") }));
    tree::fill(&scene.tree, &[("b/y", "2")]);
    let document = live(&scene, &[], 0);
    assert_eq!(
        told(&scene, &document),
        [
            "removed b/x",
            "added b/y",
            "added a",
            "added a/x",
            "removed d",
            "removed d/x"
        ]
    );
    let note = format!(
        "its directories or what is excluded are not those of {id}, which shows as added or removed"
    );
    assert_eq!(
        document["notes"],
        json!([format!("`b`: {note}"), format!("`d`: {note}")])
    );
}

#[test]
fn a_source_that_cannot_be_looked_at_is_a_failed_part() {
    let Some(scene) = Scene::start() else { return };
    tree::fill(&scene.tree, &[("a/x", "1"), ("b/x", "1")]);
    let source = |name: &str| json!({ "directory": scene.tree.join(name) });
    scene.sources(json!({ "a": source("a"), "b": source("b") }));
    rest(&scene);
    drop(scene.fleet.checkpoint(&["web"]).exits(0));
    fs::remove_dir_all(scene.tree.join("a")).expect("removed");
    let document = live(&scene, &["--exit-code"], 3);
    assert_eq!(document["changes"], json!([]));
    let missing = format!("{} does not exist", scene.tree.join("a").display());
    assert_eq!(document["failed"][0]["error"], json!(missing));
    assert_eq!(document["failed"][0]["part"], "a");
    tree::fill(&scene.tree, &[("b/x", "22")]);
    let document = live(&scene, &["--exit-code"], 3);
    assert_eq!(told(&scene, &document), ["modified b/x content mtime"]);

    // What a failed part of the checkpoint lacks need not be new.
    let ran = scene.fleet.checkpoint(&["web"]).exits(3);
    tree::fill(&scene.tree, &[("a/x", "1")]);
    let arguments = ["diff", &ran.id(), "--live"];
    let shown = scene.fleet.run(&arguments).exits(0);
    assert_eq!(shown.stdout, "");
    let said = format!(
        "`a`: it failed in {}: 2 entries missing there are not shown",
        ran.id()
    );
    assert!(shown.stderr.contains(&said), "{}", shown.stderr);
}

#[test]
fn what_cannot_be_read_is_not_called_gone() {
    let root = rustix::process::geteuid().is_root();
    let Some(find) = installed("find") else {
        return;
    };
    if root && installed("setpriv").is_none() {
        return;
    }
    let drop = match root {
        true => "setpriv --reuid=65534 --regid=65534 --clear-groups ",
        false => "",
    };
    let script = format!("exec {drop}{} \"$@\"", find.display());
    let Some(scene) = Scene::with_tools(|folder| program(folder, "find", &script)) else {
        return;
    };
    for folder in [scene.sshd.folder(), &scene.tree] {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).expect("mode");
    }
    tree::fill(&scene.tree, &[("a", "1"), ("shut/in", "2")]);
    pull(&scene);
    let shut = scene.tree.join("shut");
    fs::set_permissions(&shut, fs::Permissions::from_mode(0o0)).expect("mode");
    fs::write(scene.tree.join("a"), "22").expect("a file");
    let document = live(&scene, &[], 3);
    fs::set_permissions(&shut, fs::Permissions::from_mode(0o755)).expect("mode");
    assert_eq!(told(&scene, &document), ["modified a content mtime"]);
    assert_eq!(
        document["notes"],
        json!(["`app`: 2 entries not seen now are not shown, for not all of it may be gone"])
    );
    let error = format!("1 entry can't be read: {}", shut.display());
    assert_eq!(document["failed"][0]["error"], json!(error));
}

#[test]
fn another_machine_goes_by_content() {
    let machine_id = |folder: &Path, id: &str| {
        fs::write(folder.join("machine-id"), id).expect("a file");
    };
    let scene = Scene::with_tools(|folder| {
        machine_id(folder, "00000000000000000000000000000001\n");
        let script = "[ \"$1\" != /etc/machine-id ] || set -- \"${0%/*}/machine-id\"\n\
                      exec /bin/cat \"$@\"\n";
        program(folder, "cat", script);
        let script = ": >\"${0%/*}/hashed\"; exec /usr/bin/sha256sum \"$@\"";
        program(folder, "sha256sum", script);
    });
    let Some(scene) = scene else { return };
    tree::fill(&scene.tree, &[("a", "1"), ("b", "2")]);
    let id = pull(&scene).id();
    let hashed = scene.tools().join("hashed");
    live(&scene, &["--exit-code"], 0);
    assert!(!hashed.exists());
    machine_id(scene.tools(), "00000000000000000000000000000002\n");
    let document = live(&scene, &["--exit-code"], 0);
    let note = document["notes"][0].as_str().expect("a note");
    let said = format!("it is another machine than at {id}: its machine-id was `0");
    assert!(note.starts_with(&said), "{note}");
    assert!(hashed.exists());
    fs::write(scene.tree.join("b"), "3").expect("a file");
    let document = live(&scene, &["--exit-code"], 1);
    assert_eq!(told(&scene, &document), ["modified b content mtime"]);
}

#[test]
fn a_find_that_tells_just_names_tells_what_came_and_went() {
    let Some(busybox) = installed("busybox") else {
        return;
    };
    let script = format!("exec {} find \"$@\"", busybox.display());
    let Some(scene) = Scene::with_tools(|folder| program(folder, "find", &script)) else {
        return;
    };
    tree::fill(&scene.tree, &[("a", "1"), ("b", "2"), ("gone", "3")]);
    drop(scene.fleet.checkpoint(&["web"]).exits(0));
    let at = |name: &str| scene.tree.join(name);
    fs::set_permissions(at("a"), fs::Permissions::from_mode(0o600)).expect("mode");
    fs::write(at("b"), "22").expect("a file");
    fs::remove_file(at("gone")).expect("removed");
    tree::fill(&scene.tree, &[("new", "4")]);
    let document = live(&scene, &["-p"], 0);
    assert_eq!(
        told(&scene, &document),
        ["modified b content", "removed gone", "added new"]
    );
    let changes = &document["changes"];
    assert_eq!(changes[0]["no_patch"], "unread");
    assert_eq!(
        (&changes[2]["type"], &changes[2]["size"]),
        (&json!("unknown"), &Value::Null)
    );
    assert_eq!(changes[0].get("size"), None);
    let note = "`app`: its `find` tells just names: the host hashes what were files, and nothing else \
                can be compared";
    assert_eq!(document["notes"], json!([note]));
}

#[test]
fn a_host_that_cannot_hash_goes_by_size_and_time() {
    let Some(scene) = Scene::with_tools(|folder| program(folder, "sha256sum", "exit 1")) else {
        return;
    };
    let names = ["chmod", "put-back", "still", "touched"];
    tree::fill(&scene.tree, &names.map(|name| (name, "12345")));
    pull(&scene);
    let at = |name: &str| scene.tree.join(name);
    fs::set_permissions(at("chmod"), fs::Permissions::from_mode(0o600)).expect("mode");
    let times = modified(&at("put-back"));
    fs::write(at("put-back"), "54321").expect("a file");
    set_times(&at("put-back"), times);
    fs::write(at("touched"), "12345").expect("a file");
    let document = live(&scene, &[], 0);
    assert_eq!(
        told(&scene, &document),
        ["metadata chmod mode", "modified touched content mtime"]
    );
    let note = document["notes"][0].as_str().expect("a note");
    let said = "`app`: 3 files could not be hashed on the host, so that a change of content may not show: ";
    assert!(note.starts_with(said), "{note}");
}

#[test]
fn contents_that_do_not_arrive_are_no_patch_and_a_failed_part() {
    let scene = Scene::with_tools(|folder| {
        let script = "case $0/$1/$(cat \"${0%/*}/broken\" 2>/dev/null) in */--version/*) ;; \
                      */yes) echo no archive; exit 2;; esac\nexec /bin/tar \"$@\"";
        program(folder, "tar", script);
    });
    let Some(scene) = scene else { return };
    tree::fill(&scene.tree, &[("a", "1\n")]);
    pull(&scene);
    fs::write(scene.tools().join("broken"), "yes").expect("a file");
    fs::write(scene.tree.join("a"), "22\n").expect("a file");
    let document = live(&scene, &["-p"], 3);
    assert_eq!(told(&scene, &document), ["modified a content mtime"]);
    assert_eq!(document["changes"][0]["no_patch"], "unread");
    assert_eq!(document["failed"][0]["part"], "app");
    drop(live(&scene, &[], 0));
}

#[test]
fn a_connection_that_is_cut_is_no_answer_or_half_of_one() {
    let Some(scene) = Scene::start() else { return };
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
    let scene = Scene::with_tools(|folder| {
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
