//! The record of an entry: one line of JSON of an entries file.

use serde::{Deserialize, Serialize};

use super::extended::ExtendedRecord;
use super::scan::ScanRecord;
use super::{RecordError, join_text, split_text};
use crate::manifest::{ContentRange, Entry, EntryKind, FileTime, Owner, Piece};
use crate::name::RemotePath;

/// Kinds as they are in the field `type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    File,
    Hardlink,
    Directory,
    Symlink,
    Fifo,
    Socket,
    CharDevice,
    BlockDevice,
}

/// The line. Absent fields are left out.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::store) struct EntryRecord {
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path_b64: Option<String>,
    #[serde(rename = "type")]
    kind: Kind,
    mode: String,
    uid: u64,
    gid: u64,
    user: String,
    group: String,
    mtime: String,
    /// Absent where it is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    extended: Option<ExtendedRecord>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
    /// Where a symbolic link points, or the first name of a hard link.
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    link_b64: Option<String>,
    /// The first name of a link, pipe or device that has several.
    #[serde(skip_serializing_if = "Option::is_none")]
    first_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_name_b64: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    major: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    minor: Option<u32>,
    content: Vec<PieceRecord>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    unstable: bool,
    /// Just lines of the file were kept: where another part has it as a whole, that one counts.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    extract: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    scan: Option<ScanRecord>,
}

/// The member's name is left out where it is the path's, as text.
#[derive(Debug, Serialize, Deserialize)]
struct PieceRecord {
    pack: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    member: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    member_b64: Option<String>,
    offset: u64,
    /// Absent: from the beginning of the member's content.
    #[serde(default, skip_serializing_if = "is_zero")]
    from: u64,
    /// Absent: to the end of the member's content.
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl From<&Entry> for EntryRecord {
    fn from(entry: &Entry) -> Self {
        let (path, path_b64) = split_text(entry.path.as_bytes());
        let first_name = entry.first_name.as_ref();
        let first_name = first_name.map(|name| split_text(name.as_bytes()));
        let (first_name, first_name_b64) = first_name.unwrap_or_default();
        let mut record = Self {
            path,
            path_b64,
            kind: Kind::File,
            mode: format!("{:04o}", entry.mode),
            uid: entry.owner.uid,
            gid: entry.owner.gid,
            user: entry.owner.user.clone(),
            group: entry.owner.group.clone(),
            mtime: entry.mtime.to_string(),
            extended: entry.extended.as_ref().map(ExtendedRecord::of),
            size: None,
            sha256: None,
            link: None,
            link_b64: None,
            first_name,
            first_name_b64,
            major: None,
            minor: None,
            content: entry
                .content
                .iter()
                .map(|piece| PieceRecord::of(piece, &entry.path))
                .collect(),
            unstable: entry.unstable,
            extract: false,
            scan: entry.scan.as_ref().map(|mark| ScanRecord::of(mark, entry)),
        };
        match &entry.kind {
            EntryKind::File { size_bytes, sha256 } => {
                record.size = Some(*size_bytes);
                record.sha256 = Some(sha256.to_string());
            }
            EntryKind::HardLink {
                target,
                size_bytes,
                sha256,
            } => {
                record.kind = Kind::Hardlink;
                (record.link, record.link_b64) = split_text(target.as_bytes());
                record.size = Some(*size_bytes);
                record.sha256 = Some(sha256.to_string());
            }
            EntryKind::Directory => record.kind = Kind::Directory,
            EntryKind::Symlink { target } => {
                record.kind = Kind::Symlink;
                (record.link, record.link_b64) = split_text(target);
            }
            EntryKind::Fifo => record.kind = Kind::Fifo,
            EntryKind::Socket => record.kind = Kind::Socket,
            EntryKind::CharDevice { major, minor } => {
                record.kind = Kind::CharDevice;
                (record.major, record.minor) = (Some(*major), Some(*minor));
            }
            EntryKind::BlockDevice { major, minor } => {
                record.kind = Kind::BlockDevice;
                (record.major, record.minor) = (Some(*major), Some(*minor));
            }
        }
        record
    }
}

impl EntryRecord {
    /// The same as an entry of which just lines were kept, if it is one of a regular file.
    pub(in crate::store) fn into_extract(self) -> Self {
        let extract = matches!(self.kind, Kind::File | Kind::Hardlink);
        Self { extract, ..self }
    }
}

impl PieceRecord {
    fn of(piece: &Piece, path: &RemotePath) -> Self {
        let (member, member_b64) = split_text(&piece.member);
        Self {
            pack: piece.pack.to_string(),
            member: member.filter(|_| piece.member != path.member()),
            member_b64,
            offset: piece.offset_bytes,
            from: piece.range.from_bytes,
            bytes: piece.range.length_bytes,
        }
    }

    fn piece(self, path: &RemotePath) -> Result<Piece, RecordError> {
        let member = match (self.member, self.member_b64) {
            (None, None) => path.member().to_vec(),
            (member, member_b64) => join_text("member", member, member_b64)?,
        };
        Ok(Piece {
            pack: self.pack.parse().map_err(RecordError::of)?,
            member,
            offset_bytes: self.offset,
            range: ContentRange {
                from_bytes: self.from,
                length_bytes: self.bytes,
            },
        })
    }
}

impl TryFrom<EntryRecord> for Entry {
    type Error = RecordError;

    fn try_from(record: EntryRecord) -> Result<Self, RecordError> {
        let missing = |what: &str| RecordError::new(format!("{what} is missing"));
        let path = remote_path("path", record.path, record.path_b64)?;
        let size_bytes = record.size.ok_or_else(|| missing("size"));
        let sha256 = match &record.sha256 {
            Some(text) => text.parse().map_err(RecordError::of),
            None => Err(missing("sha256")),
        };
        let major = record.major.ok_or_else(|| missing("major"));
        let minor = record.minor.ok_or_else(|| missing("minor"));
        let kind = match record.kind {
            Kind::File => EntryKind::File {
                size_bytes: size_bytes?,
                sha256: sha256?,
            },
            Kind::Hardlink => EntryKind::HardLink {
                target: remote_path("link", record.link, record.link_b64)?,
                size_bytes: size_bytes?,
                sha256: sha256?,
            },
            Kind::Directory => EntryKind::Directory,
            Kind::Symlink => EntryKind::Symlink {
                target: join_text("link", record.link, record.link_b64)?,
            },
            Kind::Fifo => EntryKind::Fifo,
            Kind::Socket => EntryKind::Socket,
            Kind::CharDevice => EntryKind::CharDevice {
                major: major?,
                minor: minor?,
            },
            Kind::BlockDevice => EntryKind::BlockDevice {
                major: major?,
                minor: minor?,
            },
        };
        let first_name = match (record.first_name, record.first_name_b64) {
            (None, None) => None,
            (text, base64) => Some(remote_path("first_name", text, base64)?),
        };
        let mtime = time(&record.mtime)?;
        let content = record
            .content
            .into_iter()
            .map(|piece| piece.piece(&path))
            .collect::<Result<Vec<Piece>, _>>()?;
        let is_in_pieces = content.len() > 1 || content.iter().any(|piece| !piece.range.is_whole());
        if is_in_pieces && !matches!(kind, EntryKind::File { .. }) {
            return Err(RecordError::new("only files have content in pieces"));
        }
        Ok(Self {
            path,
            kind,
            first_name,
            mode: mode(&record.mode)?,
            owner: Owner {
                uid: record.uid,
                gid: record.gid,
                user: record.user,
                group: record.group,
            },
            mtime,
            extended: record.extended.map(ExtendedRecord::extended).transpose()?,
            scan: record
                .scan
                .map(|scan| scan.mark(record.size, mtime))
                .transpose()?,
            content,
            unstable: record.unstable,
        })
    }
}

/// A path as two fields, as in `path` and `path_b64`.
pub(in crate::store) fn remote_path(
    what: &str,
    text: Option<String>,
    base64: Option<String>,
) -> Result<RemotePath, RecordError> {
    RemotePath::from_bytes(join_text(what, text, base64)?).map_err(RecordError::of)
}

/// A time in seconds, as a decimal.
pub(super) fn time(text: &str) -> Result<FileTime, RecordError> {
    FileTime::parse(text).ok_or_else(|| {
        RecordError::new(format!(
            "`{}` is no time",
            crate::name::escape(text.as_bytes())
        ))
    })
}

fn mode(text: &str) -> Result<u32, RecordError> {
    u32::from_str_radix(text, 8)
        .ok()
        .filter(|mode| *mode <= 0o7777)
        .ok_or_else(|| {
            RecordError::new(format!(
                "`{}` is no mode",
                crate::name::escape(text.as_bytes())
            ))
        })
}

#[cfg(test)]
mod tests;
