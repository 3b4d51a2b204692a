//! Finds hosts and checkpoints by the references that people write (`HOST@latest`, `HOST~2`, a part of a
//! stamp).

use std::fs;
use std::io;
use std::ops::RangeInclusive;

use crate::disk;
use crate::manifest::{Checkpoint, Trigger, Uncounted};
use crate::name::{CheckpointId, CheckpointRef, HostName, Stamp, Which, nearest};
use crate::store::Error;
use crate::store::Store;
use crate::store::files::layout;
use crate::store::query::sealed::read_record;
use crate::store::record::checkpoint::Sealed;

/// The checkpoints of one host.
#[derive(Debug, Default)]
pub struct Listing {
    /// Those that read, oldest first.
    pub checkpoints: Vec<Checkpoint>,
    /// Those that do not, oldest first.
    pub damaged: Vec<DamagedCheckpoint>,
}

/// A checkpoint whose record does not read.
#[derive(Debug)]
pub struct DamagedCheckpoint {
    /// What its folder is called.
    pub id: CheckpointId,
    /// [`Error::Damaged`], [`Error::Newer`] or [`Error::Needs`].
    pub error: Error,
}

/// The checkpoint that a reference means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// Its full name.
    pub id: CheckpointId,
    /// Newer ones that `latest` passed over, newest first; none for other references.
    pub skipped: Vec<Skipped>,
}

/// A checkpoint that `latest` and `~N` pass over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// Its full name.
    pub id: CheckpointId,
    /// Why.
    pub why: Uncounted,
}

impl Store {
    /// The hosts that have checkpoints, by name.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if the folder can't be listed.
    pub fn hosts(&self) -> Result<Vec<HostName>, Error> {
        let mut hosts = Vec::new();
        for name in disk::names(self.dir())? {
            let Ok(host) = name.parse::<HostName>() else {
                continue;
            };
            if self.dir().join(&name).is_dir() && !self.ids(&host)?.is_empty() {
                hosts.push(host);
            }
        }
        Ok(hosts)
    }

    /// The checkpoints of `host`, oldest first; none if the store does not know the host. Damaged
    /// ones are listed beside the others and hide none of them.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if they can't be read.
    pub fn checkpoints(&self, host: &HostName) -> Result<Listing, Error> {
        let mut listing = Listing::default();
        for id in self.ids(host)? {
            match self.read(&id) {
                Ok(sealed) => listing.checkpoints.push(sealed.checkpoint),
                // It was removed since its folder was listed.
                Err(_) if !layout::checkpoint_dir(self.dir(), &id).exists() => {}
                Err(
                    error @ (Error::Damaged { .. } | Error::Newer { .. } | Error::Needs { .. }),
                ) => {
                    listing.damaged.push(DamagedCheckpoint { id, error });
                }
                Err(error) => return Err(error),
            }
        }
        Ok(listing)
    }

    /// The name of the checkpoint that `reference` means: see [`Store::look_up`].
    ///
    /// # Errors
    ///
    /// As [`Store::look_up`].
    pub fn resolve(&self, reference: &CheckpointRef) -> Result<CheckpointId, Error> {
        Ok(self.look_up(reference)?.id)
    }

    /// The checkpoint that `reference` means, and what `latest` passed over.
    ///
    /// `latest` and `~N` count what [`Checkpoint::uncounted`] has nothing against. Where there is none,
    /// they count imported subsets. A prefix is looked for among all.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownHost`], [`Error::UnknownCheckpoint`], [`Error::NoneCounts`] and
    /// [`Error::Ambiguous`] list what there is. [`Error::Uncountable`] if a damaged one is among those
    /// that would be counted.
    pub fn look_up(&self, reference: &CheckpointRef) -> Result<Resolved, Error> {
        let ids = self.ids(&reference.host)?;
        if ids.is_empty() {
            return Err(self.unknown_host(&reference.host)?);
        }
        match &reference.which {
            Which::Prefix(prefix) => {
                let matches: Vec<CheckpointId> = ids
                    .iter()
                    .filter(|id| id.stamp.to_string().starts_with(prefix))
                    .cloned()
                    .collect();
                match matches.as_slice() {
                    [] => Err(Error::UnknownCheckpoint {
                        reference: reference.clone(),
                        known: ids,
                    }),
                    [one] => Ok(Resolved {
                        id: one.clone(),
                        skipped: Vec::new(),
                    }),
                    _ => Err(Error::Ambiguous {
                        reference: reference.clone(),
                        matches,
                    }),
                }
            }
            Which::Back(back) => self.count_back(reference, *back, ids),
        }
    }

    fn count_back(
        &self,
        reference: &CheckpointRef,
        back: u32,
        ids: Vec<CheckpointId>,
    ) -> Result<Resolved, Error> {
        let mut left = back;
        let mut skipped = Vec::new();
        let mut imported = Vec::new();
        for id in ids.iter().rev() {
            let sealed = match self.read(id) {
                Ok(sealed) => sealed,
                Err(_) if !layout::checkpoint_dir(self.dir(), id).exists() => continue,
                Err(source) => {
                    return Err(Error::Uncountable {
                        reference: reference.clone(),
                        newer: id.clone(),
                        source: Box::new(source),
                    });
                }
            };
            match sealed.checkpoint.uncounted() {
                Some(why) => {
                    if why == Uncounted::Subset && sealed.checkpoint.trigger == Trigger::Import {
                        imported.push(skipped.len());
                    }
                    skipped.push(Skipped {
                        id: id.clone(),
                        why,
                    });
                }
                None if left == 0 => {
                    if back > 0 {
                        skipped.clear();
                    }
                    return Ok(Resolved {
                        id: id.clone(),
                        skipped,
                    });
                }
                None => left -= 1,
            }
        }
        // A host that only backups of other systems are known of is what they say.
        if left == back
            && let Some(place) = imported.get(usize::try_from(back).unwrap_or(usize::MAX))
        {
            let id = skipped.swap_remove(*place).id;
            skipped.truncate(if back > 0 { 0 } else { *place });
            return Ok(Resolved { id, skipped });
        }
        if left == back && !skipped.is_empty() {
            return Err(Error::NoneCounts {
                reference: reference.clone(),
                skipped,
            });
        }
        Err(Error::UnknownCheckpoint {
            reference: reference.clone(),
            known: ids,
        })
    }

    /// The checkpoints of `host` with a stamp of that time, oldest first, without reading any.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if the folder can't be listed.
    pub fn ids_within(
        &self,
        host: &HostName,
        stamps: RangeInclusive<Stamp>,
    ) -> Result<Vec<CheckpointId>, Error> {
        let mut ids = self.ids(host)?;
        ids.retain(|id| stamps.contains(&id.stamp));
        Ok(ids)
    }

    /// The names of a host's checkpoints, oldest first, without reading any.
    pub(in crate::store) fn ids(&self, host: &HostName) -> Result<Vec<CheckpointId>, Error> {
        let dir = layout::host_dir(self.dir(), host);
        match fs::metadata(&dir) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            found => found.map_err(Error::io("read", &dir))?,
        };
        let mut ids: Vec<CheckpointId> = disk::names(&dir)?
            .iter()
            .filter_map(|name| name.parse::<Stamp>().ok())
            .map(|stamp| CheckpointId {
                host: host.clone(),
                stamp,
            })
            .collect();
        ids.sort();
        Ok(ids)
    }

    pub(in crate::store) fn unknown_checkpoint(&self, id: &CheckpointId) -> Result<Error, Error> {
        let known = self.ids(&id.host)?;
        if known.is_empty() {
            return self.unknown_host(&id.host);
        }
        Ok(Error::UnknownCheckpoint {
            reference: CheckpointRef {
                host: id.host.clone(),
                which: Which::Prefix(id.stamp.to_string()),
            },
            known,
        })
    }

    pub(in crate::store) fn unknown_host(&self, host: &HostName) -> Result<Error, Error> {
        let known = self.hosts()?;
        Ok(Error::UnknownHost {
            host: host.clone(),
            nearest: nearest(host.as_str(), &known, |name| name.as_str()).cloned(),
            known,
        })
    }

    fn read(&self, id: &CheckpointId) -> Result<Sealed, Error> {
        read_record(&layout::checkpoint_dir(self.dir(), id), id).map(|(sealed, _)| sealed)
    }
}
