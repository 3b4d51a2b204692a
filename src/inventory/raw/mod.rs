//! The inventory file as it is written: every key with its spelling, each value with its place.
//!
//! The JSON Schema is made from these types, so their documentation is what an editor shows. They
//! judge nothing beyond shape; [`super::resolve`] turns them into [`super::Inventory`]. None of them
//! has a `Debug`, for a file may hold secrets.

mod at;
mod keyed;
mod probe;
mod service;
mod source;

pub(super) use at::{At, Entries, OneOrMany, place_of};
pub(super) use keyed::Kinds;
pub(super) use probe::{PROBE_KEYS, PROBE_KINDS, Probe, Scalar};
pub(super) use service::{SERVICE_KEYS, SERVICE_KINDS, Service, User};
pub(super) use source::{COMMON_KEYS, KINDS, SecretText, Source};

use schemars::JsonSchema;
use serde::Deserialize;

/// The inventory of fleet: which hosts there are, what is captured of each, and which of them may
/// be written.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "fleet inventory")]
pub(super) struct File {
    /// The version of this format.
    #[schemars(with = "u64", extend("const" = 1))]
    pub(super) version: At<u64>,
    /// Where checkpoints are kept, relative to this file. Default: the user's data directory.
    pub(super) store: Option<At<String>>,
    /// Words that mean prod in `env` and `tags`, besides `prod`, `production`, `prd` and `live`.
    #[schemars(example = ["staging"])]
    pub(super) protect: Option<OneOrMany>,
    /// What every host takes that does not say it itself. Neither `env` nor `access` can stand here.
    pub(super) defaults: Option<Defaults>,
    /// Reusable sets of sources, services and probes, by name. Neither `env` nor `access` can stand here.
    pub(super) profiles: Option<Entries<Option<Profile>>>,
    /// The machines, by name. A host is read-only unless it says `access: writable`.
    pub(super) hosts: Option<Entries<Option<Host>>>,
}

/// What every host takes that does not say it itself.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct Defaults {
    /// Account to log in to.
    pub(super) user: Option<At<String>>,
    /// Port of the SSH server.
    #[schemars(range(min = 1))]
    pub(super) port: Option<At<u16>>,
    /// Files with the private keys to offer.
    #[schemars(example = ["~/.ssh/id_ed25519"])]
    pub(super) identity: Option<OneOrMany>,
    /// A host of this inventory to go through, or what `ssh -J` would take; `none` for no one.
    pub(super) jump: Option<At<String>>,
    /// Which checkpoints to keep.
    pub(super) keep: Option<At<Keep>>,
    /// Older than this, the newest checkpoint is stale.
    #[schemars(example = &"20m")]
    pub(super) max_age: Option<At<String>>,
    /// How long to wait for the connection, and for each step of authentication. Default: 10s.
    #[schemars(example = &"10s")]
    pub(super) connect_timeout: Option<At<String>>,
    /// How long to wait for the next byte. Default: 60s.
    #[schemars(example = &"60s")]
    pub(super) stall_timeout: Option<At<String>>,
    /// How file contents come over the wire. Default: `auto`, compressed where the link is slow.
    #[schemars(extend("enum" = ["auto", "none", "gzip", "zstd", null]))]
    pub(super) compression: Option<At<String>>,
}

/// A reusable set of sources, services and probes.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Profile {
    /// What is captured, by name.
    pub(super) sources: Option<Entries<Source>>,
    /// What a restore stops and starts, by name.
    pub(super) services: Option<Entries<Service>>,
    /// Checks that a host works, by name.
    pub(super) probes: Option<Entries<Probe>>,
    /// Packages that a fresh host needs.
    #[schemars(example = ["nodejs"])]
    pub(super) packages: Option<OneOrMany>,
    /// Accounts that a fresh host needs.
    pub(super) users: Option<Vec<User>>,
}

/// A machine.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct Host {
    /// Any word. `prod`, `production`, `prd`, `live` and the words of `protect` mean prod, also as a
    /// piece, as in `prod-eu`; a host without `env` counts as prod.
    #[schemars(example = &"dev")]
    pub(super) env: Option<At<String>>,
    /// Whether fleet may ever change this host. Default: `read-only`.
    #[schemars(extend("enum" = ["read-only", "writable", null]))]
    pub(super) access: Option<At<String>>,
    /// Host name or IP address. Default: what OpenSSH's configuration says for the host's name.
    #[schemars(example = &"203.0.113.26")]
    pub(super) address: Option<At<String>>,
    /// Port of the SSH server.
    #[schemars(range(min = 1))]
    pub(super) port: Option<At<u16>>,
    /// Account to log in to.
    pub(super) user: Option<At<String>>,
    /// Files with the private keys to offer.
    #[schemars(example = ["~/.ssh/id_ed25519"])]
    pub(super) identity: Option<OneOrMany>,
    /// A host of this inventory to go through, or what `ssh -J` would take; `none` for no one.
    pub(super) jump: Option<At<String>>,
    /// Words to select hosts by; one that means prod protects the host, as in `env`.
    #[schemars(example = ["pbx"])]
    pub(super) tags: Option<OneOrMany>,
    /// The profiles whose sources are captured of this host, and whose services and probes it has.
    #[serde(rename = "use")]
    pub(super) profiles: Option<OneOrMany>,
    /// What is captured beside the profiles' sources, by name.
    pub(super) sources: Option<Entries<Source>>,
    /// What a restore stops and starts beside the profiles' services, by name.
    pub(super) services: Option<Entries<Service>>,
    /// Checks that it works beside the profiles' probes, by name.
    pub(super) probes: Option<Entries<Probe>>,
    /// When to take checkpoints, as cron writes it.
    #[schemars(example = &"*/15 * * * *")]
    pub(super) schedule: Option<At<String>>,
    /// Which checkpoints to keep, in place of those of `defaults`.
    pub(super) keep: Option<At<Keep>>,
    /// Older than this, the newest checkpoint is stale.
    #[schemars(example = &"20m")]
    pub(super) max_age: Option<At<String>>,
    /// How long to wait for the connection, and for each step of authentication. Default: 10s.
    #[schemars(example = &"10s")]
    pub(super) connect_timeout: Option<At<String>>,
    /// How long to wait for the next byte. Default: 60s.
    #[schemars(example = &"60s")]
    pub(super) stall_timeout: Option<At<String>>,
    /// How file contents come over the wire. Default: `auto`, compressed where the link is slow.
    #[schemars(extend("enum" = ["auto", "none", "gzip", "zstd", null]))]
    pub(super) compression: Option<At<String>>,
}

/// How many checkpoints to keep, by age.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Keep {
    /// The newest so many.
    pub(super) last: Option<u32>,
    /// All that are younger than this.
    #[schemars(example = &"2d")]
    pub(super) within: Option<At<String>>,
    /// One an hour, for so many hours.
    pub(super) hourly: Option<u32>,
    /// One a day, for so many days.
    pub(super) daily: Option<u32>,
    /// One a week, for so many weeks.
    pub(super) weekly: Option<u32>,
    /// One a month, for so many months.
    pub(super) monthly: Option<u32>,
    /// One a year, for so many years.
    pub(super) yearly: Option<u32>,
}
