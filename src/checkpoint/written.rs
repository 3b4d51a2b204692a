//! A checkpoint whose entries are written and can be read, and which is not visible in the store yet.

use crate::intake::entries;
use crate::manifest::{Checkpoint, Part, PartState};
use crate::name::{CheckpointId, SourceName};
use crate::store::{self, Entries, Facts, Incoming, PartFacts};

use super::{Error, UnsealedCheckpoint};

/// Everything that a checkpoint will hold, its entries in files.
#[must_use = "nothing is visible in the store before `seal`"]
#[derive(Debug)]
pub struct WrittenCheckpoint {
    incoming: Incoming,
    facts: Facts,
}

impl UnsealedCheckpoint {
    /// Writes the entries of all parts. Blocking.
    ///
    /// # Errors
    ///
    /// [`Error::Store`] if the store cannot be written.
    pub fn write(mut self) -> Result<WrittenCheckpoint, Error> {
        for outcome in self.outcomes {
            let kind = match outcome.part.lines {
                None => entries::Files::Whole,
                Some(_) => entries::Files::Extracts,
            };
            let part = &outcome.part.name;
            let entries = entries::write(&self.incoming, part, kind, outcome.content)?;
            self.facts.parts.push(PartFacts {
                part: outcome.part,
                entries,
            });
        }
        Ok(WrittenCheckpoint {
            incoming: self.incoming,
            facts: self.facts,
        })
    }

    /// Makes the checkpoint visible, whole or not at all. Blocking; not to be interrupted.
    ///
    /// # Errors
    ///
    /// [`Error::Store`] if the store cannot be written; nothing is visible then.
    pub fn seal(self) -> Result<Checkpoint, Error> {
        self.write()?.seal()
    }
}

impl WrittenCheckpoint {
    /// What it will be called.
    #[must_use]
    pub fn id(&self) -> CheckpointId {
        self.incoming.id()
    }

    /// The parts, in the inventory's order. Their totals are not set yet.
    pub fn parts(&self) -> impl Iterator<Item = &Part> {
        self.facts.parts.iter().map(|facts| &facts.part)
    }

    /// The parts that failed.
    pub fn failed(&self) -> impl Iterator<Item = &Part> {
        self.parts().filter(|part| part.state == PartState::Failed)
    }

    /// The entries of `part` in path order; none if it has none.
    ///
    /// # Errors
    ///
    /// [`store::Error`] if they can't be read.
    pub fn entries(&self, part: &SourceName) -> Result<Option<Entries>, store::Error> {
        let mut parts = self.facts.parts.iter();
        let written = parts.find(|facts| facts.part.name == *part);
        let written = written.and_then(|facts| facts.entries.as_ref());
        let entries = written.map(|entries| self.incoming.written_entries(entries));
        entries.transpose()
    }

    /// Makes the checkpoint visible, whole or not at all. Blocking; not to be interrupted.
    ///
    /// # Errors
    ///
    /// [`Error::Store`] if the store cannot be written; nothing is visible then.
    pub fn seal(self) -> Result<Checkpoint, Error> {
        Ok(self.incoming.seal(self.facts)?)
    }

    /// Removes everything that was written, and frees the host. Blocking.
    ///
    /// # Errors
    ///
    /// [`Error::Store`] if it can't be removed; the next run tries again.
    pub fn abandon(self) -> Result<(), Error> {
        Ok(self.incoming.abandon()?)
    }
}
