//! What a tree is: every entry with all that a restore has to bring back.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use fleet::digest::Sha256;

/// The type of an entry, with what is specific to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    Directory,
    File { content: String },
    Link { target: Vec<u8> },
    Other { device: u64, letter: char },
}

impl Kind {
    /// Whether both are of the same type.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }
}

/// An entry of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) kind: Kind,
    pub(super) mode: u32,
    pub(super) owner: (u32, u32),
    pub(super) mtime: (i64, i64),
    /// With ACLs and capabilities.
    pub(super) xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    /// The first name of the hard-link group.
    pub(super) group: Vec<u8>,
}

pub(super) type Tree = BTreeMap<Vec<u8>, Entry>;

/// All that is in `root`, which has the empty name, but for staging folders.
pub(super) fn scan(root: &Path) -> Tree {
    let mut paths = vec![PathBuf::new()];
    let mut all = Vec::new();
    while let Some(path) = paths.pop() {
        let full = root.join(&path);
        if fs::symlink_metadata(&full).expect("an entry").is_dir() {
            for entry in fs::read_dir(&full).expect("a directory") {
                let name = entry.expect("an entry").file_name();
                if !name.as_bytes().starts_with(b".fleet-restore") {
                    paths.push(path.join(name));
                }
            }
        }
        all.push(path);
    }
    all.sort();
    let mut groups: HashMap<u64, Vec<u8>> = HashMap::new();
    let entry = |path: PathBuf| {
        // A path that ends with a slash would be followed.
        let full = if path.as_os_str().is_empty() {
            root.to_owned()
        } else {
            root.join(&path)
        };
        let facts = fs::symlink_metadata(&full).expect("an entry");
        let name = path.into_os_string().into_vec();
        let group = groups.entry(facts.ino()).or_insert_with(|| name.clone());
        let entry = Entry {
            kind: kind(&full, &facts),
            mode: facts.mode() & 0o7777,
            owner: (facts.uid(), facts.gid()),
            mtime: (facts.mtime(), facts.mtime_nsec()),
            xattrs: xattrs(&full),
            group: group.clone(),
        };
        (name, entry)
    };
    all.into_iter().map(entry).collect()
}

/// A tree as far as the slower way puts it back: without fractions of times and extended attributes.
pub(super) fn plain(mut tree: Tree) -> Tree {
    for entry in tree.values_mut() {
        entry.mtime.1 = 0;
        entry.xattrs.clear();
    }
    tree
}

fn kind(full: &Path, facts: &fs::Metadata) -> Kind {
    let kind = facts.file_type();
    if kind.is_dir() {
        Kind::Directory
    } else if kind.is_file() {
        Kind::File {
            content: Sha256::of(&fs::read(full).expect("a file")).to_string(),
        }
    } else if kind.is_symlink() {
        Kind::Link {
            target: fs::read_link(full)
                .expect("a link")
                .into_os_string()
                .into_vec(),
        }
    } else {
        Kind::Other {
            device: facts.rdev(),
            letter: if kind.is_fifo() { 'p' } else { 'd' },
        }
    }
}

fn xattrs(full: &Path) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut names = vec![0; 65536];
    let length = rustix::fs::llistxattr(full, &mut names[..]).unwrap_or(0);
    names[..length]
        .split(|&byte| byte == 0)
        .filter(|name| !name.is_empty())
        .map(|name| {
            let mut value = vec![0; 65536];
            let length = rustix::fs::lgetxattr(full, OsStr::from_bytes(name), &mut value[..]);
            value.truncate(length.expect("an attribute"));
            (name.to_vec(), value)
        })
        .collect()
}

/// Where two trees differ, for people.
pub(super) fn differences(wanted: &Tree, got: &Tree) -> Vec<String> {
    let mut names: Vec<&Vec<u8>> = wanted.keys().chain(got.keys()).collect();
    names.sort();
    names.dedup();
    names
        .into_iter()
        .filter(|name| wanted.get(*name) != got.get(*name))
        .map(|name| {
            format!(
                "{}: {:?}, not {:?}",
                name.escape_ascii(),
                got.get(name),
                wanted.get(name)
            )
        })
        .collect()
}
