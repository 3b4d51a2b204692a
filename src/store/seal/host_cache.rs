//! Per-host cache, kept in the lock file: pack digests that were verified, and the measured link speed.
//! Losing it costs only time.
//!
//! Nothing here is ever taken for truth: what is lost, scribbled over or copied elsewhere only costs
//! the work of finding out again.

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;

use serde::{Deserialize, Serialize};

use crate::digest::Sha256;
use crate::manifest::{Pack, PackName};

/// What is remembered of a host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::store) struct HostCache {
    packs: BTreeMap<PackName, VerifiedPack>,
    pub(in crate::store) link_bytes_per_second: Option<u64>,
}

/// A pack file had this digest when it looked so.
#[derive(Debug, Clone, PartialEq, Eq)]
struct VerifiedPack {
    sha256: Sha256,
    look: FileStamp,
}

/// Seconds and nanoseconds, as the file system of the store counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(in crate::store) struct FileClock(i64, i64);

impl FileClock {
    /// When the inode was last changed.
    pub(in crate::store) fn of_change(facts: &Metadata) -> Self {
        Self(facts.ctime(), facts.ctime_nsec())
    }
}

/// What a file looks like from outside. Whatever writes to it, replaces it or copies it gives it
/// another change time, which no tool can set; only a medium that decays does not, and that is for
/// `fleet verify` to find. The device is left out: its number may be another one after a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::store) struct FileStamp {
    inode: u64,
    size_bytes: u64,
    mtime: FileClock,
    ctime: FileClock,
}

impl FileStamp {
    pub(in crate::store) fn of(facts: &Metadata) -> Self {
        Self {
            inode: facts.ino(),
            size_bytes: facts.size(),
            mtime: FileClock(facts.mtime(), facts.mtime_nsec()),
            ctime: FileClock::of_change(facts),
        }
    }

    pub(in crate::store) fn size_bytes(self) -> u64 {
        self.size_bytes
    }

    /// Whether every change after `clock` shows. One within the same tick would leave the same
    /// change time, and ticks last from nanoseconds to two seconds; so the look is compared with a
    /// time that the file system itself gave *before* the look was taken: if that is later, no later
    /// change can bear the earlier one. No margin has to be guessed, and the clock of this process
    /// does not matter.
    pub(in crate::store) fn is_settled(self, clock: FileClock) -> bool {
        self.ctime < clock
    }
}

impl HostCache {
    /// Whether `pack` was found to be what was sealed when it looked so.
    pub(in crate::store) fn is_verified(&self, pack: &Pack, look: FileStamp) -> bool {
        self.packs
            .get(&pack.name)
            .is_some_and(|witness| witness.sha256 == pack.sha256 && witness.look == look)
    }

    pub(in crate::store) fn remember(&mut self, pack: &Pack, look: FileStamp) {
        let sha256 = pack.sha256;
        self.packs
            .insert(pack.name.clone(), VerifiedPack { sha256, look });
    }

    /// Whether anything was remembered of it.
    pub(in crate::store) fn forget(&mut self, pack: &PackName) -> bool {
        self.packs.remove(pack).is_some()
    }

    pub(in crate::store) fn keep(&mut self, is_there: impl Fn(&PackName) -> bool) {
        self.packs.retain(|name, _| is_there(name));
    }

    /// One line of the lock file, its end included.
    pub(in crate::store) fn to_line(&self) -> Vec<u8> {
        let record = MemoryRecord {
            link_bytes_per_second: self.link_bytes_per_second,
            packs: self
                .packs
                .iter()
                .map(|(name, witness)| WitnessRecord {
                    pack: name.to_string(),
                    sha256: witness.sha256.to_string(),
                    look: witness.look,
                })
                .collect(),
        };
        let mut line =
            serde_json::to_vec(&record).expect("records hold only strings, numbers and lists");
        line.push(b'\n');
        line
    }

    /// Reads the line; none if any of it does not read.
    pub(in crate::store) fn of_line(line: &[u8]) -> Option<Self> {
        let record: MemoryRecord = serde_json::from_slice(line).ok()?;
        let packs = record.packs.into_iter().map(|witness| {
            let facts = VerifiedPack {
                sha256: witness.sha256.parse().ok()?,
                look: witness.look,
            };
            Some((witness.pack.parse().ok()?, facts))
        });
        Some(Self {
            packs: packs.collect::<Option<_>>()?,
            link_bytes_per_second: record.link_bytes_per_second,
        })
    }
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct MemoryRecord {
    #[serde(skip_serializing_if = "Option::is_none")]
    link_bytes_per_second: Option<u64>,
    packs: Vec<WitnessRecord>,
}

#[derive(Serialize, Deserialize)]
struct WitnessRecord {
    pack: String,
    sha256: String,
    look: FileStamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(ctime: FileClock) -> FileStamp {
        FileStamp {
            inode: 7,
            size_bytes: 9,
            mtime: FileClock(-1, 999_999_999),
            ctime,
        }
    }

    fn pack() -> Pack {
        Pack {
            name: "packs/20261121T101500Z/app.tar.zst"
                .parse()
                .expect("a pack"),
            sha256: Sha256::of(b"one"),
            stored_bytes: 9,
        }
    }

    #[test]
    fn the_line_reads_back_as_it_was_written() {
        let mut memory = HostCache::default();
        assert_eq!(HostCache::of_line(&memory.to_line()), Some(memory.clone()));
        memory.remember(&pack(), look(FileClock(5, 6)));
        memory.link_bytes_per_second = Some(u64::MAX);
        let line = memory.to_line();
        assert_eq!(line.iter().position(|&b| b == b'\n'), Some(line.len() - 1));
        assert_eq!(HostCache::of_line(&line), Some(memory));
    }

    #[test]
    fn another_digest_or_another_look_is_not_vouched_for() {
        let mut memory = HostCache::default();
        let seen = look(FileClock(5, 6));
        assert!(!memory.is_verified(&pack(), seen));
        memory.remember(&pack(), seen);
        assert!(memory.is_verified(&pack(), seen));
        let changes: [fn(&mut FileStamp); 4] = [
            |look| look.inode += 1,
            |look| look.size_bytes += 1,
            |look| look.mtime.1 += 1,
            |look| look.ctime.1 += 1,
        ];
        for change in changes {
            let mut other = seen;
            change(&mut other);
            assert!(!memory.is_verified(&pack(), other), "{other:?}");
        }
        let mut other = pack();
        other.sha256 = Sha256::of(b"two");
        assert!(!memory.is_verified(&other, seen));
        assert!(memory.forget(&pack().name) && !memory.forget(&pack().name));
        assert!(!memory.is_verified(&pack(), seen));
    }

    #[test]
    fn a_change_in_the_tick_of_the_look_could_hide() {
        let clock = FileClock(5, 6);
        assert!(look(FileClock(5, 5)).is_settled(clock));
        assert!(look(FileClock(4, 999)).is_settled(clock));
        assert!(!look(clock).is_settled(clock));
        assert!(!look(FileClock(6, 0)).is_settled(clock));
    }
}
