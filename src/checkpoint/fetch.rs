//! From a scan to a part: compare it with the last checkpoint, fetch what differs, and put both
//! together.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::event::Event;
use crate::inventory::DirectorySource;
use crate::manifest::{Pack, PackName, PartState};
use crate::source::notes;
use crate::source::scan::{Found, Opening};
use crate::ssh;
use crate::store::SealedCheckpoint;
use crate::store::pack::PackOptions;

use super::compare::{Comparison, Difference, Unusable};
use super::compose::{Asked, compose};
use super::history::Known;
use super::machine::other_machine;
use super::part::{Outcome, failure, shrinkage};
use super::plan::Plan;
use super::pull::{Pull, Pulled};
use super::receive::{self, Intake, Received};
use super::repack;
use super::unchanged;

/// What it takes to make a part of what a scan found.
pub(super) struct Fetch<'a> {
    /// How what differs is fetched.
    pub(super) pull: Pull<'a>,
    pub(super) directory: &'a DirectorySource,
    pub(super) opening: Opening,
    pub(super) pack: PackName,
    pub(super) known: Known,
    /// Packs that must not be referred to.
    pub(super) lost: &'a BTreeSet<PackName>,
    /// What seems unchanged is proven to be by its digest.
    pub(super) verify_unchanged: bool,
}

/// A part, and the end of the connection if it came meanwhile.
pub(super) type Fetched = (Outcome, Option<ssh::Error>);

impl Fetch<'_> {
    /// Makes a part of what `plan` wants.
    ///
    /// # Errors
    ///
    /// [`receive::Error`] if the pack cannot be written; everything else makes the part failed.
    pub(super) async fn run(self, plan: Plan) -> Result<Fetched, receive::Error> {
        let mut outcome = Outcome::new(self.pull.source, PartState::Complete);
        outcome.part.roots = plan.roots.clone();
        outcome.part.exclude = self.directory.exclude.clone();
        outcome.part.scanned_at = self.opening.clock;
        let mut warnings = plan.warnings;
        let found = sorted(plan.wanted, plan.sockets);
        let (difference, lost) = self.compare(found, &mut warnings).await;
        if let Some(error) = lost {
            outcome.fail(failure(&error));
            return Ok((outcome, Some(error)));
        }
        (self.pull.sink)(Event::Scanned {
            host: self.pull.host.clone(),
            part: self.pull.source.name.clone(),
            files: plan.totals.files,
            bytes: plan.totals.bytes,
            fetch_bytes: difference.fetch_bytes(),
        });
        let (difference, pulled) = if difference.fetch.is_empty() {
            self.rearrange(difference).await?
        } else {
            self.pull
                .run(&plan.roots, difference, &mut warnings)
                .await?
        };
        if let Some(broken) = pulled.broken {
            outcome.fail(broken.failure());
            outcome.broken = Some(broken.pack);
            return Ok((outcome, pulled.lost));
        }
        let asked = Asked {
            roots: plan.roots,
            difference,
            unreadable: self.directory.unreadable,
            has_unreadable: plan.unreadable.is_some(),
        };
        if let Some(error) = &plan.unreadable {
            outcome.fail(failure(error));
        }
        Ok(self.put_together(outcome, asked, warnings, pulled))
    }

    /// What differs from the base; everything, if there is none that can be used. Also the end of the
    /// connection, if it came meanwhile.
    async fn compare(
        &self,
        found: Vec<Found>,
        warnings: &mut Vec<String>,
    ) -> (Difference, Option<ssh::Error>) {
        let Some(base) = self.usable_base(warnings) else {
            return (Difference::everything(found), None);
        };
        let (part, lost) = (self.pull.source.name.clone(), self.lost.clone());
        let compared =
            tokio::task::spawn_blocking(move || Comparison::new(found, base, &part, &lost))
                .await
                .expect("comparing does not panic");
        let mut comparison = match compared {
            Ok(comparison) => comparison,
            Err(Unusable { found, error }) => {
                warnings.push(format!(
                    "what the last checkpoint holds can't be read, so everything is fetched again: {}",
                    crate::fault::chain(&*error).join(": ")
                ));
                return (Difference::everything(found), None);
            }
        };
        if self.verify_unchanged {
            match unchanged::verify(&mut comparison, self.pull.session, self.pull.source.sudo).await
            {
                Ok(problem) => warnings.extend(problem),
                Err(error) => return (Difference::default(), Some(error)),
            }
        }
        (comparison.difference(), None)
    }

    /// The checkpoint whose contents may be taken over.
    fn usable_base(&self, warnings: &mut Vec<String>) -> Option<Arc<SealedCheckpoint>> {
        let base = self.known.base.clone()?;
        if !self.opening.has_facts {
            (self.pull.sink)(Event::Warned {
                host: self.pull.host.clone(),
                part: Some(self.pull.source.name.clone()),
                message: "its `find` can't tell what has changed, so everything is fetched again"
                    .to_owned(),
            });
            return None;
        }
        if let Some(other) = other_machine(&base, self.pull.probe) {
            warnings.push(format!("{other}, so everything is fetched again"));
            return None;
        }
        Some(base)
    }

    /// Copies what is left of a pack that is mostly dead. Asks nothing of the host.
    async fn rearrange(
        &self,
        mut difference: Difference,
    ) -> Result<(Difference, Pulled), receive::Error> {
        let mut pulled = Pulled::nothing();
        let Some(mut kept) = difference.kept.take() else {
            return Ok((difference, pulled));
        };
        let (path, packs_max) = (self.pull.pack_path.clone(), self.pull.packs_max);
        let rearranging = tokio::task::spawn_blocking(move || {
            let taken = if kept.is_all() {
                Vec::new()
            } else {
                repack::taken(&kept, None, packs_max)
            };
            if taken.is_empty() {
                return Ok((kept, None, Received::default()));
            }
            let mut intake = Intake::create(path, PackOptions::default())?;
            let taken_in = repack::take_in(&mut intake, &kept, &taken)?;
            let received = intake.finish()?;
            taken_in.place(&mut kept, &received);
            Ok::<_, receive::Error>((kept, taken_in.broken, received))
        });
        let rearranged = rearranging.await.expect("copying does not panic");
        let (kept, broken, received) = rearranged?;
        difference.kept = Some(kept);
        pulled.broken = broken;
        pulled.received = received;
        Ok((difference, pulled))
    }

    fn put_together(
        self,
        mut outcome: Outcome,
        asked: Asked,
        mut warnings: Vec<String>,
        mut pulled: Pulled,
    ) -> Fetched {
        outcome.link_bytes_per_second = pulled.bytes_per_second;
        if let Some(failure) = pulled.failure {
            outcome.fail(failure);
        }
        let notes = notes::of_tar(&pulled.stderr);
        let composed = compose(
            asked,
            &mut pulled.received,
            notes,
            pulled.status,
            &self.pack,
        );
        if let Some(error) = &composed.failure {
            outcome.fail(failure(error));
        }
        if let Some(cut) = &pulled.received.cut {
            outcome.fail(failure(cut));
        }
        warnings.extend(composed.warnings);
        outcome.fill(composed.content, warnings);
        outcome.part.fetched_bytes = pulled.received.content_bytes;
        outcome.pack = pulled.received.pack.map(|pack| Pack {
            name: self.pack,
            sha256: pack.sha256,
            stored_bytes: pack.stored_bytes,
        });
        if !self.pull.source.may_shrink
            && let Some(shrunk) = shrinkage(&outcome.part, self.known.previous.as_ref())
        {
            outcome.fail(shrunk);
        }
        (outcome, pulled.lost)
    }
}

/// Both of them by path.
pub(super) fn sorted(mut wanted: Vec<Found>, sockets: Vec<Found>) -> Vec<Found> {
    if !sockets.is_empty() {
        wanted.extend(sockets);
        wanted.sort_by(|a, b| a.path.cmp(&b.path));
    }
    wanted
}
