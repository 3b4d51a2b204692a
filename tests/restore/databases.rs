//! Databases in `fleet restore`: files and databases together, or databases alone, whole or not at all.

use std::fs;

use serde_json::{Value, json};

use super::fixture::{assert_nothing_left, killed_at, plan, pull, restore, start, summary};
use crate::support::fleet::FleetOutput;
use crate::support::host_fixture::HostFixture;
use crate::support::postgres::Postgres;
use crate::support::sshd::eventually;
use crate::support::tree;

const TABLES: &str = "
    CREATE TABLE notes (id int PRIMARY KEY, text text NOT NULL);
    INSERT INTO notes SELECT i, 'note ' || i FROM generate_series(1, 500) i;
    CREATE VIEW short AS SELECT id FROM notes WHERE length(text) < 7;";

/// A host with a file `conf` and a database `app`, of which there is a checkpoint.
struct Scene {
    host: HostFixture,
    postgres: Postgres,
}

impl Scene {
    fn start() -> Option<Self> {
        let scene = Self {
            host: start()?,
            postgres: Postgres::start()?,
        };
        scene.postgres.sql("postgres", "CREATE DATABASE app");
        scene.postgres.sql("app", TABLES);
        tree::fill(&scene.host.tree, &[("conf/a", "good")]);
        scene.describe(json!({}));
        pull(&scene.host);
        Some(scene)
    }

    fn describe(&self, probes: Value) {
        let socket = self.postgres.socket();
        let mut entry = self.host.host(json!({
            "conf": { "directory": self.host.tree.join("conf") },
            "said": { "command": ["echo", "live"], "reads_only": true },
            "db": {
                "postgres": "app", "host": socket, "user": "operator", "dump": "full", "globals": true,
            },
        }));
        entry["probes"] = probes;
        self.host.describe(entry);
    }

    fn damage(&self) {
        fs::write(self.host.tree.join("conf/a"), "bad").expect("a file");
        self.damage_database();
    }

    fn damage_database(&self) {
        let text = "DROP VIEW IF EXISTS short; UPDATE notes SET text = 'lost'; \
                    INSERT INTO notes SELECT max(id) + 1, 'later' FROM notes;";
        self.postgres.sql("app", text);
    }

    fn conf(&self) -> String {
        fs::read_to_string(self.host.tree.join("conf/a")).expect("a file")
    }

    /// A dump of the database, rows included.
    fn dump(&self) -> String {
        self.postgres.schema("app", &[])
    }

    /// All databases but those that every server has.
    fn databases(&self) -> String {
        self.postgres.sql(
            "postgres",
            "SELECT string_agg(datname, ' ' ORDER BY datname) FROM pg_database
             WHERE NOT datistemplate AND datname NOT IN ('postgres')",
        )
    }

    fn conclude(&self, way: &str) -> FleetOutput {
        let arguments = ["--json", "restore", way, "web", "--confirm", "web"];
        self.host.fleet.run(&arguments)
    }

    /// Nothing of a restore is left, and the database takes connections.
    fn assert_clean(&self) {
        assert_nothing_left(&self.host);
        assert_eq!(self.databases().trim(), "app");
        let comment = self.postgres.sql(
            "app",
            "SELECT coalesce(shobj_description(oid, 'pg_database'), 'none') FROM pg_database
             WHERE datname = 'app'",
        );
        assert_eq!(comment.trim(), "none");
    }
}

const REPLACE: &[&str] = &["--replace-database"];

#[test]
fn files_and_a_database_are_restored_together_and_the_state_before_can_be_restored_again() {
    let Some(scene) = Scene::start() else { return };
    let host = &scene.host;
    let wanted = scene.dump();
    scene.damage();
    let damaged = scene.dump();
    assert_ne!(wanted, damaged);

    let shown = plan(host, &[], 1);
    assert_eq!(shown["databases"][0]["action"], json!("refuse"));
    let refusals = shown["refusals"].to_string();
    assert!(
        refusals.contains("database `app`") && refusals.contains("--replace-database"),
        "{refusals}"
    );
    let refused = restore(host, &[]).exits(1);
    assert!(
        refused.stderr.contains("--replace-database"),
        "{}",
        refused.stderr
    );
    assert_eq!(
        (scene.conf().as_str(), scene.dump()),
        ("bad", damaged.clone())
    );

    let shown = plan(host, REPLACE, 0);
    let database = &shown["databases"][0];
    assert_eq!(database["action"], json!("replace"), "{database}");
    assert_eq!(
        (&database["part"], &database["name"]),
        (&json!("db"), &json!("app"))
    );
    assert!(
        database["losses"].to_string().contains("501 rows"),
        "{database}"
    );
    let digest = shown["plan"].as_str().expect("a digest");
    let text = ["restore", "web@latest", "--dry-run", "--replace-database"];
    let text = host.fleet.run(&text).exits(0).stdout;
    assert!(text.contains("replace   database app"), "{text}");
    assert!(text.contains("lost: what is in it now: 501 rows"), "{text}");

    let ended = restore(host, &["--replace-database", "--plan", digest]);
    let ended = summary(ended, 0);
    assert_eq!(ended["outcome"], json!("restored"), "{ended}");
    assert_eq!(ended["databases"], json!(["app"]));
    assert_eq!(
        (scene.conf().as_str(), scene.dump()),
        ("good", wanted.clone())
    );
    scene.assert_clean();
    // The restored state is a whole checkpoint, of what can't be restored as well.
    let sealed = ended["sealed"].as_str().expect("a checkpoint");
    let shown = host.fleet.run(&["--json", "show", sealed]).exits(0).stdout;
    let shown: Value = serde_json::from_str(&shown).expect("a document");
    let shown = &shown["checkpoint"];
    assert_eq!(
        (&shown["state"], &shown["subset"]),
        (&json!("complete"), &json!(false)),
        "{shown}"
    );
    assert_eq!(shown["parts"].as_array().map(Vec::len), Some(3), "{shown}");

    assert_eq!(
        summary(restore(host, REPLACE), 0)["outcome"],
        json!("unchanged")
    );
    // The safety checkpoint has all rows of what was replaced.
    let safety = ended["safety"].as_str().expect("a checkpoint");
    let back = [
        "--json",
        "restore",
        safety,
        "--replace-database",
        "--confirm",
        "web",
    ];
    summary(host.fleet.run(&back), 0);
    assert_eq!((scene.conf().as_str(), scene.dump()), ("bad", damaged));
    scene.assert_clean();
}

#[test]
fn a_database_that_is_missing_is_created_with_its_owner() {
    let Some(scene) = Scene::start() else { return };
    let host = &scene.host;
    scene.postgres.sql(
        "postgres",
        "CREATE ROLE keeper; ALTER DATABASE app OWNER TO keeper; ALTER DATABASE app SET work_mem = '8MB'",
    );
    pull(host);
    let wanted = scene.dump();
    scene.postgres.sql("postgres", "DROP DATABASE app");
    scene.postgres.sql("postgres", "DROP ROLE keeper");
    let shown = plan(host, &["--only", "db"], 0);
    assert_eq!(shown["databases"][0]["action"], json!("create"));
    assert_eq!(shown["roles"][0]["name"], json!("keeper"));
    assert_eq!(shown["parts"], json!([]));
    let ended = summary(restore(host, &["--only", "db"]), 0);
    assert_eq!(ended["outcome"], json!("restored"));
    assert_eq!(scene.dump(), wanted);
    let facts = scene.postgres.sql(
        "app",
        "SELECT pg_get_userbyid(datdba) || ' ' || current_setting('work_mem') FROM pg_database
         WHERE datname = 'app'",
    );
    assert_eq!(facts.trim(), "keeper 8MB");
    scene.assert_clean();
}

#[test]
fn a_path_of_files_leaves_databases_alone_and_that_of_a_dump_restores_it() {
    let Some(scene) = Scene::start() else { return };
    let host = &scene.host;
    let wanted = scene.dump();
    scene.damage();
    let conf = host.tree.join("conf").display().to_string();
    let shown = plan(host, &[&conf], 0);
    assert_eq!(shown["databases"], json!([]));
    summary(restore(host, &[&conf]), 0);
    assert_eq!(scene.conf(), "good");
    assert_ne!(scene.dump(), wanted);
    let dump = ["/fleet-captures/db/app.sql", "--replace-database"];
    summary(restore(host, &dump), 0);
    assert_eq!(scene.dump(), wanted);
}

#[test]
fn a_probe_that_fails_takes_files_and_database_back() {
    let Some(scene) = Scene::start() else { return };
    let damage = scene.host.tree.join("conf/a").display().to_string();
    scene.describe(json!({ "up": { "http": "http://127.0.0.1:1/", "within": "1s" } }));
    scene.damage();
    let damaged = scene.dump();
    let ended = summary(restore(&scene.host, REPLACE), 1);
    assert_eq!(ended["outcome"], json!("rolled-back"), "{ended}");
    assert_eq!(fs::read_to_string(damage).expect("a file"), "bad");
    assert_eq!(scene.dump(), damaged);
    scene.assert_clean();
}

#[test]
fn a_dump_that_does_not_load_leaves_everything_as_it_was() {
    let Some(scene) = Scene::start() else { return };
    // What the server does not have any more when the dump is loaded: its rows need it.
    scene.postgres.sql(
        "app",
        "CREATE FUNCTION fits(int) RETURNS bool LANGUAGE plpgsql AS $$
           BEGIN RETURN current_setting('app.fits', true) IS NOT NULL; END $$;
         CREATE TABLE strict (a int CHECK (fits(a)));
         SET app.fits = 'yes'; INSERT INTO strict VALUES (1)",
    );
    pull(&scene.host);
    scene.damage();
    let damaged = scene.dump();
    let ended = summary(restore(&scene.host, REPLACE), 1);
    assert_eq!(ended["outcome"], json!("rolled-back"), "{ended}");
    assert_eq!(
        ended["error"]["code"],
        json!("database-load-failed"),
        "{ended}"
    );
    assert_eq!((scene.conf().as_str(), scene.dump()), ("bad", damaged));
    scene.assert_clean();
}

#[test]
fn a_killed_restore_of_databases_is_finished_or_undone() {
    let Some(scene) = Scene::start() else { return };
    let host = &scene.host;
    let wanted = scene.dump();
    for has_files in [true, false] {
        let steps = ["load", "switch", "clean", "prepare", "probe"];
        for step in &steps[..if has_files { 5 } else { 3 }] {
            let step = *step;
            for way in ["--rollback", "--resume"] {
                if has_files {
                    fs::write(host.tree.join("conf/a"), "bad").expect("a file");
                }
                scene.damage_database();
                let port = host.sshd.port;
                scene.describe(json!({ "ssh": { "tcp": port } }));
                let (conf, damaged) = (scene.conf(), scene.dump());
                killed_at(host, step, REPLACE);
                let mut output = scene.conclude(way);
                let at = format!("{step} {way} {has_files}: {}", output.stderr);
                if way == "--resume" && output.exit == Some(1) {
                    assert_eq!(output.summary()["outcome"], json!("failed"), "{at}");
                    assert!(matches!(step, "load" | "prepare"), "{at}");
                    output = scene.conclude("--rollback");
                }
                let is_past = output.exit == Some(1);
                let ended = summary(output, i32::from(is_past));
                assert!(!is_past || (step, way) == ("clean", "--rollback"), "{at}");
                let now = (scene.conf(), scene.dump());
                match ended["outcome"].as_str() {
                    Some("rolled-back") => assert!(now == (conf, damaged), "{at}"),
                    Some("restored") => assert!(now == ("good".into(), wanted.clone()), "{at}"),
                    other => assert_eq!((other, step), (Some("unchanged"), "clean"), "{at}"),
                }
                scene.assert_clean();
            }
        }
    }
}

#[test]
fn what_stops_a_load_is_undone_at_once() {
    let Some(scene) = Scene::start() else { return };
    // Loads for half a minute.
    scene.postgres.sql(
        "app",
        "CREATE FUNCTION slow(int) RETURNS bool LANGUAGE plpgsql AS $$
           BEGIN PERFORM pg_sleep(coalesce(current_setting('app.pause', true), '0.1')::float); RETURN true; END $$;
         CREATE TABLE slowly (a int CHECK (slow(a)));
         SET app.pause = '0'; INSERT INTO slowly SELECT generate_series(1, 300)",
    );
    pull(&scene.host);
    scene.damage();
    let damaged = scene.dump();
    let mut command = scene.host.fleet.command(&[
        "restore",
        "web@latest",
        "--replace-database",
        "--confirm",
        "web",
    ]);
    let mut child = command.spawn().expect("fleet starts");
    eventually("the load", || scene.databases().contains("app_fleet_"));
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("it runs");
    let status = child.wait().expect("it ends");
    assert_eq!(status.code(), Some(130));
    assert_eq!((scene.conf().as_str(), scene.dump()), ("bad", damaged));
    scene.assert_clean();
}
