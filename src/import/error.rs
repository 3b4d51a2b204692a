//! The errors for which a backup is not imported.

use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::fault::{Code, ExitClass, Fault};
use crate::intake::receive::Error as ReceiveError;
use crate::name::{RemotePath, SourceName};
use crate::pack;
use crate::store;
use crate::tarstream;
use crate::units::listing;
use crate::units::size;

/// Why a backup is not taken over. Nothing of it is visible in the store then.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It can't be read.
    #[error("can't read {}", path.display())]
    Open {
        /// The backup, or what is in it.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is nothing that can be taken over.
    #[error("{} is {what}", path.display())]
    Form {
        /// The backup.
        path: PathBuf,
        /// What it is, with its article.
        what: &'static str,
        /// The command that unpacks such a thing.
        unpack: Option<&'static str>,
    },
    /// It does not unpack.
    #[error("can't unpack {}", path.display())]
    Packed {
        /// The backup.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is no archive, or not a harmless one.
    #[error("the archive {} was refused", path.display())]
    Archive {
        /// The backup.
        path: PathBuf,
        /// Why.
        source: tarstream::Error,
    },
    /// It unpacks to far more than it is.
    #[error("{} unpacks to more than {times} times its size", path.display())]
    Bomb {
        /// The backup.
        path: PathBuf,
        /// How much more.
        times: u64,
    },
    /// It has more entries than a backup has.
    #[error("{} has more than {max} entries", path.display())]
    TooMany {
        /// The backup.
        path: PathBuf,
        /// How many may be.
        max: usize,
    },
    /// It takes more memory than its size explains.
    #[error("the names in {} take more than {} of memory", path.display(), size(*max_bytes as u64))]
    Names {
        /// The backup.
        path: PathBuf,
        /// So much they may.
        max_bytes: usize,
    },
    /// There are more lists and records of other systems in it than any of them writes.
    #[error(
        "{} has more than {} of manifests and checksum lists",
        path.display(),
        size(*max_bytes as u64)
    )]
    Texts {
        /// The backup.
        path: PathBuf,
        /// So much may be.
        max_bytes: usize,
    },
    /// Sparse files have more holes than can be hashed in a reasonable time.
    #[error(
        "the sparse files in {} have more than {} of holes, counted up to `{member}`",
        path.display(),
        size(tarstream::HOLES_PART_MAX_BYTES)
    )]
    Holes {
        /// The backup.
        path: PathBuf,
        /// The file with which they became too many.
        member: RemotePath,
    },
    /// What is in it can't be put back without leaving its place.
    #[error("{} can't be restored safely", path.display())]
    Tree {
        /// The backup.
        path: PathBuf,
        /// Why.
        source: tarstream::tree::Error,
    },
    /// A member would have a path that none has.
    #[error("`{member}` of {} is not a valid path on a host", path.display())]
    Place {
        /// The backup.
        path: PathBuf,
        /// The member.
        member: RemotePath,
    },
    /// There is nothing in it, or nothing is left.
    #[error("{} is empty{}", path.display(), stripped(*strip))]
    Empty {
        /// The backup.
        path: PathBuf,
        /// How many leading folders were taken off.
        strip: usize,
    },
    /// A mapping says where something lands that is not there.
    #[error("{} has no `{from}`", path.display())]
    NoSuchFolder {
        /// The backup.
        path: PathBuf,
        /// What was to be mapped, without its leading slash.
        from: String,
    },
    /// It is not what its own list of digests says.
    #[error("{} does not match its {list}: {}", path.display(), listing(*count, first))]
    Sums {
        /// The backup.
        path: PathBuf,
        /// The list.
        list: RemotePath,
        /// How many files.
        count: usize,
        /// The first of them, each with what is wrong.
        first: Vec<String>,
    },
    /// It changed while it was read.
    #[error("{} changed while it was read{}", path.display(), at(what.as_deref()))]
    Changed {
        /// The backup.
        path: PathBuf,
        /// What of it, if that is known.
        what: Option<String>,
    },
    /// It would have been taken in the future.
    #[error("{} would have been taken at {taken}, which is in the future ({from})", path.display())]
    Future {
        /// The backup.
        path: PathBuf,
        /// When.
        taken: Timestamp,
        /// What says so.
        from: String,
    },
    /// A pack can't be written.
    #[error("can't import source `{part}`")]
    Receive {
        /// The part.
        part: SourceName,
        /// Why.
        source: ReceiveError,
    },
    /// What arrived is not what was there.
    #[error("can't import source `{part}`: {problem}")]
    Part {
        /// The part.
        part: SourceName,
        /// Why.
        problem: String,
        /// The code of that.
        code: Code,
    },
    /// The store can't be written.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The operator ended it.
    #[error("stopped before {} was imported", path.display())]
    Stopped {
        /// The backup.
        path: PathBuf,
    },
}

fn stripped(strip: usize) -> String {
    match strip {
        0 => String::new(),
        1 => " below its first directory".to_owned(),
        n => format!(" below its first {n} directories"),
    }
}

fn at(what: Option<&str>) -> String {
    what.map_or_else(String::new, |what| format!(", at `{what}`"))
}

impl Error {
    /// What an archive stream over `path` ended with. Errors of this module that went through it come
    /// out again.
    pub(super) fn of_stream(path: &Path, error: tarstream::Error) -> Self {
        match error {
            tarstream::Error::Read { source, .. } => Self::of_read(path, source),
            source => Self::Archive {
                path: path.to_owned(),
                source,
            },
        }
    }

    fn of_read(path: &Path, error: io::Error) -> Self {
        let error = match error.downcast::<Self>() {
            Ok(own) => return own,
            Err(error) => error,
        };
        match error.downcast::<tarstream::Error>() {
            Ok(below) => Self::of_stream(path, below),
            Err(source) => Self::Packed {
                path: path.to_owned(),
                source,
            },
        }
    }

    /// What reading a part ended with.
    pub(super) fn of_receive(path: &Path, part: &SourceName, error: ReceiveError) -> Self {
        match error {
            ReceiveError::Refused(error) => Self::of_stream(path, error),
            ReceiveError::Unasked { path: member } => Self::Changed {
                path: path.to_owned(),
                what: Some(member.to_string()),
            },
            source @ (ReceiveError::Holes { .. }
            | ReceiveError::TooLarge { .. }
            | ReceiveError::Unwritable { .. }
            | ReceiveError::Pack(_)) => Self::Receive {
                part: part.clone(),
                source,
            },
        }
    }
}

impl From<pack::Error> for Error {
    fn from(error: pack::Error) -> Self {
        Self::Store(store::Error::Pack(error))
    }
}

impl Fault for Error {
    fn code(&self) -> Code {
        match self {
            Self::Open { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                Code::BackupMissing
            }
            Self::Open { source, .. } => Code::of_io(source),
            Self::Form { .. } => Code::BackupUnsupported,
            Self::Packed { .. }
            | Self::Sums { .. }
            | Self::Archive {
                source: tarstream::Error::Cut { .. } | tarstream::Error::LoneZeroBlock { .. },
                ..
            } => Code::BackupDamaged,
            Self::Archive { source, .. } => source.code(),
            Self::Bomb { .. }
            | Self::TooMany { .. }
            | Self::Names { .. }
            | Self::Texts { .. }
            | Self::Holes { .. } => Code::LimitExceeded,
            Self::Tree { source, .. } => source.code(),
            Self::Place { .. } => Code::UsageInvalid,
            Self::Empty { .. } => Code::BackupEmpty,
            Self::NoSuchFolder { .. } => Code::UnknownPath,
            Self::Changed { .. } => Code::BackupChanged,
            Self::Future { .. } => Code::TimeInFuture,
            Self::Receive { source, .. } => source.code(),
            Self::Part { code, .. } => *code,
            Self::Store(error) => error.code(),
            Self::Stopped { .. } => Code::Interrupted,
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Open { .. } => return None,
            Self::Form {
                unpack: Some(command),
                ..
            } => {
                return Some(format!("Unpack it with `{command}` and import the result."));
            }
            Self::Form { unpack: None, .. } => {
                "Import a directory, or an archive: .tar, .tar.gz, .tgz or .tar.zst."
            }
            Self::Packed { .. } => {
                "It is truncated or damaged: look for another copy. `gzip -t` and `zstd -t` check it too."
            }
            Self::Archive {
                source: tarstream::Error::Cut { .. } | tarstream::Error::LoneZeroBlock { .. },
                ..
            } => {
                "It is truncated: look for another copy. To keep the rest, unpack it with tar and import the directory."
            }
            Self::Archive { .. } => {
                "Nothing of it was kept. If you trust it, unpack it with tar into an empty directory, check the result, and import that."
            }
            Self::Bomb { .. }
            | Self::TooMany { .. }
            | Self::Names { .. }
            | Self::Texts { .. }
            | Self::Holes { .. } => {
                "If that is expected, unpack it and import the directory, or parts of it."
            }
            Self::Tree { source, .. } => match source {
                tarstream::tree::Error::Twice { .. } => {
                    "Two entries would get the same path: use another `--map` or `--strip`."
                }
                tarstream::tree::Error::Link { .. } => {
                    "Import all of it as one source with `--source`, or unpack it and import the directory."
                }
                tarstream::tree::Error::Outside { .. }
                | tarstream::tree::Error::Orphan { .. }
                | tarstream::tree::Error::Beneath { .. } => {
                    "Nothing of it was kept. Unpack it with tar into an empty directory, check the result, and import that."
                }
            },
            Self::Place { .. } => "Use another `--at` or `--map`.",
            Self::Empty { strip: 0, .. } => "Check that it is the right backup.",
            Self::Empty { .. } => {
                "Remove fewer leading directories with `--strip`, or none with `--strip 0`."
            }
            Self::NoSuchFolder { .. } => {
                "`--dry-run` without `--map` shows what is in it. A directory that `--strip` removes is not part of the paths."
            }
            Self::Sums { .. } => {
                "It is damaged: look for another copy. To import it as it is, unpack it, remove that list, and import the directory."
            }
            Self::Changed { .. } => "Run the command again when nothing writes there.",
            Self::Future { .. } => "Say when it was taken with `--taken 2026-11-21T10:15:00Z`.",
            Self::Receive { source, .. } => return source.hint(),
            Self::Part { .. } => return None,
            Self::Store(error) => return error.hint(),
            Self::Stopped { .. } => {
                "Nothing of it was kept. Run the same command again to go on: what was imported is skipped."
            }
        };
        Some(hint.to_owned())
    }

    fn exit_class(&self) -> ExitClass {
        match self {
            Self::Open { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                ExitClass::Usage
            }
            Self::Form { .. }
            | Self::NoSuchFolder { .. }
            | Self::Future { .. }
            | Self::Place { .. } => ExitClass::Usage,
            Self::Sums { .. } => ExitClass::Mismatch,
            Self::Store(store::Error::Interrupted { .. } | store::Error::Stopped)
            | Self::Stopped { .. } => ExitClass::Interrupted,
            Self::Store(error) => error.exit_class(),
            Self::Receive { source, .. } => source.exit_class(),
            Self::Open { .. }
            | Self::Packed { .. }
            | Self::Archive { .. }
            | Self::Bomb { .. }
            | Self::TooMany { .. }
            | Self::Names { .. }
            | Self::Texts { .. }
            | Self::Holes { .. }
            | Self::Tree { .. }
            | Self::Empty { .. }
            | Self::Changed { .. }
            | Self::Part { .. } => ExitClass::Failed,
        }
    }
}
