//! Reads the content of one member, holes filled with zeros.

use std::io::{self, Read};

use super::archive::Origin;
use super::blocks::Blocks;
use super::header::{self, Parsed};
use super::layout::{Layout, Step};
use super::{Attributes, Error, Head};

/// Small, for most members are.
const BUFFER_BYTES: usize = 32 * 1024;

/// Reads the real content of the member that `R` begins with; empty for what is no regular file.
///
/// Errors of reading are [`io::Error`]s around an [`Error`]. The digest is not compared here.
#[derive(Debug)]
pub struct MemberContent<R> {
    blocks: Blocks<R>,
    head: Head,
    attributes: Attributes,
    layout: Layout,
    /// Stored bytes that [`Layout::step`] has not seen yet.
    left_bytes: u64,
    /// Content at the front of the buffer.
    ready_bytes: usize,
    /// Content that is not stored.
    ready_zeros: u64,
}

impl<R: Read> MemberContent<R> {
    /// Reads the headers at the front of `reader`.
    ///
    /// # Errors
    ///
    /// [`Error`] if no member begins there.
    pub fn open(reader: R) -> Result<Self, Error> {
        let mut blocks = Blocks::new(reader, BUFFER_BYTES);
        let parsed = header::read(&mut blocks, &mut Vec::new(), Origin::Host)?;
        let Some(Parsed {
            head,
            layout,
            attributes,
        }) = parsed
        else {
            return Err(Error::Cut {
                offset: 0,
                within: None,
            });
        };
        Ok(Self {
            left_bytes: head.stored_bytes,
            blocks,
            head,
            attributes,
            layout,
            ready_bytes: 0,
            ready_zeros: 0,
        })
    }

    /// What the headers say.
    #[must_use]
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// Its extended attributes, ACLs and capabilities.
    #[must_use]
    pub fn attributes(&self) -> &Attributes {
        &self.attributes
    }

    /// Makes content ready; false when there is no more.
    fn advance(&mut self) -> Result<bool, Error> {
        loop {
            let available = self.blocks.peek().len();
            let n = usize::try_from(self.left_bytes).map_or(available, |left| left.min(available));
            match self.layout.step(&self.blocks.peek()[..n])? {
                Step::More if self.left_bytes == 0 => {
                    self.layout.finish()?;
                    return Ok(false);
                }
                Step::More => {
                    if !self.blocks.fill()? {
                        return Err(Error::Cut {
                            offset: self.blocks.offset(),
                            within: Some(self.head.path.clone()),
                        });
                    }
                }
                Step::Skip(n) => {
                    self.left_bytes -= n as u64;
                    self.blocks.consume(n);
                }
                Step::Bytes(n) => {
                    self.left_bytes -= n as u64;
                    self.ready_bytes = n;
                    return Ok(true);
                }
                Step::Zeros(n) => {
                    self.ready_zeros = n;
                    return Ok(true);
                }
            }
        }
    }
}

impl<R: Read> Read for MemberContent<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        if self.ready_zeros == 0
            && self.ready_bytes == 0
            && !self.advance().map_err(io::Error::other)?
        {
            return Ok(0);
        }
        if self.ready_zeros > 0 {
            let n = usize::try_from(self.ready_zeros).map_or(buffer.len(), |z| z.min(buffer.len()));
            buffer[..n].fill(0);
            self.ready_zeros -= n as u64;
            return Ok(n);
        }
        let n = self.ready_bytes.min(buffer.len());
        buffer[..n].copy_from_slice(self.blocks.consume(n));
        self.ready_bytes -= n;
        Ok(n)
    }
}
