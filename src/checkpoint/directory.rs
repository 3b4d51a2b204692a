//! Scanning a directory source: what is there, and what of it is meant.

use crate::guard::ReadCommand;
use crate::inventory::glob::GlobError;
use crate::inventory::pattern::PatternError;
use crate::inventory::{DirectorySource, Source, Unreadable};
use crate::manifest::{PartFailure, Resolved};
use crate::name::RemotePath;
use crate::source::exclude::Exclude;
use crate::source::lines::Lines;
use crate::source::notes::{self, FindNote};
use crate::source::scan::{self, Found, Opening, Parser};
use crate::ssh::{self, Input, ReadSession};

use super::plan::{self, Plan, ScanLimits};

/// A source that lies in directories, after its scan.
#[derive(Debug)]
pub(super) enum Scanned<'a> {
    /// This is to be fetched.
    Ready {
        /// What is wanted.
        plan: Box<Plan>,
        /// How it was asked for.
        terms: Terms<'a>,
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

/// How a source was asked for, as far as that matters after its scan.
#[derive(Debug)]
pub(super) struct Terms<'a> {
    /// The patterns that were left out.
    pub(super) exclude: &'a [String],
    /// What to do about entries that can't be read.
    pub(super) unreadable: Unreadable,
    /// Only so many, the newest first.
    pub(super) newest: Option<u32>,
    /// Only these lines of files.
    pub(super) lines: Option<Lines>,
}

/// Makes a plan of what was found and of what `find` said; none if nothing is there and need not be.
pub(super) type Plans<'a> = &'a (
        dyn Fn(Vec<Found>, &[FindNote], Opening, &[Resolved]) -> Result<Option<Plan>, plan::Error>
            + Sync
    );

/// Why a scan comes to nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum ScanError {
    #[error(transparent)]
    Ssh(#[from] ssh::Error),
    #[error(transparent)]
    Answer(#[from] scan::Error),
    #[error(transparent)]
    Plan(#[from] plan::Error),
    #[error(transparent)]
    Pattern(#[from] PatternError),
    #[error(transparent)]
    Glob(#[from] GlobError),
    #[error("the host has no `find`")]
    NoFind,
}

impl ScanError {
    pub(super) fn into_scanned(self) -> Scanned<'static> {
        match self {
            Self::Ssh(error) if is_lost(&error) => Scanned::Lost(error),
            Self::Ssh(error) => Scanned::Failed(PartFailure::of(&error)),
            Self::Plan(error) => Scanned::Failed(PartFailure::of(&error)),
            Self::NoFind => Scanned::Failed(PartFailure {
                message: self.to_string(),
                hint: Some("Install `find` on the host (in findutils or busybox).".to_owned()),
            }),
            Self::Answer(scan::Error::TooLong { .. }) => Scanned::Failed(PartFailure {
                message: self.to_string(),
                hint: Some(
                    "Leave out the directory that holds it with `exclude`, and look at the host."
                        .to_owned(),
                ),
            }),
            Self::Answer(_) | Self::Pattern(_) | Self::Glob(_) => Scanned::Failed(PartFailure {
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
            terms: Terms {
                exclude: &directory.exclude,
                unreadable: directory.unreadable,
                newest: None,
                lines: None,
            },
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
    let make: Plans<'_> =
        &|found, notes, _, _| Plan::make(directory, source.optional, &exclude, found, notes);
    let scanned = walk(&command, &directory.roots, source.sudo, session, make).await?;
    if let Some((plan, _)) = &scanned
        && plan.is_empty()
        && !source.may_shrink
    {
        return Err(plan::Error::Empty {
            roots: plan.roots.clone(),
        }
        .into());
    }
    Ok(scanned)
}

/// Lets the host walk, and makes a plan of what is found, all of which lies beneath `from`.
///
/// # Errors
///
/// [`ScanError`] for an answer that is none, and what `make` says.
pub(super) async fn walk(
    command: &ReadCommand,
    from: &[RemotePath],
    sudo: bool,
    session: &ReadSession,
    make: Plans<'_>,
) -> Result<Option<(Plan, Opening)>, ScanError> {
    let Listing {
        found,
        resolved,
        opening,
        said,
        status,
    } = list(command, from, sudo, session).await?;
    let plan = make(found, &said, opening, &resolved)?;
    let explained = said
        .iter()
        .any(|note| !matches!(note, FindNote::Other(_) | FindNote::Aside(_)));
    if status > u32::from(explained) {
        let said = vec![format!("find exited with {status}")];
        return Err(plan::Error::Scan { said }.into());
    }
    Ok(plan.map(|plan| (plan.at_real_paths(resolved), opening)))
}

/// Everything that a scan answered.
pub(super) struct Listing {
    /// In the order of the answer, with paths as they were asked for.
    pub(super) found: Vec<Found>,
    /// What was asked for and is elsewhere.
    pub(super) resolved: Vec<Resolved>,
    pub(super) opening: Opening,
    /// What `find` wrote to its standard error.
    pub(super) said: Vec<FindNote>,
    /// Its exit status.
    pub(super) status: u32,
}

/// Runs a scan, all of which lies beneath `from`.
///
/// # Errors
///
/// [`ScanError`] for an answer that is none.
pub(super) async fn list(
    command: &ReadCommand,
    from: &[RemotePath],
    sudo: bool,
    session: &ReadSession,
) -> Result<Listing, ScanError> {
    let mut running = session.run(command, sudo, Input::none()).await?;
    let mut parser = Parser::new(from);
    let mut found = Vec::new();
    let mut held_bytes = 0;
    while let Some(bytes) = running.next().await {
        let new = found.len();
        parser.feed(&bytes?, &mut found)?;
        plan::check_found(from, &found, new, &mut held_bytes, ScanLimits::HOST)?;
    }
    let exit = running.finish().await?;
    if exit.missing.is_some() {
        return Err(ScanError::NoFind);
    }
    if exit.status != 0 && !parser.has_begun() {
        // It could not even look at `/`.
        let said = exit.stderr.last_line();
        let said = vec![said.unwrap_or_else(|| format!("find exited with {}", exit.status))];
        return Err(plan::Error::Scan { said }.into());
    }
    let resolved = parser.resolved();
    let mut said = notes::of_find(&exit.stderr.to_bytes());
    for resolved in &resolved {
        said.iter_mut()
            .for_each(|note| note.name_as_asked(resolved));
    }
    Ok(Listing {
        found,
        resolved,
        opening: parser.finish()?,
        said,
        status: exit.status,
    })
}

/// Whether nothing more can be expected of the connection.
pub(super) fn is_lost(error: &ssh::Error) -> bool {
    matches!(
        error,
        ssh::Error::Lost { .. } | ssh::Error::Stalled { .. } | ssh::Error::Stopped { .. }
    )
}
