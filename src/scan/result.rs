//! The result of a scan: which of the entries that were found are captured, and what is wrong with the
//! others.

mod bounds;
mod error;
mod real;
mod staging;

use std::collections::HashSet;

use crate::inventory::{DirectorySource, Unreadable};
use crate::manifest::{FileType, Resolved, Totals};
use crate::name::{RemotePath, escape};
use crate::source::exclude::Exclude;
use crate::source::notes::FindNote;
use crate::source::scan::{Found, PATH_LENGTH_MAX_BYTES};

use crate::units::{NAMED_MAX, listing};
pub(crate) use error::{Error, Unread};

pub(crate) use bounds::{ScanLimits, check_found};
pub(crate) use staging::{STAGING_FOLDER, drop_staging, unfinished};

/// What a source of files holds on a host, and what of it is captured.
#[derive(Debug, Default)]
pub(crate) struct ScanResult {
    /// The roots that are there: each entry is one of them or is beneath one.
    pub(crate) roots: Vec<RemotePath>,
    /// The same as the inventory names them, which may be by patterns.
    pub(crate) named: Vec<RemotePath>,
    /// What the inventory names through symbolic links, and where it is.
    pub(crate) resolved: Vec<Resolved>,
    /// What is asked for, by path, each once; every directory before what is in it.
    pub(crate) wanted: Vec<Found>,
    /// What is recorded without being asked for.
    pub(crate) sockets: Vec<Found>,
    /// What the account cannot read, and why that is no warning.
    pub(crate) unreadable: Option<Error>,
    /// What the operator should know.
    pub(crate) warnings: Vec<String>,
    /// Regular files that were found, as far as the host reports it.
    pub(crate) totals: Totals,
}

impl ScanResult {
    /// Sorts out what was found. None: nothing of an optional source is there.
    ///
    /// # Errors
    ///
    /// [`Error`] for roots that are not what the inventory says, and for a scan that cannot be trusted.
    pub(crate) fn make(
        source: &DirectorySource,
        optional: bool,
        exclude: &Exclude,
        found: Vec<Found>,
        notes: &[FindNote],
    ) -> Result<Option<Self>, Error> {
        let mut result = Self {
            roots: roots(source, optional, &found, notes)?,
            ..Self::default()
        };
        if result.roots.is_empty() {
            return Ok(None);
        }
        result.named = result.roots.clone();
        let mut kept = keep(&result.roots, exclude, found);
        kept.dedup_by(|a, b| a.path == b.path);
        let mut unreadable = result.sort_out(kept);
        let unnamed = denied(&result.roots, exclude, notes, &mut unreadable);
        if !unnamed.is_empty() {
            return Err(Error::Scan { said: unnamed });
        }
        result.judge_unreadable(source.unreadable, unreadable);
        Ok(Some(result))
    }

    /// Whether there is nothing but the roots.
    pub(crate) fn is_empty(&self) -> bool {
        self.wanted.len() + self.sockets.len() <= self.roots.len() && self.unreadable.is_none()
    }

    /// Keeps what is wanted where it is: what is found of a large tree is moved to no second place.
    /// Gives what cannot be read.
    pub(crate) fn sort_out(&mut self, kept: Vec<Found>) -> Vec<Unread> {
        let mut unreadable = Vec::new();
        let mut closed: HashSet<RemotePath> = HashSet::new();
        let mut too_long = Vec::new();
        let mut strange = Vec::new();
        let (sockets, totals) = (&mut self.sockets, &mut self.totals);
        let wanted = kept.into_iter().filter_map(|entry| {
            let facts = entry.facts.as_ref();
            let parent = entry.path.parent();
            if parent.is_some_and(|parent| closed.contains(&parent)) {
                closed.insert(entry.path);
                return None;
            }
            if entry.path.as_bytes().len() > PATH_LENGTH_MAX_BYTES {
                closed.insert(entry.path.clone());
                too_long.push(entry.path);
                return None;
            }
            if facts.is_some_and(|facts| !facts.readable) {
                closed.insert(entry.path.clone());
                unreadable.push(Unread::from(entry.path));
                return None;
            }
            match facts.map(|facts| facts.kind) {
                Some(FileType::Socket) => {
                    sockets.push(entry);
                    return None;
                }
                Some(FileType::Other) => {
                    strange.push(entry.path);
                    return None;
                }
                Some(FileType::File) => {
                    totals.files += 1;
                    totals.bytes += facts.map_or(0, |facts| facts.mark.size_bytes);
                }
                Some(
                    FileType::Directory
                    | FileType::Symlink
                    | FileType::Fifo
                    | FileType::CharDevice
                    | FileType::BlockDevice,
                )
                | None => {}
            }
            Some(entry)
        });
        self.wanted = wanted.collect();
        self.warn("longer than the host can open", "not fetched", &too_long);
        self.warn(
            "of a kind that no archive can hold",
            "not fetched",
            &strange,
        );
        unreadable
    }

    fn warn(&mut self, what: &str, consequence: &str, paths: &[RemotePath]) {
        if !paths.is_empty() {
            let count = paths.len();
            let noun = if count == 1 { "path is" } else { "paths are" };
            self.warnings.push(format!(
                "{count} {noun} {what}, {consequence}: {}",
                listing(count, paths)
            ));
        }
    }

    fn judge_unreadable(&mut self, meaning: Unreadable, mut unreadable: Vec<Unread>) {
        if unreadable.is_empty() {
            return;
        }
        let count = unreadable.len();
        unreadable.truncate(NAMED_MAX);
        let error = Error::Unreadable {
            count,
            first: unreadable,
        };
        match meaning {
            Unreadable::Fail => self.unreadable = Some(error),
            Unreadable::Skip => self.warnings.push(error.to_string()),
        }
    }
}

/// What `find` complains of, beside what is missing or denied.
pub(crate) fn complaints(notes: &[FindNote]) -> Vec<String> {
    let complaints = notes.iter().filter_map(|note| match note {
        FindNote::Other(said) => Some(escape(said.as_bytes())),
        FindNote::Missing(_)
        | FindNote::Denied { .. }
        | FindNote::Failed { .. }
        | FindNote::Aside(_) => None,
    });
    complaints.collect()
}

fn roots(
    source: &DirectorySource,
    optional: bool,
    found: &[Found],
    notes: &[FindNote],
) -> Result<Vec<RemotePath>, Error> {
    let others = complaints(notes);
    let asides = notes.iter().filter_map(|note| match note {
        FindNote::Aside(said) => Some(escape(said.as_bytes())),
        FindNote::Missing(_)
        | FindNote::Denied { .. }
        | FindNote::Failed { .. }
        | FindNote::Other(_) => None,
    });
    let mut present = Vec::new();
    for root in &source.roots {
        let failed = notes.iter().find_map(|note| match note {
            FindNote::Failed { path, why } if path == root => Some(why),
            _ => None,
        });
        if let Some(why) = failed {
            let (root, why) = (root.clone(), why.clone());
            return Err(Error::Failed { root, why });
        }
        let Some(entry) = found.iter().find(|entry| entry.path == *root) else {
            let about = |said: &str| said.contains(&*String::from_utf8_lossy(root.as_bytes()));
            if notes
                .iter()
                .any(|note| matches!(note, FindNote::Denied { said, .. } if about(said)))
            {
                return Err(Error::Denied { root: root.clone() });
            }
            if !notes
                .iter()
                .any(|note| matches!(note, FindNote::Missing(said) if about(said)))
            {
                let mut said: Vec<String> = others.into_iter().chain(asides).collect();
                if said.is_empty() {
                    said.push(format!("find did not report {root}"));
                }
                return Err(Error::Scan { said });
            }
            if optional {
                continue;
            }
            return Err(Error::Missing { root: root.clone() });
        };
        // Without its root nothing of a source is there: `unreadable: skip` is not meant for that.
        let refused = notes
            .iter()
            .any(|note| matches!(note, FindNote::Denied { path: Some(path), .. } if path == root));
        if refused || entry.facts.as_ref().is_some_and(|facts| !facts.readable) {
            return Err(Error::Denied { root: root.clone() });
        }
        match entry.facts.as_ref().map(|facts| (facts.kind, &facts.link)) {
            None | Some((FileType::Directory, _)) => present.push(root.clone()),
            Some((FileType::Symlink, target)) => {
                return Err(Error::Link {
                    root: root.clone(),
                    target: target.clone(),
                });
            }
            Some((
                FileType::File
                | FileType::Fifo
                | FileType::Socket
                | FileType::CharDevice
                | FileType::BlockDevice
                | FileType::Other,
                _,
            )) => return Err(Error::NotADirectory { root: root.clone() }),
        }
    }
    if others.is_empty() {
        Ok(present)
    } else {
        Err(Error::Scan { said: others })
    }
}

/// Adds what `find` could not look at and what no mark of an entry tells: some finds have no marks, and
/// some entries cannot even be looked at. Gives the lines whose names cannot be made out.
fn denied(
    roots: &[RemotePath],
    exclude: &Exclude,
    notes: &[FindNote],
    unreadable: &mut Vec<Unread>,
) -> Vec<String> {
    let mut unnamed = Vec::new();
    for note in notes {
        let unread = match note {
            FindNote::Denied {
                path: Some(path), ..
            } => Unread::from(path.clone()),
            FindNote::Denied { path: None, said } => {
                unnamed.push(escape(said.as_bytes()));
                continue;
            }
            FindNote::Failed { path, why } => Unread {
                path: path.clone(),
                why: Some(why.clone()),
            },
            FindNote::Missing(_) | FindNote::Other(_) | FindNote::Aside(_) => continue,
        };
        let path = &unread.path;
        let told = unreadable.iter().any(|above| path.is_within(&above.path));
        let wanted = roots
            .iter()
            .any(|root| path.is_within(root) && !is_left_out(exclude, root, path));
        if wanted && !told {
            unreadable.push(unread);
        }
    }
    unreadable.sort();
    unnamed
}

/// Whether a pattern leaves out the directory `path` or one above it.
fn is_left_out(exclude: &Exclude, root: &RemotePath, path: &RemotePath) -> bool {
    let mut above = Some(path.clone());
    while let Some(path) = above {
        if path == *root {
            return false;
        }
        if exclude.leaves_out(root, &path, true) {
            return true;
        }
        above = path.parent();
    }
    false
}

/// What no pattern leaves out. With nested roots an entry stays if any root keeps it.
fn keep(roots: &[RemotePath], exclude: &Exclude, mut found: Vec<Found>) -> Vec<Found> {
    found.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    let mut kept = vec![false; found.len()];
    for root in roots {
        let mut left_out: HashSet<RemotePath> = HashSet::new();
        for (index, entry) in found.iter().enumerate() {
            if !entry.path.is_within(root) {
                continue;
            }
            // Only some finds tell what is a directory; for the others it is what something is in.
            let is_directory = match &entry.facts {
                Some(facts) => facts.kind == FileType::Directory,
                None => found.get(index + 1).is_some_and(|next| {
                    next.path != entry.path && next.path.is_within(&entry.path)
                }),
            };
            let parent_left_out = entry
                .path
                .parent()
                .is_some_and(|parent| left_out.contains(&parent));
            if parent_left_out || exclude.leaves_out(root, &entry.path, is_directory) {
                left_out.insert(entry.path.clone());
            } else {
                kept[index] = true;
            }
        }
    }
    let mut kept = kept.into_iter();
    found.retain(|_| kept.next().unwrap_or(false));
    found
}

/// Merges entries that are fetched and those that are not, sorted by path.
pub(crate) fn sorted(mut wanted: Vec<Found>, others: Vec<Found>) -> Vec<Found> {
    if !others.is_empty() {
        wanted.extend(others);
        wanted.sort_by(|a, b| a.path.cmp(&b.path));
    }
    wanted
}

#[cfg(test)]
mod tests;
