//! Spools captured output to a file of the workstation and hashes it as it arrives.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::digest::{Hasher, Sha256};
use crate::fault::{Code, Fault};

/// A file that is being written.
#[derive(Debug)]
#[must_use = "what is not finished is removed"]
pub(in crate::checkpoint) struct Spool {
    file: Option<File>,
    name: String,
    path: PathBuf,
    hasher: Hasher,
    size_bytes: u64,
}

/// A file that came whole.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::checkpoint) struct SpooledFile {
    /// What it is called in the checkpoint.
    pub(in crate::checkpoint) name: String,
    /// Where it is until it is kept.
    pub(in crate::checkpoint) path: PathBuf,
    /// Its size.
    pub(in crate::checkpoint) size_bytes: u64,
    /// Its digest.
    pub(in crate::checkpoint) sha256: Sha256,
}

/// It cannot be written: the fault is on this side.
#[derive(Debug, thiserror::Error)]
#[error("can't write {}", path.display())]
pub(in crate::checkpoint) struct SpoolError {
    path: PathBuf,
    source: io::Error,
}

impl Fault for SpoolError {
    fn code(&self) -> Code {
        Code::of_io(&self.source)
    }

    fn hint(&self) -> Option<String> {
        let is_full = matches!(
            self.source.kind(),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
        );
        is_full.then(|| "Free space on the disk that holds the store.".to_owned())
    }
}

impl Spool {
    /// Begins the file `name` in `folder`, which is made if need be. Nobody else may read either.
    ///
    /// # Errors
    ///
    /// [`SpoolError`], also if it is there already.
    pub(in crate::checkpoint) fn create(folder: &Path, name: &str) -> Result<Self, SpoolError> {
        let path = folder.join(name);
        let opened = DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .and_then(|()| {
                OpenOptions::new()
                    .write(true)
                    .create_new(true)
                    .mode(0o600)
                    .open(&path)
            });
        match opened {
            Ok(file) => Ok(Self {
                file: Some(file),
                name: name.to_owned(),
                path,
                hasher: Hasher::new(),
                size_bytes: 0,
            }),
            Err(source) => Err(SpoolError { path, source }),
        }
    }

    /// How much has been written.
    pub(in crate::checkpoint) fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// Writes what comes next.
    ///
    /// # Errors
    ///
    /// [`SpoolError`].
    pub(in crate::checkpoint) fn write(&mut self, bytes: &[u8]) -> Result<(), SpoolError> {
        if let Some(file) = &mut self.file {
            file.write_all(bytes).map_err(|source| SpoolError {
                path: self.path.clone(),
                source,
            })?;
        }
        self.hasher.update(bytes);
        self.size_bytes += bytes.len() as u64;
        Ok(())
    }

    /// Ends it. It is not synced: it is read again at once, and kept in a pack that is.
    pub(in crate::checkpoint) fn finish(mut self) -> SpooledFile {
        self.file = None;
        SpooledFile {
            name: std::mem::take(&mut self.name),
            path: self.path.clone(),
            size_bytes: self.size_bytes,
            sha256: std::mem::replace(&mut self.hasher, Hasher::new()).finish(),
        }
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        if self.file.is_some() {
            // What stays is removed with the rest of the run.
            drop(std::fs::remove_file(&self.path));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_in_pieces_is_one_file_with_its_digest() -> Result<(), SpoolError> {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().expect("a folder");
        let folder = dir.path().join("spool/x");
        let mut spool = Spool::create(&folder, "x.txt")?;
        spool.write(b"one ")?;
        spool.write(b"two")?;
        assert_eq!(spool.size_bytes(), 7);
        let file = spool.finish();
        assert_eq!((file.name.as_str(), file.size_bytes), ("x.txt", 7));
        assert_eq!(file.sha256, Sha256::of(b"one two"));
        assert_eq!(std::fs::read(&file.path).expect("read"), b"one two");
        let mode = |path: &Path| {
            let facts = std::fs::metadata(path).expect("metadata");
            facts.permissions().mode() & 0o777
        };
        assert_eq!((mode(&folder), mode(&file.path)), (0o700, 0o600));
        Ok(())
    }

    #[test]
    fn what_is_not_finished_is_removed_and_nothing_is_overwritten() -> Result<(), SpoolError> {
        let dir = tempfile::tempdir().expect("a folder");
        drop(Spool::create(dir.path(), "x")?);
        assert!(!dir.path().join("x").exists());
        let first = Spool::create(dir.path(), "x")?.finish();
        let second = Spool::create(dir.path(), "x");
        assert!(
            matches!(&second, Err(error) if error.source.kind() == io::ErrorKind::AlreadyExists),
            "{second:?}"
        );
        assert!(first.path.exists());
        Ok(())
    }

    #[test]
    fn a_full_disk_is_told_with_what_helps() {
        let error = SpoolError {
            path: "/x".into(),
            source: io::ErrorKind::StorageFull.into(),
        };
        assert_eq!(
            error.hint().as_deref(),
            Some("Free space on the disk that holds the store.")
        );
    }
}
