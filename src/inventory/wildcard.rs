//! Wildcards in file names: `*`, `?`, `**` and bracket expressions, as git and shells in the C locale
//! read them.
//!
//! A name is bytes, and a wildcard counts bytes: `?` and a bracket expression match exactly one. Brackets
//! know ranges, `\` before any character, and the POSIX classes (`[[:digit:]]`) over ASCII. Nothing but
//! `**` and a literal `/` matches a `/`.
//!
//! Source: git's wildmatch.c; POSIX.1-2024, XBD 9.3.5 (bracket expressions) and XCU 2.14 (patterns).

mod brackets;

use regex::bytes::Regex;

use brackets::{ByteSet, class, class_names};

pub(super) use brackets::class_bytes;

/// Programs of longer patterns are refused; 4,096 bytes of brackets need less.
const PROGRAM_MAX_BYTES: usize = 64 << 20;

/// A text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WildcardError {
    /// `[` without `]`.
    #[error("`[` has no closing `]`")]
    Unclosed,
    /// A backslash that nothing follows.
    #[error("the `\\` at its end has nothing to escape")]
    TrailingBackslash,
    /// `[[:word:]]`
    #[error("`[:{0}:]` is not a character class")]
    UnknownClass(String),
    /// `[:digit:]`
    #[error("`[:{0}:]` matches the letters in it, not the class")]
    SingleBrackets(&'static str),
    /// `[[.a.]]`, `[[=a=]]`
    #[error("collating symbols and equivalence classes are not supported")]
    Collating,
    /// `[z-a]`
    #[error("the range `{0}-{1}` is backwards")]
    BackwardRange(char, char),
    /// `[é]`
    #[error("`{0}` in brackets never matches, because brackets match a single byte")]
    NotAscii(char),
    /// `[/]`
    #[error("the brackets match nothing but `/`, which no name has")]
    Nothing,
    /// Too many brackets.
    #[error("it is too complex")]
    TooComplex,
}

impl WildcardError {
    /// How to mend it.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Unclosed => "Close it, or write `\\[` for the character itself.".to_owned(),
            Self::TrailingBackslash => {
                "Remove it, or write `\\\\` for the character itself.".to_owned()
            }
            Self::UnknownClass(_) => format!("The classes are {}.", class_names()),
            Self::SingleBrackets(name) => format!("Write `[[:{name}:]]`."),
            Self::Collating => "Write the characters themselves.".to_owned(),
            Self::BackwardRange(low, high) => format!("Write `{high}-{low}`."),
            Self::NotAscii(_) => {
                "Write `*` in its place, or one pattern for each character.".to_owned()
            }
            Self::Nothing => "Write the `/` without brackets.".to_owned(),
            Self::TooComplex => "Use fewer brackets.".to_owned(),
        }
    }
}

/// One element of a pattern.
#[derive(Clone, PartialEq, Eq)]
enum Token {
    Byte(u8),
    /// `?`
    Any,
    /// `*`
    Star,
    Class(Box<ByteSet>),
}

/// A pattern of names or paths.
#[derive(Debug, Clone)]
pub(crate) enum Wildcard {
    /// No wildcards in it.
    Exact(Vec<u8>),
    /// `*` and what a name ends with.
    Suffix(Vec<u8>),
    Expression(Regex),
}

impl Wildcard {
    /// Reads a pattern of one name, or of a path without a leading `/`.
    ///
    /// # Errors
    ///
    /// [`WildcardError`] if it is none.
    pub(crate) fn new(text: &str) -> Result<Self, WildcardError> {
        let tokens = parse(text)?;
        let literal = |tokens: &[Token]| -> Option<Vec<u8>> {
            let byte = |token: &Token| match token {
                Token::Byte(byte) => Some(*byte),
                Token::Any | Token::Star | Token::Class(_) => None,
            };
            tokens.iter().map(byte).collect()
        };
        if let Some(bytes) = literal(&tokens) {
            return Ok(Self::Exact(bytes));
        }
        if let [Token::Star, rest @ ..] = tokens.as_slice()
            && let Some(bytes) = literal(rest)
            && !bytes.contains(&b'/')
        {
            return Ok(Self::Suffix(bytes));
        }
        regex::bytes::RegexBuilder::new(&expression(&tokens))
            .unicode(false)
            .dot_matches_new_line(true)
            .size_limit(PROGRAM_MAX_BYTES)
            .build()
            .map(Self::Expression)
            .map_err(|_| WildcardError::TooComplex)
    }

    /// Whether it matches all of `name`.
    pub(crate) fn is_match(&self, name: &[u8]) -> bool {
        match self {
            Self::Exact(bytes) => bytes == name,
            Self::Suffix(bytes) => {
                let before = name.strip_suffix(bytes.as_slice());
                before.is_some_and(|before| !before.contains(&b'/'))
            }
            Self::Expression(regex) => regex.is_match(name),
        }
    }

    /// The name or path that is meant, if only one is.
    pub(crate) fn exact(&self) -> Option<&[u8]> {
        match self {
            Self::Exact(bytes) => Some(bytes),
            Self::Suffix(_) | Self::Expression(_) => None,
        }
    }
}

/// Checks a pattern without preparing it.
///
/// # Errors
///
/// [`WildcardError`] if it is none.
pub(super) fn check(text: &str) -> Result<(), WildcardError> {
    parse(text).map(|_| ())
}

fn parse(text: &str) -> Result<Vec<Token>, WildcardError> {
    let bytes = text.as_bytes();
    let mut tokens = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        tokens.push(match byte {
            b'*' => Token::Star,
            b'?' => Token::Any,
            b'\\' => {
                let escaped = *bytes.get(at).ok_or(WildcardError::TrailingBackslash)?;
                at += 1;
                Token::Byte(escaped)
            }
            b'[' => {
                let (class, taken) = class(&text[at - 1..])?;
                at += taken - 1;
                Token::Class(Box::new(class))
            }
            other => Token::Byte(other),
        });
    }
    Ok(tokens)
}

/// The same as a regular expression over bytes.
fn expression(tokens: &[Token]) -> String {
    let is_slash = |token: Option<&Token>| matches!(token, Some(Token::Byte(b'/')));
    let mut text = String::from(r"\A");
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        at += 1;
        match token {
            Token::Byte(byte) => push_byte(&mut text, *byte),
            Token::Any => text.push_str("[^/]"),
            Token::Class(set) => set.push_to(&mut text),
            Token::Star => {
                let first = at - 1;
                while tokens.get(at) == Some(&Token::Star) {
                    at += 1;
                }
                let begins_component = first == 0 || is_slash(tokens.get(first - 1));
                let is_deep = at - first > 1 && begins_component;
                if is_deep && at == tokens.len() {
                    text.push_str(".*");
                } else if is_deep && is_slash(tokens.get(at)) {
                    // With the slash behind it: it may stand for no directory at all.
                    at += 1;
                    text.push_str("(?:.*/)?");
                } else {
                    text.push_str("[^/]*");
                }
            }
        }
    }
    text.push_str(r"\z");
    text
}

fn push_byte(text: &mut String, byte: u8) {
    if byte.is_ascii_alphanumeric() {
        text.push(char::from(byte));
    } else {
        text.push_str(&format!("\\x{byte:02x}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, name: &[u8]) -> bool {
        Wildcard::new(pattern).expect("a pattern").is_match(name)
    }

    #[test]
    fn brackets_match_one_byte_and_never_a_slash() {
        let cases: &[(&str, &[u8], bool)] = &[
            ("[ab]", b"b", true),
            ("[ab]", b"c", false),
            ("[!ab]", b"c", true),
            ("[^ab]", b"a", false),
            ("a[!b]c", b"a/c", false),
            ("a[.-0]c", b"a/c", false),
            ("a[.-0]c", b"a0c", true),
            ("[]a]", b"]", true),
            ("[!]]", b"]", false),
            ("[a-]", b"-", true),
            ("[-a]", b"-", true),
            ("[a-c-e]", b"d", false),
            ("[a-c-e]", b"-", true),
            ("[a\\]b]", b"]", true),
            ("[a\\]b]", b"\\", false),
            ("[a-\\c]", b"b", true),
            ("[[:digit:]]", b"7", true),
            ("[[:digit:]]", b":", false),
            ("[![:digit:]x]", b"x", false),
            ("[[:digit:]-z]", b"-", true),
            ("[a[:digit]", b":", true),
            ("[[:space:]]", b"\x0b", false),
            ("[!\u{e9}]", b"\xff", true),
            ("[!\u{e9}]", b"\xc3", false),
            ("[[.]x[.]", b"[x.", true),
            ("?", b"\xff", true),
            ("?", b"\n", true),
            ("?", "é".as_bytes(), false),
        ];
        for (pattern, name, expected) in cases {
            assert_eq!(matches(pattern, name), *expected, "{pattern} {name:?}");
        }
    }

    #[test]
    fn stars_go_no_further_than_they_should() {
        let cases = [
            ("*", "a", true),
            ("*", "a/b", false),
            ("*.log", "x.log", true),
            ("*.log", "a/x.log", false),
            ("a*", "a", true),
            ("a/**", "a/b/c", true),
            ("a/**", "a", false),
            ("a/**/b", "a/b", true),
            ("a/**/b", "a/x/y/b", true),
            ("a/***/b", "a/x/y/b", true),
            ("**/b", "b", true),
            ("**/b", "a/ab", false),
            ("a**/b", "a/x/b", false),
            ("a**/b", "ax/b", true),
            ("a/**b", "a/xb", true),
            ("a/**b", "a/x/b", false),
        ];
        for (pattern, path, expected) in cases {
            assert_eq!(
                matches(pattern, path.as_bytes()),
                expected,
                "{pattern} {path}"
            );
        }
    }

    #[test]
    fn other_texts_are_refused_with_what_to_write() {
        let cases = [
            ("[", WildcardError::Unclosed),
            ("[]", WildcardError::Unclosed),
            ("[!]", WildcardError::Unclosed),
            ("[a\\]", WildcardError::Unclosed),
            ("[[:digit:]", WildcardError::Unclosed),
            ("a\\", WildcardError::TrailingBackslash),
            ("[[:word:]]", WildcardError::UnknownClass("word".to_owned())),
            ("[:digit:]", WildcardError::SingleBrackets("digit")),
            ("[[.a.]]", WildcardError::Collating),
            ("[[=a=]]", WildcardError::Collating),
            ("[z-a]", WildcardError::BackwardRange('z', 'a')),
            ("[a\u{e9}]", WildcardError::NotAscii('\u{e9}')),
            ("[/]", WildcardError::Nothing),
        ];
        for (pattern, error) in cases {
            assert_eq!(
                Wildcard::new(pattern).err(),
                Some(error.clone()),
                "{pattern}"
            );
            assert!(error.hint().ends_with('.'), "{pattern}");
        }
    }

    #[test]
    fn the_longest_pattern_of_an_inventory_is_read() {
        let brackets = "[!a-c]".repeat(4096 / 6);
        assert!(matches(&brackets, "x".repeat(4096 / 6).as_bytes()));
    }
}
