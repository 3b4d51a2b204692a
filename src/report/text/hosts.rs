//! Renders the table of hosts for `fleet hosts`: how each is reached, and why it is protected.

use anstyle::{AnsiColor, Style};

use crate::guard::{is_protected, protection};
use crate::inventory::{Env, Host};
use crate::report::Table;

/// A line for each host; those that can be written have a colour.
#[must_use]
pub fn table(hosts: &[Host]) -> String {
    let mut table = Table::new(&[
        "HOST",
        "ADDRESS",
        "ENV",
        "ACCESS",
        "SOURCES",
        "PROTECTED BECAUSE",
    ]);
    for host in hosts {
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
    table.shown()
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
