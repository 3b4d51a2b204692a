//! The hosts and checkpoints of the store that are named on the command line: they need not be in the
//! inventory.

use jiff::Timestamp;

use super::error::VerbError;
use super::setup::Setup;
use crate::engine::{Selection, Selector};
use crate::inventory::Inventory;
use crate::name::{CheckpointRef, HostName, Which};
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

/// The hosts that are meant by `named`, or all that have checkpoints, and those of the inventory that were named and have nothing yet. Hosts that
/// left the inventory are still listed by name.
pub(super) fn meant(
    named: &[Selector],
    setup: &Setup,
    store: &Store,
    inventory: Option<Inventory>,
) -> Result<(Vec<HostName>, Vec<HostName>), VerbError> {
    let stored = store.hosts()?;
    if named.is_empty() {
        return Ok((stored, Vec::new()));
    }
    let mut inventory = inventory;
    let mut wanted: Vec<HostName> = Vec::new();
    let mut empty = Vec::new();
    for selector in named {
        match selector {
            Selector::Host(host) if stored.contains(host) => wanted.push(host.clone()),
            Selector::Host(host) => {
                // Without an inventory, or when it does not know the host either, the store tells
                // which hosts there are.
                let known = match &inventory {
                    Some(inventory) => inventory.host(host).is_some(),
                    None => setup.inventory().is_ok_and(|i| i.host(host).is_some()),
                };
                if !known {
                    store.resolve(&CheckpointRef {
                        host: host.clone(),
                        which: Which::Back(0),
                    })?;
                }
                empty.push(host.clone());
            }
            Selector::Group(_) => {
                let inventory = match inventory.take() {
                    Some(read) => inventory.insert(read),
                    None => inventory.insert(setup.inventory()?),
                };
                let selection = Selection {
                    include: vec![selector.clone()],
                    ..Selection::default()
                };
                let of_group = selection.of(inventory)?.into_iter();
                wanted.extend(
                    of_group
                        .map(|host| host.name.clone())
                        .filter(|name| stored.contains(name)),
                );
            }
        }
    }
    wanted.sort();
    wanted.dedup();
    Ok((wanted, empty))
}
