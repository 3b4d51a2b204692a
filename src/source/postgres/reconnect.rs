//! The lines around each `\\connect` that lift the restriction of a dump and set it again.
//!
//! They are recognised by their token, which is random and new for each dump: nothing that a database
//! holds can be such a line.

/// No line with a token is longer.
const LINE_MAX_BYTES: usize = 160;

/// Takes those lines out of text that comes in pieces.
#[derive(Debug, Default)]
pub(super) struct Reconnects {
    /// The beginning of a line that may be one of them.
    line: Vec<u8>,
    /// The line that is coming is none of them.
    is_passing: bool,
    /// The last one of them lifted the restriction.
    is_lifted: bool,
}

impl Reconnects {
    /// Takes the next piece, and gives what is to be kept.
    pub(super) fn feed(&mut self, piece: &[u8], token: &[u8]) -> Vec<u8> {
        let mut kept = Vec::with_capacity(piece.len());
        for part in piece.split_inclusive(|&byte| byte == b'\n') {
            let is_end = part.ends_with(b"\n");
            if self.is_passing {
                kept.extend_from_slice(part);
                self.is_passing = !is_end;
                continue;
            }
            self.line.extend_from_slice(part);
            if is_end && self.is_of_token(token) {
                self.line.clear();
            } else if is_end || self.line.len() > LINE_MAX_BYTES {
                kept.append(&mut self.line);
                self.is_passing = !is_end;
            }
        }
        kept
    }

    /// The text has ended: gives what was held back of it.
    pub(super) fn finish(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.line)
    }

    /// Whether the restriction is lifted by now.
    pub(super) fn is_lifted(&self) -> bool {
        self.is_lifted
    }

    fn is_of_token(&mut self, token: &[u8]) -> bool {
        let Some((word, rest)) = [&b"\\restrict "[..], b"\\unrestrict "]
            .into_iter()
            .find_map(|word| Some((word, self.line.strip_prefix(word)?)))
        else {
            return false;
        };
        let is_it = rest.strip_suffix(b"\n") == Some(token);
        if is_it {
            self.is_lifted = word == b"\\unrestrict ";
        }
        is_it
    }
}
