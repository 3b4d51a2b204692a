//! Exports a checkpoint as a tree of files: everything is made in a folder of its own inside the target,
//! moved up when it is whole, and directories get their modes and times last.
//!
//! Nothing is ever written through a symbolic link: links are made after everything else, so while
//! files are written there is none in the tree; no entry is beneath what is no directory; and every
//! folder on the way is looked at before something is put into it. Folders are private from the moment they
//! exist, and those that no entry records stay so.

use std::collections::HashSet;
use std::fs::{self, DirBuilder};
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode};

use super::groups::Role;
use super::metadata::{MetadataSetter, remove_default_acl, set_times};
use super::order::Placed;
use super::{Export, Exported, FolderOptions, ShortfallKind, Watch};
use crate::disk;
use crate::manifest::{Entry, EntryKind, Extended};
use crate::name::RemotePath;
use crate::store::Error;
use crate::store::query::content::Packs;
use crate::tarstream::Attributes;

/// The mode of new folders, until what is recorded is set.
const PRIVATE_DIR: u32 = 0o700;

impl Export<'_> {
    /// Makes the tree of files beneath `target`, which is a new or an empty folder. A failed export
    /// leaves nothing. `watch` is called for each entry and may end it.
    ///
    /// What can't be made or set as it is recorded is no error: [`Exported::shortfalls`] names it.
    ///
    /// # Errors
    ///
    /// [`Error::TargetNotEmpty`]; [`Error::Content`] and [`Error::Damaged`] if something is not what
    /// was sealed; [`Error::Unsafe`] for an entry beneath something that is no directory;
    /// [`Error::Stopped`] if `watch` asks to stop; [`Error::Io`] if it can't be written.
    pub fn to_folder(
        &self,
        target: &Path,
        options: FolderOptions,
        watch: Watch<'_>,
    ) -> Result<Exported, Error> {
        let is_new = match fs::read_dir(target) {
            Ok(mut names) => {
                if names.next().is_some() {
                    return Err(Error::TargetNotEmpty {
                        path: target.to_owned(),
                    });
                }
                false
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                let made = DirBuilder::new().mode(PRIVATE_DIR).create(target);
                made.map_err(Error::io("create the folder", target))?;
                true
            }
            Err(e) => return Err(Error::io("read", target)(e)),
        };
        let exported = self.fill(target, options, watch);
        if exported.is_err() && is_new {
            // The first error is more useful; the folder is empty, unless the disk refuses everything.
            drop(fs::remove_dir(target));
        }
        exported
    }

    fn fill(
        &self,
        target: &Path,
        options: FolderOptions,
        watch: Watch<'_>,
    ) -> Result<Exported, Error> {
        let Made {
            making,
            mut tree,
            mut directories,
        } = self.make_tree(target, options, watch)?;
        // Children first: a directory that may not be searched is closed last. Those at the top must be
        // open to be moved, and are closed where they belong.
        let mut tops = Vec::new();
        while let Some((directory, attributes)) = directories.pop() {
            if depth(&directory.place) > 1 {
                let place = tree.place(&directory.place);
                tree.finish(&directory.entry, &attributes, &place)?;
            } else {
                tops.push((directory, attributes));
            }
        }
        for item in fs::read_dir(making.path()).map_err(Error::io("list", making.path()))? {
            let item = item.map_err(Error::io("list", making.path()))?;
            disk::rename(&item.path(), &target.join(item.file_name()))?;
        }
        tree.root = target.to_owned();
        for (directory, attributes) in tops {
            let place = tree.place(&directory.place);
            tree.finish(&directory.entry, &attributes, &place)?;
        }
        Ok(tree.exported)
    }

    /// Makes the whole tree in a new folder inside `target`. Its directories are private still.
    pub(super) fn make_tree<'a>(
        &'a self,
        target: &'a Path,
        options: FolderOptions,
        watch: Watch<'_>,
    ) -> Result<Made<'a>, Error> {
        // Dropped on every way out that is not the end: what was made is removed.
        let making = tempfile::Builder::new()
            .prefix(".fleet-export-")
            .tempdir_in(target)
            .map_err(Error::io("create a folder in", target))?;
        remove_default_acl(making.path()).map_err(Error::io("prepare", making.path()))?;
        let mut tree = Tree {
            export: self,
            target,
            root: making.path().to_owned(),
            makes_devices: options.devices,
            metadata: MetadataSetter::new(options.numeric_owner),
            packs: Packs::default(),
            exported: self.contradictions.clone(),
            unmade: HashSet::new(),
            verified: PathBuf::new(),
        };
        let directories = tree.make_files(watch)?;
        tree.write_listing()?;
        tree.make_links()?;
        Ok(Made {
            making,
            tree,
            directories,
        })
    }
}

/// A tree that is whole but for the attributes of its directories.
pub(super) struct Made<'a> {
    /// Where it is; removed when dropped.
    pub(super) making: tempfile::TempDir,
    pub(super) tree: Tree<'a>,
    /// Each directory after those above it.
    pub(super) directories: Vec<(Placed, Attributes)>,
}

/// A tree of files while it is made.
pub(super) struct Tree<'a> {
    export: &'a Export<'a>,
    target: &'a Path,
    /// Where it is.
    pub(super) root: PathBuf,
    makes_devices: bool,
    metadata: MetadataSetter,
    packs: Packs,
    pub(super) exported: Exported,
    /// Where devices were left out, whose further names are left out as well.
    unmade: HashSet<RemotePath>,
    /// The directory that was made last: it and those above it are directories, and stay so.
    verified: PathBuf,
}

impl Tree<'_> {
    /// Makes directories, regular files, pipes and devices. Gives the directories.
    fn make_files(&mut self, watch: Watch<'_>) -> Result<Vec<(Placed, Attributes)>, Error> {
        let mut directories = Vec::new();
        for placed in self.export.walk()? {
            let placed = placed?;
            self.exported.entries += 1;
            self.exported.bytes += placed.entry.file_bytes().unwrap_or_default();
            match placed.entry.kind {
                EntryKind::Directory => {
                    self.make_dirs(&placed.place, &placed.entry.path)?;
                    let attributes = self.attributes(&placed.entry)?;
                    directories.push((placed, attributes));
                }
                EntryKind::Socket => self.leave_out(ShortfallKind::Socket, &placed.entry.path),
                EntryKind::Symlink { .. } => {}
                EntryKind::File { .. }
                | EntryKind::HardLink { .. }
                | EntryKind::Fifo
                | EntryKind::CharDevice { .. }
                | EntryKind::BlockDevice { .. } => {
                    match self.export.groups.role(self.export, &placed)? {
                        Role::Alone => self.make(&placed, &placed.entry, watch)?,
                        Role::Leader(carrier) => self.make(&placed, &carrier.entry, watch)?,
                        Role::Link(_) => {}
                    }
                }
            }
            if watch(&self.exported).is_break() {
                return Err(Error::Stopped);
            }
        }
        Ok(directories)
    }

    /// Writes the list that the layout adds.
    fn write_listing(&self) -> Result<(), Error> {
        let Some(list) = &self.export.listing else {
            return Ok(());
        };
        let place = self.place(&list.place);
        if let Some(folder) = place.parent() {
            create_dirs(&self.root, folder).map_err(Error::io("create the folder", folder))?;
        }
        let file = disk::create_file(&place)?;
        let mut output = BufWriter::new(&file);
        let written = self.export.write_listing(list, &mut output);
        written
            .and_then(|()| output.flush().map_err(|source| Error::Output { source }))
            .map_err(|error| match error {
                Error::Output { source } => Error::io("write", &place)(source),
                other => other,
            })?;
        let head = list.head(self.export.time());
        let set = |e: io::Error| Error::io("set mode and times of", &place)(e);
        fs::set_permissions(&place, fs::Permissions::from_mode(head.mode)).map_err(set)?;
        set_times(&place, head.mtime).map_err(set)
    }

    /// Makes what is no directory, no link and no further name, as `origin` has it.
    fn make(&mut self, placed: &Placed, origin: &Entry, watch: Watch<'_>) -> Result<(), Error> {
        match origin.kind {
            EntryKind::File { size_bytes, .. } => {
                let place = self.make_parents(placed)?;
                let attributes = self.write_file(origin, &place, size_bytes, watch)?;
                self.finish(&placed.entry, &attributes, &place)
            }
            EntryKind::Fifo => {
                let place = self.make_parents(placed)?;
                make_node(&place, FileType::Fifo, 0)
                    .map_err(|e| self.refused(&placed.entry.path, &place, e))?;
                let attributes = self.attributes(origin)?;
                self.finish(&placed.entry, &attributes, &place)
            }
            EntryKind::CharDevice { major, minor } => {
                self.make_device(placed, FileType::CharacterDevice, major, minor)
            }
            EntryKind::BlockDevice { major, minor } => {
                self.make_device(placed, FileType::BlockDevice, major, minor)
            }
            EntryKind::Directory
            | EntryKind::HardLink { .. }
            | EntryKind::Symlink { .. }
            | EntryKind::Socket => Ok(()),
        }
    }

    /// Makes further names of what is there, then symbolic links and their further names: while anything
    /// else is made, there is no symbolic link in the tree.
    fn make_links(&mut self) -> Result<(), Error> {
        for placed in self.export.walk()? {
            let placed = placed?;
            if !matches!(placed.entry.kind, EntryKind::Symlink { .. })
                && let Role::Link(leader) = self.export.groups.role(self.export, &placed)?
            {
                self.make_hard_link(&placed, leader)?;
            }
        }
        for placed in self.export.walk()? {
            let placed = placed?;
            let EntryKind::Symlink { target } = &placed.entry.kind else {
                continue;
            };
            if let Role::Link(leader) = self.export.groups.role(self.export, &placed)? {
                self.make_hard_link(&placed, leader)?;
                continue;
            }
            let place = self.make_parents(&placed)?;
            std::os::unix::fs::symlink(std::ffi::OsStr::from_bytes(target), &place)
                .map_err(|e| self.refused(&placed.entry.path, &place, e))?;
            let attributes = self.attributes(&placed.entry)?;
            self.finish(&placed.entry, &attributes, &place)?;
        }
        Ok(())
    }

    fn make_hard_link(&mut self, placed: &Placed, leader: &RemotePath) -> Result<(), Error> {
        if self.unmade.contains(leader) {
            self.leave_out(ShortfallKind::Device, &placed.entry.path);
            return Ok(());
        }
        let place = self.make_parents(placed)?;
        // Of a symbolic link it makes another name of the link.
        fs::hard_link(self.place(leader), &place)
            .map_err(|e| self.refused(&placed.entry.path, &place, e))
    }

    pub(super) fn place(&self, path: &RemotePath) -> PathBuf {
        self.root.join(std::ffi::OsStr::from_bytes(path.member()))
    }

    /// Makes the directories that an entry is in. Gives where it goes.
    fn make_parents(&mut self, placed: &Placed) -> Result<PathBuf, Error> {
        if let Some(parent) = placed.place.parent() {
            let shown = placed.entry.path.parent();
            self.make_dirs(&parent, shown.as_ref().unwrap_or(&parent))?;
        }
        Ok(self.place(&placed.place))
    }

    /// Makes a directory and those above it, where they are not there. What is in their place must be a
    /// directory: a symbolic link is not followed.
    fn make_dirs(&mut self, place: &RemotePath, shown: &RemotePath) -> Result<(), Error> {
        let place = self.place(place);
        if place == self.verified {
            return Ok(());
        }
        create_dirs(&self.root, &place).map_err(|e| self.refused(shown, &place, e))?;
        self.verified = place;
        Ok(())
    }

    /// Makes a device node, if that is wanted and this account can.
    fn make_device(
        &mut self,
        placed: &Placed,
        kind: FileType,
        major: u32,
        minor: u32,
    ) -> Result<(), Error> {
        let path = &placed.entry.path;
        if !(self.makes_devices && self.metadata.is_root()) {
            self.leave_out_device(placed);
            return Ok(());
        }
        let place = self.make_parents(placed)?;
        match make_node(&place, kind, rustix::fs::makedev(major, minor)) {
            // Root of a container, or a file system that has no devices.
            Err(e) if e.kind() == io::ErrorKind::PermissionDenied => {
                self.leave_out_device(placed);
                Ok(())
            }
            made => {
                made.map_err(|e| self.refused(path, &place, e))?;
                let attributes = self.attributes(&placed.entry)?;
                self.finish(&placed.entry, &attributes, &place)
            }
        }
    }

    fn leave_out_device(&mut self, placed: &Placed) {
        self.leave_out(ShortfallKind::Device, &placed.entry.path);
        self.unmade.insert(placed.place.clone());
    }

    /// Counts an entry, which was counted as exported, as left out.
    fn leave_out(&mut self, kind: ShortfallKind, path: &RemotePath) {
        self.exported.entries -= 1;
        self.exported.skip(kind, path);
    }

    /// The attributes of what is no regular file, if its entry does not say that it has none.
    fn attributes(&mut self, entry: &Entry) -> Result<Attributes, Error> {
        let has_none = entry.extended.as_ref().is_some_and(Extended::is_empty);
        if has_none || entry.content.is_empty() {
            return Ok(Attributes::default());
        }
        self.packs.attributes(self.export.checkpoint, entry)
    }

    /// Writes the content, holes and long runs of zeros as holes, and compares its digest. Gives the
    /// attributes that come with it.
    fn write_file(
        &mut self,
        entry: &Entry,
        place: &Path,
        size_bytes: u64,
        watch: Watch<'_>,
    ) -> Result<Attributes, Error> {
        let checkpoint = self.export.checkpoint;
        let mut file = disk::create_file(place)
            .map_err(|error| self.refused(&entry.path, place, error.source))?;
        let exported = &self.exported;
        let attributes = self
            .packs
            .read_file(checkpoint, entry, &mut |before, bytes| {
                if watch(exported).is_break() {
                    return Err(Error::Stopped);
                }
                let written = if bytes.iter().all(|&b| b == 0) {
                    let end = before + bytes.len() as u64;
                    file.seek(SeekFrom::Start(end)).map(drop)
                } else {
                    file.write_all(bytes)
                };
                written.map_err(Error::io("write", place))
            })?;
        file.set_len(size_bytes)
            .map_err(Error::io("write", place))?;
        Ok(attributes)
    }

    /// Sets what the entry records beside its content.
    pub(super) fn finish(
        &mut self,
        entry: &Entry,
        attributes: &Attributes,
        place: &Path,
    ) -> Result<(), Error> {
        self.metadata
            .set(entry, attributes, place, &mut self.exported)
    }

    fn refused(&self, path: &RemotePath, place: &Path, error: io::Error) -> Error {
        match error.kind() {
            io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => Error::Unsafe {
                path: path.clone(),
                target: self.target.to_owned(),
                problem: "something else is in its place".to_owned(),
            },
            _ => Error::io("create", place)(error),
        }
    }
}

/// How many names a path has.
fn depth(place: &RemotePath) -> usize {
    let names = place.member().split(|&byte| byte == b'/');
    names.filter(|name| !name.is_empty()).count()
}

/// Makes the private folder `place` and those between it and `root`, unless they are there. Never goes
/// through a symbolic link beneath `root`.
fn create_dirs(root: &Path, place: &Path) -> io::Result<()> {
    let mut folder = root.to_owned();
    for name in place.strip_prefix(root).unwrap_or(place) {
        folder.push(name);
        match DirBuilder::new().mode(PRIVATE_DIR).create(&folder) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                if !fs::symlink_metadata(&folder)?.is_dir() {
                    return Err(io::ErrorKind::NotADirectory.into());
                }
            }
            made => made?,
        }
    }
    Ok(())
}

/// Makes a private named pipe or device node.
fn make_node(place: &Path, kind: FileType, device: u64) -> io::Result<()> {
    let mode = Mode::from_raw_mode(0o600);
    Ok(rustix::fs::mknodat(CWD, place, kind, mode, device)?)
}
