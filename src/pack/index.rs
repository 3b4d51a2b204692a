//! The index at the end of a pack.
//!
//! The seekable format's table has no digest of its own; a flipped bit in it would shift every
//! offset behind. So a skippable frame in front of it holds the table's SHA-256.

use std::ops::Range;

use zstd::zstd_safe::compress_bound;

use super::FRAME_MAX_BYTES;
use crate::digest::Sha256;

const TABLE_MAGIC: u32 = 0x184D_2A5E;
const DIGEST_MAGIC: u32 = 0x184D_2A5D;
const FOOTER_MAGIC: u32 = 0x8F92_EAB1;

const SKIPPABLE_HEADER_BYTES: usize = 8;
const ENTRY_BYTES: usize = 8;
/// Number of frames, a descriptor byte, the magic number.
pub(super) const FOOTER_BYTES: usize = 9;
/// The skippable frame with the digest of the table.
pub(super) const DIGEST_FRAME_BYTES: usize = SKIPPABLE_HEADER_BYTES + 32;

/// Where one frame of a pack is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Its bytes in the pack file.
    pub compressed: Range<u64>,
    /// Where its content begins in the uncompressed pack, in bytes.
    pub offset_bytes: u64,
    /// The length of its content, at most [`FRAME_MAX_BYTES`].
    pub length_bytes: u32,
}

impl Frame {
    /// Where its content ends in the uncompressed pack.
    #[must_use]
    pub(super) fn end_bytes(&self) -> u64 {
        self.offset_bytes + u64::from(self.length_bytes)
    }
}

/// Compressed and uncompressed length of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lengths {
    pub(super) compressed: u32,
    pub(super) content: u32,
}

/// How long the table of `frames` frames is; none if no table can have so many.
pub(super) fn table_bytes(frames: u32) -> Option<u32> {
    frames
        .checked_mul(u32::try_from(ENTRY_BYTES).ok()?)?
        .checked_add(u32::try_from(SKIPPABLE_HEADER_BYTES + FOOTER_BYTES).ok()?)
}

/// The digest frame and the table; none if the frames are too many for the format.
pub(super) fn encode(frames: &[Lengths]) -> Option<Vec<u8>> {
    let count = u32::try_from(frames.len()).ok()?;
    let length = table_bytes(count)?;
    let mut table = Vec::with_capacity(length as usize);
    table.extend(TABLE_MAGIC.to_le_bytes());
    table.extend((length - 8).to_le_bytes());
    for frame in frames {
        table.extend(frame.compressed.to_le_bytes());
        table.extend(frame.content.to_le_bytes());
    }
    table.extend(count.to_le_bytes());
    table.push(0);
    table.extend(FOOTER_MAGIC.to_le_bytes());

    let mut index = Vec::with_capacity(DIGEST_FRAME_BYTES + table.len());
    index.extend(DIGEST_MAGIC.to_le_bytes());
    index.extend(32_u32.to_le_bytes());
    index.extend(Sha256::of(&table).as_bytes());
    index.extend(table);
    Some(index)
}

/// The number of frames that the last [`FOOTER_BYTES`] of a pack tell.
pub(super) fn decode_footer(footer: &[u8; FOOTER_BYTES]) -> Result<u32, &'static str> {
    let [a, b, c, d, descriptor, magic @ ..] = *footer;
    if u32::from_le_bytes(magic) != FOOTER_MAGIC {
        return Err("it does not end with an index");
    }
    if descriptor != 0 {
        return Err("its index is of an unknown kind");
    }
    Ok(u32::from_le_bytes([a, b, c, d]))
}

/// Reads `index`, which is the digest frame and the table of a pack file of `file_bytes`.
pub(super) fn decode(index: &[u8], file_bytes: u64) -> Result<Vec<Frame>, &'static str> {
    let (digest, table) = index
        .split_at_checked(DIGEST_FRAME_BYTES)
        .ok_or("its index is too short")?;
    let mut should = Vec::with_capacity(DIGEST_FRAME_BYTES);
    should.extend(DIGEST_MAGIC.to_le_bytes());
    should.extend(32_u32.to_le_bytes());
    should.extend(Sha256::of(table).as_bytes());
    if digest != should {
        return Err("its index does not match its digest");
    }
    let entries = table
        .get(SKIPPABLE_HEADER_BYTES..table.len().saturating_sub(FOOTER_BYTES))
        .ok_or("its index is too short")?;
    let mut frames = Vec::with_capacity(entries.len() / ENTRY_BYTES);
    let (mut at, mut offset_bytes) = (0_u64, 0_u64);
    for entry in entries.chunks_exact(ENTRY_BYTES) {
        let &[a, b, c, d, e, f, g, h] = entry else {
            return Err("its index is too short");
        };
        let compressed = u64::from(u32::from_le_bytes([a, b, c, d]));
        let length_bytes = u32::from_le_bytes([e, f, g, h]);
        if length_bytes == 0
            || length_bytes as usize > FRAME_MAX_BYTES
            || compressed == 0
            || compressed > compress_bound(FRAME_MAX_BYTES) as u64
        {
            return Err("its index has a frame of impossible length");
        }
        frames.push(Frame {
            compressed: at..at + compressed,
            offset_bytes,
            length_bytes,
        });
        at += compressed;
        offset_bytes += u64::from(length_bytes);
    }
    if at.checked_add(index.len() as u64) != Some(file_bytes) {
        return Err("its index does not match its length");
    }
    Ok(frames)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAMES: [Lengths; 2] = [
        Lengths {
            compressed: 10,
            content: 512,
        },
        Lengths {
            compressed: 7,
            content: 1024,
        },
    ];

    #[test]
    fn an_index_reads_back_what_was_written() {
        let index = encode(&FRAMES).expect("two frames");
        assert_eq!(index.len(), 40 + 8 + 2 * 8 + 9);
        assert_eq!(
            decode(&index, 17 + index.len() as u64),
            Ok(vec![
                Frame {
                    compressed: 0..10,
                    offset_bytes: 0,
                    length_bytes: 512
                },
                Frame {
                    compressed: 10..17,
                    offset_bytes: 512,
                    length_bytes: 1024
                },
            ])
        );
        let footer = *index.last_chunk().expect("longer than that");
        assert_eq!(decode_footer(&footer), Ok(2));
    }

    #[test]
    fn a_forged_index_cannot_ask_for_memory() {
        for (compressed, content) in [(0, 1), (1, 0), (1, 1 << 30), (1 << 30, 1)] {
            let index = encode(&[Lengths {
                compressed,
                content,
            }])
            .expect("one frame");
            assert_eq!(
                decode(&index, u64::from(compressed) + index.len() as u64),
                Err("its index has a frame of impossible length")
            );
        }
        assert_eq!(table_bytes(u32::MAX), None);
    }

    #[test]
    fn an_index_of_another_file_is_refused() {
        let index = encode(&FRAMES).expect("two frames");
        assert_eq!(
            decode(&index, 16 + index.len() as u64),
            Err("its index does not match its length")
        );
        assert_eq!(decode(&index[..39], 39), Err("its index is too short"));
    }
}
