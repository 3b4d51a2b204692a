//! `fleet diff --json` and `fleet log --json`: changes.

use std::collections::BTreeMap;

use data_encoding::BASE64;
use schemars::JsonSchema;
use serde::Serialize;

use super::checkpoint::{SkippedNewer, word};
use super::{FailedPart, Problem, Version};
use crate::change;
use crate::engine::diff::Patch;
use crate::name::RemotePath;
use crate::report::text;
use crate::report::text::times::file_time;
use crate::store;

word!(
    /// How a path changed: where several attributes differ, the most important change.
    ChangeKind of change::ChangeKind { Added, Removed, Type, Modified, Metadata }
);
word!(
    /// An attribute of an entry that can differ.
    Attribute of change::Attribute {
        Type, Content, Target, Device, Mode, Owner, Mtime, Link, Xattrs, Acl, Capabilities, Selinux
    }
);

/// `diff`: what changed, by part, each in path order.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub struct Diff {
    /// The version of this shape.
    pub version: Version,
    /// The checkpoint that was compared from, `HOST@STAMP`.
    pub old: String,
    /// The checkpoint that was compared to; with `--live` the host.
    pub new: String,
    /// It was compared to the host as it is now.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub live: bool,
    /// Everything that changed.
    pub changes: Vec<ChangeLine>,
    /// What could not be compared, and why.
    pub notes: Vec<String>,
    /// Newer checkpoints that `latest` skipped, by host.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub skipped_newer: Vec<SkippedNewer>,
    /// With `--live`, the sources that could only be compared in part.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failed: Vec<FailedPart>,
}

/// One path that changed.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ChangeLine {
    /// How it changed.
    pub change: ChangeKind,
    /// The source.
    pub part: String,
    /// The absolute path on the host, or `/fleet-captures/SOURCE/FILE`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The same in base64, if it is not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path_b64: Option<String>,
    /// `file`, `directory`, `symlink`, `fifo`, `socket`, `char-device` or `block-device`; `unknown` if a
    /// host doesn't report it.
    #[serde(rename = "type")]
    pub kind: String,
    /// The size of a file that was there before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old_size: Option<u64>,
    /// The size of a file that is there now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// What differs, if both sides are there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub differs: Vec<Difference>,
    /// With `-p`, the patch, if content or permission bits of a text file differ.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patch: Option<String>,
    /// The same in base64, if it is not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patch_b64: Option<String>,
    /// With `-p`, why there is no patch of changed content: `binary`, `large`, `unread` if the host did
    /// not send it, or `limit` if more would have to be fetched than `--live` does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_patch: Option<String>,
}

/// One thing that differs.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Difference {
    /// What it is.
    pub attribute: Attribute,
    /// What it was. Of extended attributes, ACLs, capabilities and the SELinux context: a digest, or `none`.
    pub old: String,
    /// What it is now; empty for content that was not read.
    pub new: String,
}

impl From<&text::change::Difference> for Difference {
    fn from(difference: &text::change::Difference) -> Self {
        Self {
            attribute: difference.attribute.into(),
            old: difference.old.clone(),
            new: difference.new.clone(),
        }
    }
}

impl Difference {
    /// Everything that differs between the two sides of a change.
    fn all(change: &change::Change) -> Vec<Self> {
        let differences = text::change::differences(change);
        differences.iter().map(Self::from).collect()
    }
}

impl ChangeLine {
    /// Of a change of that part, without a patch.
    #[must_use]
    pub fn of(part: &crate::name::SourceName, change: &change::Change) -> Self {
        let (path, path_b64) = text_or_base64(change.path().as_bytes());
        Self {
            change: change.kind().into(),
            part: part.to_string(),
            path,
            path_b64,
            kind: text::change::subject(change).to_owned(),
            old_size: change.before().and_then(crate::manifest::Entry::file_bytes),
            size: change.bytes_after(),
            differs: Difference::all(change),
            patch: None,
            patch_b64: None,
            no_patch: None,
        }
    }

    /// With its patch, or the word for why there is none.
    #[must_use]
    pub fn with_patch(mut self, patch: &Patch) -> Self {
        let no_patch = match patch {
            Patch::None => None,
            Patch::Text(patch) => {
                if !patch.is_empty() {
                    (self.patch, self.patch_b64) = text_or_base64(patch);
                }
                None
            }
            Patch::Binary => Some("binary"),
            Patch::Large => Some("large"),
            Patch::Unread => Some("unread"),
            Patch::LeftOut => Some("limit"),
        };
        self.no_patch = no_patch.map(str::to_owned);
        self
    }
}

/// `log`: how one path changed, by host, oldest first.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub struct Log {
    /// The version of this shape.
    pub version: Version,
    /// The checkpoints in which it differs from the checkpoint before.
    pub log: Vec<Moment>,
    /// Checkpoints that can't be read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub damaged: Vec<super::Damaged>,
    /// The first reason why the log is incomplete.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Problem>,
}

/// One checkpoint in which a path changed.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Moment {
    /// `HOST@STAMP`.
    pub checkpoint: String,
    /// How it changed; `modified` if it is a directory and something below it changed.
    pub change: ChangeKind,
    /// The source.
    pub part: String,
    /// The path that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The same in base64, if it is not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path_b64: Option<String>,
    /// What it is, or was until it was removed, if it is not a directory of which only what is
    /// below it changed.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The size of a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// The digest of a file's content.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// When its content last changed, by the host's clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mtime: Option<String>,
    /// What differs from the checkpoint before.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub differs: Vec<Difference>,
    /// How many entries below it changed, by kind of change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub beneath: Option<Beneath>,
    /// The checkpoint's description.
    pub description: String,
}

/// How many entries changed, by kind of change.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub struct Beneath {
    /// Entries that are new.
    pub added: u64,
    /// Entries that are gone.
    pub removed: u64,
    /// Entries of another type than before.
    #[serde(rename = "type")]
    pub kind: u64,
    /// Files and links with other content.
    pub modified: u64,
    /// Entries of which only metadata changed.
    pub metadata: u64,
}

impl From<&BTreeMap<change::ChangeKind, u64>> for Beneath {
    fn from(counts: &BTreeMap<change::ChangeKind, u64>) -> Self {
        let count = |kind| counts.get(&kind).copied().unwrap_or_default();
        Self {
            added: count(change::ChangeKind::Added),
            removed: count(change::ChangeKind::Removed),
            kind: count(change::ChangeKind::Type),
            modified: count(change::ChangeKind::Modified),
            metadata: count(change::ChangeKind::Metadata),
        }
    }
}

impl Moment {
    /// Of what became of `path`.
    #[must_use]
    pub fn of(path: &RemotePath, moment: &store::Moment) -> Self {
        let (path, path_b64) = text_or_base64(path.as_bytes());
        let change = moment.change.as_ref();
        let entry = change.map(change::Change::latest);
        Self {
            checkpoint: moment.checkpoint.to_string(),
            change: moment.kind.into(),
            part: moment.part.to_string(),
            path,
            path_b64,
            kind: entry.map(|entry| entry.kind.file_type().as_str().to_owned()),
            size: entry.and_then(crate::manifest::Entry::file_bytes),
            sha256: entry
                .and_then(crate::manifest::Entry::file_sha256)
                .map(|sha256| sha256.to_string()),
            mtime: entry.map(|entry| file_time(entry.mtime)),
            differs: change.map(Difference::all).unwrap_or_default(),
            beneath: (!moment.beneath.is_empty()).then(|| Beneath::from(&moment.beneath)),
            description: moment.description.clone(),
        }
    }
}

pub(super) fn text_or_base64(bytes: &[u8]) -> (Option<String>, Option<String>) {
    match std::str::from_utf8(bytes) {
        Ok(text) => (Some(text.to_owned()), None),
        Err(_) => (None, Some(BASE64.encode(bytes))),
    }
}
