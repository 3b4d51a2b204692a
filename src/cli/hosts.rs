//! `fleet hosts`

use super::error::Status;
use super::setup::Setup;
use crate::report::{json, text};

/// List the hosts, which are protected, and why
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The address is that of the inventory; `-` means that it comes from OpenSSH's configuration (`ssh -G NAME`).

Examples:
  fleet hosts
  fleet hosts --json | jq -r '.hosts[] | select(.protected) | .name'")]
pub(super) struct Args {}

pub(super) fn run(_: &Args, setup: &Setup) -> Status {
    let inventory = setup.inventory()?;
    if setup.console.is_json() {
        setup.console.document(&json::Hosts::from(&inventory))?;
        return Ok(None);
    }
    setup
        .console
        .answer(&text::hosts::table(&inventory.hosts))?;
    Ok(None)
}
