//! Errors of a store.
//!
//! Facts are fields; callers match variants. Every text that came from a host or a file is escaped
//! before it is shown. Nothing here decides.

mod hint;
#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::disk;
use crate::fault::{self, Code, ExitClass, Fault};
use crate::manifest::PackName;
use crate::name::{CheckpointId, CheckpointRef, HostName, RemotePath, SourceName, escape};
use crate::pack;
use crate::store::query::find::Skipped;
use crate::store::seal::lock::Holder;

/// A fault of the store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no store in that folder.
    #[error("no store at {}", dir.display())]
    NoStore {
        /// The folder.
        dir: PathBuf,
    },
    /// The folder holds other things and is not taken over.
    #[error("{} is not empty and is not a store", dir.display())]
    NotAStore {
        /// The folder.
        dir: PathBuf,
    },
    /// The store, or a checkpoint in it, was written by a newer fleet.
    #[error("{file} has version {found}, and this fleet reads versions up to {known}")]
    Newer {
        /// The file, relative to the store.
        file: String,
        /// Its version.
        found: u64,
        /// The newest version that this program reads.
        known: u64,
    },
    /// A checkpoint that only a newer fleet can read, and what that one must be able to do.
    #[error(
        "{file} needs {}, which this version of fleet doesn't support",
        needed(words)
    )]
    Needs {
        /// The file, relative to the store.
        file: String,
        /// The words of its `needs` that this program does not know.
        words: Vec<String>,
    },
    /// A stored file is not what was sealed.
    #[error("{file} is damaged: {problem}")]
    Damaged {
        /// The file, relative to the store.
        file: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The content of an entry is not what was sealed; nothing of it was delivered.
    #[error("content of {path} in {checkpoint} does not match: {problem}")]
    Content {
        /// The checkpoint.
        checkpoint: CheckpointId,
        /// The entry.
        path: RemotePath,
        /// What is wrong with it.
        problem: String,
    },
    /// Another run works on this host.
    #[error("{host} is locked by {holder}")]
    Locked {
        /// The host.
        host: HostName,
        /// Who holds the lock.
        holder: Holder,
        /// How long this run has waited.
        waited: Duration,
    },
    /// Waiting for the lock was given up because the operator asked for it.
    #[error("stopped while waiting for the lock of {host}")]
    Interrupted {
        /// The host.
        host: HostName,
    },
    /// The store has nothing of that host.
    #[error("the store has no checkpoints of {host}")]
    UnknownHost {
        /// What was asked for.
        host: HostName,
        /// The host whose name is nearest.
        nearest: Option<HostName>,
        /// Every host that the store knows.
        known: Vec<HostName>,
    },
    /// The host has no such checkpoint.
    #[error("no checkpoint {reference}")]
    UnknownCheckpoint {
        /// What was asked for.
        reference: CheckpointRef,
        /// Those that exist, oldest first.
        known: Vec<CheckpointId>,
    },
    /// `latest` or `~N` would have to be a partial checkpoint, a subset or a `pre-restore` one.
    #[error("no checkpoint {reference}: {} has no complete one", reference.host)]
    NoneCounts {
        /// What was asked for.
        reference: CheckpointRef,
        /// Those that exist, newest first.
        skipped: Vec<Skipped>,
    },
    /// More than one stamp begins so.
    #[error("{reference} matches {} checkpoints", matches.len())]
    Ambiguous {
        /// What was asked for.
        reference: CheckpointRef,
        /// Those that are meant, oldest first.
        matches: Vec<CheckpointId>,
    },
    /// `latest` or `~N` would have to count a checkpoint that cannot be read.
    #[error(
        "can't tell which checkpoint {reference} is: {newer} {}",
        why_unread(source)
    )]
    Uncountable {
        /// What was asked for.
        reference: CheckpointRef,
        /// The one that cannot be read.
        newer: CheckpointId,
        /// Why: it is damaged, or only a newer fleet can read it.
        #[source]
        source: Box<Error>,
    },
    /// The checkpoint has no such part, or the part holds nothing.
    #[error("{checkpoint} has no entries of source `{part}`")]
    NoPart {
        /// The checkpoint.
        checkpoint: CheckpointId,
        /// The part.
        part: SourceName,
    },
    /// The checkpoint has no entry of that path.
    #[error("{path} is not in {checkpoint}")]
    NoEntry {
        /// The checkpoint.
        checkpoint: CheckpointId,
        /// The path.
        path: String,
    },
    /// The checkpoint was removed while it was being read.
    #[error("{checkpoint} was removed meanwhile")]
    Removed {
        /// The checkpoint.
        checkpoint: CheckpointId,
    },
    /// No checkpoint that was looked at has, or had, anything of that path.
    #[error("{path} is in no checkpoint of {}", hint::list(hosts))]
    NoHistory {
        /// The path.
        path: String,
        /// The hosts that were looked at.
        hosts: Vec<HostName>,
    },
    /// The entry is there and has no content to show.
    #[error("{path} in {checkpoint} is {what}")]
    NotAFile {
        /// The checkpoint.
        checkpoint: CheckpointId,
        /// The path.
        path: RemotePath,
        /// What it is instead, with its article.
        what: String,
        /// Where it points, if it is a symbolic link.
        points_to: Option<String>,
    },
    /// Entries came out of order, or one path twice.
    #[error("entry {path} does not come after {previous}")]
    Order {
        /// The entry.
        path: RemotePath,
        /// The one before it.
        previous: RemotePath,
    },
    /// The facts that were to be sealed contradict what was written.
    #[error("can't seal {checkpoint}: {problem}")]
    Facts {
        /// The checkpoint.
        checkpoint: CheckpointId,
        /// The contradiction.
        problem: String,
    },
    /// The target of an export is already there.
    #[error("{} is already there", path.display())]
    TargetExists {
        /// The target.
        path: PathBuf,
    },
    /// Files are where exported ones go.
    #[error("{}", occupied(target, *count, paths))]
    Occupied {
        /// The folder that is exported into.
        target: PathBuf,
        /// How many.
        count: u64,
        /// The first ten of them, relative to it.
        paths: Vec<PathBuf>,
    },
    /// The folder to export into holds something.
    #[error("{} is not empty", path.display())]
    TargetNotEmpty {
        /// The target.
        path: PathBuf,
    },
    /// The target's name does not tell the format.
    #[error("can't tell the archive format of {}", path.display())]
    UnknownFormat {
        /// The target.
        path: PathBuf,
    },
    /// An entry would leave the folder that is exported into, or can't be made there.
    #[error("can't put {path} into {}: {problem}", target.display())]
    Unsafe {
        /// The entry.
        path: RemotePath,
        /// The folder.
        target: PathBuf,
        /// Why.
        problem: String,
    },
    /// A layout has one place for two things.
    #[error("{first} and {second} would both be {} in this layout", escape(place.member()))]
    Collision {
        /// That place.
        place: RemotePath,
        /// Where the first one is on the host.
        first: String,
        /// Where the second one is on the host, or what it is.
        second: String,
    },
    /// A pack can't be read or written.
    #[error(transparent)]
    Pack(pack::Error),
    /// What was asked for can't be handed on.
    #[error("can't write the output")]
    Output {
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The operator ended it.
    #[error("stopped before the end")]
    Stopped,
    /// The operating system refused.
    #[error(transparent)]
    Io(#[from] disk::Error),
}

impl Error {
    /// Names what was tried, for `map_err`.
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let failed = disk::Error::io(action, path);
        move |source| Self::Io(failed(source))
    }

    /// Names the pack as the store knows it. Damage of a pack is damage of the store.
    pub(super) fn pack(host: &HostName, name: &PackName, error: pack::Error) -> Self {
        let file = crate::store::files::layout::shown_pack(host, name);
        match error {
            pack::Error::Output { source, .. } => Self::Output { source },
            pack::Error::Read { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                Self::damaged(file, "it is missing")
            }
            error if error.exit_class() == ExitClass::Mismatch => {
                Self::damaged(file, fault::chain(&error).join(": "))
            }
            error => Self::Pack(error),
        }
    }

    pub(super) fn damaged(file: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Damaged {
            file: file.into(),
            problem: problem.into(),
        }
    }
}

impl Fault for Error {
    fn code(&self) -> Code {
        match self {
            Self::NoStore { .. } => Code::StoreMissing,
            Self::NotAStore { .. } => Code::NotAStore,
            Self::Newer { .. } | Self::Needs { .. } => Code::FleetTooOld,
            Self::Damaged { .. } | Self::Content { .. } => Code::StoreDamaged,
            Self::Uncountable { source, .. } => source.code(),
            Self::Locked { .. } => Code::StoreLocked,
            Self::Interrupted { .. } | Self::Stopped => Code::Interrupted,
            Self::UnknownHost { .. } => Code::UnknownHost,
            Self::UnknownCheckpoint { .. } => Code::UnknownCheckpoint,
            Self::NoneCounts { .. } => Code::NoCompleteCheckpoint,
            Self::Ambiguous { .. } => Code::AmbiguousCheckpoint,
            Self::NoPart { .. } => Code::UnknownSource,
            Self::NoEntry { .. } | Self::NoHistory { .. } => Code::UnknownPath,
            Self::Removed { .. } => Code::CheckpointRemoved,
            Self::NotAFile { .. } => Code::NotAFile,
            Self::Order { .. } | Self::Facts { .. } => Code::Internal,
            Self::TargetExists { .. } | Self::Occupied { .. } | Self::TargetNotEmpty { .. } => {
                Code::TargetExists
            }
            Self::UnknownFormat { .. } => Code::UsageInvalid,
            Self::Unsafe { .. } => Code::UnsafeTree,
            Self::Collision { .. } => Code::LayoutCollision,
            Self::Pack(error) => error.code(),
            Self::Output { .. } => Code::OutputFailed,
            Self::Io(error) => error.code(),
        }
    }

    fn hint(&self) -> Option<String> {
        hint::of(self)
    }

    fn exit_class(&self) -> ExitClass {
        match self {
            Self::NoStore { .. }
            | Self::NotAStore { .. }
            | Self::Newer { .. }
            | Self::Needs { .. }
            | Self::UnknownHost { .. }
            | Self::UnknownCheckpoint { .. }
            | Self::NoneCounts { .. }
            | Self::Ambiguous { .. }
            | Self::NoPart { .. }
            | Self::NoEntry { .. }
            | Self::Removed { .. }
            | Self::NoHistory { .. }
            | Self::NotAFile { .. }
            | Self::TargetExists { .. }
            | Self::Occupied { .. }
            | Self::TargetNotEmpty { .. }
            | Self::UnknownFormat { .. }
            | Self::Collision { .. } => ExitClass::Usage,
            Self::Damaged { .. } | Self::Content { .. } | Self::Uncountable { .. } => {
                ExitClass::Mismatch
            }
            Self::Locked { .. } => ExitClass::Locked,
            Self::Interrupted { .. } | Self::Stopped => ExitClass::Interrupted,
            Self::Pack(error) => error.exit_class(),
            Self::Order { .. }
            | Self::Facts { .. }
            | Self::Unsafe { .. }
            | Self::Output { .. }
            | Self::Io(_) => ExitClass::Failed,
        }
    }
}

/// The words of `needs`, as a file has them.
fn needed(words: &[String]) -> String {
    let quoted = words
        .iter()
        .map(|word| format!("`{}`", escape(word.as_bytes())));
    quoted.collect::<Vec<_>>().join(", ")
}

/// Only a newer fleet can read it; nothing is wrong with it.
fn is_too_new(error: &Error) -> bool {
    matches!(error, Error::Newer { .. } | Error::Needs { .. })
}

/// Why a checkpoint cannot be read, behind its name.
fn why_unread(error: &Error) -> &'static str {
    if is_too_new(error) {
        "needs a newer fleet"
    } else if matches!(error, Error::Damaged { .. }) {
        "is damaged"
    } else {
        "can't be read"
    }
}

fn occupied(target: &Path, count: u64, paths: &[PathBuf]) -> String {
    let named: Vec<String> = paths
        .iter()
        .map(|path| escape(path.as_os_str().as_encoded_bytes()))
        .collect();
    let more = if count > paths.len() as u64 {
        ", …"
    } else {
        ""
    };
    let (files, are) = if count == 1 {
        ("file", "is")
    } else {
        ("files", "are")
    };
    format!(
        "{count} {files} {are} already in {}: {}{more}",
        target.display(),
        named.join(", ")
    )
}
