//! Opens a store, or creates one.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Error;
use super::HostLock;
use super::record::store::{self, FormatVersion};
use crate::disk;
use crate::interrupt::Interrupt;
use crate::store::files::layout;
use crate::store::query::sealed::SealedCheckpoint;

use crate::name::{CheckpointId, HostName, Stamp};

const RECOVER_TEXT: &str = include_str!("RECOVER.md");

/// A folder of checkpoints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    dir: PathBuf,
}

impl Store {
    /// Opens the store in `dir`, or makes one where there is nothing yet.
    ///
    /// # Errors
    ///
    /// [`Error::NotAStore`] if the folder holds other things, [`Error::Newer`] if a newer fleet made
    /// it, [`Error::Damaged`] if `fleet-store.json` is not what fleet writes.
    pub fn open_or_create(dir: &Path) -> Result<Self, Error> {
        let mut said = read_store_file(dir)?;
        if said.is_none() {
            if is_unused(dir)? {
                create(dir)?;
            }
            // Only what it says now counts: another run may have made the store in the meantime.
            said = read_store_file(dir)?;
        }
        match said {
            Some(FormatVersion::Ours) => {}
            Some(FormatVersion::Newer(found)) => return Err(newer(found)),
            Some(FormatVersion::Damaged(problem)) => {
                return Err(Error::damaged(layout::STORE_FILE, problem));
            }
            None if holds_checkpoints(dir)? => {
                return Err(Error::damaged(layout::STORE_FILE, "it is missing"));
            }
            None => {
                return Err(Error::NotAStore {
                    dir: dir.to_owned(),
                });
            }
        }
        let recover = dir.join(layout::RECOVER_FILE);
        if fs::read(&recover).ok().as_deref() != Some(RECOVER_TEXT.as_bytes()) {
            disk::replace_file(dir, layout::RECOVER_FILE, RECOVER_TEXT.as_bytes())?;
        }
        Ok(Self::at(dir.to_owned()))
    }

    /// Opens the store in `dir` for reading.
    ///
    /// A damaged or missing `fleet-store.json` is no obstacle, for every checkpoint has a version and
    /// a seal of its own; [`Store::verify`] names it.
    ///
    /// # Errors
    ///
    /// [`Error::NoStore`] if there is none, [`Error::NotAStore`] if the folder holds other things,
    /// [`Error::Newer`] if a newer fleet made it.
    pub fn open(dir: &Path) -> Result<Self, Error> {
        match read_store_file(dir)? {
            Some(FormatVersion::Newer(found)) => Err(newer(found)),
            Some(FormatVersion::Ours | FormatVersion::Damaged(_)) => Ok(Self::at(dir.to_owned())),
            None if holds_checkpoints(dir)? => Ok(Self::at(dir.to_owned())),
            None if is_unused(dir)? => Err(Error::NoStore {
                dir: dir.to_owned(),
            }),
            // A run may have made it this moment.
            None if read_store_file(dir)?.is_some() => Self::open(dir),
            None => Err(Error::NotAStore {
                dir: dir.to_owned(),
            }),
        }
    }

    /// A store whose folder was judged before.
    pub(super) fn at(dir: PathBuf) -> Self {
        Self { dir }
    }

    /// Its folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Locks `host` for one run, waiting for at most `wait`. Raising `interrupt` ends the
    /// wait. Blocks the thread.
    ///
    /// # Errors
    ///
    /// [`Error::Locked`] names the holder, [`Error::Interrupted`] if `interrupt` is raised, and
    /// [`Error::Damaged`] if `fleet-store.json` is: nothing is written into such a store.
    pub fn lock(
        &self,
        host: &HostName,
        wait: Option<Duration>,
        interrupt: &Interrupt,
    ) -> Result<HostLock, Error> {
        match self.store_file_problem()? {
            None => HostLock::acquire(self.dir.clone(), host.clone(), wait, interrupt),
            Some(problem) => Err(Error::damaged(layout::STORE_FILE, problem)),
        }
    }

    /// Opens a sealed checkpoint.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownCheckpoint`] if there is none of that name, [`Error::Damaged`] if its record
    /// is not what was sealed, [`Error::Newer`] or [`Error::Needs`] if a newer fleet sealed it.
    pub fn open_checkpoint(&self, id: &CheckpointId) -> Result<SealedCheckpoint, Error> {
        match SealedCheckpoint::open(&self.dir, id) {
            // Asked afterwards, for it may have been removed this moment.
            Err(_) if !layout::checkpoint_dir(&self.dir, id).is_dir() => {
                Err(self.unknown_checkpoint(id)?)
            }
            opened => opened,
        }
    }

    /// What is wrong with `fleet-store.json`, if anything is.
    pub(super) fn store_file_problem(&self) -> Result<Option<String>, Error> {
        match read_store_file(&self.dir)? {
            Some(FormatVersion::Ours) => Ok(None),
            Some(FormatVersion::Newer(found)) => Err(newer(found)),
            Some(FormatVersion::Damaged(problem)) => Ok(Some(problem)),
            None => Ok(Some("it is missing".to_owned())),
        }
    }
}

fn newer(found: u64) -> Error {
    Error::Newer {
        file: layout::STORE_FILE.to_owned(),
        found,
        known: store::VERSION,
    }
}

fn read_store_file(dir: &Path) -> Result<Option<FormatVersion>, Error> {
    let path = dir.join(layout::STORE_FILE);
    match fs::read(&path) {
        Ok(bytes) => Ok(Some(store::read(&bytes))),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(Error::io("read", &path)(e)),
    }
}

fn create(dir: &Path) -> Result<(), Error> {
    if dir.is_dir() {
        disk::make_private(dir, true)?;
    } else {
        if let Some(parent) = dir.parent() {
            disk::create_dirs(parent)?;
        }
        disk::create_dir(dir)?;
    }
    disk::replace_file(dir, layout::RECOVER_FILE, RECOVER_TEXT.as_bytes())?;
    // What makes the folder a store comes last.
    disk::replace_file(dir, layout::STORE_FILE, store::text().as_bytes())?;
    match dir.canonicalize().ok().as_deref().and_then(Path::parent) {
        Some(parent) => Ok(disk::sync_dir(parent)?),
        None => Ok(()),
    }
}

/// Whether there is no such folder, or nothing in it but what an interrupted [`create`] leaves.
fn is_unused(dir: &Path) -> Result<bool, Error> {
    if !dir.is_dir() {
        return Ok(true);
    }
    for item in fs::read_dir(dir).map_err(Error::io("list", dir))? {
        let name = item.map_err(Error::io("list", dir))?.file_name();
        let name = name.to_string_lossy();
        if name != layout::RECOVER_FILE && !name.starts_with(disk::TEMPORARY_PREFIX) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether a store is here whose `fleet-store.json` got lost.
fn holds_checkpoints(dir: &Path) -> Result<bool, Error> {
    if !dir.is_dir() {
        return Ok(false);
    }
    for host in disk::names(dir)? {
        let host_dir = dir.join(&host);
        if host.parse::<HostName>().is_err() || !host_dir.is_dir() {
            continue;
        }
        let sealed = |name: &String| {
            name.parse::<Stamp>().is_ok() && host_dir.join(name).join(layout::SUMS_FILE).is_file()
        };
        if disk::names(&host_dir)?.iter().any(sealed) {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn the_folders_above_a_new_store_are_private() {
        let dir = tempfile::tempdir().expect("a folder");
        Store::open_or_create(&dir.path().join("a/b/store")).expect("a store");
        for folder in ["a", "a/b", "a/b/store"] {
            let facts = fs::metadata(dir.path().join(folder)).expect("it is there");
            assert_eq!(facts.permissions().mode() & 0o7777, 0o700, "{folder}");
        }
    }
}
