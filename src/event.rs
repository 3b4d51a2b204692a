//! Events of a run, as plain data for whoever shows it.
//!
//! The floors below the reports never print: they tell a [`Sink`]. An event says what happened,
//! never how it should look.

use std::sync::Arc;

use crate::fault::{Fault, Problem};
use crate::manifest::{Checkpoint, Part};
use crate::name::{HostName, RemotePath, SourceName};

/// Where events go. Called from many tasks and threads at once; must not block for long.
pub type Sink = Arc<dyn Fn(Event) + Send + Sync>;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Something happened to a host.
    Host {
        /// The host.
        host: HostName,
        /// What.
        what: HostEvent,
    },
    /// The operator asked to stop; work ends at the next safe point.
    Stopping,
}

impl Event {
    /// Something happened to `host`.
    pub fn of(host: &HostName, what: impl Into<HostEvent>) -> Self {
        Self::Host {
            host: host.clone(),
            what: what.into(),
        }
    }
}

/// What happens to a host, whatever is done with it; each kind of work has events of its own beside these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostEvent {
    /// Work on it begins.
    Started,
    /// It was reached, its key was known and it let us in.
    Connected {
        /// The account.
        user: String,
        /// `address:port`.
        address: String,
    },
    /// Something the operator should know.
    Warned {
        /// The part, if it concerns one.
        part: Option<SourceName>,
        /// What.
        message: String,
    },
    /// It was selected and has none of the sources that were asked for.
    Skipped,
    /// Work on it has ended without a result.
    Failed {
        /// Why.
        failure: Failure,
    },
    /// A checkpoint is taken of it, or a backup of it is imported.
    Capture(Capture),
    /// It is looked at, and nothing is kept.
    Look(Look),
    /// A checkpoint is put back onto it.
    Restore(Restore),
}

impl From<Capture> for HostEvent {
    fn from(what: Capture) -> Self {
        Self::Capture(what)
    }
}

impl From<Look> for HostEvent {
    fn from(what: Look) -> Self {
        Self::Look(what)
    }
}

impl From<Restore> for HostEvent {
    fn from(what: Restore) -> Self {
        Self::Restore(what)
    }
}

/// What happens while a checkpoint is put back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restore {
    /// A step begins.
    Step(RestoreStep),
    /// Content is being sent.
    Progress {
        /// What has been sent so far, uncompressed.
        bytes: u64,
        /// Of how much.
        total_bytes: u64,
    },
    /// It has ended, well or not.
    Ended,
}

/// The steps of a restore, in the order in which they happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestoreStep {
    /// The host is compared with the checkpoint.
    Compare,
    /// Packages are installed, groups and users are made.
    Bootstrap,
    /// What is new is sent and hashed there.
    Stage,
    /// Databases are loaded beside those that are there.
    Load,
    /// Services are stopped.
    Stop,
    /// What will be replaced is kept.
    Prepare,
    /// Everything is put in place.
    Place,
    /// The new databases take the names of the old ones.
    Switch,
    /// What is in place is compared with what was sent.
    Prove,
    /// Services are started, and asked to read their files again.
    Start,
    /// It is checked whether the host works.
    Probe,
    /// Everything is put back as it was.
    Undo,
    /// The staging folders are removed.
    Clean,
}

impl RestoreStep {
    /// The word for it in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Compare => "compare",
            Self::Bootstrap => "bootstrap",
            Self::Stage => "stage",
            Self::Load => "load",
            Self::Stop => "stop",
            Self::Prepare => "prepare",
            Self::Place => "place",
            Self::Switch => "switch",
            Self::Prove => "prove",
            Self::Start => "start",
            Self::Probe => "probe",
            Self::Undo => "undo",
            Self::Clean => "clean",
        }
    }

    /// What people read while it goes on.
    #[must_use]
    pub fn doing(self) -> &'static str {
        match self {
            Self::Compare => "comparing with the checkpoint",
            Self::Bootstrap => "making what the host lacks",
            Self::Stage => "sending what is new",
            Self::Load => "loading databases",
            Self::Stop => "stopping services",
            Self::Prepare => "keeping what will be replaced",
            Self::Place => "putting everything in place",
            Self::Switch => "switching databases",
            Self::Prove => "proving what is in place",
            Self::Start => "starting services",
            Self::Probe => "checking whether the host works",
            Self::Undo => "putting everything back as it was",
            Self::Clean => "removing the staging folders",
        }
    }
}

/// What happens while a checkpoint is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Capture {
    /// Work on a part begins.
    PartStarted {
        /// The part.
        part: SourceName,
    },
    /// The scan of a part is done.
    Scanned {
        /// The part.
        part: SourceName,
        /// Regular files that were found.
        files: u64,
        /// Their bytes.
        bytes: u64,
        /// The bytes that have to be fetched.
        fetch_bytes: u64,
    },
    /// A part is being fetched. Emitted a few times a second.
    Progress {
        /// The part.
        part: SourceName,
        /// Content that has arrived so far, of `fetch_bytes`.
        bytes: u64,
        /// The file that is being read.
        path: RemotePath,
    },
    /// Work on a part has ended, well or not.
    PartEnded {
        /// Its outcome.
        part: Box<Part>,
    },
    /// The checkpoint was sealed.
    Sealed {
        /// The checkpoint.
        checkpoint: Box<Checkpoint>,
    },
}

/// What happens while a host is looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Look {
    /// These of its sources are not done yet. Emitted again when one of them is.
    Started {
        /// The sources, in the inventory's order.
        sources: Vec<SourceName>,
    },
    /// It has been looked at.
    Ended,
}

/// The message for a host that is skipped.
pub const SKIPPED: &str = "skipped, it has none of these sources";

/// Why a host has no checkpoint, or a part of it failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The host.
    pub host: HostName,
    /// The part, if only that failed.
    pub part: Option<SourceName>,
    /// What happened.
    pub problem: Problem,
}

impl Failure {
    /// Puts `what` and the host in front of a message that does not name the host.
    #[must_use]
    pub fn naming_host(mut self, what: &str) -> Self {
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        let names_host = self
            .problem
            .message
            .split(|c| !is_part(c))
            .any(|word| word.trim_end_matches('.') == self.host.as_str());
        if !names_host {
            let message = format!("{what} {}", self.host);
            let cause = std::mem::replace(&mut self.problem.message, message);
            self.problem.causes.insert(0, cause);
        }
        self
    }

    /// The failure of a whole host.
    #[must_use]
    pub fn of_host(host: &HostName, fault: &dyn Fault) -> Self {
        Self {
            host: host.clone(),
            part: None,
            problem: Problem::of(fault),
        }
    }
}
