//! The history of one path in the checkpoints of a host (`fleet log`), from the oldest to the newest.
//!
//! Entries files that are the same as the one before are not read, and of the others only the lines
//! from the path on, and of those only what differs is parsed. A part that failed says nothing about
//! what it lacks.

use std::collections::BTreeMap;

use crate::change::{Change, ChangeKind};
use crate::manifest::{Entry, EntryKind, PartState};
use crate::name::{CheckpointId, HostName, RemotePath, SourceName};
use crate::store::files::lines::LinesWithin;
use crate::store::query::compare::PartChanges;
use crate::store::query::find::DamagedCheckpoint;
use crate::store::{Error, SealedCheckpoint, Store};

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
    /// What happened to what is at the path itself; [`ChangeKind::Modified`] if that is a directory
    /// and something beneath it changed.
    pub kind: ChangeKind,
    /// The change of what is at the path itself; none if only something beneath it changed.
    pub change: Option<Change>,
    /// How many entries beneath the path changed, by kind; empty for what is no directory.
    pub beneath: BTreeMap<ChangeKind, u64>,
}

/// What a part was last known to have at the path.
#[derive(Debug, Default)]
struct Known {
    /// The newest checkpoint whose part did not fail, as its place in the list.
    checkpoint: Option<usize>,
    sight: Sight,
}

/// What is at a path.
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
    /// When `path`, or anything beneath it, changed on `host`. Entries files are read on as many
    /// threads as the machine has.
    ///
    /// Damaged checkpoints are listed beside the others and hide none of them.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if the store can't be read.
    pub fn history(&self, host: &HostName, path: &RemotePath) -> Result<History, Error> {
        let mut opened = Vec::new();
        for id in self.ids(host)? {
            match self.open_checkpoint(&id) {
                // It was removed since its folder was listed.
                Err(Error::UnknownCheckpoint { .. } | Error::UnknownHost { .. }) => {}
                sealed => opened.push((id, sealed)),
            }
        }
        let (ids, opened): (Vec<_>, Vec<_>) = opened.into_iter().unzip();
        let sealed: Vec<Option<&SealedCheckpoint>> =
            opened.iter().map(|sealed| sealed.as_ref().ok()).collect();
        let mut walk = Walk {
            path,
            ahead: read_ahead(&sealed, path),
            sealed: &sealed,
            known: BTreeMap::new(),
            moments: Vec::new(),
        };
        let walked: Vec<Result<(), Error>> = (0..sealed.len()).map(|at| walk.look(at)).collect();
        let mut history = History {
            moments: walk.moments,
            damaged: Vec::new(),
        };
        for ((id, opened), walked) in ids.into_iter().zip(opened).zip(walked) {
            match opened.map(|_| ()).and(walked) {
                Ok(()) => {}
                Err(
                    error @ (Error::Damaged { .. } | Error::Newer { .. } | Error::Needs { .. }),
                ) => {
                    history.damaged.push(DamagedCheckpoint { id, error });
                }
                Err(error) => return Err(error),
            }
        }
        Ok(history)
    }
}

/// Changes beneath a path, by kind.
type Counts = BTreeMap<ChangeKind, u64>;

/// What one part of one checkpoint shows.
#[derive(Debug)]
struct Look {
    sight: Sight,
    /// What changed beneath the path since the checkpoint at that place, where it was counted.
    beneath: Option<(Option<usize>, Counts)>,
}

/// One look that will most likely be wanted.
struct Job<'c> {
    old: Option<(usize, &'c SealedCheckpoint)>,
    new: (usize, &'c SealedCheckpoint),
    part: &'c SourceName,
    found: Option<Result<Look, Error>>,
}

impl Job<'_> {
    fn run(&self, path: &RemotePath) -> Result<Look, Error> {
        let sight = sight(self.new.1, self.part, path)?;
        let beneath = if sight.is_tree() {
            let counts = count_beneath(self.old.map(|(_, old)| old), self.new.1, self.part, path)?;
            Some((self.old.map(|(at, _)| at), counts))
        } else {
            None
        };
        Ok(Look { sight, beneath })
    }
}

type Ahead = BTreeMap<(usize, SourceName), Result<Look, Error>>;

/// Looks at every part whose entries are not those of the checkpoint before, on all processors. The
/// walk decides what is wanted of it, and looks itself where something is missing.
fn read_ahead(sealed: &[Option<&SealedCheckpoint>], path: &RemotePath) -> Ahead {
    let mut before: BTreeMap<&SourceName, (usize, &SealedCheckpoint)> = BTreeMap::new();
    let mut jobs = Vec::new();
    for (at, sealed) in sealed.iter().enumerate() {
        let Some(sealed) = sealed else { continue };
        for part in &sealed.checkpoint().parts {
            let old = before.get(&part.name).copied();
            if old.is_some_and(|(_, old)| sealed.has_same_entries(old, &part.name)) {
                continue;
            }
            jobs.push(Job {
                old,
                new: (at, sealed),
                part: &part.name,
                found: None,
            });
            if part.state != PartState::Failed {
                before.insert(&part.name, (at, sealed));
            }
        }
    }
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let share = jobs.len().div_ceil(threads).max(1);
    std::thread::scope(|scope| {
        for jobs in jobs.chunks_mut(share) {
            scope.spawn(|| {
                for job in jobs {
                    job.found = Some(job.run(path));
                }
            });
        }
    });
    let found = jobs.into_iter();
    found
        .filter_map(|job| Some(((job.new.0, job.part.clone()), job.found?)))
        .collect()
}

/// The walk from the oldest checkpoint to the newest.
struct Walk<'c> {
    path: &'c RemotePath,
    sealed: &'c [Option<&'c SealedCheckpoint>],
    ahead: Ahead,
    known: BTreeMap<SourceName, Known>,
    moments: Vec<Moment>,
}

impl Walk<'_> {
    /// Adds what changed in the checkpoint at that place.
    fn look(&mut self, at: usize) -> Result<(), Error> {
        let Some(sealed) = self.sealed[at] else {
            return Ok(());
        };
        for part in &sealed.checkpoint().parts {
            let known = self.known.entry(part.name.clone()).or_default();
            let is_failed = part.state == PartState::Failed;
            let before = known.checkpoint.and_then(|before| self.sealed[before]);
            if before.is_some_and(|before| sealed.has_same_entries(before, &part.name)) {
                continue;
            }
            let look = match self.ahead.remove(&(at, part.name.clone())) {
                Some(look) => look?,
                None => Look {
                    sight: sight(sealed, &part.name, self.path)?,
                    beneath: None,
                },
            };
            let now = look.sight;
            let is_tree = known.sight.is_tree() || now.is_tree();
            if is_failed && (is_tree || now == Sight::Nothing) {
                continue;
            }
            let beneath = match look.beneath {
                _ if !is_tree => Counts::new(),
                Some((since, counts)) if since == known.checkpoint => counts,
                Some(_) | None => count_beneath(before, sealed, &part.name, self.path)?,
            };
            let change = Change::between(known.sight.entry(), now.entry());
            let kind = match (&change, &known.sight, &now) {
                (Some(change), _, _) => Some(change.kind()),
                (None, Sight::Nothing, Sight::Above) => Some(ChangeKind::Added),
                (None, Sight::Above, Sight::Nothing) => Some(ChangeKind::Removed),
                (None, _, _) if !beneath.is_empty() => Some(ChangeKind::Modified),
                (None, _, _) => None,
            };
            self.moments.extend(kind.map(|kind| Moment {
                checkpoint: sealed.id().clone(),
                description: sealed.checkpoint().description.clone(),
                part: part.name.clone(),
                kind,
                change,
                beneath,
            }));
            known.sight = now;
            if !is_failed {
                known.checkpoint = Some(at);
            }
        }
        Ok(())
    }
}

/// How many entries beneath `path` changed.
fn count_beneath(
    old: Option<&SealedCheckpoint>,
    new: &SealedCheckpoint,
    part: &SourceName,
    path: &RemotePath,
) -> Result<Counts, Error> {
    let mut counts = Counts::new();
    let real = new.real_path_in(part, path);
    // A link on the way that leads elsewhere by now leads to other entries.
    let old = old.filter(|old| old.real_path_in(part, path) == real);
    let path = &real;
    for change in PartChanges::between(old, new, part, Some(path))? {
        let change = change?;
        if change.path() != path {
            *counts.entry(change.kind()).or_default() += 1;
        }
    }
    Ok(counts)
}

/// What `part` has at `path`.
fn sight(sealed: &SealedCheckpoint, part: &SourceName, path: &RemotePath) -> Result<Sight, Error> {
    let path = &sealed.real_path_in(part, path);
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
