//! One line of an entries file: an [`Entry`] as JSON.

use serde::{Deserialize, Serialize};

use super::extended::ExtendedRecord;
use super::scan::ScanRecord;
use super::{RecordError, join_text, split_text};
use crate::manifest::{Entry, EntryKind, FileTime, Owner, Piece};
use crate::name::RemotePath;

/// Kinds as they stand in the field `type`.
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
}

impl From<&Entry> for EntryRecord {
    fn from(entry: &Entry) -> Self {
        let (path, path_b64) = split_text(entry.path.as_bytes());
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
        let mtime = time(&record.mtime)?;
        let content = record
            .content
            .into_iter()
            .map(|piece| piece.piece(&path))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            path,
            kind,
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
mod tests {
    use super::*;
    use crate::digest::Sha256;
    use crate::manifest::{Extended, ScanMark};

    fn entry(path: &[u8], kind: EntryKind) -> Entry {
        Entry {
            path: RemotePath::from_bytes(path).expect("a path"),
            kind,
            mode: 0o4755,
            owner: Owner {
                uid: 3_000_000,
                gid: 7,
                user: "größe".to_owned(),
                group: String::new(),
            },
            mtime: FileTime::parse("-1.5").expect("a time"),
            scan: Some(ScanMark {
                inode: 1,
                device: 2,
                links: 3,
                size_bytes: 4,
                mtime: FileTime::parse("5.000000001").expect("a time"),
                ctime: FileTime::parse("6").expect("a time"),
            }),
            content: vec![Piece {
                pack: "packs/20261121T101500Z/app.tar.zst"
                    .parse()
                    .expect("a pack"),
                member: path[1..].to_vec(),
                offset_bytes: 512,
            }],
            extended: None,
            unstable: true,
        }
    }

    fn line(entry: &Entry) -> String {
        serde_json::to_string(&EntryRecord::from(entry)).expect("records are plain JSON")
    }

    fn read(line: &str) -> Result<Entry, RecordError> {
        serde_json::from_str::<EntryRecord>(line)
            .map_err(RecordError::of)?
            .try_into()
    }

    #[test]
    fn every_kind_reads_back_what_was_written() {
        let sha256 = Sha256::of(b"x");
        let target = RemotePath::from_bytes(&b"/\xff"[..]).expect("a path");
        for kind in [
            EntryKind::File {
                size_bytes: u64::MAX,
                sha256,
            },
            EntryKind::HardLink {
                target,
                size_bytes: 1,
                sha256,
            },
            EntryKind::Directory,
            EntryKind::Symlink {
                target: b"../\xfe\n".to_vec(),
            },
            EntryKind::Symlink {
                target: b"plain".to_vec(),
            },
            EntryKind::Fifo,
            EntryKind::Socket,
            EntryKind::CharDevice { major: 5, minor: 1 },
            EntryKind::BlockDevice { major: 8, minor: 0 },
        ] {
            for path in [&b"/etc/x"[..], b"/a\xff\n b"] {
                let entry = entry(path, kind.clone());
                assert_eq!(read(&line(&entry)), Ok(entry));
            }
        }
    }

    #[test]
    fn the_line_of_a_file_is_this() {
        let sha256 = Sha256::of(b"abc");
        insta::assert_snapshot!(line(&entry(b"/etc/x", EntryKind::File { size_bytes: 3, sha256 })), @r#"{"path":"/etc/x","type":"file","mode":"4755","uid":3000000,"gid":7,"user":"größe","group":"","mtime":"-1.500000000","size":3,"sha256":"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad","content":[{"pack":"packs/20261121T101500Z/app.tar.zst","offset":512}],"unstable":true,"scan":{"inode":1,"device":2,"links":3,"size":4,"mtime":"5.000000001","ctime":"6"}}"#);
    }

    #[test]
    fn extended_metadata_is_unknown_nothing_or_a_digest_of_each_class() {
        let mut entry = entry(b"/etc/x", EntryKind::Fifo);
        assert!(!line(&entry).contains("extended"), "unknown");
        entry.extended = Some(Extended::default());
        let text = line(&entry);
        assert!(text.contains(r#","extended":{},"#), "{text}");
        assert_eq!(read(&text), Ok(entry.clone()));
        let acl = Sha256::of(b"acl");
        entry.extended = Some(Extended::new([None, Some(acl), None, None]));
        let text = line(&entry);
        assert!(
            text.contains(&format!(r#","extended":{{"acl":"{acl}"}},"#)),
            "{text}"
        );
        assert_eq!(read(&text), Ok(entry));
    }

    #[test]
    fn that_just_lines_were_kept_is_said() {
        let entry = entry(b"/etc/x", EntryKind::Fifo);
        let mut record = EntryRecord::from(&entry);
        record.kind = Kind::File;
        let line = serde_json::to_string(&record.into_extract()).expect("plain JSON");
        assert!(line.contains(r#","extract":true,"#), "{line}");
    }

    #[test]
    fn what_the_scan_says_as_the_entry_does_is_left_out_and_read_where_it_is_there() {
        let sha256 = Sha256::of(b"abc");
        let kind = EntryKind::File {
            size_bytes: 3,
            sha256,
        };
        let mut file = entry(b"/etc/x", kind);
        let mark = ScanMark {
            inode: 1,
            device: 0,
            links: 1,
            size_bytes: 3,
            mtime: file.mtime,
            ctime: FileTime::parse("6").expect("a time"),
        };
        file.scan = Some(mark);
        let text = line(&file);
        let short = r#""scan":{"inode":1,"ctime":"6"}"#;
        let long = r#""scan":{"inode":1,"device":0,"links":1,"size":3,"mtime":"-1.5","ctime":"6"}"#;
        assert!(text.contains(short), "{text}");
        assert_eq!(read(&text.replace(short, long)), Ok(file.clone()));
        let named = text.replace(r#","offset""#, r#","member":"etc/x","offset""#);
        assert_eq!(read(&named), Ok(file.clone()));
        let elsewhere = text.replace(r#","offset""#, r#","member":"etc/y","offset""#);
        let elsewhere = read(&elsewhere).expect("an entry");
        assert_eq!(elsewhere.content[0].member, b"etc/y");
        assert!(line(&elsewhere).contains(r#""member":"etc/y""#));
        assert_eq!(read(&text), Ok(file));

        let mut directory = entry(b"/etc", EntryKind::Directory);
        directory.scan = Some(mark);
        let text = line(&directory);
        assert_eq!(
            read(&text.replace(r#""size":3,"#, "")),
            Err(RecordError::new("scan.size is missing"))
        );
        assert_eq!(read(&text), Ok(directory));
    }

    #[test]
    fn unknown_fields_are_tolerated_and_broken_ones_are_not() {
        let sha256 = Sha256::of(b"abc");
        let good = entry(
            b"/etc/x",
            EntryKind::File {
                size_bytes: 3,
                sha256,
            },
        );
        let text = line(&good);
        assert_eq!(read(&text.replacen('{', r#"{"later":[1],"#, 1)), Ok(good));
        for (from, to, problem) in [
            (r#""path":"/etc/x","#, "", "path is missing"),
            (
                r#""path":"/etc/x""#,
                r#""path":"/etc/x","path_b64":"Lw==""#,
                "path is there twice",
            ),
            (
                r#""path":"/etc/x""#,
                r#""path_b64":"L""#,
                "path_b64: invalid length at 0",
            ),
            (
                r#""path":"/etc/x""#,
                r#""path":"/../x""#,
                "`/../x` is not an absolute path without empty, `.` or `..` components",
            ),
            (r#""size":3,"#, "", "size is missing"),
            (r#""mode":"4755""#, r#""mode":"9""#, "`9` is no mode"),
            (
                r#""mode":"4755""#,
                r#""mode":"17777""#,
                "`17777` is no mode",
            ),
            (r#""ctime":"6""#, r#""ctime":"six""#, "`six` is no time"),
            (
                "packs/2026",
                "packs/../2026",
                "`packs/../20261121T101500Z/app.tar.zst` is not a pack: expected `packs/STAMP/SOURCE.tar.zst`",
            ),
        ] {
            assert_eq!(
                read(&text.replace(from, to)),
                Err(RecordError::new(problem)),
                "{from}"
            );
        }
    }
}
