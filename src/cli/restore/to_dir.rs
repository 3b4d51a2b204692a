//! `fleet restore CHECKPOINT [PATH…] --to-dir DIR`: files onto this workstation.

use std::ops::ControlFlow;
use std::path::PathBuf;

use super::super::error::{Error, Status};
use super::super::setup::Setup;
use super::super::signals;
use crate::blocking::blocking;
use crate::fault::ExitClass;
use crate::interrupt::Interrupt;
use crate::name::{CheckpointRef, RemotePath, SourceName};
use crate::report::json;
use crate::report::text::export as text;
use crate::store::{Existing, Exported, FolderOptions};

/// Writes what `checkpoint` has at `paths` beneath `dir`. No host is connected to.
pub(super) fn run(
    checkpoint: &CheckpointRef,
    paths: &[String],
    only: &[SourceName],
    dir: &std::path::Path,
    setup: &Setup,
) -> Status {
    let store = setup.store()?;
    let resolved = setup.look_up(&store, checkpoint)?;
    let sealed = store.open_checkpoint(&resolved.id)?;
    let paths = paths.iter().map(|path| sealed.path_of(path.as_bytes()));
    let paths = paths.collect::<Result<Vec<RemotePath>, _>>()?;
    let interrupt = Interrupt::new();
    let (wish, only, target): (_, _, PathBuf) = (interrupt.clone(), only.to_vec(), dir.to_owned());
    let exported = signals::run(&interrupt, || {}, async move {
        blocking(move || {
            let mut watch = |_: &Exported| match wish.is_raised() {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            };
            let export = sealed.chosen(&paths, &only)?;
            export.into_folder(
                &target,
                FolderOptions::default(),
                Existing::Refuse,
                &mut watch,
            )
        })
        .await
    })?;
    let exported = exported.ok_or(Error::Stopped)??;
    let class = exported.has_contradictions().then_some(ExitClass::Partial);
    let console = &setup.console;
    if console.is_json() {
        console.event(&json::Export {
            exit: class.map_or(0, ExitClass::status),
            checkpoint: resolved.id.to_string(),
            path: dir.display().to_string(),
            format: "folder".to_owned(),
            layout: "paths".to_owned(),
            entries: exported.entries,
            bytes: exported.bytes,
            skipped: exported.skipped,
            left_out: exported.shortfalls.iter().map(Into::into).collect(),
            skipped_newer: json::SkippedNewer::of(&resolved).into_iter().collect(),
            ..json::Export::default()
        })?;
        return Ok(class);
    }
    for lacking in &exported.shortfalls {
        console.warning(&text::shortfall(lacking));
    }
    let path = dir.display().to_string();
    console.remark(&text::written(&resolved.id, &exported, &path));
    Ok(class)
}
