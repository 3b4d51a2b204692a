//! Tests of single decisions, and of long histories of checkpoints by numbers alone.

use std::collections::BTreeMap;

use super::*;

fn whole(live_bytes: u64) -> NeededPack {
    NeededPack {
        live_bytes,
        total_bytes: live_bytes + END_MAX_BYTES,
    }
}

fn packs(sizes: &[u64]) -> Vec<NeededPack> {
    sizes.iter().map(|&size| whole(size)).collect()
}

#[test]
fn few_packs_are_left_alone() {
    let old = packs(&[1_000_000, 10, 10]);
    assert_eq!(taken(&old, Some(10), 4), [0; 0]);
    assert_eq!(taken(&[], Some(10), 4), [0; 0]);
    assert_eq!(taken(&[], None, 4), [0; 0]);
}

#[test]
fn without_news_and_without_the_dead_nothing_is_merged() {
    let old = packs(&[10; 40]);
    assert_eq!(taken(&old, None, 4), [0; 0]);
}

#[test]
fn one_pack_too_many_merges_the_small_ones_and_not_the_base() {
    let old = packs(&[1_000_000, 10, 10, 10]);
    assert_eq!(taken(&old, Some(10), 4), [1, 2, 3]);
    // A tier that is large enough is left alone, too.
    let old = packs(&[1_000_000, 5_000, 10, 10]);
    assert_eq!(taken(&old, Some(10), 4), [2, 3]);
    // Wherever in the order it is.
    let old = packs(&[10, 1_000_000, 10, 5_000]);
    assert_eq!(taken(&old, Some(10), 4), [0, 2]);
}

#[test]
fn a_tier_is_taken_with_the_tier_that_it_outgrew() {
    let old = packs(&[1_000_000, 25, 10, 10]);
    assert_eq!(taken(&old, Some(10), 4), [1, 2, 3]);
    let old = packs(&[40, 25, 10, 10]);
    assert_eq!(taken(&old, Some(10), 4), [0, 1, 2, 3]);
}

#[test]
fn large_news_take_what_is_small_beside_them() {
    let old = packs(&[1_000_000, 300_000, 20, 10]);
    assert_eq!(taken(&old, Some(200_000), 4), [2, 3]);
}

#[test]
fn of_sizes_far_apart_the_least_far_are_merged() {
    // 10 is ten times what goes with it, 900 would be eighty times.
    assert_eq!(taken(&packs(&[900, 10]), Some(1), 2), [1]);
    // 40 has become forty times what goes with it, 900 would be twenty-two times.
    assert_eq!(taken(&packs(&[900, 40]), Some(1), 2), [0, 1]);
}

#[test]
fn a_mostly_dead_pack_is_taken_also_without_news() {
    let half = NeededPack {
        live_bytes: 500_000,
        total_bytes: 1_000_000 + END_MAX_BYTES,
    };
    let less = NeededPack {
        live_bytes: 499_999,
        ..half
    };
    assert_eq!(taken(&[half, whole(10)], None, 4), [0; 0]);
    assert_eq!(taken(&[whole(10), less], None, 4), [1]);
    assert_eq!(taken(&[whole(10), less], Some(1), 4), [1]);
    // Its place is free now: one fewer has to go.
    let old = [whole(1_000_000), less, whole(10), whole(10)];
    assert_eq!(taken(&old, Some(1), 4), [1]);
    assert_eq!(taken(&old, Some(1), 3), [1, 2, 3]);
}

#[test]
fn the_end_of_an_archive_is_not_dead() {
    let tiny = NeededPack {
        live_bytes: 1024,
        total_bytes: 10_240,
    };
    assert_eq!(taken(&[tiny], Some(1), 4), [0; 0]);
    let longest_end = NeededPack {
        live_bytes: 512,
        total_bytes: 512 + END_MAX_BYTES,
    };
    assert_eq!(longest_end.total_bytes % 512, 0);
    assert_eq!(taken(&[longest_end], Some(1), 4), [0; 0]);
}

#[test]
fn a_pack_without_a_live_byte_is_not_there() {
    let gone = NeededPack {
        live_bytes: 0,
        total_bytes: 1_000_000,
    };
    assert_eq!(taken(&[gone], None, 4), [0; 0]);
    assert_eq!(taken(&[gone, whole(9), whole(9)], Some(1), 3), [0; 0]);
}

#[test]
fn the_limit_is_shared_by_the_parts() {
    let limits = [0, 1, 2, 3, 16, 17, 1000].map(packs_max);
    assert_eq!(limits, [32, 32, 16, 10, 2, 2, 2]);
}

#[test]
fn live_bytes_end_at_the_next_member_at_the_latest() {
    // Both live, one behind the other; then a hole; then the last one with the archive's end.
    let members = [(0, 100), (1536, 5000), (1_000_000, 0)];
    assert_eq!(live_bytes(1_010_240, &members), 1536 + 7048 + 2048);
    assert_eq!(live_bytes(1_000_512, &members), 1536 + 7048 + 512);
    // A sparse file is shorter than it says.
    assert_eq!(live_bytes(10_240, &[(0, 1 << 30), (2048, 10)]), 2048 + 2058);
    assert_eq!(live_bytes(10_240, &[]), 0);
}

/// A tree whose files are in packs.
struct History {
    limit: usize,
    /// Size of each file, and the pack that holds it.
    files: Vec<(u64, usize)>,
    /// Live and total bytes.
    packs: BTreeMap<usize, (u64, u64)>,
    next_pack: usize,
    random: u64,
    fetched_bytes: u64,
    copied_bytes: u64,
    largest_copied_bytes: u64,
    most_packs: usize,
}

impl History {
    /// The first checkpoint of `files` files of `size_bytes`.
    fn begin(files: usize, size_bytes: u64, limit: usize) -> Self {
        let mut history = Self {
            limit,
            files: vec![(size_bytes, usize::MAX); files],
            packs: BTreeMap::new(),
            next_pack: 0,
            random: 0x9E37_79B9_7F4A_7C15,
            fetched_bytes: 0,
            copied_bytes: 0,
            largest_copied_bytes: 0,
            most_packs: 0,
        };
        let all: Vec<_> = (0..files).map(|file| (file, size_bytes)).collect();
        history.checkpoint(&all);
        history
    }

    fn random(&mut self, below: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        usize::try_from(self.random >> 33).expect("31 bits") % below
    }

    /// `changed` files have new content of these sizes.
    fn checkpoint(&mut self, changed: &[(usize, u64)]) {
        let pack = self.next_pack;
        self.next_pack += 1;
        let mut fresh_bytes = 0;
        for &(file, size_bytes) in changed {
            let (old_bytes, old_pack) = self.files[file];
            if old_pack == pack {
                continue;
            }
            if let Some((live, _)) = self.packs.get_mut(&old_pack) {
                *live -= old_bytes;
            }
            self.files[file] = (size_bytes, pack);
            fresh_bytes += size_bytes;
        }
        self.packs.retain(|_, (live, _)| *live > 0);
        let old: Vec<NeededPack> = self
            .packs
            .values()
            .map(|&(live_bytes, total_bytes)| NeededPack {
                live_bytes,
                total_bytes: total_bytes + END_MAX_BYTES,
            })
            .collect();
        let fresh = (!changed.is_empty()).then_some(fresh_bytes);
        let places = taken(&old, fresh, self.limit);
        let ids: Vec<usize> = self.packs.keys().copied().collect();
        let mut new_bytes = fresh_bytes;
        for &place in &places {
            let live = old[place].live_bytes;
            new_bytes += live;
            self.copied_bytes += live;
            self.largest_copied_bytes = self.largest_copied_bytes.max(live);
            self.packs.remove(&ids[place]);
        }
        if !places.is_empty() {
            for (_, lies_in) in &mut self.files {
                if !self.packs.contains_key(lies_in) {
                    *lies_in = pack;
                }
            }
        }
        if new_bytes > 0 {
            self.packs.insert(pack, (new_bytes, new_bytes));
        }
        self.fetched_bytes += fresh_bytes;
        self.most_packs = self.most_packs.max(self.packs.len());
        assert!(self.packs.len() <= self.limit, "{} packs", self.packs.len());
    }

    /// How many bytes were copied for each byte that was fetched after the first checkpoint.
    fn copies(&self, first_bytes: u64) -> f64 {
        self.copied_bytes as f64 / (self.fetched_bytes - first_bytes) as f64
    }
}

const KB: u64 = 1000;
const GB: u64 = 1_000_000_000;

#[test]
fn ninety_six_small_checkpoints_a_day_never_rewrite_the_gigabyte() {
    let mut history = History::begin(10_000, 100 * KB, 32);
    for step in 0..3000 {
        history.checkpoint(&[(step, 100 * KB)]);
    }
    // 300 MB were fetched, in a month.
    assert_eq!(history.most_packs, 32);
    assert!(history.largest_copied_bytes < GB / 5);
    assert!(history.copies(GB) < 3.0, "{}", history.copies(GB));
}

#[test]
fn one_file_that_always_changes_costs_only_itself() {
    let mut history = History::begin(1000, 1000 * KB, 32);
    for _ in 0..3000 {
        history.checkpoint(&[(7, 1000 * KB)]);
    }
    assert_eq!(history.copied_bytes, 0);
    assert_eq!(history.most_packs, 2);
}

#[test]
fn a_hundredth_of_the_tree_a_time_is_copied_once_or_twice() {
    let mut history = History::begin(10_000, 100 * KB, 32);
    for _ in 0..3000 {
        let changed: Vec<_> = (0..100)
            .map(|_| (history.random(10_000), 100 * KB))
            .collect();
        history.checkpoint(&changed);
    }
    assert!(history.copies(GB) < 2.5, "{}", history.copies(GB));
}

#[test]
fn growing_files_are_no_burden() {
    let mut history = History::begin(1000, 1000 * KB, 32);
    for step in 0..3000 {
        // A log that is turned over each day, and something small somewhere.
        let log_bytes = (step % 96 + 1) * 200 * KB;
        let other = history.random(1000);
        history.checkpoint(&[(0, log_bytes), (other, 1000 * KB)]);
    }
    assert!(history.copies(GB) < 1.5, "{}", history.copies(GB));
}

#[test]
fn everything_new_now_and_then_leaves_nothing_behind() {
    let mut history = History::begin(1000, 1000 * KB, 32);
    for step in 1..3000 {
        if step % 300 == 0 {
            let all: Vec<_> = (0..1000).map(|file| (file, 1000 * KB)).collect();
            history.checkpoint(&all);
            assert_eq!(history.packs.len(), 1);
        } else {
            let one = history.random(1000);
            history.checkpoint(&[(one, 1000 * KB)]);
        }
    }
    assert!(history.copies(GB) < 1.0, "{}", history.copies(GB));
}

#[test]
fn small_news_on_many_large_packs_stay_cheap() {
    let mut history = History::begin(10_000, 1000 * KB, 32);
    for day in 0..31 {
        // Ever a little less, so that no pack is smaller than all that came after it.
        let changed: Vec<_> = (0..100 - day).map(|n| (day * 100 + n, 1000 * KB)).collect();
        history.checkpoint(&changed);
    }
    let before = history.copied_bytes;
    for step in 0..3000 {
        history.checkpoint(&[(4000 + step % 900, KB)]);
    }
    // The large ones, 2.6 GB, become one, once.
    let copied = history.copied_bytes - before;
    assert!(copied < 2_700_000 * KB, "{copied}");
}

#[test]
fn sizes_of_every_kind_are_copied_a_few_times() {
    for (limit, copies_max) in [(8, 6.0), (16, 4.0), (32, 3.0)] {
        let mut history = History::begin(3000, 100 * KB, limit);
        for _ in 0..3000 {
            // From a kilobyte to 64 MB, each power of two as likely as the next.
            let (file, power) = (history.random(3000), history.random(17));
            history.checkpoint(&[(file, KB << power)]);
        }
        assert!(history.copies(300_000 * KB) < copies_max, "{limit}");
    }
}

#[test]
fn even_two_packs_do_not_mean_to_copy_all_each_time() {
    let mut history = History::begin(10_000, 100 * KB, 2);
    for step in 0..3000 {
        history.checkpoint(&[(step, 100 * KB)]);
    }
    // 3,000 × 1 GB, were the base taken each time; the root of that many steps is the least there is.
    assert!(history.copies(GB) < 200.0, "{}", history.copies(GB));
}

proptest::proptest! {
    #[test]
    fn the_limit_is_kept_whatever_the_sizes(
        sizes in proptest::collection::vec((1_u64.., 0_u64..), 0..80),
        fresh in proptest::option::of(0_u64..),
        limit in 0_usize..40,
    ) {
        let old: Vec<NeededPack> = sizes
            .iter()
            .map(|&(live_bytes, dead)| NeededPack {
                live_bytes: live_bytes >> (dead % 64),
                total_bytes: (live_bytes >> (dead % 64)).saturating_add(dead >> (live_bytes % 64)),
            })
            .collect();
        let taken = taken(&old, fresh, limit);
        proptest::prop_assert!(taken.is_sorted());
        let is_needed = |p: &&NeededPack| p.live_bytes > 0;
        proptest::prop_assert!(taken.iter().all(|&place| is_needed(&&old[place])));
        let left = old.iter().filter(is_needed).count() - taken.len();
        let is_quiet = fresh.is_none() && taken.is_empty();
        proptest::prop_assert!(is_quiet || left < limit.max(2));
    }
}
