//! Durable private files and folders: create, replace, rename, sync and remove.
//!
//! Folders are 0700 and files 0600 from the moment they exist. A file is durable once it and the
//! folder that names it are synced; nothing here renames before both were.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::digest::{Hasher, Sha256};
use crate::fault::{Code, Fault};

const FILE_MODE: u32 = 0o600;
const DIR_MODE: u32 = 0o700;
/// What is put in place by a rename begins so before it.
pub(crate) const TEMPORARY_PREFIX: &str = ".new-";
const BUFFER_BYTES: usize = 128 * 1024;

/// The operating system refused something on a file or folder.
#[derive(Debug, thiserror::Error)]
#[error("can't {action} {}", path.display())]
pub struct Error {
    /// What was tried.
    pub action: &'static str,
    /// On which file or folder.
    pub path: PathBuf,
    /// Why it failed.
    #[source]
    pub source: io::Error,
}

impl Error {
    /// Names what was tried, for `map_err`.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self {
            action,
            path,
            source,
        }
    }
}

impl Fault for Error {
    fn code(&self) -> Code {
        Code::of_io(&self.source)
    }

    fn hint(&self) -> Option<String> {
        match self.source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Some(format!(
                "Free space on the disk that holds {}. Nothing incomplete is kept.",
                self.path.display()
            )),
            _ => None,
        }
    }
}

/// Makes a private folder; it is fine if it is already there.
pub(crate) fn create_dir(path: &Path) -> Result<(), Error> {
    match DirBuilder::new().mode(DIR_MODE).create(path) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        made => made.map_err(Error::io("create the folder", path)),
    }
}

/// Makes those of a folder and the folders above it that are missing, all of them private.
pub(crate) fn create_dirs(path: &Path) -> Result<(), Error> {
    DirBuilder::new()
        .recursive(true)
        .mode(DIR_MODE)
        .create(path)
        .map_err(Error::io("create the folder", path))
}

/// Makes a private file that was not there before.
pub(crate) fn create_file(path: &Path) -> Result<File, Error> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(FILE_MODE)
        .open(path)
        .map_err(Error::io("create", path))
}

/// Makes a file that somebody else created private.
pub(crate) fn make_private(path: &Path, is_dir: bool) -> Result<(), Error> {
    let mode = if is_dir { DIR_MODE } else { FILE_MODE };
    let failed = |e| Error::io("set the permissions of", path)(e);
    // Setting what is set already would make the next sync write to the disk once more.
    let has = fs::metadata(path).map_err(failed)?.permissions().mode() & 0o7777;
    if has == mode {
        return Ok(());
    }
    fs::set_permissions(path, Permissions::from_mode(mode)).map_err(failed)
}

/// Writes new private files into `dir` and makes them and their names durable.
///
/// They are synced at the same time, for the file system then does it at one go.
pub(crate) fn write_files(dir: &Path, contents: &[(&str, &[u8])]) -> Result<(), Error> {
    std::thread::scope(|scope| {
        let writers: Vec<_> = contents
            .iter()
            .map(|(name, bytes)| scope.spawn(move || write_file(&dir.join(name), bytes)))
            .collect();
        writers.into_iter().try_for_each(|writer| {
            writer
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    })?;
    sync_dir(dir)
}

/// Writes a new private file and syncs it.
fn write_file(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let mut file = create_file(path)?;
    file.write_all(bytes).map_err(Error::io("write", path))?;
    file.sync_all().map_err(Error::io("sync", path))
}

/// Writes a private file in the place of whatever was there, all or nothing.
pub(crate) fn replace_file(dir: &Path, name: &str, bytes: &[u8]) -> Result<(), Error> {
    let path = dir.join(name);
    let mut temporary = tempfile::Builder::new()
        .prefix(TEMPORARY_PREFIX)
        .tempfile_in(dir)
        .map_err(Error::io("create a file in", dir))?;
    temporary
        .write_all(bytes)
        .map_err(Error::io("write", &path))?;
    temporary
        .as_file()
        .sync_all()
        .map_err(Error::io("sync", &path))?;
    temporary
        .persist(&path)
        .map_err(|e| Error::io("put in place", &path)(e.error))?;
    sync_dir(dir)
}

/// Syncs a file that is already written.
pub(crate) fn sync_file(path: &Path) -> Result<(), Error> {
    File::open(path)
        .and_then(|file| file.sync_all())
        .map_err(Error::io("sync", path))
}

/// Syncs the names in a folder.
pub(crate) fn sync_dir(path: &Path) -> Result<(), Error> {
    File::open(path)
        .and_then(|dir| dir.sync_all())
        .map_err(Error::io("sync the folder", path))
}

/// Renames within one file system; syncing is the caller's.
pub(crate) fn rename(from: &Path, to: &Path) -> Result<(), Error> {
    fs::rename(from, to).map_err(Error::io("put in place", to))
}

/// Removes a folder and what is in it; it is fine if it is not there.
pub(crate) fn remove_tree(path: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed.map_err(Error::io("remove", path)),
    }
}

/// Removes a file, or a folder and what is in it, and counts the bytes that no other link keeps.
pub(crate) fn remove_counted(path: &Path) -> Result<u64, Error> {
    let facts = fs::symlink_metadata(path).map_err(Error::io("read", path))?;
    if !facts.is_dir() {
        fs::remove_file(path).map_err(Error::io("remove", path))?;
        return Ok(if facts.nlink() == 1 { facts.len() } else { 0 });
    }
    let mut freed_bytes = 0;
    for item in fs::read_dir(path).map_err(Error::io("list", path))? {
        let item = item.map_err(Error::io("list", path))?;
        freed_bytes += remove_counted(&item.path())?;
    }
    fs::remove_dir(path).map_err(Error::io("remove", path))?;
    Ok(freed_bytes)
}

/// The names in a folder, sorted; those that are not UTF-8 are none of ours and left out.
pub(crate) fn names(path: &Path) -> Result<Vec<String>, Error> {
    let mut names = Vec::new();
    for item in fs::read_dir(path).map_err(Error::io("list", path))? {
        let item = item.map_err(Error::io("list", path))?;
        names.extend(item.file_name().into_string());
    }
    names.sort();
    Ok(names)
}

/// Digest and length of what `reader` still holds.
pub(crate) fn digest(mut reader: impl Read) -> io::Result<(Sha256, u64)> {
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut hasher = Hasher::new();
    let mut length = 0;
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok((hasher.finish(), length)),
            Ok(n) => {
                hasher.update(&buffer[..n]);
                length += n as u64;
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

/// Passes everything on, and knows its digest and length.
#[derive(Debug)]
pub(crate) struct Hashing<W> {
    inner: W,
    hasher: Hasher,
    length: u64,
}

impl<W> Hashing<W> {
    pub(crate) fn new(inner: W) -> Self {
        Self {
            inner,
            hasher: Hasher::new(),
            length: 0,
        }
    }

    pub(crate) fn into_parts(self) -> (W, Sha256, u64) {
        (self.inner, self.hasher.finish(), self.length)
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.inner.write(bytes)?;
        self.hasher.update(&bytes[..n]);
        self.length += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).expect("metadata").permissions().mode() & 0o7777
    }

    #[test]
    fn everything_made_is_private() -> Result<(), Error> {
        let dir = tempfile::tempdir().expect("a folder");
        let folder = dir.path().join("folder");
        create_dir(&folder)?;
        create_dir(&folder)?;
        let deep = folder.join("a/b");
        create_dirs(&deep)?;
        create_dirs(&deep)?;
        assert_eq!((mode(&folder.join("a")), mode(&deep)), (0o700, 0o700));
        remove_tree(&folder.join("a"))?;
        write_files(&folder, &[("new", b"1"), ("other", b"3")])?;
        replace_file(&folder, "new", b"2")?;
        assert_eq!(mode(&folder), 0o700);
        assert_eq!(mode(&folder.join("new")), 0o600);
        assert_eq!(fs::read(folder.join("new")).expect("read"), b"2");
        assert_eq!(fs::read(folder.join("other")).expect("read"), b"3");
        assert_eq!(mode(&folder.join("other")), 0o600);
        assert_eq!(names(&folder)?, ["new", "other"]);
        Ok(())
    }

    #[test]
    fn a_new_file_never_overwrites() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("x");
        write_file(&path, b"1").expect("the first");
        let second = write_file(&path, b"2");
        assert!(
            matches!(&second, Err(Error { action: "create", source, .. })
                if source.kind() == io::ErrorKind::AlreadyExists),
            "{second:?}"
        );
    }

    #[test]
    fn a_file_where_a_folder_should_be_is_an_error() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("x");
        write_file(&path, b"1").expect("a file");
        let made = create_dir(&path);
        assert!(
            matches!(
                &made,
                Err(Error {
                    action: "create the folder",
                    ..
                })
            ),
            "{made:?}"
        );
    }
}
