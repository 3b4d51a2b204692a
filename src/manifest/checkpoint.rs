//! Sealed checkpoints and their parts.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;

use super::{FileTime, HostFacts, Resolved};
use crate::digest::Sha256;
use crate::fault::Problem;
use crate::name::{CheckpointId, RemotePath, SourceName, Stamp, escape};

/// The sealed, immutable record of all sources of one host at one moment. Its entries are read
/// part by part from the store, for a part may have millions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Its full name.
    pub id: CheckpointId,
    /// When the work began, by the workstation's clock.
    pub started: Timestamp,
    /// When everything had arrived.
    pub finished: Timestamp,
    /// Why it was taken.
    pub trigger: Trigger,
    /// Only some of the host's sources were asked for.
    pub subset: bool,
    /// The operator's description; may be empty.
    pub description: String,
    /// Which machine it really was.
    pub host: MachineIdentity,
    /// What that machine was like.
    pub facts: HostFacts,
    /// One for each source that was asked for, in the inventory's order.
    pub parts: Vec<Part>,
    /// Every pack that an entry of this checkpoint is in.
    pub packs: Vec<Pack>,
    /// What concerns the whole host rather than one part.
    pub warnings: Vec<String>,
    /// File content that crossed the wire for it, uncompressed.
    pub fetched_bytes: u64,
    /// What it added to the store.
    pub stored_bytes: u64,
}

impl Checkpoint {
    /// Complete, warned or partial: the worst of its parts.
    #[must_use]
    pub fn state(&self) -> State {
        let mut state = if self.warnings.is_empty() {
            State::Complete
        } else {
            State::Warned
        };
        for part in &self.parts {
            match part.state {
                PartState::Failed => return State::Partial,
                PartState::Warned => state = State::Warned,
                PartState::Complete | PartState::Absent => {}
            }
        }
        state
    }

    /// Why `latest`, `~N`, freshness and retention's last complete one pass over it, and why it is no
    /// baseline for shrinking; none if they count it.
    #[must_use]
    pub fn uncounted(&self) -> Option<Uncounted> {
        if self.state() == State::Partial {
            Some(Uncounted::Partial)
        } else if self.subset {
            Some(Uncounted::Subset)
        } else if self.trigger == Trigger::PreRestore {
            Some(Uncounted::PreRestore)
        } else {
            None
        }
    }

    /// Whether the operator was warned of anything in it.
    #[must_use]
    pub fn has_warnings(&self) -> bool {
        let is_warned = |part: &Part| part.state == PartState::Warned || !part.warnings.is_empty();
        !self.warnings.is_empty() || self.parts.iter().any(is_warned)
    }

    /// Its state as tables and lines show it: `complete`, `subset`, `partial subset`.
    #[must_use]
    pub fn state_words(&self) -> &'static str {
        match (self.state(), self.subset) {
            (state, false) => state.as_str(),
            (State::Complete, true) => "subset",
            (State::Warned, true) => "warned subset",
            (State::Partial, true) => "partial subset",
        }
    }

    /// The part of that name.
    #[must_use]
    pub fn part(&self, name: &SourceName) -> Option<&Part> {
        self.parts.iter().find(|part| part.name == *name)
    }

    /// Files and bytes of all parts together.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.parts
            .iter()
            .fold(Totals::default(), |sum, part| Totals {
                files: sum.files + part.totals.files,
                bytes: sum.bytes + part.totals.bytes,
            })
    }
}

/// Why a checkpoint was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trigger {
    /// Somebody typed it.
    Manual,
    /// The schedule.
    Scheduled,
    /// The host came up.
    Boot,
    /// A restore, before its first write.
    PreRestore,
    /// A restore, of what it has put back.
    Restore,
    /// A step of a playbook.
    Playbook,
    /// Taken over from another system.
    Import,
}

impl Trigger {
    /// The word for it in records, JSON and tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Manual => "manual",
            Self::Scheduled => "scheduled",
            Self::Boot => "boot",
            Self::PreRestore => "pre-restore",
            Self::Restore => "restore",
            Self::Playbook => "playbook",
            Self::Import => "import",
        }
    }
}

/// How a checkpoint came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Everything that was asked for is there.
    Complete,
    /// Everything is there, with warnings.
    Warned,
    /// A part failed: it never counts as fresh.
    Partial,
}

impl State {
    /// The word for it in records, JSON and tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Warned => "warned",
            Self::Partial => "partial",
        }
    }
}

/// Why a checkpoint does not stand for its host: it must be named by its stamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Uncounted {
    /// A part failed.
    Partial,
    /// Only some of the host's sources were asked for.
    Subset,
    /// A restore took it of a host that may have been damaged or new.
    PreRestore,
}

impl Uncounted {
    /// The word for it in messages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Partial => "partial",
            Self::Subset => "subset",
            Self::PreRestore => "pre-restore",
        }
    }
}

/// Which machine a checkpoint was taken of.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MachineIdentity {
    /// `env` of the inventory at that time.
    pub env: String,
    /// Whether the inventory called it protected at that time.
    pub protected: bool,
    /// Address and port that were connected to, as `address:port`.
    pub address: String,
    /// Account that was logged in to.
    pub user: String,
    /// Fingerprint of the host key it proved, `SHA256:…`.
    pub host_key: String,
    /// Text of `/etc/machine-id`; empty where there is none.
    pub machine_id: String,
    /// `PRETTY_NAME` of `/etc/os-release`, else what `uname -sr` says; empty if unknown.
    pub os: String,
    /// What `uname -r` says.
    pub kernel: String,
    /// What the host calls itself.
    pub hostname: String,
}

/// One source's outcome inside a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The source's name in the inventory.
    pub name: SourceName,
    /// The source's kind: `directory`, `files`, `postgres`, `command` or `http`.
    pub kind: String,
    /// How it came out.
    pub state: PartState,
    /// The roots that were there and captured; of a `files` source, the patterns that matched something.
    pub roots: Vec<RemotePath>,
    /// What the inventory named through symbolic links, by path: its entries are at their real paths.
    pub resolved: Vec<Resolved>,
    /// The patterns that were left out, as the inventory had them.
    pub exclude: Vec<String>,
    /// Of each file only the lines in which this regular expression is found were kept: its entries
    /// tell size and digest of those. None: files are whole.
    pub lines: Option<String>,
    /// The file systems beneath the roots that `one_file_system` left out.
    pub left_out: Vec<LeftOut>,
    /// Regular files and their bytes.
    pub totals: Totals,
    /// Entries of every kind.
    pub entries: u64,
    /// Content that crossed the wire for it, uncompressed.
    pub fetched_bytes: u64,
    /// When the scan began, by the host's clock; none if the host does not report it.
    pub scanned_at: Option<FileTime>,
    /// What the operator should know: unstable, vanished or skipped entries.
    pub warnings: Vec<String>,
    /// Why it failed, if it did: one line, without causes.
    pub failure: Option<Problem>,
}

/// A file system beneath a root that was not entered. Its mount point is an entry, and empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// Its mount point.
    pub path: RemotePath,
    /// Its type, such as `tmpfs`.
    pub kind: String,
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.path, escape(self.kind.as_bytes()))
    }
}

/// How a part came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartState {
    /// Everything is there.
    Complete,
    /// Everything is there, some entries are unstable or vanished.
    Warned,
    /// An optional source that the host does not have.
    Absent,
    /// It is not what was asked for.
    Failed,
}

impl PartState {
    /// The word for it in records, JSON and tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Warned => "warned",
            Self::Absent => "absent",
            Self::Failed => "failed",
        }
    }
}

/// Regular files (every name of a hard-link group counts) and the sum of their sizes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// How many.
    pub files: u64,
    /// Their sizes together.
    pub bytes: u64,
}

/// A pack, as a checkpoint names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pack {
    /// Its name.
    pub name: PackName,
    /// The digest of the pack file.
    pub sha256: Sha256,
    /// The length of the pack file.
    pub stored_bytes: u64,
}

/// `packs/STAMP/SOURCE.tar.zst`, relative to the host's folder in the store.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PackName {
    /// The checkpoint that made it.
    pub stamp: Stamp,
    /// The source whose contents it holds.
    pub source: SourceName,
}

const PACK_PREFIX: &str = "packs/";
const PACK_SUFFIX: &str = ".tar.zst";

impl fmt::Display for PackName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{PACK_PREFIX}{}/{}{PACK_SUFFIX}",
            self.stamp, self.source
        )
    }
}

/// The text names no pack.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a pack: expected `packs/STAMP/SOURCE.tar.zst`")]
pub struct ParsePackNameError(String);

impl FromStr for PackName {
    type Err = ParsePackNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = || {
            let (stamp, source) = text
                .strip_prefix(PACK_PREFIX)?
                .strip_suffix(PACK_SUFFIX)?
                .split_once('/')?;
            Some(Self {
                stamp: stamp.parse().ok()?,
                source: source.parse().ok()?,
            })
        };
        parse().ok_or_else(|| ParsePackNameError(escape(text.as_bytes())))
    }
}
