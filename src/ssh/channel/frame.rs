//! Takes the frame off a command's output: what comes between its opening line and its trailer.
//!
//! Noise of a login shell comes before the opening line and is dropped; the trailer never appears as
//! data, however the bytes are cut. Pure; does no I/O.

use bytes::{Bytes, BytesMut};

/// More noise than this before the opening line, and the account's shell is no shell.
pub(in crate::ssh) const NOISE_MAX_BYTES: usize = 1 << 20;

/// Digits of the largest exit status, a blank, the longest word behind it, and the line end.
const STATUS_MAX_BYTES: usize = 11 + 1 + WORD_MAX_BYTES;

/// A word behind the status is no longer.
const WORD_MAX_BYTES: usize = 16;

/// What the closing line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::ssh) struct Trailer {
    /// The exit status.
    pub(in crate::ssh) status: u32,
    /// What the script calls missing on the host, if that is why it failed.
    pub(in crate::ssh) missing: Option<String>,
}

/// A frame being taken off.
#[derive(Debug)]
pub(in crate::ssh) struct Frame {
    opening: Vec<u8>,
    closing: Vec<u8>,
    noise: BytesMut,
    open: bool,
    /// The newest chunks, which may hold the trailer or its beginning.
    held: std::collections::VecDeque<Bytes>,
    held_bytes: usize,
}

/// Too much noise came before the opening line.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::ssh) struct TooNoisy {
    /// How it begins.
    pub(in crate::ssh) excerpt: Vec<u8>,
}

impl Frame {
    pub(in crate::ssh) fn new(opening: &str, closing: &str) -> Self {
        Self {
            opening: format!("{opening}\n").into_bytes(),
            closing: closing.as_bytes().to_vec(),
            noise: BytesMut::new(),
            open: false,
            held: std::collections::VecDeque::new(),
            held_bytes: 0,
        }
    }

    /// The opening line was seen.
    pub(in crate::ssh) fn is_open(&self) -> bool {
        self.open
    }

    /// What came before the opening line, while it hasn't been seen.
    pub(in crate::ssh) fn noise(&self) -> &[u8] {
        &self.noise
    }

    /// Takes more output, and gives what is surely data to `out`.
    pub(in crate::ssh) fn push(
        &mut self,
        chunk: Bytes,
        out: &mut Vec<Bytes>,
    ) -> Result<(), TooNoisy> {
        if self.open {
            self.hold(chunk, out);
            return Ok(());
        }
        let from = (self.noise.len() + 1).saturating_sub(self.opening.len());
        self.noise.extend_from_slice(&chunk);
        let found = find(&self.noise[from..], &self.opening);
        match found {
            Some(at) => {
                let mut rest = std::mem::take(&mut self.noise);
                drop(rest.split_to(from + at + self.opening.len()));
                self.open = true;
                self.hold(rest.freeze(), out);
                Ok(())
            }
            None if self.noise.len() > NOISE_MAX_BYTES => Err(TooNoisy {
                excerpt: self.noise[..200].to_vec(),
            }),
            None => Ok(()),
        }
    }

    fn hold(&mut self, chunk: Bytes, out: &mut Vec<Bytes>) {
        if chunk.is_empty() {
            return;
        }
        self.held_bytes += chunk.len();
        self.held.push_back(chunk);
        let needed = self.closing.len() + STATUS_MAX_BYTES;
        while let Some(oldest) = self.held.front() {
            if self.held_bytes - oldest.len() < needed {
                break;
            }
            self.held_bytes -= oldest.len();
            out.extend(self.held.pop_front());
        }
    }

    /// The trailer, if the output so far ends with one, and how long it is.
    fn trailer(&self) -> Option<(Trailer, usize)> {
        if !self.held.back()?.ends_with(b"\n") {
            return None;
        }
        let needed = self.closing.len() + STATUS_MAX_BYTES;
        let mut tail = Vec::with_capacity(needed);
        for chunk in self.held.iter().rev() {
            let missing = needed - tail.len();
            let part = &chunk[chunk.len().saturating_sub(missing)..];
            tail.splice(0..0, part.iter().copied());
            if tail.len() == needed {
                break;
            }
        }
        let line = &tail[..tail.len() - 1];
        let is_word = |word: &&[u8]| {
            !word.is_empty()
                && word.len() <= WORD_MAX_BYTES
                && word.iter().all(u8::is_ascii_lowercase)
        };
        let blank = line.iter().rposition(|&byte| byte == b' ');
        let word = blank.map(|at| &line[at + 1..]).filter(is_word);
        let digits_to = line.len() - word.map_or(0, |word| word.len() + 1);
        let digits_from = line[..digits_to]
            .iter()
            .rposition(|byte| !byte.is_ascii_digit())?
            + 1;
        let digits = std::str::from_utf8(&line[digits_from..digits_to]).ok()?;
        let trailer = Trailer {
            status: digits.parse().ok()?,
            missing: word.map(|word| String::from_utf8_lossy(word).into_owned()),
        };
        tail[..digits_from]
            .ends_with(&self.closing)
            .then(|| (trailer, self.closing.len() + tail.len() - digits_from))
    }

    /// The output so far ends with the trailer.
    pub(in crate::ssh) fn is_closed(&self) -> bool {
        self.open && self.trailer().is_some()
    }

    /// The rest of the data, and the trailer if there is one.
    pub(in crate::ssh) fn finish(&mut self, out: &mut Vec<Bytes>) -> Option<Trailer> {
        let trailer = if self.open { self.trailer() } else { None };
        let mut rest = BytesMut::with_capacity(self.held_bytes);
        for chunk in self.held.drain(..) {
            rest.extend_from_slice(&chunk);
        }
        self.held_bytes = 0;
        let length = trailer.as_ref().map_or(0, |(_, length)| *length);
        rest.truncate(rest.len() - length);
        if !rest.is_empty() {
            out.push(rest.freeze());
        }
        trailer.map(|(trailer, _)| trailer)
    }
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len())
        .position(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds `output` in pieces of `size` bytes; the data, and the status.
    fn unframe(output: &[u8], size: usize) -> (Vec<u8>, Option<u32>) {
        let mut frame = Frame::new("n0 begin", "\nn0 end ");
        let mut out = Vec::new();
        for chunk in output.chunks(size) {
            frame
                .push(Bytes::copy_from_slice(chunk), &mut out)
                .expect("little noise");
        }
        let trailer = frame.finish(&mut out);
        assert_eq!(
            trailer.as_ref().and_then(|trailer| trailer.missing.clone()),
            None
        );
        (out.concat(), trailer.map(|trailer| trailer.status))
    }

    #[test]
    fn what_is_missing_comes_behind_the_status() {
        for (closing, expected) in [
            ("\nn0 end 127 program\n", Some((127, "program"))),
            ("\nn0 end 71 account\n", Some((71, "account"))),
            ("\nn0 end 71 Account\n", None),
            ("\nn0 end 71 an account\n", None),
            ("\nn0 end program\n", None),
        ] {
            for size in 1..closing.len() {
                let output = format!("n0 begin\nbody{closing}");
                let mut frame = Frame::new("n0 begin", "\nn0 end ");
                let mut out = Vec::new();
                for chunk in output.as_bytes().chunks(size) {
                    frame
                        .push(Bytes::copy_from_slice(chunk), &mut out)
                        .expect("little noise");
                }
                let trailer = frame.finish(&mut out);
                assert_eq!(
                    trailer.map(|trailer| (trailer.status, trailer.missing)),
                    expected.map(|(status, word)| (status, Some(word.to_owned()))),
                    "{closing}"
                );
                let body = expected.map_or(format!("body{closing}"), |_| "body".to_owned());
                assert_eq!(out.concat(), body.as_bytes());
            }
        }
    }

    #[test]
    fn the_frame_comes_off_however_the_bytes_are_cut() {
        let body = b"one\nn0 end 7\nn0 begin\n\nn0 end x\n\0\xff";
        let mut output = b"noise without an end n0 begin'n0 begin\n".to_vec();
        output.extend_from_slice(body);
        output.extend_from_slice(b"\nn0 end 4294967295\n");
        for size in 1..output.len() {
            assert_eq!(
                unframe(&output, size),
                (body.to_vec(), Some(u32::MAX)),
                "{size}"
            );
        }
    }

    #[test]
    fn an_empty_body_is_empty() {
        assert_eq!(unframe(b"n0 begin\n\nn0 end 0\n", 3), (Vec::new(), Some(0)));
    }

    #[test]
    fn a_cut_trailer_is_no_trailer() {
        let whole = b"n0 begin\nbody\nn0 end 12\n";
        for length in 9..whole.len() {
            let (body, status) = unframe(&whole[..length], 4);
            assert_eq!(status, None, "{length}");
            assert_eq!(body, whole[9..length], "{length}");
        }
    }

    #[test]
    fn what_follows_the_trailer_makes_it_data() {
        assert_eq!(
            unframe(b"n0 begin\n\nn0 end 0\nbye\n", 5),
            (b"\nn0 end 0\nbye\n".to_vec(), None)
        );
    }

    #[test]
    fn a_shell_that_only_talks_is_told_apart() {
        let mut frame = Frame::new("n0 begin", "\nn0 end ");
        let mut out = Vec::new();
        let mut pushed = Ok(());
        for _ in 0..2 {
            pushed = frame.push(Bytes::from(vec![b'x'; NOISE_MAX_BYTES / 2 + 1]), &mut out);
        }
        assert_eq!(
            pushed,
            Err(TooNoisy {
                excerpt: vec![b'x'; 200]
            })
        );
    }

    #[test]
    fn the_trailer_is_seen_before_the_end() {
        let mut frame = Frame::new("n0 begin", "\nn0 end ");
        let mut out = Vec::new();
        let mut seen = Vec::new();
        for chunk in [&b"n0 begin\nab"[..], b"c\nn0 end", b" 1", b"0\n"] {
            frame
                .push(Bytes::from_static(chunk), &mut out)
                .expect("no noise");
            seen.push(frame.is_closed());
        }
        assert_eq!(seen, [false, false, false, true]);
    }
}
