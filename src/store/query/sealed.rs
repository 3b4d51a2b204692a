//! Sealed checkpoints, opened for reading.
//!
//! Opening checks the seal of `checkpoint.json`; entries are checked against it before the first one
//! is delivered. Nothing here changes anything.

use std::io::Read;
use std::path::{Path, PathBuf};

use crate::manifest::{Checkpoint, Entry, MachineIdentity, PackName, Totals, real_path};
use crate::name::{CheckpointId, RemotePath, SourceName, escape};
use crate::store::Error;
use crate::store::files::entries::{self, Entries, EntryLines};
use crate::store::files::layout;
use crate::store::files::lines::Lines;
use crate::store::record::checkpoint::{EntriesFacts, ReadError, Sealed, VERSION};

/// A sealed checkpoint. Cheap to open: its entries are read when they are asked for.
#[derive(Debug, Clone)]
pub struct SealedCheckpoint {
    host_dir: PathBuf,
    dir: PathBuf,
    pub(in crate::store) sealed: Sealed,
}

impl SealedCheckpoint {
    /// Reads the record of `id`, whose folder is there.
    pub(in crate::store) fn open(store: &Path, id: &CheckpointId) -> Result<Self, Error> {
        let dir = layout::checkpoint_dir(store, id);
        let (sealed, _) = read_record(&dir, id)?;
        Ok(Self {
            host_dir: layout::host_dir(store, &id.host),
            dir,
            sealed,
        })
    }

    /// Its full name.
    #[must_use]
    pub fn id(&self) -> &CheckpointId {
        &self.sealed.checkpoint.id
    }

    /// The digest of its record, as it reads back.
    #[must_use]
    pub fn record_sha256(&self) -> crate::digest::Sha256 {
        crate::digest::Sha256::of(self.sealed.to_text().as_bytes())
    }

    /// Everything but its entries.
    #[must_use]
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.sealed.checkpoint
    }

    /// The names of the parts that have entries, sorted.
    pub fn parts_with_entries(&self) -> impl Iterator<Item = &SourceName> {
        self.sealed.entries.keys()
    }

    /// The same in the order in which they count where several have one path: those that hold files as a
    /// whole before those that hold just lines of them.
    pub(in crate::store) fn parts_by_weight(&self) -> impl Iterator<Item = &SourceName> {
        let has_lines = |name: &&SourceName| {
            let part = self.checkpoint().part(name);
            part.is_some_and(|part| part.lines.is_some())
        };
        let whole = self
            .parts_with_entries()
            .filter(move |part| !has_lines(part));
        whole.chain(self.parts_with_entries().filter(has_lines))
    }

    /// The packs that the entries of `part` are in, sorted; none if it has no entries.
    #[must_use]
    pub fn packs_of(&self, part: &SourceName) -> &[PackName] {
        let entries = self.sealed.entries.get(part);
        entries.map_or(&[], |entries| &entries.packs)
    }

    /// The entries of `part` in path order. The memory of one entry is enough for all.
    ///
    /// # Errors
    ///
    /// [`Error::NoPart`] if it has none, [`Error::Damaged`] if the file is not what was sealed,
    /// [`Error::Removed`] if the checkpoint is gone since it was opened; no entry of it is delivered
    /// then.
    pub fn entries(&self, part: &SourceName) -> Result<Entries, Error> {
        let (facts, _) = self.entries_facts(part)?;
        Entries::open(
            &entries::path_in(&self.dir, part),
            &self.entries_shown(part),
            facts,
        )
        .map_err(|e| self.unless_removed(e))
    }

    /// The entries of `part` as they are in their file, in path order.
    ///
    /// # Errors
    ///
    /// As [`SealedCheckpoint::entries`].
    pub fn entry_lines(&self, part: &SourceName) -> Result<EntryLines, Error> {
        self.entries_facts(part)?;
        let lines = self.lines(part)?;
        Ok(EntryLines::new(lines.expect("its facts were found")))
    }

    /// The lines of `part`; none if it has no entries.
    pub(in crate::store) fn lines(&self, part: &SourceName) -> Result<Option<Lines>, Error> {
        let path = entries::path_in(&self.dir, part);
        let facts = self.sealed.entries.get(part);
        facts
            .map(|facts| Lines::open(&path, &self.entries_shown(part), facts))
            .transpose()
            .map_err(|e| self.unless_removed(e))
    }

    fn entries_shown(&self, part: &SourceName) -> String {
        layout::shown(self.id(), &layout::entries_file(part))
    }

    /// The entry of that path, and the part it belongs to; the first part that has it, by name, and
    /// one that holds whole files before one that holds lines of them. A path that the inventory named
    /// through symbolic links is found at its real path.
    ///
    /// # Errors
    ///
    /// [`Error::NoEntry`] if there is none, [`Error::Damaged`] as with [`SealedCheckpoint::entries`].
    pub fn find(&self, path: &RemotePath) -> Result<(SourceName, Entry), Error> {
        if let Some(found) = self.find_at(path)? {
            return Ok(found);
        }
        for part in &self.checkpoint().parts {
            let real = real_path(path, &part.resolved);
            if real != *path
                && let Some(found) = self.find_at(&real)?
            {
                return Ok(found);
            }
        }
        Err(Error::NoEntry {
            checkpoint: self.id().clone(),
            path: path.to_string(),
        })
    }

    fn find_at(&self, path: &RemotePath) -> Result<Option<(SourceName, Entry)>, Error> {
        for part in self.parts_by_weight() {
            if let Some(entry) = self.find_in(part, path)? {
                return Ok(Some((part.clone(), entry)));
            }
        }
        Ok(None)
    }

    /// Where `path` is in `part`, which may have been asked for it through symbolic links.
    pub(in crate::store) fn real_path_in(
        &self,
        part: &SourceName,
        path: &RemotePath,
    ) -> RemotePath {
        let part = self.checkpoint().part(part);
        part.map_or_else(|| path.clone(), |part| real_path(path, &part.resolved))
    }

    /// The entry of that path in one part.
    pub(in crate::store) fn find_in(
        &self,
        part: &SourceName,
        path: &RemotePath,
    ) -> Result<Option<Entry>, Error> {
        let first = self.entries(part)?.starting_at(path).next().transpose()?;
        Ok(first.filter(|entry| entry.path == *path))
    }

    /// What is missing because the checkpoint was removed meanwhile is no damage. Its folder goes
    /// first, so that whatever else is missed by then was.
    pub(in crate::store) fn unless_removed(&self, error: Error) -> Error {
        if matches!(error, Error::Damaged { .. }) && !self.dir.exists() {
            Error::Removed {
                checkpoint: self.id().clone(),
            }
        } else {
            error
        }
    }

    /// The folder of its host, which pack names are relative to.
    #[must_use]
    pub fn host_dir(&self) -> &Path {
        &self.host_dir
    }

    pub(in crate::store) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(in crate::store) fn entries_facts(
        &self,
        part: &SourceName,
    ) -> Result<(&EntriesFacts, Totals), Error> {
        let known = self.sealed.checkpoint.part(part);
        match (self.sealed.entries.get(part), known) {
            (Some(facts), Some(part)) => Ok((facts, part.totals)),
            _ => Err(Error::NoPart {
                checkpoint: self.id().clone(),
                part: part.clone(),
            }),
        }
    }
}

/// Reads `checkpoint.json` in `dir`, with its bytes.
pub(in crate::store) fn read_record(
    dir: &Path,
    id: &CheckpointId,
) -> Result<(Sealed, Vec<u8>), Error> {
    let bytes = record_bytes(dir, id)?;
    let sealed = Sealed::read(&bytes).map_err(|error| unreadable(id, error))?;
    same_name(id, &sealed.checkpoint.id.to_string())?;
    Ok((sealed, bytes))
}

/// Reads of `checkpoint.json` in `dir` just which machine the checkpoint was taken of.
pub(in crate::store) fn read_machine(
    dir: &Path,
    id: &CheckpointId,
) -> Result<MachineIdentity, Error> {
    let bytes = record_bytes(dir, id)?;
    let record = Sealed::read_machine(&bytes).map_err(|error| unreadable(id, error))?;
    same_name(id, &record.id)?;
    Ok(record.host)
}

fn record_bytes(dir: &Path, id: &CheckpointId) -> Result<Vec<u8>, Error> {
    let path = dir.join(layout::CHECKPOINT_FILE);
    let shown = layout::shown(id, layout::CHECKPOINT_FILE);
    let mut bytes = Vec::new();
    entries::open_stored(&path, &shown)?
        .read_to_end(&mut bytes)
        .map_err(Error::io("read", &path))?;
    Ok(bytes)
}

fn unreadable(id: &CheckpointId, error: ReadError) -> Error {
    let file = layout::shown(id, layout::CHECKPOINT_FILE);
    match error {
        ReadError::Newer(found) => Error::Newer {
            file,
            found,
            known: VERSION,
        },
        ReadError::Needs(words) => Error::Needs { file, words },
        ReadError::Damaged(problem) => Error::damaged(file, problem),
    }
}

/// A record in the folder of another checkpoint is damage.
fn same_name(id: &CheckpointId, recorded: &str) -> Result<(), Error> {
    if id.to_string() == recorded {
        return Ok(());
    }
    let file = layout::shown(id, layout::CHECKPOINT_FILE);
    Err(Error::damaged(
        file,
        format!("it belongs to {}", escape(recorded.as_bytes())),
    ))
}
