//! `fleet diff CHECKPOINT --live`: the same answer, with the host itself as the newer side.

use std::sync::Arc;

use super::super::error::{Error, Status, VerbError};
use super::super::setup::Setup;
use super::super::signals;
use super::{Answer, Args, Now, PATCH_MAX_BYTES};
use crate::engine::{Interrupt, StopLevel, live};
use crate::event::Failure;
use crate::fault::ExitClass;
use crate::live::{FetchLimits, Live, LivePart};
use crate::manifest::Totals;
use crate::name::HostName;
use crate::report::{Problem, Reporter, Style, json, size};
use crate::store::SealedCheckpoint;

/// What is fetched for patches in all. Someone reads them; until then they lie in a temporary folder, which
/// may be memory, and a host that is looked at is not to send a tree. That is what checkpoints are for,
/// and those are compared without any such limit.
pub(super) const PATCHES_MAX_BYTES: u64 = 64 * 1024 * 1024;

pub(super) fn run(
    args: &Args,
    setup: &Setup,
    old: SealedCheckpoint,
    skipped_newer: Vec<json::SkippedNewer>,
) -> Status {
    let old = Arc::new(old);
    let Live { parts, notes } = look(args, setup, &old)?;
    let host = &old.id().host;
    let mut answer = Answer::new(&setup.console, args.patch, &old, host.to_string());
    answer.document.live = true;
    answer.document.skipped_newer = skipped_newer;
    for note in notes {
        answer.note(note);
    }
    let mut has_failed = false;
    for mut part in parts {
        has_failed |= part.failure.is_some();
        answer.live_part(host, &mut part)?;
        if setup.console.is_closed() {
            break;
        }
    }
    answer.tell_left_out(host);
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
    let limits = args.patch.then_some(FetchLimits {
        file_max_bytes: PATCH_MAX_BYTES,
        total_max_bytes: PATCHES_MAX_BYTES,
    });
    let ended = signals::run(&interrupt, || {}, async move {
        tokio::select! {
            live = live::run(&base, &network, limits) => Some(live),
            // Looking has no unsafe point: the first wish ends it.
            () = wish.reached(StopLevel::Soon) => None,
        }
    })?;
    Ok(ended.flatten().ok_or(Error::Stopped)??)
}

impl Answer<'_> {
    /// Says how what was not fetched can be seen.
    fn tell_left_out(&mut self, host: &HostName) {
        let Totals { files, bytes } = self.left_out;
        if files == 0 {
            return;
        }
        self.note(format!(
            "{files} changed {} ({}) {} not shown, for no more than {} is fetched; to see everything, run \
             `fleet checkpoint {host}`, then `fleet diff {} {host}@latest -p`",
            if files == 1 { "file" } else { "files" },
            size(bytes),
            if files == 1 { "is" } else { "are" },
            size(PATCHES_MAX_BYTES),
            self.old.id(),
        ));
    }

    fn live_part(&mut self, host: &HostName, part: &mut LivePart) -> Result<(), VerbError> {
        let name = part.name.clone();
        let changes = std::mem::take(&mut part.changes);
        if !changes.is_empty() {
            self.heading(&name)?;
        }
        for change in changes {
            self.change(&name, &change, &mut Now::Live(part))?;
            if self.console.is_closed() {
                return Ok(());
            }
        }
        for note in std::mem::take(&mut part.notes) {
            self.note(format!("`{name}`: {note}"));
        }
        if let Some(why) = part.failure.take() {
            let failure = Failure {
                host: host.clone(),
                part: Some(name.clone()),
                message: why.message,
                causes: Vec::new(),
                hint: why.hint,
                class: ExitClass::Partial,
            };
            self.document.failed.push(json::FailedPart::from(&failure));
            let mut problem = Problem::from(&failure);
            problem.message = format!(
                "can't compare source `{name}` on {host}: {}",
                problem.message
            );
            self.console.problem(&problem);
        }
        Ok(())
    }
}
