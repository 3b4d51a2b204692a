//! Tests of colours, pipes that close, `--quiet`, and closed streams.

use std::io::{Read, Write as _};
use std::net::TcpListener;
use std::process::{Command, Stdio};

use super::fixture::{CliFixture, FleetOutput};
use crate::support::sshd::{Process, Sshd, eventually, installed, keygen};

/// A shell's line with the program in it, on a terminal of its own; both streams come as one text.
fn script(bed: &CliFixture, line: &str) -> Option<Command> {
    installed("script")?;
    let mut command = Command::new("script");
    command
        .args(["-qec", line, "/dev/null"])
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", bed.path(""))
        .env("TERM", "xterm")
        .current_dir(bed.path(""))
        .stdin(Stdio::null());
    Some(command)
}

/// Runs the program on a terminal of its own; both streams come as one text.
pub(super) fn on_a_terminal(
    bed: &CliFixture,
    arguments: &str,
    environment: &[(&str, &str)],
) -> Option<FleetOutput> {
    let line = format!("{} {arguments}", env!("CARGO_BIN_EXE_fleet"));
    let mut command = script(bed, &line)?;
    for (name, value) in environment {
        command.env(name, value);
    }
    Some(bed.ran(&command.output().expect("script runs")))
}

#[test]
fn colours_follow_the_terminal_and_the_wishes() {
    let bed = CliFixture::with_inventory();
    let coloured =
        |ran: &FleetOutput| ran.stdout.contains('\u{1b}') || ran.stderr.contains('\u{1b}');
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
    let bed = CliFixture::new();
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
    let bed = CliFixture::with_inventory();
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
    let bed = CliFixture::with_inventory();
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
    let bed = CliFixture::with_store();
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

/// What came on the terminal of `fleet ARGUMENTS`, where Ctrl-C is pressed once `shown` is there;
/// the last lines are the exit status and how the terminal was left.
fn interrupted(bed: &CliFixture, arguments: &str, shown: &str) -> Option<String> {
    let fleet = env!("CARGO_BIN_EXE_fleet");
    // The shell is told too, and lives on.
    let line = format!("trap : INT; {fleet} {arguments}; echo exit $?; stty -a | grep -o '.echo '");
    let child = script(bed, &line)?
        .env("NO_COLOR", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let mut script = Process(child.expect("script runs"));
    let mut keyboard = script.0.stdin.take().expect("a pipe");
    let mut screen = script.0.stdout.take().expect("a pipe");
    let (sender, came) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut piece = [0; 4096];
        while let Ok(bytes @ 1..) = screen.read(&mut piece) {
            if sender.send(piece[..bytes].to_vec()).is_err() {
                break;
            }
        }
    });
    let mut bytes = Vec::new();
    let mut read_until = |wanted: &str| {
        eventually(wanted, || {
            bytes.extend(came.try_iter().flatten());
            String::from_utf8_lossy(&bytes).contains(wanted)
        });
        String::from_utf8_lossy(&bytes).into_owned()
    };
    read_until(shown);
    keyboard.write_all(b"\x03").expect("it reads");
    Some(read_until("echo "))
}

#[test]
fn looking_at_hosts_shows_how_far_it_is() {
    let Some(server) = Sshd::builder().start() else {
        return;
    };
    let bed = CliFixture::at(&server);
    bed.write("data/a", "x");
    let config = server.ssh_config().file.expect("a file");
    let arguments = format!("-F {} doctor --all", config.display());
    let Some(ran) = on_a_terminal(&bed, &arguments, &[]) else {
        return;
    };
    assert_eq!(ran.code, Some(0), "{}", ran.stdout);
    for shown in ["connecting", "connected", "looking at app", "SOURCE"] {
        assert!(ran.stdout.contains(shown), "{shown}: {}", ran.stdout);
    }
    for arguments in [
        arguments.clone() + " --json",
        arguments.clone() + " -q",
        arguments + " 2>/dev/null",
    ] {
        let ran = on_a_terminal(&bed, &arguments, &[]).expect("as before");
        assert_eq!(ran.code, Some(0), "{}", ran.stdout);
        assert!(!ran.stdout.contains("connect"), "{}", ran.stdout);
    }
}

#[test]
fn ctrl_c_ends_looking_at_a_host_that_says_nothing() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = silent.local_addr().expect("an address").port();
    let bed = CliFixture::new();
    // Longer than the slowest screen takes to show that it began.
    let mut text = "version: 1\ndefaults: { connect_timeout: 2m }\nhosts:\n".to_owned();
    for number in 1..=12 {
        text += &format!("  web-{number}: {{ address: 127.0.0.1, port: {port} }}\n");
    }
    bed.write("fleet.yaml", &text);
    bed.write("config", "");
    // The line for all hosts comes first; these come once Ctrl-C is listened to.
    let Some(screen) = interrupted(&bed, "-F config doctor --all", "connecting") else {
        return;
    };
    for shown in [
        "0 of 12 hosts done",
        "error: stopped before it was done",
        "exit 130",
        " echo ",
    ] {
        assert!(screen.contains(shown), "{shown}: {screen}");
    }
}

#[test]
fn ctrl_c_ends_a_question_among_moving_lines() {
    let Some(server) = Sshd::builder().start() else {
        return;
    };
    let bed = CliFixture::at(&server);
    let key = server.folder().join("encrypted");
    keygen(&key, "ed25519", "secret");
    let inventory = std::fs::read_to_string(bed.path("fleet.yaml")).expect("the inventory");
    let plain = server.operator_key();
    let locked = inventory.replace(plain.to_str().expect("text"), key.to_str().expect("text"));
    bed.write("fleet.yaml", &locked);
    let config = server.ssh_config().file.expect("a file");
    for verb in ["doctor", "checkpoint"] {
        let arguments = format!("-F {} {verb} --all", config.display());
        let Some(screen) = interrupted(&bed, &arguments, "passphrase for") else {
            return;
        };
        for shown in ["\nerror: stopped before", "exit 130", " echo "] {
            assert!(screen.contains(shown), "{verb}, {shown}: {screen}");
        }
    }
}
