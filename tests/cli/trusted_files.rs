//! The known_hosts files that `trust` writes and other verbs read, with `ssh` as the oracle.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::fixture::{CliFixture, FleetOutput};
use crate::support::sshd::Sshd;

struct Case {
    server: Sshd,
    bed: CliFixture,
    fingerprint: String,
}

impl Case {
    fn new() -> Option<Self> {
        let server = Sshd::builder().start()?;
        let bed = CliFixture::at(&server);
        let key = russh::keys::PublicKey::from_openssh(&server.host_public_key()).expect("a key");
        let fingerprint = fleet::ssh::host_keys::known_hosts::fingerprint(&key);
        Some(Self {
            server,
            bed,
            fingerprint,
        })
    }

    /// A configuration with these lines in place of the known_hosts files.
    fn configure(&self, lines: &str) {
        let file = self.server.ssh_config().file.expect("a file");
        let text = fs::read_to_string(&file).expect("ssh_config");
        let kept = text
            .lines()
            .filter(|line| {
                !["KnownHosts", "HostKeyAlias"]
                    .iter()
                    .any(|word| line.contains(word))
            })
            .fold(String::new(), |text, line| text + line + "\n");
        self.server.write_ssh_config(&(kept + lines + "\n"));
    }

    fn trust(&self) -> FleetOutput {
        let arguments = ["trust", "dev-vm", "--fingerprint", &self.fingerprint];
        self.bed.fleet_at(&self.server, &arguments)
    }

    /// What `ssh` writes into a file that it makes.
    fn ssh_writes(&self, file: &Path) -> String {
        drop(fs::remove_file(file));
        let config = self.server.ssh_config().file.expect("a file");
        let output = Command::new("ssh")
            .arg("-F")
            .arg(config)
            .args([
                "-o",
                "BatchMode=yes",
                "-o",
                "StrictHostKeyChecking=accept-new",
            ])
            .args(["-o", "UpdateHostKeys=no", "127.0.0.1", "true"])
            .output()
            .expect("ssh runs");
        assert!(output.status.success(), "{output:?}");
        let written = fs::read_to_string(file).expect("ssh made it");
        fs::remove_file(file).expect("removed");
        written
    }

    fn at(&self, name: &str) -> PathBuf {
        self.bed.path(name)
    }
}

/// The lines of a file that `ssh-keygen -F` finds for a name.
fn found(file: &Path, name: &str) -> usize {
    let output = Command::new("ssh-keygen")
        .args(["-F", name, "-f"])
        .arg(file)
        .output()
        .expect("ssh-keygen runs");
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter(|line| line.starts_with("# Host "))
        .count()
}

#[test]
fn trust_writes_what_ssh_would_write_where_ssh_would() {
    let Some(case) = Case::new() else {
        return;
    };
    let (first, second) = (case.at("first file"), case.at("second"));
    for (lines, name) in [
        (String::new(), case.server.lookup()),
        ("  HostKeyAlias The-Web".to_owned(), "the-web".to_owned()),
    ] {
        let files = format!(
            "  UserKnownHostsFile \"{}\" {}\n  GlobalKnownHostsFile none\n{lines}",
            first.display(),
            second.display()
        );
        case.configure(&files);
        let expected = case.ssh_writes(&first);
        let ran = case.trust();
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        assert_eq!(fs::read_to_string(&first).expect("written"), expected);
        assert!(!second.exists());
        assert_eq!(found(&first, &name), 1);
        case.configure(&format!("{files}\n  HashKnownHosts yes"));
        let expected = case.ssh_writes(&first);
        let ran = case.trust();
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        let written = fs::read_to_string(&first).expect("written");
        // The salt differs, the length does not.
        assert_eq!(written.len(), expected.len());
        assert!(written.starts_with("|1|"), "{written}");
        assert_eq!(found(&first, &name), 1);
        fs::remove_file(&first).expect("removed");
    }
}

#[test]
fn trust_writes_nothing_where_ssh_keeps_nothing() {
    let Some(case) = Case::new() else {
        return;
    };
    let real = case.at("known_hosts");
    let link = case.at("link");
    std::os::unix::fs::symlink("/dev/null", &link).expect("a link");
    for (files, why) in [
        ("none".to_owned(), "`none`".to_owned()),
        (
            "/dev/null".to_owned(),
            "/dev/null, which is not a regular file".to_owned(),
        ),
        (
            format!("/dev/null {}", real.display()),
            "/dev/null, which is not a regular file".to_owned(),
        ),
        (
            link.display().to_string(),
            "[bed]/link, which is not a regular file".to_owned(),
        ),
    ] {
        case.configure(&format!(
            "  UserKnownHostsFile {files}\n  GlobalKnownHostsFile none"
        ));
        let ran = case.trust();
        assert_eq!(ran.code, Some(2), "{files}: {}", ran.stderr);
        assert!(
            ran.stderr.starts_with(&format!(
                "error: there is no file to add keys of dev-vm to: UserKnownHostsFile is {why}\n  hint: Nothing was written."
            )),
            "{}",
            ran.stderr
        );
        assert!(!real.exists());
    }
}

#[test]
fn a_pattern_is_not_written_as_a_name() {
    let Some(case) = Case::new() else {
        return;
    };
    let file = case.at("known_hosts");
    case.configure(&format!(
        "  UserKnownHostsFile {}\n  HostKeyAlias *",
        file.display()
    ));
    let ran = case.trust();
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    assert!(
        ran.stderr
            .starts_with("error: `*` can't be written to known_hosts: it is a pattern\n"),
        "{}",
        ran.stderr
    );
    assert!(!file.exists());
}

#[test]
fn the_tail_of_a_name_with_blanks_is_no_file() {
    let Some(case) = Case::new() else {
        return;
    };
    // ssh reads one file, which isn't there. Its name's second half is a file of the current folder, and
    // its first half another one: both know the host, and neither counts.
    let line = format!(
        "{} {}\n",
        case.server.lookup(),
        case.server.host_public_key()
    );
    case.bed.write("hosts/known", &line);
    case.bed.write("my", &line);
    let file = case.at("my hosts/known");
    for option in ["UserKnownHostsFile", "GlobalKnownHostsFile"] {
        let other = if option == "UserKnownHostsFile" {
            "GlobalKnownHostsFile"
        } else {
            "UserKnownHostsFile"
        };
        case.configure(&format!(
            "  {option} \"{}\"\n  {other} none",
            file.display()
        ));
        let ran = case.bed.fleet_at(&case.server, &["doctor", "dev-vm"]);
        assert_eq!(ran.code, Some(5), "{}", ran.stderr);
        assert!(
            ran.stderr
                .starts_with("error: the host key of dev-vm is not known"),
            "{}",
            ran.stderr
        );
    }
    // A relative name is read as one, because the configuration says where it begins.
    case.bed.write("data/a", "x");
    case.configure(&format!(
        "  UserKnownHostsFile \"{}\" hosts/known\n  GlobalKnownHostsFile none",
        case.at("x y").display()
    ));
    let ran = case.bed.fleet_at(&case.server, &["doctor", "dev-vm"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
}

#[test]
fn trust_adds_no_revoked_key() {
    let Some(case) = Case::new() else {
        return;
    };
    case.server.write_known_hosts("");
    let (list, known) = (case.at("revoked keys"), case.server.known_hosts());
    case.configure(&format!(
        "  UserKnownHostsFile {}\n  RevokedHostKeys \"{}\"",
        known.display(),
        list.display()
    ));
    let ran = case.trust();
    assert_eq!(ran.code, Some(5), "{}", ran.stderr);
    assert!(
        ran.stderr.starts_with(
            "error: can't check the host key of dev-vm\n  caused by: can't read [bed]/revoked keys (RevokedHostKeys)\n"
        ),
        "{}",
        ran.stderr
    );
    fs::copy(case.server.folder().join("host_ed25519.pub"), &list).expect("the key");
    let ran = case.trust();
    assert_eq!(ran.code, Some(5), "{}", ran.stderr);
    assert!(
        ran.stderr.starts_with(&format!(
            "error: the host key {} of dev-vm is revoked in [bed]/revoked keys:1\n",
            case.fingerprint
        )),
        "{}",
        ran.stderr
    );
    assert_eq!(fs::read_to_string(&known).expect("known_hosts"), "");
}
