//! The test bed that `testbed/testbed up` brought up, as `FLEET_TESTBED_JSON` describes it.
//!
//! Tests only read its hosts, `new-vm` aside, which one test at a time may disturb.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use fleet::ssh::SshConfig;
use serde_json::{Value, json};

use super::fleet::Fleet;

/// A running test bed.
pub(crate) struct Testbed {
    facts: Value,
}

impl Testbed {
    /// None without one; that is said loudly, and is a failure with `FLEET_TEST_REQUIRE=1`.
    #[must_use]
    pub(crate) fn find() -> Option<Self> {
        let Some(file) = std::env::var_os("FLEET_TESTBED_JSON") else {
            super::skipped("no test bed; `testbed/testbed up`, then set FLEET_TESTBED_JSON");
            return None;
        };
        let text = fs::read_to_string(&file).expect("FLEET_TESTBED_JSON names a file");
        Some(Self {
            facts: serde_json::from_str(&text).expect("testbed.json is JSON"),
        })
    }

    /// Whether this test bed can do that; if not, it is said loudly. What its kind could do, but
    /// could not be had here, is a failure with `FLEET_TEST_REQUIRE=1`.
    #[must_use]
    pub(crate) fn has(&self, capability: &str) -> bool {
        let names = |key: &str| {
            self.facts[key]
                .as_array()
                .is_some_and(|all| all.contains(&json!(capability)))
        };
        let has = names("capabilities");
        if names("lost") {
            super::skipped(&format!("this test bed could not get {capability}"));
        } else if !has {
            let kind = &self.facts["kind"];
            super::not_here(&format!("a test bed of kind {kind} has no {capability}"));
        }
        has
    }

    fn text(&self, key: &str) -> &str {
        self.facts[key].as_str().expect("testbed.json has it")
    }

    /// The configuration for `ssh -F` that knows its hosts.
    #[must_use]
    pub(crate) fn ssh_config(&self) -> SshConfig {
        SshConfig {
            file: Some(self.text("ssh_config").into()),
        }
    }

    /// A workstation with the test bed's own inventory.
    #[must_use]
    pub(crate) fn fleet(&self) -> Fleet {
        let inventory = fs::read_to_string(self.text("inventory")).expect("the inventory");
        Fleet::new(Path::new(self.text("ssh_config")), &inventory)
    }

    /// A workstation with one host of the test bed, described by `more` than its address and env. `HOST-dropbear`
    /// is the same host through its other server, where `has("dropbear")`.
    #[must_use]
    pub(crate) fn fleet_of(&self, host: &str, more: &Value) -> Fleet {
        let (name, port) = match host.strip_suffix("-dropbear") {
            Some(name) => (name, "dropbear"),
            None => (host, "port"),
        };
        let mut described = self.facts["hosts"]
            .as_array()
            .and_then(|hosts| hosts.iter().find(|facts| facts["name"] == name))
            .map(|facts| {
                json!({
                    "env": facts["env"],
                    "access": facts["access"],
                    "address": facts["address"],
                    "port": facts[port],
                    "user": facts["user"],
                })
            })
            .expect("a host of the test bed");
        for (key, value) in more.as_object().expect("keys of a host") {
            described[key] = value.clone();
        }
        // JSON is YAML.
        let inventory = json!({ "version": 1, "hosts": { host: described } });
        Fleet::new(Path::new(self.text("ssh_config")), &inventory.to_string())
    }

    /// A secret of its hosts by the name that `testbed.json` has for it, without its line end.
    #[must_use]
    pub(crate) fn secret(&self, name: &str) -> String {
        let file = self.facts["secrets"][name].as_str();
        let text = fs::read_to_string(file.expect("testbed.json has it"));
        text.expect("a file").trim_end().to_owned()
    }

    /// `testbed/testbed` with these arguments.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let program = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("testbed/testbed");
        let state = Path::new(self.text("state"));
        let mut command = Command::new(program);
        command
            .args(["--name", self.text("name")])
            .args(arguments)
            .env("FLEET_TESTBED_STATE", state.parent().expect("a folder"))
            .stdin(Stdio::null());
        command
    }

    /// What `testbed/testbed` answers to these arguments.
    pub(crate) fn tool(&self, arguments: &[&str]) -> String {
        let output = self
            .command(arguments)
            .stderr(Stdio::inherit())
            .output()
            .expect("testbed starts");
        assert!(output.status.success(), "testbed {arguments:?}");
        String::from_utf8(output.stdout).expect("text")
    }
}
