//! Writes single members of an archive: as the host's tar wrote them, under other names, or only with their
//! metadata.

use std::io::Write;

use crate::manifest::{Entry, EntryKind};
use crate::name::RemotePath;
use crate::store::query::content::{Packs, content_error, whole_member};
use crate::store::{Error, SealedCheckpoint};
use crate::tarstream::{Head, Kind, Member, Rename, attribute_records, padding};

/// Writes members of one checkpoint. Its packs are opened when they are first needed.
#[derive(Debug)]
pub struct MemberWriter<'c> {
    checkpoint: &'c SealedCheckpoint,
    packs: Packs,
}

impl<'c> MemberWriter<'c> {
    /// For members of `checkpoint`.
    #[must_use]
    pub fn new(checkpoint: &'c SealedCheckpoint) -> Self {
        Self {
            checkpoint,
            packs: Packs::default(),
        }
    }

    /// Copies the member of an entry to `place`, with the owner that the entry has now. All else that the
    /// entry says is compared with the member.
    ///
    /// # Errors
    ///
    /// [`Error::Content`] and [`Error::Damaged`] if it is not what was sealed, [`Error::Output`] if it
    /// can't be written.
    pub fn write_at(
        &mut self,
        entry: &Entry,
        place: &RemotePath,
        output: &mut impl Write,
    ) -> Result<(), Error> {
        // A directory that nobody captured, as those above what is put back.
        if entry.content.is_empty() && entry.kind == EntryKind::Directory {
            return self.write_head(entry, place, Kind::Directory, &[], output);
        }
        let rename = Rename {
            path: place,
            link: None,
            owner: Some(&entry.owner),
        };
        self.write(entry, Some(rename), output)
    }

    /// Writes `place` as a further name of what is at `first`.
    ///
    /// # Errors
    ///
    /// [`Error::Output`] if it can't be written.
    pub fn write_link(
        &mut self,
        entry: &Entry,
        place: &RemotePath,
        first: &RemotePath,
        output: &mut impl Write,
    ) -> Result<(), Error> {
        let target = first.clone();
        self.write_head(entry, place, Kind::HardLink { target }, &[], output)
    }

    /// Writes an empty file at `place` with the owner, mode, time, ACLs and attributes of `entry`.
    ///
    /// # Errors
    ///
    /// As [`MemberWriter::write_at`].
    pub fn write_metadata(
        &mut self,
        entry: &Entry,
        place: &RemotePath,
        output: &mut impl Write,
    ) -> Result<(), Error> {
        let raw = self.packs.first_headers(self.checkpoint, entry)?;
        let kind = Kind::File { size_bytes: 0 };
        let records = attribute_records(&raw);
        self.write_head(entry, place, kind, &records, output)
    }

    /// Writes a file at `place` that has `content`, which is in no pack, and the owner, mode and time of
    /// `entry`.
    ///
    /// # Errors
    ///
    /// [`Error::Output`] if it can't be written.
    pub fn write_content(
        &self,
        entry: &Entry,
        place: &RemotePath,
        content: &[u8],
        output: &mut impl Write,
    ) -> Result<(), Error> {
        let failed = |source| Error::Output { source };
        let size_bytes = content.len() as u64;
        let head = Head {
            path: place.clone(),
            kind: Kind::File { size_bytes },
            mode: entry.mode,
            owner: entry.owner.clone(),
            mtime: entry.mtime,
            stored_bytes: size_bytes + padding(size_bytes) as u64,
        };
        let blocks = head.to_blocks().ok_or_else(|| {
            content_error(
                self.checkpoint.id(),
                &entry.path,
                "its names can't be written",
            )
        })?;
        output.write_all(&blocks).map_err(failed)?;
        output.write_all(content).map_err(failed)?;
        output
            .write_all(&vec![0; padding(size_bytes)])
            .map_err(failed)
    }

    /// Writes an object at `place` for a tar that knows no extended headers: what `entry` says of it, and
    /// nothing else. Files are whole.
    ///
    /// # Errors
    ///
    /// As [`MemberWriter::write_at`].
    pub fn write_plain(
        &mut self,
        entry: &Entry,
        place: &RemotePath,
        content: &Content<'_>,
        output: &mut impl Write,
    ) -> Result<(), Error> {
        let id = self.checkpoint.id();
        let failed = |source| Error::Output { source };
        let kind = match content {
            Content::NameOf(first) => Some(Kind::HardLink {
                target: (*first).clone(),
            }),
            Content::Made(bytes) => Some(Kind::File {
                size_bytes: bytes.len() as u64,
            }),
            Content::Stored => kind_of(entry),
        };
        let kind = kind.ok_or_else(|| content_error(id, &entry.path, "it can't be written"))?;
        let size_bytes = kind.content_bytes();
        let padding_bytes = padding(size_bytes);
        let head = Head {
            path: place.clone(),
            kind,
            mode: entry.mode,
            owner: entry.owner.clone(),
            mtime: entry.mtime,
            stored_bytes: size_bytes + padding_bytes as u64,
        };
        let blocks = head
            .to_gnu_blocks(size_bytes)
            .ok_or_else(|| content_error(id, &entry.path, "its numbers can't be written"))?;
        output.write_all(&blocks).map_err(failed)?;
        match content {
            Content::Made(bytes) => output.write_all(bytes).map_err(failed)?,
            Content::Stored if matches!(head.kind, Kind::File { .. }) => {
                self.packs
                    .read_file(self.checkpoint, entry, &mut |_, bytes| {
                        output.write_all(bytes).map_err(failed)
                    })?;
            }
            Content::Stored | Content::NameOf(_) => {}
        }
        output.write_all(&vec![0; padding_bytes]).map_err(failed)
    }

    fn write_head(
        &self,
        entry: &Entry,
        place: &RemotePath,
        kind: Kind,
        records: &[crate::tarstream::Record<'_>],
        output: &mut impl Write,
    ) -> Result<(), Error> {
        let head = Head {
            path: place.clone(),
            kind,
            mode: entry.mode,
            owner: entry.owner.clone(),
            mtime: entry.mtime,
            stored_bytes: 0,
        };
        let blocks = head.to_blocks_with(0, records).ok_or_else(|| {
            content_error(
                self.checkpoint.id(),
                &entry.path,
                "its names can't be written",
            )
        })?;
        output
            .write_all(&blocks)
            .map_err(|source| Error::Output { source })
    }

    /// Copies the member of an entry, compared with it, perhaps under other names.
    ///
    /// # Errors
    ///
    /// [`Error::Content`] and [`Error::Damaged`] if it is not what was sealed, [`Error::Pack`] and
    /// [`Error::Output`] if it can't be read or written.
    pub(super) fn write(
        &mut self,
        entry: &Entry,
        rename: Option<Rename<'_>>,
        output: &mut impl Write,
    ) -> Result<(), Error> {
        let checkpoint = self.checkpoint;
        if matches!(entry.kind, EntryKind::File { .. }) && entry.whole_member().is_none() {
            let place = rename.map_or(&entry.path, |rename| rename.path);
            return self.pieces(entry, place, output);
        }
        let piece = whole_member(checkpoint.id(), entry)?;
        let pack = self.packs.open(checkpoint, &piece.pack)?;
        let copied = match rename {
            None => pack.raw_member(piece.offset_bytes, &entry.path, output),
            Some(rename) => pack.renamed_member(piece.offset_bytes, &entry.path, rename, output),
        };
        let member = copied.map_err(|e| Error::pack(&checkpoint.id().host, &piece.pack, e))?;
        if is_same(entry, &member) {
            Ok(())
        } else {
            let problem = format!("{} holds something else", piece.pack);
            Err(content_error(checkpoint.id(), &entry.path, &problem))
        }
    }

    /// Writes a file whose content is in pieces, as a member of its own. Extended attributes are those
    /// of its first piece's member.
    fn pieces(
        &mut self,
        entry: &Entry,
        place: &RemotePath,
        output: &mut impl Write,
    ) -> Result<(), Error> {
        let checkpoint = self.checkpoint;
        let failed = |source| Error::Output { source };
        let raw = self.packs.first_headers(checkpoint, entry)?;
        let size_bytes = entry.file_bytes().unwrap_or_default();
        let padding_bytes = padding(size_bytes);
        let head = Head {
            path: place.clone(),
            kind: Kind::File { size_bytes },
            mode: entry.mode,
            owner: entry.owner.clone(),
            mtime: entry.mtime,
            stored_bytes: size_bytes + padding_bytes as u64,
        };
        let blocks = head
            .to_blocks_with(size_bytes, &attribute_records(&raw))
            .ok_or_else(|| {
                content_error(checkpoint.id(), &entry.path, "its name can't be written")
            })?;
        output.write_all(&blocks).map_err(failed)?;
        self.packs.read_file(checkpoint, entry, &mut |_, bytes| {
            output.write_all(bytes).map_err(failed)
        })?;
        output.write_all(&vec![0; padding_bytes]).map_err(failed)
    }
}

/// What is written for an entry.
#[derive(Debug)]
pub enum Content<'a> {
    /// What the checkpoint has.
    Stored,
    /// This, which is in no pack.
    Made(&'a [u8]),
    /// A further name of what is there.
    NameOf(&'a RemotePath),
}

/// The kind of the member of an entry with all of its content; none if it has none.
fn kind_of(entry: &Entry) -> Option<Kind> {
    Some(match &entry.kind {
        EntryKind::File { size_bytes, .. } => Kind::File {
            size_bytes: *size_bytes,
        },
        EntryKind::Directory => Kind::Directory,
        EntryKind::Symlink { target } => Kind::Symlink {
            target: target.clone(),
        },
        EntryKind::Fifo => Kind::Fifo,
        EntryKind::CharDevice { major, minor } => Kind::CharDevice {
            major: *major,
            minor: *minor,
        },
        EntryKind::BlockDevice { major, minor } => Kind::BlockDevice {
            major: *major,
            minor: *minor,
        },
        // A name without a file of its own; what cannot be sent.
        EntryKind::HardLink { .. } | EntryKind::Socket => return None,
    })
}

/// Whether a member is what its entry says.
fn is_same(entry: &Entry, member: &Member) -> bool {
    match (&entry.kind, &member.head.kind) {
        (EntryKind::File { size_bytes, sha256 }, Kind::File { size_bytes: found }) => {
            size_bytes == found && member.sha256 == Some(*sha256)
        }
        (EntryKind::HardLink { target, .. }, Kind::HardLink { target: found }) => target == found,
        (EntryKind::Symlink { target }, Kind::Symlink { target: found }) => target == found,
        (EntryKind::Directory, Kind::Directory) | (EntryKind::Fifo, Kind::Fifo) => true,
        (
            EntryKind::CharDevice { major, minor },
            Kind::CharDevice {
                major: found_major,
                minor: found_minor,
            },
        )
        | (
            EntryKind::BlockDevice { major, minor },
            Kind::BlockDevice {
                major: found_major,
                minor: found_minor,
            },
        ) => (major, minor) == (found_major, found_minor),
        (
            EntryKind::File { .. }
            | EntryKind::HardLink { .. }
            | EntryKind::Directory
            | EntryKind::Symlink { .. }
            | EntryKind::Fifo
            | EntryKind::Socket
            | EntryKind::CharDevice { .. }
            | EntryKind::BlockDevice { .. },
            _,
        ) => false,
    }
}
