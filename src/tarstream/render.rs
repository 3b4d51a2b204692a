//! Renders the header blocks of a member: an extended header with names, numbers and times, and a ustar
//! header.

use crate::manifest::{FileTime, Owner};
use crate::name::RemotePath;
use crate::tarstream::{BLOCK_BYTES, Head, Kind, padding};

/// The largest number that the octal field of an owner holds.
const OWNER_MAX: u64 = 0o7_777_777;
/// The same of a size.
const SIZE_MAX: u64 = 0o77_777_777_777;

/// What fits into the fields of a header.
const NAME_FIELD_BYTES: usize = 100;

/// One more record of a member's extended header: an attribute, an ACL.
pub type Record<'a> = (&'a [u8], &'a [u8]);

impl Head {
    /// A file that root alone may read, as fleet itself makes them.
    #[must_use]
    pub fn of_private_file(path: RemotePath, size_bytes: u64, mtime: FileTime) -> Self {
        Self {
            path,
            kind: Kind::File { size_bytes },
            mode: 0o600,
            owner: Owner {
                uid: 0,
                gid: 0,
                user: "root".to_owned(),
                group: "root".to_owned(),
            },
            mtime,
            stored_bytes: size_bytes.next_multiple_of(BLOCK_BYTES as u64),
        }
    }

    /// The header blocks of this member, which its content follows; none for names that no extended header
    /// takes. A file is not sparse: what follows are all of its bytes.
    ///
    /// Names and times are written in an extended header, whatever their length, and so are large numbers.
    #[must_use]
    pub fn to_blocks(&self) -> Option<Vec<u8>> {
        self.to_blocks_with(self.kind.content_bytes(), &[])
    }

    /// The header blocks of this member in GNU's old form, with `data_bytes` of data behind them, for a tar
    /// that knows no extended headers: without fractions of times, attributes and names of owners.
    ///
    /// None for a device whose numbers no header takes.
    #[must_use]
    pub fn to_gnu_blocks(&self, data_bytes: u64) -> Option<Vec<u8>> {
        let mut header = tar::Header::new_gnu();
        let (name, link) = self.describe(&mut header)?;
        header.set_mode(self.mode);
        header.set_uid(self.owner.uid);
        header.set_gid(self.owner.gid);
        header.set_mtime(u64::try_from(self.mtime.seconds).unwrap_or(0));
        header.set_size(data_bytes);
        let mut blocks = Vec::new();
        for (kind, text) in [
            (tar::EntryType::GNULongName, Some(name)),
            (tar::EntryType::GNULongLink, link),
        ] {
            let text = text.unwrap_or_default();
            if text.len() > NAME_FIELD_BYTES {
                blocks.extend(long_name(kind, text));
            }
        }
        let short = header.as_old_mut();
        fill(&mut short.name, name);
        fill(&mut short.linkname, link.unwrap_or_default());
        header.set_cksum();
        blocks.extend_from_slice(header.as_bytes());
        Some(blocks)
    }

    /// Sets the type of `header`. Gives the name, and what a link names.
    fn describe(&self, header: &mut tar::Header) -> Option<(&[u8], Option<&[u8]>)> {
        // The root of a file system, or whatever an archive is relative to, has no name of its own.
        let name = match self.path.member() {
            b"" => b"./",
            name => name,
        };
        let mut link: Option<&[u8]> = None;
        match &self.kind {
            Kind::File { .. } => header.set_entry_type(tar::EntryType::Regular),
            Kind::HardLink { target } => {
                header.set_entry_type(tar::EntryType::Link);
                link = Some(target.member());
            }
            Kind::Directory => header.set_entry_type(tar::EntryType::Directory),
            Kind::Symlink { target } => {
                header.set_entry_type(tar::EntryType::Symlink);
                link = Some(target);
            }
            Kind::Fifo => header.set_entry_type(tar::EntryType::Fifo),
            Kind::CharDevice { major, minor } => {
                header.set_entry_type(tar::EntryType::Char);
                header.set_device_major(*major).ok()?;
                header.set_device_minor(*minor).ok()?;
            }
            Kind::BlockDevice { major, minor } => {
                header.set_entry_type(tar::EntryType::Block);
                header.set_device_major(*major).ok()?;
                header.set_device_minor(*minor).ok()?;
            }
        }
        Some((name, link))
    }

    /// The header blocks of any member, with `data_bytes` of data behind them (padding not counted) and
    /// `more` records in its extended header; none for names that no extended header takes.
    #[must_use]
    pub fn to_blocks_with(&self, data_bytes: u64, more: &[Record<'_>]) -> Option<Vec<u8>> {
        let mut header = tar::Header::new_ustar();
        let (name, link) = self.describe(&mut header)?;
        header.set_mode(self.mode);
        header.set_uid(self.owner.uid.min(OWNER_MAX));
        header.set_gid(self.owner.gid.min(OWNER_MAX));
        header.set_mtime(u64::try_from(self.mtime.seconds).unwrap_or(0));
        header.set_size(data_bytes.min(SIZE_MAX));
        // Enough for a tar that knows no extended headers to show something.
        let short = header.as_old_mut();
        fill(&mut short.name, name);
        fill(&mut short.linkname, link.unwrap_or_default());
        header.set_cksum();

        let (mtime, uid, gid, size) = (
            self.mtime.to_string(),
            self.owner.uid.to_string(),
            self.owner.gid.to_string(),
            data_bytes.to_string(),
        );
        // The name of a sparse file is elsewhere, and this one would be the data's.
        let is_sparse = more.iter().any(|(key, _)| key.starts_with(b"GNU.sparse."));
        let path = (!is_sparse).then_some((&b"path"[..], name));
        let mut records: Vec<Record<'_>> = path.into_iter().collect();
        records.push((b"mtime", mtime.as_bytes()));
        records.extend(link.map(|target| (&b"linkpath"[..], target)));
        records.extend([(&b"uid"[..], uid.as_bytes()), (b"gid", gid.as_bytes())]);
        records.extend([
            (&b"uname"[..], self.owner.user.as_bytes()),
            (b"gname", self.owner.group.as_bytes()),
        ]);
        if data_bytes > SIZE_MAX {
            records.push((b"size", size.as_bytes()));
        }
        records.extend(more);
        // Written here, for keys may be no text: they end in the names of attributes.
        let mut body = Vec::new();
        for (key, value) in records {
            push_record(&mut body, key, value);
        }
        Some([&extended(&body), &header.as_bytes()[..]].concat())
    }
}

/// An extended header with these records, padding included.
pub(super) fn extended(records: &[u8]) -> Vec<u8> {
    let mut header = tar::Header::new_ustar();
    fill(&mut header.as_old_mut().name, b"PaxHeaders");
    header.set_entry_type(tar::EntryType::XHeader);
    header.set_mode(0o644);
    header.set_size(records.len() as u64);
    header.set_cksum();
    let zeros = vec![0; padding(records.len() as u64)];
    [header.as_bytes(), records, &zeros].concat()
}

/// A member of that kind, whose content is the name of the next one.
fn long_name(kind: tar::EntryType, text: &[u8]) -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    fill(&mut header.as_old_mut().name, b"././@LongLink");
    header.set_entry_type(kind);
    header.set_mode(0o644);
    let length = text.len() as u64 + 1;
    header.set_size(length);
    header.set_cksum();
    let zeros = vec![0; 1 + padding(length)];
    [header.as_bytes(), text, &zeros].concat()
}

/// As much of `text` as the field takes, and zeros.
fn fill(field: &mut [u8; NAME_FIELD_BYTES], text: &[u8]) {
    *field = [0; NAME_FIELD_BYTES];
    let length = text.len().min(field.len());
    field[..length].copy_from_slice(&text[..length]);
}

/// `LENGTH KEY=VALUE` and a newline; the length counts itself.
pub(super) fn push_record(records: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let without = key.len() + value.len() + b" =\n".len();
    let mut length = without;
    loop {
        let whole = without + length.to_string().len();
        if whole == length {
            break;
        }
        length = whole;
    }
    records.extend_from_slice(length.to_string().as_bytes());
    records.push(b' ');
    records.extend_from_slice(key);
    records.push(b'=');
    records.extend_from_slice(value);
    records.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::{FileTime, Owner};
    use crate::name::RemotePath;
    use crate::tarstream::pax::split_record;
    use crate::tarstream::{Event, Member, MemberStream};

    #[test]
    fn what_is_written_anew_reads_back() {
        let kinds = [
            Kind::Symlink {
                target: b"\xff there\nand back".to_vec(),
            },
            Kind::Fifo,
            Kind::CharDevice { major: 1, minor: 3 },
            Kind::BlockDevice { major: 8, minor: 1 },
        ];
        for kind in kinds {
            let head = Head {
                path: RemotePath::from_bytes(format!("/{}\n\u{7f}", "long/".repeat(60) + "x"))
                    .expect("a path"),
                kind,
                mode: 0o1777,
                owner: Owner {
                    uid: 3_000_000,
                    gid: 33,
                    user: "asterisk".to_owned(),
                    group: String::new(),
                },
                mtime: FileTime::parse("-1.25").expect("a time"),
                stored_bytes: 0,
            };
            let blocks = head.to_blocks().expect("no file");
            let archive = [blocks, vec![0; 1024]].concat();
            let mut stream = MemberStream::new(archive.as_slice());
            assert!(matches!(stream.next(), Ok(Event::Begin { .. })));
            let expected = Member {
                head,
                sha256: None,
                extended: crate::manifest::Extended::default(),
            };
            match stream.next() {
                Ok(Event::End(member)) => assert_eq!(member, expected),
                other => assert!(matches!(other, Ok(Event::End(_))), "{other:?}"),
            }
        }
    }

    #[test]
    fn the_old_form_reads_back_without_fractions() {
        for path in ["/a".to_owned(), format!("/{}x", "long/".repeat(60))] {
            for kind in [
                Kind::Symlink {
                    target: b"x".repeat(300),
                },
                Kind::HardLink {
                    target: path.parse().expect("a path"),
                },
                Kind::Fifo,
                Kind::File {
                    size_bytes: SIZE_MAX + 1,
                },
            ] {
                let bytes = kind.content_bytes();
                let head = Head {
                    path: path.parse().expect("a path"),
                    kind,
                    mode: 0o4755,
                    owner: Owner {
                        uid: 3_000_000,
                        gid: 33,
                        ..Owner::default()
                    },
                    mtime: FileTime::parse("1700000000").expect("a time"),
                    stored_bytes: bytes.next_multiple_of(512),
                };
                let blocks = head.to_gnu_blocks(bytes).expect("a header");
                let mut stream = MemberStream::new(blocks.as_slice());
                match stream.next() {
                    Ok(Event::Begin { head: read, .. }) => assert_eq!(*read, head),
                    other => assert!(matches!(other, Ok(Event::Begin { .. })), "{other:?}"),
                }
            }
        }
    }

    #[test]
    fn files_read_back_with_their_content_whatever_their_size() {
        for size_bytes in [0, 1, 512, 513, SIZE_MAX, SIZE_MAX + 1] {
            let head = Head {
                path: "/fleet-captures/x/x.txt".parse().expect("a path"),
                kind: Kind::File { size_bytes },
                mode: 0o600,
                owner: Owner::default(),
                mtime: FileTime::parse("1700000000").expect("a time"),
                stored_bytes: size_bytes.next_multiple_of(512),
            };
            let blocks = head.to_blocks().expect("a header");
            let mut stream = MemberStream::new(blocks.as_slice());
            match stream.next() {
                Ok(Event::Begin { head: read, .. }) => assert_eq!(*read, head),
                other => assert!(matches!(other, Ok(Event::Begin { .. })), "{other:?}"),
            }
        }
    }

    #[test]
    fn directories_and_hard_links_read_back() {
        for kind in [
            Kind::Directory,
            Kind::HardLink {
                target: "/first".parse().expect("a path"),
            },
        ] {
            let head = Head {
                path: "/a".parse().expect("a path"),
                kind,
                mode: 0o755,
                owner: Owner::default(),
                mtime: FileTime::parse("5").expect("a time"),
                stored_bytes: 0,
            };
            let blocks = head.to_blocks().expect("a header");
            let mut stream = MemberStream::new(blocks.as_slice());
            match stream.next() {
                Ok(Event::Begin { head: read, .. }) => assert_eq!(*read, head),
                other => assert!(matches!(other, Ok(Event::Begin { .. })), "{other:?}"),
            }
        }
    }

    #[test]
    fn lengths_of_records_count_themselves() {
        for length in [0, 1, 80, 88, 89, 90, 91, 92, 980, 988, 989, 990, 991, 9_984] {
            let mut records = Vec::new();
            push_record(&mut records, b"path", &vec![b'x'; length]);
            let (key, value, rest) = split_record(&records).expect("a record");
            assert_eq!((key, value.len(), rest), (&b"path"[..], length, &b""[..]));
        }
    }
}
