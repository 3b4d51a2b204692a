//! Stops services: what triggers them, then their units, then their processes; and looks again before files
//! are replaced.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::change::{
    PAUSE, change_units, look_at_units, look_for_processes, process_of, send, unit_of,
};
use super::decision::Action;
use super::error::Error;
use super::look::related;
use super::record::ServiceRecord;
use super::relations::{Related, Role};
use crate::guard::{ProcessId, ServiceChange, Signal, UnitChange};
use crate::inventory::Service;
use crate::scan::services::{ProcessRef, UnitRef};
use crate::ssh::WriteSession;

/// How long systemd may take to do what it does when a unit's own limit has passed: KILL, and clean up.
const SYSTEMD_SLACK: Duration = Duration::from_secs(5);

/// Nothing is waited for longer, whatever a unit's own limit says.
const STOP_MAX: Duration = Duration::from_secs(180);

/// A process that got KILL ends at once, unless it waits for a device.
const KILL_MAX: Duration = Duration::from_secs(5);

/// Stops everything that must not run while files are replaced: what triggers a service first, so that it
/// is not started again, then its unit or its processes. What is stopped already stays so.
///
/// A unit has its `grace`, or its own `TimeoutStopSec` where that is longer; a process has its `grace`, and
/// then gets KILL.
///
/// # Errors
///
/// [`Error::UnitNotStopped`] and [`Error::ProcessesNotStopped`] if something goes on; some of the services
/// have been stopped then, and [`undo`](super::undo()) brings them back.
///
/// # Cancel
///
/// What has been asked to stop may still do so.
pub async fn stop(
    session: &WriteSession,
    services: &[Service],
    record: &ServiceRecord,
) -> Result<(), Error> {
    let units = held_down(session, services, record).await?;
    for role in [Role::Trigger, Role::Main] {
        let group: BTreeMap<&UnitRef, &Related> = units
            .iter()
            .filter(|(_, related)| related.role == role && !related.state.active.is_down())
            .collect();
        stop_units(session, services, &group).await?;
    }
    for service in services {
        let is_held = record
            .service(&service.name)
            .is_some_and(|line| line.action.holds_down());
        if let Some(process) = process_of(service).filter(|_| is_held) {
            stop_processes(session, service, &process).await?;
        }
    }
    Ok(())
}

/// Looks whether everything that [`stop`] has stopped still is: to be asked right before files are replaced.
///
/// # Errors
///
/// [`Error::UpAgain`] if something runs.
pub async fn still_stopped(
    session: &WriteSession,
    services: &[Service],
    record: &ServiceRecord,
) -> Result<(), Error> {
    let units = held_down(session, services, record).await?;
    let up = units.iter().find(|(_, related)| {
        matches!(related.role, Role::Trigger | Role::Main) && !related.state.active.is_down()
    });
    if let Some((unit, _)) = up {
        return Err(Error::UpAgain {
            what: unit.to_string(),
        });
    }
    for service in services {
        let is_held = record
            .service(&service.name)
            .is_some_and(|line| line.action.holds_down());
        let Some(process) = process_of(service).filter(|_| is_held) else {
            continue;
        };
        if !look_for_processes(session, &process).await?.is_empty() {
            return Err(Error::UpAgain {
                what: format!("service `{}`", service.name),
            });
        }
    }
    Ok(())
}

/// The units that must be down while files are replaced, as they are now, and what hangs on them.
async fn held_down(
    session: &WriteSession,
    services: &[Service],
    record: &ServiceRecord,
) -> Result<BTreeMap<UnitRef, Related>, Error> {
    let held: Vec<Service> = services
        .iter()
        .filter(|service| {
            let line = record.service(&service.name);
            line.is_some_and(|line| line.action.holds_down())
        })
        .cloned()
        .collect();
    let mut units = related(session.reader(), &held).await?.into_units();
    // What was a trigger when it was recorded is one, though its file may be another one by now.
    let known: BTreeSet<UnitRef> = record
        .units
        .iter()
        .filter(|line| line.role == Role::Trigger && !units.contains_key(&line.unit))
        .filter(|line| record.any_of(&line.of, Action::holds_down))
        .map(|line| line.unit.clone())
        .collect();
    for (unit, state) in look_at_units(session, &known).await?.units {
        let role = Role::Trigger;
        let of = BTreeSet::new();
        units.insert(unit, Related { role, of, state });
    }
    Ok(units)
}

/// Has systemd stop units, and waits until they are down.
async fn stop_units(
    session: &WriteSession,
    services: &[Service],
    units: &BTreeMap<&UnitRef, &Related>,
) -> Result<(), Error> {
    if units.is_empty() {
        return Ok(());
    }
    let names: BTreeSet<UnitRef> = units.keys().map(|unit| (*unit).clone()).collect();
    let limits: BTreeMap<&UnitRef, Duration> = units
        .iter()
        .map(|(unit, related)| (*unit, limit(unit, related, services)))
        .collect();
    let asked = Instant::now();
    change_units(session, UnitChange::Stop, &names).await?;
    loop {
        let seen = look_at_units(session, &names).await?;
        let after = asked.elapsed();
        let mut is_done = true;
        for (unit, state) in &seen.units {
            if state.active.is_down() && !state.has_job {
                continue;
            }
            is_done = false;
            if limits.get(unit).is_none_or(|limit| after > *limit) {
                return Err(Error::UnitNotStopped {
                    unit: unit.clone(),
                    state: state.says(),
                    after,
                });
            }
        }
        if is_done {
            return Ok(());
        }
        sleep(PAUSE).await;
    }
}

/// How long a unit is waited for.
fn limit(unit: &UnitRef, related: &Related, services: &[Service]) -> Duration {
    let grace = services
        .iter()
        .filter(|service| {
            unit_of(service).as_ref() == Some(unit) || related.of.contains(&service.name)
        })
        .map(|service| service.grace)
        .max()
        .unwrap_or_default();
    let own = related.state.stop_timeout.unwrap_or(STOP_MAX);
    // TERM and KILL each have the limit of the unit.
    let own = own.saturating_mul(2).saturating_add(SYSTEMD_SLACK);
    own.max(grace).min(STOP_MAX.max(grace))
}

/// Has the processes of a service end: TERM, and KILL for what is still the same after its grace.
async fn stop_processes(
    session: &WriteSession,
    service: &Service,
    process: &ProcessRef,
) -> Result<(), Error> {
    let mut left = look_for_processes(session, process).await?;
    for (signal, limit) in [(Signal::Term, service.grace), (Signal::Kill, KILL_MAX)] {
        if left.is_empty() {
            return Ok(());
        }
        let change = ServiceChange::Signal {
            signal,
            processes: left,
            account: process.account.clone(),
        };
        let what = format!("end service `{}`", service.name);
        send(session, change, &what).await?;
        left = wait_for_end(session, process, limit).await?;
    }
    if left.is_empty() {
        return Ok(());
    }
    Err(Error::ProcessesNotStopped {
        service: service.name.clone(),
        pids: pids(&left),
    })
}

/// What is left of the processes after `limit`, or as soon as nothing is.
async fn wait_for_end(
    session: &WriteSession,
    process: &ProcessRef,
    limit: Duration,
) -> Result<Vec<ProcessId>, Error> {
    let asked = Instant::now();
    loop {
        let left = look_for_processes(session, process).await?;
        if left.is_empty() || asked.elapsed() > limit {
            return Ok(left);
        }
        sleep(PAUSE).await;
    }
}

fn pids(processes: &[ProcessId]) -> String {
    let pids: Vec<String> = processes.iter().map(|p| p.pid.to_string()).collect();
    pids.join(", ")
}
