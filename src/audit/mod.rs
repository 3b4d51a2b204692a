//! The audit file: who wrote to which host, or was refused, when, and how it ended.
//!
//! `audit.ndjson` in the state folder has one record a line and is only ever appended to. A record is on the
//! disk before the first byte is sent that may change a host; where it can't be, nothing is written to any
//! host. Nothing here talks to a host, or decides anything.
//!
//! Records are whole lines that later ones never change, in the order of the file, so that a chain of their
//! digests can be laid over them.

mod error;
mod file;
mod record;
mod workstation;

use std::path::{Path, PathBuf};

use jiff::Timestamp;

pub use error::Error;
pub use workstation::state_dir;

use crate::blocking::blocking;
use crate::fault::{Fault, Problem};
use crate::guard::Operation;
use crate::name::{CheckpointId, HostName};
use record::Record;

/// The name of the file in the state folder.
const FILE: &str = "audit.ndjson";

/// The audit file of a state folder.
#[derive(Debug, Clone)]
pub struct Audit {
    file: PathBuf,
    who: String,
}

/// What somebody wants to do to a host, as far as it is known when it is recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Act {
    /// What.
    pub operation: Operation,
    /// To which host, as the inventory names it.
    pub host: HostName,
    /// Which machine that is.
    pub target: Target,
    /// What is restored.
    pub checkpoint: Option<CheckpointId>,
    /// The digest of the plan, as it was shown.
    pub plan: Option<String>,
    /// What identifies this run: records of one run have the same.
    pub run: Option<String>,
}

impl Act {
    /// `operation` on `host`, of which nothing else is known yet.
    #[must_use]
    pub fn new(operation: Operation, host: HostName) -> Self {
        Self {
            operation,
            host,
            target: Target::default(),
            checkpoint: None,
            plan: None,
            run: None,
        }
    }
}

/// The machine behind a name; empty where it is not known.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Target {
    /// Address and port.
    pub address: String,
    /// Fingerprint of its host key.
    pub host_key: String,
    /// Text of its `/etc/machine-id`.
    pub machine_id: String,
    /// What it calls itself.
    pub hostname: String,
}

/// How an act ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was done, and is proven.
    Done,
    /// There was nothing to do.
    Unchanged,
    /// It failed, and everything is as before.
    RolledBack,
    /// It failed.
    Failed,
    /// The operator stopped it.
    Interrupted,
}

impl Outcome {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Done,
        Self::Unchanged,
        Self::RolledBack,
        Self::Failed,
        Self::Interrupted,
    ];

    /// The word for it in records.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Unchanged => "unchanged",
            Self::RolledBack => "rolled-back",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
        }
    }
}

/// An act that is recorded as allowed, and has not ended yet.
#[derive(Debug)]
#[must_use = "how an act ended is recorded, too"]
pub struct Begun {
    audit: Audit,
    act: Act,
}

impl Audit {
    /// The audit file of the state folder `state`, see [`state_dir`]. Nothing is written yet.
    #[must_use]
    pub fn in_state(state: &Path) -> Self {
        Self {
            file: state.join(FILE),
            who: workstation::who(),
        }
    }

    /// The file.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Records that `act` is allowed and begins now. Only then may anything be sent that changes the host.
    ///
    /// # Errors
    ///
    /// [`Error`] if the record is not on the disk. Nothing may be written to the host then.
    ///
    /// # Cancel
    ///
    /// The record may be written or not.
    pub async fn begin(&self, act: Act, now: Timestamp) -> Result<Begun, Error> {
        self.append(Record::allowed(&act, &self.who, now)).await?;
        let audit = self.clone();
        Ok(Begun { audit, act })
    }

    /// Records that `act` was refused.
    ///
    /// # Errors
    ///
    /// [`Error`] if the record is not on the disk. The refusal stands all the same.
    ///
    /// # Cancel
    ///
    /// The record may be written or not.
    pub async fn refuse(&self, act: &Act, why: &dyn Fault, now: Timestamp) -> Result<(), Error> {
        let record = Record::refused(act, &Problem::of(why), &self.who, now);
        self.append(record).await
    }

    async fn append(&self, record: Record) -> Result<(), Error> {
        let file = self.file.clone();
        blocking(move || file::append(&file, &record.to_line())).await
    }
}

impl Begun {
    /// What was begun.
    #[must_use]
    pub fn act(&self) -> &Act {
        &self.act
    }

    /// Records how it ended, and why if it failed.
    ///
    /// # Errors
    ///
    /// [`Error`] if the record is not on the disk. What was done stays done.
    ///
    /// # Cancel
    ///
    /// The record may be written or not.
    pub async fn end(
        self,
        outcome: Outcome,
        why: Option<&Problem>,
        now: Timestamp,
    ) -> Result<(), Error> {
        let record = Record::ended(&self.act, outcome, why, &self.audit.who, now);
        self.audit.append(record).await
    }
}

#[cfg(test)]
mod tests;
