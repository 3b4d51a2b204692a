//! Pull parser for a tar stream: gives its members in order.
//!
//! A stream that ends early is [`Error::Cut`], wherever it ends: within content here, within headers in
//! `header`, between blocks in `blocks`.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::io::Read;

use super::archive::Origin;
use super::blocks::Blocks;
use super::header::{self, Parsed};
use super::layout::{Layout, Step};
use super::{BLOCK_BYTES, Error, Head, Kind, MEMBERS_MAX, Member, TRAILER_MAX_BYTES};
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
    /// The next stored bytes of the member, 1 byte to 256 KiB: data, sparse map or padding. One that
    /// ends where a hole begins may be shorter.
    Data(&'a [u8]),
    /// So many zeros of a hole were hashed, at most 64 MiB. Nothing of them is stored, and nothing is
    /// read meanwhile: whoever may be asked to stop looks here.
    Hole(u64),
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
    has_digests: bool,
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
    /// So many zeros come next.
    hole_bytes: u64,
}

/// So much of a hole is hashed at once: some hundredths of a second.
const HOLE_STEP_BYTES: u64 = 64 << 20;

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
            has_digests: true,
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

    /// Hashes nothing: [`Member::sha256`] is none, and holes take no time.
    #[must_use]
    pub(super) fn without_digests(self) -> Self {
        Self {
            has_digests: false,
            ..self
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
            State::Inside(inside) => self.inside(inside),
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
        if self.seen.len() > MEMBERS_MAX {
            return Err(Error::TooMany);
        }
        self.state = State::Inside(Box::new(Inside {
            hasher: (self.has_digests && matches!(head.kind, Kind::File { .. })).then(Hasher::new),
            left_bytes: head.stored_bytes,
            extended: attributes.digests(),
            hole_bytes: 0,
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

    /// The next stored bytes, zeros of a hole, or the end.
    fn inside(&mut self, mut inside: Box<Inside>) -> Result<Event<'_>, Error> {
        let mut used = 0;
        if inside.hole_bytes == 0 && inside.left_bytes > 0 {
            if !self.blocks.fill()? {
                return Err(Error::Cut {
                    offset: self.blocks.offset(),
                    within: Some(inside.head.path),
                });
            }
            let stored = self.blocks.peek();
            let n =
                usize::try_from(inside.left_bytes).map_or(stored.len(), |n| n.min(stored.len()));
            used = inside.walk(&stored[..n])?;
            inside.left_bytes -= used as u64;
        } else if inside.hole_bytes == 0 {
            inside.walk(&[])?;
        }
        if used > 0 {
            self.state = State::Inside(inside);
            return Ok(Event::Data(self.blocks.consume(used)));
        }
        if inside.hole_bytes > 0 {
            let zeros = inside.hash_hole();
            self.state = State::Inside(inside);
            return Ok(Event::Hole(zeros));
        }
        inside.layout.finish()?;
        self.state = State::Between;
        Ok(Event::End(Member {
            head: inside.head,
            sha256: inside.hasher.map(Hasher::finish),
            extended: inside.extended,
        }))
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
    /// Hashes what of `stored` is content, up to the first hole. Gives how much of it was seen.
    fn walk(&mut self, stored: &[u8]) -> Result<usize, Error> {
        let mut used = 0;
        loop {
            let rest = &stored[used..];
            match self.layout.step(rest)? {
                Step::More => return Ok(used),
                Step::Skip(n) => used += n,
                Step::Bytes(n) => {
                    if let Some(hasher) = &mut self.hasher {
                        hasher.update(&rest[..n]);
                    }
                    used += n;
                }
                Step::Zeros(n) => {
                    self.hole_bytes = n;
                    return Ok(used);
                }
            }
        }
    }

    /// Hashes the next zeros of a hole. Gives how many.
    fn hash_hole(&mut self) -> u64 {
        const ZEROS: &[u8] = &[0; 64 * 1024];
        let Some(hasher) = &mut self.hasher else {
            return std::mem::take(&mut self.hole_bytes);
        };
        let zeros = self.hole_bytes.min(HOLE_STEP_BYTES);
        let mut left = zeros;
        while left > 0 {
            let n = usize::try_from(left).map_or(ZEROS.len(), |left| left.min(ZEROS.len()));
            hasher.update(&ZEROS[..n]);
            left -= n as u64;
        }
        self.hole_bytes -= zeros;
        zeros
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
