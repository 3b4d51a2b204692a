//! `fleet log`

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

use super::setup::Setup;
use super::{Status, stored};
use crate::change::Change;
use crate::engine::Selector;
use crate::fault::ExitClass;
use crate::manifest::Entry;
use crate::name::{HostName, RemotePath, escape};
use crate::report::{Problem, Table, change_details, change_style, counts, file_time, json, size};
use crate::store::{self, History, Moment};

/// Digits of a digest that tell contents apart.
const DIGEST_DIGITS: usize = 12;

/// Show in which checkpoints a file changed
#[derive(Debug, clap::Args)]
#[command(after_help = "\
One line a change, by host, oldest first. For a directory, what changed beneath it is counted. A
checkpoint in which the source failed never says that a file is gone.

Examples:
  fleet log /etc/asterisk/pjsip.conf
  fleet log /opt/app dev-vm @prod
  fleet log /opt/app/server.js --json | jq -r '.log[-1].checkpoint'")]
pub(super) struct Args {
    /// The absolute path on the host, or fleet-captures/SOURCE/FILE
    #[arg(value_name = "PATH")]
    path: OsString,

    /// Only these hosts or @groups [default: all that have checkpoints]
    #[arg(value_name = "HOST")]
    hosts: Vec<Selector>,
}

pub(super) fn run(args: &Args, setup: &Setup) -> Status {
    let store = setup.store()?;
    let (hosts, _) = stored::meant(&args.hosts, setup, &store, None)?;
    let path = RemotePath::named(args.path.as_bytes()).map_err(|_| unknown(args, &hosts))?;
    let mut history = History::default();
    for host in &hosts {
        let of_host = store.history(host, &path)?;
        history.moments.extend(of_host.moments);
        history.damaged.extend(of_host.damaged);
    }
    if history.moments.is_empty() && history.damaged.is_empty() {
        return Err(unknown(args, &hosts).into());
    }
    let damaged: Vec<(String, Problem)> = history
        .damaged
        .iter()
        .map(|damaged| (damaged.id.to_string(), Problem::of(&damaged.error)))
        .collect();
    for (_, problem) in &damaged {
        setup.console.problem(problem);
    }
    if setup.console.is_json() {
        let moments = history.moments.iter();
        setup.console.document(&json::Log {
            version: json::Version,
            log: moments
                .map(|moment| json::Moment::of(&path, moment))
                .collect(),
            error: damaged.first().map(|(_, problem)| problem.into()),
            damaged: damaged
                .iter()
                .map(|(id, problem)| json::Damaged {
                    id: id.clone(),
                    error: problem.into(),
                })
                .collect(),
        })?;
    } else if !history.moments.is_empty() {
        setup.console.answer(&table(&history.moments).shown())?;
    }
    Ok((!damaged.is_empty()).then_some(ExitClass::Mismatch))
}

fn unknown(args: &Args, hosts: &[HostName]) -> store::Error {
    store::Error::NoHistory {
        path: escape(args.path.as_bytes()),
        hosts: hosts.to_vec(),
    }
}

fn table(moments: &[Moment]) -> Table {
    let mut table = Table::new(&[
        "CHECKPOINT",
        "CHANGE",
        "PART",
        "SIZE",
        "SHA256",
        "MTIME",
        "DETAILS",
        "DESCRIPTION",
    ])
    .right(3);
    for moment in moments {
        let change = moment.change.as_ref();
        let entry = change.map(Change::latest);
        let digest = entry.and_then(Entry::file_sha256);
        let beneath = counts(&moment.beneath);
        let details = match change {
            _ if !beneath.is_empty() => format!("beneath: {beneath}"),
            // Of a file that came or went, size and digest have columns of their own.
            Some(change) if digest.is_none() || !change.differs().is_empty() => {
                change_details(change)
            }
            Some(_) | None => String::new(),
        };
        table.row(
            change_style(moment.kind),
            [
                moment.checkpoint.to_string(),
                moment.kind.as_str().to_owned(),
                moment.part.to_string(),
                entry
                    .and_then(Entry::file_bytes)
                    .map(size)
                    .unwrap_or_default(),
                digest
                    .map(|digest| digest.to_string()[..DIGEST_DIGITS].to_owned())
                    .unwrap_or_default(),
                entry
                    .map(|entry| file_time(entry.mtime))
                    .unwrap_or_default(),
                details,
                moment.description.clone(),
            ],
        );
    }
    table
}
