//! A folder of its own for each test, and the program run in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use super::schema;
use crate::support::sshd::Sshd;

/// A folder that is home and current folder at once.
pub(super) struct CliFixture {
    folder: tempfile::TempDir,
}

/// What one run of the program came to.
pub(super) struct FleetOutput {
    pub(super) code: Option<i32>,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

pub(super) const INVENTORY: &str = "\
version: 1
store: checkpoints
hosts:
  prod-vm:
    env: prod
    address: 203.0.113.26
    sources:
      app: { directory: /opt/app }
  dev-vm:
    env: dev
    access: writable
    address: 203.0.113.53
    port: 2222
    tags: [pbx]
    use: []
    sources:
      app: { directory: /opt/app }
  bare-vm: {}
";

impl CliFixture {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Self { folder }
    }

    /// With [`INVENTORY`], where it is looked for.
    pub(super) fn with_inventory() -> Self {
        let bed = Self::new();
        bed.write("fleet.yaml", INVENTORY);
        bed
    }

    /// With [`INVENTORY`] and the store of version 1 that the fixtures hold.
    pub(super) fn with_store() -> Self {
        let bed = Self::with_inventory();
        let stored = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/store-1");
        copy(&stored, &bed.path("checkpoints"));
        bed
    }

    /// With an inventory that knows `server` as dev-vm, whose `app` is the folder `data`.
    pub(super) fn at(server: &Sshd) -> Self {
        let bed = Self::new();
        let data = bed.path("data");
        fs::create_dir(&data).expect("a folder");
        let sources = format!(
            "    sources:\n      app: {{ directory: {} }}\n",
            data.display()
        );
        let text = server.inventory_text("dev-vm") + &sources;
        bed.write(
            "fleet.yaml",
            &text.replacen("hosts:", "store: checkpoints\nhosts:", 1),
        );
        bed
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
        fs::write(path, text).expect("a file");
    }

    /// The program, with standard input closed and nothing of the tester's own configuration.
    pub(super) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fleet"));
        command
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.folder.path())
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    pub(super) fn fleet(&self, arguments: &[&str]) -> FleetOutput {
        self.ran(&self.command(arguments).output().expect("the program runs"))
    }

    /// Runs the program against `server`.
    pub(super) fn fleet_at(&self, server: &Sshd, arguments: &[&str]) -> FleetOutput {
        let config = server.ssh_config().file.expect("a file");
        let config = config.to_str().expect("text").to_owned();
        let all: Vec<&str> = ["-F", &config]
            .into_iter()
            .chain(arguments.iter().copied())
            .collect();
        self.fleet(&all)
    }

    /// What was printed, with this folder's name as `[bed]`.
    pub(super) fn ran(&self, output: &Output) -> FleetOutput {
        let folder = self.folder.path().to_str().expect("text").to_owned();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace(&folder, "[bed]");
        FleetOutput {
            code: output.status.code(),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        }
    }
}

impl FleetOutput {
    /// The exit status and both streams, for snapshots.
    pub(super) fn whole(&self) -> String {
        let mut text = format!("exit {}\n", self.code.unwrap_or(-1));
        for (name, stream) in [("stdout", &self.stdout), ("stderr", &self.stderr)] {
            if !stream.is_empty() {
                text.push_str(&format!("── {name}\n{stream}"));
            }
        }
        text
    }

    /// Standard output as one document that fits the schema of `shape`.
    pub(super) fn document(&self, shape: &str) -> Value {
        let document = serde_json::from_str(&self.stdout).expect("one JSON document");
        assert_eq!(schema::flaws(shape, &document), Vec::<String>::new());
        document
    }

    /// Standard output as lines that fit the schema of `shape`.
    pub(super) fn lines(&self, shape: &str) -> Vec<Value> {
        let lines = self.stdout.lines();
        lines
            .map(|line| {
                let value = serde_json::from_str(line).expect("one JSON value a line");
                assert_eq!(schema::flaws(shape, &value), Vec::<String>::new());
                value
            })
            .collect()
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a fixture") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("a copy");
        }
    }
}
