//! Writes a pack member by member.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::copy::Before;
use super::group::{self, Group, Order, SAMPLE_BYTES};
use super::pipeline::{Disk, Pipeline};
use super::{Error, FRAME_BYTES, index};
use crate::digest::Sha256;

/// The size of the records that tar writes; an archive ends at a multiple of it.
const RECORD_BYTES: u64 = 10_240;
/// The two end-of-archive blocks.
const END_BYTES: u64 = 1024;

/// How a pack is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PackOptions {
    /// zstd's level.
    pub level: i32,
    /// How many threads compress, at least 1. Each holds about 5 MiB.
    pub threads: usize,
}

impl Default for PackOptions {
    fn default() -> Self {
        Self {
            level: 3,
            threads: 2,
        }
    }
}

/// A pack that is whole and synced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackSummary {
    /// The digest of the pack file.
    pub sha256: Sha256,
    /// The length of the pack file.
    pub stored_bytes: u64,
    /// The length of the archive in it, end-of-archive blocks included.
    pub content_bytes: u64,
    /// How many members it has.
    pub members: u64,
    /// Where the first header block of each member begins in the uncompressed pack, by its number.
    pub offsets: Vec<u64>,
}

/// Writes a pack. Members are raw tar: header blocks, data, padding.
///
/// Members get numbers, from 0 on without gaps, in the order in which they are begun. Where each is
/// is known at the end: small ones of which the order does not matter and that hardly compress are
/// gathered in frames apart from all others.
///
/// Blocking; compresses on threads of its own, which end with it. Memory stays flat. After an error
/// every further call gives [`Error::Stopped`].
#[derive(Debug)]
#[must_use = "a pack is whole only after `finish`; `abandon` removes it"]
pub struct PackWriter {
    path: PathBuf,
    /// None after an error.
    pipeline: Option<Pipeline>,
    /// Small members, and the next frame of a large one.
    pub(super) plain: Group,
    /// Small members that hardly compress.
    incompressible: Group,
    /// How much of the archive was handed on.
    pub(super) sent: u64,
    member: Option<OpenMember>,
    /// Of each whole member, by number; zero while it is in a group.
    pub(super) offsets: Vec<u64>,
    /// What to go back to, while members of another pack are copied.
    pub(super) before: Option<Before>,
}

#[derive(Debug)]
struct OpenMember {
    declared: u64,
    written: u64,
    place: Place,
}

#[derive(Debug, Clone, Copy)]
enum Place {
    /// Beginning so far into [`PackWriter::plain`]. `content_at`: it may be found to be incompressible, by what
    /// begins there.
    Plain {
        start: usize,
        content_at: Option<usize>,
    },
    /// Beginning so far into [`PackWriter::incompressible`].
    Incompressible { start: usize },
    /// In frames of its own, from here on in the archive.
    Own { offset: u64, is_marked: bool },
}

#[derive(Debug, Clone, Copy)]
enum Which {
    Plain,
    Incompressible,
}

impl PackWriter {
    /// Makes the file, readable by its owner alone.
    ///
    /// # Errors
    ///
    /// [`Error::Create`], also if it is there already; [`Error::Compress`] if zstd refuses the level
    /// or no thread can be had.
    pub fn create(path: impl Into<PathBuf>, options: PackOptions) -> Result<Self, Error> {
        let path = path.into();
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path);
        match file {
            Ok(file) => Self::onto(path, file, options),
            Err(source) => Err(Error::Create { path, source }),
        }
    }

    pub(super) fn onto(path: PathBuf, file: File, options: PackOptions) -> Result<Self, Error> {
        let disk = Disk::new(path.clone(), file);
        let pipeline = Pipeline::start(disk, options.level, options.threads)?;
        Ok(Self {
            path,
            pipeline: Some(pipeline),
            plain: Group::default(),
            incompressible: Group::default(),
            sent: 0,
            member: None,
            offsets: Vec::new(),
            before: None,
        })
    }

    /// Where the pack is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How long the archive is so far, the open member included.
    #[must_use]
    pub fn position_bytes(&self) -> u64 {
        self.sent + (self.plain.bytes.len() + self.incompressible.bytes.len()) as u64
    }

    /// Begins a member of `raw_bytes`: header blocks, data and padding. Gives its number, by which
    /// [`PackSummary::offsets`] tells where it is. One that is cut back leaves its number to the next.
    ///
    /// # Errors
    ///
    /// [`Error::MemberOpen`] if the member before is not ended; or an I/O error.
    pub fn begin_member(&mut self, raw_bytes: u64, order: Order) -> Result<usize, Error> {
        self.check_between()?;
        let place = if raw_bytes >= FRAME_BYTES as u64 {
            self.send_plain(false)?;
            Place::Own {
                offset: self.sent,
                is_marked: false,
            }
        } else {
            let start = self.plain.bytes.len();
            let content_at = match order {
                Order::Kept => None,
                Order::Free { header_bytes } => Some(start.saturating_add(header_bytes)),
            };
            Place::Plain { start, content_at }
        };
        self.member = Some(OpenMember {
            declared: raw_bytes,
            written: 0,
            place,
        });
        Ok(self.offsets.len())
    }

    /// Adds `bytes` to the member.
    ///
    /// # Errors
    ///
    /// [`Error::MemberLength`] if it would become longer than declared; [`Error::Write`] for this or
    /// an earlier write.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let (declared, before) = self
            .member
            .as_ref()
            .map_or((0, 0), |m| (m.declared, m.written));
        let written = before.saturating_add(bytes.len() as u64);
        let Some(member) = self.member.as_mut().filter(|m| written <= m.declared) else {
            return Err(Error::MemberLength {
                path: self.path.clone(),
                declared,
                written,
            });
        };
        member.written = written;
        let place = member.place;
        match place {
            Place::Plain { start, content_at } => {
                self.fill(bytes, Which::Plain);
                if let Some(at) = content_at
                    && self.plain.bytes.len() >= at.saturating_add(SAMPLE_BYTES)
                {
                    let place = self.settle(start, at);
                    if let Some(member) = &mut self.member {
                        member.place = place;
                    }
                }
            }
            Place::Incompressible { .. } => self.fill(bytes, Which::Incompressible),
            Place::Own { .. } => {
                let mut rest = bytes;
                while !rest.is_empty() {
                    let room = FRAME_BYTES - self.plain.bytes.len();
                    let (fits, after) = rest.split_at(room.min(rest.len()));
                    self.fill(fits, Which::Plain);
                    rest = after;
                    if self.plain.bytes.len() == FRAME_BYTES {
                        self.send_own_frame()?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Ends the member.
    ///
    /// # Errors
    ///
    /// [`Error::MemberLength`] if it is shorter than declared: go on writing, or
    /// [`cut_back`](Self::cut_back). Or an I/O error.
    pub fn end_member(&mut self) -> Result<(), Error> {
        let (declared, written) = self
            .member
            .as_ref()
            .map_or((0, 0), |m| (m.declared, m.written));
        let Some(member) = self.member.take_if(|m| m.written == m.declared) else {
            return Err(Error::MemberLength {
                path: self.path.clone(),
                declared,
                written,
            });
        };
        let place = match member.place {
            // It was too short to be judged on the way.
            Place::Plain {
                start,
                content_at: Some(at),
            } => self.settle(start, at),
            settled => settled,
        };
        match place {
            Place::Plain { start, .. } => self.gather(Which::Plain, start),
            Place::Incompressible { start } => self.gather(Which::Incompressible, start),
            Place::Own { offset, .. } => {
                self.offsets.push(offset);
                self.send_plain(false)
            }
        }
    }

    /// Drops the member that was begun and not ended, if there is one: files that arrived completely are kept.
    ///
    /// # Errors
    ///
    /// An I/O error.
    pub fn cut_back(&mut self) -> Result<(), Error> {
        let Some(member) = self.member.take() else {
            return Ok(());
        };
        match member.place {
            Place::Plain { start, .. } => self.plain.bytes.truncate(start),
            Place::Incompressible { start } => self.incompressible.bytes.truncate(start),
            Place::Own { offset, is_marked } => {
                self.plain.bytes.clear();
                self.sent = offset;
                if is_marked {
                    self.hand_on(Pipeline::cut_back)?;
                }
            }
        }
        Ok(())
    }

    /// Ends the archive, adds the index, and makes the file durable. The folder that holds it is the
    /// caller's to sync.
    ///
    /// # Errors
    ///
    /// [`Error::MemberOpen`]; or an I/O error. The file stays where it is.
    pub fn finish(mut self) -> Result<PackSummary, Error> {
        self.check_between()?;
        self.send_plain(false)?;
        self.send(Which::Incompressible, false)?;
        let content_bytes = (self.sent + END_BYTES).next_multiple_of(RECORD_BYTES);
        let end = usize::try_from(content_bytes - self.sent).expect("about a record");
        self.plain.bytes.resize(end, 0);
        self.send_plain(false)?;
        let pipeline = self.pipeline.take().ok_or_else(|| self.stopped())?;
        let mut disk = pipeline.join(&self.path)?;
        let index = index::encode(disk.frames())
            .ok_or_else(|| disk.write_error(io::ErrorKind::FileTooLarge.into()))?;
        disk.append(&index)?;
        let (sha256, stored_bytes) = disk.sync()?;
        Ok(PackSummary {
            sha256,
            stored_bytes,
            content_bytes,
            members: self.offsets.len() as u64,
            offsets: std::mem::take(&mut self.offsets),
        })
    }

    /// Stops and removes the file.
    ///
    /// # Errors
    ///
    /// [`Error::Write`] if it can't be removed.
    pub fn abandon(mut self) -> Result<(), Error> {
        if let Some(pipeline) = self.pipeline.take() {
            // What failed before no longer matters.
            drop(pipeline.join(&self.path));
        }
        std::fs::remove_file(&self.path).map_err(|source| Error::Write {
            path: self.path.clone(),
            source,
        })
    }

    /// Fails inside a member.
    pub(super) fn check_between(&self) -> Result<(), Error> {
        match self.member {
            None => Ok(()),
            Some(_) => Err(Error::MemberOpen {
                path: self.path.clone(),
            }),
        }
    }

    fn group(&mut self, which: Which) -> &mut Group {
        match which {
            Which::Plain => &mut self.plain,
            Which::Incompressible => &mut self.incompressible,
        }
    }

    fn fill(&mut self, bytes: &[u8], which: Which) {
        if self.group(which).bytes.capacity() == 0
            && let Some(pipeline) = &self.pipeline
        {
            let buffer = pipeline.buffer();
            self.group(which).bytes = buffer;
        }
        self.group(which).bytes.extend_from_slice(bytes);
    }

    /// Judges the member that is in the plain group from `start` on by its content, which begins
    /// at `at`, and puts it where it belongs.
    fn settle(&mut self, start: usize, at: usize) -> Place {
        if !self
            .plain
            .bytes
            .get(at..)
            .is_some_and(group::is_incompressible)
        {
            return Place::Plain {
                start,
                content_at: None,
            };
        }
        let mut plain = std::mem::take(&mut self.plain.bytes);
        let place = Place::Incompressible {
            start: self.incompressible.bytes.len(),
        };
        self.fill(&plain[start..], Which::Incompressible);
        plain.truncate(start);
        self.plain.bytes = plain;
        place
    }

    /// Keeps the member that is in a group from `start` on.
    fn gather(&mut self, which: Which, start: usize) -> Result<(), Error> {
        let number = self.offsets.len();
        self.offsets.push(0);
        let group = self.group(which);
        group.members.push((number, start));
        if group.bytes.len() < FRAME_BYTES {
            return Ok(());
        }
        self.send(which, false)
    }

    fn send_own_frame(&mut self) -> Result<(), Error> {
        let mut is_first = false;
        if let Some(OpenMember {
            place: Place::Own { is_marked, .. },
            ..
        }) = &mut self.member
        {
            is_first = !std::mem::replace(is_marked, true);
        }
        self.send_plain(is_first)
    }

    /// Hands on what is gathered of all but incompressible members, if anything is.
    pub(super) fn send_plain(&mut self, is_marked: bool) -> Result<(), Error> {
        self.send(Which::Plain, is_marked)
    }

    fn send(&mut self, which: Which, is_marked: bool) -> Result<(), Error> {
        let Group { bytes, members } = std::mem::take(self.group(which));
        if bytes.is_empty() {
            self.group(which).bytes = bytes;
            return match self.pipeline {
                Some(_) => Ok(()),
                None => Err(self.stopped()),
            };
        }
        for (number, start) in members {
            self.offsets[number] = self.sent + start as u64;
        }
        self.sent += bytes.len() as u64;
        let is_marked = self.is_marked(is_marked);
        self.hand_on(|pipeline| pipeline.frame(bytes, is_marked))
    }

    /// Hands on a frame of another pack, behind all that is not incompressible and was gathered before.
    pub(super) fn send_copied(&mut self, compressed: &[u8], bytes: usize) -> Result<(), Error> {
        self.send_plain(false)?;
        let is_marked = self.is_marked(false);
        self.sent += bytes as u64;
        self.hand_on(|pipeline| pipeline.copied(compressed, bytes, is_marked))
    }

    /// Whether the next frame is one to go back to. While another pack's members are copied, only
    /// the first one is.
    fn is_marked(&mut self, is_marked: bool) -> bool {
        match &mut self.before {
            Some(before) => !std::mem::replace(&mut before.is_marked, true),
            None => is_marked,
        }
    }

    /// Drops what came after `before`, an open member too.
    pub(super) fn go_back(&mut self, before: Before) -> Result<(), Error> {
        self.member = None;
        self.plain = before.plain;
        self.sent = before.sent;
        self.offsets.truncate(before.members);
        if before.is_marked {
            self.hand_on(Pipeline::cut_back)?;
        }
        Ok(())
    }

    /// Asks the threads for something; if they have ended, says why.
    fn hand_on(&mut self, ask: impl FnOnce(&mut Pipeline) -> bool) -> Result<(), Error> {
        let mut pipeline = self.pipeline.take().ok_or_else(|| self.stopped())?;
        if ask(&mut pipeline) {
            self.pipeline = Some(pipeline);
            return Ok(());
        }
        pipeline.join(&self.path)?;
        Err(self.stopped())
    }

    fn stopped(&self) -> Error {
        Error::Stopped {
            path: self.path.clone(),
        }
    }
}

impl Drop for PackWriter {
    fn drop(&mut self) {
        if let Some(pipeline) = self.pipeline.take() {
            // Its threads must not outlive it; the file is unfinished whatever they say.
            drop(pipeline.join(&self.path));
        }
    }
}
