//! Tests of database settings, which a plain dump leaves out.

use std::fs;

use serde_json::{Value, json};

use super::{PASSWORD, captures, failed, fill, packs, part_state, scene, source, taken};
use super::{TABLES, with_pg_dump};
use crate::capture::HostFixture;
use crate::support::fleet::FleetOutput;
use crate::support::postgres::Postgres;

const SETTINGS: &str = "
    CREATE ROLE owner;
    ALTER DATABASE app OWNER TO owner;
    ALTER DATABASE app CONNECTION LIMIT 7;
    ALTER DATABASE app SET work_mem = '8MB';
    ALTER DATABASE app SET search_path = public, \"it's a\";
    ALTER ROLE reader IN DATABASE app SET statement_timeout = '5s';
    REVOKE CONNECT ON DATABASE app FROM PUBLIC;
    GRANT CONNECT ON DATABASE app TO reader;
    COMMENT ON DATABASE app IS E'it''s\\n\\\\unrestrict x\\n\\\\restrict x\\n';";

/// Everything that SETTINGS may change.
fn of_database(postgres: &Postgres) -> String {
    postgres.sql(
        "postgres",
        "SELECT pg_get_userbyid(datdba), pg_encoding_to_char(encoding), datcollate, datconnlimit,
             ARRAY(SELECT acl::text FROM unnest(datacl) acl ORDER BY 1),
             shobj_description(oid, 'pg_database'),
             (SELECT array_agg((setrole::regrole, setconfig) ORDER BY setrole)
                 FROM pg_db_role_setting WHERE setdatabase = pg_database.oid)
         FROM pg_database WHERE datname = 'app'",
    )
}

fn manifest(scene: &HostFixture, ran: &FleetOutput) -> String {
    let folder = scene.fleet.store().join(ran.id().replace('@', "/"));
    fs::read_to_string(folder.join("MANIFEST.txt")).expect("a manifest")
}

#[test]
fn a_database_is_made_anew_with_its_settings() {
    let Some((scene, postgres)) = scene() else {
        return;
    };
    fill(&postgres);
    for statement in SETTINGS.split_inclusive(";\n") {
        postgres.sql("postgres", statement);
    }
    let first = taken(&scene, &postgres, json!({ "dump": "full" })).exits(0);
    assert_eq!(first.state(), "complete", "{}", first.stderr);
    let folder = captures(&scene, &first);
    let (settings, dump) = (folder.join("app.settings.sql"), folder.join("app.sql"));
    let text = fs::read_to_string(&settings).expect("settings");
    let statements = [
        "\nALTER DATABASE app OWNER TO owner;\n",
        "\n\n\\connect app\n\n",
        "\nALTER ROLE reader IN DATABASE app SET statement_timeout TO '5s';\n",
        "\nREVOKE CONNECT,TEMPORARY ON DATABASE app FROM PUBLIC;\n",
    ];
    for statement in statements {
        assert!(text.contains(statement), "{statement} {text}");
    }
    for other in ["-- Dumped", "traces", "TABLE", "FUNCTION"] {
        assert!(!text.contains(other), "{other} {text}");
    }
    let lines = |word: &str| text.lines().filter(|line| line.starts_with(word)).count();
    // Those of the comment.
    assert_eq!(
        (lines("\\restrict"), lines("\\unrestrict")),
        (1, 1),
        "{text}"
    );
    let plain = fs::read_to_string(&dump).expect("a dump");
    assert!(!plain.contains("CREATE DATABASE"), "{plain}");

    let before = of_database(&postgres);
    assert!(before.contains("work_mem=8MB"), "{before}");

    let second = scene.fleet.checkpoint(&["web"]).exits(0);
    assert_eq!(second.checkpoint()["fetched_bytes"], 0);
    assert_eq!(packs(&scene), 1);

    postgres.sql("postgres", "ALTER DATABASE app SET work_mem = '9MB'");
    let third = scene.fleet.checkpoint(&["web"]).exits(0);
    let diff = ["diff", &second.id(), &third.id(), "-p"];
    let diff = scene.fleet.run(&diff).exits(0).stdout;
    assert!(
        diff.contains("\n-ALTER DATABASE app SET work_mem TO '8MB';\n+ALTER DATABASE app SET work_mem TO '9MB';\n"),
        "{diff}"
    );
    assert!(!diff.contains("app.sql"), "{diff}");

    postgres.sql("postgres", "DROP DATABASE app");
    postgres.load("postgres", &settings);
    postgres.load("app", &dump);
    assert_eq!(of_database(&postgres), before);
    assert_eq!(postgres.sql("app", "SELECT count(*) FROM audit"), "3000\n");
    scene.fleet.assert_verified();
}

#[test]
fn settings_take_no_rights_in_the_database() {
    let Some((scene, postgres)) = scene() else {
        return;
    };
    postgres.sql("postgres", "CREATE DATABASE \"it's a 'b\\ %\"");
    postgres.sql(
        "postgres",
        "ALTER DATABASE \"it's a 'b\\ %\" SET work_mem = '8MB'",
    );
    let secret = scene.fleet.folder().join("password");
    fs::write(&secret, format!("{PASSWORD}\n")).expect("a file");
    let settings = json!({
        "postgres": "it's a 'b\\ %", "user": "reader", "password": { "file": secret },
    });
    let ran = taken(&scene, &postgres, settings).exits(0);
    let file = captures(&scene, &ran).join("it's a 'b\\ %25.settings.sql");
    let text = fs::read_to_string(file).expect("settings");
    assert!(
        text.contains("\nALTER DATABASE \"it's a 'b\\ %\" SET work_mem TO '8MB';\n"),
        "{text}"
    );
}

#[test]
fn settings_that_cannot_be_had_are_a_note() {
    let Some(postgres) = Postgres::start() else {
        return;
    };
    postgres.sql("postgres", "CREATE DATABASE app");
    postgres.sql("app", TABLES);
    postgres.sql("postgres", "CREATE DATABASE \"a\nb\"");
    let old = "\"$real\" \"$@\" | sed 's/^-- Dumped by pg_dump version .*/-- Dumped by pg_dump version 10.23/'";
    let hidden = "case \" $* \" in *' --create '*) \
                  echo 'pg_dump: error: query failed: ERROR:  permission denied for table pg_shseclabel' >&2; \
                  exit 1 ;; esac; exec \"$real\" \"$@\"";
    let real = "exec \"$real\" \"$@\"";
    for (name, script, note) in [
        (
            "app",
            old,
            "app`: not captured: requires pg_dump 11 or later, the host has 10.23\n",
        ),
        (
            "app",
            hidden,
            "app`: not captured: permission denied for table pg_shseclabel\n",
        ),
        (
            "a\nb",
            real,
            "a\\\\nb`: not captured: the database's name has a line break\n",
        ),
    ] {
        let Some(scene) = with_pg_dump(script) else {
            return;
        };
        let ran = taken(&scene, &postgres, json!({ "postgres": name })).exits(0);
        assert_eq!(ran.state(), "complete", "{}", ran.stderr);
        assert_eq!(ran.checkpoint()["files"], 1);
        let manifest = manifest(&scene, &ran);
        let note = format!("\n  settings of database `{note}");
        assert!(manifest.contains(&note), "{note} {manifest}");
    }
}

#[test]
fn settings_that_are_not_whole_fail_the_source() {
    let Some(postgres) = Postgres::start() else {
        return;
    };
    postgres.sql("postgres", "CREATE DATABASE app");
    for (does, says) in [
        (
            "\"$real\" \"$@\" | head -c 900; exit 0",
            "the dump of the settings of database `app` is not usable: the dump is incomplete: ",
        ),
        (
            "exit 3",
            "can't dump the settings of database `app`: `pg_dump` exited with 3 without a message",
        ),
    ] {
        let script =
            format!("case \" $* \" in *' --create '*) {does} ;; esac; exec \"$real\" \"$@\"");
        let Some(scene) = with_pg_dump(&script) else {
            return;
        };
        scene.sources(json!({ "db": source(&postgres, Value::Null) }));
        let ran = scene.fleet.checkpoint(&["web"]).exits(3);
        let told = failed(&ran);
        assert!(told.starts_with(&format!("web db: {says}")), "{told}");
        assert_eq!(part_state(&ran), "\"failed\"");
        assert_eq!(ran.checkpoint()["files"], 0);
    }
}
