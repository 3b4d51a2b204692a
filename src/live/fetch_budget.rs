//! Budget for contents that are fetched for patches: the largest file, and the sum of all.

use std::collections::BTreeSet;

use crate::change::{Attribute, Change, ChangeKind};
use crate::manifest::Entry;
use crate::name::RemotePath;

/// How much is fetched of what is on the host now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FetchBudget {
    /// A file with more than this on either side is not fetched.
    pub file_max_bytes: u64,
    /// Of all parts together, no more is asked for than this, by the sizes that the scans saw. Of each
    /// part, no more is read either, whatever the host sends.
    pub total_max_bytes: u64,
}

/// What is asked for of one part.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Allotted {
    /// To be fetched, by path.
    pub(super) wanted: Vec<RemotePath>,
    /// What no room was left for.
    pub(super) left_out: BTreeSet<RemotePath>,
}

impl FetchBudget {
    /// Goes through the changes of all parts in order. What has no room any more is left out, and smaller
    /// files behind it that have room are not: the same changes always show the same patches.
    pub(super) fn allot<'c>(self, parts: impl IntoIterator<Item = &'c [Change]>) -> Vec<Allotted> {
        let mut left_bytes = self.total_max_bytes;
        let parts = parts.into_iter().map(|changes| {
            let mut allotted = Allotted::default();
            for change in changes {
                let Some(bytes) = self.bytes_of(change) else {
                    continue;
                };
                match left_bytes.checked_sub(bytes) {
                    Some(left) => {
                        left_bytes = left;
                        allotted.wanted.push(change.path().clone());
                    }
                    None => {
                        allotted.left_out.insert(change.path().clone());
                    }
                }
            }
            allotted
        });
        parts.collect()
    }

    /// How much a patch needs of what is there now; none if nothing, or a file is too large.
    fn bytes_of(self, change: &Change) -> Option<u64> {
        let fits = |bytes: &u64| *bytes <= self.file_max_bytes;
        let is_new = match change.kind() {
            ChangeKind::Added => true,
            ChangeKind::Modified => change.differs().contains(&Attribute::Content),
            ChangeKind::Removed | ChangeKind::Type | ChangeKind::Metadata => false,
        };
        let before = change.before().and_then(Entry::file_bytes);
        let is_shown = is_new && before.as_ref().is_none_or(fits);
        change.bytes_after().filter(fits).filter(|_| is_shown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Sha256;
    use crate::manifest::{EntryKind, FileTime, Owner};

    fn file(path: &str, size_bytes: u64, content: &[u8]) -> Entry {
        Entry {
            path: path.parse().expect("a path"),
            kind: EntryKind::File {
                size_bytes,
                sha256: Sha256::of(content),
            },
            mode: 0o644,
            owner: Owner::default(),
            mtime: FileTime {
                seconds: 1,
                nanoseconds: 0,
            },
            scan: None,
            content: Vec::new(),
            extended: None,
            first_name: None,
            unstable: false,
        }
    }

    fn added(path: &str, size_bytes: u64) -> Change {
        Change::between(None, Some(file(path, size_bytes, b"new"))).expect("a change")
    }

    fn grown(path: &str, before: u64, now: u64) -> Change {
        let (before, now) = (file(path, before, b"old"), file(path, now, b"new"));
        Change::between(Some(before), Some(now)).expect("a change")
    }

    fn names<'a>(paths: impl IntoIterator<Item = &'a RemotePath>) -> Vec<String> {
        paths.into_iter().map(ToString::to_string).collect()
    }

    #[test]
    fn parts_share_one_total_and_what_still_fits_is_fetched() {
        let budget = FetchBudget {
            file_max_bytes: 10,
            total_max_bytes: 20,
        };
        let first = [added("/a", 10), grown("/b", 1, 8), added("/c", 3)];
        let second = [added("/d", 2), added("/e", 1), added("/f", 0)];
        let allotted = budget.allot([&first[..], &second[..]]);
        let wanted: Vec<_> = allotted.iter().map(|part| names(&part.wanted)).collect();
        let left_out: Vec<_> = allotted.iter().map(|part| names(&part.left_out)).collect();
        assert_eq!(wanted, [vec!["/a", "/b"], vec!["/d", "/f"]]);
        assert_eq!(left_out, [vec!["/c"], vec!["/e"]]);
    }

    #[test]
    fn what_is_not_shown_takes_no_room() {
        let budget = FetchBudget {
            file_max_bytes: 10,
            total_max_bytes: 10,
        };
        let gone = Change::between(Some(file("/gone", 5, b"old")), None).expect("a change");
        let mut other = file("/mode", 5, b"old");
        other.mode = 0o600;
        let mode = Change::between(Some(file("/mode", 5, b"old")), Some(other)).expect("a change");
        let changes = [
            gone,
            grown("/large/now", 1, 11),
            grown("/large/once", 11, 1),
            mode,
            added("/small", 10),
        ];
        let allotted = budget.allot([&changes[..]]);
        assert_eq!(names(&allotted[0].wanted), ["/small"]);
        assert_eq!(allotted[0].left_out, BTreeSet::new());
    }
}
