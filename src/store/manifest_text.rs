//! `MANIFEST.txt`: a checkpoint for people, readable without any tool.
//!
//! Everything in it follows from the checkpoint; only the names of packs are read back, and only where
//! the record itself is damaged. Texts of a host are escaped, so that showing the file in a terminal
//! is safe.

use std::collections::BTreeMap;
use std::fmt::{self, Write};

use super::entries::OTHER_ENDINGS;
use super::incoming::Note;
use super::record::checkpoint::EntriesFacts;
use crate::manifest::{Checkpoint, PackName, Part, Totals};
use crate::name::{SourceName, escape};

const NOTE_LINES_MAX: usize = 200;
const ENDINGS_SHOWN_MAX: usize = 40;

/// The whole text.
pub(super) fn text(
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
        ("State", checkpoint.state().as_str().to_owned()),
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
        ("Files", totals.files.to_string()),
        ("Bytes", totals.bytes.to_string()),
        ("Fetched bytes", checkpoint.fetched_bytes.to_string()),
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
    write_endings(out, entries)?;
    if !checkpoint.packs.is_empty() {
        writeln!(out, "\nPacks (beneath the folder of the host):")?;
        for pack in &checkpoint.packs {
            writeln!(out, "  {} ({} bytes)", pack.name, pack.stored_bytes)?;
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

/// The packs that a manifest names; a text of the host may look like one, and is then named too.
pub(super) fn packs(text: &[u8]) -> Vec<PackName> {
    String::from_utf8_lossy(text)
        .lines()
        .filter_map(|line| line.split_whitespace().next()?.parse().ok())
        .collect()
}

fn write_part(out: &mut String, part: &Part) -> fmt::Result {
    writeln!(
        out,
        "  {} ({}): {}, {} files, {} bytes, {} entries",
        part.name,
        part.kind,
        part.state.as_str(),
        part.totals.files,
        part.totals.bytes,
        part.entries
    )?;
    for root in &part.roots {
        writeln!(out, "    {root}")?;
    }
    for pattern in &part.exclude {
        writeln!(out, "    without {}", escape(pattern.as_bytes()))?;
    }
    if let Some(lines) = &part.lines {
        writeln!(out, "    only lines with {}", escape(lines.as_bytes()))?;
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

/// Regular files of all parts by ending, the most frequent first.
fn write_endings(out: &mut String, entries: &BTreeMap<SourceName, EntriesFacts>) -> fmt::Result {
    let mut sums: BTreeMap<&str, Totals> = BTreeMap::new();
    for (ending, totals) in entries.values().flat_map(|facts| &facts.endings) {
        let sum = sums.entry(ending).or_default();
        sum.files += totals.files;
        sum.bytes += totals.bytes;
    }
    if sums.is_empty() {
        return Ok(());
    }
    let mut sums: Vec<(&str, Totals)> = sums.into_iter().collect();
    sums.sort_by_key(|(ending, totals)| (std::cmp::Reverse(totals.files), *ending));
    writeln!(out, "\nFiles by ending:")?;
    for (ending, totals) in sums.iter().take(ENDINGS_SHOWN_MAX) {
        let name = match *ending {
            "" => "(none)".to_owned(),
            OTHER_ENDINGS => "(others)".to_owned(),
            ending => format!(".{ending}"),
        };
        writeln!(
            out,
            "  {name:<14} {:>8} files {:>14} bytes",
            totals.files, totals.bytes
        )?;
    }
    if sums.len() > ENDINGS_SHOWN_MAX {
        writeln!(out, "  … {} more endings", sums.len() - ENDINGS_SHOWN_MAX)?;
    }
    Ok(())
}
