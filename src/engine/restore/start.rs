//! Brings a host into service again when its files are in place: databases, services, probes.

use super::{Error, databases};
use crate::event::RestoreStep;
use crate::health::probe::{self, ProbeOutcome};
use crate::inventory::Host;
use crate::restore::databases::DatabaseTarget;
use crate::restore::services::{self, ServiceRecord};
use crate::ssh::WriteSession;

/// What it takes to bring a host into service again.
pub(super) struct Start<'a> {
    pub(super) session: &'a WriteSession,
    /// The target, with its services and probes.
    pub(super) host: &'a Host,
    /// The services that were stopped; none: nothing was.
    pub(super) stopped: Option<&'a ServiceRecord>,
    pub(super) databases: &'a [DatabaseTarget],
    /// The checkpoint is of another host. What was not active here need not start, for it may lack what no
    /// checkpoint holds, and probes may fail while a service is down.
    pub(super) is_other_host: bool,
}

/// How a host came into service again.
#[derive(Debug, Default)]
pub(super) struct Started {
    /// What the probes found.
    pub(super) probes: Vec<ProbeOutcome>,
    /// What the operator has to look after.
    pub(super) warnings: Vec<String>,
}

impl Start<'_> {
    /// Gives databases their names, starts services, and asks the probes.
    ///
    /// # Errors
    ///
    /// [`Error`] names what did not go. A probe that fails is none: see [`Self::judge`].
    pub(super) async fn run(&self, tell: &(dyn Fn(RestoreStep) + Sync)) -> Result<Started, Error> {
        let mut started = Started::default();
        if self.databases.is_empty() {
            self.services(tell, &mut started).await?;
        } else {
            tell(RestoreStep::Switch);
            match databases::switch(self.databases, self.session).await {
                Ok(()) => self.services(tell, &mut started).await?,
                // The server may be one of the services.
                Err(_) if self.stopped.is_some() => {
                    self.services(tell, &mut started).await?;
                    tell(RestoreStep::Switch);
                    databases::switch(self.databases, self.session).await?;
                }
                Err(error) => return Err(error.into()),
            }
        }
        if !self.host.probes.is_empty() {
            tell(RestoreStep::Probe);
            let reader = self.session.reader();
            started.probes = probe::run_all(reader, &self.host.probes).await?;
        }
        Ok(started)
    }

    /// Whether the probes say that the host works. Where services are down on a host that is not the one of
    /// the checkpoint, what they say is a warning.
    ///
    /// # Errors
    ///
    /// [`Error::Probe`] of the first that fails.
    pub(super) fn judge(&self, started: &mut Started) -> Result<(), Error> {
        let stays_down = |known: &ServiceRecord| {
            let mut services = known.services.iter();
            services.any(|line| !line.action.ends_up())
        };
        let is_down = !started.warnings.is_empty() || self.stopped.is_some_and(stays_down);
        for outcome in &started.probes {
            let Err(failed) = outcome.clone().required_of(&self.host.name) else {
                continue;
            };
            if !self.is_other_host || !is_down {
                return Err(failed.into());
            }
            started.warnings.push(failed.to_string());
        }
        Ok(())
    }

    async fn services(
        &self,
        tell: &(dyn Fn(RestoreStep) + Sync),
        started: &mut Started,
    ) -> Result<(), Error> {
        let Some(known) = self.stopped else {
            return Ok(());
        };
        tell(RestoreStep::Start);
        services::reload(self.session, self.host, known).await?;
        if !self.is_other_host {
            services::start(self.session, self.host, known).await?;
            return Ok(());
        }
        let failed = services::start_on_another_host(self.session, self.host, known).await?;
        started.warnings.extend(failed.iter().map(|error| {
            let why = crate::fault::chain(error).join(": ");
            format!("{why} (it was not active on this host before)")
        }));
        Ok(())
    }
}
