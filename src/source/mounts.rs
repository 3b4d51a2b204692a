//! The mount table of a host, as `/proc/self/mountinfo` has it: which file system a path is on, and
//! what its numbers are worth.

use super::octal::octal;
use crate::name::RemotePath;

/// File systems that count the blocks of their files: a file without any is one hole, or so small
/// that it is stored with its metadata.
const COUNT_BLOCKS: [&str; 21] = [
    "bcachefs", "btrfs", "erofs", "ext2", "ext3", "ext4", "f2fs", "gfs2", "jfs", "nfs", "nfs4",
    "nilfs2", "ocfs2", "overlay", "ramfs", "reiserfs", "squashfs", "tmpfs", "ufs", "xfs", "zfs",
];

/// File systems whose files are made up by the kernel when they are read.
const MADE_UP: [&str; 18] = [
    "binfmt_misc",
    "bpf",
    "cgroup",
    "cgroup2",
    "configfs",
    "debugfs",
    "efivarfs",
    "fusectl",
    "mqueue",
    "nfsd",
    "proc",
    "pstore",
    "resctrl",
    "rpc_pipefs",
    "securityfs",
    "selinuxfs",
    "sysfs",
    "tracefs",
];

/// One mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Where.
    pub point: RemotePath,
    /// The type of its file system, such as `ext4` or `fuse.sshfs`.
    pub kind: String,
    /// Major and minor number of its device, as `8:1`.
    pub device: String,
}

/// All mounts of a host. Empty where it has no such table.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Mounts {
    /// In the order of the table: what comes later covers what came before.
    all: Vec<Mount>,
}

impl Mount {
    /// Whether a file without blocks is a hole here, whatever its size.
    #[must_use]
    pub fn counts_blocks(&self) -> bool {
        COUNT_BLOCKS.contains(&self.kind.as_str())
    }

    /// Whether the sizes that it reports may not be those of the contents, for any file.
    #[must_use]
    pub fn is_made_up(&self) -> bool {
        MADE_UP.contains(&self.kind.as_str())
    }

    /// Whether a program serves it, which may report no sizes.
    #[must_use]
    pub fn is_fuse(&self) -> bool {
        self.kind == "fuse" || self.kind.starts_with("fuse.")
    }
}

impl Mounts {
    /// Adds a mount, given as `DEVICE TYPE POINT`, where `\040` in a path is a blank. What is told
    /// otherwise is passed over.
    pub fn push(&mut self, text: &str) {
        let mut words = text.splitn(3, ' ');
        let (Some(device), Some(kind), Some(point)) = (words.next(), words.next(), words.next())
        else {
            return;
        };
        if let Ok(point) = RemotePath::from_bytes(unescaped(point.as_bytes())) {
            self.all.push(Mount {
                point,
                kind: kind.to_owned(),
                device: device.to_owned(),
            });
        }
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Mount> {
        self.all.iter()
    }

    /// The one that `path` is on; none if there is no table.
    #[must_use]
    pub fn of(&self, path: &RemotePath) -> Option<&Mount> {
        self.all
            .iter()
            .filter(|mount| path.is_within(&mount.point))
            .max_by_key(|mount| mount.point.as_bytes().len())
    }
}

/// Mount tables write blanks, tabs, line ends and backslashes as three octal digits.
fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [byte, after @ ..] = rest {
        let (byte, after) = octal(rest).unwrap_or((*byte, after));
        bytes.push(byte);
        rest = after;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> RemotePath {
        text.parse().expect("a path")
    }

    #[test]
    fn a_path_is_on_the_last_of_the_deepest_mounts_above_it() {
        let mut mounts = Mounts::default();
        for line in [
            "8:1 ext4 /",
            "0:5 proc /proc",
            "8:2 xfs /srv",
            r"0:6 fuse.sshfs /srv/a\040b\134",
            "0:7 tmpfs /srv",
            "junk",
            "0:8 tmpfs relative",
        ] {
            mounts.push(line);
        }
        assert_eq!(mounts.iter().count(), 5);
        let kind = |text| mounts.of(&path(text)).map(|mount| mount.kind.as_str());
        assert_eq!(kind("/etc/passwd"), Some("ext4"));
        assert_eq!(kind("/srvx"), Some("ext4"));
        assert_eq!(kind("/srv/x"), Some("tmpfs"));
        assert_eq!(kind(r"/srv/a b\/x"), Some("fuse.sshfs"));
        assert_eq!(kind("/proc"), Some("proc"));
        assert_eq!(Mounts::default().of(&path("/a")), None);
    }

    #[test]
    fn file_systems_are_told_apart_by_what_their_numbers_are_worth() {
        let mount = |kind: &str| Mount {
            point: path("/"),
            kind: kind.to_owned(),
            device: "0:1".to_owned(),
        };
        for (kind, counts_blocks, is_made_up, is_fuse) in [
            ("ext4", true, false, false),
            ("proc", false, true, false),
            ("fuse", false, false, true),
            ("fuse.bindfs", false, false, true),
            ("fuseblk", false, false, false),
            ("unheard-of", false, false, false),
        ] {
            let mount = mount(kind);
            assert_eq!(
                (mount.counts_blocks(), mount.is_made_up(), mount.is_fuse()),
                (counts_blocks, is_made_up, is_fuse),
                "{kind}"
            );
        }
    }
}
