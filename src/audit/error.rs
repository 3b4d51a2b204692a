//! The audit file can't be written: no host is written then.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::disk;
use crate::fault::{Code, ExitClass, Fault};

/// A record is not in the audit file.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no home directory, and `FLEET_STATE` names no folder.
    #[error("can't find a place for the audit file: there is no home directory")]
    NoHome,
    /// The system refused something on the file.
    #[error("can't {action} the audit file {}", .file.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        file: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// The system refused something on the folder, or on the file's permissions.
    #[error("can't write the audit file")]
    Disk(#[source] disk::Error),
    /// What has its name is no file.
    #[error("the audit file {} is not a regular file", .file.display())]
    NotAFile {
        /// Its name.
        file: PathBuf,
    },
    /// Another process holds the file for too long.
    #[error("another process has locked the audit file {} for {} s", .file.display(), .waited.as_secs())]
    Busy {
        /// The file.
        file: PathBuf,
        /// How long it was waited for.
        waited: Duration,
    },
}

impl Error {
    pub(super) fn io(action: &'static str, file: &Path, source: io::Error) -> Self {
        Self::Io {
            action,
            file: file.to_owned(),
            source,
        }
    }
}

impl Fault for Error {
    fn code(&self) -> Code {
        Code::AuditUnwritable
    }

    fn hint(&self) -> Option<String> {
        let mend = match self {
            Self::NoHome => "Set `HOME`, or name a folder with `FLEET_STATE`.",
            Self::Io { source, .. } | Self::Disk(disk::Error { source, .. })
                if matches!(
                    source.kind(),
                    io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
                ) =>
            {
                "Make room on the disk of that file, or name another folder with `FLEET_STATE`."
            }
            Self::Io { .. } | Self::Disk(_) => {
                "Make the file and its folder writable for this account, or name another folder with `FLEET_STATE`."
            }
            Self::NotAFile { .. } => "Move it away, or name another folder with `FLEET_STATE`.",
            Self::Busy { .. } => {
                "`fuser` names the process; end it, or name another folder with `FLEET_STATE`."
            }
        };
        Some(format!(
            "What can't be recorded is not done: nothing more is written to any host. {mend}"
        ))
    }

    fn exit_class(&self) -> ExitClass {
        ExitClass::Failed
    }
}
