//! Checks the packs of earlier checkpoints that a new one refers to.
//!
//! A pack is hashed once; from then on its look is enough ([`crate::store::seal::host_cache`]). So a run costs nothing
//! for gigabytes that do not change, and never builds on one that was touched.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Read};
use std::thread;
use std::time::Duration;

use crate::digest::Sha256;
use crate::disk;
use crate::interrupt::Interrupt;
use crate::manifest::{Pack, PackName};
use crate::store::Error;
use crate::store::HostLock;
use crate::store::Incoming;
use crate::store::Store;
use crate::store::files::entries;
use crate::store::files::layout;
use crate::store::seal::host_cache::{FileClock, FileStamp};

/// Most file systems' clocks tick within this; coarser ones are not waited for.
const TICKS_WAITED_MAX: u32 = 25;
const TICK: Duration = Duration::from_millis(1);

/// Whether a pack is still what was sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PackHealth {
    /// Byte for byte.
    Sound,
    /// It is not there.
    Missing,
    /// It is something else, or can't be read.
    Damaged {
        /// What is wrong with it.
        problem: String,
    },
}

impl HostLock {
    /// Whether these packs are still what was sealed, as `packs` names them.
    ///
    /// One that looks as it did when its digest was last known is not read; any other is hashed, and
    /// remembered if it is sound. `interrupt` is looked at once for each 128 KiB. Blocks the thread.
    ///
    /// # Errors
    ///
    /// [`Error::Stopped`] if `interrupt` is raised; what was hashed until then is remembered.
    pub fn pack_health(
        &mut self,
        packs: &[Pack],
        interrupt: &Interrupt,
    ) -> Result<BTreeMap<PackName, PackHealth>, Error> {
        let clock = self.file_clock();
        let mut health = BTreeMap::new();
        let mut learned = false;
        let mut stopped = None;
        for pack in packs {
            match self.examine(pack, clock, interrupt, &mut learned) {
                Ok(found) => {
                    if found != PackHealth::Sound {
                        learned |= self.memory.forget(&pack.name);
                    }
                    health.insert(pack.name.clone(), found);
                }
                Err(error) => {
                    stopped = Some(error);
                    break;
                }
            }
        }
        if learned {
            self.keep_memory();
        }
        match stopped {
            None => Ok(health),
            Some(error) => Err(error),
        }
    }

    fn examine(
        &mut self,
        pack: &Pack,
        clock: Option<FileClock>,
        interrupt: &Interrupt,
        learned: &mut bool,
    ) -> Result<PackHealth, Error> {
        let unreadable = |error: &io::Error| match error.kind() {
            io::ErrorKind::NotFound => PackHealth::Missing,
            _ => PackHealth::Damaged {
                problem: format!("it can't be read: {error}"),
            },
        };
        let path = layout::pack_file(&self.host_dir(), &pack.name);
        let opened =
            File::open(&path).and_then(|file| Ok((FileStamp::of(&file.metadata()?), file)));
        let (look, file) = match opened {
            Ok(opened) => opened,
            Err(error) => return Ok(unreadable(&error)),
        };
        if self.memory.is_verified(pack, look) {
            return Ok(PackHealth::Sound);
        }
        if look.size_bytes() != pack.stored_bytes {
            return Ok(judge(pack, pack.sha256, look.size_bytes()));
        }
        let mut reader = Stoppable {
            file,
            interrupt,
            stopped: false,
        };
        let hashed = disk::digest(&mut reader);
        if reader.stopped {
            return Err(Error::Stopped);
        }
        let found = match hashed {
            Ok((sha256, length)) => judge(pack, sha256, length),
            Err(error) => unreadable(&error),
        };
        // The look is the one before reading: what was touched meanwhile has another one by now.
        if found == PackHealth::Sound && clock.is_some_and(|clock| look.is_settled(clock)) {
            self.memory.remember(pack, look);
            *learned = true;
        }
        Ok(found)
    }

    /// Remembers new packs in their place, whose digests were taken while they were written, and
    /// forgets those that are gone.
    ///
    /// What can't be remembered is hashed by the next run. To spare it that, a clock of which the
    /// tick has not passed yet is waited for, but no longer than a fine one takes.
    pub(in crate::store) fn remember_packs(&mut self, packs: &[Pack]) {
        let host_dir = self.host_dir();
        self.memory
            .keep(|name| layout::pack_file(&host_dir, name).exists());
        let mut ticks_left = TICKS_WAITED_MAX;
        for pack in packs {
            let path = layout::pack_file(&host_dir, &pack.name);
            loop {
                let clock = self.file_clock();
                let look = fs::metadata(&path).ok().map(|facts| FileStamp::of(&facts));
                let (Some(clock), Some(look)) = (clock, look) else {
                    break;
                };
                if look.is_settled(clock) {
                    if look.size_bytes() == pack.stored_bytes {
                        self.memory.remember(pack, look);
                    }
                    break;
                }
                if ticks_left == 0 {
                    break;
                }
                ticks_left -= 1;
                thread::sleep(TICK);
            }
        }
        self.keep_memory();
    }
}

impl Incoming {
    /// Forgets what these packs look like: whoever asks for their health next has them hashed.
    pub fn distrust_packs(&mut self, packs: &[PackName]) {
        let forgotten = packs.iter().filter(|pack| self.lock.memory.forget(pack));
        if forgotten.count() > 0 {
            self.lock.keep_memory();
        }
    }

    /// As [`HostLock::pack_health`].
    ///
    /// # Errors
    ///
    /// As [`HostLock::pack_health`].
    pub fn pack_health(
        &mut self,
        packs: &[Pack],
        interrupt: &Interrupt,
    ) -> Result<BTreeMap<PackName, PackHealth>, Error> {
        self.lock.pack_health(packs, interrupt)
    }

    /// As [`HostLock::link_bytes_per_second`].
    #[must_use]
    pub fn link_bytes_per_second(&self) -> Option<u64> {
        self.lock.link_bytes_per_second()
    }

    /// As [`HostLock::remember_link_speed`].
    pub fn remember_link_speed(&mut self, bytes_per_second: u64) {
        self.lock.remember_link_speed(bytes_per_second);
    }

    /// Digest and length of every needed pack: told by the caller, sealed before, or hashed now.
    pub(in crate::store) fn pack_facts(
        &self,
        needed: &BTreeSet<&PackName>,
        told: &[Pack],
    ) -> Result<Vec<Pack>, Error> {
        let mut older: BTreeMap<&PackName, Pack> = told
            .iter()
            .filter(|pack| pack.name.stamp != self.stamp)
            .map(|pack| (&pack.name, pack.clone()))
            .collect();
        let is_unknown =
            |name: &&&PackName| name.stamp != self.stamp && !older.contains_key(**name);
        let mut unknown: BTreeSet<&PackName> = needed.iter().filter(is_unknown).copied().collect();
        if !unknown.is_empty() {
            let store = Store::at(self.lock.store.clone());
            for earlier in store.newest_first(&self.lock.host)?.flatten() {
                for pack in &earlier.checkpoint().packs {
                    if let Some(name) = unknown.take(&pack.name) {
                        older.insert(name, pack.clone());
                    }
                }
                if unknown.is_empty() {
                    break;
                }
            }
        }
        needed
            .iter()
            .map(|name| match older.remove(name) {
                _ if name.stamp == self.stamp => self.new_pack(name, told),
                Some(pack) => self.older_pack(pack),
                None => Err(self.contradiction(format!("no earlier checkpoint names {name}"))),
            })
            .collect()
    }

    fn new_pack(&self, name: &PackName, told: &[Pack]) -> Result<Pack, Error> {
        let path = self.pack_path(&name.source);
        let length = fs::metadata(&path).map_err(Error::io("read", &path))?.len();
        match told.iter().find(|pack| pack.name == *name) {
            Some(pack) if pack.stored_bytes == length => Ok(pack.clone()),
            Some(pack) => Err(self.contradiction(format!(
                "{name} has {length} bytes, its writer counted {}",
                pack.stored_bytes
            ))),
            None => {
                let file = File::open(&path).map_err(Error::io("open", &path))?;
                let (sha256, stored_bytes) =
                    disk::digest(file).map_err(Error::io("read", &path))?;
                Ok(Pack {
                    name: name.clone(),
                    sha256,
                    stored_bytes,
                })
            }
        }
    }

    /// The pack, if a file of its length is there: nothing is sealed that can't be whole.
    fn older_pack(&self, pack: Pack) -> Result<Pack, Error> {
        let path = layout::pack_file(&self.lock.host_dir(), &pack.name);
        match fs::metadata(&path) {
            Ok(facts) if facts.len() == pack.stored_bytes => Ok(pack),
            Ok(facts) => Err(self.contradiction(format!(
                "{} has {} bytes, {} were sealed",
                pack.name,
                facts.len(),
                pack.stored_bytes
            ))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(self.contradiction(format!("{} is missing", pack.name)))
            }
            Err(error) => Err(Error::io("read", &path)(error)),
        }
    }
}

/// What is found, compared with what was sealed.
fn judge(pack: &Pack, sha256: Sha256, length: u64) -> PackHealth {
    match entries::difference(pack.sha256, pack.stored_bytes, sha256, length) {
        None => PackHealth::Sound,
        Some(problem) => PackHealth::Damaged { problem },
    }
}

/// A file whose reading can be given up.
struct Stoppable<'a> {
    file: File,
    interrupt: &'a Interrupt,
    stopped: bool,
}

impl Read for Stoppable<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.interrupt.is_raised() {
            self.stopped = true;
            return Err(io::Error::other("stopped"));
        }
        self.file.read(buffer)
    }
}
