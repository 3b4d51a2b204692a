//! Makes the archives that are staged on the host: what is new in a root, and the lists of what happens to
//! the rest.
//!
//! Archives are spooled to files of this workstation, so that their length is known before they are sent and
//! an attempt can be repeated. Every content is compared with its digest while it is read.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufWriter, Seek, Write};
use std::sync::Arc;

use crate::digest::Sha256;
use crate::guard::{Compression, RestoreTools};
use crate::manifest::{Entry, FileTime, FileType, PackName};
use crate::name::RemotePath;
use crate::restore::plan::merged::PartEntry;
use crate::restore::plan::roots::{Put, RootPlan, Side};
use crate::scan::result::STAGING_FOLDER;
use crate::store::{self, MemberContent, MemberWriter, SealedCheckpoint};
use crate::tarstream::{BLOCK_BYTES, Head, padding};

/// An archive takes no more members when it is longer than this.
const ARCHIVE_BYTES: u64 = 64 << 20;
const BUFFER_BYTES: usize = 256 << 10;
/// Fast: the host has to decompress it, and the link is seldom slower than this.
const ZSTD_LEVEL: i32 = 1;
const GZIP_LEVEL: u32 = 1;

/// Folders of the staging folder.
const NEW: &[u8] = b"/new";
const NEW_LINKS: &[u8] = b"/lnew";
const METADATA: &[u8] = b"/meta";

/// Makes the archives of one root, one after the other.
#[derive(Debug)]
pub struct Stager {
    root: RemotePath,
    plan: Arc<RootPlan>,
    /// What is put in place, by the places of its content, first names before further ones.
    puts: Vec<usize>,
    next: usize,
    has_begun: bool,
    compression: Compression,
    tools: RestoreTools,
}

/// One archive, ready to be sent.
#[derive(Debug)]
pub struct Archive {
    /// The spooled file; it has no name any more.
    pub file: File,
    /// How long it is.
    pub length_bytes: u64,
    /// Content of regular files in it, uncompressed.
    pub sent_bytes: u64,
    /// Regular files in it and their digests, by their place in the staging folder.
    pub files: Vec<(RemotePath, Sha256)>,
}

impl Stager {
    /// For what `plan` does in `root`.
    #[must_use]
    pub fn new(
        root: RemotePath,
        plan: Arc<RootPlan>,
        compression: Compression,
        tools: RestoreTools,
    ) -> Self {
        let mut puts: Vec<usize> = (0..plan.put.len()).collect();
        puts.sort_by_cached_key(|&index| {
            let put = &plan.put[index];
            (place_of(&put.one.entry), put.link_to.is_some())
        });
        Self {
            root,
            plan,
            puts,
            next: 0,
            has_begun: false,
            compression,
            tools,
        }
    }

    /// The next archive; none if all was made. `wanted` is what is restored, `live` the safety checkpoint.
    /// Blocking.
    ///
    /// # Errors
    ///
    /// [`store::Error::Content`] and [`store::Error::Damaged`] if something is not what was sealed,
    /// [`store::Error::Output`] if the spool can't be written.
    pub fn next(
        &mut self,
        wanted: &SealedCheckpoint,
        live: &SealedCheckpoint,
    ) -> Result<Option<Archive>, store::Error> {
        if self.has_begun && self.next == self.puts.len() {
            return Ok(None);
        }
        let failed = |source| store::Error::Output { source };
        let spool = tempfile::tempfile().map_err(failed)?;
        let mut output = Counted {
            inner: Encoder::new(spool, self.compression).map_err(failed)?,
            length: 0,
        };
        let mut members = MemberWriter::new(wanted);
        if !self.has_begun {
            self.has_begun = true;
            self.lists(&mut output).map_err(failed)?;
            match self.tools {
                RestoreTools::Gnu => {
                    self.directories(&mut members, &mut output)?;
                    self.metadata(&mut members, live, &mut output)?;
                }
                RestoreTools::Slow => self.attributes(&mut output).map_err(failed)?,
            }
        }
        let mut files = Vec::new();
        let mut sent_bytes = 0;
        while let Some(&index) = self.puts.get(self.next)
            && output.length < ARCHIVE_BYTES
        {
            self.next += 1;
            let put = &self.plan.put[index];
            self.put(put, &mut members, &mut output, &mut files)?;
            if put.link_to.is_none() {
                sent_bytes += put.one.entry.file_bytes().unwrap_or(0);
            }
        }
        output.write_all(&[0; 2 * BLOCK_BYTES]).map_err(failed)?;
        let mut file = output.inner.finish().map_err(failed)?;
        let length_bytes = file.stream_position().map_err(failed)?;
        Ok(Some(Archive {
            file,
            length_bytes,
            sent_bytes,
            files,
        }))
    }

    fn put(
        &self,
        put: &Put,
        members: &mut MemberWriter<'_>,
        output: &mut impl Write,
        files: &mut Vec<(RemotePath, Sha256)>,
    ) -> Result<(), store::Error> {
        let entry = &put.one.entry;
        let folder = folder(entry);
        let place = self.staged(folder, &put.place);
        let first = put.link_to.as_ref();
        let first = first.map(|first| self.staged(folder, first));
        match (&first, &put.content) {
            (_, content) if self.tools == RestoreTools::Slow => {
                let content = match (&first, content) {
                    (Some(first), _) => MemberContent::NameOf(first),
                    (None, Some(content)) => MemberContent::Made(content),
                    (None, None) => MemberContent::Stored,
                };
                members.write_plain(entry, &place, &content, output)?;
            }
            (Some(first), _) => {
                members.write_link(entry, &place, first, output)?;
            }
            (None, Some(content)) => members.write_content(entry, &place, content, output)?,
            (None, None) => members.write_at(entry, &place, output)?,
        }
        if let Some(sha256) = entry.file_sha256() {
            files.push((place, sha256));
        }
        Ok(())
    }

    /// The lists of names, each relative to the root and ended by NUL.
    fn lists(&self, output: &mut impl Write) -> io::Result<()> {
        let plan = &self.plan;
        let metadata: Vec<RemotePath> = plan
            .metadata
            .iter()
            .map(|one| one.entry.path.clone())
            .collect();
        self.list("made", &plan.made, output)?;
        self.list("clear", &plan.clear, output)?;
        self.list("gone", &plan.gone, output)?;
        self.list("old.list", &plan.old_files, output)?;
        self.list("lold.list", &plan.old_links, output)?;
        self.list("odirs.list", &plan.old_directories, output)?;
        self.list("meta.list", &metadata, output)
    }

    fn list<'a>(
        &self,
        name: &str,
        paths: impl IntoIterator<Item = &'a RemotePath>,
        output: &mut impl Write,
    ) -> io::Result<()> {
        let mut text = Vec::new();
        for path in paths {
            match path.relative_to(&self.root).unwrap_or_default() {
                b"" => text.push(b'.'),
                relative => text.extend_from_slice(relative),
            }
            text.push(0);
        }
        self.write_file(name, &text, output)
    }

    /// A file of the staging folder itself.
    fn write_file(&self, name: &str, content: &[u8], output: &mut impl Write) -> io::Result<()> {
        let path = RemotePath::root().join(name.as_bytes());
        let path = path.expect("a name of ours");
        let time = FileTime {
            seconds: 0,
            nanoseconds: 0,
        };
        let head = Head::of_private_file(path, content.len() as u64, time);
        let blocks = match self.tools {
            RestoreTools::Gnu => head.to_blocks(),
            RestoreTools::Slow => head.to_gnu_blocks(content.len() as u64),
        };
        output.write_all(&blocks.expect("plain names"))?;
        output.write_all(content)?;
        output.write_all(&vec![0; padding(content.len() as u64)])
    }

    /// Mode, owner and time of directories and of files that keep their content, a line for each name of a
    /// list.
    fn attributes(&self, output: &mut impl Write) -> io::Result<()> {
        let lines = |entries: &[Arc<PartEntry>]| {
            let of = |one: &Arc<PartEntry>| {
                let (entry, owner) = (&one.entry, &one.entry.owner);
                let seconds = entry.mtime.seconds;
                format!("{:o} {} {} {seconds}\n", entry.mode, owner.uid, owner.gid)
            };
            entries.iter().map(of).collect::<String>()
        };
        let (directories, metadata) = (&self.plan.directories, &self.plan.metadata);
        let paths = directories.iter().map(|one| &one.entry.path);
        self.list("new.dirs.list", paths, output)?;
        self.write_file("new.dirs.attrs", lines(directories).as_bytes(), output)?;
        self.write_file("meta.attrs", lines(metadata).as_bytes(), output)?;
        let links = self.plan.put.iter();
        let links: Vec<&Put> = links
            .filter(|put| folder(&put.one.entry) == NEW_LINKS)
            .collect();
        self.list("lnew.list", links.iter().map(|put| &put.place), output)?;
        let times = links
            .iter()
            .map(|put| format!("{}\n", put.one.entry.mtime.seconds));
        self.write_file("lnew.attrs", times.collect::<String>().as_bytes(), output)
    }

    /// The directories, as an archive of their own within this one.
    fn directories(
        &self,
        members: &mut MemberWriter<'_>,
        output: &mut impl Write,
    ) -> Result<(), store::Error> {
        if self.plan.directories.is_empty() {
            return Ok(());
        }
        let mut archive = Vec::new();
        for one in &self.plan.directories {
            let place = self.staged(b"", &one.entry.path);
            members.write_at(&one.entry, &place, &mut archive)?;
        }
        archive.extend([0; 2 * BLOCK_BYTES]);
        self.write_file("new.dirs.tar", &archive, output)
            .map_err(|source| store::Error::Output { source })
    }

    /// Empty files with the metadata that others get, and the directories above them as they will be.
    fn metadata(
        &self,
        members: &mut MemberWriter<'_>,
        live: &SealedCheckpoint,
        output: &mut impl Write,
    ) -> Result<(), store::Error> {
        let mut live_members = MemberWriter::new(live);
        for (side, one) in &self.plan.above_metadata {
            let place = self.staged(METADATA, &one.entry.path);
            match side {
                Side::Wanted => members.write_at(&one.entry, &place, output)?,
                Side::Live => live_members.write_at(&one.entry, &place, output)?,
            }
        }
        for one in &self.plan.metadata {
            let place = self.staged(METADATA, &one.entry.path);
            members.write_metadata(&one.entry, &place, output)?;
        }
        Ok(())
    }

    /// The place of `path` in `folder` of the staging folder.
    fn staged(&self, folder: &[u8], path: &RemotePath) -> RemotePath {
        let relative = path.relative_to(&self.root).unwrap_or_default();
        let mut bytes = folder.to_vec();
        if !relative.is_empty() || folder.is_empty() {
            bytes.push(b'/');
        }
        bytes.extend_from_slice(relative);
        RemotePath::from_bytes(bytes).expect("both are normalised")
    }
}

/// The folder that an object is staged in.
fn folder(entry: &Entry) -> &'static [u8] {
    match entry.kind.file_type() {
        FileType::Symlink => NEW_LINKS,
        FileType::File
        | FileType::Directory
        | FileType::Fifo
        | FileType::Socket
        | FileType::CharDevice
        | FileType::BlockDevice
        | FileType::Other => NEW,
    }
}

/// Where `put` is staged, beneath the root.
#[must_use]
pub fn staged_in(root: &RemotePath, put: &Put) -> Option<RemotePath> {
    let mut name = STAGING_FOLDER.to_vec();
    name.extend_from_slice(folder(&put.one.entry));
    name.push(b'/');
    name.extend_from_slice(put.place.relative_to(root)?);
    root.join(&name).ok()
}

/// The folders of a staging folder beneath `root` that hold what is put in place.
#[must_use]
pub fn staging_folders(root: &RemotePath) -> Vec<RemotePath> {
    [NEW, NEW_LINKS]
        .iter()
        .filter_map(|folder| root.join(&[STAGING_FOLDER, *folder].concat()).ok())
        .collect()
}

/// All packs that the content of `plan` is read from.
#[must_use]
pub fn packs(plan: &RootPlan) -> BTreeSet<PackName> {
    let entries = plan.put.iter().map(|put| &put.one.entry);
    entries
        .flat_map(|entry| &entry.content)
        .map(|piece| piece.pack.clone())
        .collect()
}

fn place_of(entry: &Entry) -> Option<(PackName, u64)> {
    let piece = entry.content.first()?;
    Some((piece.pack.clone(), piece.offset_bytes))
}

/// Counts what is written.
struct Counted {
    inner: Encoder,
    length: u64,
}

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.inner.write(bytes)?;
        self.length += n as u64;
        Ok(n)
    }

    // Flushing a compressor would cut what it writes into more pieces.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Compresses what is sent.
enum Encoder {
    None(BufWriter<File>),
    Gzip(flate2::write::GzEncoder<BufWriter<File>>),
    Zstd(zstd::Encoder<'static, BufWriter<File>>),
}

impl Encoder {
    fn new(file: File, compression: Compression) -> io::Result<Self> {
        let file = BufWriter::with_capacity(BUFFER_BYTES, file);
        Ok(match compression {
            Compression::None => Self::None(file),
            Compression::Gzip => Self::Gzip(flate2::write::GzEncoder::new(
                file,
                flate2::Compression::new(GZIP_LEVEL),
            )),
            Compression::Zstd => Self::Zstd(zstd::Encoder::new(file, ZSTD_LEVEL)?),
        })
    }

    fn finish(self) -> io::Result<File> {
        let file = match self {
            Self::None(file) => file,
            Self::Gzip(gzip) => gzip.finish()?,
            Self::Zstd(zstd) => zstd.finish()?,
        };
        file.into_inner().map_err(io::IntoInnerError::into_error)
    }
}

impl Write for Encoder {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::None(file) => file.write(bytes),
            Self::Gzip(gzip) => gzip.write(bytes),
            Self::Zstd(zstd) => zstd.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
