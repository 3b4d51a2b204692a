//! Loading that fails: the live database is untouched, and nothing is left.

use fleet::restore::databases::{DatabaseState, Error};
use serde_json::json;

use super::bed::{Bed, Restore};
use crate::support::host_fixture::{HostFixture, program};
use crate::support::proxy::{Cut, Faults, Proxy};
use crate::support::sshd::{eventually, installed, processes_with};

/// A host whose dumps have `statement` in them, near the end.
fn with_statement(statement: &str) -> Option<Bed> {
    let real = installed("pg_dump")?;
    let script = format!(
        "\"{}\" \"$@\" | sed 's/^CREATE INDEX traces_started/{statement}\\nCREATE INDEX traces_started/'",
        real.display()
    );
    Bed::on(HostFixture::with_tools(|folder| {
        program(folder, "pg_dump", &script);
    })?)
}

/// Sessions of the restore on the server.
fn sessions(bed: &Bed) -> String {
    let question = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'fleet restore 000000000001'";
    bed.postgres.sql("postgres", question)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_that_fails_leaves_the_live_database_as_it_was() -> Result<(), Error> {
    for format in ["plain", "custom"] {
        let Some(bed) = with_statement("ALTER TABLE nothing ADD x int;") else {
            return Ok(());
        };
        // An archive can't be edited like that: its view is of a function that fails.
        if format == "custom" {
            bed.postgres.sql(
                "app",
                "CREATE FUNCTION fails(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN
                    IF current_setting('application_name') LIKE 'pg_restore%' THEN RAISE 'no'; END IF; RETURN $1; END $$;
                 CREATE INDEX odd ON audit (fails(id))",
            );
            bed.postgres.sql("app", "CREATE OR REPLACE FUNCTION fails(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN
                    RAISE 'no'; END $$");
        }
        let checkpoint = bed.take(json!({ "format": format }));
        bed.postgres.sql("app", "DROP VIEW recent");
        let before = bed.whole("app");
        let (restore, session) = (Restore::new(1, &checkpoint), bed.session().await);
        let error = restore.load(&bed, &session).await.expect_err("it fails");
        let says = error.to_string();
        match format {
            "plain" => assert!(
                says.starts_with("PostgreSQL refused line ")
                    && says.ends_with(" of the dump: relation \"nothing\" does not exist"),
                "{says}"
            ),
            _ => assert_eq!(says, "PostgreSQL refused: no"),
        }
        let target = restore.target(&bed.access().await, "app", false);
        let state = target.state(session.reader()).await?;
        assert_eq!(state, DatabaseState::Loading);
        let error = target.switch(&session).await.expect_err("not complete");
        assert_eq!(error.to_string(), "the database was not loaded to its end");
        assert_eq!(bed.whole("app"), before);
        target.drop_beside(&session).await?;
        assert_eq!(bed.databases(), "app\n");
        assert_eq!(bed.whole("app"), before);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_psql_that_is_killed_ends_its_session() -> Result<(), Error> {
    let Some(bed) = with_statement("SELECT pg_sleep(300);") else {
        return Ok(());
    };
    let checkpoint = bed.take(json!({}));
    bed.postgres.sql("app", "DROP VIEW recent");
    let before = bed.whole("app");
    let (restore, session) = (Restore::new(1, &checkpoint), bed.session().await);
    let socket = bed.postgres.socket().display().to_string();
    let killing = async {
        tokio::task::spawn_blocking(move || {
            eventually("psql loads", || kill_psql(&socket));
        })
        .await
        .expect("no panic");
    };
    let (loaded, ()) = tokio::join!(restore.load(&bed, &session), killing);
    let error = loaded.expect_err("killed");
    assert_eq!(error.to_string(), "`psql` was ended by signal 9");
    eventually("its session is gone", || sessions(&bed) == "0\n");
    let target = restore.target(&bed.access().await, "app", false);
    target.drop_beside(&session).await?;
    assert_eq!(
        (bed.databases(), bed.whole("app")),
        ("app\n".to_owned(), before)
    );
    Ok(())
}

/// Kills the psql that loads; whether there was one.
fn kill_psql(socket: &str) -> bool {
    let loads = |(_, line): &(u32, String)| {
        line.contains("/psql")
            && line.contains("--single-transaction")
            && line.contains("application_name")
    };
    let processes = processes_with(&format!("--host={socket}"));
    let Some((pid, _)) = processes.into_iter().find(loads) else {
        return false;
    };
    // Time for it to come to the statement that sleeps.
    std::thread::sleep(std::time::Duration::from_millis(500));
    let pid = pid.to_string();
    let status = std::process::Command::new("kill")
        .args(["-KILL", &pid])
        .status();
    status.is_ok_and(|status| status.success())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_is_lost_leaves_no_session_and_can_be_taken_up() -> Result<(), Error> {
    // While a statement runs behind all of the data, and in the middle of the data.
    for (statement, cut) in [
        ("SELECT pg_sleep(300);", None),
        ("SELECT 1;", Some(Cut::Reset)),
    ] {
        let Some(bed) = with_statement(statement) else {
            return Ok(());
        };
        let checkpoint = bed.take(json!({}));
        bed.postgres.sql("app", "DROP VIEW recent");
        let before = bed.whole("app");
        let faults = match cut {
            Some(_) => Faults::slow(200_000),
            None => Faults::default(),
        };
        let proxy = Proxy::start(bed.scene.sshd.port, faults);
        bed.scene.trust(proxy.port);
        let (restore, session) = (
            Restore::new(1, &checkpoint),
            bed.session_at(proxy.port).await,
        );
        let loading = async {
            let loaded = restore.load(&bed, &session).await;
            loaded.map(|_| ()).expect_err("cut")
        };
        let cutting = async {
            let question =
                "SELECT count(*) FROM pg_stat_activity WHERE datname = 'app_fleet_000000000001'";
            while bed.postgres.sql("postgres", question) != "1\n" {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
            tokio::time::sleep(std::time::Duration::from_millis(300)).await;
            proxy.cut_now(cut.unwrap_or(Cut::Close));
        };
        let (error, ()) = tokio::join!(loading, cutting);
        assert!(matches!(error, Error::Ssh(_)), "{error}");
        drop(session);
        bed.scene.sshd.wait_until_idle();
        eventually("its session is gone", || sessions(&bed) == "0\n");
        assert_eq!(bed.whole("app"), before);
        let session = bed.session().await;
        let target = restore.target(&bed.access().await, "app", false);
        assert_eq!(
            target.state(session.reader()).await?,
            DatabaseState::Loading
        );
        if cut.is_some() {
            restore.all(&bed, &session).await?;
            assert_eq!(
                bed.postgres.sql("app", "SELECT count(*) FROM recent"),
                "2\n"
            );
        } else {
            target.drop_beside(&session).await?;
            assert_eq!(bed.whole("app"), before);
        }
        assert_eq!(bed.databases(), "app\n");
    }
    Ok(())
}
