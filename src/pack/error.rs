//! Errors of packs.

use std::io;
use std::path::PathBuf;

use crate::fault::{Code, ExitClass, Fault};
use crate::name::RemotePath;
use crate::tarstream;

/// What can go wrong with a pack. `path` is the pack file.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file can't be made.
    #[error("can't create the pack {}", path.display())]
    Create {
        /// The pack.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file can't be written; the disk may be full.
    #[error("can't write the pack {}", path.display())]
    Write {
        /// The pack.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// zstd failed.
    #[error("can't compress for the pack {}", path.display())]
    Compress {
        /// The pack.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A member of another length than was declared when it began, or none that is open.
    #[error("a member of the pack {} is {written} bytes long, not {declared}", path.display())]
    MemberLength {
        /// The pack.
        path: PathBuf,
        /// What was declared; 0 if no member was begun.
        declared: u64,
        /// What came.
        written: u64,
    },
    /// A member was begun or the pack finished while another member was open.
    #[error("a member of the pack {} is not finished", path.display())]
    MemberOpen {
        /// The pack.
        path: PathBuf,
    },
    /// The pack failed before; nothing more can be written.
    #[error("the pack {} failed before", path.display())]
    Stopped {
        /// The pack.
        path: PathBuf,
    },
    /// The file can't be read.
    #[error("can't read the pack {}", path.display())]
    Read {
        /// The pack.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is not what was written.
    #[error("the pack {} is damaged at byte {offset}: {why}", path.display())]
    Damaged {
        /// The pack.
        path: PathBuf,
        /// Where in the file.
        offset: u64,
        /// What is wrong.
        why: &'static str,
    },
    /// A frame does not decompress.
    #[error("the pack {} is damaged: its frame at byte {offset} can't be decompressed", path.display())]
    Frame {
        /// The pack.
        path: PathBuf,
        /// Where in the file.
        offset: u64,
        /// What zstd says.
        source: io::Error,
    },
    /// The place is behind the end.
    #[error("the pack {} has no byte {offset}", path.display())]
    Beyond {
        /// The pack.
        path: PathBuf,
        /// Where in the uncompressed pack.
        offset: u64,
    },
    /// What is there is no member.
    #[error("the pack {} has no whole member at its uncompressed byte {offset}", path.display())]
    Member {
        /// The pack.
        path: PathBuf,
        /// Where in the uncompressed pack.
        offset: u64,
        /// Why.
        source: tarstream::Error,
    },
    /// Another member is there.
    #[error("the pack {} has `{found}` where `{expected}` should be", path.display())]
    OtherMember {
        /// The pack.
        path: PathBuf,
        /// Who was asked for.
        expected: RemotePath,
        /// Who is there.
        found: RemotePath,
    },
    /// A file's content is not what it was when it was packed.
    #[error("the content of `{member}` in the pack {} does not match its digest", path.display())]
    OtherContent {
        /// The pack.
        path: PathBuf,
        /// The file.
        member: RemotePath,
    },
    /// Members were asked for that can't be in that order.
    #[error("the requested members of the pack {} overlap or go backwards at its uncompressed byte {offset}", path.display())]
    Order {
        /// The pack.
        path: PathBuf,
        /// Where in the uncompressed pack the second one should begin.
        offset: u64,
    },
    /// A member can't be handed on.
    #[error("can't write out a member of the pack {}", path.display())]
    Output {
        /// The pack.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl Error {
    /// The pack that it concerns.
    #[must_use]
    pub fn path(&self) -> &std::path::Path {
        match self {
            Self::Create { path, .. }
            | Self::Write { path, .. }
            | Self::Compress { path, .. }
            | Self::MemberLength { path, .. }
            | Self::MemberOpen { path, .. }
            | Self::Stopped { path, .. }
            | Self::Read { path, .. }
            | Self::Damaged { path, .. }
            | Self::Frame { path, .. }
            | Self::Beyond { path, .. }
            | Self::Member { path, .. }
            | Self::OtherMember { path, .. }
            | Self::OtherContent { path, .. }
            | Self::Order { path, .. }
            | Self::Output { path, .. } => path,
        }
    }
}

impl Fault for Error {
    fn code(&self) -> Code {
        match self {
            Self::Create { source, .. }
            | Self::Write { source, .. }
            | Self::Compress { source, .. }
            | Self::Read { source, .. } => Code::of_io(source),
            Self::Output { .. } => Code::OutputFailed,
            Self::MemberLength { .. } | Self::MemberOpen { .. } | Self::Stopped { .. } => {
                Code::Internal
            }
            Self::Damaged { .. }
            | Self::Frame { .. }
            | Self::Beyond { .. }
            | Self::Member { .. }
            | Self::OtherMember { .. }
            | Self::OtherContent { .. }
            | Self::Order { .. } => Code::StoreDamaged,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Create { source, .. } | Self::Write { source, .. } => match source.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Some(
                    "Free space on the disk that holds the store, or choose a store on a larger one with `--store DIR`. Nothing incomplete is kept."
                        .to_owned(),
                ),
                io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                    Some("Give this account write access to the store.".to_owned())
                }
                _ => None,
            },
            Self::Damaged { .. }
            | Self::Frame { .. }
            | Self::Beyond { .. }
            | Self::Member { .. }
            | Self::OtherMember { .. }
            | Self::OtherContent { .. }
            | Self::Order { .. } => Some(
                "`fleet verify` names the checkpoints that need this pack. Take a new checkpoint \
                 with `--full`, and restore the file from a copy of the store if there is one."
                    .to_owned(),
            ),
            Self::Compress { .. }
            | Self::MemberLength { .. }
            | Self::MemberOpen { .. }
            | Self::Stopped { .. }
            | Self::Read { .. }
            | Self::Output { .. } => None,
        }
    }

    fn exit_class(&self) -> ExitClass {
        match self {
            Self::Damaged { .. }
            | Self::Frame { .. }
            | Self::Beyond { .. }
            | Self::Member { .. }
            | Self::OtherMember { .. }
            | Self::OtherContent { .. }
            | Self::Order { .. } => ExitClass::Mismatch,
            Self::Create { .. }
            | Self::Write { .. }
            | Self::Compress { .. }
            | Self::MemberLength { .. }
            | Self::MemberOpen { .. }
            | Self::Stopped { .. }
            | Self::Read { .. }
            | Self::Output { .. } => ExitClass::Failed,
        }
    }
}
