//! Compares two sealed checkpoints part by part, from their entries alone: no pack is opened.
//!
//! A part that shares its entries file with the other checkpoint's is not read at all. Lines that read
//! the same are not parsed. What a failed part lacks is not called gone.

use std::iter::FusedIterator;

use crate::change::{Change, ChangeKind, Merge};
use crate::manifest::PartState;
use crate::name::{RemotePath, SourceName};
use crate::store::files::lines::{Line, LinesWithin};
use crate::store::{Error, SealedCheckpoint};

/// A part of two checkpoints, of which at least one asked for it.
#[derive(Debug, Clone)]
pub struct PartPair<'c> {
    /// Its name in both.
    pub name: SourceName,
    /// How it came out in the old one; none if that did not ask for it.
    pub old: Option<PartState>,
    /// How it came out in the new one; none if that did not ask for it.
    pub new: Option<PartState>,
    checkpoints: [&'c SealedCheckpoint; 2],
}

impl SealedCheckpoint {
    /// The parts of `old` and this one: in this one's order, then those that only `old` has.
    #[must_use]
    pub fn parts_since<'c>(&'c self, old: &'c Self) -> Vec<PartPair<'c>> {
        let state = |sealed: &Self, name: &SourceName| {
            sealed.checkpoint().part(name).map(|part| part.state)
        };
        let (before, now) = (&old.checkpoint().parts, &self.checkpoint().parts);
        let only_old = before
            .iter()
            .filter(|part| state(self, &part.name).is_none());
        now.iter()
            .chain(only_old)
            .map(|part| PartPair {
                name: part.name.clone(),
                old: state(old, &part.name),
                new: state(self, &part.name),
                checkpoints: [old, self],
            })
            .collect()
    }

    /// Whether the part has entries and the other checkpoint's are the very same.
    #[must_use]
    pub(in crate::store) fn has_same_entries(&self, other: &Self, part: &SourceName) -> bool {
        match (
            self.sealed.entries.get(part),
            other.sealed.entries.get(part),
        ) {
            (Some(own), Some(others)) => own.file.sha256 == others.file.sha256,
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        }
    }
}

impl PartPair<'_> {
    /// What changed, at `root` and beneath it, or everywhere. A checkpoint that did not ask for the
    /// part counts as having nothing there.
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`] if an entries file is not what was sealed; no change is given then.
    pub fn changes(&self, root: Option<&RemotePath>) -> Result<PartChanges, Error> {
        let [old, new] = self.checkpoints;
        let failed = |state: Option<PartState>| state == Some(PartState::Failed);
        Ok(PartChanges {
            old_failed: failed(self.old),
            new_failed: failed(self.new),
            ..PartChanges::between(Some(old), new, &self.name, root)?
        })
    }
}

/// The changes of one part in path order. Ends after the first error.
#[derive(Debug)]
pub struct PartChanges {
    merge: Option<Merge<LinesWithin, LinesWithin>>,
    old_failed: bool,
    new_failed: bool,
    left_out: u64,
}

impl PartChanges {
    /// What changed in `part` from `old`, or from nothing at all, to `new`, whether it failed or not.
    pub(in crate::store) fn between(
        old: Option<&SealedCheckpoint>,
        new: &SealedCheckpoint,
        part: &SourceName,
        root: Option<&RemotePath>,
    ) -> Result<Self, Error> {
        let merge = if old.is_some_and(|old| new.has_same_entries(old, part)) {
            None
        } else {
            let within = |lines| LinesWithin::new(lines, root.cloned());
            let old = match old {
                Some(old) => old.lines(part)?,
                None => None,
            };
            Some(Merge::new(within(old), within(new.lines(part)?)))
        };
        Ok(Self {
            merge,
            old_failed: false,
            new_failed: false,
            left_out: 0,
        })
    }

    /// How many entries were left out so far, because the part failed where they are missing: it
    /// can't know whether they came or went.
    #[must_use]
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    fn change(&mut self, pair: (Option<Line>, Option<Line>)) -> Result<Option<Change>, Error> {
        let entry = |line: Option<Line>| line.map(|line| line.entry()).transpose();
        let change = Change::between(entry(pair.0)?, entry(pair.1)?);
        let can_tell = match change.as_ref().map(Change::kind) {
            Some(ChangeKind::Added) => !self.old_failed,
            Some(ChangeKind::Removed) => !self.new_failed,
            Some(ChangeKind::Type | ChangeKind::Modified | ChangeKind::Metadata) | None => true,
        };
        if !can_tell {
            self.left_out += 1;
        }
        Ok(change.filter(|_| can_tell))
    }
}

impl Iterator for PartChanges {
    type Item = Result<Change, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let pair = self.merge.as_mut()?.next();
            let found = match pair {
                None => None,
                Some(Err(error)) => Some(Err(error)),
                Some(Ok(pair)) => match self.change(pair) {
                    Ok(None) => continue,
                    Ok(Some(change)) => Some(Ok(change)),
                    Err(error) => Some(Err(error)),
                },
            };
            if !matches!(found, Some(Ok(_))) {
                self.merge = None;
            }
            return found;
        }
    }
}

impl FusedIterator for PartChanges {}
