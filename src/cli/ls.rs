//! `fleet ls`

use jiff::Timestamp;

use super::error::{Status, VerbError};
use super::setup::Setup;
use super::stored;
use crate::engine::{Selector, StoredHosts};
use crate::fault::{ExitClass, Problem};
use crate::report::{json, text};

/// List checkpoints by host, oldest first
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  fleet ls
  fleet ls dev-vm @prod
  fleet ls --json dev-vm | jq -r '.checkpoints[-1].id'")]
pub(super) struct Args {
    /// Only these hosts or @groups [default: all that have checkpoints]
    #[arg(value_name = "HOST")]
    hosts: Vec<Selector>,
}

pub(super) fn run(args: &Args, setup: &Setup) -> Status {
    let (listings, empty) = match stored::open(setup)? {
        Some((store, inventory)) => {
            let load = || setup.inventory();
            let meant = StoredHosts::of::<VerbError>(&args.hosts, &store, inventory, load)?;
            (meant.listings(&store)?, meant.empty)
        }
        None => (Vec::new(), Vec::new()),
    };
    let checkpoints = listings.iter().flat_map(|listing| &listing.checkpoints);
    let damaged: Vec<(String, Problem)> = listings
        .iter()
        .flat_map(|listing| &listing.damaged)
        .map(|damaged| (damaged.id.to_string(), Problem::of(&damaged.error)))
        .collect();
    for (_, problem) in &damaged {
        setup.console.problem(problem);
    }
    if setup.console.is_json() {
        setup.console.document(&json::Ls {
            version: json::Version,
            checkpoints: checkpoints.map(json::Checkpoint::from).collect(),
            error: damaged.first().map(|(_, problem)| problem.into()),
            damaged: json::Damaged::all(&damaged),
        })?;
    } else {
        match text::ls::table(checkpoints, Timestamp::now()) {
            Some(table) => setup.console.answer(&table)?,
            None if damaged.is_empty() && empty.is_empty() => setup
                .console
                .remark("no checkpoints yet; take one with `fleet checkpoint HOST`"),
            None => {}
        }
        for host in empty {
            setup.console.remark(&format!(
                "{host} has no checkpoints yet; take one with `fleet checkpoint {host}`"
            ));
        }
    }
    Ok((!damaged.is_empty()).then_some(ExitClass::Mismatch))
}
