//! `fleet restore` onto hosts whose tools are busybox's, or lack what a restore needs.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::fixture::{killed_at, plan, pull, restore, summary};
use crate::support::host_fixture::HostFixture;
use crate::support::sshd::{Sshd, installed};
use crate::support::tree;

/// Makes links for all of busybox's tools in `folder`, but for those in `lacks`.
fn fill_with_busybox(folder: &Path, lacks: &[&str]) -> Option<()> {
    let busybox = installed("busybox")?;
    let listed = Command::new(&busybox).arg("--list").output();
    let listed = String::from_utf8(listed.expect("busybox").stdout).expect("names");
    for name in listed.lines().filter(|name| !lacks.contains(name)) {
        symlink(&busybox, folder.join(name)).expect("a link");
    }
    Some(())
}

fn tools() -> tempfile::TempDir {
    let tools = tempfile::tempdir().expect("a folder");
    fs::set_permissions(tools.path(), fs::Permissions::from_mode(0o755)).expect("mode");
    tools
}

/// A host that has nothing else.
fn start(lacks: &[&str]) -> Option<HostFixture> {
    let tools = tools();
    fill_with_busybox(tools.path(), lacks)?;
    HostFixture::with_path_of(Sshd::builder().own_var_lib(), tools, "")
}

/// A tree without fractions of times, as far as they can be put back.
fn described(tree: &Path) -> BTreeMap<PathBuf, String> {
    let whole = |facts: String| {
        let words = facts.split(' ').enumerate().map(|(n, word)| match n {
            2 => word.split('.').next().unwrap_or(word),
            _ => word,
        });
        words.collect::<Vec<_>>().join(" ")
    };
    let described = tree::describe(tree).into_iter();
    described
        .map(|(path, facts)| (path, whole(facts)))
        .collect()
}

fn fill(host: &HostFixture) {
    let tree = &host.tree;
    tree::make_hostile(tree);
    // Such a tar sends none.
    fs::remove_file(tree.join("socket")).expect("a socket");
    tree::fill(
        tree,
        &[
            ("conf/a", "one"),
            ("conf/b", "two"),
            ("conf/d/deep", "three"),
            ("data/big", &"content ".repeat(20_000)),
        ],
    );
    symlink("a", tree.join("conf/link")).expect("a link");
    fs::hard_link(tree.join("conf/a"), tree.join("conf/a2")).expect("a link");
}

fn damage(host: &HostFixture) {
    let tree = &host.tree;
    fs::remove_file(tree.join("conf/b")).expect("a file");
    fs::write(tree.join("conf/a"), "ONE").expect("a file");
    fs::set_permissions(tree.join("data"), fs::Permissions::from_mode(0o700)).expect("mode");
    fs::set_permissions(tree.join("data/big"), fs::Permissions::from_mode(0o600)).expect("mode");
    fs::remove_file(tree.join("conf/link")).expect("a link");
    symlink("elsewhere", tree.join("conf/link")).expect("a link");
    fs::remove_dir_all(tree.join("conf/d")).expect("a directory");
    fs::write(tree.join("conf/d"), "a file now").expect("a file");
    fs::write(tree.join("extra"), "more").expect("a file");
    fs::remove_file(tree.join("fifo")).expect("a pipe");
    fs::remove_file(tree.join("-rf")).expect("a file");
}

fn warnings(plan: &Value) -> String {
    let warnings = plan["warnings"].as_array().expect("a list");
    let texts: Vec<&str> = warnings.iter().filter_map(Value::as_str).collect();
    texts.join("\n")
}

const SLOWER: &str = "the host takes the slower way of a restore";

#[test]
fn a_busybox_host_is_restored_and_the_plan_says_what_is_lost() {
    let Some(host) = start(&[]) else { return };
    fill(&host);
    pull(&host);
    let wanted = described(&host.tree);
    damage(&host);
    let damaged = tree::with_change_times(&host.tree);
    let shown = plan(&host, &["--delete"], 0);
    assert_eq!(tree::with_change_times(&host.tree), damaged);
    assert!(warnings(&shown).contains(SLOWER), "{shown}");
    let ended = summary(restore(&host, &["--delete"]), 0);
    assert_eq!(ended["outcome"], json!("restored"));
    let now = described(&host.tree);
    let differs: Vec<_> = wanted
        .iter()
        .filter(|(path, facts)| now.get(*path) != Some(facts))
        .map(|(path, facts)| (path, facts, now.get(path)))
        .collect();
    assert_eq!(differs, Vec::new());
    assert_eq!(now.len(), wanted.len());
    assert!(!host.tree.join(".fleet-restore").exists());
    // Again: there is nothing to do, and nothing is lost.
    let restored = tree::with_change_times(&host.tree);
    let again = plan(&host, &["--delete"], 0);
    assert!(!warnings(&again).contains(SLOWER), "{again}");
    let again = summary(restore(&host, &["--delete"]), 0);
    assert_eq!(again["outcome"], json!("unchanged"));
    assert_eq!(tree::with_change_times(&host.tree), restored);
}

#[test]
fn a_busybox_host_is_as_before_when_a_probe_fails() {
    let Some(host) = start(&[]) else { return };
    fill(&host);
    pull(&host);
    damage(&host);
    let mut described_host = host.host(host.app());
    described_host["probes"] = json!({ "port": { "tcp": 1, "within": "1s" } });
    host.describe(described_host);
    let before = described(&host.tree);
    let ended = summary(restore(&host, &["--delete"]), 1);
    assert_eq!(ended["outcome"], json!("rolled-back"), "{ended}");
    assert_eq!(described(&host.tree), before);
}

/// What a restore has left is ended by the tools that it began with.
#[test]
fn a_restore_of_a_busybox_host_that_was_cut_off_can_go_both_ways() {
    for way in ["--resume", "--rollback"] {
        let Some(host) = start(&[]) else { return };
        fill(&host);
        pull(&host);
        let wanted = described(&host.tree);
        damage(&host);
        let had = described(&host.tree);
        // The swap has been done by then, and nothing more.
        killed_at(&host, "prove", &["--delete"]);
        let ended = host
            .fleet
            .run(&["--json", "restore", way, "web", "--confirm", "web"])
            .exits(0);
        let expected = if way == "--resume" { wanted } else { had };
        let now = described(&host.tree);
        let differs: Vec<_> = expected
            .iter()
            .filter(|(path, facts)| now.get(*path) != Some(facts))
            .collect();
        assert_eq!(differs, Vec::new(), "{way}: {}", ended.stdout);
        assert_eq!(now.len(), expected.len(), "{way}");
        assert!(!host.tree.join(".fleet-restore").exists());
    }
}

/// The checkpoint has more than such tools can put back.
#[test]
fn what_only_gnu_tools_put_back_is_named_before() {
    if installed("setfattr").is_none() || installed("busybox").is_none() {
        return;
    }
    let builder = Sshd::builder().own_var_lib();
    let path = std::env::var("PATH").unwrap_or_default();
    let Some(host) = HostFixture::with_path_of(builder, tools(), &format!(":{path}")) else {
        return;
    };
    fill(&host);
    let marked = host.tree.join("conf/b");
    let status = Command::new("setfattr")
        .args(["-n", "user.k", "-v", "v"])
        .arg(&marked)
        .status();
    if !status.expect("setfattr").success() {
        return;
    }
    pull(&host);
    assert!(!warnings(&plan(&host, &[], 0)).contains(SLOWER));
    fill_with_busybox(host.tools(), &[]).expect("installed");
    // Nothing differs but what such tools cannot see.
    let unchanged = plan(&host, &[], 0);
    assert!(
        unchanged["parts"][0]["changes"]
            .as_array()
            .is_some_and(Vec::is_empty),
        "{unchanged}"
    );
    fs::remove_file(&marked).expect("a file");
    let said = warnings(&plan(&host, &[], 0));
    assert!(said.contains(SLOWER), "{said}");
    let lost =
        "what is put back without its extended attributes, capabilities or ACLs (1): ".to_owned();
    assert!(
        said.contains(&(lost + marked.to_str().expect("text"))),
        "{said}"
    );
    assert!(
        said.contains("times that lose their fractions of a second: 1"),
        "{said}"
    );
    summary(restore(&host, &[]), 0);
    assert_eq!(fs::read(&marked).expect("a file"), b"two");
    assert!(
        plan(&host, &[], 0)["parts"][0]["changes"]
            .as_array()
            .is_some_and(Vec::is_empty)
    );
}

#[test]
fn a_host_whose_tools_are_neither_is_refused_in_the_plan() {
    for (lacking, why) in [
        ("stat", "it has no `stat`"),
        ("xargs", "it has no `xargs`"),
        ("paste", "it has no `paste`"),
    ] {
        let Some(host) = start(&[lacking]) else {
            return;
        };
        tree::fill(&host.tree, &[("a", "one"), ("b", "two")]);
        pull(&host);
        fs::remove_file(host.tree.join("a")).expect("a file");
        let before = tree::with_change_times(&host.tree);
        let shown = plan(&host, &[], 1);
        let refusals = shown["refusals"].to_string();
        assert!(
            refusals.contains("the host's tools cannot take a restore: `cp` knows no"),
            "{refusals}"
        );
        assert!(refusals.contains(why), "{refusals}");
        assert_eq!(restore(&host, &[]).exit, Some(1));
        assert_eq!(tree::with_change_times(&host.tree), before);
    }
}
