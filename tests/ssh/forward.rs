//! Ways through the connection to web servers that the host sees.

use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use fleet::fault::{ExitClass, Fault as _, chain};
use fleet::guard::HttpGet;
use fleet::inventory::HttpSource;
use fleet::ssh::{Error, Input, ReachRefusal, ReadSession};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{probe, session};
use crate::support::http::HttpServer;
use crate::support::sshd::{Sshd, eventually, free_port};

/// No healthy test waits so long.
const LIMIT: Duration = Duration::from_secs(30);

pub(super) fn get(host: &str, port: u16) -> HttpGet {
    HttpGet::of(&HttpSource {
        url: format!("http://{host}:{port}/").parse().expect("a URL"),
        headers: Vec::new(),
        status: 200,
        normalise_json: false,
        timeout: LIMIT,
        max_bytes: 1,
        file: None,
    })
}

pub(super) async fn still_works(session: &ReadSession) -> Result<(), Error> {
    let output = session
        .output(&probe(), false, Input::none(), 1 << 20)
        .await?;
    assert_eq!(output.status, 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_way_carries_bytes_both_ways_and_ends_with_the_server() -> Result<(), Error> {
    let Some(sshd) = Sshd::builder().start() else {
        return Ok(());
    };
    let server = HttpServer::saying("hello".repeat(1 << 20));
    let session = session(&sshd).await?;
    for host in ["127.0.0.1", "localhost"] {
        let mut way = session.open_forward(&get(host, server.port), LIMIT).await?;
        way.write_all(b"GET /\r\n\r\n").await.expect("written");
        let mut said = Vec::new();
        way.read_to_end(&mut said).await.expect("to the end");
        assert_eq!(said.len(), 5 << 20);
    }
    assert_eq!(server.heads(), ["GET /\r\n\r\n"; 2]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ways_take_no_session_and_one_that_nobody_reads_stops_nothing() -> Result<(), Error> {
    let Some(sshd) = Sshd::builder().option("MaxSessions 1").start() else {
        return Ok(());
    };
    let server = HttpServer::saying("x".repeat(1 << 20));
    let session = session(&sshd).await?;
    let mut ways = Vec::new();
    for _ in 0..3 {
        let mut way = session
            .open_forward(&get("127.0.0.1", server.port), LIMIT)
            .await?;
        way.write_all(b"GET /\r\n\r\n").await.expect("written");
        still_works(&session).await?;
        ways.push(way);
    }
    for mut way in ways {
        let mut said = Vec::new();
        way.read_to_end(&mut said).await.expect("to the end");
        assert_eq!(said.len(), 1 << 20);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_is_held_up_and_ends_with_the_way() -> Result<(), Error> {
    let Some(sshd) = Sshd::builder().start() else {
        return Ok(());
    };
    let (gone, is_gone) = std::sync::mpsc::channel();
    let server = HttpServer::answering(move |_, stream| {
        let chunk = vec![b'x'; 1 << 20];
        while stream.write_all(&chunk).is_ok() {}
        gone.send(()).expect("the test waits");
    });
    let session = session(&sshd).await?;
    let mut way = session
        .open_forward(&get("127.0.0.1", server.port), LIMIT)
        .await?;
    way.write_all(b"GET /\r\n\r\n").await.expect("written");
    let mut some = vec![0; 8 << 20];
    way.read_exact(&mut some).await.expect("some");
    drop(way);
    still_works(&session).await?;
    is_gone.recv_timeout(LIMIT).expect("the server is let go");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_connection_is_never_the_end_of_an_answer() -> Result<(), Error> {
    let Some(sshd) = Sshd::builder().start() else {
        return Ok(());
    };
    let (done, is_done) = std::sync::mpsc::channel::<()>();
    let is_done = std::sync::Mutex::new(is_done);
    let server = HttpServer::answering(move |_, stream| {
        stream.write_all(b"some").expect("written");
        // Until the test has ended.
        is_done.lock().expect("a test that ended").recv().ok();
    });
    let session = session(&sshd).await?;
    let mut way = session
        .open_forward(&get("127.0.0.1", server.port), LIMIT)
        .await?;
    way.write_all(b"GET /\r\n\r\n").await.expect("written");
    let mut some = [0; 4];
    way.read_exact(&mut some).await.expect("some");
    assert!(session.ended().is_none());
    for (pid, _) in sshd.descendants() {
        let status = std::process::Command::new("kill")
            .args(["-KILL", &pid.to_string()])
            .status();
        assert!(status.expect("kill").success());
    }
    let error = way.read(&mut some).await.expect_err("no end");
    assert_eq!(error.to_string(), "lost the connection to web");
    assert!(matches!(session.ended(), Some(Error::Lost { .. })));
    let error = session
        .open_forward(&get("127.0.0.1", server.port), LIMIT)
        .await;
    assert!(matches!(error, Err(Error::Lost { .. })), "{error:?}");
    drop(done);
    Ok(())
}

/// What came of trying to reach `host:port`: causes and hint.
async fn refused(session: &ReadSession, host: &str, port: u16) -> (Error, String) {
    let error = session
        .open_forward(&get(host, port), LIMIT)
        .await
        .expect_err("no way");
    let told = format!(
        "{} | {}",
        chain(&error).join(": "),
        error.hint().unwrap_or_default()
    )
    .replace(&format!(":{port}"), ":PORT");
    (error, told)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_not_there_is_told() -> Result<(), Error> {
    let Some(sshd) = Sshd::builder().start() else {
        return Ok(());
    };
    let session = session(&sshd).await?;
    let port = free_port();
    let (error, told) = refused(&session, "127.0.0.1", port).await;
    assert_eq!(
        told,
        "web refused to forward to 127.0.0.1:PORT: connection refused | Check that the service is running: web connects to 127.0.0.1:PORT."
    );
    assert_eq!(error.exit_class(), ExitClass::Failed);

    let (error, told) = refused(&session, "no-such-host.invalid", port).await;
    assert!(
        matches!(
            &error,
            Error::Reach {
                source: ReachRefusal::Failed { .. },
                ..
            }
        ),
        "{error:?}"
    );
    assert!(
        told.ends_with(
            " | Check that no-such-host.invalid:PORT is right, and that web can reach it."
        ),
        "{told}"
    );
    // Each is told its own reason, however many ask at once.
    let (here, there) = (get("127.0.0.1", port), get("no-such-host.invalid", port));
    let (one, two, three) = tokio::join!(
        session.open_forward(&here, LIMIT),
        session.open_forward(&there, LIMIT),
        session.open_forward(&here, LIMIT)
    );
    let is_refused = |way: Result<_, Error>| {
        matches!(
            way,
            Err(Error::Reach {
                source: ReachRefusal::Refused,
                ..
            })
        )
    };
    assert_eq!(
        (is_refused(one), is_refused(two), is_refused(three)),
        (true, false, true)
    );
    still_works(&session).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forwarding_that_is_forbidden_is_told_with_the_remedy() -> Result<(), Error> {
    let server = HttpServer::serving("x");
    for option in [
        "AllowTcpForwarding no",
        "DisableForwarding yes",
        "PermitOpen 127.0.0.1:1",
    ] {
        let Some(sshd) = Sshd::builder().option(option).start() else {
            return Ok(());
        };
        let session = session(&sshd).await?;
        let (error, told) = refused(&session, "127.0.0.1", server.port).await;
        assert_eq!(
            told,
            "web refused to forward to 127.0.0.1:PORT: its SSH server forbids forwarding there | Allow it in sshd_config on web: `AllowTcpForwarding local` and `PermitOpen 127.0.0.1:PORT`; for a key with `restrict` in authorized_keys: `port-forwarding,permitopen=\"127.0.0.1:PORT\"`.",
            "{option}"
        );
        assert!(matches!(
            error,
            Error::Reach {
                source: ReachRefusal::Prohibited,
                ..
            }
        ));
        still_works(&session).await?;
    }
    assert_eq!(server.heads(), Vec::<String>::new());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_does_not_accept_is_given_up_and_costs_no_other() -> Result<(), Error> {
    let Some(sshd) = Sshd::builder().start() else {
        return Ok(());
    };
    let session = session(&sshd).await?;
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    // Nobody accepts; once the system's queue is full, connections hang.
    let mut waiting = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(200)) {
        waiting.push(stream);
        assert!(waiting.len() < 20_000, "the queue has an end");
    }
    let limit = Duration::from_millis(500);
    let error = session
        .open_forward(&get("127.0.0.1", address.port()), limit)
        .await
        .expect_err("no way");
    assert_eq!(
        chain(&error),
        [
            format!("web refused to forward to {address}"),
            "no connection after 0.5 s".to_owned()
        ]
    );
    still_works(&session).await?;
    let server = HttpServer::serving("x");
    drop(
        session
            .open_forward(&get("127.0.0.1", server.port), LIMIT)
            .await?,
    );
    // Whose words come now is not sure any more, so they are not believed.
    let (error, _) = refused(&session, "127.0.0.1", free_port()).await;
    assert_eq!(
        chain(&error).last().map(String::as_str),
        Some("it can't be reached from there")
    );
    drop(session);
    drop(waiting);
    eventually("the server lets go", || sshd.descendants().is_empty());
    Ok(())
}
