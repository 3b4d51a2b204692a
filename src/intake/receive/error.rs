//! The errors for which nothing of a tar stream is kept.

use crate::fault::{Code, ExitClass, Fault};
use crate::name::RemotePath;
use crate::pack;
use crate::source::lines::WITHOUT_LINES_HINT;
use crate::tarstream;
use crate::units::size;

/// Why nothing of a stream is kept.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is no archive, or not a harmless one.
    #[error("the archive sent by the host was refused")]
    Refused(#[source] tarstream::Error),
    /// It holds what nobody asked for.
    #[error("the archive sent by the host has `{path}`, which was not requested")]
    Unasked {
        /// The member.
        path: RemotePath,
    },
    /// Sparse files have more holes than can be hashed in a reasonable time.
    #[error(
        "the sparse files have more than {} of holes, counted up to `{path}`",
        size(tarstream::HOLES_PART_MAX_BYTES)
    )]
    Holes {
        /// The file with which they became too many.
        path: RemotePath,
    },
    /// A file of which only lines are meant is too large to be looked through.
    #[error("`{path}` is larger than 16 MiB, too large for `lines`")]
    TooLarge {
        /// The file.
        path: RemotePath,
    },
    /// A file of which only lines are meant has a name or owner that no archive takes.
    #[error("can't store the lines of `{path}`")]
    Unwritable {
        /// The file.
        path: RemotePath,
    },
    /// The pack cannot be written: the fault is on this side.
    #[error("can't write the pack")]
    Pack(#[from] pack::Error),
}

impl Error {
    /// Whether the fault is the workstation's, so that going on with other parts makes no sense.
    pub(crate) fn is_local(&self) -> bool {
        matches!(self, Self::Pack(_))
    }
}

impl Fault for Error {
    fn code(&self) -> Code {
        match self {
            Self::Refused(error) => error.code(),
            Self::Unasked { .. } | Self::Unwritable { .. } => Code::ArchiveRefused,
            Self::Holes { .. } | Self::TooLarge { .. } => Code::LimitExceeded,
            Self::Pack(error) => error.code(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Refused(error) => error.hint(),
            Self::Unasked { .. } => Some(
                "Nothing of it was kept. Check `tar --version` and `command -v tar` on the host."
                    .to_owned(),
            ),
            Self::Holes { .. } => Some(
                "Leave the largest of them out with `exclude`; `du` and `ls -l` on the host show which files are sparse."
                    .to_owned(),
            ),
            Self::TooLarge { .. } | Self::Unwritable { .. } => Some(WITHOUT_LINES_HINT.to_owned()),
            Self::Pack(error) => error.hint(),
        }
    }

    fn exit_class(&self) -> ExitClass {
        ExitClass::Failed
    }
}
