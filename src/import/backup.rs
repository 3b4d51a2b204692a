//! Opens a backup on this machine, a folder or an archive (compressed or not), and reads either as a tar
//! stream.
//!
//! It may be read several times, and nothing is ever written beside it.

use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Error;
use super::folder::FolderStream;
use crate::interrupt::Interrupt;

/// What real backups unpack to is a small multiple of what they are; a file of zeros is not one.
const TIMES_MAX: u64 = 250;
/// Below this nothing is judged.
const UNPACKED_FREE_BYTES: u64 = 1 << 30;

/// A backup, and what it is.
#[derive(Debug, Clone)]
pub(super) struct Backup {
    /// As it was named.
    pub(super) path: PathBuf,
    form: Form,
}

/// What a backup is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Folder,
    Tar,
    Gzip,
    Zstd,
}

/// Beginnings of files that are something else, and what unpacks them.
const OTHERS: [(&[u8], &str, Option<&str>); 4] = [
    (b"\xfd7zXZ\0", "compressed with xz", Some("tar -xJf")),
    (b"BZh", "compressed with bzip2", Some("tar -xjf")),
    (b"PK\x03\x04", "a zip file", Some("unzip")),
    (b"7z\xbc\xaf\x27\x1c", "a 7z file", Some("7z x")),
];

impl Backup {
    /// How long the archive is; none of a folder, whose names take room on this machine already.
    pub(super) fn packed_bytes(&self) -> Option<u64> {
        match self.form {
            Form::Folder => None,
            Form::Tar | Form::Gzip | Form::Zstd => {
                // One that is gone by now is reported when it is opened.
                fs::metadata(&self.path).ok().map(|facts| facts.len())
            }
        }
    }

    /// Looks at what is at `path`.
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        let unreadable = |source| Error::Open {
            path: path.to_owned(),
            source,
        };
        let other = |what, unpack| {
            Err(Error::Form {
                path: path.to_owned(),
                what,
                unpack,
            })
        };
        let facts = fs::metadata(path).map_err(unreadable)?;
        let form = if facts.is_dir() {
            Form::Folder
        } else if !facts.is_file() {
            return other("neither a folder nor a file", None);
        } else {
            let mut start = Vec::new();
            let file = File::open(path).map_err(unreadable)?;
            file.take(8).read_to_end(&mut start).map_err(unreadable)?;
            if start.is_empty() {
                return other("empty", None);
            }
            for (magic, what, unpack) in OTHERS {
                if start.starts_with(magic) {
                    return other(what, unpack);
                }
            }
            match start.as_slice() {
                [0x1f, 0x8b, ..] => Form::Gzip,
                [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Form::Zstd,
                _ => Form::Tar,
            }
        };
        Ok(Self {
            path: path.to_owned(),
            form,
        })
    }

    /// What it is called, whatever the way that leads to it.
    pub(super) fn name(&self) -> String {
        let real = self.path.canonicalize();
        let named = real.as_deref().unwrap_or(&self.path);
        let name = named.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }

    /// Begins to read it. Reading ends with [`Error::Stopped`] when `interrupt` is raised.
    pub(super) fn stream(&self, interrupt: &Interrupt) -> Result<Box<dyn Read>, Error> {
        let mut bounded = Bounded {
            path: self.path.clone(),
            interrupt: interrupt.clone(),
            packed: None,
            unpacked: 0,
            inner: Box::new(io::empty()),
        };
        if self.form == Form::Folder {
            bounded.inner = Box::new(FolderStream::new(&self.path)?);
            return Ok(Box::new(bounded));
        }
        let file = File::open(&self.path).map_err(|source| Error::Open {
            path: self.path.clone(),
            source,
        })?;
        let packed = Arc::new(AtomicU64::new(0));
        let counted = BufReader::with_capacity(
            128 << 10,
            Counted {
                inner: file,
                count: Arc::clone(&packed),
            },
        );
        bounded.inner = match self.form {
            Form::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(counted)),
            Form::Zstd => {
                let decoder = zstd::Decoder::with_buffer(counted);
                Box::new(decoder.map_err(|source| Error::Packed {
                    path: self.path.clone(),
                    source,
                })?)
            }
            Form::Tar | Form::Folder => Box::new(counted),
        };
        bounded.packed = Some(packed);
        Ok(Box::new(bounded))
    }
}

/// Counts what is read through it.
struct Counted<R> {
    inner: R,
    count: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.count.fetch_add(n as u64, Ordering::Relaxed);
        Ok(n)
    }
}

/// Ends when it is asked to, and when far more comes out than was put in.
struct Bounded {
    path: PathBuf,
    interrupt: Interrupt,
    /// What was read of a file so far.
    packed: Option<Arc<AtomicU64>>,
    unpacked: u64,
    inner: Box<dyn Read>,
}

impl Read for Bounded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.interrupt.is_raised() {
            let path = self.path.clone();
            return Err(io::Error::other(Error::Stopped { path }));
        }
        let n = self.inner.read(buffer)?;
        self.unpacked += n as u64;
        if let Some(packed) = &self.packed
            && self.unpacked > UNPACKED_FREE_BYTES
            && self.unpacked / TIMES_MAX > packed.load(Ordering::Relaxed)
        {
            return Err(io::Error::other(Error::Bomb {
                path: self.path.clone(),
                times: TIMES_MAX,
            }));
        }
        Ok(n)
    }
}
