//! Restores that are refused, and the audit file that records it.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use serde_json::{Value, json};

use super::fixture::{assert_nothing_left, plain_tree, plan, pull, restore, start, summary};
use crate::support::host_fixture::HostFixture;
use crate::support::tree;

/// A host of which there is a checkpoint, beside a protected one at another address.
fn beside_prod() -> Option<HostFixture> {
    let host = start()?;
    plain_tree(&host);
    pull(&host);
    let mut prod = host.host(host.app());
    prod["env"] = json!("prod");
    prod["access"] = json!("read-only");
    prod["address"] = json!("127.0.0.2");
    host.describe_all(json!({ "web": host.host(host.app()), "prod": prod }));
    Some(host)
}

#[test]
fn a_protected_host_is_refused_before_anything_is_asked_or_connected_to() {
    let Some(host) = beside_prod() else {
        return;
    };
    for arguments in [
        &["restore", "web@latest", "--to", "prod"][..],
        &["restore", "web@latest", "--to", "prod", "--dry-run"],
        &["restore", "web@latest", "--to", "prod", "--confirm", "prod"],
        &["restore", "web@latest", "--to", "prod", "--confirm", "web"],
    ] {
        let output = host.fleet.run(arguments).exits(4);
        assert!(
            output.stderr.contains("prod is read-only: env is `prod`"),
            "{}",
            output.stderr
        );
    }
}

#[test]
fn nothing_is_written_without_the_name_of_the_host() {
    let Some(host) = start() else {
        return;
    };
    plain_tree(&host);
    pull(&host);
    fs::write(host.tree.join("conf/a"), "ONE").expect("a file");
    let before = tree::with_change_times(&host.tree);
    let checkpoints = host.fleet.listed().len();
    let output = host.fleet.run(&["restore", "web@latest"]).exits(2);
    assert!(
        output.stderr.contains("there is no terminal"),
        "{}",
        output.stderr
    );
    assert!(output.stderr.contains("--confirm web"), "{}", output.stderr);
    let other = host
        .fleet
        .run(&["restore", "web@latest", "--confirm", "wbe"]);
    assert_eq!(other.exit, Some(2));
    let other = format!("sha256:{}", "0".repeat(64));
    assert_eq!(restore(&host, &["--plan", &other]).exit, Some(2));
    assert_eq!(tree::with_change_times(&host.tree), before);
    assert_eq!(host.fleet.listed().len(), checkpoints);
    // The plan that was shown is the plan that is executed.
    let digest = plan(&host, &[], 0)["plan"]
        .as_str()
        .expect("text")
        .to_owned();
    summary(restore(&host, &["--plan", &digest]), 0);
    assert_eq!(fs::read(host.tree.join("conf/a")).expect("a file"), b"one");
}

#[test]
fn a_damaged_checkpoint_is_never_restored() {
    let Some(host) = start() else {
        return;
    };
    plain_tree(&host);
    let id = pull(&host);
    fs::remove_file(host.tree.join("data/big")).expect("a file");
    fs::write(host.tree.join("conf/a"), "ONE").expect("a file");
    let before = tree::describe(&host.tree);
    let (name, stamp) = id.split_once('@').expect("a name");
    let pack = host
        .fleet
        .store()
        .join(name)
        .join("packs")
        .join(stamp)
        .join("app.tar.zst");
    let mut bytes = fs::read(&pack).expect("a pack");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::set_permissions(&pack, fs::Permissions::from_mode(0o600)).expect("mode");
    fs::write(&pack, bytes).expect("a pack");
    let output = restore(&host, &[]).exits(6);
    assert!(output.stderr.contains("app.tar.zst") || output.stdout.contains("app.tar.zst"));
    assert_eq!(tree::describe(&host.tree), before);
    assert_nothing_left(&host);
}

#[test]
fn nothing_is_put_through_a_symbolic_link() {
    let Some(host) = start() else {
        return;
    };
    let root = host.tree.join("x/root");
    tree::fill(&root, &[("a", "1")]);
    host.sources(json!({ "app": { "directory": root } }));
    pull(&host);
    // The way to the root leads elsewhere now.
    fs::remove_dir_all(host.tree.join("x")).expect("a directory");
    fs::create_dir_all(host.tree.join("elsewhere")).expect("a directory");
    symlink("elsewhere", host.tree.join("x")).expect("a link");
    let shown = plan(&host, &[], 1);
    let refusals = shown["refusals"].to_string();
    assert!(
        refusals.contains("no directory") || refusals.contains("symbolic link"),
        "{refusals}"
    );
    assert_eq!(restore(&host, &[]).exit, Some(1));
    assert_eq!(
        fs::read_dir(host.tree.join("elsewhere"))
            .expect("a directory")
            .count(),
        0
    );
    // Within the root, a link that took the place of a directory is replaced.
    host.sources(host.app());
    fs::remove_file(host.tree.join("x")).expect("a link");
    tree::fill(&host.tree, &[("x/d/f", "1")]);
    pull(&host);
    fs::remove_dir_all(host.tree.join("x/d")).expect("a directory");
    symlink(host.tree.join("elsewhere"), host.tree.join("x/d")).expect("a link");
    summary(restore(&host, &[]), 0);
    assert_eq!(fs::read(host.tree.join("x/d/f")).expect("a file"), b"1");
    assert_eq!(
        fs::read_dir(host.tree.join("elsewhere"))
            .expect("a directory")
            .count(),
        0
    );
}

#[test]
fn an_empty_part_deletes_nothing() {
    let Some(host) = start() else {
        return;
    };
    host.sources(json!({ "app": { "directory": host.tree, "may_shrink": true } }));
    pull(&host);
    plain_tree(&host);
    let before = tree::with_change_times(&host.tree);
    let shown = plan(&host, &["--delete"], 1);
    assert!(
        shown["refusals"]
            .to_string()
            .contains("empty in the checkpoint"),
        "{shown}"
    );
    assert_eq!(restore(&host, &["--delete"]).exit, Some(1));
    assert_eq!(tree::with_change_times(&host.tree), before);
    let ended = summary(restore(&host, &[]), 0);
    assert_eq!(ended["outcome"], json!("unchanged"));
}

/// `event outcome code` of each record of the audit file.
fn audited(host: &HostFixture) -> Vec<String> {
    let file = host.fleet.folder().join("state/audit.ndjson");
    let text = fs::read_to_string(file).unwrap_or_default();
    let line = |line: &str| {
        let record: Value = serde_json::from_str(line).expect("a record");
        let word = |key: &str| record[key].as_str().unwrap_or("-").to_owned();
        format!(
            "{} {} {} {}",
            word("event"),
            word("host"),
            word("outcome"),
            word("code")
        )
    };
    text.lines().map(line).collect()
}

#[test]
fn writes_and_refusals_are_recorded_and_dry_runs_are_not() {
    let Some(host) = beside_prod() else {
        return;
    };
    fs::write(host.tree.join("conf/a"), "ONE").expect("a file");
    plan(&host, &[], 0);
    let to_prod = ["restore", "web@latest", "--to", "prod"];
    let dry = host.fleet.run(&[&to_prod[..], &["--dry-run"]].concat());
    assert_eq!((dry.exit, audited(&host)), (Some(4), Vec::new()));
    let refused = host.fleet.run(&[&["--json"], &to_prod[..]].concat());
    let refused = summary(refused, 4);
    assert_eq!(
        (&refused["outcome"], &refused["host"]),
        (&json!("refused"), &json!("prod"))
    );
    summary(restore(&host, &[]), 0);
    summary(restore(&host, &[]), 0);
    assert_eq!(
        audited(&host),
        [
            "refused prod - guard-refused",
            "allowed web - -",
            "ended web done -"
        ]
    );
    // What cannot be recorded is not done.
    fs::write(host.tree.join("conf/a"), "ONE").expect("a file");
    let state = host.fleet.folder().join("state");
    fs::remove_dir_all(&state).expect("a directory");
    fs::write(&state, "no folder").expect("a file");
    assert_eq!(restore(&host, &[]).exit, Some(1));
    assert_eq!(fs::read(host.tree.join("conf/a")).expect("a file"), b"ONE");
    assert_nothing_left(&host);
}
