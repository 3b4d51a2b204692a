//! [`HostFixture`]: a workstation folder and one host, for tests of whole runs.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::fleet::Fleet;
use super::proxy::{Faults, Proxy};
use super::sshd::{Builder, Sshd, user};

/// A workstation folder, and a host `web` with a tree that the source `app` captures.
pub(crate) struct HostFixture {
    pub(crate) fleet: Fleet,
    pub(crate) sshd: Sshd,
    pub(crate) tree: PathBuf,
    tools: Option<tempfile::TempDir>,
}

impl HostFixture {
    /// None where there is no sshd; that was said loudly.
    pub(crate) fn start() -> Option<Self> {
        Self::with(Sshd::builder())
    }

    pub(crate) fn with(builder: Builder) -> Option<Self> {
        let sshd = builder.start()?;
        let tree = sshd.folder().join("tree");
        fs::create_dir(&tree).expect("a tree");
        let scene = Self {
            fleet: Fleet::new(&sshd.folder().join("ssh_config"), ""),
            tree,
            sshd,
            tools: None,
        };
        scene.describe(scene.host(scene.app()));
        Some(scene)
    }

    /// With these programs before all others on the host; `make` is told the folder.
    pub(crate) fn with_tools(make: impl FnOnce(&Path)) -> Option<Self> {
        let tools = tempfile::tempdir().expect("a folder");
        fs::set_permissions(tools.path(), fs::Permissions::from_mode(0o755)).expect("mode");
        make(tools.path());
        let path = std::env::var("PATH").unwrap_or_default();
        Self::with_path(tools, &format!(":{path}"))
    }

    /// With just these programs on the host, and `env`, which every command starts with.
    pub(crate) fn with_only_tools(names: &[&str]) -> Option<Self> {
        let tools = tempfile::tempdir().expect("a folder");
        for name in names.iter().chain(&["env"]) {
            let program = super::sshd::installed(name)?;
            symlink(program, tools.path().join(name)).expect("a link");
        }
        Self::with_path(tools, "")
    }

    pub(crate) fn with_path(tools: tempfile::TempDir, path: &str) -> Option<Self> {
        Self::with_path_of(Sshd::builder(), tools, path)
    }

    /// The same for a server with options of its own.
    pub(crate) fn with_path_of(
        builder: Builder,
        tools: tempfile::TempDir,
        path: &str,
    ) -> Option<Self> {
        // Only the first SetEnv counts.
        let folder = tools.path().display();
        let line = format!("SetEnv PATH={folder}{path} HOME={folder}");
        let mut scene = Self::with(builder.option(line))?;
        scene.tools = Some(tools);
        Some(scene)
    }

    /// The folder of [`Self::with_tools`].
    pub(crate) fn tools(&self) -> &Path {
        self.tools.as_ref().expect("made with tools").path()
    }

    /// The sources: the whole tree as `app`.
    pub(crate) fn app(&self) -> Value {
        json!({ "app": { "directory": self.tree } })
    }

    /// The server as a host of the inventory, with limits that no healthy test reaches.
    pub(crate) fn host(&self, sources: Value) -> Value {
        let mut host = json!({
            "env": "dev",
            "access": "writable",
            "address": "127.0.0.1",
            "port": self.sshd.port,
            "user": user(),
            "identity": [self.sshd.operator_key()],
            "connect_timeout": "30s",
            "stall_timeout": "30s",
        });
        host["sources"] = sources;
        host
    }

    /// The inventory holds just `host` as `web`.
    pub(crate) fn describe(&self, host: Value) {
        let mut hosts = json!({});
        hosts["web"] = host;
        self.describe_all(hosts);
    }

    /// The inventory holds these hosts.
    pub(crate) fn describe_all(&self, hosts: Value) {
        // JSON is YAML.
        let mut inventory = json!({ "version": 1 });
        inventory["hosts"] = hosts;
        self.fleet.write_inventory(&inventory.to_string());
    }

    /// The inventory holds `web` with these sources.
    pub(crate) fn sources(&self, sources: Value) {
        self.describe(self.host(sources));
    }

    /// The host is reached through `proxy`, and given up after `limit` seconds.
    pub(crate) fn behind(&self, proxy: &Proxy, limit: u32) -> Value {
        self.trust(proxy.port);
        let mut host = self.host(self.app());
        host["port"] = json!(proxy.port);
        host["connect_timeout"] = json!(format!("{limit}s"));
        host["stall_timeout"] = json!(format!("{limit}s"));
        host
    }

    /// From now on `web` is reached with `faults`, and given up after 30 seconds.
    pub(crate) fn through(&self, faults: Faults) -> Proxy {
        let proxy = Proxy::start(self.sshd.port, faults);
        self.describe(self.behind(&proxy, 30));
        proxy
    }

    /// The server's key is known under another port.
    pub(crate) fn trust(&self, port: u16) {
        let mut known = fs::read_to_string(self.sshd.known_hosts()).unwrap_or_default();
        known += &format!("[127.0.0.1]:{port} {}\n", self.sshd.host_public_key());
        self.sshd.write_known_hosts(&known);
    }

    /// The tree as it is in a checkpoint that was exported to `folder`.
    pub(crate) fn tree_in(&self, folder: &Path) -> PathBuf {
        super::tree::beneath(folder, &self.tree)
    }

    /// Asserts that `checkpoint` holds the tree as it is on the host now.
    pub(crate) fn assert_holds_tree(&self, checkpoint: &str) {
        let out = self.fleet.exported(checkpoint);
        super::tree::assert_same(&self.tree, &self.tree_in(&out));
    }
}

/// Makes a program.
pub(crate) fn program(folder: &Path, name: &str, script: &str) {
    let file = folder.join(name);
    fs::write(&file, format!("#!/bin/sh\n{script}\n")).expect("a script");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).expect("mode");
}

/// The host with these tools has this machine-id, until it is given another one.
pub(crate) fn set_machine_id(folder: &Path, number: u32) {
    fs::write(folder.join("machine-id"), format!("{number:032}\n")).expect("a file");
    let script = "for file; do\n\
                  shift\n\
                  case $file in /etc/machine-id) file=${0%/*}/machine-id ;; esac\n\
                  set -- \"$@\" \"$file\"\n\
                  done\n\
                  exec /bin/cat \"$@\"";
    program(folder, "cat", script);
}
