//! What a scan found: records of `find`, read as they arrive.

use crate::manifest::{FileTime, ScanMark};
use crate::name::{ParsePathError, RemotePath, escape};

/// The longest path that a host can be asked for by name: Linux's `PATH_MAX`, for the NUL at the end
/// takes the room of the leading `/`. Deeper trees can be walked, but not opened by their full path.
pub const PATH_LENGTH_MAX_BYTES: usize = 4096;

/// A record that is longer than this is no record: a path and a link target of any sane host fit in
/// many times over.
const RECORD_LENGTH_MAX_BYTES: usize = 4 << 20;

/// One entry that a scan found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Where.
    pub path: RemotePath,
    /// What `find` tells beyond the path; none where it can tell no more.
    pub facts: Option<Facts>,
}

/// What GNU find tells of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// What it is.
    pub kind: FoundKind,
    /// Permission bits.
    pub mode: u32,
    /// User number.
    pub uid: u64,
    /// Group number.
    pub gid: u64,
    /// To be compared with the next scan's.
    pub mark: ScanMark,
    /// The text of a symbolic link.
    pub link: Vec<u8>,
    /// The account can read it (for a directory: and enter it).
    pub readable: bool,
}

/// The kinds that `find` tells apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FoundKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
    /// A character device.
    CharDevice,
    /// A block device.
    BlockDevice,
    /// Something else, as a door of Solaris: not captured.
    Other,
}

/// The answer to a scan is not one.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A record cannot be read.
    #[error("the host's scan has a record that cannot be read: `{record}`")]
    Record {
        /// The record, escaped and shortened.
        record: String,
    },
    /// A path is not one.
    #[error("the host's scan names a path that is none")]
    Path(#[from] ParsePathError),
    /// The answer ends within a record.
    #[error("the host's scan ends in the middle of a record")]
    Cut,
}

impl Found {
    /// Whether the host said that it is of this kind.
    #[must_use]
    pub fn is(&self, kind: FoundKind) -> bool {
        self.facts.as_ref().is_some_and(|facts| facts.kind == kind)
    }

    /// Whether it has more names than one, as far as the host tells; a directory has, by what lies in it.
    #[must_use]
    pub fn may_have_names(&self) -> bool {
        let facts = self.facts.as_ref();
        facts.is_none_or(|facts| facts.mark.links > 1)
    }
}

/// What a scan says before its first record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opening {
    /// The records tell more than paths, so that the next scan can be compared with this one.
    pub has_facts: bool,
    /// When the scan began, by the host's clock; none where it cannot tell.
    pub clock: Option<FileTime>,
}

/// Reads records out of bytes that arrive in pieces of any size.
#[derive(Debug, Default)]
pub struct Parser {
    opening: Option<Opening>,
    rest: Vec<u8>,
}

impl Parser {
    /// For an answer to [`crate::guard::ReadCommand::Scan`].
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes and gives what they complete.
    ///
    /// # Errors
    ///
    /// [`Error::Record`] and [`Error::Path`] for an answer that is none.
    pub fn feed(&mut self, bytes: &[u8], found: &mut Vec<Found>) -> Result<(), Error> {
        self.rest.extend_from_slice(bytes);
        let mut start = 0;
        let opening = match self.opening {
            Some(opening) => Some(opening),
            None => match next_record(&self.rest, false) {
                None => None,
                Some((end, (record, _))) => {
                    start = end;
                    Some(read_opening(record)?)
                }
            },
        };
        self.opening = opening;
        if let Some(Opening { has_facts, .. }) = opening {
            while let Some((end, record)) = next_record(&self.rest[start..], has_facts) {
                found.push(match record {
                    (path, None) => Found {
                        path: RemotePath::from_bytes(path)?,
                        facts: None,
                    },
                    (head, Some(link)) => gnu_record(head, link)?,
                });
                start += end;
            }
        }
        self.rest.drain(..start);
        if self.rest.len() > RECORD_LENGTH_MAX_BYTES {
            return Err(unreadable(&self.rest));
        }
        Ok(())
    }

    /// Whether the opening has come.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.opening.is_some()
    }

    /// Nothing more will come.
    ///
    /// # Errors
    ///
    /// [`Error::Cut`] if a record was begun, or if not even the opening came.
    pub fn finish(self) -> Result<Opening, Error> {
        match self.opening {
            Some(opening) if self.rest.is_empty() => Ok(opening),
            _ => Err(Error::Cut),
        }
    }
}

fn read_opening(record: &[u8]) -> Result<Opening, Error> {
    if record == b"/" {
        return Ok(Opening {
            has_facts: false,
            clock: None,
        });
    }
    let clock = record
        .strip_prefix(b"gnu ")
        .ok_or_else(|| unreadable(record))?;
    Ok(Opening {
        has_facts: true,
        clock: std::str::from_utf8(clock).ok().and_then(FileTime::parse),
    })
}

type Fields<'a> = (&'a [u8], Option<&'a [u8]>);

fn next_record(bytes: &[u8], gnu: bool) -> Option<(usize, Fields<'_>)> {
    let first = bytes.iter().position(|&b| b == 0)?;
    if !gnu {
        return Some((first + 1, (&bytes[..first], None)));
    }
    let second = first + 1 + bytes[first + 1..].iter().position(|&b| b == 0)?;
    Some((
        second + 1,
        (&bytes[..first], Some(&bytes[first + 1..second])),
    ))
}

fn gnu_record(head: &[u8], link: &[u8]) -> Result<Found, Error> {
    // One mark for what cannot be read, a second one for a directory that cannot be entered.
    let marks = head.iter().take_while(|&&b| b == b'!').count();
    let fields: Vec<&[u8]> = head[marks..].splitn(11, |&b| b == b' ').collect();
    let [
        kind,
        mode,
        uid,
        gid,
        size,
        mtime,
        ctime,
        inode,
        device,
        links,
        path,
    ] = fields[..]
    else {
        return Err(unreadable(head));
    };
    let text = |field| std::str::from_utf8(field).map_err(|_| unreadable(head));
    let number = |field| text(field)?.parse::<u64>().map_err(|_| unreadable(head));
    let time = |field| FileTime::parse_rounded_down(text(field)?).ok_or_else(|| unreadable(head));
    let facts = Facts {
        kind: match kind {
            b"f" => FoundKind::File,
            b"d" => FoundKind::Directory,
            b"l" => FoundKind::Symlink,
            b"p" => FoundKind::Fifo,
            b"s" => FoundKind::Socket,
            b"c" => FoundKind::CharDevice,
            b"b" => FoundKind::BlockDevice,
            _ => FoundKind::Other,
        },
        mode: u32::from_str_radix(text(mode)?, 8).map_err(|_| unreadable(head))?,
        uid: number(uid)?,
        gid: number(gid)?,
        mark: ScanMark {
            inode: number(inode)?,
            device: number(device)?,
            links: number(links)?,
            size_bytes: number(size)?,
            mtime: time(mtime)?,
            ctime: time(ctime)?,
        },
        link: link.to_vec(),
        readable: marks == 0,
    };
    Ok(Found {
        path: RemotePath::from_bytes(path)?,
        facts: Some(facts),
    })
}

fn unreadable(record: &[u8]) -> Error {
    const SHOWN_MAX_BYTES: usize = 200;
    Error::Record {
        record: escape(&record[..record.len().min(SHOWN_MAX_BYTES)]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(bytes: &[u8], piece: usize, gnu: bool) -> Result<Vec<Found>, Error> {
        let opening: &[u8] = if gnu { b"gnu 1700000000.5\0" } else { b"/\0" };
        let mut parser = Parser::new();
        let mut found = Vec::new();
        for piece in [opening, bytes].concat().chunks(piece) {
            parser.feed(piece, &mut found)?;
        }
        let opening = Opening {
            has_facts: gnu,
            clock: FileTime::parse("1700000000.5").filter(|_| gnu),
        };
        assert_eq!(parser.finish()?, opening);
        Ok(found)
    }

    #[test]
    fn an_answer_opens_with_what_it_is() {
        let read = |text: &[u8]| {
            let mut parser = Parser::new();
            parser.feed(text, &mut Vec::new())?;
            parser.finish()
        };
        assert!(matches!(read(b""), Err(Error::Cut)));
        assert!(matches!(read(b"gnu 17"), Err(Error::Cut)));
        assert!(matches!(read(b"f 644 0\0"), Err(Error::Record { .. })));
        let silent = read(b"gnu 17.N\0").expect("an opening");
        assert_eq!((silent.has_facts, silent.clock), (true, None));
        let plain = read(b"/\0").expect("an opening");
        assert_eq!((plain.has_facts, plain.clock), (false, None));
    }

    const TWO: &[u8] = b"f 4755 1000 33 5 1700000000.1234567890 -1.5000000000 12 2049 2 /a b\n\0\0\
                         !!l 777 0 0 3 1.0 2.0 13 2049 1 /l\0\xff\n\0";

    #[test]
    fn records_are_read_however_they_are_cut() {
        let whole = parse(TWO, usize::MAX, true).expect("records");
        for piece in 1..TWO.len() {
            assert_eq!(parse(TWO, piece, true).expect("records"), whole);
        }
        let file = whole[0].facts.clone().expect("facts");
        assert_eq!(whole[0].path.as_bytes(), b"/a b\n");
        assert_eq!(
            (file.kind, file.mode, file.uid, file.gid),
            (FoundKind::File, 0o4755, 1000, 33)
        );
        assert_eq!(
            file.mark,
            ScanMark {
                inode: 12,
                device: 2049,
                links: 2,
                size_bytes: 5,
                mtime: FileTime {
                    seconds: 1_700_000_000,
                    nanoseconds: 123_456_789
                },
                ctime: FileTime {
                    seconds: -1,
                    nanoseconds: 500_000_000
                },
            }
        );
        assert!(file.readable);
        let link = whole[1].facts.clone().expect("facts");
        assert_eq!(
            (link.kind, link.link, link.readable),
            (FoundKind::Symlink, b"\xff\n".to_vec(), false)
        );
    }

    #[test]
    fn an_answer_that_ends_early_is_none() {
        for end in 1..TWO.len() {
            let outcome = parse(&TWO[..end], 7, true);
            let first_is_whole = TWO[..end].ends_with(b"\n\0\0");
            assert_eq!(matches!(outcome, Err(Error::Cut)), !first_is_whole, "{end}");
        }
    }

    #[test]
    fn strangers_texts_are_refused() {
        for record in [
            &b"\0\0"[..],
            b"f\0\0",
            b"f 9 0 0 0 0 0 0 0 0 /a\0\0",
            b"f 644 0 0 -1 0 0 0 0 0 /a\0\0",
            b"f 644 0 0 0 x 0 0 0 0 /a\0\0",
            b"f 644 0 0 0 0 0 0 0 0 a\0\0",
            b"f 644 0 0 0 0 0 0 0 0 /a/../b\0\0",
        ] {
            let refused = parse(record, 3, true).map_err(|error| match error {
                Error::Record { .. } | Error::Path(_) => "refused",
                Error::Cut => "cut",
            });
            assert_eq!(refused, Err("refused"), "{}", escape(record));
        }
    }

    #[test]
    fn a_flood_without_an_end_is_refused() {
        let flood = vec![b'x'; RECORD_LENGTH_MAX_BYTES + 1];
        let refused = parse(&flood, 1 << 16, true);
        assert!(matches!(refused, Err(Error::Record { record }) if record.len() == 200));
    }

    #[test]
    fn other_finds_tell_just_paths() {
        let found = parse(b"/a\0/a/b\n\0", 2, false).expect("paths");
        let paths: Vec<&[u8]> = found.iter().map(|f| f.path.as_bytes()).collect();
        assert_eq!(paths, [&b"/a"[..], b"/a/b\n"]);
    }
}
