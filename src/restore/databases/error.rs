//! Why a database could not be put back.

use crate::fault::{Code, ExitClass, Fault};
use crate::name::{AccountName, SourceName, escape};
use crate::source::postgres::{self, Complaint};
use crate::source::secret::SecretError;
use crate::{ssh, store};

/// Why a database could not be put back. The live one is untouched unless the message says otherwise.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The connection, or the host.
    #[error(transparent)]
    Ssh(#[from] ssh::Error),
    /// The checkpoint can't be read.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The password is not to be had.
    #[error("can't read the password of the database role")]
    Password(#[source] SecretError),
    /// The inventory has no source that the password could be of.
    #[error(
        "the database role needs a password, and the inventory has no `postgres` source `{part}` that names it"
    )]
    NoPassword {
        /// The part of the checkpoint.
        part: SourceName,
    },
    /// The host has no client tools.
    #[error("the host has no `psql` or `pg_restore`")]
    NoTool,
    /// The host has no such account.
    #[error("the host has no account `{account}`")]
    NoAccount {
        /// Which.
        account: AccountName,
    },
    /// The tools refused.
    #[error("PostgreSQL refused: {source}")]
    Refused {
        /// In their words.
        source: Complaint,
    },
    /// A statement failed.
    #[error("PostgreSQL refused{}: {said}", at(*.line))]
    Statement {
        /// The line of the data, where it is known.
        line: Option<u64>,
        /// In the server's words.
        said: String,
    },
    /// A tool was ended.
    #[error("`psql` was ended by signal {signal}")]
    Killed {
        /// The signal.
        signal: u32,
    },
    /// A tool failed and said nothing.
    #[error("`psql` exited with {status} without a message")]
    Exit {
        /// Its status.
        status: u32,
    },
    /// More than can be a right answer.
    #[error("the server's answer is longer than {limit_bytes} bytes")]
    TooMuch {
        /// The limit.
        limit_bytes: usize,
    },
    /// Not the answer of the script.
    #[error("the host's answer about its databases is not understood")]
    Answer {
        /// Why.
        source: serde_json::Error,
    },
    /// Nothing about the server came.
    #[error("the host said nothing about its PostgreSQL server")]
    NoAnswer,
    /// A dump can't be read.
    #[error("the dump of database `{}` is not usable", escape(.name.as_bytes()))]
    Dump {
        /// The database.
        name: String,
        /// Why.
        source: postgres::Error,
    },
    /// Another restore has the database.
    #[error("restore {id} of this database is under way")]
    Busy {
        /// Its ID.
        id: String,
    },
    /// Something holds a lock that the change needs.
    #[error("another session works on this database's restore")]
    Locked,
    /// Sessions came back, or could not be ended.
    #[error("{sessions} sessions on the database could not be ended")]
    Sessions {
        /// How many.
        sessions: u64,
    },
    /// It is not as it was when it was planned, or another step was expected.
    #[error("{}", unexpected(.word))]
    Unexpected {
        /// What the script said.
        word: String,
    },
    /// After loading, a table has another number of rows than its dump.
    #[error(
        "table `{}` has {found} rows after loading, its dump has {expected}",
        escape(.table.as_bytes())
    )]
    Rows {
        /// Schema and name.
        table: String,
        /// In the dump.
        expected: u64,
        /// In the database.
        found: u64,
    },
}

fn at(line: Option<u64>) -> String {
    line.map_or_else(String::new, |line| format!(" line {line} of the dump"))
}

fn unexpected(word: &str) -> &'static str {
    match word {
        "nothing to switch" => "there is no loaded database to switch to",
        "incomplete" => "the database was not loaded to its end",
        "old in the way" => "the name for the old database is taken",
        "changed" => "somebody created or dropped the database since the plan was made",
        "old is gone" => "the old database was dropped: there is no way back",
        "not switched" => "the old database is kept because the new one does not have its name",
        _ => "the database is in an unexpected state",
    }
}

impl Error {
    /// What a script or a statement complained about; none if it is something else.
    pub(super) fn of_script(stderr: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(stderr);
        let (before, said) = text.lines().find_map(|line| line.split_once("ERROR:  "))?;
        let words = said.strip_prefix("fleet: ");
        Some(match words.and_then(|words| words.split_once(' ')) {
            Some(("busy", id)) => Self::Busy { id: shown(id) },
            Some(("sessions", count)) => Self::Sessions {
                sessions: count.trim().parse().unwrap_or_default(),
            },
            _ if said.contains("due to lock timeout") => Self::Locked,
            _ => match words {
                Some(word) => Self::Unexpected { word: shown(word) },
                None => Self::Statement {
                    line: line_of(before),
                    said: shown(said),
                },
            },
        })
    }
}

/// The line in `psql:<stdin>:12: `.
fn line_of(before: &str) -> Option<u64> {
    let (_, line) = before.split_once("<stdin>:")?;
    line.split(':').next()?.parse().ok()
}

fn shown(text: &str) -> String {
    let bytes = text.trim_end().as_bytes();
    escape(&bytes[..bytes.len().min(300)])
}

impl Fault for Error {
    fn code(&self) -> Code {
        match self {
            Self::Ssh(error) => error.code(),
            Self::Store(error) => error.code(),
            Self::Password(error) => error.code(),
            Self::NoPassword { .. } => Code::SecretUnavailable,
            Self::NoTool => Code::ToolMissing,
            Self::NoAccount { .. } => Code::AccountMissing,
            Self::Refused { source } => source.code(),
            Self::Killed { .. } => Code::CommandKilled,
            Self::TooMuch { .. } => Code::LimitExceeded,
            Self::Dump { .. } => Code::DumpFailed,
            Self::Statement { .. }
            | Self::Exit { .. }
            | Self::Answer { .. }
            | Self::NoAnswer
            | Self::Rows { .. } => Code::DatabaseLoadFailed,
            Self::Busy { .. } | Self::Locked | Self::Sessions { .. } | Self::Unexpected { .. } => {
                Code::DatabaseBusy
            }
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Ssh(error) => return error.hint(),
            Self::Store(error) => return error.hint(),
            Self::Password(error) => return error.hint(),
            Self::Refused { source } => return source.hint(),
            Self::NoPassword { .. } => {
                "Add the source to the host in the inventory, with its `password`."
            }
            Self::NoTool => "Install PostgreSQL's client tools on the host.",
            Self::NoAccount { .. } => "Correct `run_as` of the source.",
            Self::Killed { .. } => {
                "The database is as it was. Check the host's memory and its log, and run the command again."
            }
            Self::Statement { .. } | Self::Exit { .. } | Self::Rows { .. } | Self::Dump { .. } => {
                "The database is as it was: a dump is loaded beside it."
            }
            Self::TooMuch { .. } | Self::Answer { .. } | Self::NoAnswer => {
                "Run `psql` on the host by hand, as the account set in the inventory."
            }
            Self::Busy { .. } => {
                "Wait for it, or end it with `fleet restore --resume HOST` or `--rollback HOST`."
            }
            Self::Locked => "Run the command again when the other one has ended.",
            Self::Sessions { .. } => {
                "Stop what connects to the database. A role that is no superuser can't end sessions of others."
            }
            Self::Unexpected { .. } => "Plan the restore again.",
        };
        Some(hint.to_owned())
    }

    fn exit_class(&self) -> ExitClass {
        match self {
            Self::Ssh(error) => error.exit_class(),
            Self::Store(error) => error.exit_class(),
            Self::Password(_)
            | Self::NoPassword { .. }
            | Self::NoTool
            | Self::NoAccount { .. }
            | Self::Refused { .. }
            | Self::Statement { .. }
            | Self::Killed { .. }
            | Self::Exit { .. }
            | Self::TooMuch { .. }
            | Self::Answer { .. }
            | Self::NoAnswer
            | Self::Dump { .. }
            | Self::Busy { .. }
            | Self::Locked
            | Self::Sessions { .. }
            | Self::Unexpected { .. }
            | Self::Rows { .. } => ExitClass::Failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_scripts_and_servers_say_is_understood() {
        for (said, is) in [
            (
                "psql:<stdin>:12: ERROR:  fleet: busy 0123456789ab\nCONTEXT:  x\n",
                "restore 0123456789ab of this database is under way",
            ),
            (
                "psql:<stdin>:12: ERROR:  fleet: sessions 3\n",
                "3 sessions on the database could not be ended",
            ),
            (
                "psql:<stdin>:12: ERROR:  fleet: changed\n",
                "somebody created or dropped the database since the plan was made",
            ),
            (
                "psql:<stdin>:9: ERROR:  canceling statement due to lock timeout\n",
                "another session works on this database's restore",
            ),
            (
                "\n\npsql:<stdin>:40: ERROR:  type \"x\" does not exist\nLINE 1: a\n",
                "PostgreSQL refused line 40 of the dump: type \"x\" does not exist",
            ),
            (
                "pg_restore: while PROCESSING TOC:\npg_restore: error: could not execute query: ERROR:  role \"x\" does not exist\n",
                "PostgreSQL refused: role \"x\" does not exist",
            ),
        ] {
            let error = Error::of_script(said.as_bytes()).expect("an error");
            assert_eq!(error.to_string(), is);
        }
        assert!(Error::of_script(b"psql: error: connection\n").is_none());
    }
}
