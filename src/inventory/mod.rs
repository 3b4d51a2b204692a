//! The hosts that fleet knows, what each holds, and which of them may never be written.
//!
//! Plain data and the rules of the file itself: a value of [`Inventory`] has passed all of them.
//! Reading the file from disk, and filling gaps from OpenSSH's configuration, happen elsewhere; no
//! other place than this file decides access.

mod host;
mod source;

pub use host::{Access, Defaults, Host, Inventory, Keep, Limits, Place, Profile};
pub use source::{
    CommandLine, CommandSource, DirectorySource, Dump, DumpFormat, FilesSource, HttpSource,
    PostgresSource, Secret, Source, SourceKind, Unreadable,
};
