//! Databases: a dump each, proven to be whole, without what differs from run to run.
//!
//! Nothing of a dump that failed is kept. A dump needs the tool, a server, the account and the
//! database: where one of them doesn't exist, an optional source is absent. A server that exists and
//! can't be reached is a failure even then.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::fault::Fault;
use crate::guard::{DumpOf, PostgresDump, ReadCommand};
use crate::inventory::{DumpFormat, PostgresSource};
use crate::name::{AccountName, escape};
use crate::source::postgres::{self, Complaint, Content, Normaliser, Whole};
use crate::source::secret::{self, Revealed, SecretError};
use crate::ssh::{self, Exit, Input, Missing, Running};

use super::{Captured, Spool, SpoolError, SpooledFile, Taken, Taking, failure};

/// A dump that gives no byte for so long has a server that hangs. Large catalogues and tables full of
/// dead rows take minutes.
const SILENCE_MAX: Duration = Duration::from_secs(30 * 60);

/// A shell tells a signal by adding its number to this.
const SIGNALS: u32 = 128;

/// Why a database isn't kept.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Ssh(#[from] ssh::Error),
    #[error(transparent)]
    Spool(#[from] SpoolError),
    #[error("can't tell the password of the database role")]
    Password(#[source] SecretError),
    #[error("the host has no `{tool}`")]
    NoTool { tool: &'static str },
    #[error("the host has no account `{account}`")]
    NoAccount { account: AccountName },
    #[error("can't dump {what}")]
    Refused { what: String, source: Complaint },
    #[error("can't dump {what}: `{tool}` was ended by signal {signal}")]
    Killed {
        what: String,
        tool: &'static str,
        signal: u32,
    },
    #[error("can't dump {what}: `{tool}` exited with {status} and said nothing")]
    Exit {
        what: String,
        tool: &'static str,
        status: u32,
    },
    #[error("can't dump {what}: `{tool}` gave nothing for {} minutes", after.as_secs() / 60)]
    Silent {
        what: String,
        tool: &'static str,
        after: Duration,
    },
    #[error("can't keep the dump of {what}")]
    NotWhole {
        what: String,
        source: postgres::Error,
    },
}

impl Fault for Error {
    fn hint(&self) -> Option<String> {
        Some(
            match self {
                Self::Ssh(error) => return error.hint(),
                Self::Spool(error) => return error.hint(),
                Self::Password(error) => return error.hint(),
                Self::Refused { source, .. } => return source.hint(),
                Self::NoTool { .. } => {
                    "Install PostgreSQL's client tools on the host, or say `optional: true` at the \
                     source if this host need not have them."
                }
                Self::NoAccount { .. } => {
                    "Correct `run_as`, or say `optional: true` at the source if this host need not \
                     have a PostgreSQL."
                }
                Self::Killed { .. } => {
                    "Nothing of it was kept. Look at the host's memory and at its log, and run the \
                     command again."
                }
                Self::Exit { .. } | Self::NotWhole { .. } => {
                    "Nothing of it was kept. Try it on the host by hand, as the account that the \
                     inventory names."
                }
                Self::Silent { .. } => {
                    "Nothing of it was kept. Look at what the server is doing: `pg_stat_activity`."
                }
            }
            .to_owned(),
        )
    }
}

impl Error {
    /// Whether what was asked for doesn't exist on the host.
    fn is_not_there(&self) -> bool {
        match self {
            Self::NoTool { .. } | Self::NoAccount { .. } => true,
            Self::Refused { source, .. } => source.is_not_there(),
            Self::Ssh(_)
            | Self::Spool(_)
            | Self::Password(_)
            | Self::Killed { .. }
            | Self::Exit { .. }
            | Self::Silent { .. }
            | Self::NotWhole { .. } => false,
        }
    }
}

/// Dumps the databases of `source`, one after the other.
pub(super) async fn take(taking: &Taking<'_>, source: &PostgresSource) -> Taken {
    match take_all(taking, source).await {
        Ok(Some(captured)) => Taken::Captured(captured),
        Ok(None) => Taken::Absent,
        Err(Error::Ssh(error)) => Taken::of(error),
        Err(error) => Taken::Failed(failure(&error)),
    }
}

/// None: an optional source of which nothing is there.
async fn take_all(taking: &Taking<'_>, source: &PostgresSource) -> Result<Option<Captured>, Error> {
    let password = match source.password.clone() {
        Some(secret) => {
            let reading = tokio::task::spawn_blocking(move || secret::reveal(&secret));
            Some(
                reading
                    .await
                    .expect("reading does not panic")
                    .map_err(Error::Password)?,
            )
        }
        None => None,
    };
    let dumping = Dumping {
        taking,
        source,
        password,
    };
    let mut captured = Captured::default();
    let databases: BTreeSet<&String> = source.databases.iter().collect();
    for name in databases {
        let of = DumpOf::Database {
            name: name.clone(),
            dump: source.dump,
            format: source.format,
        };
        match dumping.dump(of, &mut captured).await {
            Ok(file) => captured.files.push(file),
            Err(error) if taking.source.optional && error.is_not_there() => {
                let database = format!("database `{}`", escape(name.as_bytes()));
                captured.notes.push((database, "not there".to_owned()));
            }
            Err(error) => return Err(error),
        }
    }
    if captured.files.is_empty() {
        return Ok(None);
    }
    if source.globals {
        let file = dumping.dump(DumpOf::Globals, &mut captured).await?;
        captured.files.push(file);
    }
    Ok(Some(captured))
}

/// What it takes to dump something.
struct Dumping<'a> {
    taking: &'a Taking<'a>,
    source: &'a PostgresSource,
    password: Option<Revealed>,
}

impl Dumping<'_> {
    async fn dump(&self, of: DumpOf, captured: &mut Captured) -> Result<SpooledFile, Error> {
        let (what, tool, name) = (shown(&of), of.tool(), file_name(&of));
        let mut normaliser = Normaliser::new(content(&of));
        let mut spool = Spool::create(self.taking.spool, &name)?;
        let mut running = self.begin(of).await?;
        let mut kept = Vec::new();
        while let Some(bytes) = spoken(SILENCE_MAX, running.next()).await.map_err(|after| {
            let what = what.clone();
            Error::Silent { what, tool, after }
        })? {
            let fed = normaliser.feed(&bytes?, &mut kept);
            fed.map_err(|source| not_whole(&what, source))?;
            spool.write(&kept)?;
            kept.clear();
        }
        let exit = running.finish().await?;
        if exit.status != 0 {
            return Err(self.refused(what, tool, &exit));
        }
        let whole = normaliser.finish(&mut kept);
        let whole = whole.map_err(|source| not_whole(&what, source))?;
        spool.write(&kept)?;
        tell(&what, whole, &exit.stderr.to_bytes(), captured);
        Ok(spool.finish())
    }

    async fn begin(&self, of: DumpOf) -> Result<Running, Error> {
        let source = self.source;
        let input = match &self.password {
            Some(password) => Input::bytes(format!("{}\n", password.text())),
            None => Input::none(),
        };
        let command = ReadCommand::Dump(PostgresDump {
            of,
            run_as: source.run_as.clone(),
            host: source.host.clone(),
            port: source.port,
            user: source.user.clone(),
            password_follows: self.password.is_some(),
        });
        let sudo = self.taking.source.sudo || source.run_as.is_some();
        Ok(self.taking.session.run(&command, sudo, input).await?)
    }

    fn refused(&self, what: String, tool: &'static str, exit: &Exit) -> Error {
        let status = exit.status;
        match (exit.missing, &self.source.run_as) {
            (Some(Missing::Account), Some(account)) => {
                let account = account.clone();
                return Error::NoAccount { account };
            }
            (Some(Missing::Program | Missing::Account), _) => return Error::NoTool { tool },
            (None, _) => {}
        }
        // Then it is the shell that has the last word, if anybody.
        if status > SIGNALS {
            let signal = status - SIGNALS;
            return Error::Killed { what, tool, signal };
        }
        match postgres::complaint(&exit.stderr.to_bytes()) {
            Some(source) => Error::Refused { what, source },
            None => Error::Exit { what, tool, status },
        }
    }
}

fn not_whole(what: &str, source: postgres::Error) -> Error {
    let what = what.to_owned();
    Error::NotWhole { what, source }
}

/// Waits for `saying`, but not for ever: how long, if in vain.
async fn spoken<T>(limit: Duration, saying: impl Future<Output = T>) -> Result<T, Duration> {
    let said = tokio::time::timeout(limit, saying).await;
    said.map_err(|_| limit)
}

/// What the operator should know of a dump that is whole.
fn tell(what: &str, whole: Whole, stderr: &[u8], captured: &mut Captured) {
    if let Some(version) = &whole.unknown_format {
        captured.warnings.push(format!(
            "{what}: its archive has format {version}, which is newer than this fleet: only the exit \
             status of `pg_dump` says that it is whole"
        ));
    }
    let warnings = postgres::warnings(stderr).into_iter();
    captured
        .warnings
        .extend(warnings.map(|said| format!("{what}: {said}")));
    let versions = [
        ("PostgreSQL", whole.server_version),
        ("pg_dump", whole.tool_version),
    ];
    for (program, version) in versions {
        let Some(version) = version else { continue };
        let note = (program.to_owned(), version);
        if !captured.notes.contains(&note) {
            captured.notes.push(note);
        }
    }
}

fn shown(of: &DumpOf) -> String {
    match of {
        DumpOf::Database { name, .. } => format!("database `{}`", escape(name.as_bytes())),
        DumpOf::Globals => "the roles".to_owned(),
    }
}

fn content(of: &DumpOf) -> Content {
    match of {
        DumpOf::Database {
            format: DumpFormat::Plain,
            ..
        } => Content::Database,
        DumpOf::Database {
            format: DumpFormat::Custom,
            ..
        } => Content::Archive,
        DumpOf::Globals => Content::Globals,
    }
}

/// A database may be called what no file can: such characters stand as `%` and two digits.
fn file_name(of: &DumpOf) -> String {
    let (name, ending) = match of {
        DumpOf::Database {
            name,
            format: DumpFormat::Plain,
            ..
        } => (name, "sql"),
        DumpOf::Database {
            name,
            format: DumpFormat::Custom,
            ..
        } => (name, "dump"),
        DumpOf::Globals => return "globals.sql".to_owned(),
    };
    let mut file = String::new();
    for (at, c) in name.char_indices() {
        // The file of that name is another one.
        let is_taken = at == 0 && (c == '.' || (name == "globals" && ending == "sql"));
        if is_taken || matches!(c, '/' | '%') || c.is_control() {
            let mut bytes = [0; 4];
            for byte in c.encode_utf8(&mut bytes).bytes() {
                file.push_str(&format!("%{byte:02X}"));
            }
        } else {
            file.push(c);
        }
    }
    format!("{file}.{ending}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::Dump;

    fn database(name: &str, format: DumpFormat) -> DumpOf {
        DumpOf::Database {
            name: name.to_owned(),
            dump: Dump::Schema,
            format,
        }
    }

    #[test]
    fn every_database_has_a_file_of_its_own() {
        for (name, plain, custom) in [
            ("monitoring_v2", "monitoring_v2.sql", "monitoring_v2.dump"),
            ("globals", "%67lobals.sql", "globals.dump"),
            ("../x y", "%2E.%2Fx y.sql", "%2E.%2Fx y.dump"),
            ("100%", "100%25.sql", "100%25.dump"),
            ("größe\n\u{85}", "größe%0A%C2%85.sql", "größe%0A%C2%85.dump"),
        ] {
            assert_eq!(file_name(&database(name, DumpFormat::Plain)), plain);
            assert_eq!(file_name(&database(name, DumpFormat::Custom)), custom);
        }
        assert_eq!(file_name(&DumpOf::Globals), "globals.sql");
    }

    #[tokio::test]
    async fn a_server_that_hangs_is_given_up() {
        let limit = Duration::from_millis(1);
        assert_eq!(
            spoken(limit, std::future::pending::<()>()).await,
            Err(limit)
        );
        assert_eq!(spoken(SILENCE_MAX, std::future::ready(7)).await, Ok(7));
        let error = Error::Silent {
            what: shown(&database("app", DumpFormat::Plain)),
            tool: "pg_dump",
            after: SILENCE_MAX,
        };
        assert_eq!(
            error.to_string(),
            "can't dump database `app`: `pg_dump` gave nothing for 30 minutes"
        );
        assert!(!error.is_not_there());
    }

    #[test]
    fn an_archive_of_a_newer_format_is_kept_with_a_warning() {
        let mut captured = Captured::default();
        let whole = Whole {
            unknown_format: Some("1.17".to_owned()),
            ..Whole::default()
        };
        let stderr = b"\npg_dump: warning: there are circular constraints\nWARNING:  other\n";
        tell("database `app`", whole, stderr, &mut captured);
        assert_eq!(
            captured.warnings,
            [
                "database `app`: its archive has format 1.17, which is newer than this fleet: only \
                 the exit status of `pg_dump` says that it is whole",
                "database `app`: pg_dump: there are circular constraints",
            ]
        );
    }
}
