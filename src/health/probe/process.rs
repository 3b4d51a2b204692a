//! `process` probes: a process of a command runs.

use std::collections::BTreeSet;

use super::{Attempt, in_words};
use crate::guard::ProcessPattern;
use crate::inventory::ProcessProbe;
use crate::scan::services::{ProcessRef, look};
use crate::ssh::ReadSession;

pub(super) async fn check(session: &ReadSession, probe: &ProcessProbe) -> Attempt {
    let process = ProcessRef {
        account: probe.run_as.clone(),
        pattern: ProcessPattern {
            argv: probe.argv.clone(),
            cwd: probe.cwd.clone(),
            of_anybody: probe.run_as.is_none(),
        },
    };
    let processes = BTreeSet::from([process.clone()]);
    let mut seen = look(session, &BTreeSet::new(), &processes)
        .await
        .map_err(|error| in_words(&error))?;
    match seen
        .processes
        .remove(&process)
        .unwrap_or_default()
        .as_slice()
    {
        [] => Err("no process".to_owned()),
        [one] => Ok(format!("process {}", one.pid)),
        several => Ok(format!("{} processes", several.len())),
    }
}
