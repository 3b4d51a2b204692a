//! Makes a part from a scan: compares it with the last checkpoint, fetches what differs, and merges both.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use crate::blocking::blocking;
use crate::event::{Capture, Event, HostEvent};
use crate::fault::Problem;
use crate::manifest::{Entry, FileType, Pack, PackName, PartState};
use crate::name::RemotePath;
use crate::pack::PackOptions;
use crate::source::lines::Lines;
use crate::source::notes::{self, Note};
use crate::source::scan::{Facts, Found, Opening};
use crate::ssh;
use crate::store::SealedCheckpoint;

use super::compare::{Comparison, Unusable};
use super::history::Known;
use super::pull::{Pull, TransferOutcome};
use super::verify_unchanged;
use crate::intake::altered::{self, Altered};
use crate::intake::build_entries::{Asked, build_entries};
use crate::intake::kept::Difference;
use crate::intake::part::Outcome;
use crate::intake::receive::{self, Intake, Received};
use crate::intake::repack;
use crate::scan::directory::{Scanned, Terms};
use crate::scan::left_out::left_out;
use crate::scan::machine::other_machine;
use crate::scan::result::{ScanResult, sorted};
use crate::scan::unsized_files::{self, ReadFile};
use crate::shrinkage::{self, Holds, all_vanished, shrinkage};

/// What it takes to make a part of what a scan found.
pub(super) struct Fetch<'a> {
    /// How what differs is fetched.
    pub(super) pull: Pull<'a>,
    pub(super) terms: Terms<'a>,
    pub(super) opening: Opening,
    pub(super) pack: PackName,
    pub(super) known: Known,
    /// What was just put on the host, by path.
    pub(super) vouched: &'a HashMap<RemotePath, Entry>,
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
    pub(super) async fn run(self, result: ScanResult) -> Result<Fetched, receive::Error> {
        let mut outcome = Outcome::new(self.pull.source, PartState::Complete);
        outcome.part.left_out = left_out(self.pull.source, &result, &self.pull.probe.mounts);
        outcome.part.roots = result.named;
        outcome.part.resolved = result.resolved;
        outcome.part.exclude = self.terms.exclude.to_vec();
        outcome.part.lines = self.lines().map(str::to_owned);
        outcome.part.scanned_at = self.opening.clock;
        let mut warnings = result.warnings;
        let mut found = sorted(result.wanted, result.sockets);
        let unsized_files = unsized_files::take(&mut found, &self.pull.probe.mounts);
        let (mut difference, lost) = self.compare(found, &mut warnings).await;
        let vouched = take_vouched(&mut difference, self.vouched);
        if let Some(error) = lost {
            outcome.fail(Problem::of_part(&error));
            return Ok((outcome, Some(error)));
        }
        (self.pull.sink)(Event::of(
            self.pull.host,
            Capture::Scanned {
                part: self.pull.source.name.clone(),
                files: result.totals.files,
                bytes: result.totals.bytes,
                fetch_bytes: difference.fetch_bytes(),
            },
        ));
        let (sudo, session) = (self.pull.source.sudo, self.pull.session);
        let unsized_files = unsized_files::read(unsized_files, sudo, session).await;
        if let Some(why) = unsized_files.failure {
            outcome.fail(why);
        }
        if let Some(error) = unsized_files.lost {
            return Ok((outcome, Some(error)));
        }
        let read = unsized_files.read;
        let read_found: Vec<Found> = read.iter().map(|file| file.found.clone()).collect();
        let (mut difference, mut pulled) = if difference.fetch.is_empty() {
            self.rearrange(difference, read).await?
        } else {
            self.pull
                .run(&result.roots, difference, read, &mut warnings)
                .await?
        };
        if let Some(broken) = pulled.broken {
            outcome.fail(broken.failure());
            outcome.broken = Some(broken.pack);
            return Ok((outcome, pulled.lost));
        }
        let altered = self.altered(&difference, &mut pulled).await;
        difference.fetch = sorted(difference.fetch, read_found);
        let asked = Asked {
            altered,
            roots: result.roots,
            difference,
            vouched,
            unreadable: self.terms.unreadable,
            // Where the scan told times, it has been seen to.
            newest: self.terms.newest.filter(|_| !self.opening.has_facts),
            has_unreadable: result.unreadable.is_some(),
            // Of a file of which just lines are kept, nobody keeps them.
            tells_extended: self.pull.probe.tar_flavour().is_some() && self.terms.lines.is_none(),
        };
        if let Some(error) = &result.unreadable {
            outcome.fail(Problem::of_part(error));
        }
        Ok(self.put_together(outcome, asked, warnings, pulled))
    }

    fn lines(&self) -> Option<&str> {
        self.terms.lines.as_ref().map(Lines::as_str)
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
        let compared = blocking(move || Comparison::new(found, base, &part, &lost)).await;
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
            match verify_unchanged::verify(
                &mut comparison,
                self.pull.session,
                self.pull.source.sudo,
            )
            .await
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
        let known = base.checkpoint().part(&self.pull.source.name);
        // Of each file it has other lines.
        if known.and_then(|known| known.lines.as_deref()) != self.lines() {
            return None;
        }
        // The host could only hash whole files, and what is known are digests of some lines: they are
        // fetched, which proves it as well.
        if self.verify_unchanged && self.terms.lines.is_some() {
            return None;
        }
        if !self.opening.has_facts {
            (self.pull.sink)(Event::of(
                self.pull.host,
                HostEvent::Warned {
                    part: Some(self.pull.source.name.clone()),
                    message: "its `find` doesn't report changes, so everything is fetched again"
                        .to_owned(),
                },
            ));
            return None;
        }
        if let Some(other) = other_machine(&base, self.pull.probe) {
            warnings.push(format!("{other}, so everything is fetched again"));
            return None;
        }
        Some(base)
    }

    /// Copies what is left of a pack that is mostly dead, and adds what was read. Asks nothing of the host.
    async fn rearrange(
        &self,
        mut difference: Difference,
        read: Vec<ReadFile>,
    ) -> Result<(Difference, TransferOutcome), receive::Error> {
        let mut pulled = TransferOutcome::nothing();
        let mut kept = difference.kept.take();
        let (path, packs_max) = (self.pull.pack_path.clone(), self.pull.packs_max);
        let lines = self.pull.lines.clone();
        let rearranging = blocking(move || {
            let taken = match &kept {
                Some(kept) if !kept.is_all() => repack::taken(kept, None, packs_max),
                Some(_) | None => Vec::new(),
            };
            if taken.is_empty() && read.is_empty() {
                return Ok((kept, None, Received::default()));
            }
            let mut intake = Intake::create(path, PackOptions::default())?;
            intake.keep_lines(lines);
            for file in read {
                intake.add(file)?;
            }
            let mut broken = None;
            let received = match &mut kept {
                Some(kept) => {
                    let taken_in = repack::take_in(&mut intake, kept, &taken)?;
                    let received = intake.finish()?;
                    taken_in.place(kept, &received);
                    broken = taken_in.broken;
                    received
                }
                None => intake.finish()?,
            };
            Ok::<_, receive::Error>((kept, broken, received))
        });
        let (kept, broken, received) = rearranging.await?;
        difference.kept = kept;
        pulled.broken = broken;
        pulled.received = received;
        Ok((difference, pulled))
    }

    /// What tar sent otherwise than the host has it. Where the host cannot be asked any more, the part
    /// has failed: `pulled` says why.
    async fn altered(
        &self,
        difference: &Difference,
        pulled: &mut TransferOutcome,
    ) -> Option<Altered> {
        let mismatches = altered::mismatches(&difference.fetch, &pulled.received);
        if mismatches.is_empty() || pulled.lost.is_some() {
            return None;
        }
        match altered::judge(&mismatches, self.pull.source.sudo, self.pull.session).await {
            Ok(altered) => altered,
            Err(error) => {
                match error.into_scanned() {
                    Scanned::Lost(error) => {
                        pulled.failure.get_or_insert(Problem::of_part(&error));
                        pulled.lost = Some(error);
                    }
                    Scanned::Failed(why) => {
                        pulled.failure.get_or_insert(why);
                    }
                    Scanned::Ready { .. } | Scanned::Absent => {}
                }
                None
            }
        }
    }

    fn put_together(
        self,
        mut outcome: Outcome,
        asked: Asked,
        mut warnings: Vec<String>,
        mut pulled: TransferOutcome,
    ) -> Fetched {
        outcome.link_bytes_per_second = pulled.bytes_per_second;
        if let Some(failure) = pulled.failure {
            outcome.fail(failure);
        }
        let is_asked = !asked.roots.is_empty();
        let mut notes = notes::of_tar(&pulled.stderr);
        if pulled.dropped_bytes > 0 {
            notes.push(Note::Dropped(pulled.dropped_bytes));
        }
        let built = build_entries(
            asked,
            &mut pulled.received,
            notes,
            pulled.status,
            &self.pack,
        );
        if let Some(error) = &built.failure {
            outcome.fail(Problem::of_part(error));
        }
        if let Some(cut) = &pulled.received.cut {
            outcome.fail(Problem::of_part(cut));
        }
        warnings.extend(built.warnings);
        outcome.fill(built.content, warnings);
        outcome.part.fetched_bytes = pulled.received.content_bytes;
        outcome.pack = pulled.received.pack.map(|pack| Pack {
            name: self.pack.clone(),
            sha256: pack.sha256,
            stored_bytes: pack.stored_bytes,
        });
        if is_asked && outcome.content.is_empty() && outcome.part.failure.is_none() {
            outcome.fail(all_vanished());
        }
        let terms = shrinkage::Terms {
            may_shrink: self.pull.source.may_shrink,
            optional: self.pull.source.optional,
            holds: match self.terms.newest {
                Some(_) => Holds::NewestFiles,
                None => Holds::Files,
            },
        };
        if let Some(failure) = shrinkage(&outcome.part, self.known.previous.as_ref(), terms) {
            outcome.fail(failure);
        }
        (outcome, pulled.lost)
    }
}

/// Takes out of what is to be fetched what was just put on the host, with the mark that the scan has now.
fn take_vouched(difference: &mut Difference, vouched: &HashMap<RemotePath, Entry>) -> Vec<Entry> {
    if vouched.is_empty() {
        return Vec::new();
    }
    let mut taken = Vec::new();
    difference.fetch.retain(|found| {
        let entry = vouched.get(&found.path).zip(found.facts.as_ref());
        let Some((entry, facts)) = entry.filter(|(entry, facts)| is_vouched(entry, facts)) else {
            return true;
        };
        taken.push(Entry {
            scan: Some(facts.mark),
            ..entry.clone()
        });
        false
    });
    taken
}

fn is_vouched(entry: &Entry, facts: &Facts) -> bool {
    let (Some(was), now) = (entry.scan, facts.mark) else {
        return false;
    };
    let is_directory = facts.kind == FileType::Directory;
    facts.kind == entry.kind.file_type()
        && (facts.mode, facts.uid, facts.gid) == (entry.mode, entry.owner.uid, entry.owner.gid)
        && was.inode == now.inode
        && now.mtime == entry.mtime
        && (is_directory || (was.size_bytes == now.size_bytes && now.links == 1))
}
