//! Sends changes of services to a host, and reads how they ended.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::error::Error;
use crate::guard::ProcessPattern;
use crate::guard::{ServiceChange, UnitChange, WriteCommand};
use crate::inventory::{ProcessService, Service, ServiceKind};
use crate::name::{AccountName, UnitName};
use crate::scan::services::{ProcessRef, ServicesSeen, UnitRef, look};
use crate::ssh::{Input, Missing, Output, WriteSession};

/// Of what a command prints, so much is taken.
const OUTPUT_MAX_BYTES: usize = 1 << 20;

/// The pause between two looks at a host.
pub(super) const PAUSE: Duration = Duration::from_millis(250);

/// Makes a change, and waits for the end of the command.
pub(super) async fn send(
    session: &WriteSession,
    change: ServiceChange,
    what: &str,
) -> Result<Output, Error> {
    let sudo = change.needs_sudo(session.reader().user());
    let account = change.account().cloned();
    let command = WriteCommand::Service(change);
    let output = session
        .output(&command, sudo, Input::none(), OUTPUT_MAX_BYTES)
        .await?;
    match (output.missing, account) {
        (Some(Missing::Account), Some(account)) => return Err(Error::NoAccount { account }),
        (Some(_), _) => {
            return Err(Error::NoProgram {
                what: what.to_owned(),
            });
        }
        (None, _) => {}
    }
    if output.status == 0 {
        Ok(output)
    } else {
        Err(Error::Command {
            what: what.to_owned(),
            status: output.status,
            said: output.stderr.last_line(),
        })
    }
}

/// Does the same to several units: one command for each service manager.
pub(super) async fn change_units(
    session: &WriteSession,
    change: UnitChange,
    units: &BTreeSet<UnitRef>,
) -> Result<(), Error> {
    let word = match change {
        UnitChange::Stop => "stop",
        UnitChange::Start | UnitChange::StartAlone => "start",
        UnitChange::ResetFailed => "reset",
    };
    for (account, units) in by_account(units) {
        let names: Vec<&str> = units.iter().map(UnitName::as_str).collect();
        let what = format!("{word} {}", names.join(" "));
        let change = ServiceChange::Units {
            change,
            units,
            account,
        };
        send(session, change, &what).await?;
    }
    Ok(())
}

fn by_account(units: &BTreeSet<UnitRef>) -> BTreeMap<Option<AccountName>, Vec<UnitName>> {
    let mut sorted: BTreeMap<Option<AccountName>, Vec<UnitName>> = BTreeMap::new();
    for unit in units {
        let of = sorted.entry(unit.account.clone()).or_default();
        of.push(unit.unit.clone());
    }
    sorted
}

/// The unit that a service is, if it is one.
pub(super) fn unit_of(service: &Service) -> Option<UnitRef> {
    match &service.kind {
        ServiceKind::Unit { unit, run_as } => Some(UnitRef {
            account: run_as.clone(),
            unit: unit.clone(),
        }),
        ServiceKind::Process(_) => None,
    }
}

/// By what the processes of a service are recognised, if it is one.
pub(super) fn process_of(service: &Service) -> Option<ProcessRef> {
    match &service.kind {
        ServiceKind::Unit { .. } => None,
        ServiceKind::Process(ProcessService { argv, cwd, run_as }) => Some(ProcessRef {
            account: run_as.clone(),
            pattern: ProcessPattern {
                argv: argv.clone(),
                cwd: Some(cwd.clone()),
                of_anybody: false,
            },
        }),
    }
}

/// Looks at these units.
pub(super) async fn look_at_units(
    session: &WriteSession,
    units: &BTreeSet<UnitRef>,
) -> Result<ServicesSeen, Error> {
    look(session.reader(), units, &BTreeSet::new())
        .await
        .map_err(Error::Look)
}

/// Looks for the processes of one service.
pub(super) async fn look_for_processes(
    session: &WriteSession,
    process: &ProcessRef,
) -> Result<Vec<crate::guard::ProcessId>, Error> {
    let processes = BTreeSet::from([process.clone()]);
    let mut seen = look(session.reader(), &BTreeSet::new(), &processes)
        .await
        .map_err(Error::Look)?;
    Ok(seen.processes.remove(process).unwrap_or_default())
}
