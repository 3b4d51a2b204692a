//! `fleet diff`

mod live;

use super::error::{Status, VerbError};
use super::setup::Setup;
use crate::engine::diff::{Newer, Patch, patch};
use crate::fault::ExitClass;
use crate::name::CheckpointRef;
use crate::report::text::diff as text;
use crate::report::{DiffWriter, json};
use crate::store::{PartPair, SealedCheckpoint};

/// Show what changed between two checkpoints, or since one
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Each line shows how a path changed: added, removed, modified (its content), metadata (only mode, \
owner, time or hard links), or type (a directory in place of a file, and the like). Checkpoints of two \
hosts may be compared. With --live, the checkpoint is compared with the host as it is now: nothing is \
written there or in the store. Into a pipe, -p writes the exact bytes of the files, for `patch -p1`.

Examples:
  fleet diff dev-vm@~1 dev-vm@latest
  fleet diff dev-vm@~1 dev-vm@latest -p | less
  fleet diff prod-vm@latest --live --exit-code
  fleet diff prod-vm@latest dev-vm@latest --json | jq -r '.changes[] | .change + \" \" + .path'")]
pub(super) struct Args {
    /// The older one: HOST@STAMP, HOST@latest, HOST@~1, or a unique prefix of the stamp
    #[arg(value_name = "CHECKPOINT")]
    old: CheckpointRef,

    /// The newer one
    #[arg(value_name = "CHECKPOINT", required_unless_present = "live")]
    new: Option<CheckpointRef>,

    /// Compare with the host as it is now
    #[arg(long, conflicts_with = "new")]
    live: bool,

    /// Show what changed in text files
    #[arg(short, long)]
    patch: bool,

    /// Exit with 1 if anything changed
    #[arg(long)]
    exit_code: bool,
}

pub(super) fn run(args: &Args, setup: &Setup) -> Status {
    let store = setup.store()?;
    let mut skipped_newer = Vec::new();
    let mut open = |reference| {
        let resolved = setup.look_up(&store, reference)?;
        skipped_newer.extend(json::SkippedNewer::of(&resolved));
        Ok::<_, VerbError>(store.open_checkpoint(&resolved.id)?)
    };
    let old = open(&args.old)?;
    let Some(new) = &args.new else {
        return live::run(args, setup, old, skipped_newer);
    };
    let new = open(new)?;
    let document = json::Diff {
        old: old.id().to_string(),
        new: new.id().to_string(),
        skipped_newer,
        ..json::Diff::default()
    };
    let mut answer = DiffWriter::new(&setup.console, document);
    for pair in new.parts_since(&old) {
        part(args, &mut answer, &pair, &old, &new)?;
        if answer.is_closed() {
            break;
        }
    }
    let has_changes = answer.finish()?;
    Ok((args.exit_code && has_changes).then_some(ExitClass::Failed))
}

/// Compares a part of two checkpoints.
fn part(
    args: &Args,
    answer: &mut DiffWriter<'_>,
    pair: &PartPair<'_>,
    old: &SealedCheckpoint,
    new: &SealedCheckpoint,
) -> Result<(), VerbError> {
    if let Some(note) = text::in_one_only(pair, old.id(), new.id()) {
        answer.note(note);
        return Ok(());
    }
    let mut changes = pair.changes(None)?;
    for change in changes.by_ref() {
        let change = change?;
        let patch = match args.patch {
            true => patch(old, &mut Newer::Sealed(new), &pair.name, &change)?,
            false => Patch::None,
        };
        let source = match change.after() {
            Some(_) => new.id(),
            None => old.id(),
        };
        answer.change(&pair.name, &change, &patch, Some(source))?;
        if answer.is_closed() {
            return Ok(());
        }
    }
    for note in text::failed_sides(pair, changes.left_out(), old.id(), new.id()) {
        answer.note(note);
    }
    Ok(())
}
