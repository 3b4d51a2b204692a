//! `MANIFEST.txt`: a checkpoint for people, readable without any tool.
//!
//! Everything in it follows from the checkpoint; only the names of packs are read back, and only where
//! the record itself is damaged. Texts of a host are escaped, so that showing the file in a terminal
//! is safe.

mod facts;

use std::collections::BTreeMap;
use std::fmt::{self, Write};

use crate::manifest::{Checkpoint, PackName, Part, Resolved, Totals};
use crate::name::{RemotePath, SourceName, escape};
use crate::store::files::entries::OTHER_ENDINGS;
use crate::store::record::checkpoint::EntriesFacts;
use crate::store::seal::incoming::Note;
use crate::units::{count, duration, size};

pub use facts::{Section, sections};

const NOTE_LINES_MAX: usize = 200;
const ENDINGS_SHOWN_MAX: usize = 20;
const FOLDERS_SHOWN_MAX: usize = 40;
/// However many parts there are, this many folders of each are shown.
const FOLDERS_SHOWN_MIN: usize = 3;

/// The whole text.
pub(in crate::store) fn text(
    checkpoint: &Checkpoint,
    entries: &BTreeMap<SourceName, EntriesFacts>,
    notes: &[Note],
) -> String {
    let mut text = String::new();
    write(&mut text, checkpoint, entries, notes).expect("strings take all text");
    text
}

fn write(
    out: &mut String,
    checkpoint: &Checkpoint,
    entries: &BTreeMap<SourceName, EntriesFacts>,
    notes: &[Note],
) -> fmt::Result {
    let host = &checkpoint.host;
    let totals = checkpoint.totals();
    let access = if host.protected {
        "protected"
    } else {
        "writable"
    };
    for (what, value) in [
        ("Checkpoint", checkpoint.id.to_string()),
        ("Description", checkpoint.description.clone()),
        ("State", checkpoint.state_words().to_owned()),
        ("Subset", subset(checkpoint).to_owned()),
        ("Trigger", checkpoint.trigger.as_str().to_owned()),
        ("Started", checkpoint.started.to_string()),
        ("Finished", checkpoint.finished.to_string()),
        (
            "Host",
            format!("{} ({}, {access})", checkpoint.id.host, host.env),
        ),
        ("Address", format!("{} as {}", host.address, host.user)),
        ("Host name", host.hostname.clone()),
        ("Host key", host.host_key.clone()),
        ("Machine id", host.machine_id.clone()),
        ("System", host.os.clone()),
        ("Kernel", host.kernel.clone()),
        (
            "Uptime",
            checkpoint.facts.uptime.map(duration).unwrap_or_default(),
        ),
        ("Boot id", checkpoint.facts.boot_id.clone()),
        ("Files", totals.files.to_string()),
        ("Size", bytes(totals.bytes)),
        ("Fetched", bytes(checkpoint.fetched_bytes)),
    ] {
        if !value.is_empty() {
            writeln!(
                out,
                "{:<15}{}",
                format!("{what}:"),
                escape(value.as_bytes())
            )?;
        }
    }
    warnings(out, "", &checkpoint.warnings)?;

    writeln!(out, "\nParts:")?;
    for part in &checkpoint.parts {
        write_part(out, part)?;
    }
    for section in sections(&checkpoint.facts) {
        writeln!(out, "\n{}:", section.title)?;
        for line in section.lines {
            writeln!(out, "  {line}")?;
        }
    }
    write_folders(out, checkpoint, entries)?;
    write_endings(out, entries, checkpoint.totals())?;
    if !checkpoint.packs.is_empty() {
        writeln!(out, "\nPacks (beneath the folder of the host):")?;
        for pack in &checkpoint.packs {
            writeln!(out, "  {} ({})", pack.name, size(pack.stored_bytes))?;
        }
    }
    for note in notes {
        writeln!(out, "\n{}:", escape(note.title.as_bytes()))?;
        let mut lines = note.text.split(|&b| b == b'\n').collect::<Vec<_>>();
        if lines.last().is_some_and(|line| line.is_empty()) {
            lines.pop();
        }
        for line in lines.iter().take(NOTE_LINES_MAX) {
            writeln!(out, "  {}", escape(line))?;
        }
        if let Some(more) = lines.len().checked_sub(NOTE_LINES_MAX).filter(|n| *n > 0) {
            writeln!(out, "  … {more} more lines")?;
        }
    }
    Ok(())
}

/// What a subset is; empty for other checkpoints.
#[must_use]
pub fn subset(checkpoint: &Checkpoint) -> &'static str {
    match checkpoint.subset {
        true => "only some of the host's sources; `latest` skips it",
        false => "",
    }
}

/// The packs that a manifest names; a text of the host may look like one, and is then named too.
pub(in crate::store) fn packs(text: &[u8]) -> Vec<PackName> {
    String::from_utf8_lossy(text)
        .lines()
        .filter_map(|line| line.split_whitespace().next()?.parse().ok())
        .collect()
}

fn write_part(out: &mut String, part: &Part) -> fmt::Result {
    writeln!(
        out,
        "  {} ({}): {}, {}, {}, {} entries",
        part.name,
        part.kind,
        part.state.as_str(),
        count(part.totals.files, "file"),
        size(part.totals.bytes),
        part.entries
    )?;
    for root in &part.roots {
        writeln!(out, "    {root}")?;
    }
    for resolved in &part.resolved {
        let Resolved { asked, real } = resolved;
        writeln!(
            out,
            "    {asked} is at {real}: a directory above it is a symbolic link"
        )?;
    }
    for pattern in &part.exclude {
        writeln!(out, "    without {}", escape(pattern.as_bytes()))?;
    }
    if let Some(lines) = &part.lines {
        writeln!(out, "    only lines with {}", escape(lines.as_bytes()))?;
    }
    for left_out in &part.left_out {
        writeln!(out, "    not entered: {left_out}")?;
    }
    if let Some(failure) = &part.failure {
        writeln!(out, "    failed: {}", escape(failure.message.as_bytes()))?;
        if let Some(hint) = &failure.hint {
            writeln!(out, "    hint: {}", escape(hint.as_bytes()))?;
        }
    }
    warnings(out, "    ", &part.warnings)
}

fn warnings(out: &mut String, indent: &str, warnings: &[String]) -> fmt::Result {
    for warning in warnings {
        writeln!(out, "{indent}warning: {}", escape(warning.as_bytes()))?;
    }
    Ok(())
}

/// Regular files of every part by folder, the fullest first.
fn write_folders(
    out: &mut String,
    checkpoint: &Checkpoint,
    entries: &BTreeMap<SourceName, EntriesFacts>,
) -> fmt::Result {
    let told = |part: &&Part| {
        entries
            .get(&part.name)
            .is_some_and(|facts| !facts.folders.is_empty())
    };
    let parts: Vec<&Part> = checkpoint.parts.iter().filter(told).collect();
    if parts.is_empty() {
        return Ok(());
    }
    let shown_max = (FOLDERS_SHOWN_MAX / parts.len()).max(FOLDERS_SHOWN_MIN);
    writeln!(out, "\nFiles by folder:")?;
    for part in parts {
        let folders = &entries[&part.name].folders;
        write_count(out, part.totals, part.name.as_str())?;
        let mut folders: Vec<(&RemotePath, &Totals)> = folders.iter().collect();
        folders.sort_by_key(|(folder, totals)| (std::cmp::Reverse(totals.files), *folder));
        let mut rest = part.totals;
        for (folder, totals) in folders.iter().take(shown_max) {
            write_count(out, **totals, &format!("  {folder}"))?;
            rest = less(rest, **totals);
        }
        if rest.files > 0 {
            write_count(out, rest, "  (others)")?;
        }
    }
    Ok(())
}

/// Regular files of all parts by ending, the most frequent first.
fn write_endings(
    out: &mut String,
    entries: &BTreeMap<SourceName, EntriesFacts>,
    all: Totals,
) -> fmt::Result {
    let mut sums: BTreeMap<&str, Totals> = BTreeMap::new();
    for (ending, totals) in entries.values().flat_map(|facts| &facts.endings) {
        let sum = sums.entry(ending).or_default();
        sum.files += totals.files;
        sum.bytes += totals.bytes;
    }
    if sums.is_empty() {
        return Ok(());
    }
    let mut rest = sums.remove(OTHER_ENDINGS).unwrap_or_default();
    let mut sums: Vec<(&str, Totals)> = sums.into_iter().collect();
    sums.sort_by_key(|(ending, totals)| (std::cmp::Reverse(totals.files), *ending));
    writeln!(out, "\nFiles by kind:")?;
    for (ending, totals) in sums.iter().take(ENDINGS_SHOWN_MAX) {
        let name = match *ending {
            "" => "(no ending)".to_owned(),
            ending => format!(".{ending}"),
        };
        write_count(out, *totals, &name)?;
    }
    for (_, totals) in sums.iter().skip(ENDINGS_SHOWN_MAX) {
        rest.files += totals.files;
        rest.bytes += totals.bytes;
    }
    if rest.files > 0 {
        write_count(out, rest, "(others)")?;
    }
    write_count(out, all, "all")
}

fn write_count(out: &mut String, totals: Totals, what: &str) -> fmt::Result {
    let files = count(totals.files, "file");
    writeln!(out, "  {files:>12} {:>11}  {what}", size(totals.bytes))
}

fn less(all: Totals, some: Totals) -> Totals {
    Totals {
        files: all.files.saturating_sub(some.files),
        bytes: all.bytes.saturating_sub(some.bytes),
    }
}

/// For people, and for those who count.
fn bytes(number: u64) -> String {
    if number < 1024 {
        size(number)
    } else {
        format!("{} ({number} bytes)", size(number))
    }
}
