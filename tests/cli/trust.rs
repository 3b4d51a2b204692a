//! `trust` and `doctor` against a real server.

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::fixture::CliFixture;
use crate::support::sshd::{Sshd, installed, keygen, public};

/// A server that no file knows yet, and the fingerprint of its key.
fn unknown() -> Option<(Sshd, CliFixture, String)> {
    let server = Sshd::builder().start()?;
    server.write_known_hosts("");
    let output = Command::new("ssh-keygen")
        .arg("-lf")
        .arg(server.folder().join("host_ed25519.pub"))
        .output()
        .expect("ssh-keygen runs");
    let text = String::from_utf8(output.stdout).expect("text");
    let fingerprint = text.split(' ').nth(1).expect("a fingerprint").to_owned();
    let bed = CliFixture::at(&server);
    Some((server, bed, fingerprint))
}

fn known(server: &Sshd) -> String {
    fs::read_to_string(server.known_hosts()).expect("known_hosts")
}

#[test]
fn without_a_terminal_nothing_is_trusted_unasked() {
    let Some((server, bed, fingerprint)) = unknown() else {
        return;
    };
    let ran = bed.fleet_at(&server, &["trust", "dev-vm"]);
    assert_eq!(
        ran.whole(),
        format!(
            "exit 2\n── stderr\nerror: can't ask whether to trust dev-vm: there is no terminal\n  \
             hint: Its keys are {fingerprint} (ssh-ed25519). Compare them with the host itself \
             (`ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` there), then run \
             `fleet trust dev-vm --fingerprint {fingerprint}`, which adds to {}.\n",
            server.known_hosts().display()
        )
    );
    let ran = bed.fleet_at(
        &server,
        &["trust", "dev-vm", "--fingerprint", "SHA256:other"],
    );
    assert_eq!(ran.code, Some(5));
    assert!(
        ran.stderr
            .starts_with("error: dev-vm has no key with the fingerprint SHA256:other\n  hint: Nothing was written. "),
        "{}",
        ran.stderr
    );
    let ran = bed.fleet_at(&server, &["trust", "dev-vm", "--json"]);
    assert_eq!(
        ran.lines("trust")[0]["error"]["message"],
        "can't ask whether to trust dev-vm: there is no terminal"
    );
    assert_eq!(ran.lines("trust")[0]["error"]["code"], "terminal-needed");
    assert_eq!(known(&server), "");
}

#[test]
fn a_fingerprint_that_fits_is_consent() {
    let Some((server, bed, fingerprint)) = unknown() else {
        return;
    };
    let arguments = ["trust", "dev-vm", "--fingerprint", &fingerprint, "--json"];
    let ran = bed.fleet_at(&server, &arguments);
    let summary = &ran.lines("trust")[0];
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!(summary["already_trusted"], false);
    assert_eq!(summary["keys"][0]["fingerprint"], fingerprint.as_str());
    let added = known(&server);
    assert_eq!(added.lines().count(), 1);
    assert!(
        added.starts_with(&format!("{} ssh-ed25519 ", server.lookup())),
        "{added}"
    );
    let ran = bed.fleet_at(&server, &["trust", "dev-vm", "--json"]);
    assert_eq!(ran.code, Some(0));
    assert_eq!(ran.lines("trust")[0]["already_trusted"], true);
    let ran = bed.fleet_at(&server, &["trust", "dev-vm"]);
    assert!(
        ran.stderr.starts_with("dev-vm is trusted already: "),
        "{}",
        ran.stderr
    );
    assert_eq!(known(&server), added);
}

#[test]
fn a_fingerprint_is_compared_when_the_host_is_trusted_already() {
    let Some(server) = Sshd::builder()
        .host_key("ed25519")
        .host_key("ecdsa")
        .nobody_allowed()
        .start()
    else {
        return;
    };
    let bed = CliFixture::at(&server);
    let line = format!("{} {}\n", server.lookup(), server.host_key("ed25519"));
    server.write_known_hosts(&line);
    for wrong in ["SHA256:abc", &fingerprint(&bed, "stranger")] {
        let ran = bed.fleet_at(&server, &["trust", "dev-vm", "--fingerprint", wrong]);
        assert_eq!(ran.code, Some(5), "{wrong}: {}", ran.stderr);
        assert!(
            ran.stderr.starts_with(&format!(
                "error: dev-vm has no key with the fingerprint {wrong}\n"
            )),
            "{}",
            ran.stderr
        );
        let arguments = ["trust", "dev-vm", "--json", "--fingerprint", wrong];
        let ran = bed.fleet_at(&server, &arguments);
        assert_eq!(ran.code, Some(5), "{wrong}: {}", ran.stderr);
        assert_eq!(ran.lines("trust")[0]["exit"], 5);
    }
    assert_eq!(known(&server), line);
    let right = print(&server, "ed25519");
    let ran = bed.fleet_at(&server, &["trust", "dev-vm", "--fingerprint", &right]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stderr.starts_with("dev-vm is trusted already: "));
    assert_eq!(known(&server), line);
    // Another kind, which was compared now.
    let other = print(&server, "ecdsa");
    let ran = bed.fleet_at(&server, &["trust", "dev-vm", "--fingerprint", &other]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let second = format!("{} {}\n", server.lookup(), server.host_key("ecdsa"));
    assert_eq!(known(&server), line + &second);
}

/// The fingerprint of a key that is nobody's.
fn fingerprint(bed: &CliFixture, name: &str) -> String {
    keygen(&bed.path(name), "ed25519", "");
    let key = public(&bed.path(&format!("{name}.pub")));
    let key = russh::keys::PublicKey::from_openssh(&key).expect("a key");
    fleet::ssh::host_keys::known_hosts::fingerprint(&key)
}

/// The fingerprint of a host key.
fn print(server: &Sshd, kind: &str) -> String {
    let key = russh::keys::PublicKey::from_openssh(&server.host_key(kind)).expect("a key");
    fleet::ssh::host_keys::known_hosts::fingerprint(&key)
}

/// A server with keys of three kinds that no file knows.
fn unknown_with(login: bool) -> Option<(Sshd, CliFixture)> {
    let builder = Sshd::builder()
        .host_key("rsa")
        .host_key("ecdsa")
        .host_key("ed25519");
    let server = if login {
        builder.start()?
    } else {
        builder.nobody_allowed().start()?
    };
    server.write_known_hosts("");
    let bed = CliFixture::at(&server);
    Some((server, bed))
}

fn line(server: &Sshd, kind: &str) -> String {
    format!("{} {}\n", server.lookup(), server.host_key(kind))
}

#[test]
fn without_a_login_only_the_compared_key_is_added() {
    for kind in ["ed25519", "ecdsa", "rsa"] {
        let Some((server, bed)) = unknown_with(false) else {
            return;
        };
        let right = print(&server, kind);
        let ran = bed.fleet_at(&server, &["trust", "dev-vm", "--fingerprint", &right]);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        assert_eq!(known(&server), line(&server, kind));
        let others: Vec<&str> = [
            ("ed25519", "ssh-ed25519"),
            ("ecdsa", "ecdsa-sha2-nistp256"),
            ("rsa", "ssh-rsa"),
        ]
        .iter()
        .filter(|(other, _)| *other != kind)
        .map(|(_, algorithm)| *algorithm)
        .collect();
        let left_out = format!(
            "\nleft out {}: can't log in to have them proven: authentication failed for ",
            others.join(", ")
        );
        assert!(ran.stderr.contains(&left_out), "{}", ran.stderr);
    }
}

#[test]
fn further_keys_are_added_once_they_are_proven() {
    let Some((server, bed)) = unknown_with(true) else {
        return;
    };
    let right = print(&server, "ecdsa");
    let arguments = ["trust", "dev-vm", "--fingerprint", &right, "--json"];
    let ran = bed.fleet_at(&server, &arguments);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!(
        ran.stderr,
        format!(
            "added ecdsa-sha2-nistp256 {right} to {}\nadded ssh-rsa {}, which dev-vm proved\n\
             added ssh-ed25519 {}, which dev-vm proved\n",
            server.known_hosts().display(),
            print(&server, "rsa"),
            print(&server, "ed25519"),
        )
    );
    assert_eq!(
        known(&server),
        line(&server, "ecdsa") + &line(&server, "rsa") + &line(&server, "ed25519")
    );
    let summary = &ran.lines("trust")[0];
    assert_eq!(summary["left_out"], Value::Null);
    let keys = summary["keys"].as_array().expect("a list");
    assert_eq!(keys.len(), 3);
    assert!(keys.iter().all(|key| key["added"] == true), "{summary}");
}

#[test]
fn what_openssh_would_not_extend_is_not_extended() {
    let Some((server, bed)) = unknown_with(true) else {
        return;
    };
    let right = print(&server, "ed25519");
    let other = fingerprint(&bed, "stranger");
    assert_ne!(right, other);
    let stranger = public(&bed.path("stranger.pub"));
    for (text, why) in [
        (
            format!("elsewhere {}\n", server.host_key("rsa")),
            "knows a key of the host under another name",
        ),
        (
            format!("@cert-authority [127.0.0.1]:* {stranger}\n"),
            "names an authority for the host",
        ),
        (
            format!("@revoked * {stranger}\n"),
            "revokes a key of the host",
        ),
    ] {
        server.write_known_hosts(&text);
        let ran = bed.fleet_at(&server, &["trust", "dev-vm", "--fingerprint", &right]);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        assert_eq!(known(&server), text + &line(&server, "ed25519"));
        let left_out = format!(
            "left out ecdsa-sha2-nistp256, ssh-rsa: {}:1 {why}\n",
            server.known_hosts().display()
        );
        assert!(ran.stderr.ends_with(&left_out), "{}", ran.stderr);
    }
}

/// Forwards each connection to the next of these ports, and all later ones to the last.
fn forward(ports: Vec<u16>) -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        for (index, client) in listener.incoming().enumerate() {
            let to = ports[index.min(ports.len() - 1)];
            let (Ok(client), Ok(server)) =
                (client, std::net::TcpStream::connect(("127.0.0.1", to)))
            else {
                return;
            };
            for (mut from, mut to) in [
                (
                    client.try_clone().expect("a socket"),
                    server.try_clone().expect("a socket"),
                ),
                (server, client),
            ] {
                std::thread::spawn(move || {
                    drop(std::io::copy(&mut from, &mut to));
                    drop(to.shutdown(std::net::Shutdown::Write));
                });
            }
        }
    });
    port
}

#[test]
fn a_key_that_somebody_slipped_in_is_not_added() {
    let (Some((host, bed)), Some(stranger)) = (
        unknown_with(true),
        Sshd::builder().host_key("ecdsa").start(),
    ) else {
        return;
    };
    // The first handshake asks for ed25519, the second for ECDSA: that one meets the stranger.
    let port = forward(vec![host.port, stranger.port, host.port]);
    let text = fs::read_to_string(bed.path("fleet.yaml")).expect("the inventory");
    let text = text.replace(&format!("port: {}", host.port), &format!("port: {port}"));
    bed.write("fleet.yaml", &text);
    let right = print(&host, "ed25519");
    let ran = bed.fleet_at(&host, &["trust", "dev-vm", "--fingerprint", &right]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let added = known(&host);
    assert!(!added.contains(&stranger.host_public_key()), "{added}");
    let named = |kind| format!("[127.0.0.1]:{port} {}\n", host.host_key(kind));
    assert_eq!(added, named("ed25519") + &named("rsa") + &named("ecdsa"));
    assert!(
        ran.stderr
            .ends_with("left out ecdsa-sha2-nistp256: the host did not prove that it has them\n"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_changed_key_is_never_replaced() {
    let Some((server, bed, fingerprint)) = unknown() else {
        return;
    };
    keygen(&bed.path("other"), "ed25519", "");
    let other = public(&bed.path("other.pub"));
    let line = format!("{} {other}\n", server.lookup());
    server.write_known_hosts(&line);
    for arguments in [
        &["trust", "dev-vm"][..],
        &["trust", "dev-vm", "--fingerprint", &fingerprint],
    ] {
        let ran = bed.fleet_at(&server, arguments);
        assert_eq!(ran.code, Some(5), "{}", ran.stderr);
        assert!(
            ran.stderr.starts_with(&format!(
                "error: the host key of dev-vm has changed: it shows {fingerprint} (ssh-ed25519), and "
            )),
            "{}",
            ran.stderr
        );
        assert!(ran.stderr.contains("ssh-keygen -R "), "{}", ran.stderr);
    }
    let ran = bed.fleet_at(&server, &["trust", "dev-vm", "--json"]);
    assert_eq!(ran.lines("trust")[0]["error"]["code"], "host-key-changed");
    let ran = bed.fleet_at(&server, &["doctor", "dev-vm", "--json"]);
    let document = ran.document("doctor");
    assert_eq!(document["hosts"][0]["error"]["code"], "host-key-changed");
    assert_eq!(known(&server), line);
}

#[test]
fn lines_of_known_hosts_that_make_no_sense_are_told() {
    let Some((server, bed, fingerprint)) = unknown() else {
        return;
    };
    server.write_known_hosts("what is this\n");
    let ran = bed.fleet_at(&server, &["trust", "dev-vm", "--fingerprint", &fingerprint]);
    assert_eq!(ran.code, Some(0));
    let file = server.known_hosts();
    let warning = format!(
        "warning: {}:1 is not a valid line of known_hosts and is ignored\n",
        file.display()
    );
    assert!(ran.stderr.starts_with(&warning), "{}", ran.stderr);
}

/// Types `answer` at the question that a terminal shows.
fn typed(server: &Sshd, bed: &CliFixture, answer: &str) -> Option<(Option<i32>, String)> {
    installed("script")?;
    let config = server.ssh_config().file.expect("a file");
    let line = format!(
        "{} -F {} trust dev-vm",
        env!("CARGO_BIN_EXE_fleet"),
        config.display()
    );
    let mut child = Command::new("script")
        .args(["-qec", &line, "/dev/null"])
        .current_dir(bed.path(""))
        .env("HOME", bed.path(""))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("script runs");
    let mut stdin = child.stdin.take().expect("a pipe");
    // The terminal keeps what is typed before the question is asked.
    stdin.write_all(answer.as_bytes()).expect("typed");
    let output = child.wait_with_output().expect("it ends");
    drop(stdin);
    let ran = bed.ran(&output);
    Some((ran.code, ran.stdout))
}

#[test]
fn on_a_terminal_the_hosts_name_is_consent() {
    let Some((server, bed, fingerprint)) = unknown() else {
        return;
    };
    let Some((code, shown)) = typed(&server, &bed, "yes\n") else {
        return;
    };
    assert_eq!(code, Some(1), "{shown}");
    assert!(shown.contains(&fingerprint), "{shown}");
    assert!(
        shown.contains("Type the host's name if it has this fingerprint (dev-vm):"),
        "{shown}"
    );
    assert!(
        shown.contains("dev-vm is not trusted: its name was not typed"),
        "{shown}"
    );
    assert_eq!(known(&server), "");
    let (code, shown) = typed(&server, &bed, "dev-vm\n").expect("script is there");
    assert_eq!(code, Some(0), "{shown}");
    assert_eq!(known(&server).lines().count(), 1);
}

#[test]
fn on_a_terminal_the_key_that_was_compared_can_be_named() {
    let Some((server, bed)) = unknown_with(false) else {
        return;
    };
    let chosen = print(&server, "rsa");
    let Some((code, shown)) = typed(&server, &bed, &format!("{chosen}\n")) else {
        return;
    };
    assert_eq!(code, Some(0), "{shown}");
    assert_eq!(known(&server), line(&server, "rsa"));
    server.write_known_hosts("");
    // The host's name stands for the first key that is shown.
    let (code, shown) = typed(&server, &bed, "dev-vm\n").expect("script is there");
    assert_eq!(code, Some(0), "{shown}");
    assert_eq!(known(&server), line(&server, "ed25519"));
    server.write_known_hosts("");
    let other = fingerprint(&bed, "stranger");
    let (code, shown) = typed(&server, &bed, &format!("{other}\n")).expect("script is there");
    assert_eq!(code, Some(1), "{shown}");
    assert_eq!(known(&server), "");
}

#[test]
fn doctor_tells_what_would_be_read_and_what_is_wrong() {
    let Some(server) = Sshd::builder().start() else {
        return;
    };
    let bed = CliFixture::at(&server);
    bed.write("data/a", "12345");
    let ran = bed.fleet_at(&server, &["doctor", "dev-vm"]);
    assert_eq!(
        (ran.code, ran.stderr.as_str()),
        (Some(0), ""),
        "{}",
        ran.stdout
    );
    assert!(
        ran.stdout
            .contains("app     directory  ready  1 file, 5 B\n"),
        "{}",
        ran.stdout
    );
    let ran = bed.fleet_at(&server, &["doctor", "dev-vm", "--json"]);
    let document = ran.document("doctor");
    assert_eq!(document["hosts"][0]["ok"], true);
    assert_eq!(document["hosts"][0]["sources"][0]["bytes"], 5);
    fs::remove_dir_all(bed.path("data")).expect("removed");
    let ran = bed.fleet_at(&server, &["doctor", "dev-vm", "--json"]);
    assert_eq!(ran.code, Some(1));
    assert_eq!(
        ran.document("doctor")["hosts"][0]["sources"][0]["found"],
        "failed"
    );
    server.write_known_hosts("");
    let ran = bed.fleet_at(&server, &["doctor", "dev-vm", "--json"]);
    assert_eq!(ran.code, Some(5));
    let document = ran.document("doctor");
    assert_eq!(document["hosts"][0]["ok"], false);
    assert_eq!(document["hosts"][0]["address"], Value::Null);
}
