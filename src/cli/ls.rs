//! `fleet ls`

use jiff::Timestamp;

use super::setup::Setup;
use super::{Status, stored};
use crate::engine::Selector;
use crate::fault::ExitClass;
use crate::manifest::Checkpoint;
use crate::report::text::checkpoint::style;
use crate::report::{Problem, Table, ago, json, size};
use crate::store::{self, Listing};

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
            let (hosts, empty) = stored::meant(&args.hosts, setup, &store, inventory)?;
            let listings = hosts
                .iter()
                .map(|host| store.checkpoints(host))
                .collect::<Result<Vec<Listing>, store::Error>>()?;
            (listings, empty)
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
            damaged: damaged
                .iter()
                .map(|(id, problem)| json::Damaged {
                    id: id.clone(),
                    error: problem.into(),
                })
                .collect(),
        })?;
    } else {
        let table = table(checkpoints, Timestamp::now());
        match table {
            Some(table) => setup.console.answer(&table.shown())?,
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

fn table<'a>(checkpoints: impl Iterator<Item = &'a Checkpoint>, now: Timestamp) -> Option<Table> {
    let mut table = Table::new(&[
        "CHECKPOINT",
        "AGE",
        "STATE",
        "TRIGGER",
        "FILES",
        "SIZE",
        "STORED",
        "DESCRIPTION",
    ]);
    for column in [1, 4, 5, 6] {
        table = table.right(column);
    }
    let mut rows = 0;
    for checkpoint in checkpoints {
        rows += 1;
        let totals = checkpoint.totals();
        table.row(
            style(checkpoint),
            [
                checkpoint.id.to_string(),
                ago(checkpoint.id.stamp.time(), now),
                checkpoint.state_words().to_owned(),
                checkpoint.trigger.as_str().to_owned(),
                totals.files.to_string(),
                size(totals.bytes),
                size(checkpoint.stored_bytes),
                checkpoint.description.clone(),
            ],
        );
    }
    (rows > 0).then_some(table)
}
