//! How much a plan needs on each file system, in bytes and inodes, and what is free there.

use std::collections::{BTreeMap, BTreeSet};

use super::Plan;
use super::roots::{Put, RootPlan};
use crate::guard::RestoreTools;
use crate::manifest::{Entry, FileType};
use crate::name::RemotePath;
use crate::units::{listing, size};

/// What a file or directory takes besides its content.
const INODE_BYTES: u64 = 4 << 10;
/// What is kept for the way back on a disk that is full by then.
const BALLAST_BYTES: u64 = 1 << 20;
/// The lists, folders and marks of a staging folder.
const STAGING_INODES: u64 = 48;
/// So many copies of its lists of names are in a staging folder at a time.
const LIST_COPIES: u64 = 3;

/// A file system on which something is staged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileSystem {
    /// Where it is mounted, as far as that is known.
    pub mount: Option<RemotePath>,
    /// The roots on it.
    pub roots: Vec<RemotePath>,
    /// What the restore needs.
    pub needed: Space,
    /// What is free for the account that writes; none: not known.
    pub free: Free,
}

/// Bytes and inodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Space {
    /// Bytes.
    pub bytes: u64,
    /// Inodes.
    pub inodes: u64,
}

/// What is free on a file system, as far as it tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Free {
    /// Bytes.
    pub bytes: Option<u64>,
    /// Inodes; none also where they are not counted.
    pub inodes: Option<u64>,
}

impl FileSystem {
    /// Whether there is too little of something.
    #[must_use]
    pub fn is_short(&self) -> bool {
        self.lacks_bytes() || self.lacks_inodes()
    }

    /// Whether more than half of what is free is needed.
    #[must_use]
    pub fn is_tight(&self) -> bool {
        let over_half = |needed: u64, free: Option<u64>| free.is_some_and(|free| needed > free / 2);
        over_half(self.needed.bytes, self.free.bytes)
            || over_half(self.needed.inodes, self.free.inodes)
    }

    fn lacks_bytes(&self) -> bool {
        self.free.bytes.is_some_and(|free| self.needed.bytes > free)
    }

    fn lacks_inodes(&self) -> bool {
        self.free
            .inodes
            .is_some_and(|free| self.needed.inodes > free)
    }

    /// Its mount point, or the roots on it.
    #[must_use]
    pub fn name(&self) -> String {
        match &self.mount {
            Some(point) => point.to_string(),
            None => listing(self.roots.len(), &self.roots),
        }
    }

    /// Why nothing can be staged on it, if that is so.
    #[must_use]
    pub fn refusals(&self) -> Vec<String> {
        let mut refusals = Vec::new();
        let name = self.name();
        if let Some(free) = self.free.bytes.filter(|_| self.lacks_bytes()) {
            refusals.push(format!(
                "the file system {name} has {} free, and the restore needs {} there until it has ended",
                size(free),
                size(self.needed.bytes)
            ));
        }
        if let Some(free) = self.free.inodes.filter(|_| self.lacks_inodes()) {
            refusals.push(format!(
                "the file system {name} has {free} free inodes, and the restore needs {} there until it has ended",
                self.needed.inodes
            ));
        }
        refusals
    }
}

/// What `plan` needs on each file system, by the number of its device. `content_bytes` tells how much space
/// the content of a file takes.
pub(super) fn needed(
    plan: &Plan,
    content_bytes: &mut dyn FnMut(&Entry) -> u64,
) -> BTreeMap<u64, Space> {
    let mut all: BTreeMap<u64, Space> = BTreeMap::new();
    for (root, (device, root_plan)) in &plan.roots {
        let space = of_root(root, root_plan, plan.tools, content_bytes);
        let sum = all.entry(*device).or_default();
        sum.bytes = sum.bytes.saturating_add(space.bytes);
        sum.inodes += space.inodes;
    }
    all
}

/// What the staging folder of `root` takes, and the directories that are made.
fn of_root(
    root: &RemotePath,
    plan: &RootPlan,
    tools: RestoreTools,
    content_bytes: &mut dyn FnMut(&Entry) -> u64,
) -> Space {
    // The slow way links what is staged into a second tree before it goes into place.
    let trees = match tools {
        RestoreTools::Gnu => 1,
        RestoreTools::Slow => 2,
    };
    let mut space = Space {
        bytes: BALLAST_BYTES,
        inodes: STAGING_INODES,
    };
    // Further names of a file take neither.
    for put in plan.put.iter().filter(|put| put.link_to.is_none()) {
        space.inodes += 1;
        space.bytes = space.bytes.saturating_add(match &put.content {
            Some(content) => content.len() as u64,
            None => content_bytes(&put.one.entry),
        });
    }
    // Empty files with the attributes to come, and with those of before.
    space.inodes += 2 * plan.metadata.len() as u64;
    let made = plan
        .directories
        .iter()
        .filter(|one| !plan.old_directories.contains(&one.entry.path));
    space.inodes += made.count() as u64;
    let is_link = |put: &&Put| put.one.entry.kind.file_type() == FileType::Symlink;
    let links = plan.put.iter().filter(is_link).map(|put| &put.place);
    let files = plan.put.iter().filter(|put| !is_link(put));
    let metadata = || plan.metadata.iter().map(|one| &one.entry.path);
    // What is staged and kept lies in folders like those of the root.
    space.inodes += trees * (folders(root, links) + folders(root, files.map(|put| &put.place)))
        + folders(root, &plan.old_files)
        + folders(root, &plan.old_links)
        + 2 * folders(root, metadata());
    let named = plan
        .put
        .iter()
        .map(|put| &put.place)
        .chain(metadata())
        .chain(&plan.old_files)
        .chain(&plan.old_links)
        .chain(&plan.old_directories)
        .chain(&plan.gone);
    let names_bytes: usize = named.map(|path| path.as_bytes().len()).sum();
    space.bytes = space
        .bytes
        .saturating_add(LIST_COPIES * names_bytes as u64 + space.inodes * INODE_BYTES);
    space
}

/// How many directories are above `paths`, beneath `root`.
fn folders<'p>(root: &RemotePath, paths: impl IntoIterator<Item = &'p RemotePath>) -> u64 {
    let mut folders: BTreeSet<RemotePath> = BTreeSet::new();
    for path in paths {
        let mut at = path.parent();
        while let Some(folder) = at.filter(|folder| folder != root && folder.is_within(root)) {
            at = folder.parent();
            if !folders.insert(folder) {
                break;
            }
        }
    }
    folders.len() as u64
}
