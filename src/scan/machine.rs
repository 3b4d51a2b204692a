//! Compares machine-ids: whether the host is still the machine that a checkpoint was taken of.

use crate::name::escape;
use crate::source::probe::Probe;
use crate::store::SealedCheckpoint;

/// The message if `base` was taken of another machine than the one that answered `probe`: inodes
/// and times of one prove nothing about the other.
pub(crate) fn other_machine(base: &SealedCheckpoint, probe: &Probe) -> Option<String> {
    let before = &base.checkpoint().host.machine_id;
    (*before != probe.machine_id).then(|| {
        format!(
            "it is another machine than at {}: its machine-id was `{before}` and is `{}` now",
            base.id(),
            escape(probe.machine_id.as_bytes()),
        )
    })
}
