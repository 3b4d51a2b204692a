//! Tests of accounts: environment, login shell, and programs that `.bashrc` starts.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use serde_json::json;

use super::{HostFixture, program};
use crate::support::sshd::{Sshd, eventually, installed, processes_with};
use crate::support::tree;

/// Contents, metadata and change times of everything beneath `root`.
fn witness(root: &Path) -> Vec<String> {
    let mut lines: Vec<String> = tree::describe(root)
        .into_iter()
        .map(|(path, facts)| {
            let meta = fs::symlink_metadata(root.join(&path)).expect("it is there");
            format!("{path:?} {facts} {}.{}", meta.ctime(), meta.ctime_nsec())
        })
        .collect();
    lines.sort();
    lines
}

#[test]
fn options_for_tar_and_find_change_neither_the_host_nor_the_checkpoint() {
    for variables in [
        "TAR_OPTIONS=--remove-files",
        "TAR_OPTIONS=--atime-preserve",
        "TAR_OPTIONS=--owner=daemon",
        "TAR_OPTIONS=--mode=0777",
        "TAR_OPTIONS=--mtime=@0",
        "TAR_OPTIONS=-h",
        "TAR_OPTIONS=--hard-dereference",
        "TAR_OPTIONS=--exclude=a",
        "TAR_OPTIONS=--checkpoint-action=exec=false",
        "POSIXLY_CORRECT=1 FIND_BLOCK_SIZE=x BLOCKSIZE=x GZIP=-9 ZSTD_CLEVEL=19",
        "LC_ALL=de_DE.UTF-8 LANG=de_DE.UTF-8 TZ=Asia/Tokyo QUOTING_STYLE=shell TIME_STYLE=iso",
        "BASH_ENV=/nowhere/env ENV=/nowhere/env CDPATH=/etc TMOUT=1 IFS=/",
    ] {
        let Some(scene) = HostFixture::with(Sshd::builder().option(format!("SetEnv {variables}")))
        else {
            return;
        };
        tree::fill(&scene.tree, &[("a", "1"), ("deep/b", "2")]);
        fs::hard_link(scene.tree.join("a"), scene.tree.join("hard")).expect("a hard link");
        std::os::unix::fs::symlink("a", scene.tree.join("link")).expect("a link");
        let before = witness(&scene.tree);
        let ran = scene.fleet.checkpoint(&["web"]).exits(0);
        assert_eq!(ran.state(), "complete", "{variables}: {}", ran.stdout);
        assert_eq!(witness(&scene.tree), before, "{variables}");
        scene.assert_holds_tree(&ran.id());
        let again = scene.fleet.checkpoint(&["web"]).exits(0);
        assert_eq!(again.checkpoint()["fetched_bytes"], 0, "{variables}");
    }
}

#[test]
fn a_login_shell_of_the_c_family_takes_names_with_exclamation_marks() {
    for shell in ["tcsh", "csh"] {
        let Some(program) = installed(shell) else {
            return;
        };
        // As sshd does it for an account with this shell.
        let line = format!(
            "ForceCommand exec {} -c \"$SSH_ORIGINAL_COMMAND\"",
            program.display()
        );
        let Some(scene) = HostFixture::with(Sshd::builder().option(line)) else {
            return;
        };
        tree::fill(
            &scene.tree,
            &[
                ("wow!/it's !$x", "kept"),
                ("wow!/!!.log", "left out"),
                ("!important", "kept"),
            ],
        );
        let files = scene.tree.join("wow!/it*");
        scene.sources(json!({
            "app": { "directory": scene.tree, "exclude": ["\\!!.log"] },
            "one": { "files": files },
            "says": { "command": ["printf", "%s", "wow! !! !$"] },
        }));
        let ran = scene.fleet.checkpoint(&["web"]).exits(0);
        assert_eq!(ran.state(), "complete", "{shell}: {}", ran.stdout);
        fs::remove_file(scene.tree.join("wow!/!!.log")).expect("removed");
        let out = scene.tree_in(&scene.fleet.exported(&ran.id()));
        let names = |root: &Path| -> Vec<_> { tree::describe(root).into_keys().collect() };
        assert_eq!(names(&out), names(&scene.tree), "{shell}");
        let said = scene
            .fleet
            .run(&["cat", &ran.id(), "fleet-captures/says/says.txt"]);
        assert_eq!(said.stdout, "wow! !! !$");
    }
}

#[test]
fn a_background_process_of_the_login_shell_holds_nothing_up() {
    let folder = tempfile::tempdir().expect("a folder");
    let goes_on = folder.path().join("goes-on");
    fs::write(&goes_on, "").expect("a file");
    // It keeps the output open until the run has ended, and ends also if the test fails.
    let line = format!(
        "ForceCommand while [ -e {} ]; do sleep 0.1; done & eval \"$SSH_ORIGINAL_COMMAND\"",
        goes_on.display()
    );
    let Some(scene) = HostFixture::with(Sshd::builder().option(line)) else {
        return;
    };
    tree::fill(&scene.tree, &[("a", "1")]);
    let ran = scene.fleet.checkpoint(&["web"]).exits(0);
    let mark = goes_on.display().to_string();
    assert!(!processes_with(&mark).is_empty());
    fs::remove_file(&goes_on).expect("it is there");
    assert_eq!(ran.state(), "complete", "{}", ran.stdout);
    scene.assert_holds_tree(&ran.id());
    eventually("the login shells' processes have ended", || {
        processes_with(&mark).is_empty()
    });
}

#[test]
fn hundreds_of_directories_and_excludes_are_no_longer_too_many() {
    let Some(scene) = HostFixture::start() else {
        return;
    };
    let roots: Vec<_> = (0..200)
        .map(|number| {
            scene
                .tree
                .join(format!("an application with a long name, number {number}"))
        })
        .collect();
    let exclude: Vec<String> = (0..50)
        .map(|number| format!("a folder with a long name that is not there {number}/"))
        .collect();
    for root in &roots {
        tree::fill(root, &[("a", "1"), ("node_modules/b", "2")]);
    }
    let exclude = [exclude, vec!["node_modules/".to_owned()]].concat();
    let sudo = installed("sudo").is_some();
    scene.sources(json!({
        "apps": { "directories": roots, "exclude": exclude },
        "few": { "directories": &roots[..10], "exclude": exclude, "sudo": sudo },
        "other": { "files": roots[0].join("a") },
    }));
    let ran = scene.fleet.checkpoint(&["web"]).exits(0);
    assert_eq!(ran.state(), "complete", "{}", ran.stdout);
    let files: Vec<_> = ran.checkpoint()["parts"]
        .as_array()
        .expect("parts")
        .iter()
        .map(|part| part["files"].as_u64())
        .collect();
    assert_eq!(files, [Some(200), Some(10), Some(1)]);
}

#[test]
fn a_sudo_that_allows_the_tools_but_no_shell_is_enough() {
    let Some(scene) = HostFixture::with_tools(|folder| {
        // `-l` answers for anybody who may run anything, as the real one does for members of its group.
        let sudo = "[ \"$1\" != -n ] || shift\n\
             case $1 in -l) exit 0;; --) shift;; esac\n\
             case $1 in find | tar | sha256sum) exec \"$@\";; esac\n\
             echo 'sudo: a password is required' >&2; exit 1";
        program(folder, "sudo", sudo);
        program(folder, "id", "[ \"$1\" = -un ] && echo ops || echo 1000");
    }) else {
        return;
    };
    tree::fill(&scene.tree, &[("a", "1"), ("deep/b", "2")]);
    scene.sources(json!({ "app": { "directory": scene.tree, "sudo": true } }));
    let ran = scene.fleet.checkpoint(&["web"]).exits(0);
    assert_eq!(ran.state(), "complete", "{}", ran.stdout);
    scene.assert_holds_tree(&ran.id());
    let ran = scene
        .fleet
        .checkpoint(&["web", "--verify-unchanged"])
        .exits(0);
    assert_eq!(ran.state(), "complete", "{}", ran.stdout);
    let ran = scene.fleet.run(&["--json", "doctor", "web"]).exits(0);
    assert!(ran.stdout.contains("without a password"), "{}", ran.stdout);
    scene.sources(json!({ "says": { "command": ["true"], "sudo": true, "optional": true } }));
    let ran = scene.fleet.checkpoint(&["web"]).exits(3);
    assert_eq!(
        ran.failed()[0].split(": ").last(),
        Some("a password is required"),
        "{:?}",
        ran.failed()
    );
}

#[test]
fn a_host_without_sudo_fails_what_needs_it_and_is_not_taken_for_a_lack() {
    let tools = [
        "sh", "tar", "find", "cat", "head", "date", "uname", "df", "setsid", "kill", "sleep", "dd",
    ];
    let Some(scene) = HostFixture::with_only_tools(&tools) else {
        return;
    };
    tree::fill(&scene.tree, &[("a", "1")]);
    program(
        scene.tools(),
        "id",
        "[ \"$1\" = -un ] && echo ops || echo 1000",
    );
    let sources = json!({ "app": { "directory": scene.tree, "sudo": true, "optional": true } });
    scene.sources(sources);
    let ran = scene.fleet.checkpoint(&["web"]).exits(3);
    let user = crate::support::sshd::user();
    assert_eq!(
        ran.failed(),
        [format!(
            "web app: web has no `sudo`, and {user} has no permission to read this"
        )]
    );
    assert_eq!(ran.codes(), ["sudo-missing"]);
    program(
        scene.tools(),
        "id",
        "[ \"$1\" = -un ] && echo root || echo 0",
    );
    let ran = scene.fleet.checkpoint(&["web"]).exits(0);
    assert_eq!(ran.state(), "complete");
    let mode = fs::metadata(scene.tools())
        .expect("the tools")
        .permissions();
    assert_eq!(mode.mode() & 0o777, 0o755);
}
