//! `checkpoint` against a real server, and what the other verbs say about it.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::process::Command;

use fleet::interrupt::Interrupt;
use fleet::store::Store;
use regex::Regex;
use serde_json::Value;

use super::fixture::CliFixture;
use super::terminal::on_a_terminal;
use crate::support::sshd::{Sshd, eventually};

fn started() -> Option<(Sshd, CliFixture)> {
    let server = Sshd::builder().start()?;
    let bed = CliFixture::at(&server);
    bed.write("data/a", "12345");
    bed.write("data/sub/b", "x");
    Some((server, bed))
}

fn matches(text: &str, expression: &str) {
    let expression = Regex::new(&format!("^{expression}$")).expect("an expression");
    assert!(expression.is_match(text), "{text}\nis not\n{expression}");
}

#[test]
fn a_checkpoint_is_summed_up_in_one_line() {
    let Some((server, bed)) = started() else {
        return;
    };
    let ran = bed.fleet_at(
        &server,
        &["checkpoint", "dev-vm", "-m", "before\nthe change"],
    );
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    matches(
        &ran.stdout,
        r"dev-vm@\d{8}T\d{6}Z  complete  2 files, 6 B  \(fetched 6 B, stored [\d.]+ (Ki)?B, \d+\.\d s\)\n",
    );
    matches(
        &ran.stderr,
        r"dev-vm: started
dev-vm: connected as \w+ to 127.0.0.1:\d+
dev-vm app: 2 files, 6 B; 6 B to fetch
dev-vm app: complete, 2 files, 6 B, fetched 6 B
dev-vm: sealed dev-vm@\d{8}T\d{6}Z, complete
",
    );
    let listed = bed.fleet(&["ls"]).stdout;
    assert!(listed.ends_with("  before\\nthe change\n"), "{listed}");
    assert_eq!(bed.fleet(&["verify"]).code, Some(0));
    let path = bed.path("data/a");
    let shown = bed.fleet(&["cat", "dev-vm@latest", path.to_str().expect("text")]);
    assert_eq!(shown.stdout, "12345");
    let quiet = bed.fleet_at(&server, &["checkpoint", "dev-vm", "-q"]);
    assert_eq!(quiet.whole(), "exit 0\n");
}

/// Without progress, times, ports, accounts and what compression makes of a few bytes.
fn always_the_same(text: &str) -> String {
    let kept: Vec<&str> = text
        .lines()
        .filter(|line| !line.contains("\"progress\""))
        .collect();
    let mut text = kept.join("\n");
    for (expression, word) in [
        (r"\d{8}T\d{6}Z", "STAMP"),
        (r"\d{4}-\d\d-\d\dT[\d:]+Z", "TIME"),
        (r"127.0.0.1:\d+", "ADDRESS"),
        (r#""user":"\w+""#, r#""user":"USER""#),
        (r#""stored_bytes":\d+"#, r#""stored_bytes":0"#),
    ] {
        let expression = Regex::new(expression).expect("an expression");
        text = expression.replace_all(&text, word).into_owned();
    }
    text
}

#[test]
fn events_are_lines_of_json_and_end_with_a_summary() {
    let Some((server, bed)) = started() else {
        return;
    };
    let ran = bed.fleet_at(&server, &["checkpoint", "dev-vm", "--json"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    let lines = ran.lines("checkpoint");
    let types: Vec<&str> = lines
        .iter()
        .filter_map(|line| line["type"].as_str())
        .filter(|kind| *kind != "progress")
        .collect();
    assert_eq!(
        types,
        [
            "host-started",
            "connected",
            "part-started",
            "scanned",
            "part-ended",
            "sealed",
            "summary"
        ]
    );
    insta::assert_snapshot!(always_the_same(&ran.stdout));
    let summary = lines.last().expect("a summary");
    assert_eq!(
        (&summary["version"], &summary["exit"]),
        (&Value::from(1), &Value::from(0))
    );
    assert_eq!(summary["failed"], Value::Array(Vec::new()));
    let checkpoint = &summary["checkpoints"][0];
    assert_eq!(checkpoint["files"], 2);
    assert_eq!(checkpoint["bytes"], 6);
    assert_eq!(checkpoint["fetched_bytes"], 6);
    assert_eq!(checkpoint["trigger"], "manual");
    assert_eq!(checkpoint["pinned"], false);
    assert_eq!(
        bed.fleet(&["ls", "--json"]).document("ls")["checkpoints"][0],
        *checkpoint
    );
}

#[test]
fn hostile_names_reach_no_terminal() {
    let Some((server, bed)) = started() else {
        return;
    };
    let hostile = OsStr::from_bytes(b"\x1b[2J\xff\n");
    fs::write(bed.path("data").join(hostile), "x").expect("a file");
    let ran = bed.fleet_at(&server, &["checkpoint", "dev-vm", "--color", "always"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(!ran.stderr.contains("[2J"), "{}", ran.stderr);
    let mut command = bed.command(&["cat", "dev-vm@latest"]);
    let output = command.arg(bed.path("data").join(hostile)).output();
    assert_eq!(output.expect("it runs").stdout, b"x");
    let missing = OsStr::from_bytes(b"/\x1b[2Jnot there");
    let mut command = bed.command(&["cat", "dev-vm@latest"]);
    let ran = bed.ran(&command.arg(missing).output().expect("it runs"));
    assert!(
        ran.stderr
            .starts_with("error: /\\u{1b}[2Jnot there is not in dev-vm@"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_failed_part_makes_a_partial_checkpoint_and_exit_3() {
    let Some((server, bed)) = started() else {
        return;
    };
    let inventory = fs::read_to_string(bed.path("fleet.yaml")).expect("an inventory");
    bed.write(
        "fleet.yaml",
        &(inventory + "      gone: { directory: /no/such/folder }\n"),
    );
    let ran = bed.fleet_at(&server, &["checkpoint", "dev-vm", "-q"]);
    assert_eq!(ran.code, Some(3));
    assert_eq!(ran.stdout, "");
    assert!(
        ran.stderr.starts_with(
            "error: can't checkpoint source `gone` on dev-vm: /no/such/folder does not exist\n  hint: "
        ),
        "{}",
        ran.stderr
    );
    let ran = bed.fleet_at(&server, &["checkpoint", "dev-vm", "--json"]);
    assert_eq!(ran.code, Some(3));
    let lines = ran.lines("checkpoint");
    let failed = &lines.last().expect("a summary")["failed"][0];
    assert_eq!(
        (&failed["host"], &failed["part"]),
        (&"dev-vm".into(), &"gone".into())
    );
    let ran = bed.fleet(&["show", "dev-vm@latest"]);
    assert_eq!(ran.code, Some(2), "a partial one is never the latest");
    let only = bed.fleet_at(&server, &["checkpoint", "dev-vm", "--only", "app"]);
    assert_eq!(only.code, Some(0));
    let unknown = bed.fleet_at(&server, &["checkpoint", "dev-vm", "--only", "apq"]);
    assert_eq!(unknown.code, Some(2));
}

#[test]
fn a_host_that_is_not_reached_exits_5() {
    let Some((server, bed)) = started() else {
        return;
    };
    server.write_known_hosts("");
    let ran = bed.fleet_at(&server, &["checkpoint", "dev-vm", "--json"]);
    assert_eq!(ran.code, Some(5));
    let lines = ran.lines("checkpoint");
    let types: Vec<&str> = lines
        .iter()
        .filter_map(|line| line["type"].as_str())
        .collect();
    assert_eq!(types, ["host-started", "host-failed", "summary"]);
    assert_eq!(lines[1]["code"], "host-key-unknown");
    assert_eq!(lines[2]["failed"][0]["part"], Value::Null);
    assert_eq!(lines[2]["failed"][0]["code"], "host-key-unknown");
    assert!(
        ran.stderr
            .starts_with("error: the host key of dev-vm is not known"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_host_that_another_run_works_on_exits_7_or_is_waited_for() {
    let Some((server, bed)) = started() else {
        return;
    };
    let store = Store::open_or_create(&bed.path("checkpoints")).expect("a store");
    let host = "dev-vm".parse().expect("a name");
    let lock = store
        .lock(&host, None, &Interrupt::new())
        .expect("the lock");
    let ran = bed.fleet_at(&server, &["checkpoint", "dev-vm", "-q"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(7), ""));
    let holder = format!(
        "error: dev-vm is locked by process {} (`",
        std::process::id()
    );
    assert!(ran.stderr.starts_with(&holder), "{}", ran.stderr);
    let ran = bed.fleet_at(&server, &["checkpoint", "dev-vm", "-q", "--wait", "1s"]);
    assert_eq!(ran.code, Some(7));
    drop(lock);
    let ran = bed.fleet_at(&server, &["checkpoint", "dev-vm", "-q", "--wait", "1s"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
}

#[test]
fn on_a_terminal_moving_lines_go_away_and_the_summary_stays() {
    let Some((server, bed)) = started() else {
        return;
    };
    let config = server.ssh_config().file.expect("a file");
    let arguments = format!("-F {} checkpoint dev-vm", config.display());
    let Some(ran) = on_a_terminal(&bed, &arguments, &[]) else {
        return;
    };
    assert_eq!(ran.code, Some(0), "{}", ran.stdout);
    assert!(ran.stdout.contains("connecting"), "{}", ran.stdout);
    assert!(!ran.stdout.contains("dev-vm: started"), "{}", ran.stdout);
    let (_, last) = ran.stdout.rsplit_once("\u{1b}[2K").expect("a cleared line");
    matches(
        last,
        r"dev-vm@\d{8}T\d{6}Z  complete  2 files, 6 B  \(fetched .*\)\r\n",
    );
    let plain = on_a_terminal(&bed, &arguments, &[("TERM", "dumb")]).expect("script is there");
    assert!(
        plain.stdout.starts_with("dev-vm: started"),
        "{}",
        plain.stdout
    );
}

#[test]
fn diagnostics_go_to_standard_error() {
    let Some((server, bed)) = started() else {
        return;
    };
    let ran = bed.fleet_at(&server, &["checkpoint", "dev-vm", "-v", "--json"]);
    assert_eq!(ran.code, Some(0));
    ran.lines("checkpoint");
    for told in [
        "inventory=\"fleet.yaml\"",
        "store=\"checkpoints\"",
        "what: Capture(Sealed",
    ] {
        assert!(ran.stderr.contains(told), "{}", ran.stderr);
    }
    assert!(!ran.stderr.contains("Capture(Progress"), "{}", ran.stderr);
}

/// A file that takes long to read is being fetched; the run is stopped by `signals`.
fn stopped_by(signals: &[&str]) -> Option<(CliFixture, super::fixture::FleetOutput)> {
    let (server, bed) = started()?;
    let log = bed.path("events");
    let file = fs::File::create(&log).expect("a file");
    let config = server.ssh_config().file.expect("a file");
    let config = config.to_str().expect("text").to_owned();
    // The first to come, and long in coming: a hole would be here at once.
    fs::write(bed.path("data/0"), vec![0; 256 << 20]).expect("a file");
    let child = bed
        .command(&["-F", &config, "checkpoint", "dev-vm", "--json"])
        .stdout(file)
        .spawn()
        .expect("the program runs");
    let wait_for = |kind: &str| {
        eventually(kind, || {
            fs::read_to_string(&log).is_ok_and(|text| text.contains(kind))
        });
    };
    wait_for("\"scanned\"");
    for signal in signals {
        let killed = Command::new("kill")
            .args([&format!("-{signal}"), &child.id().to_string()])
            .status();
        assert!(killed.expect("kill runs").success());
        if signals.len() > 1 {
            wait_for("\"stopping\"");
        }
    }
    let output = child.wait_with_output().expect("it ends");
    let mut ran = bed.ran(&output);
    ran.stdout = fs::read_to_string(&log).expect("events");
    Some((bed, ran))
}

#[test]
fn one_wish_stops_at_the_next_safe_point_and_tells_how_to_go_on() {
    for signal in ["INT", "TERM", "HUP"] {
        let Some((bed, ran)) = stopped_by(&[signal]) else {
            return;
        };
        assert_eq!(ran.code, Some(130), "{signal} {}", ran.stderr);
        let lines = ran.lines("checkpoint");
        let summary = lines.last().expect("a summary");
        assert_eq!(summary["exit"], 130);
        assert_eq!(
            summary["error"]["message"],
            "stopped before all hosts were done"
        );
        assert!(lines.iter().any(|line| line["type"] == "stopping"));
        assert!(
            ran.stderr.ends_with(
                "  hint: Nothing was sealed, and nothing needs cleaning up. Run the same command again to go on.\n"
            ),
            "{}",
            ran.stderr
        );
        let listed = bed.fleet(&["ls", "--json"]).document("ls");
        assert_eq!(listed["checkpoints"], Value::Array(Vec::new()));
    }
}

#[test]
fn two_wishes_stop_at_once() {
    let Some((_, ran)) = stopped_by(&["INT", "TERM"]) else {
        return;
    };
    assert_eq!(ran.code, Some(130));
    let lines = ran.lines("checkpoint");
    assert_eq!(lines.last().expect("a summary")["exit"], 130);
}
