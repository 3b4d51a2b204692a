//! Scans a `directory` source: lists the entries under its roots, and picks those to capture.

use crate::fault::{Code, Problem};
use crate::guard::{FactsFrom, ReadCommand};
use crate::inventory::glob::GlobError;
use crate::inventory::pattern::PatternError;
use crate::inventory::{DirectorySource, Source, Unreadable};
use crate::manifest::Resolved;
use crate::name::RemotePath;
use crate::source::exclude::Exclude;
use crate::source::lines::Lines;
use crate::source::notes::{self, FindNote};
use crate::source::scan::{self, Found, Opening, Parser};
use crate::ssh::{self, Input, ReadSession};

use crate::scan::result::{self, ScanLimits, ScanResult};

/// A source that is in directories, after its scan.
#[derive(Debug)]
pub(crate) enum Scanned<'a> {
    /// This is to be fetched.
    Ready {
        /// What is wanted.
        result: Box<ScanResult>,
        /// How it was asked for.
        terms: Terms<'a>,
        /// What the scan reported about itself.
        opening: Opening,
    },
    /// It is not there, and need not be.
    Absent,
    /// It cannot be captured.
    Failed(Problem),
    /// The connection is gone.
    Lost(ssh::Error),
}

/// How a source was asked for, as far as that matters after its scan.
#[derive(Debug)]
pub(crate) struct Terms<'a> {
    /// The patterns that were left out.
    pub(crate) exclude: &'a [String],
    /// What to do about entries that can't be read.
    pub(crate) unreadable: Unreadable,
    /// Only so many, the newest first.
    pub(crate) newest: Option<u32>,
    /// Only these lines of files.
    pub(crate) lines: Option<Lines>,
}

/// Makes a plan of what was found and of what `find` said; none if nothing is there and need not be.
pub(crate) type Plans<'a> = &'a (
        dyn Fn(
    Vec<Found>,
    &[FindNote],
    Opening,
    &[Resolved],
) -> Result<Option<ScanResult>, result::Error>
            + Sync
    );

/// Why a scan comes to nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ScanError {
    #[error(transparent)]
    Ssh(#[from] ssh::Error),
    #[error(transparent)]
    Answer(#[from] scan::Error),
    #[error(transparent)]
    ScanResult(#[from] result::Error),
    #[error(transparent)]
    Pattern(#[from] PatternError),
    #[error(transparent)]
    Glob(#[from] GlobError),
    #[error("the host has no `find`")]
    NoFind,
}

impl ScanError {
    pub(crate) fn into_scanned(self) -> Scanned<'static> {
        match self {
            Self::Ssh(error) if is_lost(&error) => Scanned::Lost(error),
            Self::Ssh(error) => Scanned::Failed(Problem::of_part(&error)),
            Self::ScanResult(error) => Scanned::Failed(Problem::of_part(&error)),
            Self::NoFind => Scanned::Failed(Problem::in_part(
                Code::ToolMissing,
                self.to_string(),
                Some("Install `find` on the host (in findutils or busybox).".to_owned()),
            )),
            Self::Answer(scan::Error::TooLong { .. }) => Scanned::Failed(Problem::in_part(
                Code::LimitExceeded,
                self.to_string(),
                Some(
                    "Leave out the directory that holds it with `exclude`, and look at the host."
                        .to_owned(),
                ),
            )),
            Self::Answer(_) | Self::Pattern(_) | Self::Glob(_) => {
                Scanned::Failed(Problem::in_part(
                    Code::ScanFailed,
                    crate::fault::chain(&self).join(": "),
                    Some("`fleet doctor` shows which tools the host has.".to_owned()),
                ))
            }
        }
    }
}

/// Scans a directory source.
pub(crate) async fn scan<'a>(
    source: &Source,
    directory: &'a DirectorySource,
    facts: FactsFrom,
    session: &ReadSession,
) -> Scanned<'a> {
    match try_scan(source, directory, facts, session).await {
        Ok(Some((result, opening))) => Scanned::Ready {
            result: Box::new(result),
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
    facts: FactsFrom,
    session: &ReadSession,
) -> Result<Option<(ScanResult, Opening)>, ScanError> {
    let exclude = Exclude::new(&directory.exclude)?;
    let command = ReadCommand::Scan {
        roots: directory.roots.clone(),
        prune: exclude.prune().to_vec(),
        one_file_system: directory.one_file_system,
        facts,
    };
    let make: Plans<'_> =
        &|found, notes, _, _| ScanResult::make(directory, source.optional, &exclude, found, notes);
    let scanned = walk(&command, &directory.roots, source.sudo, session, make).await?;
    if let Some((result, _)) = &scanned
        && result.is_empty()
        && !source.may_shrink
    {
        return Err(result::Error::Empty {
            roots: result.roots.clone(),
        }
        .into());
    }
    Ok(scanned)
}

/// Lets the host walk, and makes a plan of what is found, all of which is beneath `from`.
///
/// # Errors
///
/// [`ScanError`] for an answer that is none, and what `make` says.
pub(crate) async fn walk(
    command: &ReadCommand,
    from: &[RemotePath],
    sudo: bool,
    session: &ReadSession,
    make: Plans<'_>,
) -> Result<Option<(ScanResult, Opening)>, ScanError> {
    let Listing {
        mut found,
        resolved,
        opening,
        said,
        status,
    } = list(command, from, sudo, session).await?;
    let staged = result::drop_staging(&mut found);
    let mut result = make(found, &said, opening, &resolved)?;
    if let Some(result) = &mut result {
        result.warnings.extend(result::unfinished(&staged));
    }
    let explained = said
        .iter()
        .any(|note| !matches!(note, FindNote::Other(_) | FindNote::Aside(_)));
    if status > u32::from(explained) {
        let said = vec![format!("find exited with {status}")];
        return Err(result::Error::Scan { said }.into());
    }
    Ok(result.map(|result| (result.at_real_paths(resolved), opening)))
}

/// Everything that a scan answered.
pub(crate) struct Listing {
    /// In the order of the answer, with paths as they were asked for.
    pub(crate) found: Vec<Found>,
    /// What was asked for and is elsewhere.
    pub(crate) resolved: Vec<Resolved>,
    pub(crate) opening: Opening,
    /// What `find` wrote to its standard error.
    pub(crate) said: Vec<FindNote>,
    /// Its exit status.
    pub(crate) status: u32,
}

/// Runs a scan, all of which is beneath `from`.
///
/// # Errors
///
/// [`ScanError`] for an answer that is none.
pub(crate) async fn list(
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
        result::check_found(from, &found, new, &mut held_bytes, ScanLimits::HOST)?;
    }
    let exit = running.finish().await?;
    if exit.missing.is_some() {
        return Err(ScanError::NoFind);
    }
    if exit.status != 0 && !parser.has_begun() {
        // It could not even look at `/`.
        let said = exit.stderr.last_line();
        let said = vec![said.unwrap_or_else(|| format!("find exited with {}", exit.status))];
        return Err(result::Error::Scan { said }.into());
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
pub(crate) fn is_lost(error: &ssh::Error) -> bool {
    matches!(
        error,
        ssh::Error::Lost { .. } | ssh::Error::Stalled { .. } | ssh::Error::Stopped { .. }
    )
}
