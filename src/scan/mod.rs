//! Scans a host: lists the entries of a source, and picks those to capture. Fetches nothing.
//!
//! A checkpoint, `fleet diff --live` and `fleet doctor` share it.

pub(crate) mod against;
pub(crate) mod digests;
pub(crate) mod directory;
pub(crate) mod files;
pub(crate) mod left_out;
pub(crate) mod machine;
mod preview;
mod probe;
pub(crate) mod result;
pub mod services;
pub(crate) mod unchanged;
pub(crate) mod unsized_files;

use crate::guard::FactsFrom;
use crate::inventory::{Source, SourceKind};
use crate::ssh::ReadSession;

pub use preview::{Found, Preview, preview};
pub use probe::probe;

use directory::Scanned;

/// Lists a source of files; none for a source whose content is taken otherwise.
pub(crate) async fn scan<'a>(source: &'a Source, session: &ReadSession) -> Option<Scanned<'a>> {
    scan_for(source, FactsFrom::Find, session).await
}

/// The same, with more than paths from what is asked for.
pub(crate) async fn scan_for<'a>(
    source: &'a Source,
    facts: FactsFrom,
    session: &ReadSession,
) -> Option<Scanned<'a>> {
    match &source.kind {
        SourceKind::Directory(directory) => {
            Some(directory::scan(source, directory, facts, session).await)
        }
        SourceKind::Files(files) => Some(files::scan(source, files, facts, session).await),
        SourceKind::Postgres(_) | SourceKind::Command(_) | SourceKind::Http(_) => None,
    }
}
