//! Files sources: what patterns match, whole or in lines, and what happens when they match something
//! else than was thought.

mod lines;

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use super::busybox::with_busybox;
use super::content::with_unprivileged_tools;
use super::incremental::{fetched, rest};
use super::{HostFixture, program};
use crate::support::fleet::FleetOutput;
use crate::support::tree;

/// The pattern beneath the tree.
fn glob(scene: &HostFixture, pattern: &str) -> String {
    format!("{}/{pattern}", scene.tree.display())
}

/// Takes a checkpoint of what has come to rest.
fn checkpoint(scene: &HostFixture) -> FleetOutput {
    rest(scene);
    scene.fleet.checkpoint(&["web"])
}

fn complete(scene: &HostFixture) -> FleetOutput {
    let ran = checkpoint(scene).exits(0);
    assert_eq!(ran.state(), "complete", "{}", ran.stdout);
    scene.fleet.assert_verified();
    ran
}

/// The names of the files and links in an exported checkpoint, relative to the tree.
fn held(scene: &HostFixture, checkpoint: &str) -> Vec<String> {
    let out = scene.tree_in(&scene.fleet.exported(checkpoint));
    if !out.exists() {
        return Vec::new();
    }
    let described = tree::describe(&out).into_iter();
    let others = described.filter(|(_, facts)| !facts.ends_with("directory"));
    others.map(|(path, _)| path.display().to_string()).collect()
}

fn set_age(file: &Path, seconds: u64) {
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000 - seconds);
    let file = fs::File::options().write(true).open(file).expect("a file");
    file.set_modified(time).expect("times can be set");
}

fn shown(scene: &HostFixture) -> Value {
    let ran = scene.fleet.run(&["--json", "show", "web@latest"]).exits(0);
    let document: Value = serde_json::from_str(&ran.stdout).expect("a document");
    let flaws = crate::cli::schema::flaws("show", &document);
    assert_eq!(flaws, Vec::<String>::new());
    document
}

#[test]
fn what_matches_is_captured_as_it_is_and_only_what_changed_is_sent_again() {
    let Some(scene) = HostFixture::start() else {
        return;
    };
    tree::fill(
        &scene.tree,
        &[
            ("log/gw-1.log", "one"),
            ("log/gw-2.log", "two"),
            ("log/gw-2.log.gz", "old"),
            ("log/.gw-3.log", "hidden"),
            ("log/gw-dir.log/inner.log", "deeper"),
            ("conf/a/app.conf", "a"),
            ("conf/b/c/app.conf", "bc"),
            ("conf/.git/app.conf", "git"),
            ("new\nline.log", "odd"),
        ],
    );
    let at = |name: &str| scene.tree.join(name);
    fs::hard_link(at("log/gw-1.log"), at("log/gw-hard.log")).expect("a link");
    symlink("gw-1.log", at("log/gw-link.log")).expect("a link");
    symlink("nowhere", at("log/gw-dangling.log")).expect("a link");
    symlink("log", at("current")).expect("a link");
    scene.sources(json!({
        "logs": { "files": glob(&scene, "log/gw-*.log") },
        "confs": { "files": [glob(&scene, "conf/**/*.conf"), glob(&scene, "{new,old}*.log")] },
        // A link on the way is followed, as shells do, and what is found is stored where it is.
        "current": { "files": glob(&scene, "current/gw-?.log") },
    }));
    let first = complete(&scene);
    let expected = [
        "conf/a/app.conf",
        "conf/b/c/app.conf",
        "log/gw-1.log",
        "log/gw-2.log",
        "log/gw-dangling.log",
        "log/gw-hard.log",
        "log/gw-link.log",
        "new\nline.log",
    ];
    assert_eq!(held(&scene, &first.id()), expected);
    let (of_host, of_checkpoint) = (
        tree::describe(&at("log")),
        tree::describe(
            &scene
                .tree_in(&scene.fleet.exported(&first.id()))
                .join("log"),
        ),
    );
    for (name, facts) in of_checkpoint {
        if !name.as_os_str().is_empty() {
            assert_eq!(of_host.get(&name), Some(&facts), "{}", name.display());
        }
    }
    let document = shown(&scene);
    assert_eq!(document["parts"][0]["kind"], "files");
    assert_eq!(
        document["parts"][0]["roots"],
        json!([
            glob(&scene, "conf/**/*.conf"),
            glob(&scene, "{new,old}*.log")
        ])
    );
    assert_eq!(fetched(&complete(&scene)), 0);

    tree::fill(
        &scene.tree,
        &[("log/gw-2.log", "changed"), ("log/gw-4.log", "new")],
    );
    fs::remove_file(at("conf/a/app.conf")).expect("removed");
    let third = complete(&scene);
    // Two sources hold `gw-2.log`, one of them `gw-4.log` under another name as well.
    assert_eq!(fetched(&third), 2 * (7 + 3));
    let held = held(&scene, &third.id());
    assert!(held.contains(&"log/gw-4.log".to_owned()), "{held:?}");
    assert!(!held.contains(&"conf/a/app.conf".to_owned()), "{held:?}");
}

#[test]
fn a_pattern_that_matches_nothing_fails_the_part_unless_it_is_optional() {
    let Some(scene) = HostFixture::start() else {
        return;
    };
    tree::fill(&scene.tree, &[("a.log", "a"), ("dir/x/file", "x")]);
    let says = |source: Value, message: &str, hint: &str| {
        scene.sources(json!({ "logs": source, "app": { "files": glob(&scene, "a.log") } }));
        let ran = checkpoint(&scene).exits(3);
        assert_eq!(ran.failed(), [format!("web logs: {message}")]);
        assert_eq!(ran.hints(), [hint]);
        assert_eq!(ran.codes(), ["nothing-matches"]);
        assert_eq!(held(&scene, &ran.id()), ["a.log"]);
    };
    let correct =
        "Correct the pattern, or set `optional: true` on the source if this host doesn't need it.";
    for pattern in ["b-*.log", "gone/*.log", "gone.log", "a.log/*", "{b,c}.log"] {
        let pattern = glob(&scene, pattern);
        let message = format!("nothing matches `{pattern}`");
        says(json!({ "files": pattern }), &message, correct);
    }
    let pattern = glob(&scene, "b.log");
    let both = json!({ "files": [glob(&scene, "*.log"), pattern] });
    says(both, &format!("nothing matches `{pattern}`"), correct);
    let pattern = glob(&scene, "dir/*");
    let hint = "Use a `directory:` source to capture a directory.";
    let message = format!("only directories match `{pattern}`");
    says(json!({ "files": pattern }), &message, hint);

    scene.sources(json!({
        "logs": { "files": glob(&scene, "b*.log"), "optional": true },
        "some": { "files": [glob(&scene, "b*.log"), glob(&scene, "a.log")], "optional": true },
    }));
    let ran = complete(&scene);
    assert_eq!(ran.checkpoint()["parts"][0]["state"], "absent");
    assert_eq!(ran.checkpoint()["parts"][1]["files"], 1);
    scene.sources(json!({ "logs": { "files": glob(&scene, "dir/*"), "optional": true } }));
    let ran = checkpoint(&scene).exits(0);
    assert_eq!(ran.state(), "warned");
    assert!(ran.stdout.contains(&message), "{}", ran.stdout);
}

#[test]
fn the_newest_are_kept_and_others_leave_when_newer_ones_come() {
    let Some(scene) = HostFixture::start() else {
        return;
    };
    tree::fill(
        &scene.tree,
        &[
            ("a/1.log", "11"),
            ("a/2.log", "22"),
            ("b/3.log", "33"),
            ("b/4.log", "44"),
        ],
    );
    for (name, age) in [
        ("a/1.log", 50),
        ("a/2.log", 10),
        ("b/3.log", 40),
        ("b/4.log", 10),
    ] {
        set_age(&scene.tree.join(name), age);
    }
    let logs = json!({ "files": [glob(&scene, "a/*.log"), glob(&scene, "b/*.log")], "newest": 3 });
    scene.sources(json!({ "logs": logs }));
    let ran = complete(&scene);
    assert_eq!(held(&scene, &ran.id()), ["a/2.log", "b/3.log", "b/4.log"]);
    // A much smaller one takes the place of a larger one: that is no loss.
    fs::write(scene.tree.join("b/3.log"), tree::noise(9000)).expect("a file");
    set_age(&scene.tree.join("b/3.log"), 40);
    complete(&scene);
    tree::fill(&scene.tree, &[("a/5.log", "5")]);
    let ran = complete(&scene);
    assert_eq!(held(&scene, &ran.id()), ["a/2.log", "a/5.log", "b/4.log"]);
    assert_eq!(fetched(&ran), 1);
}

#[test]
fn what_cannot_be_read_fails_the_part_if_it_may_be_meant() {
    let Some(scene) = with_unprivileged_tools() else {
        return;
    };
    tree::fill(
        &scene.tree,
        &[
            ("a.log", "a"),
            ("b.log", "b"),
            ("u/x/.env", "x"),
            ("u/y/.env", "y"),
            ("z/q", "q"),
        ],
    );
    let close = |name: &str, mode| {
        let mode = fs::Permissions::from_mode(mode);
        fs::set_permissions(scene.tree.join(name), mode).expect("mode");
    };
    for name in ["b.log", "u/y", "z"] {
        close(name, 0);
    }
    scene.sources(json!({ "logs": { "files": glob(&scene, "*.log") } }));
    let ran = checkpoint(&scene).exits(3);
    let denied = |name| format!("web logs: 1 entry can't be read: {}", glob(&scene, name));
    assert_eq!(ran.failed(), [denied("b.log")]);
    assert_eq!(
        ran.hints(),
        ["Set `sudo: true` on the source, or log in as an account with permission to read it."]
    );
    assert_eq!(held(&scene, &ran.id()), ["a.log"]);
    for (pattern, name) in [
        ("u/*/.env", "u/y"),
        ("u/y/.env", "u/y/.env"),
        ("u/**/.env", "u/y"),
    ] {
        let logs = json!({ "files": glob(&scene, pattern), "optional": true });
        scene.sources(json!({ "logs": logs }));
        let ran = checkpoint(&scene).exits(3);
        assert_eq!(ran.failed(), [denied(name)]);
    }
    scene.sources(
        json!({ "logs": { "files": [glob(&scene, "[az].log"), glob(&scene, "[u]/x/.env")] } }),
    );
    let ran = checkpoint(&scene).exits(0);
    assert_eq!(ran.state(), "complete");
    for name in ["u/y", "z"] {
        close(name, 0o755);
    }
}

#[test]
fn files_that_vanish_before_they_are_read_are_never_called_complete() {
    let Some(scene) = HostFixture::with_tools(|folder| {
        let script = format!(
            "case \"$*\" in *--create*) . {}/before;; esac; PATH=/usr/bin:/bin; exec tar \"$@\"",
            folder.display()
        );
        program(folder, "tar", &script);
        fs::write(folder.join("before"), "").expect("a script");
    }) else {
        return;
    };
    tree::fill(&scene.tree, &[("1.log", "1"), ("2.log", "2")]);
    scene.sources(json!({ "logs": { "files": glob(&scene, "*.log") } }));
    let remove = |names: &str| {
        let script = format!("cd {} && rm -f {names}", scene.tree.display());
        fs::write(scene.tools().join("before"), script).expect("a script");
    };
    remove("2.log");
    let ran = checkpoint(&scene).exits(0);
    assert_eq!(ran.state(), "warned");
    assert_eq!(held(&scene, &ran.id()), ["1.log"]);
    tree::fill(&scene.tree, &[("1.log", "other")]);
    remove("1.log");
    let ran = checkpoint(&scene).exits(3);
    assert_eq!(
        ran.failed(),
        ["web logs: all of its files vanished before they were read"]
    );
}

#[test]
fn a_host_that_lists_what_was_not_asked_for_is_not_believed() {
    let Some(scene) = HostFixture::with_tools(|folder| {
        let script = format!(
            "case \"$*\" in *mindepth*) . {}/lie;; esac; exec /usr/bin/find \"$@\"",
            folder.display()
        );
        program(folder, "find", &script);
    }) else {
        return;
    };
    tree::fill(&scene.tree, &[("a.log", "a"), ("secret", "s")]);
    scene.sources(json!({ "logs": { "files": glob(&scene, "*.log") } }));
    let lie = |path: &Path| {
        let script = format!(
            "printf 'f 644 0 0 1 1.0 1.0 1 1 1 8 %s\\0\\0' '{}'",
            path.display()
        );
        fs::write(scene.tools().join("lie"), script).expect("a script");
    };
    lie(&scene.tree.join("secret"));
    let ran = checkpoint(&scene).exits(0);
    assert_eq!(held(&scene, &ran.id()), ["a.log"]);
    lie(&PathBuf::from("/etc/a.log"));
    let ran = checkpoint(&scene).exits(3);
    assert_eq!(
        ran.failed(),
        ["web logs: find reported `/etc/a.log`, which is outside the source"]
    );
}

#[test]
fn hosts_with_other_tools_are_pulled_whole_and_the_newest_are_kept() {
    let Some(scene) = with_busybox() else { return };
    tree::fill(
        &scene.tree,
        &[
            ("1.log", "11"),
            ("2.log", "22"),
            ("3.log", "33"),
            (".4.log", "44"),
            ("d.log/x", "x"),
        ],
    );
    for (name, age) in [("1.log", 10), ("2.log", 30), ("3.log", 20)] {
        set_age(&scene.tree.join(name), age);
    }
    symlink("1.log", scene.tree.join("link.log")).expect("a link");
    scene
        .sources(json!({ "logs": { "files": [glob(&scene, "?.log"), glob(&scene, "link.log")] } }));
    let ran = complete(&scene);
    assert_eq!(
        held(&scene, &ran.id()),
        ["1.log", "2.log", "3.log", "link.log"]
    );
    assert_eq!(fetched(&complete(&scene)), 6);
    scene.sources(json!({ "newest": { "files": glob(&scene, "?.log"), "newest": 2 } }));
    let ran = complete(&scene);
    assert_eq!(held(&scene, &ran.id()), ["1.log", "3.log"]);
    assert_eq!(complete(&scene).checkpoint()["files"], 2);

    scene.sources(json!({ "logs": { "files": glob(&scene, "*/*.log"), "optional": true } }));
    let ran = complete(&scene);
    assert_eq!(ran.checkpoint()["parts"][0]["state"], "absent");
    for number in 0..600 {
        let name = format!("{number:0>200}.log");
        tree::fill(&scene.tree, &[(&name, "x")]);
    }
    scene.sources(json!({ "many": { "files": glob(&scene, "0*.log") } }));
    let ran = checkpoint(&scene).exits(3);
    assert_eq!(
        ran.failed(),
        [
            "web many: this host's `tar` reads no list of files, and 600 paths don't fit in its arguments"
        ]
    );
}

#[test]
fn doctor_shows_what_would_be_read_and_a_live_diff_what_changed() {
    let Some(scene) = HostFixture::start() else {
        return;
    };
    tree::fill(
        &scene.tree,
        &[("1.log", "11"), ("2.log", "22"), (".env", "A=1\n")],
    );
    scene.sources(json!({
        "env": { "files": glob(&scene, ".env"), "lines": "^A" },
        "logs": { "files": glob(&scene, "*.log") },
        "none": { "files": glob(&scene, "*.none") },
    }));
    let ran = scene.fleet.run(&["--json", "doctor", "web"]);
    let document: Value = serde_json::from_str(&ran.stdout).expect("a document");
    let sources = &document["hosts"][0]["sources"];
    assert_eq!(
        sources[1]["roots"],
        json!([glob(&scene, "*.log")]),
        "{document}"
    );
    assert_eq!(
        (&sources[1]["files"], &sources[1]["bytes"]),
        (&json!(2), &json!(4))
    );
    assert_eq!(sources[2]["found"], "failed");

    scene.sources(json!({
        "env": { "files": glob(&scene, ".env"), "lines": "^A" },
        "logs": { "files": glob(&scene, "*.log") },
    }));
    complete(&scene);
    tree::fill(
        &scene.tree,
        &[("2.log", "23"), ("3.log", "33"), (".env", "A=2\n")],
    );
    fs::remove_file(scene.tree.join("1.log")).expect("removed");
    let ran = scene.fleet.run(&["diff", "web@latest", "--live"]).exits(0);
    for line in ["removed", "modified", "added"] {
        assert!(ran.stdout.contains(line), "{}", ran.stdout);
    }
    assert!(!ran.stdout.contains(".env"), "{}", ran.stdout);
    let said = "`env` is not compared: just lines of its files are kept";
    assert!(ran.stderr.contains(said), "{}", ran.stderr);
}
