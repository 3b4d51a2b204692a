//! Finds the names of one object among the entries of an export, so that they come out as hard links.
//!
//! A part records which of its entries are further names of another. What two sources share is found by
//! device, inode and times, where the scan told them. Of each group one name, the *leader*, gets the
//! content: the first one in the order of the walk. It need not be the name under which the content was
//! sent, for that may be left out or come later.

use std::collections::HashMap;

use super::Export;
use super::order::Placed;
use crate::digest::Sha256;
use crate::manifest::{Entry, EntryKind, FileTime};
use crate::name::RemotePath;
use crate::store::Error;
use crate::store::query::content::content_error;

/// The groups of an export.
#[derive(Debug, Default)]
pub(super) struct Groups {
    keys: HashMap<Key, usize>,
    groups: Vec<Group>,
}

#[derive(Debug, Default)]
struct Group {
    /// This group was found to be that one.
    same_as: Option<usize>,
    leader: Option<RemotePath>,
    /// The leader's own entry has no content: this one has it.
    carrier: Option<Box<Placed>>,
    needs_carrier: bool,
}

/// The place of an object's first name, and its content.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    place: RemotePath,
    content: Content,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Content {
    File(Sha256, u64),
    Symlink(Vec<u8>),
    Fifo,
    CharDevice(u32, u32),
    BlockDevice(u32, u32),
}

impl Content {
    /// None for what has no further names in archives.
    fn of(kind: &EntryKind) -> Option<Self> {
        match kind {
            EntryKind::File { size_bytes, sha256 }
            | EntryKind::HardLink {
                size_bytes, sha256, ..
            } => Some(Self::File(*sha256, *size_bytes)),
            EntryKind::Symlink { target } => Some(Self::Symlink(target.clone())),
            EntryKind::Fifo => Some(Self::Fifo),
            EntryKind::CharDevice { major, minor } => Some(Self::CharDevice(*major, *minor)),
            EntryKind::BlockDevice { major, minor } => Some(Self::BlockDevice(*major, *minor)),
            EntryKind::Directory | EntryKind::Socket => None,
        }
    }
}

/// What tells one object of a host from all others at the time of a scan.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Identity {
    device: u64,
    inode: u64,
    ctime: FileTime,
    mtime: FileTime,
    mode: u32,
    owner: (u64, u64),
    content: Content,
}

impl Identity {
    fn of(entry: &Entry) -> Option<Self> {
        let mark = entry.scan.filter(|mark| mark.links > 1)?;
        Some(Self {
            device: mark.device,
            inode: mark.inode,
            ctime: mark.ctime,
            mtime: entry.mtime,
            mode: entry.mode,
            owner: (entry.owner.uid, entry.owner.gid),
            content: Content::of(&entry.kind)?,
        })
    }
}

/// What an entry is to its group.
#[derive(Debug, Clone, Copy)]
pub(super) enum Role<'g> {
    /// It gets its own content.
    Alone,
    /// It gets the content of this entry, of which it is a further name.
    Leader(&'g Placed),
    /// It becomes a hard link to this place, which comes before it in the walk.
    Link(&'g RemotePath),
}

/// Collects groups from the entries that are exported, in any order.
#[derive(Debug, Default)]
pub(super) struct Collector {
    groups: Groups,
    identities: HashMap<Identity, usize>,
}

impl Collector {
    /// Takes an entry; `first_place` is that of its first name, which may be itself.
    pub(super) fn take(&mut self, entry: &Entry, first_place: RemotePath) {
        let identity = Identity::of(entry);
        if entry.link_target().is_none() && identity.is_none() {
            return;
        }
        let Some(content) = Content::of(&entry.kind) else {
            return;
        };
        let key = Key {
            place: first_place,
            content,
        };
        let groups = &mut self.groups;
        let group = *groups.keys.entry(key).or_insert_with(|| {
            groups.groups.push(Group::default());
            groups.groups.len() - 1
        });
        if let Some(identity) = identity {
            let known = *self.identities.entry(identity).or_insert(group);
            let (group, known) = (groups.root(group), groups.root(known));
            if group != known {
                groups.groups[group].same_as = Some(known);
            }
        }
    }

    /// Settles which name of each group leads, for the entries of `export`.
    pub(super) fn finish(self, export: &Export<'_>) -> Result<Groups, Error> {
        let mut groups = self.groups;
        if groups.keys.is_empty() {
            return Ok(groups);
        }
        let mut misses_carriers = false;
        for placed in export.walk()? {
            let placed = placed?;
            let Some(group) = groups.of(export, &placed) else {
                continue;
            };
            let group = &mut groups.groups[group];
            if group.leader.is_none() {
                group.needs_carrier = placed.entry.link_target().is_some();
                misses_carriers |= group.needs_carrier;
                group.leader = Some(placed.place);
            }
        }
        if misses_carriers {
            // Every part by itself: what is left out here may have the content all the same.
            for placed in export
                .places
                .whole_streams(export.checkpoint)?
                .into_iter()
                .flatten()
            {
                let placed = placed?;
                if placed.entry.link_target().is_some() || placed.entry.content.is_empty() {
                    continue;
                }
                if let Some(group) = groups.of(export, &placed) {
                    let group = &mut groups.groups[group];
                    if group.needs_carrier && group.carrier.is_none() {
                        group.carrier = Some(Box::new(placed));
                    }
                }
            }
        }
        Ok(groups)
    }
}

impl Groups {
    fn root(&self, mut group: usize) -> usize {
        while let Some(same) = self.groups[group].same_as {
            group = same;
        }
        group
    }

    fn of(&self, export: &Export<'_>, placed: &Placed) -> Option<usize> {
        if self.keys.is_empty() {
            return None;
        }
        let key = Key {
            place: export.first_place(placed),
            content: Content::of(&placed.entry.kind)?,
        };
        self.keys.get(&key).map(|group| self.root(*group))
    }

    /// What an entry of the walk is to its group.
    ///
    /// # Errors
    ///
    /// [`Error::Content`] if it is a further name of something that no part holds.
    pub(super) fn role(&self, export: &Export<'_>, placed: &Placed) -> Result<Role<'_>, Error> {
        let Some(group) = self.of(export, placed) else {
            return Ok(Role::Alone);
        };
        let group = &self.groups[group];
        match (&group.leader, &group.carrier) {
            (Some(leader), _) if *leader != placed.place => Ok(Role::Link(leader)),
            _ if placed.entry.link_target().is_none() => Ok(Role::Alone),
            (_, Some(carrier)) => Ok(Role::Leader(carrier)),
            (_, None) => Err(content_error(
                export.checkpoint.id(),
                &placed.entry.path,
                "its first name is missing",
            )),
        }
    }
}
