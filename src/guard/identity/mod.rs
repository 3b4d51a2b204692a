//! Identity evidence: what is known of protected machines, and whether the target of a write is one of them.
//!
//! Names lie: an alias, a port forward or a copied line of the inventory leads to a protected machine under
//! the name of a writable one. Host keys and machine-ids do not, so the target of a write is compared with
//! everything that is known of protected machines. Pure: who collects the evidence reads it elsewhere.

mod location;
mod refusal;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

pub use location::Location;
pub use refusal::ProtectedMachine;

use crate::name::{CheckpointId, HostName, escape};

/// What identifies a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mark {
    /// The fingerprint of a host key, as `ssh-keygen -l` prints it: `SHA256:…`.
    HostKey(String),
    /// The text of `/etc/machine-id`.
    MachineId(String),
    /// Where it is on the network.
    Location(Location),
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HostKey(fingerprint) => write!(f, "the host key {}", shown(fingerprint)),
            Self::MachineId(id) => write!(f, "the machine-id {}", shown(id)),
            Self::Location(location) => write!(f, "the address {location}"),
        }
    }
}

fn shown(text: &str) -> String {
    escape(text.as_bytes())
}

/// Where a piece of evidence comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The record of a checkpoint.
    Record(CheckpointId),
    /// A line of known_hosts.
    KnownHosts {
        /// The file, or the command that printed the line.
        file: PathBuf,
        /// Counted from 1.
        line: u32,
    },
    /// The inventory.
    Inventory {
        /// The file.
        file: PathBuf,
        /// Where the entry of the protected host begins, counted from 1.
        line: u32,
    },
    /// The protected host showed it when it was asked, in this run.
    Host,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Record(id) => write!(f, "recorded in {id}"),
            Self::KnownHosts { file, line } | Self::Inventory { file, line } => {
                write!(f, "{}:{line}", file.display())
            }
            Self::Host => f.write_str("shown by that host just now"),
        }
    }
}

/// One thing that is known of one protected machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// The protected host.
    pub host: HostName,
    /// What identifies it.
    pub mark: Mark,
    /// From where that is known.
    pub origin: Origin,
}

/// Everything that is known of protected machines. Cheap to clone.
///
/// It cannot be made up, left empty, or read from anywhere: [`crate::evidence::gather`] alone makes it, of
/// the store, the known_hosts files and the inventory.
///
/// ```compile_fail,E0624
/// let nothing = fleet::guard::identity::Evidence::of(Vec::new());
/// ```
///
/// ```compile_fail,E0277
/// let nothing: fleet::guard::identity::Evidence = Default::default();
/// ```
#[derive(Debug, Clone)]
pub struct Evidence {
    pieces: Arc<[Piece]>,
}

/// A machine that is about to be written, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Its name in the inventory.
    pub host: HostName,
    /// Where it is on the network.
    pub location: Option<Location>,
    /// The fingerprints of the host keys that it has shown.
    pub host_keys: Vec<String>,
    /// The text of its `/etc/machine-id`; empty if there is none, or nobody has asked yet.
    pub machine_id: String,
}

impl Target {
    /// A target of which nothing but the name is known yet.
    #[must_use]
    pub fn named(host: HostName) -> Self {
        Self {
            host,
            location: None,
            host_keys: Vec::new(),
            machine_id: String::new(),
        }
    }
}

impl Evidence {
    /// Evidence of these pieces, the most telling first.
    pub(crate) fn of(pieces: Vec<Piece>) -> Self {
        Self {
            pieces: pieces.into(),
        }
    }

    /// All pieces.
    #[must_use]
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// Compares what is known of `target` with every protected machine. What is not known is not compared.
    ///
    /// # Errors
    ///
    /// [`ProtectedMachine`] with the first piece of evidence that fits.
    pub fn compare(&self, target: &Target) -> Result<(), Box<ProtectedMachine>> {
        match self.pieces.iter().find(|piece| is_of(&piece.mark, target)) {
            None => Ok(()),
            Some(piece) => Err(Box::new(ProtectedMachine {
                target: target.host.clone(),
                piece: piece.clone(),
            })),
        }
    }
}

/// Whether `mark` is the target's, too.
fn is_of(mark: &Mark, target: &Target) -> bool {
    match mark {
        Mark::HostKey(fingerprint) => {
            !fingerprint.is_empty() && target.host_keys.contains(fingerprint)
        }
        Mark::MachineId(id) => {
            let id = machine_id(id);
            id.is_some() && id == machine_id(&target.machine_id)
        }
        Mark::Location(location) => target
            .location
            .as_ref()
            .is_some_and(|target| target.is_same(location)),
    }
}

/// What a text of `/etc/machine-id` identifies; none for images that have not been started yet, which have
/// nothing or `uninitialized` there.
///
/// Source: machine-id(5).
#[must_use]
pub fn machine_id(text: &str) -> Option<String> {
    let id = text.trim().to_ascii_lowercase();
    let is_unset = id.is_empty() || id == "uninitialized" || id.bytes().all(|byte| byte == b'0');
    (!is_unset).then_some(id)
}

/// The machine-id in the answer to [`ReadCommand::Probe`](crate::guard::ReadCommand::Probe); empty where the
/// host has none.
#[must_use]
pub fn machine_id_in(answer: &[u8]) -> String {
    let text = String::from_utf8_lossy(answer);
    let mut lines = text.lines();
    let id = lines.find_map(|line| line.strip_prefix("machine_id="));
    id.unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests;
