//! Warnings about files that other accounts can write: the store, the inventory, keys and known_hosts
//! files, and the folders that hold them. Whoever can write those decides what fleet does and whom it
//! trusts.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// What has been looked at: each path is reported once a run.
#[derive(Debug, Default)]
pub(super) struct Exposed {
    /// Behind a lock, for the hosts of a run are connected at the same time.
    seen: Mutex<BTreeSet<PathBuf>>,
}

impl Exposed {
    /// The warnings for `path`, which is the `what`, and for the folder that holds it.
    pub(super) fn warnings(&self, what: &str, path: &Path) -> Vec<String> {
        let mut found = Vec::new();
        let mut look = |said: String, path: &Path| {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            if seen.insert(path.to_owned())
                && let Some(mode) = writable(path)
            {
                let path = path.display();
                found.push(format!(
                    "other accounts can write the {said} {path} (mode {mode:04o}); `chmod go-w {path}` prevents it"
                ));
            }
        };
        look(what.to_owned(), path);
        let real = path.canonicalize().ok();
        for path in [Some(path), real.as_deref()].into_iter().flatten() {
            let folder = match path.parent() {
                Some(folder) if folder.as_os_str().is_empty() => Path::new("."),
                Some(folder) => folder,
                None => continue,
            };
            look(format!("folder of the {what},"), folder);
        }
        found
    }
}

/// The mode of a file or folder that another account than its owner and root can write.
fn writable(path: &Path) -> Option<u32> {
    let facts = fs::metadata(path).ok()?;
    if !facts.is_file() && !facts.is_dir() {
        return None;
    }
    let mode = facts.mode() & 0o7777;
    let me = rustix::process::geteuid().as_raw();
    // Nobody else can remove or rename what is in a sticky folder.
    let is_sticky = facts.is_dir() && mode & 0o1000 != 0 && [0, me].contains(&facts.uid());
    let by_all = mode & 0o002 != 0;
    let by_group = mode & 0o020 != 0 && !is_private_group(facts.gid(), facts.uid());
    ((by_all || by_group) && !is_sticky).then_some(mode)
}

/// Whether a group has just the account `uid` in it. Many systems give each account a group of its own,
/// and let it write what the account makes.
fn is_private_group(gid: u32, uid: u32) -> bool {
    let accounts = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let groups = fs::read_to_string("/etc/group").unwrap_or_default();
    is_private(&accounts, &groups, gid, uid)
}

fn is_private(accounts: &str, groups: &str, gid: u32, uid: u32) -> bool {
    let lines = |text: &str| -> Vec<Vec<String>> {
        text.lines()
            .map(|line| line.split(':').map(str::to_owned).collect())
            .collect()
    };
    let number = |fields: &[String], at: usize| fields.get(at).and_then(|text| text.parse().ok());
    let accounts = lines(accounts);
    let own = accounts
        .iter()
        .find(|fields| number(fields, 2) == Some(uid));
    let Some(name) = own.and_then(|fields| fields.first()) else {
        return false;
    };
    let is_others = accounts
        .iter()
        .any(|fields| number(fields, 3) == Some(gid) && number(fields, 2) != Some(uid));
    let group = lines(groups);
    let group = group.iter().find(|fields| number(fields, 2) == Some(gid));
    let is_own = group.is_some_and(|fields| {
        let members = fields.get(3).map_or("", String::as_str);
        fields.first() == Some(name)
            && members
                .split(',')
                .all(|member| member.is_empty() || member == name)
    });
    is_own && !is_others
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn set(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("a mode");
    }

    #[test]
    fn what_others_can_write_is_told_once_with_its_mode() {
        let dir = tempfile::tempdir().expect("a folder");
        let file = dir.path().join("fleet.yaml");
        fs::write(&file, "x").expect("a file");
        set(&file, 0o644);
        assert_eq!(
            Exposed::default().warnings("inventory", &file),
            Vec::<String>::new()
        );
        set(&file, 0o646);
        set(dir.path(), 0o757);
        let exposed = Exposed::default();
        let (shown, folder) = (file.display(), dir.path().display());
        assert_eq!(
            exposed.warnings("inventory", &file),
            [
                format!(
                    "other accounts can write the inventory {shown} (mode 0646); `chmod go-w {shown}` prevents it"
                ),
                format!(
                    "other accounts can write the folder of the inventory, {folder} (mode 0757); `chmod go-w {folder}` prevents it"
                ),
            ]
        );
        assert_eq!(exposed.warnings("inventory", &file), Vec::<String>::new());
        set(&file, 0o644);
        set(dir.path(), 0o1777);
        assert_eq!(
            Exposed::default().warnings("inventory", &file),
            Vec::<String>::new()
        );
    }

    #[test]
    fn a_link_is_as_exposed_as_the_folder_that_it_leads_to() {
        let dir = tempfile::tempdir().expect("a folder");
        let inner = dir.path().join("inner");
        fs::create_dir(&inner).expect("a folder");
        fs::write(inner.join("real"), "x").expect("a file");
        set(&inner, 0o707);
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(inner.join("real"), &link).expect("a link");
        let warnings = Exposed::default().warnings("known_hosts file", &link);
        assert_eq!(warnings.len(), 1);
        assert!(warnings[0].contains("inner (mode 0707)"), "{warnings:?}");
    }

    #[test]
    fn devices_and_what_is_missing_are_no_matter() {
        for path in ["/dev/null", "/nowhere/at/all"] {
            let warnings = Exposed::default().warnings("known_hosts file", Path::new(path));
            assert_eq!(warnings, Vec::<String>::new());
        }
    }

    #[test]
    fn a_group_is_private_if_nobody_else_is_in_it() {
        let accounts =
            "root:x:0:0::/:/bin/sh\nclerk:x:1000:1000::/:/bin/sh\nother:x:1001:50::/:/bin/sh\n";
        let groups = "root:x:0:\nclerk:x:1000:\nstaff:x:50:clerk\nshared:x:60:clerk,other\n";
        assert!(is_private(accounts, groups, 1000, 1000));
        assert!(is_private(accounts, groups, 0, 0));
        for (gid, uid) in [(50, 1000), (60, 1000), (1000, 1001), (7, 1000), (1000, 77)] {
            assert!(!is_private(accounts, groups, gid, uid), "{gid} {uid}");
        }
        let shared = groups.replace("clerk:x:1000:", "clerk:x:1000:other");
        assert!(!is_private(accounts, &shared, 1000, 1000));
    }
}
