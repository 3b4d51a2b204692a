//! Archive members as plain data.

use crate::digest::Sha256;
use crate::manifest::{EntryKind, Extended, FileTime, FileType, Owner};
use crate::name::RemotePath;

/// What the headers of a member say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Where it is on the host.
    pub path: RemotePath,
    /// What it is.
    pub kind: Kind,
    /// Permission bits, set-id and sticky bits included (`0o7777`).
    pub mode: u32,
    /// Who owns it. A name that is not UTF-8 counts as none.
    pub owner: Owner,
    /// When its content last changed.
    pub mtime: FileTime,
    /// The bytes that follow the headers in the stream: data, sparse map and padding included.
    pub stored_bytes: u64,
}

/// The kinds of archive members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File {
        /// Its size, holes included.
        size_bytes: u64,
    },
    /// A further name of a regular file that the stream sent before.
    HardLink {
        /// That file.
        target: RemotePath,
    },
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink {
        /// The text of the link: not empty, without NUL.
        target: Vec<u8>,
    },
    /// A named pipe.
    Fifo,
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

impl Kind {
    /// Its type; a hard link counts as a file.
    #[must_use]
    pub fn file_type(&self) -> FileType {
        match self {
            Self::File { .. } | Self::HardLink { .. } => FileType::File,
            Self::Directory => FileType::Directory,
            Self::Symlink { .. } => FileType::Symlink,
            Self::Fifo => FileType::Fifo,
            Self::CharDevice { .. } => FileType::CharDevice,
            Self::BlockDevice { .. } => FileType::BlockDevice,
        }
    }

    /// How large its content is, holes included; 0 if it has none of its own.
    #[must_use]
    pub fn content_bytes(&self) -> u64 {
        match self {
            Self::File { size_bytes } => *size_bytes,
            Self::HardLink { .. }
            | Self::Directory
            | Self::Symlink { .. }
            | Self::Fifo
            | Self::CharDevice { .. }
            | Self::BlockDevice { .. } => 0,
        }
    }
}

/// A member that arrived whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// What its headers say.
    pub head: Head,
    /// The digest of a regular file's whole content, holes read as zeros; none for other kinds.
    pub sha256: Option<Sha256>,
    /// Digests of its extended attributes, ACLs and capabilities.
    pub extended: Extended,
}

impl Head {
    /// How much memory it takes.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        // What an allocation takes beyond its bytes.
        const ALLOCATION_BYTES: usize = 16;
        let target_bytes = match &self.kind {
            Kind::HardLink { target } => target.as_bytes().len(),
            Kind::Symlink { target } => target.len(),
            Kind::File { .. }
            | Kind::Directory
            | Kind::Fifo
            | Kind::CharDevice { .. }
            | Kind::BlockDevice { .. } => 0,
        };
        let owner_bytes = self.owner.user.len() + self.owner.group.len();
        let text_bytes = self.path.as_bytes().len() + target_bytes + owner_bytes;
        size_of::<Self>() + text_bytes + 4 * ALLOCATION_BYTES
    }

    /// How many bytes of holes it has, at least; all but the size of its map.
    #[must_use]
    pub fn hole_bytes(&self) -> u64 {
        self.kind.content_bytes().saturating_sub(self.stored_bytes)
    }
}

impl Member {
    /// The manifest's word for it. `target` gives size and digest of a hard link's target.
    ///
    /// None if `target` knows no such file.
    #[must_use]
    pub fn entry_kind(
        &self,
        target: impl FnOnce(&RemotePath) -> Option<(u64, Sha256)>,
    ) -> Option<EntryKind> {
        Some(match &self.head.kind {
            Kind::File { size_bytes } => EntryKind::File {
                size_bytes: *size_bytes,
                sha256: self.sha256?,
            },
            Kind::HardLink { target: path } => {
                let (size_bytes, sha256) = target(path)?;
                EntryKind::HardLink {
                    target: path.clone(),
                    size_bytes,
                    sha256,
                }
            }
            Kind::Directory => EntryKind::Directory,
            Kind::Symlink { target } => EntryKind::Symlink {
                target: target.clone(),
            },
            Kind::Fifo => EntryKind::Fifo,
            Kind::CharDevice { major, minor } => EntryKind::CharDevice {
                major: *major,
                minor: *minor,
            },
            Kind::BlockDevice { major, minor } => EntryKind::BlockDevice {
                major: *major,
                minor: *minor,
            },
        })
    }
}
