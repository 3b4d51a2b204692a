//! Compares what a checkpoint has with what a target has, and decides what is to be done about each path.
//!
//! Content is compared by digest, never by time. Only what differs is kept in memory.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::link_groups::Linked;
use super::merged::PartEntry;
use crate::change::{Attribute, Change, ChangeKind};
use crate::manifest::{Entry, FileType};
use crate::name::{RemotePath, SourceName};
use crate::restore::accounts::Accounts;
use crate::store;

/// What happens to a path of the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// It is made.
    Create,
    /// Its content, its target, its numbers or its further names become others.
    Overwrite,
    /// Another kind of object takes its place.
    Type,
    /// Its owner, mode, times or attributes become others.
    Metadata,
    /// It is removed.
    Delete,
}

impl Action {
    /// All of them, in the order in which they are counted.
    pub const ALL: [Self; 5] = [
        Self::Create,
        Self::Overwrite,
        Self::Type,
        Self::Metadata,
        Self::Delete,
    ];

    /// The word for it in JSON and lists.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Overwrite => "overwrite",
            Self::Type => "type",
            Self::Metadata => "metadata",
            Self::Delete => "delete",
        }
    }
}

/// A path that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// What happens to it.
    pub action: Action,
    /// What the checkpoint has there; none if it is removed.
    pub wanted: Option<Arc<PartEntry>>,
    /// What the target has there; none if it is made.
    pub live: Option<Arc<PartEntry>>,
    /// It is put in place as a whole: its metadata cannot be changed in place.
    pub is_put: bool,
    /// Its content, if that is made here and is in no pack.
    pub content: Option<Arc<[u8]>>,
}

impl Item {
    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &RemotePath {
        &self.one().entry.path
    }

    /// The part that it is shown with.
    #[must_use]
    pub fn part(&self) -> &SourceName {
        &self.one().part
    }

    fn one(&self) -> &PartEntry {
        self.wanted
            .as_deref()
            .or(self.live.as_deref())
            .expect("an item has at least one side")
    }

    /// What is there and is no more afterwards, or is another kind of object.
    #[must_use]
    pub fn is_cleared(&self) -> bool {
        matches!(self.action, Action::Type | Action::Delete)
    }
}

/// Which paths are meant.
#[derive(Debug, Clone, Default)]
pub struct Terms {
    /// These and what is beneath them; empty: all.
    pub paths: Vec<RemotePath>,
    /// What the checkpoint does not have is removed.
    pub delete: bool,
    /// Paths that are never restored unless they are named.
    pub never: Vec<RemotePath>,
    /// Parts of which nothing is removed, because the checkpoint may lack what its host had.
    pub keeps: BTreeSet<SourceName>,
}

impl Terms {
    fn is_meant(&self, path: &RemotePath) -> bool {
        self.paths.is_empty() || self.paths.iter().any(|meant| path.is_within(meant))
    }

    /// Whether something that is meant is beneath `path`, which is needed for that.
    fn is_above(&self, path: &RemotePath) -> bool {
        self.paths.iter().any(|meant| meant.is_within(path))
    }

    /// Whether `path` may be touched if the checkpoint has it.
    #[must_use]
    pub fn is_restored(&self, path: &RemotePath) -> bool {
        self.is_meant(path) && !self.is_never(path)
    }

    fn is_never(&self, path: &RemotePath) -> bool {
        is_host_identity(path) || self.never.contains(path) && !self.paths.contains(path)
    }
}

/// What makes a host this host: its SSH keys and its machine-id.
fn is_host_identity(path: &RemotePath) -> bool {
    let bytes = path.as_bytes();
    bytes == b"/etc/machine-id" || bytes.starts_with(b"/etc/ssh/ssh_host_")
}

/// What a comparison found.
#[derive(Debug, Default)]
pub struct Differences {
    /// By path.
    pub items: Vec<Item>,
    /// Directories that differ in their time alone.
    pub touched: Vec<Item>,
    /// Entries of the checkpoint that are as they should be, by part.
    pub unchanged: HashMap<SourceName, u64>,
    /// What is not removed, by part: see [`Terms::keeps`].
    pub kept: BTreeMap<SourceName, u64>,
    /// What is left as it is whatever the checkpoint has.
    pub left_alone: Vec<RemotePath>,
    /// Directories whose attributes have names that the checkpoint does not have: those stay.
    pub kept_attributes: Vec<RemotePath>,
    /// Paths of the checkpoint that were meant.
    pub meant: u64,
    /// What is one of several names of an object, in the checkpoint or on the target.
    pub linked: Vec<Linked>,
    /// By the first name of an object with several names on the target: how many of them were captured.
    pub(super) names_seen: HashMap<RemotePath, u64>,
}

/// Compares `wanted` with `live`, both in path order.
///
/// # Errors
///
/// [`store::Error`] of either list.
pub fn compare(
    wanted: impl Iterator<Item = Result<PartEntry, store::Error>>,
    live: impl Iterator<Item = Result<PartEntry, store::Error>>,
    terms: &Terms,
    accounts: &Accounts,
) -> Result<Differences, store::Error> {
    let mut found = Differences::default();
    // Directories that something else takes the place of: nothing beneath them stays.
    let mut turned: Vec<RemotePath> = Vec::new();
    let (mut wanted, mut live) = (wanted.peekable(), live.peekable());
    loop {
        let next = |side: Option<&Result<PartEntry, store::Error>>| match side {
            Some(Ok(one)) => Some(one.entry.path.clone()),
            // An error comes out at once.
            Some(Err(_)) => Some(RemotePath::root()),
            None => None,
        };
        let (w, l) = (next(wanted.peek()), next(live.peek()));
        let Some(path) = w.iter().chain(&l).min().cloned() else {
            return Ok(found);
        };
        let take = |side: &Option<RemotePath>| side.as_ref() == Some(&path);
        let wanted = if take(&w) {
            wanted.next().transpose()?
        } else {
            None
        };
        let live = if take(&l) {
            live.next().transpose()?
        } else {
            None
        };
        if let Some(live) = &live {
            found.count_name(&live.entry);
        }
        if terms.is_never(&path) {
            if wanted.is_some() && terms.is_meant(&path) {
                found.left_alone.push(path);
            }
            continue;
        }
        found.judge(wanted, live, terms, accounts, &mut turned);
    }
}

impl Differences {
    fn judge(
        &mut self,
        wanted: Option<PartEntry>,
        live: Option<PartEntry>,
        terms: &Terms,
        accounts: &Accounts,
        turned: &mut Vec<RemotePath>,
    ) {
        let Some(mut wanted) = wanted else {
            self.judge_extra(live, terms, turned);
            return;
        };
        let path = &wanted.entry.path;
        let is_meant = terms.is_meant(path);
        let is_directory = wanted.entry.kind.file_type() == FileType::Directory;
        // What cannot be fetched cannot be put back.
        let is_socket = wanted.entry.kind.file_type() == FileType::Socket;
        if is_socket || !(is_meant || is_directory && terms.is_above(path)) {
            return;
        }
        self.meant += u64::from(is_meant);
        wanted.entry.owner = accounts.owner(&wanted.entry.owner);
        let Some(live) = live else {
            self.items.push(Item {
                action: Action::Create,
                is_put: !is_directory,
                wanted: Some(Arc::new(wanted)),
                live: None,
                content: None,
            });
            return;
        };
        let is_other_type = wanted.entry.kind.file_type() != live.entry.kind.file_type();
        if is_other_type && live.entry.kind.file_type() == FileType::Directory {
            turned.push(live.entry.path.clone());
        }
        // A directory above what is meant is made, and never changed.
        if is_meant || is_other_type {
            self.judge_both(&wanted, &live);
        }
    }

    /// What the checkpoint does not have.
    fn judge_extra(&mut self, live: Option<PartEntry>, terms: &Terms, turned: &[RemotePath]) {
        let Some(live) = live else { return };
        let path = &live.entry.path;
        let is_in_the_way = turned.iter().any(|turned| path.is_within(turned));
        let is_removed = terms.delete && terms.is_meant(path);
        if is_removed && !is_in_the_way && terms.keeps.contains(&live.part) {
            *self.kept.entry(live.part).or_default() += 1;
        } else if is_in_the_way || is_removed {
            self.items.push(Item {
                action: Action::Delete,
                wanted: None,
                live: Some(Arc::new(live)),
                is_put: false,
                content: None,
            });
        }
    }

    /// What both sides have.
    fn judge_both(&mut self, wanted: &PartEntry, live: &PartEntry) {
        self.note_names(&wanted.entry, &live.entry);
        let kind = wanted.entry.kind.file_type();
        let is_directory = kind == FileType::Directory;
        let change = Change::between(Some(wanted.entry.clone()), Some(live.entry.clone()));
        // Which name of an object comes first is the order of a tar that takes no list. Whether the names are
        // of the same objects is found out by their groups.
        let is_order =
            |change: &Change| live.entry.scan.is_none() && change.differs() == [Attribute::Link];
        let change = change.filter(|change| !is_order(change));
        let action = change.as_ref().map(action_of);
        let has_other_attributes = change
            .as_ref()
            .is_some_and(|change| change.differs().iter().any(is_extended))
            || lacks_known_attributes(&wanted.entry, &live.entry);
        let part = wanted.part.clone();
        let item = |action, is_put| Item {
            action,
            is_put,
            wanted: Some(Arc::new(wanted.clone())),
            live: Some(Arc::new(live.clone())),
            content: None,
        };
        match action {
            Some(action) => {
                let in_place = is_directory
                    || action == Action::Metadata
                        && kind == FileType::File
                        && !has_other_attributes;
                if is_directory && has_other_attributes && action != Action::Type {
                    self.kept_attributes.push(wanted.entry.path.clone());
                }
                self.items.push(item(action, !in_place));
            }
            None if !is_directory && has_other_attributes => {
                self.items.push(item(Action::Metadata, true));
            }
            None => {
                if is_directory && wanted.entry.mtime != live.entry.mtime {
                    self.touched.push(item(Action::Metadata, false));
                }
                *self.unchanged.entry(part).or_default() += 1;
            }
        }
    }
}

fn action_of(change: &Change) -> Action {
    match change.kind() {
        ChangeKind::Added => Action::Delete,
        ChangeKind::Removed => Action::Create,
        ChangeKind::Type => Action::Type,
        ChangeKind::Modified => Action::Overwrite,
        ChangeKind::Metadata if change.differs().contains(&Attribute::Link) => Action::Overwrite,
        ChangeKind::Metadata => Action::Metadata,
    }
}

fn is_extended(attribute: &Attribute) -> bool {
    match attribute {
        Attribute::Xattrs | Attribute::Acl | Attribute::Capabilities | Attribute::Selinux => true,
        Attribute::Type
        | Attribute::Content
        | Attribute::Target
        | Attribute::Device
        | Attribute::Mode
        | Attribute::Owner
        | Attribute::Mtime
        | Attribute::Link => false,
    }
}

/// Whether attributes are wanted and it is not known whether they are there.
fn lacks_known_attributes(wanted: &Entry, live: &Entry) -> bool {
    let wants_any = wanted.extended.as_ref().is_some_and(|e| !e.is_empty());
    wants_any && live.extended.is_none()
}

/// What a second look at both lists has to find.
#[derive(Debug, Default)]
pub struct Needed {
    /// Directories whose entries are needed, whether they change or not.
    pub directories: BTreeSet<RemotePath>,
    /// First names of hard-link groups of the checkpoint that are put in place as a whole.
    pub leaders: BTreeSet<RemotePath>,
}

/// What a second look found.
#[derive(Debug, Default)]
pub struct Found {
    /// Directories as the checkpoint has them.
    pub wanted: HashMap<RemotePath, PartEntry>,
    /// Directories as the target has them.
    pub live: HashMap<RemotePath, PartEntry>,
    /// The names of each group in path order.
    pub groups: HashMap<RemotePath, Vec<PartEntry>>,
    /// What the target has at those names.
    pub named: HashMap<RemotePath, PartEntry>,
}

impl Found {
    /// Looks for `needed` in both lists. Owners of the checkpoint are told as the host has them.
    ///
    /// # Errors
    ///
    /// [`store::Error`] of either list.
    pub fn of(
        needed: &Needed,
        accounts: &Accounts,
        wanted: impl Iterator<Item = Result<PartEntry, store::Error>>,
        live: impl Iterator<Item = Result<PartEntry, store::Error>>,
    ) -> Result<Self, store::Error> {
        let mut found = Self::default();
        for one in wanted {
            let mut one = one?;
            one.entry.owner = accounts.owner(&one.entry.owner);
            let leader = one.entry.link_target().unwrap_or(&one.entry.path);
            if needed.leaders.contains(leader) {
                let leader = leader.clone();
                found.groups.entry(leader).or_default().push(one.clone());
            }
            if needed.directories.contains(&one.entry.path) {
                found.wanted.insert(one.entry.path.clone(), one);
            }
        }
        let names = found.groups.values().flatten();
        let names: BTreeSet<RemotePath> = names.map(|one| one.entry.path.clone()).collect();
        for one in live {
            let one = one?;
            if names.contains(&one.entry.path) {
                found.named.insert(one.entry.path.clone(), one.clone());
            }
            if needed.directories.contains(&one.entry.path) {
                found.live.insert(one.entry.path.clone(), one);
            }
        }
        Ok(found)
    }
}
