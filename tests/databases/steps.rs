//! Every step, cut off before the next one, and its way forth and back.

use fleet::restore::databases::{DatabaseAction, DatabaseState, Error};
use serde_json::json;

use super::bed::{Bed, Restore, SETTINGS};

/// How far a restore got before it was cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Until {
    /// The new database was made.
    Created,
    /// It was loaded, and not completed.
    Loaded,
    Ready,
    /// The live one was closed, and its name not exchanged.
    Closed,
    Switched,
    /// The old one was dropped, the mark not removed.
    Dropped,
}

async fn until(bed: &Bed, restore: &Restore, until: Until) -> Result<(), Error> {
    let session = bed.session().await;
    let sql = |text: &str| {
        bed.postgres.sql("postgres", text);
    };
    let target = restore.load(bed, &session).await?.remove(0);
    let (name, beside) = (target.names().name(), target.names().beside());
    match until {
        Until::Created => {
            sql(&format!("DROP DATABASE {beside}"));
            sql(&format!("CREATE DATABASE {beside}"));
        }
        Until::Loaded => sql(&format!("ALTER DATABASE {beside} ALLOW_CONNECTIONS true")),
        Until::Ready => {}
        Until::Closed => {
            if bed.databases().starts_with("app ") {
                sql(&format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false"));
            }
        }
        Until::Switched => target.switch(&session).await?,
        Until::Dropped => {
            target.switch(&session).await?;
            sql(&format!("DROP DATABASE IF EXISTS {}", target.names().old()));
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restore_that_was_cut_off_is_ended_or_undone() -> Result<(), Error> {
    let Some(bed) = Bed::start() else {
        return Ok(());
    };
    for statement in SETTINGS.split_inclusive(";\n") {
        bed.postgres.sql("postgres", statement);
    }
    bed.postgres.sql(
        "postgres",
        "ALTER DATABASE app RESET default_transaction_read_only",
    );
    let checkpoint = bed.take(json!({}));
    let wanted = bed.whole("app");
    let drop_it = "DROP DATABASE IF EXISTS app";
    let mut number = 0;
    // What is cut off after how much, whether there was no database before, and whether it is undone.
    for (cut, creates, undo) in [
        (Until::Loaded, false, false),
        (Until::Closed, false, false),
        (Until::Switched, false, false),
        (Until::Dropped, false, false),
        (Until::Created, false, true),
        (Until::Ready, false, true),
        (Until::Closed, false, true),
        (Until::Switched, false, true),
        (Until::Loaded, true, false),
        (Until::Switched, true, false),
        (Until::Ready, true, true),
        (Until::Switched, true, true),
    ] {
        let state = match cut {
            Until::Created | Until::Loaded => DatabaseState::Loading,
            Until::Ready | Until::Closed => DatabaseState::Ready,
            Until::Switched | Until::Dropped => DatabaseState::Switched,
        };
        number += 1;
        let restore = Restore::new(number, &checkpoint);
        if creates {
            bed.postgres.sql("postgres", drop_it);
        } else {
            bed.postgres.sql("app", "DROP VIEW IF EXISTS recent");
        }
        let before = (!creates).then(|| bed.whole("app"));
        until(&bed, &restore, cut).await?;

        // Somebody else comes.
        let session = bed.session().await;
        let target = restore.target(&bed.access().await, "app", creates);
        let found = target.state(session.reader()).await?;
        assert_eq!(found, state, "{cut:?} {creates}");
        if undo {
            for _ in 0..2 {
                target.back(&session).await?;
            }
            for _ in 0..2 {
                target.drop_beside(&session).await?;
            }
            assert_eq!(bed.databases().contains("app"), !creates);
            if let Some(before) = before {
                assert_eq!(bed.whole("app"), before, "{cut:?}");
            }
        } else {
            if found == DatabaseState::Loading {
                restore.load(&bed, &session).await?;
            }
            for _ in 0..2 {
                target.switch(&session).await?;
            }
            for _ in 0..2 {
                target.drop_old(&session).await?;
            }
            assert_eq!(bed.whole("app"), wanted, "{cut:?} {creates}");
        }
        let found = target.state(session.reader()).await?;
        assert_eq!(found, DatabaseState::Untouched);
        assert!(["app\n", "\n"].contains(&bed.databases().as_str()));
        if !creates && !undo {
            bed.postgres
                .sql("app", "CREATE TABLE IF NOT EXISTS more (a int)");
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_way_back_leads_to_the_same_database() -> Result<(), Error> {
    let Some(bed) = Bed::start() else {
        return Ok(());
    };
    let checkpoint = bed.take(json!({}));
    bed.postgres
        .sql("app", "DROP VIEW recent; COMMENT ON DATABASE app IS 'mine'");
    let question = "SELECT oid, datname, datacl, datallowconn, datconnlimit, shobj_description(oid, 'pg_database') \
                    FROM pg_database ORDER BY oid";
    let before = (bed.whole("app"), bed.postgres.sql("postgres", question));
    let (restore, session) = (Restore::new(1, &checkpoint), bed.session().await);
    let target = restore.load(&bed, &session).await?.remove(0);
    for _ in 0..2 {
        target.switch(&session).await?;
        assert_eq!(
            bed.postgres.sql("app", "SELECT count(*) FROM recent"),
            "2\n"
        );
        target.back(&session).await?;
    }
    // After it was dropped, there is nothing to switch to.
    target.drop_beside(&session).await?;
    assert_eq!(
        (bed.whole("app"), bed.postgres.sql("postgres", question)),
        before
    );
    let error = target.switch(&session).await.expect_err("nothing there");
    assert_eq!(
        error.to_string(),
        "there is no loaded database to switch to"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_are_ended_and_cannot_come_back_during_the_switch() -> Result<(), Error> {
    let Some(bed) = Bed::start() else {
        return Ok(());
    };
    let checkpoint = bed.take(json!({}));
    bed.postgres.sql("app", "DROP VIEW recent");
    let (restore, session) = (Restore::new(1, &checkpoint), bed.session().await);
    let target = restore.load(&bed, &session).await?.remove(0);
    let lock = bed.postgres.lock("app", "traces");
    target.switch(&session).await?;
    assert_eq!(
        bed.postgres.sql("app", "SELECT count(*) FROM recent"),
        "2\n"
    );
    drop(lock);
    // Nothing that was prepared can be ended.
    target.back(&session).await?;
    bed.postgres.sql("app", "SELECT 1");
    target.switch(&session).await?;
    target.drop_old(&session).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_switch_that_fails_leaves_the_live_database_open() -> Result<(), Error> {
    let Some(bed) = Bed::start() else {
        return Ok(());
    };
    let checkpoint = bed.take(json!({}));
    bed.postgres.sql("app", "DROP VIEW recent");
    let (restore, session) = (Restore::new(1, &checkpoint), bed.session().await);
    let target = restore.load(&bed, &session).await?.remove(0);
    // Somebody has taken the name for the old one.
    bed.postgres.sql(
        "postgres",
        &format!("CREATE DATABASE {}", target.names().old()),
    );
    let error = target.switch(&session).await.expect_err("in the way");
    assert_eq!(error.to_string(), "the name for the old database is taken");
    assert_eq!(bed.postgres.sql("app", "SELECT two()"), "2\n");
    bed.postgres.sql(
        "postgres",
        &format!("DROP DATABASE {}", target.names().old()),
    );
    // Somebody has dropped the live one.
    bed.postgres
        .sql("postgres", "ALTER DATABASE app RENAME TO elsewhere");
    let error = target.switch(&session).await.expect_err("gone");
    assert_eq!(
        error.to_string(),
        "somebody created or dropped the database since the plan was made"
    );
    bed.postgres
        .sql("postgres", "ALTER DATABASE elsewhere RENAME TO app");
    target.switch(&session).await?;
    target.drop_old(&session).await?;
    let error = target.back(&session).await;
    assert!(error.is_ok(), "it is done: nothing is to be undone");
    assert_eq!(
        bed.postgres.sql("app", "SELECT count(*) FROM recent"),
        "2\n"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_restores_of_one_database_are_kept_apart() -> Result<(), Error> {
    let Some(bed) = Bed::start() else {
        return Ok(());
    };
    let checkpoint = bed.take(json!({}));
    bed.postgres.sql("app", "DROP VIEW recent");
    let session = bed.session().await;
    let (first, second) = (Restore::new(1, &checkpoint), Restore::new(2, &checkpoint));
    let planned = bed.plan(session.reader(), &second.captured, true).await;
    let target = first.load(&bed, &session).await?.remove(0);
    let other = second.target(&bed.access().await, "app", false);
    let load = other.load(
        &session,
        &checkpoint,
        &second.captured.databases[0],
        &planned.databases[0],
    );
    let error = load.await.expect_err("busy");
    assert_eq!(
        error.to_string(),
        "restore 000000000001 of this database is under way"
    );
    let planned = bed.plan(session.reader(), &second.captured, true).await;
    let one = &planned.databases[0];
    assert_eq!(
        (one.action, one.why.as_str()),
        (
            DatabaseAction::Refuse,
            "restore 000000000001 of it is under way"
        )
    );
    target.switch(&session).await?;
    target.drop_old(&session).await?;
    assert_eq!(bed.databases(), "app\n");
    bed.postgres.sql("app", "DROP VIEW recent");
    second.all(&bed, &session).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_command_that_writes_is_recorded() -> Result<(), Error> {
    let Some(bed) = Bed::start() else {
        return Ok(());
    };
    let checkpoint = bed.take(json!({}));
    bed.postgres.sql("app", "DROP VIEW recent");
    let session = bed.session().await;
    Restore::new(1, &checkpoint).all(&bed, &session).await?;
    let sent = bed.sent.lock().expect("no panic").clone();
    let writes: Vec<&str> = sent
        .iter()
        .filter_map(|line| line.strip_prefix("true fleet 1 database "))
        .filter_map(|line| line.split(' ').find_map(|word| word.strip_prefix("step=")))
        .collect();
    assert_eq!(writes, ["create", "load", "complete", "switch", "drop_old"]);
    let reads = sent
        .iter()
        .filter(|line| line.starts_with("false fleet 1 "));
    assert_eq!(reads.count(), sent.len() - writes.len());
    Ok(())
}
