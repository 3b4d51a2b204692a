//! Keys that are revoked, and everything else beside known_hosts that ssh_config names for host keys, with
//! `ssh` itself as the oracle.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use fleet::fault::{ExitClass, Fault as _, chain};
use fleet::inventory::Host;
use fleet::ssh::host_keys::known_hosts::Place;
use fleet::ssh::{CheckFailure, Error, HostKeyProblem};

use super::{connector, session};
use crate::support::sshd::{Sshd, inventory, keygen, public};

/// Adds lines to the configuration, for all hosts.
fn configure(sshd: &Sshd, lines: &str) {
    let file = sshd.folder().join("ssh_config");
    let text = fs::read_to_string(file).expect("ssh_config");
    sshd.write_ssh_config(&format!("{text}{lines}\n"));
}

/// Whether `ssh` itself logs in with this configuration.
fn ssh_logs_in(sshd: &Sshd) -> bool {
    let output = Command::new("ssh")
        .arg("-F")
        .arg(sshd.folder().join("ssh_config"))
        .args(["-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes"])
        .args(["127.0.0.1", "true"])
        .output()
        .expect("ssh runs");
    output.status.success()
}

/// How fleet fares; that `ssh` does the same is checked.
async fn both(sshd: &Sshd) -> Result<(), Error> {
    let accepted = || sshd.log().matches("Accepted").count();
    let before = accepted();
    let came = session(sshd).await.map(drop);
    let after = accepted();
    assert_eq!(after > before, came.is_ok(), "{came:?}");
    assert_eq!(ssh_logs_in(sshd), came.is_ok(), "{came:?}");
    if let Err(error) = &came {
        assert_eq!(error.exit_class(), ExitClass::Unreachable, "{error}");
    }
    came
}

fn problem(came: Result<(), Error>) -> Option<HostKeyProblem> {
    match came {
        Err(Error::HostKey(refusal)) => Some(refusal.problem),
        _ => None,
    }
}

fn failure(came: Result<(), Error>) -> Option<CheckFailure> {
    match came {
        Err(Error::HostKeyCheck { source, .. }) => Some(*source),
        _ => None,
    }
}

fn revoked_in(file: &Path, line: u32) -> Option<HostKeyProblem> {
    Some(HostKeyProblem::Revoked {
        place: Place {
            file: file.to_owned(),
            line,
        },
    })
}

/// Makes a key revocation list out of these public keys, or of a specification with an authority.
fn krl(file: &Path, authority: Option<&Path>, of: &[&Path]) {
    let mut command = Command::new("ssh-keygen");
    command.args(["-q", "-k", "-f"]).arg(file);
    if let Some(authority) = authority {
        command.arg("-s").arg(authority);
    }
    let status = command.args(of).status().expect("ssh-keygen");
    assert!(status.success());
}

fn at(sshd: &Sshd, name: &str) -> PathBuf {
    sshd.folder().join(name)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_in_a_text_file_of_revoked_keys_is_refused() {
    let Some(sshd) = Sshd::builder().start() else {
        return;
    };
    let file = at(&sshd, "re voked");
    configure(&sshd, &format!("  RevokedHostKeys \"{}\"", file.display()));
    keygen(&at(&sshd, "other"), "ed25519", "");
    let other = public(&at(&sshd, "other.pub"));
    let mut text = b"# any bytes: \xff\n\n".to_vec();
    text.extend(format!("  {other} caf\u{e9}\n").as_bytes());
    fs::write(&file, &text).expect("a file");
    assert!(both(&sshd).await.is_ok());
    text.extend(sshd.host_public_key().as_bytes());
    fs::write(&file, &text).expect("a file");
    assert_eq!(problem(both(&sshd).await), revoked_in(&file, 4));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_in_a_revocation_list_is_refused() {
    let Some(sshd) = Sshd::builder().start() else {
        return;
    };
    let file = at(&sshd, "krl");
    configure(&sshd, &format!("  RevokedHostKeys {}", file.display()));
    keygen(&at(&sshd, "other"), "ed25519", "");
    krl(&file, None, &[&at(&sshd, "other.pub")]);
    assert!(both(&sshd).await.is_ok());
    krl(&file, None, &[&at(&sshd, "host_ed25519.pub")]);
    assert_eq!(problem(both(&sshd).await), revoked_in(&file, 0));
    let whole = fs::read(&file).expect("the list");
    fs::write(&file, &whole[..whole.len() - 3]).expect("a damaged list");
    let Some(CheckFailure::Krl { file: named, .. }) = failure(both(&sshd).await) else {
        unreachable!("a damaged list is a refusal");
    };
    assert_eq!(named, file);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_and_their_authorities_are_revoked() {
    let Some(sshd) = Sshd::builder().host_certificate().start() else {
        return;
    };
    let authority = at(&sshd, "host_ca.pub");
    sshd.write_known_hosts(&format!("@cert-authority * {}\n", public(&authority)));
    let file = at(&sshd, "revoked");
    configure(&sshd, &format!("  RevokedHostKeys {}", file.display()));
    fs::write(&file, "").expect("a file");
    assert!(both(&sshd).await.is_ok());
    fs::copy(&authority, &file).expect("the authority");
    assert_eq!(problem(both(&sshd).await), revoked_in(&file, 1));
    fs::copy(at(&sshd, "host_ed25519.pub"), &file).expect("the key");
    assert_eq!(problem(both(&sshd).await), revoked_in(&file, 1));
    fs::copy(at(&sshd, "host_ed25519-cert.pub"), &file).expect("the certificate");
    assert_eq!(problem(both(&sshd).await), revoked_in(&file, 1));
    krl(&file, None, &[&authority]);
    assert_eq!(problem(both(&sshd).await), revoked_in(&file, 0));
    let list = at(&sshd, "list");
    fs::write(&list, "id: host\n").expect("a specification");
    krl(&file, Some(&authority), &[&list]);
    assert_eq!(problem(both(&sshd).await), revoked_in(&file, 0));
    fs::write(&list, "id: another\n").expect("a specification");
    krl(&file, Some(&authority), &[&list]);
    assert!(both(&sshd).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn revoked_keys_that_cannot_be_read_are_a_refusal() {
    let Some(sshd) = Sshd::builder().start() else {
        return;
    };
    let file = at(&sshd, "missing");
    configure(&sshd, &format!("  RevokedHostKeys {}", file.display()));
    let error = both(&sshd).await.expect_err("refused");
    assert_eq!(
        chain(&error),
        [
            "can't check the host key of web".to_owned(),
            format!("can't read {} (RevokedHostKeys)", file.display()),
            "no such file or directory".to_owned(),
        ]
    );
    assert_eq!(
        error.hint().as_deref(),
        Some(
            "OpenSSH refuses all hosts then, too. Make the file readable, or change `RevokedHostKeys`."
        )
    );
    // Here fleet is stricter than ssh, which passes over such a line.
    fs::write(&file, "# a list\nSHA256:abc\n").expect("a file");
    let came = session(&sshd).await.map(drop);
    assert_eq!(
        failure(came),
        Some(CheckFailure::RevokedEntry(Place { file, line: 2 }))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_jump_hosts_key_may_be_revoked_too() {
    let (Some(web), Some(bastion)) = (Sshd::builder().start(), Sshd::builder().start()) else {
        return;
    };
    bastion.authorize(&public(&at(&web, "operator.pub")));
    let mut text = fs::read_to_string(web.known_hosts()).expect("known_hosts");
    text += &format!("{} {}\n", bastion.lookup(), bastion.host_public_key());
    web.write_known_hosts(&text);
    let jump = Host {
        identity: vec![web.operator_key()],
        ..bastion.host("bastion")
    };
    let host = Host {
        jump: Some("bastion".to_owned()),
        ..web.host("web")
    };
    let hosts = inventory(vec![host.clone(), jump]);
    assert!(connector(&web).connect(&hosts, &host).await.is_ok());
    let file = at(&web, "revoked");
    fs::copy(at(&bastion, "host_ed25519.pub"), &file).expect("the bastion's key");
    configure(&web, &format!("  RevokedHostKeys {}", file.display()));
    let accepted = bastion.log().matches("Accepted").count();
    let error = connector(&web)
        .connect(&hosts, &host)
        .await
        .expect_err("refused");
    let Error::Hop { source, .. } = error else {
        unreachable!("the bastion is refused: {error}");
    };
    let Error::HostKey(refusal) = source.as_ref() else {
        unreachable!("its key is refused: {source}");
    };
    assert_eq!(Some(refusal.problem.clone()), revoked_in(&file, 1));
    assert_eq!(bastion.log().matches("Accepted").count(), accepted);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoking_line_that_cannot_be_parsed_is_an_error() {
    let Some(sshd) = Sshd::builder().start() else {
        return;
    };
    let good = format!("{} {}\n", sshd.lookup(), sshd.host_public_key());
    for broken in [
        "@revoked",
        "@revoked *",
        "@revoked * ssh-ed25519",
        "@revoked * ssh-ed25519 AAAA",
        "@revoked * ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9",
        "@revoked |1|broken ssh-ed25519 AAAA",
        "@Revoked * ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ",
        "@cert-authority @revoked * ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ",
        "  @revoked\tw\u{e9}b ssh-rsa AAAAB3NzaC1yc2E=",
    ] {
        sshd.write_known_hosts(&format!("{good}{broken}\n"));
        let error = session(&sshd).await.map(drop).expect_err(broken);
        assert_eq!(
            chain(&error),
            [
                "can't check the host key of web".to_owned(),
                format!(
                    "{}:2 is an @revoked line that can't be parsed",
                    sshd.known_hosts().display()
                ),
            ],
            "{broken}"
        );
    }
    // Kinds of keys that fleet never asks for may be revoked all the same.
    for fine in [
        "@revoked * ssh-new@example.org AAAAE3NzaC1uZXdAZXhhbXBsZS5vcmc=",
        "#@revoked",
    ] {
        sshd.write_known_hosts(&format!("{good}{fine}\n"));
        session(&sshd).await.map(drop).expect(fine);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn comments_may_be_any_bytes() {
    let Some(sshd) = Sshd::builder().start() else {
        return;
    };
    let key = sshd.host_public_key();
    let mut text = b"# caf\xe9\n".to_vec();
    text.extend(format!("{} {key} ", sshd.lookup()).as_bytes());
    text.extend(b"caf\xe9 \xff\n");
    fs::write(sshd.known_hosts(), &text).expect("known_hosts");
    assert!(both(&sshd).await.is_ok());
    text.extend(format!("@revoked * {key} ").as_bytes());
    text.extend(b"caf\xe9\n");
    fs::write(sshd.known_hosts(), &text).expect("known_hosts");
    assert_eq!(
        problem(both(&sshd).await),
        revoked_in(&sshd.known_hosts(), 3)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_of_files_may_have_blanks() {
    let Some(sshd) = Sshd::builder().start() else {
        return;
    };
    let folder = at(&sshd, "known hosts of me");
    fs::create_dir(&folder).expect("a folder");
    let (user, global) = (folder.join("user file"), folder.join("global"));
    let text = fs::read_to_string(at(&sshd, "ssh_config"))
        .expect("ssh_config")
        .lines()
        .filter(|line| !line.contains("KnownHostsFile"))
        .fold(String::new(), |text, line| text + line + "\n");
    let line = format!("{} {}\n", sshd.lookup(), sshd.host_public_key());
    let files = |user: &str, global: &str| {
        sshd.write_ssh_config(&format!(
            "{text}  UserKnownHostsFile {user}\n  GlobalKnownHostsFile {global}\n"
        ));
    };
    let quoted = |file: &Path| format!("\"{}\"", file.display());
    let escaped = |file: &Path| file.display().to_string().replace(' ', "\\ ");
    for (user_form, global_form) in [
        (quoted(&user), "none".to_owned()),
        (format!("/no/such {}", quoted(&user)), "none".to_owned()),
        (format!("{} /no/such", escaped(&user)), "none".to_owned()),
        ("none".to_owned(), quoted(&global)),
        (
            "/dev/null".to_owned(),
            format!("{} /no/such", quoted(&global)),
        ),
    ] {
        files(&user_form, &global_form);
        drop((fs::remove_file(&user), fs::remove_file(&global)));
        assert_eq!(
            problem(both(&sshd).await),
            Some(HostKeyProblem::Unknown),
            "{user_form}, {global_form}"
        );
        let named = if user_form.contains("user file") || user_form.contains("user\\ file") {
            &user
        } else {
            &global
        };
        fs::write(named, &line).expect("known_hosts");
        both(&sshd).await.expect("known");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_may_print_known_hosts() {
    let Some(sshd) = Sshd::builder().start() else {
        return;
    };
    sshd.write_known_hosts("");
    let (script, calls, answer) = (
        at(&sshd, "known hosts"),
        at(&sshd, "calls"),
        at(&sshd, "answer"),
    );
    fs::write(
        &script,
        format!(
            "#!/bin/sh\nprintf '<%s>' \"$@\" >>'{}'\necho >>'{}'\ncat '{}'\n",
            calls.display(),
            calls.display(),
            answer.display()
        ),
    )
    .expect("a script");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o700)).expect("mode");
    configure(
        &sshd,
        &format!(
            "  KnownHostsCommand \"{}\" \"a b\" %H %I %t %f %K %h-%p %r %%H ${{HOME}}",
            script.display()
        ),
    );
    // No answer: ssh and fleet refuse alike.
    assert!(both(&sshd).await.is_err());
    fs::write(&answer, "").expect("an answer");
    assert_eq!(problem(both(&sshd).await), Some(HostKeyProblem::Unknown));
    fs::write(&calls, "").expect("no calls");
    let key = sshd.host_public_key();
    let line = format!("{} {key}\n", sshd.lookup());
    fs::write(&answer, &line).expect("an answer");
    both(&sshd).await.expect("known");
    // Both ran it with the same arguments; only the name that is looked up first differs, where ssh
    // leaves out the port.
    let calls = fs::read_to_string(calls).expect("calls");
    let calls: Vec<&str> = calls.lines().collect();
    assert_eq!(calls.len(), 4, "{calls:?}");
    assert_eq!(calls[1], calls[3]);
    assert!(calls[1].starts_with(&format!(
        "<a b><{}><HOSTNAME><ssh-ed25519><SHA256:",
        sshd.lookup()
    )));
    assert!(
        calls[0].contains("<ORDER><NONE><NONE><NONE>"),
        "{}",
        calls[0]
    );
    assert!(calls[1].contains("<%H>"), "{}", calls[1]);
    // Another key than the host's is not one that ssh-keygen could remove.
    keygen(&at(&sshd, "other"), "ed25519", "");
    let other = format!("{} {}\n", sshd.lookup(), public(&at(&sshd, "other.pub")));
    fs::write(&answer, other).expect("an answer");
    assert_eq!(
        both(&sshd).await.expect_err("changed").hint().as_deref(),
        Some(
            "This may be a man-in-the-middle attack. If the host was really reinstalled, make `KnownHostsCommand` print the new key, then run `fleet trust web`."
        )
    );
    // What it prints revokes, too.
    fs::write(&answer, format!("{line}@revoked * {key}\n")).expect("an answer");
    assert_eq!(
        problem(both(&sshd).await),
        revoked_in(Path::new("KnownHostsCommand"), 2)
    );
    fs::write(&answer, format!("{line}@revoked * broken\n")).expect("an answer");
    assert_eq!(
        failure(session(&sshd).await.map(drop)),
        Some(CheckFailure::RevokedLine(Place {
            file: "KnownHostsCommand".into(),
            line: 2
        }))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_that_fails_is_a_refusal() {
    let Some(sshd) = Sshd::builder().start() else {
        return;
    };
    configure(
        &sshd,
        "  KnownHostsCommand /bin/sh -c \"echo no >&2; exit 3\"",
    );
    let error = both(&sshd).await.expect_err("refused");
    assert_eq!(
        chain(&error),
        [
            "can't check the host key of web",
            "KnownHostsCommand failed",
            "exit status: 3: no"
        ]
    );
    configure(&sshd, "");
    let file = at(&sshd, "ssh_config");
    let text = fs::read_to_string(&file).expect("ssh_config");
    for (command, why) in [
        ("cat /dev/null", "`cat` is not an absolute path"),
        ("/bin/cat %x", "the token `%x` is not known here"),
    ] {
        let other = text.replace("/bin/sh -c \"echo no >&2; exit 3\"", command);
        fs::write(&file, other).expect("ssh_config");
        let error = session(&sshd).await.map(drop).expect_err(command);
        assert_eq!(
            error.to_string(),
            format!("can't resolve how to reach web: `KnownHostsCommand {command}`: {why}")
        );
    }
}
