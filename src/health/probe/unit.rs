//! `unit` probes: a systemd unit is active.

use std::collections::BTreeSet;

use super::{Attempt, in_words};
use crate::name::{AccountName, UnitName};
use crate::scan::services::{UnitRef, look};
use crate::source::services::ActiveState;
use crate::ssh::ReadSession;

pub(super) async fn check(
    session: &ReadSession,
    unit: &UnitName,
    run_as: Option<&AccountName>,
) -> Attempt {
    let unit = UnitRef {
        account: run_as.cloned(),
        unit: unit.clone(),
    };
    let units = BTreeSet::from([unit.clone()]);
    let mut seen = look(session, &units, &BTreeSet::new())
        .await
        .map_err(|error| in_words(&error))?;
    let state = seen.units.remove(&unit).unwrap_or_default();
    match state.active {
        ActiveState::Active | ActiveState::Reloading => Ok(state.says()),
        ActiveState::Activating
        | ActiveState::Deactivating
        | ActiveState::Inactive
        | ActiveState::Failed
        | ActiveState::Other => Err(state.says()),
    }
}
