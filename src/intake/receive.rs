//! Receives a tar stream into a pack: reads along, hashes, and keeps only what arrived whole.
//!
//! Blocking: runs on a thread of its own. The stream is a stranger's: a member that was not asked
//! for ends it, and nothing of such a stream is kept.

mod error;
mod stream_reader;

use std::collections::HashMap;
use std::io::Read;
use std::ops::Range;
use std::path::PathBuf;

use crate::digest::Sha256;
use crate::interrupt::Interrupt;
use crate::manifest::{Extended, Owner};
use crate::name::RemotePath;
use crate::pack::{Order, PackOptions, PackReader, PackSummary, PackWriter, Wanted};
use crate::source::lines::Lines;
use crate::source::scan::Found;
use crate::tarstream::{self, Event, Head, Kind, Member, MemberStream};

use crate::scan::unsized_files::ReadFile;

pub use error::Error;
use stream_reader::StreamReader;

/// What becomes of members that were not asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unasked {
    /// The host was given a list, and sends something else: nothing is kept.
    Refuse,
    /// The host takes no lists and sends everything beneath the roots: they are dropped.
    Drop,
}

/// What arrived.
#[derive(Debug, Default)]
pub(crate) struct Received {
    /// Whole members in the order of the stream, and where each begins in the pack.
    pub(crate) members: Vec<(Member, u64)>,
    /// The finished pack; none if nothing arrived.
    pub(crate) pack: Option<PackSummary>,
    /// File content that crossed the wire, uncompressed.
    pub(crate) content_bytes: u64,
    /// The sizes of files as the host sent them, where only lines of them were kept.
    pub(crate) sent_bytes: HashMap<RemotePath, u64>,
    /// The first name of each further name of a link, pipe or device, where the stream has it.
    pub(crate) first_names: HashMap<RemotePath, RemotePath>,
    /// Why the stream ended early, if it did.
    pub(crate) cut: Option<tarstream::Error>,
}

/// A pack that is being filled from one stream after the other.
#[derive(Debug)]
#[must_use = "what arrived is kept by `end` or `finish` only"]
pub(crate) struct Intake {
    pack: PackWriter,
    received: Received,
    /// The number in the pack of each member of `received`.
    numbers: Vec<usize>,
    has_copied: bool,
    lines: Option<Lines>,
    /// The holes of all sparse files so far.
    hole_bytes: u64,
    /// Looked at while nothing is read, for the zeros of holes take time.
    interrupt: Interrupt,
}

impl Intake {
    /// Makes a pack at `path`.
    ///
    /// # Errors
    ///
    /// [`Error::Pack`].
    pub(crate) fn create(path: PathBuf, options: PackOptions) -> Result<Self, Error> {
        Ok(Self {
            pack: PackWriter::create(path, options)?,
            received: Received::default(),
            numbers: Vec::new(),
            has_copied: false,
            lines: None,
            hole_bytes: 0,
            interrupt: Interrupt::new(),
        })
    }

    /// From now on, just these lines of regular files are kept; all lines, if none are given.
    pub(crate) fn keep_lines(&mut self, lines: Option<Lines>) {
        self.lines = lines;
    }

    /// From now on, reading ends when `interrupt` is raised, as if the stream had been cut there.
    pub(crate) fn stop_when(&mut self, interrupt: Interrupt) {
        self.interrupt = interrupt;
    }

    /// What arrived whole.
    pub(crate) fn arrived(&self) -> impl Iterator<Item = &RemotePath> {
        self.received
            .members
            .iter()
            .map(|(member, _)| &member.head.path)
    }

    /// Another stream follows one that was ended on purpose.
    pub(crate) fn go_on(&mut self) {
        self.received.cut = None;
    }

    /// Reads `stream` to its end. `wanted` is sorted by path; `progress` is called with the content that has
    /// arrived so far and what is being read.
    ///
    /// A stream that is cut keeps what arrived whole, and says so in [`Received::cut`].
    ///
    /// # Errors
    ///
    /// [`Error`]; nothing is to be kept then: [`Intake::end`].
    pub(crate) fn read(
        &mut self,
        stream: impl Read,
        wanted: &[Found],
        unasked: Unasked,
        progress: impl FnMut(u64, &RemotePath),
    ) -> Result<(), Error> {
        let mut stream = MemberStream::new(stream);
        let mut reader = StreamReader::new(self, wanted, unasked, progress);
        loop {
            match stream.next() {
                Ok(Event::Begin { head, raw }) => reader.begin(head, raw)?,
                Ok(Event::Data(bytes)) => reader.data(bytes)?,
                Ok(Event::Hole(_)) => {
                    reader.hole();
                    if reader.is_stopped() {
                        return reader.stop(stream.offset_bytes());
                    }
                }
                Ok(Event::End(member)) => reader.end(member)?,
                Ok(Event::Finished) => return Ok(()),
                Err(error @ (tarstream::Error::Cut { .. } | tarstream::Error::Read { .. })) => {
                    return reader.cut(error);
                }
                Err(error) => return Err(Error::Refused(error)),
            }
        }
    }

    /// Adds a file that came by no stream.
    ///
    /// # Errors
    ///
    /// [`Error::Unwritable`] and [`Error::Pack`].
    pub(crate) fn add(&mut self, file: ReadFile) -> Result<(), Error> {
        let ReadFile { found, content } = file;
        let (path, Some(facts)) = (found.path, found.facts) else {
            return Ok(());
        };
        let kept = self.lines.as_ref().map(|lines| lines.of(&content));
        if kept.is_some() {
            let length = content.len() as u64;
            self.received.sent_bytes.insert(path.clone(), length);
        }
        self.received.content_bytes += content.len() as u64;
        let kept = kept.unwrap_or(content);
        let head = Head {
            kind: Kind::File {
                size_bytes: kept.len() as u64,
            },
            mode: facts.mode,
            owner: Owner {
                uid: facts.uid,
                gid: facts.gid,
                ..Owner::default()
            },
            mtime: facts.mark.mtime,
            stored_bytes: kept.len().next_multiple_of(tarstream::BLOCK_BYTES) as u64,
            path,
        };
        let Some(mut raw) = head.to_blocks() else {
            let path = head.path;
            return Err(Error::Unwritable { path });
        };
        let header_bytes = raw.len();
        raw.extend_from_slice(&kept);
        raw.resize(raw.len().next_multiple_of(tarstream::BLOCK_BYTES), 0);
        let order = Order::Free { header_bytes };
        let number = self.pack.begin_member(raw.len() as u64, order)?;
        self.pack.write(&raw)?;
        self.pack.end_member()?;
        let member = Member {
            head,
            sha256: Some(Sha256::of(&kept)),
            extended: Extended::default(),
        };
        self.received.members.push((member, 0));
        self.numbers.push(number);
        Ok(())
    }

    /// Whether the last stream ended early.
    pub(crate) fn is_cut(&self) -> bool {
        self.received.cut.is_some()
    }

    /// How long the archive in the pack is so far.
    pub(crate) fn archive_bytes(&self) -> u64 {
        self.pack.position_bytes()
    }

    /// Copies `wanted` members, in the order of their offsets, out of an older pack. Gives their numbers
    /// in this one, of which [`PackSummary::offsets`] tells where they are.
    ///
    /// # Errors
    ///
    /// [`Error::Pack`]; one that names `source` leaves this pack as it was.
    pub(crate) fn copy_from(
        &mut self,
        source: &mut PackReader,
        wanted: &[Wanted<'_>],
    ) -> Result<Range<usize>, Error> {
        let numbers = self.pack.copy_from(source, wanted)?;
        self.has_copied |= !numbers.is_empty();
        Ok(numbers)
    }

    /// Ends the pack as reading into it ended: keeps what arrived, or removes it.
    ///
    /// # Errors
    ///
    /// The one that reading ended with, or [`Error::Pack`].
    pub(crate) fn end(self, read: Result<(), Error>) -> Result<Received, Error> {
        match read {
            Ok(()) => self.finish(),
            Err(error) => {
                self.abandon()?;
                Err(error)
            }
        }
    }

    /// Ends the pack. One that would be empty is removed.
    ///
    /// # Errors
    ///
    /// [`Error::Pack`].
    pub(crate) fn finish(mut self) -> Result<Received, Error> {
        if self.received.members.is_empty() && !self.has_copied {
            self.pack.abandon()?;
        } else {
            let summary = self.pack.finish()?;
            for ((_, offset), number) in self.received.members.iter_mut().zip(self.numbers) {
                *offset = summary.offsets[number];
            }
            self.received.pack = Some(summary);
        }
        Ok(self.received)
    }

    /// Removes the pack.
    ///
    /// # Errors
    ///
    /// [`Error::Pack`].
    fn abandon(self) -> Result<(), Error> {
        Ok(self.pack.abandon()?)
    }
}

#[cfg(test)]
mod tests;
