//! Parses the answer to [`crate::guard::ReadCommand::Read`]: the contents of files that report no size.

/// The answer is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed line in the file contents sent by the host")]
pub struct Error;

/// One file that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// What came of it.
    pub content: Vec<u8>,
    /// It was read without an error.
    pub is_whole: bool,
}

/// Reads an answer that arrives in pieces of any size.
#[derive(Debug, Default)]
pub struct Parser {
    line: Vec<u8>,
    content: Vec<u8>,
}

/// A line of `od` has 16 bytes, and a status a few digits.
const LINE_MAX_BYTES: usize = 256;

impl Parser {
    /// Takes the next bytes and gives the files that they complete, in the order of the list.
    ///
    /// # Errors
    ///
    /// [`Error`] for other text.
    pub fn feed(&mut self, bytes: &[u8], done: &mut Vec<Reading>) -> Result<(), Error> {
        for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
            self.line.extend_from_slice(piece);
            if self.line.len() > LINE_MAX_BYTES {
                return Err(Error);
            }
            if piece.ends_with(b"\n") {
                let line = std::mem::take(&mut self.line);
                let text = std::str::from_utf8(&line).map_err(|_| Error)?;
                done.extend(self.line(text.trim())?);
            }
        }
        Ok(())
    }

    /// How much of the file that is being read has come.
    #[must_use]
    pub fn pending_bytes(&self) -> u64 {
        self.content.len() as u64
    }

    fn line(&mut self, text: &str) -> Result<Option<Reading>, Error> {
        if let Some(status) = text.strip_prefix(". ") {
            let status: u32 = status.parse().map_err(|_| Error)?;
            return Ok(Some(Reading {
                content: std::mem::take(&mut self.content),
                is_whole: status == 0,
            }));
        }
        for word in text.split_ascii_whitespace() {
            let is_byte = word.len() == 2 && word.bytes().all(|c| c.is_ascii_hexdigit());
            let byte = u8::from_str_radix(word, 16).ok().filter(|_| is_byte);
            self.content.push(byte.ok_or(Error)?);
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_however_it_is_cut() {
        let answer = b" 61 0a\n ff\n. 0\n. 0\n. 1\n 00\n. 1\n";
        let reading = |content: &[u8], is_whole| Reading {
            content: content.to_vec(),
            is_whole,
        };
        for piece in 1..answer.len() {
            let (mut parser, mut done) = (Parser::default(), Vec::new());
            for bytes in answer.chunks(piece) {
                parser.feed(bytes, &mut done).expect("an answer");
            }
            assert_eq!(
                done,
                [
                    reading(b"a\n\xff", true),
                    reading(b"", true),
                    reading(b"", false),
                    reading(b"\0", false),
                ]
            );
            assert_eq!(parser.pending_bytes(), 0);
        }
    }

    #[test]
    fn other_text_is_refused() {
        for text in ["sh: od: not found\n", "6\n", "+1\n", ". x\n", ".\n"] {
            let mut parser = Parser::default();
            let refused = parser.feed(text.as_bytes(), &mut Vec::new());
            assert_eq!(refused, Err(Error), "{text}");
        }
        let flood = parser_of(&[b'6'; 1000]);
        assert_eq!(flood, Err(Error));
    }

    fn parser_of(bytes: &[u8]) -> Result<(), Error> {
        Parser::default().feed(bytes, &mut Vec::new())
    }
}
