//! What differs comes over the wire into one pack, by one stream or, where the link proves to be slow, by
//! two: the second one compressed.

use std::collections::HashSet;

use tokio::sync::oneshot;

use crate::guard::{Compression, ReadCommand, TarFlavour};
use crate::inventory::WireCompression;
use crate::manifest::PartFailure;
use crate::name::RemotePath;
use crate::source::scan::{Found, FoundKind};
use crate::ssh::{self, Body, Input};
use crate::store::pack::PackOptions;

use super::asked_to_stop;
use super::compare::Difference;
use super::directory::is_lost;
use super::fetch::Fetch;
use super::part::failure;
use super::receive::{self, Intake, Received, Unasked};
use super::repack::{self, Broken, TakenIn};
use super::wire::{Timed, decoded};

/// What came over the wire, and how it ended.
pub(super) struct Pulled {
    pub(super) received: Received,
    pub(super) status: u32,
    pub(super) stderr: Vec<u8>,
    pub(super) failure: Option<PartFailure>,
    pub(super) lost: Option<ssh::Error>,
    pub(super) broken: Option<Broken>,
    /// How fast the link is, if enough came to tell.
    pub(super) bytes_per_second: Option<u64>,
}

impl Pulled {
    /// Nothing was asked for.
    pub(super) fn nothing() -> Self {
        Self {
            received: Received::default(),
            status: 0,
            stderr: Vec::new(),
            failure: None,
            lost: None,
            broken: None,
            bytes_per_second: None,
        }
    }

    fn failed(error: &ssh::Error) -> Self {
        Self {
            failure: Some(failure(error)),
            lost: is_lost(error).then(|| error.clone()),
            ..Self::nothing()
        }
    }
}

/// What is kept from stream to stream.
struct Pull {
    difference: Difference,
    /// What has not arrived yet; none: everything that differs.
    rest: Option<Vec<Found>>,
    intake: Option<Intake>,
    compression: Compression,
    bytes_per_second: Option<u64>,
}

/// How a stream ended.
enum Ended {
    /// There is nothing more to come.
    Whole(Box<Whole>),
    /// The rest had better come compressed.
    Enough(Box<Pull>),
}

/// What there is when nothing more comes.
struct Whole {
    pull: Pull,
    received: Result<Received, receive::Error>,
    broken: Option<Broken>,
    /// It could not be decompressed, and nobody read on.
    is_damaged: bool,
}

impl Pull {
    fn wanted(&self) -> &[Found] {
        self.rest.as_deref().unwrap_or(&self.difference.fetch)
    }

    /// Takes what is known of the link.
    fn learn(&mut self, measured: Option<u64>) {
        // What is compressed may come as slowly as the host compresses: it tells how fast the link is
        // at least.
        self.bytes_per_second = match (self.compression, measured) {
            (Compression::None, Some(measured)) => Some(measured),
            (Compression::Gzip | Compression::Zstd, Some(measured)) => self
                .bytes_per_second
                .is_none_or(|known| measured > known)
                .then_some(measured)
                .or(self.bytes_per_second),
            (_, None) => self.bytes_per_second,
        };
    }

    /// What has not arrived.
    fn set_rest(&mut self, intake: &Intake) {
        let arrived: HashSet<&RemotePath> = intake.arrived().collect();
        let rest = self.wanted().iter();
        let rest = rest.filter(|found| !arrived.contains(&found.path)).cloned();
        self.rest = Some(rest.collect());
    }
}

impl Fetch<'_> {
    /// Fetches what differs.
    ///
    /// # Errors
    ///
    /// [`receive::Error`] if the pack cannot be written.
    pub(super) async fn pull(
        &self,
        roots: &[RemotePath],
        difference: Difference,
        warnings: &mut Vec<String>,
    ) -> Result<(Difference, Pulled), receive::Error> {
        let tar = self.probe.tar_flavour();
        let left_bytes = difference.fetch_bytes();
        let compression = tar
            .map_or(Ok(Compression::None), |_| self.wire.begin(left_bytes))
            .unwrap_or_else(|tool| {
                warnings.push(format!(
                    "the host has no `{tool}`, so everything comes uncompressed"
                ));
                Compression::None
            });
        let may_change = self.wire.wish == WireCompression::Auto
            && compression == Compression::None
            && tar.is_some()
            && !difference.fetch.iter().any(has_names);
        let mut judge = may_change.then_some((self.wire, left_bytes));
        let mut pull = Pull {
            difference,
            rest: None,
            intake: None,
            compression,
            bytes_per_second: None,
        };
        let mut said = Vec::new();
        loop {
            let (command, input, unasked) = asked(tar, roots, &pull);
            let started = self.session.run(&command, self.source.sudo, input).await;
            let running = match started {
                Ok(running) => running,
                Err(error) => {
                    let mut pulled = Pulled::failed(&error);
                    if let Some(intake) = pull.intake {
                        pulled.received = tokio::task::spawn_blocking(move || intake.finish())
                            .await
                            .expect("finishing does not panic")?;
                        pulled.stderr = said;
                    }
                    return Ok((pull.difference, pulled));
                }
            };
            let (body, ending) = running.split();
            let (enough, is_enough) = oneshot::channel();
            let stream = Timed::new(body, judge.take());
            let receiving = self.receive(pull, stream, unasked, enough);
            let is_enough = async {
                // The stream goes on to its end.
                if is_enough.await.is_err() {
                    std::future::pending::<()>().await;
                }
            };
            let over = async {
                tokio::select! {
                    () = asked_to_stop(&self.stop) => {}
                    () = is_enough => {}
                }
            };
            let (received, (ended, stderr)) = tokio::join!(receiving, ending.end_unless(over));
            said.extend(stderr.to_bytes());
            match received? {
                Ended::Enough(next) => pull = *next,
                Ended::Whole(whole) => {
                    let Whole {
                        pull,
                        received,
                        broken,
                        is_damaged,
                    } = *whole;
                    let mut pulled = match ended {
                        _ if is_damaged => Pulled::nothing(),
                        Ok(exit) => Pulled {
                            status: exit.status,
                            failure: compressor_failed(pull.compression, exit.status),
                            ..Pulled::nothing()
                        },
                        Err(error) => Pulled::failed(&error),
                    };
                    (pulled.stderr, pulled.broken) = (said, broken);
                    pulled.bytes_per_second = pull.bytes_per_second;
                    return kept(pull.difference, received, pulled);
                }
            }
        }
    }

    /// Receives a stream on a thread of its own.
    async fn receive(
        &self,
        mut pull: Pull,
        mut stream: Timed<Body>,
        unasked: Unasked,
        enough: oneshot::Sender<()>,
    ) -> Result<Ended, receive::Error> {
        let (mut progress, path) = (self.progress(), self.pack_path.clone());
        let packs_max = self.packs_max;
        let receiving = tokio::task::spawn_blocking(move || {
            let mut intake = match pull.intake.take() {
                Some(mut intake) => {
                    intake.go_on();
                    intake
                }
                None => Intake::create(path, PackOptions::default())?,
            };
            let mut taken_in = TakenIn::default();
            let mut read = intake.read(
                decoded(&mut stream, pull.compression),
                pull.wanted(),
                unasked,
                &mut progress,
            );
            pull.learn(stream.bytes_per_second());
            if let (Ok(()), Some(better)) = (&read, stream.better) {
                tracing::debug!(?better, bytes_per_second = pull.bytes_per_second);
                pull.set_rest(&intake);
                pull.intake = Some(intake);
                pull.compression = better;
                // Whoever is told may have ended by itself.
                enough.send(()).ok();
                return Ok(Ended::Enough(Box::new(pull)));
            }
            let is_damaged = intake.is_cut() && !stream.has_ended;
            drop(stream);
            if let (Ok(()), false, Some(kept)) =
                (&read, intake.is_cut(), pull.difference.kept.as_ref())
            {
                let taken = repack::taken(kept, Some(intake.archive_bytes()), packs_max);
                read = repack::take_in(&mut intake, kept, &taken).map(|taken| taken_in = taken);
            }
            let received = intake.end(read).inspect(|received| {
                if let Some(kept) = &mut pull.difference.kept {
                    taken_in.place(kept, received);
                }
            });
            Ok(Ended::Whole(Box::new(Whole {
                pull,
                received,
                broken: taken_in.broken,
                is_damaged,
            })))
        });
        receiving.await.expect("receiving does not panic")
    }
}

/// What is kept of what came.
fn kept(
    difference: Difference,
    received: Result<Received, receive::Error>,
    pulled: Pulled,
) -> Result<(Difference, Pulled), receive::Error> {
    match received {
        Ok(received) => Ok((difference, Pulled { received, ..pulled })),
        Err(error) if error.is_local() => Err(error),
        // Nothing of it is kept, and what it says of itself matters no more.
        Err(error) => Ok((
            Difference::default(),
            Pulled {
                failure: Some(failure(&error)),
                ..Pulled::nothing()
            },
        )),
    }
}

fn compressor_failed(compression: Compression, status: u32) -> Option<PartFailure> {
    let tool = compression.tool()?;
    (status == ReadCommand::COMPRESSOR_FAILED).then(|| PartFailure {
        message: format!("`{tool}` failed on the host"),
        hint: Some("With `--compression none`, or `compression: none` at the host in the inventory, it is not needed.".to_owned()),
    })
}

/// What has other names has to come by one stream, or the archive would hold it once more.
fn has_names(found: &Found) -> bool {
    !found.is(FoundKind::Directory) && found.may_have_names()
}

/// What the host is asked for.
fn asked(
    tar: Option<TarFlavour>,
    roots: &[RemotePath],
    pull: &Pull,
) -> (ReadCommand, Input, Unasked) {
    match tar {
        Some(tar) => (
            ReadCommand::Fetch {
                tar,
                compression: pull.compression,
            },
            list(pull.wanted(), pull.difference.kept.is_some()),
            Unasked::Refuse,
        ),
        None => (
            ReadCommand::FetchWhole {
                roots: roots.to_vec(),
            },
            Input::none(),
            Unasked::Drop,
        ),
    }
}

/// The names that tar is asked for. Where entries are taken over, the directories come first: a pull that
/// is cut then still knows where those belong.
pub(super) fn list(wanted: &[Found], directories_first: bool) -> Input {
    let mut list = Vec::new();
    let mut add = |found: &Found| {
        list.extend_from_slice(found.path.member());
        list.push(0);
    };
    let is_directory = |found: &&Found| found.is(FoundKind::Directory);
    if directories_first {
        wanted.iter().filter(is_directory).for_each(&mut add);
        wanted
            .iter()
            .filter(|found| !is_directory(found))
            .for_each(add);
    } else {
        wanted.iter().for_each(add);
    }
    Input::bytes(list)
}
