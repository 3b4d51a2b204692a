//! The difference between a source and the last checkpoint: what is fetched, and what is kept from it.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::digest::Sha256;
use crate::manifest::{EntryKind, FileType, PackName, Totals};
use crate::name::{RemotePath, SourceName};
use crate::source::scan::Found;
use crate::store::{self, SealedCheckpoint};
use crate::tarstream::tree::Shape;

/// What is to be done about a source.
#[derive(Debug, Default)]
pub(crate) struct Difference {
    /// To be fetched, by path.
    pub(crate) fetch: Vec<Found>,
    /// To be recorded as the scan saw it.
    pub(crate) sockets: Vec<Found>,
    /// To be taken over from the base.
    pub(crate) kept: Option<Kept>,
}

/// What is taken over from an earlier checkpoint.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) base: Arc<SealedCheckpoint>,
    /// By path.
    pub(crate) entries: Vec<KeptEntry>,
    /// How many entries the base has.
    pub(crate) base_records: usize,
    /// The packs that they are in.
    pub(crate) packs: Vec<PackName>,
}

/// Where the member of an entry begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// Which of the packs.
    pub(crate) pack: usize,
    /// In the uncompressed pack.
    pub(crate) offset_bytes: u64,
}

/// One entry that is taken over.
#[derive(Debug)]
pub(crate) struct KeptEntry {
    pub(crate) path: RemotePath,
    pub(crate) kind: FileType,
    pub(crate) size_bytes: u64,
    /// Which entry of the base it is.
    pub(crate) record: usize,
    /// None for what has no content.
    pub(crate) place: Option<Place>,
    /// For a further name of what is no directory: the first one, which is kept as well.
    pub(crate) first_name: Option<Box<RemotePath>>,
    /// The digest of a regular file's content, for its first name.
    pub(crate) sha256: Option<Sha256>,
    /// Where its member begins in the new pack, if it was copied there.
    pub(crate) moved_to: Option<u64>,
}

impl Difference {
    /// Nothing is taken over.
    pub(crate) fn everything(mut fetch: Vec<Found>) -> Self {
        let sockets = fetch
            .extract_if(.., |found| found.is(FileType::Socket))
            .collect();
        Self {
            fetch,
            sockets,
            kept: None,
        }
    }

    /// The sizes of the files that are fetched, as the scan saw them.
    pub(crate) fn fetch_bytes(&self) -> u64 {
        let facts = self.fetch.iter().filter_map(|found| found.facts.as_ref());
        facts
            .filter(|facts| facts.kind == FileType::File)
            .map(|facts| facts.mark.size_bytes)
            .sum()
    }
}

impl KeptEntry {
    /// The size of a regular file, for every name of it.
    pub(crate) fn file_bytes(&self) -> Option<u64> {
        (self.kind == FileType::File).then_some(self.size_bytes)
    }

    /// What it is, as far as the places of others depend on it.
    pub(crate) fn shape(&self) -> Shape<'static> {
        match self.kind {
            FileType::Directory => Shape::Directory,
            FileType::File => Shape::File,
            FileType::Symlink
            | FileType::Fifo
            | FileType::Socket
            | FileType::CharDevice
            | FileType::BlockDevice
            | FileType::Other => Shape::Other,
        }
    }
}

impl Kept {
    /// The regular files that `base` has of `part`, of which `is_same` knows path and content; none, if
    /// there are none. What is in a pack of `lost` is not the same. Blocking.
    ///
    /// # Errors
    ///
    /// [`store::Error`] if the entries of the base can't be read.
    pub(crate) fn of_files(
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
            let (EntryKind::File { size_bytes, sha256 }, Some(piece)) =
                (&entry.kind, entry.whole_member())
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
                kind: FileType::File,
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
    pub(crate) fn is_all(&self) -> bool {
        let is_moved = |entry: &KeptEntry| entry.moved_to.is_some();
        self.entries.len() == self.base_records && !self.entries.iter().any(is_moved)
    }

    /// The packs that entries still are in.
    pub(crate) fn needed_packs(&self) -> BTreeSet<&PackName> {
        let unmoved = self.entries.iter().filter(|entry| entry.moved_to.is_none());
        let places = unmoved.filter_map(|entry| entry.place);
        places.map(|place| &self.packs[place.pack]).collect()
    }

    /// Regular files and their bytes.
    pub(crate) fn totals(&self) -> Totals {
        let files = self.entries.iter().filter_map(KeptEntry::file_bytes);
        files.fold(Totals::default(), |sum, bytes| Totals {
            files: sum.files + 1,
            bytes: sum.bytes + bytes,
        })
    }

    /// Drops what is beneath `gone` and further names of it, and names all of that.
    pub(crate) fn drop_beneath(&mut self, gone: &[RemotePath]) -> Vec<RemotePath> {
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
pub(crate) fn place_of(packs: &mut Vec<PackName>, pack: &PackName) -> usize {
    // Neighbours are in the same packs, and there are few.
    let known = packs.iter().rposition(|known| known == pack);
    known.unwrap_or_else(|| {
        packs.push(pack.clone());
        packs.len() - 1
    })
}
