//! The warnings and refusals of a plan.

use super::compare::{Action, Differences};
use super::make::Basis;
use crate::manifest::{FileType, PartState};
use crate::name::escape;
use crate::restore::databases::DatabaseAction;
use crate::source::probe::{Probe, SudoRights};
use crate::units::listing;

/// Why the account cannot do what needs root.
pub(super) fn lack_of_rights(sudo: bool, probe: &Probe) -> Option<String> {
    let why = match probe.sudo {
        Some(SudoRights::Missing) => "the host has no sudo",
        Some(SudoRights::Tools) => "sudo allows `find` and `tar` only",
        Some(SudoRights::Root | SudoRights::Shell | SudoRights::Nothing) | None => return None,
    };
    sudo.then(|| {
        format!(
            "what is put back belongs to other accounts than `{}`, and {why}",
            probe.account
        )
    })
}

/// What the operator should know before anything is written.
pub(super) fn warnings(
    basis: &Basis,
    differences: &Differences,
    (users, groups): &(Vec<String>, Vec<String>),
) -> Vec<String> {
    let databases = basis.databases.iter();
    let mut warnings: Vec<String> = databases.flat_map(|part| part.warnings.clone()).collect();
    for (what, names) in [("users", users), ("groups", groups)] {
        if !names.is_empty() {
            warnings.push(format!(
                "{what} that the host does not have, so that their files get the recorded numbers: {}",
                names.join(", ")
            ));
        }
    }
    if !differences.left_alone.is_empty() {
        warnings.push(format!(
            "left as it is, because it makes the host this host or lets fleet in: {}",
            listing(differences.left_alone.len(), &differences.left_alone)
        ));
    }
    if !differences.kept_attributes.is_empty() {
        warnings.push(format!(
            "extended attributes of directories are set, and those that the checkpoint does not have stay: {}",
            listing(differences.kept_attributes.len(), &differences.kept_attributes)
        ));
    }
    for part in &basis.parts {
        let name = &part.part.name;
        if let (Some(lack), Some(&kept)) = (part.lacks, differences.kept.get(name)) {
            let entries = if kept == 1 {
                "entry stays"
            } else {
                "entries stay"
            };
            warnings.push(format!(
                "{kept} {entries} that `{name}` does not have: {lack}, so that `--delete` removes nothing of it"
            ));
        }
        match part.part.state {
            PartState::Failed => warnings.push(format!(
                "`{name}` failed in the checkpoint: what it holds is put back, and more may be missing"
            )),
            PartState::Warned => warnings.push(format!(
                "`{name}` has warnings in the checkpoint: `fleet show` lists them"
            )),
            PartState::Complete | PartState::Absent => {}
        }
    }
    warnings
}

/// Why the plan cannot be executed, as far as the comparison tells.
pub(super) fn refusals(basis: &Basis, differences: &Differences) -> Vec<String> {
    let databases = basis.databases.iter().flat_map(|part| &part.databases);
    let refused = databases.filter(|one| one.action == DatabaseAction::Refuse);
    let mut refusals: Vec<String> = refused
        .map(|one| format!("database `{}`: {}", escape(one.name.as_bytes()), one.why))
        .collect();
    if !basis.terms.delete {
        return refusals;
    }
    for part in &basis.parts {
        let name = &part.part.name;
        if part.part.state == PartState::Failed {
            refusals.push(format!(
                "`--delete` would remove what `{name}` lacks only because it failed in the checkpoint"
            ));
        }
        let deletes = differences.items.iter().any(|item| {
            item.action == Action::Delete
                && item.part() == name
                && item
                    .live
                    .as_ref()
                    .is_some_and(|live| live.entry.kind.file_type() != FileType::Directory)
        });
        if deletes && part.part.totals.files == 0 {
            refusals.push(format!(
                "`--delete` would remove everything of `{name}`, which is empty in the checkpoint"
            ));
        }
    }
    refusals
}
