//! Nothing of fleet's runs on a host after fleet has ended, however it ended.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};

use super::{HostFixture, program};
use crate::support::sshd::{Sshd, eventually, installed, processes_with, user};
use crate::support::tree;

/// An account that is not root and has a shell, where root runs the tests.
const ORDINARY: &str = "postgres";

/// A host with programs that never end: `deaf` ignores TERM, `loops` works for ever, `quiet` sleeps.
/// Each shows its first argument in its command line.
fn scene() -> Option<HostFixture> {
    let tools = tempfile::tempdir().expect("a folder");
    let folder = tools.path();
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).expect("mode");
    let body = "trap '' TERM HUP INT; while :; do sleep 1; done";
    program(folder, "deaf", &format!("exec sh -c \"{body}\" \"$1\""));
    program(folder, "loops", "exec sh -c 'while :; do :; done' \"$1\"");
    program(folder, "quiet", "sh -c 'sleep 1000; :' \"$1\" & wait");
    // Without PAM, OpenSSH lets no account in that has no password.
    let pam = if user() == "root" { "yes" } else { "no" };
    let builder = Sshd::builder().option(format!("UsePAM {pam}"));
    let scene = HostFixture::with_path_of(builder, tools, ":/usr/bin:/bin")?;
    // Other accounts log in, too.
    for (name, mode) in [("", 0o755), ("authorized_keys", 0o644)] {
        let path = scene.sshd.folder().join(name);
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("mode");
    }
    tree::fill(&scene.tree, &[("a", "1")]);
    Some(scene)
}

fn accounts() -> Vec<String> {
    let me = user();
    let has = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let ordinary = has.lines().any(|line| line.starts_with("postgres:"));
    if me == "root" && ordinary {
        vec![me, ORDINARY.to_owned()]
    } else {
        vec![me]
    }
}

fn host(scene: &HostFixture, account: &str, source: &Value) -> Value {
    let mut host = scene.host(json!({ "app": source }));
    host["user"] = json!(account);
    host
}

/// The program as messages name it.
fn source_program(scene: &HostFixture, program: &str, run_as: Option<&str>) -> String {
    match run_as {
        Some(_) => scene.tools().join(program).display().to_string(),
        None => program.to_owned(),
    }
}

fn assert_nothing_left(mark: &str) {
    eventually(&format!("nothing of {mark} is left"), || {
        processes_with(mark).is_empty()
    });
}

#[test]
fn signals_leave_no_command_running() {
    let Some(scene) = scene() else { return };
    for account in accounts() {
        for program in ["deaf", "loops", "quiet"] {
            for signals in [
                &["INT"][..],
                &["INT", "INT"],
                &["TERM"],
                &["HUP"],
                &["KILL"],
            ] {
                let mark = format!("fleet-test-{account}-{program}-{}", signals.join("-"));
                let source = json!({ "command": [program, mark], "timeout": "10m" });
                scene.describe(host(&scene, &account, &source));
                let begun = scene.fleet.begin_checkpoint(&["web"]);
                eventually("it runs", || {
                    let running = processes_with(&mark);
                    running.iter().any(|(_, line)| line.starts_with("sh -c "))
                });
                for signal in signals {
                    begun.signal(signal);
                }
                let ran = begun.end();
                let killed = signals.contains(&"KILL");
                assert_eq!(ran.exit, if killed { None } else { Some(130) }, "{mark}");
                assert_nothing_left(&mark);
            }
        }
    }
}

#[test]
fn a_time_limit_leaves_no_command_running() {
    let Some(scene) = scene() else { return };
    let mut accounts: Vec<_> = accounts().into_iter().map(|name| (name, None)).collect();
    if accounts.len() > 1 && installed("sudo").is_some() {
        accounts.push((user(), Some(ORDINARY)));
    }
    for (account, run_as) in accounts {
        for program in ["deaf", "loops", "quiet"] {
            let mark = format!("fleet-test-{account}-{run_as:?}-{program}-timeout");
            let mut source = json!({ "command": [program, mark], "timeout": "1s" });
            if let Some(run_as) = run_as {
                // sudo has a search path of its own.
                source["command"][0] = json!(scene.tools().join(program));
                source["run_as"] = json!(run_as);
            }
            scene.describe(host(&scene, &account, &source));
            let ran = scene.fleet.checkpoint(&["web"]).exits(3);
            assert_eq!(
                ran.failed(),
                [format!(
                    "web app: `{}` did not finish within 1 s",
                    source_program(&scene, program, run_as)
                )]
            );
            assert_nothing_left(&mark);
        }
    }
}
