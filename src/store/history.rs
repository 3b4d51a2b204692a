//! What became of one path in the checkpoints of a host, from the oldest to the newest.
//!
//! Entries files that are the same as the one before are not read, and of the others only the lines
//! from the path on, and of those only what differs is parsed. A part that failed says nothing about
//! what it lacks.

use std::collections::BTreeMap;

use super::compare::PartChanges;
use super::find::DamagedCheckpoint;
use super::lines::LinesWithin;
use super::{Error, SealedCheckpoint, Store};
use crate::change::{Change, ChangeKind};
use crate::manifest::{Entry, EntryKind, PartState};
use crate::name::{CheckpointId, HostName, RemotePath, SourceName};

/// What became of a path in the checkpoints of one host.
#[derive(Debug, Default)]
pub struct History {
    /// When it changed, oldest first.
    pub moments: Vec<Moment>,
    /// Checkpoints that do not read and were left out, oldest first.
    pub damaged: Vec<DamagedCheckpoint>,
}

/// One checkpoint in which the path is not what it was in the one before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moment {
    /// The checkpoint.
    pub checkpoint: CheckpointId,
    /// What the operator said about it.
    pub description: String,
    /// The part that has the path.
    pub part: SourceName,
    /// What happened to what lies at the path itself; [`ChangeKind::Modified`] if that is a directory
    /// and something beneath it changed.
    pub kind: ChangeKind,
    /// The change of what lies at the path itself; none if only something beneath it changed.
    pub change: Option<Change>,
    /// How many entries beneath the path changed, by kind; empty for what is no directory.
    pub beneath: BTreeMap<ChangeKind, u64>,
}

/// What a part was last known to have at the path.
#[derive(Debug, Default)]
struct Known {
    /// The newest checkpoint whose part did not fail.
    checkpoint: Option<SealedCheckpoint>,
    sight: Sight,
}

/// What lies at a path.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
enum Sight {
    #[default]
    Nothing,
    Entry(Box<Entry>),
    /// Nothing that was captured, but something beneath it was.
    Above,
}

impl Sight {
    fn is_tree(&self) -> bool {
        match self {
            Self::Nothing => false,
            Self::Entry(entry) => entry.kind == EntryKind::Directory,
            Self::Above => true,
        }
    }

    fn entry(&self) -> Option<Entry> {
        match self {
            Self::Entry(entry) => Some((**entry).clone()),
            Self::Nothing | Self::Above => None,
        }
    }
}

impl Store {
    /// When `path`, or anything beneath it, changed on `host`.
    ///
    /// Damaged checkpoints are told beside the others and hide none of them.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if the store can't be read.
    pub fn history(&self, host: &HostName, path: &RemotePath) -> Result<History, Error> {
        let mut history = History::default();
        let mut known: BTreeMap<SourceName, Known> = BTreeMap::new();
        for id in self.ids(host)? {
            let looked = self
                .open_checkpoint(&id)
                .and_then(|sealed| look(&sealed, path, &mut known, &mut history.moments));
            match looked {
                Ok(()) => {}
                // It was removed since its folder was listed.
                Err(Error::UnknownCheckpoint { .. } | Error::UnknownHost { .. }) => {}
                Err(error @ (Error::Damaged { .. } | Error::Newer { .. })) => {
                    history.damaged.push(DamagedCheckpoint { id, error });
                }
                Err(error) => return Err(error),
            }
        }
        Ok(history)
    }
}

/// Adds what changed in one checkpoint to `moments`.
fn look(
    sealed: &SealedCheckpoint,
    path: &RemotePath,
    known: &mut BTreeMap<SourceName, Known>,
    moments: &mut Vec<Moment>,
) -> Result<(), Error> {
    for part in &sealed.checkpoint().parts {
        let known = known.entry(part.name.clone()).or_default();
        let is_failed = part.state == PartState::Failed;
        let is_same = |before: &SealedCheckpoint| sealed.has_same_entries(before, &part.name);
        if known.checkpoint.as_ref().is_some_and(is_same) {
            continue;
        }
        let now = sight(sealed, &part.name, path)?;
        let is_tree = known.sight.is_tree() || now.is_tree();
        if is_failed && (is_tree || now == Sight::Nothing) {
            continue;
        }
        let mut beneath = BTreeMap::new();
        if is_tree {
            let before = known.checkpoint.as_ref();
            for change in PartChanges::between(before, sealed, &part.name, Some(path))? {
                let change = change?;
                if change.path() != path {
                    *beneath.entry(change.kind()).or_default() += 1;
                }
            }
        }
        let change = Change::between(known.sight.entry(), now.entry());
        let kind = match (&change, &known.sight, &now) {
            (Some(change), _, _) => Some(change.kind()),
            (None, Sight::Nothing, Sight::Above) => Some(ChangeKind::Added),
            (None, Sight::Above, Sight::Nothing) => Some(ChangeKind::Removed),
            (None, _, _) if !beneath.is_empty() => Some(ChangeKind::Modified),
            (None, _, _) => None,
        };
        moments.extend(kind.map(|kind| Moment {
            checkpoint: sealed.id().clone(),
            description: sealed.checkpoint().description.clone(),
            part: part.name.clone(),
            kind,
            change,
            beneath,
        }));
        known.sight = now;
        if !is_failed {
            known.checkpoint = Some(sealed.clone());
        }
    }
    Ok(())
}

/// What `part` has at `path`.
fn sight(sealed: &SealedCheckpoint, part: &SourceName, path: &RemotePath) -> Result<Sight, Error> {
    let lines = sealed.lines(part)?;
    match LinesWithin::new(lines, Some(path.clone()))
        .next()
        .transpose()?
    {
        None => Ok(Sight::Nothing),
        Some(line) => {
            let entry = line.entry()?;
            Ok(if entry.path == *path {
                Sight::Entry(Box::new(entry))
            } else {
                Sight::Above
            })
        }
    }
}
