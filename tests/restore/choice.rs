//! Which files are restored, replaced and removed: paths, files, lines, `--delete`, `--to-dir`.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use serde_json::json;

use super::fixture::{changes, plain_tree, plan, pull, restore, start, start_with_tools, summary};
use crate::support::tree;

#[test]
fn what_the_checkpoint_does_not_have_stays_without_delete() {
    let Some(host) = start() else {
        return;
    };
    plain_tree(&host);
    host.sources(json!({ "app": { "directory": host.tree, "exclude": ["cache/"] } }));
    let id = pull(&host);
    tree::fill(&host.tree, &[("extra", "more"), ("cache/x", "made again")]);
    fs::write(host.tree.join("conf/a"), "ONE").expect("a file");
    summary(restore(&host, &[]), 0);
    assert_eq!(fs::read(host.tree.join("extra")).expect("a file"), b"more");
    assert_eq!(fs::read(host.tree.join("conf/a")).expect("a file"), b"one");
    // What is excluded stays with it, too.
    // The latest one is the restored state by now, with what was left.
    let arguments = ["--json", "restore", &id, "--delete", "--confirm", "web"];
    let ended = summary(host.fleet.run(&arguments), 0);
    assert_eq!(ended["deleted"], json!(1));
    assert!(!host.tree.join("extra").exists());
    assert_eq!(
        fs::read(host.tree.join("cache/x")).expect("a file"),
        b"made again"
    );
}

#[test]
fn a_path_alone_is_restored() {
    let Some(host) = start() else {
        return;
    };
    plain_tree(&host);
    pull(&host);
    fs::write(host.tree.join("conf/a"), "ONE").expect("a file");
    fs::write(host.tree.join("conf/b"), "TWO").expect("a file");
    fs::remove_dir_all(host.tree.join("conf/d")).expect("a directory");
    let path = host.tree.join("conf/d/deep");
    let shown = plan(&host, &[path.to_str().expect("text")], 0);
    assert_eq!(
        changes(&host, &shown),
        ["create conf/d", "create conf/d/deep"]
    );
    summary(restore(&host, &[path.to_str().expect("text")]), 0);
    assert_eq!(fs::read(&path).expect("a file"), b"three");
    assert_eq!(fs::read(host.tree.join("conf/b")).expect("a file"), b"TWO");
    let nothing = host.tree.join("nothing");
    assert_eq!(
        restore(&host, &[nothing.to_str().expect("text")]).exit,
        Some(2)
    );
}

#[test]
fn single_files_are_restored_where_they_were() {
    let Some(host) = start() else {
        return;
    };
    tree::fill(
        &host.tree,
        &[("etc/a.conf", "1"), ("etc/b.conf", "2"), ("etc/other", "3")],
    );
    let pattern = host.tree.join("etc/*.conf");
    host.sources(json!({ "conf": { "files": pattern } }));
    pull(&host);
    let wanted = tree::describe(&host.tree);
    fs::write(host.tree.join("etc/a.conf"), "ONE").expect("a file");
    fs::remove_file(host.tree.join("etc/b.conf")).expect("a file");
    summary(restore(&host, &[]), 0);
    let mut now = tree::describe(&host.tree);
    // The directory is none of the checkpoint's.
    now.insert("etc".into(), wanted[Path::new("etc")].clone());
    assert_eq!(now, wanted);
}

#[test]
fn only_the_lines_of_a_lines_source_are_replaced() {
    let Some(host) = start() else {
        return;
    };
    tree::fill(
        &host.tree,
        &[
            ("a/.env", "KEY=1\nMON_A=1\nMON_B=2\nOTHER=3\n"),
            ("b/.env", "MON_C=1\n"),
        ],
    );
    let pattern = host.tree.join("*/.env");
    host.sources(json!({ "env": { "files": pattern, "lines": "^MON_" } }));
    pull(&host);
    fs::write(host.tree.join("a/.env"), "KEY=changed\nMON_A=9\nNEW=1\n").expect("a file");
    fs::set_permissions(host.tree.join("a/.env"), fs::Permissions::from_mode(0o640)).expect("mode");
    fs::remove_file(host.tree.join("b/.env")).expect("a file");
    let shown = plan(&host, &[], 0);
    assert_eq!(
        changes(&host, &shown),
        ["create b/.env", "overwrite a/.env"]
    );
    summary(restore(&host, &[]), 0);
    let read = |name: &str| fs::read_to_string(host.tree.join(name)).expect("a file");
    assert_eq!(read("a/.env"), "KEY=changed\nMON_A=1\nMON_B=2\nNEW=1\n");
    assert_eq!(read("b/.env"), "MON_C=1\n");
    let mode = fs::metadata(host.tree.join("a/.env"))
        .expect("facts")
        .mode();
    assert_eq!(mode & 0o7777, 0o640);
    assert_eq!(
        summary(restore(&host, &[]), 0)["outcome"],
        json!("unchanged")
    );
}

#[test]
fn the_keys_of_the_account_stay_unless_they_are_named() {
    // The folder of the tools is the account's home.
    let Some(host) = start_with_tools(|_| {}) else {
        return;
    };
    let ssh = fs::canonicalize(host.tools())
        .expect("a folder")
        .join(".ssh");
    tree::fill(&ssh, &[("authorized_keys", "old key"), ("config", "old")]);
    host.sources(json!({ "ssh": { "directory": ssh } }));
    let id = pull(&host);
    for name in ["authorized_keys", "config"] {
        fs::write(ssh.join(name), "new").expect("a file");
    }
    let read = |name: &str| fs::read_to_string(ssh.join(name)).expect("a file");
    let shown = plan(&host, &[], 0);
    assert!(
        shown["warnings"].to_string().contains("authorized_keys"),
        "{shown}"
    );
    summary(restore(&host, &[]), 0);
    assert_eq!(
        (read("authorized_keys"), read("config")),
        ("new".into(), "old".into())
    );
    let keys = ssh.join("authorized_keys");
    let keys = keys.to_str().expect("text");
    let named = host.fleet.run(&["restore", &id, keys, "--confirm", "web"]);
    assert_eq!(named.exit, Some(0), "{}", named.stderr);
    assert_eq!(read("authorized_keys"), "old key");
}

#[test]
fn files_are_written_onto_the_workstation_without_a_host() {
    let Some(host) = start() else {
        return;
    };
    plain_tree(&host);
    let id = pull(&host);
    // No host is connected to, and a protected one is as good as any.
    let mut prod = host.host(host.app());
    prod["env"] = json!("prod");
    prod["access"] = json!("read-only");
    prod["port"] = json!(1);
    host.describe(prod);
    let dir = host.fleet.folder().join("taken");
    let dir = dir.to_str().expect("text");
    let conf = host.tree.join("conf");
    let conf = conf.to_str().expect("text");
    let output = host.fleet.run(&["restore", &id, conf, "--to-dir", dir]);
    assert_eq!(output.exit, Some(0), "{}", output.stderr);
    let taken = tree::beneath(Path::new(dir), &host.tree);
    tree::assert_same(&host.tree.join("conf"), &taken.join("conf"));
    assert!(!taken.join("data").exists());
    // What is there is never overwritten.
    let again = host.fleet.run(&["restore", &id, conf, "--to-dir", dir]);
    assert_eq!(again.exit, Some(2), "{}", again.stderr);
}

#[test]
fn files_that_a_source_had_no_place_for_are_not_deleted() {
    let Some(host) = start() else {
        return;
    };
    tree::fill(
        &host.tree,
        &[
            ("log/1.log", "first"),
            ("log/2.log", "second"),
            ("a/x", "1"),
        ],
    );
    let old = std::time::SystemTime::UNIX_EPOCH;
    let file = fs::File::options()
        .write(true)
        .open(host.tree.join("log/1.log"));
    file.expect("a file").set_modified(old).expect("times");
    let logs = json!({ "files": host.tree.join("log/*.log"), "newest": 1 });
    let others = json!({ "files": host.tree.join("a/*") });
    host.sources(json!({ "logs": logs, "others": others }));
    pull(&host);
    fs::write(host.tree.join("log/2.log"), "SECOND").expect("a file");
    fs::write(host.tree.join("a/y"), "2").expect("a file");
    let shown = plan(&host, &["--delete"], 0);
    assert_eq!(
        changes(&host, &shown),
        ["delete a/y", "overwrite log/2.log"]
    );
    let told = "1 entry stays that `logs` does not have: only its newest files are kept";
    assert!(shown["warnings"].to_string().contains(told), "{shown}");
    // What nothing is known of is not deleted either.
    host.sources(json!({ "others": others }));
    let shown = plan(&host, &["--delete"], 0);
    assert_eq!(
        changes(&host, &shown),
        ["delete a/y", "overwrite log/2.log"]
    );
    let told = "the inventory does not tell how its files were chosen";
    assert!(shown["warnings"].to_string().contains(told), "{shown}");
    summary(restore(&host, &["--delete"]), 0);
    let read = |name: &str| fs::read_to_string(host.tree.join(name)).expect("a file");
    assert_eq!(
        (read("log/1.log"), read("log/2.log")),
        ("first".into(), "second".into())
    );
    assert!(!host.tree.join("a/y").exists());
    // The restored state is what an ordinary checkpoint would hold: one log and the other file.
    host.sources(json!({ "logs": logs, "others": others }));
    fs::write(host.tree.join("log/2.log"), "SECOND").expect("a file");
    let ended = summary(restore(&host, &[]), 0);
    let listed = host.fleet.listed();
    let sealed = listed.iter().find(|one| one["id"] == ended["sealed"]);
    assert_eq!(sealed.expect("listed")["files"], json!(2), "{listed:?}");
}
