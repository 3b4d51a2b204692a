//! Brings back what was active before a restore, whatever has been stopped or started since.

use std::collections::BTreeSet;

use super::change::{change_units, look_at_units, unit_of};
use super::decision::Action;
use super::error::Error;
use super::record::{ServiceRecord, UnitLine};
use super::relations::Role;
use super::settle::Settling;
use super::start::{daemon_reload, launch, run_hook, start_units};
use super::stop::stop;
use crate::guard::UnitChange;
use crate::inventory::{Host, Service};
use crate::scan::services::UnitRef;
use crate::ssh::WriteSession;

/// Makes the services as `record` has them: what was active is started, whatever `start` says, what was not
/// is stopped, and reload commands run again, for the files are those of before. To be called when the files
/// are back.
///
/// Goes on where something fails, and returns everything that did; empty: all is as it was. Processes are
/// started as the inventory describes them now, for nothing that is found on a host is run.
///
/// # Errors
///
/// [`Error::Ssh`] if the connection ends.
pub async fn undo(
    session: &WriteSession,
    host: &Host,
    record: &ServiceRecord,
) -> Result<Vec<Error>, Error> {
    let mut failed = Failed::default();
    failed.keep(daemon_reload(session, &host.services).await)?;
    failed.keep(stop_what_was_down(session, host, record).await)?;
    let mut lines: Vec<&UnitLine> = record.units.iter().filter(|line| line.was_up).collect();
    lines.sort_by_key(|line| turn(line));
    let mut settling = Settling::default();
    for line in lines {
        let unit = BTreeSet::from([line.unit.clone()]);
        let started = start_units(session, &unit, &mut settling).await;
        failed.keep(started.or_else(|error| as_before(record, error)))?;
    }
    for line in &record.services {
        let service = host
            .services
            .iter()
            .find(|service| service.name == line.name);
        let is_process = !line.processes.is_empty();
        match service {
            Some(service) if line.action == Action::Reload => {
                failed.keep(run_hook(session, host, service).await)?;
            }
            Some(service) if is_process && line.was_up => {
                failed.keep(launch(session, host, service).await)?;
            }
            None if is_process && line.was_up => failed.0.push(Error::NotDescribed {
                service: line.name.clone(),
            }),
            Some(_) | None => {}
        }
    }
    match settling.end(session).await {
        Ok(ended) => {
            let ended = ended.into_iter();
            let ended = ended.filter_map(|error| as_before(record, error).err());
            failed.0.extend(ended);
        }
        Err(error) => failed.keep(Err(error))?,
    }
    Ok(failed.0)
}

/// Passes over a unit that does not stay active, if it did not before either.
fn as_before(record: &ServiceRecord, error: Error) -> Result<(), Error> {
    match &error {
        Error::UnitNotStarted { unit, .. } if record.was_starting(unit) => Ok(()),
        _ => Err(error),
    }
}

/// In which order units are started: sockets come first, for systemd refuses to open one whose service is
/// active; what triggers a service comes last.
fn turn(line: &UnitLine) -> u8 {
    match line.role {
        _ if line.unit.unit.kind() == "socket" => 0,
        Role::Main => 1,
        Role::Dependent => 2,
        Role::Trigger => 3,
    }
}

/// What has failed, but for what ends everything.
#[derive(Default)]
struct Failed(Vec<Error>);

impl Failed {
    fn keep(&mut self, outcome: Result<(), Error>) -> Result<(), Error> {
        match outcome {
            Ok(()) => Ok(()),
            Err(error) if is_end(&error) => Err(error),
            Err(error) => {
                self.0.push(error);
                Ok(())
            }
        }
    }
}

/// Whether nothing more can be done on this connection.
fn is_end(error: &Error) -> bool {
    match error {
        Error::Ssh(_) => true,
        Error::Look(error) => matches!(error, crate::scan::services::Error::Ssh(_)),
        Error::NoProgram { .. }
        | Error::NoAccount { .. }
        | Error::Command { .. }
        | Error::TooManyUnits
        | Error::UnitNotStopped { .. }
        | Error::ProcessesNotStopped { .. }
        | Error::UpAgain { .. }
        | Error::UnitNotStarted { .. }
        | Error::ProcessNotStarted { .. }
        | Error::ReloadEndless { .. }
        | Error::NotDescribed { .. } => false,
    }
}

/// Stops the services that were not active and are now.
async fn stop_what_was_down(
    session: &WriteSession,
    host: &Host,
    record: &ServiceRecord,
) -> Result<(), Error> {
    let was_down = |service: &&Service| {
        let line = record.service(&service.name);
        line.is_some_and(|line| !line.was_up)
    };
    let services: Vec<Service> = host.services.iter().filter(was_down).cloned().collect();
    let units: BTreeSet<UnitRef> = services.iter().filter_map(unit_of).collect();
    let up = look_at_units(session, &units).await?.units;
    let up = up.into_iter().filter(|(_, state)| !state.active.is_down());
    change_units(
        session,
        UnitChange::Stop,
        &up.map(|(unit, _)| unit).collect(),
    )
    .await?;
    let processes: Vec<Service> = services
        .into_iter()
        .filter(|service| unit_of(service).is_none())
        .collect();
    stop(session, &processes, record).await
}
