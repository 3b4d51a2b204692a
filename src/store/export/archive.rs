//! Exports a checkpoint as an archive: the raw members of the packs, each path once, in the order of a walk.
//!
//! Members are copied as the host's tar wrote them, so that attributes, ACLs, holes and nanoseconds
//! survive; where a layout moves them, only their names are written anew. Of a hard-link group the name
//! that comes first has the content, whichever name it was sent under.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::groups::Role;
use super::member::MemberWriter;
use super::order::Placed;
use super::{ArchiveFormat, Export, Exported, ShortfallKind, Watch};
use crate::disk;
use crate::manifest::EntryKind;
use crate::name::RemotePath;
use crate::store::Error;
use crate::store::query::content::content_error;
use crate::tarstream::{BLOCK_BYTES, Head, Kind, Rename, padding};

const GZIP_LEVEL: u32 = 6;
const ZSTD_LEVEL: i32 = 3;
const BUFFER_BYTES: usize = 1 << 20;
/// The size of the records that tar writes.
const RECORD_BYTES: u64 = 10_240;

impl Export<'_> {
    /// Writes everything as one archive to a new file. It appears under its name when it is whole;
    /// a failed export leaves nothing. `watch` is called for each entry and may end it.
    ///
    /// # Errors
    ///
    /// [`Error::TargetExists`]; [`Error::Content`] and [`Error::Damaged`] if something is not what
    /// was sealed; [`Error::Stopped`] if `watch` asks to stop; [`Error::Io`] if it can't be written.
    pub fn to_archive(
        &self,
        path: &Path,
        format: ArchiveFormat,
        watch: Watch<'_>,
    ) -> Result<Exported, Error> {
        let exists = || Error::TargetExists {
            path: path.to_owned(),
        };
        if fs::symlink_metadata(path).is_ok() {
            return Err(exists());
        }
        let dir = match path.parent() {
            Some(dir) if dir != Path::new("") => dir,
            _ => Path::new("."),
        };
        let temporary = tempfile::Builder::new()
            .prefix(".fleet-export-")
            .make_in(dir, |name| {
                File::options()
                    .write(true)
                    .create_new(true)
                    .mode(0o600)
                    .open(name)
            })
            .map_err(Error::io("create a file in", dir))?;
        let written = self.archive(temporary.as_file(), format, watch);
        let exported = written.map_err(|error| match error {
            Error::Output { source } => Error::io("write", path)(source),
            other => other,
        })?;
        temporary
            .as_file()
            .sync_all()
            .map_err(Error::io("sync", path))?;
        temporary.persist_noclobber(path).map_err(|e| {
            if e.error.kind() == io::ErrorKind::AlreadyExists {
                exists()
            } else {
                Error::io("put in place", path)(e.error)
            }
        })?;
        disk::sync_dir(dir)?;
        Ok(exported)
    }

    /// Writes everything as one archive to `output`, after a first pass that only compares. `watch`
    /// is called for each entry of both passes.
    ///
    /// # Errors
    ///
    /// As [`Export::to_archive`]; nothing was written if something is not what was sealed.
    pub fn to_stream(
        &self,
        output: &mut dyn Write,
        format: ArchiveFormat,
        watch: Watch<'_>,
    ) -> Result<Exported, Error> {
        self.members(&mut io::sink(), watch)?;
        self.archive(output, format, watch)
    }

    fn archive(
        &self,
        output: impl Write,
        format: ArchiveFormat,
        watch: Watch<'_>,
    ) -> Result<Exported, Error> {
        let failed = |source| Error::Output { source };
        let mut output = BufWriter::with_capacity(BUFFER_BYTES, output);
        let exported = match format {
            ArchiveFormat::Tar => self.members(&mut output, watch)?,
            ArchiveFormat::TarGz => {
                let level = flate2::Compression::new(GZIP_LEVEL);
                let mut gzip = flate2::write::GzEncoder::new(&mut output, level);
                let exported = self.members(&mut gzip, watch)?;
                gzip.finish().map_err(failed)?;
                exported
            }
            ArchiveFormat::TarZst => {
                let mut zstd = zstd::Encoder::new(&mut output, ZSTD_LEVEL).map_err(failed)?;
                zstd.include_checksum(true).map_err(failed)?;
                let threads = std::thread::available_parallelism().map_or(1, usize::from);
                zstd.multithread(u32::try_from(threads.min(8)).unwrap_or(1))
                    .map_err(failed)?;
                let exported = self.members(&mut zstd, watch)?;
                zstd.finish().map_err(failed)?;
                exported
            }
        };
        output.flush().map_err(failed)?;
        Ok(exported)
    }

    /// Copies all members, compared with their entries, and ends the archive.
    fn members(&self, output: &mut dyn Write, watch: Watch<'_>) -> Result<Exported, Error> {
        let mut members = MemberWriter::new(self.checkpoint);
        let mut output = Counting {
            inner: output,
            length: 0,
            exported: self.contradictions.clone(),
            watch,
            is_stopped: false,
        };
        for placed in self.walk()? {
            let placed = placed?;
            if placed.entry.content.is_empty() {
                output
                    .exported
                    .skip(ShortfallKind::Socket, &placed.entry.path);
            } else {
                let copied = match self.groups.role(self, &placed)? {
                    Role::Alone => self.content(&placed, &placed.place, &mut members, &mut output),
                    Role::Leader(carrier) => {
                        self.content(carrier, &placed.place, &mut members, &mut output)
                    }
                    Role::Link(leader) => self.link(&placed, leader, &mut members, &mut output),
                };
                if output.is_stopped {
                    return Err(Error::Stopped);
                }
                copied?;
                output.exported.entries += 1;
                output.exported.bytes += placed.entry.file_bytes().unwrap_or_default();
            }
            output.go_on().map_err(|_| Error::Stopped)?;
        }
        if let Some(listing) = &self.listing {
            let failed = |source| Error::Output { source };
            let heading = listing.head(self.time()).to_blocks();
            let heading = heading.expect("the name and the owner are plain text");
            output.write_all(&heading).map_err(failed)?;
            self.write_listing(listing, &mut output)?;
            let zeros = vec![0; padding(listing.bytes)];
            output.write_all(&zeros).map_err(failed)?;
        }
        let end = (output.length + 2 * BLOCK_BYTES as u64).next_multiple_of(RECORD_BYTES);
        let zeros = vec![0; usize::try_from(end - output.length).expect("about a record")];
        output
            .write_all(&zeros)
            .map_err(|source| Error::Output { source })?;
        Ok(output.exported)
    }

    /// Copies the member of an entry that has content of its own to `place`.
    fn content(
        &self,
        placed: &Placed,
        place: &RemotePath,
        members: &mut MemberWriter<'_>,
        output: &mut impl Write,
    ) -> Result<(), Error> {
        let rename = (*place != placed.entry.path).then_some(Rename {
            path: place,
            link: None,
            owner: None,
        });
        members.write(&placed.entry, rename, output)
    }

    /// Writes a further name of what the archive holds at `leader`.
    fn link(
        &self,
        placed: &Placed,
        leader: &RemotePath,
        members: &mut MemberWriter<'_>,
        output: &mut impl Write,
    ) -> Result<(), Error> {
        let entry = &placed.entry;
        if let EntryKind::HardLink { target, .. } = &entry.kind {
            let is_as_sent = placed.place == entry.path && leader == target;
            let rename = (!is_as_sent).then_some(Rename {
                path: &placed.place,
                link: Some(leader),
                owner: None,
            });
            return members.write(entry, rename, output);
        }
        // It was sent with content of its own, which the leader has already.
        let head = Head {
            path: placed.place.clone(),
            kind: Kind::HardLink {
                target: leader.clone(),
            },
            mode: entry.mode,
            owner: entry.owner.clone(),
            mtime: entry.mtime,
            stored_bytes: 0,
        };
        let blocks = head.to_blocks().ok_or_else(|| {
            content_error(
                self.checkpoint.id(),
                &entry.path,
                "its names can't be written",
            )
        })?;
        output
            .write_all(&blocks)
            .map_err(|source| Error::Output { source })
    }
}

/// Counts what is written, and fails when nothing more is wanted.
struct Counting<'a> {
    inner: &'a mut dyn Write,
    length: u64,
    exported: Exported,
    watch: Watch<'a>,
    is_stopped: bool,
}

impl Counting<'_> {
    fn go_on(&mut self) -> io::Result<()> {
        if (self.watch)(&self.exported).is_break() {
            self.is_stopped = true;
            return Err(io::Error::other("stopped"));
        }
        Ok(())
    }
}

impl Write for Counting<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.go_on()?;
        let n = self.inner.write(bytes)?;
        self.length += n as u64;
        Ok(n)
    }

    /// Only asks whether to go on: flushing a compressor would cut what it writes into more pieces.
    fn flush(&mut self) -> io::Result<()> {
        self.go_on()
    }
}
