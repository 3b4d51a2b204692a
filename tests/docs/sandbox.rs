//! The sandbox in which the commands of a page are run: a folder as home, two hosts, and the names that pages
//! use for random values.
//!
//! Pages speak of `/etc/asterisk` and `/opt/app` on hosts at addresses for documentation. Here both hosts
//! are SSH servers on loopback, and those directories are in a folder of the sandbox. [`Sandbox::run`]
//! replaces the one by the other in what is run and back in what was printed.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, UNIX_EPOCH};

use crate::support::sshd::{Sshd, user};

/// The fingerprint that pages show for the key of dev-vm.
const FINGERPRINT: &str = "SHA256:Zk0Vu9rVvFyrXNhCvTOlxcCs3nGfl9MZqk6Rvg0vPfY";
/// Directories that hosts have.
const DIRECTORIES: [&str; 2] = ["etc/asterisk", "opt/app"];

pub(super) struct Sandbox {
    folder: tempfile::TempDir,
    // Ends the servers with the sandbox.
    _servers: [Sshd; 2],
    /// As pages write it, and as it is here.
    names: Vec<(String, String)>,
}

/// What a command printed, in the names of the pages: standard output, and behind it standard error
/// without the lines of progress, which a terminal does not keep.
pub(super) struct Printed {
    pub(super) exit: Option<i32>,
    pub(super) text: String,
}

impl Sandbox {
    /// None where there is no sshd; that was said loudly.
    pub(super) fn start() -> Option<Self> {
        let prod = Sshd::builder().start()?;
        // Records of restores are its own.
        let dev = Sshd::builder().own_var_lib().start()?;
        let folder = tempfile::tempdir().expect("a folder");
        let tree = folder.path().join("host");
        let known = folder.path().join("known_hosts");
        let fingerprint = fingerprint(&dev);
        let sandbox = Self {
            names: vec![
                (FINGERPRINT.to_owned(), fingerprint),
                (
                    "203.0.113.53:22".to_owned(),
                    format!("127.0.0.1:{}", dev.port),
                ),
                (
                    "203.0.113.26:22".to_owned(),
                    format!("127.0.0.1:{}", prod.port),
                ),
                (
                    "203.0.113.53".to_owned(),
                    format!("[127.0.0.1]:{}", dev.port),
                ),
                (
                    "hostname  dev-vm".to_owned(),
                    format!(
                        "hostname  {}",
                        rustix::system::uname().nodename().to_string_lossy()
                    ),
                ),
                ("~/.ssh/known_hosts".to_owned(), known.display().to_string()),
                ("admin@".to_owned(), format!("{}@", user())),
                ("admin at ".to_owned(), format!("{} at ", user())),
            ],
            _servers: [prod, dev],
            folder,
        };
        sandbox.fill();
        fs::create_dir(sandbox.home()).expect("a home");
        let [prod, dev] = &sandbox._servers;
        fs::write(&known, format!("{}\n{}\n", key_of(prod), key_of(dev))).expect("known_hosts");
        sandbox.write_tools(prod, dev, &known, &tree);
        Some(sandbox)
    }

    fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// The files that both hosts have.
    fn fill(&self) {
        let tree = self.folder.path().join("host");
        let files = [
            (
                "etc/asterisk/extensions.conf",
                "[default]\nexten => 7000,1,Answer()\n",
            ),
            (
                "etc/asterisk/pjsip.conf",
                "[transport]\ntype=transport\nprotocol=udp\n",
            ),
            ("etc/asterisk/manager.conf", "[general]\nenabled = no\n"),
            (
                "opt/app/package.json",
                "{ \"name\": \"app\", \"version\": \"1.4.0\" }\n",
            ),
            ("opt/app/server.js", "require('./app').listen(8080);\n"),
            (
                "opt/app/public/index.html",
                "<!doctype html>\n<title>app</title>\n",
            ),
            ("opt/app/app.log", "started\n"),
        ];
        for (name, text) in files {
            let file = tree.join(name);
            fs::create_dir_all(file.parent().expect("a folder")).expect("folders");
            fs::write(&file, text).expect("a file");
            let file = fs::File::options().append(true).open(file);
            // 2026-11-02 14:03:20 UTC
            let time = UNIX_EPOCH + Duration::from_secs(1_793_628_200);
            file.and_then(|file| file.set_modified(time))
                .expect("a time");
        }
    }

    /// `fleet` with the sandbox's configuration of ssh, and `sandbox`, which hidden commands call.
    fn write_tools(
        &self,
        prod: &Sshd,
        dev: &Sshd,
        known: &std::path::Path,
        tree: &std::path::Path,
    ) {
        let bin = self.folder.path().join("bin");
        fs::create_dir(&bin).expect("a folder");
        let config = self.folder.path().join("ssh_config");
        let block = |name: &str, server: &Sshd| {
            format!(
                "Host {name}\n  HostName 127.0.0.1\n  Port {}\n  IdentityFile {}\n",
                server.port,
                server.operator_key().display()
            )
        };
        let text = format!(
            "{}{}Host *\n  User {}\n  IdentityAgent none\n  UserKnownHostsFile {}\n  GlobalKnownHostsFile none\n",
            block("prod-vm", prod),
            block("dev-vm", dev),
            user(),
            known.display()
        );
        fs::write(&config, text).expect("ssh_config");

        let inventory = self.folder.path().join("fleet.yaml");
        let tree = tree.display();
        let sources = format!(
            "    sources:\n      app: {{ directory: {tree}/opt/app, exclude: [\"*.log\"] }}\n      \
             asterisk: {{ directory: {tree}/etc/asterisk }}\n"
        );
        // Limits that no healthy run reaches, on a busy machine either.
        let text = format!(
            "version: 1\nstore: ../checkpoints\nhosts:\n  prod-vm:\n    env: prod\n{sources}  dev-vm:\n    \
             env: dev\n    access: writable\n{sources}defaults: {{ connect_timeout: 60s, stall_timeout: 60s }}\n"
        );
        fs::write(&inventory, text).expect("an inventory");

        let fleet = format!(
            "exec {} -F {} \"$@\"",
            env!("CARGO_BIN_EXE_fleet"),
            config.display()
        );
        let helper = format!(
            "case $1 in\n\
             inventory) mkdir -p inventory && cp {} inventory/fleet.yaml ;;\n\
             change) echo '; by hand' >>{tree}/etc/asterisk/extensions.conf; rm {tree}/opt/app/public/index.html ;;\n\
             forget-dev) echo '{}' >{} ;;\n\
             *) echo \"sandbox: $1?\" >&2; exit 2 ;;\n\
             esac",
            inventory.display(),
            key_of(prod),
            known.display()
        );
        for (name, script) in [("fleet", fleet), ("sandbox", helper)] {
            let file = bin.join(name);
            fs::write(&file, format!("#!/bin/sh\n{script}\n")).expect("a script");
            fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).expect("mode");
        }
    }

    /// The command with the sandbox's names in place of the page's.
    fn translated(&self, command: &str) -> String {
        let tree = self.folder.path().join("host").display().to_string();
        let mut text = command.to_owned();
        for name in DIRECTORIES {
            let real = format!("{tree}/{name}");
            text = text.replace(&format!(" {name}"), &format!(" {}", &real[1..]));
            text = text.replace(&format!("/{name}"), &real);
            // A name without its slash was replaced twice.
            text = text.replace(&format!("{tree}{tree}"), &tree);
            text = text.replace(
                &format!(" {}{tree}", &tree[1..]),
                &format!(" {}", &tree[1..]),
            );
        }
        for (shown, real) in &self.names {
            text = text.replace(shown, real);
        }
        text
    }

    /// Runs a line in a shell, with its standard input closed.
    pub(super) fn run(&self, command: &str) -> Printed {
        let path = std::env::var("PATH").unwrap_or_default();
        let path = format!("{}:{path}", self.folder.path().join("bin").display());
        let output = Command::new("bash")
            .args(["-o", "pipefail", "-c"])
            .arg(self.translated(command))
            .env_clear()
            .env("PATH", path)
            .env("HOME", self.home())
            .env("LC_ALL", "C.UTF-8")
            .env("TZ", "UTC")
            .current_dir(self.home())
            .stdin(Stdio::null())
            .output()
            .expect("bash runs");
        let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
        let is_progress = |line: &&str| {
            let works = ["fleet checkpoint", "fleet restore --r"];
            works.iter().any(|verb| command.starts_with(verb))
                && line.starts_with(['d', 'p'])
                && line.contains("-vm")
                && !line.contains("warning")
        };
        for line in String::from_utf8_lossy(&output.stderr).lines() {
            if !is_progress(&line) {
                text.push_str(line);
                text.push('\n');
            }
        }
        Printed {
            exit: output.status.code(),
            text: self.shown(&text),
        }
    }

    fn shown(&self, text: &str) -> String {
        let tree = self.folder.path().join("host").display().to_string();
        let mut text = text.replace(&format!("{tree}/"), "/");
        text = text.replace(&format!("{}/", &tree[1..]), "");
        for (shown, real) in &self.names {
            text = text.replace(real, shown);
        }
        text = text.replace(&format!("{}/", self.home().display()), "");
        text
    }
}

/// A line of known_hosts.
fn key_of(server: &Sshd) -> String {
    format!("{} {}", server.lookup(), server.host_public_key())
}

fn fingerprint(server: &Sshd) -> String {
    let output = Command::new("ssh-keygen")
        .arg("-lf")
        .arg(server.folder().join("host_ed25519.pub"))
        .output()
        .expect("ssh-keygen runs");
    let text = String::from_utf8_lossy(&output.stdout);
    text.split(' ').nth(1).expect("a fingerprint").to_owned()
}
