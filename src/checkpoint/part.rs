//! The outcome of one source, in the making.

use crate::fault::{Fault, chain};
use crate::inventory::Source;
use crate::manifest::{Entry, FileTime, Pack, Part, PartFailure, PartState, Totals};
use crate::name::RemotePath;

/// A part, its entries, and the pack that holds their contents.
#[derive(Debug)]
pub(super) struct Outcome {
    /// What the checkpoint says about it.
    pub(super) part: Part,
    /// By path.
    pub(super) entries: Vec<Entry>,
    /// The pack that was made for it.
    pub(super) pack: Option<Pack>,
}

impl Outcome {
    /// A part without anything in it yet.
    pub(super) fn new(source: &Source, state: PartState) -> Self {
        Self {
            part: Part {
                name: source.name.clone(),
                kind: source.kind.as_str().to_owned(),
                state,
                roots: Vec::new(),
                exclude: Vec::new(),
                totals: Totals::default(),
                entries: 0,
                fetched_bytes: 0,
                scanned_at: None,
                warnings: Vec::new(),
                failure: None,
            },
            entries: Vec::new(),
            pack: None,
        }
    }

    /// A part that has nothing but a reason.
    pub(super) fn failed(source: &Source, failure: PartFailure) -> Self {
        let mut outcome = Self::new(source, PartState::Complete);
        outcome.fail(failure);
        outcome
    }

    /// The part has failed; the first reason is the one that is kept.
    pub(super) fn fail(&mut self, failure: PartFailure) {
        self.part.state = PartState::Failed;
        if self.part.failure.is_none() {
            self.part.failure = Some(failure);
        }
    }

    /// Says what was captured, and how it was asked for.
    pub(super) fn fill(
        &mut self,
        roots: Vec<RemotePath>,
        exclude: Vec<String>,
        scanned_at: Option<FileTime>,
        entries: Vec<Entry>,
        totals: Totals,
        warnings: Vec<String>,
    ) {
        self.part.roots = roots;
        self.part.exclude = exclude;
        self.part.scanned_at = scanned_at;
        self.part.entries = entries.len() as u64;
        self.part.totals = totals;
        if !warnings.is_empty() && self.part.state == PartState::Complete {
            self.part.state = PartState::Warned;
        }
        self.part.warnings = warnings;
        self.entries = entries;
    }
}

/// What a part says of a fault: all of its texts in one line.
pub(super) fn failure(fault: &dyn Fault) -> PartFailure {
    PartFailure {
        message: chain(fault).join(": "),
        hint: fault.hint(),
    }
}

/// Whether a part is under half of what it was: the sign of a source that went missing.
pub(super) fn shrinkage(part: &Part, previous: Option<&Part>) -> Option<PartFailure> {
    let before = previous?;
    let files = part.totals.files.saturating_mul(2) < before.totals.files;
    let bytes = part.totals.bytes.saturating_mul(2) < before.totals.bytes;
    (files || bytes).then(|| PartFailure {
        message: format!(
            "it shrank to under half: from {} files, {} bytes to {} files, {} bytes",
            before.totals.files, before.totals.bytes, part.totals.files, part.totals.bytes
        ),
        hint: Some(
            "Look at the host. If that is how it should be, say `may_shrink: true` at the source."
                .to_owned(),
        ),
    })
}
