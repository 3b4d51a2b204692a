//! The record of the machine that a checkpoint was taken of.

use serde::{Deserialize, Serialize};

use crate::manifest::MachineIdentity;

#[derive(Serialize, Deserialize)]
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

impl From<&MachineIdentity> for HostRecord {
    fn from(host: &MachineIdentity) -> Self {
        Self {
            env: host.env.clone(),
            protected: host.protected,
            address: host.address.clone(),
            user: host.user.clone(),
            host_key: host.host_key.clone(),
            machine_id: host.machine_id.clone(),
            os: host.os.clone(),
            kernel: host.kernel.clone(),
            hostname: host.hostname.clone(),
        }
    }
}

impl From<HostRecord> for MachineIdentity {
    fn from(host: HostRecord) -> Self {
        Self {
            env: host.env,
            protected: host.protected,
            address: host.address,
            user: host.user,
            host_key: host.host_key,
            machine_id: host.machine_id,
            os: host.os,
            kernel: host.kernel,
            hostname: host.hostname,
        }
    }
}
