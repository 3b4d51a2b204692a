//! Prints the state of a host for `MANIFEST.txt`.

use crate::manifest::{Disk, Head, HostFacts, Process, Repository};
use crate::name::escape;
use crate::units::{count, duration, size};

const CHANGES_SHOWN_MAX: usize = 20;
const PROCESSES_SHOWN_MAX: usize = 20;

/// Lines under a title. Texts of the host are escaped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// What it is about.
    pub title: String,
    /// A few dozen at most.
    pub lines: Vec<String>,
}

/// What is known of git, processes, versions and disks, in the order in which it is asked for at night.
/// What the host did not tell has no section.
#[must_use]
pub fn sections(facts: &HostFacts) -> Vec<Section> {
    let mut sections: Vec<Section> = facts.repositories.iter().map(repository).collect();
    sections.extend([
        section("Processes", processes(facts)),
        section("Versions", versions(facts)),
        section("Disks", facts.disks.iter().map(disk).collect()),
    ]);
    sections.retain(|section| !section.lines.is_empty());
    sections
}

fn section(title: &str, lines: Vec<String>) -> Section {
    Section {
        title: title.to_owned(),
        lines,
    }
}

fn shown(text: &str) -> String {
    escape(text.as_bytes())
}

fn repository(repository: &Repository) -> Section {
    let mut lines = vec![match &repository.head {
        Head::Branch(name) => format!("branch  {}", shown(name)),
        Head::Detached(words) if words.is_empty() => "branch  none".to_owned(),
        Head::Detached(words) => format!("branch  none ({})", shown(words)),
    }];
    lines.push(match &repository.commit {
        Some(commit) => {
            let subject = shown(&commit.subject);
            format!(
                "commit  {} {} {subject}",
                shown(commit.short_id()),
                commit.time
            )
        }
        None => "commit  none".to_owned(),
    });
    match &repository.changes {
        None => lines.push("status  unknown".to_owned()),
        Some(changes) if changes.count == 0 => lines.push("status  clean".to_owned()),
        Some(changes) => {
            lines.push(format!("status  {} changed", changes.count));
            let first = changes.first.iter().take(CHANGES_SHOWN_MAX);
            lines.extend(first.map(|change| format!("  {}", shown(change))));
            let told = changes.first.len().min(CHANGES_SHOWN_MAX) as u64;
            lines.extend(more(changes.count.saturating_sub(told)));
        }
    }
    Section {
        title: format!("Git {}", repository.root),
        lines,
    }
}

fn processes(facts: &HostFacts) -> Vec<String> {
    let told = facts.processes.iter().take(PROCESSES_SHOWN_MAX);
    let mut lines: Vec<String> = told.map(process).collect();
    let rest = facts.processes.len().saturating_sub(PROCESSES_SHOWN_MAX) as u64;
    lines.extend(more(rest + facts.more_processes));
    lines
}

fn process(process: &Process) -> String {
    let mut line = format!(
        "{:>7} {} {}",
        process.pid,
        shown(&process.user),
        shown(&process.command)
    );
    let mut remarks = Vec::new();
    if let Some(directory) = process
        .directory
        .as_ref()
        .filter(|path| path.as_bytes() != b"/")
    {
        remarks.push(format!("in {directory}"));
    }
    if let Some(age) = process.age {
        remarks.push(format!("for {}", duration(age)));
    }
    if process.workers > 0 {
        remarks.push(format!("with {}", count(process.workers, "worker")));
    }
    if !remarks.is_empty() {
        line += &format!("  ({})", remarks.join(", "));
    }
    line
}

fn versions(facts: &HostFacts) -> Vec<String> {
    let versions = facts.versions.iter();
    versions
        .map(|version| format!("{:<9} {}", shown(&version.program), shown(&version.text)))
        .collect()
}

fn disk(disk: &Disk) -> String {
    format!(
        "{}  {} % of {} used, {} free",
        shown(&disk.mount),
        disk.used_percent(),
        size(disk.size_bytes),
        size(disk.free_bytes)
    )
}

fn more(number: u64) -> Option<String> {
    (number > 0).then(|| format!("… {number} more"))
}
