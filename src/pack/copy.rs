//! Copies live members of an older pack into the one that is being written.
//!
//! A frame of which every byte is wanted is copied compressed, as it is, after it was decompressed
//! once to prove it whole; what is left of other frames is compressed again, with its new
//! neighbours. Nothing is copied that was not parsed and, where a digest is known, compared with it:
//! damage must not be sealed anew under a digest of its own.

use std::io::{self, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::group::{Group, Order};
use super::reader::{check_name, member_error};
use super::{Error, FRAME_MAX_BYTES, FrameReader, PackReader, PackWriter};
use crate::digest::Sha256;
use crate::name::RemotePath;
use crate::tarstream::{self, Event, Member, MemberStream};

/// Less than this in a frame is compressed again, so that many tiny packs become few frames.
const COPIED_MIN_BYTES: usize = 512 * 1024;
/// Less than this is not left behind as a frame of its own because a copied one comes next.
const SHORT_BYTES: usize = 256 * 1024;
/// Small, for most members are, and each run of them has its own.
const GROUP_BUFFER_BYTES: usize = 32 * 1024;

/// A member to copy out of a pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted<'a> {
    /// Where its first header block begins in the uncompressed pack.
    pub offset_bytes: u64,
    /// Where it is on the host.
    pub path: &'a RemotePath,
    /// The digest of its content, to be compared; none for all but regular files.
    pub sha256: Option<Sha256>,
}

/// A writer's state before a pack's members were copied into it. Nothing that is copied joins the
/// incompressible members that are gathered: what may have other names is not known here.
#[derive(Debug)]
pub(super) struct Before {
    pub(super) plain: Group,
    pub(super) sent: u64,
    pub(super) members: usize,
    /// Whether a frame was handed on since, and the first of them marked.
    pub(super) is_marked: bool,
}

impl PackWriter {
    /// Copies `wanted` members, in the order of their offsets, out of `source`, and keeps them
    /// in that order. Gives their numbers.
    ///
    /// All or nothing: after an error of `source` the pack is as it was before the call, and goes on
    /// as if there had been none. Memory stays flat whatever the size of a member.
    ///
    /// # Errors
    ///
    /// With the path of `source`: [`Error::Read`], [`Error::Damaged`], [`Error::Frame`],
    /// [`Error::Beyond`], [`Error::Member`], [`Error::OtherMember`], [`Error::OtherContent`], and
    /// [`Error::Order`] if `wanted` is not ascending. With its own: [`Error::MemberOpen`], or what
    /// the disk said.
    pub fn copy_from(
        &mut self,
        source: &mut PackReader,
        wanted: &[Wanted<'_>],
    ) -> Result<Range<usize>, Error> {
        self.check_between()?;
        let first = self.offsets.len();
        self.before = Some(Before {
            plain: self.plain.clone(),
            sent: self.sent,
            members: first,
            is_marked: false,
        });
        let copied = self.copy_all(source, wanted);
        let before = self.before.take();
        let copied = copied.map(|()| first..self.offsets.len());
        copied.map_err(|error| match before.map(|before| self.go_back(before)) {
            // The threads had ended before: `error` says why, or came first.
            None | Some(Ok(()) | Err(Error::Stopped { .. })) => error,
            Some(Err(own)) => own,
        })
    }

    fn copy_all(
        &mut self,
        source: &mut PackReader,
        mut wanted: &[Wanted<'_>],
    ) -> Result<(), Error> {
        let mut copied_to = 0;
        while let Some(first) = wanted.first() {
            let at = Source::of(source, first.offset_bytes)?;
            let members = at.members(source, wanted, copied_to)?;
            if let Some(last) = members.last() {
                copied_to = last.end;
                self.copy_group(source, at.frame, &members)?;
                wanted = &wanted[members.len()..];
            } else {
                copied_to = self.copy_large(source, &at.path, first)?;
                wanted = &wanted[1..];
            }
        }
        Ok(())
    }

    /// Copies `members`, which are in frame `index` and are proven.
    fn copy_group(
        &mut self,
        source: &mut PackReader,
        index: usize,
        members: &[Range<u64>],
    ) -> Result<(), Error> {
        let start = source.frames()[index].offset_bytes;
        let (compressed, content) = source.whole_frame(index)?;
        let live_bytes: u64 = members.iter().map(|m| m.end - m.start).sum();
        if live_bytes < content.len() as u64 || content.len() < COPIED_MIN_BYTES {
            for member in members {
                let bytes = &content[within(start, member.start)..within(start, member.end)];
                self.begin_member(bytes.len() as u64, Order::Kept)?;
                self.write(bytes)?;
                self.end_member()?;
            }
            return Ok(());
        }
        let number = self.offsets.len();
        let gathered = self.plain.bytes.len();
        if (1..SHORT_BYTES).contains(&gathered) && gathered + content.len() <= FRAME_MAX_BYTES {
            let places = members.iter().map(|m| gathered + within(start, m.start));
            self.plain.members.extend((number..).zip(places));
            self.plain.bytes.extend_from_slice(content);
            self.offsets.resize(number + members.len(), 0);
            return self.send_plain(false);
        }
        self.send_plain(false)?;
        let sent = self.sent;
        let places = members.iter().map(|m| sent + (m.start - start));
        self.offsets.extend(places);
        self.send_copied(compressed, content.len())
    }

    /// Copies a member that is in several frames; gives where it ends in `source`.
    fn copy_large(
        &mut self,
        source: &mut PackReader,
        path: &Path,
        wanted: &Wanted<'_>,
    ) -> Result<u64, Error> {
        let start = wanted.offset_bytes;
        let mut stream = MemberStream::with_buffer(source.read_at(start)?, GROUP_BUFFER_BYTES);
        let raw_bytes = begin(&mut stream, path, wanted, |_| Ok(()))?;
        let end = start + raw_bytes;
        let frame_at = |offset| source.frames().get(source.frame_at(offset));
        let has_own_frames = frame_at(start).is_some_and(|f| f.offset_bytes == start)
            && frame_at(end - 1).is_some_and(|f| f.end_bytes() == end);
        if has_own_frames {
            self.send_plain(false)?;
            self.offsets.push(self.sent);
            let next_frame = source.frame_at(start);
            let mut stream = MemberStream::new(CopyingReader {
                source,
                writer: self,
                next_frame,
                position: start,
                end,
            });
            begin(&mut stream, path, wanted, |_| Ok(()))?;
            finish(&mut stream, path, wanted, |_| Ok(()))?;
        } else {
            self.begin_member(raw_bytes, Order::Kept)?;
            let mut stream = MemberStream::new(source.read_at(start)?);
            begin(&mut stream, path, wanted, |bytes| self.write(bytes))?;
            finish(&mut stream, path, wanted, |bytes| self.write(bytes))?;
            self.end_member()?;
        }
        Ok(end)
    }
}

/// A place in a pack that members are copied from.
struct Source {
    path: PathBuf,
    /// Which frame.
    frame: usize,
    frame_end: u64,
}

impl Source {
    fn of(source: &PackReader, offset: u64) -> Result<Self, Error> {
        let path = source.path().to_owned();
        let frame = source.frame_at(offset);
        match source.frames().get(frame).map(super::Frame::end_bytes) {
            Some(frame_end) => Ok(Self {
                path,
                frame,
                frame_end,
            }),
            None => Err(Error::Beyond { path, offset }),
        }
    }

    /// Where those of `wanted` are that come first and are whole in this frame; each is proven.
    fn members(
        &self,
        source: &mut PackReader,
        wanted: &[Wanted<'_>],
        copied_to: u64,
    ) -> Result<Vec<Range<u64>>, Error> {
        let mut members: Vec<Range<u64>> = Vec::new();
        let mut end = copied_to;
        while let Some(first) = wanted.get(members.len()) {
            let from = first.offset_bytes;
            if from < end {
                return Err(Error::Order {
                    path: self.path.clone(),
                    offset: from,
                });
            }
            if from >= self.frame_end {
                break;
            }
            // Members that follow one another are read in one go.
            let mut stream = MemberStream::with_buffer(source.read_at(from)?, GROUP_BUFFER_BYTES);
            end = from;
            while let Some(next) = wanted.get(members.len())
                && next.offset_bytes == end
                && end < self.frame_end
            {
                let start = end;
                end += begin(&mut stream, &self.path, next, |_| Ok(()))?;
                if end > self.frame_end {
                    return Ok(members);
                }
                finish(&mut stream, &self.path, next, |_| Ok(()))?;
                members.push(start..end);
            }
        }
        Ok(members)
    }
}

/// Reads the headers of `wanted`, hands them to `each`, and gives the length of the whole member.
fn begin<R: Read>(
    stream: &mut MemberStream<R>,
    path: &Path,
    wanted: &Wanted<'_>,
    mut each: impl FnMut(&[u8]) -> Result<(), Error>,
) -> Result<u64, Error> {
    let offset = wanted.offset_bytes;
    match stream
        .next()
        .map_err(|source| member_error(path, offset, source))?
    {
        Event::Begin { head, raw } => {
            check_name(path, wanted.path, &head.path)?;
            each(raw)?;
            Ok(raw.len() as u64 + head.stored_bytes)
        }
        Event::Data(_) | Event::Hole(_) | Event::End(_) | Event::Finished => {
            Err(no_member(path, offset))
        }
    }
}

/// Reads the rest of `wanted`, hands it to `each`, and compares the digest.
fn finish<R: Read>(
    stream: &mut MemberStream<R>,
    path: &Path,
    wanted: &Wanted<'_>,
    mut each: impl FnMut(&[u8]) -> Result<(), Error>,
) -> Result<(), Error> {
    let offset = wanted.offset_bytes;
    loop {
        match stream
            .next()
            .map_err(|source| member_error(path, offset, source))?
        {
            Event::Data(bytes) => each(bytes)?,
            Event::Hole(_) => {}
            Event::End(Member { sha256, .. }) => {
                return if wanted.sha256.is_none_or(|should| sha256 == Some(should)) {
                    Ok(())
                } else {
                    Err(Error::OtherContent {
                        path: path.to_owned(),
                        member: wanted.path.clone(),
                    })
                };
            }
            Event::Begin { .. } | Event::Finished => return Err(no_member(path, offset)),
        }
    }
}

/// The archive ends where a member should be.
fn no_member(path: &Path, offset: u64) -> Error {
    Error::Member {
        path: path.to_owned(),
        offset,
        source: tarstream::Error::Cut {
            offset: 0,
            within: None,
        },
    }
}

fn within(start: u64, offset: u64) -> usize {
    usize::try_from(offset - start).expect("within a frame")
}

/// Reads one member, and hands each of its frames on, compressed, when it gets there.
struct CopyingReader<'a> {
    source: &'a mut PackReader,
    writer: &'a mut PackWriter,
    next_frame: usize,
    position: u64,
    end: u64,
}

impl Read for CopyingReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.position == self.end {
            return Ok(0);
        }
        if self.source.frame_at(self.position) == self.next_frame {
            let (compressed, content) = self
                .source
                .whole_frame(self.next_frame)
                .map_err(io::Error::other)?;
            self.writer
                .send_copied(compressed, content.len())
                .map_err(io::Error::other)?;
            self.next_frame += 1;
        }
        let mut reader: FrameReader<'_> = self
            .source
            .read_at(self.position)
            .map_err(io::Error::other)?;
        let n = reader.read(buffer)?;
        self.position += n as u64;
        Ok(n)
    }
}
