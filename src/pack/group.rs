//! Groups small members into frames by how well they compress.
//!
//! zstd makes its tables anew for each 128 KiB. Where noise and text share those, the tables fit
//! neither; so what does not compress is gathered apart.

/// How much of a content is looked at.
pub(super) const SAMPLE_BYTES: usize = 4096;
/// Less than this says too little about the rest, and is too little to spoil a table.
const SAMPLE_MIN_BYTES: usize = 2048;
/// One in so many pairs of bytes is equal where the bytes hold 7.3 bits each; of noise, one in 256.
const DENSE_PAIRS: u64 = 160;

/// Where a member may be in the archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Behind every member of this kind that was begun earlier, and behind every one that is large:
    /// links, what they may lead to, and all else whose order tells something.
    Kept,
    /// Anywhere: a file that has one name, of which the content begins after so many header bytes.
    Free {
        /// The length of its header blocks.
        header_bytes: usize,
    },
}

/// What the next frame of a kind is made of.
#[derive(Debug, Clone, Default)]
pub(super) struct Group {
    pub(super) bytes: Vec<u8>,
    /// The number of each whole member, and where it begins.
    pub(super) members: Vec<(usize, usize)>,
}

/// Whether a content that begins like this will hardly compress: it is compressed already, encrypted,
/// or noise. By how often two of its bytes are equal, which takes no logarithms.
pub(super) fn is_incompressible(content: &[u8]) -> bool {
    let sample = &content[..content.len().min(SAMPLE_BYTES)];
    if sample.len() < SAMPLE_MIN_BYTES {
        return false;
    }
    let mut counts = [0_u64; 256];
    for &byte in sample {
        counts[usize::from(byte)] += 1;
    }
    let pairs = |n: u64| n * n.saturating_sub(1);
    let equal: u64 = counts.into_iter().map(pairs).sum();
    equal * DENSE_PAIRS < pairs(sample.len() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pack::tests::{dense_noise, noise};

    #[test]
    fn noise_is_dense_and_what_compresses_is_not() {
        for seed in 1..50 {
            assert!(
                is_incompressible(&dense_noise(SAMPLE_BYTES, seed)),
                "{seed}"
            );
            assert!(
                is_incompressible(&dense_noise(SAMPLE_MIN_BYTES, seed)),
                "{seed}"
            );
            assert!(!is_incompressible(&noise(SAMPLE_BYTES, seed)), "{seed}");
        }
        let packed = zstd::bulk::compress(&noise(60_000, 3), 3).expect("compressed");
        assert!(is_incompressible(&packed));
        assert!(!is_incompressible(include_bytes!("group.rs")));
        assert!(!is_incompressible(&[0; SAMPLE_BYTES]));
        // Each byte as often as any other: no order is looked for.
        let every: Vec<u8> = (0..=255).cycle().take(SAMPLE_BYTES).collect();
        assert!(is_incompressible(&every));
    }

    #[test]
    fn of_a_little_nothing_is_said() {
        assert!(!is_incompressible(&[]));
        assert!(!is_incompressible(&dense_noise(SAMPLE_MIN_BYTES - 1, 1)));
    }

    #[test]
    fn only_the_beginning_is_looked_at() {
        let mut content = dense_noise(SAMPLE_BYTES, 1);
        content.resize(100_000, b'x');
        assert!(is_incompressible(&content));
        content.reverse();
        assert!(!is_incompressible(&content));
    }
}
