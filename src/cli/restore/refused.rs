//! Records restores that the guard refused before any connection.

use super::super::error::{Error, Status, VerbError};
use super::super::setup::Setup;
use super::super::signals;
use crate::audit::Audit;
use crate::engine::restore;
use crate::interrupt::Interrupt;
use crate::name::HostName;

/// Records that the guard refused to restore `target`, and ends with that refusal. It stands though it can't
/// be recorded.
pub(super) fn record(
    target: &HostName,
    setup: &Setup,
    audit: Result<Audit, VerbError>,
    error: restore::Error,
) -> Status {
    let recorded = audit.and_then(|audit| {
        let work = restore::record_refusal(target, &audit, &error);
        let recorded = signals::run(&Interrupt::new(), || {}, work)?;
        Ok(recorded.ok_or(Error::Stopped)??)
    });
    if let Err(VerbError(problem)) = recorded {
        setup.console.warning(&problem.line());
    }
    Err(error.into())
}
