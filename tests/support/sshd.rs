//! A real OpenSSH server on loopback, one a test, run by whoever runs the tests.
//!
//! Keys, configuration and known_hosts are in a folder of its own; nothing of the user's `~/.ssh` is
//! read or written. The server and its children end with the value.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use fleet::inventory::{
    Access, Bootstrap, Defaults, Env, Host, Inventory, Keep, Limits, Place, ProdWords,
    WireCompression,
};
use fleet::ssh::SshConfig;

/// Where the server is; none, and the tests that need it are skipped, loudly.
///
/// With `FLEET_TEST_REQUIRE=1` nothing is skipped: the test fails.
pub(crate) fn installed(program: &str) -> Option<PathBuf> {
    let found = std::env::var_os("PATH")
        .map(|path| std::env::split_paths(&path).collect::<Vec<_>>())
        .unwrap_or_default()
        .into_iter()
        .chain(["/usr/sbin".into(), "/usr/local/sbin".into()])
        .map(|folder: PathBuf| folder.join(program))
        .find(|file| file.is_file());
    if found.is_none() {
        super::skipped(&format!("{program} is not installed"));
    }
    found
}

/// A process that ends with the value, by its id.
pub(crate) struct Process(pub(crate) Child);

impl Drop for Process {
    fn drop(&mut self) {
        // One that has ended already is what is wanted.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Waits until `ready` says yes; an event may take long on a busy machine, but not forever.
pub(crate) fn eventually(what: &str, mut ready: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !ready() {
        assert!(
            begun.elapsed() < Duration::from_secs(30),
            "still not: {what}"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// How to start a server.
#[derive(Default)]
pub(crate) struct Builder {
    options: Vec<String>,
    host_keys: Vec<&'static str>,
    host_certificate: bool,
    home: Option<PathBuf>,
    no_operator: bool,
    own_var_lib: bool,
}

impl Builder {
    /// What commands keep in `/var/lib` is this server's alone, and gone with it, where root may mount. Other
    /// accounts keep nothing there.
    #[must_use]
    pub(crate) fn own_var_lib(mut self) -> Self {
        let can_mount = || {
            let mut command = Command::new("unshare");
            command.args(["--mount", "--propagation", "private", "sh", "-c"]);
            command.arg("mount -t tmpfs none /var/lib 2>/dev/null");
            command.status().is_ok_and(|status| status.success())
        };
        self.own_var_lib = rustix::process::getuid().is_root() && can_mount();
        self
    }

    /// A line of `sshd_config`; earlier ones win.
    #[must_use]
    pub(crate) fn option(mut self, line: impl Into<String>) -> Self {
        self.options.push(line.into());
        self
    }

    /// A kind of host key, as `ssh-keygen -t` names it; without any: ed25519.
    #[must_use]
    pub(crate) fn host_key(mut self, kind: &'static str) -> Self {
        self.host_keys.push(kind);
        self
    }

    /// The host key gets a certificate for `127.0.0.1`, of an authority in `host_ca`.
    #[must_use]
    pub(crate) fn host_certificate(mut self) -> Self {
        self.host_certificate = true;
        self
    }

    /// The account's home; `.bashrc` there is read by bash.
    #[must_use]
    pub(crate) fn home(mut self, home: impl Into<PathBuf>) -> Self {
        self.home = Some(home.into());
        self
    }

    /// The operator's key is not let in.
    #[must_use]
    pub(crate) fn nobody_allowed(mut self) -> Self {
        self.no_operator = true;
        self
    }

    /// Starts it, and waits for its banner.
    ///
    /// None where sshd isn't installed; that was said loudly.
    #[must_use]
    pub(crate) fn start(self) -> Option<Sshd> {
        let program = installed("sshd")?;
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().to_owned();
        // sshd wants the folders above authorized_keys to be nobody else's.
        fs::set_permissions(&root, fs::Permissions::from_mode(0o700)).expect("mode");
        let kinds = if self.host_keys.is_empty() {
            vec!["ed25519"]
        } else {
            self.host_keys.clone()
        };
        let mut config = String::new();
        for line in &self.options {
            config += line;
            config += "\n";
        }
        for kind in &kinds {
            let file = root.join(format!("host_{kind}"));
            keygen(&file, kind, "");
            config += &format!("HostKey {}\n", file.display());
        }
        if self.host_certificate {
            let authority = root.join("host_ca");
            keygen(&authority, "ed25519", "");
            let key = root.join(format!("host_{}.pub", kinds[0]));
            sign(&authority, &key, &["-h", "-n", "127.0.0.1", "-I", "host"]);
            config += &format!(
                "HostCertificate {}\n",
                root.join(format!("host_{}-cert.pub", kinds[0])).display()
            );
        }
        let operator = root.join("operator");
        keygen(&operator, "ed25519", "");
        let authorized = root.join("authorized_keys");
        let allowed = if self.no_operator {
            String::new()
        } else {
            fs::read_to_string(operator.with_extension("pub")).expect("the public key")
        };
        fs::write(&authorized, allowed).expect("authorized_keys");
        let home = self.home.unwrap_or_else(|| {
            let home = root.join("home");
            fs::create_dir(&home).expect("a home");
            home
        });
        config += &format!("AuthorizedKeysFile {}\n", authorized.display());
        config += &format!("PidFile {}\n", root.join("pid").display());
        config += &format!("SetEnv HOME={}\n", home.display());
        config += "StrictModes no\nUsePAM no\nPasswordAuthentication no\n\
                   KbdInteractiveAuthentication no\nPermitRootLogin yes\nUseDNS no\n\
                   PrintMotd no\nListenAddress 127.0.0.1\nLogLevel VERBOSE\n";
        // Of this one the last line wins.
        if !config.contains("MaxStartups") {
            config += "MaxStartups 200\n";
        }
        let log = root.join("log");
        // As root, sshd wants this folder, which systemd makes; for others it is not needed.
        drop(fs::create_dir("/run/sshd"));
        // The port is free at this moment; if somebody takes it meanwhile, another one is tried.
        for _ in 0..20 {
            let port = free_port();
            let file = root.join("sshd_config");
            fs::write(&file, format!("Port {port}\n{config}")).expect("the configuration");
            let mut command = if self.own_var_lib {
                let script = "mount -t tmpfs -o mode=755 none /var/lib && exec \"$@\"";
                let mut command = Command::new("unshare");
                command.args([
                    "--mount",
                    "--propagation",
                    "private",
                    "sh",
                    "-c",
                    script,
                    "sh",
                ]);
                command.arg(&program);
                command
            } else {
                Command::new(&program)
            };
            let child = command
                .args(["-D", "-e", "-f"])
                .arg(&file)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(fs::File::create(&log).expect("a log"))
                .spawn()
                .expect("sshd starts");
            let mut process = Process(child);
            if wait_for_banner(port, &mut process.0, &root.join("pid")) {
                let sshd = Sshd {
                    process,
                    folder,
                    port,
                    kinds,
                    home,
                };
                sshd.trust_all();
                sshd.write_config();
                return Some(sshd);
            }
        }
        let said = fs::read_to_string(&log).unwrap_or_default();
        assert!(said.is_empty(), "sshd does not start: {said}");
        None
    }
}

/// A running server. Ends when dropped.
pub(crate) struct Sshd {
    process: Process,
    folder: tempfile::TempDir,
    /// Its port on 127.0.0.1.
    pub(crate) port: u16,
    kinds: Vec<&'static str>,
    /// The home of the account that logs in.
    pub(crate) home: PathBuf,
}

impl Sshd {
    /// How to start one.
    #[must_use]
    pub(crate) fn builder() -> Builder {
        Builder::default()
    }

    /// The folder of this server: keys `operator`, `host_KIND`; `known_hosts`, `ssh_config`, `log`.
    #[must_use]
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The key that is let in.
    #[must_use]
    pub(crate) fn operator_key(&self) -> PathBuf {
        self.folder().join("operator")
    }

    /// The known_hosts file that the configuration names.
    #[must_use]
    pub(crate) fn known_hosts(&self) -> PathBuf {
        self.folder().join("known_hosts")
    }

    /// A configuration for `ssh -F`, complete for every host name.
    #[must_use]
    pub(crate) fn ssh_config(&self) -> SshConfig {
        SshConfig {
            file: Some(self.folder().join("ssh_config")),
        }
    }

    /// Replaces the configuration for `ssh -F`.
    pub(crate) fn write_ssh_config(&self, text: &str) {
        fs::write(self.folder().join("ssh_config"), text).expect("ssh_config");
    }

    fn write_config(&self) {
        self.write_ssh_config(&format!(
            "Host *\n  HostName 127.0.0.1\n  Port {}\n  User {}\n  IdentityFile {}\n  IdentityAgent none\n  \
             UserKnownHostsFile {}\n  GlobalKnownHostsFile none\n",
            self.port,
            user(),
            self.operator_key().display(),
            self.known_hosts().display()
        ));
    }

    /// The name under which its keys are in known_hosts.
    #[must_use]
    pub(crate) fn lookup(&self) -> String {
        format!("[127.0.0.1]:{}", self.port)
    }

    /// A host key, as `TYPE BASE64`.
    #[must_use]
    pub(crate) fn host_key(&self, kind: &str) -> String {
        public(&self.folder().join(format!("host_{kind}.pub")))
    }

    /// Its first host key, as `TYPE BASE64`.
    #[must_use]
    pub(crate) fn host_public_key(&self) -> String {
        self.host_key(self.kinds[0])
    }

    fn trust_all(&self) {
        let lines: String = self
            .kinds
            .iter()
            .map(|kind| format!("{} {}\n", self.lookup(), self.host_key(kind)))
            .collect();
        self.write_known_hosts(&lines);
    }

    /// Replaces the known_hosts file.
    pub(crate) fn write_known_hosts(&self, text: &str) {
        fs::write(self.known_hosts(), text).expect("known_hosts");
    }

    /// Lets another public key in.
    pub(crate) fn authorize(&self, line: &str) {
        let file = self.folder().join("authorized_keys");
        let mut text = fs::read_to_string(&file).unwrap_or_default();
        text += line.trim();
        text += "\n";
        fs::write(file, text).expect("authorized_keys");
    }

    /// What it has logged.
    #[must_use]
    pub(crate) fn log(&self) -> String {
        let mut text = String::new();
        let file = fs::File::open(self.folder().join("log"));
        if let Ok(mut file) = file {
            drop(file.read_to_string(&mut text));
        }
        text
    }

    /// The inventory file's text with this server as `name`.
    #[must_use]
    pub(crate) fn inventory_text(&self, name: &str) -> String {
        format!(
            "version: 1\nhosts:\n  {name}:\n    env: dev\n    access: writable\n    address: 127.0.0.1\n    \
             port: {}\n    user: {}\n    identity: [{}]\n",
            self.port,
            user(),
            self.operator_key().display()
        )
    }

    /// This server as a host of an inventory, with limits that no healthy test reaches.
    #[must_use]
    pub(crate) fn host(&self, name: &str) -> Host {
        Host {
            address: Some("127.0.0.1".to_owned()),
            port: Some(self.port),
            user: Some(user()),
            identity: vec![self.operator_key()],
            ..host(name)
        }
    }

    /// The id of the listening process.
    #[must_use]
    pub(crate) fn pid(&self) -> u32 {
        self.process.0.id()
    }

    /// The processes beneath the server: one a connection at least, and all commands.
    #[must_use]
    pub(crate) fn descendants(&self) -> Vec<(u32, String)> {
        descendants(self.pid())
    }

    /// Waits until nothing is left beneath the server.
    pub(crate) fn wait_until_idle(&self) {
        eventually("no process is left on the host", || {
            self.descendants().is_empty()
        });
    }
}

/// A host of an inventory, with nothing said but its name and generous limits.
#[must_use]
pub(crate) fn host(name: &str) -> Host {
    Host {
        name: name.parse().expect("a host name"),
        place: Place { line: 1, column: 1 },
        env: Some((
            Env::parse("dev", &ProdWords::default()).expect("a word"),
            Place::default(),
        )),
        access: Some((Access::Writable, Place::default())),
        tags: Vec::new(),
        address: None,
        port: None,
        user: None,
        identity: Vec::new(),
        jump: None,
        profiles: Vec::new(),
        sources: Vec::new(),
        services: Vec::new(),
        probes: Vec::new(),
        bootstrap: Bootstrap::default(),
        limits: Limits {
            connect_timeout: Duration::from_secs(30),
            stall_timeout: Duration::from_secs(30),
        },
        compression: WireCompression::default(),
        schedule: None,
        keep: Keep::default(),
        max_age: None,
    }
}

/// An inventory of these hosts.
#[must_use]
pub(crate) fn inventory(hosts: Vec<Host>) -> Inventory {
    Inventory {
        file: "inventory/fleet.yaml".into(),
        store: None,
        defaults: Defaults::default(),
        profiles: std::collections::BTreeMap::new(),
        hosts,
    }
}

/// Whoever runs the tests.
#[must_use]
pub(crate) fn user() -> String {
    let output = Command::new("id").arg("-un").output().expect("id");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Makes a key pair without a question.
pub(crate) fn keygen(file: &Path, kind: &str, passphrase: &str) {
    let mut command = Command::new("ssh-keygen");
    command.args(["-q", "-C", "test", "-N", passphrase]);
    match kind.split_once('-') {
        Some((kind, bits)) => command.args(["-t", kind, "-b", bits]),
        None => command.args(["-t", kind]),
    };
    let status = command.arg("-f").arg(file).status().expect("ssh-keygen");
    assert!(status.success(), "ssh-keygen -t {kind}");
}

/// Signs a public key; the certificate is beside it.
pub(crate) fn sign(authority: &Path, key: &Path, arguments: &[&str]) {
    let status = Command::new("ssh-keygen")
        .args(["-q", "-s"])
        .arg(authority)
        .args(arguments)
        .arg(key)
        .status()
        .expect("ssh-keygen");
    assert!(status.success(), "ssh-keygen -s {arguments:?}");
}

/// `TYPE BASE64` of a public key file.
#[must_use]
pub(crate) fn public(file: &Path) -> String {
    let text = fs::read_to_string(file).expect("a public key");
    text.split(' ').take(2).collect::<Vec<_>>().join(" ")
}

/// A port that nobody listens on at this moment.
#[must_use]
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a free port")
        .port()
}

/// Waits until the server `child` answers. It writes `pid` when the port is its own: before, another server may
/// answer that has taken it meanwhile.
fn wait_for_banner(port: u16, child: &mut Child, pid: &Path) -> bool {
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(20) {
        if !matches!(child.try_wait(), Ok(None)) {
            return false;
        }
        if pid.exists()
            && let Ok(stream) = TcpStream::connect(("127.0.0.1", port))
        {
            let mut banner = String::new();
            let mut reader = BufReader::new(stream);
            if reader.read_line(&mut banner).is_ok() && banner.starts_with("SSH-2.0-") {
                return true;
            }
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    false
}

/// All processes of the machine whose command lines hold `text`.
#[must_use]
pub(crate) fn processes_with(text: &str) -> Vec<(u32, String)> {
    let all = descendants(0);
    all.into_iter()
        .filter(|(_, line)| line.contains(text))
        .collect()
}

/// All processes beneath `root`, with their command lines.
#[must_use]
pub(crate) fn descendants(root: u32) -> Vec<(u32, String)> {
    let mut all = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<u32>().ok())
        else {
            continue;
        };
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else {
            continue;
        };
        let mut fields = stat
            .rsplit_once(") ")
            .map(|(_, rest)| rest.split(' '))
            .into_iter()
            .flatten();
        let state = fields.next().unwrap_or_default().to_owned();
        let parent: u32 = fields
            .next()
            .and_then(|text| text.parse().ok())
            .unwrap_or(0);
        if state == "Z" {
            continue;
        }
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        all.push((pid, parent, line));
    }
    let mut found: Vec<(u32, String)> = Vec::new();
    let mut parents = vec![root];
    while let Some(parent) = parents.pop() {
        for (pid, of, line) in &all {
            if *of == parent {
                parents.push(*pid);
                found.push((*pid, line.clone()));
            }
        }
    }
    found
}
