//! `fleet restore`: damage, restore and proof on a host that is reached through sshd on loopback.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::cli::schema::flaws;
use crate::support::fleet::FleetOutput;
use crate::support::host_fixture::{HostFixture, program};
use crate::support::sshd::Sshd;
use crate::support::tree;

/// A host whose records of restores are its own.
pub(super) fn start() -> Option<HostFixture> {
    HostFixture::with(Sshd::builder().own_var_lib())
}

/// The same with programs before all others; their folder is the home of the account.
fn start_with_tools(make: impl FnOnce(&Path)) -> Option<HostFixture> {
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
fn changes(host: &HostFixture, plan: &Value) -> Vec<String> {
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
fn plain_tree(host: &HostFixture) {
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
fn what_the_checkpoint_does_not_have_stays_without_delete() {
    let Some(host) = start() else {
        return;
    };
    plain_tree(&host);
    host.sources(json!({ "app": { "directory": host.tree, "exclude": ["cache/"] } }));
    pull(&host);
    tree::fill(&host.tree, &[("extra", "more"), ("cache/x", "made again")]);
    fs::write(host.tree.join("conf/a"), "ONE").expect("a file");
    summary(restore(&host, &[]), 0);
    assert_eq!(fs::read(host.tree.join("extra")).expect("a file"), b"more");
    assert_eq!(fs::read(host.tree.join("conf/a")).expect("a file"), b"one");
    // What is excluded stays with it, too.
    let ended = summary(restore(&host, &["--delete"]), 0);
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
fn a_protected_host_is_refused_before_anything_is_asked_or_connected_to() {
    let Some(host) = start() else {
        return;
    };
    plain_tree(&host);
    pull(&host);
    let mut prod = host.host(host.app());
    prod["env"] = json!("prod");
    prod["access"] = json!("read-only");
    prod["address"] = json!("127.0.0.2");
    host.describe_all(json!({ "web": host.host(host.app()), "prod": prod }));
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
fn what_fails_on_the_way_is_undone() {
    // The second `cp` that links into place fails when some files are there already.
    let Some(host) = start_with_tools(|tools| {
        let script = "case \" $* \" in\n\
             *' -RPlfT .fleet-restore/new '*)\n\
             /bin/cp \"$@\"; echo 'no space left' >&2; exit 1 ;;\n\
             esac\n\
             exec /bin/cp \"$@\"";
        program(tools, "cp", script);
    }) else {
        return;
    };
    tree::make_hostile(&host.tree);
    plain_tree(&host);
    pull(&host);
    fs::write(host.tree.join("conf/a"), "ONE").expect("a file");
    fs::remove_dir_all(host.tree.join("dir")).expect("a directory");
    fs::write(host.tree.join("dir"), "a file now").expect("a file");
    fs::remove_file(host.tree.join("conf/b")).expect("a file");
    fs::write(host.tree.join("extra"), "more").expect("a file");
    let before = tree::describe(&host.tree);
    let ended = summary(restore(&host, &["--delete"]), 1);
    assert_eq!(ended["outcome"], json!("rolled-back"));
    assert_eq!(
        (&ended["changed"], &ended["deleted"]),
        (&json!(0), &json!(0))
    );
    assert_eq!(tree::describe(&host.tree), before);
    assert_nothing_left(&host);
}

#[test]
fn a_file_that_somebody_changes_after_the_plan_stops_the_restore() {
    // Whoever stages also changes what will be replaced.
    let Some(host) = start_with_tools(|tools| {
        let victim = tools.join("victim");
        let script = format!(
            "case \" $* \" in\n\
             *' -x '*) if [ -e '{0}' ]; then echo changed >>\"$(cat '{0}')\"; fi ;;\n\
             esac\n\
             exec /bin/tar \"$@\"",
            victim.display()
        );
        program(tools, "tar", &script);
    }) else {
        return;
    };
    plain_tree(&host);
    pull(&host);
    fs::write(host.tree.join("conf/a"), "ONE").expect("a file");
    fs::remove_file(host.tree.join("conf/b")).expect("a file");
    let victim = host.tree.join("conf/a");
    fs::write(host.tools().join("victim"), victim.to_str().expect("text")).expect("a file");
    let ended = summary(restore(&host, &[]), 1);
    assert_eq!(ended["outcome"], json!("rolled-back"));
    assert_eq!(ended["error"]["code"], json!("restore-target-changed"));
    let now = fs::read_to_string(&victim).expect("a file");
    assert!(now.starts_with("ONEchanged"), "{now}");
    assert!(!host.tree.join("conf/b").exists());
    assert_nothing_left(&host);
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
fn an_unfinished_restore_is_named_by_every_command_that_meets_it() {
    let Some(host) = start() else {
        return;
    };
    plain_tree(&host);
    pull(&host);
    fs::write(host.tree.join("conf/a"), "ONE").expect("a file");
    fs::create_dir(host.tree.join(".fleet-restore")).expect("a directory");
    fs::write(host.tree.join(".fleet-restore/id"), "0123456789ab\n").expect("a file");
    let told = "a restore is under way or unfinished in";
    let shown = plan(&host, &[], 1);
    assert!(shown["refusals"].to_string().contains(told), "{shown}");
    let refused = restore(&host, &[]);
    assert_eq!(refused.exit, Some(1));
    assert_eq!(fs::read(host.tree.join("conf/a")).expect("a file"), b"ONE");
    let checkpoint = host.fleet.run(&["checkpoint", "web"]).exits(0);
    assert!(checkpoint.stderr.contains(told), "{}", checkpoint.stderr);
    let live = host.fleet.run(&["diff", "web@latest", "--live"]).exits(0);
    assert!(live.stderr.contains(told), "{}", live.stderr);
    // And what it has staged is in no checkpoint.
    let out = host.fleet.exported("web@latest");
    assert!(!host.tree_in(&out).join(".fleet-restore").exists());
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
    let Some(host) = start() else {
        return;
    };
    plain_tree(&host);
    pull(&host);
    let mut prod = host.host(host.app());
    prod["env"] = json!("prod");
    prod["access"] = json!("read-only");
    prod["address"] = json!("127.0.0.2");
    host.describe_all(json!({ "web": host.host(host.app()), "prod": prod }));
    fs::write(host.tree.join("conf/a"), "ONE").expect("a file");
    plan(&host, &[], 0);
    let to_prod = ["restore", "web@latest", "--to", "prod"];
    let dry = host.fleet.run(&[&to_prod[..], &["--dry-run"]].concat());
    assert_eq!((dry.exit, audited(&host)), (Some(4), Vec::new()));
    assert_eq!(host.fleet.run(&to_prod).exit, Some(4));
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

#[test]
fn a_killed_restore_is_finished_or_undone_from_what_the_host_has() {
    let Some(host) = start() else {
        return;
    };
    tree::make_hostile(&host.tree);
    plain_tree(&host);
    pull(&host);
    let wanted = tree::describe(&host.tree);
    for step in ["stage", "prepare", "place", "prove", "clean"] {
        for way in ["--rollback", "--resume"] {
            if tree::describe(&host.tree) == wanted {
                fs::write(host.tree.join("conf/a"), "ONE").expect("a file");
                fs::remove_dir_all(host.tree.join("dir")).expect("a directory");
                fs::write(host.tree.join("dir"), "a file now").expect("a file");
                fs::write(host.tree.join("extra"), "more").expect("a file");
            }
            let damaged = tree::describe(&host.tree);
            killed_at(&host, step, &["--delete"]);
            let conclude = |way| {
                let arguments = ["--json", "restore", way, "web", "--confirm", "web"];
                host.fleet.run(&arguments)
            };
            let mut output = conclude(way);
            // What was not there as a whole can only be undone.
            if output.exit == Some(1) && step != "clean" {
                let failed = output.summary();
                let ended = (way, &failed["outcome"]);
                assert_eq!(ended, ("--resume", &json!("failed")), "{step}: {failed}");
                let mut before = damaged.clone();
                before.remove(Path::new(""));
                assert_eq!(tree_without_staging(&host), before, "{step}");
                output = conclude("--rollback");
            }
            // What is in place and proven can only be finished.
            let is_past = output.exit == Some(1);
            assert!(!is_past || (step, way) == ("clean", "--rollback"));
            let ended = summary(output, i32::from(is_past));
            let now = tree::describe(&host.tree);
            match ended["outcome"].as_str() {
                Some("rolled-back") => assert_eq!(now, damaged, "{step} {way}"),
                Some("restored") => assert_eq!(now, wanted, "{step} {way}"),
                // It had ended by itself.
                other => assert_eq!((other, step, &now), (Some("unchanged"), "clean", &wanted)),
            }
            assert_nothing_left(&host);
        }
    }
    let nothing = host
        .fleet
        .run(&["restore", "--resume", "web", "--confirm", "web"]);
    assert_eq!(nothing.exit, Some(0));
    assert!(
        nothing.stdout.contains("no restore is under way"),
        "{}",
        nothing.stdout
    );
}

/// The tree as it is but for what is staged; the root's own time is not compared.
fn tree_without_staging(host: &HostFixture) -> BTreeMap<PathBuf, String> {
    let mut described = tree::describe(&host.tree);
    described.retain(|path, _| !path.starts_with(".fleet-restore") && path != Path::new(""));
    described
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
