//! A host of a restore, and what `fleet restore` answers about it.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::cli::schema::flaws;
use crate::support::fleet::FleetOutput;
use crate::support::host_fixture::HostFixture;
use crate::support::sshd::Sshd;
use crate::support::tree;

/// A host whose records of restores are its own.
pub(super) fn start() -> Option<HostFixture> {
    HostFixture::with(Sshd::builder().own_var_lib())
}

/// The same with programs before all others; their folder is the home of the account.
pub(super) fn start_with_tools(make: impl FnOnce(&Path)) -> Option<HostFixture> {
    let tools = tempfile::tempdir().expect("a folder");
    fs::set_permissions(tools.path(), fs::Permissions::from_mode(0o755)).expect("mode");
    make(tools.path());
    let path = std::env::var("PATH").unwrap_or_default();
    let builder = Sshd::builder().own_var_lib();
    HostFixture::with_path_of(builder, tools, &format!(":{path}"))
}

/// Takes a checkpoint of `web`.
pub(super) fn pull(host: &HostFixture) -> String {
    host.fleet.checkpoint(&["web"]).exits(0).id()
}

/// `fleet restore web@latest --confirm web` with these options.
pub(super) fn restore(host: &HostFixture, options: &[&str]) -> FleetOutput {
    let arguments = ["--json", "restore", "web@latest", "--confirm", "web"];
    host.fleet.run(&[&arguments, options].concat())
}

/// The summary of a restore that ended with `status`.
pub(super) fn summary(output: FleetOutput, status: i32) -> Value {
    let output = output.exits(status);
    let last = output.stdout.lines().last().unwrap_or_default();
    let summary: Value = serde_json::from_str(last).expect("a summary");
    assert_eq!(flaws("restore", &summary), Vec::<String>::new());
    summary
}

/// The plan of a dry run.
pub(super) fn plan(host: &HostFixture, options: &[&str], status: i32) -> Value {
    let arguments = ["--json", "restore", "web@latest", "--dry-run"];
    let output = host.fleet.run(&[&arguments, options].concat());
    let output = output.exits(status);
    let document: Value = serde_json::from_str(&output.stdout).expect("a document");
    assert_eq!(flaws("restore-plan", &document), Vec::<String>::new());
    document
}

/// `create d/x`, with paths relative to the tree, sorted.
pub(super) fn changes(host: &HostFixture, plan: &Value) -> Vec<String> {
    let parts = plan["parts"].as_array().expect("a list");
    let of_part = |part: &Value| part["changes"].as_array().cloned().expect("a list");
    let mut lines: Vec<String> = parts
        .iter()
        .flat_map(of_part)
        .map(|change| {
            let Some(path) = change["path"].as_str() else {
                return format!("{} in base64", change["change"].as_str().expect("text"));
            };
            let path = PathBuf::from(path);
            let path = path.strip_prefix(&host.tree).expect("beneath the tree");
            format!(
                "{} {}",
                change["change"].as_str().expect("text"),
                path.display()
            )
        })
        .collect();
    lines.sort();
    lines
}

/// A tree with plain things in it.
pub(super) fn plain_tree(host: &HostFixture) {
    tree::fill(
        &host.tree,
        &[
            ("conf/a", "one"),
            ("conf/b", "two"),
            ("conf/d/deep", "three"),
            ("data/big", &"content ".repeat(20_000)),
        ],
    );
    symlink("a", host.tree.join("conf/link")).expect("a link");
}

/// Nothing of a restore is left on the host.
pub(super) fn assert_nothing_left(host: &HostFixture) {
    for place in [&host.tree, &host.tree.join("conf"), &host.tree.join("data")] {
        assert!(!place.join(".fleet-restore").exists(), "{place:?}");
        assert!(!place.join(".fleet-restore.over").exists(), "{place:?}");
    }
}

/// Starts a restore, and kills fleet when it begins `step`.
pub(super) fn killed_at(host: &HostFixture, step: &str, options: &[&str]) {
    use std::io::BufRead as _;
    let arguments = ["--json", "restore", "web@latest", "--confirm", "web"];
    let mut command = host.fleet.command(&[&arguments, options].concat());
    command.stdout(std::process::Stdio::piped());
    let mut child = command.spawn().expect("fleet starts");
    let stdout = child.stdout.take().expect("piped");
    let wanted = format!("\"step\":\"{step}\"");
    let told = std::io::BufReader::new(stdout)
        .lines()
        .map_while(Result::ok)
        .any(|line| line.contains(&wanted));
    assert!(told, "it never began to {step}");
    child.kill().expect("it is killed");
    drop(child.wait());
}
