//! Checkpoints as plain data: parts, entries, and the packs that hold their contents.
//!
//! These are the types that all floors above speak of. They are not the disk format: the store has
//! versioned records of its own. Nothing here reads, writes or decides.

mod checkpoint;
mod entry;
mod extended;
mod facts;
mod file_type;
mod resolved;
#[cfg(test)]
pub(crate) mod sample;

pub use checkpoint::{
    Checkpoint, LeftOut, MachineIdentity, Pack, PackName, ParsePackNameError, Part, PartState,
    State, Totals, Trigger, Uncounted,
};
pub use entry::{ContentRange, Entry, EntryKind, FileTime, Owner, Piece, ScanMark};
pub use extended::{Extended, ExtendedClass};
pub use facts::{Changes, Commit, Disk, Head, HostFacts, Process, Repository, Version};
pub use file_type::FileType;
pub use resolved::{Resolved, real_path};
