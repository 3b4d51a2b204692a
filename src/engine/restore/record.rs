//! Seals a checkpoint of the restored state, so that the next one of the host goes on from there.

use std::sync::Arc;

use super::Error;
use crate::blocking::blocking;
use crate::checkpoint::{self, CaptureOptions, History};
use crate::engine::Workspace;
use crate::event::Sink;
use crate::interrupt::Interrupt;
use crate::inventory::Host;
use crate::manifest::{Checkpoint, Trigger};
use crate::name::{CheckpointId, SourceName};
use crate::restore::sources::RestoredPart;
use crate::ssh::ReadSession;
use crate::store;

/// Captures what was restored. It is a subset unless that is all that the host has.
///
/// # Errors
///
/// [`Error`] if it could not be captured or sealed; the host stays restored.
pub(super) async fn restored_state(
    workspace: &Arc<Workspace>,
    host: &Host,
    (session, address): (&ReadSession, &str),
    parts: &[RestoredPart],
    restored: &CheckpointId,
) -> Result<Checkpoint, Error> {
    let names: Vec<SourceName> = parts.iter().map(|part| part.part.name.clone()).collect();
    let others = host
        .sources
        .iter()
        .filter(|source| !names.contains(&source.name));
    let sources = parts.iter().map(|part| &part.source).chain(others);
    let target = Host {
        sources: sources.cloned().collect(),
        ..host.clone()
    };
    let interrupt = Interrupt::new();
    let mut lock = workspace.lock(&host.name, &interrupt).await?;
    let (shared, known, stop) = (Arc::clone(workspace), names.clone(), interrupt.clone());
    let (incoming, history) = blocking(move || {
        let history = History::read(&shared.store, &mut lock, &known, false, &stop)?;
        Ok::<_, store::Error>((lock.begin((shared.clock)())?, history))
    })
    .await?;
    let order = CaptureOptions {
        description: format!("after the restore of {restored}"),
        trigger: Trigger::Restore,
        only: names,
        full: false,
        verify_unchanged: false,
        compression: None,
    };
    let quiet: Sink = Arc::new(|_| {});
    let place = (session, address);
    let gathered = checkpoint::gather(
        &order, &target, place, incoming, &history, &interrupt, &quiet,
    )
    .await?;
    Ok(blocking(move || gathered.seal()).await?)
}
