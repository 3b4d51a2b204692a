//! Sets owner, mode and times of exported files.
//!
//! Owners are set only by root. Set-user-ID and set-group-ID bits are set only on what then belongs to
//! the recorded owner and group: else they would give the rights of somebody who never had the file.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Timespec, Timestamps};

use super::accounts::Accounts;
use super::{Exported, ShortfallKind};
use crate::manifest::{Entry, EntryKind, FileTime};
use crate::store::Error;

/// The set-user-ID and the set-group-ID bit of a mode.
const SET_ID: u32 = 0o6000;

/// Sets what entries record beside their content.
#[derive(Debug)]
pub(super) struct MetadataSetter {
    accounts: Accounts,
    is_root: bool,
}

impl MetadataSetter {
    /// For the account that runs fleet; with `is_numeric`, owners are set by number.
    pub(super) fn new(is_numeric: bool) -> Self {
        Self {
            accounts: Accounts::new(is_numeric),
            is_root: rustix::process::geteuid().is_root(),
        }
    }

    /// Whether root runs fleet.
    pub(super) fn is_root(&self) -> bool {
        self.is_root
    }

    /// Sets owner, mode and times of `place`, in that order: a new owner takes set-id bits away. What
    /// can't be set is counted in `exported`.
    pub(super) fn set(
        &mut self,
        entry: &Entry,
        place: &Path,
        exported: &mut Exported,
    ) -> Result<(), Error> {
        let failed = |e: io::Error| Error::io("set owner, mode and times of", place)(e);
        let user = self.accounts.user(&entry.owner.user, entry.owner.uid);
        let group = self.accounts.group(&entry.owner.group, entry.owner.gid);
        if self.is_root {
            match lchown(place, Some(user.id), Some(group.id)) {
                Err(e) if is_not_possible(&e) => exported.lacks(ShortfallKind::Owner, &entry.path),
                done => done.map_err(failed)?,
            }
        }
        if !matches!(entry.kind, EntryKind::Symlink { .. }) {
            let mut mode = entry.mode;
            if mode & SET_ID != 0 {
                let facts = fs::symlink_metadata(place).map_err(failed)?;
                let is_as_recorded = user.is_recorded
                    && group.is_recorded
                    && (facts.uid(), facts.gid()) == (user.id, group.id);
                if !is_as_recorded {
                    mode &= !SET_ID;
                    exported.lacks(ShortfallKind::SetId, &entry.path);
                }
            }
            fs::set_permissions(place, fs::Permissions::from_mode(mode)).map_err(failed)?;
        }
        set_times(place, entry.mtime).map_err(failed)
    }
}

/// Whether the file system or the account does not allow it, whatever the file.
fn is_not_possible(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::PermissionDenied | io::ErrorKind::Unsupported | io::ErrorKind::InvalidInput
    )
}

/// Sets the times of `place`, which may be a symbolic link.
pub(super) fn set_times(place: &Path, time: FileTime) -> io::Result<()> {
    let time = Timespec {
        tv_sec: time.seconds,
        tv_nsec: time.nanoseconds.into(),
    };
    let times = Timestamps {
        last_access: time,
        last_modification: time,
    };
    Ok(rustix::fs::utimensat(
        CWD,
        place,
        &times,
        AtFlags::SYMLINK_NOFOLLOW,
    )?)
}
