//! Sources that meet: symbolic links of one that lead to what another one captures, and names of one file
//! in several of them.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::busybox::with_busybox;
use super::{HostFixture, program};
use crate::support::{recover, tree};

/// A deployment: `app/current` leads to a release, `var/run` to `run`.
fn deploy(scene: &HostFixture) {
    tree::fill(
        &scene.tree,
        &[
            ("app/releases/5/.env", "SECRET=5\nMODE=a\n"),
            ("app/releases/5/server.js", "listen(5)\n"),
            ("app/releases/5/config/a.conf", "a\n"),
            ("app/releases/5/config/b.log", "left out\n"),
            ("app/releases/6/.env", "SECRET=6\nMODE=b\n"),
            ("app/releases/6/config/a.conf", "a of six\n"),
            ("run/x.pid", "17\n"),
            ("run/y.pid", "18\n"),
        ],
    );
    fs::create_dir(scene.tree.join("var")).expect("a folder");
    symlink("releases/5", scene.tree.join("app/current")).expect("a link");
    symlink("../run", scene.tree.join("var/run")).expect("a link");
}

fn at(scene: &HostFixture, name: &str) -> PathBuf {
    scene.tree.join(name)
}

fn sources(scene: &HostFixture) -> Value {
    json!({
        "all": { "directory": scene.tree, "exclude": ["*.log", ".env", "config/", "*.pid"] },
        "config": { "directory": at(scene, "app/current/config"), "exclude": ["*.log"] },
        "env": { "files": at(scene, "app/current/.env") },
        "mode": { "files": at(scene, "app/current/*.env"), "lines": "^MODE=", "optional": true },
        "pids": { "files": [at(scene, "var/run/*.pid"), at(scene, "run/x.pid")] },
    })
}

/// What `scene.tree` has but for what no source captures.
fn expected(scene: &HostFixture) -> Vec<String> {
    let described = tree::describe(&scene.tree).into_iter();
    let is_captured = |path: &Path| {
        let six = ["app/releases/6/.env", "app/releases/6/config"];
        path.extension().is_none_or(|end| end != "log")
            && !six.iter().any(|six| path.starts_with(six))
    };
    described
        .filter(|(path, _)| is_captured(path))
        .map(|(path, facts)| format!("{} {facts}", path.display()))
        .collect()
}

fn described(root: &Path) -> Vec<String> {
    let described = tree::describe(root).into_iter();
    described
        .map(|(path, facts)| format!("{} {facts}", path.display()))
        .collect()
}

/// The part `name` of `web@latest`.
fn part(scene: &HostFixture, name: &str) -> Value {
    let shown = scene.fleet.run(&["--json", "show", "web@latest"]).exits(0);
    let shown: Value = serde_json::from_str(&shown.stdout).expect("a document");
    let mut parts = shown["parts"].as_array().expect("parts").iter();
    parts
        .find(|part| part["name"] == name)
        .cloned()
        .expect("the part")
}

fn resolved(scene: &HostFixture, asked: &str, real: &str) -> Value {
    json!([{ "asked": { "path": at(scene, asked) }, "real": { "path": at(scene, real) } }])
}

fn cat(scene: &HostFixture, name: &str) -> String {
    let path = at(scene, name).display().to_string();
    scene
        .fleet
        .run(&["cat", "web@latest", &path])
        .exits(0)
        .stdout
}

#[test]
fn what_is_reached_through_a_link_is_stored_where_it_is() {
    let Some(scene) = HostFixture::start() else {
        return;
    };
    deploy(&scene);
    scene.sources(sources(&scene));
    let ran = scene.fleet.checkpoint(&["web"]).exits(0);
    assert_eq!(ran.state(), "complete", "{}", ran.stdout);
    // Folder, archive and plain tools agree.
    let wanted = expected(&scene);
    let folder = scene.fleet.exported(&ran.id());
    assert_eq!(described(&scene.tree_in(&folder)), wanted);
    let scratch = tempfile::tempdir().expect("a folder");
    let archive = scratch.path().join("x.tar");
    let archive_text = archive.display().to_string();
    let exported = scene.fleet.run(&["export", &ran.id(), "-o", &archive_text]);
    assert_eq!(exported.exit, Some(0), "{}", exported.stderr);
    for program in [&["tar"][..], &["busybox", "tar"]] {
        let target = scratch.path().join(program[0]);
        fs::create_dir(&target).expect("a folder");
        let status = Command::new(program[0])
            .args(&program[1..])
            .arg("-xpf")
            .arg(&archive)
            .arg("-C")
            .arg(&target)
            .status();
        assert!(status.expect("tar").success());
        let names = |lines: &[String]| -> Vec<String> {
            let names = lines
                .iter()
                .map(|line| line.split(' ').next().unwrap_or_default());
            names.map(str::to_owned).collect()
        };
        let got = described(&scene.tree_in(&target));
        assert_eq!(names(&got), names(&wanted), "{program:?}");
    }
    for json in ["python3", "jq"] {
        let Some(tools) = recover::tools(scratch.path(), json) else {
            return;
        };
        let target = scratch.path().join(format!("recovered-{json}"));
        let folder = ran.id().replace('@', "/");
        let store = scene.fleet.store();
        let recovered = recover::command(store, scratch.path(), &tools, &folder, &target)
            .output()
            .expect("sh");
        assert!(recovered.status.success(), "{json}: {recovered:?}");
        assert_eq!(described(&scene.tree_in(&target)), wanted, "{json}");
    }
    scene.fleet.assert_verified();
    // Both paths lead to it.
    assert_eq!(cat(&scene, "app/releases/5/.env"), "SECRET=5\nMODE=a\n");
    assert_eq!(cat(&scene, "app/current/.env"), "SECRET=5\nMODE=a\n");
    assert_eq!(cat(&scene, "app/current/config/a.conf"), "a\n");
    assert_eq!(cat(&scene, "var/run/y.pid"), "18\n");
    // And what was asked for is noted.
    let env = part(&scene, "env");
    assert_eq!(env["roots"], json!([at(&scene, "app/current/.env")]));
    assert_eq!(
        env["resolved"],
        resolved(&scene, "app/current/.env", "app/releases/5/.env")
    );
    assert_eq!(
        part(&scene, "config")["resolved"],
        resolved(&scene, "app/current/config", "app/releases/5/config")
    );
    assert_eq!(
        part(&scene, "pids")["resolved"],
        resolved(&scene, "var/run", "run")
    );
    assert_eq!(part(&scene, "pids")["files"], 2);
    assert_eq!(part(&scene, "all")["resolved"], Value::Null);
    let line = format!(
        "{} is at {}: a directory above it is a symbolic link",
        at(&scene, "app/current/.env").display(),
        at(&scene, "app/releases/5/.env").display()
    );
    let shown = scene.fleet.run(&["show", "web@latest"]).exits(0);
    assert!(
        shown.stdout.contains(&format!("env: {line}")),
        "{}",
        shown.stdout
    );
    let manifest = scene
        .fleet
        .store()
        .join(ran.id().replace('@', "/"))
        .join("MANIFEST.txt");
    let manifest = fs::read_to_string(manifest).expect("a text");
    assert!(manifest.contains(&line), "{manifest}");
}

#[test]
fn a_link_that_leads_elsewhere_later_leads_to_other_entries() {
    let Some(scene) = HostFixture::start() else {
        return;
    };
    deploy(&scene);
    scene.sources(sources(&scene));
    let first = scene.fleet.checkpoint(&["web"]).exits(0);
    // Nothing that is unchanged is fetched again, whichever path was asked for.
    let second = scene.fleet.checkpoint(&["web"]).exits(0);
    let parts = second.checkpoint();
    assert_eq!(parts["fetched_bytes"].as_u64(), Some(0), "{parts}");
    let live = ["--json", "diff", "web@latest", "--live"];
    let changes = |ran: &str| -> Vec<String> {
        let document: Value = serde_json::from_str(ran).expect("a document");
        let changes = document["changes"].as_array().cloned().unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        changes
            .iter()
            .filter(|change| change["part"] == "env")
            .map(|change| {
                let path = text(&change["path"]);
                let path = path.strip_prefix(&scene.tree.display().to_string());
                format!("{} {}", text(&change["change"]), path.unwrap_or_default())
            })
            .collect()
    };
    let ran = scene.fleet.run(&live).exits(0);
    assert_eq!(changes(&ran.stdout), [""; 0]);
    fs::remove_file(at(&scene, "app/current")).expect("removed");
    symlink("releases/6", at(&scene, "app/current")).expect("a link");
    let deployed = ["removed /app/releases/5/.env", "added /app/releases/6/.env"];
    let ran = scene.fleet.run(&live).exits(0);
    assert_eq!(changes(&ran.stdout), deployed);
    let note = format!(
        "{} is at {} now, which it was not in {}",
        at(&scene, "app/current/.env").display(),
        at(&scene, "app/releases/6/.env").display(),
        second.id()
    );
    assert!(ran.stdout.contains(&note), "{}", ran.stdout);
    let third = scene.fleet.checkpoint(&["web"]).exits(0);
    assert_eq!(third.state(), "complete");
    let ran = scene
        .fleet
        .run(&["--json", "diff", &second.id(), &third.id()])
        .exits(0);
    assert_eq!(changes(&ran.stdout), deployed);
    assert_eq!(cat(&scene, "app/current/.env"), "SECRET=6\nMODE=b\n");
    // The history of the path that was asked for.
    let path = at(&scene, "app/current/.env").display().to_string();
    let log = scene.fleet.run(&["log", &path]).exits(0);
    for id in [first.id(), third.id()] {
        assert!(log.stdout.contains(&id), "{}", log.stdout);
    }
    assert!(!log.stdout.contains(&second.id()), "{}", log.stdout);
}

#[test]
fn a_host_whose_find_tells_only_names_resolves_links_as_well() {
    let Some(scene) = with_busybox() else { return };
    deploy(&scene);
    scene.sources(sources(&scene));
    let ran = scene.fleet.checkpoint(&["web"]).exits(0);
    assert_eq!(ran.state(), "complete", "{}", ran.stdout);
    assert_eq!(cat(&scene, "app/current/.env"), "SECRET=5\nMODE=a\n");
    assert_eq!(cat(&scene, "run/x.pid"), "17\n");
    assert_eq!(part(&scene, "pids")["files"], 2);
    assert!(scene.fleet.exported(&ran.id()).is_dir());
}

#[test]
fn a_directory_that_becomes_a_link_between_two_scans_fails_the_later_source() {
    let Some(scene) = HostFixture::with_tools(|_| {}) else {
        return;
    };
    tree::fill(&scene.tree, &[("f", "x"), ("l/sub/f", "beneath")]);
    let mark = scene.tools().join("scanned");
    // The first source is scanned after the second one, when a deployment has moved the directory.
    let script = format!(
        "case \" $* \" in\n\
         *'{tree}/l/sub '*) /usr/bin/find \"$@\"; s=$?; : >'{mark}'; exit $s ;;\n\
         *'{tree} '*) while [ ! -e '{mark}' ]; do sleep 0.02; done\n\
         [ -h '{tree}/l' ] || {{ mv '{tree}/l' '{tree}/real'; ln -s real '{tree}/l'; }} ;;\n\
         esac\n\
         exec /usr/bin/find \"$@\"",
        tree = scene.tree.display(),
        mark = mark.display(),
    );
    program(scene.tools(), "find", &script);
    scene.sources(json!({
        "all": { "directory": scene.tree },
        "sub": { "directory": at(&scene, "l/sub") },
    }));
    let ran = scene.fleet.checkpoint(&["web"]).exits(3);
    assert_eq!(ran.state(), "partial");
    let link = at(&scene, "l").display().to_string();
    assert_eq!(
        ran.failed(),
        [format!(
            "web sub: it can't be put into one tree with what other sources hold: `{link}/sub` lies \
             beneath `{link}`, which is a symbolic link in source `all`, and 1 more"
        )]
    );
    // What is sealed can be exported, and the next checkpoint knows where everything is.
    scene.assert_holds_tree(&ran.id());
    let ran = scene.fleet.checkpoint(&["web"]).exits(0);
    assert_eq!(ran.state(), "complete", "{}", ran.stdout);
    assert_eq!(
        part(&scene, "sub")["resolved"],
        resolved(&scene, "l/sub", "real/sub")
    );
    scene.assert_holds_tree(&ran.id());
    scene.fleet.assert_verified();
}

#[test]
fn names_with_every_byte_are_resolved() {
    let Some(scene) = HostFixture::start() else {
        return;
    };
    for (number, name) in [
        "-rf",
        "new\n",
        "st*r [x]?",
        "quote'\"$(id)`",
        "back\\slash",
        "größe ",
    ]
    .into_iter()
    .enumerate()
    {
        let real = scene.tree.join(name).join("root");
        tree::fill(&real, &[("f", "content"), ("skip/x", "left out")]);
        symlink(name, scene.tree.join(format!("link{number}"))).expect("a link");
    }
    let roots: Vec<PathBuf> = (0..6)
        .map(|n| scene.tree.join(format!("link{n}/root")))
        .collect();
    scene.sources(json!({ "app": { "directories": roots, "exclude": ["skip/"] } }));
    let ran = scene.fleet.checkpoint(&["web"]).exits(0);
    assert_eq!(ran.state(), "complete", "{}", ran.stdout);
    assert_eq!(ran.checkpoint()["parts"][0]["files"], 6);
    assert_eq!(
        part(&scene, "app")["resolved"].as_array().map(Vec::len),
        Some(6)
    );
    for number in 0..6 {
        assert_eq!(cat(&scene, &format!("link{number}/root/f")), "content");
    }
    assert!(scene.fleet.exported(&ran.id()).is_dir());
}

#[test]
fn a_root_beneath_a_link_fails_as_it_was_asked_for() {
    let Some(scene) = HostFixture::start() else {
        return;
    };
    tree::fill(&scene.tree, &[("real/file", "content"), ("real/d/f", "x")]);
    symlink("real", scene.tree.join("link")).expect("a link");
    symlink("d", scene.tree.join("real/to-d")).expect("a link");
    scene.sources(json!({
        "file": { "directory": at(&scene, "link/file") },
        "gone": { "directory": at(&scene, "link/gone") },
        "link": { "directory": at(&scene, "link/to-d") },
        "none": { "files": at(&scene, "link/*.none") },
    }));
    let ran = scene.fleet.checkpoint(&["web"]).exits(3);
    let root = scene.tree.display();
    assert_eq!(
        ran.failed(),
        [
            format!("web file: {root}/link/file is not a directory"),
            format!("web gone: {root}/link/gone does not exist"),
            format!("web link: {root}/link/to-d is a symbolic link to d"),
            format!("web none: nothing matches `{root}/link/*.none`"),
        ]
    );
}

#[test]
fn the_newest_of_files_that_are_reached_in_two_ways_are_counted_once() {
    let Some(scene) = HostFixture::start() else {
        return;
    };
    tree::fill(
        &scene.tree,
        &[("log/1", "1"), ("log/2", "2"), ("log/3", "3")],
    );
    for (number, name) in ["log/1", "log/2", "log/3"].into_iter().enumerate() {
        let file = fs::File::open(at(&scene, name)).expect("opened");
        let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(number as u64);
        file.set_modified(time).expect("a time");
    }
    symlink("log", scene.tree.join("l")).expect("a link");
    let globs = [at(&scene, "l/*"), at(&scene, "log/*")];
    scene.sources(json!({ "app": { "files": globs, "newest": 2 } }));
    let ran = scene.fleet.checkpoint(&["web"]).exits(0);
    let out = scene.tree_in(&scene.fleet.exported(&ran.id()));
    let mut names: Vec<_> = fs::read_dir(out.join("log"))
        .expect("a folder")
        .map(|item| item.expect("an item").file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["2", "3"]);
}

#[test]
fn names_of_one_object_in_several_sources_come_back_as_one() {
    let Some(scene) = HostFixture::start() else {
        return;
    };
    tree::fill(
        &scene.tree,
        &[("a/file", "shared"), ("b/other", "x"), ("c/other", "y")],
    );
    let script = "cd \"$1\" && ln -s nowhere b/link && mkfifo c/pipe && ln a/file b/file && \
        ln a/file c/again && ln -P b/link b/link-too && ln -P b/link a/link && ln c/pipe c/pipe-too && \
        ln c/pipe a/pipe && sleep 0.1";
    let status = Command::new("sh")
        .args(["-c", script, "sh"])
        .arg(&scene.tree)
        .status();
    assert!(status.expect("sh").success());
    let sources = |name: &str| json!({ "directory": at(&scene, name) });
    scene.sources(json!({ "one": sources("a"), "two": sources("b"), "three": sources("c") }));
    for step in 0..3 {
        match step {
            0 => {}
            // A further name: all of its group comes again.
            1 => fs::hard_link(at(&scene, "b/link"), at(&scene, "c/link")).expect("a link"),
            _ => fs::remove_file(at(&scene, "a/pipe")).expect("removed"),
        }
        let ran = scene.fleet.checkpoint(&["web"]).exits(0);
        assert_eq!(ran.state(), "complete", "{}", ran.stdout);
        let out = scene.tree_in(&scene.fleet.exported(&ran.id()));
        // The tree itself is in no source.
        for name in ["a", "b", "c"] {
            let times = |root: &Path| tree::describe(&root.join(name));
            assert_eq!(times(&out).len(), times(&scene.tree).len(), "{step} {name}");
        }
        let mut wanted = tree::describe(&scene.tree);
        let mut got = tree::describe(&out);
        wanted.remove(Path::new(""));
        got.remove(Path::new(""));
        assert_eq!(got, wanted, "{step}");
    }
}
