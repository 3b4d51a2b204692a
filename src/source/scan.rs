//! Parses the records that `find` prints, as they arrive.

use crate::manifest::{FileTime, FileType, Resolved, ScanMark};
use crate::name::{ParsePathError, RemotePath, escape};

/// The longest path that a host can be asked for by name: Linux's `PATH_MAX`, for the NUL at the end
/// takes the room of the leading `/`. Deeper trees can be walked, but not opened by their full path.
pub const PATH_LENGTH_MAX_BYTES: usize = 4096;

/// A record that is longer than this is no record: the path of a file that is ten thousand directories
/// deep fits in.
const RECORD_LENGTH_MAX_BYTES: usize = 4 << 20;

/// The longest name in a directory. File systems allow 255 bytes, some a few times as many.
const NAME_LENGTH_MAX_BYTES: usize = 4096;

/// The longest text of a symbolic link: Linux stores none that is longer.
const LINK_LENGTH_MAX_BYTES: usize = 4096;

/// What an allocation takes beyond its bytes.
const ALLOCATION_BYTES: usize = 16;

/// One entry that a scan found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Where.
    pub path: RemotePath,
    /// What `find` prints beyond the path; none if it prints paths only.
    pub facts: Option<Facts>,
}

/// What the host tells of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// What it is.
    pub kind: FileType,
    /// Permission bits.
    pub mode: u32,
    /// User number.
    pub uid: u64,
    /// Group number.
    pub gid: u64,
    /// To be compared with the next scan's.
    pub mark: ScanMark,
    /// Blocks of 512 bytes that its content takes, as far as its file system says.
    pub blocks: u64,
    /// The text of a symbolic link; empty where `stat` tells the facts.
    pub link: Vec<u8>,
    /// The account can read it (for a directory: and enter it).
    pub readable: bool,
}

/// The answer to a scan is not one.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A record cannot be read.
    #[error("malformed record in find's output: `{record}`")]
    Record {
        /// The record, escaped and shortened.
        record: String,
    },
    /// A path is not one.
    #[error("invalid path in find's output")]
    Path(#[from] ParsePathError),
    /// A name or the text of a link is longer than any file system takes.
    #[error("{what} of more than {max} bytes in find's output: `{begin}…`")]
    TooLong {
        /// What it is, with its article.
        what: &'static str,
        /// So many may be.
        max: usize,
        /// The beginning of the path, escaped.
        begin: String,
    },
    /// The answer ends within a record.
    #[error("find's output ends in the middle of a record")]
    Cut,
}

impl Found {
    /// Whether the host said that it is of this kind.
    #[must_use]
    pub fn is(&self, kind: FileType) -> bool {
        self.facts.as_ref().is_some_and(|facts| facts.kind == kind)
    }

    /// How much memory it takes.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        let link_bytes = self.facts.as_ref().map_or(0, |facts| facts.link.len());
        let text_bytes = self.path.as_bytes().len() + link_bytes;
        size_of::<Self>() + text_bytes + 2 * ALLOCATION_BYTES
    }

    /// Whether it has more names than one, as far as the host tells; a directory has, by what is in it.
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
    /// `stat` tells the facts: times are in whole seconds.
    pub is_of_stat: bool,
    /// When the scan began, by the host's clock; none if the host does not report it.
    pub clock: Option<FileTime>,
}

/// Reads records out of bytes that arrive in pieces of any size. What is beneath a path that the host
/// had to resolve comes as it was asked for.
#[derive(Debug, Default)]
pub struct Parser {
    opening: Option<Opening>,
    /// The record that has not come whole.
    rest: Vec<u8>,
    /// So much of `rest` was searched for the end of a field.
    searched_bytes: usize,
    /// What is asked for, in the order of the request.
    asked: Vec<RemotePath>,
    /// Where each of it is, as far as it was reported.
    resolved: Vec<Resolved>,
}

impl Parser {
    /// For an answer to [`crate::guard::ReadCommand::Scan`], which was `asked` for these paths.
    #[must_use]
    pub fn new(asked: &[RemotePath]) -> Self {
        Self {
            asked: asked.to_vec(),
            ..Self::default()
        }
    }

    /// Takes the next bytes and gives what they complete.
    ///
    /// Of a path that is longer than [`PATH_LENGTH_MAX_BYTES`], the directory is given at which it gets so
    /// long: nothing beneath that can be asked for, and it is named once.
    ///
    /// # Errors
    ///
    /// [`Error::Record`] and [`Error::Path`] for an answer that is none, [`Error::TooLong`] for names
    /// that no file system takes.
    pub fn feed(&mut self, bytes: &[u8], found: &mut Vec<Found>) -> Result<(), Error> {
        self.rest.extend_from_slice(bytes);
        let end = match self.framing() {
            Framing::Lines => b'\n',
            Framing::Paths | Framing::Gnu => 0,
        };
        if !self.rest[self.searched_bytes..].contains(&end) {
            self.searched_bytes = self.rest.len();
            return self.check_rest();
        }
        let mut start = 0;
        let opening = match self.opening {
            Some(opening) => Some(opening),
            None => match next_record(&self.rest, Framing::Paths) {
                None => None,
                Some((end, (record, _))) => {
                    start = end;
                    Some(read_opening(record)?)
                }
            },
        };
        self.opening = opening;
        if opening.is_some() {
            let framing = self.framing();
            while let Some((end, record)) = next_record(&self.rest[start..], framing) {
                let entry = match record {
                    ([b'>', path @ ..], _) => {
                        let resolved = self.resolve(path)?;
                        self.resolved.push(resolved);
                        start += end;
                        continue;
                    }
                    (line, None) if framing == Framing::Lines => stat_line(line)?,
                    (path, None) => Found {
                        path: short_path(path)?,
                        facts: None,
                    },
                    (head, Some(link)) => gnu_record(head, link)?,
                };
                let entry = self.as_asked(entry)?;
                start += end;
                let is_told = |last: &Found| {
                    last.path == entry.path && last.path.as_bytes().len() > PATH_LENGTH_MAX_BYTES
                };
                if !found.last().is_some_and(is_told) {
                    found.push(entry);
                }
            }
        }
        self.rest.drain(..start);
        self.searched_bytes = 0;
        self.check_rest()
    }

    fn framing(&self) -> Framing {
        match self.opening {
            Some(opening) if opening.is_of_stat => Framing::Lines,
            Some(opening) if opening.has_facts => Framing::Gnu,
            Some(_) | None => Framing::Paths,
        }
    }

    fn check_rest(&self) -> Result<(), Error> {
        if self.rest.len() > RECORD_LENGTH_MAX_BYTES {
            return Err(unreadable(&self.rest));
        }
        Ok(())
    }

    /// What was asked for next is at `real`.
    fn resolve(&self, real: &[u8]) -> Result<Resolved, Error> {
        let asked = self.asked.get(self.resolved.len());
        let asked = asked.filter(|_| real.len() <= PATH_LENGTH_MAX_BYTES);
        Ok(Resolved {
            asked: asked.ok_or_else(|| unreadable(real))?.clone(),
            real: RemotePath::from_bytes(real)?,
        })
    }

    /// The entry with its path as it was asked for.
    fn as_asked(&self, mut entry: Found) -> Result<Found, Error> {
        if let Some(resolved) = self.resolved.last()
            && resolved.asked != resolved.real
        {
            let asked = resolved.to_asked(&entry.path);
            entry.path = asked.ok_or_else(|| unreadable(entry.path.as_bytes()))?;
        }
        Ok(entry)
    }

    /// The paths that are elsewhere than they were asked for.
    #[must_use]
    pub fn resolved(&self) -> Vec<Resolved> {
        let resolved = self.resolved.iter();
        let elsewhere = resolved.filter(|resolved| resolved.asked != resolved.real);
        elsewhere.cloned().collect()
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
            is_of_stat: false,
            clock: None,
        });
    }
    if record == b"stat" {
        return Ok(Opening {
            has_facts: true,
            is_of_stat: true,
            clock: None,
        });
    }
    let clock = record
        .strip_prefix(b"gnu ")
        .ok_or_else(|| unreadable(record))?;
    Ok(Opening {
        has_facts: true,
        is_of_stat: false,
        clock: std::str::from_utf8(clock).ok().and_then(FileTime::parse),
    })
}

type Fields<'a> = (&'a [u8], Option<&'a [u8]>);

/// How records end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    /// Paths, each with NUL.
    Paths,
    /// A path with what is before it, and the text of a link, each with NUL.
    Gnu,
    /// With `//` and a line end, which no path of a scan holds.
    Lines,
}

fn next_record(bytes: &[u8], framing: Framing) -> Option<(usize, Fields<'_>)> {
    if framing == Framing::Lines {
        let end = bytes.windows(3).position(|three| three == b"//\n")?;
        return Some((end + 3, (&bytes[..end], None)));
    }
    let first = bytes.iter().position(|&b| b == 0)?;
    if framing == Framing::Paths {
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
    let fields: Vec<&[u8]> = head[marks..].splitn(12, |&b| b == b' ').collect();
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
        blocks,
        path,
    ] = fields[..]
    else {
        return Err(unreadable(head));
    };
    if link.len() > LINK_LENGTH_MAX_BYTES {
        return Err(Error::TooLong {
            what: "a link with a text",
            max: LINK_LENGTH_MAX_BYTES,
            begin: beginning(path),
        });
    }
    let text = |field| std::str::from_utf8(field).map_err(|_| unreadable(head));
    let number = |field| text(field)?.parse::<u64>().map_err(|_| unreadable(head));
    let time = |field| FileTime::parse_rounded_down(text(field)?).ok_or_else(|| unreadable(head));
    let facts = Facts {
        kind: match kind {
            b"f" => FileType::File,
            b"d" => FileType::Directory,
            b"l" => FileType::Symlink,
            b"p" => FileType::Fifo,
            b"s" => FileType::Socket,
            b"c" => FileType::CharDevice,
            b"b" => FileType::BlockDevice,
            _ => FileType::Other,
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
        blocks: number(blocks)?,
        link: link.to_vec(),
        readable: marks == 0,
    };
    Ok(Found {
        path: short_path(path)?,
        facts: Some(facts),
    })
}

/// A line of `stat`: see [`crate::guard::FactsFrom::FindOrStat`].
fn stat_line(line: &[u8]) -> Result<Found, Error> {
    let fields: Vec<&[u8]> = line.splitn(11, |&b| b == b' ').collect();
    let [mode, numbers @ .., path] = &fields[..] else {
        return Err(unreadable(line));
    };
    let text = |field| std::str::from_utf8(field).map_err(|_| unreadable(line));
    let mode = u32::from_str_radix(text(mode)?, 16).map_err(|_| unreadable(line))?;
    let numbers = numbers
        .iter()
        .map(|field| text(field)?.parse().map_err(|_| unreadable(line)));
    let numbers = numbers.collect::<Result<Vec<i64>, Error>>()?;
    let [uid, gid, size, mtime, ctime, inode, device, links, blocks] = numbers[..] else {
        return Err(unreadable(line));
    };
    let time = |seconds| FileTime {
        seconds,
        nanoseconds: 0,
    };
    Ok(Found {
        path: short_path(path)?,
        facts: Some(Facts {
            kind: match mode & 0o170_000 {
                0o100_000 => FileType::File,
                0o040_000 => FileType::Directory,
                0o120_000 => FileType::Symlink,
                0o010_000 => FileType::Fifo,
                0o140_000 => FileType::Socket,
                0o020_000 => FileType::CharDevice,
                0o060_000 => FileType::BlockDevice,
                _ => FileType::Other,
            },
            mode: mode & 0o7777,
            uid: uid.cast_unsigned(),
            gid: gid.cast_unsigned(),
            mark: ScanMark {
                inode: inode.cast_unsigned(),
                device: device.cast_unsigned(),
                links: links.cast_unsigned(),
                size_bytes: size.cast_unsigned(),
                mtime: time(mtime),
                ctime: time(ctime),
            },
            blocks: blocks.cast_unsigned(),
            link: Vec::new(),
            readable: true,
        }),
    })
}

/// The path, or the directory above it at which it gets longer than the host can open.
fn short_path(path: &[u8]) -> Result<RemotePath, Error> {
    let mut names = path.split(|&b| b == b'/');
    if names.any(|name| name.len() > NAME_LENGTH_MAX_BYTES) {
        return Err(Error::TooLong {
            what: "a name",
            max: NAME_LENGTH_MAX_BYTES,
            begin: beginning(path),
        });
    }
    let after = path.get(PATH_LENGTH_MAX_BYTES + 1..).unwrap_or_default();
    let end = after.iter().position(|&b| b == b'/');
    let end = end.map_or(path.len(), |at| PATH_LENGTH_MAX_BYTES + 1 + at);
    Ok(RemotePath::from_bytes(&path[..end])?)
}

fn beginning(bytes: &[u8]) -> String {
    const SHOWN_MAX_BYTES: usize = 200;
    escape(&bytes[..bytes.len().min(SHOWN_MAX_BYTES)])
}

fn unreadable(record: &[u8]) -> Error {
    Error::Record {
        record: beginning(record),
    }
}

#[cfg(test)]
mod tests;
