//! Compares hard-link groups with the last checkpoint: all names of a file are reused, or none.

use std::collections::HashMap;

use super::Comparison;
use crate::manifest::{FileType, ScanMark};

impl Comparison {
    /// The names of one object are fetched together or not at all: an archive tells that they are one
    /// file only if it holds them all, and entries name the first name of the same scan.
    pub(super) fn break_groups(&mut self) {
        let mut groups: HashMap<(u64, u64), Vec<usize>> = HashMap::new();
        for (index, found) in self.found.iter().enumerate() {
            if let Some(facts) = &found.facts
                && facts.mark.links > 1
                && !matches!(facts.kind, FileType::Directory | FileType::Socket)
            {
                let ScanMark { device, inode, .. } = facts.mark;
                groups.entry((device, inode)).or_default().push(index);
            }
        }
        for names in groups.values() {
            if !self.is_whole_group(names) {
                for &index in names {
                    self.same[index] = None;
                }
            }
        }
    }

    fn is_whole_group(&self, names: &[usize]) -> bool {
        let mut first = None;
        let mut links = Vec::new();
        for &index in names {
            let Some(same) = &self.same[index] else {
                return false;
            };
            match &same.first_name {
                None if first.is_some() => return false,
                None => first = Some(&self.found[index].path),
                Some(target) => links.push(target),
            }
        }
        links.into_iter().all(|target| Some(target) == first)
    }
}
