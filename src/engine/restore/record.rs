//! Seals checkpoints of a host that is restored: of the restored state, so that the next one goes on from there,
//! and of what services wrote while they stopped.

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
use crate::name::SourceName;
use crate::ssh::ReadSession;
use crate::store;

/// Longer than a host's file system takes to give a change another time.
const REST: Duration = Duration::from_millis(60);

/// A state of a host that is captured while it is restored.
pub(super) struct State {
    /// The sources of what is restored.
    pub(super) sources: Vec<Source>,
    /// All other sources of the host are captured, too.
    pub(super) is_whole: bool,
    pub(super) trigger: Trigger,
    pub(super) description: String,
    /// Of these, with the marks that they have on the host, nothing is fetched.
    pub(super) placed: Vec<Entry>,
}

/// Seals a checkpoint of `state`. Unless it is whole, it is a subset if the host has other sources.
///
/// # Errors
///
/// [`Error`] if it could not be captured or sealed.
pub(super) async fn seal(
    workspace: &Arc<Workspace>,
    host: &Host,
    (session, address): (&ReadSession, &str),
    state: State,
) -> Result<Checkpoint, Error> {
    let is_of_state = |source: &&Source| state.sources.iter().any(|one| one.name == source.name);
    let others = host.sources.iter().filter(|source| !is_of_state(source));
    let target = Host {
        sources: state.sources.iter().chain(others).cloned().collect(),
        ..host.clone()
    };
    let interrupt = Interrupt::new();
    let mut lock = workspace.lock(&host.name, &interrupt).await?;
    let captured = if state.is_whole {
        &target.sources
    } else {
        &state.sources
    };
    let names = captured.iter().map(|source| source.name.clone());
    let names: Vec<SourceName> = names.collect();
    let (shared, known, stop) = (Arc::clone(workspace), names.clone(), interrupt.clone());
    // What was put in place has another inode time since its staged name was removed. A scan in the same
    // tick of the host's clock would not count it as at rest, and it would be fetched again next time.
    tokio::time::sleep(REST).await;
    let (incoming, history) = blocking(move || {
        let mut history = History::read(&shared.store, &mut lock, &known, false, &stop)?;
        history.vouch(state.placed);
        Ok::<_, store::Error>((lock.begin((shared.clock)())?, history))
    })
    .await?;
    let order = CaptureOptions {
        description: state.description,
        trigger: state.trigger,
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
