//! Filters a file's lines by a regular expression (`lines:`).

use regex::bytes::Regex;

use crate::inventory::pattern;

/// A longer file is not looked through.
pub(crate) const FILE_MAX_BYTES: u64 = 16 << 20;

/// What to do about a file that `lines` can't be taken of.
pub(crate) const WITHOUT_LINES_HINT: &str =
    "Capture the whole file: a source of its own, without `lines`.";

/// The regular expression of a source, ready to be asked.
#[derive(Debug, Clone)]
pub struct Lines {
    expression: Regex,
}

impl Lines {
    /// Reads the expression.
    ///
    /// # Errors
    ///
    /// [`regex::Error`] if it is none.
    pub fn new(text: &str) -> Result<Self, regex::Error> {
        Ok(Self {
            expression: pattern::line(text)?,
        })
    }

    /// The expression.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.expression.as_str()
    }

    /// The lines of `content` in which the expression is found, each with its own end. What ends a line
    /// is `\n` or `\r\n`, and is no part of what is looked at.
    #[must_use]
    pub fn of(&self, content: &[u8]) -> Vec<u8> {
        let mut kept = Vec::new();
        for line in content.split_inclusive(|&byte| byte == b'\n') {
            let text = line.strip_suffix(b"\n").unwrap_or(line);
            let text = text.strip_suffix(b"\r").unwrap_or(text);
            if self.expression.is_match(text) {
                kept.extend_from_slice(line);
            }
        }
        kept
    }

    /// `content` with the lines in which the expression is found replaced by `wanted`, one by one in their
    /// order. What is left of `wanted` follows the last line that was replaced, or the end; matching lines
    /// that are left are removed. All other lines stay.
    #[must_use]
    pub fn replaced(&self, content: &[u8], wanted: &[u8]) -> Vec<u8> {
        let is_line_of = |line: &[u8]| !self.of(line).is_empty();
        let lines: Vec<&[u8]> = content.split_inclusive(|&byte| byte == b'\n').collect();
        let last = lines.iter().rposition(|line| is_line_of(line));
        let mut wanted = wanted.split_inclusive(|&byte| byte == b'\n');
        let mut out: Vec<u8> = Vec::with_capacity(content.len());
        // A line without an end is the last one only.
        let push = |out: &mut Vec<u8>, line: &[u8]| {
            if !out.is_empty() && out.last() != Some(&b'\n') {
                out.push(b'\n');
            }
            out.extend_from_slice(line);
        };
        for (at, line) in lines.into_iter().enumerate() {
            if !is_line_of(line) {
                push(&mut out, line);
            } else if let Some(line) = wanted.next() {
                push(&mut out, line);
            }
            if Some(at) == last {
                for line in wanted.by_ref() {
                    push(&mut out, line);
                }
            }
        }
        for line in wanted {
            push(&mut out, line);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matching_lines_are_replaced_and_all_others_stay() {
        let lines = Lines::new("^M_").expect("an expression");
        for (content, wanted, out) in [
            (
                &b"A=1\nM_A=1\nB=2\nM_B=2\nC=3\n"[..],
                &b"M_A=9\nM_B=8\n"[..],
                &b"A=1\nM_A=9\nB=2\nM_B=8\nC=3\n"[..],
            ),
            // More are wanted than are there.
            (
                b"A=1\nM_A=1\nC=3\n",
                b"M_A=9\nM_B=8\nM_C=7\n",
                b"A=1\nM_A=9\nM_B=8\nM_C=7\nC=3\n",
            ),
            // None is there, and the last line has no end.
            (b"A=1", b"M_A=9\nM_B=8", b"A=1\nM_A=9\nM_B=8"),
            (b"", b"M_A=9\n", b"M_A=9\n"),
            // Fewer are wanted.
            (b"M_A=1\nM_B=2\nA=1\nM_C=3\n", b"M_A=9\n", b"M_A=9\nA=1\n"),
            (b"M_A=1\r\nA=1\r\n", b"M_A=9\r\n", b"M_A=9\r\nA=1\r\n"),
        ] {
            assert_eq!(lines.replaced(content, wanted), out);
            assert_eq!(
                lines.of(out),
                lines.of(&[wanted, b"\n"].concat()[..wanted.len()])
            );
        }
    }

    #[test]
    fn lines_that_match_are_kept_as_they_are() {
        for (expression, content, kept) in [
            ("^A", &b"A=1\nB=2\nA=3"[..], &b"A=1\nA=3"[..]),
            ("^A=1$", b"A=1\r\nA=11\r\nA=1\n", b"A=1\r\nA=1\n"),
            ("^A", b"", b""),
            ("^A", b"B\n\nb\n", b""),
            ("^$", b"a\n\n\nb", b"\n\n"),
            ("A", b"\xffA\xfe\nB\n", b"\xffA\xfe\n"),
            (r"(?-u:\xff)", b"x\xff\ny\n", b"x\xff\n"),
            (
                "(?i)^monitoring_",
                b"Monitoring_A=1\nX=2\n",
                b"Monitoring_A=1\n",
            ),
            ("^A|^B\nC", b"A\nB\nC\n", b"A\n"),
        ] {
            let lines = Lines::new(expression).expect("an expression");
            assert_eq!(lines.of(content), kept, "{expression}");
        }
    }
}
