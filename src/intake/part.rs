//! The outcome of one source before it is sealed: its part, its entries and its pack.

use crate::fault::Problem;
use crate::inventory::Source;
use crate::manifest::{Entry, EntryKind, Pack, PackName, Part, PartState, Totals};

use crate::name::RemotePath;
use crate::store::Note;
use crate::tarstream::tree::Shape;

use crate::intake::kept::Kept;

/// A part, its entries, and the pack that holds their contents.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// What the checkpoint says about it.
    pub(crate) part: Part,
    /// Its entries.
    pub(crate) content: Content,
    /// The pack that was made for it.
    pub(crate) pack: Option<Pack>,
    /// An older pack that turned out not to be what was sealed.
    pub(crate) broken: Option<PackName>,
    /// How fast the link is, if enough has arrived to measure it.
    pub(crate) link_bytes_per_second: Option<u64>,
    /// What `MANIFEST.txt` has about it at its end.
    pub(crate) note: Option<Note>,
}

/// The entries of a part: what is taken over, and what is new.
#[derive(Debug, Default)]
pub(crate) struct Content {
    /// From an earlier checkpoint.
    pub(crate) kept: Option<Kept>,
    /// By path.
    pub(crate) fresh: Vec<Entry>,
}

impl Content {
    /// Whether there is nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.kept.is_none() && self.fresh.is_empty()
    }

    /// Whether it is just what the earlier checkpoint has.
    pub(crate) fn is_unchanged(&self) -> bool {
        self.fresh.is_empty() && self.kept.as_ref().is_some_and(Kept::is_all)
    }

    /// How many entries there are.
    pub(crate) fn entries(&self) -> u64 {
        let kept = self.kept.as_ref().map_or(0, |kept| kept.entries.len());
        (kept + self.fresh.len()) as u64
    }

    /// Regular files and their bytes.
    pub(crate) fn totals(&self) -> Totals {
        let kept = self.kept.as_ref().map(Kept::totals).unwrap_or_default();
        let files = self.fresh.iter().filter_map(Entry::file_bytes);
        files.fold(kept, |sum, bytes| Totals {
            files: sum.files + 1,
            bytes: sum.bytes + bytes,
        })
    }

    /// What all entries are, as far as their places depend on it.
    pub(crate) fn shapes(&self) -> impl Iterator<Item = (&RemotePath, Shape<'_>)> {
        let kept = self.kept.iter().flat_map(|kept| &kept.entries);
        let kept = kept.map(|entry| (&entry.path, entry.shape()));
        kept.chain(
            self.fresh
                .iter()
                .map(|entry| (&entry.path, (&entry.kind).into())),
        )
    }

    /// Whether it has anything that is not at hand already, directories aside.
    pub(crate) fn has_news(&self) -> bool {
        let is_directory = |entry: &Entry| matches!(entry.kind, EntryKind::Directory);
        self.fresh.iter().any(|entry| !is_directory(entry))
    }
}

impl Outcome {
    /// A part without anything in it yet.
    pub(crate) fn new(source: &Source, state: PartState) -> Self {
        Self {
            part: Part {
                name: source.name.clone(),
                kind: source.kind.as_str().to_owned(),
                state,
                roots: Vec::new(),
                resolved: Vec::new(),
                exclude: Vec::new(),
                lines: None,
                left_out: Vec::new(),
                totals: Totals::default(),
                entries: 0,
                fetched_bytes: 0,
                scanned_at: None,
                warnings: Vec::new(),
                failure: None,
            },
            content: Content::default(),
            pack: None,
            broken: None,
            link_bytes_per_second: None,
            note: None,
        }
    }

    /// A part that has nothing but a reason.
    pub(crate) fn failed(source: &Source, failure: Problem) -> Self {
        let mut outcome = Self::new(source, PartState::Complete);
        outcome.fail(failure);
        outcome
    }

    /// The part has failed; the first reason is the one that is kept.
    pub(crate) fn fail(&mut self, failure: Problem) {
        self.part.state = PartState::Failed;
        if self.part.failure.is_none() {
            self.part.failure = Some(failure);
        }
    }

    /// Says what was captured.
    pub(crate) fn fill(&mut self, content: Content, warnings: Vec<String>) {
        self.part.warnings.extend(warnings);
        if !self.part.warnings.is_empty() && self.part.state == PartState::Complete {
            self.part.state = PartState::Warned;
        }
        self.content = content;
        self.recount();
    }

    /// Counts what the content has now.
    pub(crate) fn recount(&mut self) {
        self.part.entries = self.content.entries();
        self.part.totals = self.content.totals();
    }
}

/// The link's speed, if any part was large enough to measure it. The fastest: others may have waited for the
/// host.
pub(crate) fn link_speed(outcomes: &[Outcome]) -> Option<u64> {
    let speeds = outcomes.iter().filter_map(|o| o.link_bytes_per_second);
    speeds.max()
}

/// The packs that were written, and those of earlier checkpoints that are still needed.
pub(crate) fn packs(outcomes: &[Outcome]) -> Vec<Pack> {
    let mut packs: Vec<Pack> = Vec::new();
    for outcome in outcomes {
        packs.extend(outcome.pack.clone());
        let Some(kept) = &outcome.content.kept else {
            continue;
        };
        let needed = kept.needed_packs();
        let earlier = kept.base.checkpoint().packs.iter();
        packs.extend(earlier.filter(|pack| needed.contains(&pack.name)).cloned());
    }
    packs
}
