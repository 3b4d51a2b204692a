//! The pull parser: members in the order of the stream.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::io::Read;

use super::archive::Origin;
use super::blocks::Blocks;
use super::header::{self, Parsed};
use super::layout::{Layout, Step};
use super::{BLOCK_BYTES, Error, Head, Kind, Member, TRAILER_MAX_BYTES};
use crate::digest::Hasher;
use crate::manifest::Extended;
use crate::name::RemotePath;

/// What comes next in the stream.
#[derive(Debug)]
pub enum Event<'a> {
    /// A member begins.
    Begin {
        /// What its headers say.
        head: &'a Head,
        /// All its header blocks, a multiple of 512 bytes.
        raw: &'a [u8],
    },
    /// The next stored bytes of the member, 1 byte to 256 KiB: data, sparse map or padding.
    Data(&'a [u8]),
    /// The member arrived whole.
    End(Member),
    /// The archive ended as archives end, and so did the stream. Comes again if asked again.
    Finished,
}

/// Reads a tar stream member by member, in one pass.
///
/// After an error every further call gives [`Error::Refused`].
#[derive(Debug)]
pub struct MemberStream<R> {
    blocks: Blocks<R>,
    raw: Vec<u8>,
    origin: Origin,
    state: State,
    /// Digests of the names seen: names themselves would take a multiple of the room.
    seen: HashSet<(u64, u64)>,
}

#[derive(Debug)]
enum State {
    Between,
    Inside(Box<Inside>),
    Finished,
    Refused,
}

#[derive(Debug)]
struct Inside {
    head: Head,
    extended: Extended,
    layout: Layout,
    /// Only files have content.
    hasher: Option<Hasher>,
    left_bytes: u64,
}

impl<R: Read> MemberStream<R> {
    /// Reads from `reader`, in pieces of up to 256 KiB.
    #[must_use]
    pub fn new(reader: R) -> Self {
        Self::with_buffer(reader, 256 * 1024)
    }

    /// Reads from `reader`, in pieces of up to `buffer_bytes`; for streams that are known to be short.
    #[must_use]
    pub fn with_buffer(reader: R, buffer_bytes: usize) -> Self {
        Self {
            blocks: Blocks::new(reader, buffer_bytes.max(BLOCK_BYTES)),
            raw: Vec::new(),
            origin: Origin::Host,
            state: State::Between,
            seen: HashSet::new(),
        }
    }

    /// Reads an archive that some tool wrote some time ago, in the forms that GNU tar reads: names that
    /// begin with `./`, checksums of signed bytes, old sparse files and a comment for the whole archive
    /// are taken as well. What leaves its folder or could be read differently is refused here too.
    #[must_use]
    pub fn of_archive(reader: R) -> Self {
        Self {
            origin: Origin::Archive,
            ..Self::new(reader)
        }
    }

    /// How many bytes of the stream were used so far.
    #[must_use]
    pub fn offset_bytes(&self) -> u64 {
        self.blocks.offset()
    }

    /// What comes next.
    ///
    /// # Errors
    ///
    /// [`Error`], after which nothing more can be read. A member without [`Event::End`] is to be
    /// thrown away; those before it arrived whole.
    #[expect(
        clippy::should_implement_trait,
        reason = "an iterator cannot lend its buffer"
    )]
    pub fn next(&mut self) -> Result<Event<'_>, Error> {
        match std::mem::replace(&mut self.state, State::Refused) {
            State::Between => match header::read(&mut self.blocks, &mut self.raw, self.origin)? {
                Some(parsed) => self.begin(parsed),
                None => {
                    self.read_trailer()?;
                    self.state = State::Finished;
                    Ok(Event::Finished)
                }
            },
            State::Inside(inside) if inside.left_bytes > 0 => self.data(inside),
            State::Inside(mut inside) => {
                inside.walk(&[])?;
                inside.layout.finish()?;
                self.state = State::Between;
                Ok(Event::End(Member {
                    head: inside.head,
                    sha256: inside.hasher.map(Hasher::finish),
                    extended: inside.extended,
                }))
            }
            State::Finished => {
                self.state = State::Finished;
                Ok(Event::Finished)
            }
            State::Refused => Err(Error::Refused),
        }
    }

    fn begin(&mut self, parsed: Parsed) -> Result<Event<'_>, Error> {
        let Parsed {
            head,
            layout,
            attributes,
        } = parsed;
        if !self.seen.insert(short_digest(&head.path)) {
            return Err(Error::Duplicate { path: head.path });
        }
        self.state = State::Inside(Box::new(Inside {
            hasher: matches!(head.kind, Kind::File { .. }).then(Hasher::new),
            left_bytes: head.stored_bytes,
            extended: attributes.digests(),
            layout,
            head,
        }));
        match &self.state {
            State::Inside(inside) => Ok(Event::Begin {
                head: &inside.head,
                raw: &self.raw,
            }),
            State::Between | State::Finished | State::Refused => Err(Error::Refused),
        }
    }

    fn data(&mut self, mut inside: Box<Inside>) -> Result<Event<'_>, Error> {
        if !self.blocks.fill()? {
            return Err(Error::Cut {
                offset: self.blocks.offset(),
                within: Some(inside.head.path),
            });
        }
        let available = self.blocks.peek().len();
        let n = usize::try_from(inside.left_bytes).map_or(available, |left| left.min(available));
        inside.left_bytes -= n as u64;
        inside.walk(&self.blocks.peek()[..n])?;
        self.state = State::Inside(inside);
        Ok(Event::Data(self.blocks.consume(n)))
    }

    /// What follows the end-of-archive blocks: zeros up to the writer's record size.
    fn read_trailer(&mut self) -> Result<(), Error> {
        let limit = self.blocks.offset() + TRAILER_MAX_BYTES;
        while self.blocks.fill()? {
            let rest = self.blocks.peek();
            let zeros = rest.iter().take_while(|&&b| b == 0).count();
            let is_all = zeros == rest.len();
            self.blocks.consume(zeros);
            if !is_all || self.blocks.offset() > limit {
                return Err(Error::Trailing {
                    offset: self.blocks.offset(),
                });
            }
        }
        Ok(())
    }
}

impl Inside {
    /// Hashes what of `stored` is content, and the holes around it.
    fn walk(&mut self, mut stored: &[u8]) -> Result<(), Error> {
        const ZEROS: &[u8] = &[0; 64 * 1024];
        loop {
            match self.layout.step(stored)? {
                Step::More => return Ok(()),
                Step::Skip(n) => stored = &stored[n..],
                Step::Bytes(n) => {
                    let (content, rest) = stored.split_at(n);
                    if let Some(hasher) = &mut self.hasher {
                        hasher.update(content);
                    }
                    stored = rest;
                }
                Step::Zeros(mut left) => {
                    while left > 0 {
                        let n = usize::try_from(left).map_or(ZEROS.len(), |l| l.min(ZEROS.len()));
                        if let Some(hasher) = &mut self.hasher {
                            hasher.update(&ZEROS[..n]);
                        }
                        left -= n as u64;
                    }
                }
            }
        }
    }
}

/// 128 bits of a name. Equal ones of different names would only refuse the stream.
fn short_digest(path: &RemotePath) -> (u64, u64) {
    let half = |salt: u8| {
        let mut hasher = DefaultHasher::new();
        (salt, path).hash(&mut hasher);
        hasher.finish()
    };
    (half(0), half(1))
}
