//! Hard-link groups in a comparison: a group is put in place as a whole or not at all, and names that were not
//! captured keep what they have.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::compare::{Action, Differences, Found, Item};
use crate::manifest::{Entry, FileType};
use crate::name::RemotePath;

/// A path whose object has several names, in the checkpoint or on the target.
#[derive(Debug)]
pub struct Linked {
    /// The first name in the checkpoint.
    pub(super) wanted: RemotePath,
    /// The first name on the target.
    pub(super) live: RemotePath,
}

impl Differences {
    /// The first names of the hard-link groups of the checkpoint that are put in place as a whole: one of
    /// their names is, or the target has other groups.
    #[must_use]
    pub fn groups_to_put(&self) -> BTreeSet<RemotePath> {
        let mut put: BTreeSet<RemotePath> = BTreeSet::new();
        for item in self.items.iter().filter(|item| item.is_put) {
            let wanted = item.wanted.as_ref().map(|wanted| &wanted.entry);
            let leader = wanted.and_then(|entry| {
                let may_have_names =
                    entry.link_target().is_some() || entry.scan.is_none_or(|mark| mark.links > 1);
                may_have_names.then(|| entry.link_target().unwrap_or(&entry.path))
            });
            put.extend(leader.cloned());
        }
        // One group there is one group here, in both directions.
        let (mut live_of, mut wanted_of) = (HashMap::new(), HashMap::new());
        for Linked { wanted, live } in &self.linked {
            let is_other = |known: &mut HashMap<RemotePath, RemotePath>,
                            from: &RemotePath,
                            to: &RemotePath| {
                known.entry(from.clone()).or_insert_with(|| to.clone()) != to
            };
            if is_other(&mut live_of, wanted, live) {
                put.insert(wanted.clone());
            }
            if is_other(&mut wanted_of, live, wanted) {
                put.insert(wanted.clone());
                put.extend(wanted_of.get(live).cloned());
            }
        }
        put
    }
}

impl Differences {
    /// Names of groups that are put in place as a whole and do not differ by themselves become differences.
    pub fn add_groups(&mut self, found: &Found, is_meant: &dyn Fn(&RemotePath) -> bool) {
        let known: BTreeSet<RemotePath> =
            self.items.iter().map(|item| item.path().clone()).collect();
        for one in found.groups.values().flatten() {
            let path = &one.entry.path;
            let live = found.named.get(path);
            if live.is_none() || known.contains(path) || !is_meant(path) {
                continue;
            }
            self.items.push(Item {
                action: Action::Overwrite,
                is_put: true,
                wanted: Some(Arc::new(one.clone())),
                live: live.cloned().map(Arc::new),
                content: None,
            });
            let unchanged = self.unchanged.entry(one.part.clone()).or_default();
            *unchanged = unchanged.saturating_sub(1);
        }
        self.items.sort_by(|a, b| a.path().cmp(b.path()));
    }

    pub(super) fn note_names(&mut self, wanted: &Entry, live: &Entry) {
        let has_names = |entry: &Entry| {
            entry.kind.file_type() != FileType::Directory
                && (entry.link_target().is_some() || entry.scan.is_some_and(|mark| mark.links > 1))
        };
        // A host without marks does not tell how many names there are.
        let may_have =
            |entry: &Entry| entry.scan.is_none() && entry.kind.file_type() != FileType::Directory;
        if has_names(wanted) || has_names(live) || may_have(live) {
            let first = |entry: &Entry| entry.link_target().unwrap_or(&entry.path).clone();
            self.linked.push(Linked {
                wanted: first(wanted),
                live: first(live),
            });
        }
    }

    /// Counts a name of an object with several.
    pub(super) fn count_name(&mut self, live: &Entry) {
        let has_names = live.scan.is_some_and(|mark| mark.links > 1);
        if has_names && live.kind.file_type() != FileType::Directory {
            let first = live.link_target().unwrap_or(&live.path);
            *self.names_seen.entry(first.clone()).or_default() += 1;
        }
    }

    /// What is replaced or removed and has further names that were not captured: those keep what is there
    /// now.
    #[must_use]
    pub fn separated(&self) -> Vec<RemotePath> {
        let is_separated = |item: &&Item| {
            let is_replaced = item.is_put || item.is_cleared();
            let live = item.live.as_ref().filter(|_| is_replaced);
            live.is_some_and(|live| {
                let first = live.entry.link_target().unwrap_or(&live.entry.path);
                let seen = self.names_seen.get(first);
                let links = live.entry.scan.map_or(1, |mark| mark.links);
                seen.is_some_and(|seen| *seen < links)
            })
        };
        let items = self.items.iter().filter(is_separated);
        items.map(|item| item.path().clone()).collect()
    }
}
