//! Cleans up after runs that died, and finds every stamp that they may have used. Needs the host's lock.
//!
//! A checkpoint that was not sealed is removed here; one that was not wholly removed is the work of
//! [`crate::store::seal::remove`]. Readers never clean.

use std::path::Path;

use crate::disk;
use crate::name::Stamp;
use crate::store::Error;
use crate::store::HostLock;
use crate::store::files::layout;

/// Removes what dead runs left. The packs of one go before the mark that tells they are dead.
pub(in crate::store) fn clear(host_dir: &Path) -> Result<(), Error> {
    for name in disk::names(host_dir)? {
        let Some(stamp) = name.strip_prefix(layout::INCOMING_PREFIX) else {
            continue;
        };
        if stamp.parse::<Stamp>().is_ok() && !host_dir.join(stamp).exists() {
            let packs = host_dir.join(layout::PACKS_DIR);
            if packs.is_dir() {
                disk::remove_tree(&packs.join(stamp))?;
                disk::sync_dir(&packs)?;
            }
        }
        disk::remove_tree(&host_dir.join(&name))?;
        disk::sync_dir(host_dir)?;
    }
    Ok(())
}

impl HostLock {
    /// The latest stamp that was ever given out for the host, as far as anything records it.
    pub(in crate::store) fn last_known_stamp(&self) -> Result<Option<Stamp>, Error> {
        let host_dir = self.host_dir();
        let mut last = self.last_stamp;
        for name in disk::names(&host_dir)? {
            let stamp = [layout::INCOMING_PREFIX, layout::REMOVED_PREFIX]
                .iter()
                .find_map(|prefix| name.strip_prefix(prefix))
                .unwrap_or(&name);
            last = last.max(stamp.parse().ok());
        }
        let packs = host_dir.join(layout::PACKS_DIR);
        if packs.is_dir() {
            for name in disk::names(&packs)? {
                last = last.max(name.parse().ok());
            }
        }
        Ok(last)
    }
}
