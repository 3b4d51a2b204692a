//! Logging in: by agent, files and certificates.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use fleet::fault::{ExitClass, Fault as _};
use fleet::ssh::{Attempt, Error};

use super::answers::{Answers, asking};
use super::connector;
use crate::support::sshd::{Process, Sshd, eventually, inventory, keygen, public, sign, user};

/// What failed to log in, and why.
fn tried(error: Error) -> Vec<Attempt> {
    assert_eq!(error.exit_class(), ExitClass::Unreachable);
    match error {
        Error::Authentication(failure) => failure.tried,
        other => vec![Attempt {
            what: "not an authentication failure".to_owned(),
            why: other.to_string(),
        }],
    }
}

fn set_mode(file: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(mode)).expect("a mode");
}

fn attempt(what: &str, file: &Path, why: &str) -> Attempt {
    Attempt {
        what: format!("{what} {}", file.display()),
        why: why.to_owned(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_lists_what_was_tried_and_why_each_failed() -> Result<(), Error> {
    let Some(sshd) = Sshd::builder().nobody_allowed().start() else {
        return Ok(());
    };
    let encrypted = sshd.folder().join("encrypted");
    keygen(&encrypted, "ed25519", "secret");
    let missing = sshd.folder().join("missing");
    let broken = sshd.folder().join("broken");
    std::fs::write(&broken, "no key").expect("a file");
    set_mode(&broken, 0o600);
    let shared = sshd.folder().join("shared");
    keygen(&shared, "ed25519", "");
    set_mode(&shared, 0o640);
    let mut host = sshd.host("web");
    host.identity = vec![
        sshd.operator_key(),
        encrypted.clone(),
        missing.clone(),
        broken.clone(),
        shared.clone(),
    ];
    let error = connector(&sshd)
        .connect(&inventory(vec![host.clone()]), &host)
        .await
        .expect_err("nobody is let in");
    assert_eq!(
        error.hint(),
        Some(format!(
            "Load the key with `ssh-add`, or name it under `identity` in the inventory; `ssh {}@web` shows which methods the server accepts.",
            user()
        ))
    );
    assert_eq!(
        tried(error),
        [
            attempt("key", &sshd.operator_key(), "the server refused it"),
            attempt(
                "key",
                &encrypted,
                "it is encrypted, and there is no terminal to ask for the passphrase"
            ),
            attempt("key", &missing, "there is no such file"),
            attempt("key", &broken, "it is not a private key that is read here"),
            attempt(
                "key",
                &shared,
                &format!(
                    "other accounts can read it (mode 0640), and ssh does not use such keys; \
                     `chmod 600 {}` prevents it",
                    shared.display()
                )
            ),
        ]
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_that_is_not_there_is_told_like_a_wrong_key() -> Result<(), Error> {
    let Some(sshd) = Sshd::builder().start() else {
        return Ok(());
    };
    let mut host = sshd.host("web");
    host.user = Some("nobody-of-that-name".to_owned());
    let error = connector(&sshd)
        .connect(&inventory(vec![host.clone()]), &host)
        .await
        .expect_err("there is no such account");
    assert_eq!(
        error.to_string(),
        format!(
            "authentication failed for nobody-of-that-name on web: key {} (the server refused it)",
            sshd.operator_key().display()
        )
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_gives_up_on_us_is_told() -> Result<(), Error> {
    let Some(sshd) = Sshd::builder()
        .nobody_allowed()
        .option("MaxAuthTries 2")
        .start()
    else {
        return Ok(());
    };
    let mut host = sshd.host("web");
    host.identity = Vec::new();
    for name in ["k1", "k2", "k3", "k4"] {
        let file = sshd.folder().join(name);
        keygen(&file, "ed25519", "");
        host.identity.push(file);
    }
    let error = connector(&sshd)
        .connect(&inventory(vec![host.clone()]), &host)
        .await
        .expect_err("too many keys");
    let text = error.to_string();
    assert!(
        text.ends_with("; the host ended it: Too many authentication failures"),
        "{text}"
    );
    assert!(tried(error).len() < 4);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_encrypted_key_is_asked_for_once_for_many_hosts() -> Result<(), Error> {
    let Some(sshd) = Sshd::builder().start() else {
        return Ok(());
    };
    let key = sshd.folder().join("encrypted");
    keygen(&key, "ed25519", "open sesame");
    sshd.authorize(&public(&key.with_extension("pub")));
    let answers = Answers::new("open sesame");
    let connector = Arc::new(asking(&sshd, &answers));
    let mut tasks = tokio::task::JoinSet::new();
    for index in 0..5 {
        let mut host = sshd.host(&format!("web{index}"));
        host.identity = vec![key.clone()];
        let connector = Arc::clone(&connector);
        tasks.spawn(async move {
            connector
                .connect(&inventory(vec![host.clone()]), &host)
                .await
                .map(|session| session.host().to_owned())
        });
    }
    let mut names = Vec::new();
    while let Some(name) = tasks.join_next().await {
        names.push(name.expect("no panic")?);
    }
    names.sort();
    assert_eq!(names, ["web0", "web1", "web2", "web3", "web4"]);
    assert_eq!(
        answers.asked(),
        [format!("passphrase for {}", key.display())]
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_passphrase_is_asked_for_three_times() -> Result<(), Error> {
    let Some(sshd) = Sshd::builder().start() else {
        return Ok(());
    };
    let key = sshd.folder().join("encrypted");
    keygen(&key, "ed25519", "open sesame");
    let answers = Answers::new("wrong");
    let mut host = sshd.host("web");
    host.identity = vec![key.clone()];
    let error = asking(&sshd, &answers)
        .connect(&inventory(vec![host.clone()]), &host)
        .await
        .expect_err("no passphrase");
    assert_eq!(answers.asked().len(), 3);
    assert_eq!(
        tried(error),
        [attempt(
            "key",
            &key,
            "the passphrase is wrong, or it is encrypted in a way that isn't read here (`ssh-keygen -p` writes it anew)"
        )]
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_kind_of_key_file_logs_in() -> Result<(), Error> {
    let Some(sshd) = Sshd::builder().nobody_allowed().start() else {
        return Ok(());
    };
    for kind in ["ed25519", "rsa", "ecdsa", "ecdsa-384"] {
        let key = sshd.folder().join(format!("user_{kind}"));
        keygen(&key, kind, "");
        sshd.authorize(&public(&key.with_extension("pub")));
        let mut host = sshd.host("web");
        host.identity = vec![key];
        let session = connector(&sshd)
            .connect(&inventory(vec![host.clone()]), &host)
            .await?;
        assert_eq!(session.user(), user());
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_certificate_logs_in() -> Result<(), Error> {
    let authority = tempfile::tempdir().expect("a folder");
    if crate::support::sshd::installed("ssh-keygen").is_none() {
        return Ok(());
    }
    let ca = authority.path().join("ca");
    keygen(&ca, "ed25519", "");
    let Some(sshd) = Sshd::builder()
        .nobody_allowed()
        .option(format!(
            "TrustedUserCAKeys {}",
            ca.with_extension("pub").display()
        ))
        .start()
    else {
        return Ok(());
    };
    for kind in ["ed25519", "rsa", "ecdsa"] {
        let key = sshd.folder().join(format!("user_{kind}"));
        keygen(&key, kind, "");
        sign(
            &ca,
            &key.with_extension("pub"),
            &["-I", "me", "-n", &user()],
        );
        let mut host = sshd.host("web");
        host.identity = vec![key];
        let session = connector(&sshd)
            .connect(&inventory(vec![host.clone()]), &host)
            .await?;
        assert_eq!(session.user(), user(), "{kind}");
    }
    assert_eq!(sshd.log().matches("Accepted publickey").count(), 3);
    Ok(())
}

/// An agent of this test's own.
fn agent(folder: &Path) -> (Process, PathBuf) {
    let socket = folder.join("agent");
    let child = Command::new("ssh-agent")
        .arg("-D")
        .arg("-a")
        .arg(&socket)
        .stdout(Stdio::null())
        .spawn()
        .expect("ssh-agent");
    let process = Process(child);
    eventually("the agent listens", || socket.exists());
    (process, socket)
}

fn add(socket: &Path, key: &Path) {
    let status = Command::new("ssh-add")
        .arg("-q")
        .arg(key)
        .env("SSH_AUTH_SOCK", socket)
        .status()
        .expect("ssh-add");
    assert!(status.success());
}

fn with_agent(sshd: &Sshd, socket: &Path, more: &str) {
    sshd.write_ssh_config(&format!(
        "Host *\n  HostName 127.0.0.1\n  Port {}\n  User {}\n  IdentityAgent {}\n  UserKnownHostsFile {}\n  \
         GlobalKnownHostsFile none\n{more}",
        sshd.port,
        user(),
        socket.display(),
        sshd.known_hosts().display()
    ));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_agent_is_asked_first_and_only_for_what_it_may_be() -> Result<(), Error> {
    let Some(sshd) = Sshd::builder().nobody_allowed().start() else {
        return Ok(());
    };
    let (_agent, socket) = agent(sshd.folder());
    let keys = ["ed25519", "rsa"].map(|kind| {
        let key = sshd.folder().join(format!("agent_{kind}"));
        keygen(&key, kind, "");
        add(&socket, &key);
        key
    });
    let mut host = sshd.host("web");
    host.identity = vec![sshd.folder().join("missing")];
    for key in &keys {
        let line = public(&key.with_extension("pub"));
        std::fs::write(sshd.folder().join("authorized_keys"), line).expect("authorized_keys");
        with_agent(&sshd, &socket, "");
        connector(&sshd)
            .connect(&inventory(vec![host.clone()]), &host)
            .await?;
    }
    // Now only what the identity files name may be offered, and that is another key.
    with_agent(&sshd, &socket, "  IdentitiesOnly yes\n");
    let error = connector(&sshd)
        .connect(&inventory(vec![host.clone()]), &host)
        .await
        .expect_err("none of the agent's keys may be offered");
    assert_eq!(
        tried(error),
        [
            attempt("agent", &socket, "it holds no key for this host"),
            attempt("key", &host.identity[0], "there is no such file"),
        ]
    );
    // The public half beside the missing file is enough to choose the agent's key.
    std::fs::copy(
        keys[1].with_extension("pub"),
        host.identity[0].with_extension("pub"),
    )
    .expect("copied");
    connector(&sshd)
        .connect(&inventory(vec![host.clone()]), &host)
        .await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropbear_is_a_host_like_any_other() -> Result<(), Error> {
    let Some(sshd) = Sshd::builder().start() else {
        return Ok(());
    };
    let Some((dropbear, port)) = crate::support::dropbear::dropbear(&sshd, None) else {
        return Ok(());
    };
    let mut host = sshd.host("web");
    host.port = Some(port);
    // dropbear reads the account's own authorized_keys, which is none of our business: being refused
    // after a trusted key exchange is as far as this goes.
    let error = connector(&sshd)
        .connect(&inventory(vec![host.clone()]), &host)
        .await
        .expect_err("our key isn't the account's");
    assert_eq!(
        tried(error),
        [attempt(
            "key",
            &sshd.operator_key(),
            "the server refused it"
        )]
    );
    drop(dropbear);
    Ok(())
}
