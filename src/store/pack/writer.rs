//! Writing a pack member by member.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::adopt::Before;
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
}

/// Writes a pack. Members are raw tar: header blocks, data, padding.
///
/// Blocking; compresses on threads of its own, which end with it. Memory stays flat. After an error
/// every further call gives [`Error::Stopped`].
#[derive(Debug)]
#[must_use = "a pack is whole only after `finish`; `abandon` removes it"]
pub struct PackWriter {
    path: PathBuf,
    /// None after an error.
    pipeline: Option<Pipeline>,
    pub(super) frame: Vec<u8>,
    /// How much was written, the open member included.
    pub(super) position: u64,
    member: Option<OpenMember>,
    pub(super) members: u64,
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
    /// Beginning so far into the frame that is being filled.
    Group { start: usize },
    /// In frames of its own.
    Own { is_marked: bool },
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
            frame: pipeline.buffer(),
            pipeline: Some(pipeline),
            position: 0,
            member: None,
            members: 0,
            before: None,
        })
    }

    /// Where the pack lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Begins a member of `raw_bytes`: header blocks, data and padding. Gives the offset of its first
    /// header block in the uncompressed pack.
    ///
    /// # Errors
    ///
    /// [`Error::MemberOpen`] if the member before is not ended; or what the disk said.
    pub fn begin_member(&mut self, raw_bytes: u64) -> Result<u64, Error> {
        self.check_between()?;
        let place = if raw_bytes >= FRAME_BYTES as u64 {
            self.send_frame(false)?;
            Place::Own { is_marked: false }
        } else {
            Place::Group {
                start: self.frame.len(),
            }
        };
        self.member = Some(OpenMember {
            declared: raw_bytes,
            written: 0,
            place,
        });
        Ok(self.position)
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
        self.position += bytes.len() as u64;
        match member.place {
            Place::Group { .. } => self.frame.extend_from_slice(bytes),
            Place::Own { .. } => {
                let mut rest = bytes;
                while !rest.is_empty() {
                    let room = FRAME_BYTES - self.frame.len();
                    let (fits, after) = rest.split_at(room.min(rest.len()));
                    self.frame.extend_from_slice(fits);
                    rest = after;
                    if self.frame.len() == FRAME_BYTES {
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
    /// [`cut_back`](Self::cut_back). Or what the disk said.
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
        self.members += 1;
        match member.place {
            Place::Own { .. } => self.send_frame(false),
            Place::Group { .. } if self.frame.len() >= FRAME_BYTES => self.send_frame(false),
            Place::Group { .. } => Ok(()),
        }
    }

    /// Drops the member that was begun and not ended, if there is one: what arrived whole is kept.
    ///
    /// # Errors
    ///
    /// What the disk said.
    pub fn cut_back(&mut self) -> Result<(), Error> {
        let Some(member) = self.member.take() else {
            return Ok(());
        };
        self.position -= member.written;
        match member.place {
            Place::Group { start } => self.frame.truncate(start),
            Place::Own { is_marked } => {
                self.frame.clear();
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
    /// [`Error::MemberOpen`]; or what the disk said. The file stays where it is.
    pub fn finish(mut self) -> Result<PackSummary, Error> {
        self.check_between()?;
        self.send_frame(false)?;
        let content_bytes = (self.position + END_BYTES).next_multiple_of(RECORD_BYTES);
        let end = usize::try_from(content_bytes - self.position).expect("about a record");
        self.frame.resize(end, 0);
        self.send_frame(false)?;
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
            members: self.members,
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

    fn send_own_frame(&mut self) -> Result<(), Error> {
        let mut is_first = false;
        if let Some(OpenMember {
            place: Place::Own { is_marked },
            ..
        }) = &mut self.member
        {
            is_first = !std::mem::replace(is_marked, true);
        }
        self.send_frame(is_first)
    }

    /// Hands on what is gathered, if anything is.
    pub(super) fn send_frame(&mut self, is_marked: bool) -> Result<(), Error> {
        if self.frame.is_empty() {
            return match self.pipeline {
                Some(_) => Ok(()),
                None => Err(self.stopped()),
            };
        }
        let content = std::mem::take(&mut self.frame);
        let is_marked = self.is_marked(is_marked);
        self.hand_on(|pipeline| pipeline.frame(content, is_marked))?;
        self.frame = self
            .pipeline
            .as_ref()
            .map(Pipeline::buffer)
            .unwrap_or_default();
        Ok(())
    }

    /// Hands on a frame of another pack, behind what was gathered before.
    pub(super) fn send_copied(&mut self, compressed: &[u8], bytes: usize) -> Result<(), Error> {
        self.send_frame(false)?;
        let pipeline = self.pipeline.as_ref().ok_or_else(|| self.stopped())?;
        let mut buffer = pipeline.buffer();
        buffer.extend_from_slice(compressed);
        let is_marked = self.is_marked(false);
        self.hand_on(|pipeline| pipeline.copied(buffer, bytes, is_marked))?;
        self.position += bytes as u64;
        Ok(())
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
        self.frame = before.frame;
        self.position = before.position;
        self.members = before.members;
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
