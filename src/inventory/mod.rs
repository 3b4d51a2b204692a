//! The inventory: the hosts that fleet knows, their sources, services and probes, and which of them may never be written.
//!
//! Plain data and the rules of the file itself: a value of [`Inventory`] that came from
//! [`Inventory::parse`] has passed all of them. Reading the file from disk, and filling gaps from
//! OpenSSH's configuration, happen elsewhere; no other place than this file decides access.

mod error;
pub mod glob;
mod host;
mod item;
pub mod pattern;
mod probe;
mod prod_words;
mod protection;
mod raw;
mod resolve;
mod schema;
mod service;
mod source;
mod starter;
mod url;
mod value;
mod wildcard;
mod yaml;

use std::path::Path;

pub use error::{Error, Problem, Rule};
pub use host::{
    Access, Defaults, Host, Inventory, Keep, Limits, ParseCompressionError, Place, Profile,
    WireCompression,
};
pub use item::Item;
pub use probe::{
    HttpProbe, JsonPath, JsonValue, ParseJsonPathError, Probe, ProbeKind, ProcessProbe,
};
pub use prod_words::{Env, ParseWordError, ProdWords, Tag};
pub use protection::Protection;
pub(crate) use protection::protection;
pub use schema::schema;
pub use service::{Bootstrap, ProcessService, Service, ServiceKind, Start, User};
pub use source::{
    CommandLine, CommandSource, DirectorySource, Dump, DumpFormat, FilesSource, HttpSource,
    PostgresSource, Secret, Source, SourceKind, Unreadable,
};
pub use starter::{ReadyMade, STARTER};
pub use url::{HttpUrl, ParseUrlError};
pub use wildcard::WildcardError;

/// The version of the format that this fleet reads.
pub const VERSION: u64 = 1;

/// Longer files are refused; ten thousand hosts need less than half of it.
pub const FILE_MAX_BYTES: u64 = 2 << 20;

impl Inventory {
    /// The error for a file of `bytes` bytes, which is more than [`FILE_MAX_BYTES`].
    #[must_use]
    pub fn too_large(file: &Path, bytes: u64) -> Error {
        Error::new(file, vec![Problem::of_file(Rule::TooLarge { bytes })])
    }

    /// Reads `text`, which came from `file`; `file` is only named in messages.
    ///
    /// # Errors
    ///
    /// [`Error`] with everything that is wrong, in the file's order; where the text is not even of
    /// the right shape, the first thing only.
    pub fn parse(text: &str, file: &Path) -> Result<Self, Error> {
        let raw = yaml::read(text).map_err(|problem| Error::new(file, vec![problem]))?;
        let mut findings = resolve::Findings::default();
        let inventory = resolve::inventory(&raw, file, &mut findings);
        let problems = findings.into_problems();
        if problems.is_empty() {
            Ok(inventory)
        } else {
            Err(Error::new(file, problems))
        }
    }
}
