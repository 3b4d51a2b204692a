//! The store: sealed checkpoints of hosts on the workstation's disk.
//!
//! What is sealed never changes and is trusted only after its digest was compared; what is not
//! sealed is invisible. Readers take no lock and change nothing. Nothing here talks to a host.

mod error;
mod export;
mod files;
mod open;
mod query;
mod record;
pub mod seal;
mod verify;

pub use error::Error;
pub use export::{
    ArchiveFormat, Content as MemberContent, Destination, Existing, Export, Exported,
    FolderOptions, Layout, MemberWriter, Shortfall, ShortfallKind,
};
pub use files::entries::{Entries, EntriesWriter, EntryLines, WrittenEntries};
pub use files::manifest_text::{Section, sections, subset};
pub use open::Store;
pub use query::compare::{PartChanges, PartPair};
pub use query::find::{DamagedCheckpoint, Listing, Resolved, Skipped};
pub use query::history::{History, Moment};
pub use query::machines::RecordedMachine;
pub use query::newest::NewestFirst;
pub use query::sealed::SealedCheckpoint;
pub use seal::incoming::{Facts, Incoming, Note, PartFacts, SealStep};
pub use seal::lock::{Holder, HostLock};
pub use seal::packs::PackHealth;
pub use seal::remove::{RemoveStep, Removed};
pub use verify::{Level, Problem, Scope, VerifyProgress, VerifyReport};
