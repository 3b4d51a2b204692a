//! What a scan found against what the last checkpoint holds: what is still the same need not be
//! fetched.

mod groups;

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::digest::Sha256;
use crate::manifest::{Entry, EntryKind, PackName, Totals};
use crate::name::{RemotePath, SourceName};
use crate::scan::same::is_same;
use crate::source::scan::{Found, FoundKind};
use crate::store::{self, SealedCheckpoint};
use crate::tarstream::tree::Shape;

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

/// What is to be done about a source.
#[derive(Debug, Default)]
pub(super) struct Difference {
    /// To be fetched, by path.
    pub(super) fetch: Vec<Found>,
    /// To be recorded as the scan saw it.
    pub(super) sockets: Vec<Found>,
    /// To be taken over from the base.
    pub(super) kept: Option<Kept>,
}

/// What is taken over from an earlier checkpoint.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) base: Arc<SealedCheckpoint>,
    /// By path.
    pub(super) entries: Vec<KeptEntry>,
    /// How many entries the base has.
    pub(super) base_records: usize,
    /// The packs that they lie in.
    pub(super) packs: Vec<PackName>,
}

/// Where the member of an entry begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// Which of the packs.
    pub(super) pack: usize,
    /// In the uncompressed pack.
    pub(super) offset_bytes: u64,
}

/// One entry that is taken over.
#[derive(Debug)]
pub(super) struct KeptEntry {
    pub(super) path: RemotePath,
    pub(super) kind: FoundKind,
    pub(super) size_bytes: u64,
    /// Which entry of the base it is.
    pub(super) record: usize,
    /// None for what has no content.
    pub(super) place: Option<Place>,
    /// For a further name of what is no directory: the first one, which is kept as well.
    pub(super) first_name: Option<Box<RemotePath>>,
    /// The digest of a regular file's content, for its first name.
    pub(super) sha256: Option<Sha256>,
    /// Where its member begins in the new pack, if it was copied there.
    pub(super) moved_to: Option<u64>,
}

impl Difference {
    /// Nothing is taken over.
    pub(super) fn everything(mut fetch: Vec<Found>) -> Self {
        let sockets = fetch
            .extract_if(.., |found| found.is(FoundKind::Socket))
            .collect();
        Self {
            fetch,
            sockets,
            kept: None,
        }
    }

    /// The sizes of the files that are fetched, as the scan saw them.
    pub(super) fn fetch_bytes(&self) -> u64 {
        let facts = self.fetch.iter().filter_map(|found| found.facts.as_ref());
        facts
            .filter(|facts| facts.kind == FoundKind::File)
            .map(|facts| facts.mark.size_bytes)
            .sum()
    }
}

impl Comparison {
    /// Compares `found`, which is sorted by path, with what `base` has of `part`. What lies in a pack of
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
                && entry.content.len() <= 1
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
                _ if found.is(FoundKind::Socket) => difference.sockets.push(found),
                _ => difference.fetch.push(found),
            }
        }
        difference.kept = Some(kept).filter(|kept| !kept.entries.is_empty());
        difference
    }
}

impl KeptEntry {
    /// The size of a regular file, for every name of it.
    pub(super) fn file_bytes(&self) -> Option<u64> {
        (self.kind == FoundKind::File).then_some(self.size_bytes)
    }

    /// What it is, as far as the places of others depend on it.
    pub(super) fn shape(&self) -> Shape<'static> {
        match self.kind {
            FoundKind::Directory => Shape::Directory,
            FoundKind::File => Shape::File,
            FoundKind::Symlink
            | FoundKind::Fifo
            | FoundKind::Socket
            | FoundKind::CharDevice
            | FoundKind::BlockDevice
            | FoundKind::Other => Shape::Other,
        }
    }
}

impl Kept {
    /// The regular files that `base` has of `part`, of which `is_same` knows path and content; none, if
    /// there are none. What lies in a pack of `lost` is not the same. Blocking.
    ///
    /// # Errors
    ///
    /// [`store::Error`] if the entries of the base can't be read.
    pub(super) fn of_files(
        base: &Arc<SealedCheckpoint>,
        part: &SourceName,
        lost: &BTreeSet<PackName>,
        is_same: impl Fn(&RemotePath, Sha256) -> bool,
    ) -> Result<Option<Self>, store::Error> {
        let mut kept = Self {
            base: Arc::clone(base),
            entries: Vec::new(),
            base_records: 0,
            packs: Vec::new(),
        };
        for entry in base.entries(part)? {
            let entry = entry?;
            let record = kept.base_records;
            kept.base_records += 1;
            let (EntryKind::File { size_bytes, sha256 }, [piece]) = (&entry.kind, &*entry.content)
            else {
                continue;
            };
            if lost.contains(&piece.pack) || !is_same(&entry.path, *sha256) {
                continue;
            }
            let place = Place {
                pack: place_of(&mut kept.packs, &piece.pack),
                offset_bytes: piece.offset_bytes,
            };
            kept.entries.push(KeptEntry {
                kind: FoundKind::File,
                size_bytes: *size_bytes,
                record,
                place: Some(place),
                first_name: None,
                sha256: Some(*sha256),
                moved_to: None,
                path: entry.path,
            });
        }
        Ok(Some(kept).filter(|kept| !kept.entries.is_empty()))
    }

    /// Whether the base holds nothing but this, and where it says.
    pub(super) fn is_all(&self) -> bool {
        let is_moved = |entry: &KeptEntry| entry.moved_to.is_some();
        self.entries.len() == self.base_records && !self.entries.iter().any(is_moved)
    }

    /// The packs that entries still lie in.
    pub(super) fn needed_packs(&self) -> BTreeSet<&PackName> {
        let unmoved = self.entries.iter().filter(|entry| entry.moved_to.is_none());
        let places = unmoved.filter_map(|entry| entry.place);
        places.map(|place| &self.packs[place.pack]).collect()
    }

    /// Regular files and their bytes.
    pub(super) fn totals(&self) -> Totals {
        let files = self.entries.iter().filter_map(KeptEntry::file_bytes);
        files.fold(Totals::default(), |sum, bytes| Totals {
            files: sum.files + 1,
            bytes: sum.bytes + bytes,
        })
    }

    /// Drops what lies beneath `gone` and further names of it, and names all of that.
    pub(super) fn drop_beneath(&mut self, gone: &[RemotePath]) -> Vec<RemotePath> {
        if gone.is_empty() {
            return Vec::new();
        }
        let gone: BTreeSet<&RemotePath> = gone.iter().collect();
        let mut dropped = Vec::new();
        self.entries.retain(|entry| {
            let mut above = entry.path.parent();
            while let Some(path) = above {
                if gone.contains(&path) {
                    dropped.push(entry.path.clone());
                    return false;
                }
                above = path.parent();
            }
            true
        });
        let firsts: BTreeSet<RemotePath> = dropped.iter().cloned().collect();
        self.entries.retain(|entry| {
            let is_kept = entry
                .first_name
                .as_ref()
                .is_none_or(|first| !firsts.contains(&**first));
            if !is_kept {
                dropped.push(entry.path.clone());
            }
            is_kept
        });
        dropped
    }
}

/// Which of `packs` it is; it is added if need be.
fn place_of(packs: &mut Vec<PackName>, pack: &PackName) -> usize {
    // Neighbours lie in the same packs, and there are few.
    let known = packs.iter().rposition(|known| known == pack);
    known.unwrap_or_else(|| {
        packs.push(pack.clone());
        packs.len() - 1
    })
}
