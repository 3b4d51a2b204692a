//! Compares a scan with the last checkpoint: unchanged entries need not be fetched.

mod groups;

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::digest::Sha256;
use crate::intake::kept::{Difference, Kept, KeptEntry, Place, place_of};
use crate::manifest::{Entry, EntryKind, FileType, PackName};
use crate::name::{RemotePath, SourceName};
use crate::scan::unchanged::is_same;
use crate::source::scan::Found;
use crate::store::{self, SealedCheckpoint};

/// What was found, and what the base knows of it.
#[derive(Debug)]
pub(super) struct Comparison {
    base: Arc<SealedCheckpoint>,
    part: SourceName,
    /// By path.
    found: Vec<Found>,
    /// For each: what the base has that is the same.
    same: Vec<Option<Same>>,
    base_records: usize,
    packs: Vec<PackName>,
}

/// An entry of the base that is still like the host's.
#[derive(Debug)]
struct Same {
    record: usize,
    /// None for what has no content.
    place: Option<Place>,
    /// For a further name of what is no directory: the first one.
    first_name: Option<RemotePath>,
    sha256: Option<Sha256>,
    /// Of what is kept of a regular file, which may be less than the scan saw; 0 for other kinds.
    size_bytes: u64,
}

/// The base can't be read.
#[derive(Debug)]
pub(super) struct Unusable {
    /// What was found, given back.
    pub(super) found: Vec<Found>,
    /// Why.
    pub(super) error: Box<store::Error>,
}

impl Comparison {
    /// Compares `found`, which is sorted by path, with what `base` has of `part`. What is in a pack of
    /// `lost` is not the same.
    ///
    /// Blocking.
    ///
    /// # Errors
    ///
    /// [`Unusable`] if the entries of the base can't be read; nothing of them may be used then.
    pub(super) fn new(
        found: Vec<Found>,
        base: Arc<SealedCheckpoint>,
        part: &SourceName,
        lost: &BTreeSet<PackName>,
    ) -> Result<Self, Unusable> {
        let mut comparison = Self {
            same: Vec::with_capacity(found.len()),
            found,
            part: part.clone(),
            base_records: 0,
            packs: Vec::new(),
            base,
        };
        match comparison.read_base(lost) {
            Ok(()) => Ok(comparison),
            Err(error) => Err(Unusable {
                found: comparison.found,
                error: Box::new(error),
            }),
        }
    }

    fn read_base(&mut self, lost: &BTreeSet<PackName>) -> Result<(), store::Error> {
        let base = Arc::clone(&self.base);
        let scanned_at = base
            .checkpoint()
            .part(&self.part)
            .and_then(|known| known.scanned_at);
        for entry in base.entries(&self.part)? {
            let entry = entry?;
            let record = self.base_records;
            self.base_records += 1;
            while let Some(found) = self.found.get(self.same.len())
                && found.path < entry.path
            {
                self.same.push(None);
            }
            let Some(found) = self.found.get(self.same.len()) else {
                continue;
            };
            if found.path != entry.path {
                continue;
            }
            let is_same = is_same(found, &entry, scanned_at)
                && (entry.content.is_empty() || entry.whole_member().is_some())
                && entry
                    .content
                    .iter()
                    .all(|piece| !lost.contains(&piece.pack));
            let same = is_same.then(|| self.same_as(record, entry));
            self.same.push(same);
        }
        self.same.resize_with(self.found.len(), || None);
        Ok(())
    }

    fn same_as(&mut self, record: usize, entry: Entry) -> Same {
        let size_bytes = entry.file_bytes().unwrap_or_default();
        let place = entry.content.into_iter().next().map(|piece| Place {
            pack: place_of(&mut self.packs, &piece.pack),
            offset_bytes: piece.offset_bytes,
        });
        let (first_name, sha256) = match entry.kind {
            EntryKind::File { sha256, .. } => (None, Some(sha256)),
            EntryKind::HardLink { target, .. } => (Some(target), None),
            EntryKind::Directory
            | EntryKind::Symlink { .. }
            | EntryKind::Fifo
            | EntryKind::Socket
            | EntryKind::CharDevice { .. }
            | EntryKind::BlockDevice { .. } => (entry.first_name, None),
        };
        Same {
            record,
            place,
            first_name,
            sha256,
            size_bytes,
        }
    }

    /// The regular files that are the same, each content once, with the digests that the base has.
    pub(super) fn files(&self) -> impl Iterator<Item = (&RemotePath, Sha256)> {
        self.found
            .iter()
            .zip(&self.same)
            .filter_map(|(found, same)| Some((&found.path, same.as_ref()?.sha256?)))
    }

    /// Takes back that the files for which `is_true` says no are the same.
    pub(super) fn distrust(&mut self, is_true: impl Fn(&RemotePath, Sha256) -> bool) {
        for (found, same) in self.found.iter().zip(&mut self.same) {
            if let Some(Same {
                sha256: Some(sha256),
                ..
            }) = same
                && !is_true(&found.path, *sha256)
            {
                *same = None;
            }
        }
    }

    /// What is to be fetched, and what is taken over.
    pub(super) fn difference(mut self) -> Difference {
        self.break_groups();
        let mut difference = Difference::default();
        let mut kept = Kept {
            base: self.base,
            entries: Vec::new(),
            base_records: self.base_records,
            packs: self.packs,
        };
        for (found, same) in self.found.into_iter().zip(self.same) {
            match (same, found.facts.as_ref()) {
                (Some(same), Some(facts)) => kept.entries.push(KeptEntry {
                    kind: facts.kind,
                    size_bytes: same.size_bytes,
                    path: found.path,
                    record: same.record,
                    place: same.place,
                    first_name: same.first_name.map(Box::new),
                    sha256: same.sha256,
                    moved_to: None,
                }),
                _ if found.is(FileType::Socket) => difference.sockets.push(found),
                _ => difference.fetch.push(found),
            }
        }
        difference.kept = Some(kept).filter(|kept| !kept.entries.is_empty());
        difference
    }
}
