//! Dialects of foreign archives: forms that no host is asked for, but that older tools wrote.
//!
//! Everything here turns a form into what the rest of the module knows; what it cannot be sure of is
//! refused there.
//!
//! Sources: GNU tar manual, "Basic Tar Format" and "Storing Sparse Files"; POSIX pax, "ustar
//! Interchange Format".

use std::borrow::Cow;
use std::io::Read;

use tar::{GnuExtSparseHeader, Header};

use super::blocks::Blocks;
use super::header::{self, Parsed};
use super::layout::Layout;
use super::{BLOCK_BYTES, Error, Kind, SPARSE_MAX_REGIONS};

/// Where an archive comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// A host's tar was asked for it a moment ago, in the form that is wanted.
    Host,
    /// Some tool wrote it some time ago.
    Archive,
}

/// The sum of a header's bytes, its checksum taken as blanks, by tools to which bytes are signed.
pub(super) fn signed_sum(block: &[u8; BLOCK_BYTES]) -> u32 {
    let sum: i32 = block
        .iter()
        .enumerate()
        .map(|(at, &byte)| match at {
            148..156 => i32::from(b' '),
            _ => i32::from(byte.cast_signed()),
        })
        .sum();
    // A negative sum is in no header.
    u32::try_from(sum).unwrap_or(u32::MAX)
}

/// A member's name without `.` and empty components; the archive's own folder is `.`.
///
/// Absolute names, and those with `..`, stay what they are, and are refused by whoever parses them.
pub(super) fn tidy(name: &[u8], origin: Origin) -> Cow<'_, [u8]> {
    let is_tidy = name
        .split(|&b| b == b'/')
        .all(|part| !matches!(part, b"" | b"."));
    if origin == Origin::Host || is_tidy || name.starts_with(b"/") || name.is_empty() {
        return Cow::Borrowed(name);
    }
    let parts: Vec<&[u8]> = name
        .split(|&b| b == b'/')
        .filter(|part| !matches!(*part, b"" | b"."))
        .collect();
    Cow::Owned(match parts.as_slice() {
        [] => b".".to_vec(),
        parts => parts.join(&b'/'),
    })
}

/// The map of a sparse file as old GNU tar writes it: in the header and in blocks behind it.
#[derive(Debug)]
pub(super) struct SparseMap {
    real_bytes: u64,
    regions: Vec<(u64, u64)>,
}

/// Reads the blocks behind `header` that go on with its map, and puts them into `raw`.
pub(super) fn read_sparse_map<R: Read>(
    blocks: &mut Blocks<R>,
    raw: &mut Vec<u8>,
    header: &Header,
    offset: u64,
) -> Result<SparseMap, Error> {
    let bad = || Error::Field {
        offset,
        field: "sparse map",
    };
    let gnu = header.as_gnu().ok_or_else(bad)?;
    if !header::is_plain_number(&gnu.realsize) {
        return Err(bad());
    }
    let mut map = SparseMap {
        real_bytes: gnu.real_size().map_err(|_| bad())?,
        regions: Vec::new(),
    };
    let mut goes_on = map.take(&gnu.sparse).ok_or_else(bad)? && gnu.is_extended();
    while goes_on {
        let block = header::next_block(blocks)?;
        raw.extend_from_slice(&block);
        let mut more = GnuExtSparseHeader::new();
        more.as_mut_bytes().copy_from_slice(&block);
        goes_on = map.take(&more.sparse).ok_or_else(bad)? && more.is_extended();
        if map.regions.len() > SPARSE_MAX_REGIONS {
            return Err(bad());
        }
    }
    Ok(map)
}

impl SparseMap {
    /// Adds regions up to the first empty one; whether there was none. None if one does not read.
    fn take(&mut self, sparse: &[tar::GnuSparseHeader]) -> Option<bool> {
        for region in sparse {
            if region.numbytes[0] == 0 {
                return Some(false);
            }
            if !header::is_plain_number(&region.offset)
                || !header::is_plain_number(&region.numbytes)
            {
                return None;
            }
            let region = (region.offset().ok()?, region.length().ok()?);
            self.regions.push(region);
        }
        Some(true)
    }

    /// Makes a sparse file of `parsed`, which was read as if it had no holes.
    pub(super) fn apply(self, parsed: &mut Parsed, offset: u64) -> Result<(), Error> {
        let Kind::File { size_bytes: data } = parsed.head.kind else {
            return Err(Error::OldSparse { offset });
        };
        let path = parsed.head.path.clone();
        parsed.head.kind = Kind::File {
            size_bytes: self.real_bytes,
        };
        parsed.layout = Layout::mapped(path, data, self.real_bytes, &self.regions)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lose_what_says_nothing_and_keep_what_is_dangerous() {
        for (name, tidied) in [
            (&b"./a/b"[..], &b"a/b"[..]),
            (b".//a/./b/", b"a/b"),
            (b"./", b"."),
            (b".", b"."),
            (b"a/b", b"a/b"),
            (b"./../a", b"../a"),
            (b"/a", b"/a"),
            (b"//a/./b", b"//a/./b"),
            (b"", b""),
        ] {
            assert_eq!(&*tidy(name, Origin::Archive), tidied);
        }
        assert_eq!(&*tidy(b"./a", Origin::Host), b"./a");
    }
}
