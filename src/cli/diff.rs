//! `fleet diff`

use std::collections::BTreeMap;

use anstream::adapter::strip_str;
use anstyle::Style;

use super::Status;
use super::error::Stop;
use super::setup::Setup;
use crate::change::{self, Attribute, Change, ChangeKind, Side};
use crate::fault::ExitClass;
use crate::manifest::{Entry, PartState};
use crate::name::{CheckpointRef, SourceName};
use crate::report::{Console, change_line, counts, json, shown_patch, size};
use crate::store::{PartChanges, PartPair, SealedCheckpoint};

/// Files with more than this on either side are named, not shown.
const PATCH_MAX_BYTES: u64 = 1024 * 1024;
const BUFFER_BYTES: usize = 64 * 1024;

/// Show what changed between two checkpoints
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Each line tells what became of a path: added, removed, modified (its content), metadata (only mode,
owner, time or hard links), or type (a directory in place of a file, and the like). Checkpoints of two
hosts may be compared. Into a pipe, -p writes the bytes of the files as they are, for `patch -p1`.

Examples:
  fleet diff dev-vm@~1 dev-vm@latest
  fleet diff dev-vm@~1 dev-vm@latest -p | less
  fleet diff prod-vm@latest dev-vm@latest --json | jq -r '.changes[] | .change + \" \" + .path'")]
pub(super) struct Args {
    /// The older one: HOST@STAMP, HOST@latest, HOST@~1, or a unique prefix of the stamp
    #[arg(value_name = "CHECKPOINT")]
    old: CheckpointRef,

    /// The newer one
    #[arg(value_name = "CHECKPOINT")]
    new: CheckpointRef,

    /// Show what changed in text files
    #[arg(short, long)]
    patch: bool,

    /// Exit with 1 if anything changed
    #[arg(long)]
    exit_code: bool,
}

pub(super) fn run(args: &Args, setup: &Setup) -> Status {
    let store = setup.store()?;
    let open = |reference| store.open_checkpoint(&store.resolve(reference)?);
    let (old, new) = (open(&args.old)?, open(&args.new)?);
    let mut answer = Answer::new(&setup.console, args.patch, [&old, &new]);
    for pair in new.parts_since(&old) {
        answer.part(&pair)?;
    }
    let has_changes = answer.finish()?;
    Ok((args.exit_code && has_changes).then_some(ExitClass::Failed))
}

/// The answer while it grows: a document, or lines that are written now and then.
struct Answer<'c> {
    console: &'c Console,
    patches: bool,
    checkpoints: [&'c SealedCheckpoint; 2],
    buffer: Vec<u8>,
    document: json::Diff,
    counts: BTreeMap<ChangeKind, u64>,
}

/// What `-p` adds to a change.
enum Patch {
    /// Nothing: no content of a file changed.
    None,
    /// The bytes of a patch.
    Text(Vec<u8>),
    /// One of both sides is no text.
    Binary,
    /// One of both sides is too large.
    Large,
}

impl<'c> Answer<'c> {
    fn new(console: &'c Console, patches: bool, checkpoints: [&'c SealedCheckpoint; 2]) -> Self {
        let [old, new] = checkpoints;
        Self {
            console,
            patches,
            checkpoints,
            buffer: Vec::new(),
            document: json::Diff {
                old: old.id().to_string(),
                new: new.id().to_string(),
                ..json::Diff::default()
            },
            counts: BTreeMap::new(),
        }
    }

    fn part(&mut self, pair: &PartPair<'_>) -> Result<(), Stop> {
        let [old, new] = self.checkpoints.map(SealedCheckpoint::id);
        if let Some((has, lacks)) = match (pair.old, pair.new) {
            (Some(_), Some(_)) | (None, None) => None,
            (None, Some(_)) => Some((new, old)),
            (Some(_), None) => Some((old, new)),
        } {
            let note = format!(
                "`{}` is not compared: it is in {has}, and {lacks} did not ask for it",
                pair.name
            );
            self.note(note);
            return Ok(());
        }
        let mut changes = pair.changes(None)?;
        let mut is_first = true;
        for change in changes.by_ref() {
            if std::mem::take(&mut is_first) && !self.console.is_json() {
                let bold = Style::new().bold();
                self.line(&format!("{bold}part {}{bold:#}", pair.name))?;
            }
            self.change(&pair.name, &change?)?;
            if self.console.is_closed() {
                return Ok(());
            }
        }
        self.tell_failed(pair, &changes);
        Ok(())
    }

    /// What can't be told because the part failed.
    fn tell_failed(&mut self, pair: &PartPair<'_>, changes: &PartChanges) {
        let [old, new] = self.checkpoints.map(SealedCheckpoint::id);
        for (id, state, done) in [(old, pair.old, "new"), (new, pair.new, "gone")] {
            if state == Some(PartState::Failed) {
                let missing = match changes.left_out() {
                    0 => String::new(),
                    1 => format!(
                        ": 1 entry that is missing there is not shown, for it may not be {done}"
                    ),
                    count => format!(
                        ": {count} entries that are missing there are not shown, for they may not be {done}"
                    ),
                };
                self.note(format!("`{}` failed in {id}{missing}", pair.name));
            }
        }
    }

    fn change(&mut self, part: &SourceName, change: &Change) -> Result<(), Stop> {
        *self.counts.entry(change.kind()).or_default() += 1;
        let patch = match self.patches {
            true => self.patch(part, change)?,
            false => Patch::None,
        };
        if self.console.is_json() {
            let mut line = json::ChangeLine::of(part, change);
            match patch {
                Patch::None => {}
                Patch::Text(patch) => line = line.with_patch(&patch),
                Patch::Binary => line.no_patch = Some("binary".to_owned()),
                Patch::Large => line.no_patch = Some("large".to_owned()),
            }
            self.document.changes.push(line);
            return Ok(());
        }
        self.line(&format!("  {}", change_line(change)))?;
        match patch {
            Patch::None => Ok(()),
            Patch::Text(patch) if self.console.is_shown() => {
                let shown = shown_patch(&patch);
                self.write(shown.as_bytes())
            }
            Patch::Text(patch) => self.write(&patch),
            Patch::Binary => self.line(&format!("Binary files differ ({})", sizes(change))),
            Patch::Large => {
                let [old, new] = self.checkpoints.map(SealedCheckpoint::id);
                let id = if change.after().is_some() { new } else { old };
                self.line(&format!(
                    "Too large to be shown ({}); see it with `fleet cat {id} '{}'`",
                    sizes(change),
                    change.path()
                ))
            }
        }
    }

    fn patch(&self, part: &SourceName, change: &Change) -> Result<Patch, Stop> {
        let is_file = |side: Option<&Entry>| side.is_none_or(|entry| entry.file_bytes().is_some());
        if !is_file(change.before()) || !is_file(change.after()) {
            return Ok(Patch::None);
        }
        let is_large = |side: Option<&Entry>| {
            let bytes = side.and_then(Entry::file_bytes);
            bytes.is_some_and(|bytes| bytes > PATCH_MAX_BYTES)
        };
        let is_read = match change.kind() {
            ChangeKind::Added | ChangeKind::Removed => true,
            ChangeKind::Modified | ChangeKind::Metadata | ChangeKind::Type => {
                change.differs().contains(&Attribute::Content)
            }
        };
        if is_read && (is_large(change.before()) || is_large(change.after())) {
            return Ok(Patch::Large);
        }
        let content = |sealed: &SealedCheckpoint, side: Option<&Entry>| {
            let mut content = Vec::new();
            if let Some(entry) = side.filter(|_| is_read) {
                sealed.write_entry_of(part, entry, &mut content)?;
            }
            Ok::<_, Stop>(content)
        };
        let [old, new] = self.checkpoints;
        let (before, now) = (
            content(old, change.before())?,
            content(new, change.after())?,
        );
        if !change::is_text(&before) || !change::is_text(&now) {
            return Ok(Patch::Binary);
        }
        let side = |entry: Option<&Entry>, content| {
            let mode = entry?.mode;
            Some(Side { mode, content })
        };
        let (before, now) = (side(change.before(), &before), side(change.after(), &now));
        Ok(Patch::Text(change::unified(change.path(), before, now)))
    }

    /// Says why something is not shown, beside the answer and in it.
    fn note(&mut self, note: String) {
        self.console.warning(&note);
        self.document.notes.push(note);
    }

    fn line(&mut self, line: &str) -> Result<(), Stop> {
        let line = format!("{line}\n");
        if self.console.is_shown() {
            self.write(line.as_bytes())
        } else {
            self.write(strip_str(&line).to_string().as_bytes())
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        self.buffer.extend_from_slice(bytes);
        match self.buffer.len() {
            0..BUFFER_BYTES => Ok(()),
            _ => self.flush(),
        }
    }

    fn flush(&mut self) -> Result<(), Stop> {
        match std::str::from_utf8(&self.buffer) {
            Ok(text) if self.console.is_shown() => self.console.answer(text)?,
            Ok(_) | Err(_) => self.console.raw(&self.buffer)?,
        }
        self.buffer.clear();
        Ok(())
    }

    /// Writes what is left. Whether anything changed.
    fn finish(mut self) -> Result<bool, Stop> {
        if self.console.is_json() {
            self.console.document(&self.document)?;
        } else {
            self.flush()?;
        }
        let total: u64 = self.counts.values().sum();
        let [old, new] = self.checkpoints.map(SealedCheckpoint::id);
        if !self.console.is_json() {
            self.console.remark(&match total {
                0 if self.document.notes.is_empty() => {
                    format!("nothing changed from {old} to {new}")
                }
                0 => format!("nothing that was compared changed from {old} to {new}"),
                _ => format!("{total} changed: {}", counts(&self.counts)),
            });
        }
        Ok(total > 0)
    }
}

/// `13 B → 20 B`
fn sizes(change: &Change) -> String {
    let bytes = |side: Option<&Entry>| side.and_then(Entry::file_bytes).map(size);
    let sizes: Vec<String> = [bytes(change.before()), bytes(change.after())]
        .into_iter()
        .flatten()
        .collect();
    sizes.join(" → ")
}
