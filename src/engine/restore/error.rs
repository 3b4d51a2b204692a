//! Errors of the verb `restore`.

use std::io;
use std::path::PathBuf;

use crate::audit;
use crate::checkpoint;
use crate::evidence;
use crate::fault::{Code, ExitClass, Fault};
use crate::guard::Refusal;
use crate::health::probe::ProbeFailed;
use crate::name::{CheckpointId, HostName, SourceName};
use crate::restore::{self, databases, services};
use crate::ssh;
use crate::store;

/// A restore could not begin, or did not work.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The inventory does not have the target.
    #[error("unknown host `{host}` in {}", .file.display())]
    UnknownHost {
        /// The target.
        host: HostName,
        /// The inventory.
        file: PathBuf,
    },
    /// The target is protected.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// It can't be recorded who writes to the host.
    #[error(transparent)]
    Audit(#[from] audit::Error),
    /// It can't be told whether the target is a protected machine.
    #[error(transparent)]
    Evidence(#[from] evidence::Error),
    /// The checkpoint has no such part.
    #[error("{checkpoint} has no part `{name}`")]
    NoSuchPart {
        /// What was asked for.
        name: SourceName,
        /// The checkpoint.
        checkpoint: CheckpointId,
        /// The parts that it has.
        known: Vec<SourceName>,
    },
    /// The plan has something in it that cannot be done.
    #[error("{checkpoint} can't be restored to {host}: {}", reasons.join("; "))]
    Impossible {
        /// The checkpoint.
        checkpoint: CheckpointId,
        /// The target.
        host: HostName,
        /// Why.
        reasons: Vec<String>,
    },
    /// No folder for what a dry run fetches.
    #[error("can't create a temporary folder")]
    Scratch(#[source] io::Error),
    /// The target could not be captured.
    #[error(transparent)]
    Capture(#[from] checkpoint::Error),
    /// What services wrote while they stopped could not be captured.
    #[error("`{part}` could not be captured again after services had stopped")]
    NotCaptured {
        /// The part.
        part: SourceName,
    },
    /// The restore could not be planned or did not work.
    #[error(transparent)]
    Restore(#[from] restore::Error),
    /// A database can't be put back.
    #[error(transparent)]
    Databases(#[from] databases::Error),
    /// Services can't be looked at, stopped or started.
    #[error(transparent)]
    Services(#[from] services::Error),
    /// The host does not work as it should afterwards.
    #[error(transparent)]
    Probe(#[from] ProbeFailed),
    /// The host can't be reached.
    #[error(transparent)]
    Ssh(#[from] ssh::Error),
    /// The store can't be read or written.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The operator asked to stop.
    #[error("interrupted")]
    Interrupted,
}

impl Fault for Error {
    fn code(&self) -> Code {
        match self {
            Self::UnknownHost { .. } => Code::UnknownHost,
            Self::Refused(error) => error.code(),
            Self::Audit(error) => error.code(),
            Self::Evidence(error) => error.code(),
            Self::NoSuchPart { .. } => Code::UnknownSource,
            Self::Impossible { .. } => Code::RestoreRefused,
            Self::NotCaptured { .. } => Code::ScanFailed,
            Self::Scratch(_) => Code::LocalIoFailed,
            Self::Capture(error) => error.code(),
            Self::Restore(error) => error.code(),
            Self::Databases(error) => error.code(),
            Self::Services(error) => error.code(),
            Self::Probe(error) => error.code(),
            Self::Ssh(error) => error.code(),
            Self::Store(error) => error.code(),
            Self::Interrupted => Code::Interrupted,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::UnknownHost { .. } => Some("`fleet hosts` lists the hosts.".to_owned()),
            Self::Refused(error) => error.hint(),
            Self::Audit(error) => error.hint(),
            Self::Evidence(error) => error.hint(),
            Self::NoSuchPart { known, .. } => {
                let known: Vec<&str> = known.iter().map(SourceName::as_str).collect();
                Some(format!("There are: {}.", known.join(", ")))
            }
            Self::Impossible { .. } => Some(
                "Correct that, or leave it out: `--only SOURCE` and PATH restore parts of a checkpoint."
                    .to_owned(),
            ),
            Self::NotCaptured { .. } | Self::Interrupted => None,
            Self::Scratch(_) => {
                Some("Make room in the folder for temporary files (`TMPDIR`).".to_owned())
            }
            Self::Capture(error) => error.hint(),
            Self::Restore(error) => error.hint(),
            Self::Databases(error) => error.hint(),
            Self::Services(error) => error.hint(),
            Self::Probe(error) => error.hint(),
            Self::Ssh(error) => error.hint(),
            Self::Store(error) => error.hint(),
        }
    }

    fn exit_class(&self) -> ExitClass {
        match self {
            Self::UnknownHost { .. } | Self::NoSuchPart { .. } => ExitClass::Usage,
            Self::Refused(error) => error.exit_class(),
            Self::Audit(error) => error.exit_class(),
            Self::Evidence(error) => error.exit_class(),
            Self::Impossible { .. } | Self::NotCaptured { .. } | Self::Scratch(_) => {
                ExitClass::Failed
            }
            Self::Capture(error) => error.exit_class(),
            Self::Restore(error) => error.exit_class(),
            Self::Databases(error) => error.exit_class(),
            Self::Services(error) => error.exit_class(),
            Self::Probe(error) => error.exit_class(),
            Self::Ssh(error) => error.exit_class(),
            Self::Store(error) => error.exit_class(),
            Self::Interrupted => ExitClass::Interrupted,
        }
    }
}
