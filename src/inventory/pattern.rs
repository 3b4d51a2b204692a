//! gitignore's patterns, and expressions for lines, read in one way by whoever checks them and by whoever
//! captures by them.
//!
//! What is matched is a name or a line on a host; no file here is read.

use ignore::gitignore::{Gitignore, GitignoreBuilder};

/// A pattern is not one of gitignore's.
#[derive(Debug, thiserror::Error)]
#[error("`{pattern}` is not a pattern")]
pub struct PatternError {
    pattern: String,
    source: ignore::Error,
}

impl PatternError {
    /// What is wrong with it, without the pattern.
    pub(super) fn why(&self) -> String {
        match &self.source {
            ignore::Error::Glob { err, .. } => err.clone(),
            other => other.to_string(),
        }
    }
}

/// The rules that `patterns` make, for paths relative to a root; a later one beats an earlier one.
///
/// # Errors
///
/// [`PatternError`] for the first that is no pattern.
pub fn rules(patterns: &[String]) -> Result<Gitignore, PatternError> {
    let refuse = |pattern: &str, source| PatternError {
        pattern: pattern.to_owned(),
        source,
    };
    let mut builder = GitignoreBuilder::new("/");
    for pattern in patterns {
        builder
            .add_line(None, &without_alternatives(pattern))
            .map_err(|error| refuse(pattern, error))?;
    }
    builder
        .build()
        .map_err(|error| refuse(&patterns.join(", "), error))
}

/// The longest program that an expression may become.
const EXPRESSION_MAX_BYTES: usize = 1 << 20;

/// A regular expression over one line, which may be no text.
///
/// # Errors
///
/// [`regex::Error`] if it is none.
pub fn line(expression: &str) -> Result<regex::bytes::Regex, regex::Error> {
    regex::bytes::RegexBuilder::new(expression)
        .size_limit(EXPRESSION_MAX_BYTES)
        .build()
}

/// To git a brace is a letter like any other; to the matcher it begins a list of alternatives.
fn without_alternatives(pattern: &str) -> String {
    let mut text = String::with_capacity(pattern.len());
    let mut rest = pattern;
    while let Some(c) = rest.chars().next() {
        let taken = match c {
            '\\' => rest.chars().take(2).map(char::len_utf8).sum(),
            // Within brackets a brace begins nothing, and a backslash would be one more letter.
            '[' => class_bytes(rest).unwrap_or(1),
            '{' | '}' => {
                text.push('\\');
                1
            }
            other => other.len_utf8(),
        };
        let (now, later) = rest.split_at(taken);
        text.push_str(now);
        rest = later;
    }
    text
}

/// How long the class of letters is that `text` begins with, brackets included; none if it is not
/// closed, and its bracket but a letter.
pub(super) fn class_bytes(text: &str) -> Option<usize> {
    let inside = text.strip_prefix('[')?;
    let inside = inside.strip_prefix(['!', '^']).unwrap_or(inside);
    // A bracket that comes first is one of the letters.
    let inside = inside.strip_prefix(']').unwrap_or(inside);
    let end = inside.find(']')?;
    Some(text.len() - inside.len() + end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn braces_are_letters() {
        let cases = [
            ("{", "\\{"),
            ("{a,b}", "\\{a,b\\}"),
            ("x\\{y}", "x\\{y\\}"),
            ("\\\\{", "\\\\\\{"),
            ("[{]{", "[{]\\{"),
            ("[]{]{", "[]{]\\{"),
            ("[!]{]é{", "[!]{]é\\{"),
            ("[{", "[\\{"),
            ("\\[{]", "\\[\\{]"),
            ("é\\", "é\\"),
        ];
        for (pattern, expected) in cases {
            assert_eq!(without_alternatives(pattern), expected, "{pattern}");
        }
    }

    #[test]
    fn a_pattern_that_is_none_is_told_with_the_reason() {
        let error = rules(&["ok".to_owned(), "[z-a]".to_owned()]).expect_err("no pattern");
        assert_eq!(error.to_string(), "`[z-a]` is not a pattern");
        assert_eq!(error.why(), "invalid range; 'z' > 'a'");
    }
}
