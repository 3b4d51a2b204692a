//! Fetches a source's changed files into one pack. Starts uncompressed; if the link proves to be slow,
//! restarts compressed.

mod totals;
mod transfer;

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::oneshot;

use crate::blocking::blocking;
use crate::event::{Capture, Event, Sink};
use crate::fault::{Code, Problem};
use crate::guard::{Compression, ReadCommand, TarFlavour};
use crate::intake::fetch_list;
use crate::interrupt::{Interrupt, StopLevel};
use crate::inventory::{Source, WireCompression};
use crate::manifest::FileType;
use crate::name::{HostName, RemotePath};
use crate::pack::PackOptions;
use crate::source::lines::Lines;
use crate::source::probe::Probe;
use crate::source::scan::Found;
use crate::ssh::{self, Body, Exit, Input, ReadSession, Running};

use super::wire::{Timed, Wire, decoded};
use crate::intake::kept::Difference;
use crate::intake::receive::{self, Intake, Received, Unasked};
use crate::intake::repack::{self, Broken, TakenIn};
use crate::scan::directory::is_lost;
use crate::scan::unsized_files::{ReadFile, lacks_blocks};
use totals::{StreamTotals, ended_well};
use transfer::Transfer;

/// What it takes to fetch what differs of a source.
pub(super) struct Pull<'a> {
    pub(super) host: &'a HostName,
    pub(super) source: &'a Source,
    pub(super) session: &'a ReadSession,
    pub(super) probe: &'a Probe,
    pub(super) pack_path: PathBuf,
    /// How many packs the part may need.
    pub(super) packs_max: usize,
    /// How contents come over the wire.
    pub(super) wire: Wire,
    /// Only these lines of files.
    pub(super) lines: Option<Lines>,
    /// Ends reading when it is raised.
    pub(super) interrupt: &'a Interrupt,
    pub(super) sink: &'a Sink,
}

/// What came over the wire, and how it ended.
pub(super) struct TransferOutcome {
    pub(super) received: Received,
    pub(super) status: u32,
    pub(super) stderr: Vec<u8>,
    /// Output on standard error that was not kept.
    pub(super) dropped_bytes: u64,
    pub(super) failure: Option<Problem>,
    pub(super) lost: Option<ssh::Error>,
    pub(super) broken: Option<Broken>,
    /// How fast the link is, if enough has arrived to measure it.
    pub(super) bytes_per_second: Option<u64>,
}

impl TransferOutcome {
    /// Nothing was asked for.
    pub(super) fn nothing() -> Self {
        Self {
            received: Received::default(),
            status: 0,
            stderr: Vec::new(),
            dropped_bytes: 0,
            failure: None,
            lost: None,
            broken: None,
            bytes_per_second: None,
        }
    }

    fn failed(error: &ssh::Error) -> Self {
        Self {
            failure: Some(Problem::of_part(error)),
            lost: is_lost(error).then(|| error.clone()),
            ..Self::nothing()
        }
    }
}

/// How a stream ended.
enum StreamEnd {
    /// There is nothing more to come.
    Complete(Box<CompleteStream>),
    /// The rest had better come compressed.
    Enough(Box<Transfer>),
    /// The next tar reads what reports no blocks.
    Next(Box<Transfer>),
}

/// What there is when nothing more comes.
struct CompleteStream {
    transfer: Transfer,
    received: Result<Received, receive::Error>,
    broken: Option<Broken>,
    /// It could not be decompressed, and nobody read on.
    is_damaged: bool,
}

impl Pull<'_> {
    /// Fetches what differs.
    ///
    /// # Errors
    ///
    /// [`receive::Error`] if the pack cannot be written.
    pub(super) async fn run(
        &self,
        roots: &[RemotePath],
        difference: Difference,
        read: Vec<ReadFile>,
        warnings: &mut Vec<String>,
    ) -> Result<(Difference, TransferOutcome), receive::Error> {
        let tar = self.probe.tar_flavour();
        // A tar that takes no list gets every root as an argument.
        if tar.is_none() && is_too_long(roots) {
            let failure = Some(too_many(roots.len()));
            let pulled = TransferOutcome {
                failure,
                ..TransferOutcome::nothing()
            };
            return Ok((Difference::default(), pulled));
        }

        let left_bytes = difference.fetch_bytes();
        let compression = self.begin_compression(tar, left_bytes, warnings);
        // Only the first stream is measured: those after it keep the compression that it settled.
        let mut judge = self
            .may_change(tar, compression, &difference)
            .then_some((self.wire, left_bytes));
        let mut transfer = Transfer {
            difference,
            rest: None,
            whole_files: Vec::new(),
            reads_whole_files: false,
            read,
            intake: None,
            compression,
            bytes_per_second: None,
        };
        if tar == Some(TarFlavour::Gnu) {
            let mounts = &self.probe.mounts;
            transfer.put_off(|found| lacks_blocks(found, mounts));
        }

        // One stream follows the other until nothing is left to fetch.
        let mut totals = StreamTotals::default();
        loop {
            let (command, input, unasked) = asked(tar, roots, &transfer);
            let started = self.session.run(&command, self.source.sudo, input).await;
            let running = match started {
                Ok(running) => running,
                Err(error) => {
                    return totals
                        .stop_short(transfer, TransferOutcome::failed(&error))
                        .await;
                }
            };
            let (received, exit) = self
                .stream(running, transfer, unasked, judge.take(), &mut totals)
                .await?;
            match received {
                // The stream was left on purpose: its exit status means nothing.
                StreamEnd::Enough(next) => transfer = *next,
                StreamEnd::Next(next) => match ended_well(&next, exit) {
                    Ok(status) => {
                        transfer = *next;
                        totals.status = status;
                    }
                    Err(pulled) => return totals.stop_short(*next, *pulled).await,
                },
                StreamEnd::Complete(whole) => return totals.conclude(*whole, exit),
            }
        }
    }

    /// How the first stream is compressed. A tool that the host lacks is warned of.
    fn begin_compression(
        &self,
        tar: Option<TarFlavour>,
        left_bytes: u64,
        warnings: &mut Vec<String>,
    ) -> Compression {
        if tar.is_none() {
            return Compression::None;
        }
        self.wire.begin(left_bytes).unwrap_or_else(|tool| {
            warnings.push(format!(
                "the host has no `{tool}`, so everything comes uncompressed"
            ));
            Compression::None
        })
    }

    /// Whether the rest may come compressed if the link proves to be slow.
    fn may_change(
        &self,
        tar: Option<TarFlavour>,
        compression: Compression,
        difference: &Difference,
    ) -> bool {
        self.wire.wish == WireCompression::Auto
            && compression == Compression::None
            && tar.is_some()
            && !difference.fetch.iter().any(has_names)
    }

    /// Receives one stream until it ends, is left, or the operator stops it. Gives how it ended here and on
    /// the host.
    ///
    /// # Errors
    ///
    /// [`receive::Error`] if the pack cannot be written.
    async fn stream(
        &self,
        running: Running,
        transfer: Transfer,
        unasked: Unasked,
        judge: Option<(Wire, u64)>,
        totals: &mut StreamTotals,
    ) -> Result<(StreamEnd, Result<Exit, ssh::Error>), receive::Error> {
        let (body, ending) = running.split();
        let (enough, is_enough) = oneshot::channel();
        let receiving = self.receive(transfer, Timed::new(body, judge), unasked, enough);
        let is_enough = async {
            // The stream goes on to its end.
            if is_enough.await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        let over = async {
            tokio::select! {
                () = self.interrupt.reached(StopLevel::Soon) => {}
                () = is_enough => {}
            }
        };
        let (received, (exit, stderr)) = tokio::join!(receiving, ending.end_unless(over));
        totals.stderr.extend(stderr.to_bytes());
        totals.dropped_bytes += stderr.dropped_bytes();
        Ok((received?, exit))
    }

    /// Receives a stream on a thread of its own.
    async fn receive(
        &self,
        mut transfer: Transfer,
        mut stream: Timed<Body>,
        unasked: Unasked,
        enough: oneshot::Sender<()>,
    ) -> Result<StreamEnd, receive::Error> {
        let (mut progress, path) = (self.progress(), self.pack_path.clone());
        let (packs_max, lines) = (self.packs_max, self.lines.clone());
        let interrupt = self.interrupt.clone();
        let receiving = blocking(move || {
            let mut intake = match transfer.intake.take() {
                Some(mut intake) => {
                    intake.go_on();
                    intake
                }
                None => Intake::create(path, PackOptions::default())?,
            };
            intake.keep_lines(lines);
            intake.stop_when(interrupt);
            let mut taken_in = TakenIn::default();
            let mut read = intake.read(
                decoded(&mut stream, transfer.compression),
                transfer.wanted(),
                unasked,
                &mut progress,
            );
            transfer.learn(stream.bytes_per_second());
            if let (Ok(()), Some(better)) = (&read, stream.better) {
                tracing::debug!(?better, bytes_per_second = transfer.bytes_per_second);
                transfer.set_rest(&intake);
                transfer.intake = Some(intake);
                transfer.compression = better;
                // The receiver may have ended by itself.
                enough.send(()).ok();
                return Ok(StreamEnd::Enough(Box::new(transfer)));
            }
            let is_damaged = intake.is_cut() && !stream.has_ended;
            drop(stream);
            if read.is_ok() && !intake.is_cut() && transfer.begin_whole_files() {
                transfer.intake = Some(intake);
                return Ok(StreamEnd::Next(Box::new(transfer)));
            }
            if read.is_ok() {
                let files = std::mem::take(&mut transfer.read);
                read = files.into_iter().try_for_each(|file| intake.add(file));
            }
            if let (Ok(()), false, Some(kept)) =
                (&read, intake.is_cut(), transfer.difference.kept.as_ref())
            {
                let taken = repack::taken(kept, Some(intake.archive_bytes()), packs_max);
                read = repack::take_in(&mut intake, kept, &taken).map(|taken| taken_in = taken);
            }
            let received = intake.end(read).inspect(|received| {
                if let Some(kept) = &mut transfer.difference.kept {
                    taken_in.place(kept, received);
                }
            });
            Ok(StreamEnd::Complete(Box::new(CompleteStream {
                transfer,
                received,
                broken: taken_in.broken,
                is_damaged,
            })))
        });
        receiving.await
    }

    fn progress(&self) -> impl FnMut(u64, &RemotePath) + Send + 'static {
        let (sink, host, part) = (
            Arc::clone(self.sink),
            self.host.clone(),
            self.source.name.clone(),
        );
        move |bytes, path| {
            sink(Event::of(
                &host,
                Capture::Progress {
                    part: part.clone(),
                    bytes,
                    path: path.clone(),
                },
            ));
        }
    }
}

/// What is kept of what came.
fn kept(
    difference: Difference,
    received: Result<Received, receive::Error>,
    pulled: TransferOutcome,
) -> Result<(Difference, TransferOutcome), receive::Error> {
    match received {
        Ok(received) => Ok((difference, TransferOutcome { received, ..pulled })),
        Err(error) if error.is_local() => Err(error),
        // Nothing of it is kept, and what it says of itself matters no more.
        Err(error) => Ok((
            Difference::default(),
            TransferOutcome {
                failure: Some(Problem::of_part(&error)),
                ..TransferOutcome::nothing()
            },
        )),
    }
}

/// Whether a `tar` that takes no list could be given the names of the roots.
fn is_too_long(roots: &[RemotePath]) -> bool {
    let command = ReadCommand::FetchWhole {
        roots: roots.to_vec(),
    };
    command.is_too_long()
}

fn too_many(count: usize) -> Problem {
    Problem::in_part(
        Code::LimitExceeded,
        format!(
            "this host's `tar` reads no list of files, and {count} paths don't fit in its arguments"
        ),
        Some(
            "Install GNU tar on the host, or capture the directory instead of its files."
                .to_owned(),
        ),
    )
}

fn compressor_failed(compression: Compression, status: u32) -> Option<Problem> {
    let tool = compression.tool()?;
    (status == ReadCommand::COMPRESSOR_FAILED).then(|| {
        let hint = "To do without it, use `--compression none`, or set `compression: none` on the host in the inventory.";
        let message = format!("`{tool}` failed on the host");
        Problem::in_part(Code::ToolMissing, message, Some(hint.to_owned()))
    })
}

/// What has other names has to come by one stream, or the archive would hold it once more.
fn has_names(found: &Found) -> bool {
    !found.is(FileType::Directory) && found.may_have_names()
}

/// What the host is asked for.
fn asked(
    tar: Option<TarFlavour>,
    roots: &[RemotePath],
    transfer: &Transfer,
) -> (ReadCommand, Input, Unasked) {
    match tar {
        Some(tar) => (
            ReadCommand::Fetch {
                tar: if transfer.reads_whole_files {
                    TarFlavour::GnuDense
                } else {
                    tar
                },
                compression: transfer.compression,
            },
            fetch_list(transfer.wanted(), transfer.difference.kept.is_some()),
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
