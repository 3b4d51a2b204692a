//! Appends to the audit file: whole lines, one writer at a time, on the disk before anybody goes on.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};

use super::error::Error;
use crate::disk;

/// How long other writers are waited for; each needs no more than a sync of the disk.
const WAIT_MAX: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(10);

/// Appends `line`, which has its end, to `path`, and syncs it. Makes the file (0600) and its folders (0700)
/// where they are missing. A last line that was cut stays as it is, and the new one begins behind it.
///
/// # Errors
///
/// [`Error`]; then nothing of the line is left in the file, unless the disk fails in that, too.
pub(super) fn append(path: &Path, line: &[u8]) -> Result<(), Error> {
    let failed = |action| move |source| Error::io(action, path, source);
    let folder = path.parent().unwrap_or(Path::new("."));
    disk::create_dirs(folder).map_err(Error::Disk)?;
    let is_new = !path.exists();
    let mut file = locked(path)?;
    disk::make_private(path, false).map_err(Error::Disk)?;
    let length = file.metadata().map_err(failed("read"))?.len();
    let mut bytes = Vec::with_capacity(line.len() + 1);
    if is_cut(&mut file, length).map_err(failed("read"))? {
        bytes.push(b'\n');
    }
    bytes.extend_from_slice(line);
    let written = file.write_all(&bytes).and_then(|()| file.sync_all());
    if let Err(source) = written {
        // What is half written would be taken for damage.
        drop(file.set_len(length));
        return Err(Error::io("write", path, source));
    }
    if is_new {
        // The file is found after a power cut only if its name, and that of its folder, are on the disk.
        disk::sync_dir(folder).map_err(Error::Disk)?;
        if let Some(above) = folder
            .parent()
            .filter(|above| !above.as_os_str().is_empty())
        {
            disk::sync_dir(above).map_err(Error::Disk)?;
        }
    }
    Ok(())
}

/// The file of that name, locked until it is closed. Another file may have been put in its place while
/// another writer was waited for.
fn locked(path: &Path) -> Result<File, Error> {
    let began = Instant::now();
    loop {
        let file = open(path)?;
        match file.try_lock() {
            Ok(()) => {
                if is_at(&file, path).map_err(|e| Error::io("read", path, e))? {
                    return Ok(file);
                }
            }
            Err(TryLockError::WouldBlock) => thread::sleep(POLL),
            Err(TryLockError::Error(source)) => return Err(Error::io("lock", path, source)),
        }
        if began.elapsed() >= WAIT_MAX {
            return Err(Error::Busy {
                file: path.to_owned(),
                waited: began.elapsed(),
            });
        }
    }
}

fn open(path: &Path) -> Result<File, Error> {
    // A link, or a pipe that waits for a reader, is somebody else's idea.
    let flags = OFlags::RDWR
        | OFlags::APPEND
        | OFlags::CREATE
        | OFlags::CLOEXEC
        | OFlags::NOFOLLOW
        | OFlags::NONBLOCK;
    let opened = rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR);
    let file = File::from(opened.map_err(|errno| Error::io("open", path, errno.into()))?);
    let facts = file
        .metadata()
        .map_err(|source| Error::io("read", path, source))?;
    if facts.is_file() {
        Ok(file)
    } else {
        Err(Error::NotAFile {
            file: path.to_owned(),
        })
    }
}

/// Whether `path` still names this file.
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let here = file.metadata()?;
    match fs::symlink_metadata(path) {
        Ok(there) => Ok((here.dev(), here.ino()) == (there.dev(), there.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether the last line has no end: its writer was killed, or the power failed.
fn is_cut(file: &mut File, length: u64) -> io::Result<bool> {
    if length == 0 {
        return Ok(false);
    }
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last != [b'\n'])
}
