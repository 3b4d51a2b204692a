//! Reads from earlier checkpoints of a host what a new one builds on: the last good part of each source,
//! and the parts to compare with.
//!
//! Read from the newest checkpoint backwards, and no further than is needed: a host with hundreds of
//! checkpoints costs as much as one with two.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use crate::interrupt::Interrupt;
use crate::manifest::{Entry, HostFacts, Pack, PackName, Part, PartState, Trigger};
use crate::name::{HostName, RemotePath, SourceName};
use crate::store::{self, HostLock, PackHealth, SealedCheckpoint, Store};

/// What is known of each source, as far as it was asked for.
#[derive(Debug, Default)]
pub struct History {
    parts: BTreeMap<SourceName, Known>,
    /// Packs that are not what was sealed: what they held has to be fetched again.
    pub(super) lost: BTreeSet<PackName>,
    /// Why less is known than should be.
    pub(super) warnings: Vec<String>,
    /// How fast the link to the host was.
    pub(super) link_bytes_per_second: Option<u64>,
    /// Entries that are known to be on the host, by path: what was just put there.
    pub(super) vouched: HashMap<RemotePath, Entry>,
    /// What the host was like, if that says which programs were asked for their versions.
    pub(super) observed: Option<HostFacts>,
}

/// What is known of one source.
#[derive(Debug, Default, Clone)]
pub(super) struct Known {
    /// The newest checkpoint that has entries of it: what is still like there need not be fetched.
    /// It may be partial, for each entry is whole by itself.
    pub(super) base: Option<Arc<SealedCheckpoint>>,
    /// The part as it was when it was last captured: the baseline for shrinking. A partial checkpoint
    /// tells of it too, for another part may have failed every time. Subsets and `pre-restore` ones do
    /// not, for nobody vouches that the host was whole when they were taken.
    pub(super) previous: Option<Part>,
    is_settled: bool,
}

impl Known {
    /// Takes what `sealed` says, if it says anything of `name`.
    fn learn(&mut self, name: &SourceName, sealed: &Arc<SealedCheckpoint>, may_reuse: bool) {
        let Some(part) = sealed.checkpoint().part(name) else {
            return;
        };
        let has_entries = sealed.parts_with_entries().any(|part| part == name);
        if self.base.is_none() && has_entries && may_reuse {
            self.base = Some(Arc::clone(sealed));
        }
        let checkpoint = sealed.checkpoint();
        if checkpoint.subset || checkpoint.trigger == Trigger::PreRestore {
            return;
        }
        match part.state {
            PartState::Complete | PartState::Warned => {
                self.previous = Some(part.clone());
                self.is_settled = true;
            }
            // There was nothing: what was before that is no measure.
            PartState::Absent => self.is_settled = true,
            PartState::Failed => {}
        }
    }
}

impl History {
    /// Reads what `store` knows of `sources` of the host that is locked. With `full`, nothing is to be
    /// reused.
    ///
    /// A record that does not read ends the search for what can be reused, with a warning: what was
    /// sealed last is not known, and is fetched again. Packs that were touched since they were sealed
    /// are hashed, unless `interrupt` is raised. Blocking.
    ///
    /// # Errors
    ///
    /// [`store::Error`] if the store cannot be read, or if `interrupt` is raised.
    pub fn read(
        store: &Store,
        lock: &mut HostLock,
        sources: &[SourceName],
        full: bool,
        interrupt: &Interrupt,
    ) -> Result<Self, store::Error> {
        let mut history = Self::of_host(store, lock.host(), sources, full)?;
        history.link_bytes_per_second = lock.link_bytes_per_second();
        history.examine(lock, interrupt)?;
        Ok(history)
    }

    /// Reads the checkpoints of `host`, as far as they are needed.
    fn of_host(
        store: &Store,
        host: &HostName,
        sources: &[SourceName],
        full: bool,
    ) -> Result<Self, store::Error> {
        let mut history = Self::default();
        let mut parts: BTreeMap<SourceName, Known> = sources
            .iter()
            .map(|name| (name.clone(), Known::default()))
            .collect();
        let mut may_reuse = !full;
        for sealed in store.newest_first(host)? {
            match sealed {
                // No scan vouches for what another system captured, and it may be any part of a source.
                Ok(sealed) if sealed.checkpoint().trigger == Trigger::Import => {}
                Ok(sealed) => {
                    let observed = &sealed.checkpoint().facts;
                    if history.observed.is_none() && !observed.programs.is_empty() {
                        history.observed = Some(observed.clone());
                    }
                    let sealed = Arc::new(sealed);
                    for (name, known) in parts.iter_mut().filter(|(_, known)| !known.is_settled) {
                        known.learn(name, &sealed, may_reuse);
                    }
                }
                Err(damaged) => {
                    if may_reuse && parts.values().any(|known| known.base.is_none()) {
                        history.warnings.push(format!(
                            "the record of {} can't be used, so everything is fetched again: {}",
                            damaged.id,
                            crate::fault::chain(&damaged.error).join(": ")
                        ));
                    }
                    may_reuse = false;
                }
            }
            if parts.values().all(|known| known.is_settled) {
                break;
            }
        }
        history.parts = parts;
        Ok(history)
    }

    /// Reads what `store` knows of `sources` of `host`, which is not locked, without looking at any pack:
    /// for comparisons from which nothing is kept. Blocking.
    ///
    /// # Errors
    ///
    /// [`store::Error`] if the store cannot be read.
    pub fn peek(
        store: &Store,
        host: &HostName,
        sources: &[SourceName],
    ) -> Result<Self, store::Error> {
        Self::of_host(store, host, sources, false)
    }

    /// Looks whether the packs that may be referred to again are still what was sealed.
    fn examine(&mut self, lock: &mut HostLock, interrupt: &Interrupt) -> Result<(), store::Error> {
        let mut needed: BTreeMap<PackName, Pack> = BTreeMap::new();
        for (name, known) in &self.parts {
            let Some(base) = &known.base else { continue };
            let names = base.packs_of(name);
            let packs = &base.checkpoint().packs;
            let packs = packs.iter().filter(|pack| names.contains(&pack.name));
            needed.extend(packs.map(|pack| (pack.name.clone(), pack.clone())));
        }
        let needed: Vec<Pack> = needed.into_values().collect();
        for (pack, health) in lock.pack_health(&needed, interrupt)? {
            let problem = match health {
                PackHealth::Sound => continue,
                PackHealth::Missing => "it is missing".to_owned(),
                PackHealth::Damaged { problem } => problem,
            };
            self.warnings.push(format!(
                "{pack} is not what was sealed, so what it held is fetched again: {problem}"
            ));
            self.lost.insert(pack);
        }
        Ok(())
    }

    /// Vouches for `entries`: they were just put on the host and proven. What a scan finds with the same
    /// inode, size, time, mode and owner is not fetched.
    pub fn vouch(&mut self, entries: impl IntoIterator<Item = Entry>) {
        let entries = entries.into_iter();
        self.vouched
            .extend(entries.map(|entry| (entry.path.clone(), entry)));
    }

    /// What is known of `source`.
    pub(super) fn of(&self, source: &SourceName) -> Known {
        self.parts.get(source).cloned().unwrap_or_default()
    }
}
