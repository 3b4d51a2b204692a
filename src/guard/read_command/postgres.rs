//! How databases are dumped.
//!
//! Nothing that a user wrote becomes an option: names stand in a connection string of their own, each
//! quoted, and `dbname` in it is a name whatever it looks like. A password is never said here: it is the
//! first line of the standard input, and the host's shell hands it on in the environment.

use super::{END_FOR_GOOD, Sudo, watched_and};
use crate::guard::shell::quote;
use crate::inventory::{Dump, DumpFormat};

/// A dump that a host is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostgresDump {
    /// Of what.
    pub of: DumpOf,
    /// The account that runs it; none: the one that logged in, or root with sudo.
    pub run_as: Option<String>,
    /// The server's address, or the folder of its socket.
    pub host: Option<String>,
    /// Its port.
    pub port: Option<u16>,
    /// The database role.
    pub user: Option<String>,
    /// The standard input begins with the role's password and a line end.
    pub password_follows: bool,
}

/// What is dumped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DumpOf {
    /// One database, by `pg_dump`.
    Database {
        /// Its name.
        name: String,
        /// How much of it.
        dump: Dump,
        /// In which form.
        format: DumpFormat,
    },
    /// Roles and tablespaces, by `pg_dumpall`.
    Globals,
}

impl DumpOf {
    /// The program that dumps it.
    #[must_use]
    pub fn tool(&self) -> &'static str {
        match self {
            Self::Database { .. } => "pg_dump",
            Self::Globals => "pg_dumpall",
        }
    }
}

impl PostgresDump {
    /// The exit status where the host has no such tool.
    pub const NO_TOOL: u32 = 127;

    /// The exit status where the host has no account to run it as.
    pub const NO_ACCOUNT: u32 = 71;

    /// A table that stays locked for so long ends the dump.
    const LOCK_WAIT_MILLISECONDS: u32 = 60_000;

    /// A server that doesn't answer is given up after so long.
    const CONNECT_TIMEOUT_SECONDS: u32 = 20;
}

/// Where the tools lie on hosts that don't have them on their search path, the newest first.
const PATHS: &str = "p=; for d in /usr/local/pgsql/bin /usr/pgsql-[1-9][0-9]/bin \
    /usr/lib/postgresql/[1-9][0-9]/bin; do if [ -d \"$d\" ]; then p=:$d$p; fi; done; \
    PATH=${PATH:-/usr/bin:/bin}$p; export PATH; ";

/// Runs the dump. It may be silent for long, so a blank line on standard error now and then tells that
/// it goes on.
///
/// Whoever runs it also watches the connection: another account's processes are not for the one that
/// logged in to end. Where sudo allows that account the tool alone and no shell, nobody can: a silent
/// tool then outlives a lost connection until it says something.
pub(super) fn dump(dump: &PostgresDump, sudo: Sudo) -> Vec<u8> {
    let tool = dump.of.tool();
    let words = words(dump);
    let no_tool = PostgresDump::NO_TOOL;
    let command = [
        PATHS.as_bytes(),
        format!("command -v {tool} >/dev/null 2>&1 || exit {no_tool}; exec ").as_bytes(),
        &words,
    ]
    .concat();
    let mut script = Vec::new();
    if dump.password_follows {
        script.extend_from_slice(b"IFS= read -r PGPASSWORD; export PGPASSWORD; ");
    }
    // From a folder that every account can enter: the one of the account that logged in may be closed.
    script.extend_from_slice(b"cd /; LC_ALL=C; export LC_ALL; ");
    script.extend(watched_and(END_FOR_GOOD, &command));
    let script = [b"\"$@\" sh -c ".as_slice(), &quote(&script)].concat();
    let run = match (dump.run_as.as_deref(), sudo) {
        (None, Sudo::No | Sudo::Password) => [b"set --; ".as_slice(), &script].concat(),
        (None, Sudo::NonInteractive) => [b"set -- sudo -n -H --; ".as_slice(), &script].concat(),
        (Some(account), _) => become_it(account, &script, &words),
    };
    [
        b"{ while sleep 5 </dev/null >/dev/null 2>&1; do echo >&2; done & }; b=$!; ( ".as_slice(),
        &run,
        b" ); s=$?; kill $b; (exit $s); ",
    ]
    .concat()
}

/// Has `account` run the `script`, or just the `words` where it may run no shell.
fn become_it(account: &str, script: &[u8], words: &[u8]) -> Vec<u8> {
    let sudo = b"sudo -n -H -u \"$r\" -- ".as_slice();
    [
        b"r=".as_slice(),
        &quote(account.as_bytes()),
        b"; id -u -- \"$r\" >/dev/null 2>&1 || exit ",
        PostgresDump::NO_ACCOUNT.to_string().as_bytes(),
        b"; if [ \"$(id -un)\" = \"$r\" ]; then set --; \
          elif [ \"$(id -u)\" = 0 ] && ! command -v sudo >/dev/null 2>&1; then set -- runuser -u \"$r\" --; \
          elif sudo -n -l -u \"$r\" sh </dev/null >/dev/null 2>&1; then set -- ",
        sudo,
        b"; else cd /; ",
        &watched_and(END_FOR_GOOD, &[b"r=".as_slice(), &quote(account.as_bytes()), b"; exec ", sudo, words].concat()),
        b"exit; fi; ",
        script,
    ]
    .concat()
}

/// What sudo is told of the account that a command asks for.
pub(super) fn as_account(account: &str) -> Vec<u8> {
    [b"-H -u ".as_slice(), &quote(account.as_bytes()), b" "].concat()
}

fn words(dump: &PostgresDump) -> Vec<u8> {
    let mut words = format!("{} --no-password", dump.of.tool());
    let mut connection: Vec<(&str, String)> = Vec::new();
    match &dump.of {
        DumpOf::Database {
            name,
            dump: how_much,
            format,
        } => {
            words.push_str(&format!(
                " --lock-wait-timeout={}",
                PostgresDump::LOCK_WAIT_MILLISECONDS
            ));
            words.push_str(match how_much {
                Dump::Schema => " --schema-only",
                Dump::Full => "",
            });
            words.push_str(match format {
                DumpFormat::Plain => " --format=plain",
                DumpFormat::Custom => " --format=custom",
            });
            connection.push(("dbname", name.clone()));
        }
        DumpOf::Globals => words.push_str(" --globals-only"),
    }
    connection.extend(dump.host.clone().map(|host| ("host", host)));
    connection.extend(dump.port.map(|port| ("port", port.to_string())));
    connection.extend(dump.user.clone().map(|user| ("user", user)));
    connection.push((
        "connect_timeout",
        PostgresDump::CONNECT_TIMEOUT_SECONDS.to_string(),
    ));
    words.push_str(" --dbname=");
    let mut words = words.into_bytes();
    words.extend(quote(connection_string(&connection).as_bytes()));
    words
}

/// In libpq's own form, in which a value between quotes means itself.
///
/// Source: PostgreSQL manual, "Keyword/Value Connection Strings".
fn connection_string(values: &[(&str, String)]) -> String {
    let values = values.iter().map(|(key, value)| {
        let value = value.replace('\\', "\\\\").replace('\'', "\\'");
        format!("{key}='{value}'")
    });
    values.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

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

    fn argv(dump: &PostgresDump) -> Vec<String> {
        let mut script = b"f() { for w; do printf '%s\\n' \"$w\"; done; }; f ".to_vec();
        script.extend(words(dump));
        let script = String::from_utf8(script).expect("text");
        let output = std::process::Command::new("sh")
            .args(["-c", &script])
            .output()
            .expect("a shell");
        let text = String::from_utf8(output.stdout).expect("text");
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_name_is_a_name_whatever_it_looks_like() {
        for (name, says) in [
            ("monitoring", "dbname='monitoring'"),
            ("--file=/etc/x", "dbname='--file=/etc/x'"),
            ("host=evil dbname=x", "dbname='host=evil dbname=x'"),
            ("postgres://evil/x", "dbname='postgres://evil/x'"),
            ("it's a \\ b", "dbname='it\\'s a \\\\ b'"),
            ("' host='evil", "dbname='\\' host=\\'evil'"),
            ("$(id) `id` ; id", "dbname='$(id) `id` ; id'"),
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
    fn the_server_stands_in_the_connection_string() {
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
        let expected = "--dbname=dbname='app' host='203.0.113.9' port='5433' user='--reader' \
                        connect_timeout='20'";
        assert_eq!(
            argv(&dump),
            [
                "pg_dump",
                "--no-password",
                "--lock-wait-timeout=60000",
                "--format=custom",
                expected
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
                "--dbname=host='203.0.113.9' port='5433' user='--reader' connect_timeout='20'"
            ]
        );
    }

    /// What a host answers whose `pg_dump` is this script.
    fn answered(dump: &PostgresDump, pg_dump: Option<&str>, input: &[u8]) -> (String, Option<i32>) {
        use std::io::{Read as _, Write as _};
        use std::os::unix::fs::PermissionsExt as _;
        let tools = tempfile::tempdir().expect("a folder");
        for tool in ["sh", "id", "cat", "sleep", "setsid"] {
            let real = [format!("/usr/bin/{tool}"), format!("/bin/{tool}")];
            let real = real.iter().find(|path| std::path::Path::new(path).exists());
            let link = tools.path().join(tool);
            std::os::unix::fs::symlink(real.expect("the tool"), link).expect("a link");
        }
        if let Some(script) = pg_dump {
            let file = tools.path().join("pg_dump");
            std::fs::write(&file, format!("#!/bin/sh\n{script}\n")).expect("a script");
            let mode = std::fs::Permissions::from_mode(0o755);
            std::fs::set_permissions(&file, mode).expect("mode");
        }
        let script = String::from_utf8(super::dump(dump, Sudo::No)).expect("text");
        // Not those of this machine.
        let script = script.replace("/usr/lib/postgresql/", "/nowhere/") + "exit $?";
        let mut child = std::process::Command::new("sh")
            .args(["-c", &script])
            .env("PATH", tools.path())
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .expect("a shell");
        let mut stdin = child.stdin.take().expect("piped");
        stdin.write_all(input).expect("the password is taken");
        let mut text = String::new();
        let mut stdout = child.stdout.take().expect("piped");
        stdout.read_to_string(&mut text).expect("text");
        drop(stdin);
        (text, child.wait().expect("it ends").code())
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
        assert_eq!(
            answered(&with, Some(script), input.as_bytes()),
            (format!("{password}|C|/\n"), Some(3))
        );
        assert_eq!(
            answered(&of_database("app"), Some(script), b""),
            ("|C|/\n".to_owned(), Some(3))
        );
    }

    #[test]
    fn what_a_host_lacks_is_told_by_the_status() {
        let status = |dump: &PostgresDump| answered(dump, None, b"").1.map(i32::cast_unsigned);
        assert_eq!(status(&of_database("app")), Some(PostgresDump::NO_TOOL));
        let stranger = PostgresDump {
            run_as: Some("no-such-account".to_owned()),
            ..of_database("app")
        };
        assert_eq!(status(&stranger), Some(PostgresDump::NO_ACCOUNT));
    }

    #[test]
    fn another_account_is_asked_for_by_name() {
        use super::super::{Pace, ReadCommand};
        let line = |dump: &PostgresDump, sudo| {
            let line = ReadCommand::Dump(dump.clone())
                .render("nonce", sudo, Pace::Full, 0)
                .line;
            // The quotes of the quotes are of no interest.
            String::from_utf8(line)
                .expect("text")
                .replace(['\'', '\\'], "")
        };
        let of_postgres = PostgresDump {
            run_as: Some("it's".to_owned()),
            ..of_database("app")
        };
        let text = line(&of_postgres, Sudo::NonInteractive);
        assert!(text.starts_with("exec sh -c LC_ALL=C"), "{text}");
        assert!(text.contains(" r=its; id -u -- \"$r\" "), "{text}");
        assert!(
            text.contains("then set -- sudo -n -H -u \"$r\" -- ; "),
            "{text}"
        );
        assert!(
            text.contains("; exec sudo -n -H -u \"$r\" -- pg_dump --no-password"),
            "{text}"
        );
        let text = line(&of_postgres, Sudo::Password);
        assert!(
            text.starts_with("exec sudo -S -k -p  -H -u its -- sh -c LC_ALL=C"),
            "{text}"
        );

        let of_root = of_database("app");
        assert!(line(&of_root, Sudo::NonInteractive).contains("set -- sudo -n -H --; "));
        assert!(
            line(&of_root, Sudo::Password).starts_with("exec sudo -S -k -p  -- sh -c LC_ALL=C")
        );
        assert!(!line(&of_root, Sudo::No).contains("sudo"));
    }
}
