//! Both sides of a restore's comparison: the checkpoint, and the target as it is now.

use std::sync::Arc;

use super::compare::{Found, Needed};
use super::merged::{Merged, PartEntry};
use crate::guard::RestoreTools;
use crate::name::SourceName;
use crate::restore::accounts::Accounts;
use crate::restore::tools::simplify;
use crate::store::{self, Entries, SealedCheckpoint};

/// Opens the entries of a part of the target as it is now; none if it has none.
pub type LiveEntries =
    Arc<dyn Fn(&SourceName) -> Result<Option<Entries>, store::Error> + Send + Sync>;

/// Both sides of the comparison, each as often as it is read.
#[derive(Clone)]
pub(super) struct Sides {
    pub(super) checkpoint: Arc<SealedCheckpoint>,
    pub(super) live: LiveEntries,
    pub(super) parts: Arc<Vec<SourceName>>,
    /// What these cannot put back makes no difference.
    pub(super) tools: RestoreTools,
}

type Entry = Result<PartEntry, store::Error>;

impl Sides {
    /// What the checkpoint has.
    pub(super) fn whole(&self) -> Result<Merged, store::Error> {
        Merged::of(&self.checkpoint, &self.parts)
    }

    /// What the checkpoint has, as far as it can be put back.
    pub(super) fn wanted(&self) -> Result<impl Iterator<Item = Entry> + use<>, store::Error> {
        Ok(self.simplified(self.whole()?))
    }

    /// What the target has.
    pub(super) fn live(&self) -> Result<impl Iterator<Item = Entry> + use<>, store::Error> {
        let mut parts = Vec::new();
        for name in self.parts.iter() {
            if let Some(entries) = (self.live)(name)? {
                parts.push((name.clone(), entries));
            }
        }
        Ok(self.simplified(Merged::new(parts)))
    }

    fn simplified(&self, merged: Merged) -> impl Iterator<Item = Entry> + use<> {
        let tools = self.tools;
        merged.map(move |one| {
            one.map(|mut one| {
                simplify(&mut one.entry, tools);
                one
            })
        })
    }

    pub(super) fn found(
        &self,
        needed: &Needed,
        accounts: &Accounts,
    ) -> Result<Found, store::Error> {
        Found::of(needed, accounts, self.wanted()?, self.live()?)
    }
}
