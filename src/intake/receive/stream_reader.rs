//! Reads one tar stream into a pack, member by member: what [`Intake::read`] does at each of its events.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::{Error, Intake, Unasked};
use crate::intake::extract::Extract;
use crate::manifest::Extended;
use crate::name::RemotePath;
use crate::pack::Order;
use crate::source::scan::Found;
use crate::tarstream::{self, Head, Kind, Member};

/// Progress is reported this often.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(100);

/// The state of reading one stream.
pub(super) struct StreamReader<'r, P> {
    intake: &'r mut Intake,
    /// Sorted by path.
    wanted: &'r [Found],
    unasked: Unasked,
    progress: P,
    reported: Instant,
    /// The member that is being kept, and whether it is a regular file; none between members, and while
    /// one is dropped.
    member: Option<(RemotePath, bool)>,
    /// Its number in the pack.
    number: usize,
    /// Collects its content where only lines of it are kept: it goes to the pack at its end.
    extract: Option<(Extract, &'r Found)>,
    names: OtherNames,
}

impl<'r, P: FnMut(u64, &RemotePath)> StreamReader<'r, P> {
    pub(super) fn new(
        intake: &'r mut Intake,
        wanted: &'r [Found],
        unasked: Unasked,
        progress: P,
    ) -> Self {
        Self {
            intake,
            wanted,
            unasked,
            progress,
            reported: Instant::now(),
            member: None,
            number: 0,
            extract: None,
            names: OtherNames::default(),
        }
    }

    /// A member begins, whose header blocks are `raw`.
    pub(super) fn begin(&mut self, head: &Head, raw: &[u8]) -> Result<(), Error> {
        // Holes cost the host nothing, and here the time to hash zeros.
        let hole_bytes = &mut self.intake.hole_bytes;
        *hole_bytes = hole_bytes.saturating_add(head.hole_bytes());
        if *hole_bytes > tarstream::HOLES_PART_MAX_BYTES {
            let path = head.path.clone();
            return Err(Error::Holes { path });
        }

        let wanted = self.wanted;
        let Ok(at) = wanted.binary_search_by(|found| found.path.cmp(&head.path)) else {
            return match self.unasked {
                Unasked::Drop => Ok(()),
                Unasked::Refuse => Err(Error::Unasked {
                    path: head.path.clone(),
                }),
            };
        };

        let found = &wanted[at];
        let is_file = matches!(head.kind, Kind::File { .. });
        let blocks = self.names.resolve(head, found);
        let raw = blocks.as_deref().unwrap_or(raw);
        if self.intake.lines.is_some() && is_file {
            self.extract = Some((Extract::begin(head, raw)?, found));
        } else {
            let raw_bytes = raw.len() as u64 + head.stored_bytes;
            let order = order(head, found, raw.len());
            self.number = self.intake.pack.begin_member(raw_bytes, order)?;
            self.intake.pack.write(raw)?;
        }
        self.member = Some((head.path.clone(), is_file));
        Ok(())
    }

    /// Content of the member came.
    pub(super) fn data(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let Some((_, is_file)) = &self.member else {
            return Ok(());
        };
        match &mut self.extract {
            Some((extract, _)) => extract.push(bytes),
            None => self.intake.pack.write(bytes)?,
        }
        if *is_file {
            self.intake.received.content_bytes += bytes.len() as u64;
            self.report();
        }
        Ok(())
    }

    /// Zeros of a sparse file were passed over.
    pub(super) fn hole(&mut self) {
        self.report();
    }

    /// Reports how much has arrived, at most once in a while.
    fn report(&mut self) {
        if let Some((path, _)) = &self.member
            && self.reported.elapsed() >= PROGRESS_INTERVAL
        {
            (self.progress)(self.intake.received.content_bytes, path);
            self.reported = Instant::now();
        }
    }

    /// Whether the operator wants to stop.
    pub(super) fn is_stopped(&self) -> bool {
        self.intake.interrupt.is_raised()
    }

    /// The member is whole.
    pub(super) fn end(&mut self, member: Member) -> Result<(), Error> {
        if self.member.take().is_none() {
            return Ok(());
        }
        let (mut member, first_name) = self.names.member(member);
        let Intake {
            pack,
            received,
            numbers,
            lines,
            ..
        } = &mut *self.intake;
        if let Some(first_name) = first_name {
            let path = member.head.path.clone();
            received.first_names.insert(path, first_name);
        }
        received.content_bytes -= padding(&member);

        // Of a file of which only lines are kept, nothing is in the pack yet.
        if let (Some((extract, found)), Some(lines)) = (self.extract.take(), lines.as_ref()) {
            let extracted = extract.end(&member, lines)?;
            if let Kind::File { size_bytes } = member.head.kind {
                received.sent_bytes.insert(member.head.path, size_bytes);
            }
            member = extracted.member;
            let raw_bytes = extracted.raw.len() as u64;
            let order = order(&member.head, found, extracted.header_bytes);
            self.number = pack.begin_member(raw_bytes, order)?;
            pack.write(&extracted.raw)?;
        }
        pack.end_member()?;
        // Where it is in the pack is known when that is finished.
        received.members.push((member, 0));
        numbers.push(self.number);
        Ok(())
    }

    /// Leaves the stream within its member, as if it had been cut there.
    pub(super) fn stop(self, offset: u64) -> Result<(), Error> {
        let within = self.member.as_ref().map(|(path, _)| path.clone());
        self.cut(tarstream::Error::Cut { offset, within })
    }

    /// The stream ended early: the member that is not whole is not kept.
    pub(super) fn cut(self, error: tarstream::Error) -> Result<(), Error> {
        if self.member.is_some() && self.extract.is_none() {
            self.intake.pack.cut_back()?;
        }
        self.intake.received.cut = Some(error);
        Ok(())
    }
}

/// A hard link must come behind the file that it leads to; other files may be anywhere.
fn order(head: &Head, found: &Found, header_bytes: usize) -> Order {
    match head.kind {
        Kind::File { .. } if !found.may_have_names() => Order::Free { header_bytes },
        Kind::File { .. }
        | Kind::HardLink { .. }
        | Kind::Directory
        | Kind::Symlink { .. }
        | Kind::Fifo
        | Kind::CharDevice { .. }
        | Kind::BlockDevice { .. } => Order::Kept,
    }
}

/// Further names of what is no regular file. GNU tar sends those of symbolic links as hard links; here
/// each becomes what it is, so that every member can be taken out of a pack by itself. Which names
/// belong together is recorded in [`Received::first_names`].
#[derive(Default)]
struct OtherNames {
    /// What has several names and is no regular file.
    kinds: HashMap<RemotePath, Kind>,
    /// What the member that is being read is kept as, and its first name.
    resolved: Option<(Head, RemotePath)>,
}

impl OtherNames {
    /// The header blocks that the member is kept with, if not with its own.
    fn resolve(&mut self, head: &Head, found: &Found) -> Option<Vec<u8>> {
        self.resolved = None;
        match &head.kind {
            Kind::HardLink { target } => {
                let kind = self.kinds.get(target)?.clone();
                let resolved = Head {
                    kind,
                    ..head.clone()
                };
                let blocks = resolved.to_blocks()?;
                self.resolved = Some((resolved, target.clone()));
                Some(blocks)
            }
            Kind::Symlink { .. }
            | Kind::Fifo
            | Kind::CharDevice { .. }
            | Kind::BlockDevice { .. } => {
                if found.may_have_names() {
                    self.kinds.insert(head.path.clone(), head.kind.clone());
                }
                None
            }
            Kind::File { .. } | Kind::Directory => None,
        }
    }

    fn member(&mut self, member: Member) -> (Member, Option<RemotePath>) {
        match self.resolved.take() {
            Some((head, first_name)) => {
                let member = Member {
                    head,
                    sha256: None,
                    extended: Extended::default(),
                };
                (member, Some(first_name))
            }
            None => (member, None),
        }
    }
}

/// The bytes that fill a file's last block. A sparse file's padding is not known, and below a block.
fn padding(member: &Member) -> u64 {
    match member.head.kind {
        Kind::File { size_bytes } if size_bytes <= member.head.stored_bytes => {
            let padding = member.head.stored_bytes - size_bytes;
            if padding < tarstream::BLOCK_BYTES as u64 {
                padding
            } else {
                0
            }
        }
        Kind::File { .. }
        | Kind::HardLink { .. }
        | Kind::Directory
        | Kind::Symlink { .. }
        | Kind::Fifo
        | Kind::CharDevice { .. }
        | Kind::BlockDevice { .. } => 0,
    }
}
