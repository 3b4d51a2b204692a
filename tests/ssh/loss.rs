//! Connections that break: at every stage, in every way that networks know.

use std::time::Duration;

use fleet::fault::{ExitClass, Fault as _};
use fleet::inventory::Host;
use fleet::ssh::{Error, Input, ReadSession};

use super::{connector, fetch_plain, list, probe};
use crate::support::proxy::{Cut, Direction, Faults, Proxy};
use crate::support::sshd::{Sshd, free_port, inventory};

/// A host that is reached through the proxy, with short limits.
fn behind(sshd: &Sshd, proxy: &Proxy) -> Host {
    sshd.write_known_hosts(&format!(
        "[127.0.0.1]:{} {}\n",
        proxy.port,
        sshd.host_public_key()
    ));
    let mut host = sshd.host("web");
    host.port = Some(proxy.port);
    host
}

async fn through(sshd: &Sshd, host: &Host) -> Result<ReadSession, Error> {
    connector(sshd)
        .connect(&inventory(vec![host.clone()]), host)
        .await
}

fn big(sshd: &Sshd) -> std::path::PathBuf {
    let file = sshd.folder().join("big");
    std::fs::write(&file, vec![b'x'; 32 << 20]).expect("a file");
    file
}

fn chain(error: &Error) -> String {
    crate::support::untimed(&fleet::fault::chain(error).join(": "))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_is_down_is_tried_three_times() -> Result<(), Error> {
    let Some(sshd) = Sshd::builder().start() else {
        return Ok(());
    };
    let port = free_port();
    let mut host = sshd.host("web");
    host.port = Some(port);
    let error = through(&sshd, &host).await.expect_err("nobody listens");
    assert_eq!(
        chain(&error),
        format!("can't connect to web at 127.0.0.1:{port} (3 attempts): connection refused")
    );
    assert_eq!(error.exit_class(), ExitClass::Unreachable);
    // A server that hangs up at once is tried three times, too.
    let proxy = Proxy::start(
        sshd.port,
        Faults {
            cut: Cut::Close,
            ..Faults::default()
        },
    );
    let host = behind(&sshd, &proxy);
    let error = through(&sshd, &host).await.expect_err("it hangs up");
    assert_eq!(
        chain(&error),
        format!(
            "can't connect to web at 127.0.0.1:{} (3 attempts): the other side closed the connection",
            proxy.port
        )
    );
    assert_eq!(proxy.accepted(), 3);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_says_nothing_is_given_up() -> Result<(), Error> {
    let Some(sshd) = Sshd::builder().start() else {
        return Ok(());
    };
    // 0: no banner; 1500: in the key exchange or the login.
    for after in [0, 1500] {
        let proxy = Proxy::start(
            sshd.port,
            Faults {
                cut: Cut::Silence,
                after,
                ..Faults::default()
            },
        );
        let mut host = behind(&sshd, &proxy);
        host.limits.connect_timeout = Duration::from_millis(500);
        let error = through(&sshd, &host).await.expect_err("silence");
        assert!(
            chain(&error).ends_with("no answer within 0.5 s"),
            "{}",
            chain(&error)
        );
        assert_eq!(error.exit_class(), ExitClass::Unreachable);
        assert_eq!(proxy.accepted(), 1);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_output_that_breaks_off_is_never_whole() -> Result<(), Error> {
    let Some(sshd) = Sshd::builder().start() else {
        return Ok(());
    };
    let file = big(&sshd);
    for cut in [Cut::Reset, Cut::Close, Cut::Corrupt] {
        let proxy = Proxy::start(
            sshd.port,
            Faults {
                cut,
                after: 8 << 20,
                ..Faults::default()
            },
        );
        let host = behind(&sshd, &proxy);
        let session = through(&sshd, &host).await?;
        let running = session
            .run(&fetch_plain(), false, list(&[&file], 0))
            .await?;
        let (mut body, completion) = running.split();
        let copied = tokio::task::spawn_blocking(move || {
            std::io::copy(&mut body, &mut std::io::sink()).map_err(|error| error.to_string())
        })
        .await
        .expect("no panic");
        assert_eq!(copied, Err("lost the connection to web".to_owned()));
        let error = completion.finish().await.expect_err("it broke off");
        let reset = "lost the connection to web: connection reset by peer";
        let closed = "lost the connection to web: the other side closed the connection";
        let damaged = "lost the connection to web: a packet was damaged on the way";
        let possible: &[&str] = match cut {
            Cut::Reset => &[reset],
            // What we still write to a socket that was closed is answered with a reset.
            Cut::Close => &[closed, reset],
            Cut::Corrupt | Cut::Never | Cut::Silence => &[damaged],
        };
        assert!(
            possible.contains(&chain(&error).as_str()),
            "{}",
            chain(&error)
        );
        assert_eq!(error.exit_class(), ExitClass::Unreachable);
        // Whatever comes next on this session gets the same error.
        let next = session
            .run(&probe(), false, Input::none())
            .await
            .expect_err("it is gone");
        assert_eq!(chain(&next), chain(&error));
        drop(session);
        sshd.wait_until_idle();
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_that_breaks_off_is_told_too() -> Result<(), Error> {
    let Some(sshd) = Sshd::builder().start() else {
        return Ok(());
    };
    let proxy = Proxy::start(
        sshd.port,
        Faults {
            cut: Cut::Close,
            after: 1 << 20,
            counted: Direction::Up,
            ..Faults::default()
        },
    );
    let host = behind(&sshd, &proxy);
    let session = through(&sshd, &host).await?;
    let names = "etc/hostname\n".repeat(1 << 20);
    let error = session
        .output(&fetch_plain(), false, Input::bytes(names), 1 << 30)
        .await
        .expect_err("it broke off");
    assert_eq!(error.to_string(), "lost the connection to web");
    drop(session);
    sshd.wait_until_idle();
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silence_in_the_middle_is_a_stall_for_all_commands() -> Result<(), Error> {
    let Some(sshd) = Sshd::builder().start() else {
        return Ok(());
    };
    let file = big(&sshd);
    let proxy = Proxy::start(
        sshd.port,
        Faults {
            cut: Cut::Silence,
            after: 4 << 20,
            ..Faults::default()
        },
    );
    let mut host = behind(&sshd, &proxy);
    host.limits.stall_timeout = Duration::from_millis(700);
    let session = through(&sshd, &host).await?;
    let input = list(&[&file], 0);
    let command = fetch_plain();
    let one = session.output(&command, false, input.clone(), 1 << 30);
    let two = session.output(&command, false, input, 1 << 30);
    let (one, two) = tokio::join!(one, two);
    for outcome in [one, two] {
        let error = outcome.expect_err("silence");
        assert_eq!(error.to_string(), "web sent nothing for 0.7 s");
        assert_eq!(error.exit_class(), ExitClass::Unreachable);
    }
    drop(session);
    proxy.cut_now(Cut::Close);
    sshd.wait_until_idle();
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_command_ends_with_its_connection() -> Result<(), Error> {
    // A find that meets nothing it may print for hours, and a tar that waits for a disk.
    let tools = tempfile::tempdir().expect("a folder");
    for (tool, silent) in [("find", "-P"), ("tar", "--create")] {
        let script =
            format!("[ \"$1\" != {silent} ] || exec sleep 1000\nexec /usr/bin/{tool} \"$@\"");
        crate::support::host_fixture::program(tools.path(), tool, &script);
    }
    let Some(sshd) = Sshd::builder()
        .option(format!(
            "SetEnv PATH={}:/usr/bin:/bin HOME=/",
            tools.path().display()
        ))
        .start()
    else {
        return Ok(());
    };
    let proxy = Proxy::start(sshd.port, Faults::default());
    let host = behind(&sshd, &proxy);
    let file = sshd.folder().join("file");
    std::fs::write(&file, "x").expect("a file");
    for cut in [Cut::Close, Cut::Reset] {
        for (command, input) in [
            (super::scan(sshd.folder()), Input::none()),
            (super::fetch(), list(&[&file], 0)),
        ] {
            let session = through(&sshd, &host).await?;
            let running = session.run(&command, false, input).await?;
            crate::support::sshd::eventually("it sleeps", || {
                sshd.descendants()
                    .iter()
                    .any(|(_, line)| line.starts_with("sleep 1000"))
            });
            proxy.cut_now(cut);
            sshd.wait_until_idle();
            let error = running.finish().await.expect_err("its connection is gone");
            assert_eq!(error.to_string(), "lost the connection to web");
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_is_dead_is_found_by_keepalives() -> Result<(), Error> {
    let Some(sshd) = Sshd::builder().start() else {
        return Ok(());
    };
    let proxy = Proxy::start(sshd.port, Faults::default());
    let host = behind(&sshd, &proxy);
    let connector = fleet::ssh::Connector::new(
        sshd.ssh_config(),
        fleet::ssh::Options {
            keepalive: Duration::from_millis(100),
            ..fleet::ssh::Options::default()
        },
    );
    let session = connector
        .connect(&inventory(vec![host.clone()]), &host)
        .await?;
    let output = session
        .output(&probe(), false, Input::none(), 1 << 20)
        .await?;
    assert_eq!(output.status, 0);
    proxy.fall_silent();
    let error = session
        .run(&probe(), false, Input::none())
        .await
        .expect_err("the peer is dead");
    assert_eq!(
        chain(&error),
        "lost the connection to web: the other side no longer answers keepalives"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_network_is_no_broken_one() -> Result<(), Error> {
    let Some(sshd) = Sshd::builder().start() else {
        return Ok(());
    };
    let proxy = Proxy::start(sshd.port, Faults::default());
    let host = behind(&sshd, &proxy);
    let session = through(&sshd, &host).await?;
    proxy.set(Faults {
        delay: Duration::from_millis(20),
        rate: 4 << 20,
        ..Faults::default()
    });
    let file = sshd.folder().join("file");
    std::fs::write(&file, vec![b'x'; 1 << 20]).expect("a file");
    let output = session
        .output(&fetch_plain(), false, list(&[&file], 0), 1 << 30)
        .await?;
    assert_eq!(output.status, 0);
    assert!(output.stdout.len() > 1 << 20);
    assert!(proxy.down_bytes() > 1 << 20 && proxy.up_bytes() < 1 << 20);
    Ok(())
}
