//! `fleet ls`

use anstyle::{AnsiColor, Style};
use jiff::Timestamp;

use super::Status;
use super::error::Stop;
use super::setup::Setup;
use crate::engine::{Selection, Selector};
use crate::fault::ExitClass;
use crate::inventory::Inventory;
use crate::manifest::{Checkpoint, State};
use crate::name::{CheckpointRef, HostName, Which};
use crate::report::{Problem, Table, ago, json, size};
use crate::store::{self, Listing, Store};

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
    let (listings, empty) = match open(setup)? {
        Some((store, inventory)) => {
            let (hosts, empty) = meant(args, setup, &store, inventory)?;
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

/// The store, if there is one. Where the inventory says the store is, it need not be yet.
fn open(setup: &Setup) -> Result<Option<(Store, Option<Inventory>)>, Stop> {
    if let Some(dir) = &setup.global.store {
        return Ok(Some((Store::open(dir)?, None)));
    }
    let inventory = setup.inventory()?;
    match Store::open(&setup.store_dir(&inventory)?) {
        Ok(store) => Ok(Some((store, Some(inventory)))),
        Err(store::Error::NoStore { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The hosts to list, and those of the inventory that were named and have nothing yet. Hosts that
/// left the inventory are still listed by name.
fn meant(
    args: &Args,
    setup: &Setup,
    store: &Store,
    inventory: Option<Inventory>,
) -> Result<(Vec<HostName>, Vec<HostName>), Stop> {
    let stored = store.hosts()?;
    if args.hosts.is_empty() {
        return Ok((stored, Vec::new()));
    }
    let mut inventory = inventory;
    let mut wanted: Vec<HostName> = Vec::new();
    let mut empty = Vec::new();
    for selector in &args.hosts {
        match selector {
            Selector::Host(host) if stored.contains(host) => wanted.push(host.clone()),
            Selector::Host(host) => {
                // Without an inventory, or when it does not know the host either, the store tells
                // which hosts there are.
                let known = match &inventory {
                    Some(inventory) => inventory.host(host).is_some(),
                    None => setup.inventory().is_ok_and(|i| i.host(host).is_some()),
                };
                if !known {
                    store.resolve(&CheckpointRef {
                        host: host.clone(),
                        which: Which::Back(0),
                    })?;
                }
                empty.push(host.clone());
            }
            Selector::Group(_) => {
                let inventory = match inventory.take() {
                    Some(read) => inventory.insert(read),
                    None => inventory.insert(setup.inventory()?),
                };
                let selection = Selection {
                    include: vec![selector.clone()],
                    ..Selection::default()
                };
                let of_group = selection.of(inventory)?.into_iter();
                wanted.extend(
                    of_group
                        .map(|host| host.name.clone())
                        .filter(|name| stored.contains(name)),
                );
            }
        }
    }
    wanted.sort();
    wanted.dedup();
    Ok((wanted, empty))
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
            style(checkpoint.state()),
            [
                checkpoint.id.to_string(),
                ago(checkpoint.id.stamp.time(), now),
                checkpoint.state().as_str().to_owned(),
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

/// The colour of a line about a checkpoint in that state.
pub(super) fn style(state: State) -> Style {
    match state {
        State::Complete => Style::new(),
        State::Warned => Style::new().fg_color(Some(AnsiColor::Yellow.into())),
        State::Partial => Style::new().fg_color(Some(AnsiColor::Red.into())),
    }
}
