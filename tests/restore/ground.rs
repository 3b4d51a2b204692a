//! Whether there is room for a restore, and whether what it touches resists: known before anything is written.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::fixture::{plan, pull, restore, start, start_with_tools, summary};
use crate::support::host_fixture::HostFixture;
use crate::support::mount::{Mounted, has_attribute};
use crate::support::sshd::Sshd;
use crate::support::tree;

/// A host whose one source is on a small file system.
struct Small {
    host: HostFixture,
    root: PathBuf,
    // In this order: the server has the mount, too.
    _mounted: Mounted,
    _folder: tempfile::TempDir,
}

/// None where nobody can mount one; that was said loudly.
fn on_small(options: &str, host: impl FnOnce() -> Option<HostFixture>) -> Option<Small> {
    let folder = tempfile::tempdir().expect("a folder");
    let point = folder.path().join("small");
    let mounted = Mounted::tmpfs_of(&point, options)?;
    let host = host()?;
    let root = point.join("app");
    fs::create_dir(&root).expect("a folder");
    host.sources(json!({ "app": { "directory": root } }));
    Some(Small {
        host,
        root,
        _mounted: mounted,
        _folder: folder,
    })
}

fn private() -> Option<HostFixture> {
    HostFixture::with(Sshd::builder().own_var_lib())
}

impl Small {
    /// Where it is mounted.
    fn point(&self) -> &Path {
        self.root.parent().expect("a folder")
    }
}

/// The reasons of a plan that can't be executed; nor is it.
fn refused(host: &HostFixture, root: &Path) -> Vec<String> {
    let before = tree::describe(root);
    let shown = plan(host, &[], 1);
    let failed = restore(host, &[]).exits(1).summary();
    assert_eq!(failed["error"]["code"], json!("restore-refused"));
    assert_eq!(tree::describe(root), before);
    reasons(&shown)
}

fn reasons(plan: &Value) -> Vec<String> {
    let reasons = plan["refusals"].as_array().expect("a list");
    let text = |reason: &Value| reason.as_str().expect("text").to_owned();
    reasons.iter().map(text).collect()
}

#[test]
fn a_disk_without_room_is_refused_with_what_is_needed_and_free() {
    let Some(small) = on_small("size=8m", private) else {
        return;
    };
    let (host, root) = (&small.host, &small.root);
    fs::write(root.join("big"), vec![7; 3 << 20]).expect("a file");
    pull(host);
    fs::remove_file(root.join("big")).expect("a file");
    fs::write(small.point().join("fill"), vec![7; 5 << 20]).expect("a file");
    let reasons = refused(host, root);
    assert_eq!(reasons.len(), 1, "{reasons:?}");
    let expected = format!(
        "the file system {} has 3.0 MiB free, and the restore needs 4.2 MiB there until it has ended",
        small.point().display()
    );
    assert_eq!(reasons[0], expected);
    fs::remove_file(small.point().join("fill")).expect("a file");
    let shown = plan(host, &[], 0);
    let space = &shown["space"][0];
    assert_eq!(space["mount"], json!(small.point()));
    assert_eq!(space["roots"], json!([root]));
    assert_eq!(space["free_bytes"], json!(8 << 20));
    let text = |options: &[&str]| {
        let arguments = ["restore", "web@latest", "--dry-run"];
        host.fleet.run(&[&arguments, options].concat()).stdout
    };
    // More than half of it is needed.
    assert!(text(&[]).contains("needed, 8.0 MiB and "), "{}", text(&[]));
    summary(restore(host, &[]), 0);
    fs::write(root.join("small"), "one").expect("a file");
    pull(host);
    fs::write(root.join("small"), "two").expect("a file");
    assert!(!text(&[]).contains("needed"), "{}", text(&[]));
    assert!(
        text(&["-v"]).contains(" needed, 5.0 MiB and "),
        "{}",
        text(&["-v"])
    );
}

#[test]
fn a_disk_without_inodes_is_refused() {
    let Some(small) = on_small("size=40m,nr_inodes=330", private) else {
        return;
    };
    let (host, root) = (&small.host, &small.root);
    for number in 0..100 {
        tree::fill(root, &[(&format!("d{number}/f"), "content")]);
    }
    pull(host);
    for number in 0..100 {
        fs::remove_dir_all(root.join(format!("d{number}"))).expect("a folder");
    }
    fs::create_dir(small.point().join("fill")).expect("a folder");
    for number in 0..100 {
        fs::write(small.point().join(format!("fill/{number}")), "").expect("a file");
    }
    let reasons = refused(host, root);
    assert_eq!(reasons.len(), 1, "{reasons:?}");
    assert!(
        reasons[0].contains(" free inodes, and the restore needs 348 there"),
        "{reasons:?}"
    );
    fs::remove_dir_all(small.point().join("fill")).expect("a folder");
    // Not even then is there room for all at once.
    plan(host, &[], 1);
    fs::write(root.join("one"), "").expect("a file");
    let some = root.join("d7");
    let some = some.to_str().expect("text");
    let named = ["restore", "web@latest", some, "--confirm", "web"];
    assert_eq!(host.fleet.run(&named).exit, Some(0));
}

#[test]
fn holes_of_a_file_need_no_room() {
    let Some(small) = on_small("size=8m", private) else {
        return;
    };
    let (host, root) = (&small.host, &small.root);
    let file = fs::File::create(root.join("lastlog")).expect("a file");
    file.set_len(1 << 30).expect("a length");
    std::os::unix::fs::FileExt::write_at(&file, b"entry", 1 << 29).expect("a write");
    drop(file);
    pull(host);
    fs::remove_file(root.join("lastlog")).expect("a file");
    summary(restore(host, &[]), 0);
    let restored = fs::metadata(root.join("lastlog")).expect("facts");
    assert_eq!(restored.len(), 1 << 30);
}

#[test]
fn a_read_only_file_system_is_refused_by_its_name() {
    let Some(small) = on_small("size=8m", private) else {
        return;
    };
    let (host, root) = (&small.host, &small.root);
    tree::fill(root, &[("a", "one"), ("d/b", "two")]);
    pull(host);
    fs::write(root.join("a"), "ONE").expect("a file");
    let remount = |how: &str| {
        let mut command = Command::new("mount");
        command.args(["-o", how]).arg(small.point());
        assert!(command.status().expect("mount").success());
    };
    remount("remount,ro");
    let shown = plan(host, &[], 1);
    remount("remount,rw");
    let expected = format!(
        "the file system {} is read-only on the host: nothing can be changed in {}",
        small.point().display(),
        root.display()
    );
    assert_eq!(reasons(&shown), [expected]);
}

#[test]
fn what_is_immutable_is_refused_where_the_plan_touches_it() {
    let Some(host) = start() else {
        return;
    };
    let tree = &host.tree;
    tree::fill(
        tree,
        &[
            ("file", "one"),
            ("meta", "one"),
            ("it's a d/in", "one"),
            ("other", "same"),
        ],
    );
    pull(&host);
    fs::write(tree.join("file"), "two").expect("a file");
    fs::set_permissions(tree.join("meta"), fs::Permissions::from_mode(0o604)).expect("mode");
    fs::write(tree.join("it's a d/in"), "two").expect("a file");
    for (attribute, name) in [
        ("i", "file"),
        ("a", "file"),
        ("i", "meta"),
        ("a", "meta"),
        ("i", "it's a d"),
        ("a", "it's a d"),
    ] {
        let path = tree.join(name);
        if !has_attribute(&format!("+{attribute}"), &path) {
            return;
        }
        let reasons = refused(&host, tree);
        assert!(has_attribute(&format!("-{attribute}"), &path));
        let what = if attribute == "i" {
            "immutable"
        } else {
            "append-only"
        };
        let expected = format!(
            "{}: {what} on the host, until `chattr -{attribute}` is run",
            path.display()
        );
        assert_eq!(reasons, [expected]);
    }
    // What the plan does not touch may be what it likes.
    let other = tree.join("other");
    assert!(has_attribute("+i", &other));
    let done = restore(&host, &[]);
    assert!(has_attribute("-i", &other));
    summary(done, 0);
}

#[test]
fn without_lsattr_immutable_things_are_found_all_the_same() {
    let tools = |folder: &Path| {
        let file = folder.join("lsattr");
        fs::write(&file, "#!/bin/sh\nexit 1\n").expect("a script");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).expect("mode");
    };
    let Some(host) = start_with_tools(tools) else {
        return;
    };
    tree::fill(&host.tree, &[("file", "one")]);
    pull(&host);
    fs::write(host.tree.join("file"), "two").expect("a file");
    let path = host.tree.join("file");
    if !has_attribute("+i", &path) {
        return;
    }
    let reasons = refused(&host, &host.tree);
    assert!(has_attribute("-i", &path));
    let expected = format!("{}: can't be written on the host", path.display());
    assert!(reasons[0].starts_with(&expected), "{reasons:?}");
}

/// A `stat` that tells of free space that is not there, as on a disk that others fill meanwhile.
fn optimistic(folder: &Path) {
    let file = folder.join("stat");
    let script = "#!/bin/sh\ncase $1 in -f) echo 4096 99999999 99999999 99999999 99999999 ;; *) exec /usr/bin/stat \"$@\" ;; esac\n";
    fs::write(&file, script).expect("a script");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).expect("mode");
}

#[test]
fn a_disk_that_fills_up_while_files_arrive_is_named_and_everything_is_as_before() {
    for (options, fill) in [
        ("size=8m", "head -c 7m /dev/zero >\"$1/fill\""),
        (
            "size=40m,nr_inodes=300",
            "mkdir \"$1/fill\"; for i in $(seq 100); do : >\"$1/fill/$i\"; done",
        ),
    ] {
        let Some(small) = on_small(options, || start_with_tools(optimistic)) else {
            return;
        };
        let (host, root) = (&small.host, &small.root);
        fs::write(root.join("big"), vec![7; 3 << 20]).expect("a file");
        for number in 0..150 {
            fs::write(root.join(format!("f{number}")), "one").expect("a file");
        }
        pull(host);
        fs::remove_file(root.join("big")).expect("a file");
        for number in 0..150 {
            fs::write(root.join(format!("f{number}")), "two").expect("a file");
        }
        let mut filling = Command::new("sh");
        filling.args(["-c", fill, "sh"]).arg(small.point());
        assert!(filling.status().expect("sh").success());
        let before = tree::describe(root);
        let output = restore(host, &[]).exits(1);
        let text = format!("{}{}", output.stdout, output.stderr);
        let expected = format!("no space left in {} (", root.display());
        assert!(text.contains(&expected), "{text}");
        assert!(text.contains("No space left on device"), "{text}");
        assert_eq!(tree::describe(root), before);
        assert!(!root.join(".fleet-restore").exists());
    }
}
