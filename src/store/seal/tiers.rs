//! Decides which packs are merged, so that a checkpoint never needs many of them.
//!
//! Pure: numbers in, a decision out. It keeps no history, for the sizes tell it: whatever is copied
//! ends up in a pack at least twice as large as the one it lay in, as long as sizes allow that
//! within the limit, so that no byte is copied more often than sizes can double.

use std::cmp::Reverse;

use crate::pack::END_MAX_BYTES;

/// How many packs all parts of a checkpoint together may need.
const PACKS_MAX: usize = 32;

/// How many bytes the headers of one member take, at most, where nothing tells.
const HEADERS_BYTES: u64 = 2048;

/// An old pack that the new checkpoint would need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NeededPack {
    /// How much of its archive belongs to members that the new checkpoint names.
    pub live_bytes: u64,
    /// The length of its archive, uncompressed, end included.
    pub total_bytes: u64,
}

impl NeededPack {
    /// More than half of what it holds is dead.
    fn is_mostly_dead(self) -> bool {
        let dead_bytes = self
            .total_bytes
            .saturating_sub(self.live_bytes)
            .saturating_sub(END_MAX_BYTES);
        dead_bytes > self.live_bytes
    }
}

/// How many packs one of `parts` parts may need.
#[must_use]
pub fn packs_max(parts: usize) -> usize {
    (PACKS_MAX / parts.max(1)).max(2)
}

/// How much of an archive of `total_bytes` belongs to `members`: ascending pairs of the offset where a
/// member begins and the size of its content.
///
/// Never less than it is, unless a member has headers of several kilobytes; too much by what is dead
/// close behind a small member. So a pack that was just merged never counts as mostly dead.
#[must_use]
pub fn live_bytes(total_bytes: u64, members: &[(u64, u64)]) -> u64 {
    let ends = members.iter().skip(1).map(|(offset, _)| *offset);
    members
        .iter()
        .zip(ends.chain([total_bytes]))
        .map(|((offset, size_bytes), end)| {
            let room = end.saturating_sub(*offset);
            room.min(size_bytes.saturating_add(HEADERS_BYTES))
        })
        .sum()
}

/// Which of `old` packs (oldest first) are taken into the pack that is being written, so that the
/// part needs no more than `limit` packs: their places, ascending.
///
/// `fresh_bytes` is what the new pack holds by itself; none if nothing was fetched. Then nothing is
/// merged either, unless a pack is mostly dead. A limit below 2 counts as 2. Packs without a live
/// byte are neither counted nor taken: nothing needs them.
///
/// - A pack of which more than half is dead is taken.
/// - While there are too many, the smallest packs are taken that together are smaller than the
///   next larger one, and of which none is larger than all that is smaller, tier by tier. Packs
///   that were merged before are larger, so these are the newest neighbours, as a rule.
/// - If sizes leave no such tier, the cut is where the largest pack taken is smallest beside the
///   rest: cheap merges go on until they have cost about as much as a dear one, which then is due.
#[must_use]
pub fn taken(old: &[NeededPack], fresh_bytes: Option<u64>, limit: usize) -> Vec<usize> {
    let needed = |(_, pack): &(usize, &NeededPack)| pack.live_bytes > 0;
    let (dead, mut kept): (Vec<_>, Vec<_>) = old
        .iter()
        .enumerate()
        .filter(needed)
        .map(|(place, pack)| (place, *pack))
        .partition(|(_, pack)| pack.is_mostly_dead());
    let mut taken: Vec<usize> = dead.iter().map(|(place, _)| *place).collect();
    if fresh_bytes.is_none() && taken.is_empty() {
        return taken;
    }
    let dead_bytes: u64 = dead.iter().map(|(_, pack)| pack.live_bytes).sum();
    let new_bytes = fresh_bytes.unwrap_or(0).saturating_add(dead_bytes);
    let surplus = (kept.len() + 1).saturating_sub(limit.max(2));
    if surplus > 0 {
        kept.sort_by_key(|(place, pack)| (pack.live_bytes, Reverse(*place)));
        let sizes: Vec<u64> = kept.iter().map(|(_, pack)| pack.live_bytes).collect();
        let count = smallest_taken(&sizes, new_bytes, surplus);
        taken.extend(kept[..count].iter().map(|(place, _)| *place));
        taken.sort_unstable();
    }
    taken
}

/// How many of the ascending `sizes` go into a pack that holds `new_bytes` already; at least
/// `surplus`.
fn smallest_taken(sizes: &[u64], new_bytes: u64, surplus: usize) -> usize {
    let mut together = new_bytes.max(1);
    // The size of the largest one taken, and of all that goes with it.
    let mut best: Option<(u64, u64, usize)> = None;
    for (index, size) in sizes.iter().enumerate() {
        let (count, rest) = (index + 1, together);
        together = together.saturating_add(*size);
        if count < surplus {
            continue;
        }
        let is_tier = *size <= rest;
        let is_last_of_tier = sizes.get(count).is_none_or(|next| *next > together);
        if is_tier && is_last_of_tier {
            return count;
        }
        let is_better = best.is_none_or(|(best_size, best_rest, _)| {
            u128::from(*size) * u128::from(best_rest) < u128::from(best_size) * u128::from(rest)
        });
        if is_better {
            best = Some((*size, rest, count));
        }
    }
    best.map_or(sizes.len(), |(_, _, count)| count)
}

#[cfg(test)]
mod tests;
