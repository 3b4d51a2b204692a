//! The list of files that a layout adds to an export: digests that `sha256sum -c` reads, or bare names.
//!
//! It is made while the entries are walked over, twice: once to count its bytes, once to write them.

use std::io::{self, Write};

use super::order::Placed;
use super::places::{self, beneath};
use super::{Export, Layout};
use crate::digest::Sha256;
use crate::manifest::FileTime;
use crate::name::{CheckpointId, RemotePath};
use crate::store::Error;
use crate::tarstream::Head;

/// The list of one export.
#[derive(Debug)]
pub(super) struct Listing {
    /// Where it goes.
    pub(super) place: RemotePath,
    /// Its length.
    pub(super) bytes: u64,
    style: Style,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    /// `DIGEST  NAME`, relative to the list's own folder.
    Checksums,
    /// Names as `find` prints them, the list's own at the end.
    Names,
}

impl Listing {
    /// The list of that layout, still without its length; none if it has no list.
    pub(super) fn of(id: &CheckpointId, layout: Layout) -> Option<Self> {
        let (place, style) = match layout {
            Layout::Paths => return None,
            Layout::Snapshot => (
                places::named(&["snapshot", "sha256sums.txt"]),
                Style::Checksums,
            ),
            Layout::Monitoring => (
                beneath(&places::monitoring_folder(id), b"file_list.txt"),
                Style::Names,
            ),
        };
        Some(Self {
            place,
            bytes: 0,
            style,
        })
    }

    /// The line of an entry; none if it is no regular file.
    pub(super) fn line(&self, placed: &Placed) -> Option<Vec<u8>> {
        let sha256 = placed.entry.file_sha256()?;
        Some(match self.style {
            Style::Checksums => {
                let folder = self.place.parent()?;
                line(Some(sha256), placed.place.relative_to(&folder)?)
            }
            Style::Names => line(None, placed.place.member()),
        })
    }

    /// What follows all entries.
    pub(super) fn end(&self) -> Vec<u8> {
        match self.style {
            Style::Checksums => Vec::new(),
            Style::Names => line(None, self.place.member()),
        }
    }

    /// What the list says of itself.
    pub(super) fn head(&self, mtime: FileTime) -> Head {
        Head::of_private_file(self.place.clone(), self.bytes, mtime)
    }
}

impl Export<'_> {
    /// Writes the text of `listing`.
    pub(super) fn write_listing(
        &self,
        listing: &Listing,
        output: &mut dyn Write,
    ) -> Result<(), Error> {
        let failed = |source: io::Error| Error::Output { source };
        for placed in self.walk()? {
            if let Some(line) = listing.line(&placed?) {
                output.write_all(&line).map_err(failed)?;
            }
        }
        output.write_all(&listing.end()).map_err(failed)
    }
}

/// One line, as sha256sum writes it: a name that would break it is escaped, and the line says so with a
/// backslash at its beginning.
fn line(sha256: Option<Sha256>, name: &[u8]) -> Vec<u8> {
    let mut line = Vec::with_capacity(name.len() + 70);
    if name.iter().any(|b| matches!(b, b'\\' | b'\n' | b'\r')) {
        line.push(b'\\');
    }
    if let Some(sha256) = sha256 {
        line.extend_from_slice(format!("{sha256}  ").as_bytes());
    }
    for &byte in name {
        match byte {
            b'\\' => line.extend_from_slice(b"\\\\"),
            b'\n' => line.extend_from_slice(b"\\n"),
            b'\r' => line.extend_from_slice(b"\\r"),
            byte => line.push(byte),
        }
    }
    line.push(b'\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_would_break_a_line_are_escaped_and_marked() {
        let digest = Sha256::of(b"abc");
        assert_eq!(
            line(Some(digest), b"config/a b"),
            format!("{digest}  config/a b\n").as_bytes()
        );
        assert_eq!(
            line(Some(digest), b"a\\b\nc\r"),
            format!("\\{digest}  a\\\\b\\nc\\r\n").as_bytes()
        );
        assert_eq!(line(None, b"x\n"), b"\\x\\n\n");
        assert_eq!(line(None, b"\xff"), b"\xff\n");
    }
}
