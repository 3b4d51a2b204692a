//! The plan of a restore: all that will happen on the target, as one object that is shown and executed.

pub mod compare;
mod digest;
pub mod ground;
pub mod link_groups;
pub mod make;
pub mod merged;
pub mod missing;
mod notices;
pub mod owners;
mod room;
pub mod roots;
pub mod sides;
pub mod space;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::databases::{DatabasePlan, PlannedDatabase};
use super::services::ServiceRecord;
use crate::digest::Sha256;
use crate::guard::BootstrapChange;
use crate::guard::RestoreTools;
use crate::manifest::{Entry, EntryKind, ScanMark};
use crate::name::{CheckpointId, HostName, RemotePath, SourceName};
use compare::{Action, Differences, Item};
use missing::Missing;
use roots::RootPlan;
use space::FileSystem;

/// Everything that a restore does.
#[derive(Debug, Clone)]
pub struct Plan {
    /// What is restored.
    pub checkpoint: CheckpointId,
    /// The digest of its record.
    pub checkpoint_sha256: Sha256,
    /// Where to.
    pub target: Target,
    /// By part, in the checkpoint's order.
    pub parts: Vec<PartPlan>,
    /// What is done in each root, by its path.
    pub roots: BTreeMap<RemotePath, (u64, Arc<RootPlan>)>,
    /// What happens to databases, by part.
    pub databases: Vec<DatabasePlan>,
    /// With which tools files are put in place.
    pub tools: RestoreTools,
    /// What happens to services.
    pub services: ServiceRecord,
    /// What the target has at each path that changes.
    pub before: Vec<(RemotePath, Before)>,
    /// What the target lacks and files alone don't bring, with the commands that would make it.
    pub missing: Missing,
    /// What of it is made before everything else.
    pub bootstrap: BootstrapChange,
    /// What is needed and what is free, by file system.
    pub space: Vec<FileSystem>,
    /// The commands that change files run as root.
    pub sudo: bool,
    /// What the operator should know.
    pub warnings: Vec<String>,
    /// Why it cannot be executed.
    pub refusals: Vec<String>,
}

/// What a target has at a path when the plan is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Before {
    /// Nothing.
    Absent,
    /// Something that its scan tells this of.
    Mark(ScanMark),
    /// Something.
    Unknown,
}

/// The machine that a plan is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Its name in the inventory.
    pub host: HostName,
    /// `address:port` that was connected to.
    pub address: String,
    /// Fingerprint of the host key that it has proven.
    pub host_key: String,
    /// Text of `/etc/machine-id`.
    pub machine_id: String,
    /// What it calls itself.
    pub hostname: String,
}

/// What happens to a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartPlan {
    /// Its name.
    pub name: SourceName,
    /// By path.
    pub changes: Vec<PlannedChange>,
    /// Entries that are as they should be.
    pub unchanged: u64,
    /// File content that is sent, uncompressed.
    pub send_bytes: u64,
}

/// What happens to one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedChange {
    /// What.
    pub action: Action,
    /// Where.
    pub path: RemotePath,
    /// It is a directory, afterwards or before.
    pub is_directory: bool,
    /// The size of a regular file afterwards; of one that is removed, what is lost.
    pub bytes: u64,
}

impl PartPlan {
    /// How many paths something happens to.
    #[must_use]
    pub fn count(&self, action: Action) -> usize {
        let of_action = |change: &&PlannedChange| change.action == action;
        self.changes.iter().filter(of_action).count()
    }
}

impl Plan {
    /// Whether nothing has to be done.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.parts.iter().all(|part| part.changes.is_empty())
            && self.changed_databases().next().is_none()
            && self.bootstrap.is_empty()
    }

    /// The databases that take another one's place.
    pub fn changed_databases(&self) -> impl Iterator<Item = &PlannedDatabase> {
        let databases = self.databases.iter().flat_map(|part| &part.databases);
        databases.filter(|database| database.action.changes())
    }

    /// Whether the target is not the host that the checkpoint is of.
    #[must_use]
    pub fn is_of_another_host(&self) -> bool {
        self.checkpoint.host != self.target.host
    }

    /// Its digest as `sha256:` and hexadecimal digits.
    #[must_use]
    pub fn digest_text(&self) -> String {
        format!("sha256:{}", self.digest())
    }

    /// What is put in place with all of its metadata: files, links, directories that are made.
    #[must_use]
    pub fn put(&self) -> BTreeSet<RemotePath> {
        let mut put = BTreeSet::new();
        for (_, root) in self.roots.values() {
            put.extend(root.put.iter().map(|put| put.place.clone()));
            let directories = root.directories.iter().map(|one| &one.entry.path);
            put.extend(directories.filter(|path| root.made.contains(path)).cloned());
        }
        put
    }

    /// How many paths something happens to.
    #[must_use]
    pub fn changed(&self) -> usize {
        self.parts.iter().map(|part| part.changes.len()).sum()
    }

    /// How many paths are removed.
    #[must_use]
    pub fn deleted(&self) -> usize {
        let deleted = self.parts.iter().map(|part| part.count(Action::Delete));
        deleted.sum()
    }

    /// File content that is sent, uncompressed.
    #[must_use]
    pub fn send_bytes(&self) -> u64 {
        self.parts.iter().map(|part| part.send_bytes).sum()
    }
}

/// The changes of each of `parts`.
#[must_use]
pub fn by_part(parts: &[SourceName], differences: &Differences) -> Vec<PartPlan> {
    let mut plans: Vec<PartPlan> = parts
        .iter()
        .map(|name| PartPlan {
            name: name.clone(),
            changes: Vec::new(),
            unchanged: differences.unchanged.get(name).copied().unwrap_or(0),
            send_bytes: 0,
        })
        .collect();
    for item in &differences.items {
        let Some(plan) = plans.iter_mut().find(|plan| plan.name == *item.part()) else {
            continue;
        };
        let change = planned(item);
        let has_content = item
            .wanted
            .as_ref()
            .is_some_and(|one| matches!(one.entry.kind, EntryKind::File { .. }));
        if item.is_put && has_content {
            plan.send_bytes += change.bytes;
        }
        plan.changes.push(change);
    }
    plans
}

fn planned(item: &Item) -> PlannedChange {
    let one = item.wanted.as_ref().or(item.live.as_ref());
    let bytes = one.and_then(|one| one.entry.file_bytes()).unwrap_or(0);
    let is_directory = |entry: &Entry| entry.kind == EntryKind::Directory;
    PlannedChange {
        action: item.action,
        path: item.path().clone(),
        is_directory: one.is_some_and(|one| is_directory(&one.entry)),
        bytes,
    }
}

/// The directories in which something differs, before it is known which of them are there.
#[must_use]
pub fn candidates(
    differences: &Differences,
    parts: &[super::sources::RestoredPart],
) -> BTreeSet<RemotePath> {
    let items = differences.items.iter();
    let of_item = |item: &Item| {
        let part = parts.iter().find(|part| part.part.name == *item.part())?;
        part.root_of(item.path())
    };
    items.filter_map(of_item).collect()
}
