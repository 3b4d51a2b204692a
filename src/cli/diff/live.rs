//! `fleet diff CHECKPOINT --live`: the same answer, with the host itself as the newer side.

use std::sync::Arc;

use super::super::error::{Error, Status, VerbError};
use super::super::setup::Setup;
use super::super::signals;
use super::Args;
use crate::engine::diff::{Newer, PATCH_MAX_BYTES, PATCHES_MAX_BYTES, Patch, patch};
use crate::engine::live;
use crate::event::Failure;
use crate::fault::ExitClass;
use crate::interrupt::{Interrupt, StopLevel};
use crate::live::{FetchBudget, Live, LivePart};
use crate::report::text::diff as text;
use crate::report::{DiffWriter, Reporter, Style, json};
use crate::store::SealedCheckpoint;

pub(super) fn run(
    args: &Args,
    setup: &Setup,
    old: SealedCheckpoint,
    skipped_newer: Vec<json::SkippedNewer>,
) -> Status {
    let old = Arc::new(old);
    let Live { parts, notes } = look(args, setup, &old)?;
    let host = &old.id().host;
    let document = json::Diff {
        old: old.id().to_string(),
        new: host.to_string(),
        live: true,
        skipped_newer,
        ..json::Diff::default()
    };
    let mut answer = DiffWriter::new(&setup.console, document);
    for note in notes {
        answer.note(note);
    }
    let mut has_failed = false;
    for mut looked in parts {
        has_failed |= looked.failure.is_some();
        part(args, &mut answer, &old, &mut looked)?;
        if answer.is_closed() {
            break;
        }
    }
    if let Some(note) = text::left_out(answer.left_out(), old.id(), host) {
        answer.note(note);
    }
    let has_changes = answer.finish()?;
    let changed = (args.exit_code && has_changes).then_some(ExitClass::Failed);
    // Not having seen everything is the graver news.
    Ok(has_failed.then_some(ExitClass::Partial).or(changed))
}

/// Asks the host.
fn look(args: &Args, setup: &Setup, old: &Arc<SealedCheckpoint>) -> Result<Live, VerbError> {
    let reporter = Reporter::new(Arc::clone(&setup.console), Style::Silent, 0);
    let network = setup.network(setup.inventory()?, &reporter);
    let interrupt = Interrupt::new();
    let (wish, base) = (interrupt.clone(), Arc::clone(old));
    let budget = args.patch.then_some(FetchBudget {
        file_max_bytes: PATCH_MAX_BYTES,
        total_max_bytes: PATCHES_MAX_BYTES,
    });
    let ended = signals::run(&interrupt, || {}, async move {
        tokio::select! {
            live = live::run(&base, &network, budget) => Some(live),
            // Looking has no unsafe point: the first wish ends it.
            () = wish.reached(StopLevel::Soon) => None,
        }
    })?;
    Ok(ended.flatten().ok_or(Error::Stopped)??)
}

/// Writes what became of a part.
fn part(
    args: &Args,
    answer: &mut DiffWriter<'_>,
    old: &SealedCheckpoint,
    part: &mut LivePart,
) -> Result<(), VerbError> {
    let name = part.name.clone();
    for change in std::mem::take(&mut part.changes) {
        let patch = match args.patch {
            true => patch(old, &mut Newer::Live(part), &name, &change)?,
            false => Patch::None,
        };
        // Only the checkpoint keeps contents, and of an added file it has none.
        let source = change.before().map(|_| old.id());
        answer.change(&name, &change, &patch, source)?;
        if answer.is_closed() {
            return Ok(());
        }
    }
    for note in std::mem::take(&mut part.notes) {
        answer.note(format!("`{name}`: {note}"));
    }
    if let Some(why) = part.failure.take() {
        let failure = Failure {
            host: old.id().host.clone(),
            part: Some(name.clone()),
            problem: why,
        };
        answer.failed(&name, &failure);
    }
    Ok(())
}
