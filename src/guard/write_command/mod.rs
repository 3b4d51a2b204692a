//! The commands that fleet runs on a host to change it: the whole list. Only a session that was opened with
//! a [`WritePermit`](super::WritePermit) takes them.
//!
//! As with [`ReadCommand`](super::ReadCommand), a command is a request and a fixed script; values travel
//! encoded, never as shell text and never as an option of a tool. The scripts are in `src/guard/scripts`.

mod bootstrap;
mod database;
mod service;
mod transaction;

pub use bootstrap::BootstrapChange;
pub use database::{DatabaseChange, DatabaseNames, DatabaseStep};
pub use service::{Launch, ProcessId, ReloadHook, ServiceChange, Signal, UnitChange};
pub use transaction::{RestoreRoot, RestoreTools, Transaction, TransactionStep};

use super::rendered::{Priority, Rendered, Sudo};
use super::script::Request;
use crate::name::{AccountName, HostName};

/// One thing that fleet says to a host to change it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WriteCommand {
    /// A step of putting files in place.
    Transaction(Transaction),
    /// A change of a service.
    Service(ServiceChange),
    /// Packages, groups and users for a fresh host.
    Bootstrap(BootstrapChange),
    /// A step of putting a PostgreSQL database back.
    Database(DatabaseChange),
}

impl WriteCommand {
    /// The command as it goes over the wire. `nonce` is a word of hexadecimal digits that no host can
    /// know beforehand, and `data_bytes` is the length of what follows the request on standard input.
    #[must_use]
    pub fn render(&self, nonce: &str, sudo: Sudo, pace: Priority, data_bytes: u64) -> Rendered {
        Rendered::of(self.request(data_bytes), nonce, sudo, self.account(), pace)
    }

    /// The request for it, with `data_bytes` of data behind.
    fn request(&self, data_bytes: u64) -> Request {
        match self {
            Self::Transaction(transaction) => transaction.request(data_bytes),
            Self::Service(change) => change.request(),
            Self::Bootstrap(change) => change.request(),
            Self::Database(change) => change.request(),
        }
    }

    /// The account that it runs as, if not root or the one that logged in.
    #[must_use]
    pub fn account(&self) -> Option<&AccountName> {
        match self {
            Self::Transaction(_) | Self::Bootstrap(_) => None,
            Self::Service(change) => change.account(),
            Self::Database(change) => change.server.run_as.as_ref(),
        }
    }

    /// The only host on which it may run; none: the host of the permit.
    #[must_use]
    pub fn only_host(&self) -> Option<&HostName> {
        match self {
            Self::Transaction(_) | Self::Bootstrap(_) | Self::Database(_) => None,
            Self::Service(change) => change.only_host(),
        }
    }
}
