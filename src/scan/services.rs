//! Asks a host for the state of units and for the processes of commands, account by account.

use std::collections::{BTreeMap, BTreeSet};

use crate::fault::{Code, ExitClass, Fault, Specific};
use crate::guard::{ProcessId, ProcessPattern, ReadCommand, ServiceQuery};
use crate::name::{AccountName, UnitName};
use crate::source::services::{Answer, UnitState};
use crate::ssh::{self, Input, Missing, ReadSession};

/// The properties of a unit are about a kilobyte; a host with thousands of units wanted by others is far
/// beneath this.
const ANSWER_MAX_BYTES: usize = 4 << 20;

/// A unit, and in whose service manager it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnitRef {
    /// The account whose own manager it is; none: the system's.
    pub account: Option<AccountName>,
    /// The unit.
    pub unit: UnitName,
}

/// For people: `app.service`, or `app.service of azureuser`.
impl std::fmt::Display for UnitRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.account {
            None => write!(f, "{}", self.unit),
            Some(account) => write!(f, "{} of {account}", self.unit),
        }
    }
}

/// The processes of a command, and to whom they belong.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ProcessRef {
    /// The account that they belong to; none: the one that is logged in.
    pub account: Option<AccountName>,
    /// By what they are recognised.
    pub pattern: ProcessPattern,
}

/// What a host says of units and processes at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ServicesSeen {
    /// The units that were asked for.
    pub units: BTreeMap<UnitRef, UnitState>,
    /// The processes that were asked for.
    pub processes: BTreeMap<ProcessRef, Vec<ProcessId>>,
    /// This start of the host; none if no process was asked for.
    pub boot: Option<String>,
}

/// Why a host did not tell.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The connection, or sudo.
    #[error(transparent)]
    Ssh(#[from] ssh::Error),
    /// It has no systemd, or no `/proc`.
    #[error("the host has no {what}")]
    Lacks {
        /// What.
        what: &'static str,
    },
    /// `systemctl` failed.
    #[error("systemctl exited with {status}{}", said.as_ref().map(|said| format!(": {said}")).unwrap_or_default())]
    Systemctl {
        /// Its exit status.
        status: u32,
        /// The last line that it wrote to its standard error.
        said: Option<String>,
    },
}

impl Fault for Error {
    fn code(&self) -> Code {
        match self {
            Self::Ssh(error) => error.code(),
            Self::Lacks { .. } => Code::ToolMissing,
            Self::Systemctl { .. } => Code::CommandFailed,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Ssh(error) => error.hint(),
            Self::Lacks { .. } => Some(
                "Describe the service in another way: `unit` needs systemd, `process` needs /proc."
                    .to_owned(),
            ),
            Self::Systemctl { .. } => {
                Some("Run `systemctl status` on the host by hand.".to_owned())
            }
        }
    }

    fn specifics(&self) -> Vec<Specific> {
        match self {
            Self::Ssh(error) => error.specifics(),
            Self::Lacks { .. } | Self::Systemctl { .. } => Vec::new(),
        }
    }

    fn exit_class(&self) -> ExitClass {
        match self {
            Self::Ssh(error) => error.exit_class(),
            Self::Lacks { .. } | Self::Systemctl { .. } => ExitClass::Failed,
        }
    }
}

/// Asks for `units` and `processes`: one command an account.
///
/// Units and processes of an account that the host does not have, or that has no service manager, are not
/// found.
///
/// # Errors
///
/// [`Error`] if the host does not tell of all of them.
pub async fn look(
    session: &ReadSession,
    units: &BTreeSet<UnitRef>,
    processes: &BTreeSet<ProcessRef>,
) -> Result<ServicesSeen, Error> {
    let mut queries: BTreeMap<Option<AccountName>, ServiceQuery> = BTreeMap::new();
    for unit in units {
        let query = queries.entry(unit.account.clone()).or_default();
        query.units.push(unit.unit.clone());
    }
    for process in processes {
        let query = queries.entry(process.account.clone()).or_default();
        query.processes.push(process.pattern.clone());
    }
    let mut seen = ServicesSeen::default();
    for (account, query) in queries {
        let query = ServiceQuery {
            account: account.clone(),
            ..query
        };
        let answer = ask(session, query.clone()).await?;
        let states = answer
            .units
            .into_iter()
            .chain(std::iter::repeat_with(UnitState::default));
        for (unit, state) in query.units.into_iter().zip(states) {
            let account = account.clone();
            seen.units.insert(UnitRef { account, unit }, state);
        }
        for (pattern, found) in query.processes.into_iter().zip(answer.processes) {
            let account = account.clone();
            seen.processes
                .insert(ProcessRef { account, pattern }, found);
        }
        seen.boot = seen.boot.or(answer.boot);
    }
    Ok(seen)
}

async fn ask(session: &ReadSession, query: ServiceQuery) -> Result<Answer, Error> {
    let sudo = query
        .account
        .as_ref()
        .is_some_and(|account| account.as_str() != session.user());
    let (units, processes) = (query.units.len(), query.processes.len());
    let command = ReadCommand::Services(query);
    let output = session
        .output(&command, sudo, Input::none(), ANSWER_MAX_BYTES)
        .await?;
    match output.missing {
        // On a fresh host the account may come later; until then nothing of it runs.
        Some(Missing::Account) => return Ok(Answer::parse(&[], processes)),
        Some(Missing::Program) => {
            let what = if units > 0 { "systemd" } else { "/proc" };
            return Err(Error::Lacks { what });
        }
        None => {}
    }
    let answer = Answer::parse(&output.stdout, processes);
    let is_whole = answer.has_no_manager || answer.units.len() == units;
    if output.status != 0 || !is_whole {
        return Err(Error::Systemctl {
            status: output.status,
            said: output.stderr.last_line(),
        });
    }
    Ok(answer)
}
