//! Trees on a disk: making them, and telling whether two are the same.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use fleet::digest::Sha256;

/// Each entry beneath `root`, the root as an empty name: kind, mode, owner, modification time,
/// content or target, and the first name of its hard-link group. Sockets are left out.
#[must_use]
pub(crate) fn describe(root: &Path) -> BTreeMap<PathBuf, String> {
    let mut described = BTreeMap::new();
    let mut first_names: HashMap<(u64, u64), PathBuf> = HashMap::new();
    let mut paths = vec![root.to_owned()];
    let mut all = Vec::new();
    while let Some(path) = paths.pop() {
        if fs::symlink_metadata(&path).is_ok_and(|facts| facts.is_dir()) {
            for entry in fs::read_dir(&path).expect("a directory") {
                paths.push(entry.expect("an entry").path());
            }
        }
        all.push(path);
    }
    all.sort();
    for path in all {
        let facts = fs::symlink_metadata(&path).expect("an entry");
        let kind = facts.file_type();
        if kind.is_socket() {
            continue;
        }
        let name = path.strip_prefix(root).expect("beneath the root");
        let first = first_names
            .entry((facts.dev(), facts.ino()))
            .or_insert_with(|| name.to_owned());
        let what = if kind.is_symlink() {
            let target = fs::read_link(&path).expect("a link");
            format!("link to {target:?} {first:?}")
        } else if kind.is_file() {
            format!(
                "file {} {:?}",
                Sha256::of(&fs::read(&path).expect("a file")),
                first
            )
        } else if kind.is_dir() {
            "directory".to_owned()
        } else {
            format!("{kind:?} {} {first:?}", facts.rdev())
        };
        described.insert(
            name.to_owned(),
            format!(
                "{:o} {}:{} {}.{:09} {what}",
                facts.mode(),
                facts.uid(),
                facts.gid(),
                facts.mtime(),
                facts.mtime_nsec()
            ),
        );
    }
    described
}

/// Everything beneath `root`, change times included.
pub(crate) fn with_change_times(root: &Path) -> BTreeMap<PathBuf, String> {
    let described = describe(root).into_iter();
    described
        .map(|(path, mut facts)| {
            let found = fs::symlink_metadata(root.join(&path)).expect("an entry");
            facts += &format!(" {}.{:09}", found.ctime(), found.ctime_nsec());
            (path, facts)
        })
        .collect()
}

/// Asserts that two trees are the same; says just what differs.
pub(crate) fn assert_same(wanted: &Path, got: &Path) {
    let (wanted, got) = (describe(wanted), describe(got));
    let names: Vec<&PathBuf> = wanted.keys().chain(got.keys()).collect();
    let differs: Vec<String> = names
        .into_iter()
        .filter(|name| wanted.get(*name) != got.get(*name))
        .map(|name| format!("{name:?}: {:?}, not {:?}", got.get(name), wanted.get(name)))
        .collect();
    assert_eq!(differs, Vec::<String>::new());
}

/// The folder that holds the absolute `path` in an extracted checkpoint.
#[must_use]
pub(crate) fn beneath(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").expect("an absolute path"))
}

/// Makes files of these names and contents, and the directories above them.
pub(crate) fn fill(root: &Path, files: &[(&str, &str)]) {
    for (name, content) in files {
        let path = root.join(name);
        fs::create_dir_all(path.parent().expect("beneath the root")).expect("directories");
        fs::write(path, content).expect("a file");
    }
}

/// A tree with every kind of entry and the worst names that a file system takes.
pub(crate) fn make_hostile(root: &Path) {
    fs::create_dir_all(root).expect("a directory");
    let longest = "n".repeat(255);
    for name in [
        b"plain".as_slice(),
        b"new\nline",
        b"tab\tstop",
        b"esc\x1b[31mred",
        b"bell\x07 and \x7f",
        b"not utf-8 \xff\xfe\xc3",
        b"-rf",
        b"--checkpoint-action=exec=true",
        b" blank ",
        b"quote'\"`$(id)",
        b"back\\slash\\n",
        b"star*?[a]",
        b"\xc3\xa9\xcc\x81",
        b"...",
        longest.as_bytes(),
    ] {
        let name = OsStr::from_bytes(name);
        fs::write(root.join(name), name.as_bytes()).expect("a file");
        let directory = root.join("dir").join(name);
        fs::create_dir_all(&directory).expect("a directory");
        fs::write(directory.join(name), "inside").expect("a file");
    }
    fs::write(root.join("empty"), "").expect("a file");
    fs::create_dir_all(root.join("empty-dir")).expect("a directory");
    let script = "cd \"$1\" && ln -s /etc/passwd out && ln -s ../../.. up && ln -s nowhere dangling && \
        ln -s 'new\nline' strange && ln plain hard && mkdir links && ln plain links/hard && mkfifo fifo && \
        ln -P dangling dangling-too && ln fifo links/fifo && \
        chmod 4750 empty && chmod 0000 plain && chmod u+rw plain && chmod 1777 empty-dir && \
        touch -d '1999-12-31 23:59:59.123456789' -- ./-rf && touch -d '2040-02-29 12:00:00.000000001' empty && \
        touch -h -d '2001-09-09 01:46:40.999999999' out && touch -d '1969-07-20 20:17:40.5' empty-dir";
    let status = Command::new("sh")
        .args(["-c", script, "sh"])
        .arg(root)
        .status()
        .expect("sh");
    assert!(status.success());
    drop(std::os::unix::net::UnixListener::bind(root.join("socket")).expect("a socket"));
}

/// Bytes that do not compress, the same on each call.
#[must_use]
pub(crate) fn noise(length: usize) -> Vec<u8> {
    let mut state: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}
