//! Host keys: known, unknown, changed, of another kind, revoked, hashed, and by certificate.

use std::fs;

use fleet::fault::{ExitClass, Fault as _};
use fleet::ssh::host_keys::trust;
use fleet::ssh::{Error, HostKeyProblem};

use super::{connector, session};
use crate::support::sshd::{Sshd, inventory, keygen, public, sign};

async fn refused(sshd: &Sshd) -> HostKeyProblem {
    let error = session(sshd).await.expect_err("the host key isn't trusted");
    assert_eq!(error.exit_class(), ExitClass::Unreachable);
    assert!(
        !sshd.log().contains("Accepted"),
        "nobody logs in to a host that isn't trusted"
    );
    match error {
        Error::HostKey(refusal) => refusal.problem,
        other => panic_with(&other),
    }
}

fn panic_with(error: &Error) -> HostKeyProblem {
    assert_eq!(error.to_string(), "a host key refusal");
    HostKeyProblem::Unknown
}

fn place(sshd: &Sshd, line: u32) -> fleet::ssh::host_keys::known_hosts::Place {
    fleet::ssh::host_keys::known_hosts::Place {
        file: sshd.known_hosts(),
        line,
    }
}

fn print(line: &str) -> String {
    let key = russh::keys::PublicKey::from_openssh(line).expect("a key");
    fleet::ssh::host_keys::known_hosts::fingerprint(&key)
}

/// A key that is nobody's, as `TYPE BASE64`.
fn stranger(sshd: &Sshd, kind: &str) -> String {
    let file = sshd.folder().join(format!("stranger_{kind}"));
    keygen(&file, kind, "");
    public(&file.with_extension("pub"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_host_is_refused_with_its_fingerprint() {
    let Some(sshd) = Sshd::builder().start() else {
        return;
    };
    sshd.write_known_hosts("");
    let error = session(&sshd).await.expect_err("unknown");
    assert_eq!(
        error.to_string(),
        format!(
            "the host key of web is not known: it shows ssh-ed25519 {}, and no known_hosts file has an entry for `{}`",
            print(&sshd.host_public_key()),
            sshd.lookup()
        )
    );
    assert_eq!(
        error.hint().as_deref(),
        Some("Compare the fingerprint with the host's own, then run `fleet trust web`.")
    );
    assert_eq!(refused(&sshd).await, HostKeyProblem::Unknown);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_key_is_refused_with_both_fingerprints() {
    let Some(sshd) = Sshd::builder().start() else {
        return;
    };
    let known = stranger(&sshd, "ed25519");
    sshd.write_known_hosts(&format!("# first\n{} {known}\n", sshd.lookup()));
    let error = session(&sshd).await.expect_err("changed");
    assert_eq!(
        error.to_string(),
        format!(
            "the host key of web has changed: it shows ssh-ed25519 {}, {}:2 says {}",
            print(&sshd.host_public_key()),
            sshd.known_hosts().display(),
            print(&known)
        )
    );
    assert_eq!(
        error.hint(),
        Some(format!(
            "This may be a man-in-the-middle attack. If the host was really reinstalled, remove the old key with `ssh-keygen -R '{}' -f {}`, then run `fleet trust web`.",
            sshd.lookup(),
            sshd.known_hosts().display()
        ))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_known_by_another_kind_of_key_is_refused() {
    let Some(sshd) = Sshd::builder().start() else {
        return;
    };
    let known = stranger(&sshd, "ecdsa");
    sshd.write_known_hosts(&format!("{} {known}\n", sshd.lookup()));
    assert_eq!(
        refused(&sshd).await,
        HostKeyProblem::ChangedAlgorithm {
            place: place(&sshd, 1),
            algorithm: "ecdsa-sha2-nistp256".to_owned(),
            known: print(&known),
        }
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_key_is_refused_even_if_it_is_known() {
    let Some(sshd) = Sshd::builder().start() else {
        return;
    };
    let key = sshd.host_public_key();
    sshd.write_known_hosts(&format!("{} {key}\n@revoked * {key}\n", sshd.lookup()));
    assert_eq!(
        refused(&sshd).await,
        HostKeyProblem::Revoked {
            place: place(&sshd, 2)
        }
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_kinds_that_are_known_are_asked_for() -> Result<(), Error> {
    for kind in ["rsa", "ecdsa", "ecdsa-384", "ed25519"] {
        let Some(sshd) = Sshd::builder()
            .host_key("ed25519")
            .host_key("ecdsa-384")
            .host_key("rsa")
            .host_key(if kind == "ecdsa" {
                "ecdsa"
            } else {
                "ecdsa-521"
            })
            .start()
        else {
            return Ok(());
        };
        let key = sshd.host_key(kind);
        sshd.write_known_hosts(&format!("{} {key}\n", sshd.lookup()));
        let session = session(&sshd).await?;
        assert_eq!(session.host_key_fingerprint(), print(&key), "{kind}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_trust_has_added_is_trusted() -> Result<(), Error> {
    let Some(sshd) = Sshd::builder()
        .host_key("ed25519")
        .host_key("rsa")
        .host_key("ecdsa")
        .start()
    else {
        return Ok(());
    };
    for style in [trust::Names::Plain, trust::Names::Hashed] {
        sshd.write_known_hosts("# no line end");
        let host = sshd.host("web");
        let connector = connector(&sshd);
        let endpoint = connector
            .endpoint(&inventory(vec![host.clone()]), &host)
            .await?;
        let keys = connector.offered_keys(&endpoint, host.limits).await?;
        let mut shown: Vec<String> = keys
            .iter()
            .map(|key| key.to_openssh().expect("encodable").trim().to_owned())
            .collect();
        shown.sort();
        let mut expected = ["ed25519", "rsa", "ecdsa"].map(|kind| sshd.host_key(kind));
        expected.sort();
        assert_eq!(shown, expected);
        assert!(!sshd.log().contains("Accepted"));
        let file = trust::target(&endpoint).expect("a known_hosts file");
        assert_eq!(file, sshd.known_hosts());
        trust::append(&file, &[endpoint.lookup()], &keys, style).expect("added");
    }
    let session = session(&sshd).await?;
    let mut proven = session.proven_host_keys().await?;
    proven.sort();
    let mut all = ["ed25519", "rsa", "ecdsa"].map(|kind| print(&sshd.host_key(kind)));
    all.sort();
    assert_eq!(proven, all);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alias_is_looked_up_in_place_of_the_address() -> Result<(), Error> {
    let Some(sshd) = Sshd::builder().start() else {
        return Ok(());
    };
    let file = sshd.folder().join("ssh_config");
    let text = fs::read_to_string(&file).expect("ssh_config");
    sshd.write_ssh_config(&format!(
        "{text}  HostKeyAlias The-Web\n  StrictHostKeyChecking no\n"
    ));
    // Under its address it is known, but that isn't asked.
    assert_eq!(refused(&sshd).await, HostKeyProblem::Unknown);
    sshd.write_known_hosts(&format!("the-web {}\n", sshd.host_public_key()));
    session(&sshd).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_certificate_of_a_known_authority_is_trusted() -> Result<(), Error> {
    let Some(sshd) = Sshd::builder().host_certificate().start() else {
        return Ok(());
    };
    let authority = public(&sshd.folder().join("host_ca.pub"));
    sshd.write_known_hosts(&format!("@cert-authority [127.0.0.1]:* {authority}\n"));
    let session = session(&sshd).await?;
    assert_eq!(
        session.host_key_fingerprint(),
        print(&sshd.host_public_key())
    );
    drop(session);
    // The same with everything else that could be wrong.
    let accepted = sshd.log().matches("Accepted").count();
    sshd.write_known_hosts(&format!(
        "@cert-authority [127.0.0.1]:* {authority}\n@revoked * {authority}\n"
    ));
    let error = super::session(&sshd).await.expect_err("revoked");
    assert!(matches!(
        error,
        Error::HostKey(refusal) if refusal.problem == HostKeyProblem::Revoked { place: place(&sshd, 2) }
    ));
    let stranger = stranger(&sshd, "ed25519");
    sshd.write_known_hosts(&format!("@cert-authority [127.0.0.1]:* {stranger}\n"));
    let error = super::session(&sshd).await.expect_err("another authority");
    assert!(matches!(
        error,
        Error::HostKey(refusal) if refusal.problem == HostKeyProblem::Unknown
    ));
    assert_eq!(sshd.log().matches("Accepted").count(), accepted);
    Ok(())
}

#[test]
fn a_certificate_is_good_for_its_host_and_its_time_only() {
    let folder = tempfile::tempdir().expect("a folder");
    if crate::support::sshd::installed("ssh-keygen").is_none() {
        return;
    }
    let at = |name: &str| folder.path().join(name);
    keygen(&at("ca"), "ed25519", "");
    keygen(&at("host"), "ed25519", "");
    let mut known = fleet::ssh::host_keys::known_hosts::KnownHosts::default();
    let line = format!("@cert-authority *.example.org {}\n", public(&at("ca.pub")));
    known.add(std::path::Path::new("kh"), line.as_bytes());
    let judged = |arguments: &[&str], now: u64| {
        sign(&at("ca"), &at("host.pub"), arguments);
        let text = fs::read_to_string(at("host-cert.pub")).expect("a certificate");
        let certificate = russh::keys::Certificate::from_openssh(&text).expect("readable");
        let verdict =
            known
                .of("web.example.org")
                .judge_certificate(&certificate, "web.example.org", now);
        match verdict {
            fleet::ssh::host_keys::known_hosts::Verdict::Trusted(_) => "trusted".to_owned(),
            fleet::ssh::host_keys::known_hosts::Verdict::BadCertificate { why, .. } => why,
            other => format!("{other:?}"),
        }
    };
    // From 2020-01-02 to 2021-01-01, UTC; judged in the middle of 2020, before, and after.
    let time = ["-V", "20200102000000Z:20210101000000Z"];
    let (in_time, early, late) = (1_590_000_000, 1_577_000_000, 1_609_459_200);
    let with = |rest: &[&'static str]| -> Vec<&'static str> {
        [&["-I", "id", "-V", "20200102000000Z:20210101000000Z"], rest].concat()
    };
    assert_eq!(time.len(), 2);
    let good = with(&["-h", "-n", "db.example.org,web.example.org"]);
    assert_eq!(judged(&good, in_time), "trusted");
    assert_eq!(judged(&good, early), "it isn't valid yet");
    assert_eq!(judged(&good, late), "it has expired");
    assert_eq!(
        judged(&with(&["-h", "-n", "*.example.org"]), in_time),
        "trusted"
    );
    assert_eq!(
        judged(&with(&["-h", "-n", "db.example.org"]), in_time),
        "it isn't made for `web.example.org`"
    );
    assert_eq!(
        judged(&with(&["-h"]), in_time),
        "it isn't made for `web.example.org`"
    );
    assert_eq!(
        judged(&with(&["-n", "web.example.org"]), in_time),
        "it is a user certificate"
    );
    assert_eq!(
        judged(
            &with(&[
                "-h",
                "-n",
                "web.example.org",
                "-O",
                "critical:odd@example.org"
            ]),
            in_time
        ),
        "it has the critical option `odd@example.org`"
    );
}
