//! The content of single entries, delivered only after its digest was compared.
//!
//! Packs are read twice: once to compare, once to deliver. Their frames come from the page cache the
//! second time.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};

use super::{Error, SealedCheckpoint, layout};
use crate::digest::{Hasher, Sha256};
use crate::fault;
use crate::manifest::{Entry, EntryKind, PackName, Piece};
use crate::name::{CheckpointId, RemotePath, SourceName, escape};
use crate::pack::PackReader;

/// The packs of one checkpoint, each opened when it is first needed.
#[derive(Debug, Default)]
pub(super) struct Packs {
    open: BTreeMap<PackName, PackReader>,
}

impl Packs {
    pub(super) fn open(
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
    /// [`Error::NotAFile`] for other kinds, hard links included: their content lies at their target.
    pub fn write_entry(&self, entry: &Entry, output: &mut dyn Write) -> Result<u64, Error> {
        let (size_bytes, sha256) = file_facts(self.id(), entry)?;
        let piece = only_piece(self.id(), entry)?;
        let mut packs = Packs::default();
        let pack = packs.open(self, &piece.pack)?;
        let member = RemotePath::from_member(&piece.member)
            .map_err(|e| content_error(self.id(), &entry.path, &e.to_string()))?;
        for deliver in [false, true] {
            let content = pack
                .member(piece.offset_bytes, &member)
                .map_err(|e| Error::pack(&self.id().host, &piece.pack, e))?;
            let mut sink = io::sink();
            let to: &mut dyn Write = if deliver { output } else { &mut sink };
            let (found, length) = copy(self.id(), entry, content, to)?;
            if (found, length) != (sha256, size_bytes) {
                return Err(content_error(
                    self.id(),
                    &entry.path,
                    "its digest is another one",
                ));
            }
        }
        output.flush().map_err(|source| Error::Output { source })?;
        Ok(size_bytes)
    }
}

fn copy(
    id: &CheckpointId,
    entry: &Entry,
    mut content: impl Read,
    to: &mut dyn Write,
) -> Result<(Sha256, u64), Error> {
    let mut buffer = vec![0; 128 * 1024];
    let mut hasher = Hasher::new();
    let mut length = 0;
    loop {
        let n = content
            .read(&mut buffer)
            .map_err(|e| content_error(id, &entry.path, &fault::chain(&e).join(": ")))?;
        if n == 0 {
            return Ok((hasher.finish(), length));
        }
        hasher.update(&buffer[..n]);
        length += n as u64;
        to.write_all(&buffer[..n])
            .map_err(|source| Error::Output { source })?;
    }
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

/// Where the content lies; this version keeps every content in one piece.
pub(super) fn only_piece<'e>(id: &CheckpointId, entry: &'e Entry) -> Result<&'e Piece, Error> {
    match entry.content.as_slice() {
        [piece] => Ok(piece),
        pieces => Err(content_error(
            id,
            &entry.path,
            &format!("it lies in {} pieces", pieces.len()),
        )),
    }
}

pub(super) fn content_error(id: &CheckpointId, path: &RemotePath, problem: &str) -> Error {
    Error::Content {
        checkpoint: id.clone(),
        path: path.clone(),
        problem: problem.to_owned(),
    }
}
