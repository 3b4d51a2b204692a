//! `fleet diff CHECKPOINT --live -p`: the contents that are on the host now.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};

use super::super::incremental::pull;
use super::super::{HostFixture, program};
use super::{live, told};
use crate::cli::schema::flaws;
use crate::support::tree;

#[test]
fn patches_are_made_with_what_is_on_the_host() {
    let Some(scene) = HostFixture::start() else {
        return;
    };
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
    let scene = HostFixture::with_tools(|folder| {
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
fn more_than_64_mib_is_not_fetched_and_how_to_see_it_is_told() {
    let Some(scene) = HostFixture::start() else {
        return;
    };
    tree::fill(&scene.tree, &[("a", "1\n")]);
    let id = pull(&scene).id();
    // Holes cross the wire as nothing, and count as what they are.
    let add = |name: &str, bytes| {
        let file = fs::File::create(scene.tree.join(name)).expect("a file");
        file.set_len(bytes).expect("holes");
    };
    (0..63).for_each(|number| add(&format!("b{number:02}"), 1 << 20));
    add("c", (1 << 20) - 2);
    fs::write(scene.tree.join("d"), "not shown\n").expect("a file");
    fs::write(scene.tree.join("e"), "e\n").expect("a file");
    fs::write(scene.tree.join("f"), "nor this\n").expect("a file");
    let document = live(&scene, &["-p"], 0);
    let changes = document["changes"].as_array().expect("a list");
    let why: Vec<&str> = changes[63..]
        .iter()
        .map(|change| change["no_patch"].as_str().unwrap_or("shown"))
        .collect();
    assert_eq!(why, ["binary", "limit", "shown", "limit"]);
    assert_eq!(changes[0]["no_patch"], "binary");
    let note = format!(
        "2 changed files (19 B) are not shown, for no more than 64.0 MiB is fetched; to see \
         everything, run `fleet checkpoint web`, then `fleet diff {id} web@latest -p`"
    );
    assert_eq!(document["notes"], json!([note]));

    let arguments = ["diff", "web@latest", "--live", "-p"];
    let ran = scene.fleet.run(&arguments).exits(0);
    let line = "\nNot shown: with it, more than 64.0 MiB would be fetched\n";
    assert_eq!(ran.stdout.matches(line).count(), 2, "{}", ran.stdout);
    assert!(ran.stderr.contains(&note), "{}", ran.stderr);
    assert!(!ran.stdout.contains("+not shown"), "{}", ran.stdout);

    // It is as the note says.
    drop(scene.fleet.checkpoint(&["web"]).exits(0));
    let arguments = ["diff", &id, "web@latest", "-p"];
    let ran = scene.fleet.run(&arguments).exits(0);
    assert!(ran.stdout.contains("\n+not shown\n"), "{}", ran.stdout);
    assert!(ran.stdout.contains("\n+nor this\n"), "{}", ran.stdout);
}

#[test]
fn a_file_that_grows_without_end_is_not_read_to_it() {
    let scene = HostFixture::with_tools(|folder| {
        let script = "case \"$*\" in *--create*) [ ! -e \"${0%/*}/growing\" ] || \
                      head -c 80000000 /dev/urandom >>\"$(cat \"${0%/*}/growing\")\";; esac\n\
                      exec /bin/tar \"$@\"";
        program(folder, "tar", script);
    });
    let Some(scene) = scene else { return };
    tree::fill(&scene.tree, &[("a", "1\n"), ("b", "1\n"), ("c", "1\n")]);
    pull(&scene);
    let growing = scene.tree.join("b");
    let told_to = scene.tools().join("growing");
    fs::write(told_to, growing.to_str().expect("a path")).expect("a file");
    tree::fill(&scene.tree, &[("a", "22\n"), ("b", "22\n"), ("c", "22\n")]);
    let document = live(&scene, &["-p"], 3);
    assert_eq!(document["changes"].as_array().map(Vec::len), Some(3));
    let patch = document["changes"][0]["patch"].as_str();
    assert!(
        patch.is_some_and(|patch| patch.ends_with("+22\n")),
        "{patch:?}"
    );
    assert_eq!(document["changes"][1]["no_patch"], "unread");
    assert_eq!(document["changes"][2]["no_patch"], "unread");
    let failed = document["failed"].as_array().expect("a list");
    assert_eq!(failed.len(), 1, "{failed:?}");
    let error = failed[0]["error"].as_str().unwrap_or_default();
    assert!(error.ends_with(": more came than was asked for"), "{error}");
    scene.sshd.wait_until_idle();
}

#[test]
fn an_archive_of_something_else_is_refused_and_that_is_the_reason() {
    let scene = HostFixture::with_tools(|folder| {
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
    let wanted = "the archive sent by the host has `/etc/passwd`, which was not requested";
    assert_eq!(error, wanted);
    scene.sshd.wait_until_idle();
}
