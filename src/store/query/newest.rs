//! Walks the checkpoints of a host from the newest backwards; each is read only when it is asked for.

use crate::name::{CheckpointId, HostName};
use crate::store::Error;
use crate::store::Store;
use crate::store::files::layout;
use crate::store::query::find::DamagedCheckpoint;
use crate::store::query::sealed::SealedCheckpoint;

/// What [`Store::newest_first`] gives. One that was removed since is passed over; one that does not read
/// ends nothing.
#[derive(Debug)]
pub struct NewestFirst {
    store: Store,
    /// Oldest first.
    left: Vec<CheckpointId>,
}

impl Store {
    /// The checkpoints of `host`, newest first; none if the store does not know the host.
    ///
    /// Only the folder is listed at once. Each `next` reads one `checkpoint.json`, so that the cost
    /// of finding the last one does not grow with their number.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if the folder can't be listed.
    pub fn newest_first(&self, host: &HostName) -> Result<NewestFirst, Error> {
        Ok(NewestFirst {
            store: self.clone(),
            left: self.ids(host)?,
        })
    }
}

impl Iterator for NewestFirst {
    type Item = Result<SealedCheckpoint, DamagedCheckpoint>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let id = self.left.pop()?;
            match SealedCheckpoint::open(self.store.dir(), &id) {
                Ok(sealed) => return Some(Ok(sealed)),
                Err(_) if !layout::checkpoint_dir(self.store.dir(), &id).exists() => {}
                Err(error) => return Some(Err(DamagedCheckpoint { id, error })),
            }
        }
    }
}
