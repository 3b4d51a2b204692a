//! Makes entries of members that arrived: content, extended metadata, and whether they changed meanwhile.

use std::collections::HashMap;

use super::Error;
use super::link_targets::LinkTarget;
use super::tar_notes::Said;
use crate::manifest::{ContentRange, Entry, EntryKind, Extended, FileType, Owner, PackName, Piece};
use crate::name::RemotePath;
use crate::source::scan::Found;
use crate::tarstream::{self, Member};

/// What is known of all members that arrived, to make entries of them.
pub(super) struct Arrivals<'a> {
    /// The files that hard links lead to.
    pub(super) targets: HashMap<RemotePath, LinkTarget>,
    /// As [`Received::sent_bytes`](crate::intake::receive::Received::sent_bytes).
    pub(super) sent_bytes: HashMap<RemotePath, u64>,
    pub(super) said: &'a Said,
    pub(super) pack: &'a PackName,
    /// As [`Asked::tells_extended`](super::Asked::tells_extended).
    pub(super) tells_extended: bool,
}

impl Arrivals<'_> {
    /// The entry of a member, which begins at `offset_bytes` of the pack; none if it is of no known kind.
    ///
    /// # Errors
    ///
    /// [`Error::Link`] if it is a hard link whose target did not arrive before it.
    pub(super) fn entry(
        &self,
        found: Found,
        member: Member,
        offset_bytes: u64,
    ) -> Result<Option<Entry>, Error> {
        let kind = member.entry_kind(|target| match self.targets.get(target) {
            Some(file) if file.offset_bytes < offset_bytes => Some((file.size_bytes, file.sha256)),
            _ => None,
        });
        let Some(kind) = kind else {
            return match &member.head.kind {
                tarstream::Kind::HardLink { target } => Err(Error::Link {
                    path: found.path,
                    target: target.clone(),
                }),
                _ => Ok(None),
            };
        };
        let piece = Piece {
            pack: self.pack.clone(),
            member: found.path.member().to_vec(),
            offset_bytes,
            range: ContentRange::default(),
        };
        let said = self.said;
        let seen = Seen {
            extended: self.extended(&found, &member),
            changed: said.dropped_bytes > 0
                || said.changed.contains(&found.path)
                || said.shrank.contains(&found.path),
            sent_bytes: sent_size(&kind, &found.path, &self.sent_bytes),
        };
        Ok(Some(entry(found, member, kind, piece, seen)))
    }

    /// The extended attributes and ACLs of a member; none if they are not known.
    fn extended(&self, found: &Found, member: &Member) -> Option<Extended> {
        // Of a hard link, tar sends them with the file's first name only.
        let (first_name, extended) = match &member.head.kind {
            tarstream::Kind::HardLink { target } => {
                let file = self.targets.get(target);
                (target, file.map_or(&member.extended, |file| &file.extended))
            }
            _ => (&found.path, &member.extended),
        };
        let is_whole = !self.said.bare.contains(first_name) && !self.said.lacks_attributes;
        let is_told = is_whole && (self.tells_extended || !extended.is_empty());
        is_told.then(|| extended.clone())
    }
}

/// The size of a regular file as the host sent it, which is not what is kept if just lines are.
fn sent_size(
    kind: &EntryKind,
    path: &RemotePath,
    sent_bytes: &HashMap<RemotePath, u64>,
) -> Option<u64> {
    match kind {
        EntryKind::File { size_bytes, .. } => sent_bytes.get(path).or(Some(size_bytes)),
        EntryKind::HardLink {
            target, size_bytes, ..
        } => sent_bytes.get(target).or(Some(size_bytes)),
        EntryKind::Directory
        | EntryKind::Symlink { .. }
        | EntryKind::Fifo
        | EntryKind::Socket
        | EntryKind::CharDevice { .. }
        | EntryKind::BlockDevice { .. } => None,
    }
    .copied()
}

/// What else is known of a member that arrived.
struct Seen {
    extended: Option<Extended>,
    /// tar reported that it changed meanwhile.
    changed: bool,
    /// As [`sent_size`].
    sent_bytes: Option<u64>,
}

fn entry(found: Found, member: Member, kind: EntryKind, piece: Piece, seen: Seen) -> Entry {
    let mark = found.facts.map(|facts| facts.mark);
    // What the scan saw is of use next time only if the stream told of the same thing.
    let same = mark.is_some_and(|mark| {
        let size_fits = seen.sent_bytes.is_none_or(|sent| sent == mark.size_bytes);
        size_fits && member.head.mtime == mark.mtime
    });
    Entry {
        path: found.path,
        kind,
        mode: member.head.mode,
        owner: member.head.owner,
        mtime: member.head.mtime,
        extended: seen.extended,
        scan: mark,
        content: vec![piece],
        first_name: None,
        unstable: seen.changed || (mark.is_some() && !same),
    }
}

/// The entry of a socket, which no tar sends.
pub(super) fn socket(found: Found) -> Option<Entry> {
    let facts = found.facts?;
    debug_assert_eq!(facts.kind, FileType::Socket);
    Some(Entry {
        path: found.path,
        kind: EntryKind::Socket,
        mode: facts.mode,
        owner: Owner {
            uid: facts.uid,
            gid: facts.gid,
            ..Owner::default()
        },
        mtime: facts.mark.mtime,
        extended: None,
        scan: Some(facts.mark),
        content: Vec::new(),
        first_name: None,
        unstable: false,
    })
}
