//! Write sessions: opened with the guard's permit for one host, and with nothing else.

use super::error::Error;
use super::session::ReadSession;
use crate::guard::WritePermit;
use crate::inventory::Inventory;
use crate::ssh::connection::connector::Connector;

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
/// And no host but the permit's:
///
/// ```compile_fail,E0061
/// async fn sneak(
///     permit: fleet::guard::WritePermit,
///     connector: &fleet::ssh::Connector,
///     inventory: &fleet::inventory::Inventory,
///     other: &fleet::inventory::Host,
/// ) {
///     let _ = fleet::ssh::WriteSession::open(permit, connector, inventory, other).await;
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

impl WriteSession {
    /// Connects to the host of `permit`, which is used up.
    ///
    /// # Errors
    ///
    /// As [`Connector::connect`].
    pub async fn open(
        permit: WritePermit,
        connector: &Connector,
        inventory: &Inventory,
    ) -> Result<Self, Error> {
        let reader = connector.connect(inventory, permit.host()).await?;
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
