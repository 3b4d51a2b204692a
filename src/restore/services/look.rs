//! Records what is active on a host: the services, what triggers them, and what hangs on them.

use std::collections::BTreeSet;

use super::change::{process_of, unit_of};
use super::decision::StartRule;
use super::error::Error;
use super::record::{ServiceLine, ServiceRecord};
use super::relations::Relations;
use crate::inventory::Service;
use crate::scan::services::{ProcessRef, look};
use crate::ssh::ReadSession;

/// Looks at `services`, and decides by `rule` what a restore does with each. Changes nothing.
///
/// # Errors
///
/// [`Error`] if the host does not tell; [`Error::TooManyUnits`].
pub async fn record(
    session: &ReadSession,
    services: &[Service],
    rule: &StartRule,
) -> Result<ServiceRecord, Error> {
    let relations = related(session, services).await?;
    let patterns: BTreeSet<ProcessRef> = services.iter().filter_map(process_of).collect();
    let seen = look(session, &BTreeSet::new(), &patterns)
        .await
        .map_err(Error::Look)?;
    let mut record = ServiceRecord {
        boot: seen.boot.clone(),
        ..ServiceRecord::default()
    };
    for service in services {
        let processes = process_of(service)
            .and_then(|process| seen.processes.get(&process).cloned())
            .unwrap_or_default();
        let state = unit_of(service).map(|unit| relations.state(&unit));
        let was_up = match &state {
            Some(state) => state.active.is_up(),
            None => !processes.is_empty(),
        };
        record.services.push(ServiceLine {
            name: service.name.clone(),
            was_up,
            state: match &state {
                Some(state) => state.says(),
                None => match processes.len() {
                    0 => "no process".to_owned(),
                    1 => "1 process".to_owned(),
                    several => format!("{several} processes"),
                },
            },
            action: rule.action(service, was_up),
            processes,
        });
    }
    record.set_units(relations.into_units());
    Ok(record)
}

/// Follows the units of `services` to all that is related to them.
pub(super) async fn related(
    session: &ReadSession,
    services: &[Service],
) -> Result<Relations, Error> {
    let mains = services
        .iter()
        .filter_map(|service| Some((unit_of(service)?, service.name.clone())));
    let mut relations = Relations::of(mains);
    loop {
        let unknown = relations.unknown();
        if unknown.is_empty() {
            return Ok(relations);
        }
        if relations.is_too_large() {
            return Err(Error::TooManyUnits);
        }
        let seen = look(session, &unknown, &BTreeSet::new())
            .await
            .map_err(Error::Look)?;
        relations.learn(seen.units);
    }
}
