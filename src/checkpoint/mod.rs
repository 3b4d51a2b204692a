//! One checkpoint of one host: probe → scan → fetch → seal.
//!
//! The host is told only what [`ReadCommand`] can say. What it answers becomes entries only after it
//! was proven whole: the tool's exit status, the end of the archive, and every entry that was asked
//! for. Nothing becomes visible in the store before the seal.

mod compose;
mod directory;
mod listing;
mod part;
mod plan;
mod preview;
mod receive;

use futures_util::future::join_all;
use jiff::Timestamp;
use tokio::sync::mpsc;

use crate::event::{Event, Sink};
use crate::fault::{ExitClass, Fault};
use crate::guard::{self, ReadCommand};
use crate::inventory::{Host, Source, SourceKind};
use crate::manifest::{Checkpoint, Entry, HostFacts, Part, PartFailure, PartState, Trigger};
use crate::name::{HostName, SourceName};
use crate::source::probe::Probe;
use crate::ssh::{self, Input, ReadSession};
use crate::store::{self, Facts, Incoming, PartFacts, WrittenEntries};

pub use preview::{Found, Preview, preview};
pub use receive::Error as ReceiveError;

use directory::{Fetch, Scanned};
use part::{Outcome, failure};

/// What is asked for of one host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// What the operator says about it; may be empty.
    pub description: String,
    /// Why.
    pub trigger: Trigger,
    /// Only these sources; empty: all.
    pub only: Vec<SourceName>,
}

impl Order {
    /// The sources of `host` that are meant.
    #[must_use]
    pub fn sources<'a>(&self, host: &'a Host) -> Vec<&'a Source> {
        let meant = |source: &&Source| self.only.is_empty() || self.only.contains(&source.name);
        host.sources.iter().filter(meant).collect()
    }
}

/// Why there is no checkpoint of a host.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The connection could not be made, or does not answer.
    #[error(transparent)]
    Ssh(#[from] ssh::Error),
    /// The store cannot be written.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A pack cannot be written.
    #[error("can't capture source `{part}`")]
    Receive {
        /// The part.
        part: SourceName,
        /// Why.
        source: ReceiveError,
    },
    /// The connection was lost before anything had arrived.
    #[error("the connection to {host} was lost before anything had arrived")]
    Nothing {
        /// The host.
        host: HostName,
        /// Why.
        source: ssh::Error,
    },
}

impl Fault for Error {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Ssh(error) | Self::Nothing { source: error, .. } => error.hint(),
            Self::Store(error) => error.hint(),
            Self::Receive { source, .. } => source.hint(),
        }
    }

    fn exit_class(&self) -> ExitClass {
        match self {
            Self::Ssh(error) => error.exit_class(),
            Self::Nothing { .. } => ExitClass::Unreachable,
            Self::Store(error) => error.exit_class(),
            Self::Receive { source, .. } => source.exit_class(),
        }
    }
}

/// Everything that a checkpoint will hold, in the store but not yet visible there.
#[must_use = "nothing is visible in the store before `seal`"]
#[derive(Debug)]
pub struct Gathered {
    incoming: Incoming,
    outcomes: Vec<Outcome>,
    facts: Facts,
}

/// Reads what `order` asks for from the host behind `session`, which was reached at `address`
/// (`address:port`). `sealed` are the host's checkpoints, oldest first.
///
/// A part that fails does not stop the others: the checkpoint is partial then.
///
/// # Errors
///
/// [`Error`] if there is nothing to seal; nothing is visible in the store then.
///
/// # Cancel
///
/// Dropping the future leaves a folder that is not visible and that the next run of this host clears
/// away. What runs on the host ends with its channel.
pub async fn gather(
    order: &Order,
    host: &Host,
    session: &ReadSession,
    address: &str,
    incoming: Incoming,
    sealed: &[Checkpoint],
    sink: &Sink,
) -> Result<Gathered, Error> {
    let started = Timestamp::now();
    let captured = capture(order, host, session, &incoming, sealed, sink).await;
    let (probe, outcomes) = match captured {
        Ok(captured) => captured,
        Err(error) => {
            // The first error tells more than one of the cleaning, which the next run does again.
            drop(incoming.abandon());
            return Err(error);
        }
    };
    let facts = Facts {
        started,
        finished: Timestamp::now(),
        trigger: order.trigger,
        description: order.description.clone(),
        host: host_facts(host, session, address, &probe),
        parts: Vec::new(),
        packs: outcomes
            .iter()
            .filter_map(|outcome| outcome.pack.clone())
            .collect(),
        warnings: Vec::new(),
        fetched_bytes: outcomes
            .iter()
            .map(|outcome| outcome.part.fetched_bytes)
            .sum(),
        notes: Vec::new(),
    };
    Ok(Gathered {
        incoming,
        outcomes,
        facts,
    })
}

/// Every source in turn, what it came to, and what the host said about itself.
async fn capture(
    order: &Order,
    host: &Host,
    session: &ReadSession,
    incoming: &Incoming,
    sealed: &[Checkpoint],
    sink: &Sink,
) -> Result<(Probe, Vec<Outcome>), Error> {
    let sources = order.sources(host);
    let probe = probe(session, false).await?;
    // What is scanned is fetched while other sources are still being scanned: a `find` that hangs on
    // one of them (a dead mount) then stalls the connection only when all others have arrived.
    let (scanned, mut waiting) = mpsc::unbounded_channel();
    let scanning = async {
        let scans = sources.iter().enumerate().map(|(place, source)| {
            let scanned = scanned.clone();
            let scan = scan(source, session, &probe);
            // The other side ends early only if the whole run does.
            async move { scanned.send((place, scan.await)).ok() }
        });
        join_all(scans).await;
        drop(scanned);
        Ok::<(), Error>(())
    };
    let mut outcomes: Vec<(usize, Outcome)> = Vec::with_capacity(sources.len());
    let mut lost: Option<ssh::Error> = None;
    let fetching = async {
        while let Some((place, scanned)) = waiting.recv().await {
            let source = sources[place];
            sink(Event::PartStarted {
                host: host.name.clone(),
                part: source.name.clone(),
            });
            let outcome = match scanned {
                Scanned::Absent => Outcome::new(source, PartState::Absent),
                Scanned::Failed(why) => Outcome::failed(source, why),
                Scanned::Lost(error) => {
                    let outcome = Outcome::failed(source, failure(&error));
                    lost.get_or_insert(error);
                    outcome
                }
                Scanned::Ready { .. } if lost.is_some() => Outcome::failed(source, not_reached()),
                Scanned::Ready { plan, directory } => {
                    let fetch = Fetch {
                        host: &host.name,
                        source,
                        directory,
                        session,
                        probe: &probe,
                        pack: incoming.pack_name(&source.name),
                        pack_path: incoming.pack_path(&source.name),
                        previous: last_captured(sealed, &source.name),
                        sink,
                    };
                    let (outcome, ended) =
                        fetch.run(*plan).await.map_err(|error| Error::Receive {
                            part: source.name.clone(),
                            source: error,
                        })?;
                    lost = lost.take().or(ended);
                    outcome
                }
            };
            sink(Event::PartEnded {
                host: host.name.clone(),
                part: Box::new(outcome.part.clone()),
            });
            outcomes.push((place, outcome));
        }
        Ok::<(), Error>(())
    };
    tokio::try_join!(scanning, fetching)?;
    outcomes.sort_by_key(|(place, _)| *place);
    let outcomes: Vec<Outcome> = outcomes.into_iter().map(|(_, outcome)| outcome).collect();
    if let Some(error) = lost
        && outcomes.iter().all(|outcome| outcome.entries.is_empty())
    {
        return Err(Error::Nothing {
            host: host.name.clone(),
            source: error,
        });
    }
    Ok((probe, outcomes))
}

impl Gathered {
    /// Makes the checkpoint visible, whole or not at all. Blocking; not to be interrupted.
    ///
    /// # Errors
    ///
    /// [`Error::Store`] if the store cannot be written; nothing is visible then.
    pub fn seal(mut self) -> Result<Checkpoint, Error> {
        for outcome in self.outcomes {
            let entries = match outcome.entries.as_slice() {
                [] => None,
                entries => Some(write(&self.incoming, &outcome.part.name, entries)?),
            };
            self.facts.parts.push(PartFacts {
                part: outcome.part,
                entries,
            });
        }
        Ok(self.incoming.seal(self.facts)?)
    }
}

fn write(
    incoming: &Incoming,
    part: &SourceName,
    entries: &[Entry],
) -> Result<WrittenEntries, store::Error> {
    let mut writer = incoming.entries(part)?;
    for entry in entries {
        writer.append(entry)?;
    }
    writer.finish()
}

/// An answer to the probe is a few hundred bytes.
const PROBE_MAX_BYTES: usize = 64 << 10;

/// Asks a host about itself.
///
/// # Errors
///
/// [`ssh::Error`] if it does not answer.
pub async fn probe(session: &ReadSession, ask_sudo: bool) -> Result<Probe, ssh::Error> {
    let command = ReadCommand::Probe { ask_sudo };
    let answer = session
        .output(&command, false, Input::none(), PROBE_MAX_BYTES)
        .await?;
    Ok(Probe::parse(&answer.stdout))
}

async fn scan<'a>(source: &'a Source, session: &ReadSession, probe: &Probe) -> Scanned<'a> {
    match &source.kind {
        SourceKind::Directory(directory) => {
            directory::scan(source, directory, session, probe).await
        }
        SourceKind::Files(_)
        | SourceKind::Postgres(_)
        | SourceKind::Command(_)
        | SourceKind::Http(_) => Scanned::Failed(not_yet(source)),
    }
}

fn not_yet(source: &Source) -> PartFailure {
    PartFailure {
        message: format!(
            "this fleet cannot capture `{}` sources yet",
            source.kind.as_str()
        ),
        hint: Some(
            "Only directory sources are captured by this version; name them with `--only`."
                .to_owned(),
        ),
    }
}

fn not_reached() -> PartFailure {
    PartFailure {
        message: "the connection was lost before its turn came".to_owned(),
        hint: Some("Run the command again.".to_owned()),
    }
}

/// The part `name` as it was when it was last captured. A partial checkpoint tells of it too, for
/// another part may have failed every time; one that was taken of other sources tells nothing.
fn last_captured<'a>(sealed: &'a [Checkpoint], name: &SourceName) -> Option<&'a Part> {
    sealed
        .iter()
        .rev()
        .flat_map(|checkpoint| &checkpoint.parts)
        .find(|part| part.name == *name && is_captured(part.state))
}

fn is_captured(state: PartState) -> bool {
    match state {
        PartState::Complete | PartState::Warned => true,
        PartState::Absent | PartState::Failed => false,
    }
}

fn host_facts(host: &Host, session: &ReadSession, address: &str, probe: &Probe) -> HostFacts {
    HostFacts {
        env: host
            .env
            .as_ref()
            .map_or_else(String::new, |(env, _)| env.clone()),
        protected: !guard::protection(host).is_empty(),
        address: address.to_owned(),
        user: session.user().to_owned(),
        host_key: session.host_key_fingerprint(),
        machine_id: probe.machine_id.clone(),
        os: probe.system().to_owned(),
        kernel: probe.kernel.clone(),
        hostname: probe.hostname.clone(),
    }
}
