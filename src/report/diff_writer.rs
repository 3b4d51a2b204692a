//! Writes the answer of `fleet diff` while it grows: lines and patches for people, or one JSON document.

use std::collections::BTreeMap;

use anstream::adapter::strip_str;

use super::text::diff::{self as sentences, Compared};
use super::text::{change, patch as patches};
use super::{Console, WriteError, json};
use crate::change::{Change, ChangeKind};
use crate::engine::diff::Patch;
use crate::event::Failure;
use crate::manifest::Totals;
use crate::name::{CheckpointId, SourceName};

/// So much text is written at once.
const BUFFER_BYTES: usize = 64 * 1024;

/// The answer of a comparison. Ended by [`DiffWriter::finish`].
#[derive(Debug)]
#[must_use = "what is left is written by finish"]
pub struct DiffWriter<'c> {
    console: &'c Console,
    buffer: Vec<u8>,
    /// The part whose heading was written last.
    part: Option<SourceName>,
    document: json::Diff,
    counts: BTreeMap<ChangeKind, u64>,
    /// How many patches were too much to be fetched, and what is there now of their files.
    left_out: Totals,
}

impl<'c> DiffWriter<'c> {
    /// Begins an answer to `console` that has what is settled before the first change of `document`: both
    /// sides, whether one is a host, and which newer checkpoints were skipped.
    pub fn new(console: &'c Console, document: json::Diff) -> Self {
        Self {
            console,
            buffer: Vec::new(),
            part: None,
            document,
            counts: BTreeMap::new(),
            left_out: Totals::default(),
        }
    }

    /// Adds a change of a part, with its patch. `source` is a checkpoint that has the content of a file that
    /// is too large to be shown.
    ///
    /// # Errors
    ///
    /// [`WriteError`] if it can't be written.
    pub fn change(
        &mut self,
        part: &SourceName,
        change: &Change,
        patch: &Patch,
        source: Option<&CheckpointId>,
    ) -> Result<(), WriteError> {
        *self.counts.entry(change.kind()).or_default() += 1;
        if *patch == Patch::LeftOut {
            self.left_out.files += 1;
            self.left_out.bytes += change.bytes_after().unwrap_or_default();
        }
        if self.console.is_json() {
            let line = json::ChangeLine::of(part, change).with_patch(patch);
            self.document.changes.push(line);
            return Ok(());
        }
        if self.part.as_ref() != Some(part) {
            self.part = Some(part.clone());
            self.line(&sentences::heading(part))?;
        }
        self.line(&format!("  {}", change::line(change)))?;
        match patch {
            Patch::Text(patch) if self.console.is_shown() => {
                self.write(patches::shown(patch).as_bytes())
            }
            Patch::Text(patch) => self.write(patch),
            Patch::None | Patch::Binary | Patch::Large | Patch::Unread | Patch::LeftOut => {
                let why = sentences::not_shown(patch, change, source);
                why.map_or(Ok(()), |why| self.line(&why))
            }
        }
    }

    /// Says why something is not shown, beside the answer and in it.
    pub fn note(&mut self, note: String) {
        self.console.warning(&note);
        self.document.notes.push(note);
    }

    /// Says that a part could not be compared, beside the answer and in it.
    pub fn failed(&mut self, part: &SourceName, failure: &Failure) {
        self.document.failed.push(json::FailedPart::from(failure));
        self.console.problem(&sentences::failed(failure, part));
    }

    /// The files whose patches were too much to be fetched.
    #[must_use]
    pub fn left_out(&self) -> Totals {
        self.left_out
    }

    /// Whether the reader went away.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.console.is_closed()
    }

    /// Writes what is left, and the closing line. Gives whether anything changed.
    ///
    /// # Errors
    ///
    /// [`WriteError`] if it can't be written.
    pub fn finish(mut self) -> Result<bool, WriteError> {
        if self.console.is_json() {
            self.console.document(&self.document)?;
        } else {
            self.flush()?;
            let compared = Compared {
                old: &self.document.old,
                new: &self.document.new,
                is_live: self.document.live,
                has_failed: !self.document.failed.is_empty(),
                has_notes: !self.document.notes.is_empty(),
            };
            let closing = sentences::closing(compared, &self.counts);
            self.console.remark(&closing);
        }
        Ok(!self.counts.is_empty())
    }

    fn line(&mut self, line: &str) -> Result<(), WriteError> {
        let line = format!("{line}\n");
        if self.console.is_shown() {
            self.write(line.as_bytes())
        } else {
            self.write(strip_str(&line).to_string().as_bytes())
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        self.buffer.extend_from_slice(bytes);
        match self.buffer.len() {
            0..BUFFER_BYTES => Ok(()),
            _ => self.flush(),
        }
    }

    fn flush(&mut self) -> Result<(), WriteError> {
        match std::str::from_utf8(&self.buffer) {
            Ok(text) if self.console.is_shown() => self.console.answer(text)?,
            // Patches of files in other encodings keep their bytes.
            Ok(_) | Err(_) => self.console.raw(&self.buffer)?,
        }
        self.buffer.clear();
        Ok(())
    }
}
