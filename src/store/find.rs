//! Which hosts and checkpoints there are, and which one a person means.

use std::fs;
use std::io;
use std::ops::RangeInclusive;

use super::record::checkpoint::Sealed;
use super::sealed::read_record;
use super::{Error, Store, disk, layout};
use crate::manifest::{Checkpoint, State};
use crate::name::{CheckpointId, CheckpointRef, HostName, Stamp, Which};

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
    /// [`Error::Damaged`] or [`Error::Newer`].
    pub error: Error,
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
    /// ones are told beside the others and hide none of them.
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
                Err(error @ (Error::Damaged { .. } | Error::Newer { .. })) => {
                    listing.damaged.push(DamagedCheckpoint { id, error });
                }
                Err(error) => return Err(error),
            }
        }
        Ok(listing)
    }

    /// The checkpoint that `reference` means.
    ///
    /// `latest` and `~N` count complete and warned ones; a prefix is looked for among all.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownHost`], [`Error::UnknownCheckpoint`] and [`Error::Ambiguous`] list what there
    /// is. [`Error::Uncountable`] if a damaged one stands among those that would be counted.
    pub fn resolve(&self, reference: &CheckpointRef) -> Result<CheckpointId, Error> {
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
                    [one] => Ok(one.clone()),
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
    ) -> Result<CheckpointId, Error> {
        let mut left = back;
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
            match sealed.checkpoint.state() {
                State::Partial => {}
                State::Complete | State::Warned if left == 0 => return Ok(id.clone()),
                State::Complete | State::Warned => left -= 1,
            }
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
    pub(super) fn ids(&self, host: &HostName) -> Result<Vec<CheckpointId>, Error> {
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

    pub(super) fn unknown_checkpoint(&self, id: &CheckpointId) -> Result<Error, Error> {
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

    pub(super) fn unknown_host(&self, host: &HostName) -> Result<Error, Error> {
        const LIKENESS_MIN: f64 = 0.8;
        let known = self.hosts()?;
        let likeness = |name: &HostName| strsim::jaro_winkler(name.as_str(), host.as_str());
        let nearest = known
            .iter()
            .filter(|name| likeness(name) >= LIKENESS_MIN)
            .max_by(|a, b| likeness(a).total_cmp(&likeness(b)))
            .cloned();
        Ok(Error::UnknownHost {
            host: host.clone(),
            nearest,
            known,
        })
    }

    fn read(&self, id: &CheckpointId) -> Result<Sealed, Error> {
        read_record(&layout::checkpoint_dir(self.dir(), id), id).map(|(sealed, _)| sealed)
    }
}
