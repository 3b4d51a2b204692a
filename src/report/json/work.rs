//! The last JSON line of verbs without events of their own: `init`, `export`, `trust`.

use schemars::JsonSchema;
use serde::Serialize;

use super::diff::text_or_base64;
use super::{Problem, SkippedNewer, SummaryTag, Version};
use crate::name::RemotePath;
use crate::{fault, store};

/// A command that could not do its work.
#[derive(Debug, Serialize, JsonSchema)]
pub struct WorkFailed {
    /// The last line of the command.
    #[serde(rename = "type")]
    kind: SummaryTag,
    /// The version of this shape.
    version: Version,
    /// The exit status.
    exit: u8,
    /// Why it failed.
    error: Problem,
}

impl From<&fault::Problem> for WorkFailed {
    fn from(problem: &fault::Problem) -> Self {
        Self {
            kind: SummaryTag,
            version: Version,
            exit: problem.class.status(),
            error: problem.into(),
        }
    }
}

/// `init`: what was written.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub struct Init {
    /// The last line of the command.
    #[serde(rename = "type")]
    pub kind: SummaryTag,
    /// The version of this shape.
    pub version: Version,
    /// The exit status.
    pub exit: u8,
    /// The inventory file.
    pub inventory: String,
    /// The schema beside it.
    pub schema: String,
}

/// `export`: what was written.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub struct Export {
    /// The last line of the command.
    #[serde(rename = "type")]
    pub kind: SummaryTag,
    /// The version of this shape.
    pub version: Version,
    /// The exit status.
    pub exit: u8,
    /// `HOST@STAMP`.
    pub checkpoint: String,
    /// The file or directory; `-` is standard output.
    pub path: String,
    /// `tar`, `tar.gz`, `tar.zst` or `folder`.
    pub format: String,
    /// `paths`, `snapshot` or `monitoring`.
    pub layout: String,
    /// Entries of every kind.
    pub entries: u64,
    /// Content of regular files, every name counted.
    pub bytes: u64,
    /// Entries that were left out: sockets, devices in a directory, and what does not fit into one tree with
    /// other entries (exit status 3).
    pub skipped: u64,
    /// What was left out or could not be set, by kind.
    pub left_out: Vec<LeftOut>,
    /// Newer checkpoints that `latest` skipped, by host.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub skipped_newer: Vec<SkippedNewer>,
}

/// What an export left out, of one kind.
#[derive(Debug, Serialize, JsonSchema)]
pub struct LeftOut {
    /// `contradiction` (an entry below what another part holds as a link or file, or of another type in
    /// another part); `socket`; `device` (a node that only root makes, with `--devices`); `owner`; `set-id` (bits of
    /// what does not belong to its recorded owner and group); `acl`, `capabilities`, `xattrs` or `selinux`
    /// of what is there without them.
    pub what: String,
    /// How many entries are affected.
    pub count: u64,
    /// The first ten of them.
    pub entries: Vec<PathText>,
}

/// A path on the host.
#[derive(Debug, Serialize, JsonSchema)]
pub struct PathText {
    /// The path, absolute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The same in base64, if it is not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path_b64: Option<String>,
}

impl From<&RemotePath> for PathText {
    fn from(path: &RemotePath) -> Self {
        let (path, path_b64) = text_or_base64(path.as_bytes());
        Self { path, path_b64 }
    }
}

impl From<&store::Shortfall> for LeftOut {
    fn from(shortfall: &store::Shortfall) -> Self {
        Self {
            what: shortfall.kind.as_str().to_owned(),
            count: shortfall.count,
            entries: shortfall.paths.iter().map(PathText::from).collect(),
        }
    }
}

/// `trust`: what is trusted now.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub struct Trust {
    /// The last line of the command.
    #[serde(rename = "type")]
    pub kind: SummaryTag,
    /// The version of this shape.
    pub version: Version,
    /// The exit status.
    pub exit: u8,
    /// The host.
    pub host: String,
    /// The name under which its keys are looked up.
    pub lookup: String,
    /// It was trusted before, and nothing was written.
    pub already_trusted: bool,
    /// The file that was added to.
    pub file: Option<String>,
    /// The keys that the host showed, and further ones that it proved.
    pub keys: Vec<KeyOffered>,
    /// Why keys that the host showed were left out, if any were.
    pub left_out: Option<String>,
}

/// A key that a host showed.
#[derive(Debug, Serialize, JsonSchema)]
pub struct KeyOffered {
    /// Its algorithm.
    pub algorithm: String,
    /// `SHA256:…`
    pub fingerprint: String,
    /// It was added to the file.
    pub added: bool,
}
