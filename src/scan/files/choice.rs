//! Chooses from a scan the files that the patterns of a `files` source match.

use std::cmp::Reverse;
use std::collections::HashSet;

use crate::inventory::FilesSource;
use crate::inventory::glob::FileGlob;
use crate::manifest::{FileTime, FileType, Resolved, real_path};
use crate::name::RemotePath;
use crate::source::notes::FindNote;
use crate::source::scan::{Found, Opening};

use crate::scan::result::{Error, ScanResult, Unread, complaints};
use crate::source::lines::FILE_MAX_BYTES;
use crate::units::NAMED_MAX;

/// What the host answered to the scan.
pub(super) struct Answer<'a> {
    pub(super) opening: Opening,
    /// As it was asked for.
    pub(super) found: Vec<Found>,
    pub(super) notes: &'a [FindNote],
    /// What was asked for and is elsewhere.
    pub(super) resolved: &'a [Resolved],
}

/// Sorts out what was found. None: nothing of an optional source is there.
///
/// # Errors
///
/// [`Error`] if a pattern matches nothing, and for a scan that cannot be trusted.
pub(super) fn choose(
    source: &FilesSource,
    globs: &[FileGlob],
    optional: bool,
    answer: Answer<'_>,
) -> Result<Option<ScanResult>, Error> {
    let Answer {
        opening,
        mut found,
        notes,
        resolved,
    } = answer;
    let said = complaints(notes);
    if !said.is_empty() {
        return Err(Error::Scan { said });
    }
    let denied = denied(globs, notes)?;
    found.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    found.dedup_by(|a, b| a.path == b.path);

    let mut result = ScanResult::default();
    for (text, glob) in source.globs.iter().zip(globs) {
        let mut matches = found.iter().filter(|found| glob.matches(&found.path));
        let hides = |unread: &Unread| glob.is_above(&unread.path) || glob.matches(&unread.path);
        if matches.clone().any(is_file_or_link) {
            // A pattern is a path in which some names stand for many.
            result.named.extend(RemotePath::from_bytes(text.as_str()));
        } else if matches.any(|found| found.is(FileType::Directory)) {
            let error = Error::OnlyDirectories { glob: text.clone() };
            if !optional {
                return Err(error);
            }
            result.warnings.push(error.to_string());
        } else if !optional && !denied.iter().any(hides) {
            return Err(Error::NothingMatches { glob: text.clone() });
        }
    }
    found.retain(|found| is_file_or_link(found) && globs.iter().any(|g| g.matches(&found.path)));
    if !resolved.is_empty() {
        // What two patterns reach in two ways is one file.
        let mut seen = HashSet::new();
        found.retain(|found| seen.insert(real_path(&found.path, resolved)));
    }
    if let Some(count) = source.newest.filter(|_| opening.has_facts) {
        let mtime = |found: &Found| found.facts.as_ref().map(|facts| facts.mark.mtime);
        found = newest(found, count, mtime);
    }
    let mut unreadable = result.sort_out(found);
    unreadable.extend(denied);
    unreadable.sort();
    unreadable.dedup();
    if !unreadable.is_empty() {
        let count = unreadable.len();
        unreadable.truncate(NAMED_MAX);
        result.unreadable = Some(Error::UnreadableFiles {
            count,
            first: unreadable,
        });
    }
    result.roots = result
        .wanted
        .iter()
        .map(|found| found.path.clone())
        .collect();
    let is_nothing =
        result.wanted.is_empty() && result.unreadable.is_none() && result.warnings.is_empty();
    Ok(Some(result).filter(|_| !is_nothing))
}

/// Some finds do not tell what something is; those are asked for nothing else.
fn is_file_or_link(found: &Found) -> bool {
    found.facts.is_none() || found.is(FileType::File) || found.is(FileType::Symlink)
}

/// What could not be looked at, and may hold what is meant.
fn denied(globs: &[FileGlob], notes: &[FindNote]) -> Result<Vec<Unread>, Error> {
    let (mut denied, mut unnamed) = (Vec::new(), Vec::new());
    let hides = |path: &RemotePath| {
        let mut globs = globs.iter();
        globs.any(|glob| glob.is_above(path) || glob.matches(path))
    };
    for note in notes {
        match note {
            FindNote::Denied {
                path: Some(path), ..
            } if hides(path) => denied.push(Unread::from(path.clone())),
            FindNote::Failed { path, why } if hides(path) => denied.push(Unread {
                path: path.clone(),
                why: Some(why.clone()),
            }),
            FindNote::Denied { path: None, said } => {
                unnamed.push(crate::name::escape(said.as_bytes()));
            }
            FindNote::Missing(_)
            | FindNote::Denied { .. }
            | FindNote::Failed { .. }
            | FindNote::Other(_)
            | FindNote::Aside(_) => {}
        }
    }
    if unnamed.is_empty() {
        Ok(denied)
    } else {
        Err(Error::Scan { said: unnamed })
    }
}

/// The `count` of `found` that changed last; of those that changed at the same time, the first by path.
/// What has no time stays as well. In the order of the paths.
pub(crate) fn newest(
    found: Vec<Found>,
    count: u32,
    mtime: impl Fn(&Found) -> Option<FileTime>,
) -> Vec<Found> {
    let (mut timed, mut kept) = (Vec::new(), Vec::new());
    for found in found {
        match mtime(&found) {
            Some(time) => timed.push((Reverse(time), found)),
            None => kept.push(found),
        }
    }
    timed.sort_by(|(a, x), (b, y)| a.cmp(b).then_with(|| x.path.cmp(&y.path)));
    timed.truncate(usize::try_from(count).unwrap_or(usize::MAX));
    kept.extend(timed.into_iter().map(|(_, found)| found));
    kept.sort_by(|a, b| a.path.cmp(&b.path));
    kept
}

/// Refuses what is too large to be looked through line by line, before anything is fetched.
///
/// # Errors
///
/// [`Error::TooLarge`].
pub(super) fn check_sizes(wanted: &[Found]) -> Result<(), Error> {
    let is_large = |found: &&Found| {
        let facts = found.facts.as_ref();
        facts.is_some_and(|facts| {
            facts.kind == FileType::File && facts.mark.size_bytes > FILE_MAX_BYTES
        })
    };
    let mut large: Vec<RemotePath> = wanted
        .iter()
        .filter(is_large)
        .map(|found| found.path.clone())
        .collect();
    if large.is_empty() {
        return Ok(());
    }
    let count = large.len();
    large.truncate(NAMED_MAX);
    Err(Error::TooLarge {
        count,
        first: large,
    })
}

#[cfg(test)]
mod tests;
