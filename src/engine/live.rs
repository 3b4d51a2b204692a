//! Compares a checkpoint with its live host.

use std::sync::Arc;

use crate::fault::{Code, ExitClass, Fault};
use crate::live::{self, FetchBudget, Live};
use crate::store::SealedCheckpoint;

use super::{Network, SelectionError, host};

/// Why nothing can be compared.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The inventory has no such host.
    #[error(transparent)]
    Selection(#[from] SelectionError),
    /// The host can't be reached or asked, or something here can't be read.
    #[error(transparent)]
    Live(#[from] live::Error),
}

impl Fault for Error {
    fn code(&self) -> Code {
        match self {
            Self::Selection(error) => error.code(),
            Self::Live(error) => error.code(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Selection(error) => error.hint(),
            Self::Live(error) => error.hint(),
        }
    }

    fn exit_class(&self) -> ExitClass {
        match self {
            Self::Selection(error) => error.exit_class(),
            Self::Live(error) => error.exit_class(),
        }
    }
}

/// Connects to the host of `base`, as the inventory has it now, and compares: see
/// [`live::compare`]. Reads only, and takes no lock.
///
/// # Errors
///
/// [`Error`] if there is nothing to compare with.
///
/// # Cancel
///
/// Dropping the future leaves nothing behind.
pub async fn run(
    base: &Arc<SealedCheckpoint>,
    network: &Network,
    budget: Option<FetchBudget>,
) -> Result<Live, Error> {
    let host = host(&network.inventory, &base.id().host)?;
    let (session, _) = network.reach(host).await.map_err(live::Error::Ssh)?;
    let live = live::compare(base, host, &session, budget).await;
    session.close().await;
    Ok(live?)
}
