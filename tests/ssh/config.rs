//! ssh_config as `ssh -G` prints it: what is replaced, what is followed, and what is refused.

use std::path::PathBuf;

use fleet::fault::{ExitClass, Fault as _, chain};
use fleet::ssh::{Connector, Endpoint, Error, Hop, Options, SshConfig};

use super::connector;
use crate::support::sshd::{Sshd, host, installed, inventory, keygen, public, user};
use crate::support::untimed;

/// The server's own configuration with more options.
fn with(sshd: &Sshd, options: &str) {
    sshd.write_ssh_config(&format!(
        "Host *\n  HostName 127.0.0.1\n  Port {}\n  User {}\n  IdentityFile {}\n  IdentityAgent none\n  \
         UserKnownHostsFile {}\n  GlobalKnownHostsFile none\n  {options}\n",
        sshd.port,
        user(),
        sshd.operator_key().display(),
        sshd.known_hosts().display()
    ));
}

/// Connects; the fingerprint of the host key, or the texts of the error.
async fn connect(sshd: &Sshd) -> Result<String, Vec<String>> {
    let host = sshd.host("web");
    connector(sshd)
        .connect(&inventory(vec![host.clone()]), &host)
        .await
        .map(|session| session.host_key_fingerprint())
        .map_err(|error| chain(&error).iter().map(|text| untimed(text)).collect())
}

/// How `name` is reached by this configuration alone.
async fn endpoint(config: &str, name: &str) -> Result<Endpoint, Error> {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("config");
    std::fs::write(&file, config).expect("a configuration");
    let connector = Connector::new(SshConfig { file: Some(file) }, Options::default());
    let host = host(name);
    connector
        .endpoint(&inventory(vec![host.clone()]), &host)
        .await
}

#[tokio::test]
async fn tokens_are_replaced_wherever_ssh_replaces_them() -> Result<(), Error> {
    if installed("ssh").is_none() {
        return Ok(());
    }
    let tokens = "%h-%n-%p-%r-%u-%C-%L-%l-%i-%%";
    let endpoint = endpoint(
        &format!(
            "Host web\n  HostName %h.example.org\n  User ops\n  Port 2222\n  \
             IdentityFile /i/{tokens}\n  CertificateFile /c/{tokens}\n  IdentityAgent /a/{tokens}\n  \
             UserKnownHostsFile /k/{tokens}\n  ProxyJump %r@jump-%n:2222,%h\n"
        ),
        "web",
    )
    .await?;
    // ssh itself replaces them in two of the four, which is the oracle for the others.
    let known = endpoint.user_known_hosts.first().expect("a file");
    let end = known.strip_prefix("/k").expect("a known_hosts file");
    let text = end.to_string_lossy().into_owned();
    assert!(text.starts_with("web.example.org-web-2222-ops-"), "{text}");
    assert!(!text.trim_end_matches('%').contains('%'), "{text}");
    assert_eq!(endpoint.identities, [PathBuf::from("/i").join(end)]);
    assert_eq!(endpoint.certificates, [PathBuf::from("/c").join(end)]);
    assert_eq!(endpoint.agent, Some(PathBuf::from("/a").join(end)));
    assert_eq!(endpoint.warnings, Vec::<String>::new());
    let through = |endpoint: &Endpoint| match &endpoint.hop {
        Some(Hop::Jump(jump)) => Some(Endpoint::clone(jump)),
        Some(Hop::Command(_) | Hop::Descriptor(_)) | None => None,
    };
    let last = through(&endpoint).expect("a jump");
    let first = through(&last).expect("a jump before it");
    assert_eq!(
        (
            last.name.as_str(),
            first.name.as_str(),
            first.user.as_str(),
            first.port
        ),
        ("web.example.org", "jump-web", "ops", 2222)
    );
    Ok(())
}

#[tokio::test]
async fn what_cannot_be_followed_is_refused_or_noted() -> Result<(), Error> {
    if installed("ssh").is_none() {
        return Ok(());
    }
    for (options, why) in [
        (
            "BindInterface lo",
            "`BindInterface lo` of ssh_config is not supported; `BindAddress` with an address of that interface is",
        ),
        (
            "KexAlgorithms sntrup761x25519-sha512@openssh.com",
            "`KexAlgorithms` of ssh_config allows sntrup761x25519-sha512@openssh.com, and fleet has \
             mlkem768x25519-sha256, curve25519-sha256, curve25519-sha256@libssh.org, ecdh-sha2-nistp256, \
             ecdh-sha2-nistp384, ecdh-sha2-nistp521, diffie-hellman-group-exchange-sha256, \
             diffie-hellman-group18-sha512, diffie-hellman-group17-sha512, diffie-hellman-group16-sha512, \
             diffie-hellman-group15-sha512, diffie-hellman-group14-sha256",
        ),
        (
            "User $(id)\n  ProxyCommand nc %r",
            "`%r` stands for `$(id)`, which a shell would not take as one word",
        ),
    ] {
        let error = endpoint(&format!("Host web\n  {options}\n"), "web")
            .await
            .expect_err("it can't be followed");
        assert_eq!(
            error.to_string(),
            format!("can't resolve how to reach web: {why}")
        );
        assert_eq!(error.exit_class(), ExitClass::Usage);
    }
    let noted = endpoint(
        "Host web\n  StrictHostKeyChecking no\n  ConnectTimeout 3\n  PKCS11Provider /x.so\n",
        "web",
    )
    .await?;
    assert_eq!(
        noted.notes,
        [
            "`StrictHostKeyChecking`: host keys are always checked, and only `fleet trust` adds one",
            "`PKCS11Provider`: load the token's keys into the agent with `ssh-add -s`",
            "`ConnectTimeout`: the limit is `connect_timeout` in the inventory",
        ]
    );
    let silent = endpoint("Host web\n  ForwardAgent yes\n  SendEnv LANG\n", "web").await?;
    assert_eq!(silent.notes, Vec::<String>::new());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_algorithms_are_those_that_ssh_config_names() {
    let Some(sshd) = Sshd::builder()
        .option("LogLevel DEBUG1")
        .host_key("ed25519")
        .host_key("rsa")
        .start()
    else {
        return;
    };
    let ed25519 = fingerprint(&sshd, "ed25519");
    assert_eq!(connect(&sshd).await, Ok(ed25519.clone()));
    with(
        &sshd,
        "KexAlgorithms ecdh-sha2-nistp384,curve25519-sha256\n  Ciphers aes128-ctr\n  \
         MACs umac-64@openssh.com,hmac-sha2-256\n  HostKeyAlgorithms rsa-sha2-256",
    );
    assert_eq!(connect(&sshd).await, Ok(fingerprint(&sshd, "rsa")));
    let log = sshd.log();
    for line in [
        "kex: algorithm: ecdh-sha2-nistp384 ",
        "kex: host key algorithm: rsa-sha2-256 ",
        "kex: client->server cipher: aes128-ctr MAC: hmac-sha2-256 compression: none",
    ] {
        assert!(log.contains(line), "{line}: {log}");
    }
    // A list without a MAC of fleet's leaves the ciphers that need none.
    with(&sshd, "MACs umac-64@openssh.com");
    assert_eq!(connect(&sshd).await, Ok(ed25519));
}

fn fingerprint(sshd: &Sshd, kind: &str) -> String {
    let output = std::process::Command::new("ssh-keygen")
        .arg("-lf")
        .arg(sshd.folder().join(format!("host_{kind}.pub")))
        .output()
        .expect("ssh-keygen");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.split(' ').nth(1).unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_key_exchange_of_a_plain_sshd_works() {
    for method in [
        "curve25519-sha256",
        "ecdh-sha2-nistp256",
        "ecdh-sha2-nistp384",
        "ecdh-sha2-nistp521",
        "diffie-hellman-group-exchange-sha256",
        "diffie-hellman-group16-sha512",
        "diffie-hellman-group14-sha256",
    ] {
        let Some(sshd) = Sshd::builder()
            .option(format!("KexAlgorithms {method}"))
            .start()
        else {
            return;
        };
        let done = connect(&sshd).await;
        assert_eq!(done, Ok(fingerprint(&sshd, "ed25519")), "{method}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_nothing_is_in_common_both_lists_are_named() {
    for (options, why) in [
        (
            "KexAlgorithms sntrup761x25519-sha512@openssh.com",
            "no common key exchange method: fleet offers mlkem768x25519-sha256, curve25519-sha256, \
             curve25519-sha256@libssh.org, ecdh-sha2-nistp256, ecdh-sha2-nistp384, ecdh-sha2-nistp521, \
             diffie-hellman-group-exchange-sha256, diffie-hellman-group18-sha512, \
             diffie-hellman-group17-sha512, diffie-hellman-group16-sha512, diffie-hellman-group15-sha512, \
             diffie-hellman-group14-sha256; the host takes sntrup761x25519-sha512@openssh.com",
        ),
        (
            "Ciphers aes256-cbc,aes128-cbc",
            "no common cipher: fleet offers aes256-gcm@openssh.com, aes128-gcm@openssh.com, \
             chacha20-poly1305@openssh.com, aes256-ctr, aes192-ctr, aes128-ctr; the host takes \
             aes256-cbc, aes128-cbc",
        ),
        (
            "Ciphers aes128-ctr\nMACs umac-64@openssh.com",
            "no common MAC: fleet offers hmac-sha2-512-etm@openssh.com, hmac-sha2-256-etm@openssh.com, \
             hmac-sha2-512, hmac-sha2-256; the host takes umac-64@openssh.com",
        ),
        (
            "HostKeyAlgorithms ssh-rsa",
            "no common kind of host key: fleet offers ssh-ed25519, ecdsa-sha2-nistp256, \
             ecdsa-sha2-nistp384, ecdsa-sha2-nistp521, rsa-sha2-512, rsa-sha2-256; the host takes ssh-rsa",
        ),
    ] {
        let Some(sshd) = Sshd::builder().option(options).host_key("rsa").start() else {
            return;
        };
        if options.starts_with("HostKey") {
            // Nothing is known of the host, so that every kind is asked for.
            sshd.write_known_hosts("");
        }
        assert_eq!(
            connect(&sshd).await,
            Err(vec![
                format!(
                    "can't connect to web at 127.0.0.1:{} (1 attempt)",
                    sshd.port
                ),
                why.to_owned(),
            ])
        );
        // Where ssh_config opens the door, it is open.
        if options.starts_with("Ciphers aes256-cbc") {
            with(&sshd, "Ciphers aes128-cbc");
            assert_eq!(connect(&sshd).await, Ok(fingerprint(&sshd, "rsa")));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rsa_keys_that_are_too_short_are_not_used_nor_trusted() {
    let Some(sshd) = Sshd::builder()
        .host_key("rsa-2048")
        .nobody_allowed()
        .start()
    else {
        return;
    };
    let key = sshd.folder().join("user_rsa");
    keygen(&key, "rsa-2048", "");
    sshd.authorize(&public(&key.with_extension("pub")));
    let mut host = sshd.host("web");
    host.identity = vec![key.clone()];
    let inventory = inventory(vec![host.clone()]);
    let connected = connector(&sshd).connect(&inventory, &host).await;
    let print = connected
        .expect("2048 bits are enough")
        .host_key_fingerprint();
    with(&sshd, "RequiredRSASize 3072");
    let error = connector(&sshd)
        .connect(&inventory, &host)
        .await
        .expect_err("2048 bits are too few");
    assert_eq!(
        error.to_string(),
        format!(
            "the host key of web is too short: ssh-rsa {print} has 2048 bits, `RequiredRSASize` of ssh_config requires 3072"
        )
    );
    assert_eq!(error.exit_class(), ExitClass::Unreachable);

    let Some(other) = Sshd::builder().nobody_allowed().start() else {
        return;
    };
    with(&other, "RequiredRSASize 3072");
    let mut host = other.host("web");
    host.identity = vec![key.clone()];
    let error = connector(&other)
        .connect(&crate::support::sshd::inventory(vec![host.clone()]), &host)
        .await
        .expect_err("the user's key is too short");
    assert_eq!(
        error.to_string(),
        format!(
            "authentication failed for {} on web: key {} (it has 2048 bits, `RequiredRSASize` of ssh_config requires 3072)",
            user(),
            key.display()
        )
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_certificate_is_signed_as_ssh_config_wants_it() {
    let Some(sshd) = Sshd::builder().host_certificate().start() else {
        return;
    };
    let authority = public(&sshd.folder().join("host_ca.pub"));
    sshd.write_known_hosts(&format!("@cert-authority * {authority}\n"));
    assert_eq!(connect(&sshd).await, Ok(fingerprint(&sshd, "ed25519")));
    with(&sshd, "CASignatureAlgorithms rsa-sha2-512");
    let texts = connect(&sshd).await.expect_err("it is signed otherwise");
    assert!(
        texts[0].starts_with(
            "the host certificate of web is refused: it is signed with ssh-ed25519, which `CASignatureAlgorithms` of ssh_config leaves out"
        ),
        "{}",
        texts[0]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_way_there_is_the_one_of_ssh_config() {
    let Some(sshd) = Sshd::builder().start() else {
        return;
    };
    with(&sshd, "BindAddress 127.0.0.9");
    assert_eq!(connect(&sshd).await, Ok(fingerprint(&sshd, "ed25519")));
    assert!(
        sshd.log().contains("Connection from 127.0.0.9 port "),
        "{}",
        sshd.log()
    );
    with(&sshd, "AddressFamily inet6");
    assert_eq!(
        connect(&sshd).await.expect_err("it has none")[1],
        "`127.0.0.1` has no IPv6 address (`AddressFamily inet6` of ssh_config)"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proxy_command_may_pass_the_connection() {
    let (Some(sshd), Some(_)) = (Sshd::builder().start(), installed("python3")) else {
        return;
    };
    let script = sshd.folder().join("pass");
    std::fs::write(
        &script,
        "import array, socket, sys\n\
         there = socket.create_connection((sys.argv[1], int(sys.argv[2])))\n\
         way = socket.socket(fileno=1)\n\
         rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [there.fileno()]))\n\
         way.sendmsg([b'x'], [rights])\n",
    )
    .expect("a script");
    let command = |arguments: &str| {
        format!(
            "ProxyUseFdpass yes\n  ProxyCommand python3 {} {arguments}",
            script.display()
        )
    };
    with(&sshd, &command("%h %p"));
    assert_eq!(connect(&sshd).await, Ok(fingerprint(&sshd, "ed25519")));
    sshd.wait_until_idle();
    with(
        &sshd,
        "ProxyUseFdpass yes\n  ProxyCommand echo nothing here >&2",
    );
    assert_eq!(
        connect(&sshd).await,
        Err(vec![
            format!(
                "can't connect to web at 127.0.0.1:{} (1 attempt)",
                sshd.port
            ),
            "the ProxyCommand passed no connection (`ProxyUseFdpass` is on)".to_owned(),
            "its ProxyCommand said: nothing here".to_owned(),
        ])
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_batch_mode_no_passphrase_is_asked_for() {
    let Some(sshd) = Sshd::builder().start() else {
        return;
    };
    let key = sshd.folder().join("encrypted");
    keygen(&key, "ed25519", "open sesame");
    with(&sshd, "BatchMode yes");
    let answers = super::answers::Answers::new("open sesame");
    let mut host = sshd.host("web");
    host.identity = vec![key.clone()];
    let error = super::answers::asking(&sshd, &answers)
        .connect(&inventory(vec![host.clone()]), &host)
        .await
        .expect_err("nothing is asked");
    assert_eq!(
        error.to_string(),
        format!(
            "authentication failed for {} on web: key {} (it is encrypted, and there is no terminal to ask for the passphrase)",
            user(),
            key.display()
        )
    );
    assert_eq!(answers.asked(), Vec::<String>::new());
}
