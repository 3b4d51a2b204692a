//! Entries: one file-system object of a part each.

use std::cmp::Ordering;
use std::fmt;

use super::{Extended, FileType, PackName};
use crate::digest::Sha256;
use crate::name::RemotePath;

/// One file-system object, as the archive stream has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Where it is on the host.
    pub path: RemotePath,
    /// What it is.
    pub kind: EntryKind,
    /// The first name in the same part, if this is a further name of a symbolic link, named pipe or
    /// device. Further names of a regular file are of [`EntryKind::HardLink`] instead.
    pub first_name: Option<RemotePath>,
    /// Permission bits, set-id and sticky bits included (`0o7777`).
    pub mode: u32,
    /// Who owns it.
    pub owner: Owner,
    /// When its content last changed, by the host's clock.
    pub mtime: FileTime,
    /// Digests of its extended attributes, ACLs, capabilities and SELinux context; none where it is not
    /// known whether it has any: the host's tar does not tell, or an older version recorded it.
    pub extended: Option<Extended>,
    /// What the scan saw, to be compared with the next scan; none if the host does not report it.
    pub scan: Option<ScanMark>,
    /// Where its archive member is: one whole member, or the pieces of a regular file's content, one
    /// after the other. Empty for what cannot be fetched (sockets).
    pub content: Vec<Piece>,
    /// It changed while it was read, or so shortly before that a later change could hide behind the
    /// same times: it is fetched again next time.
    pub unstable: bool,
}

impl Entry {
    /// Where its archive member is, if that is one member and all of it.
    #[must_use]
    pub fn whole_member(&self) -> Option<&Piece> {
        match self.content.as_slice() {
            [piece] if piece.range.is_whole() => Some(piece),
            _ => None,
        }
    }

    /// The first name of the object, whatever its kind, if this is a further name (a hard link).
    #[must_use]
    pub fn link_target(&self) -> Option<&RemotePath> {
        match &self.kind {
            EntryKind::HardLink { target, .. } => Some(target),
            EntryKind::File { .. }
            | EntryKind::Directory
            | EntryKind::Symlink { .. }
            | EntryKind::Fifo
            | EntryKind::Socket
            | EntryKind::CharDevice { .. }
            | EntryKind::BlockDevice { .. } => self.first_name.as_ref(),
        }
    }

    /// The size of a regular file's content in bytes, for every name of it; none for other kinds.
    #[must_use]
    pub fn file_bytes(&self) -> Option<u64> {
        match &self.kind {
            EntryKind::File { size_bytes, .. } | EntryKind::HardLink { size_bytes, .. } => {
                Some(*size_bytes)
            }
            EntryKind::Directory
            | EntryKind::Symlink { .. }
            | EntryKind::Fifo
            | EntryKind::Socket
            | EntryKind::CharDevice { .. }
            | EntryKind::BlockDevice { .. } => None,
        }
    }

    /// The digest of a regular file's content, for every name of it; none for other kinds.
    #[must_use]
    pub fn file_sha256(&self) -> Option<Sha256> {
        match &self.kind {
            EntryKind::File { sha256, .. } | EntryKind::HardLink { sha256, .. } => Some(*sha256),
            EntryKind::Directory
            | EntryKind::Symlink { .. }
            | EntryKind::Fifo
            | EntryKind::Socket
            | EntryKind::CharDevice { .. }
            | EntryKind::BlockDevice { .. } => None,
        }
    }
}

/// The kinds of file-system objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file.
    File {
        /// Its size, holes included.
        size_bytes: u64,
        /// The digest of its whole content, holes read as zeros.
        sha256: Sha256,
    },
    /// A further name of a regular file in the same part.
    HardLink {
        /// The name under which the content was sent.
        target: RemotePath,
        /// The size of that content.
        size_bytes: u64,
        /// The digest of that content.
        sha256: Sha256,
    },
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink {
        /// The text of the link, any bytes.
        target: Vec<u8>,
    },
    /// A named pipe.
    Fifo,
    /// A socket: recorded, never fetched.
    Socket,
    /// A character device.
    CharDevice {
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
    },
    /// A block device.
    BlockDevice {
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
    },
}

impl EntryKind {
    /// Its type; a further name of a file is a file.
    #[must_use]
    pub fn file_type(&self) -> FileType {
        match self {
            Self::File { .. } | Self::HardLink { .. } => FileType::File,
            Self::Directory => FileType::Directory,
            Self::Symlink { .. } => FileType::Symlink,
            Self::Fifo => FileType::Fifo,
            Self::Socket => FileType::Socket,
            Self::CharDevice { .. } => FileType::CharDevice,
            Self::BlockDevice { .. } => FileType::BlockDevice,
        }
    }
}

/// Numbers and names of owner and group; a name is empty where the host has none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Owner {
    /// User number.
    pub uid: u64,
    /// Group number.
    pub gid: u64,
    /// User name.
    pub user: String,
    /// Group name.
    pub group: String,
}

/// What one scan saw of an entry; equal marks mean that nothing has to be fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScanMark {
    /// Inode number.
    pub inode: u64,
    /// Device number.
    pub device: u64,
    /// Number of names.
    pub links: u64,
    /// Size in bytes.
    pub size_bytes: u64,
    /// Content change time.
    pub mtime: FileTime,
    /// Inode change time.
    pub ctime: FileTime,
}

/// Where (a piece of) an entry's archive member is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// The pack.
    pub pack: PackName,
    /// The member's name in it: the absolute path without its leading `/`.
    pub member: Vec<u8>,
    /// Where the member's first header block begins in the uncompressed pack, in bytes.
    pub offset_bytes: u64,
    /// Which part of the member's content it is.
    pub range: ContentRange,
}

/// A part of a member's content, holes read as zeros. By default all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ContentRange {
    /// Its first byte within the content.
    pub from_bytes: u64,
    /// How many bytes it has; none: up to the end of the content.
    pub length_bytes: Option<u64>,
}

impl ContentRange {
    /// Whether it is all of the content.
    #[must_use]
    pub fn is_whole(self) -> bool {
        self == Self::default()
    }
}

/// A time as hosts know it: seconds since 1970, negative before, and nanoseconds.
///
/// File times may be outside of what calendars can express, so this is no calendar type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FileTime {
    /// Whole seconds, rounded down.
    pub seconds: i64,
    /// Nanoseconds after them, below 1,000,000,000.
    pub nanoseconds: u32,
}

impl FileTime {
    /// Reads `-1.5`, `1700000000.1234567890` or `1700000000`, as pax headers write them. Digits behind the
    /// ninth are dropped. None for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (time, is_negative) = Self::parse_parts(text)?;
        if is_negative && time.nanoseconds > 0 {
            return Some(Self {
                seconds: time.seconds.checked_sub(1)?,
                nanoseconds: 1_000_000_000 - time.nanoseconds,
            });
        }
        Some(time)
    }

    /// Reads a time as `find -printf %T@` writes it: the seconds, rounded down, and behind the dot the
    /// nanoseconds that come on top, before 1970 too.
    #[must_use]
    pub fn parse_rounded_down(text: &str) -> Option<Self> {
        Self::parse_parts(text).map(|(time, _)| time)
    }

    /// What is before and behind the dot, and whether a `-` is before it.
    fn parse_parts(text: &str) -> Option<(Self, bool)> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let (negative, digits) = match whole.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, whole),
        };
        let all_digits = |t: &str| t.bytes().all(|b| b.is_ascii_digit());
        if digits.is_empty() || !all_digits(digits) || !all_digits(fraction) {
            return None;
        }
        let seconds: i64 = whole.parse().ok()?;
        let kept = &fraction[..fraction.len().min(9)];
        let mut nanoseconds: u32 = if kept.is_empty() {
            0
        } else {
            kept.parse().ok()?
        };
        nanoseconds *= 10_u32.pow(9 - u32::try_from(kept.len()).ok()?);
        let time = Self {
            seconds,
            nanoseconds,
        };
        Some((time, negative))
    }
}

impl FileTime {
    /// The time `span` later; the last time there is, if it would be later than that.
    #[must_use]
    pub fn saturating_add(self, span: Self) -> Self {
        const SECOND: u32 = 1_000_000_000;
        let nanoseconds = self.nanoseconds + span.nanoseconds;
        let carry = i64::from(nanoseconds >= SECOND);
        Self {
            seconds: self
                .seconds
                .saturating_add(span.seconds)
                .saturating_add(carry),
            nanoseconds: nanoseconds % SECOND,
        }
    }
}

impl Ord for FileTime {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.seconds, self.nanoseconds).cmp(&(other.seconds, other.nanoseconds))
    }
}

impl PartialOrd for FileTime {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for FileTime {
    /// As [`FileTime::parse`] reads it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.nanoseconds == 0 {
            return write!(f, "{}", self.seconds);
        }
        let (sign, seconds, nanoseconds) = if self.seconds < 0 {
            (
                "-",
                (self.seconds + 1).unsigned_abs(),
                1_000_000_000 - self.nanoseconds,
            )
        } else {
            ("", self.seconds.unsigned_abs(), self.nanoseconds)
        };
        write!(f, "{sign}{seconds}.{nanoseconds:09}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_times_read_back_what_they_print() {
        for (text, seconds, nanoseconds) in [
            ("0", 0, 0),
            ("1700000000.123456789", 1_700_000_000, 123_456_789),
            ("-347155200", -347_155_200, 0),
            ("-1.500000000", -2, 500_000_000),
            ("-0.250000000", -1, 750_000_000),
            ("8589934592.000000001", 8_589_934_592, 1),
        ] {
            let time = FileTime {
                seconds,
                nanoseconds,
            };
            assert_eq!(FileTime::parse(text), Some(time), "{text}");
            assert_eq!(time.to_string(), text);
        }
        assert_eq!(
            FileTime::parse("5.1234567890"),
            FileTime::parse("5.123456789")
        );
    }

    #[test]
    fn file_times_of_find_are_rounded_down() {
        for (text, seconds, nanoseconds) in [
            ("-14182940.5000000000", -14_182_940, 500_000_000),
            ("-1.2500000000", -1, 250_000_000),
            ("7.0000000010", 7, 1),
        ] {
            let time = FileTime {
                seconds,
                nanoseconds,
            };
            assert_eq!(FileTime::parse_rounded_down(text), Some(time), "{text}");
        }
        assert_eq!(FileTime::parse_rounded_down("-"), None);
    }

    #[test]
    fn file_times_refuse_other_texts() {
        for text in [
            "",
            "-",
            ".5",
            "x",
            "1.x",
            "1e5",
            "--1",
            "99999999999999999999",
        ] {
            assert_eq!(FileTime::parse(text), None, "{text}");
        }
    }
}
