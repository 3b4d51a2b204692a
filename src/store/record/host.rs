//! The record of the machine that a checkpoint was taken of.

use serde::{Deserialize, Serialize};

use crate::manifest::MachineIdentity;

/// The form of a [`MachineIdentity`] on disk: `#[serde(with = "HostRecord")]`.
#[derive(Serialize, Deserialize)]
#[serde(remote = "MachineIdentity")]
pub(super) struct HostRecord {
    env: String,
    protected: bool,
    address: String,
    user: String,
    host_key: String,
    machine_id: String,
    os: String,
    kernel: String,
    hostname: String,
}

/// What a `checkpoint.json` says of itself and of the machine.
#[derive(Deserialize)]
pub(in crate::store) struct MachineRecord {
    pub(in crate::store) id: String,
    #[serde(with = "HostRecord")]
    pub(in crate::store) host: MachineIdentity,
}
