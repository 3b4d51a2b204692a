//! Texts of the other side before a connection is usable: lines before its identification, banners,
//! instructions of a login, the reason for an end; and the standard error of a `ProxyCommand`. Escaped,
//! and at most 4 KiB of it.

use std::fmt;

/// So much is kept of each speaker.
pub(in crate::ssh) const WORDS_MAX_BYTES: usize = 4 << 10;

/// Text of one speaker as it arrives.
#[derive(Debug, Clone, Default)]
pub(in crate::ssh) struct Transcript {
    lines: Vec<String>,
    bytes: usize,
    is_cut: bool,
}

/// What the other side said. The `Display` text is one line, or a line for each of several.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Words {
    speaker: Speaker,
    text: String,
    #[source]
    next: Option<Box<Words>>,
}

/// Who says something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::ssh) enum Speaker {
    /// The host of this name.
    Host(String),
    /// The command that stands for the network.
    ProxyCommand,
}

impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.speaker {
            Speaker::Host(name) => write!(f, "{name} said:")?,
            Speaker::ProxyCommand => f.write_str("its ProxyCommand said:")?,
        }
        let separator = if self.text.contains('\n') { '\n' } else { ' ' };
        write!(f, "{separator}{}", self.text)
    }
}

impl Words {
    /// All of these, the first outermost; none if nobody said anything.
    pub(in crate::ssh) fn of<const N: usize>(
        said: [(Speaker, &Transcript); N],
    ) -> Option<Box<Self>> {
        said.into_iter()
            .rev()
            .filter_map(|(speaker, transcript)| Some((speaker, transcript.text()?)))
            .fold(None, |next, (speaker, text)| {
                Some(Box::new(Self {
                    speaker,
                    text,
                    next,
                }))
            })
    }
}

impl Transcript {
    /// Adds text that ends a line; what is beyond the bound is dropped.
    pub(in crate::ssh) fn add(&mut self, text: &[u8]) {
        // An escaped byte is never shorter than the byte itself.
        let kept = &text[..text.len().min(WORDS_MAX_BYTES)];
        for line in kept.split(|&byte| byte == b'\n') {
            let line: Vec<u8> = line
                .iter()
                .map(|&byte| if byte == b'\t' { b' ' } else { byte })
                .collect();
            let line = crate::name::escape(line.trim_ascii_end());
            if line.trim().is_empty() || self.is_cut {
                continue;
            }
            let room = WORDS_MAX_BYTES.saturating_sub(self.bytes);
            let end = line
                .char_indices()
                .map(|(at, c)| at + c.len_utf8())
                .take_while(|end| *end <= room)
                .last()
                .unwrap_or(0);
            self.is_cut = end < line.len();
            self.bytes += end + 1;
            self.lines.push(line[..end].to_owned());
        }
        self.is_cut |= kept.len() < text.len();
    }

    /// The lines; none if there is nothing to read in them.
    pub(in crate::ssh) fn text(&self) -> Option<String> {
        if self.lines.is_empty() {
            return None;
        }
        let mut text = self.lines.join("\n");
        if self.is_cut {
            text.push('…');
        }
        Some(text)
    }
}

/// One line, escaped and bounded.
pub(in crate::ssh) fn one_line(text: &str) -> String {
    let mut transcript = Transcript::default();
    transcript.add(text.as_bytes());
    transcript.text().unwrap_or_default().replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transcript(texts: &[&[u8]]) -> Option<String> {
        let mut transcript = Transcript::default();
        for text in texts {
            transcript.add(text);
        }
        transcript.text()
    }

    #[test]
    fn what_is_said_is_escaped_and_blank_lines_are_left_out() {
        assert_eq!(
            transcript(&[b"\r\n  *** one\ttwo ***\r\n\r\n", b"\x1b[2Jthree\x07\xff"]).as_deref(),
            Some("  *** one two ***\n\\u{1b}[2Jthree\\u{7}\\xff")
        );
        assert_eq!(transcript(&[b"\r\n \n", b""]), None);
        assert_eq!(one_line("bye\nnow\u{202e}"), "bye now\\u{202e}");
    }

    #[test]
    fn however_much_is_said_a_bound_holds() {
        for texts in [
            &[&b"x".repeat(1 << 20)[..]][..],
            &[&b"\x1b".repeat(5000)[..]][..],
            &[&b"line\n".repeat(5000)[..]][..],
            &[&b"line\n"[..]; 5000][..],
        ] {
            let text = transcript(texts).expect("something was said");
            assert!(
                text.len() <= WORDS_MAX_BYTES + '…'.len_utf8(),
                "{}",
                text.len()
            );
            assert!(text.len() > WORDS_MAX_BYTES - 10, "{}", text.len());
            assert!(text.ends_with('…'));
        }
    }

    #[test]
    fn each_speaker_is_named() {
        let mut host = Transcript::default();
        host.add(b"go away");
        let mut command = Transcript::default();
        command.add(b"one\ntwo\n");
        let web = || Speaker::Host("web".to_owned());
        let words = Words::of([(web(), &host), (Speaker::ProxyCommand, &command)]);
        let words = words.expect("words");
        assert_eq!(
            crate::fault::chain(&*words),
            ["web said: go away", "its ProxyCommand said:\none\ntwo"]
        );
        assert_eq!(Words::of([(web(), &Transcript::default())]), None);
    }
}
