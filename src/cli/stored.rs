//! Opens the store, and finds the checkpoint that a reference on the command line means.

use jiff::Timestamp;

use super::error::VerbError;
use super::setup::Setup;
use crate::inventory::Inventory;
use crate::name::CheckpointRef;
use crate::report::text;
use crate::store::{self, Resolved, Store};

impl Setup {
    /// The checkpoint that `reference` means. A note says which newer ones `latest` passed over: what is
    /// read may be older than the operator thinks.
    pub(super) fn look_up(
        &self,
        store: &Store,
        reference: &CheckpointRef,
    ) -> Result<Resolved, VerbError> {
        let resolved = store.look_up(reference)?;
        if let Some(note) = text::skipped::note(reference, &resolved, Timestamp::now()) {
            self.console.note(&note);
        }
        Ok(resolved)
    }
}

/// The store, if there is one. Where the inventory says the store is, it need not be yet.
pub(super) fn open(setup: &Setup) -> Result<Option<(Store, Option<Inventory>)>, VerbError> {
    if let Some(dir) = &setup.global.store {
        return Ok(Some((setup.open_store(dir)?, None)));
    }
    let inventory = setup.inventory()?;
    match setup.open_store(&setup.store_dir(&inventory)?) {
        Ok(store) => Ok(Some((store, Some(inventory)))),
        Err(store::Error::NoStore { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
