//! A session that may write: opened with the guard's permit for one host, and with nothing else.

use super::connector::Connector;
use super::error::Error;
use super::session::ReadSession;
use crate::fault::{ExitClass, Fault};
use crate::guard::WritePermit;
use crate::inventory::{Host, Inventory};

/// A connection to a host that may be written, opened with the guard's permit. It has no method that
/// writes yet.
///
/// Without a permit there is none:
///
/// ```compile_fail,E0061
/// async fn sneak(connector: &fleet::ssh::Connector, inventory: &fleet::inventory::Inventory) {
///     let _ = fleet::ssh::WriteSession::open(connector, inventory).await;
/// }
/// ```
///
/// ```compile_fail,E0451
/// fn sneak(reader: fleet::ssh::ReadSession, permit: fleet::guard::WritePermit) -> fleet::ssh::WriteSession {
///     fleet::ssh::WriteSession { reader, permit }
/// }
/// ```
#[derive(Debug)]
pub struct WriteSession {
    reader: ReadSession,
    permit: WritePermit,
}

/// A session that writes could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The permit is for another host.
    #[error("the permit is for {permitted}, not for {asked}")]
    OtherHost {
        /// The host of the permit.
        permitted: String,
        /// The host that was asked for.
        asked: String,
    },
    /// No connection.
    #[error(transparent)]
    Ssh(#[from] Error),
}

impl Fault for OpenError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::OtherHost { .. } => None,
            Self::Ssh(error) => error.hint(),
        }
    }

    fn exit_class(&self) -> ExitClass {
        match self {
            Self::OtherHost { .. } => ExitClass::Refused,
            Self::Ssh(error) => error.exit_class(),
        }
    }
}

impl WriteSession {
    /// Connects to the host of `permit`, which is used up.
    ///
    /// # Errors
    ///
    /// [`OpenError::OtherHost`] if `host` isn't the permit's; else as [`Connector::connect`].
    pub async fn open(
        permit: WritePermit,
        connector: &Connector,
        inventory: &Inventory,
        host: &Host,
    ) -> Result<Self, OpenError> {
        if *permit.host() != host.name {
            return Err(OpenError::OtherHost {
                permitted: permit.host().to_string(),
                asked: host.name.to_string(),
            });
        }
        let reader = connector.connect(inventory, host).await?;
        Ok(Self { reader, permit })
    }

    /// The same connection, for reading.
    #[must_use]
    pub fn reader(&self) -> &ReadSession {
        &self.reader
    }

    /// What it may be used for.
    pub fn permit(&self) -> &WritePermit {
        &self.permit
    }
}
