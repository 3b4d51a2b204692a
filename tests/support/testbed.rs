//! The test bed that `testbed/testbed up` brought up, as `FLEET_TESTBED_JSON` describes it.
//!
//! Tests only read its hosts, `new-vm` aside, which one test at a time may disturb. A test that writes other
//! hosts is alone with the test bed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use fleet::ssh::SshConfig;
use serde_json::{Value, json};

use super::fleet::Fleet;

/// A running test bed.
pub(crate) struct Testbed {
    facts: Value,
    // Released when it is dropped.
    _held: Held,
}

/// Whose the hosts are while a test runs.
enum Held {
    Shared {
        _guard: RwLockReadGuard<'static, ()>,
    },
    Alone {
        _guard: RwLockWriteGuard<'static, ()>,
    },
}

static HOSTS: RwLock<()> = RwLock::new(());

impl Testbed {
    /// None without one; that is said loudly, and is a failure with `FLEET_TEST_REQUIRE=1`.
    #[must_use]
    pub(crate) fn find() -> Option<Self> {
        Self::held(|| Held::Shared {
            _guard: HOSTS.read().unwrap_or_else(PoisonError::into_inner),
        })
    }

    /// The same for a test that writes hosts: waits until no other test uses them.
    #[must_use]
    pub(crate) fn find_alone() -> Option<Self> {
        Self::held(|| Held::Alone {
            _guard: HOSTS.write().unwrap_or_else(PoisonError::into_inner),
        })
    }

    fn held(hold: impl FnOnce() -> Held) -> Option<Self> {
        let Some(file) = std::env::var_os("FLEET_TESTBED_JSON") else {
            super::skipped("no test bed; `testbed/testbed up`, then set FLEET_TESTBED_JSON");
            return None;
        };
        let text = fs::read_to_string(&file).expect("FLEET_TESTBED_JSON names a file");
        Some(Self {
            facts: serde_json::from_str(&text).expect("testbed.json is JSON"),
            _held: hold(),
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
        self.fleet_of_all(&[(host, more)])
    }

    /// A workstation with these hosts, each described as for [`Self::fleet_of`].
    #[must_use]
    pub(crate) fn fleet_of_all(&self, hosts: &[(&str, &Value)]) -> Fleet {
        Fleet::new(
            Path::new(self.text("ssh_config")),
            &self.inventory_of(hosts),
        )
    }

    /// The inventory of [`Self::fleet_of_all`].
    #[must_use]
    pub(crate) fn inventory_of(&self, hosts: &[(&str, &Value)]) -> String {
        let described: serde_json::Map<String, Value> = hosts
            .iter()
            .map(|(host, more)| ((*host).to_owned(), self.described(host, more)))
            .collect();
        // JSON is YAML.
        json!({ "version": 1, "hosts": described }).to_string()
    }

    fn described(&self, host: &str, more: &Value) -> Value {
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
        described
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

    /// What shell text prints that root runs on `host`.
    pub(crate) fn as_root(&self, host: &str, script: &str) -> String {
        let quoted = script.replace('\'', "'\\''");
        self.tool(&["ssh", host, &format!("sudo -n sh -c '{quoted}'")])
    }
}
