//! Reads the content of single entries: delivered only after its digest was compared.
//!
//! Packs are read twice: once to compare, once to deliver. Their frames come from the page cache the
//! second time.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};

use crate::digest::{Hasher, Sha256};
use crate::fault;
use crate::manifest::{ContentRange, Entry, EntryKind, PackName, Piece};
use crate::name::{CheckpointId, RemotePath, SourceName, escape};
use crate::pack::{MemberReader, PackReader};
use crate::store::Error;
use crate::store::SealedCheckpoint;
use crate::store::files::layout;
use crate::tarstream::Attributes;

/// A run of zeros of that length becomes a hole where content is written to a disk.
const CHUNK_BYTES: usize = 64 * 1024;
const SHORT_MEMBER: &str = "a piece of it is longer than its member";

/// Takes content: how many bytes came before, and the next ones.
type Take<'a> = &'a mut dyn FnMut(u64, &[u8]) -> Result<(), Error>;

/// The packs of one checkpoint, each opened when it is first needed.
#[derive(Debug, Default)]
pub(in crate::store) struct Packs {
    open: BTreeMap<PackName, PackReader>,
}

impl Packs {
    pub(in crate::store) fn open(
        &mut self,
        checkpoint: &SealedCheckpoint,
        name: &PackName,
    ) -> Result<&mut PackReader, Error> {
        if !self.open.contains_key(name) {
            let pack = PackReader::open(layout::pack_file(checkpoint.host_dir(), name))
                .map_err(|e| Error::pack(&checkpoint.id().host, name, e))
                .map_err(|e| checkpoint.unless_removed(e))?;
            self.open.insert(name.clone(), pack);
        }
        Ok(self
            .open
            .get_mut(name)
            .expect("it was there or was just put there"))
    }

    /// Reads the member that a piece is of, its headers first.
    fn member(
        &mut self,
        checkpoint: &SealedCheckpoint,
        entry: &Entry,
        piece: &Piece,
    ) -> Result<MemberReader<'_>, Error> {
        let id = checkpoint.id();
        let name = member_name(id, entry, piece)?;
        self.open(checkpoint, &piece.pack)?
            .member(piece.offset_bytes, &name)
            .map_err(|e| Error::pack(&id.host, &piece.pack, e))
    }

    /// The header blocks of the member of an entry's first piece, as the host's tar wrote them.
    pub(in crate::store) fn first_headers(
        &mut self,
        checkpoint: &SealedCheckpoint,
        entry: &Entry,
    ) -> Result<Vec<u8>, Error> {
        let id = checkpoint.id();
        let Some(piece) = entry.content.first() else {
            return Ok(Vec::new());
        };
        let name = member_name(id, entry, piece)?;
        self.open(checkpoint, &piece.pack)?
            .headers(piece.offset_bytes, &name)
            .map_err(|e| Error::pack(&id.host, &piece.pack, e))
    }

    /// The extended attributes of an entry, which are in the headers of its first piece's member.
    pub(in crate::store) fn attributes(
        &mut self,
        checkpoint: &SealedCheckpoint,
        entry: &Entry,
    ) -> Result<Attributes, Error> {
        match entry.content.first() {
            Some(piece) => Ok(self.member(checkpoint, entry, piece)?.attributes().clone()),
            None => Ok(Attributes::default()),
        }
    }

    /// Hands the content of a regular file's `entry` to `take`, piece after piece, holes as zeros, and
    /// compares the digest of what was handed on. Gives the extended attributes.
    ///
    /// # Errors
    ///
    /// [`Error::NotAFile`] for other kinds, [`Error::Content`] and [`Error::Damaged`] if it is not what
    /// was sealed, and those of `take`.
    pub(in crate::store) fn read_file(
        &mut self,
        checkpoint: &SealedCheckpoint,
        entry: &Entry,
        take: Take<'_>,
    ) -> Result<Attributes, Error> {
        let id = checkpoint.id();
        let expected = file_facts(id, entry)?;
        let mut buffer = vec![0; CHUNK_BYTES];
        let mut hasher = Hasher::new();
        let mut length = 0;
        let mut attributes = None;
        for piece in &entry.content {
            let unreadable =
                |e: io::Error| content_error(id, &entry.path, &fault::chain(&e).join(": "));
            let ContentRange {
                from_bytes,
                length_bytes,
            } = piece.range;
            let mut content = self.member(checkpoint, entry, piece)?;
            attributes.get_or_insert_with(|| content.attributes().clone());
            let before = io::copy(&mut content.by_ref().take(from_bytes), &mut io::sink());
            if before.map_err(unreadable)? < from_bytes {
                return Err(content_error(id, &entry.path, SHORT_MEMBER));
            }
            let mut content = content.take(length_bytes.unwrap_or(u64::MAX));
            loop {
                let n = content.read(&mut buffer).map_err(unreadable)?;
                if n == 0 {
                    break;
                }
                hasher.update(&buffer[..n]);
                take(length, &buffer[..n])?;
                length += n as u64;
            }
            if length_bytes.is_some() && content.limit() > 0 {
                return Err(content_error(id, &entry.path, SHORT_MEMBER));
            }
        }
        match attributes {
            Some(attributes) if (length, hasher.finish()) == expected => Ok(attributes),
            Some(_) => Err(content_error(id, &entry.path, "its digest is another one")),
            None => Err(content_error(id, &entry.path, "it has no place in a pack")),
        }
    }
}

impl SealedCheckpoint {
    /// The path that a person means by `text`: an absolute one, or `fleet-captures/SOURCE/FILE`.
    ///
    /// # Errors
    ///
    /// [`Error::NoEntry`] if no entry can have that path.
    pub fn path_of(&self, text: &[u8]) -> Result<RemotePath, Error> {
        RemotePath::named(text).map_err(|_| Error::NoEntry {
            checkpoint: self.id().clone(),
            path: escape(text),
        })
    }

    /// How much the content of a regular file's `entry` takes in its archive: holes are not counted where the
    /// host's tar told of them.
    ///
    /// # Errors
    ///
    /// [`Error::Pack`] if its pack can't be read.
    pub fn stored_bytes(&self, entry: &Entry) -> Result<u64, Error> {
        match entry.whole_member() {
            Some(piece) => {
                let mut packs = Packs::default();
                let member = packs.member(self, entry, piece)?;
                Ok(member.head().stored_bytes)
            }
            None => Ok(entry.file_bytes().unwrap_or(0)),
        }
    }

    /// Writes the content of the file at `path` to `output`. Gives its length.
    ///
    /// # Errors
    ///
    /// [`Error::NoEntry`], [`Error::NotAFile`]; [`Error::Content`] and [`Error::Damaged`] if it is
    /// not what was sealed: nothing was written then.
    pub fn write_content(&self, path: &RemotePath, output: &mut dyn Write) -> Result<u64, Error> {
        let (part, entry) = self.find(path)?;
        self.write_entry_of(&part, &entry, output)
    }

    /// Writes the content of a regular file's `entry` of `part`, under any of its names, as
    /// [`SealedCheckpoint::write_content`] does.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn write_entry_of(
        &self,
        part: &SourceName,
        entry: &Entry,
        output: &mut dyn Write,
    ) -> Result<u64, Error> {
        let EntryKind::HardLink { target, .. } = &entry.kind else {
            return self.write_entry(entry, output);
        };
        let first = self
            .find_in(part, target)?
            .ok_or_else(|| content_error(self.id(), &entry.path, "its first name is missing"))?;
        self.write_entry(&first, output)
    }

    /// Writes the content of a regular file's `entry`, as [`SealedCheckpoint::write_content`] does.
    ///
    /// # Errors
    ///
    /// [`Error::NotAFile`] for other kinds, hard links included: their content is at their target.
    pub fn write_entry(&self, entry: &Entry, output: &mut dyn Write) -> Result<u64, Error> {
        let (size_bytes, _) = file_facts(self.id(), entry)?;
        let mut packs = Packs::default();
        for deliver in [false, true] {
            packs.read_file(self, entry, &mut |_, bytes| {
                if !deliver {
                    return Ok(());
                }
                output
                    .write_all(bytes)
                    .map_err(|source| Error::Output { source })
            })?;
        }
        output.flush().map_err(|source| Error::Output { source })?;
        Ok(size_bytes)
    }
}

fn member_name(id: &CheckpointId, entry: &Entry, piece: &Piece) -> Result<RemotePath, Error> {
    RemotePath::from_member(&piece.member)
        .map_err(|e| content_error(id, &entry.path, &e.to_string()))
}

/// Size and digest of a regular file; for other kinds, what they are instead.
fn file_facts(id: &CheckpointId, entry: &Entry) -> Result<(u64, Sha256), Error> {
    let other = entry.kind.file_type().with_article();
    let (what, points_to) = match &entry.kind {
        EntryKind::File { size_bytes, sha256 } => return Ok((*size_bytes, *sha256)),
        EntryKind::HardLink { target, .. } => ("a hard link", Some(target.to_string())),
        EntryKind::Symlink { target } => (other, Some(escape(target))),
        EntryKind::Directory
        | EntryKind::Fifo
        | EntryKind::Socket
        | EntryKind::CharDevice { .. }
        | EntryKind::BlockDevice { .. } => (other, None),
    };
    Err(Error::NotAFile {
        checkpoint: id.clone(),
        path: entry.path.clone(),
        what: what.to_owned(),
        points_to,
    })
}

/// The one member that holds the content, and nothing else. Of what is no regular file there is no
/// other way.
pub(in crate::store) fn whole_member<'e>(
    id: &CheckpointId,
    entry: &'e Entry,
) -> Result<&'e Piece, Error> {
    entry.whole_member().ok_or_else(|| {
        let problem = format!("it has {} pieces in place of a member", entry.content.len());
        content_error(id, &entry.path, &problem)
    })
}

pub(in crate::store) fn content_error(
    id: &CheckpointId,
    path: &RemotePath,
    problem: &str,
) -> Error {
    Error::Content {
        checkpoint: id.clone(),
        path: path.clone(),
        problem: problem.to_owned(),
    }
}
