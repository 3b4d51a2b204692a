//! Reading as root: without a password, and with one that is asked for.

use std::path::Path;

use fleet::ssh::{Error, Input};

use super::answers::{Answers, asking};
use super::{probe, session};
use crate::support::host_fixture::program;
use crate::support::sshd::{Sshd, inventory, user};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sudo_that_needs_no_password_runs() -> Result<(), Error> {
    let Some(sshd) = Sshd::builder().start() else {
        return Ok(());
    };
    if crate::support::sshd::installed("sudo").is_none() {
        return Ok(());
    }
    let session = session(&sshd).await?;
    let output = session
        .output(&super::scan(sshd.folder()), true, Input::none(), 1 << 20)
        .await;
    match output {
        Ok(output) => assert_eq!(output.status, 0),
        // Whoever runs the tests may have no such right; then it must be told as just that.
        Err(error) => assert_eq!(error.to_string(), format!("sudo on web refused {}", user())),
    }
    Ok(())
}

/// Puts a `sudo` that wants the password `tiger` into `bin`.
pub(super) fn fake_sudo(bin: &Path) {
    let script = "if [ \"$1\" = -n ]; then echo 'sudo: a password is required' >&2; exit 1; fi\n\
         shift 4\n\
         for i in 1 2 3; do IFS= read -r p || exit 1; [ \"$p\" = tiger ] && exec \"$@\"; \
         echo 'Sorry, try again.' >&2; done; exit 1";
    program(bin, "sudo", script);
    // Whoever runs the tests may be root, who needs no sudo.
    program(bin, "id", "echo 1000");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sudo_password_is_asked_once_and_data_follows_it() -> Result<(), Error> {
    let tools = tempfile::tempdir().expect("a folder");
    let bin = tools.path().join("bin");
    std::fs::create_dir(&bin).expect("a folder");
    fake_sudo(&bin);
    let path = format!("{}:/usr/bin:/bin", bin.display());
    let home = tools.path().join("home");
    std::fs::create_dir(&home).expect("a home");
    let Some(sshd) = Sshd::builder()
        .option(format!("SetEnv PATH={path} HOME={}", home.display()))
        .start()
    else {
        return Ok(());
    };
    let file = sshd.folder().join("file");
    std::fs::write(&file, "content").expect("a file");

    // Nobody to ask: told, with the way out.
    let alone = session(&sshd).await?;
    let error = alone
        .output(&super::fetch(), true, super::list(&[&file], 0), 1 << 20)
        .await
        .expect_err("a password is wanted");
    assert_eq!(
        fleet::fault::chain(&error),
        [
            format!("sudo on web refused {}", user()),
            "sudo: a password is required".to_owned()
        ]
    );

    let answers = Answers::new("tiger");
    let host = sshd.host("web");
    let session = asking(&sshd, &answers)
        .connect(&inventory(vec![host.clone()]), &host)
        .await?;
    for _ in 0..2 {
        let output = session
            .output(&super::fetch(), true, super::list(&[&file], 0), 1 << 20)
            .await?;
        assert_eq!(output.status, 0);
        assert!(output.stdout.windows(7).any(|window| window == b"content"));
        let scanned = session
            .output(&super::scan(&file), true, Input::none(), 1 << 20)
            .await?;
        assert_eq!(scanned.status, 0);
        assert!(super::records(&scanned.stdout, &file).starts_with(b"f "));
    }
    assert_eq!(
        answers.asked(),
        [format!("sudo password of {} on web", user())]
    );

    let answers = Answers::new("lion");
    let session = asking(&sshd, &answers)
        .connect(&inventory(vec![host.clone()]), &host)
        .await?;
    let error = session
        .output(&super::scan(&file), true, Input::none(), 1 << 20)
        .await
        .expect_err("the password is wrong");
    assert_eq!(
        error.to_string(),
        format!("sudo on web rejected every password of {}", user())
    );
    assert_eq!(answers.asked().len(), 3);
    let output = session
        .output(&probe(), false, Input::none(), 1 << 20)
        .await?;
    assert_eq!(output.status, 0);
    Ok(())
}
