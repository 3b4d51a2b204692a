//! The transaction of each root: what is put there, changed, cleared away and removed, and what is kept of
//! it for the way back.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::compare::{Action, Differences, Found, Item, Needed};
use super::merged::PartEntry;
use crate::manifest::{Entry, EntryKind, FileTime, FileType, Owner};
use crate::name::{RemotePath, SourceName};

/// What is done in one root: a directory that is there, and all of which is on one file system.
#[derive(Debug, Clone, Default)]
pub struct RootPlan {
    /// What is no directory and is put in place, by path.
    pub put: Vec<Put>,
    /// Regular files whose mode, owner or time become others.
    pub metadata: Vec<Arc<PartEntry>>,
    /// The directories above those, beneath the root.
    pub above_metadata: Vec<(Side, PartEntry)>,
    /// Directories of the checkpoint that are made or differ, or in which something changes.
    pub directories: Vec<Arc<PartEntry>>,
    /// What is there afterwards and is not now, or is of another kind now; the deepest first.
    pub made: Vec<RemotePath>,
    /// What is in the way; the deepest first.
    pub clear: Vec<RemotePath>,
    /// What is removed at the end; the deepest first.
    pub gone: Vec<RemotePath>,
    /// What is replaced or removed: no directories, no symbolic links.
    pub old_files: BTreeSet<RemotePath>,
    /// Symbolic links that are replaced or removed.
    pub old_links: BTreeSet<RemotePath>,
    /// Directories as they are now, of all that changes; the root always.
    pub old_directories: BTreeSet<RemotePath>,
}

impl RootPlan {
    /// Everything that is there and is replaced or removed, gets other metadata, or is a directory in which
    /// something changes. No symbolic links: those never resist.
    pub fn changed(&self) -> impl Iterator<Item = &RemotePath> {
        let metadata = self.metadata.iter().map(|one| &one.entry.path);
        metadata.chain(&self.old_files).chain(&self.old_directories)
    }
}

/// Which of the two an entry is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The checkpoint that is restored.
    Wanted,
    /// The safety checkpoint.
    Live,
}

/// One name that is put in place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Put {
    /// Where.
    pub place: RemotePath,
    /// What: an entry that has the content, perhaps under another name.
    pub one: Arc<PartEntry>,
    /// The content, if that is in no pack.
    pub content: Option<Arc<[u8]>>,
    /// The place that has the content already, if this is a further name of it.
    pub link_to: Option<RemotePath>,
}

/// The roots that are there, and which of them a path belongs to.
#[derive(Debug, Default)]
pub struct Roots {
    devices: BTreeMap<RemotePath, u64>,
}

impl Roots {
    /// Adds a directory that is there, on the file system `device`.
    pub fn add(&mut self, root: RemotePath, device: u64) {
        self.devices.insert(root, device);
    }

    /// The deepest root at or above `path`.
    #[must_use]
    pub fn of(&self, path: &RemotePath) -> Option<&RemotePath> {
        let mut at = Some(path.clone());
        while let Some(path) = at {
            if let Some((root, _)) = self.devices.get_key_value(&path) {
                return Some(root);
            }
            at = path.parent();
        }
        None
    }

    /// The roots and the numbers of their file systems.
    pub fn iter(&self) -> impl Iterator<Item = (&RemotePath, u64)> {
        self.devices.iter().map(|(root, device)| (root, *device))
    }

    /// Leaves out roots in which the root above them can do the same: every directory between them is
    /// one that `is_known`, on the same file system.
    pub fn join(&mut self, is_known: impl Fn(&RemotePath) -> bool) {
        let all: Vec<(RemotePath, u64)> = self.iter().map(|(root, d)| (root.clone(), d)).collect();
        for (root, device) in all {
            let Some(parent) = root.parent() else {
                continue;
            };
            let Some(above) = self.of(&parent).cloned() else {
                continue;
            };
            let mut between = Some(root.clone());
            let mut is_all_known = self.devices[&above] == device;
            while let Some(path) = between.filter(|path| *path != above) {
                is_all_known &= is_known(&path);
                between = path.parent();
            }
            if is_all_known {
                self.devices.remove(&root);
            }
        }
    }
}

/// What a second look at both lists has to find for `differences`.
#[must_use]
pub fn needed(differences: &Differences, roots: &Roots) -> Needed {
    let mut needed = Needed {
        leaders: differences.groups_to_put(),
        ..Needed::default()
    };
    let paths = differences.items.iter().map(Item::path);
    for path in paths.chain(&needed.leaders) {
        let mut above = path.parent();
        let root = roots.of(path);
        while let Some(directory) = above {
            above = directory.parent();
            let is_root = root == Some(&directory);
            if !needed.directories.insert(directory) || is_root {
                break;
            }
        }
    }
    needed
}

/// Divides what differs among the roots. `is_meant` tells which paths of the checkpoint may be touched.
#[must_use]
pub fn divide(
    differences: &Differences,
    found: &Found,
    roots: &Roots,
    is_meant: &dyn Fn(&RemotePath) -> bool,
) -> BTreeMap<RemotePath, RootPlan> {
    let groups = found.groups.values().flatten();
    let mut division = Division {
        roots,
        grouped: groups.map(|one| &one.entry.path).collect(),
        turned: differences
            .items
            .iter()
            .filter(|item| item.action == Action::Type && is_directory(item.live.as_deref()))
            .map(Item::path)
            .collect(),
        plans: BTreeMap::new(),
    };
    for item in &differences.items {
        division.add(item);
    }
    for (leader, names) in &found.groups {
        division.add_group(leader, names, is_meant);
    }
    // A directory's time alone is no reason to touch a host.
    if !division.plans.is_empty() {
        for item in &differences.touched {
            division.add(item);
        }
    }
    let plans = division.plans.into_iter();
    plans
        .map(|(root, builder)| (root.clone(), builder.finish(&root, found, is_meant)))
        .collect()
}

fn is_directory(one: Option<&PartEntry>) -> bool {
    one.is_some_and(|one| one.entry.kind.file_type() == FileType::Directory)
}

/// The plans of all roots while they are made.
struct Division<'a> {
    roots: &'a Roots,
    grouped: BTreeSet<&'a RemotePath>,
    /// Directories that something else takes the place of.
    turned: Vec<&'a RemotePath>,
    plans: BTreeMap<RemotePath, Builder>,
}

/// The plan of one root while it is made.
#[derive(Default)]
struct Builder {
    plan: RootPlan,
    directories: BTreeMap<RemotePath, Arc<PartEntry>>,
    /// The directories in which something comes, goes or is replaced.
    changed: BTreeSet<RemotePath>,
}

impl<'a> Division<'a> {
    fn at(&mut self, path: &RemotePath) -> &mut Builder {
        let root = self.roots.of(path).cloned();
        self.plans
            .entry(root.unwrap_or_else(RemotePath::root))
            .or_default()
    }

    fn add(&mut self, item: &'a Item) {
        let path = item.path();
        let is_grouped = self.grouped.contains(path);
        let is_in_the_way = item.action == Action::Type
            || item.action == Action::Delete
                && self.turned.iter().any(|turned| path.is_within(turned));
        let builder = self.at(path);
        if let Some(live) = &item.live
            && (item.is_cleared() || item.is_put || is_grouped)
        {
            builder.keep(&live.entry);
        }
        if item.is_cleared() {
            let list = if is_in_the_way {
                &mut builder.plan.clear
            } else {
                &mut builder.plan.gone
            };
            list.push(path.clone());
        }
        if matches!(item.action, Action::Create | Action::Type) {
            builder.plan.made.push(path.clone());
        }
        builder.changed.extend(path.parent());
        let Some(wanted) = &item.wanted else { return };
        if is_directory(Some(wanted)) {
            builder.directories.insert(path.clone(), Arc::clone(wanted));
            if is_directory(item.live.as_deref()) {
                builder.plan.old_directories.insert(path.clone());
            }
        } else if is_grouped {
            // Its group is put in place as a whole.
        } else if item.is_put {
            builder.plan.put.push(Put {
                place: path.clone(),
                one: wanted.clone(),
                content: item.content.clone(),
                link_to: None,
            });
        } else {
            builder.plan.metadata.push(wanted.clone());
        }
    }

    /// All names of an object. Names that do not differ are put in place anew with the others.
    fn add_group(
        &mut self,
        leader: &RemotePath,
        names: &'a [PartEntry],
        is_meant: &dyn Fn(&RemotePath) -> bool,
    ) {
        let Some(carrier) = names.iter().find(|one| one.entry.path == *leader) else {
            return;
        };
        let carrier = Arc::new(carrier.clone());
        let mut first: HashMap<RemotePath, RemotePath> = HashMap::new();
        for one in names {
            let place = &one.entry.path;
            if !is_meant(place) {
                continue;
            }
            let root = self.roots.of(place).cloned();
            let root = root.unwrap_or_else(RemotePath::root);
            let builder = self.at(place);
            builder.changed.extend(place.parent());
            // Where it differs, what is there is known; else it is of the same kind.
            if !builder.plan.made.contains(place) {
                builder.keep(&one.entry);
            }
            let link_to = first.get(&root).cloned();
            first.entry(root).or_insert_with(|| place.clone());
            builder.plan.put.push(Put {
                place: place.clone(),
                one: Arc::clone(&carrier),
                content: None,
                link_to,
            });
        }
    }
}

impl Builder {
    /// What is there now is kept for the way back.
    fn keep(&mut self, live: &Entry) {
        let list = match live.kind.file_type() {
            FileType::Directory => &mut self.plan.old_directories,
            FileType::Symlink => &mut self.plan.old_links,
            FileType::File
            | FileType::Fifo
            | FileType::Socket
            | FileType::CharDevice
            | FileType::BlockDevice
            | FileType::Other => &mut self.plan.old_files,
        };
        list.insert(live.path.clone());
    }

    fn finish(
        mut self,
        root: &RemotePath,
        found: &Found,
        is_meant: &dyn Fn(&RemotePath) -> bool,
    ) -> RootPlan {
        for directory in self.changed.iter().filter(|path| path.is_within(root)) {
            if let Some(wanted) = found.wanted.get(directory)
                && is_directory(Some(wanted))
                && is_meant(directory)
            {
                let entry = self.directories.entry(directory.clone());
                entry.or_insert_with(|| Arc::new(wanted.clone()));
            }
            if is_directory(found.live.get(directory)) {
                self.plan.old_directories.insert(directory.clone());
            }
        }
        self.plan.old_directories.insert(root.clone());
        let mut above: BTreeMap<RemotePath, (Side, PartEntry)> = BTreeMap::new();
        for one in &self.plan.metadata {
            let mut at = one.entry.path.parent();
            while let Some(directory) = at.filter(|path| path != root && path.is_within(root)) {
                at = directory.parent();
                let wanted = found
                    .wanted
                    .get(&directory)
                    .filter(|_| is_meant(&directory));
                let side = match (wanted, found.live.get(&directory)) {
                    (Some(wanted), _) => (Side::Wanted, wanted.clone()),
                    (None, Some(live)) => (Side::Live, live.clone()),
                    (None, None) => continue,
                };
                above.insert(directory, side);
            }
        }
        let mut plan = self.plan;
        plan.above_metadata = above.into_values().collect();
        plan.directories = self.directories.into_values().collect();
        plan.put.sort_by(|a, b| a.place.cmp(&b.place));
        for list in [&mut plan.made, &mut plan.clear, &mut plan.gone] {
            list.sort_unstable_by(|a, b| b.cmp(a));
            list.dedup();
        }
        plan
    }
}

/// A directory above what was captured: nobody recorded what it was like.
#[must_use]
pub fn missing_parent(path: RemotePath, part: SourceName, now: FileTime) -> PartEntry {
    PartEntry {
        part,
        entry: Entry {
            path,
            kind: EntryKind::Directory,
            first_name: None,
            mode: 0o755,
            owner: Owner::default(),
            mtime: now,
            extended: None,
            scan: None,
            content: Vec::new(),
            unstable: false,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> RemotePath {
        text.parse().expect("a path")
    }

    fn roots(all: &[(&str, u64)]) -> Roots {
        let mut roots = Roots::default();
        for (root, device) in all {
            roots.add(path(root), *device);
        }
        roots
    }

    fn names(roots: &Roots) -> Vec<String> {
        roots.iter().map(|(root, _)| root.to_string()).collect()
    }

    #[test]
    fn a_path_belongs_to_the_deepest_root_above_it() {
        let roots = roots(&[("/a", 1), ("/a/b/c", 1)]);
        for (of, root) in [
            ("/a", Some("/a")),
            ("/a/b", Some("/a")),
            ("/a/b/c", Some("/a/b/c")),
            ("/a/b/c/d/e", Some("/a/b/c")),
            ("/ab", None),
        ] {
            let found = roots.of(&path(of)).map(ToString::to_string);
            assert_eq!(found.as_deref(), root, "{of}");
        }
    }

    #[test]
    fn roots_inside_one_another_are_one_where_all_between_them_is_known() {
        let mut joined = roots(&[("/a", 1), ("/a/b/c", 1), ("/d", 1)]);
        joined.join(|path| path.to_string() != "/a/x");
        assert_eq!(names(&joined), ["/a", "/d"]);
        // A directory between them that nobody captured.
        let mut unknown = roots(&[("/a", 1), ("/a/b/c", 1)]);
        unknown.join(|path| path.to_string() != "/a/b");
        assert_eq!(names(&unknown), ["/a", "/a/b/c"]);
        // Another file system.
        let mut mounted = roots(&[("/a", 1), ("/a/b", 2)]);
        mounted.join(|_| true);
        assert_eq!(names(&mounted), ["/a", "/a/b"]);
    }
}
