//! Brings a host into service again when its files are in place: databases, services, probes.

use super::{Error, databases};
use crate::event::RestoreStep;
use crate::health::probe::{self, ProbeOutcome};
use crate::inventory::Host;
use crate::restore::databases::DatabaseTarget;
use crate::restore::services::{self, ServiceRecord};
use crate::ssh::WriteSession;

/// Gives databases their names, starts the services that were `stopped` (none: none was), and asks the probes.
///
/// # Errors
///
/// [`Error`] names what did not go. A probe that does not hold is no error here.
pub(super) async fn everything(
    session: &WriteSession,
    host: &Host,
    stopped: Option<&ServiceRecord>,
    targets: &[DatabaseTarget],
    tell: &(dyn Fn(RestoreStep) + Sync),
) -> Result<Vec<ProbeOutcome>, Error> {
    let start = async || {
        if let Some(known) = stopped {
            tell(RestoreStep::Start);
            services::reload(session, host, known).await?;
            services::start(session, host, known).await?;
        }
        Ok::<_, Error>(())
    };
    if targets.is_empty() {
        start().await?;
    } else {
        tell(RestoreStep::Switch);
        match databases::switch(targets, session).await {
            Ok(()) => start().await?,
            // The server may be one of the services.
            Err(_) if stopped.is_some() => {
                start().await?;
                tell(RestoreStep::Switch);
                databases::switch(targets, session).await?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    if host.probes.is_empty() {
        return Ok(Vec::new());
    }
    tell(RestoreStep::Probe);
    Ok(probe::run_all(session.reader(), &host.probes).await?)
}
