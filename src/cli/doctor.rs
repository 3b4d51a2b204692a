//! `fleet doctor`

mod many;

use std::sync::Arc;

use anstyle::{AnsiColor, Style};

use super::error::Error;
use super::select::Hosts;
use super::setup::Setup;
use super::{Status, signals};
use crate::engine::Interrupt;
use crate::engine::doctor::{self, Report};
use crate::fault::ExitClass;
use crate::health::doctor::{Finding, Grade};
use crate::name::HostName;
use crate::report::{self, Problem, Reporter, Table, count, json, size};
use crate::scan::Found;

/// Connect to hosts and tell what each source would read
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Nothing is fetched and nothing is written. Exit status 5 if no host could be reached, 3 if some could, 1 if checkpoints would fail.

Examples:
  fleet doctor dev-vm
  fleet doctor --all --json")]
pub(super) struct Args {
    #[command(flatten)]
    hosts: Hosts,
}

pub(super) fn run(args: &Args, setup: &Setup) -> Status {
    let inventory = setup.inventory()?;
    let selection = args.hosts.selection();
    let hosts = selection.of(&inventory)?.len();
    let look = report::Style::of_look(&setup.console);
    let reporter = Reporter::new(Arc::clone(&setup.console), look, hosts);
    let network = Arc::new(setup.network(inventory, &reporter));
    let sink = reporter.sink();
    let interrupt = Interrupt::new();
    let wish = interrupt.clone();
    let ended = signals::run(&interrupt, || {}, async move {
        tokio::select! {
            reports = doctor::run(&selection, &network, &sink) => Some(reports),
            // Looking has no unsafe point: the first wish ends it.
            () = wish.reached(crate::engine::StopLevel::Soon) => None,
        }
    });
    reporter.finish();
    let reports = ended?.flatten().ok_or(Error::Stopped)??;
    if setup.console.is_json() {
        setup.console.document(&json::Doctor {
            version: json::Version,
            hosts: reports.iter().map(json::DoctorHost::from).collect(),
        })?;
    } else if setup.console.sums_up(reports.len()) {
        setup.console.answer(&many::answer(&reports))?;
    } else {
        let texts: Vec<String> = reports.iter().map(text).collect();
        setup.console.answer(&texts.join("\n"))?;
    }
    let problems: Vec<(HostName, Problem)> = reports
        .iter()
        .filter_map(|report| report.failure.as_ref())
        .map(|failure| (failure.host.clone(), Problem::from(failure)))
        .collect();
    setup.console.problems(reports.len(), &problems);
    Ok(worst(&reports))
}

/// What all hosts ask for, if they agree; else that some failed.
fn worst(reports: &[Report]) -> Option<ExitClass> {
    let classes = reports.iter().map(Report::exit_class);
    ExitClass::of_many(
        classes.clone().any(|class| class.is_none()),
        classes.flatten(),
        ExitClass::Partial,
    )
}

fn text(report: &Report) -> String {
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
            left_out,
            warnings,
            ..
        } => {
            let mut text = format!("{}, {}", count(totals.files, "file"), size(totals.bytes));
            if let Some(note) = report::left_out(left_out) {
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
