//! Many commands on one connection: side by side, slowly read, and at length.

use std::fs;

use fleet::inventory::{Access, Host, Place};
use fleet::ssh::{Error, Input};

use super::{big_file, fetch_plain, list, probe, session};
use crate::support::sshd::{Sshd, inventory, user};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_commands_run_at_once() -> Result<(), Error> {
    let Some(sshd) = Sshd::builder().start() else {
        return Ok(());
    };
    let file = big_file(sshd.folder(), 64 << 20);
    let session = session(&sshd).await?;
    // Whoever starts a command reads it before waiting for another one.
    let fetch = || async {
        let mut running = session
            .run(&fetch_plain(), false, list(&[&file], 0))
            .await?;
        let mut bytes = 0;
        while let Some(chunk) = running.next().await {
            bytes += chunk?.len();
        }
        Ok::<_, Error>((bytes, running.finish().await?.status))
    };
    let (one, two) = tokio::try_join!(fetch(), fetch())?;
    assert_eq!((one.1, two.1), (0, 0));
    assert!(one.0 > 64 << 20 && one.0 == two.0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consumer_that_stalls_costs_others_nothing_but_time() -> Result<(), Error> {
    let Some(sshd) = Sshd::builder().start() else {
        return Ok(());
    };
    let small = big_file(sshd.folder(), 1 << 20);
    let session = session(&sshd).await?;
    let stalled = session
        .run(&fetch_plain(), false, list(&[&small], 0))
        .await?;
    // Nobody reads `stalled`, and yet:
    for _ in 0..3 {
        let output = session
            .output(&probe(), false, Input::none(), 1 << 20)
            .await?;
        assert_eq!(output.status, 0);
    }
    assert_eq!(stalled.finish().await?.status, 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_time_in_which_the_consumer_was_slow_is_no_stall() -> Result<(), Error> {
    let Some(sshd) = Sshd::builder().start() else {
        return Ok(());
    };
    let file = big_file(sshd.folder(), 64 << 20);
    let mut host = sshd.host("web");
    host.limits.stall_timeout = std::time::Duration::from_millis(300);
    let inventory = inventory(vec![host.clone()]);
    let session = super::connector(&sshd).connect(&inventory, &host).await?;
    let mut running = session
        .run(&fetch_plain(), false, list(&[&file], 0))
        .await?;
    // The slow disk: the only thing that this test is about.
    tokio::time::sleep(std::time::Duration::from_millis(1200)).await;
    let mut bytes = 0;
    while let Some(chunk) = running.next().await {
        bytes += chunk?.len();
    }
    assert!(bytes > 64 << 20);
    assert_eq!(running.finish().await?.status, 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parallel_channels_survive_rekeying() -> Result<(), Error> {
    let Some(sshd) = Sshd::builder().option("RekeyLimit 16M").start() else {
        return Ok(());
    };
    let mebibytes: u64 = std::env::var("FLEET_TEST_REKEY_MIB")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(256);
    let file = big_file(sshd.folder(), mebibytes << 20);
    let session = std::sync::Arc::new(session(&sshd).await?);
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let session = std::sync::Arc::clone(&session);
        let input = list(&[&file], 0);
        tasks.spawn(async move {
            let mut running = session.run(&fetch_plain(), false, input).await?;
            let mut bytes = 0;
            while let Some(chunk) = running.next().await {
                bytes += chunk?.len() as u64;
            }
            Ok::<_, Error>((bytes, running.finish().await?.status))
        });
    }
    let mut ended = 0;
    while let Some(outcome) = tasks.join_next().await {
        let (bytes, status) = outcome.expect("no panic")?;
        assert!(bytes > mebibytes << 20);
        assert_eq!(status, 0);
        ended += 1;
    }
    assert_eq!(ended, 8);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_list_is_sent_while_the_answer_is_read() -> Result<(), Error> {
    let Some(sshd) = Sshd::builder().start() else {
        return Ok(());
    };
    let file = big_file(sshd.folder(), 100);
    let session = session(&sshd).await?;
    // 8 MB of names: more than any window, and tar answers while it still reads.
    let name = format!("{}\0", file.to_string_lossy().trim_start_matches('/'));
    let names = name.repeat((8 << 20) / name.len());
    let output = session
        .output(&fetch_plain(), false, Input::bytes(names), 1 << 30)
        .await?;
    assert_eq!(output.status, 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_with_few_sessions_is_waited_for() -> Result<(), Error> {
    let Some(sshd) = Sshd::builder().option("MaxSessions 2").start() else {
        return Ok(());
    };
    let session = session(&sshd).await?;
    let commands: Vec<_> = (0..8).map(|_| probe()).collect();
    let mut all = Vec::new();
    for command in &commands {
        all.push(session.output(command, false, Input::none(), 1 << 20));
    }
    let mut statuses = Vec::new();
    for output in futures_in_order(all).await {
        statuses.push(output?.status);
    }
    assert_eq!(statuses, [0; 8]);
    Ok(())
}

/// Drives all futures at once; their outputs in order.
async fn futures_in_order<F: Future>(futures: Vec<F>) -> Vec<F::Output> {
    let mut futures: Vec<_> = futures.into_iter().map(Box::pin).collect();
    let mut outputs: Vec<Option<F::Output>> = futures.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        for (future, output) in futures.iter_mut().zip(&mut outputs) {
            if output.is_none()
                && let std::task::Poll::Ready(done) = future.as_mut().poll(context)
            {
                *output = Some(done);
            }
        }
        if outputs.iter().all(Option::is_some) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    outputs.into_iter().flatten().collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_that_are_forbidden_are_told() -> Result<(), Error> {
    let Some(sshd) = Sshd::builder().option("MaxSessions 0").start() else {
        return Ok(());
    };
    let session = session(&sshd).await?;
    let error = session
        .run(&probe(), false, Input::none())
        .await
        .expect_err("no session");
    assert_eq!(
        error.to_string(),
        "can't run commands on web: it opens no more sessions"
    );
    Ok(())
}

/// The priority of a process, 19 the lowest.
fn niceness(pid: u32) -> Option<i32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(") ")?;
    fields.split(' ').nth(16)?.parse().ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_protected_host_gives_what_others_leave_over() -> Result<(), Error> {
    let Some(sshd) = Sshd::builder().start() else {
        return Ok(());
    };
    let file = big_file(sshd.folder(), 64 << 20);
    // The server is as nice as whoever runs the tests, and only root may be less so.
    let own = niceness(std::process::id()).expect("a process");
    for (access, nice) in [(Access::Writable, own), (Access::ReadOnly, 10)] {
        if nice < own && user() != "root" {
            continue;
        }
        let host = Host {
            access: Some((access, Place::default())),
            ..sshd.host("web")
        };
        let session = super::connector(&sshd)
            .connect(&inventory(vec![host.clone()]), &host)
            .await?;
        let mut running = session
            .run(&fetch_plain(), false, list(&[&file], 0))
            .await?;
        // Nobody reads on, so that it is still there to be looked at.
        assert!(running.next().await.is_some_and(|chunk| chunk.is_ok()));
        let tar = sshd
            .descendants()
            .into_iter()
            .find(|(_, line)| line.starts_with("tar "));
        assert_eq!(tar.and_then(|(pid, _)| niceness(pid)), Some(nice));
        running.stop().await;
        drop(session);
        sshd.wait_until_idle();
    }
    Ok(())
}
