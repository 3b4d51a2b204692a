//! Directory sources: one scan, one tar stream.

use std::path::PathBuf;
use std::sync::Arc;

use crate::event::{Event, Sink};
use crate::guard::ReadCommand;
use crate::inventory::{DirectorySource, Source};
use crate::manifest::{Pack, PackName, Part, PartFailure, PartState};
use crate::name::HostName;
use crate::source::exclude::{Exclude, PatternError};
use crate::source::notes::{self, FindNote};
use crate::source::probe::Probe;
use crate::source::scan::{self, Parser};
use crate::ssh::{self, Input, ReadSession};
use crate::store::pack::PackOptions;

use super::compose::compose;
use super::part::{Outcome, failure, shrinkage};
use super::plan::{self, Plan};
use super::receive::{self, Received, Unasked, receive};

/// A directory source after its scan.
#[derive(Debug)]
pub(super) enum Scanned<'a> {
    /// This is to be fetched.
    Ready {
        /// What is wanted.
        plan: Box<Plan>,
        /// How it was asked for.
        directory: &'a DirectorySource,
    },
    /// It is not there, and need not be.
    Absent,
    /// It cannot be captured.
    Failed(PartFailure),
    /// The connection is gone.
    Lost(ssh::Error),
}

/// Why a scan comes to nothing.
#[derive(Debug, thiserror::Error)]
enum ScanError {
    #[error(transparent)]
    Ssh(#[from] ssh::Error),
    #[error(transparent)]
    Answer(#[from] scan::Error),
    #[error(transparent)]
    Plan(#[from] plan::Error),
    #[error(transparent)]
    Pattern(#[from] PatternError),
    #[error("the host has no `tar`")]
    NoTar,
}

impl ScanError {
    fn into_scanned(self) -> Scanned<'static> {
        match self {
            Self::Ssh(error) if is_lost(&error) => Scanned::Lost(error),
            Self::Ssh(error) => Scanned::Failed(failure(&error)),
            Self::Plan(error) => Scanned::Failed(failure(&error)),
            Self::Answer(_) | Self::Pattern(_) | Self::NoTar => Scanned::Failed(PartFailure {
                message: crate::fault::chain(&self).join(": "),
                hint: Some("`fleet doctor` shows which tools the host has.".to_owned()),
            }),
        }
    }
}

/// Scans a directory source.
pub(super) async fn scan<'a>(
    source: &Source,
    directory: &'a DirectorySource,
    session: &ReadSession,
    probe: &Probe,
) -> Scanned<'a> {
    match try_scan(source, directory, session, probe).await {
        Ok(Some(plan)) => Scanned::Ready {
            plan: Box::new(plan),
            directory,
        },
        Ok(None) => Scanned::Absent,
        Err(error) => error.into_scanned(),
    }
}

async fn try_scan(
    source: &Source,
    directory: &DirectorySource,
    session: &ReadSession,
    probe: &Probe,
) -> Result<Option<Plan>, ScanError> {
    let gnu = probe.has_gnu_find();
    if !probe.has_tar() {
        return Err(ScanError::NoTar);
    }
    let exclude = Exclude::new(&directory.exclude)?;
    let command = ReadCommand::Scan {
        roots: directory.roots.clone(),
        prune: exclude.prune().to_vec(),
        one_file_system: directory.one_file_system,
        gnu,
    };
    let mut running = session.run(&command, source.sudo, Input::none()).await?;
    let mut parser = Parser::new(gnu);
    let mut found = Vec::new();
    while let Some(bytes) = running.next().await {
        let new = found.len();
        parser.feed(&bytes?, &mut found)?;
        plan::check_found(&directory.roots, &found, new, plan::ENTRIES_MAX)?;
    }
    let exit = running.finish().await?;
    parser.finish()?;
    let said = notes::of_find(&exit.stderr.to_bytes());
    let plan = Plan::make(directory, source.optional, &exclude, found, &said)?;
    let explained = said
        .iter()
        .any(|note| matches!(note, FindNote::Missing(_) | FindNote::Denied { .. }));
    if exit.status > u32::from(explained) {
        let said = vec![format!("find exited with {}", exit.status)];
        return Err(plan::Error::Scan { said }.into());
    }
    if let Some(plan) = &plan
        && plan.is_empty()
        && !source.may_shrink
    {
        return Err(plan::Error::Empty {
            roots: plan.roots.clone(),
        }
        .into());
    }
    Ok(plan)
}

/// What it takes to fetch a part.
pub(super) struct Fetch<'a> {
    pub(super) host: &'a HostName,
    pub(super) source: &'a Source,
    pub(super) directory: &'a DirectorySource,
    pub(super) session: &'a ReadSession,
    pub(super) probe: &'a Probe,
    pub(super) pack: PackName,
    pub(super) pack_path: PathBuf,
    pub(super) previous: Option<&'a Part>,
    pub(super) sink: &'a Sink,
}

/// A part, and the end of the connection if it came meanwhile.
pub(super) type Fetched = (Outcome, Option<ssh::Error>);

impl Fetch<'_> {
    /// Fetches what `plan` wants and puts the part together.
    ///
    /// # Errors
    ///
    /// [`receive::Error`] if the pack cannot be written; everything else makes the part failed.
    pub(super) async fn run(self, plan: Plan) -> Result<Fetched, receive::Error> {
        let mut outcome = Outcome::new(self.source, PartState::Complete);
        let (command, input, unasked) = match self.probe.tar_flavour() {
            Some(tar) => (ReadCommand::Fetch { tar }, list(&plan), Unasked::Refuse),
            None => (
                ReadCommand::FetchWhole {
                    roots: plan.roots.clone(),
                },
                Input::none(),
                Unasked::Drop,
            ),
        };
        (self.sink)(Event::Scanned {
            host: self.host.clone(),
            part: self.source.name.clone(),
            files: plan.totals.files,
            bytes: plan.totals.bytes,
            fetch_bytes: plan.totals.bytes,
        });
        let plan = Arc::new(plan);
        let started = self.session.run(&command, self.source.sudo, input).await;
        let running = match started {
            Ok(running) => running,
            Err(error) => {
                outcome.fail(failure(&error));
                return Ok((outcome, is_lost(&error).then_some(error)));
            }
        };
        let (body, ending) = running.split();
        let (progress, wanted, path) = (self.progress(), Arc::clone(&plan), self.pack_path.clone());
        let options = PackOptions::default();
        let received = tokio::task::spawn_blocking(move || {
            receive(body, &wanted.wanted, unasked, path, options, progress)
        })
        .await
        .expect("receiving does not panic");
        let ended = ending.finish().await;
        let received = match received {
            Ok(received) => received,
            Err(error) if error.is_local() => return Err(error),
            Err(error) => {
                outcome.fail(failure(&error));
                return Ok((outcome, None));
            }
        };
        let plan = Arc::into_inner(plan).expect("the thread that shared it has ended");
        Ok(self.put_together(outcome, plan, received, ended))
    }

    fn progress(&self) -> impl FnMut(u64, &crate::name::RemotePath) + Send + 'static {
        let (sink, host, part) = (
            Arc::clone(self.sink),
            self.host.clone(),
            self.source.name.clone(),
        );
        move |bytes, path| {
            sink(Event::Progress {
                host: host.clone(),
                part: part.clone(),
                bytes,
                path: path.clone(),
            });
        }
    }

    fn put_together(
        self,
        mut outcome: Outcome,
        plan: Plan,
        received: Received,
        ended: Result<ssh::Exit, ssh::Error>,
    ) -> Fetched {
        let (status, stderr, lost) = match ended {
            Ok(exit) => (exit.status, exit.stderr.to_bytes(), None),
            Err(error) => {
                outcome.fail(failure(&error));
                (0, Vec::new(), is_lost(&error).then_some(error))
            }
        };
        let fault: Option<PartFailure> = plan.unreadable.as_ref().map(|error| failure(error));
        let (roots, exclude, scanned_at) = (
            plan.roots.clone(),
            self.directory.exclude.clone(),
            self.probe.clock,
        );
        let composed = compose(
            plan,
            &received,
            notes::of_tar(&stderr),
            status,
            self.directory.unreadable,
            &self.pack,
        );
        for fault in composed
            .failure
            .as_ref()
            .map(|error| failure(error))
            .into_iter()
            .chain(fault)
        {
            outcome.fail(fault);
        }
        if let Some(cut) = &received.cut {
            outcome.fail(failure(cut));
        }
        outcome.fill(
            roots,
            exclude,
            scanned_at,
            composed.entries,
            composed.totals,
            composed.warnings,
        );
        outcome.part.fetched_bytes = received.content_bytes;
        outcome.pack = received.pack.map(|pack| Pack {
            name: self.pack,
            sha256: pack.sha256,
            stored_bytes: pack.stored_bytes,
        });
        if !self.source.may_shrink
            && let Some(shrunk) = shrinkage(&outcome.part, self.previous)
        {
            outcome.fail(shrunk);
        }
        (outcome, lost)
    }
}

/// Whether nothing more can be expected of the connection.
fn is_lost(error: &ssh::Error) -> bool {
    matches!(error, ssh::Error::Lost { .. } | ssh::Error::Stalled { .. })
}

/// The names that tar is asked for.
fn list(plan: &Plan) -> Input {
    let mut list = Vec::new();
    for found in &plan.wanted {
        list.extend_from_slice(found.path.member());
        list.push(0);
    }
    Input::bytes(list)
}
