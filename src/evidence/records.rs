//! Evidence from the records of checkpoints: which of them are of protected machines.

use std::collections::BTreeSet;

use crate::guard::identity::{Mark, Origin, Piece, machine_id};
use crate::guard::is_protected;
use crate::inventory::{Host, Inventory};
use crate::store::RecordedMachine;

/// The pieces of evidence in records, and what the operator should know of hosts that are writable now and
/// were not before.
pub(super) fn pieces(
    machines: Vec<RecordedMachine>,
    inventory: &Inventory,
) -> (Vec<Piece>, Vec<String>) {
    let (mut pieces, mut warnings) = (Vec::new(), Vec::new());
    let mut opened = BTreeSet::new();
    for RecordedMachine { id, machine } in machines {
        match standing(inventory.host(&id.host), &machine.env, machine.protected) {
            Standing::Writable => continue,
            Standing::Opened => {
                // The newest one is enough.
                if opened.insert(id.host.clone()) {
                    warnings.push(format!(
                        "{} was read-only when {id} was taken, and the inventory makes it writable now",
                        id.host
                    ));
                }
                continue;
            }
            Standing::Protected => {}
        }
        let piece = |mark| Piece {
            host: id.host.clone(),
            mark,
            origin: Origin::Record(id.clone()),
        };
        if !machine.host_key.is_empty() {
            pieces.push(piece(Mark::HostKey(machine.host_key.clone())));
        }
        if let Some(machine_id) = machine_id(&machine.machine_id) {
            pieces.push(piece(Mark::MachineId(machine_id)));
        }
    }
    (pieces, warnings)
}

/// What a record says of its machine, together with the inventory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// It is protected now, or was and may not be written for all that is known.
    Protected,
    /// It was protected for its access (or a tag) alone, and the inventory opens it now: that is how a host
    /// is made writable.
    Opened,
    /// It never was protected.
    Writable,
}

/// The standing of a machine that was recorded with `env` and as `protected`, whose host is `now` in the
/// inventory.
fn standing(now: Option<&Host>, env: &str, protected: bool) -> Standing {
    match (now, protected) {
        (Some(host), _) if is_protected(host) => Standing::Protected,
        (Some(_) | None, false) => Standing::Writable,
        (None, true) => Standing::Protected,
        (Some(host), true) => {
            let env_now = host.env.as_ref().map(|(env, _)| env.as_str());
            // An `env` that was changed by hand makes no other machine of it.
            if env_now.is_some_and(|now| now.eq_ignore_ascii_case(env)) {
                Standing::Opened
            } else {
                Standing::Protected
            }
        }
    }
}

#[cfg(test)]
mod tests;
