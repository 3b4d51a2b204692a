//! Exports into a folder that holds other things: the tree is made whole beside them, then moved among them.
//!
//! What is in the way is found before anything is moved. Nothing is moved through a symbolic link, and a
//! directory that is there already keeps what it is.

use std::collections::HashSet;
use std::fs::{self, DirBuilder, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags};
use rustix::io::Errno;

use super::folder::Made;
use super::{Export, Exported, FolderOptions, Watch};
use crate::name::RemotePath;
use crate::store::Error;

/// So many files that are in the way are named.
const NAMED_MAX: usize = 10;

/// What becomes of files that are where exported ones go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Existing {
    /// They are kept, and nothing is exported.
    #[default]
    Refuse,
    /// They are replaced. Directories never are.
    Replace,
}

impl Export<'_> {
    /// Makes the tree of files beneath `target`, a folder that may hold other things; a new one is made.
    /// `watch` is called for each entry and may end it.
    ///
    /// Directories that are there keep their owner, mode and times. Of what is made, all contents are
    /// compared with their digests before the first file gets its name. An error that comes later, such as
    /// one of the disk, leaves the files that have theirs by then.
    ///
    /// What can't be made or set as it is recorded is no error: [`Exported::shortfalls`] names it.
    ///
    /// # Errors
    ///
    /// [`Error::Occupied`] if files are in the way and `existing` refuses that; [`Error::Unsafe`] if a
    /// directory is where a file goes, or a file or link where a directory goes. As [`Export::to_folder`]
    /// else.
    pub fn into_folder(
        &self,
        target: &Path,
        options: FolderOptions,
        existing: Existing,
        watch: Watch<'_>,
    ) -> Result<Exported, Error> {
        let is_new = match DirBuilder::new().mode(0o700).create(target) {
            Ok(()) => true,
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists && target.is_dir() => false,
            Err(e) => return Err(Error::io("create the folder", target)(e)),
        };
        let exported = self.merge(target, options, existing, watch);
        if exported.is_err() && is_new {
            // The first error is more useful; the folder is empty, unless the disk refuses everything.
            drop(fs::remove_dir(target));
        }
        exported
    }

    fn merge(
        &self,
        target: &Path,
        options: FolderOptions,
        existing: Existing,
        watch: Watch<'_>,
    ) -> Result<Exported, Error> {
        let Made {
            making,
            mut tree,
            mut directories,
        } = self.make_tree(target, options, watch)?;
        let moves = Moves::plan(making.path(), target, existing)?;
        for path in &moves.paths {
            let (from, to) = (making.path().join(path), target.join(path));
            move_to(&from, &to, existing).map_err(|error| match error.kind() {
                // Somebody has made it since it was looked for.
                io::ErrorKind::AlreadyExists => Error::Occupied {
                    target: target.to_owned(),
                    count: 1,
                    paths: vec![path.clone()],
                },
                _ => Error::io("put in place", &to)(error),
            })?;
        }
        // Children first: a directory that may not be searched is closed last.
        tree.root = target.to_owned();
        while let Some((directory, attributes)) = directories.pop() {
            let place = tree.place(&directory.place);
            if !moves.there.contains(&place) {
                tree.finish(&directory.entry, &attributes, &place)?;
            }
        }
        Ok(tree.exported)
    }
}

/// What is moved, each with all that is in it.
#[derive(Debug, Default)]
struct Moves {
    /// Relative to both folders.
    paths: Vec<PathBuf>,
    /// The directories that are in the target already.
    there: HashSet<PathBuf>,
}

impl Moves {
    /// What of `from` is moved into `target`, if nothing is in the way.
    fn plan(from: &Path, target: &Path, existing: Existing) -> Result<Self, Error> {
        let mut moves = Self {
            paths: Vec::new(),
            there: HashSet::from([target.to_owned()]),
        };
        let (mut count, mut named) = (0, Vec::new());
        let mut folders = vec![PathBuf::new()];
        while let Some(folder) = folders.pop() {
            let listed = from.join(&folder);
            for item in fs::read_dir(&listed).map_err(Error::io("list", &listed))? {
                let item = item.map_err(Error::io("list", &listed))?;
                let path = folder.join(item.file_name());
                let made = item.metadata().map_err(Error::io("read", &item.path()))?;
                let place = target.join(&path);
                match (found(&place)?, existing) {
                    (None, _) => moves.paths.push(path),
                    (Some(there), _) if there.is_dir() && made.is_dir() => {
                        moves.there.insert(place);
                        folders.push(path);
                    }
                    (Some(there), _) if there.is_dir() || made.is_dir() => {
                        return Err(in_the_way(target, &path));
                    }
                    (Some(_), Existing::Replace) => moves.paths.push(path),
                    (Some(_), Existing::Refuse) => {
                        count += 1;
                        named.push(path);
                    }
                }
            }
        }
        if count == 0 {
            return Ok(moves);
        }
        named.sort();
        named.truncate(NAMED_MAX);
        Err(Error::Occupied {
            target: target.to_owned(),
            count,
            paths: named,
        })
    }
}

/// What is at `place`, links not followed.
fn found(place: &Path) -> Result<Option<Metadata>, Error> {
    match fs::symlink_metadata(place) {
        Ok(facts) => Ok(Some(facts)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(Error::io("read", place)(e)),
    }
}

fn in_the_way(target: &Path, path: &Path) -> Error {
    let bytes = [b"/", path.as_os_str().as_bytes()].concat();
    match RemotePath::from_bytes(bytes) {
        Ok(path) => Error::Unsafe {
            path,
            target: target.to_owned(),
            problem: "something else is in its place".to_owned(),
        },
        // It was made from a path.
        Err(_) => Error::TargetExists {
            path: target.join(path),
        },
    }
}

/// Renames; a file that has come since is not replaced unless that is wanted.
fn move_to(from: &Path, to: &Path, existing: Existing) -> io::Result<()> {
    if existing == Existing::Refuse {
        match rustix::fs::renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
            // The file system does not know how.
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {}
            moved => return Ok(moved?),
        }
        if fs::symlink_metadata(to).is_ok() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
    }
    fs::rename(from, to)
}
