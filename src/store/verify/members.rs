//! Fingerprints every member of a pack by its place.
//!
//! Sixteen bytes a member. Contents are hashed on the way and not kept.

use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::io::{self, Read};

use crate::digest::{Hasher, Sha256};
use crate::fault;
use crate::manifest::{Entry, EntryKind, Piece};
use crate::name::RemotePath;
use crate::tarstream::{Event, MemberStream};

/// The members of one pack.
#[derive(Debug, Default)]
pub(super) struct Members {
    /// Offset and fingerprint, by offset.
    places: Vec<(u64, u64)>,
}

impl Members {
    /// Whether `piece` is the member of `entry`.
    pub(super) fn has(&self, entry: &Entry, piece: &Piece) -> bool {
        let Ok(path) = RemotePath::from_member(&piece.member) else {
            return false;
        };
        let expected = fingerprint(&path, &entry.kind);
        self.places
            .binary_search_by_key(&piece.offset_bytes, |place| place.0)
            .is_ok_and(|at| self.places[at].1 == expected)
    }
}

/// Reads a pack to its end: the digest of its bytes, and its members or what is wrong with them. Where
/// holes are hashed and nothing is read, `stop` is asked: `true` ends it.
pub(super) fn read(
    pack: impl Read,
    stop: &mut dyn FnMut() -> bool,
) -> io::Result<(Sha256, Result<Members, String>)> {
    let mut pack = Hashed {
        inner: pack,
        hasher: Hasher::new(),
    };
    let members = walk(&mut pack, stop);
    // The digest is taken of all bytes, also of those behind a fault.
    io::copy(&mut pack, &mut io::sink())?;
    Ok((pack.hasher.finish(), members))
}

fn walk(pack: impl Read, stop: &mut dyn FnMut() -> bool) -> Result<Members, String> {
    let decoder = zstd::Decoder::new(pack).map_err(|e| e.to_string())?;
    let mut stream = MemberStream::new(decoder);
    let mut members = Members::default();
    let mut offset = 0;
    loop {
        let before = stream.offset_bytes();
        match stream.next().map_err(|e| fault::chain(&e).join(": "))? {
            Event::Begin { .. } => offset = before,
            Event::Hole(_) if stop() => return Err("it was not read to its end".to_owned()),
            Event::Data(_) | Event::Hole(_) => {}
            Event::End(member) => {
                // A hard link's own size and digest are its target's, and no part of the print.
                let kind = member.entry_kind(|_| Some((0, Sha256::of(b""))));
                let kind = kind.ok_or_else(|| format!("{} has no digest", member.head.path))?;
                let print = fingerprint(&member.head.path, &kind);
                members.places.push((offset, print));
            }
            Event::Finished => return Ok(members),
        }
    }
}

/// 64 bits of what a member is: enough against mistakes, digests guard against the rest.
fn fingerprint(path: &RemotePath, kind: &EntryKind) -> u64 {
    let mut hasher = DefaultHasher::new();
    path.hash(&mut hasher);
    std::mem::discriminant(kind).hash(&mut hasher);
    match kind {
        EntryKind::File { size_bytes, sha256 } => (size_bytes, sha256).hash(&mut hasher),
        EntryKind::HardLink { target, .. } => target.hash(&mut hasher),
        EntryKind::Symlink { target } => target.hash(&mut hasher),
        EntryKind::CharDevice { major, minor } | EntryKind::BlockDevice { major, minor } => {
            (major, minor).hash(&mut hasher);
        }
        EntryKind::Directory | EntryKind::Fifo | EntryKind::Socket => {}
    }
    hasher.finish()
}

struct Hashed<R> {
    inner: R,
    hasher: Hasher,
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..n]);
        Ok(n)
    }
}
