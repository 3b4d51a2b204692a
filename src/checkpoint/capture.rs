//! Captures sources that are not files (`command`, `shell`, `postgres`, `http`): their output is spooled,
//! compared with the last checkpoint, and stored as entries under `/fleet-captures`.

mod command;
mod http;
mod keep;
mod postgres;
mod spool;

use std::path::Path;

use crate::fault::Problem;
use crate::inventory::{Host, Source, SourceKind};
use crate::ssh::{self, ReadSession};

use crate::scan::directory::is_lost;

pub(super) use keep::Keeping;
pub(super) use spool::{Spool, SpoolError, SpooledFile};

/// What a source that is no directory came to.
#[derive(Debug)]
pub(super) enum CaptureOutcome {
    /// This is what it answered.
    Captured(CapturedFiles),
    /// It is not there, and need not be.
    Absent,
    /// It cannot be captured.
    Failed(Problem),
    /// The connection is gone.
    Lost(ssh::Error),
}

/// What a source answered.
#[derive(Debug, Default)]
pub(super) struct CapturedFiles {
    /// Each by a name of its own.
    pub(super) files: Vec<SpooledFile>,
    /// What the operator should know.
    pub(super) warnings: Vec<String>,
    /// Notes for `MANIFEST.txt`, each with its name: versions.
    pub(super) notes: Vec<(String, String)>,
}

/// What it takes to take one source.
pub(super) struct CaptureJob<'a> {
    /// Which.
    pub(super) source: &'a Source,
    /// The host that has it.
    pub(super) host: &'a Host,
    /// The way to it.
    pub(super) session: &'a ReadSession,
    /// Where its answers are spooled: a folder of its own, removed with the rest of the run.
    pub(super) spool: &'a Path,
}

impl CaptureJob<'_> {
    /// Takes it.
    pub(super) async fn run(&self) -> CaptureOutcome {
        match &self.source.kind {
            SourceKind::Command(command) => command::take(self, command).await,
            SourceKind::Postgres(databases) => postgres::take(self, databases).await,
            SourceKind::Http(http) => http::take(self, http).await,
            SourceKind::Directory(_) | SourceKind::Files(_) => {
                unreachable!("what lies in directories is scanned")
            }
        }
    }
}

impl CaptureOutcome {
    /// What an error of the connection means.
    pub(super) fn of(error: ssh::Error) -> Self {
        if is_lost(&error) {
            Self::Lost(error)
        } else {
            Self::Failed(Problem::of_part(&error))
        }
    }
}
