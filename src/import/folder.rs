//! Reads a folder of this machine as a tar stream, in the order of a walk, names sorted.
//!
//! A file that changes while it is read ends the stream. Sockets are left out. Links are never followed.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use super::Error;
use crate::manifest::{FileTime, Owner};
use crate::name::RemotePath;
use crate::tarstream::{
    Acl, BLOCK_BYTES, CAPABILITY, Head, Kind, POSIX_ACL_ACCESS, POSIX_ACL_DEFAULT, Record,
    xattr_key,
};

/// As much as Linux gives at most for a list of attributes, and for the value of one.
const ATTRIBUTE_MAX_BYTES: usize = 64 << 10;

/// Reads a folder as an archive of what is in it; the folder itself is not a member.
pub(super) struct FolderStream {
    root: PathBuf,
    /// What is still to come, the next one last; relative to the root.
    waiting: Vec<PathBuf>,
    /// The first name of each file that has several.
    names: HashMap<(u64, u64), RemotePath>,
    users: BTreeMap<u64, String>,
    groups: BTreeMap<u64, String>,
    head: Vec<u8>,
    at: usize,
    open: Option<Open>,
    is_ended: bool,
}

/// A file that is being read.
struct Open {
    path: PathBuf,
    file: File,
    before: Metadata,
    left_bytes: u64,
}

impl FolderStream {
    /// Of the folder at `root`.
    pub(super) fn new(root: &Path) -> Result<Self, Error> {
        let mut stream = Self {
            root: root.to_owned(),
            waiting: Vec::new(),
            names: HashMap::new(),
            users: names("/etc/passwd"),
            groups: names("/etc/group"),
            head: Vec::new(),
            at: 0,
            open: None,
            is_ended: false,
        };
        stream.enter(Path::new(""))?;
        Ok(stream)
    }

    fn unreadable(path: &Path) -> impl FnOnce(io::Error) -> Error {
        let path = path.to_owned();
        move |source| Error::Open { path, source }
    }

    fn changed(&self, path: &Path) -> Error {
        Error::Changed {
            path: self.root.clone(),
            what: Some(crate::name::escape(path.as_os_str().as_bytes())),
        }
    }

    /// Puts what is in `dir` before everything that is still to come.
    fn enter(&mut self, dir: &Path) -> Result<(), Error> {
        let full = self.root.join(dir);
        let list = fs::read_dir(&full).map_err(Self::unreadable(&full))?;
        let names: io::Result<Vec<OsString>> = list.map(|item| Ok(item?.file_name())).collect();
        let mut names = names.map_err(Self::unreadable(&full))?;
        names.sort_by(|a, b| b.cmp(a));
        self.waiting
            .extend(names.into_iter().map(|name| dir.join(name)));
        Ok(())
    }

    /// Prepares the headers of the next member.
    fn advance(&mut self) -> Result<(), Error> {
        self.head.clear();
        self.at = 0;
        while self.head.is_empty() {
            let Some(path) = self.waiting.pop() else {
                self.is_ended = true;
                self.head.resize(2 * BLOCK_BYTES, 0);
                return Ok(());
            };
            self.member(&path)?;
        }
        Ok(())
    }

    fn member(&mut self, path: &Path) -> Result<(), Error> {
        let full = self.root.join(path);
        let facts = match fs::symlink_metadata(&full) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(self.changed(path));
            }
            facts => facts.map_err(Self::unreadable(&full))?,
        };
        let name =
            RemotePath::from_member(path.as_os_str().as_bytes()).map_err(|_| self.changed(path))?;
        let first_name = || self.names.get(&(facts.dev(), facts.ino())).cloned();
        let kind = facts.file_type();
        let kind = if kind.is_dir() {
            self.enter(path)?;
            Kind::Directory
        } else if facts.nlink() > 1
            && let Some(target) = first_name()
        {
            Kind::HardLink { target }
        } else if kind.is_file() {
            let open = self.open(path, &full, &facts)?;
            let size_bytes = open.left_bytes;
            self.open = Some(open);
            Kind::File { size_bytes }
        } else if kind.is_symlink() {
            let target = fs::read_link(&full).map_err(Self::unreadable(&full))?;
            Kind::Symlink {
                target: target.into_os_string().as_bytes().to_vec(),
            }
        } else if kind.is_fifo() {
            Kind::Fifo
        } else if kind.is_char_device() || kind.is_block_device() {
            let (major, minor) = (
                rustix::fs::major(facts.rdev()),
                rustix::fs::minor(facts.rdev()),
            );
            if kind.is_char_device() {
                Kind::CharDevice { major, minor }
            } else {
                Kind::BlockDevice { major, minor }
            }
        } else {
            return Ok(());
        };
        if facts.nlink() > 1 && kind != Kind::Directory {
            let file = (facts.dev(), facts.ino());
            self.names.entry(file).or_insert_with(|| name.clone());
        }
        let data_bytes = self.open.as_ref().map_or(0, |open| open.left_bytes);
        let head = Head {
            path: name,
            kind,
            mode: facts.mode() & 0o7777,
            owner: self.owner(&facts),
            mtime: FileTime {
                seconds: facts.mtime(),
                nanoseconds: u32::try_from(facts.mtime_nsec()).unwrap_or(0),
            },
            stored_bytes: 0,
        };
        let attributes = attributes(&full);
        let records: Vec<Record<'_>> = attributes
            .iter()
            .map(|(key, value)| (key.as_slice(), value.as_slice()))
            .collect();
        let blocks = head.to_blocks_with(data_bytes, &records);
        self.head = blocks.ok_or_else(|| self.changed(path))?;
        Ok(())
    }

    fn owner(&self, facts: &Metadata) -> Owner {
        let (uid, gid) = (u64::from(facts.uid()), u64::from(facts.gid()));
        Owner {
            uid,
            gid,
            user: self.users.get(&uid).cloned().unwrap_or_default(),
            group: self.groups.get(&gid).cloned().unwrap_or_default(),
        }
    }

    /// Opens what was a regular file a moment ago, and still is the same one.
    fn open(&self, path: &Path, full: &Path, facts: &Metadata) -> Result<Open, Error> {
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(flags.bits().cast_signed())
            .open(full)
            .map_err(Self::unreadable(full))?;
        let before = file.metadata().map_err(Self::unreadable(full))?;
        if !before.is_file() || (before.dev(), before.ino()) != (facts.dev(), facts.ino()) {
            return Err(self.changed(path));
        }
        Ok(Open {
            path: path.to_owned(),
            left_bytes: before.len(),
            file,
            before,
        })
    }

    /// Reads on in the open file; when it is done, its padding is what comes next.
    fn content(&mut self, buffer: &mut [u8], mut open: Open) -> Result<usize, Error> {
        let full = self.root.join(&open.path);
        let want = usize::try_from(open.left_bytes).map_or(buffer.len(), |n| n.min(buffer.len()));
        if want > 0 {
            let n = loop {
                match open.file.read(&mut buffer[..want]) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    read => break read.map_err(Self::unreadable(&full))?,
                }
            };
            if n == 0 {
                return Err(self.changed(&open.path));
            }
            open.left_bytes -= n as u64;
            self.open = Some(open);
            return Ok(n);
        }
        let after = open.file.metadata().map_err(Self::unreadable(&full))?;
        let look = |facts: &Metadata| {
            let times = (
                facts.mtime(),
                facts.mtime_nsec(),
                facts.ctime(),
                facts.ctime_nsec(),
            );
            (facts.len(), times)
        };
        if look(&after) != look(&open.before) {
            return Err(self.changed(&open.path));
        }
        let over = open.before.len() % BLOCK_BYTES as u64;
        self.head.clear();
        self.at = 0;
        if over > 0 {
            let over = usize::try_from(over).expect("less than a block");
            self.head.resize(BLOCK_BYTES - over, 0);
        }
        Ok(0)
    }

    fn next(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        loop {
            if self.at < self.head.len() {
                let n = buffer.len().min(self.head.len() - self.at);
                buffer[..n].copy_from_slice(&self.head[self.at..self.at + n]);
                self.at += n;
                return Ok(n);
            }
            if let Some(open) = self.open.take() {
                match self.content(buffer, open)? {
                    0 => {}
                    n => return Ok(n),
                }
            } else if self.is_ended {
                return Ok(0);
            } else {
                self.advance()?;
            }
        }
    }
}

impl Read for FolderStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        self.next(buffer).map_err(io::Error::other)
    }
}

/// The names of users or groups by number, as far as the file tells; none if it can't be read.
fn names(file: &str) -> BTreeMap<u64, String> {
    let text = fs::read(file).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let mut names = BTreeMap::new();
    for line in text.lines() {
        let mut fields = line.split(':');
        if let (Some(name), _, Some(Ok(id))) =
            (fields.next(), fields.next(), fields.next().map(str::parse))
        {
            names.entry(id).or_insert_with(|| name.to_owned());
        }
    }
    names
}

/// The attributes of users, the capabilities of programs and the ACLs, as records of tar's headers. File
/// systems without any have none.
fn attributes(path: &Path) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut list = vec![0; ATTRIBUTE_MAX_BYTES];
    let Ok(length) = rustix::fs::llistxattr(path, &mut list[..]) else {
        return Vec::new();
    };
    let mut attributes = Vec::new();
    for name in list[..length].split(|&b| b == 0) {
        let acl_key = match name {
            name if name == POSIX_ACL_ACCESS.as_bytes() => Some(&b"SCHILY.acl.access"[..]),
            name if name == POSIX_ACL_DEFAULT.as_bytes() => Some(&b"SCHILY.acl.default"[..]),
            _ => None,
        };
        let is_kept = name.starts_with(b"user.") || name == CAPABILITY.as_bytes();
        if !is_kept && acl_key.is_none() {
            continue;
        }
        let mut value = vec![0; ATTRIBUTE_MAX_BYTES];
        let Ok(length) = rustix::fs::lgetxattr(path, name, &mut value[..]) else {
            continue;
        };
        value.truncate(length);
        // The text is what tar sets ACLs by, the attribute has what it was made of.
        if let Some((key, acl)) = acl_key.zip(Acl::from_binary(&value)) {
            attributes.push((key.to_vec(), acl.to_text().into_bytes()));
        }
        attributes.push((xattr_key(name), value));
    }
    attributes
}
