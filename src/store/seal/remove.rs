//! Removes checkpoints: each disappears by one rename, then the packs that no other checkpoint names.
//!
//! `STAMP` becomes `.removed-STAMP`, which no reader sees. It stays until the packs are gone, as the
//! mark that some may be left: after a crash the next run of the host goes on from there, under the
//! lock. A pack is removed only when every checkpoint that is left was asked and none names it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::digest::Sha256;
use crate::disk;
use crate::manifest::PackName;
use crate::name::{CheckpointId, HostName, Stamp};
use crate::store::Error;
use crate::store::HostLock;
use crate::store::Store;
use crate::store::files::layout;
use crate::store::files::manifest_text;
use crate::store::files::sums;
use crate::store::query::sealed::read_record;
use crate::store::seal::leftovers;

/// What was removed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Removed {
    /// The checkpoints, oldest first.
    pub checkpoints: Vec<CheckpointId>,
    /// The packs that no checkpoint named any more, sorted; those too that an earlier removal left.
    pub packs: Vec<PackName>,
    /// What the disk got back. A file that another checkpoint shares goes with its last link.
    pub freed_bytes: u64,
    /// Checkpoints so damaged that they can't tell which packs they need. As long as there is one,
    /// no pack is removed.
    pub undecided: Vec<CheckpointId>,
}

/// The steps of removing, each named when it is done; each as often as there is something to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RemoveStep {
    /// A checkpoint is not seen any more.
    CheckpointHidden,
    /// A pack is gone.
    PackRemoved,
    /// The files of a hidden checkpoint are gone.
    CheckpointRemoved,
}

impl HostLock {
    /// Removes the checkpoints of these stamps, and the packs that no other one names. Without any,
    /// it only removes such packs.
    ///
    /// Readers that have one of them open get an error that it was removed. Damaged ones are removed like
    /// others. Blocks the thread.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownCheckpoint`] if one of them is not there: nothing is removed then.
    /// [`Error::Io`] if the store can't be written: some may be removed, each wholly or not at all,
    /// and the next run of the host finishes what is left.
    pub fn remove(&mut self, stamps: &[Stamp]) -> Result<Removed, Error> {
        self.remove_watched(stamps, &mut |_| {})
    }

    /// As [`HostLock::remove`]; `watch` is called after each step.
    ///
    /// # Errors
    ///
    /// As [`HostLock::remove`].
    pub fn remove_watched(
        &mut self,
        stamps: &[Stamp],
        watch: &mut dyn FnMut(RemoveStep),
    ) -> Result<Removed, Error> {
        let host_dir = self.host_dir();
        let store = Store::at(self.store.clone());
        let checkpoints: Vec<CheckpointId> = BTreeSet::from_iter(stamps)
            .into_iter()
            .map(|stamp| CheckpointId {
                host: self.host.clone(),
                stamp: *stamp,
            })
            .collect();
        for id in &checkpoints {
            if !layout::checkpoint_dir(&self.store, id).is_dir() {
                return Err(store.unknown_checkpoint(id)?);
            }
        }
        leftovers::clear(&host_dir)?;
        // No folder will record these stamps any more.
        if let Some(last) = self.last_known_stamp()? {
            self.reserve(last)?;
        }
        self.record_used(checkpoints.iter().map(|id| id.stamp))?;
        for id in &checkpoints {
            let hidden = layout::removed_dir(&host_dir, id.stamp);
            disk::rename(&layout::checkpoint_dir(&self.store, id), &hidden)?;
            watch(RemoveStep::CheckpointHidden);
        }
        // What comes back after a power cut must find its packs.
        disk::sync_dir(&host_dir)?;
        let removed = self.sweep(watch)?;
        Ok(Removed {
            checkpoints,
            ..removed
        })
    }

    /// Finishes a removal that was cut, if there is one.
    pub(in crate::store) fn finish_removal(&mut self) -> Result<(), Error> {
        let is_mark = |name: &String| name.starts_with(layout::REMOVED_PREFIX);
        if disk::names(&self.host_dir())?.iter().any(is_mark) {
            self.sweep(&mut |_| {})?;
        }
        Ok(())
    }

    /// Removes packs that nothing names, then what is hidden.
    fn sweep(&mut self, watch: &mut dyn FnMut(RemoveStep)) -> Result<Removed, Error> {
        let host_dir = self.host_dir();
        let mut removed = Removed::default();
        let needed = needed(&Store::at(self.store.clone()), &self.host, &mut removed)?;
        let packs_dir = host_dir.join(layout::PACKS_DIR);
        if removed.undecided.is_empty() && packs_dir.is_dir() {
            for name in disk::names(&packs_dir)? {
                if name.parse::<Stamp>().is_ok() {
                    sweep_folder(&packs_dir.join(&name), &needed, &mut removed, watch)?;
                }
            }
            disk::sync_dir(&packs_dir)?;
        }
        for pack in &removed.packs {
            self.memory.forget(pack);
        }
        for name in disk::names(&host_dir)? {
            if name.starts_with(layout::REMOVED_PREFIX) {
                removed.freed_bytes += disk::remove_counted(&host_dir.join(&name))?;
                watch(RemoveStep::CheckpointRemoved);
            }
        }
        disk::sync_dir(&host_dir)?;
        self.keep_memory();
        Ok(removed)
    }
}

/// Removes the packs of one run that are not needed, and their folder with the last one.
fn sweep_folder(
    folder: &Path,
    needed: &BTreeSet<PackName>,
    removed: &mut Removed,
    watch: &mut dyn FnMut(RemoveStep),
) -> Result<(), Error> {
    let stamp = folder.file_name().unwrap_or_default().to_string_lossy();
    let mut left = 0;
    for file in disk::names(folder)? {
        let pack = format!("{}/{stamp}/{file}", layout::PACKS_DIR).parse::<PackName>();
        match pack {
            Ok(pack) if !needed.contains(&pack) => {
                removed.freed_bytes += disk::remove_counted(&folder.join(&file))?;
                removed.packs.push(pack);
                watch(RemoveStep::PackRemoved);
            }
            // What is no pack is none of ours.
            Ok(_) | Err(_) => left += 1,
        }
    }
    if left > 0 {
        Ok(disk::sync_dir(folder)?)
    } else {
        fs::remove_dir(folder).map_err(Error::io("remove", folder))
    }
}

/// The packs that the checkpoints of `host` name; those that can't tell are put down as undecided.
fn needed(
    store: &Store,
    host: &HostName,
    removed: &mut Removed,
) -> Result<BTreeSet<PackName>, Error> {
    let mut needed = BTreeSet::new();
    for id in store.ids(host)? {
        let dir = layout::checkpoint_dir(store.dir(), &id);
        match read_record(&dir, &id) {
            Ok((sealed, _)) => {
                needed.extend(sealed.checkpoint.packs.into_iter().map(|pack| pack.name));
            }
            // Only a newer fleet knows what it needs.
            Err(Error::Newer { .. } | Error::Needs { .. }) => removed.undecided.push(id),
            Err(_) => match named_beside(&dir) {
                Some(named) => needed.extend(named),
                None => removed.undecided.push(id),
            },
        }
    }
    Ok(needed)
}

/// The packs of a checkpoint whose record is damaged. Nothing vouches for its `SHA256SUMS` any more,
/// which may have lost its last lines; but if that knows the digest of `MANIFEST.txt`, then that one
/// is whole, and it names every pack too.
fn named_beside(dir: &Path) -> Option<BTreeSet<PackName>> {
    let lines = sums::parse(&fs::read(dir.join(layout::SUMS_FILE)).ok()?);
    let manifest = fs::read(dir.join(layout::MANIFEST_FILE)).ok()?;
    let sealed = (layout::MANIFEST_FILE.to_owned(), Sha256::of(&manifest));
    if !lines.contains(&sealed) {
        return None;
    }
    let summed = lines
        .iter()
        .filter_map(|(file, _)| file.strip_prefix("../")?.parse().ok());
    Some(summed.chain(manifest_text::packs(&manifest)).collect())
}
