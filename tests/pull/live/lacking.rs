//! Sources and hosts that tell less than was asked for: what is not known is not taken for a change.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};

use super::super::incremental::{pull, rest};
use super::super::{HostFixture, program, set_machine_id};
use super::{live, modified, set_times, told};
use crate::support::sshd::installed;
use crate::support::tree;

#[test]
fn sources_that_are_not_on_both_sides_are_named() {
    let Some(scene) = HostFixture::start() else {
        return;
    };
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
    let Some(scene) = HostFixture::start() else {
        return;
    };
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
    let Some(scene) = HostFixture::with_tools(|folder| program(folder, "find", &script)) else {
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
    let scene = HostFixture::with_tools(|folder| {
        set_machine_id(folder, 1);
        let script = ": >\"${0%/*}/hashed\"; exec /usr/bin/sha256sum \"$@\"";
        program(folder, "sha256sum", script);
        program(folder, "openssl", "exit 1");
    });
    let Some(scene) = scene else { return };
    tree::fill(&scene.tree, &[("a", "1"), ("b", "2")]);
    let id = pull(&scene).id();
    let hashed = scene.tools().join("hashed");
    live(&scene, &["--exit-code"], 0);
    assert!(!hashed.exists());
    set_machine_id(scene.tools(), 2);
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
    let Some(scene) = HostFixture::with_tools(|folder| program(folder, "find", &script)) else {
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
    let Some(scene) = HostFixture::with_tools(|folder| {
        program(folder, "sha256sum", "exit 1");
        program(folder, "openssl", "exit 1");
    }) else {
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
