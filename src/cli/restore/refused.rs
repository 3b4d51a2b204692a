//! Records restores that the guard refused before any connection.

use super::super::error::{Error, Status};
use super::super::signals;
use crate::audit::Audit;
use crate::engine::restore;
use crate::interrupt::Interrupt;
use crate::name::HostName;

/// Records that the guard refused to restore `target`, and ends with that refusal.
pub(super) fn record(target: &HostName, audit: &Audit, error: restore::Error) -> Status {
    let recorded = signals::run(&Interrupt::new(), || {}, async {
        restore::record_refusal(target, audit, &error).await
    });
    recorded?.ok_or(Error::Stopped)??;
    Err(error.into())
}
