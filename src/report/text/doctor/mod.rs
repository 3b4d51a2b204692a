//! Renders what `fleet doctor` found: two tables for a host or, of many hosts, only what is not fine.

mod many;

use anstyle::{AnsiColor, Style};

pub use self::many::summary;
use crate::engine::doctor::Report;
use crate::health::doctor::{Finding, Grade};
use crate::report::Table;
use crate::report::text::left_out;
use crate::scan::Found;
use crate::units::{count, size};

/// The checks of a host, and what each of its sources would read.
#[must_use]
pub fn report(report: &Report) -> String {
    let bold = Style::new().bold();
    if report.failure.is_some() {
        return format!("{bold}{}{bold:#}  not reached\n", report.host);
    }
    let mut text = format!(
        "{bold}{}{bold:#}  {} at {}, host key {}\n",
        report.host, report.user, report.address, report.host_key
    );
    let mut findings = Table::new(&["CHECK", "GRADE", "FOUND"]);
    for finding in &report.findings {
        findings.row(style(finding.grade), row(finding));
    }
    text.push_str(&findings.shown());
    let mut sources = Table::new(&["SOURCE", "KIND", "STATE", "WOULD READ"]);
    for source in &report.sources {
        let (grade, state, found) = found(&source.found);
        sources.row(
            style(grade),
            [source.name.as_str(), source.kind, state, &found],
        );
    }
    text.push_str(&sources.shown());
    text
}

fn row(finding: &Finding) -> [String; 3] {
    let says = match &finding.hint {
        Some(hint) if finding.grade != Grade::Fine => format!("{} ({hint})", finding.says),
        Some(_) | None => finding.says.clone(),
    };
    [finding.subject, finding.grade.as_str(), &says].map(str::to_owned)
}

fn found(found: &Found) -> (Grade, &'static str, String) {
    match found {
        Found::Ready {
            totals,
            left_out: mounts,
            warnings,
            ..
        } => {
            let mut text = format!("{}, {}", count(totals.files, "file"), size(totals.bytes));
            if let Some(note) = left_out(mounts) {
                text.push_str("; ");
                text.push_str(&note);
            }
            for warning in warnings {
                text.push_str("; ");
                text.push_str(warning);
            }
            let grade = if warnings.is_empty() {
                Grade::Fine
            } else {
                Grade::Warning
            };
            (grade, "ready", text)
        }
        Found::Absent => (
            Grade::Fine,
            "absent",
            "nothing: it is optional and not there".to_owned(),
        ),
        Found::Unasked => (
            Grade::Fine,
            "unasked",
            "only a checkpoint asks for it".to_owned(),
        ),
        Found::Failed(failure) => {
            let mut text = failure.message.clone();
            if let Some(hint) = &failure.hint {
                text.push_str(&format!(" ({hint})"));
            }
            (Grade::Broken, "failed", text)
        }
    }
}

fn style(grade: Grade) -> Style {
    match grade {
        Grade::Fine => Style::new(),
        Grade::Warning => Style::new().fg_color(Some(AnsiColor::Yellow.into())),
        Grade::Broken => Style::new().fg_color(Some(AnsiColor::Red.into())),
    }
}
