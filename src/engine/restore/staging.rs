//! Stages what a restore puts in place: archives are made, sent and hashed on the host at the same time, each
//! a step behind the one before.

use std::pin::Pin;
use std::sync::Arc;

use super::execute::Stop;
use crate::blocking::blocking;
use crate::digest::Sha256;
use crate::event::{Event, Restore, Sink};
use crate::guard::{Compression, RestoreRoot};
use crate::interrupt::Interrupt;
use crate::name::RemotePath;
use crate::restore::plan::Plan;
use crate::restore::plan::roots::RootPlan;
use crate::restore::prove::{self, Staged};
use crate::restore::stage::{Archive, Stager};
use crate::restore::transaction::Transaction;
use crate::source::probe::Probe;
use crate::ssh::WriteSession;
use crate::store::{self, SealedCheckpoint};

/// On links that are faster than this, compressing takes longer than sending.
const UNCOMPRESSED_FROM: u64 = 300_000_000;

/// What archives are made of, and where they go.
pub(super) struct Staging<'a> {
    pub(super) plan: &'a Plan,
    pub(super) session: &'a WriteSession,
    pub(super) checkpoint: Arc<SealedCheckpoint>,
    pub(super) safety: Arc<SealedCheckpoint>,
    pub(super) compression: Compression,
    pub(super) sink: &'a Sink,
    pub(super) interrupt: &'a Interrupt,
}

/// An archive, and what makes the next one.
type Made = (Stager, Result<Option<Archive>, store::Error>);

/// An archive that is being made.
type Making = Pin<Box<dyn Future<Output = Made> + Send>>;

/// Regular files that were sent, by their place in the staging folder.
type Files = Vec<(RemotePath, Sha256)>;

/// A staging whose first archive is being made.
pub(super) struct StagingRun<'a> {
    staging: Staging<'a>,
    first: Option<(RemotePath, Making)>,
}

impl<'a> Staging<'a> {
    /// Begins to make the first archive. Nothing is sent yet.
    pub(super) fn begin(self) -> StagingRun<'a> {
        let root = self.plan.roots.first_key_value();
        let first = root.map(|(path, (_, plan))| (path.clone(), self.make_first(path, plan)));
        StagingRun {
            staging: self,
            first,
        }
    }

    fn make_first(&self, root: &RemotePath, plan: &Arc<RootPlan>) -> Making {
        self.make_next(Stager::new(
            root.clone(),
            Arc::clone(plan),
            self.compression,
            self.plan.tools,
        ))
    }

    /// Begins to make the next archive; it is made whether or not somebody waits for it.
    fn make_next(&self, mut stager: Stager) -> Making {
        let (wanted, live) = (Arc::clone(&self.checkpoint), Arc::clone(&self.safety));
        Box::pin(blocking(move || {
            let archive = stager.next(&wanted, &live);
            (stager, archive)
        }))
    }
}

impl StagingRun<'_> {
    /// Sends what is new in all roots, and looks at all of it on the host. Adds to `sent_bytes` how much file
    /// content was sent, uncompressed.
    pub(super) async fn run(
        mut self,
        transaction: &Transaction,
        sent_bytes: &mut u64,
    ) -> Result<Staged, Stop> {
        let (plan, reader) = (self.staging.plan, self.staging.session.reader());
        let mut last: Option<(&RemotePath, Files)> = None;
        for root in &transaction.roots {
            if let Some((root, files)) = last.take() {
                prove::hash_staged(root, files, plan.sudo, reader).await?;
            }
            last = Some((&root.path, self.send(transaction, root, sent_bytes).await?));
        }
        let hash = async {
            match last {
                Some((root, files)) => prove::hash_staged(root, files, plan.sudo, reader).await,
                None => Ok(()),
            }
        };
        let (hashed, staged) = tokio::join!(hash, Staged::of(plan, plan.sudo, reader));
        hashed?;
        Ok(staged?)
    }

    /// Sends all archives of a root. Each is hashed on the host while the next one is sent, and the one behind
    /// that is made. Returns what is left to be hashed.
    async fn send(
        &mut self,
        transaction: &Transaction,
        root: &RestoreRoot,
        sent_bytes: &mut u64,
    ) -> Result<Files, Stop> {
        let Staging {
            plan,
            session,
            compression,
            sink,
            interrupt,
            ..
        } = self.staging;
        let Some((path, (_, root_plan))) = plan.roots.get_key_value(&root.path) else {
            return Ok(Vec::new());
        };
        let mut making = match self.first.take() {
            Some((first, making)) if first == *path => making,
            Some(_) | None => self.staging.make_first(path, root_plan),
        };
        let mut files = Vec::new();
        let total_bytes = plan.send_bytes();
        loop {
            let (stager, archive) = making.await;
            let Some(archive) = archive? else {
                return Ok(files);
            };
            if interrupt.is_raised() {
                return Err(Stop::Interrupted);
            }
            making = self.staging.make_next(stager);
            let hash = prove::hash_staged(path, files, plan.sudo, session.reader());
            let send = transaction.stage(session, root, &archive, compression);
            let (hashed, sent) = tokio::join!(hash, send);
            hashed?;
            sent?;
            *sent_bytes += archive.sent_bytes;
            sink(Event::of(
                &plan.target.host,
                Restore::Progress {
                    bytes: *sent_bytes,
                    total_bytes,
                },
            ));
            files = archive.files;
        }
    }
}

/// What is sent goes through what the host can undo best, unless the link is known to be fast.
pub(super) fn compression(probe: &Probe, link_bytes_per_second: Option<u64>) -> Compression {
    let has = |tool: &str| probe.tools.contains(tool);
    if link_bytes_per_second.is_some_and(|speed| speed >= UNCOMPRESSED_FROM) {
        Compression::None
    } else if has("zstd") {
        Compression::Zstd
    } else if has("gzip") {
        Compression::Gzip
    } else {
        Compression::None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_is_compressed_unless_the_link_is_known_to_be_fast() {
        let with = |tools: &[&str]| Probe {
            tools: tools.iter().map(|&tool| tool.to_owned()).collect(),
            ..Probe::default()
        };
        let (all, gzip) = (with(&["gzip", "zstd"]), with(&["gzip"]));
        let gigabit = Some(118_000_000);
        for (probe, speed, expected) in [
            (&all, None, Compression::Zstd),
            (&all, gigabit, Compression::Zstd),
            (&all, Some(UNCOMPRESSED_FROM), Compression::None),
            (&gzip, gigabit, Compression::Gzip),
            (&with(&[]), gigabit, Compression::None),
        ] {
            assert_eq!(compression(probe, speed), expected, "{speed:?}");
        }
    }
}
