//! Follows a dump as SQL text: a head of comments, the statements, and an end that only a whole dump has.
//!
//! What is taken out is taken out of the head and of the end alone: a row of a table may begin with
//! `\r`, for a carriage return, and say anything after it.

use super::reconnect::Reconnects;
use super::{Error, Whole, not_a_dump};

/// So much of the end is held back until it is known to be the end; the marker and a token are shorter.
const END_BYTES: usize = 1024;

/// A head is ten lines.
const HEAD_MAX_BYTES: usize = 64 << 10;

/// Reads SQL text.
#[derive(Debug)]
pub(super) struct Text {
    /// The first line that says something.
    title: Vec<u8>,
    head: Option<Head>,
    whole: Whole,
    /// The word of the `\restrict` line.
    token: Option<Vec<u8>>,
    /// For a dump that connects anew in the middle.
    reconnects: Option<Reconnects>,
    /// The last bytes that came.
    held: Vec<u8>,
    /// More came than what is held.
    has_passed: bool,
    is_empty: bool,
}

/// What is read of the head so far.
#[derive(Debug, Default)]
struct Head {
    /// The line that isn't complete yet.
    line: Vec<u8>,
    lines: usize,
    bytes: usize,
    /// The line before was taken out; a blank line after it goes with it.
    took_out: bool,
}

impl Text {
    /// `what` it is the dump of, in PostgreSQL's words.
    pub(super) fn new(what: &str) -> Self {
        Self {
            title: format!("-- PostgreSQL {what}").into_bytes(),
            head: Some(Head::default()),
            whole: Whole::default(),
            token: None,
            reconnects: None,
            held: Vec::new(),
            has_passed: false,
            is_empty: true,
        }
    }

    /// The same for a dump that connects to its database in the middle. Around each `\connect` the
    /// restriction is lifted and set again; those lines are taken out too.
    pub(super) fn with_reconnects(what: &str) -> Self {
        Self {
            reconnects: Some(Reconnects::default()),
            ..Self::new(what)
        }
    }

    pub(super) fn feed(&mut self, piece: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        self.is_empty &= piece.is_empty();
        let mut rest = piece;
        while let Some(mut head) = self.head.take() {
            let Some(end) = rest.iter().position(|&byte| byte == b'\n') else {
                head.bytes += rest.len();
                head.line.extend_from_slice(rest);
                if head.bytes > HEAD_MAX_BYTES {
                    return Err(not_a_dump(&head.line));
                }
                self.head = Some(head);
                return Ok(());
            };
            head.line.extend_from_slice(&rest[..end]);
            rest = &rest[end + 1..];
            let line = std::mem::take(&mut head.line);
            head.bytes += line.len() + 1;
            if self.take_head_line(&mut head, &line, out)? {
                self.head = Some(head);
            } else {
                self.take_body(&line, out);
                self.take_body(b"\n", out);
            }
        }
        self.take_body(rest, out);
        Ok(())
    }

    fn take_body(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        match (&mut self.reconnects, &self.token) {
            (Some(reconnects), Some(token)) => {
                let rest = reconnects.feed(piece, token);
                self.hold(&rest, out);
            }
            _ => self.hold(piece, out),
        }
    }

    /// Whether the head goes on after this line.
    fn take_head_line(
        &mut self,
        head: &mut Head,
        line: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<bool, Error> {
        head.lines += 1;
        let is_as_expected = match head.lines {
            1 | 3 => line == b"--",
            2 => line == self.title,
            _ => true,
        };
        if !is_as_expected || head.bytes > HEAD_MAX_BYTES {
            return Err(not_a_dump(line));
        }
        let version = |line: &[u8], key: &[u8]| {
            let said = line.strip_prefix(key)?;
            Some(crate::name::escape(&said[..said.len().min(200)]))
        };
        let took_out = if let Some(said) = version(line, b"-- Dumped from database version ") {
            self.whole.server_version = Some(said);
            true
        } else if let Some(said) = version(line, b"-- Dumped by pg_dump version ") {
            self.whole.tool_version = Some(said);
            true
        } else if let Some(token) = self.new_token(line) {
            self.token = Some(token);
            true
        } else if line.is_empty() {
            if !head.took_out {
                out.push(b'\n');
            }
            head.took_out = false;
            return Ok(true);
        } else {
            false
        };
        head.took_out = took_out;
        if took_out {
            return Ok(true);
        }
        if line.starts_with(b"--") {
            out.extend_from_slice(line);
            out.push(b'\n');
            return Ok(true);
        }
        Ok(false)
    }

    fn new_token(&self, line: &[u8]) -> Option<Vec<u8>> {
        let token = line.strip_prefix(b"\\restrict ")?;
        let is_word =
            !token.is_empty() && token.len() <= 128 && token.iter().all(u8::is_ascii_alphanumeric);
        (is_word && self.token.is_none()).then(|| token.to_vec())
    }

    /// Passes on all but the last bytes.
    fn hold(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        if piece.len() >= END_BYTES {
            let (pass, keep) = piece.split_at(piece.len() - END_BYTES);
            self.has_passed |= !self.held.is_empty() || !pass.is_empty();
            out.append(&mut self.held);
            out.extend_from_slice(pass);
            self.held.extend_from_slice(keep);
            return;
        }
        self.held.extend_from_slice(piece);
        let surplus = self.held.len().saturating_sub(END_BYTES);
        if surplus > 0 {
            self.has_passed = true;
            out.extend(self.held.drain(..surplus));
        }
    }

    pub(super) fn finish(mut self, out: &mut Vec<u8>) -> Result<Whole, Error> {
        if self.is_empty {
            return Err(Error::Empty);
        }
        if let Some(reconnects) = &mut self.reconnects {
            let rest = reconnects.finish();
            self.hold(&rest, out);
        }
        let missing = "the line that ends every whole dump is missing";
        let Some(end) = self.end() else {
            return Err(Error::Cut { missing });
        };
        out.extend(end);
        Ok(self.whole)
    }

    /// What is held, without the line that lifts the restriction; none if it isn't an end.
    fn end(&self) -> Option<Vec<u8>> {
        let mut lines: Vec<&[u8]> = self.held.split(|&byte| byte == b'\n').collect();
        // What comes behind the last line end.
        if self.head.is_some() || lines.pop() != Some(b"") {
            return None;
        }
        let lift = self
            .token
            .as_ref()
            .map(|token| [b"\\unrestrict ", token.as_slice()].concat());
        let mut is_lifted = match &self.reconnects {
            Some(reconnects) => lift.is_none() || reconnects.is_lifted(),
            None => lift.is_none(),
        };
        let mut take_lift = |lines: &mut Vec<&[u8]>| {
            if !is_lifted && lines.last().copied() == lift.as_deref() {
                lines.pop();
                is_lifted = true;
            }
            is_lifted
        };
        let marker = [&self.title[..], b" complete"].concat();

        drop_blank(&mut lines);
        if take_lift(&mut lines) {
            drop_blank(&mut lines);
        }
        for expected in [b"--", marker.as_slice(), b"--"] {
            if lines.pop() != Some(expected) {
                return None;
            }
        }
        // The first line that is held may be the rest of a longer one.
        if lines.is_empty() && self.has_passed {
            return None;
        }
        // pg_dumpall lifts it before its last words.
        let before = lines.len();
        drop_blank(&mut lines);
        let blank_lines = before - lines.len();
        let had = lines.len();
        if !take_lift(&mut lines) {
            return None;
        }
        if lines.len() == had {
            lines.extend(std::iter::repeat_n(&b""[..], blank_lines));
        }
        lines.extend([b"--", marker.as_slice(), b"--", b"", b""]);
        Some(lines.join(&b'\n'))
    }
}

fn drop_blank(lines: &mut Vec<&[u8]>) {
    while lines.last().is_some_and(|line| line.is_empty()) {
        lines.pop();
    }
}
