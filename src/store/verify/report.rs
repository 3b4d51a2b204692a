//! Options and report of `fleet verify`.

use crate::fault::Code;
use crate::name::{CheckpointId, HostName};

/// What is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Everything.
    All,
    /// All checkpoints of some hosts, and some checkpoints, with all packs that they need.
    Some {
        /// The hosts.
        hosts: Vec<HostName>,
        /// The checkpoints.
        checkpoints: Vec<CheckpointId>,
    },
}

/// How closely.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Every byte, and that every entry's content is where its record says.
    Full,
    /// Packs only by their presence and length, everything else as with [`Level::Full`].
    Quick,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VerifyReport {
    /// How many checkpoints were looked at.
    pub checked: u64,
    /// How many files were looked at; one that several checkpoints need counts once.
    pub files: u64,
    /// What is wrong, by file.
    pub problems: Vec<Problem>,
}

/// A damaged or missing file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Relative to the store.
    pub file: String,
    /// Damage, or why the file can't be read.
    pub code: Code,
    /// What is wrong with it.
    pub problem: String,
    /// The checkpoints that need it, in order.
    pub checkpoints: Vec<CheckpointId>,
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VerifyProgress<'a> {
    /// The file that is being read, relative to the store.
    pub file: &'a str,
    /// Bytes of packs that were read.
    pub done_bytes: u64,
    /// Bytes of packs of the host that is being verified, and of those before it.
    pub total_bytes: u64,
}
