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
use super::settle::{SETTLES, Settling};
use crate::guard::{Launch, ReloadHook, ServiceChange, UnitChange};
use crate::inventory::{Host, Service};
use crate::name::AccountName;
use crate::scan::services::UnitRef;
use crate::source::services::{ActiveState, UnitState};
use crate::ssh::WriteSession;

/// A process that is started is there at once.
const LAUNCH_MAX: Duration = Duration::from_secs(5);

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
/// are active, and stay so.
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
    let services = with_action(host, record, &[Action::StopStart, Action::Start]);
    start_all(session, host, record, services).await
}

/// As [`start`], on a host that is not the one of the checkpoint: what was not active there may lack what no
/// checkpoint holds. Gives why such services did not start, each once; the others have to.
///
/// # Errors
///
/// As [`start`], of services that were active before.
pub async fn start_on_another_host(
    session: &WriteSession,
    host: &Host,
    record: &ServiceRecord,
) -> Result<Vec<Error>, Error> {
    daemon_reload(session, &host.services).await?;
    let services = with_action(host, record, &[Action::StopStart]);
    start_all(session, host, record, services).await?;
    let mut failed = Vec::new();
    for service in with_action(host, record, &[Action::Start]) {
        let nothing_else = ServiceRecord::default();
        match start_all(session, host, &nothing_else, vec![service]).await {
            Ok(()) => {}
            Err(Error::Ssh(error)) => return Err(error.into()),
            Err(error) => failed.push(error),
        }
    }
    Ok(failed)
}

/// The services that one of `actions` is for.
fn with_action<'h>(host: &'h Host, record: &ServiceRecord, actions: &[Action]) -> Vec<&'h Service> {
    let is_wanted = |service: &&Service| {
        let line = record.service(&service.name);
        line.is_some_and(|line| actions.contains(&line.action))
    };
    host.services.iter().filter(is_wanted).collect()
}

/// Starts `services` and what came down with those of `record`.
async fn start_all(
    session: &WriteSession,
    host: &Host,
    record: &ServiceRecord,
    services: Vec<&Service>,
) -> Result<(), Error> {
    let (sockets, triggers) = came_down(record, Role::Trigger);
    // systemd refuses to open a socket whose service is active.
    let mut settling = Settling::default();
    start_units(session, &sockets, &mut settling).await?;
    let mains = services.iter().filter_map(|service| unit_of(service));
    start_units(session, &mains.collect(), &mut settling).await?;
    for service in services {
        if unit_of(service).is_none() {
            launch(session, host, service).await?;
        }
    }
    let (others, dependents) = came_down(record, Role::Dependent);
    start_units(session, &others, &mut settling).await?;
    start_units(session, &dependents, &mut settling).await?;
    start_units(session, &triggers, &mut settling).await?;
    let failed = settling.end(session).await?;
    failed.into_iter().next().map_or(Ok(()), Err)
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

/// Has systemd start units that are down, and waits until they are active; `settling` takes them then.
pub(super) async fn start_units(
    session: &WriteSession,
    units: &BTreeSet<UnitRef>,
    settling: &mut Settling,
) -> Result<(), Error> {
    let seen = look_at_units(session, units).await?;
    let mut down: BTreeMap<UnitRef, UnitState> = BTreeMap::new();
    for (unit, state) in seen.units {
        if matches!(state.active, ActiveState::Active | ActiveState::Reloading) {
            settling.add(unit, &state);
        } else {
            down.insert(unit, state);
        }
    }
    let failed = down
        .iter()
        .filter(|(_, state)| state.active == ActiveState::Failed)
        .map(|(unit, _)| unit.clone());
    change_units(session, UnitChange::ResetFailed, &failed.collect()).await?;
    let (targets, others): (BTreeSet<UnitRef>, BTreeSet<UnitRef>) = down
        .into_keys()
        .partition(|unit| unit.unit.kind() == "target");
    change_units(session, UnitChange::Start, &others).await?;
    settling.wait_for_start(session, &others).await?;
    change_units(session, UnitChange::StartAlone, &targets).await?;
    settling.wait_for_start(session, &targets).await
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
            (Some(since), false) if Instant::now() - since >= SETTLES => return Ok(()),
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
