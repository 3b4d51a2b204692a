//! Exclude patterns (gitignore's) and regular expressions for lines, parsed in one way for the check of the
//! inventory and for the capture.
//!
//! What is matched is a name or a line on a host; no file here is read.
//!
//! Source: gitignore(5), "PATTERN FORMAT", and what git itself does where that leaves something open.

use super::wildcard::{Wildcard, WildcardError};

/// A pattern is not one of gitignore's.
#[derive(Debug, thiserror::Error)]
#[error("`{pattern}` is not a pattern")]
pub struct PatternError {
    pattern: String,
    source: WildcardError,
}

/// A pattern taken apart, without reading its wildcards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Parts<'a> {
    /// It takes something back in: `!`.
    pub(super) is_negated: bool,
    /// It is anchored by a leading `/`.
    pub(super) has_leading_slash: bool,
    /// It means directories only: a `/` at its end.
    pub(super) is_directory: bool,
    /// What is between those.
    pub(super) text: &'a str,
}

impl<'a> Parts<'a> {
    /// None for blank lines and comments.
    pub(super) fn of(pattern: &'a str) -> Option<Self> {
        if pattern.starts_with('#') {
            return None;
        }
        let text = without_trailing_spaces(pattern);
        if text.is_empty() {
            return None;
        }
        let (is_negated, text) = strip(text, text.strip_prefix('!'));
        let (is_directory, text) = strip(text, text.strip_suffix('/'));
        let (has_leading_slash, text) = strip(text, text.strip_prefix('/'));
        Some(Self {
            is_negated,
            has_leading_slash,
            is_directory,
            text,
        })
    }

    /// Whether it means a path from the root on, not a name anywhere beneath it.
    pub(super) fn is_anchored(&self) -> bool {
        self.has_leading_slash || self.text.contains('/')
    }
}

fn strip<'a>(text: &'a str, stripped: Option<&'a str>) -> (bool, &'a str) {
    (stripped.is_some(), stripped.unwrap_or(text))
}

/// Spaces at the end mean nothing unless a backslash is before the first of them.
fn without_trailing_spaces(text: &str) -> &str {
    let mut end = 0;
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            ' ' => {}
            '\\' => end = chars.next().map_or(text.len(), |(at, c)| at + c.len_utf8()),
            other => end = at + other.len_utf8(),
        }
    }
    &text[..end]
}

/// The rules that a list of patterns makes, for paths relative to a root.
#[derive(Debug)]
pub struct Rules(Vec<Rule>);

#[derive(Debug)]
struct Rule {
    is_negated: bool,
    is_directory: bool,
    is_anchored: bool,
    wildcard: Wildcard,
    /// Which of the patterns it is.
    index: usize,
}

/// What the rules decide about an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// It is left out.
    Excluded {
        /// The number of the pattern that decides, counted from 0.
        by: usize,
    },
    /// It is taken back in.
    Included,
}

/// The rules that `patterns` make; a later one beats an earlier one.
///
/// # Errors
///
/// [`PatternError`] for the first that is no pattern.
pub fn rules(patterns: &[String]) -> Result<Rules, PatternError> {
    let mut rules = Vec::with_capacity(patterns.len());
    for (index, pattern) in patterns.iter().enumerate() {
        let Some(parts) = Parts::of(pattern) else {
            continue;
        };
        let wildcard = Wildcard::new(parts.text).map_err(|source| PatternError {
            pattern: crate::name::escape(pattern.as_bytes()),
            source,
        })?;
        rules.push(Rule {
            is_negated: parts.is_negated,
            is_directory: parts.is_directory,
            is_anchored: parts.is_anchored(),
            wildcard,
            index,
        });
    }
    Ok(Rules(rules))
}

impl Rules {
    /// What the last matching pattern says of the entry `path`, relative to the root. None if no
    /// pattern matches. What is in an excluded directory is excluded too, which is not looked at here.
    #[must_use]
    pub fn decide(&self, path: &[u8], is_directory: bool) -> Option<Decision> {
        let name = path.rsplit(|&byte| byte == b'/').next().unwrap_or(path);
        let rule = self.0.iter().rev().find(|rule| {
            let text = if rule.is_anchored { path } else { name };
            (is_directory || !rule.is_directory) && rule.wildcard.is_match(text)
        })?;
        Some(if rule.is_negated {
            Decision::Included
        } else {
            Decision::Excluded { by: rule.index }
        })
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spaces_at_the_end_mean_nothing_unless_escaped() {
        let cases = [
            ("a ", "a"),
            ("a  ", "a"),
            (" a", " a"),
            ("a\\ ", "a\\ "),
            ("a\\  ", "a\\ "),
            ("a\\\\ ", "a\\\\"),
            ("a\t", "a\t"),
            ("a\u{a0}", "a\u{a0}"),
            ("a\\", "a\\"),
            ("  ", ""),
        ];
        for (pattern, expected) in cases {
            assert_eq!(without_trailing_spaces(pattern), expected, "{pattern:?}");
        }
    }

    #[test]
    fn a_pattern_that_is_none_is_told_with_the_reason() {
        use std::error::Error as _;
        let error = rules(&["ok".to_owned(), "[z-a]".to_owned()]).expect_err("no pattern");
        assert_eq!(error.to_string(), "`[z-a]` is not a pattern");
        let why = error.source().map(ToString::to_string);
        assert_eq!(why.as_deref(), Some("the range `z-a` is backwards"));
    }
}
