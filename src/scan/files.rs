//! Scans a `files` source: lists the files on the host that its patterns match.
//!
//! The host walks from the longest directory that a pattern names without wildcards, and may leave out
//! names that cannot match; what is meant is decided here. The directories above a file are no part of
//! it: a pattern names files, the directories are others' to capture, and whoever extracts a file makes
//! those that are missing.

mod choice;

use crate::fault::{Code, Problem};
use crate::guard::{FactsFrom, ReadCommand};
use crate::inventory::glob::{FileGlob, GlobError};
use crate::inventory::{FilesSource, Source, Unreadable};
use crate::name::RemotePath;
use crate::source::lines::Lines;
use crate::source::scan::Opening;
use crate::ssh::ReadSession;

use crate::scan::directory::{Plans, ScanError, Scanned, Terms, walk};
use crate::scan::result::ScanResult;

pub(crate) use choice::newest;

/// Scans a files source.
pub(crate) async fn scan<'a>(
    source: &Source,
    files: &'a FilesSource,
    facts: FactsFrom,
    session: &ReadSession,
) -> Scanned<'a> {
    let terms = match terms(files) {
        Ok(terms) => terms,
        Err(error) => return no_expression(&error),
    };
    match try_scan(source, files, (&terms, facts), session).await {
        Ok(Some((result, opening))) => Scanned::Ready {
            result: Box::new(result),
            terms,
            opening,
        },
        Ok(None) => Scanned::Absent,
        Err(error) => error.into_scanned(),
    }
}

fn terms(files: &FilesSource) -> Result<Terms<'_>, regex::Error> {
    let lines = files.lines.as_deref().map(Lines::new).transpose()?;
    Ok(Terms {
        exclude: &[],
        unreadable: Unreadable::Fail,
        newest: files.newest,
        lines,
    })
}

/// The inventory has read it before.
fn no_expression(error: &regex::Error) -> Scanned<'static> {
    Scanned::Failed(Problem::in_part(
        Code::InventoryInvalid,
        format!("`lines` is no regular expression: {error}"),
        None,
    ))
}

async fn try_scan(
    source: &Source,
    files: &FilesSource,
    (terms, facts): (&Terms<'_>, FactsFrom),
    session: &ReadSession,
) -> Result<Option<(ScanResult, Opening)>, ScanError> {
    let globs = files.globs.iter().map(|text| FileGlob::new(text));
    let globs: Vec<FileGlob> = globs.collect::<Result<_, GlobError>>()?;
    let walks: Vec<_> = globs.iter().flat_map(FileGlob::walks).collect();
    let from: Vec<RemotePath> = walks.iter().map(|walk| walk.from.clone()).collect();
    let command = ReadCommand::ScanFiles { walks, facts };
    let make: Plans<'_> = &|found, notes, opening, resolved| {
        let answer = choice::Answer {
            opening,
            found,
            notes,
            resolved,
        };
        choice::choose(files, &globs, source.optional, answer)
    };
    let scanned = walk(&command, &from, source.sudo, session, make).await?;
    if terms.lines.is_some()
        && let Some((result, _)) = &scanned
    {
        choice::check_sizes(&result.wanted)?;
    }
    Ok(scanned)
}
