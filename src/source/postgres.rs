//! Checks the output of `pg_dump` and `pg_dumpall` for completeness, and removes what differs from run to
//! run.
//!
//! A dump streams through a [`Normaliser`], which proves that it is whole and takes out what differs
//! from run to run though the database doesn't, so that an unchanged database gives the same bytes
//! every time: the comments with versions and the `\restrict` tokens of SQL text, the time in the head
//! of an archive. Nothing within the data is ever touched. Memory is flat however large the dump is.

mod archive;
mod contents;
mod reconnect;
mod said;
mod text;

pub use contents::{ArchiveContents, ArchiveItem, ArchiveReader};
pub use said::{Complaint, complaint, warnings};

use archive::Archive;
use text::Text;

/// What is being read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// A database as SQL text.
    Database,
    /// The settings of a database as SQL text: nothing but the statements that make the database.
    Settings,
    /// Roles and tablespaces as SQL text.
    Globals,
    /// A database as an archive for `pg_restore`.
    Archive,
}

/// Why a dump can't be kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Nothing came.
    #[error("the dump is empty")]
    Empty,
    /// It is something else.
    #[error("the output is not a dump: it begins with `{begins}`")]
    NotADump {
        /// The beginning, escaped.
        begins: String,
    },
    /// Its end is missing.
    #[error("the dump is incomplete: {missing}")]
    Cut {
        /// What should still have come.
        missing: &'static str,
    },
    /// An archive that contradicts itself.
    #[error("the archive is malformed at byte {at_byte}: {why}")]
    Senseless {
        /// Where.
        at_byte: u64,
        /// What is wrong.
        why: &'static str,
    },
}

/// What a whole dump tells about how it was made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Whole {
    /// The server's version.
    pub server_version: Option<String>,
    /// The version of pg_dump.
    pub tool_version: Option<String>,
    /// The archive's format, if it is newer than what can be followed to its end: then nothing here
    /// proves that it is whole.
    pub unknown_format: Option<String>,
}

impl Whole {
    /// The first version whose `--create` tells everything that belongs to a database itself.
    const FIRST_WITH_SETTINGS: u32 = 11;

    /// The version of a pg_dump that is too old to dump the settings of a database.
    #[must_use]
    pub fn too_old_for_settings(&self) -> Option<&str> {
        let version = self.tool_version.as_deref()?;
        let major = version.split(|c: char| !c.is_ascii_digit()).next()?;
        let major: u32 = major.parse().ok()?;
        (major < Self::FIRST_WITH_SETTINGS).then_some(version)
    }
}

/// Reads a dump as it comes.
#[derive(Debug)]
pub struct Normaliser(Kind);

#[derive(Debug)]
enum Kind {
    Text(Box<Text>),
    Archive(Box<Archive>),
}

impl Normaliser {
    /// For a dump of this kind.
    #[must_use]
    pub fn new(content: Content) -> Self {
        Self(match content {
            Content::Database => Kind::Text(Box::new(Text::new("database dump"))),
            Content::Settings => Kind::Text(Box::new(Text::with_reconnects("database dump"))),
            Content::Globals => Kind::Text(Box::new(Text::new("database cluster dump"))),
            Content::Archive => Kind::Archive(Box::default()),
        })
    }

    /// Takes the next piece, of any length, and appends to `out` what is to be kept.
    ///
    /// # Errors
    ///
    /// [`Error::NotADump`] or [`Error::Senseless`]; nothing that came is to be kept then.
    pub fn feed(&mut self, piece: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        match &mut self.0 {
            Kind::Text(text) => text.feed(piece, out),
            Kind::Archive(archive) => archive.feed(piece, out),
        }
    }

    /// The dump has ended: appends the rest to `out`.
    ///
    /// # Errors
    ///
    /// [`Error`] if it isn't whole; nothing that came is to be kept then.
    pub fn finish(self, out: &mut Vec<u8>) -> Result<Whole, Error> {
        match self.0 {
            Kind::Text(text) => text.finish(out),
            Kind::Archive(archive) => archive.finish(),
        }
    }
}

/// What begins with these bytes is no dump.
fn not_a_dump(bytes: &[u8]) -> Error {
    Error::NotADump {
        begins: crate::name::escape(&bytes[..bytes.len().min(60)]),
    }
}

#[cfg(test)]
mod tests;
