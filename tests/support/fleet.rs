//! The real program, run as operators and scripts run it: with a store, an inventory and an
//! environment of its own.
//!
//! Nothing of the user's is read or written. What a run said is kept whole; assertions are the
//! caller's.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use serde_json::Value;

use super::sshd::eventually;

/// A workstation: a store, an inventory, and a configuration for `ssh`.
pub(crate) struct Fleet {
    folder: tempfile::TempDir,
    ssh_config: PathBuf,
    store: PathBuf,
}

impl Fleet {
    /// With an empty store and this inventory.
    #[must_use]
    pub(crate) fn new(ssh_config: &Path, inventory: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let fleet = Self {
            ssh_config: ssh_config.to_owned(),
            store: folder.path().join("store"),
            folder,
        };
        fleet.write_inventory(inventory);
        fleet
    }

    /// The same workstation with the store elsewhere.
    #[must_use]
    pub(crate) fn with_store(self, store: &Path) -> Self {
        Self {
            store: store.to_owned(),
            ..self
        }
    }

    /// Where checkpoints are kept.
    #[must_use]
    pub(crate) fn store(&self) -> &Path {
        &self.store
    }

    /// A folder for whatever the test likes.
    #[must_use]
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn inventory(&self) -> PathBuf {
        self.folder.path().join("fleet.yaml")
    }

    /// Replaces the inventory.
    pub(crate) fn write_inventory(&self, text: &str) {
        fs::write(self.inventory(), text).expect("the inventory");
    }

    /// The program with its global options and `arguments`, its standard input closed.
    #[must_use]
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fleet"));
        command
            .arg("-i")
            .arg(self.inventory())
            .arg("-F")
            .arg(&self.ssh_config)
            .arg("--store")
            .arg(&self.store)
            .args(arguments)
            .env("HOME", self.folder.path())
            .env("FLEET_STATE", self.folder.path().join("state"))
            .env_remove("FLEET_INVENTORY")
            .env_remove("FLEET_STORE")
            .env_remove("SSH_AUTH_SOCK")
            .stdin(Stdio::null());
        command
    }

    /// Runs it to its end.
    #[must_use]
    pub(crate) fn run(&self, arguments: &[&str]) -> FleetOutput {
        FleetOutput::of(&mut self.command(arguments))
    }

    /// `fleet --json checkpoint` with these arguments.
    #[must_use]
    pub(crate) fn checkpoint(&self, arguments: &[&str]) -> FleetOutput {
        self.run(&[&["--json", "checkpoint"], arguments].concat())
    }

    /// Begins `fleet --json checkpoint` with these arguments.
    #[must_use]
    pub(crate) fn begin_checkpoint(&self, arguments: &[&str]) -> RunningFleet {
        let mut child = self
            .command(&[&["--json", "checkpoint"], arguments].concat())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("fleet starts");
        let lines = Arc::new(Mutex::new(String::new()));
        let stdout = child.stdout.take().expect("piped");
        let mut stderr = child.stderr.take().expect("piped");
        let kept = Arc::clone(&lines);
        RunningFleet {
            child,
            lines,
            stdout: Some(std::thread::spawn(move || {
                for line in BufReader::new(stdout).lines() {
                    let line = line.expect("the output is text");
                    let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                    kept.push_str(&line);
                    kept.push('\n');
                }
            })),
            stderr: Some(std::thread::spawn(move || {
                let mut text = String::new();
                drop(stderr.read_to_string(&mut text));
                text
            })),
        }
    }

    /// What `ls --json` lists.
    #[must_use]
    pub(crate) fn listed(&self) -> Vec<Value> {
        if !self.store.join("fleet-store.json").exists() {
            return Vec::new();
        }
        let ran = self.run(&["--json", "ls"]);
        assert_eq!(ran.exit, Some(0), "{}", ran.stderr);
        let document: Value = serde_json::from_str(&ran.stdout).expect("a document");
        assert_eq!(document.get("damaged"), None, "{document}");
        document["checkpoints"]
            .as_array()
            .expect("a list of checkpoints")
            .clone()
    }

    /// Everything in the store is what it says it is.
    pub(crate) fn assert_verified(&self) {
        let ran = self.run(&["--json", "verify", "--all"]);
        let document: Value = serde_json::from_str(&ran.stdout).expect("a document");
        assert_eq!(document["problems"], serde_json::json!([]), "{document}");
        assert_eq!(ran.exit, Some(0), "{}", ran.stderr);
    }

    /// Exports a checkpoint into a new folder.
    #[must_use]
    pub(crate) fn exported(&self, checkpoint: &str) -> PathBuf {
        let folder = (0..)
            .map(|number| {
                self.folder
                    .path()
                    .join(format!("out-{checkpoint}-{number}"))
            })
            .find(|folder| !folder.exists())
            .expect("some number is free");
        let target = format!("{}/", folder.display());
        let ran = self.run(&["export", checkpoint, "-o", &target]);
        assert_eq!(ran.exit, Some(0), "{}", ran.stderr);
        folder
    }
}

/// What came of a run.
#[derive(Debug)]
pub(crate) struct FleetOutput {
    /// The exit status; none if a signal ended it.
    pub(crate) exit: Option<i32>,
    /// What it answered.
    pub(crate) stdout: String,
    /// What it said to people.
    pub(crate) stderr: String,
}

impl FleetOutput {
    /// Runs a command of fleet to its end.
    #[must_use]
    pub(crate) fn of(command: &mut Command) -> Self {
        let output = command.output().expect("fleet starts");
        Self {
            exit: output.status.code(),
            stdout: String::from_utf8(output.stdout).expect("the output is text"),
            stderr: String::from_utf8(output.stderr).expect("the messages are text"),
        }
    }

    /// The summary that ends the output of a command that works.
    #[must_use]
    pub(crate) fn summary(&self) -> Value {
        let last = self.stdout.lines().last().unwrap_or_default();
        let summary: Value = serde_json::from_str(last).unwrap_or_default();
        assert_eq!(
            summary["type"], "summary",
            "exit {:?}\n{}\n{}",
            self.exit, self.stdout, self.stderr
        );
        assert_eq!(
            summary["exit"].as_i64(),
            self.exit.map(i64::from),
            "{summary}"
        );
        summary
    }

    /// Asserts the exit status; what was said is shown if it is another one.
    #[must_use]
    pub(crate) fn exits(self, status: i32) -> Self {
        assert_eq!(
            self.exit,
            Some(status),
            "stdout:\n{}\nstderr:\n{}",
            self.stdout,
            self.stderr
        );
        self
    }

    /// The checkpoints of the summary.
    #[must_use]
    pub(crate) fn checkpoints(&self) -> Vec<Value> {
        self.summary()["checkpoints"]
            .as_array()
            .expect("a list")
            .clone()
    }

    /// The only checkpoint of the summary.
    #[must_use]
    pub(crate) fn checkpoint(&self) -> Value {
        let mut checkpoints = self.checkpoints();
        assert_eq!(checkpoints.len(), 1, "{}\n{}", self.stdout, self.stderr);
        checkpoints.remove(0)
    }

    /// Its name.
    #[must_use]
    pub(crate) fn id(&self) -> String {
        self.checkpoint()["id"].as_str().expect("a name").to_owned()
    }

    /// Its state.
    #[must_use]
    pub(crate) fn state(&self) -> String {
        self.checkpoint()["state"]
            .as_str()
            .expect("a state")
            .to_owned()
    }

    /// The errors of the summary, each as `HOST PART: ERROR`.
    #[must_use]
    pub(crate) fn failed(&self) -> Vec<String> {
        self.failed_values()
            .iter()
            .map(|failed| {
                format!(
                    "{} {}: {}",
                    failed["host"].as_str().unwrap_or_default(),
                    failed["part"].as_str().unwrap_or("-"),
                    failed["error"].as_str().unwrap_or_default()
                )
            })
            .collect()
    }

    /// The hints of the summary's errors.
    #[must_use]
    pub(crate) fn hints(&self) -> Vec<String> {
        self.failed_values()
            .iter()
            .map(|failed| failed["hint"].as_str().unwrap_or_default().to_owned())
            .collect()
    }

    /// The codes of the summary's errors.
    #[must_use]
    pub(crate) fn codes(&self) -> Vec<String> {
        self.failed_values()
            .iter()
            .map(|failed| failed["code"].as_str().unwrap_or_default().to_owned())
            .collect()
    }

    fn failed_values(&self) -> Vec<Value> {
        self.summary()["failed"].as_array().expect("a list").clone()
    }
}

/// A run that has begun. Ends with the value.
pub(crate) struct RunningFleet {
    child: Child,
    lines: Arc<Mutex<String>>,
    stdout: Option<JoinHandle<()>>,
    stderr: Option<JoinHandle<String>>,
}

impl RunningFleet {
    /// Its process.
    #[must_use]
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    fn said(&self) -> String {
        self.lines
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Waits until it has told an event of this type.
    pub(crate) fn wait_for(&mut self, event: &str) {
        let wanted = format!("\"type\":\"{event}\"");
        eventually(event, || {
            let told = self.said().contains(&wanted);
            let ended = !told && !matches!(self.child.try_wait(), Ok(None));
            assert!(!ended, "it ended before any {event}: {}", self.said());
            told
        });
    }

    /// Waits until it has told of so many bytes of content.
    pub(crate) fn wait_for_bytes(&mut self, bytes: u64) {
        eventually("progress", || {
            let ended = !matches!(self.child.try_wait(), Ok(None));
            assert!(!ended, "it ended before: {}", self.said());
            let events = self.said();
            let events = events
                .lines()
                .filter_map(|line| serde_json::from_str::<Value>(line).ok());
            events
                .filter(|event| event["type"] == "progress")
                .any(|event| event["bytes"].as_u64() >= Some(bytes))
        });
    }

    /// Sends it a signal, as `kill -NAME` does.
    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .arg(format!("-{name}"))
            .arg(self.pid().to_string())
            .status()
            .expect("kill");
        assert!(status.success());
    }

    /// Waits for its end.
    #[must_use]
    pub(crate) fn end(mut self) -> FleetOutput {
        let status = self.child.wait().expect("it ends");
        if let Some(thread) = self.stdout.take() {
            thread.join().expect("the output was read");
        }
        let stderr = self
            .stderr
            .take()
            .map(|thread| thread.join().expect("the messages were read"))
            .unwrap_or_default();
        FleetOutput {
            exit: status.code(),
            stdout: self.said(),
            stderr,
        }
    }
}

impl Drop for RunningFleet {
    fn drop(&mut self) {
        // One that has ended already is what is wanted.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
