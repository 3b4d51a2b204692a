//! `fleet hosts --json`: the hosts of the inventory.

use schemars::JsonSchema;
use serde::Serialize;

use super::Version;
use super::checkpoint::word;
use crate::guard::{is_protected, protection};
use crate::inventory;

/// `hosts`
#[derive(Debug, Serialize, JsonSchema)]
pub struct Hosts {
    /// The version of this shape.
    pub version: Version,
    /// The inventory.
    pub inventory: String,
    /// In the file's order.
    pub hosts: Vec<HostLine>,
}

/// One host, as the inventory has it.
#[derive(Debug, Serialize, JsonSchema)]
pub struct HostLine {
    /// Its name.
    pub name: String,
    /// Its address; none: from OpenSSH's configuration.
    pub address: Option<String>,
    /// Port of the SSH server; none: from OpenSSH's configuration.
    pub port: Option<u16>,
    /// Account; none: from OpenSSH's configuration.
    pub user: Option<String>,
    /// `env`; none counts as prod.
    pub env: Option<String>,
    /// Whether it may be written at all.
    pub access: Access,
    /// fleet never writes to it.
    pub protected: bool,
    /// Why.
    pub protected_because: Vec<Protected>,
    /// Its tags.
    pub tags: Vec<String>,
    /// What is captured of it.
    pub sources: Vec<SourceLine>,
    /// The key `schedule`, a cron expression. This version does not act on it.
    pub schedule: Option<String>,
    /// The line of the inventory where it begins.
    pub line: u32,
}

word!(
    /// Whether a host may be written.
    Access of inventory::Access { ReadOnly, Writable }
);

/// One reason why a host is protected.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Protected {
    /// The line of the inventory that says so.
    pub line: u32,
    /// What it says.
    pub says: String,
}

/// One source of a host.
#[derive(Debug, Serialize, JsonSchema)]
pub struct SourceLine {
    /// Its name.
    pub name: String,
    /// `directory`, `files`, `postgres`, `command` or `http`.
    pub kind: String,
}

impl From<&inventory::Inventory> for Hosts {
    fn from(inventory: &inventory::Inventory) -> Self {
        Self {
            version: Version,
            inventory: inventory.file.display().to_string(),
            hosts: inventory.hosts.iter().map(HostLine::from).collect(),
        }
    }
}

impl From<&inventory::Host> for HostLine {
    fn from(host: &inventory::Host) -> Self {
        let reasons = protection(host);
        let access = host
            .access
            .map_or_else(Default::default, |(access, _)| access);
        Self {
            name: host.name.to_string(),
            address: host.address.clone(),
            port: host.port,
            user: host.user.clone(),
            env: host.env.as_ref().map(|(env, _)| env.to_string()),
            access: access.into(),
            protected: is_protected(host),
            protected_because: reasons
                .iter()
                .map(|reason| Protected {
                    line: reason.place().line,
                    says: reason.to_string(),
                })
                .collect(),
            tags: host.tags.iter().map(|(tag, _)| tag.to_string()).collect(),
            sources: host
                .sources
                .iter()
                .map(|source| SourceLine {
                    name: source.name.to_string(),
                    kind: source.kind.as_str().to_owned(),
                })
                .collect(),
            schedule: host.schedule.clone(),
            line: host.place.line,
        }
    }
}
