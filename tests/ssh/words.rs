//! Tests of messages about failed connections: the server's own text is in them.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use fleet::fault::{Fault as _, chain};
use fleet::inventory::Host;
use fleet::ssh::{Connector, Error, Options, SshConfig};
use russh::MethodKind;
use russh::server::{Auth, Handler, VerifiedPublicKey};

use super::connector;
use super::server::{reject, serve};
use crate::support::sshd::{
    Process, Sshd, eventually, free_port, host, installed, inventory, keygen, public, user,
};
use crate::support::{not_here, untimed};

fn texts(error: &Error) -> Vec<String> {
    chain(error).iter().map(|text| untimed(text)).collect()
}

async fn refused(sshd: &Sshd) -> Vec<String> {
    let host = sshd.host("web");
    let done = connector(sshd)
        .connect(&inventory(vec![host.clone()]), &host)
        .await;
    texts(&done.expect_err("it is refused"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_banner_is_in_the_error_of_a_login_that_failed() {
    let folder = tempfile::tempdir().expect("a folder");
    let banner = folder.path().join("banner");
    std::fs::write(
        &banner,
        "\n*** Closed\tfor repair. ***\n\x1b[2Jback at ten\n\n",
    )
    .expect("a banner");
    let Some(sshd) = Sshd::builder()
        .nobody_allowed()
        .option(format!("Banner {}", banner.display()))
        .start()
    else {
        return;
    };
    assert_eq!(
        refused(&sshd).await,
        [
            format!(
                "authentication failed for {} on web: key {} (the server refused it)",
                user(),
                sshd.operator_key().display()
            ),
            "web said:\n*** Closed for repair. ***\n\\u{1b}[2Jback at ten".to_owned(),
        ]
    );
    // A long one is cut.
    std::fs::write(&banner, "no entry\n".repeat(7000)).expect("a banner");
    let said = refused(&sshd).await.pop().expect("a cause");
    assert!(said.len() < 4200 && said.ends_with('…'), "{}", said.len());
}

/// russh ends the connection at such a banner.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_banner_that_is_not_utf_8_is_named_as_the_reason() {
    let folder = tempfile::tempdir().expect("a folder");
    let banner = folder.path().join("banner");
    std::fs::write(&banner, b"Geh\xf6rt ACME\n").expect("a banner");
    let Some(sshd) = Sshd::builder()
        .option(format!("Banner {}", banner.display()))
        .start()
    else {
        return;
    };
    assert_eq!(
        refused(&sshd).await,
        [format!(
            "authentication failed for {} on web: no key or password to try; the host sent a message that can't be read; \
             a banner that is not UTF-8 is one",
            user()
        )]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_banner_is_kept_where_the_login_succeeds() -> Result<(), Error> {
    let folder = tempfile::tempdir().expect("a folder");
    let banner = folder.path().join("banner");
    std::fs::write(&banner, "Property of ACME\n").expect("a banner");
    let Some(sshd) = Sshd::builder()
        .option(format!("Banner {}", banner.display()))
        .start()
    else {
        return Ok(());
    };
    let session = super::session(&sshd).await?;
    assert_eq!(session.banner().as_deref(), Some("Property of ACME"));
    Ok(())
}

/// A real sshd with `UsePAM yes` in a mount namespace, whose /etc has an account `bob` and a nologin file.
/// None where this machine can't make one.
fn booting(folder: &Path) -> Option<(Process, u16)> {
    let sshd = installed("sshd")?;
    let port = free_port();
    for key in ["host", "bob"] {
        keygen(&folder.join(key), "ed25519", "");
    }
    let script = format!(
        "set -e\nmount -t tmpfs tmpfs /mnt\nmkdir /mnt/upper /mnt/work\n\
         mount -t overlay overlay -o lowerdir=/etc,upperdir=/mnt/upper,workdir=/mnt/work /etc\n\
         echo 'bob:x:4242:4242::/:/bin/sh' >> /etc/passwd\necho 'bob:*:1::::::' >> /etc/shadow\n\
         printf '%s\\n' 'auth required pam_permit.so' 'account required pam_nologin.so' > /etc/pam.d/sshd\n\
         echo 'System is booting up. Unprivileged users are not permitted to log in yet.' > /etc/nologin\n\
         cp '{folder}/bob.pub' /mnt/keys\nchmod 644 /mnt/keys\nmkdir -p /run/sshd\n\
         exec '{sshd}' -D -e -f /dev/null -p {port} -o ListenAddress=127.0.0.1 -o UsePAM=yes -o PidFile=none \
         -o HostKey='{folder}/host' -o AuthorizedKeysFile=/mnt/keys -o StrictModes=no\n",
        folder = folder.display(),
        sshd = sshd.display(),
    );
    let log = folder.join("log");
    let child = Command::new("unshare")
        .args(["--mount", "sh", "-c", &script])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(&log).expect("a log"))
        .spawn()
        .ok()?;
    let mut process = Process(child);
    let mut has_ended = false;
    eventually("sshd listens", || {
        has_ended = !matches!(process.0.try_wait(), Ok(None));
        has_ended || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
    });
    if has_ended {
        let said = std::fs::read_to_string(&log).unwrap_or_default();
        not_here(&format!(
            "no mount namespace with an /etc of its own: {said}"
        ));
        return None;
    }
    let line = public(&folder.join("host.pub"));
    std::fs::write(
        folder.join("known_hosts"),
        format!("[127.0.0.1]:{port} {line}\n"),
    )
    .expect("known_hosts");
    std::fs::write(
        folder.join("ssh_config"),
        format!(
            "Host *\n  UserKnownHostsFile {}\n  GlobalKnownHostsFile none\n  IdentityAgent none\n",
            folder.join("known_hosts").display()
        ),
    )
    .expect("ssh_config");
    Some((process, port))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_boots_says_so_by_pam() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some((_sshd, port)) = booting(folder.path()) else {
        return;
    };
    let connector = Connector::new(
        SshConfig {
            file: Some(folder.path().join("ssh_config")),
        },
        Options::default(),
    );
    let host = Host {
        address: Some("127.0.0.1".to_owned()),
        port: Some(port),
        user: Some("bob".to_owned()),
        identity: vec![folder.path().join("bob")],
        ..host("web")
    };
    let error = connector
        .connect(&inventory(vec![host.clone()]), &host)
        .await
        .expect_err("it boots");
    assert_eq!(
        texts(&error).pop().as_deref(),
        Some("web said: System is booting up. Unprivileged users are not permitted to log in yet.")
    );
    assert_eq!(
        error.hint().as_deref(),
        Some(
            "The host's own message may be the reason. Otherwise load the key with `ssh-add`, or name it under `identity` in the inventory; `ssh bob@web` shows which methods the server accepts."
        )
    );
}

/// What sshd does when PAM lets nobody in: the message as a banner, and then the end.
#[derive(Clone)]
struct Booting;

impl Handler for Booting {
    type Error = russh::Error;

    async fn authentication_banner(&mut self) -> Result<Option<String>, Self::Error> {
        Ok(Some(
            "\"System is booting up. Unprivileged users are not permitted to log in yet.\"\r\n"
                .to_owned(),
        ))
    }

    async fn auth_none(&mut self, _: &str) -> Result<Auth, Self::Error> {
        Ok(reject(&[MethodKind::PublicKey], false))
    }

    async fn auth_publickey(
        &mut self,
        _: &str,
        _: VerifiedPublicKey<'_>,
    ) -> Result<Auth, Self::Error> {
        Err(russh::Error::Disconnect)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_pam_says_before_it_ends_the_login_is_in_the_error() {
    let Some(server) = serve(|| Booting).await else {
        return;
    };
    let (done, _) = server.connect("", None).await;
    assert_eq!(
        texts(&done.expect_err("it boots")).pop().as_deref(),
        Some(
            "web said: \"System is booting up. Unprivileged users are not permitted to log in yet.\""
        )
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_full_says_so_before_its_identification() {
    let Some(sshd) = Sshd::builder().option("MaxStartups 1").start() else {
        return;
    };
    // Whoever does not log in takes the only place.
    // The connection that saw the server start may still have it.
    let mut first = None;
    eventually("a connection has the place", || {
        let connection = std::net::TcpStream::connect(("127.0.0.1", sshd.port));
        let mut connection = connection.expect("a connection");
        let mut line = [0; 8];
        let has_place = connection.read_exact(&mut line).is_ok() && &line == b"SSH-2.0-";
        first = has_place.then_some(connection);
        has_place
    });
    let texts = refused(&sshd).await;
    assert_eq!(
        texts[0],
        format!(
            "can't connect to web at 127.0.0.1:{} (3 attempts)",
            sshd.port
        )
    );
    // What we say to a socket that was closed already is answered with a reset.
    assert!(
        [
            "the other side closed the connection",
            "connection reset by peer"
        ]
        .contains(&texts[1].as_str()),
        "{}",
        texts[1]
    );
    assert_eq!(texts[2], "web said: Exceeded MaxStartups");
    assert!(first.is_some(), "it has held the place");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_ssh_server_is_told_by_what_it_says() {
    let Some(sshd) = Sshd::builder().start() else {
        return;
    };
    for (said, why, words) in [
        (
            "HTTP/1.1 400 Bad Request\r\nServer: x\r\n\r\n",
            "the other side closed the connection",
            "web said:\nHTTP/1.1 400 Bad Request\nServer: x",
        ),
        (
            "SSH-1.5-old\r\n",
            "the other side doesn't speak SSH 2",
            "web said: SSH-1.5-old",
        ),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten().take(3) {
                let mut stream = stream;
                drop(stream.write_all(said.as_bytes()));
                drop(stream.shutdown(std::net::Shutdown::Write));
                drop(std::io::copy(&mut stream, &mut std::io::sink()));
            }
        });
        let mut host = sshd.host("web");
        host.port = Some(port);
        let done = connector(&sshd)
            .connect(&inventory(vec![host.clone()]), &host)
            .await;
        let texts = texts(&done.expect_err("it is no SSH server"));
        assert_eq!(texts[1..], [why, words], "{said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proxy_command_says_why_it_failed() {
    let Some(sshd) = Sshd::builder().start() else {
        return;
    };
    let text = std::fs::read_to_string(sshd.folder().join("ssh_config")).expect("ssh_config");
    for (command, words) in [
        (
            "sh -c 'echo no tunnel to %h >&2; exit 1'",
            "its ProxyCommand said: no tunnel to 127.0.0.1",
        ),
        (
            "sh -c 'printf \"one\\ntwo\" >&2; exit 1'",
            "its ProxyCommand said:\none\ntwo",
        ),
    ] {
        sshd.write_ssh_config(&format!("{text}  ProxyCommand {command}\n"));
        let texts = refused(&sshd).await;
        assert_eq!(
            texts[..2],
            [
                format!(
                    "can't connect to web at 127.0.0.1:{} (3 attempts)",
                    sshd.port
                ),
                "the other side closed the connection".to_owned(),
            ]
        );
        assert_eq!(texts[2], words);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_is_not_there_is_told_in_plain_words() {
    let Some(sshd) = Sshd::builder().start() else {
        return;
    };
    let mut host = sshd.host("web");
    host.address = Some("no-such-host.invalid".to_owned());
    let done = connector(&sshd)
        .connect(&inventory(vec![host.clone()]), &host)
        .await;
    let texts = texts(&done.expect_err("there is no such name"));
    assert_eq!(
        texts[0],
        format!(
            "can't connect to web at no-such-host.invalid:{} (1 attempt)",
            sshd.port
        )
    );
    assert!(
        [
            "no such host name: `no-such-host.invalid`",
            // Where there is no network at all.
            "the name server gives no answer for `no-such-host.invalid`",
        ]
        .contains(&texts[1].as_str()),
        "{}",
        texts[1]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_limit_holds_for_all_of_an_attempt() {
    let Some(sshd) = Sshd::builder().start() else {
        return;
    };
    // A line every 200 ms: something always happens, but the server never identifies itself.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        if let Ok((mut stream, _)) = listener.accept() {
            while stream.write_all(b"wait\n").is_ok() {
                std::thread::sleep(Duration::from_millis(200));
            }
        }
    });
    let mut host = sshd.host("web");
    host.port = Some(port);
    host.limits.connect_timeout = Duration::from_millis(900);
    let done = connector(&sshd)
        .connect(&inventory(vec![host.clone()]), &host)
        .await;
    let texts = texts(&done.expect_err("it never begins"));
    assert_eq!(
        texts[..2],
        [
            format!("can't connect to web at 127.0.0.1:{port} (1 attempt)"),
            "no answer within 0.9 s".to_owned(),
        ]
    );
    assert!(
        texts[2].starts_with("web said:\nwait\nwait"),
        "{}",
        texts[2]
    );
}
