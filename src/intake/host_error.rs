//! [`HostError`]: nothing of a host can be captured or compared. `checkpoint` and `live` share it.

use crate::fault::{Code, ExitClass, Fault, Specific};
use crate::name::{HostName, SourceName};
use crate::{ssh, store};

use super::receive;

/// Why there is no checkpoint of a host, or no comparison with it.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// The connection could not be made, or does not answer.
    #[error(transparent)]
    Ssh(#[from] ssh::Error),
    /// The store cannot be read or written.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A pack cannot be written.
    #[error("can't capture source `{part}`")]
    Receive {
        /// The part.
        part: SourceName,
        /// Why.
        source: receive::Error,
    },
    /// The connection was lost before anything had arrived.
    #[error("the connection to {host} was lost before anything had arrived")]
    Nothing {
        /// The host.
        host: HostName,
        /// Why.
        source: ssh::Error,
    },
}

impl Fault for HostError {
    fn code(&self) -> Code {
        match self {
            Self::Ssh(error) => error.code(),
            Self::Store(error) => error.code(),
            Self::Receive { source, .. } => source.code(),
            Self::Nothing { .. } => Code::ConnectionLost,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Ssh(error) | Self::Nothing { source: error, .. } => error.hint(),
            Self::Store(error) => error.hint(),
            Self::Receive { source, .. } => source.hint(),
        }
    }

    fn specifics(&self) -> Vec<Specific> {
        match self {
            Self::Ssh(error) | Self::Nothing { source: error, .. } => error.specifics(),
            Self::Store(error) => error.specifics(),
            Self::Receive { source, .. } => source.specifics(),
        }
    }

    fn exit_class(&self) -> ExitClass {
        match self {
            Self::Ssh(error) => error.exit_class(),
            Self::Nothing { .. } => ExitClass::Unreachable,
            Self::Store(error) => error.exit_class(),
            Self::Receive { source, .. } => source.exit_class(),
        }
    }
}
