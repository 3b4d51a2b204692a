//! Compares the entries that a scan found with those of a checkpoint.

use std::collections::HashMap;

use crate::change::{Change, Known};
use crate::digest::Sha256;
use crate::manifest::{Entry, EntryKind, Extended, FileTime, FileType, Owner};
use crate::name::{RemotePath, SourceName};
use crate::source::scan::{Facts, Found};
use crate::store::{self, SealedCheckpoint};

use super::unchanged::is_same;

/// One path that may not be what it was. One of both sides may be missing.
#[derive(Debug)]
pub(crate) struct Candidate {
    old: Option<Entry>,
    now: Option<Found>,
}

/// What became of all pairs.
#[derive(Debug, Default)]
pub(crate) struct Judged {
    /// By path.
    pub(crate) changes: Vec<Change>,
    /// Files that the host should have hashed and did not.
    pub(crate) unhashed: Vec<RemotePath>,
}

/// Pairs what `base` has of `part` with `found`, which is sorted by path. What is the same by its
/// marks is left out if those can be trusted. Blocking.
///
/// # Errors
///
/// [`store::Error`] if the entries of the base can't be read.
pub(crate) fn pairs(
    base: &SealedCheckpoint,
    part: &SourceName,
    found: Vec<Found>,
    trusts_marks: bool,
) -> Result<Vec<Candidate>, store::Error> {
    let known = base.checkpoint().part(part);
    let scanned_at = known.and_then(|known| known.scanned_at);
    let mut found = found.into_iter().peekable();
    let mut pairs = Vec::new();
    let added = |now| Candidate {
        old: None,
        now: Some(now),
    };
    if base.parts_with_entries().any(|name| name == part) {
        for entry in base.entries(part)? {
            let entry = entry?;
            while let Some(now) = found.next_if(|now| now.path < entry.path) {
                pairs.push(added(now));
            }
            let now = found.next_if(|now| now.path == entry.path);
            let is_same = |now: &Found| trusts_marks && is_same(now, &entry, scanned_at);
            if !now.as_ref().is_some_and(is_same) {
                let old = Some(entry);
                pairs.push(Candidate { old, now });
            }
        }
    }
    pairs.extend(found.map(added));
    Ok(pairs)
}

impl Candidate {
    /// The path of a file whose digest decides.
    pub(crate) fn doubtful(&self) -> Option<&RemotePath> {
        let (old, now) = (self.old.as_ref()?, self.now.as_ref()?);
        let bytes = old.file_bytes()?;
        let may_be_same = now
            .facts
            .as_ref()
            .is_none_or(|facts| facts.kind == FileType::File && may_have(facts, bytes));
        may_be_same.then_some(&now.path)
    }

    /// The path and the size of what is as it was but for its inode's time, where it is known what
    /// extended metadata it had.
    fn may_have_other_extended(
        &self,
        digests: &HashMap<RemotePath, Sha256>,
    ) -> Option<(&RemotePath, u64)> {
        let (old, now) = (self.old.as_ref()?, self.now.as_ref()?);
        let facts = now.facts.as_ref().filter(|_| old.extended.is_some())?;
        if old.scan.is_some_and(|mark| mark.ctime == facts.mark.ctime) {
            return None;
        }
        let is_same_kind = match &old.kind {
            EntryKind::File { sha256, .. } | EntryKind::HardLink { sha256, .. } => {
                digests.get(&now.path) == Some(sha256)
            }
            EntryKind::Symlink { target } => {
                facts.kind == FileType::Symlink && *target == facts.link
            }
            EntryKind::Directory
            | EntryKind::Fifo
            | EntryKind::CharDevice { .. }
            | EntryKind::BlockDevice { .. } => facts.kind == old.kind.file_type(),
            EntryKind::Socket => false,
        };
        is_same_kind.then(|| (&now.path, old.file_bytes().unwrap_or(0)))
    }
}

/// Whether a file may hold so many bytes. The size of one that reports no blocks may mean nothing.
fn may_have(facts: &Facts, bytes: u64) -> bool {
    facts.mark.size_bytes == bytes || facts.blocks == 0
}

/// What an archive member takes beside content, headers of extended metadata included, as an estimate.
const MEMBER_BYTES: u64 = 2 << 10;

/// The entries of `pairs` whose extended metadata may have changed: only their inode's time tells it, and
/// a host can send it only together with their content.
#[derive(Debug, Default)]
pub(crate) struct Unseen {
    /// What is to be fetched, by path.
    pub(crate) wanted: Vec<RemotePath>,
    /// What would be too much to fetch.
    pub(crate) left_out: Vec<RemotePath>,
}

impl Unseen {
    /// Up to `max_bytes` are wanted. `digests` are those of the doubtful files.
    pub(crate) fn of(
        pairs: &[Candidate],
        digests: &HashMap<RemotePath, Sha256>,
        max_bytes: u64,
    ) -> Self {
        let mut unseen = Self::default();
        let mut left_bytes = max_bytes;
        for pair in pairs {
            let Some((path, bytes)) = pair.may_have_other_extended(digests) else {
                continue;
            };
            match left_bytes.checked_sub(bytes.saturating_add(MEMBER_BYTES)) {
                Some(left) => {
                    left_bytes = left;
                    unseen.wanted.push(path.clone());
                }
                None => unseen.left_out.push(path.clone()),
            }
        }
        unseen
    }
}

/// What the host told beside the scan.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// Digests of the doubtful files.
    pub(crate) digests: HashMap<RemotePath, Sha256>,
    /// Extended metadata of what was fetched.
    pub(crate) extended: HashMap<RemotePath, Extended>,
}

/// Makes changes of `pairs`, as far as the scan and `told` tell them.
pub(crate) fn judge(pairs: Vec<Candidate>, told: &Told) -> Judged {
    let mut judged = Judged::default();
    for pair in pairs {
        let digest = match pair.doubtful() {
            Some(path) => {
                let digest = told.digests.get(path).copied();
                if digest.is_none() {
                    judged.unhashed.push(path.clone());
                }
                digest
            }
            None => None,
        };
        let Candidate { old, now } = pair;
        judged.changes.extend(match now {
            None => Change::between(old, None),
            Some(Found {
                path,
                facts: Some(facts),
            }) => {
                let extended = told.extended.get(&path).cloned();
                with_facts(old, path, &facts, digest, extended)
            }
            Some(Found { path, facts: None }) => without_facts(old, path, digest),
        });
    }
    judged
}

fn with_facts(
    old: Option<Entry>,
    path: RemotePath,
    facts: &Facts,
    digest: Option<Sha256>,
    extended: Option<Extended>,
) -> Option<Change> {
    let before = old.as_ref();
    let mtime = mtime(before, facts);
    let was_file = before.and_then(|old| Some((old.file_bytes()?, old.file_sha256()?, old.mtime)));
    let (sha256, known) = match (digest, was_file) {
        (Some(digest), _) => (digest, Known::Entry),
        // It could not be hashed: that neither size nor time moved is all that speaks for it.
        (None, Some((bytes, sha256, at)))
            if facts.kind == FileType::File && (bytes, at) == (facts.mark.size_bytes, mtime) =>
        {
            (sha256, Known::Entry)
        }
        (None, _) if facts.kind == FileType::File => (Sha256::of(b""), Known::Facts),
        // There is nothing to be hashed.
        (None, _) => (Sha256::of(b""), Known::Entry),
    };
    // What is of no kind that is captured counts as nothing.
    let bytes = match was_file {
        // The same content, whatever size it is reported with.
        Some((bytes, before, _)) if digest == Some(before) => bytes,
        Some(_) | None => facts.mark.size_bytes,
    };
    let Some(kind) = kind(before, facts, (bytes, sha256)) else {
        return Change::between(old, None);
    };
    let new = Entry {
        path,
        kind,
        mode: facts.mode,
        owner: owner(before, facts),
        mtime,
        extended,
        scan: Some(facts.mark),
        content: Vec::new(),
        first_name: None,
        unstable: false,
    };
    match known {
        Known::Entry => Change::between(old, Some(new)),
        Known::Facts | Known::Path => Change::unread(old, new, known),
    }
}

fn without_facts(old: Option<Entry>, path: RemotePath, digest: Option<Sha256>) -> Option<Change> {
    let Some(old) = old else {
        let nothing = Entry {
            path,
            kind: EntryKind::Directory,
            mode: 0,
            owner: Owner::default(),
            mtime: FileTime {
                seconds: 0,
                nanoseconds: 0,
            },
            scan: None,
            content: Vec::new(),
            extended: None,
            first_name: None,
            unstable: false,
        };
        return Change::unread(None, nothing, Known::Path);
    };
    let is_other = digest.is_some() && digest != old.file_sha256();
    is_other
        .then(|| Change::unread(Some(old.clone()), old, Known::Path))
        .flatten()
}

/// When it last changed. Some archives tell whole seconds only: where the scan then and the scan now saw
/// the same time, it is the time that the archive told.
fn mtime(old: Option<&Entry>, facts: &Facts) -> FileTime {
    let told = old.filter(|old| {
        let mark = old.scan.filter(|_| !old.unstable);
        mark.is_some_and(|mark| mark.mtime == facts.mark.mtime)
    });
    told.map_or(facts.mark.mtime, |old| old.mtime)
}

/// A scan tells numbers; the names are those that went with them.
fn owner(old: Option<&Entry>, facts: &Facts) -> Owner {
    let old = old.map(|old| old.owner.clone()).unwrap_or_default();
    let name = |is_same: bool, name| if is_same { name } else { String::new() };
    Owner {
        user: name(old.uid == facts.uid, old.user),
        group: name(old.gid == facts.gid, old.group),
        uid: facts.uid,
        gid: facts.gid,
    }
}

fn kind(
    old: Option<&Entry>,
    facts: &Facts,
    (size_bytes, sha256): (u64, Sha256),
) -> Option<EntryKind> {
    // A scan does not tell the numbers of a device.
    let numbers = match old.map(|old| &old.kind) {
        Some(EntryKind::CharDevice { major, minor } | EntryKind::BlockDevice { major, minor }) => {
            (*major, *minor)
        }
        _ => (0, 0),
    };
    let (major, minor) = numbers;
    Some(match facts.kind {
        FileType::File => EntryKind::File { size_bytes, sha256 },
        FileType::Directory => EntryKind::Directory,
        FileType::Symlink => EntryKind::Symlink {
            target: facts.link.clone(),
        },
        FileType::Fifo => EntryKind::Fifo,
        FileType::Socket => EntryKind::Socket,
        FileType::CharDevice => EntryKind::CharDevice { major, minor },
        FileType::BlockDevice => EntryKind::BlockDevice { major, minor },
        FileType::Other => return None,
    })
}
