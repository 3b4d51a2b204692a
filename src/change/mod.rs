//! Compares two lists of entries of the same tree: added, removed and modified ones. Pure.
//!
//! Both sides come in path order and are walked once, side by side, so that the memory of one entry a
//! side is enough for any size. Nothing here reads, prints or judges whether a change matters.

mod merge;
mod patch;

pub use merge::{Listed, Merge};
pub use patch::{Side, is_text, unified};

use crate::digest::Sha256;
use crate::manifest::{Entry, EntryKind, ExtendedClass};
use crate::name::RemotePath;

/// One path whose entry is not what it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    kind: ChangeKind,
    // At least one of them is there; both of them have the same path.
    old: Option<Entry>,
    new: Option<Entry>,
    differs: Vec<Attribute>,
    known: Known,
}

/// How much is known of what is there now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// All of it.
    Entry,
    /// All but the digest of a file: nobody read its content.
    Facts,
    /// Its path, and if it was there before, that its content is not what it was.
    Path,
}

/// The kinds of changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChangeKind {
    /// It was not there before.
    Added,
    /// It is not there any more.
    Removed,
    /// It is another kind of object now, as a directory in place of a file.
    Type,
    /// What is in it differs: a file's content, a link's text, a device's numbers.
    Modified,
    /// Only its metadata differs.
    Metadata,
}

impl ChangeKind {
    /// All of them, in the order in which they are counted.
    pub const ALL: [Self; 5] = [
        Self::Added,
        Self::Removed,
        Self::Type,
        Self::Modified,
        Self::Metadata,
    ];

    /// The word for it in JSON and lists.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Type => "type",
            Self::Modified => "modified",
            Self::Metadata => "metadata",
        }
    }
}

/// What can differ between two entries of one path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Attribute {
    /// File, directory, symbolic link and so on; further names of a file are files.
    Type,
    /// The digest of a file.
    Content,
    /// The text of a symbolic link.
    Target,
    /// Major or minor number of a device.
    Device,
    /// Permission bits.
    Mode,
    /// Numbers or names of user and group.
    Owner,
    /// When its content last changed; never of a directory, for every file that comes or goes
    /// changes that.
    Mtime,
    /// Whether it is one of several names of a file.
    Link,
    /// Extended attributes that are none of the following.
    Xattrs,
    /// Access or default ACL.
    Acl,
    /// File capabilities.
    Capabilities,
    /// The SELinux context.
    Selinux,
}

impl Attribute {
    /// The word for it in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Type => "type",
            Self::Content => "content",
            Self::Target => "target",
            Self::Device => "device",
            Self::Mode => "mode",
            Self::Owner => "owner",
            Self::Mtime => "mtime",
            Self::Link => "link",
            Self::Xattrs => "xattrs",
            Self::Acl => "acl",
            Self::Capabilities => "capabilities",
            Self::Selinux => "selinux",
        }
    }
}

impl Change {
    /// What became of `old`, where one of the two may not be there; none if nothing that counts
    /// differs. Where an entry is in the store, and what a scan saw of it, does not count.
    #[must_use]
    pub fn between(old: Option<Entry>, new: Option<Entry>) -> Option<Self> {
        let (kind, differs) = match (&old, &new) {
            (None, None) => return None,
            (None, Some(_)) => (ChangeKind::Added, Vec::new()),
            (Some(_), None) => (ChangeKind::Removed, Vec::new()),
            (Some(before), Some(now)) => {
                let differs = differences(before, now);
                let kind = kind_of(*differs.first()?);
                (kind, differs)
            }
        };
        Some(Self {
            kind,
            old,
            new,
            differs,
            known: Known::Entry,
        })
    }

    /// As [`Change::between`], where nobody read the content of `new`: its digest means nothing, and
    /// what was a file and still is has other content.
    #[must_use]
    pub fn unread(old: Option<Entry>, new: Entry, known: Known) -> Option<Self> {
        let is_file = |entry: &Entry| entry.file_bytes().is_some();
        let are_files = is_file(&new) && old.as_ref().is_some_and(is_file);
        let (kind, differs) = match &old {
            None => (ChangeKind::Added, Vec::new()),
            Some(before) => {
                let mut differs = differences(before, &new);
                if are_files && !differs.contains(&Attribute::Content) {
                    differs.insert(0, Attribute::Content);
                }
                (kind_of(*differs.first()?), differs)
            }
        };
        Some(Self {
            kind,
            old,
            new: Some(new),
            differs,
            known,
        })
    }

    /// What kind of change it is: the gravest, where several things differ.
    #[must_use]
    pub fn kind(&self) -> ChangeKind {
        self.kind
    }

    /// Where it is on the host.
    #[must_use]
    pub fn path(&self) -> &RemotePath {
        &self.latest().path
    }

    /// What was there before; none if it was added.
    #[must_use]
    pub fn before(&self) -> Option<&Entry> {
        self.old.as_ref()
    }

    /// What is there now; none if it was removed.
    #[must_use]
    pub fn after(&self) -> Option<&Entry> {
        self.new.as_ref()
    }

    /// How much of what is there now is known; what is not, must not be reported.
    #[must_use]
    pub fn known(&self) -> Known {
        self.known
    }

    /// The size of a file that is there now, if it is known.
    #[must_use]
    pub fn bytes_after(&self) -> Option<u64> {
        match self.known {
            Known::Entry | Known::Facts => self.after()?.file_bytes(),
            Known::Path => None,
        }
    }

    /// The digest of a file that is there now, if it is known.
    #[must_use]
    pub fn sha256_after(&self) -> Option<Sha256> {
        match self.known {
            Known::Entry => self.after()?.file_sha256(),
            Known::Facts | Known::Path => None,
        }
    }

    /// What is there now, or what was there last.
    #[must_use]
    pub fn latest(&self) -> &Entry {
        self.new
            .as_ref()
            .or(self.old.as_ref())
            .expect("a change has at least one side")
    }

    /// Everything that differs, the gravest first; empty if one side is missing.
    #[must_use]
    pub fn differs(&self) -> &[Attribute] {
        &self.differs
    }
}

/// What kind of change it is if this is the gravest that differs.
fn kind_of(gravest: Attribute) -> ChangeKind {
    match gravest {
        Attribute::Type => ChangeKind::Type,
        Attribute::Content | Attribute::Target | Attribute::Device => ChangeKind::Modified,
        Attribute::Mode
        | Attribute::Owner
        | Attribute::Mtime
        | Attribute::Link
        | Attribute::Xattrs
        | Attribute::Acl
        | Attribute::Capabilities
        | Attribute::Selinux => ChangeKind::Metadata,
    }
}

/// Everything that differs, in the order of [`Attribute`].
fn differences(old: &Entry, new: &Entry) -> Vec<Attribute> {
    let is_directory = matches!(new.kind, EntryKind::Directory);
    let told_by_kind = kind_difference(&old.kind, &new.kind);
    let is_other_type = told_by_kind == Some(Attribute::Type);
    let linked = is_linked(old) != is_linked(new);
    [
        (
            told_by_kind.is_some(),
            told_by_kind.unwrap_or(Attribute::Type),
        ),
        (old.mode != new.mode, Attribute::Mode),
        (has_other_owner(old, new), Attribute::Owner),
        (old.mtime != new.mtime && !is_directory, Attribute::Mtime),
        (linked && !is_other_type, Attribute::Link),
    ]
    .into_iter()
    .filter_map(|(differs, attribute)| differs.then_some(attribute))
    .chain(extended_differences(old, new).filter(|_| !is_other_type))
    .collect()
}

/// The classes of extended metadata that differ; none if one side does not tell any.
fn extended_differences(old: &Entry, new: &Entry) -> impl Iterator<Item = Attribute> {
    let both = old.extended.as_ref().zip(new.extended.as_ref());
    ExtendedClass::ALL.into_iter().filter_map(move |class| {
        let (old, new) = both?;
        let attribute = match class {
            ExtendedClass::Xattrs => Attribute::Xattrs,
            ExtendedClass::Acl => Attribute::Acl,
            ExtendedClass::Capabilities => Attribute::Capabilities,
            ExtendedClass::Selinux => Attribute::Selinux,
        };
        (old.digest(class) != new.digest(class)).then_some(attribute)
    })
}

fn kind_difference(old: &EntryKind, new: &EntryKind) -> Option<Attribute> {
    use EntryKind as Kind;
    let (differs, attribute) = match (old, new) {
        (
            Kind::File { sha256: a, .. } | Kind::HardLink { sha256: a, .. },
            Kind::File { sha256: b, .. } | Kind::HardLink { sha256: b, .. },
        ) => (a != b, Attribute::Content),
        (Kind::Symlink { target: a }, Kind::Symlink { target: b }) => (a != b, Attribute::Target),
        (Kind::CharDevice { .. }, Kind::CharDevice { .. })
        | (Kind::BlockDevice { .. }, Kind::BlockDevice { .. }) => (old != new, Attribute::Device),
        (Kind::Directory, Kind::Directory)
        | (Kind::Fifo, Kind::Fifo)
        | (Kind::Socket, Kind::Socket) => (false, Attribute::Type),
        (
            Kind::File { .. }
            | Kind::HardLink { .. }
            | Kind::Directory
            | Kind::Symlink { .. }
            | Kind::Fifo
            | Kind::Socket
            | Kind::CharDevice { .. }
            | Kind::BlockDevice { .. },
            _,
        ) => (true, Attribute::Type),
    };
    differs.then_some(attribute)
}

/// Whether the object has several names. Which of them was sent first says nothing; where the scan
/// counted the names, that tells.
fn is_linked(entry: &Entry) -> bool {
    match &entry.kind {
        EntryKind::HardLink { .. } => true,
        EntryKind::File { .. }
        | EntryKind::Symlink { .. }
        | EntryKind::Fifo
        | EntryKind::CharDevice { .. }
        | EntryKind::BlockDevice { .. } => {
            entry.first_name.is_some() || entry.scan.is_some_and(|scan| scan.links > 1)
        }
        EntryKind::Directory | EntryKind::Socket => false,
    }
}

/// Numbers decide; names only where both sides have one.
fn has_other_owner(old: &Entry, new: &Entry) -> bool {
    let (old, new) = (&old.owner, &new.owner);
    let other = |a: &str, b: &str| !a.is_empty() && !b.is_empty() && a != b;
    (old.uid, old.gid) != (new.uid, new.gid)
        || other(&old.user, &new.user)
        || other(&old.group, &new.group)
}

#[cfg(test)]
mod tests;
