//! Hosts, profiles and defaults.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use super::{Bootstrap, Env, Probe, Service, Source, Tag};
use crate::name::{HostName, ProfileName};

/// A whole inventory file, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inventory {
    /// The file it was read from, as messages name it.
    pub file: PathBuf,
    /// Where checkpoints are kept, relative to the file's folder; none: the user's data directory.
    pub store: Option<PathBuf>,
    /// What hosts take that do not say it themselves.
    pub defaults: Defaults,
    /// Reusable sets of sources, services and probes, by name.
    pub profiles: BTreeMap<ProfileName, Profile>,
    /// The hosts, in the file's order.
    pub hosts: Vec<Host>,
}

impl Inventory {
    /// The host of that name.
    #[must_use]
    pub fn host(&self, name: &HostName) -> Option<&Host> {
        self.hosts.iter().find(|host| host.name == *name)
    }
}

/// A place in the inventory file, counted from 1; written `LINE:COLUMN`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Place {
    /// Line.
    pub line: u32,
    /// Column, in characters.
    pub column: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// Whether a host may be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Access {
    /// Never.
    #[default]
    ReadOnly,
    /// By a permit of the guard.
    Writable,
}

/// How long fleet waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// For one attempt to connect and log in, not counting the time in which somebody types.
    pub connect_timeout: Duration,
    /// For the next byte on a connection.
    pub stall_timeout: Duration,
}

/// How file contents come over the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WireCompression {
    /// Compressed where the link was measured to be slow.
    #[default]
    Auto,
    /// As they are.
    None,
    /// By the host's `gzip`.
    Gzip,
    /// By the host's `zstd`.
    Zstd,
}

impl WireCompression {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 4] = [Self::Auto, Self::None, Self::Gzip, Self::Zstd];

    /// The word for it in the inventory and on the command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }
}

/// The text names no compression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a compression: use auto, none, gzip or zstd")]
pub struct ParseCompressionError(String);

impl FromStr for WireCompression {
    type Err = ParseCompressionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|compression| compression.as_str() == text)
            .ok_or_else(|| ParseCompressionError(crate::name::escape(text.as_bytes())))
    }
}

/// What hosts take that do not say it themselves. Access and env are not among it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Defaults {
    /// Account to log in to.
    pub user: Option<String>,
    /// Port of the SSH server.
    pub port: Option<u16>,
    /// Identity files.
    pub identity: Vec<PathBuf>,
    /// A host to go through.
    pub jump: Option<String>,
}

/// A named, reusable set of sources, services and probes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Profile {
    /// In the file's order.
    pub sources: Vec<Source>,
    /// In the file's order.
    pub services: Vec<Service>,
    /// In the file's order.
    pub probes: Vec<Probe>,
    /// What a fresh host needs.
    pub bootstrap: Bootstrap,
}

/// A machine of the inventory, with defaults and profiles applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// Its name.
    pub name: HostName,
    /// Where its entry begins.
    pub place: Place,
    /// `env`, and its place in the file; none: counts as prod.
    pub env: Option<(Env, Place)>,
    /// `access`, and its place in the file; none: read-only.
    pub access: Option<(Access, Place)>,
    /// Free words, and the place of each in the file.
    pub tags: Vec<(Tag, Place)>,
    /// Where it is; none: OpenSSH's configuration tells.
    pub address: Option<String>,
    /// Port of the SSH server; none: OpenSSH's configuration tells.
    pub port: Option<u16>,
    /// Account to log in to; none: from OpenSSH's configuration.
    pub user: Option<String>,
    /// Identity files, `~` expanded by nobody yet; empty: from OpenSSH's configuration.
    pub identity: Vec<PathBuf>,
    /// A host of this inventory, or what `ssh -J` would take; `none`: straight, whatever OpenSSH's
    /// configuration says.
    pub jump: Option<String>,
    /// The profiles it uses.
    pub profiles: Vec<ProfileName>,
    /// Everything that is captured of it: those of its profiles, then its own.
    pub sources: Vec<Source>,
    /// What a restore stops and starts: the services of its profiles, then its own.
    pub services: Vec<Service>,
    /// How to check that it works: the probes of its profiles, then its own.
    pub probes: Vec<Probe>,
    /// What its profiles need on a fresh host.
    pub bootstrap: Bootstrap,
    /// How long to wait for it.
    pub limits: Limits,
    /// How file contents come over the wire.
    pub compression: WireCompression,
    /// When to take checkpoints, as cron writes it.
    pub schedule: Option<String>,
    /// Which checkpoints to keep.
    pub keep: Keep,
    /// Older than this, the newest checkpoint is stale.
    pub max_age: Option<Duration>,
}

/// How many checkpoints to keep, by age; none of a kind: 0. All zero: the inventory says nothing, and
/// nothing is ever pruned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Keep {
    /// The newest.
    pub last: u32,
    /// All that are younger.
    pub within: Option<Duration>,
    /// One an hour.
    pub hourly: u32,
    /// One a day.
    pub daily: u32,
    /// One a week.
    pub weekly: u32,
    /// One a month.
    pub monthly: u32,
    /// One a year.
    pub yearly: u32,
}

impl Keep {
    /// Whether the inventory says nothing: a file that would keep nothing is refused.
    #[must_use]
    pub fn is_unset(&self) -> bool {
        *self == Self::default()
    }
}
