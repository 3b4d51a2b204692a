//! Tests of authentication at a database server: accounts and passwords.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};

use super::{describe, failed, scene, taken, wait_for_lock};
use crate::capture::HostFixture;
use crate::support::fleet::FleetOutput;
use crate::support::postgres::PASSWORD;
use crate::support::secrets::{holds, written};
use crate::support::sshd::{processes_with, user};

/// Everything that was written down of what was done.
fn said_anywhere(scene: &HostFixture, ran: &FleetOutput) -> Vec<u8> {
    let mut said = [
        ran.stdout.as_bytes(),
        ran.stderr.as_bytes(),
        scene.sshd.log().as_bytes(),
    ]
    .concat();
    for folder in [scene.fleet.store(), &scene.fleet.folder().join("state")] {
        said.extend(written(folder).into_iter().flat_map(|(_, bytes)| bytes));
    }
    said
}

#[test]
fn a_password_is_used_and_never_shown() {
    let Some((scene, postgres)) = scene() else {
        return;
    };
    postgres.sql("app", "GRANT ALL ON ALL TABLES IN SCHEMA public TO reader");
    postgres.sql(
        "app",
        "GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO reader",
    );
    let as_reader = |place: Value| json!({ "user": "reader", "password": place });
    let run = |variable: &str| {
        let mut command = scene.fleet.command(&["--json", "-v", "checkpoint", "web"]);
        FleetOutput::of(command.env("TEST_DATABASE_PASSWORD", variable))
    };
    describe(
        &scene,
        &postgres,
        as_reader(json!({ "env": "TEST_DATABASE_PASSWORD" })),
    );
    let ran = run(PASSWORD).exits(0);
    assert_eq!(ran.state(), "complete");
    assert!(!holds(&said_anywhere(&scene, &ran), PASSWORD));

    let wrong = "pw-wrong-5tGh";
    let ran = run(wrong).exits(3);
    assert!(
        failed(&ran).ends_with("FATAL:  password authentication failed for user \"reader\""),
        "{}",
        failed(&ran)
    );
    assert!(!holds(&said_anywhere(&scene, &ran), wrong));

    let ran = scene.fleet.checkpoint(&["web"]).exits(3);
    assert_eq!(
        failed(&ran),
        "web db: can't read the password of the database role: environment variable \
         `TEST_DATABASE_PASSWORD` is not set"
    );

    // Without one, nobody is asked, and nothing waits.
    let ran = taken(&scene, &postgres, json!({ "user": "reader" })).exits(3);
    assert!(
        failed(&ran).ends_with("no password supplied"),
        "{}",
        failed(&ran)
    );

    // While it runs, as another account too.
    let secret = scene.fleet.folder().join("password");
    fs::write(&secret, format!("{PASSWORD}\n")).expect("a file");
    for run_as in [None, Some(postgres.account())] {
        let mut settings = as_reader(json!({ "file": secret }));
        settings["run_as"] = json!(run_as);
        describe(&scene, &postgres, settings);
        let lock = postgres.lock("app", "traces");
        let begun = scene.fleet.begin_checkpoint(&["web"]);
        wait_for_lock(&postgres);
        assert_eq!(processes_with(PASSWORD), []);
        drop(lock);
        let ran = begun.end().exits(0);
        assert_eq!(ran.state(), "complete");
        assert!(!holds(&said_anywhere(&scene, &ran), PASSWORD));
    }
}

#[test]
fn a_password_file_on_the_host_is_enough() {
    let Some((scene, postgres)) = scene() else {
        return;
    };
    let version = postgres.sql("app", "SHOW server_version_num");
    if version
        .trim()
        .parse::<u32>()
        .is_ok_and(|version| version < 150_000)
    {
        crate::support::not_here("an older libpq looks in the account's home, whatever HOME says");
        return;
    }
    postgres.sql("app", "GRANT ALL ON ALL TABLES IN SCHEMA public TO reader");
    postgres.sql(
        "app",
        "GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO reader",
    );
    let file = scene.sshd.home.join(".pgpass");
    fs::write(
        &file,
        format!("*:*:app:reader:{}\n", PASSWORD.replace('\\', "\\\\")),
    )
    .expect("a file");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("mode");
    let ran = taken(&scene, &postgres, json!({ "user": "reader" })).exits(0);
    assert_eq!(ran.state(), "complete");
}

#[test]
fn another_account_dumps_by_its_own_name() {
    let Some((scene, postgres)) = scene() else {
        return;
    };
    if user() != "root" {
        crate::support::not_here("becoming another account takes root");
        return;
    }
    let settings = json!({ "user": null, "run_as": postgres.account(), "globals": true });
    let ran = taken(&scene, &postgres, settings).exits(0);
    assert_eq!(
        (ran.state().as_str(), &ran.checkpoint()["files"]),
        ("complete", &json!(3))
    );
    // root itself is no role.
    let ran = taken(&scene, &postgres, json!({ "user": null })).exits(3);
    assert!(
        failed(&ran).contains("PostgreSQL rejected the login: "),
        "{}",
        failed(&ran)
    );
}
