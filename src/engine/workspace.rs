//! The workspace of a run: inventory, store, connector and limits.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::blocking::blocking;
use crate::interrupt::Interrupt;
use crate::inventory::{Host, Inventory};
use crate::name::HostName;
use crate::ssh::{self, Connector, Endpoint, ReadSession};
use crate::store::{self, HostLock, Store};

/// The hosts, and the way to each of them.
pub struct Network {
    /// The hosts.
    pub inventory: Inventory,
    /// Makes connections, and shares bastions among them.
    pub connector: Connector,
}

impl Network {
    /// Connects to `host`, and gives the `address:port` at which it was reached.
    ///
    /// # Errors
    ///
    /// [`ssh::Error`], up to and including authentication.
    pub(super) async fn reach(&self, host: &Host) -> Result<(ReadSession, String), ssh::Error> {
        let endpoint = self.connector.endpoint(&self.inventory, host).await?;
        self.reach_at(&endpoint, host).await
    }

    /// Connects to `host` at `endpoint`, and gives the `address:port` at which it was reached.
    ///
    /// # Errors
    ///
    /// As [`Network::reach`].
    pub(super) async fn reach_at(
        &self,
        endpoint: &Endpoint,
        host: &Host,
    ) -> Result<(ReadSession, String), ssh::Error> {
        let session = self.connector.connect_to(endpoint, host).await?;
        if let Some(said) = session.banner() {
            tracing::info!(host = session.host(), "{} said: {said}", session.host());
        }
        Ok((session, format!("{}:{}", endpoint.address, endpoint.port)))
    }
}

/// Tells the time that checkpoints are named after; a long history is made in minutes with one that
/// leaps.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// The hosts, and the place for what is captured of them.
pub struct Workspace {
    /// The hosts, and the way to each of them.
    pub network: Network,
    /// Where checkpoints are kept.
    pub store: Store,
    /// How long to wait for a locked host; none: not at all.
    pub wait: Option<Duration>,
    /// What checkpoints are named after.
    pub clock: Clock,
}

impl Workspace {
    /// Locks `host` in the store, waiting as long as the operator allowed.
    ///
    /// # Errors
    ///
    /// [`store::Error::Locked`] names the holder.
    ///
    /// # Cancel
    ///
    /// Raising `interrupt` ends the wait. Dropping the future does not; a lock that is got then is let go.
    pub(super) async fn lock(
        self: &Arc<Self>,
        host: &HostName,
        interrupt: &Interrupt,
    ) -> Result<HostLock, store::Error> {
        let (workspace, host) = (Arc::clone(self), host.clone());
        let interrupt = interrupt.clone();
        blocking(move || workspace.store.lock(&host, workspace.wait, &interrupt)).await
    }
}
