//! The errors for which a checkpoint cannot be compared with its host.

use crate::fault::{Code, ExitClass, Fault};
use crate::name::SourceName;
use crate::{intake, ssh, store};

/// Why there is no comparison.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The connection could not be made, or does not answer.
    #[error(transparent)]
    Ssh(#[from] ssh::Error),
    /// The checkpoint cannot be read.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// Contents cannot be kept on the workstation.
    #[error("can't capture source `{part}`")]
    Receive {
        /// The part.
        part: SourceName,
        /// Why.
        source: intake::Error,
    },
}

impl Fault for Error {
    fn code(&self) -> Code {
        match self {
            Self::Ssh(error) => error.code(),
            Self::Store(error) => error.code(),
            Self::Receive { source, .. } => source.code(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Ssh(error) => error.hint(),
            Self::Store(error) => error.hint(),
            Self::Receive { source, .. } => source.hint(),
        }
    }

    fn exit_class(&self) -> ExitClass {
        match self {
            Self::Ssh(error) => error.exit_class(),
            Self::Store(error) => error.exit_class(),
            Self::Receive { source, .. } => source.exit_class(),
        }
    }
}
