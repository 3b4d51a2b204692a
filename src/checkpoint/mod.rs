//! Takes a checkpoint of one host: probe → scan → fetch → seal.
//!
//! Only [`crate::guard::ReadCommand`]s are sent to the host. What it answers becomes entries only after it
//! was proven whole: the tool's exit status, the end of the archive, and every entry that was asked
//! for. Nothing becomes visible in the store before the seal.

mod capture;
mod compare;
mod facts;
mod fetch;
mod history;
mod one_tree;
mod pull;
mod verify_unchanged;
mod wire;
mod written;

use futures_util::future::join_all;
use jiff::Timestamp;
use tokio::sync::mpsc;

use crate::blocking::blocking;
use crate::event::{Capture, Event, HostEvent, Sink};
use crate::fault::{Code, Problem};
use crate::intake::part::{self, Outcome};
use crate::interrupt::{Interrupt, StopLevel};
use crate::inventory::{Host, Source, WireCompression};
use crate::manifest::{self, PartState, Trigger};
use crate::name::SourceName;
use crate::scan::{directory::Scanned, scan};
use crate::source::probe::Probe;
use crate::ssh::{self, ReadSession};
use crate::store::Facts;
use crate::store::Incoming;
use crate::store::seal::tiers;

pub use crate::intake::HostError as Error;
pub use history::History;
pub use written::WrittenCheckpoint;

use capture::{CaptureJob, CaptureOutcome};
use facts::ProbeAnswer;
use fetch::Fetch;
use pull::Pull;
use wire::Wire;

/// What is asked for of one host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaptureOptions {
    /// What the operator says about it; may be empty.
    pub description: String,
    /// Why.
    pub trigger: Trigger,
    /// Only these sources; empty: all.
    pub only: Vec<SourceName>,
    /// Everything is fetched, whatever is known to be unchanged.
    pub full: bool,
    /// What seems unchanged is proven to be: the host hashes it.
    pub verify_unchanged: bool,
    /// How file contents come over the wire; none: as the inventory says.
    pub compression: Option<WireCompression>,
}

impl CaptureOptions {
    /// The sources of `host` that are meant.
    #[must_use]
    pub fn sources<'a>(&self, host: &'a Host) -> Vec<&'a Source> {
        let meant = |source: &&Source| self.only.is_empty() || self.only.contains(&source.name);
        host.sources.iter().filter(meant).collect()
    }

    /// Whether that leaves out any source of `host`: the checkpoint is a subset then.
    #[must_use]
    fn is_subset(&self, host: &Host) -> bool {
        self.sources(host).len() < host.sources.len()
    }
}

/// Everything that a checkpoint will hold, in the store but not yet visible there.
#[must_use = "nothing is visible in the store before `seal`"]
#[derive(Debug)]
pub struct UnsealedCheckpoint {
    incoming: Incoming,
    outcomes: Vec<Outcome>,
    facts: Facts,
}

/// Reads what `order` asks for from the host behind `session`, which was reached at `address`
/// (`address:port`). `history` is what is known of its sources, and what is still the same is not
/// fetched again. When `interrupt` is raised, reading ends, and what has arrived whole is what there is.
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
    order: &CaptureOptions,
    host: &Host,
    (session, address): (&ReadSession, &str),
    mut incoming: Incoming,
    history: &History,
    interrupt: &Interrupt,
    sink: &Sink,
) -> Result<UnsealedCheckpoint, Error> {
    let started = Timestamp::now();
    let captured = Gatherer {
        order,
        host,
        session,
        incoming: &incoming,
        history,
        interrupt,
        sink,
    };
    let captured = captured.run().await;
    let Captured {
        probe,
        facts: observed,
        outcomes,
    } = match captured {
        Ok(captured) => {
            let broken = captured
                .outcomes
                .iter()
                .filter_map(|outcome| outcome.broken.clone());
            incoming.distrust_packs(&broken.collect::<Vec<_>>());
            if let Some(speed) = part::link_speed(&captured.outcomes) {
                incoming.remember_link_speed(speed);
            }
            captured
        }
        Err(error) => {
            // The first error is more useful than one of the cleaning, which the next run does again.
            drop(incoming.abandon());
            return Err(error);
        }
    };
    let facts = Facts {
        started,
        finished: Timestamp::now(),
        trigger: order.trigger,
        subset: order.is_subset(host),
        description: order.description.clone(),
        host: facts::identity(host, session, address, &probe),
        observed,
        parts: Vec::new(),
        packs: part::packs(&outcomes),
        warnings: history.warnings.clone(),
        fetched_bytes: outcomes
            .iter()
            .map(|outcome| outcome.part.fetched_bytes)
            .sum(),
        notes: outcomes.iter().filter_map(|o| o.note.clone()).collect(),
    };
    Ok(UnsealedCheckpoint {
        incoming,
        outcomes,
        facts,
    })
}

/// What became of a source at first.
enum Read<'a> {
    /// It was scanned, and what differs is to be fetched.
    Scanned(Scanned<'a>),
    /// It was taken as a whole.
    Taken(CaptureOutcome),
}

/// What it takes to read all sources of a host.
struct Gatherer<'a> {
    order: &'a CaptureOptions,
    host: &'a Host,
    session: &'a ReadSession,
    incoming: &'a Incoming,
    history: &'a History,
    interrupt: &'a Interrupt,
    sink: &'a Sink,
}

/// What the sources of a host came to.
struct Captured {
    probe: Probe,
    facts: manifest::HostFacts,
    /// In the inventory's order.
    outcomes: Vec<Outcome>,
}

impl Gatherer<'_> {
    /// What every source came to, and what the host reported about itself.
    async fn run(self) -> Result<Captured, Error> {
        self.warn(None, &self.history.warnings);
        let sources = self.order.sources(self.host);
        // What is scanned is fetched while other sources are still being scanned: a `find` that hangs
        // on one of them (a dead mount) then stalls the connection only when all others have arrived.
        let (scanned, mut waiting) = mpsc::unbounded_channel();
        let scanning = async {
            let scans = sources.iter().enumerate().map(|(place, source)| {
                let scanned = scanned.clone();
                let read = self.read(source);
                // The other side ends early only if the whole run does.
                async move { scanned.send((place, read.await)).ok() }
            });
            join_all(scans).await;
            drop(scanned);
            Ok::<(), Error>(())
        };
        let mut outcomes: Vec<(usize, Outcome)> = Vec::with_capacity(sources.len());
        let mut lost: Option<ssh::Error> = None;
        let mut fetching = async |answer: ProbeAnswer| {
            // Asked at the same time as the scans: each question costs a round trip.
            let probe = tokio::select! {
                probe = answer.get() => probe?,
                () = self.interrupt.reached(StopLevel::Soon) => return Err(Error::Ssh(ssh::Error::Stopped {
                    host: self.host.name.to_string(),
                })),
            };
            while let Some((place, read)) = waiting.recv().await {
                let source = sources[place];
                (self.sink)(Event::of(
                    &self.host.name,
                    Capture::PartStarted {
                        part: source.name.clone(),
                    },
                ));
                let outcome = match read {
                    Read::Scanned(scanned) => self.part(source, scanned, &probe, &mut lost).await?,
                    Read::Taken(taken) => self.captured(source, taken, &mut lost).await?,
                };
                self.warn(Some(&source.name), &outcome.part.warnings);
                (self.sink)(Event::of(
                    &self.host.name,
                    Capture::PartEnded {
                        part: Box::new(outcome.part.clone()),
                    },
                ));
                outcomes.push((place, outcome));
            }
            Ok::<Probe, Error>(probe)
        };
        let work = async |answer| tokio::try_join!(scanning, fetching(answer));
        let (((), probe), facts) = facts::beside(
            work,
            self.session,
            &sources,
            self.history.observed.as_ref(),
            self.interrupt,
        )
        .await?;
        outcomes.sort_by_key(|(place, _)| *place);
        let mut outcomes: Vec<Outcome> = outcomes.into_iter().map(|(_, outcome)| outcome).collect();
        for (part, message) in one_tree::settle(&mut outcomes) {
            self.warn(Some(&part), &[message]);
        }
        if let Some(error) = lost
            && !outcomes.iter().any(|outcome| outcome.content.has_news())
        {
            return Err(Error::Nothing {
                host: self.host.name.clone(),
                source: error,
            });
        }
        Ok(Captured {
            probe,
            facts,
            outcomes,
        })
    }

    fn warn(&self, part: Option<&SourceName>, warnings: &[String]) {
        for message in warnings {
            (self.sink)(Event::of(
                &self.host.name,
                HostEvent::Warned {
                    part: part.cloned(),
                    message: message.clone(),
                },
            ));
        }
    }

    /// Scans or takes a source, unless the operator wants to stop first.
    async fn read<'s>(&self, source: &'s Source) -> Read<'s> {
        let reading = async {
            match scan(source, self.session).await {
                Some(scanned) => Read::Scanned(scanned),
                None => {
                    let job = CaptureJob {
                        source,
                        host: self.host,
                        session: self.session,
                        spool: &self.incoming.spool_path(&source.name),
                    };
                    Read::Taken(job.run().await)
                }
            }
        };
        tokio::select! {
            read = reading => read,
            () = self.interrupt.reached(StopLevel::Soon) => Read::Scanned(Scanned::Lost(ssh::Error::Stopped {
                host: self.host.name.to_string(),
            })),
        }
    }

    /// Makes a part of what was taken.
    async fn captured(
        &self,
        source: &Source,
        taken: CaptureOutcome,
        lost: &mut Option<ssh::Error>,
    ) -> Result<Outcome, Error> {
        let captured = match taken {
            CaptureOutcome::Captured(captured) => captured,
            CaptureOutcome::Absent => return Ok(Outcome::new(source, PartState::Absent)),
            CaptureOutcome::Failed(why) => return Ok(Outcome::failed(source, why)),
            CaptureOutcome::Lost(error) => {
                let outcome = Outcome::failed(source, Problem::of_part(&error));
                lost.get_or_insert(error);
                return Ok(outcome);
            }
        };
        let keeping = capture::Keeping {
            source: source.clone(),
            pack: self.incoming.pack_name(&source.name),
            pack_path: self.incoming.pack_path(&source.name),
            known: self.history.of(&source.name),
            lost: self.history.lost.clone(),
        };
        let kept = blocking(move || keeping.keep(captured)).await;
        kept.map_err(|error| Error::Receive {
            part: source.name.clone(),
            source: error,
        })
    }

    /// Makes a part of what was scanned.
    async fn part(
        &self,
        source: &Source,
        scanned: Scanned<'_>,
        probe: &Probe,
        lost: &mut Option<ssh::Error>,
    ) -> Result<Outcome, Error> {
        let (result, terms, opening) = match scanned {
            Scanned::Ready { .. } | Scanned::Failed(_) if !probe.has_tar() => {
                return Ok(Outcome::failed(source, no_tar()));
            }
            Scanned::Absent => return Ok(Outcome::new(source, PartState::Absent)),
            Scanned::Failed(why) => return Ok(Outcome::failed(source, why)),
            Scanned::Lost(error) => {
                let outcome = Outcome::failed(source, Problem::of_part(&error));
                lost.get_or_insert(error);
                return Ok(outcome);
            }
            Scanned::Ready { .. } if lost.is_some() => {
                return Ok(Outcome::failed(source, not_reached()));
            }
            Scanned::Ready {
                result,
                terms,
                opening,
            } => (result, terms, opening),
        };
        let pull = Pull {
            host: &self.host.name,
            source,
            session: self.session,
            probe,
            pack_path: self.incoming.pack_path(&source.name),
            packs_max: tiers::packs_max(self.order.sources(self.host).len()),
            wire: Wire::new(
                self.order.compression.unwrap_or(self.host.compression),
                self.history.link_bytes_per_second,
                probe,
            ),
            lines: terms.lines.clone(),
            interrupt: self.interrupt,
            sink: self.sink,
        };
        let fetch = Fetch {
            pull,
            terms,
            opening,
            pack: self.incoming.pack_name(&source.name),
            known: self.history.of(&source.name),
            vouched: &self.history.vouched,
            lost: &self.history.lost,
            verify_unchanged: self.order.verify_unchanged,
        };
        let fetched = fetch.run(*result).await;
        let (outcome, ended) = fetched.map_err(|error| Error::Receive {
            part: source.name.clone(),
            source: error,
        })?;
        *lost = lost.take().or(ended);
        Ok(outcome)
    }
}

fn no_tar() -> Problem {
    Problem::in_part(
        Code::ToolMissing,
        "the host has no `tar`",
        Some("`fleet doctor` shows which tools the host has.".to_owned()),
    )
}

fn not_reached() -> Problem {
    Problem::in_part(
        Code::ConnectionLost,
        "the connection was lost before its turn came",
        Some("Run the command again.".to_owned()),
    )
}
