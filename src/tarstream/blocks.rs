//! Buffered reader of tar blocks that knows its position in the stream.

use std::io::{ErrorKind, Read};

use super::{BLOCK_BYTES, Error};

/// Reads `R` in large pieces and hands them out without copying.
#[derive(Debug)]
pub(super) struct Blocks<R> {
    reader: R,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    /// Where in the stream `start` is.
    offset: u64,
}

impl<R: Read> Blocks<R> {
    /// `buffer_bytes` is at least one block.
    pub(super) fn new(reader: R, buffer_bytes: usize) -> Self {
        Self {
            reader,
            buffer: vec![0; buffer_bytes].into_boxed_slice(),
            start: 0,
            end: 0,
            offset: 0,
        }
    }

    /// How many bytes were consumed so far.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// What was read and not consumed yet.
    pub(super) fn peek(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Marks the first `n` bytes of [`peek`](Self::peek) as used and gives them.
    pub(super) fn consume(&mut self, n: usize) -> &[u8] {
        let from = self.start;
        self.start += n;
        self.offset += n as u64;
        &self.buffer[from..self.start]
    }

    /// Reads if nothing is left. False at the end of the stream.
    pub(super) fn fill(&mut self) -> Result<bool, Error> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
            self.read_more()
        } else {
            Ok(true)
        }
    }

    /// The next block; none at the end of the stream.
    pub(super) fn block(&mut self) -> Result<Option<[u8; BLOCK_BYTES]>, Error> {
        while self.end - self.start < BLOCK_BYTES {
            if self.start > 0 {
                self.buffer.copy_within(self.start..self.end, 0);
                (self.start, self.end) = (0, self.end - self.start);
            }
            if !self.read_more()? {
                if self.start == self.end {
                    return Ok(None);
                }
                return Err(Error::Cut {
                    offset: self.offset + (self.end - self.start) as u64,
                    within: None,
                });
            }
        }
        let mut block = [0; BLOCK_BYTES];
        block.copy_from_slice(self.consume(BLOCK_BYTES));
        Ok(Some(block))
    }

    fn read_more(&mut self) -> Result<bool, Error> {
        loop {
            match self.reader.read(&mut self.buffer[self.end..]) {
                Ok(0) => return Ok(false),
                Ok(n) => {
                    self.end += n;
                    return Ok(true);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(source) => {
                    return Err(Error::Read {
                        offset: self.offset + (self.end - self.start) as u64,
                        source,
                    });
                }
            }
        }
    }
}
