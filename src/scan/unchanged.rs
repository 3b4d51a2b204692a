//! The rule by which an entry counts as unchanged: kind, inode, size, both times, mode and owner are those of the
//! last checkpoint, and it had come to rest when that one was taken. In doubt it has changed.

use crate::manifest::{Entry, EntryKind, FileTime, ScanMark};
use crate::source::scan::{Facts, Found};

/// How long an entry must have been at rest before the scan that saw it. File systems keep times in
/// steps: a change within the same step would not show. This is several times the step of a kernel
/// clock that ticks 100 times a second.
const REST: FileTime = FileTime {
    seconds: 0,
    nanoseconds: 50_000_000,
};

/// The same for file systems that keep whole seconds, or every second one.
const REST_OF_WHOLE_SECONDS: FileTime = FileTime {
    seconds: 2,
    nanoseconds: 0,
};

/// Whether the host still has what `entry` says, with certainty.
pub(crate) fn is_same(found: &Found, entry: &Entry, scanned_at: Option<FileTime>) -> bool {
    let (Some(facts), Some(mark), Some(scanned_at)) = (&found.facts, &entry.scan, scanned_at)
    else {
        return false;
    };
    !entry.unstable
        && facts.kind == entry.kind.file_type()
        && is_mark(&facts.mark, mark)
        && (facts.mode, facts.uid, facts.gid) == (entry.mode, entry.owner.uid, entry.owner.gid)
        && is_link(facts, &entry.kind)
        && is_at_rest(mark.ctime, scanned_at)
}

/// The device is left out: some file systems get another number each time they are mounted, and inode
/// and times tell enough.
fn is_mark(found: &ScanMark, known: &ScanMark) -> bool {
    (found.inode, found.size_bytes) == (known.inode, known.size_bytes)
        && (found.mtime, found.ctime) == (known.mtime, known.ctime)
}

fn is_link(facts: &Facts, kind: &EntryKind) -> bool {
    match kind {
        EntryKind::Symlink { target } => *target == facts.link,
        EntryKind::File { .. }
        | EntryKind::HardLink { .. }
        | EntryKind::Directory
        | EntryKind::Fifo
        | EntryKind::Socket
        | EntryKind::CharDevice { .. }
        | EntryKind::BlockDevice { .. } => true,
    }
}

/// Whether a change after `scanned_at` would show as another `ctime`.
fn is_at_rest(ctime: FileTime, scanned_at: FileTime) -> bool {
    let rest = if ctime.nanoseconds == 0 {
        REST_OF_WHOLE_SECONDS
    } else {
        REST
    };
    ctime.saturating_add(rest) < scanned_at
}

#[cfg(test)]
mod tests;
