//! `trust` and `doctor` against a real server.

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use super::bed::Bed;
use crate::support::sshd::{Sshd, installed};

/// A server that no file knows yet, and the fingerprint of its key.
fn unknown() -> Option<(Sshd, Bed, String)> {
    let server = Sshd::builder().start()?;
    server.write_known_hosts("");
    let output = Command::new("ssh-keygen")
        .arg("-lf")
        .arg(server.folder().join("host_ed25519.pub"))
        .output()
        .expect("ssh-keygen runs");
    let text = String::from_utf8(output.stdout).expect("text");
    let fingerprint = text.split(' ').nth(1).expect("a fingerprint").to_owned();
    let bed = Bed::at(&server);
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
             hint: It shows {fingerprint} (ssh-ed25519). Compare that with the host itself \
             (`ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` there), then run \
             `fleet trust dev-vm --fingerprint {fingerprint}`, which adds to {}.\n",
            server.known_hosts().display()
        )
    );
    let ran = bed.fleet_at(
        &server,
        &["trust", "dev-vm", "--fingerprint", "SHA256:other"],
    );
    assert_eq!(ran.code, Some(2));
    assert!(
        ran.stderr
            .starts_with("error: dev-vm shows no key with the fingerprint SHA256:other\n"),
        "{}",
        ran.stderr
    );
    let ran = bed.fleet_at(&server, &["trust", "dev-vm", "--json"]);
    assert_eq!(
        ran.lines("trust")[0]["error"]["message"],
        "can't ask whether to trust dev-vm: there is no terminal"
    );
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
fn a_changed_key_is_never_replaced() {
    let Some((server, bed, fingerprint)) = unknown() else {
        return;
    };
    crate::support::sshd::keygen(&bed.path("other"), "ed25519", "");
    let other = crate::support::sshd::public(&bed.path("other.pub"));
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
        "warning: {}:1 is no line of known_hosts and is passed over\n",
        file.display()
    );
    assert!(ran.stderr.starts_with(&warning), "{}", ran.stderr);
}

/// Types `answer` at the question that a terminal shows.
fn typed(server: &Sshd, bed: &Bed, answer: &str) -> Option<(Option<i32>, String)> {
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
        shown.contains("Type the host's name to trust them (dev-vm):"),
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
fn doctor_tells_what_would_be_read_and_what_is_wrong() {
    let Some(server) = Sshd::builder().start() else {
        return;
    };
    let bed = Bed::at(&server);
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
    assert_eq!(document["hosts"][0]["address"], serde_json::Value::Null);
}
