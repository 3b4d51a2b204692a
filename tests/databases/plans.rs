//! What is decided about databases, and what the result is when it is done.

use fleet::restore::databases::{DatabaseAction, Error, PlanOptions, ServerAccess, plan};
use serde_json::json;

use super::bed::{Bed, ROWS, Restore, SETTINGS, TABLES, captured};
use crate::support::host_fixture::{HostFixture, program};
use crate::support::sshd::installed;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_database_is_made_with_all_that_belongs_to_it() -> Result<(), Error> {
    let Some(bed) = Bed::start() else {
        return Ok(());
    };
    for statement in SETTINGS.split_inclusive(";\n") {
        bed.postgres.sql("postgres", statement);
    }
    for format in ["plain", "custom"] {
        let before = bed.whole("app");
        let checkpoint = bed.take(json!({ "format": format, "globals": true }));
        bed.postgres.sql("postgres", "DROP DATABASE app");
        bed.postgres
            .sql("postgres", "DROP ROLE owner, clerk, clerks");
        bed.postgres
            .sql("postgres", "ALTER ROLE reader PASSWORD 'mine'");
        let question = "SELECT rolname, rolpassword FROM pg_authid WHERE rolname = 'reader'";
        let reader = bed.postgres.sql("postgres", question);

        let restore = Restore::new(1, &checkpoint);
        let session = bed.session().await;
        let planned = bed.plan(session.reader(), &restore.captured, false).await;
        let one = &planned.databases[0];
        assert_eq!(
            (one.action, one.why.as_str()),
            (DatabaseAction::Create, "there is none of that name")
        );
        let roles: Vec<&str> = planned
            .roles
            .iter()
            .map(|role| role.name.as_str())
            .collect();
        assert_eq!(roles, ["clerk", "clerks", "owner"]);
        restore.all(&bed, &session).await?;
        assert_eq!(bed.whole("app"), before, "{format}");
        // Roles that are there are left alone.
        assert_eq!(bed.postgres.sql("postgres", question), reader);
        assert_eq!(bed.databases(), "app\n");
        let planned = bed.plan(session.reader(), &restore.captured, false).await;
        let one = &planned.databases[0];
        assert_eq!(one.action, DatabaseAction::Unchanged, "{}", one.why);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_database_is_replaced_only_when_that_is_allowed() -> Result<(), Error> {
    let Some(bed) = Bed::start() else {
        return Ok(());
    };
    for format in ["plain", "custom"] {
        let before = bed.whole("app");
        let checkpoint = bed.take(json!({ "format": format }));
        let restore = Restore::new(1, &checkpoint);
        let session = bed.session().await;
        let planned = bed.plan(session.reader(), &restore.captured, false).await;
        assert_eq!(planned.databases[0].action, DatabaseAction::Unchanged);

        bed.postgres
            .sql("app", "DELETE FROM audit WHERE id > 10; DROP VIEW recent");
        let planned = bed.plan(session.reader(), &restore.captured, false).await;
        let one = &planned.databases[0];
        assert_eq!(one.action, DatabaseAction::Refuse);
        assert_eq!(
            one.why,
            "it holds 4 relations and 12 rows: `--replace-database` replaces it"
        );
        let planned = bed.plan(session.reader(), &restore.captured, true).await;
        let one = &planned.databases[0];
        assert_eq!(one.action, DatabaseAction::Replace);
        assert_eq!(one.losses, ["what is in it now: 12 rows"]);
        restore.all(&bed, &session).await?;
        assert_eq!(bed.whole("app"), before, "{format}");
        assert_eq!(bed.databases(), "app\n");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_schema_onto_rows_says_how_many_go() -> Result<(), Error> {
    let Some(bed) = Bed::start() else {
        return Ok(());
    };
    let checkpoint = bed.take(json!({ "dump": "schema" }));
    let restore = Restore::new(1, &checkpoint);
    let session = bed.session().await;
    let planned = bed.plan(session.reader(), &restore.captured, false).await;
    // The same definitions: the rows stay.
    assert_eq!(planned.databases[0].action, DatabaseAction::Unchanged);
    bed.postgres.sql("app", "DROP VIEW recent");
    let planned = bed.plan(session.reader(), &restore.captured, false).await;
    let one = &planned.databases[0];
    assert_eq!(one.action, DatabaseAction::Refuse);
    assert_eq!(
        one.why,
        "it holds 4 relations and 3002 rows; the checkpoint holds its definitions alone, without rows: \
         `--replace-database` replaces it"
    );
    let planned = bed.plan(session.reader(), &restore.captured, true).await;
    let one = &planned.databases[0];
    assert_eq!(one.action, DatabaseAction::Replace);
    assert_eq!(
        one.losses,
        ["3002 rows: the checkpoint holds definitions alone"]
    );
    restore.all(&bed, &session).await?;
    assert_eq!(
        bed.postgres.sql("app", "SELECT count(*) FROM recent"),
        "0\n"
    );

    // Onto an empty one it is just loaded.
    bed.postgres.sql("postgres", "DROP DATABASE app");
    bed.postgres.sql("postgres", "CREATE DATABASE app");
    let planned = bed.plan(session.reader(), &restore.captured, false).await;
    assert_eq!(planned.databases[0].action, DatabaseAction::Load);
    restore.all(&bed, &session).await?;
    assert_eq!(bed.postgres.sql("app", "SELECT two()"), "2\n");
    Ok(())
}

/// A host whose `pg_dump` writes what this script makes of the real one.
fn with_pg_dump(filter: &str) -> Option<HostFixture> {
    let real = installed("pg_dump")?;
    let script = format!("\"{}\" \"$@\" | {filter}", real.display());
    HostFixture::with_tools(|folder| program(folder, "pg_dump", &script))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_server_lacks_is_a_refusal() -> Result<(), Error> {
    for (filter, sql, why) in [
        (
            "sed 's/EXTENSION IF NOT EXISTS pg_trgm /EXTENSION IF NOT EXISTS no_such /'",
            "CREATE EXTENSION pg_trgm",
            "the server has no extension no_such",
        ),
        (
            "sed 's/OWNER TO someone/OWNER TO nobody_there/'",
            "ALTER TABLE traces OWNER TO someone",
            "the server has no role nobody_there, and the checkpoint doesn't hold it (`globals: true`)",
        ),
        (
            "sed \"s/LOCALE = 'C'/LOCALE = 'xx_YY.UTF-8'/\"",
            "SELECT 1",
            "the server's host has no locale xx_YY.UTF-8",
        ),
        (
            "sed 's/^CREATE VIEW/\\\\! touch x\\nCREATE VIEW/'",
            "SELECT 1",
            "its dump is not what pg_dump writes: it holds the psql command `\\! touch x`",
        ),
        (
            "sed \"s/^SET default_tablespace = ''/SET default_tablespace = fast/\"",
            "SELECT 1",
            "the server has no tablespace fast",
        ),
    ] {
        let Some(bed) = with_pg_dump(filter).and_then(Bed::on) else {
            return Ok(());
        };
        bed.postgres.sql("postgres", "CREATE ROLE someone");
        bed.postgres.sql("app", sql);
        let checkpoint = bed.take(json!({}));
        bed.postgres.sql("postgres", "DROP DATABASE app");
        let session = bed.session().await;
        let planned = bed
            .plan(session.reader(), &captured(&checkpoint), true)
            .await;
        let one = &planned.databases[0];
        assert_eq!(
            (one.action, one.why.as_str()),
            (DatabaseAction::Refuse, why)
        );
        assert_eq!(planned.making_roles(), "");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dump_of_a_newer_server_is_refused_unless_allowed() -> Result<(), Error> {
    let Some(real) = installed("pg_dump") else {
        return Ok(());
    };
    // The head of an archive holds the server's version, as long as this one.
    let script = format!(
        "\"{}\" \"$@\" | sed 's/1\\([0-9]\\)\\.\\([0-9]*\\) (D/9\\1.\\2 (D/'",
        real.display()
    );
    let Some(bed) =
        HostFixture::with_tools(|folder| program(folder, "pg_dump", &script)).and_then(Bed::on)
    else {
        return Ok(());
    };
    let checkpoint = bed.take(json!({ "format": "custom" }));
    bed.postgres.sql("postgres", "DROP DATABASE app");
    let (captured, session) = (captured(&checkpoint), bed.session().await);
    if captured.databases[0]
        .server_version
        .is_none_or(|version| version.0 < 90)
    {
        crate::support::not_here("this PostgreSQL is not Debian's");
        return Ok(());
    }
    let planned = bed.plan(session.reader(), &captured, true).await;
    let one = &planned.databases[0];
    assert_eq!(one.action, DatabaseAction::Refuse);
    assert!(
        one.why.starts_with("its dump is of PostgreSQL 9"),
        "{}",
        one.why
    );
    let options = PlanOptions {
        older_server: true,
        ..PlanOptions::default()
    };
    let planned = plan(session.reader(), &bed.access().await, &captured, options).await?;
    assert_eq!(planned.databases[0].action, DatabaseAction::Create);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_names_are_names() -> Result<(), Error> {
    let Some(bed) = Bed::start() else {
        return Ok(());
    };
    let long = "L".repeat(62) + "\"";
    let names = [
        "it's \"a\" \\ %; $(id) :name",
        "Größe  ",
        " --file x",
        "globals",
        &long,
    ];
    for name in names {
        let quoted = name.replace('"', "\"\"");
        bed.postgres.sql(
            "postgres",
            &format!("CREATE ROLE \"r {}\"", &quoted[..quoted.len().min(40)]),
        );
        bed.postgres
            .sql("postgres", &format!("CREATE DATABASE \"{quoted}\""));
        bed.postgres.sql(name_in_conninfo(name).as_str(), TABLES);
        bed.postgres.sql(name_in_conninfo(name).as_str(), ROWS);
    }
    let checkpoint = bed.take(json!({ "postgres": names, "globals": true }));
    let before: Vec<String> = names
        .iter()
        .map(|name| bed.whole(&name_in_conninfo(name)))
        .collect();
    let all = bed.databases();
    // One is missing, one is damaged, the rest is the same and replaced by what it was.
    bed.postgres.sql("postgres", "DROP DATABASE \"Größe  \"");
    for name in names.iter().filter(|name| !name.starts_with('G')) {
        bed.postgres
            .sql(&name_in_conninfo(name), "DROP TABLE audit");
    }
    let (restore, session) = (Restore::new(1, &checkpoint), bed.session().await);
    restore.all(&bed, &session).await?;
    let after: Vec<String> = names
        .iter()
        .map(|name| bed.whole(&name_in_conninfo(name)))
        .collect();
    assert!(after == before);
    assert_eq!(bed.databases(), all);
    Ok(())
}

/// A name that libpq takes for nothing else.
fn name_in_conninfo(name: &str) -> String {
    format!(
        "dbname='{}'",
        name.replace('\\', "\\\\").replace('\'', "\\'")
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_with_a_password_and_few_rights_is_enough() -> Result<(), Error> {
    use fleet::inventory::Secret;
    let Some(bed) = Bed::start() else {
        return Ok(());
    };
    bed.postgres.sql("postgres", "ALTER ROLE reader CREATEDB");
    bed.postgres
        .sql("postgres", "CREATE DATABASE mine OWNER reader");
    bed.postgres.sql(
        "mine",
        "SET ROLE reader; CREATE TABLE t (a int); INSERT INTO t VALUES (1), (2)",
    );
    let checkpoint = bed.take(json!({ "postgres": "mine" }));
    bed.postgres.sql("mine", "TRUNCATE t");
    let mut source = bed.source();
    source.user = Some("reader".to_owned());
    source.password = Some(Secret::Text(crate::support::postgres::PASSWORD.to_owned()));
    let access = ServerAccess::of(&source, false).await?;
    let (restore, session) = (Restore::new(1, &checkpoint), bed.session().await);
    let options = PlanOptions {
        replace: true,
        ..PlanOptions::default()
    };
    let planned = plan(session.reader(), &access, &restore.captured, options).await?;
    let one = &planned.databases[0];
    assert_eq!(one.action, DatabaseAction::Replace, "{}", one.why);
    assert_eq!(planned.system_identifier, None);
    let target = restore.target(&access, "mine", false);
    target
        .load(&session, &checkpoint, &restore.captured.databases[0], one)
        .await?;
    target.switch(&session).await?;
    target.back(&session).await?;
    assert_eq!(bed.postgres.sql("mine", "SELECT count(*) FROM t"), "0\n");
    target.switch(&session).await?;
    target.drop_old(&session).await?;
    assert_eq!(bed.postgres.sql("mine", "SELECT count(*) FROM t"), "2\n");
    assert_eq!(bed.databases(), "app mine\n");
    let sent = bed.sent.lock().expect("no panic").join("\n");
    assert!(!sent.contains("pw-7Qz"), "{sent}");
    Ok(())
}
