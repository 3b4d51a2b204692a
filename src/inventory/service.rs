//! Services: what is stopped and started on a host around a restore, and what a fresh host needs for them.

use std::time::Duration;

use super::Place;
use crate::name::{AccountName, PackageName, RemotePath, ServiceName, UnitName};

/// Something on a host that can be stopped and started: a systemd unit, or processes of one command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Its name, unique on a host.
    pub name: ServiceName,
    /// Its place in the file.
    pub place: Place,
    /// What it is.
    pub kind: ServiceKind,
    /// Whether a restore may start it.
    pub start: Start,
    /// How long it has for ending by itself when it is stopped.
    pub grace: Duration,
    /// A program with its arguments that makes it read its files again, run as [`ServiceKind::run_as`];
    /// while it is active it is then not stopped for a restore.
    pub reload: Option<Vec<String>>,
}

/// The kinds of services.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServiceKind {
    /// `unit:`
    Unit {
        /// The unit.
        unit: UnitName,
        /// The account in whose own service manager it is (`systemctl --user`); none: the system's.
        run_as: Option<AccountName>,
    },
    /// `process:`
    Process(ProcessService),
}

/// `process:`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessService {
    /// Program and arguments, as the running process has them; of the program, its last component counts.
    pub argv: Vec<String>,
    /// The directory it runs in.
    pub cwd: RemotePath,
    /// The account it runs as; none: the one that logs in.
    pub run_as: Option<AccountName>,
}

/// Whether a restore may start a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Start {
    /// Also where it was not active before.
    Always,
    /// Only when the operator says so.
    #[default]
    Ask,
    /// It stays down.
    Never,
}

impl Start {
    /// The word for it in the inventory and on the command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::Ask => "ask",
            Self::Never => "never",
        }
    }
}

impl ServiceKind {
    /// The word for it in the inventory, records and tables.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Unit { .. } => "unit",
            Self::Process(_) => "process",
        }
    }

    /// The account that it belongs to; none: root for units, and for processes the one that logs in.
    #[must_use]
    pub fn run_as(&self) -> Option<&AccountName> {
        match self {
            Self::Unit { run_as, .. } => run_as.as_ref(),
            Self::Process(process) => process.run_as.as_ref(),
        }
    }
}

/// An account that a fresh host needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Its name.
    pub name: AccountName,
    /// Its number; none: the host picks one.
    pub uid: Option<u32>,
    /// Further groups that it belongs to.
    pub groups: Vec<AccountName>,
    /// Its home directory; none: the host's habit.
    pub home: Option<RemotePath>,
}

/// What a fresh host needs before a restore: nothing of it is done unless the operator asks for it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Bootstrap {
    /// In the file's order, each once.
    pub packages: Vec<PackageName>,
    /// In the file's order.
    pub users: Vec<User>,
}
