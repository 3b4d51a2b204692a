//! The standard error of a command: the beginning and the end of it, never more.

use std::collections::VecDeque;

/// So much of the beginning, and so much of the end.
const HALF_BYTES: usize = 64 * 1024;

/// Bounded standard error.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stderr {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    /// Bytes between the beginning and the end that were dropped.
    dropped_bytes: u64,
}

impl Stderr {
    pub(in crate::ssh) fn push(&mut self, bytes: &[u8]) {
        let room = HALF_BYTES - self.head.len();
        let (head, rest) = bytes.split_at(room.min(bytes.len()));
        self.head.extend_from_slice(head);
        let skipped = rest.len().saturating_sub(HALF_BYTES);
        let rest = &rest[skipped..];
        let surplus = (self.tail.len() + rest.len()).saturating_sub(HALF_BYTES);
        drop(self.tail.drain(..surplus));
        self.tail.extend(rest);
        self.dropped_bytes += (skipped + surplus) as u64;
    }

    /// Bytes between the beginning and the end that were dropped.
    #[must_use]
    pub fn dropped_bytes(&self) -> u64 {
        self.dropped_bytes
    }

    /// What is kept, in one piece.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.head.clone();
        bytes.extend(&self.tail);
        bytes
    }

    /// Nothing was written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.head.is_empty()
    }

    pub(in crate::ssh) fn contains(&self, text: &str) -> bool {
        let bytes = self.to_bytes();
        bytes
            .windows(text.len())
            .any(|window| window == text.as_bytes())
    }

    /// The last line that says something, escaped and cut to a readable length.
    #[must_use]
    pub fn last_line(&self) -> Option<String> {
        let bytes = self.to_bytes();
        let line = bytes
            .split(|&byte| byte == b'\n')
            .rev()
            .map(<[u8]>::trim_ascii)
            .find(|line| !line.is_empty())?;
        Some(crate::name::escape(&line[..line.len().min(300)]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn little_is_kept_whole() {
        let mut stderr = Stderr::default();
        stderr.push(b"one\n");
        stderr.push(b"two\n\n");
        assert_eq!(stderr.to_bytes(), b"one\ntwo\n\n");
        assert_eq!(stderr.dropped_bytes(), 0);
        assert_eq!(stderr.last_line().as_deref(), Some("two"));
    }

    #[test]
    fn of_much_the_beginning_and_the_end_are_kept() {
        for size in [1000, 32 * 1024, 300_000] {
            let whole: Vec<u8> = (0..300_000_u32).map(|at| (at % 251) as u8).collect();
            let mut stderr = Stderr::default();
            for chunk in whole.chunks(size) {
                stderr.push(chunk);
            }
            let kept = stderr.to_bytes();
            assert_eq!(kept.len(), 2 * HALF_BYTES, "{size}");
            assert_eq!(kept[..HALF_BYTES], whole[..HALF_BYTES], "{size}");
            assert_eq!(
                kept[HALF_BYTES..],
                whole[whole.len() - HALF_BYTES..],
                "{size}"
            );
            assert_eq!(
                stderr.dropped_bytes(),
                300_000 - 2 * HALF_BYTES as u64,
                "{size}"
            );
        }
    }
}
