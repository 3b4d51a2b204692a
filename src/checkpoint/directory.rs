//! Scanning a directory source: what is there, and what of it is meant.

use crate::guard::ReadCommand;
use crate::inventory::pattern::PatternError;
use crate::inventory::{DirectorySource, Source};
use crate::manifest::PartFailure;
use crate::source::exclude::Exclude;
use crate::source::notes::{self, FindNote};
use crate::source::scan::{self, Opening, Parser};
use crate::ssh::{self, Input, ReadSession};

use super::part::failure;
use super::plan::{self, Plan};

/// A directory source after its scan.
#[derive(Debug)]
pub(super) enum Scanned<'a> {
    /// This is to be fetched.
    Ready {
        /// What is wanted.
        plan: Box<Plan>,
        /// How it was asked for.
        directory: &'a DirectorySource,
        /// What the scan said of itself.
        opening: Opening,
    },
    /// It is not there, and need not be.
    Absent,
    /// It cannot be captured.
    Failed(PartFailure),
    /// The connection is gone.
    Lost(ssh::Error),
}

/// Why a scan comes to nothing.
#[derive(Debug, thiserror::Error)]
enum ScanError {
    #[error(transparent)]
    Ssh(#[from] ssh::Error),
    #[error(transparent)]
    Answer(#[from] scan::Error),
    #[error(transparent)]
    Plan(#[from] plan::Error),
    #[error(transparent)]
    Pattern(#[from] PatternError),
}

impl ScanError {
    fn into_scanned(self) -> Scanned<'static> {
        match self {
            Self::Ssh(error) if is_lost(&error) => Scanned::Lost(error),
            Self::Ssh(error) => Scanned::Failed(failure(&error)),
            Self::Plan(error) => Scanned::Failed(failure(&error)),
            Self::Answer(_) | Self::Pattern(_) => Scanned::Failed(PartFailure {
                message: crate::fault::chain(&self).join(": "),
                hint: Some("`fleet doctor` shows which tools the host has.".to_owned()),
            }),
        }
    }
}

/// Scans a directory source.
pub(super) async fn scan<'a>(
    source: &Source,
    directory: &'a DirectorySource,
    session: &ReadSession,
) -> Scanned<'a> {
    match try_scan(source, directory, session).await {
        Ok(Some((plan, opening))) => Scanned::Ready {
            plan: Box::new(plan),
            directory,
            opening,
        },
        Ok(None) => Scanned::Absent,
        Err(error) => error.into_scanned(),
    }
}

async fn try_scan(
    source: &Source,
    directory: &DirectorySource,
    session: &ReadSession,
) -> Result<Option<(Plan, Opening)>, ScanError> {
    let exclude = Exclude::new(&directory.exclude)?;
    let command = ReadCommand::Scan {
        roots: directory.roots.clone(),
        prune: exclude.prune().to_vec(),
        one_file_system: directory.one_file_system,
    };
    let mut running = session.run(&command, source.sudo, Input::none()).await?;
    let mut parser = Parser::new();
    let mut found = Vec::new();
    while let Some(bytes) = running.next().await {
        let new = found.len();
        parser.feed(&bytes?, &mut found)?;
        plan::check_found(&directory.roots, &found, new, plan::ENTRIES_MAX)?;
    }
    let exit = running.finish().await?;
    if exit.status != 0 && !parser.has_begun() {
        // No `find` at all, or one that could not even look at `/`.
        let said = exit.stderr.last_line();
        let said = vec![said.unwrap_or_else(|| format!("find exited with {}", exit.status))];
        return Err(plan::Error::Scan { said }.into());
    }
    let opening = parser.finish()?;
    let said = notes::of_find(&exit.stderr.to_bytes());
    let plan = Plan::make(directory, source.optional, &exclude, found, &said)?;
    let explained = said
        .iter()
        .any(|note| matches!(note, FindNote::Missing(_) | FindNote::Denied { .. }));
    if exit.status > u32::from(explained) {
        let said = vec![format!("find exited with {}", exit.status)];
        return Err(plan::Error::Scan { said }.into());
    }
    if let Some(plan) = &plan
        && plan.is_empty()
        && !source.may_shrink
    {
        return Err(plan::Error::Empty {
            roots: plan.roots.clone(),
        }
        .into());
    }
    Ok(plan.map(|plan| (plan, opening)))
}

/// Whether nothing more can be expected of the connection.
pub(super) fn is_lost(error: &ssh::Error) -> bool {
    matches!(
        error,
        ssh::Error::Lost { .. } | ssh::Error::Stalled { .. } | ssh::Error::Stopped { .. }
    )
}
