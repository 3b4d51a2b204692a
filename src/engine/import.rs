//! Imports backups of other systems, one after the other, as checkpoints of one host.

use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;

use crate::event::{Capture, Event, Failure, HostEvent, Sink};
use crate::fault::{ExitClass, Fault};
use crate::import::{Error, Import};
use crate::inventory::Host;
use crate::manifest::{Checkpoint, Totals};
use crate::name::{CheckpointId, Stamp};
use crate::store::Store;

use crate::interrupt::Interrupt;

pub use crate::import::{
    BackupTime, Checked, ImportOptions, MappedRoot, Mapping, PathMapping, TimeSource,
};

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Request {
    /// The backups, in the order in which they are taken over.
    pub orders: Vec<ImportOptions>,
    /// How long to wait for a locked host; none: not at all.
    pub wait: Option<Duration>,
    /// The time by the workstation's clock.
    pub now: Timestamp,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Outcome {
    /// What was taken over, or would be.
    pub imported: Vec<Imported>,
    /// What was not.
    pub failed: Vec<Failed>,
    /// The operator stopped it.
    pub is_interrupted: bool,
}

/// A backup that was taken over, or would be.
#[derive(Debug)]
pub struct Imported {
    /// The backup, as it was named.
    pub path: PathBuf,
    /// What it is now.
    pub end: End,
    /// When it was taken, and what says so.
    pub taken: BackupTime,
    /// Regular files and their bytes.
    pub totals: Totals,
    /// Where its files land.
    pub landed: Vec<MappedRoot>,
    /// The lists of digests that it matches.
    pub checked: Vec<Checked>,
    /// The folder that was taken off all names, escaped.
    pub stripped: Option<String>,
    /// Nothing shows where on the host it belongs.
    pub has_unknown_root: bool,
    /// Some sources of the host have nothing in it: `latest` skips it.
    pub subset: bool,
    /// What the operator should know.
    pub warnings: Vec<String>,
}

/// What became of a backup.
#[derive(Debug)]
pub enum End {
    /// A checkpoint.
    Sealed(Box<Checkpoint>),
    /// It was already imported, as this checkpoint.
    Already(CheckpointId),
    /// It would become this checkpoint, or one a few seconds later.
    Planned(CheckpointId),
}

/// A backup that was not taken over.
#[derive(Debug)]
pub struct Failed {
    /// The backup, as it was named.
    pub path: PathBuf,
    /// Why.
    pub failure: Failure,
}

impl Outcome {
    /// The exit status: 0 if everything was taken over; 3 if only some of it was; what the failures ask
    /// for if they agree and nothing was; 130 after an interruption.
    #[must_use]
    pub fn exit_class(&self) -> Option<ExitClass> {
        if self.is_interrupted {
            return Some(ExitClass::Interrupted);
        }
        ExitClass::of_many(
            !self.imported.is_empty(),
            self.failed
                .iter()
                .map(|failed| failed.failure.problem.class),
            ExitClass::Failed,
        )
    }
}

/// Takes over every backup of `request` as a checkpoint of `host` in `store`. With [`Mode::Dry`],
/// nothing is written, and there need not be a store.
///
/// Blocking. When `interrupt` is raised, the backup that is being read is given up, and those before it
/// stay.
pub fn run(
    request: &Request,
    host: &Host,
    mode: Mode<'_>,
    sink: &Sink,
    interrupt: &Interrupt,
) -> Outcome {
    let mut outcome = Outcome::default();
    for order in &request.orders {
        if interrupt.is_raised() {
            outcome.is_interrupted = true;
            break;
        }
        sink(Event::of(&host.name, HostEvent::Started));
        match one(order, request, host, mode, sink, interrupt) {
            Ok(imported) => outcome.imported.push(imported),
            Err(error) => {
                let failure = Failure::of_host(&host.name, &error);
                sink(Event::of(
                    &failure.host,
                    HostEvent::Failed {
                        failure: failure.clone(),
                    },
                ));
                if error.exit_class() == ExitClass::Interrupted {
                    outcome.is_interrupted = true;
                    break;
                }
                outcome.failed.push(Failed {
                    path: order.path.clone(),
                    failure,
                });
            }
        }
    }
    outcome
}

/// Whether anything is written.
#[derive(Debug, Clone, Copy)]
pub enum Mode<'a> {
    /// Into this store.
    Write(&'a Store),
    /// Nothing; this store is asked what is in it, if there is one.
    Dry(Option<&'a Store>),
}

fn one(
    order: &ImportOptions,
    request: &Request,
    host: &Host,
    mode: Mode<'_>,
    sink: &Sink,
    interrupt: &Interrupt,
) -> Result<Imported, Error> {
    let import = Import::plan(order, host, request.now, interrupt)?;
    for message in &import.warnings {
        sink(Event::of(
            &host.name,
            HostEvent::Warned {
                part: None,
                message: message.clone(),
            },
        ));
    }
    let mut imported = Imported {
        path: order.path.clone(),
        end: End::Planned(CheckpointId {
            host: host.name.clone(),
            stamp: Stamp::of(import.taken.time),
        }),
        taken: import.taken.clone(),
        totals: import.totals(),
        landed: import.landed.clone(),
        checked: import.checked.clone(),
        stripped: import.stripped.clone(),
        has_unknown_root: import.has_unknown_root,
        subset: import.subset,
        warnings: import.warnings.clone(),
    };
    match mode {
        Mode::Dry(store) => {
            let already = store.map(|store| import.already(store, host)).transpose()?;
            if let Some(id) = already.flatten() {
                imported.end = End::Already(id);
            }
        }
        Mode::Write(store) => {
            let lock = store.lock(&host.name, request.wait, interrupt)?;
            imported.end = match import.already(store, host)? {
                Some(id) => End::Already(id),
                None => {
                    let incoming = lock.begin_at(import.taken.time)?;
                    let checkpoint = Box::new(import.execute(host, incoming, interrupt, sink)?);
                    sink(Event::of(
                        &checkpoint.id.host,
                        Capture::Sealed {
                            checkpoint: checkpoint.clone(),
                        },
                    ));
                    End::Sealed(checkpoint)
                }
            };
        }
    }
    Ok(imported)
}
