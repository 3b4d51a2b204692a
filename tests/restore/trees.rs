//! Damaged trees are restored whole: `fleet restore` on a host that is reached through sshd on loopback.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use serde_json::{Value, json};

use super::fixture::{
    assert_nothing_left, changes, plain_tree, plan, pull, restore, start, summary,
};
use crate::support::tree;

#[test]
fn ten_kinds_of_damage_are_restored_and_the_tree_is_identical() {
    let Some(host) = start() else {
        return;
    };
    let tree = &host.tree;
    tree::make_hostile(tree);
    plain_tree(&host);
    for name in ["one", "two", "three"] {
        tree::fill(tree, &[(&format!("links/{name}"), "same")]);
    }
    fs::hard_link(tree.join("conf/a"), tree.join("conf/a2")).expect("a link");
    pull(&host);
    let wanted = tree::describe(tree);

    fs::remove_file(tree.join("conf/b")).expect("a file");
    fs::write(tree.join("conf/a"), "ONE").expect("a file");
    fs::set_permissions(tree.join("data"), fs::Permissions::from_mode(0o700)).expect("mode");
    fs::set_permissions(tree.join("plain"), fs::Permissions::from_mode(0o777)).expect("mode");
    let set_id = fs::Permissions::from_mode(0o6755);
    fs::set_permissions(tree.join("conf/d/deep"), set_id).expect("mode");
    fs::remove_file(tree.join("dangling")).expect("a link");
    symlink("elsewhere", tree.join("dangling")).expect("a link");
    fs::remove_dir_all(tree.join("dir")).expect("a directory");
    fs::write(tree.join("dir"), "a file now").expect("a file");
    fs::remove_file(tree.join("empty")).expect("a file");
    fs::create_dir_all(tree.join("empty/below")).expect("a directory");
    fs::write(tree.join("extra"), "more").expect("a file");
    fs::create_dir_all(tree.join("conf/extra-dir/deeper")).expect("a directory");
    fs::remove_file(tree.join("links/two")).expect("a file");
    fs::hard_link(tree.join("links/one"), tree.join("links/two")).expect("a link");
    fs::remove_file(tree.join("fifo")).expect("a pipe");
    fs::remove_file(tree.join("-rf")).expect("a file");

    let damaged = tree::with_change_times(tree);
    let shown = plan(&host, &["--delete"], 0);
    assert_eq!(
        tree::with_change_times(tree),
        damaged,
        "a dry run writes nothing"
    );
    let of = |kind: &str| {
        let lines = changes(&host, &shown);
        lines
            .into_iter()
            .filter(|line| line.starts_with(kind))
            .count()
    };
    assert!(
        of("create") > 20 && of("delete") == 4 && of("type") == 2,
        "{shown}"
    );

    let ended = summary(restore(&host, &["--delete"]), 0);
    assert_eq!(
        (&ended["outcome"], &ended["deleted"]),
        (&json!("restored"), &json!(4))
    );
    let now = tree::describe(tree);
    let differs: Vec<_> = wanted
        .iter()
        .filter(|(path, what)| now.get(*path) != Some(what))
        .collect();
    assert_eq!(differs, Vec::new());
    assert_eq!(now.len(), wanted.len());
    assert_nothing_left(&host);

    // Again: nothing is sent, and not even a change time moves.
    let restored = tree::with_change_times(tree);
    let again = summary(restore(&host, &["--delete"]), 0);
    assert_eq!(
        (&again["outcome"], &again["sent_bytes"]),
        (&json!("unchanged"), &json!(0))
    );
    assert_eq!(again["safety"], Value::Null);
    assert_eq!(tree::with_change_times(tree), restored);
}

#[test]
fn hard_links_are_fetched_for_the_checkpoint_of_the_restored_state() {
    let Some(host) = start() else {
        return;
    };
    let tree = &host.tree;
    tree::fill(tree, &[("d/a", "same"), ("d/kept", "1"), ("d/e/gone", "2")]);
    fs::hard_link(tree.join("d/a"), tree.join("d/b")).expect("a link");
    pull(&host);
    // Of `d`, which is restored, there is no need to fetch anything but the links in it.
    fs::remove_file(tree.join("d/b")).expect("a file");
    fs::write(tree.join("d/b"), "alone").expect("a file");
    fs::remove_dir_all(tree.join("d/e")).expect("a directory");
    let ended = summary(restore(&host, &[]), 0);
    let listed = host.fleet.listed();
    let sealed = listed.iter().find(|one| one["id"] == ended["sealed"]);
    let sealed = sealed.expect("listed");
    assert_eq!(
        (&sealed["state"], &sealed["trigger"]),
        (&json!("complete"), &json!("restore"))
    );
    host.fleet.assert_verified();
}

#[test]
fn the_restored_state_is_a_checkpoint_for_which_nothing_was_fetched() {
    let Some(host) = start() else {
        return;
    };
    plain_tree(&host);
    let first = pull(&host);
    fs::remove_dir_all(host.tree.join("data")).expect("a directory");
    let ended = summary(restore(&host, &[]), 0);
    let listed = host.fleet.listed();
    let of = |id: &Value| {
        let found = listed.iter().find(|checkpoint| checkpoint["id"] == *id);
        found.cloned().expect("listed")
    };
    let (safety, sealed) = (of(&ended["safety"]), of(&ended["sealed"]));
    assert_eq!(safety["trigger"], json!("pre-restore"));
    assert_eq!(sealed["trigger"], json!("restore"));
    assert_eq!(sealed["fetched_bytes"], json!(0));
    let diff = host.fleet.run(&[
        "diff",
        &first,
        sealed["id"].as_str().expect("a name"),
        "--exit-code",
    ]);
    assert_eq!(diff.exit, Some(0));
    host.fleet.assert_verified();
    // The next checkpoint goes on from it.
    let next = host.fleet.checkpoint(&["web"]).exits(0).checkpoint();
    assert_eq!(next["fetched_bytes"], json!(0));
}

#[test]
fn hard_links_are_grouped_as_they_were() {
    let Some(host) = start() else {
        return;
    };
    let tree = &host.tree;
    tree::fill(tree, &[("a", "same"), ("c", "same"), ("e", "alone")]);
    fs::hard_link(tree.join("a"), tree.join("b")).expect("a link");
    fs::hard_link(tree.join("c"), tree.join("d")).expect("a link");
    let old = fs::metadata(tree.join("a"))
        .expect("facts")
        .modified()
        .expect("a time");
    for name in ["a", "c"] {
        let file = fs::File::options()
            .write(true)
            .open(tree.join(name))
            .expect("a file");
        file.set_modified(old).expect("times");
    }
    pull(&host);
    let wanted = tree::describe(tree);
    // The same contents, owners and times, and other names belong together.
    for (from, to) in [("a", "d"), ("c", "b")] {
        fs::remove_file(tree.join(to)).expect("a file");
        fs::hard_link(tree.join(from), tree.join(to)).expect("a link");
    }
    assert_ne!(tree::describe(tree), wanted);
    summary(restore(&host, &[]), 0);
    assert_eq!(tree::describe(tree), wanted);
}

#[test]
fn names_outside_of_what_was_captured_are_told_and_keep_their_content() {
    let Some(host) = start() else {
        return;
    };
    let root = host.tree.join("app");
    tree::fill(&root, &[("a", "old"), ("b", "old")]);
    host.sources(json!({ "app": { "directory": root } }));
    pull(&host);
    fs::write(root.join("a"), "new").expect("a file");
    fs::write(root.join("b"), "new").expect("a file");
    fs::hard_link(root.join("a"), host.tree.join("elsewhere")).expect("a link");
    let shown = plan(&host, &[], 0);
    let warnings = shown["warnings"].to_string();
    assert!(
        warnings.contains("app/a") && !warnings.contains("app/b"),
        "{warnings}"
    );
    summary(restore(&host, &[]), 0);
    assert_eq!(fs::read(root.join("a")).expect("a file"), b"old");
    assert_eq!(
        fs::read(host.tree.join("elsewhere")).expect("a file"),
        b"new"
    );
}

#[test]
fn a_root_that_is_gone_is_made_with_the_directories_above_it() {
    let Some(host) = start() else {
        return;
    };
    let root = host.tree.join("x/y/root");
    tree::fill(&root, &[("a", "1"), ("b/c", "2")]);
    host.sources(json!({ "app": { "directory": root } }));
    pull(&host);
    let wanted = tree::describe(&root);
    fs::remove_dir_all(host.tree.join("x")).expect("a directory");
    summary(restore(&host, &[]), 0);
    assert_eq!(tree::describe(&root), wanted);
    assert!(!host.tree.join(".fleet-restore").exists());
}

#[test]
fn a_root_in_which_nothing_changes_keeps_its_time() {
    let Some(host) = start() else {
        return;
    };
    plain_tree(&host);
    pull(&host);
    let of_root = || tree::describe(&host.tree).remove(Path::new(""));
    let wanted = of_root();
    assert!(wanted.is_some());
    for path in [None, Some(host.tree.join("conf/d/deep"))] {
        fs::write(host.tree.join("conf/d/deep"), "other").expect("a file");
        let path = path.map(|path| path.display().to_string());
        let path: Vec<&str> = path.as_deref().into_iter().collect();
        summary(restore(&host, &path), 0);
        assert_eq!(of_root(), wanted, "{path:?}");
    }
}
