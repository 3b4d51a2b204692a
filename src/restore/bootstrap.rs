//! Makes what a fresh host lacks before files are put back: the packages, groups and users that the inventory
//! declares.

use super::Error;
use super::plan::Plan;
use super::plan::missing::Missing;
use crate::guard::{BootstrapChange, WriteCommand};
use crate::inventory::Bootstrap;
use crate::name::AccountName;
use crate::source::probe::{Probe, SudoRights};
use crate::ssh::{Input, WriteSession};

/// What a failing tool prints is cut after this.
const ANSWER_MAX_BYTES: usize = 1 << 20;

/// What of `declared` is `missing`.
#[must_use]
pub fn change(declared: &Bootstrap, missing: &Missing) -> BootstrapChange {
    let is_in = |lacks: &[super::plan::missing::Lack], name: &str| {
        let mut lacks = lacks.iter();
        lacks.any(|lack| lack.is_declared && lack.name == name)
    };
    let packages = declared.packages.iter();
    let users = declared.users.iter();
    let groups: Vec<AccountName> = missing
        .groups
        .iter()
        .filter(|lack| lack.is_declared)
        .filter_map(|lack| lack.name.parse().ok())
        .collect();
    BootstrapChange {
        packages: packages
            .filter(|package| is_in(&missing.packages, package.as_str()))
            .cloned()
            .collect(),
        groups,
        users: users
            .filter(|user| is_in(&missing.users, user.name.as_str()))
            .cloned()
            .collect(),
    }
}

/// Why what `plan` makes can't be made on this host.
#[must_use]
pub fn obstacle(plan: &Plan, probe: &Probe) -> Option<String> {
    if plan.bootstrap.is_empty() {
        return None;
    }
    let lacks = plan.missing.iter();
    let mut unknown = lacks.filter(|(_, lack)| lack.is_declared && lack.command.is_none());
    if let Some((what, lack)) = unknown.next() {
        let name = crate::name::escape(lack.name.as_bytes());
        return Some(format!(
            "the host has no known tool that makes the {what} {name}"
        ));
    }
    let why = match probe.sudo {
        _ if probe.is_root => return None,
        Some(SudoRights::Missing) => "the host has no sudo",
        Some(SudoRights::Tools | SudoRights::Nothing) => "sudo does not allow that",
        Some(SudoRights::Root | SudoRights::Shell) | None => return None,
    };
    Some(format!(
        "`--bootstrap` needs root, and `{}` is not: {why}",
        probe.account
    ))
}

/// Makes it, as root: through sudo with `sudo`.
///
/// # Errors
///
/// [`Error::Step`] with the last words of the tool that failed; what was made before it stays.
///
/// # Cancel
///
/// Dropping the future ends the tool within some seconds.
pub async fn make(
    session: &WriteSession,
    sudo: bool,
    change: BootstrapChange,
) -> Result<(), Error> {
    let command = WriteCommand::Bootstrap(change);
    let answer = session
        .output(&command, sudo, Input::none(), ANSWER_MAX_BYTES)
        .await?;
    if answer.status == 0 {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&answer.stderr.to_bytes()).into_owned();
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let said = lines.into_iter().rev().filter(|line| !line.is_empty());
    let said: Vec<&str> = said.take(2).collect();
    let said: Vec<String> = said
        .into_iter()
        .rev()
        .map(|line| crate::name::escape(line.as_bytes()))
        .collect();
    Err(Error::Step {
        step: "bootstrap",
        status: answer.status,
        said: (!said.is_empty()).then(|| said.join("; ")),
    })
}
