//! Checkpoints in JSON: the object that `ls`, `show` and `checkpoint` share.

use data_encoding::BASE64;
use schemars::JsonSchema;
use serde::Serialize;

use super::{Problem, Version};
use crate::fault;
use crate::manifest;
use crate::store;

/// One checkpoint.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Checkpoint {
    /// `HOST@STAMP`.
    pub id: String,
    /// The host.
    pub host: String,
    /// When it began, RFC 3339 in UTC.
    pub created: String,
    /// Its state.
    pub state: State,
    /// Why it was taken.
    pub trigger: Trigger,
    /// Only some of the host's sources were asked for: `latest` skips it.
    pub subset: bool,
    /// Its description, from `-m`.
    pub description: String,
    /// Reserved for `fleet prune`; always `false` in this version.
    pub pinned: bool,
    /// Regular files; every name of a hard-link group counts.
    pub files: u64,
    /// The sum of their sizes.
    pub bytes: u64,
    /// Content fetched for it over the network, uncompressed, in bytes.
    pub fetched_bytes: u64,
    /// What it added to the store, in bytes.
    pub stored_bytes: u64,
    /// One for each source.
    pub parts: Vec<PartOutcome>,
}

/// One source's outcome in a checkpoint.
#[derive(Debug, Serialize, JsonSchema)]
pub struct PartOutcome {
    /// The source.
    pub name: String,
    /// Its state.
    pub state: PartState,
    /// Regular files.
    pub files: u64,
    /// The sum of their sizes.
    pub bytes: u64,
}

/// A file system that was not entered.
#[derive(Debug, Serialize, JsonSchema)]
pub struct LeftOut {
    /// Its mount point.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The same in base64, where it is not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path_b64: Option<String>,
    /// Its type, such as `tmpfs`.
    pub kind: String,
}

impl From<&manifest::LeftOut> for LeftOut {
    fn from(left_out: &manifest::LeftOut) -> Self {
        let bytes = left_out.path.as_bytes();
        let text = std::str::from_utf8(bytes).ok();
        Self {
            path: text.map(str::to_owned),
            path_b64: text.is_none().then(|| BASE64.encode(bytes)),
            kind: left_out.kind.clone(),
        }
    }
}

macro_rules! word {
    ($(#[$doc:meta])* $name:ident of $of:path { $($variant:ident),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
        #[serde(rename_all = "kebab-case")]
        #[expect(missing_docs, reason = "the words are those of the domain type")]
        pub enum $name { $($variant),+ }

        impl From<$of> for $name {
            fn from(value: $of) -> Self {
                use $of as Of;
                match value { $(Of::$variant => Self::$variant),+ }
            }
        }
    };
}
pub(super) use word;

word!(
    /// The state of a checkpoint.
    State of manifest::State { Complete, Warned, Partial }
);
word!(
    /// Why a checkpoint was taken. This version writes `manual` and `import`; the others are reserved.
    Trigger of manifest::Trigger { Manual, Scheduled, Boot, PreRestore, Restore, Playbook, Import }
);
word!(
    /// The state of a part.
    PartState of manifest::PartState { Complete, Warned, Absent, Failed }
);

impl From<&manifest::Part> for PartOutcome {
    fn from(part: &manifest::Part) -> Self {
        Self {
            name: part.name.to_string(),
            state: part.state.into(),
            files: part.totals.files,
            bytes: part.totals.bytes,
        }
    }
}

impl From<&manifest::Checkpoint> for Checkpoint {
    fn from(checkpoint: &manifest::Checkpoint) -> Self {
        let totals = checkpoint.totals();
        Self {
            id: checkpoint.id.to_string(),
            host: checkpoint.id.host.to_string(),
            created: checkpoint.id.stamp.time().to_string(),
            state: checkpoint.state().into(),
            trigger: checkpoint.trigger.into(),
            subset: checkpoint.subset,
            description: checkpoint.description.clone(),
            pinned: false,
            files: totals.files,
            bytes: totals.bytes,
            fetched_bytes: checkpoint.fetched_bytes,
            stored_bytes: checkpoint.stored_bytes,
            parts: checkpoint.parts.iter().map(PartOutcome::from).collect(),
        }
    }
}

/// Newer checkpoints of a host that `latest` skipped.
#[derive(Debug, Serialize, JsonSchema)]
pub struct SkippedNewer {
    /// The host.
    pub host: String,
    /// The newest of them, `HOST@STAMP`.
    pub newest: String,
    /// How many are partial.
    pub partial: u64,
    /// How many are subsets.
    pub subset: u64,
    /// How many a restore took before its first write.
    pub pre_restore: u64,
}

impl SkippedNewer {
    /// None if nothing was skipped.
    #[must_use]
    pub fn of(resolved: &store::Resolved) -> Option<Self> {
        let newest = &resolved.skipped.first()?.id;
        let count = |why| {
            let of = resolved.skipped.iter().filter(|skipped| skipped.why == why);
            of.count() as u64
        };
        Some(Self {
            host: newest.host.to_string(),
            newest: newest.to_string(),
            partial: count(manifest::Uncounted::Partial),
            subset: count(manifest::Uncounted::Subset),
            pre_restore: count(manifest::Uncounted::PreRestore),
        })
    }
}

/// `ls`: checkpoints by host, oldest first.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub struct Ls {
    /// The version of this shape.
    pub version: Version,
    /// The checkpoints that can be read.
    pub checkpoints: Vec<Checkpoint>,
    /// The checkpoints that can't be read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub damaged: Vec<Damaged>,
    /// The first reason why the list is incomplete.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Problem>,
}

/// A checkpoint whose record can't be read.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Damaged {
    /// `HOST@STAMP`, from the name of its directory.
    pub id: String,
    /// What is wrong with it.
    pub error: Problem,
}

impl Damaged {
    /// The same for each of these, by `HOST@STAMP`.
    #[must_use]
    pub fn all(damaged: &[(String, fault::Problem)]) -> Vec<Self> {
        let damaged = damaged.iter().map(|(id, problem)| Self {
            id: id.clone(),
            error: problem.into(),
        });
        damaged.collect()
    }
}
