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
}

#[cfg(test)]
mod tests {
    use super::*;

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
