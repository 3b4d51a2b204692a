//! `fleet diff`

mod live;

use std::collections::BTreeMap;

use anstream::adapter::strip_str;
use anstyle::Style;

use super::error::{Status, VerbError};
use super::setup::Setup;
use crate::change::{self, Attribute, Change, ChangeKind, Side};
use crate::fault::ExitClass;
use crate::live::{LiveContent, LivePart};
use crate::manifest::{Entry, PartState, Totals};
use crate::name::{CheckpointRef, SourceName};
use crate::report::text::change::{counts, line as change_line};
use crate::report::text::patch::shown as shown_patch;
use crate::report::{Console, json, size};
use crate::store::{PartChanges, PartPair, SealedCheckpoint};

/// Files with more than this on either side are named, not shown.
const PATCH_MAX_BYTES: u64 = 1024 * 1024;
const BUFFER_BYTES: usize = 64 * 1024;

/// Show what changed between two checkpoints, or since one
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Each line tells what became of a path: added, removed, modified (its content), metadata (only mode,
owner, time or hard links), or type (a directory in place of a file, and the like). Checkpoints of two
hosts may be compared. With --live, the host is looked at as it is now: nothing is written there or in
the store. Into a pipe, -p writes the bytes of the files as they are, for `patch -p1`.

Examples:
  fleet diff dev-vm@~1 dev-vm@latest
  fleet diff dev-vm@~1 dev-vm@latest -p | less
  fleet diff prod-vm@latest --live --exit-code
  fleet diff prod-vm@latest dev-vm@latest --json | jq -r '.changes[] | .change + \" \" + .path'")]
pub(super) struct Args {
    /// The older one: HOST@STAMP, HOST@latest, HOST@~1, or a unique prefix of the stamp
    #[arg(value_name = "CHECKPOINT")]
    old: CheckpointRef,

    /// The newer one
    #[arg(value_name = "CHECKPOINT", required_unless_present = "live")]
    new: Option<CheckpointRef>,

    /// Compare with the host as it is now
    #[arg(long, conflicts_with = "new")]
    live: bool,

    /// Show what changed in text files
    #[arg(short, long)]
    patch: bool,

    /// Exit with 1 if anything changed
    #[arg(long)]
    exit_code: bool,
}

pub(super) fn run(args: &Args, setup: &Setup) -> Status {
    let store = setup.store()?;
    let mut skipped_newer = Vec::new();
    let mut open = |reference| {
        let resolved = setup.look_up(&store, reference)?;
        skipped_newer.extend(json::SkippedNewer::of(&resolved));
        Ok::<_, VerbError>(store.open_checkpoint(&resolved.id)?)
    };
    let old = open(&args.old)?;
    let Some(new) = &args.new else {
        return live::run(args, setup, old, skipped_newer);
    };
    let new = open(new)?;
    let (label, mut now) = (new.id().to_string(), Now::Sealed(&new));
    let mut answer = Answer::new(&setup.console, args.patch, &old, label);
    answer.document.skipped_newer = skipped_newer;
    for pair in new.parts_since(&old) {
        answer.part(&pair, &mut now)?;
    }
    let has_changes = answer.finish()?;
    Ok((args.exit_code && has_changes).then_some(ExitClass::Failed))
}

/// Where the contents that are there now come from.
enum Now<'n> {
    Sealed(&'n SealedCheckpoint),
    Live(&'n mut LivePart),
}

/// The answer while it grows: a document, or lines that are written now and then.
struct Answer<'c> {
    console: &'c Console,
    patches: bool,
    old: &'c SealedCheckpoint,
    /// What it is compared to: a checkpoint, or a host.
    new: String,
    buffer: Vec<u8>,
    document: json::Diff,
    counts: BTreeMap<ChangeKind, u64>,
    /// How many patches were too much to be fetched, and what is there now of their files.
    left_out: Totals,
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
    /// The host did not send what is there now.
    Unread,
    /// It was one too many to be fetched.
    LeftOut,
}

impl<'c> Answer<'c> {
    fn new(console: &'c Console, patches: bool, old: &'c SealedCheckpoint, new: String) -> Self {
        Self {
            console,
            patches,
            old,
            buffer: Vec::new(),
            document: json::Diff {
                old: old.id().to_string(),
                new: new.clone(),
                ..json::Diff::default()
            },
            counts: BTreeMap::new(),
            left_out: Totals::default(),
            new,
        }
    }

    fn part(&mut self, pair: &PartPair<'_>, now: &mut Now<'_>) -> Result<(), VerbError> {
        let (old, new) = (self.old.id().to_string(), self.new.clone());
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
            if std::mem::take(&mut is_first) {
                self.heading(&pair.name)?;
            }
            self.change(&pair.name, &change?, now)?;
            if self.console.is_closed() {
                return Ok(());
            }
        }
        self.tell_failed(pair, &changes);
        Ok(())
    }

    fn heading(&mut self, part: &SourceName) -> Result<(), VerbError> {
        if self.console.is_json() {
            return Ok(());
        }
        let bold = Style::new().bold();
        self.line(&format!("{bold}part {part}{bold:#}"))
    }

    /// What can't be told because the part failed.
    fn tell_failed(&mut self, pair: &PartPair<'_>, changes: &PartChanges) {
        let (old, new) = (self.old.id().to_string(), self.new.clone());
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

    fn change(
        &mut self,
        part: &SourceName,
        change: &Change,
        now: &mut Now<'_>,
    ) -> Result<(), VerbError> {
        *self.counts.entry(change.kind()).or_default() += 1;
        let patch = match self.patches {
            true => self.patch(part, change, now)?,
            false => Patch::None,
        };
        if let Patch::LeftOut = patch {
            self.left_out.files += 1;
            self.left_out.bytes += change.bytes_after().unwrap_or_default();
        }
        if self.console.is_json() {
            let mut line = json::ChangeLine::of(part, change);
            match patch {
                Patch::None => {}
                Patch::Text(patch) => line = line.with_patch(&patch),
                Patch::Binary => line.no_patch = Some("binary".to_owned()),
                Patch::Large => line.no_patch = Some("large".to_owned()),
                Patch::Unread => line.no_patch = Some("unread".to_owned()),
                Patch::LeftOut => line.no_patch = Some("limit".to_owned()),
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
                let id = match now {
                    Now::Sealed(new) if change.after().is_some() => Some(new.id()),
                    Now::Sealed(_) | Now::Live(_) => change.before().map(|_| self.old.id()),
                };
                let see =
                    id.map(|id| format!("; see it with `fleet cat {id} '{}'`", change.path()));
                self.line(&format!(
                    "Too large to be shown ({}){}",
                    sizes(change),
                    see.unwrap_or_default()
                ))
            }
            Patch::Unread => self.line("Not shown: the host did not send its content"),
            Patch::LeftOut => self.line(&format!(
                "Not shown: with it, more than {} would be fetched",
                size(live::PATCHES_MAX_BYTES)
            )),
        }
    }

    fn patch(
        &self,
        part: &SourceName,
        change: &Change,
        now: &mut Now<'_>,
    ) -> Result<Patch, VerbError> {
        let is_file = |side: Option<&Entry>| side.is_none_or(|entry| entry.file_bytes().is_some());
        if !is_file(change.before()) || !is_file(change.after()) {
            return Ok(Patch::None);
        }
        let is_large = |bytes: Option<u64>| bytes.is_some_and(|bytes| bytes > PATCH_MAX_BYTES);
        let bytes_before = change.before().and_then(Entry::file_bytes);
        let is_read = match change.kind() {
            ChangeKind::Added | ChangeKind::Removed => true,
            ChangeKind::Modified | ChangeKind::Metadata | ChangeKind::Type => {
                change.differs().contains(&Attribute::Content)
            }
        };
        if is_read && (is_large(bytes_before) || is_large(change.bytes_after())) {
            return Ok(Patch::Large);
        }
        let content = |sealed: &SealedCheckpoint, side: Option<&Entry>| {
            let mut content = Vec::new();
            if let Some(entry) = side.filter(|_| is_read) {
                sealed.write_entry_of(part, entry, &mut content)?;
            }
            Ok::<_, VerbError>(content)
        };
        let now = match now {
            Now::Live(live) if is_read && change.after().is_some() => {
                match live.content(change.path(), PATCH_MAX_BYTES)? {
                    LiveContent::Fetched(content) => content,
                    LiveContent::Unread => return Ok(Patch::Unread),
                    LiveContent::LeftOut => return Ok(Patch::LeftOut),
                }
            }
            Now::Live(_) => Vec::new(),
            Now::Sealed(new) => content(new, change.after())?,
        };
        let before = content(self.old, change.before())?;
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

    fn line(&mut self, line: &str) -> Result<(), VerbError> {
        let line = format!("{line}\n");
        if self.console.is_shown() {
            self.write(line.as_bytes())
        } else {
            self.write(strip_str(&line).to_string().as_bytes())
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), VerbError> {
        self.buffer.extend_from_slice(bytes);
        match self.buffer.len() {
            0..BUFFER_BYTES => Ok(()),
            _ => self.flush(),
        }
    }

    fn flush(&mut self) -> Result<(), VerbError> {
        match std::str::from_utf8(&self.buffer) {
            Ok(text) if self.console.is_shown() => self.console.answer(text)?,
            Ok(_) | Err(_) => self.console.raw(&self.buffer)?,
        }
        self.buffer.clear();
        Ok(())
    }

    /// Writes what is left. Whether anything changed.
    fn finish(mut self) -> Result<bool, VerbError> {
        if self.console.is_json() {
            self.console.document(&self.document)?;
        } else {
            self.flush()?;
        }
        let total: u64 = self.counts.values().sum();
        let (old, new) = (self.old.id(), &self.new);
        if !self.console.is_json() {
            self.console.remark(&match total {
                0 if !self.document.failed.is_empty() => {
                    format!("nothing that could be seen changed on {new} since {old}")
                }
                0 => {
                    let what = match self.document.notes.is_empty() {
                        true => "nothing changed",
                        false => "nothing that was compared changed",
                    };
                    match self.document.live {
                        true => format!("{what} on {new} since {old}"),
                        false => format!("{what} from {old} to {new}"),
                    }
                }
                _ => format!("{total} changed: {}", counts(&self.counts)),
            });
        }
        Ok(total > 0)
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
