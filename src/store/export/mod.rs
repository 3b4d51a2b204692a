//! Taking a whole checkpoint out of the store: as one archive, or as a tree of files.
//!
//! Every content is compared with its digest before the result appears under its name; a failed
//! export leaves nothing behind.

mod archive;
mod folder;
mod order;

use std::path::{Path, PathBuf};

use super::Error;

/// How an archive is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArchiveFormat {
    /// `.tar`
    Tar,
    /// `.tar.gz`, `.tgz`
    TarGz,
    /// `.tar.zst`
    TarZst,
}

impl ArchiveFormat {
    /// The format of that name: `tar`, `tar.gz`, `tgz` or `tar.zst`.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "tar" => Some(Self::Tar),
            "tar.gz" | "tgz" => Some(Self::TarGz),
            "tar.zst" => Some(Self::TarZst),
            _ => None,
        }
    }
}

/// Where an export goes, told by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// One archive.
    Archive(PathBuf, ArchiveFormat),
    /// A tree of files.
    Folder(PathBuf),
}

impl Destination {
    /// What `path` means: an existing folder or a name that ends in `/` is a folder, else the name's
    /// end tells the format.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownFormat`] if it does not.
    pub fn of(path: &Path) -> Result<Self, Error> {
        let text = path.as_os_str().as_encoded_bytes();
        if text.ends_with(b"/") || path.is_dir() {
            return Ok(Self::Folder(path.to_owned()));
        }
        let endings = [
            (&b".tar"[..], ArchiveFormat::Tar),
            (b".tar.gz", ArchiveFormat::TarGz),
            (b".tgz", ArchiveFormat::TarGz),
            (b".tar.zst", ArchiveFormat::TarZst),
        ];
        endings
            .into_iter()
            .find(|(ending, _)| text.len() > ending.len() && text.ends_with(ending))
            .map(|(_, format)| Self::Archive(path.to_owned(), format))
            .ok_or_else(|| Error::UnknownFormat {
                path: path.to_owned(),
            })
    }
}

/// What was taken out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Exported {
    /// Entries of every kind.
    pub entries: u64,
    /// Content of regular files, every name counted.
    pub bytes: u64,
    /// Entries that were left out, for an archive or this account can't make them: sockets, devices.
    pub skipped: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_tells_the_format() {
        for (name, format) in [
            ("x.tar", ArchiveFormat::Tar),
            ("a.b/x.tar.gz", ArchiveFormat::TarGz),
            ("x.tgz", ArchiveFormat::TarGz),
            ("x.tar.zst", ArchiveFormat::TarZst),
        ] {
            let path = PathBuf::from(name);
            assert!(
                matches!(Destination::of(&path), Ok(Destination::Archive(p, f)) if p == path && f == format),
                "{name}"
            );
        }
        for name in ["x/", "x.tar/", "."] {
            let path = PathBuf::from(name);
            assert!(
                matches!(Destination::of(&path), Ok(Destination::Folder(p)) if p == path),
                "{name}"
            );
        }
        for name in ["x", "x.zip", "x.tar.bz2", ".tar"] {
            assert!(
                matches!(
                    Destination::of(Path::new(name)),
                    Err(Error::UnknownFormat { .. })
                ),
                "{name}"
            );
        }
        assert_eq!(ArchiveFormat::named("tar.zst"), Some(ArchiveFormat::TarZst));
        assert_eq!(ArchiveFormat::named("zip"), None);
    }
}
