//! Exports a checkpoint: as one archive, or as a tree of files.
//!
//! Every content is compared with its digest before the result appears under its name; a failed
//! export leaves nothing behind.

mod accounts;
mod archive;
mod folder;
mod groups;
mod into_folder;
mod listing;
mod member;
mod metadata;
mod order;
mod places;
mod shortfall;

use std::io::Write;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

pub use into_folder::Existing;
pub use member::{Content, MemberWriter};
pub use shortfall::{Shortfall, ShortfallKind};

use groups::{Collector, Groups};
use listing::Listing;
use order::{Fitting, Merged, Placed, Walk, collision};
use places::Places;

use super::{Error, SealedCheckpoint};
use crate::manifest::{EntryKind, FileTime};
use crate::name::{RemotePath, SourceName};

/// Called for each entry, and may end an export.
type Watch<'a> = &'a mut dyn FnMut(&Exported) -> ControlFlow<()>;

/// Where an export puts what a checkpoint holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Layout {
    /// Every path as it is on the host.
    #[default]
    Paths,
    /// `snapshot/PART/…` with what is beneath a part's directory, or the deepest folder that its
    /// directories and files have in common; `snapshot/env/`, `runtime/` and `database/` with the
    /// captures of `command`, `http` and `postgres` sources; `snapshot/sha256sums.txt`.
    Snapshot,
    /// `monitoring_backup_YYYYMMDD_HHMMSS/` with each directory and file under its own name (what
    /// would be hidden has its part's name in front), and `file_list.txt`.
    Monitoring,
}

impl Layout {
    /// The word for it in options and JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Paths => "paths",
            Self::Snapshot => "snapshot",
            Self::Monitoring => "monitoring",
        }
    }
}

/// A checkpoint, and where each of its entries goes.
#[derive(Debug)]
pub struct Export<'c> {
    checkpoint: &'c SealedCheckpoint,
    places: Places,
    listing: Option<Listing>,
    /// Whether entries that contradict each other are left out; else they are an error.
    leaves_out: bool,
    groups: Groups,
    /// What is left out because entries contradict each other.
    contradictions: Exported,
}

impl SealedCheckpoint {
    /// Prepares an export of the parts `only`, or of all if there are none, in `layout`.
    ///
    /// # Errors
    ///
    /// [`Error::NoPart`] if one has no entries; [`Error::Collision`] if the layout would put two
    /// entries into one place; [`Error::Damaged`] and [`Error::Removed`] as
    /// [`SealedCheckpoint::entries`].
    pub fn laid_out(&self, layout: Layout, only: &[SourceName]) -> Result<Export<'_>, Error> {
        let places = Places::of(self, layout, self.parts_of(only)?)?;
        // A layout moves trees: what contradicts itself there was put there by the layout.
        let mut export = Export::at(self, places, layout == Layout::Paths)?;
        if let Some(mut listing) = Listing::of(self.id(), layout) {
            listing.bytes = export.check(&listing)?;
            export.listing = Some(listing);
        }
        Ok(export)
    }

    /// Prepares an export of `paths` of the parts `only`, or of all parts if there are none: files, and
    /// directories with everything beneath them, every path as it is on the host. Of no paths, everything.
    ///
    /// A path that the inventory named through symbolic links is found at its real path.
    ///
    /// # Errors
    ///
    /// [`Error::NoEntry`] if a path is in none of the parts, nor anything beneath it; [`Error::NoPart`],
    /// [`Error::Damaged`] and [`Error::Removed`] as [`SealedCheckpoint::laid_out`].
    pub fn chosen(&self, paths: &[RemotePath], only: &[SourceName]) -> Result<Export<'_>, Error> {
        if paths.is_empty() {
            return self.laid_out(Layout::Paths, only);
        }
        Export::at(
            self,
            Places::chosen(self, self.parts_of(only)?, paths)?,
            true,
        )
    }

    /// The parts that are meant, in the order in which they count.
    fn parts_of(&self, only: &[SourceName]) -> Result<Vec<SourceName>, Error> {
        for part in only {
            self.entries_facts(part)?;
        }
        let parts = self.parts_by_weight();
        let parts = parts.filter(|part| only.is_empty() || only.contains(part));
        Ok(parts.cloned().collect())
    }

    /// [`Export::to_archive`] of everything, with every path as it is.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn export_archive(
        &self,
        path: &Path,
        format: ArchiveFormat,
        watch: Watch<'_>,
    ) -> Result<Exported, Error> {
        self.laid_out(Layout::Paths, &[])?
            .to_archive(path, format, watch)
    }

    /// [`Export::to_stream`] of everything, with every path as it is.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn export_stream(
        &self,
        output: &mut dyn Write,
        format: ArchiveFormat,
        watch: Watch<'_>,
    ) -> Result<Exported, Error> {
        self.laid_out(Layout::Paths, &[])?
            .to_stream(output, format, watch)
    }

    /// [`Export::to_folder`] of everything, with every path as it is.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn export_folder(&self, target: &Path, watch: Watch<'_>) -> Result<Exported, Error> {
        self.laid_out(Layout::Paths, &[])?
            .to_folder(target, FolderOptions::default(), watch)
    }
}

impl<'c> Export<'c> {
    /// What has these places. Without `leaves_out`, entries that contradict each other are an error.
    fn at(
        checkpoint: &'c SealedCheckpoint,
        places: Places,
        leaves_out: bool,
    ) -> Result<Self, Error> {
        let mut export = Self {
            checkpoint,
            places,
            listing: None,
            leaves_out,
            groups: Groups::default(),
            contradictions: Exported::default(),
        };
        export.survey()?;
        Ok(export)
    }
}

impl Export<'_> {
    /// All entries that fit into one tree, each place once, in the order of a walk.
    fn walk(&self) -> Result<Walk, Error> {
        Ok(Walk::over(self.fitting()?))
    }

    /// The same by the bytes of their places.
    fn fitting(&self) -> Result<Fitting, Error> {
        let streams = self.places.streams(self.checkpoint)?;
        Ok(Fitting::new(Merged::new(streams), self.leaves_out))
    }

    /// Where the first name of an entry goes; its own place if it has no other.
    fn first_place(&self, placed: &Placed) -> RemotePath {
        match placed.entry.link_target() {
            Some(target) => self.places.of_entry(&placed.part, target),
            None => placed.place.clone(),
        }
    }

    /// Finds out what is left out, and which entries are names of one object.
    ///
    /// Checkpoints of older versions may hold a file beneath what another part holds as a symbolic link.
    fn survey(&mut self) -> Result<(), Error> {
        let mut fitting = self.fitting()?;
        let mut collector = Collector::default();
        while let Some(placed) = fitting.next() {
            let placed = placed?;
            collector.take(&placed.entry, self.first_place(&placed));
            for path in fitting.left_out() {
                self.contradictions
                    .skip(ShortfallKind::Contradiction, &path);
            }
        }
        for path in fitting.left_out() {
            self.contradictions
                .skip(ShortfallKind::Contradiction, &path);
        }
        self.groups = collector.finish(self)?;
        Ok(())
    }

    /// Fails if two entries claim one place, or one is beneath another that is no directory. Gives
    /// the length of `listing`.
    fn check(&self, listing: &Listing) -> Result<u64, Error> {
        let mut bytes = listing.end().len() as u64;
        // In the order of a walk, what is beneath it would come directly after it.
        let mut above: Option<Placed> = None;
        for placed in self.walk()? {
            let placed = placed?;
            if let Some(above) = above.take()
                && placed.place.is_within(&above.place)
            {
                return Err(collision(&above, &placed));
            }
            if placed.place.is_within(&listing.place) {
                return Err(Error::Collision {
                    place: listing.place.clone(),
                    first: placed.entry.path.to_string(),
                    second: "the layout's own list".to_owned(),
                });
            }
            bytes += listing.line(&placed).map_or(0, |line| line.len() as u64);
            if placed.entry.kind != EntryKind::Directory {
                above = Some(placed);
            }
        }
        Ok(bytes)
    }

    /// When the checkpoint began: the time of what the layout adds.
    fn time(&self) -> FileTime {
        FileTime {
            seconds: self.checkpoint.id().stamp.time().as_second(),
            nanoseconds: 0,
        }
    }
}

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

/// What a folder export does beyond the usual.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FolderOptions {
    /// Device nodes are made; only root can.
    pub devices: bool,
    /// Owners are set by their recorded numbers; names are not looked up on this workstation.
    pub numeric_owner: bool,
}

/// What was taken out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Exported {
    /// Entries of every kind.
    pub entries: u64,
    /// Content of regular files, every name counted.
    pub bytes: u64,
    /// Entries that were left out as a whole: sockets, and devices in a folder.
    pub skipped: u64,
    /// What was left out or could not be set, by kind.
    pub shortfalls: Vec<Shortfall>,
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
