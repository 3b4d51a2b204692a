//! Merges the entries of several parts into one list, ordered by path, each path once.

use std::iter::Peekable;

use crate::manifest::Entry;
use crate::name::SourceName;
use crate::store::{self, Entries, SealedCheckpoint};

/// An entry, and the part that it is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartEntry {
    /// The part.
    pub part: SourceName,
    /// The entry.
    pub entry: Entry,
}

/// The entries of several parts in path order. Where two parts have one path, the part that was given first
/// counts. Ends after the first error.
#[derive(Debug)]
pub struct Merged {
    parts: Vec<(SourceName, Peekable<Entries>)>,
}

impl Merged {
    /// Of the entries of each part.
    #[must_use]
    pub fn new(parts: Vec<(SourceName, Entries)>) -> Self {
        let parts = parts.into_iter();
        Self {
            parts: parts
                .map(|(name, entries)| (name, entries.peekable()))
                .collect(),
        }
    }

    /// Of `parts` of a checkpoint, as far as it has entries of them.
    ///
    /// # Errors
    ///
    /// [`store::Error`] if they can't be opened.
    pub fn of(checkpoint: &SealedCheckpoint, parts: &[SourceName]) -> Result<Self, store::Error> {
        let has_entries =
            |name: &&SourceName| checkpoint.parts_with_entries().any(|part| part == *name);
        let parts = parts.iter().filter(has_entries);
        let parts = parts.map(|name| Ok((name.clone(), checkpoint.entries(name)?)));
        Ok(Self::new(parts.collect::<Result<_, store::Error>>()?))
    }
}

impl Iterator for Merged {
    type Item = Result<PartEntry, store::Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut first: Option<usize> = None;
        for index in 0..self.parts.len() {
            let (before, from) = self.parts.split_at_mut(index);
            let next = match from[0].1.peek() {
                None => continue,
                // The error comes out before anything else.
                Some(Err(_)) => {
                    let error = from[0].1.next()?.err()?;
                    self.parts.clear();
                    return Some(Err(error));
                }
                Some(Ok(entry)) => entry,
            };
            let is_first = first.is_none_or(|first| match before[first].1.peek() {
                Some(Ok(least)) => next.path < least.path,
                Some(Err(_)) | None => true,
            });
            if is_first {
                first = Some(index);
            }
        }
        let (part, entries) = &mut self.parts[first?];
        let part = part.clone();
        let entry = entries.next()?.ok()?;
        for (_, entries) in &mut self.parts {
            // What another part has at the same path does not count.
            let is_same =
                |other: &Result<Entry, _>| other.as_ref().is_ok_and(|o| o.path == entry.path);
            drop(entries.next_if(is_same));
        }
        Some(Ok(PartEntry { part, entry }))
    }
}
