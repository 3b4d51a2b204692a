//! Proves a restore by what the host has: before, that nothing changed since the plan was made; staged, that
//! what arrived is what was sent; afterwards, that just that is in place.

use std::collections::{HashMap, HashSet};

use super::Error;
use super::plan::merged::PartEntry;
use super::plan::roots::Put;
use super::plan::{Before, Plan};
use super::sources::RestoredPart;
use super::stage;
use crate::digest::Sha256;
use crate::guard::{FactsFrom, ReadCommand, RestoreTools};
use crate::manifest::{Entry, FileTime, FileType, ScanMark};
use crate::name::RemotePath;
use crate::scan::digests::digests;
use crate::scan::directory::{Listing, Scanned, list};
use crate::scan::result::{STAGING_FOLDER, sorted};
use crate::scan::scan_for;
use crate::source::scan::Facts;
use crate::ssh::ReadSession;

/// What the host has at the paths that a plan touches.
#[derive(Debug, Default)]
pub struct Sight {
    facts: HashMap<RemotePath, Facts>,
}

/// All paths that `plan` touches.
fn touched(plan: &Plan) -> HashSet<&RemotePath> {
    let mut touched = HashSet::new();
    for (_, root) in plan.roots.values() {
        touched.extend(root.put.iter().map(|put| &put.place));
        touched.extend(root.metadata.iter().map(|one| &one.entry.path));
        touched.extend(root.directories.iter().map(|one| &one.entry.path));
        touched.extend(root.made.iter().chain(&root.clear).chain(&root.gone));
        touched.extend(&root.old_directories);
    }
    touched
}

impl Sight {
    /// Looks at what `plan` touches, by the scans of `parts`.
    ///
    /// # Errors
    ///
    /// [`Error::Ssh`] or [`Error::Ground`] if the host can't be looked at.
    pub async fn of(
        plan: &Plan,
        parts: &[RestoredPart],
        session: &ReadSession,
    ) -> Result<Self, Error> {
        let touched = touched(plan);
        let mut facts = HashMap::new();
        for part in parts {
            let result = match scan_for(&part.source, FactsFrom::FindOrStat, session).await {
                Some(Scanned::Ready { result, .. }) => result,
                Some(Scanned::Absent) | None => continue,
                Some(Scanned::Failed(problem)) => return Err(Error::Ground(problem.line().into())),
                Some(Scanned::Lost(error)) => return Err(Error::Ssh(error)),
            };
            for found in sorted(result.wanted, result.sockets) {
                if let Some(seen) = found.facts
                    && touched.contains(&found.path)
                {
                    facts.insert(found.path, seen);
                }
            }
        }
        Ok(Self { facts })
    }

    /// Whether the host still has what it had when `plan` was made.
    ///
    /// # Errors
    ///
    /// [`Error::Changed`] names what is different.
    pub fn is_as_planned(&self, plan: &Plan) -> Result<(), Error> {
        let changed = plan.before.iter().filter(|(path, before)| {
            let now = self.facts.get(path);
            match (now, before) {
                (None, Before::Absent) | (Some(_), Before::Unknown) => false,
                (Some(now), Before::Mark(before)) if now.kind == FileType::Directory => {
                    now.mark.inode != before.inode
                }
                // Records keep no device of most entries.
                (Some(now), Before::Mark(before)) => {
                    let of =
                        |mark: &ScanMark| (mark.inode, mark.size_bytes, mark.mtime, mark.ctime);
                    of(&now.mark) != of(before)
                }
                (None, Before::Mark(_) | Before::Unknown) | (Some(_), Before::Absent) => true,
            }
        });
        named(changed.map(|(path, _)| path), |paths| Error::Changed {
            paths,
        })
    }

    /// The mark of what is at `path`, if that has the size and the time of `entry`.
    #[must_use]
    pub fn mark_of(&self, path: &RemotePath, entry: &Entry) -> Option<ScanMark> {
        let now = self.facts.get(path)?;
        let seconds = |time| comparable(time, RestoreTools::Slow);
        let is_same = now.kind == entry.kind.file_type()
            && seconds(now.mark.mtime) == seconds(entry.mtime)
            && entry
                .file_bytes()
                .is_none_or(|bytes| bytes == now.mark.size_bytes);
        is_same.then_some(now.mark)
    }

    /// Whether nothing came where something will be put that is not there: services may write while they stop.
    ///
    /// # Errors
    ///
    /// [`Error::Changed`] names what came.
    pub fn has_nothing_new(&self, plan: &Plan) -> Result<(), Error> {
        let came = plan
            .before
            .iter()
            .filter(|(path, before)| *before == Before::Absent && self.facts.contains_key(path));
        named(came.map(|(path, _)| path), |paths| Error::Changed { paths })
    }

    /// Whether everything of `plan` is in place: files are those that were `staged` and hashed.
    ///
    /// # Errors
    ///
    /// [`Error::Unproven`] names what is not.
    pub fn is_in_place(&self, plan: &Plan, staged: &Staged) -> Result<(), Error> {
        let mut wrong: Vec<&RemotePath> = Vec::new();
        for (root, (_, root_plan)) in &plan.roots {
            for put in &root_plan.put {
                let (now, sent) = (self.facts.get(&put.place), stage::staged_in(root, put));
                let sent = sent.and_then(|place| staged.facts.get(&place));
                let is_same = now.zip(sent).is_some_and(|(now, sent)| is_put(now, sent));
                if !is_same {
                    tracing::debug!(?now, ?sent, place = %put.place, "is not what was staged");
                    wrong.push(&put.place);
                }
            }
            for one in &root_plan.metadata {
                if !self
                    .facts
                    .get(&one.entry.path)
                    .is_some_and(|now| has_metadata(now, one, plan.tools))
                {
                    wrong.push(&one.entry.path);
                }
            }
            let wanted: HashSet<&RemotePath> = root_plan.made.iter().collect();
            let gone = root_plan.gone.iter().chain(&root_plan.clear);
            wrong.extend(
                gone.filter(|path| !wanted.contains(path) && self.facts.contains_key(path)),
            );
        }
        named(wrong.into_iter(), |paths| Error::Unproven { paths })
    }

    /// What was put in place, with the marks that it has there. Further names of an object are left out.
    #[must_use]
    pub fn placed(&self, plan: &Plan) -> Vec<Entry> {
        let mut placed = Vec::new();
        for (_, root) in plan.roots.values() {
            let whole = |put: &&Put| {
                put.link_to.is_none() && put.content.is_none() && put.one.entry.path == put.place
            };
            let put = root.put.iter().filter(whole).map(|put| &put.one);
            for one in put.chain(&root.metadata).chain(&root.directories) {
                if let Some(now) = self.facts.get(&one.entry.path) {
                    placed.push(Entry {
                        scan: Some(now.mark),
                        ..one.entry.clone()
                    });
                }
            }
        }
        placed
    }

    /// Whether everything is again as it was in `before`. Inode times are not: those of what was put back
    /// moved.
    ///
    /// # Errors
    ///
    /// [`Error::Unproven`] names what is not.
    pub fn is_as(&self, before: &Self, plan: &Plan) -> Result<(), Error> {
        let of = |facts: &Facts| {
            let mark = facts.mark;
            let size = (facts.kind != FileType::Directory).then_some(mark.size_bytes);
            (
                (facts.kind, facts.mode, facts.uid, facts.gid),
                (mark.inode, size, comparable(mark.mtime, plan.tools)),
                facts.link.clone(),
            )
        };
        let lost = before.facts.iter().filter(|(path, was)| {
            let now = self.facts.get(*path);
            // A directory that was removed is made anew.
            let has_names = was.mark.links > 1;
            now.is_none_or(|now| {
                let (mut now, mut was) = (of(now), of(was));
                // An overlay gives a file with several names another inode as soon as it gets one more.
                if now.0.0 == FileType::Directory || has_names {
                    (now.1.0, was.1.0) = (0, 0);
                }
                // The staging folder changes the time of its root until it is removed.
                if plan.roots.contains_key(*path) {
                    now.1.2 = was.1.2;
                }
                now != was
            })
        });
        let extra = self
            .facts
            .keys()
            .filter(|path| !before.facts.contains_key(path));
        let wrong = lost.map(|(path, _)| path).chain(extra);
        named(wrong, |paths| Error::Unproven { paths })
    }
}

/// What was staged on the host, and is proven to be what was sent.
#[derive(Debug, Default)]
pub struct Staged {
    facts: HashMap<RemotePath, Facts>,
}

/// The digests of staged files: `files` are places in the staging folder of `root`.
///
/// # Errors
///
/// [`Error::Staged`] names what is not what was sent, [`Error::Ssh`] if the host can't be asked.
pub async fn hash_staged(
    root: &RemotePath,
    files: Vec<(RemotePath, Sha256)>,
    sudo: bool,
    session: &ReadSession,
) -> Result<(), Error> {
    let mut expected = HashMap::with_capacity(files.len());
    let mut asked = Vec::new();
    for (place, sha256) in files {
        let name = [STAGING_FOLDER, place.as_bytes()].concat();
        let Ok(path) = root.join(&name) else { continue };
        asked.extend_from_slice(path.as_bytes());
        asked.push(0);
        expected.insert(path, sha256);
    }
    if expected.is_empty() {
        return Ok(());
    }
    let told = digests(session, sudo, asked).await?;
    let wrong = expected
        .iter()
        .filter(|(path, sha256)| told.get(*path) != Some(sha256));
    named(wrong.map(|(path, _)| path), |paths| Error::Staged { paths })
}

impl Staged {
    /// Looks at all that was staged for `plan`, which must have its kind, mode and owner.
    ///
    /// # Errors
    ///
    /// [`Error::Staged`] names what has not, [`Error::Ssh`] and [`Error::Ground`] if the host can't be
    /// looked at.
    pub async fn of(plan: &Plan, sudo: bool, session: &ReadSession) -> Result<Self, Error> {
        let roots: Vec<RemotePath> = plan.roots.keys().flat_map(stage::staging_folders).collect();
        let facts = facts_beneath(roots, sudo, session).await?;
        let mut wrong = Vec::new();
        for (root, (_, root_plan)) in &plan.roots {
            for put in &root_plan.put {
                let Some(place) = stage::staged_in(root, put) else {
                    continue;
                };
                let is_right = facts.get(&place).is_some_and(|now| {
                    now.kind == put.one.entry.kind.file_type()
                        && (now.kind == FileType::Symlink || now.mode == put.one.entry.mode)
                        && (now.uid, now.gid) == (put.one.entry.owner.uid, put.one.entry.owner.gid)
                });
                if !is_right {
                    let (found, wanted) = (facts.get(&place), &put.one.entry);
                    tracing::debug!(?found, ?wanted, "is staged with other metadata");
                    wrong.push(place);
                }
            }
        }
        named(wrong.iter(), |paths| Error::Staged { paths })?;
        Ok(Self { facts })
    }
}

/// What is beneath `roots`, on their file systems; nothing is left out.
///
/// # Errors
///
/// [`Error::Ground`] if the host can't be looked at.
pub(super) async fn facts_beneath(
    roots: Vec<RemotePath>,
    sudo: bool,
    session: &ReadSession,
) -> Result<HashMap<RemotePath, Facts>, Error> {
    let command = ReadCommand::Scan {
        roots: roots.clone(),
        prune: Vec::new(),
        one_file_system: true,
        facts: FactsFrom::FindOrStat,
    };
    let Listing { found, .. } = list(&command, &roots, sudo, session)
        .await
        .map_err(|error| Error::Ground(Box::new(error)))?;
    let found = found.into_iter();
    Ok(found
        .filter_map(|found| Some((found.path, found.facts?)))
        .collect())
}

/// Whether `now` is what was staged as `sent`: the same inode, or a symbolic link like it.
fn is_put(now: &Facts, sent: &Facts) -> bool {
    now.kind == sent.kind
        && now.mark.inode == sent.mark.inode
        && now.mark.size_bytes == sent.mark.size_bytes
        && now.mark.mtime == sent.mark.mtime
        && now.link == sent.link
}

fn has_metadata(now: &Facts, one: &PartEntry, tools: RestoreTools) -> bool {
    let entry = &one.entry;
    now.mode == entry.mode
        && (now.uid, now.gid) == (entry.owner.uid, entry.owner.gid)
        && comparable(now.mark.mtime, tools) == comparable(entry.mtime, tools)
}

/// A time, as far as these tools can set it.
pub(super) fn comparable(time: FileTime, tools: RestoreTools) -> FileTime {
    match tools {
        RestoreTools::Gnu => time,
        RestoreTools::Slow => FileTime {
            nanoseconds: 0,
            ..time
        },
    }
}

/// An error that names `paths`, if there are any.
fn named<'a>(
    paths: impl Iterator<Item = &'a RemotePath>,
    error: impl FnOnce(Vec<RemotePath>) -> Error,
) -> Result<(), Error> {
    let mut paths: Vec<RemotePath> = paths.cloned().collect();
    if paths.is_empty() {
        return Ok(());
    }
    paths.sort();
    Err(error(paths))
}
