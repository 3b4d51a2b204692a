//! Databases of a real server, dumped through a real host.

mod clusters;
mod passwords;
mod settings;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::HostFixture;
use crate::support::fleet::FleetOutput;
use crate::support::host_fixture::program;
use crate::support::postgres::{PASSWORD, Postgres};
use crate::support::sshd::{eventually, free_port, installed, processes_with, user};

const TABLES: &str = "
    CREATE TABLE traces (trace_id varchar(255) PRIMARY KEY, started_at timestamp NOT NULL, note text);
    CREATE TABLE audit (id serial PRIMARY KEY, trace_id varchar(255) REFERENCES traces, said jsonb);
    CREATE INDEX traces_started ON traces (started_at);
    CREATE FUNCTION two() RETURNS int LANGUAGE sql AS $$ SELECT 2 -- PostgreSQL database dump complete
    $$;
    CREATE VIEW recent AS SELECT * FROM traces WHERE started_at > '2026-01-01';
    COMMENT ON TABLE traces IS E'it''s\\n\\\\unrestrict x\\n';";

/// A workstation, a host with a server on it, and a database `app` with tables on it.
fn scene() -> Option<(HostFixture, Postgres)> {
    let postgres = Postgres::start()?;
    let scene = HostFixture::start()?;
    postgres.sql("postgres", "CREATE DATABASE app");
    postgres.sql("app", TABLES);
    Some((scene, postgres))
}

/// Two rows that look like what pg_dump writes, and a large object.
fn fill(postgres: &Postgres) {
    postgres.sql(
        "app",
        "INSERT INTO traces VALUES ('a', '2026-11-21', E'\\restrict x'), ('b', '2026-11-22', NULL);
         INSERT INTO audit (trace_id, said)
             SELECT 'a', to_jsonb(repeat(md5(i::text), 20)) FROM generate_series(1, 3000) i;
         SELECT lo_from_bytea(4711, convert_to('large', 'UTF8'));",
    );
}

/// The source `db`, at that server as its operator.
fn source(postgres: &Postgres, settings: Value) -> Value {
    let mut source = json!({ "postgres": "app", "host": postgres.socket(), "user": "operator" });
    if let (Some(all), Value::Object(settings)) = (source.as_object_mut(), settings) {
        all.extend(settings);
        all.retain(|_, value| !value.is_null());
    }
    source
}

fn describe(scene: &HostFixture, postgres: &Postgres, settings: Value) {
    scene.sources(json!({ "db": source(postgres, settings) }));
}

fn taken(scene: &HostFixture, postgres: &Postgres, settings: Value) -> FleetOutput {
    describe(scene, postgres, settings);
    scene.fleet.checkpoint(&["web"])
}

/// The captured files of a checkpoint, in a folder.
fn captures(scene: &HostFixture, ran: &FleetOutput) -> PathBuf {
    scene.fleet.exported(&ran.id()).join("fleet-captures/db")
}

fn failed(ran: &FleetOutput) -> String {
    ran.failed().join("\n")
}

fn part_state(ran: &FleetOutput) -> String {
    ran.checkpoint()["parts"][0]["state"].to_string()
}

fn packs(scene: &HostFixture) -> usize {
    fs::read_dir(scene.fleet.store().join("web/packs"))
        .expect("packs")
        .count()
}

#[test]
fn a_schema_is_restored_with_psql_and_unchanged_takes_no_room() {
    let Some((scene, postgres)) = scene() else {
        return;
    };
    let settings = json!({ "globals": true });
    let first = taken(&scene, &postgres, settings.clone()).exits(0);
    assert_eq!(first.state(), "complete", "{}", first.stderr);
    let folder = captures(&scene, &first);
    let dump = folder.join("app.sql");
    let mode = fs::metadata(&dump).expect("a dump").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let roles = fs::read_to_string(folder.join("globals.sql")).expect("roles");
    assert!(roles.contains("\nCREATE ROLE reader;\n"), "{roles}");
    for text in [&fs::read_to_string(&dump).expect("a dump"), &roles] {
        assert!(!text.contains("-- Dumped"), "{text}");
        assert!(!text.contains("\n\\restrict"), "{text}");
    }

    postgres.sql("postgres", "CREATE DATABASE copy");
    postgres.load("copy", &dump);
    let options = ["--schema-only"];
    assert_eq!(
        postgres.schema("copy", &options),
        postgres.schema("app", &options)
    );

    // Other tokens, another time, rows: the same schema.
    fill(&postgres);
    let second = scene.fleet.checkpoint(&["web"]).exits(0);
    assert_eq!(second.checkpoint()["fetched_bytes"], 0);
    assert_eq!(packs(&scene), 1);
    let manifest = scene
        .fleet
        .store()
        .join(second.id().replace('@', "/"))
        .join("MANIFEST.txt");
    let manifest = fs::read_to_string(manifest).expect("a manifest");
    let version = postgres.sql("app", "SHOW server_version");
    let note = format!(
        "\ndb (postgres):\n  PostgreSQL: {}\n  pg_dump: ",
        version.trim()
    );
    assert!(manifest.contains(&note), "{manifest}");

    postgres.sql("app", "ALTER TABLE traces ADD channels int");
    let third = scene.fleet.checkpoint(&["web"]).exits(0);
    assert_ne!(third.checkpoint()["fetched_bytes"], 0);
    let diff = scene
        .fleet
        .run(&["diff", &second.id(), &third.id(), "-p"])
        .exits(0);
    assert!(
        diff.stdout
            .contains("\n+    note text,\n+    channels integer\n"),
        "{}",
        diff.stdout
    );
    assert!(!diff.stdout.contains("globals.sql"), "{}", diff.stdout);
    scene.fleet.assert_verified();
}

#[test]
fn full_dumps_of_both_formats_are_restored_with_every_row() {
    let Some((scene, postgres)) = scene() else {
        return;
    };
    fill(&postgres);
    postgres.sql("postgres", "CREATE DATABASE \"it's a \\ %\"");
    postgres.sql("postgres", "CREATE DATABASE globals");
    let names = json!(["app", "it's a \\ %", "globals"]);
    // Settings are beside the plain ones; an archive has them in it.
    for (format, ending, files) in [("plain", "sql", 6), ("custom", "dump", 3)] {
        // An archive is compressed.
        let settings =
            json!({ "postgres": names, "dump": "full", "format": format, "may_shrink": true });
        let first = taken(&scene, &postgres, settings).exits(0);
        assert_eq!(first.state(), "complete", "{}", first.stderr);
        let second = scene.fleet.checkpoint(&["web"]).exits(0);
        assert_eq!(second.checkpoint()["fetched_bytes"], 0, "{format}");
        assert_eq!(second.checkpoint()["files"], files);

        let folder = captures(&scene, &second);
        let file = |name: &str| folder.join(format!("{name}.{ending}"));
        assert!(file("it's a \\ %25").exists());
        let copy = format!("copy_{format}");
        postgres.sql("postgres", &format!("CREATE DATABASE {copy}"));
        if format == "plain" {
            postgres.load(&copy, &file("app"));
            assert!(file("%67lobals").exists());
        } else {
            let listed = postgres
                .tool("pg_restore")
                .arg("--list")
                .arg(file("app"))
                .output();
            let listed = listed.expect("pg_restore");
            let text = String::from_utf8_lossy(&listed.stdout).into_owned();
            assert!(listed.status.success());
            assert!(text.contains("TABLE DATA public traces operator"), "{text}");
            let status = postgres
                .tool("pg_restore")
                .args(["--exit-on-error", "--dbname", &copy])
                .arg(file("app"))
                .status();
            assert!(status.expect("pg_restore").success());
        }
        assert_eq!(
            postgres.schema(&copy, &[]),
            postgres.schema("app", &[]),
            "{format}"
        );
        assert_eq!(
            postgres.sql(&copy, "SELECT convert_from(lo_get(4711), 'UTF8')"),
            "large\n"
        );
    }
    scene.fleet.assert_verified();
}

#[test]
fn what_is_not_there_or_not_allowed_is_told() {
    let Some((scene, postgres)) = scene() else {
        return;
    };
    let nowhere = scene.tree.join("no-socket");
    let socket = format!("{}/.s.PGSQL.5432", nowhere.display());
    for (settings, says, is_absent) in [
        (
            json!({ "postgres": "gone" }),
            "web db: can't dump database `gone`: the server has no such database".to_owned(),
            true,
        ),
        (
            json!({ "host": nowhere }),
            format!(
                "web db: can't dump database `app`: no PostgreSQL server is listening: connection to \
                 server on socket \"{socket}\" failed: No such file or directory"
            ),
            true,
        ),
        (
            json!({ "run_as": "no-such-account" }),
            "web db: the host has no account `no-such-account`".to_owned(),
            true,
        ),
        (
            json!({ "user": "stranger" }),
            format!(
                "web db: can't dump database `app`: PostgreSQL rejected the login: connection to server on \
                 socket \"{}/.s.PGSQL.5432\" failed: FATAL:  no pg_hba.conf entry for host \"[local]\", \
                 user \"stranger\", database \"app\", no encryption",
                postgres.socket().display()
            ),
            false,
        ),
    ] {
        let ran = taken(&scene, &postgres, settings.clone()).exits(3);
        assert_eq!(failed(&ran), says);
        assert!(!ran.hints()[0].is_empty());
        let mut optional = settings;
        optional["optional"] = json!(true);
        let ran = taken(&scene, &postgres, optional);
        assert_eq!(ran.exit, Some(if is_absent { 0 } else { 3 }), "{says}");
        assert_eq!(
            part_state(&ran),
            if is_absent {
                "\"absent\""
            } else {
                "\"failed\""
            }
        );
    }

    // Nobody listens at that port at this moment.
    let port = free_port();
    let settings = json!({ "host": "127.0.0.1", "port": port, "optional": true });
    let ran = taken(&scene, &postgres, settings).exits(3);
    let told = failed(&ran);
    assert!(
        told.contains("the server can't be reached: ") && told.ends_with("Connection refused"),
        "{told}"
    );

    // One of several databases of an optional source.
    let settings = json!({ "postgres": ["gone", "app"], "optional": true });
    let ran = taken(&scene, &postgres, settings).exits(0);
    assert_eq!(
        (ran.state().as_str(), &ran.checkpoint()["files"]),
        ("complete", &json!(2))
    );
    let settings = json!({ "postgres": ["gone", "app"] });
    assert_eq!(
        part_state(&taken(&scene, &postgres, settings).exits(3)),
        "\"failed\""
    );
}

#[test]
fn one_table_that_may_not_be_read_fails_the_dump() {
    let Some((scene, postgres)) = scene() else {
        return;
    };
    postgres.sql(
        "app",
        "GRANT SELECT ON traces TO reader; GRANT USAGE ON SCHEMA public TO reader",
    );
    let secret = scene.fleet.folder().join("password");
    fs::write(&secret, format!("{PASSWORD}\n")).expect("a file");
    let settings = json!({ "user": "reader", "password": { "file": secret } });
    let ran = taken(&scene, &postgres, settings).exits(3);
    assert_eq!(
        failed(&ran),
        "web db: can't dump database `app`: permission denied for table audit"
    );
    let ran = taken(
        &scene,
        &postgres,
        json!({ "user": "reader", "password": { "file": secret }, "globals": true, "postgres": "postgres" }),
    )
    .exits(3);
    assert_eq!(
        failed(&ran),
        "web db: can't dump the roles: permission denied for table pg_authid"
    );
}

/// Waits until a dump waits for a table.
fn wait_for_lock(postgres: &Postgres) {
    let question = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pg_dump' \
                    AND wait_event_type = 'Lock'";
    eventually("the dump waits", || {
        postgres.sql("postgres", question).trim() == "1"
    });
}

#[test]
fn a_silent_dump_whose_connection_is_lost_leaves_nothing() {
    let Some((scene, postgres)) = scene() else {
        return;
    };
    let accounts = match user().as_str() {
        "root" => vec![None, Some(postgres.account())],
        _ => vec![None],
    };
    for run_as in accounts {
        describe(&scene, &postgres, json!({ "run_as": run_as }));
        let lock = postgres.lock("app", "traces");
        let begun = scene.fleet.begin_checkpoint(&["web"]);
        wait_for_lock(&postgres);
        let socket = postgres.socket().display().to_string();
        let dumping = || {
            let processes = processes_with(&format!("--host={socket}"));
            processes
                .into_iter()
                .filter(|(_, line)| line.contains("pg_dump"))
                .collect::<Vec<_>>()
        };
        assert_ne!(dumping(), []);
        begun.signal("KILL");
        eventually("nothing is left on the host", || dumping().is_empty());
        let question = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pg_dump'";
        eventually("nothing is left on the server", || {
            postgres.sql("postgres", question).trim() == "0"
        });
        drop(lock);
    }
}

/// A host whose `pg_dump` is this script; `$real` is the real one.
fn with_pg_dump(script: &str) -> Option<HostFixture> {
    let real = installed("pg_dump")?;
    let script = script.replace("$real", &real.display().to_string());
    HostFixture::with_tools(|folder: &Path| program(folder, "pg_dump", &script))
}

#[test]
fn a_dump_that_is_not_whole_is_never_kept() {
    let Some(postgres) = Postgres::start() else {
        return;
    };
    postgres.sql("postgres", "CREATE DATABASE app");
    postgres.sql("app", TABLES);
    fill(&postgres);
    let too_old = "echo 'pg_dump: error: aborting because of server version mismatch' >&2; \
                   echo 'pg_dump: detail: server version: 15.18; pg_dump version: 13.16' >&2; exit 1";
    for (script, says) in [
        (
            "\"$real\" \"$@\" | head -c 2000; kill -9 $$",
            "can't dump database `app`: `pg_dump` was ended by signal 9",
        ),
        (
            "\"$real\" \"$@\" | head -c 2000; exit 0",
            "the dump of database `app` is not usable: the dump is incomplete: ",
        ),
        (
            "exit 0",
            "the dump of database `app` is not usable: the dump is empty",
        ),
        (
            "exit 3",
            "can't dump database `app`: `pg_dump` exited with 3 without a message",
        ),
        (
            "echo hello",
            "the dump of database `app` is not usable: the output is not a dump: it begins with `hello",
        ),
        (
            "\"$real\" \"$@\"; echo 'pg_dump: error: the last table' >&2; exit 1",
            "can't dump database `app`: the last table",
        ),
        (
            too_old,
            "can't dump database `app`: the host's pg_dump is too old: it is version 13.16, the server 15.18",
        ),
        (
            "exit 127",
            "can't dump database `app`: `pg_dump` exited with 127 without a message",
        ),
    ] {
        let Some(scene) = with_pg_dump(script) else {
            return;
        };
        for format in ["plain", "custom"] {
            let settings = json!({ "dump": "full", "format": format });
            let ran = taken(&scene, &postgres, settings).exits(3);
            let told = failed(&ran);
            assert!(
                told.starts_with(&format!("web db: {says}")),
                "{format} {script}: {told}"
            );
            assert_eq!(part_state(&ran), "\"failed\"");
            assert_eq!(ran.checkpoint()["files"], 0);
        }
        scene.fleet.assert_verified();
    }
}

#[test]
fn tools_beside_the_search_path_are_found() {
    let Some(postgres) = Postgres::start() else {
        return;
    };
    if !Path::new("/usr/lib/postgresql").exists() {
        crate::support::not_here("PostgreSQL is not where Debian puts it");
        return;
    }
    postgres.sql("postgres", "CREATE DATABASE app");
    let tools = [
        "sh", "id", "cat", "sleep", "setsid", "kill", "find", "tar", "date", "uname", "head",
    ];
    let Some(scene) = HostFixture::with_only_tools(&tools) else {
        return;
    };
    let ran = taken(&scene, &postgres, json!({})).exits(0);
    assert_eq!(ran.state(), "complete");
}
