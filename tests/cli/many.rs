//! Tests of output for more hosts than anybody reads line by line.

use std::fs;
use std::process::Command;

use regex::Regex;

use super::fixture::{CliFixture, FleetOutput};
use crate::support::sshd::Sshd;
use crate::support::untimed;

/// Twelve hosts at `server`, of which web-3 and web-11 are down: nobody listens on port 1.
fn twelve_hosts(server: &Sshd) -> CliFixture {
    let bed = CliFixture::new();
    bed.write("data/a", "12345");
    bed.write("data/sub/b", "x");
    let data = fs::canonicalize(bed.path("data")).expect("a folder");
    let mut text = "version: 1\nstore: checkpoints\nhosts:\n".to_owned();
    for number in 1..=12 {
        let port = match number {
            3 | 11 => 1,
            _ => server.port,
        };
        text += &format!(
            "  web-{number}:\n    env: dev\n    access: writable\n    address: 127.0.0.1\n    port: {port}\n    \
             sources:\n      app: {{ directory: {} }}\n",
            data.display()
        );
    }
    bed.write("fleet.yaml", &text);
    bed
}

/// What is told at the end of both hosts that are down.
const DOWN: &str = "error: 2 hosts: can't connect to HOST at 127.0.0.1:1 (3 attempts)
  hosts: web-3, web-11
  caused by: connection refused
  hint: Check that HOST is up and that its address and port are right; `ssh -G HOST` shows what OpenSSH would use.
";

#[test]
fn many_hosts_are_summed_up() {
    let Some(server) = Sshd::builder().start() else {
        return;
    };
    let bed = twelve_hosts(&server);
    let ran = bed.fleet_at(&server, &["checkpoint", "--all"]);
    assert_eq!(ran.code, Some(3), "{}", ran.stderr);
    let stored = Regex::new(r"stored [\d.]+ (Ki)?B").expect("an expression");
    assert_eq!(
        stored.replace(&ran.stdout, "stored SIZE"),
        "10 checkpoints complete  20 files, 60 B  (fetched 60 B, stored SIZE)\n"
    );
    // On a slow machine there is a line of progress, and either host may be given up first.
    let stderr = untimed(&ran.stderr);
    let (mut meanwhile, end): (Vec<&str>, Vec<&str>) = stderr
        .lines()
        .filter(|line| !line.contains(" of 12 hosts done, "))
        .partition(|line| line.starts_with("web-"));
    meanwhile.sort_unstable();
    assert_eq!(
        meanwhile,
        [
            "web-11: failed: can't connect to web-11 at 127.0.0.1:1 (3 attempts)",
            "web-3: failed: can't connect to web-3 at 127.0.0.1:1 (3 attempts)",
        ]
    );
    let took = Regex::new(r" in (\d+ min )?[\d.]+ s$").expect("an expression");
    assert_eq!(
        took.replace(&end.join("\n"), " in TIME"),
        format!("{DOWN}12 hosts: 10 complete, 2 failed; 60 B fetched in TIME")
    );

    let quiet = bed.fleet_at(&server, &["checkpoint", "--all", "-q"]);
    assert_eq!(
        untimed(&quiet.whole()),
        format!("exit 3\n── stderr\n{DOWN}")
    );
}

#[test]
fn many_hosts_are_told_one_by_one_to_who_asks_for_more() {
    let Some(server) = Sshd::builder().start() else {
        return;
    };
    let bed = twelve_hosts(&server);
    let ran = bed.fleet_at(&server, &["-v", "checkpoint", "--all"]);
    assert_eq!(ran.code, Some(3), "{}", ran.stderr);
    assert_eq!(ran.stdout.lines().count(), 10, "{}", ran.stdout);
    for line in [
        "web-1: started",
        "error: can't connect to web-11 at 127.0.0.1:1 (3 attempts)",
    ] {
        assert!(
            untimed(&ran.stderr).lines().any(|told| told == line),
            "{}",
            ran.stderr
        );
    }
}

#[test]
fn doctor_counts_many_hosts() {
    let Some(server) = Sshd::builder().start() else {
        return;
    };
    let bed = twelve_hosts(&server);
    let ran = bed.fleet_at(&server, &["doctor", "--all"]);
    assert_eq!((ran.code, untimed(&ran.stderr).as_str()), (Some(3), DOWN));
    // What this machine lacks is its own matter.
    let last = ran.stdout.lines().last().unwrap_or_default();
    let closing = Regex::new(r"^12 hosts: \d+ fine(, \d+ with warnings)?, 2 not reached$");
    assert!(
        closing.expect("an expression").is_match(last),
        "{}",
        ran.stdout
    );
}

/// `fleet doctor --all` by a shell that says `limit` first.
fn doctor_within(limit: &str, bed: &CliFixture, server: &Sshd) -> FleetOutput {
    let config = server.ssh_config().file.expect("a file");
    let line = format!(
        "{limit} && exec {} -F {} doctor --all",
        env!("CARGO_BIN_EXE_fleet"),
        config.display()
    );
    let mut command = Command::new("sh");
    command
        .args(["-c", &line])
        .current_dir(bed.path(""))
        .env("HOME", bed.path(""));
    bed.ran(&command.output().expect("sh runs"))
}

#[test]
fn a_low_limit_of_open_files_is_raised_as_far_as_it_may_be() {
    let Some(server) = Sshd::builder().start() else {
        return;
    };
    let bed = twelve_hosts(&server);
    let ran = doctor_within("ulimit -S -n 24", &bed, &server);
    assert_eq!((ran.code, untimed(&ran.stderr).as_str()), (Some(3), DOWN));
    // Where it may not be raised, the operator is told what to do.
    let ran = doctor_within("ulimit -n 24", &bed, &server);
    for told in [
        "too many files are open to reach ",
        "caused by: too many open files",
        "hint: Raise the limit, as in `ulimit -n 4096`, or work on fewer hosts at once.",
    ] {
        assert!(ran.stderr.contains(told), "{told}: {}", ran.stderr);
    }
}
