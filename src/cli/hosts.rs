//! `fleet hosts`

use anstyle::{AnsiColor, Style};

use super::Status;
use super::setup::Setup;
use crate::guard::{is_protected, protection};
use crate::inventory::{Env, Host};
use crate::report::{Table, json};

/// List the hosts, who may be written, and why not
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The address is the inventory's; without one, OpenSSH's configuration tells (`ssh -G NAME`).

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
    let mut table = Table::new(&[
        "HOST",
        "ADDRESS",
        "ENV",
        "ACCESS",
        "SOURCES",
        "PROTECTED BECAUSE",
    ]);
    for host in &inventory.hosts {
        let reasons: Vec<String> = protection(host)
            .iter()
            .map(|reason| format!("{reason} (line {})", reason.place().line))
            .collect();
        let style = if reasons.is_empty() {
            Style::new().fg_color(Some(AnsiColor::Yellow.into()))
        } else {
            Style::new()
        };
        table.row(
            style,
            [
                host.name.to_string(),
                address(host),
                env(host).map_or("-", Env::as_str).to_owned(),
                access(host).to_owned(),
                sources(host),
                reasons.join("; "),
            ],
        );
    }
    setup.console.answer(&table.shown())?;
    Ok(None)
}

fn address(host: &Host) -> String {
    let address = host.address.as_deref().unwrap_or("-");
    match host.port {
        None | Some(22) => address.to_owned(),
        Some(port) if address.contains(':') => format!("[{address}]:{port}"),
        Some(port) => format!("{address}:{port}"),
    }
}

fn access(host: &Host) -> &'static str {
    if is_protected(host) {
        "read-only"
    } else {
        "writable"
    }
}

fn env(host: &Host) -> Option<&Env> {
    host.env.as_ref().map(|(env, _)| env)
}

fn sources(host: &Host) -> String {
    const SHOWN_MAX: usize = 4;
    if host.sources.is_empty() {
        return "none".to_owned();
    }
    let names: Vec<&str> = host.sources.iter().map(|s| s.name.as_str()).collect();
    match names.len().checked_sub(SHOWN_MAX) {
        Some(more @ 1..) => format!("{} +{more}", names[..SHOWN_MAX].join(",")),
        _ => names.join(","),
    }
}
