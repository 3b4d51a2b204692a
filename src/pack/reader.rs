//! Reads a pack from any offset.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use zstd::bulk::Decompressor;

use super::Error;
use super::ReadAt;
use super::index::{self, DIGEST_FRAME_BYTES, FOOTER_BYTES, Frame};
use crate::name::RemotePath;
use crate::tarstream::{self, Event, Member, MemberContent, MemberStream, Rename};

/// Small, for most members are.
const RAW_BUFFER_BYTES: usize = 32 * 1024;

/// Reads the content of one member, holes as zeros. Its errors are [`io::Error`]s around
/// [`tarstream::Error`]. It does not compare digests.
pub type MemberReader<'p> = MemberContent<FrameReader<'p>>;

/// An open pack. Keeps the two frames that were read last, so that neighbouring members cost one
/// decompression: what was neighbours on the host is in frames of two kinds.
pub struct PackReader {
    /// Its path, or another name for messages.
    path: PathBuf,
    source: Box<dyn ReadAt>,
    frames: Vec<Frame>,
    decompressor: Decompressor<'static>,
    compressed: Vec<u8>,
    /// Which frame `compressed` is.
    read: Option<usize>,
    last: Content,
    before: Content,
}

#[derive(Default)]
struct Content {
    /// Which frame it is of.
    frame: Option<usize>,
    bytes: Vec<u8>,
}

impl std::fmt::Debug for PackReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PackReader")
            .field("path", &self.path)
            .field("frames", &self.frames.len())
            .finish_non_exhaustive()
    }
}

impl PackReader {
    /// Opens the pack and reads its index.
    ///
    /// # Errors
    ///
    /// [`Error::Read`]; [`Error::Damaged`] if the index is not whole.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, Error> {
        let path = path.into();
        match File::open(&path) {
            Ok(file) => Self::over(file, path),
            Err(source) => Err(Error::Read { path, source }),
        }
    }

    /// The same over bytes that need not be a file here. `path` names them in messages.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn over(bytes: impl ReadAt + 'static, path: impl Into<PathBuf>) -> Result<Self, Error> {
        let path = path.into();
        let known = bytes
            .length_bytes()
            .and_then(|length| Ok((length, Decompressor::new()?)));
        let (length, decompressor) = match known {
            Ok(known) => known,
            Err(source) => return Err(Error::Read { path, source }),
        };
        let frames = read_index(&path, &bytes, length)?;
        Ok(Self {
            path,
            source: Box::new(bytes),
            frames,
            decompressor,
            compressed: Vec::new(),
            read: None,
            last: Content::default(),
            before: Content::default(),
        })
    }

    /// Where the pack is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its frames, in order and without gaps; the last one holds the end-of-archive blocks.
    #[must_use]
    pub(super) fn frames(&self) -> &[Frame] {
        &self.frames
    }

    /// The length of the archive in it.
    #[must_use]
    pub fn content_bytes(&self) -> u64 {
        self.frames.last().map_or(0, Frame::end_bytes)
    }

    /// Reads the raw archive from `offset` (in the uncompressed pack) to its end. Errors of reading
    /// are [`io::Error`]s around an [`Error`].
    ///
    /// # Errors
    ///
    /// [`Error::Beyond`] if there is no such byte.
    pub(super) fn read_at(&mut self, offset: u64) -> Result<FrameReader<'_>, Error> {
        if offset >= self.content_bytes() {
            return Err(Error::Beyond {
                path: self.path.clone(),
                offset,
            });
        }
        Ok(FrameReader {
            pack: self,
            position: offset,
        })
    }

    /// Opens the member that begins at `offset`, which must be `expected`: its headers, and the
    /// content of the file, holes as zeros.
    ///
    /// # Errors
    ///
    /// [`Error::OtherMember`] or [`Error::Member`] if it is not there; or what reading said.
    pub fn member(
        &mut self,
        offset: u64,
        expected: &RemotePath,
    ) -> Result<MemberReader<'_>, Error> {
        let path = self.path.clone();
        let content = MemberContent::open(self.read_at(offset)?)
            .map_err(|source| member_error(&path, offset, source))?;
        check_name(&path, expected, &content.head().path)?;
        Ok(content)
    }

    /// The header blocks of the member that begins at `offset`, which must be `expected`, as they are.
    ///
    /// # Errors
    ///
    /// As [`member`](Self::member).
    pub fn headers(&mut self, offset: u64, expected: &RemotePath) -> Result<Vec<u8>, Error> {
        let path = self.path.clone();
        let mut stream = MemberStream::with_buffer(self.read_at(offset)?, RAW_BUFFER_BYTES);
        let event = stream
            .next()
            .map_err(|source| member_error(&path, offset, source))?;
        let Event::Begin { head, raw } = event else {
            return Err(no_member(path, offset));
        };
        check_name(&path, expected, &head.path)?;
        Ok(raw.to_vec())
    }

    /// Copies the member that begins at `offset`, which must be `expected`, to `output`: header
    /// blocks, data and padding as they are. Gives its facts and its digest, which is the caller's
    /// to compare. Holes are hashed and not written: `output` is flushed now and then meanwhile, so that
    /// it can say that nothing more is wanted.
    ///
    /// # Errors
    ///
    /// As [`member`](Self::member); [`Error::Output`] if `output` fails.
    pub fn raw_member(
        &mut self,
        offset: u64,
        expected: &RemotePath,
        output: &mut impl Write,
    ) -> Result<Member, Error> {
        self.copy_member(offset, expected, None, output)
    }

    /// The same under other names: the header blocks are written anew, data and padding stay.
    ///
    /// # Errors
    ///
    /// As [`raw_member`](Self::raw_member).
    pub fn renamed_member(
        &mut self,
        offset: u64,
        expected: &RemotePath,
        rename: Rename<'_>,
        output: &mut impl Write,
    ) -> Result<Member, Error> {
        self.copy_member(offset, expected, Some(rename), output)
    }

    fn copy_member(
        &mut self,
        offset: u64,
        expected: &RemotePath,
        rename: Option<Rename<'_>>,
        output: &mut impl Write,
    ) -> Result<Member, Error> {
        let path = self.path.clone();
        let hand_on = |output: &mut _, bytes: &[u8]| {
            Write::write_all(output, bytes).map_err(|source| Error::Output {
                path: path.clone(),
                source,
            })
        };
        let mut stream = MemberStream::with_buffer(self.read_at(offset)?, RAW_BUFFER_BYTES);
        loop {
            let event = stream
                .next()
                .map_err(|source| member_error(&path, offset, source))?;
            match event {
                Event::Begin { head, raw } => {
                    check_name(&path, expected, &head.path)?;
                    match rename {
                        None => hand_on(output, raw)?,
                        Some(rename) => {
                            let blocks = rename.apply(head, raw);
                            let blocks =
                                blocks.map_err(|source| member_error(&path, offset, source))?;
                            hand_on(output, &blocks)?;
                        }
                    }
                }
                Event::Data(bytes) => hand_on(output, bytes)?,
                Event::Hole(_) => output.flush().map_err(|source| Error::Output {
                    path: path.clone(),
                    source,
                })?,
                Event::End(member) => return Ok(member),
                Event::Finished => {
                    return Err(no_member(path, offset));
                }
            }
        }
    }

    /// Which frame holds byte `offset` of the uncompressed pack.
    pub(super) fn frame_at(&self, offset: u64) -> usize {
        self.frames.partition_point(|f| f.end_bytes() <= offset)
    }

    /// The content of frame `index`, proven whole.
    fn frame(&mut self, index: usize) -> Result<&[u8], Error> {
        if self.last.frame != Some(index) {
            std::mem::swap(&mut self.last, &mut self.before);
        }
        if self.last.frame != Some(index) {
            self.load(index)?;
        }
        Ok(&self.last.bytes)
    }

    /// Frame `index` as it is in the file, and its content, which proved it whole.
    pub(super) fn whole_frame(&mut self, index: usize) -> Result<(&[u8], &[u8]), Error> {
        self.frame(index)?;
        if self.read != Some(index) {
            // What is copied is what was proven, not what a second look finds.
            self.load(index)?;
        }
        Ok((&self.compressed, &self.last.bytes))
    }

    fn load(&mut self, index: usize) -> Result<(), Error> {
        self.read = None;
        self.last.frame = None;
        let frame = &self.frames[index];
        let offset = frame.compressed.start;
        let length = usize::try_from(frame.compressed.end - offset).expect("32 bits in the index");
        self.compressed.resize(length, 0);
        read_exact_at(&self.path, &*self.source, &mut self.compressed, offset)?;
        self.last.bytes.clear();
        self.last.bytes.reserve_exact(frame.length_bytes as usize);
        self.decompressor
            .decompress_to_buffer(&self.compressed, &mut self.last.bytes)
            .map_err(|source| Error::Frame {
                path: self.path.clone(),
                offset,
                source,
            })?;
        if self.last.bytes.len() != frame.length_bytes as usize {
            return Err(Error::Damaged {
                path: self.path.clone(),
                offset,
                why: "a frame's length differs from the index",
            });
        }
        self.read = Some(index);
        self.last.frame = Some(index);
        Ok(())
    }
}

fn read_index(path: &Path, bytes: &dyn ReadAt, length: u64) -> Result<Vec<Frame>, Error> {
    let damaged = |offset: u64| {
        move |why| Error::Damaged {
            path: path.to_owned(),
            offset,
            why,
        }
    };
    let too_short = || damaged(length)("it is too short for a pack");
    let footer_at = length
        .checked_sub(FOOTER_BYTES as u64)
        .ok_or_else(too_short)?;
    let mut footer = [0; FOOTER_BYTES];
    read_exact_at(path, bytes, &mut footer, footer_at)?;
    let count = index::decode_footer(&footer).map_err(damaged(footer_at))?;
    let index_bytes = index::table_bytes(count)
        .map(|table| u64::from(table) + DIGEST_FRAME_BYTES as u64)
        .filter(|&bytes| bytes <= length)
        .ok_or_else(|| damaged(footer_at)("its index is longer than the file"))?;
    let index_at = length - index_bytes;
    // The file is at least that long, so this is no more than what is on the disk.
    let mut index = vec![0; usize::try_from(index_bytes).map_err(|_| too_short())?];
    read_exact_at(path, bytes, &mut index, index_at)?;
    index::decode(&index, length).map_err(damaged(index_at))
}

fn read_exact_at(
    path: &Path,
    bytes: &dyn ReadAt,
    buffer: &mut [u8],
    offset: u64,
) -> Result<(), Error> {
    bytes
        .read_exact_at(buffer, offset)
        .map_err(|source| match source.kind() {
            io::ErrorKind::UnexpectedEof => Error::Damaged {
                path: path.to_owned(),
                offset,
                why: "it is shorter than the index says",
            },
            _ => Error::Read {
                path: path.to_owned(),
                source,
            },
        })
}

pub(super) fn check_name(
    path: &Path,
    expected: &RemotePath,
    found: &RemotePath,
) -> Result<(), Error> {
    if expected == found {
        return Ok(());
    }
    Err(Error::OtherMember {
        path: path.to_owned(),
        expected: expected.clone(),
        found: found.clone(),
    })
}

/// The archive ends where a member should begin.
fn no_member(path: PathBuf, offset: u64) -> Error {
    Error::Member {
        path,
        offset,
        source: tarstream::Error::Cut {
            offset: 0,
            within: None,
        },
    }
}

/// Takes the pack's own error out of the stream's.
pub(super) fn member_error(path: &Path, offset: u64, error: tarstream::Error) -> Error {
    let wrap = |source| Error::Member {
        path: path.to_owned(),
        offset,
        source,
    };
    match error {
        tarstream::Error::Read { offset, source } => match source.downcast::<Error>() {
            Ok(own) => own,
            Err(source) => wrap(tarstream::Error::Read { offset, source }),
        },
        other => wrap(other),
    }
}

/// Reads a pack's archive from some byte on.
#[derive(Debug)]
pub struct FrameReader<'p> {
    pack: &'p mut PackReader,
    position: u64,
}

impl Read for FrameReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let index = self.pack.frame_at(self.position);
        let Some(frame) = self.pack.frames.get(index) else {
            return Ok(0);
        };
        let skip = usize::try_from(self.position - frame.offset_bytes).expect("within a frame");
        let content = self.pack.frame(index).map_err(io::Error::other)?;
        let rest = &content[skip..];
        let n = rest.len().min(buffer.len());
        buffer[..n].copy_from_slice(&rest[..n]);
        self.position += n as u64;
        Ok(n)
    }
}
