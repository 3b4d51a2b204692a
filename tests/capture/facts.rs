//! Tests of host facts: in every checkpoint, and without a trace on the host.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use super::HostFixture;
use crate::support::fleet::FleetOutput;
use crate::support::host_fixture::program;
use crate::support::{skipped, tree};

/// What was told in the checkpoint of `ran`.
fn facts(scene: &HostFixture, ran: &FleetOutput) -> Value {
    let shown = scene.fleet.run(&["--json", "show", &ran.id()]).exits(0);
    let document: Value = serde_json::from_str(&shown.stdout).expect("a document");
    document["facts"].clone()
}

fn manifest(scene: &HostFixture, ran: &FleetOutput) -> String {
    let file = format!("{}/MANIFEST.txt", ran.id().replace('@', "/"));
    fs::read_to_string(scene.fleet.store().join(file)).expect("a manifest")
}

/// The real git, with nothing of the tester's own configuration.
fn git(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .args([
            "-c",
            "safe.directory=*",
            "-c",
            "user.name=Ops",
            "-c",
            "user.email=ops@host.example",
        ])
        .args(arguments)
        .current_dir(folder)
        .env("HOME", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_COMMITTER_DATE", "2025-10-28T17:32:05Z")
        .output()
        .expect("git runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "{arguments:?}: {}",
        text(&output.stderr)
    );
    text(&output.stdout).trim().to_owned()
}

/// A work tree with one commit and nothing else.
fn repository(folder: &Path) {
    fs::create_dir_all(folder).expect("a folder");
    git(folder, &["init", "-q", "-b", "main"]);
    fs::write(folder.join("server.js"), "1").expect("a file");
    fs::write(folder.join("größe.js"), "1").expect("a file");
    git(folder, &["add", "."]);
    git(
        folder,
        &["commit", "-q", "-m", "Dual orchestrator\n\nAnd more."],
    );
}

/// Everything beneath `root` with its inode and all times that writing changes.
fn traces(root: &Path) -> BTreeMap<PathBuf, String> {
    let mut traces = tree::describe(root);
    for (name, facts) in &mut traces {
        let path = if name.as_os_str().is_empty() {
            root.to_owned()
        } else {
            root.join(name)
        };
        let entry = fs::symlink_metadata(path).expect("an entry");
        *facts += &format!(
            " {} {}.{:09}",
            entry.ino(),
            entry.ctime(),
            entry.ctime_nsec()
        );
    }
    traces
}

fn has_git() -> bool {
    let has = crate::support::sshd::installed("git").is_some();
    if !has {
        skipped("no git");
    }
    has
}

#[test]
fn the_state_of_a_work_tree_is_told() {
    let Some(scene) = HostFixture::start().filter(|_| has_git()) else {
        return;
    };
    repository(&scene.tree);
    fs::write(scene.tree.join("server.js"), "2").expect("a file");
    fs::write(scene.tree.join("größe.js"), "2").expect("a file");
    fs::create_dir(scene.tree.join("checkpoints")).expect("a folder");
    fs::write(scene.tree.join("checkpoints/a b"), "").expect("a file");
    let commit = git(&scene.tree, &["rev-parse", "HEAD"]);
    let ran = scene.fleet.checkpoint(&["web"]).exits(0);
    assert_eq!(ran.state(), "complete");
    let told = facts(&scene, &ran);
    let expected = json!([{
        "root": scene.tree,
        "branch": "main",
        "detached": null,
        "commit": { "id": commit, "time": "2025-10-28T17:32:05Z", "subject": "Dual orchestrator" },
        "changed": 3,
        "changes": [" M größe.js", " M server.js", "?? checkpoints/"],
    }]);
    assert_eq!(told["git"], expected);
    let text = manifest(&scene, &ran);
    let git_text = format!(
        "\nGit {}:\n  branch  main\n  commit  {} 2025-10-28T17:32:05Z Dual orchestrator\n  \
         status  3 changed\n     M größe.js\n     M server.js\n    ?? checkpoints/\n",
        scene.tree.display(),
        &commit[..7]
    );
    assert!(text.contains(&git_text), "{text}");
    let shown = scene.fleet.run(&["show", &ran.id()]).exits(0).stdout;
    assert!(shown.contains(&git_text), "{shown}");

    // The next checkpoint tells of another branch, and nothing else of it differs.
    git(&scene.tree, &["checkout", "-q", "-b", "next"]);
    let sources = json!({ "directory": scene.tree, "exclude": [".git/"], "may_shrink": true });
    scene.sources(json!({ "app": sources }));
    let before = scene.fleet.checkpoint(&["web"]).exits(0);
    git(&scene.tree, &["checkout", "-q", "--detach"]);
    git(&scene.tree, &["tag", "v1"]);
    let after = scene.fleet.checkpoint(&["web"]).exits(0);
    assert_eq!(facts(&scene, &before)["git"][0]["branch"], "next");
    let detached = &facts(&scene, &after)["git"][0];
    assert_eq!(detached["branch"], Value::Null);
    assert!(
        detached["detached"]
            .as_str()
            .is_some_and(|words| words.starts_with("HEAD detached at ")),
        "{detached}"
    );
    let entries = |ran: &FleetOutput| {
        let file = format!("{}/entries/app.ndjson.zst", ran.id().replace('@', "/"));
        fs::metadata(scene.fleet.store().join(file))
            .expect("entries")
            .ino()
    };
    assert_eq!(entries(&before), entries(&after));
    scene.fleet.assert_verified();
}

/// Makes a repository whose configuration names a program for every occasion. Each leaves a mark in
/// `marks`.
fn trap(folder: &Path, marks: &Path) {
    repository(folder);
    for occasion in ["fsmonitor", "clean", "gpg", "post-index-change"] {
        let script = format!("echo >>{}/{occasion}\ncat", marks.display());
        program(marks, &format!("run-{occasion}"), &script);
    }
    let run = |occasion: &str| format!("{}/run-{occasion}", marks.display());
    fs::write(folder.join(".gitattributes"), "*.js filter=trap\n").expect("a file");
    git(folder, &["add", "."]);
    git(folder, &["commit", "-q", "-m", "attributes"]);
    for (key, value) in [
        ("filter.trap.clean", run("clean")),
        ("filter.trap.required", "true".to_owned()),
        ("core.fsmonitor", run("fsmonitor")),
        ("core.untrackedCache", "true".to_owned()),
        ("log.showSignature", "true".to_owned()),
        ("gpg.program", run("gpg")),
    ] {
        git(folder, &["config", key, &value]);
    }
    let hook = folder.join(".git/hooks/post-index-change");
    fs::create_dir_all(folder.join(".git/hooks")).expect("a folder");
    fs::copy(run("post-index-change"), &hook).expect("a hook");
    // As after `cp -r`: every file has to be read again, and an index wants to be refreshed.
    for name in ["server.js", "größe.js"] {
        let file = fs::File::options()
            .write(true)
            .open(folder.join(name))
            .expect("a file");
        file.set_modified(std::time::UNIX_EPOCH).expect("a time");
    }
}

fn marks(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).expect("a folder");
    let names = names.map(|name| {
        name.expect("an entry")
            .file_name()
            .into_string()
            .expect("text")
    });
    let mut marks: Vec<String> = names.filter(|name| !name.starts_with("run-")).collect();
    marks.sort();
    marks
}

#[test]
fn a_work_tree_is_looked_at_without_a_trace() {
    let Some(scene) = HostFixture::with_tools(|_| {}).filter(|_| has_git()) else {
        return;
    };
    let set = tempfile::tempdir().expect("a folder");
    trap(&scene.tree, set.path());
    scene.sources(json!({
        "app": { "directory": scene.tree },
        "tools": { "directory": scene.tools(), "may_shrink": true },
    }));
    let (tree_before, home_before) = (traces(&scene.tree), traces(scene.tools()));
    let ran = scene.fleet.checkpoint(&["web"]).exits(0);
    assert_eq!(ran.state(), "complete");
    let told = &facts(&scene, &ran)["git"][0];
    assert_eq!(marks(set.path()), Vec::<String>::new());
    assert_eq!(traces(&scene.tree), tree_before);
    assert_eq!(traces(scene.tools()), home_before);
    // The trap works: the same question as people ask it sets it off.
    assert_eq!(
        (
            &told["branch"],
            &told["commit"]["subject"],
            &told["changed"]
        ),
        (&json!("main"), &json!("attributes"), &json!(0))
    );
    git(&scene.tree, &["status"]);
    assert_ne!(marks(set.path()), Vec::<String>::new());
    assert_ne!(traces(&scene.tree), tree_before);
}

#[test]
fn a_split_index_is_left_alone() {
    let Some(scene) = HostFixture::start().filter(|_| has_git()) else {
        return;
    };
    repository(&scene.tree);
    git(&scene.tree, &["update-index", "--split-index"]);
    let before = traces(&scene.tree);
    let ran = scene.fleet.checkpoint(&["web"]).exits(0);
    assert_eq!(traces(&scene.tree), before);
    let told = &facts(&scene, &ran)["git"][0];
    assert_eq!(
        (&told["branch"], &told["changed"]),
        (&json!("main"), &Value::Null)
    );
    // git touches the shared half whatever it is told.
    git(&scene.tree, &["--no-optional-locks", "status"]);
    assert_ne!(traces(&scene.tree), before);
}

#[test]
fn work_trees_above_and_beneath_and_of_others_are_found() {
    let Some(scene) = HostFixture::start().filter(|_| has_git()) else {
        return;
    };
    let above = scene.tree.join("above");
    repository(&above);
    fs::create_dir_all(above.join("deep/er")).expect("a folder");
    fs::write(above.join("deep/er/x"), "").expect("a file");
    let opt = scene.tree.join("opt");
    repository(&opt.join("homer-app"));
    git(
        &above,
        &[
            "worktree",
            "add",
            "-q",
            opt.join("linked").to_str().expect("text"),
        ],
    );
    fs::create_dir_all(opt.join("empty")).expect("a folder");
    git(&opt.join("empty"), &["init", "-q", "-b", "trunk"]);
    let is_root = fs::metadata("/proc/self").expect("a process").uid() == 0;
    if is_root {
        let status = Command::new("chown")
            .args(["-R", "12345"])
            .arg(opt.join("homer-app"))
            .status();
        assert!(status.expect("chown runs").success());
        chown(&above, Some(12345), None).expect("an owner");
    } else {
        skipped("only root can make a repository of another account");
    }
    scene.sources(json!({
        "app": { "directory": above.join("deep/er") },
        "opt": { "directory": opt },
    }));
    let ran = scene.fleet.checkpoint(&["web"]).exits(0);
    let told = facts(&scene, &ran);
    let told: Vec<(&str, &str, &Value)> = told["git"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| {
            let text = |key: &str| one[key].as_str().expect("text");
            (text("root"), text("branch"), &one["changed"])
        })
        .collect();
    let path = |path: PathBuf| path.to_str().expect("text").to_owned();
    let (homer, empty, linked) = (
        path(opt.join("homer-app")),
        path(opt.join("empty")),
        path(opt.join("linked")),
    );
    assert_eq!(
        told,
        [
            (above.to_str().expect("text"), "main", &json!(1)),
            (&*empty, "trunk", &json!(0)),
            (&*homer, "main", &json!(0)),
            (&*linked, "linked", &json!(0)),
        ]
    );
}

#[test]
fn a_status_of_thousands_is_counted_and_its_beginning_told() {
    let Some(scene) = HostFixture::start().filter(|_| has_git()) else {
        return;
    };
    repository(&scene.tree);
    for number in 0..3000 {
        fs::write(
            scene.tree.join(format!("{number:04}-{}", "x".repeat(200))),
            "",
        )
        .expect("a file");
    }
    let ran = scene.fleet.checkpoint(&["web"]).exits(0);
    let told = &facts(&scene, &ran)["git"][0];
    assert_eq!(told["changed"], 3000);
    assert_eq!(told["changes"].as_array().map(Vec::len), Some(50));
    let text = manifest(&scene, &ran);
    assert!(text.contains("  … 2980 more\n"), "{text}");
    assert!(text.lines().count() < 100, "{text}");
}

#[test]
fn a_git_that_hangs_or_fails_or_is_missing_leaves_the_checkpoint_as_it_is() {
    for (script, knows) in [("sleep 1000", 0), ("exit 1", 0), ("kill -9 $$", 0)] {
        let Some(scene) = HostFixture::with_tools(|tools| program(tools, "git", script)) else {
            return;
        };
        fs::create_dir(scene.tree.join(".git")).expect("a folder");
        fs::write(scene.tree.join("a"), "1").expect("a file");
        let ran = scene.fleet.checkpoint(&["web"]).exits(0);
        assert_eq!(ran.state(), "complete", "{script}");
        let told = facts(&scene, &ran);
        assert_eq!(
            told["git"].as_array().map(Vec::len),
            Some(knows),
            "{script}"
        );
        assert_ne!(told["disks"], json!([]), "{script}");
        scene.sshd.wait_until_idle();
    }
}

#[test]
fn a_host_that_has_next_to_nothing_tells_what_it_can() {
    let tools = [
        "sh", "find", "tar", "cat", "date", "uname", "id", "head", "sleep",
    ];
    let Some(scene) = HostFixture::with_only_tools(&tools) else {
        return;
    };
    fs::write(scene.tree.join("a"), "1").expect("a file");
    let ran = scene.fleet.checkpoint(&["web"]).exits(0);
    assert_eq!(ran.state(), "complete");
    let told = facts(&scene, &ran);
    assert_eq!(told["git"], json!([]));
    assert!(
        told["boot_id"].as_str().is_some_and(|id| id.len() == 36),
        "{told}"
    );
    scene.fleet.assert_verified();
}

/// A process that ends with the value.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[test]
fn what_runs_from_a_directory_is_told_without_its_secrets() {
    let Some(scene) = HostFixture::start() else {
        return;
    };
    fs::write(scene.tree.join("a"), "1").expect("a file");
    let argv = [
        "-c",
        "read x",
        "server.js",
        "--api-key=kept-back-1",
        "--password",
        "kept back 2",
    ];
    let child = Command::new("sh")
        .args(argv)
        .args([
            "sk-test-keptback3",
            "postgres://me:kept-back-4@db.example/x",
        ])
        .current_dir(&scene.tree)
        .stdin(Stdio::piped())
        .spawn();
    let running = Running(child.expect("a process"));
    let ran = scene.fleet.checkpoint(&["web"]).exits(0);
    let told = facts(&scene, &ran);
    let processes = told["processes"].as_array().expect("a list");
    assert_eq!(processes.len(), 1, "{told}");
    assert_eq!(processes[0]["pid"], running.0.id());
    assert_eq!(processes[0]["directory"], json!(scene.tree));
    assert_eq!(
        processes[0]["command"],
        "sh -c read x server.js --api-key=*** --password *** *** postgres://me:***@db.example/x"
    );
    let folder = scene.fleet.store().join(ran.id().replace('@', "/"));
    for file in ["checkpoint.json", "MANIFEST.txt"] {
        let text = fs::read_to_string(folder.join(file)).expect("text");
        assert!(text.contains("--api-key=***"), "{text}");
        assert!(
            !text.contains("kept") && !text.contains("sk-test"),
            "{text}"
        );
    }
}

#[test]
fn versions_are_asked_of_programs_and_not_of_scripts() {
    let marks = tempfile::tempdir().expect("a folder");
    fs::set_permissions(marks.path(), fs::Permissions::from_mode(0o777)).expect("a mode");
    let mark = format!("echo >{}/run; echo v1", marks.path().display());
    let Some(scene) = HostFixture::with_tools(|tools| {
        for name in ["node", "python3", "asterisk", "nginx", "docker"] {
            program(tools, name, &mark);
        }
        let modules = tools.join("lib/node_modules/npm/bin");
        fs::create_dir_all(&modules).expect("a folder");
        program(&modules, "npm-cli.js", &mark);
        fs::write(
            modules.join("../package.json"),
            "{\n  \"version\": \"10.2.4\",\n}\n",
        )
        .expect("a file");
        std::os::unix::fs::symlink(modules.join("npm-cli.js"), tools.join("npm")).expect("a link");
    }) else {
        return;
    };
    fs::write(scene.tree.join("a"), "1").expect("a file");
    let ran = scene.fleet.checkpoint(&["web"]).exits(0);
    let told = facts(&scene, &ran);
    let versions = told["versions"].as_array().expect("a list");
    let programs: Vec<&Value> = versions
        .iter()
        .map(|version| &version["program"])
        .filter(|program| *program != "postgres" && *program != "psql")
        .collect();
    assert_eq!(programs, ["npm"], "{told}");
    assert_eq!(versions[0]["version"], "10.2.4");
    assert!(!marks.path().join("run").exists());
}
