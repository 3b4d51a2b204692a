//! Renders everything about one checkpoint for `fleet show`.

use std::fmt::Write as _;

use anstyle::Style;
use jiff::Timestamp;

use super::left_out;
use super::times::since;
use crate::manifest::{Checkpoint, Part};
use crate::name::escape;
use crate::report::Table;
use crate::store;
use crate::units::{duration, size};

/// Facts of the checkpoint, a table of its parts, what there is to remark on them, and what the host was like.
#[must_use]
pub fn checkpoint(checkpoint: &Checkpoint, now: Timestamp) -> String {
    let totals = checkpoint.totals();
    let took = checkpoint.finished.duration_since(checkpoint.started);
    let took = std::time::Duration::try_from(took).unwrap_or_default();
    let host = &checkpoint.host;
    let protected = if host.protected { ", protected" } else { "" };
    let facts = [
        ("state", checkpoint.state_words().to_owned()),
        ("subset", store::subset(checkpoint).to_owned()),
        ("trigger", checkpoint.trigger.as_str().to_owned()),
        ("description", checkpoint.description.clone()),
        (
            "taken",
            format!(
                "{}, {}, took {}",
                checkpoint.started,
                since(checkpoint.started, now),
                duration(took)
            ),
        ),
        (
            "content",
            format!("{} files, {}", totals.files, size(totals.bytes)),
        ),
        (
            "cost",
            format!(
                "fetched {}, stored {}",
                size(checkpoint.fetched_bytes),
                size(checkpoint.stored_bytes)
            ),
        ),
        ("env", format!("{}{protected}", host.env)),
        ("login", format!("{} at {}", host.user, host.address)),
        ("host key", host.host_key.clone()),
        ("machine id", host.machine_id.clone()),
        ("hostname", host.hostname.clone()),
        ("system", host.os.clone()),
        ("kernel", host.kernel.clone()),
        (
            "uptime",
            checkpoint.facts.uptime.map(duration).unwrap_or_default(),
        ),
        ("boot id", checkpoint.facts.boot_id.clone()),
    ];
    let bold = Style::new().bold();
    let mut text = format!("{bold}{}{bold:#}\n", checkpoint.id);
    for (name, value) in facts {
        if !value.is_empty() {
            line(&mut text, name, &escape(value.as_bytes()));
        }
    }
    for pack in &checkpoint.packs {
        line(
            &mut text,
            "pack",
            &format!("{} ({})", pack.name, size(pack.stored_bytes)),
        );
    }
    for warning in &checkpoint.warnings {
        line(&mut text, "warning", &escape(warning.as_bytes()));
    }
    text.push('\n');
    text.push_str(&parts(&checkpoint.parts).shown());
    for part in &checkpoint.parts {
        text.push_str(&remarks(part));
    }
    for section in store::sections(&checkpoint.facts) {
        writeln!(text, "\n{}:", section.title).expect("a String takes any text");
        for line in section.lines {
            writeln!(text, "  {line}").expect("a String takes any text");
        }
    }
    text
}

fn line(text: &mut String, name: &str, value: &str) {
    writeln!(text, "  {name:<12} {value}").expect("a String takes any text");
}

fn parts(parts: &[Part]) -> Table {
    let mut table = Table::new(&[
        "PART", "KIND", "STATE", "FILES", "SIZE", "ENTRIES", "FETCHED", "ROOTS",
    ]);
    for column in [3, 4, 5, 6] {
        table = table.right(column);
    }
    for part in parts {
        let roots: Vec<String> = part
            .roots
            .iter()
            .map(|root| String::from_utf8_lossy(root.as_bytes()).into_owned())
            .collect();
        table.row(
            Style::new(),
            [
                part.name.to_string(),
                part.kind.clone(),
                part.state.as_str().to_owned(),
                part.totals.files.to_string(),
                size(part.totals.bytes),
                part.entries.to_string(),
                size(part.fetched_bytes),
                roots.join(" "),
            ],
        );
    }
    table
}

/// What is left out, warnings and the failure of a part, each on a line.
fn remarks(part: &Part) -> String {
    let mut text = String::new();
    let name = &part.name;
    if let Some(lines) = &part.lines {
        let lines = escape(lines.as_bytes());
        writeln!(text, "\n{name}: only lines with {lines}").expect("a String takes any text");
    }
    if let Some(note) = left_out(&part.left_out) {
        writeln!(text, "\n{name}: {note}").expect("a String takes any text");
    }
    for resolved in &part.resolved {
        let (asked, real) = (&resolved.asked, &resolved.real);
        writeln!(
            text,
            "\n{name}: {asked} is at {real}: a directory above it is a symbolic link"
        )
        .expect("a String takes any text");
    }
    for warning in &part.warnings {
        let warning = escape(warning.as_bytes());
        writeln!(text, "\n{name}: warning: {warning}").expect("a String takes any text");
    }
    if let Some(failure) = &part.failure {
        let message = escape(failure.message.as_bytes());
        writeln!(text, "\n{name}: failed: {message}").expect("a String takes any text");
        if let Some(hint) = &failure.hint {
            let hint = escape(hint.as_bytes());
            writeln!(text, "  hint: {hint}").expect("a String takes any text");
        }
    }
    text
}
