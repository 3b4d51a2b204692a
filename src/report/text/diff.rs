//! Renders the sentences of `fleet diff`: headings, why a patch is not shown, notes and the closing line.

use std::collections::BTreeMap;

use anstyle::Style;

use super::change::counts;
use crate::change::{Change, ChangeKind};
use crate::engine::diff::{PATCHES_MAX_BYTES, Patch};
use crate::event::Failure;
use crate::fault::Problem;
use crate::manifest::{Entry, PartState, Totals};
use crate::name::{CheckpointId, HostName, SourceName};
use crate::store::PartPair;
use crate::units::size;

/// The line above the changes of a part.
#[must_use]
pub fn heading(part: &SourceName) -> String {
    let bold = Style::new().bold();
    format!("{bold}part {part}{bold:#}")
}

/// Why there is no patch of content that changed; none if there is one or needs to be none. `source` is a
/// checkpoint that has the content.
#[must_use]
pub fn not_shown(patch: &Patch, change: &Change, source: Option<&CheckpointId>) -> Option<String> {
    match patch {
        Patch::None | Patch::Text(_) => None,
        Patch::Binary => Some(format!("Binary files differ ({})", sizes(change))),
        Patch::Large => {
            let see =
                source.map(|id| format!("; see it with `fleet cat {id} '{}'`", change.path()));
            let see = see.unwrap_or_default();
            Some(format!("Too large to be shown ({}){see}", sizes(change)))
        }
        Patch::Unread => Some("Not shown: the host did not send its content".to_owned()),
        Patch::LeftOut => Some(format!(
            "Not shown: with it, more than {} would be fetched",
            size(PATCHES_MAX_BYTES)
        )),
    }
}

/// `13 B → 20 B`
fn sizes(change: &Change) -> String {
    let before = change.before().and_then(Entry::file_bytes);
    let sizes: Vec<String> = [before, change.bytes_after()]
        .into_iter()
        .flatten()
        .map(size)
        .collect();
    sizes.join(" → ")
}

/// That a part is not compared, because only one of `old` and `new` has it.
#[must_use]
pub fn in_one_only(pair: &PartPair<'_>, old: &CheckpointId, new: &CheckpointId) -> Option<String> {
    let (has, lacks) = match (pair.old, pair.new) {
        (Some(_), Some(_)) | (None, None) => return None,
        (None, Some(_)) => (new, old),
        (Some(_), None) => (old, new),
    };
    Some(format!(
        "`{}` is not compared: it is in {has}, and {lacks} did not ask for it",
        pair.name
    ))
}

/// In which of `old` and `new` the part failed, and how many entries are not shown for that reason.
#[must_use]
pub fn failed_sides(
    pair: &PartPair<'_>,
    left_out: u64,
    old: &CheckpointId,
    new: &CheckpointId,
) -> Vec<String> {
    let mut notes = Vec::new();
    for (id, state, done) in [(old, pair.old, "new"), (new, pair.new, "gone")] {
        if state != Some(PartState::Failed) {
            continue;
        }
        let missing = match left_out {
            0 => String::new(),
            1 => format!(": 1 entry that is missing there is not shown, for it may not be {done}"),
            count => format!(
                ": {count} entries that are missing there are not shown, for they may not be {done}"
            ),
        };
        notes.push(format!("`{}` failed in {id}{missing}", pair.name));
    }
    notes
}

/// How files can be seen whose patches were too much to be fetched; none if there are none.
#[must_use]
pub fn left_out(totals: Totals, old: &CheckpointId, host: &HostName) -> Option<String> {
    let Totals { files, bytes } = totals;
    let (noun, verb) = match files {
        0 => return None,
        1 => ("file", "is"),
        _ => ("files", "are"),
    };
    Some(format!(
        "{files} changed {noun} ({}) {verb} not shown, for no more than {} is fetched; to see everything, run \
         `fleet checkpoint {host}`, then `fleet diff {old} {host}@latest -p`",
        size(bytes),
        size(PATCHES_MAX_BYTES),
    ))
}

/// The problem of a part that could not be compared with its host.
#[must_use]
pub fn failed(failure: &Failure, part: &SourceName) -> Problem {
    let mut problem = failure.problem.clone();
    problem.message = format!(
        "can't compare source `{part}` on {}: {}",
        failure.host, problem.message
    );
    problem
}

/// What a comparison was of, and whether everything could be compared.
#[derive(Debug, Clone, Copy)]
pub struct Compared<'a> {
    /// The older side.
    pub old: &'a str,
    /// The newer side: a checkpoint or a host.
    pub new: &'a str,
    /// The newer side is a host.
    pub is_live: bool,
    /// Some part failed.
    pub has_failed: bool,
    /// Something was not compared, or not shown.
    pub has_notes: bool,
}

/// How many entries changed, by kind, or that none did.
#[must_use]
pub fn closing(compared: Compared<'_>, changed: &BTreeMap<ChangeKind, u64>) -> String {
    let Compared { old, new, .. } = compared;
    let total: u64 = changed.values().sum();
    if total > 0 {
        return format!("{total} changed: {}", counts(changed));
    }
    if compared.has_failed {
        return format!("nothing that could be seen changed on {new} since {old}");
    }
    let what = match compared.has_notes {
        false => "nothing changed",
        true => "nothing that was compared changed",
    };
    match compared.is_live {
        true => format!("{what} on {new} since {old}"),
        false => format!("{what} from {old} to {new}"),
    }
}
