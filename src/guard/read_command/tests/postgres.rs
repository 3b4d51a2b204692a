//! Tests of the arguments and environment that a dump passes to PostgreSQL's tools.

use super::*;
use crate::inventory::{Dump, DumpFormat};

fn of_database(name: &str) -> PostgresDump {
    PostgresDump {
        of: DumpOf::Database {
            name: name.to_owned(),
            dump: Dump::Schema,
            format: DumpFormat::Plain,
        },
        run_as: None,
        host: None,
        port: None,
        user: None,
        password_follows: false,
    }
}

/// What a host answers whose tools are this script.
fn answered(dump: &PostgresDump, script: &str, input: &[u8]) -> Answer {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().expect("a folder");
    for tool in ["pg_dump", "pg_dumpall"] {
        let file = folder.path().join(tool);
        fs::write(&file, format!("#!/bin/sh\n{script}\n")).expect("a script");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).expect("mode");
    }
    let mut path = folder.path().as_os_str().to_owned();
    path.push(":");
    path.push(std::env::var_os("PATH").expect("a search path"));
    answer_with(&path, "sh", &ReadCommand::Dump(dump.clone()), input)
}

fn argv(dump: &PostgresDump) -> Vec<String> {
    let script = "printf '%s\\n' \"${0##*/}\" \"$@\"";
    let answer = answered(dump, script, b"");
    assert_eq!(answer.status, Some(0));
    let text = String::from_utf8(answer.body).expect("text");
    text.lines().map(str::to_owned).collect()
}

#[test]
fn a_name_is_a_name_whatever_it_looks_like() {
    for (name, says) in [
        ("monitoring", "dbname='monitoring'"),
        ("--file=/etc/x", "dbname='--file\\=/etc/x'"),
        ("host=evil dbname=x", "dbname='host\\=evil dbname\\=x'"),
        // Debian's wrapper looks for it.
        ("a service=b", "dbname='a service\\=b'"),
        ("postgres://evil/x", "dbname='postgres://evil/x'"),
        ("it's a \\ b", "dbname='it\\'s a \\\\ b'"),
        ("' host='evil", "dbname='\\' host\\=\\'evil'"),
        ("$(id) `id` ; id !", "dbname='$(id) `id` ; id !'"),
        ("größe", "dbname='größe'"),
        ("\\'", "dbname='\\\\\\''"),
    ] {
        assert_eq!(
            argv(&of_database(name)),
            [
                "pg_dump",
                "--no-password",
                "--lock-wait-timeout=60000",
                "--schema-only",
                "--format=plain",
                &format!("--dbname={says} connect_timeout='20'"),
            ]
        );
    }
}

#[test]
fn host_and_port_are_options_of_their_own() {
    let dump = PostgresDump {
        of: DumpOf::Database {
            name: "app".to_owned(),
            dump: Dump::Full,
            format: DumpFormat::Custom,
        },
        host: Some("203.0.113.9".to_owned()),
        port: Some(5433),
        user: Some("--reader".to_owned()),
        ..of_database("")
    };
    assert_eq!(
        argv(&dump),
        [
            "pg_dump",
            "--no-password",
            "--lock-wait-timeout=60000",
            "--format=custom",
            "--host=203.0.113.9",
            "--port=5433",
            "--dbname=dbname='app' user='--reader' connect_timeout='20'"
        ]
    );
    let globals = PostgresDump {
        of: DumpOf::Globals,
        ..dump
    };
    assert_eq!(
        argv(&globals),
        [
            "pg_dumpall",
            "--no-password",
            "--globals-only",
            "--host=203.0.113.9",
            "--port=5433",
            "--dbname=user='--reader' connect_timeout='20'"
        ]
    );
}

#[test]
fn a_host_is_never_another_option_or_a_connection_string() {
    for host in [
        "--file=/etc/x",
        "/run/a folder/it's",
        "x dbname=y",
        "postgres://evil/x",
        "",
    ] {
        let dump = PostgresDump {
            host: Some(host.to_owned()),
            ..of_database("app")
        };
        assert_eq!(argv(&dump)[5], format!("--host={host}"));
    }
}

#[test]
fn the_settings_of_a_database_are_a_dump_without_any_schema() {
    let dump = PostgresDump {
        of: DumpOf::Settings {
            name: "it's *".to_owned(),
        },
        ..of_database("")
    };
    assert_eq!(
        argv(&dump),
        [
            "pg_dump",
            "--no-password",
            "--create",
            "--schema-only",
            "--schema=*",
            "--exclude-schema=*",
            "--format=plain",
            "--dbname=dbname='it\\'s *' connect_timeout='20'",
        ]
    );
}

#[test]
fn a_password_goes_into_the_environment_and_nowhere_else() {
    let script = "printf '%s|%s|' \"$PGPASSWORD\" \"$LC_ALL\"; cat; pwd; exit 3";
    let with = PostgresDump {
        password_follows: true,
        ..of_database("app")
    };
    let password = " p'w \\ \"$x` ü\t";
    let input = format!("{password}\nmore");
    let answer = answered(&with, script, input.as_bytes());
    assert_eq!(
        (
            String::from_utf8_lossy(&answer.body).into_owned(),
            answer.status
        ),
        (format!("{password}|C|/\n"), Some(3))
    );
    let answer = answered(&of_database("app"), script, b"");
    assert_eq!(
        (
            String::from_utf8_lossy(&answer.body).into_owned(),
            answer.status
        ),
        ("|C|/\n".to_owned(), Some(3))
    );
}

#[test]
fn a_password_that_sudo_did_not_ask_for_reaches_nothing() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("pg_dump");
    fs::write(&file, "#!/bin/sh\nenv; cat; printf '%s|' \"$@\"\n").expect("a script");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).expect("mode");
    // A sudo that wants no password for this account.
    let sudo = folder.path().join("sudo");
    fs::write(&sudo, "#!/bin/sh\nshift 4; exec \"$@\"\n").expect("a script");
    fs::set_permissions(&sudo, fs::Permissions::from_mode(0o755)).expect("mode");
    let dump = PostgresDump {
        password_follows: true,
        ..of_database("app")
    };
    let mut rendered = ReadCommand::Dump(dump).render(NONCE, Sudo::Password, Priority::Normal, 0);
    rendered.preamble.splice(0..0, *b"sudo's own\n");
    let mut path = folder.path().as_os_str().to_owned();
    path.push(":/usr/bin:/bin");
    let mut login = Command::new("sh");
    let answer = answer_of(
        login.env("PATH", path).arg("-c"),
        &rendered,
        b"the database's\n",
    );
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    assert_eq!(answer.status, Some(0), "{text}");
    assert!(text.contains("PGPASSWORD=the database's\n"), "{text}");
    assert!(!text.contains("sudo's own"), "{text}");
}
