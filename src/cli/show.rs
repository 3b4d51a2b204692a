//! `fleet show`

use jiff::Timestamp;

use super::error::Status;
use super::setup::Setup;
use crate::name::CheckpointRef;
use crate::report::{json, text};

/// Show everything about one checkpoint
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  fleet show dev-vm@latest
  fleet show dev-vm@20261121T101500Z --json")]
pub(super) struct Args {
    /// HOST@STAMP, HOST@latest, HOST@~1, or a unique prefix of the stamp
    #[arg(value_name = "CHECKPOINT")]
    checkpoint: CheckpointRef,
}

pub(super) fn run(args: &Args, setup: &Setup) -> Status {
    let store = setup.store()?;
    let resolved = setup.look_up(&store, &args.checkpoint)?;
    let sealed = store.open_checkpoint(&resolved.id)?;
    let checkpoint = sealed.checkpoint();
    if setup.console.is_json() {
        let mut document = json::Show::from(checkpoint);
        document
            .skipped_newer
            .extend(json::SkippedNewer::of(&resolved));
        setup.console.document(&document)?;
    } else {
        let text = text::show::checkpoint(checkpoint, Timestamp::now());
        setup.console.answer(&text)?;
    }
    Ok(None)
}
