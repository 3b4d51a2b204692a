//! Reads what a checkpoint holds of databases: each dump once, for what it takes and what is in it.

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::dump::{self, DumpFacts, TextReader};
use super::roles::Roles;
use super::settings::Settings;
use super::{Error, Version};
use crate::digest::Sha256;
use crate::inventory::DumpFormat;
use crate::manifest::Entry;
use crate::name::{RemotePath, SourceName};
use crate::source::postgres::ArchiveReader;
use crate::store::SealedCheckpoint;

/// What a checkpoint holds of databases in one part.
#[derive(Debug, Clone)]
pub struct CapturedDatabases {
    /// The part.
    pub part: SourceName,
    /// The databases, by name.
    pub databases: Vec<CapturedDatabase>,
    /// The roles of its server, where they were captured.
    pub(super) roles: Option<Roles>,
}

/// A database of a checkpoint.
#[derive(Debug, Clone)]
pub struct CapturedDatabase {
    /// Its name.
    pub name: String,
    /// The form of its dump.
    pub format: DumpFormat,
    /// The length of its dump.
    pub size_bytes: u64,
    /// What is in it.
    pub facts: DumpFacts,
    /// The version of the server that it was dumped from, as far as that is known.
    pub server_version: Option<Version>,
    pub(super) entry: Entry,
    pub(super) sha256: Sha256,
    /// See [`crate::source::postgres::ArchiveContents::digest`].
    pub(super) archive: Option<Sha256>,
    pub(super) settings: Option<Settings>,
    /// Its settings are those of a file of their own.
    pub(super) has_settings_file: bool,
}

impl CapturedDatabase {
    /// Where its dump is in the checkpoint.
    #[must_use]
    pub fn path(&self) -> &RemotePath {
        &self.entry.path
    }
}

/// Which file of a part it is.
#[derive(Debug, PartialEq, Eq)]
enum CapturedFile {
    Dump(String, DumpFormat),
    Settings(String),
    Roles,
}

/// Reads all dumps of a part. Blocking.
///
/// # Errors
///
/// [`Error::Store`] if the checkpoint is damaged, [`Error::Dump`] if an archive can't be read.
pub fn read(checkpoint: &SealedCheckpoint, part: &SourceName) -> Result<CapturedDatabases, Error> {
    let mut dumps = Vec::new();
    let mut settings = BTreeMap::new();
    let mut roles = None;
    for entry in checkpoint.entries(part)? {
        let entry = entry?;
        let file = entry.path.as_bytes().rsplit(|&byte| byte == b'/').next();
        let Some(file) = file.and_then(file_of) else {
            continue;
        };
        match file {
            CapturedFile::Dump(name, format) => dumps.push((name, format, entry)),
            CapturedFile::Settings(name) => {
                let text = whole(checkpoint, &entry)?;
                settings.insert(name, text);
            }
            CapturedFile::Roles => roles = Some(Roles::of_text(&whole(checkpoint, &entry)?)),
        }
    }
    let host_version = host_version(checkpoint);
    let mut databases = Vec::new();
    for (name, format, entry) in dumps {
        let mut database = read_dump(checkpoint, name, format, entry)?;
        if let Some(text) = settings.remove(&database.name) {
            database.settings = Settings::of_text(&database.name, &text);
            database.has_settings_file = true;
        }
        database.server_version = database.server_version.or(host_version);
        databases.push(database);
    }
    databases.sort_by(|a, b| a.name.cmp(&b.name));
    let part = part.clone();
    Ok(CapturedDatabases {
        part,
        databases,
        roles,
    })
}

fn read_dump(
    checkpoint: &SealedCheckpoint,
    name: String,
    format: DumpFormat,
    entry: Entry,
) -> Result<CapturedDatabase, Error> {
    let (facts, archive) = match format {
        DumpFormat::Plain => {
            let mut reader = TextReader::default();
            write_to(checkpoint, &entry, &mut |bytes| reader.feed(bytes))?;
            (reader.finish(), None)
        }
        DumpFormat::Custom => {
            let mut reader = ArchiveReader::default();
            let mut failed = None;
            write_to(checkpoint, &entry, &mut |bytes| {
                if failed.is_none() {
                    failed = reader.feed(bytes).err();
                }
            })?;
            let contents = failed.map_or_else(|| reader.finish(), Err);
            let contents = contents.map_err(|source| Error::Dump {
                name: name.clone(),
                source,
            })?;
            (dump::of_archive(&contents.items), Some(contents))
        }
    };
    Ok(CapturedDatabase {
        name,
        format,
        size_bytes: entry.file_bytes().unwrap_or_default(),
        facts,
        server_version: archive
            .as_ref()
            .and_then(|archive| Version::of_text(archive.whole.server_version.as_deref()?)),
        sha256: entry.file_sha256().unwrap_or_else(|| Sha256::of(b"")),
        settings: archive
            .as_ref()
            .and_then(|archive| Settings::of_archive(&archive.items)),
        archive: archive.map(|archive| archive.digest),
        has_settings_file: false,
        entry,
    })
}

/// The newest server that the host had: a plain dump doesn't say which one it is of.
fn host_version(checkpoint: &SealedCheckpoint) -> Option<Version> {
    let versions = checkpoint.checkpoint().facts.versions.iter();
    versions
        .filter(|version| version.program == "postgres")
        .filter_map(|version| Version::of_text(version.text.rsplit_once("(PostgreSQL) ")?.1))
        .max()
}

/// Hands the content of `entry` to `take`.
fn write_to(
    checkpoint: &SealedCheckpoint,
    entry: &Entry,
    take: &mut dyn FnMut(&[u8]),
) -> Result<(), Error> {
    checkpoint.write_entry(entry, &mut Taker(take))?;
    Ok(())
}

fn whole(checkpoint: &SealedCheckpoint, entry: &Entry) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    write_to(checkpoint, entry, &mut |piece| {
        bytes.extend_from_slice(piece);
    })?;
    Ok(bytes)
}

struct Taker<'t>(&'t mut dyn FnMut(&[u8]));

impl Write for Taker<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (self.0)(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What a file of that name holds: the reverse of what names it when it is captured.
fn file_of(name: &[u8]) -> Option<CapturedFile> {
    let name = std::str::from_utf8(name).ok()?;
    if name == "globals.sql" {
        return Some(CapturedFile::Roles);
    }
    if let Some(stem) = name.strip_suffix(".settings.sql") {
        return Some(CapturedFile::Settings(decoded(stem)?));
    }
    if let Some(stem) = name.strip_suffix(".sql") {
        return Some(CapturedFile::Dump(decoded(stem)?, DumpFormat::Plain));
    }
    let stem = name.strip_suffix(".dump")?;
    Some(CapturedFile::Dump(decoded(stem)?, DumpFormat::Custom))
}

/// `%` and two digits are one byte.
fn decoded(stem: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = stem.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte == b'%' {
            let digits = std::str::from_utf8(after.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &after[2..];
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_name_their_databases() {
        let dump = |name: &str, format| Some(CapturedFile::Dump(name.to_owned(), format));
        for (file, is) in [
            ("app.sql", dump("app", DumpFormat::Plain)),
            ("app.dump", dump("app", DumpFormat::Custom)),
            ("%67lobals.sql", dump("globals", DumpFormat::Plain)),
            ("globals.dump", dump("globals", DumpFormat::Custom)),
            (
                "gr\u{f6}\u{df}e%0A%2F.sql",
                dump("gr\u{f6}\u{df}e\n/", DumpFormat::Plain),
            ),
            ("a%2Esettings.sql", dump("a.settings", DumpFormat::Plain)),
            (
                "a.settings.sql",
                Some(CapturedFile::Settings("a".to_owned())),
            ),
            ("globals.sql", Some(CapturedFile::Roles)),
            ("%F.sql", None),
            ("other", None),
        ] {
            assert_eq!(file_of(file.as_bytes()), is, "{file}");
        }
    }
}
