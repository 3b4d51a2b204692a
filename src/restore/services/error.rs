//! Errors about services: what could not be stopped, started or reloaded.

use std::time::Duration;

use super::relations::UNITS_MAX;
use crate::fault::{Code, ExitClass, Fault, Specific};
use crate::name::{AccountName, ServiceName};
use crate::scan::services::{self, UnitRef};
use crate::ssh;

/// Why services are not as they should be.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The host did not tell their state.
    #[error("can't find out which services are active")]
    Look(#[source] services::Error),
    /// The connection, or sudo.
    #[error(transparent)]
    Ssh(#[from] ssh::Error),
    /// The host lacks the program that a service is, or that reloads it.
    #[error("can't {what}: the host does not have the program")]
    NoProgram {
        /// What was to be done.
        what: String,
    },
    /// The host lacks the account that a service runs as.
    #[error("the host has no account `{account}`")]
    NoAccount {
        /// The account.
        account: AccountName,
    },
    /// A command on the host failed.
    #[error("can't {what}: exit status {status}{}", said.as_ref().map(|said| format!(": {said}")).unwrap_or_default())]
    Command {
        /// What was to be done: `stop app.service`.
        what: String,
        /// The exit status.
        status: u32,
        /// The last line of its standard error.
        said: Option<String>,
    },
    /// More than this hangs on the services.
    #[error("more than {UNITS_MAX} units are related to the services")]
    TooManyUnits,
    /// A unit did not stop.
    #[error("{unit} is still {state} after {} s", after.as_secs())]
    UnitNotStopped {
        /// The unit.
        unit: UnitRef,
        /// Its state, for people.
        state: String,
        /// So long it was waited for.
        after: Duration,
    },
    /// Processes did not even end by KILL.
    #[error("processes of service `{service}` did not end: {pids}")]
    ProcessesNotStopped {
        /// The service.
        service: ServiceName,
        /// Their numbers, for people.
        pids: String,
    },
    /// Something that had been stopped runs.
    #[error("{what} was stopped and is active again")]
    UpAgain {
        /// The unit or the service.
        what: String,
    },
    /// A unit did not start.
    #[error("{unit} did not start: {state}")]
    UnitNotStarted {
        /// The unit.
        unit: UnitRef,
        /// Its state, for people.
        state: String,
    },
    /// A process ended as soon as it was started, or is another one than the inventory says.
    #[error("service `{service}` was started, but no process of its command is there")]
    ProcessNotStarted {
        /// The service.
        service: ServiceName,
    },
    /// A reload hook did not end.
    #[error("the reload command of service `{service}` did not finish within {} s", after.as_secs())]
    ReloadEndless {
        /// The service.
        service: ServiceName,
        /// So long it was waited for.
        after: Duration,
    },
    /// A service of a record is not in the inventory, or is no process there.
    #[error("the inventory does not say how to start service `{service}`")]
    NotDescribed {
        /// The service.
        service: ServiceName,
    },
}

impl Fault for Error {
    fn code(&self) -> Code {
        match self {
            Self::Look(error) => error.code(),
            Self::Ssh(error) => error.code(),
            Self::NoProgram { .. } => Code::ToolMissing,
            Self::NoAccount { .. } => Code::AccountMissing,
            Self::Command { .. } => Code::CommandFailed,
            Self::ReloadEndless { .. } => Code::TimedOut,
            Self::TooManyUnits
            | Self::UnitNotStopped { .. }
            | Self::ProcessesNotStopped { .. }
            | Self::UpAgain { .. } => Code::ServiceNotStopped,
            Self::UnitNotStarted { .. }
            | Self::ProcessNotStarted { .. }
            | Self::NotDescribed { .. } => Code::ServiceNotStarted,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Look(error) => return error.hint(),
            Self::Ssh(error) => return error.hint(),
            Self::NoProgram { .. } => {
                "Install it on the host, or write its whole path in the inventory.".to_owned()
            }
            Self::NoAccount { .. } => "Correct `run_as`, or create the account.".to_owned(),
            Self::Command { .. } => "Run it on the host by hand.".to_owned(),
            Self::TooManyUnits => {
                "Name the unit of the application, not one that the system itself needs.".to_owned()
            }
            Self::UnitNotStopped { unit, .. } => format!(
                "`systemctl status {}` on the host shows what it waits for; `grace` on the service gives it longer.",
                unit.unit
            ),
            Self::ProcessesNotStopped { .. } => {
                "`ps -o pid,stat,args -p PID` on the host shows what they wait for; a process in state D waits for a disk or a network file system.".to_owned()
            }
            Self::UpAgain { .. } => {
                "Something on the host starts it: a timer, a socket, a supervisor or a person. Stop that first.".to_owned()
            }
            Self::UnitNotStarted { unit, .. } => {
                format!("`journalctl -u {}` on the host shows why.", unit.unit)
            }
            Self::ProcessNotStarted { .. } => {
                "Start it on the host by hand to see what it prints; write `process` as `ps` shows it.".to_owned()
            }
            Self::ReloadEndless { .. } => "Run it on the host by hand.".to_owned(),
            Self::NotDescribed { .. } => {
                "Describe it under `services` of the host, or start it by hand.".to_owned()
            }
        })
    }

    fn specifics(&self) -> Vec<Specific> {
        match self {
            Self::Look(error) => error.specifics(),
            Self::Ssh(error) => error.specifics(),
            Self::NoProgram { .. }
            | Self::NoAccount { .. }
            | Self::Command { .. }
            | Self::TooManyUnits
            | Self::UnitNotStopped { .. }
            | Self::ProcessesNotStopped { .. }
            | Self::UpAgain { .. }
            | Self::UnitNotStarted { .. }
            | Self::ProcessNotStarted { .. }
            | Self::ReloadEndless { .. }
            | Self::NotDescribed { .. } => Vec::new(),
        }
    }

    fn exit_class(&self) -> ExitClass {
        match self {
            Self::Look(error) => error.exit_class(),
            Self::Ssh(error) => error.exit_class(),
            Self::NoProgram { .. }
            | Self::NoAccount { .. }
            | Self::Command { .. }
            | Self::TooManyUnits
            | Self::UnitNotStopped { .. }
            | Self::ProcessesNotStopped { .. }
            | Self::UpAgain { .. }
            | Self::UnitNotStarted { .. }
            | Self::ProcessNotStarted { .. }
            | Self::ReloadEndless { .. }
            | Self::NotDescribed { .. } => ExitClass::Failed,
        }
    }
}
