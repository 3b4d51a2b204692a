//! Renders a patch on a terminal: coloured as git does it, with control characters escaped.

use anstyle::{AnsiColor, Style};

use crate::name::escape;

/// The patch with colours. Control characters and bytes that are no text are escaped; tabs and
/// backslashes stay.
#[must_use]
pub fn shown(patch: &[u8]) -> String {
    let mut text = String::with_capacity(patch.len() + patch.len() / 8);
    // The heads of a patch look like removed and added lines.
    let mut is_head = true;
    for line in patch.split_inclusive(|&byte| byte == b'\n') {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        if line.starts_with(b"@@ ") {
            is_head = false;
        }
        let color = |color: AnsiColor| Style::new().fg_color(Some(color.into()));
        let style = match line.first() {
            _ if is_head => Style::new().bold(),
            Some(b'+') => color(AnsiColor::Green),
            Some(b'-') => color(AnsiColor::Red),
            Some(b'@') => color(AnsiColor::Cyan),
            Some(_) | None => Style::new(),
        };
        text.push_str(&format!("{style}{}{style:#}\n", plain(line)));
    }
    text
}

fn plain(line: &[u8]) -> String {
    let pieces: Vec<String> = line
        .split_inclusive(|byte| matches!(byte, b'\t' | b'\\'))
        .map(|piece| match piece.split_last() {
            Some((&end @ (b'\t' | b'\\'), rest)) => {
                escape(rest) + char::from(end).encode_utf8(&mut [0; 4])
            }
            Some(_) | None => escape(piece),
        })
        .collect();
    pieces.concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_escaped_and_the_rest_stays() {
        let patch =
            b"--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\tb \\n\r\n+\x1b[2Jgr\xc3\xb6\xc3\x9fe\xff\n";
        let shown = shown(patch);
        assert_eq!(
            anstream::adapter::strip_str(&shown).to_string(),
            "--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\tb \\n\\r\n+\\u{1b}[2Jgröße\\xff\n"
        );
        assert!(shown.contains("\u{1b}[32m+"), "{shown:?}");
        assert!(shown.contains("\u{1b}[1m--- a/x"), "{shown:?}");
    }
}
