//! Commands: what they answer, side by side, at length, and how they end.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use fleet::fault::{ExitClass, Fault as _};
use fleet::inventory::{Access, Host, Place};
use fleet::ssh::{Error, Input};

use super::{fetch, fetch_plain, list, probe, scan, session};
use crate::support::sshd::{Sshd, eventually, inventory};

/// A file that no tar takes for sparse.
fn big_file(folder: &Path, bytes: u64) -> PathBuf {
    let file = folder.join("big");
    let mut out = fs::File::create(&file).expect("a file");
    let mut from = std::io::repeat(b'x').take(bytes);
    std::io::copy(&mut from, &mut out).expect("bytes");
    file
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_answers_with_its_own_bytes_and_its_status() -> Result<(), Error> {
    let Some(sshd) = Sshd::builder().start() else {
        return Ok(());
    };
    let session = session(&sshd).await?;
    let output = session
        .output(&probe(), false, Input::none(), 1 << 20)
        .await?;
    let text = String::from_utf8(output.stdout).expect("text");
    assert_eq!(text.lines().next().map(|line| &line[..6]), Some("uname="));
    assert_eq!((output.status, output.stderr.is_empty()), (0, true));

    let gone = sshd.folder().join("gone");
    let output = session
        .output(&scan(&gone), false, Input::none(), 1 << 20)
        .await?;
    assert_eq!(
        (output.status, super::records(&output.stdout)),
        (1, &b""[..])
    );
    assert_eq!(
        output.stderr.last_line(),
        Some(format!(
            "find: ‘{}’: No such file or directory",
            gone.display()
        ))
        .map(|line| line.replace(['‘', '’'], "'"))
    );
    assert_eq!(
        session.host_key_fingerprint(),
        fleet_fingerprint(&sshd.host_public_key())
    );
    session.close().await;
    sshd.wait_until_idle();
    assert!(
        sshd.inventory_text("web")
            .contains(&format!("    port: {}\n", sshd.port))
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_writes_takes_the_permit_of_its_host() -> Result<(), Error> {
    use fleet::guard::{Operation, permit};
    use fleet::ssh::{OpenError, WriteSession};

    let Some(sshd) = Sshd::builder().start() else {
        return Ok(());
    };
    let (web, db) = (sshd.host("web"), sshd.host("db"));
    let inventory = inventory(vec![web.clone(), db.clone()]);
    let connector = super::connector(&sshd);
    let for_web = || permit(&inventory, &web, Operation::Restore).expect("writable");
    let error = WriteSession::open(for_web(), &connector, &inventory, &db)
        .await
        .expect_err("another host's permit");
    assert!(matches!(error, OpenError::OtherHost { .. }));
    assert_eq!(error.to_string(), "the permit is for web, not for db");
    assert_eq!(error.exit_class(), ExitClass::Refused);
    assert!(!sshd.log().contains("Accepted"));
    let Ok(session) = WriteSession::open(for_web(), &connector, &inventory, &web).await else {
        return Err(Error::Stopped {
            host: "the permit is good".to_owned(),
        });
    };
    assert_eq!(session.permit().host().as_str(), "web");
    let output = session
        .reader()
        .output(&probe(), false, Input::none(), 1 << 20)
        .await?;
    assert_eq!(output.status, 0);
    Ok(())
}

fn fleet_fingerprint(line: &str) -> String {
    let key = russh::keys::PublicKey::from_openssh(line).expect("a key");
    fleet::ssh::known_hosts::fingerprint(&key)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fetch_is_the_archive_that_was_asked_for() -> Result<(), Error> {
    let Some(sshd) = Sshd::builder().start() else {
        return Ok(());
    };
    let file = sshd.folder().join("one file");
    fs::write(&file, "content").expect("a file");
    let session = session(&sshd).await?;
    let running = session.run(&fetch(), false, list(&[&file], 0)).await?;
    let (mut body, completion) = running.split();
    let members = tokio::task::spawn_blocking(move || {
        let mut archive = tar::Archive::new(&mut body);
        let members: Vec<(Vec<u8>, String)> = archive
            .entries()
            .expect("an archive")
            .map(|entry| {
                let mut entry = entry.expect("a member");
                let mut content = String::new();
                entry.read_to_string(&mut content).expect("content");
                (entry.path_bytes().into_owned(), content)
            })
            .collect();
        std::io::copy(&mut body, &mut std::io::sink()).expect("the rest");
        members
    })
    .await
    .expect("the thread ends");
    assert_eq!(completion.finish().await?.status, 0);
    let name = file.to_string_lossy().trim_start_matches('/').to_owned();
    assert_eq!(members, [(name.into_bytes(), "content".to_owned())]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn noise_of_a_login_shell_is_no_data() -> Result<(), Error> {
    let home = tempfile::tempdir().expect("a home");
    fs::write(
        home.path().join(".bashrc"),
        "printf 'welcome back\\nno line end'; echo oops >&2\n",
    )
    .expect("a .bashrc");
    let wrapper = home.path().join("wrapper");
    fs::write(
        &wrapper,
        "#!/bin/bash\n. ~/.bashrc\nexec bash -c \"$SSH_ORIGINAL_COMMAND\"\n",
    )
    .expect("a wrapper");
    let Some(sshd) = Sshd::builder()
        .home(home.path())
        .option(format!("ForceCommand /bin/bash {}", wrapper.display()))
        .start()
    else {
        return Ok(());
    };
    let session = session(&sshd).await?;
    let file = home.path().join("file");
    fs::write(&file, "x").expect("a file");
    let output = session
        .output(&scan(&file), false, Input::none(), 1 << 20)
        .await?;
    assert!(super::records(&output.stdout).starts_with(b"f "));
    // sshd's bash and the wrapper's may both greet.
    let stderr = output.stderr.to_bytes();
    assert!(stderr.starts_with(b"oops\n"));
    assert!(
        stderr
            .split(|byte| *byte == b'\n')
            .all(|line| line.is_empty() || line == b"oops")
    );
    assert_eq!(sshd.home, home.path());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shell_that_is_none_is_told() -> Result<(), Error> {
    for (command, message) in [
        (
            "echo This account is currently not available.; exit 1",
            "web did not run the command (exit status 1)",
        ),
        (
            "yes 'have a nice day'",
            "web answered with other text than the command's: have a nice day\\nhave a nice day\\nhave",
        ),
    ] {
        let Some(sshd) = Sshd::builder()
            .option(format!("ForceCommand {command}"))
            .start()
        else {
            return Ok(());
        };
        let session = session(&sshd).await?;
        let error = session
            .run(&probe(), false, Input::none())
            .await
            .expect_err("nothing was run");
        let text = error.to_string();
        assert_eq!(&text[..message.len()], message);
        assert_eq!(
            error.hint().as_deref(),
            Some("Is the account's shell a shell? `ssh web true` should print nothing.")
        );
        drop(session);
        sshd.wait_until_idle();
    }
    Ok(())
}

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
async fn a_cancelled_command_leaves_nothing_on_the_host() -> Result<(), Error> {
    let Some(sshd) = Sshd::builder().start() else {
        return Ok(());
    };
    let file = big_file(sshd.folder(), 64 << 20);
    let session = session(&sshd).await?;
    let is_running = || {
        sshd.descendants()
            .iter()
            .any(|(_, line)| line.starts_with("tar "))
    };
    for polite in [true, false] {
        let mut running = session
            .run(&fetch_plain(), false, list(&[&file], 0))
            .await?;
        assert!(running.next().await.is_some_and(|chunk| chunk.is_ok()));
        eventually("tar runs", is_running);
        if polite {
            running.stop().await;
        } else {
            drop(running);
        }
        eventually("tar is gone", || !is_running());
    }
    // The connection is as good as before.
    let output = session
        .output(&probe(), false, Input::none(), 1 << 20)
        .await?;
    assert_eq!(output.status, 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_session_leaves_nothing_on_the_host() -> Result<(), Error> {
    let Some(sshd) = Sshd::builder().start() else {
        return Ok(());
    };
    let file = big_file(sshd.folder(), 64 << 20);
    for (command, input) in [
        (fetch_plain(), list(&[&file], 0)),
        (scan(Path::new("/")), Input::none()),
    ] {
        let session = session(&sshd).await?;
        let mut running = session.run(&command, false, input).await?;
        assert!(running.next().await.is_some_and(|chunk| chunk.is_ok()));
        drop(session);
        let error = running.finish().await.expect_err("its connection is gone");
        assert_eq!(error.to_string(), "the command on web was stopped");
        sshd.wait_until_idle();
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_that_answers_too_much_is_stopped() -> Result<(), Error> {
    let Some(sshd) = Sshd::builder().start() else {
        return Ok(());
    };
    let file = big_file(sshd.folder(), 8 << 20);
    let session = session(&sshd).await?;
    let error = session
        .output(&fetch_plain(), false, list(&[&file], 0), 1 << 20)
        .await
        .expect_err("8 MiB are more than 1 MiB");
    assert_eq!(
        error.to_string(),
        "web answered with more than 1048576 bytes"
    );
    assert_eq!(error.exit_class(), ExitClass::Failed);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_complaints_is_cut_to_its_ends() -> Result<(), Error> {
    let Some(sshd) = Sshd::builder()
        .option(
            "ForceCommand (echo first; head -c 200000000 /dev/zero | tr '\\0' e; echo; echo last) >&2; \
             eval \"$SSH_ORIGINAL_COMMAND\"",
        )
        .start()
    else {
        return Ok(());
    };
    let session = session(&sshd).await?;
    let output = session
        .output(&probe(), false, Input::none(), 1 << 20)
        .await?;
    let stderr = output.stderr.to_bytes();
    assert_eq!(stderr.len(), 128 << 10);
    assert_eq!(
        (&stderr[..6], &stderr[stderr.len() - 5..]),
        (&b"first\n"[..], &b"last\n"[..])
    );
    assert_eq!(output.stderr.dropped_bytes(), 200_000_012 - (128 << 10));
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
        "web runs no command: it opens no more sessions"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_that_a_signal_ends_has_not_succeeded() -> Result<(), Error> {
    let Some(sshd) = Sshd::builder().option("ForceCommand kill -KILL $$").start() else {
        return Ok(());
    };
    let session = session(&sshd).await?;
    let error = session
        .run(&probe(), false, Input::none())
        .await
        .expect_err("killed");
    assert_eq!(
        error.to_string(),
        "the command on web was ended by signal KILL"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_output_without_its_last_line_is_cut() -> Result<(), Error> {
    let Some(sshd) = Sshd::builder()
        .option("ForceCommand eval \"$SSH_ORIGINAL_COMMAND\" | head -n 1; exit 0")
        .start()
    else {
        return Ok(());
    };
    let session = session(&sshd).await?;
    let running = session.run(&probe(), false, Input::none()).await?;
    let error = running.finish().await.expect_err("the trailer was cut off");
    assert_eq!(
        error.to_string(),
        "the output of web is cut: its last line is missing (exit status 0)"
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
    for (access, nice) in [(Access::Writable, 0), (Access::ReadOnly, 10)] {
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
