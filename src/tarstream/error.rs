//! The errors for which a tar stream is refused.

use crate::fault::{Code, ExitClass, Fault};
use crate::name::{ParsePathError, RemotePath};

use super::{EXTENDED_MAX_BYTES, HOLES_MAX_BYTES, MEMBERS_MAX, SPARSE_MAX_REGIONS};

/// Why a tar stream is refused. Offsets count the bytes of the stream before the block that is meant.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The reader beneath failed.
    #[error("can't read the archive stream at byte {offset}")]
    Read {
        /// Where.
        offset: u64,
        /// Why.
        source: std::io::Error,
    },
    /// The stream ended before the end-of-archive blocks.
    #[error("the archive stream ended early at byte {offset}{}", inside(within.as_ref()))]
    Cut {
        /// Where.
        offset: u64,
        /// The member that is incomplete; none between members.
        within: Option<RemotePath>,
    },
    /// A header block's checksum is wrong: damage, or a size that lied about the data before it.
    #[error("the archive header at byte {offset} has a wrong checksum")]
    Checksum {
        /// Where.
        offset: u64,
    },
    /// A header block of no known dialect.
    #[error("the archive header at byte {offset} is in an unknown format")]
    Dialect {
        /// Where.
        offset: u64,
    },
    /// A field of a header can't be read.
    #[error("the archive header at byte {offset} has a bad {field}")]
    Field {
        /// Where.
        offset: u64,
        /// Which.
        field: &'static str,
    },
    /// A member of a kind that is not known.
    #[error("the archive member at byte {offset} is of unknown type `{}`", crate::name::escape(&[*flag]))]
    UnknownType {
        /// Where.
        offset: u64,
        /// Its type flag.
        flag: u8,
    },
    /// A header that changes all members after it.
    #[error("the archive has a global header at byte {offset}")]
    GlobalHeader {
        /// Where.
        offset: u64,
    },
    /// A sparse file in a form other than GNU's version 1.0.
    #[error("the sparse file at byte {offset} of the archive is in an old form")]
    OldSparse {
        /// Where.
        offset: u64,
    },
    /// An extended header that is longer than any real one.
    #[error(
        "the extended header at byte {offset} declares {declared} bytes, more than {EXTENDED_MAX_BYTES}"
    )]
    HeaderTooLong {
        /// Where.
        offset: u64,
        /// What it declares.
        declared: u64,
    },
    /// An extended header that is not well-formed, or whose meaning depends on who reads it.
    #[error("the extended header at byte {offset} {why}")]
    Extended {
        /// Where.
        offset: u64,
        /// What is wrong.
        why: &'static str,
    },
    /// A member's name is not a relative, normalised path.
    #[error("the archive member at byte {offset} has a bad name")]
    Name {
        /// Where.
        offset: u64,
        /// Why.
        source: ParsePathError,
    },
    /// A name, a link's target or an account is longer than any system takes.
    #[error("the archive member at byte {offset} has {what} of {bytes} bytes, more than {max}")]
    LongName {
        /// Where.
        offset: u64,
        /// What it is, with its article.
        what: &'static str,
        /// How long it is.
        bytes: usize,
        /// So long it may be.
        max: usize,
    },
    /// More members than any archive of one host has.
    #[error("the archive has more than {MEMBERS_MAX} members")]
    TooMany,
    /// A member that is no directory has a name that ends in `/`, which tar takes for a directory.
    #[error(
        "the archive member at byte {offset} is not a directory, but its name `{path}` ends with a slash"
    )]
    NamedAsDirectory {
        /// Where.
        offset: u64,
        /// Its name.
        path: RemotePath,
    },
    /// A link's target is empty, holds NUL, or (hard links) is no member's name.
    #[error("the link `{path}` has a bad target `{}`", crate::name::escape(target))]
    LinkTarget {
        /// The link.
        path: RemotePath,
        /// Its target.
        target: Vec<u8>,
    },
    /// A second member of one name.
    #[error("`{path}` is in the archive twice")]
    Duplicate {
        /// The name.
        path: RemotePath,
    },
    /// A member that can't have data declares some.
    #[error("`{path}` is not a regular file, but declares {declared} bytes of data")]
    UnexpectedData {
        /// The member.
        path: RemotePath,
        /// What it declares.
        declared: u64,
    },
    /// A size that no stream can have.
    #[error("`{path}` declares an impossible size of {declared} bytes")]
    Size {
        /// The member.
        path: RemotePath,
        /// What it declares.
        declared: u64,
    },
    /// A sparse map that is not well-formed.
    #[error("the sparse map of `{path}` {why}")]
    SparseMap {
        /// The file.
        path: RemotePath,
        /// What is wrong.
        why: &'static str,
    },
    /// A sparse file that is nearly all hole.
    #[error("`{path}` declares {holes} bytes of holes, more than {HOLES_MAX_BYTES}")]
    Holes {
        /// The file.
        path: RemotePath,
        /// What it declares.
        holes: u64,
    },
    /// A sparse file of very many regions.
    #[error("`{path}` is sparse with more than {SPARSE_MAX_REGIONS} regions")]
    Regions {
        /// The file.
        path: RemotePath,
    },
    /// Only one of the two end-of-archive blocks.
    #[error("the archive has a lone zero block at byte {offset}")]
    LoneZeroBlock {
        /// Where.
        offset: u64,
    },
    /// Something other than a few zeros follows the end of the archive.
    #[error("data follows the end of the archive at byte {offset}")]
    Trailing {
        /// Where.
        offset: u64,
    },
    /// The stream was refused before; nothing can be read from it any more.
    #[error("the archive stream was refused before")]
    Refused,
}

fn inside(within: Option<&RemotePath>) -> String {
    within.map_or_else(String::new, |path| format!(", inside `{path}`"))
}

impl Fault for Error {
    fn code(&self) -> Code {
        match self {
            Self::Read { .. } | Self::Cut { .. } => Code::OutputCut,
            Self::OldSparse { .. } => Code::ToolTooOld,
            Self::TooMany | Self::Holes { .. } | Self::Regions { .. } => Code::LimitExceeded,
            Self::Checksum { .. }
            | Self::Dialect { .. }
            | Self::Field { .. }
            | Self::UnknownType { .. }
            | Self::GlobalHeader { .. }
            | Self::HeaderTooLong { .. }
            | Self::Extended { .. }
            | Self::Name { .. }
            | Self::LongName { .. }
            | Self::NamedAsDirectory { .. }
            | Self::LinkTarget { .. }
            | Self::Duplicate { .. }
            | Self::UnexpectedData { .. }
            | Self::Size { .. }
            | Self::SparseMap { .. }
            | Self::LoneZeroBlock { .. }
            | Self::Trailing { .. }
            | Self::Refused => Code::ArchiveRefused,
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Read { .. } | Self::Refused => return None,
            Self::Cut { .. } => {
                "The connection or the remote tar ended early. Run the command again: files that arrived completely are kept."
            }
            Self::OldSparse { .. } => {
                "Install GNU tar 1.27 or later or bsdtar on the host, or exclude the file."
            }
            Self::Holes { .. } | Self::Regions { .. } => {
                "Exclude the file, or make it less sparse with `cp --sparse=never`."
            }
            Self::Checksum { .. }
            | Self::Dialect { .. }
            | Self::Field { .. }
            | Self::UnknownType { .. }
            | Self::GlobalHeader { .. }
            | Self::HeaderTooLong { .. }
            | Self::Extended { .. }
            | Self::Name { .. }
            | Self::LongName { .. }
            | Self::TooMany
            | Self::NamedAsDirectory { .. }
            | Self::LinkTarget { .. }
            | Self::Duplicate { .. }
            | Self::UnexpectedData { .. }
            | Self::Size { .. }
            | Self::SparseMap { .. }
            | Self::LoneZeroBlock { .. }
            | Self::Trailing { .. } => {
                "This is not what tar writes for the requested names. Check `tar --version` and `TAR_OPTIONS` on the host."
            }
        };
        Some(hint.to_owned())
    }

    fn exit_class(&self) -> ExitClass {
        ExitClass::Failed
    }
}
