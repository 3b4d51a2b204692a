//! `fleet checkpoint`

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::error::{Error, Status};
use super::select::Hosts;
use super::setup::Setup;
use super::signals;
use crate::checkpoint::CaptureOptions;
use crate::engine::checkpoint::{self, Outcome, Request, Strictness};
use crate::event::Event;
use crate::fault::{ExitClass, Problem};
use crate::interrupt::{Interrupt, StopLevel};
use crate::inventory::WireCompression;
use crate::manifest::Trigger;
use crate::name::{HostName, SourceName};
use crate::report::text::checkpoint as text;
use crate::report::{Console, Reporter, Style, json};

/// Take a checkpoint of hosts
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Pulls every source of each host and seals the result as a checkpoint. Nothing is written on the \
hosts. One host's failure never stops the others. The first Ctrl-C stops at the next safe point and \
seals what has arrived as a partial checkpoint, the second stops at once; nothing unfinished is ever \
visible. A checkpoint of some sources only is a subset, which `latest` skips.

Examples:
  fleet checkpoint dev-vm -m \"before the codec change\"
  fleet checkpoint @prod --exclude old-vm -j 4
  fleet checkpoint dev-vm --only asterisk --only app
  fleet checkpoint --all -q --wait 10m          for cron")]
pub(super) struct Args {
    #[command(flatten)]
    hosts: Hosts,

    /// Description of the checkpoint
    #[arg(
        short,
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true
    )]
    message: String,

    /// Only this source; may be given several times
    #[arg(long, value_name = "SOURCE")]
    only: Vec<SourceName>,

    /// Fetch everything, including unchanged files
    #[arg(long)]
    full: bool,

    /// Have the hosts hash files that seem unchanged, and compare
    #[arg(long, conflicts_with = "full")]
    verify_unchanged: bool,

    /// Exit with 3 if there are warnings, such as unreadable files that were skipped
    #[arg(long)]
    strict: bool,

    /// Compression over the network: auto, none, gzip or zstd [default: from the inventory]
    #[arg(long, value_name = "HOW")]
    compression: Option<WireCompression>,

    /// How many hosts to work on at once
    #[arg(
        short,
        long,
        value_name = "N",
        default_value_t = 8,
        value_parser = clap::value_parser!(u16).range(1..)
    )]
    jobs: u16,
}

pub(super) fn run(args: &Args, setup: &Setup) -> Status {
    let request = Request {
        selection: args.hosts.selection(),
        options: CaptureOptions {
            description: args.message.clone(),
            trigger: Trigger::Manual,
            only: args.only.clone(),
            full: args.full,
            verify_unchanged: args.verify_unchanged,
            compression: args.compression,
        },
        jobs: usize::from(args.jobs),
    };
    let strictness = match args.strict {
        true => Strictness::Strict,
        false => Strictness::Lenient,
    };
    let begun = Instant::now();
    let inventory = setup.inventory()?;
    let hosts = request.selection.of(&inventory)?.len();
    let console = &setup.console;
    let reporter = Reporter::new(Arc::clone(console), Style::of(console), hosts);
    let workspace = setup.workspace(inventory, &reporter)?;
    let interrupt = Interrupt::new();
    let sink = reporter.sink();
    let notice = {
        let reporter = Arc::clone(&reporter);
        move || reporter.tell(&Event::Stopping)
    };
    let ended = signals::run(&interrupt, notice, async {
        checkpoint::run(&request, &workspace, &sink, &interrupt).await
    });
    reporter.finish();
    let outcome = ended?.ok_or(Error::Stopped)??;
    let size = Size {
        hosts,
        took: begun.elapsed(),
    };
    let class = outcome.exit_class(strictness);
    tell(console, &outcome, class, interrupt.level(), &size)
}

/// How large a run was.
struct Size {
    hosts: usize,
    took: Duration,
}

fn tell(
    console: &Console,
    outcome: &Outcome,
    class: Option<ExitClass>,
    level: StopLevel,
    run: &Size,
) -> Status {
    let stopped = (class == Some(ExitClass::Interrupted)).then(|| text::stopped(outcome, level));
    let problems: Vec<(HostName, Problem)> = outcome
        .failed
        .iter()
        .map(|failure| (failure.host.clone(), text::failed(failure)))
        .collect();
    console.problems(run.hosts, &problems);
    if let Some(problem) = &stopped {
        console.problem(problem);
    }
    if console.is_json() {
        console.event(&json::Event::Summary {
            version: json::Version,
            exit: class.map_or(0, ExitClass::status),
            checkpoints: outcome
                .checkpoints
                .iter()
                .map(json::Checkpoint::from)
                .collect(),
            failed: outcome.failed.iter().map(json::FailedPart::from).collect(),
            error: stopped.as_ref().map(json::Problem::from),
        })?;
    } else if console.talk() != crate::report::Verbosity::Quiet {
        if console.sums_up(run.hosts) {
            console.answer(&text::summary(&outcome.checkpoints))?;
            console.remark(&text::closing(outcome, run.hosts, run.took));
        } else {
            let lines: Vec<String> = outcome.checkpoints.iter().map(text::line).collect();
            console.answer(&lines.concat())?;
        }
    }
    Ok(class)
}
