//! `fleet verify`

use std::fmt;
use std::ops::ControlFlow;
use std::str::FromStr;

use super::error::{Error, Status, VerbError};
use super::setup::Setup;
use super::signals;
use crate::blocking::blocking;
use crate::engine::{Selection, Selector};
use crate::interrupt::Interrupt;
use crate::name::{CheckpointRef, HostName, ParseCheckpointError, ParseNameError};
use crate::report::json;
use crate::report::text::verify as text;
use crate::store::{Level, Scope, Store};

/// Compare every stored byte with its digest
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit status 6 if anything is damaged or missing.

Examples:
  fleet verify                    everything
  fleet verify dev-vm             all checkpoints of a host
  fleet verify dev-vm@latest --quick")]
pub(super) struct Args {
    /// Checkpoints, hosts or @groups [default: everything]
    #[arg(value_name = "CHECKPOINT or HOST", conflicts_with = "all")]
    targets: Vec<Target>,

    /// Everything in the store
    #[arg(long)]
    all: bool,

    /// Check only that packs exist and have the right size
    #[arg(long)]
    quick: bool,
}

/// A checkpoint, a host or a group.
#[derive(Debug, Clone)]
enum Target {
    Checkpoint(CheckpointRef),
    Hosts(Selector),
}

/// The text is none of them.
#[derive(Debug, Clone)]
enum ParseTargetError {
    Checkpoint(ParseCheckpointError),
    Name(ParseNameError),
}

impl fmt::Display for ParseTargetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Checkpoint(error) => error.fmt(f),
            Self::Name(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ParseTargetError {}

impl FromStr for Target {
    type Err = ParseTargetError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.find('@') {
            Some(1..) => text
                .parse()
                .map(Self::Checkpoint)
                .map_err(ParseTargetError::Checkpoint),
            Some(0) | None => text
                .parse()
                .map(Self::Hosts)
                .map_err(ParseTargetError::Name),
        }
    }
}

pub(super) fn run(args: &Args, setup: &Setup) -> Status {
    let store = setup.store()?;
    let mut skipped_newer = Vec::new();
    let scope = scope(args, setup, &store, &mut skipped_newer)?;
    let level = if args.quick {
        Level::Quick
    } else {
        Level::Full
    };
    let interrupt = Interrupt::new();
    let wish = interrupt.clone();
    let verifying = async move {
        blocking(move || {
            store.verify(&scope, level, &mut |_| {
                if wish.is_raised() {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            })
        })
        .await
    };
    let report = signals::run(&interrupt, || {}, verifying)?;
    let report = report.ok_or(Error::Stopped)??;
    let problem = text::problem(&report);
    if setup.console.is_json() {
        setup.console.document(&json::Verify {
            version: json::Version,
            checked: report.checked,
            files: report.files,
            problems: report
                .problems
                .iter()
                .map(json::StoreProblem::from)
                .collect(),
            skipped_newer,
            error: problem.as_ref().map(json::Problem::from),
        })?;
    } else if !report.problems.is_empty() {
        setup.console.answer(&text::table(&report.problems))?;
    } else {
        setup.console.remark(&text::intact(&report));
    }
    if let Some(problem) = &problem {
        setup.console.problem(problem);
    }
    Ok(problem.map(|problem| problem.class))
}

fn scope(
    args: &Args,
    setup: &Setup,
    store: &Store,
    skipped_newer: &mut Vec<json::SkippedNewer>,
) -> Result<Scope, VerbError> {
    if args.targets.is_empty() {
        return Ok(Scope::All);
    }
    let mut hosts: Vec<HostName> = Vec::new();
    let mut checkpoints = Vec::new();
    for target in &args.targets {
        match target {
            Target::Checkpoint(reference) => {
                let resolved = setup.look_up(store, reference)?;
                skipped_newer.extend(json::SkippedNewer::of(&resolved));
                checkpoints.push(resolved.id);
            }
            Target::Hosts(Selector::Host(host)) => hosts.push(host.clone()),
            Target::Hosts(group @ Selector::Group(_)) => {
                let selection = Selection::only(group.clone());
                let inventory = setup.inventory()?;
                let meant = selection.of(&inventory)?.into_iter();
                hosts.extend(meant.map(|host| host.name.clone()));
            }
        }
    }
    Ok(Scope::Some { hosts, checkpoints })
}
