//! Checkpoints of many hosts.

use std::sync::Arc;

use crate::blocking::blocking;
use crate::checkpoint::{self, CaptureOptions, History, UnsealedCheckpoint};
use crate::event::{Capture, Event, Failure, HostEvent, Sink};
use crate::fault::{Code, ExitClass, Fault};
use crate::interrupt::{Interrupt, StopLevel};
use crate::inventory::Host;
use crate::manifest::{Checkpoint, State};
use crate::name::{HostName, SourceName};
use crate::ssh::ReadSession;
use crate::store::{self, Incoming};

use super::fanout::fan_out;
use super::{Selection, SelectionError, Workspace};

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Of which hosts.
    pub selection: Selection,
    /// What of each of them, and how.
    pub options: CaptureOptions,
    /// How many hosts at once; at least 1.
    pub jobs: usize,
}

/// What a checkpoint with warnings means for the exit status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strictness {
    /// Nothing.
    Lenient,
    /// The same as a failed part.
    Strict,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outcome {
    /// The checkpoints that were sealed, partial ones too, in the inventory's order.
    pub checkpoints: Vec<Checkpoint>,
    /// Hosts without a checkpoint, and failed parts.
    pub failed: Vec<Failure>,
    /// The operator stopped it.
    pub interrupted: bool,
}

impl Outcome {
    /// The exit status: 0 if everything was sealed whole; 3 if only some hosts or parts failed; what
    /// the failures ask for if they agree and nothing was sealed; 130 after an interruption. Strictly,
    /// warnings of a checkpoint ask for 3.
    #[must_use]
    pub fn exit_class(&self, strictness: Strictness) -> Option<ExitClass> {
        if self.interrupted {
            return Some(ExitClass::Interrupted);
        }
        if self.failed.is_empty() && strictness == Strictness::Strict {
            let has_warnings = self.checkpoints.iter().any(Checkpoint::has_warnings);
            return has_warnings.then_some(ExitClass::Partial);
        }
        ExitClass::of_many(
            !self.checkpoints.is_empty(),
            self.failed.iter().map(|failure| failure.problem.class),
            ExitClass::Failed,
        )
    }

    /// Whether every checkpoint is free of failures.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.failed.is_empty() && self.checkpoints.iter().all(|c| c.state() != State::Partial)
    }
}

/// Why a run does not even begin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// No host is meant.
    #[error(transparent)]
    Selection(#[from] SelectionError),
    /// The hosts that are meant hold nothing.
    #[error("{} to capture: no `use` and no `sources`", names_nothing(hosts))]
    NoSources {
        /// The hosts.
        hosts: Vec<HostName>,
    },
    /// None of the hosts has a source of that name.
    #[error("no selected host has a source `{name}`")]
    NoSuchSource {
        /// The name.
        name: SourceName,
        /// The sources that they have.
        known: Vec<SourceName>,
    },
}

fn names_nothing(hosts: &[HostName]) -> String {
    let names: Vec<&str> = hosts.iter().map(HostName::as_str).collect();
    format!(
        "{} {} nothing",
        names.join(", "),
        if names.len() == 1 { "has" } else { "have" }
    )
}

impl Fault for RequestError {
    fn code(&self) -> Code {
        match self {
            Self::Selection(error) => error.code(),
            Self::NoSources { .. } => Code::NothingToCapture,
            Self::NoSuchSource { .. } => Code::UnknownSource,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Selection(error) => return error.hint(),
            Self::NoSources { .. } => {
                "Add `use: [PROFILE]` or `sources:` to the host in the inventory.".to_owned()
            }
            Self::NoSuchSource { known, .. } => {
                let known: Vec<&str> = known.iter().map(SourceName::as_str).collect();
                format!("There are: {}.", known.join(", "))
            }
        })
    }

    fn exit_class(&self) -> ExitClass {
        ExitClass::Usage
    }
}

/// Takes a checkpoint of every selected host, [`Request::jobs`] at a time.
///
/// # Errors
///
/// [`RequestError`] if there is nothing to do; whatever happens to a host is in the [`Outcome`].
///
/// # Cancel
///
/// Raise `interrupt` instead of dropping the future. Raised once, hosts that are being read are sealed as
/// far as they have come; twice, the work is given up at once. In both cases the outcome names what was
/// sealed.
pub async fn run(
    request: &Request,
    workspace: &Arc<Workspace>,
    sink: &Sink,
    interrupt: &Interrupt,
) -> Result<Outcome, RequestError> {
    let order = Arc::new(request.options.clone());
    let hosts = meant(&request.selection, &order, workspace, sink)?;
    let hosts = hosts.into_iter().cloned();
    let ends = fan_out(hosts, request.jobs, interrupt, |host| {
        let (order, workspace) = (Arc::clone(&order), Arc::clone(workspace));
        let (sink, interrupt) = (Arc::clone(sink), interrupt.clone());
        async move { one(&order, &host, &workspace, &sink, &interrupt).await }
    })
    .await;
    let mut outcome = outcome(ends);
    // What was being read when the operator asked to stop was sealed as far as it had come.
    let is_cut = |checkpoint: &Checkpoint| checkpoint.state() == State::Partial;
    outcome.interrupted |= interrupt.is_raised() && outcome.checkpoints.iter().any(is_cut);
    Ok(outcome)
}

/// How the work on one host ended.
enum End {
    Sealed(Box<Checkpoint>),
    Failed(Failure),
    Stopped,
}

fn outcome(ends: Vec<Option<End>>) -> Outcome {
    let mut outcome = Outcome::default();
    for end in ends {
        match end.unwrap_or(End::Stopped) {
            End::Sealed(checkpoint) => {
                outcome.failed.extend(failed_parts(&checkpoint));
                outcome.checkpoints.push(*checkpoint);
            }
            End::Failed(failure) => outcome.failed.push(failure),
            End::Stopped => outcome.interrupted = true,
        }
    }
    outcome
}

fn failed_parts(checkpoint: &Checkpoint) -> Vec<Failure> {
    let failed = checkpoint
        .parts
        .iter()
        .filter_map(|part| Some((part, part.failure.as_ref()?)));
    failed
        .map(|(part, failure)| Failure {
            host: checkpoint.id.host.clone(),
            part: Some(part.name.clone()),
            problem: failure.clone(),
        })
        .collect()
}

/// The selected hosts that have something to capture; the others are skipped.
fn meant<'a>(
    selection: &Selection,
    order: &CaptureOptions,
    workspace: &'a Workspace,
    sink: &Sink,
) -> Result<Vec<&'a Host>, RequestError> {
    let selected = selection.of(&workspace.network.inventory)?;
    if selected.iter().all(|host| host.sources.is_empty()) {
        let hosts = selected.iter().map(|host| host.name.clone()).collect();
        return Err(RequestError::NoSources { hosts });
    }
    for name in &order.only {
        let mut known: Vec<SourceName> = selected
            .iter()
            .flat_map(|host| &host.sources)
            .map(|source| source.name.clone())
            .collect();
        if !known.contains(name) {
            known.sort();
            known.dedup();
            return Err(RequestError::NoSuchSource {
                name: name.clone(),
                known,
            });
        }
    }
    let (idle, meant): (Vec<&Host>, Vec<&Host>) = selected
        .into_iter()
        .partition(|host| order.sources(host).is_empty());
    for host in idle {
        sink(Event::of(&host.name, HostEvent::Skipped));
    }
    Ok(meant)
}

async fn one(
    order: &CaptureOptions,
    host: &Host,
    workspace: &Arc<Workspace>,
    sink: &Sink,
    interrupt: &Interrupt,
) -> End {
    sink(Event::of(&host.name, HostEvent::Started));
    let fail = |fault: &dyn Fault| {
        let failure = Failure::of_host(&host.name, fault).naming_host("can't checkpoint");
        sink(Event::of(
            &failure.host,
            HostEvent::Failed {
                failure: failure.clone(),
            },
        ));
        End::Failed(failure)
    };
    let gathered = match gather(order, host, workspace, sink, interrupt).await {
        Some(Ok(gathered)) => gathered,
        Some(Err(error)) => return fail(&error),
        None => return End::Stopped,
    };
    match blocking(move || gathered.seal()).await {
        Ok(checkpoint) => {
            let checkpoint = Box::new(checkpoint);
            sink(Event::of(
                &checkpoint.id.host,
                Capture::Sealed {
                    checkpoint: checkpoint.clone(),
                },
            ));
            End::Sealed(checkpoint)
        }
        Err(error) => fail(&error),
    }
}

/// Locking, connecting, reading. None: the operator wants to stop, and there is nothing to seal.
///
/// Locking and connecting are given up at any moment; reading keeps what has arrived whole.
async fn gather(
    order: &CaptureOptions,
    host: &Host,
    workspace: &Arc<Workspace>,
    sink: &Sink,
    interrupt: &Interrupt,
) -> Option<Result<UnsealedCheckpoint, checkpoint::Error>> {
    let begun = tokio::select! {
        biased;
        () = interrupt.reached(StopLevel::Soon) => return None,
        begun = begin(order, host, workspace, sink, interrupt) => begun,
    };
    let begun = match begun {
        Ok(begun) => begun,
        Err(error) => return Some(Err(error)),
    };
    let StartedCapture {
        session,
        address,
        incoming,
        history,
    } = begun;
    let place = (&session, address.as_str());
    let gathered =
        checkpoint::gather(order, host, place, incoming, &history, interrupt, sink).await;
    if gathered.is_err() && interrupt.is_raised() {
        return None;
    }
    session.close().await;
    Some(gathered)
}

/// What a run has in hand when it begins to read.
struct StartedCapture {
    session: ReadSession,
    address: String,
    incoming: Incoming,
    history: History,
}

async fn begin(
    order: &CaptureOptions,
    host: &Host,
    workspace: &Arc<Workspace>,
    sink: &Sink,
    interrupt: &Interrupt,
) -> Result<StartedCapture, checkpoint::Error> {
    let mut lock = workspace.lock(&host.name, interrupt).await?;
    let (session, address) = workspace.network.reach(host).await?;
    sink(Event::of(
        &host.name,
        HostEvent::Connected {
            user: session.user().to_owned(),
            address: address.clone(),
        },
    ));
    let (shared, full) = (Arc::clone(workspace), order.full);
    let sources: Vec<SourceName> = order
        .sources(host)
        .into_iter()
        .map(|source| source.name.clone())
        .collect();
    let interrupt = interrupt.clone();
    let (incoming, history) = blocking(move || {
        let history = History::read(&shared.store, &mut lock, &sources, full, &interrupt)?;
        Ok::<_, store::Error>((lock.begin((shared.clock)())?, history))
    })
    .await?;
    Ok(StartedCapture {
        session,
        address,
        incoming,
        history,
    })
}
