//! The store: sealed checkpoints of hosts on the workstation's disk.
//!
//! What is sealed never changes and is trusted only after its digest was compared; what is not
//! sealed is invisible. Readers take no lock and change nothing. Nothing here talks to a host.

mod compare;
mod content;
mod entries;
mod error;
mod export;
mod find;
mod folders;
mod history;
mod incoming;
mod layout;
mod leftovers;
mod lines;
mod lock;
mod manifest_text;
mod memory;
mod newest;
mod open;
mod packs;
mod record;
mod remove;
mod sealed;
mod spent;
mod sums;
pub mod tiers;
mod verify;

pub use compare::{PartChanges, PartPair};
pub use entries::{Entries, EntriesWriter, EntryLines, WrittenEntries};
pub use error::Error;
pub use export::{
    ArchiveFormat, Destination, Export, Exported, FolderOptions, Layout, Shortfall, ShortfallKind,
};
pub use find::{DamagedCheckpoint, Listing, Resolved, Skipped};
pub use history::{History, Moment};
pub use incoming::{Facts, Incoming, Note, PartFacts, SealStep};
pub use lock::{Holder, HostLock};
pub use manifest_text::{Section, sections, subset};
pub use newest::NewestFirst;
pub use open::Store;
pub use packs::PackHealth;
pub use remove::{RemoveStep, Removed};
pub use sealed::SealedCheckpoint;
pub use verify::{Level, Problem, Scope, VerifyProgress, VerifyReport};
