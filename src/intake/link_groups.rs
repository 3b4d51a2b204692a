//! Hard links of symbolic links, pipes and devices: tells each further name its first name.

use std::collections::HashMap;

use crate::manifest::{Entry, EntryKind};
use crate::name::RemotePath;

/// Tells the further names of symbolic links, pipes and devices their first name: by the inode that the
/// scan saw, else as the stream has it. `fresh` is in path order.
pub(crate) fn name_groups(fresh: &mut [Entry], told: &HashMap<RemotePath, RemotePath>) {
    let mut firsts: HashMap<(u64, u64), usize> = HashMap::new();
    for at in 0..fresh.len() {
        let entry = &fresh[at];
        if !can_have_first_name(&entry.kind) {
            continue;
        }
        let first = match entry.scan {
            Some(mark) if mark.links > 1 => {
                let first = *firsts.entry((mark.device, mark.inode)).or_insert(at);
                Some(first).filter(|first| *first < at)
            }
            Some(_) => None,
            None => told
                .get(&entry.path)
                .and_then(|first| fresh.binary_search_by(|e| e.path.cmp(first)).ok()),
        };
        // What one of them was replaced by since the scan is another object.
        let is_same = |first: &Entry| {
            first.first_name.is_none()
                && (&first.kind, first.mtime, first.mode) == (&entry.kind, entry.mtime, entry.mode)
        };
        if let Some(first) = first.map(|first| &fresh[first]).filter(|e| is_same(e)) {
            fresh[at].first_name = Some(first.path.clone());
        }
    }
}

/// Whether an entry of this kind can have an [`Entry::first_name`].
fn can_have_first_name(kind: &EntryKind) -> bool {
    match kind {
        EntryKind::Symlink { .. }
        | EntryKind::Fifo
        | EntryKind::CharDevice { .. }
        | EntryKind::BlockDevice { .. } => true,
        EntryKind::File { .. }
        | EntryKind::HardLink { .. }
        | EntryKind::Directory
        | EntryKind::Socket => false,
    }
}
