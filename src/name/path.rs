//! Absolute paths on a host: bytes, not text, for a remote file name may hold any byte but NUL.

use std::fmt;

/// An absolute, normalised path on a host: begins with `/`, has no empty, `.` or `..` component and
/// no NUL, and ends with `/` only when it is the root itself.
///
/// Ordered by bytes, which puts every directory before what is in it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RemotePath(Vec<u8>);

/// The bytes are not an absolute, normalised path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an absolute path without empty, `.` or `..` components")]
pub struct ParsePathError(String);

impl RemotePath {
    /// Takes `bytes` as they are.
    ///
    /// # Errors
    ///
    /// [`ParsePathError`] if they are relative, hold NUL, or are not normalised.
    pub fn from_bytes(bytes: impl Into<Vec<u8>>) -> Result<Self, ParsePathError> {
        let bytes = bytes.into();
        let fine = match bytes.strip_prefix(b"/") {
            None => false,
            Some(b"") => true,
            Some(rest) => rest
                .split(|&b| b == b'/')
                .all(|part| !matches!(part, b"" | b"." | b"..") && !part.contains(&0)),
        };
        if fine {
            Ok(Self(bytes))
        } else {
            Err(ParsePathError(escape(&bytes)))
        }
    }

    /// The path that a person means by `text`: an absolute one, or `fleet-captures/SOURCE/FILE`.
    ///
    /// # Errors
    ///
    /// [`ParsePathError`] if nothing can have that path.
    pub fn named(text: &[u8]) -> Result<Self, ParsePathError> {
        if !text.starts_with(b"/") {
            return Self::from_member(text);
        }
        match std::str::from_utf8(text) {
            Ok(text) => text.parse(),
            Err(_) => Self::from_bytes(text),
        }
    }

    /// The path of an archive member: `member` has no leading `/`, and may end with one `/`.
    ///
    /// # Errors
    ///
    /// [`ParsePathError`] if the member is absolute, empty, or leaves its folder.
    pub fn from_member(member: &[u8]) -> Result<Self, ParsePathError> {
        let member = member.strip_suffix(b"/").unwrap_or(member);
        if member.is_empty() {
            return Err(ParsePathError(String::new()));
        }
        let mut bytes = Vec::with_capacity(member.len() + 1);
        bytes.push(b'/');
        bytes.extend_from_slice(member);
        Self::from_bytes(bytes)
    }

    /// The root of the file system.
    #[must_use]
    pub fn root() -> Self {
        Self(b"/".to_vec())
    }

    /// The path of `name` (one or more components, as bytes) beneath this one.
    ///
    /// # Errors
    ///
    /// [`ParsePathError`] as [`RemotePath::from_bytes`].
    pub fn join(&self, name: &[u8]) -> Result<Self, ParsePathError> {
        let mut bytes = self.0.clone();
        if bytes.last() != Some(&b'/') {
            bytes.push(b'/');
        }
        bytes.extend_from_slice(name);
        Self::from_bytes(bytes)
    }

    /// The bytes, with the leading `/`.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The bytes without the leading `/`: the member's name in packs and exports.
    #[must_use]
    pub fn member(&self) -> &[u8] {
        &self.0[1..]
    }

    /// The last component; empty for the root.
    #[must_use]
    pub fn file_name(&self) -> &[u8] {
        let start = self.last_slash() + 1;
        &self.0[start..]
    }

    /// The directory that holds it; none for the root.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        match (self.0.len(), self.last_slash()) {
            (1, _) => None,
            (_, 0) => Some(Self(b"/".to_vec())),
            (_, slash) => Some(Self(self.0[..slash].to_vec())),
        }
    }

    /// Whether `self` is `root` or is beneath it.
    #[must_use]
    pub fn is_within(&self, root: &Self) -> bool {
        self.relative_to(root).is_some()
    }

    /// What follows `root/`; empty for the root itself, none for a path that is elsewhere.
    #[must_use]
    pub fn relative_to(&self, root: &Self) -> Option<&[u8]> {
        if self == root {
            return Some(b"");
        }
        let without_slash = root.0.strip_suffix(b"/").unwrap_or(&root.0);
        self.0.strip_prefix(without_slash)?.strip_prefix(b"/")
    }

    fn last_slash(&self) -> usize {
        self.0
            .iter()
            .rposition(|&b| b == b'/')
            .expect("an absolute path has a slash")
    }
}

impl std::str::FromStr for RemotePath {
    type Err = ParsePathError;

    /// Also takes repeated and trailing slashes, as people write them.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut bytes: Vec<u8> = Vec::with_capacity(text.len());
        for byte in text.bytes() {
            if byte != b'/' || bytes.last() != Some(&b'/') {
                bytes.push(byte);
            }
        }
        if bytes.len() > 1 && bytes.last() == Some(&b'/') {
            bytes.pop();
        }
        Self::from_bytes(bytes)
    }
}

impl fmt::Display for RemotePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&escape(&self.0))
    }
}

impl fmt::Debug for RemotePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", escape(&self.0))
    }
}

/// Remote bytes made safe for a terminal: control characters, invalid UTF-8, and characters that are
/// invisible or change the direction of text become `\n`, `\x1b`, `\u{202e}` and the like.
#[must_use]
pub fn escape(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\\' => text.push_str("\\\\"),
                c if c.is_control() || is_invisible(c) => text.extend(c.escape_default()),
                c => text.push(c),
            }
        }
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text
}

/// Whether nothing is drawn for a character, or the text around it is drawn in another order: two names
/// that differ in such characters only would look the same.
///
/// Source: Unicode 16.0, `DerivedCoreProperties.txt` (`Default_Ignorable_Code_Point`) and `PropList.txt`
/// (`Bidi_Control`, which is a part of it); the interlinear annotations (U+FFF9 to U+FFFB) and the line and
/// paragraph separators besides.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}'                        // soft hyphen
        | '\u{34f}'                     // combining grapheme joiner
        | '\u{61c}'                     // Arabic letter mark
        | '\u{115f}'..='\u{1160}'       // Hangul fillers
        | '\u{17b4}'..='\u{17b5}'       // Khmer inherent vowels
        | '\u{180b}'..='\u{180f}'       // Mongolian variation selectors and vowel separator
        | '\u{200b}'..='\u{200f}'       // zero width, joiners, direction marks
        | '\u{2028}'..='\u{202e}'       // separators, embeddings and overrides
        | '\u{2060}'..='\u{206f}'       // word joiner, invisible operators, isolates
        | '\u{3164}'                    // Hangul filler
        | '\u{fe00}'..='\u{fe0f}'       // variation selectors
        | '\u{feff}'                    // byte order mark
        | '\u{ffa0}'                    // halfwidth Hangul filler
        | '\u{fff0}'..='\u{fffb}'       // unassigned, interlinear annotations
        | '\u{1bca0}'..='\u{1bca3}'     // shorthand format controls
        | '\u{1d173}'..='\u{1d17a}'     // musical format controls
        | '\u{e0000}'..='\u{e0fff}'     // tags, variation selectors supplement
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> RemotePath {
        text.parse().expect("a path")
    }

    #[test]
    fn only_absolute_normalised_bytes_are_a_path() {
        for bytes in [&b"/"[..], b"/a", b"/a/b c", b"/-rf", b"/\xff\n", b"/..x"] {
            assert_eq!(
                RemotePath::from_bytes(bytes).map(|p| p.as_bytes().to_vec()),
                Ok(bytes.to_vec())
            );
        }
        for bytes in [
            &b""[..],
            b"a",
            b"/a/",
            b"//a",
            b"/a//b",
            b"/.",
            b"/a/..",
            b"/a\0b",
        ] {
            assert_eq!(
                RemotePath::from_bytes(bytes),
                Err(ParsePathError(escape(bytes)))
            );
        }
    }

    #[test]
    fn members_never_leave_their_folder() {
        assert_eq!(RemotePath::from_member(b"etc/x/"), Ok(path("/etc/x")));
        for member in [&b""[..], b"/", b"/etc", b"../x", b"a/../b", b"a//b", b"./a"] {
            assert_eq!(
                RemotePath::from_member(member).map_err(|_| ()),
                Err(()),
                "{member:?}"
            );
        }
    }

    #[test]
    fn people_may_write_slashes_as_they_like() {
        assert_eq!(path("/etc//asterisk/"), path("/etc/asterisk"));
        assert_eq!(path("//"), path("/"));
    }

    #[test]
    fn relations_follow_components_not_prefixes() {
        assert_eq!(
            path("/opt/app/x").relative_to(&path("/opt/app")),
            Some(&b"x"[..])
        );
        assert_eq!(
            path("/opt/app").relative_to(&path("/opt/app")),
            Some(&b""[..])
        );
        assert_eq!(path("/opt/app2").relative_to(&path("/opt/app")), None);
        assert_eq!(path("/opt").relative_to(&path("/")), Some(&b"opt"[..]));
        assert_eq!(path("/opt/app").parent(), Some(path("/opt")));
        assert_eq!(path("/opt").parent(), Some(path("/")));
        assert_eq!(path("/").parent(), None);
        assert_eq!(path("/opt/app").file_name(), b"app");
    }

    #[test]
    fn what_a_terminal_would_obey_is_escaped() {
        assert_eq!(
            escape(b"a\x1b[2Jb\n\t\\\xff\xe2\x80\xae"),
            r"a\u{1b}[2Jb\n\t\\\xff\u{202e}"
        );
        assert_eq!(escape("größe".as_bytes()), "größe");
    }

    #[test]
    fn what_nobody_sees_is_escaped() {
        // Both ends of every range that Unicode names, and what is next to them.
        for (first, last) in [
            (0xad, 0xad),
            (0x34f, 0x34f),
            (0x61c, 0x61c),
            (0x115f, 0x1160),
            (0x17b4, 0x17b5),
            (0x180b, 0x180f),
            (0x200b, 0x200f),
            (0x2028, 0x202e),
            (0x2060, 0x206f),
            (0x3164, 0x3164),
            (0xfe00, 0xfe0f),
            (0xfeff, 0xfeff),
            (0xffa0, 0xffa0),
            (0xfff0, 0xfffb),
            (0x1bca0, 0x1bca3),
            (0x1d173, 0x1d17a),
            (0xe0000, 0xe0fff),
        ] {
            let shown = |code: u32| {
                let c = char::from_u32(code).expect("a character");
                escape(c.to_string().as_bytes())
            };
            for code in [first, last] {
                assert_eq!(shown(code), format!("\\u{{{code:x}}}"));
            }
            for code in [first - 1, last + 1] {
                assert!(!shown(code).starts_with('\\'), "{code:x}");
            }
        }
        assert_eq!(
            escape("a\u{200d}b\u{fe0f}c\u{e0041}".as_bytes()),
            r"a\u{200d}b\u{fe0f}c\u{e0041}"
        );
    }
}
