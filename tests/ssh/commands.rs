//! Commands: what they answer, and what is no answer.

use std::fs;
use std::io::Read as _;

use fleet::fault::{ExitClass, Fault as _};
use fleet::ssh::{Error, Input};

use super::{fetch, list, probe, scan, session};
use crate::support::sshd::{Sshd, inventory};

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
        (output.status, super::records(&output.stdout, &gone)),
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
async fn a_session_that_writes_is_one_with_the_host_of_its_permit() -> Result<(), Error> {
    use fleet::guard::{Operation, permit};
    use fleet::ssh::WriteSession;

    let Some(sshd) = Sshd::builder().start() else {
        return Ok(());
    };
    let web = sshd.host("web");
    // A host of the same name that is elsewhere: what was judged is connected to.
    let moved = inventory(vec![fleet::inventory::Host {
        port: Some(1),
        ..web.clone()
    }]);
    let permit = permit(&inventory(vec![web.clone()]), &web, Operation::Restore).expect("writable");
    let connector = super::connector(&sshd);
    let gathered = crate::support::evidence::gather(&moved, &connector).await;
    let session = WriteSession::open(permit, &gathered.evidence, &connector, &moved).await?;
    assert_eq!(session.permit().host(), &web);
    let output = session
        .reader()
        .output(&probe(), false, Input::none(), 1 << 20)
        .await?;
    assert_eq!(output.status, 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_runs_only_on_the_host_for_which_it_was_judged() -> Result<(), Error> {
    use fleet::guard::{ReadCommand, VouchedCommand};
    use fleet::inventory::{CommandLine, CommandSource};

    let Some(sshd) = Sshd::builder().start() else {
        return Ok(());
    };
    let source = CommandSource {
        line: CommandLine::Argv(vec!["true".to_owned()]),
        run_as: None,
        timeout: std::time::Duration::from_secs(60),
        max_bytes: 1,
        reads_only: false,
        file: None,
    };
    let name = "check".parse().expect("a name");
    let command_of = |host| {
        let command = VouchedCommand::of(&sshd.host(host), &name, &source);
        ReadCommand::Run(command.expect("a writable host"))
    };
    let session = session(&sshd).await?;
    for sudo in [false, true] {
        let error = session
            .output(&command_of("db"), sudo, Input::none(), 1)
            .await
            .expect_err("another host's command");
        assert!(matches!(error, Error::OtherHost { .. }));
        assert_eq!(
            error.to_string(),
            "refused to run a command meant for db on web"
        );
        assert_eq!(error.exit_class(), ExitClass::Refused);
    }
    let output = session
        .output(&command_of("web"), false, Input::none(), 1)
        .await?;
    assert_eq!(output.status, 0);
    Ok(())
}

fn fleet_fingerprint(line: &str) -> String {
    let key = russh::keys::PublicKey::from_openssh(line).expect("a key");
    fleet::ssh::host_keys::known_hosts::fingerprint(&key)
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
    assert!(super::records(&output.stdout, &file).starts_with(b"f "));
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
            "web printed text before the command's output: have a nice day\\nhave a nice day\\nhave",
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
            Some(
                "The account's login shell can't run commands, or prints text. `ssh web true` must print nothing."
            )
        );
        drop(session);
        sshd.wait_until_idle();
    }
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
