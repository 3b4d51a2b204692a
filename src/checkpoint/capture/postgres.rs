//! Captures PostgreSQL databases (`postgres` sources): one dump each, checked for completeness, without the
//! parts that differ from run to run. Beside SQL text there is a file with the settings of the database
//! itself, which a plain dump leaves out and an archive has.
//!
//! Nothing of a dump that failed is kept. A dump needs the tool, a server, the account and the
//! database: where one of them doesn't exist, an optional source is absent. A server that exists and
//! can't be reached is a failure even then.

mod names;

use std::collections::BTreeSet;
use std::time::Duration;

use crate::blocking::blocking;
use crate::fault::{Code, Fault, Problem};
use crate::guard::{DumpOf, PostgresDump, ReadCommand};
use crate::inventory::{DumpFormat, PostgresSource};
use crate::name::AccountName;
use crate::source::postgres::{self, Complaint, Normaliser, Whole};
use crate::source::secret::{self, Revealed, SecretError};
use crate::ssh::{self, Exit, Input, Missing, Running};

use names::{content, file_name, shown, shown_name};

use super::{CaptureJob, CaptureOutcome, CapturedFiles, Spool, SpoolError, SpooledFile};

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
    #[error("can't read the password of the database role")]
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
    #[error("can't dump {what}: `{tool}` exited with {status} without a message")]
    Exit {
        what: String,
        tool: &'static str,
        status: u32,
    },
    #[error("can't dump {what}: `{tool}` printed nothing for {} minutes", after.as_secs() / 60)]
    Silent {
        what: String,
        tool: &'static str,
        after: Duration,
    },
    #[error("the dump of {what} is not usable")]
    NotWhole {
        what: String,
        source: postgres::Error,
    },
}

impl Fault for Error {
    fn code(&self) -> Code {
        match self {
            Self::Ssh(error) => error.code(),
            Self::Spool(error) => error.code(),
            Self::Password(error) => error.code(),
            Self::NoTool { .. } => Code::ToolMissing,
            Self::NoAccount { .. } => Code::AccountMissing,
            Self::Refused { source, .. } => source.code(),
            Self::Killed { .. } => Code::CommandKilled,
            Self::Exit { .. } | Self::NotWhole { .. } => Code::DumpFailed,
            Self::Silent { .. } => Code::TimedOut,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(
            match self {
                Self::Ssh(error) => return error.hint(),
                Self::Spool(error) => return error.hint(),
                Self::Password(error) => return error.hint(),
                Self::Refused { source, .. } => return source.hint(),
                Self::NoTool { .. } => {
                    "Install PostgreSQL's client tools on the host, or set `optional: true` on the source if this host doesn't need them."
                }
                Self::NoAccount { .. } => {
                    "Correct `run_as`, or set `optional: true` on the source if this host doesn't need PostgreSQL."
                }
                Self::Killed { .. } => {
                    "Nothing of it was kept. Check the host's memory and its log, and run the command again."
                }
                Self::Exit { .. } | Self::NotWhole { .. } => {
                    "Nothing of it was kept. Run it on the host by hand, as the account set in the inventory."
                }
                Self::Silent { .. } => {
                    "Nothing of it was kept. `pg_stat_activity` shows what the server is doing."
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
pub(super) async fn take(taking: &CaptureJob<'_>, source: &PostgresSource) -> CaptureOutcome {
    match take_all(taking, source).await {
        Ok(Some(captured)) => CaptureOutcome::Captured(captured),
        Ok(None) => CaptureOutcome::Absent,
        Err(Error::Ssh(error)) => CaptureOutcome::of(error),
        Err(error) => CaptureOutcome::Failed(Problem::of_part(&error)),
    }
}

/// None: an optional source of which nothing is there.
async fn take_all(
    taking: &CaptureJob<'_>,
    source: &PostgresSource,
) -> Result<Option<CapturedFiles>, Error> {
    let password = match source.password.clone() {
        Some(secret) => {
            let revealed = blocking(move || secret::reveal(&secret)).await;
            Some(revealed.map_err(Error::Password)?)
        }
        None => None,
    };
    let dumping = Dumping {
        taking,
        source,
        password,
    };
    let mut captured = CapturedFiles::default();
    let databases: BTreeSet<&String> = source.databases.iter().collect();
    for name in databases {
        match dumping.database(name, &mut captured).await {
            Ok(files) => captured.files.extend(files),
            Err(error) if taking.source.optional && error.is_not_there() => {
                captured
                    .notes
                    .push((shown_name(name), "not there".to_owned()));
            }
            Err(error) => return Err(error),
        }
    }
    if captured.files.is_empty() {
        return Ok(None);
    }
    if source.globals {
        let (file, _) = dumping.dump(DumpOf::Globals, &mut captured).await?;
        captured.files.push(file);
    }
    Ok(Some(captured))
}

/// What it takes to dump something.
struct Dumping<'a> {
    taking: &'a CaptureJob<'a>,
    source: &'a PostgresSource,
    password: Option<Revealed>,
}

impl Dumping<'_> {
    /// Dumps a database, and beside a plain dump its settings.
    async fn database(
        &self,
        name: &str,
        captured: &mut CapturedFiles,
    ) -> Result<Vec<SpooledFile>, Error> {
        let of = DumpOf::Database {
            name: name.to_owned(),
            dump: self.source.dump,
            format: self.source.format,
        };
        let (file, whole) = self.dump(of, captured).await?;
        let mut files = vec![file];
        if self.source.format == DumpFormat::Custom {
            return Ok(files);
        }
        let settings = DumpOf::Settings {
            name: name.to_owned(),
        };
        let why_not = match why_no_settings(name, &whole) {
            Some(why) => why,
            None => match self.dump(settings, captured).await {
                Ok((file, _)) => {
                    files.push(file);
                    return Ok(files);
                }
                // Servers of others hide tables that a plain dump doesn't read.
                Err(Error::Refused {
                    source: source @ Complaint::Denied { .. },
                    ..
                }) => source.to_string(),
                Err(error) => return Err(error),
            },
        };
        captured.notes.push((
            format!("settings of {}", shown_name(name)),
            format!("not captured: {why_not}"),
        ));
        Ok(files)
    }

    async fn dump(
        &self,
        of: DumpOf,
        captured: &mut CapturedFiles,
    ) -> Result<(SpooledFile, Whole), Error> {
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
        tell(&what, &whole, &exit.stderr.to_bytes(), captured);
        Ok((spool.finish(), whole))
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

/// Why `pg_dump` can't dump the settings of a database of which it made this dump, if it can't.
fn why_no_settings(name: &str, dump: &Whole) -> Option<String> {
    if name.contains(['\n', '\r']) {
        // It would have to write a `\connect` for psql.
        return Some("the database's name has a line break".to_owned());
    }
    let version = dump.too_old_for_settings()?;
    Some(format!(
        "requires pg_dump 11 or later, the host has {version}"
    ))
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
fn tell(what: &str, whole: &Whole, stderr: &[u8], captured: &mut CapturedFiles) {
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
        ("PostgreSQL", &whole.server_version),
        ("pg_dump", &whole.tool_version),
    ];
    for (program, version) in versions {
        let Some(version) = version else { continue };
        let note = (program.to_owned(), version.clone());
        if !captured.notes.contains(&note) {
            captured.notes.push(note);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_cannot_be_told_have_a_reason() {
        let made_by = |version: &str| Whole {
            tool_version: Some(version.to_owned()),
            ..Whole::default()
        };
        let old = Some("requires pg_dump 11 or later, the host has 9.6.24 (Debian)".to_owned());
        for (version, why) in [
            ("9.6.24 (Debian)", old),
            (
                "10.23",
                Some("requires pg_dump 11 or later, the host has 10.23".to_owned()),
            ),
            ("11.22", None),
            ("15.18 (Debian 15.18-0+deb12u1)", None),
            ("17beta1", None),
            ("unknown", None),
        ] {
            assert_eq!(why_no_settings("app", &made_by(version)), why, "{version}");
        }
        assert!(why_no_settings("a\nb", &made_by("15.18")).is_some());
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
            what: shown_name("app"),
            tool: "pg_dump",
            after: SILENCE_MAX,
        };
        assert_eq!(
            error.to_string(),
            "can't dump database `app`: `pg_dump` printed nothing for 30 minutes"
        );
        assert!(!error.is_not_there());
    }

    #[test]
    fn an_archive_of_a_newer_format_is_kept_with_a_warning() {
        let mut captured = CapturedFiles::default();
        let whole = Whole {
            unknown_format: Some("1.17".to_owned()),
            ..Whole::default()
        };
        let stderr = b"\npg_dump: warning: there are circular constraints\nWARNING:  other\n";
        tell("database `app`", &whole, stderr, &mut captured);
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
