//! The hosts and checkpoints of the store that are named on the command line: they need not be in the
//! inventory.

use jiff::Timestamp;

use super::error::VerbError;
use super::setup::Setup;
use crate::engine::{Selection, Selector};
use crate::inventory::Inventory;
use crate::manifest::Uncounted;
use crate::name::{CheckpointRef, HostName, Which};
use crate::report::{ago, count};
use crate::store::{self, Resolved, Skipped, Store};

impl Setup {
    /// The checkpoint that `reference` means. A note says which newer ones `latest` passed over: what is
    /// read may be older than the operator thinks.
    pub(super) fn look_up(
        &self,
        store: &Store,
        reference: &CheckpointRef,
    ) -> Result<Resolved, VerbError> {
        let resolved = store.look_up(reference)?;
        if let Some(note) = skipped_note(reference, &resolved, Timestamp::now()) {
            self.console.note(&note);
        }
        Ok(resolved)
    }
}

/// `dev-vm@latest is 3 d old; 5 newer partial checkpoints are skipped (newest dev-vm@…)`
fn skipped_note(reference: &CheckpointRef, resolved: &Resolved, now: Timestamp) -> Option<String> {
    let newest = &resolved.skipped.first()?.id;
    let number = resolved.skipped.len() as u64;
    let kinds = [Uncounted::Partial, Uncounted::Subset, Uncounted::PreRestore];
    let count_of = |why| {
        let of = |skipped: &&Skipped| skipped.why == why;
        resolved.skipped.iter().filter(of).count() as u64
    };
    let counts: Vec<(u64, Uncounted)> = kinds
        .into_iter()
        .map(|why| (count_of(why), why))
        .filter(|(number, _)| *number > 0)
        .collect();
    let what = match counts.as_slice() {
        [(number, Uncounted::Subset)] => count(*number, "newer subset"),
        [(number, why)] => count(*number, &format!("newer {} checkpoint", why.as_str())),
        _ => {
            let counts: Vec<String> = counts
                .into_iter()
                .map(|(number, why)| match why {
                    Uncounted::Subset => count(number, "subset"),
                    Uncounted::Partial | Uncounted::PreRestore => {
                        format!("{number} {}", why.as_str())
                    }
                })
                .collect();
            let number = count(number, "newer checkpoint");
            format!("{number} ({})", counts.join(", "))
        }
    };
    let (verb, newest) = match number {
        1 => ("is", format!("{newest}")),
        _ => ("are", format!("newest {newest}")),
    };
    let age = ago(resolved.id.stamp.time(), now);
    Some(format!(
        "{reference} is {age} old; {what} {verb} skipped ({newest})"
    ))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn note(skipped: &[(&str, Uncounted)]) -> Option<String> {
        let id = |stamp: &str| format!("dev-vm@{stamp}").parse().expect("a checkpoint");
        let resolved = Resolved {
            id: id("20261118T101500Z"),
            skipped: skipped
                .iter()
                .map(|(stamp, why)| Skipped {
                    id: id(stamp),
                    why: *why,
                })
                .collect(),
        };
        let reference = "dev-vm@latest".parse().expect("a reference");
        let now = "2026-11-21T10:15:00Z".parse().expect("a time");
        skipped_note(&reference, &resolved, now)
    }

    #[test]
    fn the_note_counts_what_was_skipped_by_its_reason() {
        use Uncounted::{Partial, PreRestore, Subset};
        let (a, b, c) = ("20261121T101400Z", "20261120T101500Z", "20261119T101500Z");
        for (skipped, expected) in [
            (
                &[(a, Partial)][..],
                "1 newer partial checkpoint is skipped (dev-vm@20261121T101400Z)",
            ),
            (
                &[(a, Partial), (b, Partial)],
                "2 newer partial checkpoints are skipped (newest dev-vm@20261121T101400Z)",
            ),
            (
                &[(a, Subset), (b, Subset)],
                "2 newer subsets are skipped (newest dev-vm@20261121T101400Z)",
            ),
            (
                &[(a, Subset), (b, Partial), (c, PreRestore)],
                "3 newer checkpoints (1 partial, 1 subset, 1 pre-restore) are skipped (newest dev-vm@20261121T101400Z)",
            ),
        ] {
            let expected = format!("dev-vm@latest is 3 d old; {expected}");
            assert_eq!(note(skipped), Some(expected));
        }
        assert_eq!(note(&[]), None);
    }
}
