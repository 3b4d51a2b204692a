//! The rules by which a source counts as shrunk or empty: a sign that it went missing.
//!
//! Pure functions of what is there now, what was there before, and what the inventory allows.

use crate::fault::{Code, Problem};
use crate::manifest::Part;
use crate::name::escape;

/// An answer that was smaller than this may shrink.
const ANSWER_MIN_BYTES: u64 = 4096;

/// What the inventory says about a source, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// Less than before, and nothing at all, are fine.
    pub may_shrink: bool,
    /// The source need not be there.
    pub optional: bool,
    /// What the source holds.
    pub holds: Holds,
}

/// What a source holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// Files that come and go with the application.
    Files,
    /// The newest few of many files: they grow and are rotated, so their size means nothing.
    NewestFiles,
    /// The output of a command, a dump or an answer of a server.
    Answer,
}

/// Why `now` is too little, compared with `before`, the part when it was last captured; none if it is
/// enough.
#[must_use]
pub fn shrinkage(now: &Part, before: Option<&Part>, terms: Terms) -> Option<Problem> {
    if terms.may_shrink {
        return None;
    }
    match terms.holds {
        Holds::Answer if now.totals.bytes == 0 => return Some(empty_answer()),
        Holds::Answer => {
            let before = before.filter(|part| part.totals.bytes >= ANSWER_MIN_BYTES)?;
            return under_half(now, before);
        }
        Holds::Files | Holds::NewestFiles => {}
    }
    if let Some(lines) = &now.lines
        && now.failure.is_none()
        && now.entries > 0
        && now.totals.bytes == 0
        && !terms.optional
    {
        return Some(no_lines(lines));
    }
    // Other lines are no measure.
    let before = before.filter(|known| known.lines == now.lines)?;
    let is_fewer = now.totals.files.saturating_mul(2) < before.totals.files;
    if terms.holds == Holds::NewestFiles && !is_fewer {
        return None;
    }
    under_half(now, before)
}

/// The failure of a source of which everything vanished between the scan and the fetch.
#[must_use]
pub fn all_vanished() -> Problem {
    Problem::in_part(
        Code::PartVanished,
        "all of its files vanished before they were read",
        Some("Run the command again.".to_owned()),
    )
}

fn under_half(now: &Part, before: &Part) -> Option<Problem> {
    let (now, before) = (now.totals, before.totals);
    let files = now.files.saturating_mul(2) < before.files;
    let bytes = now.bytes.saturating_mul(2) < before.bytes;
    (files || bytes).then(|| {
        let message = format!(
            "it shrank to under half: from {} files, {} bytes to {} files, {} bytes",
            before.files, before.bytes, now.files, now.bytes
        );
        let hint = "Check the host. If that is expected, set `may_shrink: true` on the source.";
        Problem::in_part(Code::PartShrunk, message, Some(hint.to_owned()))
    })
}

fn empty_answer() -> Problem {
    Problem::in_part(
        Code::PartEmpty,
        "the result is empty",
        Some("If that is expected, set `may_shrink: true` on the source.".to_owned()),
    )
}

fn no_lines(expression: &str) -> Problem {
    let message = format!("no line matches `{}`", escape(expression.as_bytes()));
    let hint = "Correct `lines`, or set `may_shrink: true` on the source if no match is expected. A symbolic link is kept as a link: name the file that it points to.";
    Problem::in_part(Code::NoLinesMatch, message, Some(hint.to_owned()))
}

#[cfg(test)]
mod tests;
