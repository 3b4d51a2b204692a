//! Seals a checkpoint of the restored state, so that the next one of the host goes on from there.

use std::sync::Arc;
use std::time::Duration;

use super::Error;
use crate::blocking::blocking;
use crate::checkpoint::{self, CaptureOptions, History};
use crate::engine::Workspace;
use crate::event::Sink;
use crate::interrupt::Interrupt;
use crate::inventory::{Host, Source};
use crate::manifest::{Checkpoint, Entry, Trigger};
use crate::name::{CheckpointId, SourceName};
use crate::ssh::ReadSession;
use crate::store;

/// Longer than a host's file system takes to give a change another time.
const REST: Duration = Duration::from_millis(60);

/// Captures `sources`, which were restored; of what was `placed`, with the marks that it has there, nothing is
/// fetched. It is a subset unless those are all that the host has.
///
/// # Errors
///
/// [`Error`] if it could not be captured or sealed; the host stays restored.
pub(super) async fn restored_state(
    workspace: &Arc<Workspace>,
    host: &Host,
    (session, address): (&ReadSession, &str),
    sources: Vec<Source>,
    restored: &CheckpointId,
    placed: Vec<Entry>,
) -> Result<Checkpoint, Error> {
    let names: Vec<SourceName> = sources.iter().map(|source| source.name.clone()).collect();
    let others = host
        .sources
        .iter()
        .filter(|source| !names.contains(&source.name));
    let target = Host {
        sources: sources.into_iter().chain(others.cloned()).collect(),
        ..host.clone()
    };
    let interrupt = Interrupt::new();
    let mut lock = workspace.lock(&host.name, &interrupt).await?;
    let (shared, known, stop) = (Arc::clone(workspace), names.clone(), interrupt.clone());
    // What was put in place has another inode time since its staged name was removed. A scan in the same
    // tick of the host's clock would not count it as at rest, and it would be fetched again next time.
    tokio::time::sleep(REST).await;
    let (incoming, history) = blocking(move || {
        let mut history = History::read(&shared.store, &mut lock, &known, false, &stop)?;
        history.vouch(placed);
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
