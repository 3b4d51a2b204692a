//! Colours, pipes that close, quiet and closed streams.

use std::io::Read;
use std::process::{Command, Stdio};

use super::bed::{Bed, Ran};
use crate::support::sshd::installed;

/// Runs the program on a terminal of its own; both streams come as one text.
pub(super) fn on_a_terminal(
    bed: &Bed,
    arguments: &str,
    environment: &[(&str, &str)],
) -> Option<Ran> {
    installed("script")?;
    let line = format!("{} {arguments}", env!("CARGO_BIN_EXE_fleet"));
    let mut command = Command::new("script");
    command
        .args(["-qec", &line, "/dev/null"])
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", bed.path(""))
        .env("TERM", "xterm")
        .current_dir(bed.path(""))
        .stdin(Stdio::null());
    for (name, value) in environment {
        command.env(name, value);
    }
    Some(bed.ran(&command.output().expect("script runs")))
}

#[test]
fn colours_follow_the_terminal_and_the_wishes() {
    let bed = Bed::with_inventory();
    let coloured = |ran: &Ran| ran.stdout.contains('\u{1b}') || ran.stderr.contains('\u{1b}');
    assert!(!coloured(&bed.fleet(&["hosts"])));
    assert!(coloured(&bed.fleet(&["hosts", "--color", "always"])));
    assert!(coloured(&bed.fleet(&[
        "hosts",
        "--color=always",
        "-i",
        "none"
    ])));
    assert!(coloured(&bed.fleet(&["--color=always", "nonsense"])));
    assert!(!coloured(&bed.fleet(&["nonsense"])));
    let Some(plain) = on_a_terminal(&bed, "hosts", &[]) else {
        return;
    };
    assert!(coloured(&plain));
    let runs = [
        on_a_terminal(&bed, "hosts --color never", &[]),
        on_a_terminal(&bed, "hosts", &[("NO_COLOR", "1")]),
        on_a_terminal(&bed, "hosts --json --color always", &[]),
        on_a_terminal(&bed, "nonsense", &[("NO_COLOR", "1")]),
    ];
    for ran in runs.into_iter().flatten() {
        assert!(!coloured(&ran), "{}", ran.stdout);
    }
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let bed = Bed::new();
    let mut text = "version: 1\nhosts:\n".to_owned();
    for number in 0..3000 {
        text.push_str(&format!(
            "  vm-{number}: {{ env: dev, address: vm-{number}.example }}\n"
        ));
    }
    bed.write("fleet.yaml", &text);
    for arguments in [
        &["hosts"][..],
        &["hosts", "--json"],
        &["completions", "zsh"],
    ] {
        let mut child = bed.command(arguments).spawn().expect("the program runs");
        let mut first = [0; 1];
        let mut stdout = child.stdout.take().expect("a pipe");
        stdout.read_exact(&mut first).expect("a first byte");
        drop(stdout);
        let ran = bed.ran(&child.wait_with_output().expect("it ends"));
        assert_eq!(
            (ran.code, ran.stderr.as_str()),
            (Some(0), ""),
            "{arguments:?}"
        );
    }
}

#[test]
fn an_answer_that_cannot_be_written_is_a_failure() {
    let bed = Bed::with_inventory();
    for arguments in [&["hosts"][..], &["hosts", "--json"], &["--help"]] {
        let full = std::fs::File::options().write(true).open("/dev/full");
        let mut command = bed.command(arguments);
        command.stdout(full.expect("Linux has /dev/full"));
        let ran = bed.ran(&command.output().expect("the program runs"));
        assert_eq!(ran.code, Some(1), "{arguments:?}");
        assert_eq!(
            ran.stderr,
            "error: can't write to standard output\n  caused by: No space left on device (os error 28)\n"
        );
    }
}

#[test]
fn every_stream_may_be_closed() {
    let bed = Bed::with_inventory();
    let fleet = env!("CARGO_BIN_EXE_fleet");
    for streams in ["<&-", "<&- >&-", "<&- >&- 2>&-", "2>&-"] {
        let status = Command::new("sh")
            .args([
                "-c",
                &format!("{fleet} guard explain prod-vm restore {streams}"),
            ])
            .current_dir(bed.path(""))
            .env("HOME", bed.path(""))
            .stdout(Stdio::null())
            .status()
            .expect("sh runs");
        assert_eq!(status.code(), Some(4), "{streams}");
    }
}

#[test]
fn quiet_leaves_only_answers_and_problems() {
    let bed = Bed::with_store();
    for arguments in [
        &["verify", "-q"][..],
        &["export", "dev-vm@latest", "-o", "a.tar", "-q"],
    ] {
        assert_eq!(bed.fleet(arguments).whole(), "exit 0\n", "{arguments:?}");
    }
    assert_eq!(
        bed.fleet(&["export", "dev-vm@latest", "-o", "a.tar", "-q"])
            .stderr,
        "error: a.tar is already there\n  hint: Remove it first, or choose another name.\n"
    );
    assert_eq!(bed.fleet(&["ls", "-q"]).stdout.lines().count(), 3);
}
