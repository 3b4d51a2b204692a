//! What is in an archive of `pg_dump`: its items, and a digest that two archives of equal databases share.

use std::collections::HashMap;

use super::archive::Archive;
use super::{Error, Whole};
use crate::digest::{Hasher, Sha256};

/// An item of an archive.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ArchiveItem {
    /// Its kind in PostgreSQL's words: `TABLE`, `TABLE DATA`, `DATABASE`, `ACL` …
    pub kind: String,
    /// What it is called.
    pub tag: String,
    /// The statements that make it; of very long ones, their beginning.
    pub definition: Vec<u8>,
    /// The role that owns it; empty if nobody does.
    pub owner: String,
}

/// What an archive holds.
#[derive(Debug, Clone)]
pub struct ArchiveContents {
    /// Its items, in their order.
    pub items: Vec<ArchiveItem>,
    /// Of its items and data, without the numbers that a server gives its objects. Archives of one version
    /// of `pg_dump` share it if they restore the same database.
    pub digest: Sha256,
    /// How it was made.
    pub whole: Whole,
}

/// Reads an archive, for what is in it.
#[derive(Debug)]
pub struct ArchiveReader(Archive);

impl Default for ArchiveReader {
    fn default() -> Self {
        Self(Archive::with_contents())
    }
}

impl ArchiveReader {
    /// Takes the next piece, of any length.
    ///
    /// # Errors
    ///
    /// [`Error::NotADump`] or [`Error::Senseless`].
    pub fn feed(&mut self, piece: &[u8]) -> Result<(), Error> {
        self.0.feed(piece, &mut Vec::with_capacity(piece.len()))
    }

    /// The archive has ended.
    ///
    /// # Errors
    ///
    /// [`Error`] if it isn't whole.
    pub fn finish(mut self) -> Result<ArchiveContents, Error> {
        let contents = self.0.take_contents();
        let whole = self.0.finish()?;
        Ok(ArchiveContents {
            items: contents.items,
            digest: contents.hasher.finish(),
            whole,
        })
    }
}

/// Takes note of what is in an archive while it is read.
/// Nothing is noted unless somebody wants it.
#[derive(Debug, Default)]
pub(super) struct Contents {
    is_wanted: bool,
    items: Vec<ArchiveItem>,
    /// The place of an item by its number.
    places: HashMap<i64, usize>,
    hasher: Hasher,
}

impl Contents {
    /// So much is kept of a text.
    pub(super) const TEXT_MAX_BYTES: usize = 1 << 20;

    /// One that takes note.
    pub(super) fn wanted() -> Self {
        Self {
            is_wanted: true,
            ..Self::default()
        }
    }

    pub(super) fn is_wanted(&self) -> bool {
        self.is_wanted
    }

    pub(super) fn begin(&mut self, number: i64) {
        if !self.is_wanted {
            return;
        }
        self.places.insert(number, self.items.len());
        self.items.push(ArchiveItem::default());
    }

    /// A text before the section: catalogue and object are numbers of the server, tag and kind follow.
    pub(super) fn before(&mut self, place: usize, text: &[u8]) {
        let Some(item) = self.items.last_mut() else {
            return;
        };
        match place {
            2 => item.tag = lossy(text),
            3 => item.kind = lossy(text),
            _ => return,
        }
        self.text(text);
    }

    /// A text behind the section: the definition comes first.
    pub(super) fn between(&mut self, place: usize, text: &[u8]) {
        if let (0, Some(item)) = (place, self.items.last_mut()) {
            item.definition = text.to_vec();
        }
        self.text(text);
    }

    pub(super) fn owner(&mut self, text: &[u8]) {
        if let Some(item) = self.items.last_mut() {
            item.owner = lossy(text);
        }
        self.text(text);
    }

    /// The data of the item of that number follows.
    pub(super) fn block(&mut self, number: i64) {
        let place = self.places.get(&number).copied().unwrap_or_default();
        self.hash(&(place as u64).to_le_bytes());
    }

    pub(super) fn large_object(&mut self, object: i64) {
        self.hash(&object.to_le_bytes());
    }

    pub(super) fn data(&mut self, bytes: &[u8]) {
        self.hash(bytes);
    }

    fn hash(&mut self, bytes: &[u8]) {
        if self.is_wanted {
            self.hasher.update(bytes);
        }
    }

    fn text(&mut self, text: &[u8]) {
        self.hash(&(text.len() as u64).to_le_bytes());
        self.hash(text);
    }
}

fn lossy(text: &[u8]) -> String {
    String::from_utf8_lossy(text).into_owned()
}
