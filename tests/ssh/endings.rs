//! Tests of commands that end early, and that nothing of them is left on the host.

use std::path::Path;

use fleet::fault::{ExitClass, Fault as _};
use fleet::ssh::{Error, Input};

use super::{big_file, fetch_plain, list, probe, scan, session};
use crate::support::sshd::{Sshd, eventually};

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
        .option("ForceCommand eval \"$SSH_ORIGINAL_COMMAND\" | head -n 3; exit 0")
        .start()
    else {
        return Ok(());
    };
    let session = session(&sshd).await?;
    let running = session.run(&probe(), false, Input::none()).await?;
    let error = running.finish().await.expect_err("the trailer was cut off");
    assert_eq!(
        error.to_string(),
        "the output of web is incomplete: its last line is missing (exit status 0)"
    );
    Ok(())
}
