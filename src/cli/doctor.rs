//! `fleet doctor`

use std::sync::Arc;

use super::error::{Error, Status};
use super::select::Hosts;
use super::setup::Setup;
use super::signals;
use crate::engine::doctor::{self, Report};
use crate::fault::{ExitClass, Problem};
use crate::interrupt::{Interrupt, StopLevel};
use crate::name::HostName;
use crate::report::text::doctor as text;
use crate::report::{Reporter, Style, json};

/// Connect to hosts and show what each source would read
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Nothing is fetched and nothing is written. Exit status: 5 if no host could be reached, 3 if only some could, 1 if a checkpoint would fail.

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
    let look = Style::of_look(&setup.console);
    let reporter = Reporter::new(Arc::clone(&setup.console), look, hosts);
    let network = Arc::new(setup.network(inventory, &reporter));
    let sink = reporter.sink();
    let interrupt = Interrupt::new();
    let wish = interrupt.clone();
    let ended = signals::run(&interrupt, || {}, async move {
        tokio::select! {
            reports = doctor::run(&selection, &network, &sink) => Some(reports),
            // Looking has no unsafe point: the first wish ends it.
            () = wish.reached(StopLevel::Soon) => None,
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
        setup.console.answer(&text::summary(&reports))?;
    } else {
        let texts: Vec<String> = reports.iter().map(text::report).collect();
        setup.console.answer(&texts.join("\n"))?;
    }
    let problems: Vec<(HostName, Problem)> = reports
        .iter()
        .filter_map(|report| report.failure.as_ref())
        .map(|failure| (failure.host.clone(), failure.problem.clone()))
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
