//! Extracts the matching lines of a file as it arrives; the rest of it never leaves memory.

use std::io::Read as _;

use crate::digest::Sha256;
use crate::source::lines::{FILE_MAX_BYTES, Lines};
use crate::tarstream::{
    Attributes, BLOCK_BYTES, Head, Kind, Member, MemberContent, access_acl_records,
};

use crate::intake::receive::Error;

/// A file on its way.
#[derive(Debug)]
pub(crate) struct Extract {
    /// Its member as the host sends it: holes are not filled before it is whole.
    raw: Vec<u8>,
}

/// A file that has come whole, and is another one now.
#[derive(Debug)]
pub(crate) struct Extracted {
    /// What it is kept as.
    pub(crate) member: Member,
    /// The same as blocks of an archive.
    pub(crate) raw: Vec<u8>,
    /// How much of that is header.
    pub(crate) header_bytes: usize,
}

impl Extract {
    /// Begins with the header blocks of a file.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`], by what they say, holes included.
    pub(crate) fn begin(head: &Head, raw: &[u8]) -> Result<Self, Error> {
        let size_bytes = head.kind.content_bytes();
        // The map of a sparse file comes on top, and is no longer than what it maps in honest ones.
        if size_bytes.max(head.stored_bytes / 2) > FILE_MAX_BYTES {
            return Err(Error::TooLarge {
                path: head.path.clone(),
            });
        }
        Ok(Self { raw: raw.to_vec() })
    }

    /// Takes the next stored bytes.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.raw.extend_from_slice(bytes);
    }

    /// Keeps just `lines` of what has come whole as `member`. Extended attributes go with the rest: they
    /// are the file's, and this is not the file. The ACL stays, for the mode holds its mask where the
    /// group's permissions would be.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] and [`Error::Unwritable`] for a file that can't be read or written down.
    pub(crate) fn end(self, member: &Member, lines: &Lines) -> Result<Extracted, Error> {
        let mut content = Vec::new();
        let mut whole = MemberContent::open(self.raw.as_slice()).map_err(Error::Refused)?;
        let attributes = Attributes {
            access_acl: whole.attributes().access_acl.clone(),
            ..Attributes::default()
        };
        whole.read_to_end(&mut content).map_err(|source| {
            Error::Refused(crate::tarstream::Error::Read { offset: 0, source })
        })?;
        let kept = lines.of(&content);
        let head = Head {
            kind: Kind::File {
                size_bytes: kept.len() as u64,
            },
            stored_bytes: kept.len().next_multiple_of(BLOCK_BYTES) as u64,
            ..member.head.clone()
        };
        let acl = access_acl_records(&self.raw);
        let Some(mut raw) = head.to_blocks_with(kept.len() as u64, &acl) else {
            let path = head.path;
            return Err(Error::Unwritable { path });
        };
        let header_bytes = raw.len();
        raw.extend_from_slice(&kept);
        raw.resize(raw.len().next_multiple_of(BLOCK_BYTES), 0);
        Ok(Extracted {
            member: Member {
                head,
                sha256: Some(Sha256::of(&kept)),
                extended: attributes.digests(),
            },
            raw,
            header_bytes,
        })
    }
}
