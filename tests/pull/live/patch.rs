//! `fleet diff CHECKPOINT --live -p`: the contents that are on the host now.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;

use super::super::incremental::pull;
use super::super::{Scene, program};
use super::{live, told};
use crate::cli::schema::flaws;
use crate::support::tree;

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
fn an_archive_of_something_else_is_refused_and_that_is_the_reason() {
    let scene = Scene::with_tools(|folder| {
        let script = "case \"$*\" in *--create*) if [ -e \"${0%/*}/lying\" ]; then cat >/dev/null; \
                      exec /bin/tar --create --file=- --format=posix /etc/passwd /usr/bin; fi;; esac\n\
                      exec /bin/tar \"$@\"";
        program(folder, "tar", script);
    });
    let Some(scene) = scene else { return };
    tree::fill(&scene.tree, &[("a", "1\n")]);
    pull(&scene);
    fs::write(scene.tools().join("lying"), "").expect("a file");
    tree::fill(&scene.tree, &[("a", "22\n")]);
    let document = live(&scene, &["-p"], 3);
    assert_eq!(document["changes"][0]["no_patch"], "unread");
    let error = &document["failed"][0]["error"];
    let wanted = "the host's archive holds `/etc/passwd`, which was not asked for";
    assert_eq!(error, wanted);
    scene.sshd.wait_until_idle();
}
