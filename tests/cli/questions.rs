//! Tests of prompts on a terminal: Ctrl-C, SIGTERM and SIGHUP end them, and the terminal is restored.

use std::io::{Read as _, Write as _};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::mpsc::Receiver;

use super::fixture::CliFixture;
use crate::support::sshd::{Process, Sshd, eventually, installed, keygen};

/// `fleet` on a terminal of its own, run by a shell that says afterwards how it ended and how the terminal
/// was left.
struct OnTerminal {
    // Ends the terminal with the value.
    _script: Process,
    keyboard: ChildStdin,
    came: Receiver<Vec<u8>>,
    screen: Vec<u8>,
}

/// What ends a question.
#[derive(Debug, Clone, Copy)]
enum End {
    /// The key, which the terminal makes a signal of.
    CtrlC,
    /// A signal to the program alone.
    Signal(&'static str),
}

const ENDS: [End; 3] = [End::CtrlC, End::Signal("TERM"), End::Signal("HUP")];

impl OnTerminal {
    fn run(bed: &CliFixture, server: &Sshd, arguments: &str) -> Option<Self> {
        let config = server.ssh_config().file.expect("a file");
        Self::with(bed, &config, arguments)
    }

    fn with(bed: &CliFixture, config: &std::path::Path, arguments: &str) -> Option<Self> {
        installed("script")?;
        let fleet = env!("CARGO_BIN_EXE_fleet");
        let config = config.display();
        let line = format!(
            "trap : INT; sh -c 'echo pid $$; exec {fleet} -F {config} {arguments}'; echo exit $?; \
             stty -a | tr ' ;' '\\n\\n' | grep -x -e echo -e -echo -e icanon -e -icanon; echo over"
        );
        let child = Command::new("script")
            .args(["-qec", &line, "/dev/null"])
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", bed.path(""))
            .env("TERM", "xterm")
            .env("NO_COLOR", "1")
            .current_dir(bed.path(""))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let mut script = Process(child.expect("script runs"));
        let keyboard = script.0.stdin.take().expect("a pipe");
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
        Some(Self {
            _script: script,
            keyboard,
            came,
            screen: Vec::new(),
        })
    }

    /// Waits until `wanted` is on the screen.
    fn until(&mut self, wanted: &str) -> String {
        eventually(wanted, || {
            self.screen.extend(self.came.try_iter().flatten());
            String::from_utf8_lossy(&self.screen).contains(wanted)
        });
        String::from_utf8_lossy(&self.screen).into_owned()
    }

    fn types(&mut self, text: &str) {
        self.keyboard.write_all(text.as_bytes()).expect("it reads");
    }

    fn end(&mut self, end: End) {
        match end {
            End::CtrlC => self.types("\u{3}"),
            End::Signal(name) => {
                let screen = String::from_utf8_lossy(&self.screen).into_owned();
                let pid = screen
                    .split_once("pid ")
                    .and_then(|(_, rest)| rest.split_whitespace().next())
                    .expect("the program's id");
                let status = Command::new("kill").args(["-s", name, pid]).status();
                assert!(status.expect("kill runs").success());
            }
        }
    }
}

/// Asserts that `end` at a question ends the program and leaves the terminal as it was.
fn assert_ends(mut terminal: OnTerminal, question: &str, end: End) {
    terminal.until(question);
    terminal.end(end);
    let screen = terminal.until("\nover");
    let (before, after) = screen.split_once("exit ").expect("the shell goes on");
    assert!(
        before.contains("\nerror: stopped before"),
        "{end:?}: {screen}"
    );
    assert_eq!(
        after.split_whitespace().collect::<Vec<_>>(),
        ["130", "icanon", "echo", "over"],
        "{end:?}: {screen}"
    );
}

/// A server whose operator's key has a passphrase.
fn locked() -> Option<(Sshd, CliFixture)> {
    let server = Sshd::builder().start()?;
    let bed = CliFixture::at(&server);
    let key = server.folder().join("encrypted");
    keygen(&key, "ed25519", "secret");
    let inventory = std::fs::read_to_string(bed.path("fleet.yaml")).expect("the inventory");
    let plain = server.operator_key();
    let locked = inventory.replace(plain.to_str().expect("text"), key.to_str().expect("text"));
    bed.write("fleet.yaml", &locked);
    Some((server, bed))
}

#[test]
fn every_signal_ends_a_question_for_a_passphrase() {
    let Some((server, bed)) = locked() else {
        return;
    };
    for end in ENDS {
        for verb in ["doctor dev-vm", "checkpoint dev-vm"] {
            let Some(terminal) = OnTerminal::run(&bed, &server, verb) else {
                return;
            };
            assert_ends(terminal, "passphrase for", end);
        }
    }
    assert!(!bed.path("checkpoints/dev-vm/checkpoints").exists());
}

#[test]
fn every_signal_ends_the_question_whether_to_trust_a_host() {
    let Some(server) = Sshd::builder().host_key("ed25519").host_key("rsa").start() else {
        return;
    };
    server.write_known_hosts("# nobody\n");
    let bed = CliFixture::at(&server);
    for end in ENDS {
        let Some(terminal) = OnTerminal::run(&bed, &server, "trust dev-vm") else {
            return;
        };
        assert_ends(terminal, "that you compared:", end);
    }
    let known = std::fs::read_to_string(server.known_hosts()).expect("known_hosts");
    assert_eq!(known, "# nobody\n");
}

#[test]
fn every_signal_ends_a_question_of_the_server() {
    use crate::ssh::typed::{Wants, server as serve};
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    for (wants, question) in [
        (
            Wants::Questions,
            "web asks: Look at your token. one-time code: ",
        ),
        (Wants::Password, "password of me on web: "),
    ] {
        let Some(server) = runtime.block_on(serve(wants)) else {
            return;
        };
        let bed = CliFixture::new();
        let port = server.host.port.expect("a port");
        bed.write(
            "fleet.yaml",
            &format!(
                "version: 1\nhosts:\n  web: {{ address: 127.0.0.1, port: {port}, user: me, identity: [{}] }}\n",
                server.folder.path().join("me").display()
            ),
        );
        let config = server.folder.path().join("ssh_config");
        for end in ENDS {
            let Some(terminal) = OnTerminal::with(&bed, &config, "doctor web") else {
                return;
            };
            assert_ends(terminal, question, end);
        }
        // An answer is taken, and only an echoed one is seen.
        let Some(mut terminal) = OnTerminal::with(&bed, &config, "doctor web") else {
            return;
        };
        terminal.until(question);
        terminal.types("tiger\n");
        let screen = terminal.until("\nover");
        assert_eq!(
            screen.contains("tiger"),
            matches!(wants, Wants::Questions),
            "{screen}"
        );
        assert!(!screen.contains("authentication failed for me"), "{screen}");
        let words: Vec<&str> = screen.split_whitespace().rev().take(3).collect();
        assert_eq!(words, ["over", "echo", "icanon"], "{screen}");
    }
}

#[test]
fn a_signal_ends_a_program_that_cannot_print_its_results() {
    let Some(server) = Sshd::builder().start() else {
        return;
    };
    let bed = CliFixture::at(&server);
    let mut text = std::fs::read_to_string(bed.path("fleet.yaml")).expect("the inventory");
    for number in 0..1000 {
        text += &format!("      c{number}: {{ command: [uptime], reads_only: true }}\n");
    }
    bed.write("fleet.yaml", &text);
    let config = server.ssh_config().file.expect("a file");
    let config = config.to_str().expect("text");
    let child = bed
        .command(&["-F", config, "doctor", "dev-vm", "--json"])
        .spawn();
    let mut fleet = Process(child.expect("the program runs"));
    let stdout = fleet.0.stdout.take().expect("a pipe");
    // The run is over: its results fill the pipe, which nobody reads.
    eventually("results", || {
        rustix::io::ioctl_fionread(&stdout).is_ok_and(|bytes| bytes >= 65_536)
    });
    let pid = fleet.0.id().to_string();
    let status = Command::new("kill").args(["-s", "TERM", &pid]).status();
    assert!(status.expect("kill runs").success());
    assert_eq!(fleet.0.wait().expect("it ends").code(), Some(130));
    drop(stdout);
}
