//! `fleet log`

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

use super::error::{Status, VerbError};
use super::setup::Setup;
use crate::engine::{Selector, StoredHosts};
use crate::fault::{ExitClass, Problem};
use crate::name::{HostName, RemotePath, escape};
use crate::report::{json, text};
use crate::store;

/// Show in which checkpoints a file changed
#[derive(Debug, clap::Args)]
#[command(after_help = "\
One line for each change, by host, oldest first. For a directory, changes below it are counted. A \
checkpoint in which the source failed is not counted as a deletion.

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
    let load = || setup.inventory();
    let meant = StoredHosts::of::<VerbError>(&args.hosts, &store, None, load)?;
    let unknown = || unknown(args, &meant.hosts);
    let path = RemotePath::named(args.path.as_bytes()).map_err(|_| unknown())?;
    let history = meant.history(&store, &path)?;
    if history.moments.is_empty() && history.damaged.is_empty() {
        return Err(unknown().into());
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
            damaged: json::Damaged::all(&damaged),
        })?;
    } else if !history.moments.is_empty() {
        setup.console.answer(&text::log::table(&history.moments))?;
    }
    Ok((!damaged.is_empty()).then_some(ExitClass::Mismatch))
}

fn unknown(args: &Args, hosts: &[HostName]) -> store::Error {
    store::Error::NoHistory {
        path: escape(args.path.as_bytes()),
        hosts: hosts.to_vec(),
    }
}
