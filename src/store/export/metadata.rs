//! Sets owner, extended attributes, ACLs, mode and times of exported files.
//!
//! Owners are set only by root. Set-user-ID and set-group-ID bits and file capabilities are set only on
//! what then belongs to the recorded owner and group: else they would give the rights of somebody who
//! never had the file. What does not get its ACL does not get the ACL's mask as group permissions either.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, XattrFlags};
use rustix::io::Errno;

use super::accounts::Accounts;
use super::{Exported, ShortfallKind};
use crate::manifest::{Entry, EntryKind, FileTime};
use crate::store::Error;
use crate::tarstream::{
    AclEntry, AclTag, Attributes, CAPABILITY, POSIX_ACL_ACCESS, POSIX_ACL_DEFAULT, SELINUX_CONTEXT,
    StoredAcl,
};

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

    /// Sets what `entry` records beside its content, `attributes` included. What can't be set is counted
    /// in `exported`.
    ///
    /// The order matters: a new owner takes set-id bits and capabilities away, some attributes can't be
    /// set on what may not be written, and an ACL changes the mode.
    pub(super) fn set(
        &mut self,
        entry: &Entry,
        attributes: &Attributes,
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
        let is_as_recorded = || -> Result<bool, Error> {
            let facts = fs::symlink_metadata(place).map_err(failed)?;
            Ok(user.is_recorded
                && group.is_recorded
                && (facts.uid(), facts.gid()) == (user.id, group.id))
        };
        let has_capabilities = match &attributes.capability {
            Some(value) => is_as_recorded()? && set_xattr(place, CAPABILITY.as_bytes(), value),
            None => true,
        };
        let mut mode = entry.mode;
        let has_acl = self.set_acls(attributes, place);
        if !has_acl {
            mode = attributes.mode_without_acl(mode);
        }
        let of_xattrs = |(name, value): (&Vec<u8>, &Vec<u8>)| set_xattr(place, name, value);
        // Each is tried, whatever becomes of those before it.
        let has_xattrs = attributes
            .xattrs
            .iter()
            .map(of_xattrs)
            .fold(true, |all, is_set| all & is_set);
        let has_context = match &attributes.selinux {
            Some(context) => {
                let context = [context, &b"\0"[..]].concat();
                self.is_root && set_xattr(place, SELINUX_CONTEXT.as_bytes(), &context)
            }
            None => true,
        };
        if mode & SET_ID != 0 && !is_as_recorded()? {
            mode &= !SET_ID;
            exported.lacks(ShortfallKind::SetId, &entry.path);
        }
        for (is_set, kind) in [
            (has_acl, ShortfallKind::Acl),
            (has_capabilities, ShortfallKind::Capabilities),
            (has_xattrs, ShortfallKind::Xattrs),
            (has_context, ShortfallKind::Selinux),
        ] {
            if !is_set {
                exported.lacks(kind, &entry.path);
            }
        }
        if !matches!(entry.kind, EntryKind::Symlink { .. }) {
            fs::set_permissions(place, fs::Permissions::from_mode(mode)).map_err(failed)?;
        }
        set_times(place, entry.mtime).map_err(failed)
    }

    /// Sets both ACLs; whether there is nothing that could not be set.
    fn set_acls(&mut self, attributes: &Attributes, place: &Path) -> bool {
        let both = [
            (POSIX_ACL_ACCESS, &attributes.access_acl),
            (POSIX_ACL_DEFAULT, &attributes.default_acl),
        ];
        let mut set = |name: &str, acl: &StoredAcl| match acl {
            StoredAcl::Posix(acl) => {
                let value = acl.to_binary(|entry| self.account(entry));
                value.is_some_and(|value| set_xattr(place, name.as_bytes(), &value))
            }
            StoredAcl::Other(_) => false,
        };
        both.into_iter().fold(true, |all, (name, acl)| {
            let is_set = acl.as_ref().is_none_or(|acl| set(name, acl));
            all & is_set
        })
    }

    /// The number here of a user or group in an ACL; none if it is not known, or is somebody else's.
    fn account(&mut self, entry: &AclEntry) -> Option<u32> {
        let name = String::from_utf8_lossy(&entry.name);
        let number = entry.id.map_or(u64::MAX, u64::from);
        let account = match entry.tag {
            AclTag::Group => self.accounts.group(&name, number),
            AclTag::User | AclTag::Owner | AclTag::OwningGroup | AclTag::Mask | AclTag::Other => {
                self.accounts.user(&name, number)
            }
        };
        account.is_recorded.then_some(account.id)
    }
}

/// Sets an extended attribute of what may be a symbolic link; whether that was possible.
fn set_xattr(place: &Path, name: &[u8], value: &[u8]) -> bool {
    let set = rustix::fs::lsetxattr(place, name, value, XattrFlags::empty());
    if let Err(error) = set {
        tracing::debug!(path = %place.display(), name = crate::name::escape(name), %error, "no attribute");
    }
    set.is_ok()
}

/// Takes the default ACL away that a new folder has from the one above it: else everything in it would
/// get more than is recorded.
pub(super) fn remove_default_acl(place: &Path) -> io::Result<()> {
    match rustix::fs::removexattr(place, POSIX_ACL_DEFAULT) {
        Err(Errno::NODATA | Errno::NOTSUP) => Ok(()),
        removed => Ok(removed?),
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
