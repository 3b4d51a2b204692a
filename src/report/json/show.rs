//! `fleet show --json`: everything about one checkpoint.

use schemars::JsonSchema;
use serde::Serialize;

use super::checkpoint::{Checkpoint, LeftOut, PartState, SkippedNewer};
use super::facts::Facts;
use super::{PathText, Problem, Version};
use crate::manifest::{self, MachineIdentity};
use crate::name::RemotePath;

/// `show`
#[derive(Debug, Serialize, JsonSchema)]
pub struct Show {
    /// The version of this shape.
    pub version: Version,
    /// The checkpoint, as `ls` has it.
    pub checkpoint: Checkpoint,
    /// When the work began, RFC 3339 in UTC.
    pub started: String,
    /// When the work ended, RFC 3339 in UTC.
    pub finished: String,
    /// Which machine answered.
    #[serde(with = "Machine")]
    pub machine: MachineIdentity,
    /// Facts about that machine.
    pub facts: Facts,
    /// Each part in full.
    pub parts: Vec<PartDetail>,
    /// The packs that hold its contents.
    pub packs: Vec<PackUse>,
    /// Warnings about the whole host.
    pub warnings: Vec<String>,
    /// Newer checkpoints that `latest` skipped, by host.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub skipped_newer: Vec<SkippedNewer>,
}

/// Which machine a checkpoint was taken of. Empty where it is not known.
#[derive(Serialize, JsonSchema)]
#[serde(remote = "MachineIdentity")]
#[schemars(rename = "Machine")]
pub struct Machine {
    /// The environment of the host in the inventory.
    pub env: String,
    /// The host was protected when the checkpoint was taken.
    pub protected: bool,
    /// `address:port` of the SSH server.
    pub address: String,
    /// The account that logged in.
    pub user: String,
    /// Fingerprint of the host key, `SHA256:…`.
    pub host_key: String,
    /// The id in `/etc/machine-id`.
    pub machine_id: String,
    /// Name and version of the operating system.
    pub os: String,
    /// Name and release of the kernel.
    pub kernel: String,
    /// The name that the host has for itself.
    pub hostname: String,
}

/// One part in full.
#[derive(Debug, Serialize, JsonSchema)]
pub struct PartDetail {
    /// The source.
    pub name: String,
    /// The source's kind.
    pub kind: String,
    /// Its state.
    pub state: PartState,
    /// The roots that were captured; of a `files` source, the patterns that matched something.
    pub roots: Vec<String>,
    /// What the inventory names through symbolic links: its entries are at their real paths.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resolved: Vec<ResolvedPath>,
    /// The patterns that were left out.
    pub exclude: Vec<String>,
    /// Of each file only the lines in which this regular expression is found; null: whole files.
    pub lines: Option<String>,
    /// The file systems mounted below the roots that `one_file_system` left out.
    pub left_out: Vec<LeftOut>,
    /// Regular files.
    pub files: u64,
    /// The sum of their sizes.
    pub bytes: u64,
    /// Entries of every kind.
    pub entries: u64,
    /// Content fetched for it over the network, uncompressed, in bytes.
    pub fetched_bytes: u64,
    /// What the operator should know.
    pub warnings: Vec<String>,
    /// Why it failed, if it did.
    pub error: Option<Problem>,
}

/// A path that the inventory names through symbolic links.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ResolvedPath {
    /// As the inventory has it.
    pub asked: PathText,
    /// Where it is.
    pub real: PathText,
}

/// A pack that a checkpoint needs.
#[derive(Debug, Serialize, JsonSchema)]
pub struct PackUse {
    /// `packs/STAMP/SOURCE.tar.zst`, relative to the host's directory.
    pub name: String,
    /// Its digest.
    pub sha256: String,
    /// Its length.
    pub stored_bytes: u64,
}

impl From<&manifest::Checkpoint> for Show {
    fn from(checkpoint: &manifest::Checkpoint) -> Self {
        Self {
            version: Version,
            checkpoint: checkpoint.into(),
            started: checkpoint.started.to_string(),
            finished: checkpoint.finished.to_string(),
            machine: checkpoint.host.clone(),
            facts: (&checkpoint.facts).into(),
            parts: checkpoint.parts.iter().map(PartDetail::from).collect(),
            packs: checkpoint
                .packs
                .iter()
                .map(|pack| PackUse {
                    name: pack.name.to_string(),
                    sha256: pack.sha256.to_string(),
                    stored_bytes: pack.stored_bytes,
                })
                .collect(),
            warnings: checkpoint.warnings.clone(),
            skipped_newer: Vec::new(),
        }
    }
}

/// A root as the inventory has it, which is text.
pub(super) fn text(root: &RemotePath) -> String {
    String::from_utf8_lossy(root.as_bytes()).into_owned()
}

impl From<&manifest::Part> for PartDetail {
    fn from(part: &manifest::Part) -> Self {
        Self {
            name: part.name.to_string(),
            kind: part.kind.clone(),
            state: part.state.into(),
            roots: part.roots.iter().map(text).collect(),
            resolved: part
                .resolved
                .iter()
                .map(|resolved| ResolvedPath {
                    asked: (&resolved.asked).into(),
                    real: (&resolved.real).into(),
                })
                .collect(),
            exclude: part.exclude.clone(),
            lines: part.lines.clone(),
            left_out: part.left_out.iter().map(LeftOut::from).collect(),
            files: part.totals.files,
            bytes: part.totals.bytes,
            entries: part.entries,
            fetched_bytes: part.fetched_bytes,
            warnings: part.warnings.clone(),
            error: part.failure.as_ref().map(Problem::from),
        }
    }
}
