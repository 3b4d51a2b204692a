//! Counts the regular files of a part by folder: each folder directly under a root, and the root itself for
//! files directly in it.

use std::collections::BTreeMap;

use crate::manifest::Totals;
use crate::name::RemotePath;

/// Folders that are counted apart; the largest are kept.
const KEPT_MAX: usize = 40;
/// Folders beyond these are not counted at all.
const COUNTED_MAX: usize = 4096;
/// Directories that are in no other one of the part.
const ROOTS_MAX: usize = 256;

/// Counts entries that come in path order: a root comes before what is in it.
#[derive(Debug, Default)]
pub(in crate::store) struct Folders {
    roots: Vec<RemotePath>,
    /// The root that the entry before was in.
    root: usize,
    /// The folder that the file before was in. Most files are in the folder of the one before.
    current: Vec<u8>,
    totals: Totals,
    counted: BTreeMap<Vec<u8>, Totals>,
}

impl Folders {
    /// Takes an entry; `file_bytes` is the size of a regular file.
    pub(in crate::store) fn add(&mut self, path: &RemotePath, file_bytes: Option<u64>) {
        let root = self.root_of(path);
        let Some(bytes) = file_bytes else {
            if root.is_none() && self.roots.len() < ROOTS_MAX {
                self.root = self.roots.len();
                self.roots.push(path.clone());
            }
            return;
        };
        let folder = folder(path, root.map(|place| &self.roots[place]));
        if self.current != folder {
            let folder = folder.to_vec();
            self.settle();
            self.current = folder;
        }
        self.root = root.unwrap_or(self.root);
        self.totals.files += 1;
        self.totals.bytes += bytes;
    }

    /// The largest folders.
    pub(in crate::store) fn finish(mut self) -> BTreeMap<RemotePath, Totals> {
        self.settle();
        let mut all: Vec<(Vec<u8>, Totals)> = self.counted.into_iter().collect();
        all.sort_by_key(|(_, totals)| std::cmp::Reverse((totals.files, totals.bytes)));
        let kept = all.into_iter().take(KEPT_MAX);
        kept.filter_map(|(folder, totals)| Some((RemotePath::from_bytes(folder).ok()?, totals)))
            .collect()
    }

    fn settle(&mut self) {
        let totals = std::mem::take(&mut self.totals);
        let folder = std::mem::take(&mut self.current);
        if totals.files == 0
            || (self.counted.len() >= COUNTED_MAX && !self.counted.contains_key(&folder))
        {
            return;
        }
        let sum = self.counted.entry(folder).or_default();
        sum.files += totals.files;
        sum.bytes += totals.bytes;
    }

    /// The root that it is in; names that begin alike may be between a root and what is in it.
    fn root_of(&self, path: &RemotePath) -> Option<usize> {
        let holds = |place: &usize| {
            self.roots
                .get(*place)
                .is_some_and(|root| path.is_within(root))
        };
        Some(self.root)
            .filter(holds)
            .or_else(|| (0..self.roots.len()).rev().find(holds))
    }
}

/// The folder of a file, a beginning of its path.
fn folder<'a>(path: &'a RemotePath, root: Option<&RemotePath>) -> &'a [u8] {
    let bytes = path.as_bytes();
    let last = bytes.iter().rposition(|&b| b == b'/').unwrap_or(0).max(1);
    let Some(root) = root else {
        return &bytes[..last];
    };
    let rest = path.relative_to(root).unwrap_or_default();
    match rest.iter().position(|&b| b == b'/') {
        Some(slash) => &bytes[..bytes.len() - rest.len() + slash],
        None => &bytes[..root.as_bytes().len()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(entries: &[(&str, Option<u64>)]) -> Vec<(String, u64, u64)> {
        let mut folders = Folders::default();
        for (path, bytes) in entries {
            folders.add(&path.parse().expect("a path"), *bytes);
        }
        let counted = folders.finish().into_iter();
        counted
            .map(|(folder, totals)| (folder.to_string(), totals.files, totals.bytes))
            .collect()
    }

    #[test]
    fn files_are_counted_by_the_folder_beneath_their_root() {
        let is = |folder: &str, files, bytes| (folder.to_owned(), files, bytes);
        assert_eq!(
            counted(&[
                ("/srv/app", None),
                ("/srv/app-data", None),
                ("/srv/app-data/x", Some(1)),
                ("/srv/app/a.js", Some(2)),
                ("/srv/app/public", None),
                ("/srv/app/public/deep", None),
                ("/srv/app/public/deep/b.html", Some(4)),
                ("/srv/app/public/c.html", Some(8)),
                ("/srv/app/z.js", Some(16)),
            ]),
            [
                is("/srv/app", 2, 18),
                is("/srv/app-data", 1, 1),
                is("/srv/app/public", 2, 12)
            ]
        );
    }

    #[test]
    fn a_file_without_a_root_belongs_to_its_directory() {
        let is = |folder: &str, files, bytes| (folder.to_owned(), files, bytes);
        assert_eq!(
            counted(&[
                ("/fleet-captures/models/models.json", Some(1)),
                ("/top", Some(2)),
                ("/var/log/a.log", Some(4)),
                ("/var/log/b.log", Some(8)),
            ]),
            [
                is("/", 1, 2),
                is("/fleet-captures/models", 1, 1),
                is("/var/log", 2, 12)
            ]
        );
        assert_eq!(
            counted(&[
                ("/", None),
                ("/a", Some(1)),
                ("/etc", None),
                ("/etc/x/y", Some(2))
            ]),
            [is("/", 1, 1), is("/etc", 1, 2)]
        );
    }

    #[test]
    fn only_the_largest_folders_are_kept() {
        let mut folders = Folders::default();
        folders.add(&"/r".parse().expect("a path"), None);
        for number in 1000..1200 {
            for name in ["a", "b"].iter().take(1 + usize::from(number >= 1190)) {
                folders.add(
                    &format!("/r/{number}/{name}").parse().expect("a path"),
                    Some(1),
                );
            }
        }
        let kept = folders.finish();
        assert_eq!(kept.len(), KEPT_MAX);
        assert_eq!(kept.values().filter(|totals| totals.files == 2).count(), 10);
    }
}
