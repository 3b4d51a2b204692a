//! Starts services when files are in place, and has those read their files again that were not stopped.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::change::{
    PAUSE, change_units, look_at_units, look_for_processes, process_of, send, unit_of,
};
use super::decision::Action;
use super::error::Error;
use super::record::ServiceRecord;
use super::relations::Role;
use crate::guard::{Launch, ReloadHook, ServiceChange, UnitChange};
use crate::inventory::{Host, Service};
use crate::name::AccountName;
use crate::scan::services::UnitRef;
use crate::source::services::{ActiveState, UnitState};
use crate::ssh::WriteSession;

/// A unit that starts for longer is given up. systemd's own default is 90 s.
const START_MAX: Duration = Duration::from_secs(120);

/// So long a unit that fails may be started again by systemd before it counts as failed.
const RESTART_MAX: Duration = Duration::from_secs(10);

/// A process that is started is there at once, and must be there a little later, too.
const LAUNCH_MAX: Duration = Duration::from_secs(5);
const LAUNCH_SETTLES: Duration = Duration::from_millis(700);

/// A reload hook that takes longer is given up.
const RELOAD_MAX: Duration = Duration::from_secs(60);

/// Runs the reload command of every service whose action is [`Action::Reload`].
///
/// # Errors
///
/// [`Error::Command`] if one fails, [`Error::ReloadEndless`] if one goes on: it is stopped then.
pub async fn reload(
    session: &WriteSession,
    host: &Host,
    record: &ServiceRecord,
) -> Result<(), Error> {
    daemon_reload(session, &host.services).await?;
    for service in &host.services {
        let line = record.service(&service.name);
        if line.is_some_and(|line| line.action == Action::Reload) {
            run_hook(session, host, service).await?;
        }
    }
    Ok(())
}

pub(super) async fn run_hook(
    session: &WriteSession,
    host: &Host,
    service: &Service,
) -> Result<(), Error> {
    let Some(hook) = ReloadHook::of(host, service) else {
        return Ok(());
    };
    let what = format!("reload service `{}`", service.name);
    let running = send(session, ServiceChange::Reload(hook), &what);
    match timeout(RELOAD_MAX, running).await {
        Ok(ended) => ended.map(drop),
        Err(_) => Err(Error::ReloadEndless {
            service: service.name.clone(),
            after: RELOAD_MAX,
        }),
    }
}

/// Starts every service whose action says that it ends active, and what was active with it: sockets before
/// it, then units that systemd has stopped along, and at last what else triggers it. Waits until all of them
/// are active.
///
/// # Errors
///
/// [`Error::UnitNotStarted`], [`Error::ProcessNotStarted`] and others; those before it have been started.
pub async fn start(
    session: &WriteSession,
    host: &Host,
    record: &ServiceRecord,
) -> Result<(), Error> {
    daemon_reload(session, &host.services).await?;
    let is_wanted = |service: &&Service| {
        let line = record.service(&service.name);
        line.is_some_and(|line| matches!(line.action, Action::StopStart | Action::Start))
    };
    let services: Vec<&Service> = host.services.iter().filter(is_wanted).collect();
    let (sockets, triggers) = came_down(record, Role::Trigger);
    // systemd refuses to open a socket whose service is active.
    start_units(session, &sockets).await?;
    let mains = services.iter().filter_map(|service| unit_of(service));
    start_units(session, &mains.collect()).await?;
    for service in services {
        if unit_of(service).is_none() {
            launch(session, host, service).await?;
        }
    }
    let (others, dependents) = came_down(record, Role::Dependent);
    start_units(session, &others).await?;
    start_units(session, &dependents).await?;
    start_units(session, &triggers).await
}

/// What was active beside the services and is to be so again: sockets, and everything else.
fn came_down(record: &ServiceRecord, role: Role) -> (BTreeSet<UnitRef>, BTreeSet<UnitRef>) {
    record
        .units
        .iter()
        .filter(|line| line.role == role && line.was_up)
        // What was not active is as it was; what stays down must not be started by another unit.
        .filter(|line| record.all_of(&line.of, |action| action != Action::Stop))
        .map(|line| line.unit.clone())
        .partition(|unit| unit.unit.kind() == "socket")
}

/// Has service managers read the files of units again, where those have changed or are new.
pub(super) async fn daemon_reload(
    session: &WriteSession,
    services: &[Service],
) -> Result<(), Error> {
    let units: BTreeSet<UnitRef> = services.iter().filter_map(unit_of).collect();
    let seen = look_at_units(session, &units).await?;
    let stale: BTreeSet<Option<AccountName>> = seen
        .units
        .iter()
        .filter(|(_, state)| state.needs_daemon_reload || !state.is_found)
        .map(|(unit, _)| unit.account.clone())
        .collect();
    for account in stale {
        let change = ServiceChange::DaemonReload { account };
        match send(session, change, "reload the files of units").await {
            // An account that is not there, or has no manager, has no units to read.
            Err(Error::NoAccount { .. } | Error::Command { status: 3, .. }) => {}
            other => drop(other?),
        }
    }
    Ok(())
}

/// Has systemd start units that are down, and waits until they are active.
pub(super) async fn start_units(
    session: &WriteSession,
    units: &BTreeSet<UnitRef>,
) -> Result<(), Error> {
    let seen = look_at_units(session, units).await?;
    let down: BTreeMap<UnitRef, UnitState> = seen
        .units
        .into_iter()
        .filter(|(_, state)| !matches!(state.active, ActiveState::Active | ActiveState::Reloading))
        .collect();
    let failed = down
        .iter()
        .filter(|(_, state)| state.active == ActiveState::Failed)
        .map(|(unit, _)| unit.clone());
    change_units(session, UnitChange::ResetFailed, &failed.collect()).await?;
    let (targets, others): (BTreeSet<UnitRef>, BTreeSet<UnitRef>) = down
        .into_keys()
        .partition(|unit| unit.unit.kind() == "target");
    change_units(session, UnitChange::Start, &others).await?;
    wait_for_start(session, &others).await?;
    change_units(session, UnitChange::StartAlone, &targets).await?;
    wait_for_start(session, &targets).await
}

async fn wait_for_start(session: &WriteSession, units: &BTreeSet<UnitRef>) -> Result<(), Error> {
    let asked = Instant::now();
    let mut left = units.clone();
    while !left.is_empty() {
        let seen = look_at_units(session, &left).await?;
        for (unit, state) in seen.units {
            match outcome(&state, asked.elapsed()) {
                Some(true) => {
                    left.remove(&unit);
                }
                Some(false) => {
                    return Err(Error::UnitNotStarted {
                        unit,
                        state: state.says(),
                    });
                }
                None => {}
            }
        }
        if !left.is_empty() {
            sleep(PAUSE).await;
        }
    }
    Ok(())
}

/// Whether a unit that was to start `after` ago has; none: not known yet.
fn outcome(state: &UnitState, after: Duration) -> Option<bool> {
    let is_restarting = state.sub.starts_with("auto-restart");
    let has_time = after < START_MAX && (!is_restarting || after < RESTART_MAX);
    match state.active {
        ActiveState::Active | ActiveState::Reloading => Some(true),
        ActiveState::Failed => Some(false),
        // A job of its own that has done what it had to do.
        ActiveState::Inactive if !state.has_job => {
            Some(state.is_found && state.result == "success")
        }
        ActiveState::Inactive
        | ActiveState::Activating
        | ActiveState::Deactivating
        | ActiveState::Other => (!has_time).then_some(false),
    }
}

/// Starts the process of a service, if none is there, and waits until it is.
pub(super) async fn launch(
    session: &WriteSession,
    host: &Host,
    service: &Service,
) -> Result<(), Error> {
    let not_described = || Error::NotDescribed {
        service: service.name.clone(),
    };
    let process = process_of(service).ok_or_else(not_described)?;
    if !look_for_processes(session, &process).await?.is_empty() {
        return Ok(());
    }
    let launch = Launch::of(host, service).ok_or_else(not_described)?;
    let what = format!("start service `{}`", service.name);
    send(session, ServiceChange::Launch(launch), &what).await?;
    let asked = Instant::now();
    let mut first = None;
    loop {
        let found = look_for_processes(session, &process).await?;
        match (first, found.is_empty()) {
            (Some(since), false) if Instant::now() - since >= LAUNCH_SETTLES => return Ok(()),
            (Some(_), false) => {}
            (None, false) => first = Some(Instant::now()),
            (Some(_), true) => break,
            (None, true) if asked.elapsed() > LAUNCH_MAX => break,
            (None, true) => {}
        }
        sleep(PAUSE).await;
    }
    Err(Error::ProcessNotStarted {
        service: service.name.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_has_started_failed_or_needs_more_time() {
        let state = |active, sub: &str, result: &str, has_job| UnitState {
            is_found: true,
            active,
            sub: sub.to_owned(),
            result: result.to_owned(),
            has_job,
            ..UnitState::default()
        };
        let now = Duration::ZERO;
        for (state, after, expected) in [
            (
                state(ActiveState::Active, "running", "success", false),
                now,
                Some(true),
            ),
            (
                state(ActiveState::Failed, "failed", "exit-code", false),
                now,
                Some(false),
            ),
            (
                state(ActiveState::Inactive, "dead", "success", true),
                now,
                None,
            ),
            (
                state(ActiveState::Inactive, "dead", "success", false),
                now,
                Some(true),
            ),
            (
                state(ActiveState::Inactive, "dead", "exit-code", false),
                now,
                Some(false),
            ),
            (
                state(ActiveState::Activating, "start", "success", true),
                START_MAX / 2,
                None,
            ),
            (
                state(ActiveState::Activating, "start", "success", true),
                START_MAX,
                Some(false),
            ),
            (
                state(ActiveState::Activating, "auto-restart", "exit-code", false),
                now,
                None,
            ),
            (
                state(ActiveState::Activating, "auto-restart", "exit-code", false),
                RESTART_MAX,
                Some(false),
            ),
            (UnitState::default(), now, Some(false)),
        ] {
            assert_eq!(outcome(&state, after), expected, "{state:?} {after:?}");
        }
    }
}
