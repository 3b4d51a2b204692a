//! Leaves out what a restore stages on a host: it is no part of any source.

use std::collections::BTreeSet;

use crate::name::RemotePath;
use crate::source::scan::Found;
use crate::units::listing;

/// The folder in a root in which a restore stages what is new, and keeps what it replaces.
pub(crate) const STAGING_FOLDER: &[u8] = b".fleet-restore";

/// The folder in which a restore stages what it puts into a root, and the name that it has while it is
/// removed.
const STAGING: [&[u8]; 2] = [STAGING_FOLDER, b".fleet-restore.over"];

/// The folder in the home of an account in which its restores are written down.
const RECORDS: &[u8] = b".fleet-restores";

/// Drops what a restore has staged or written down. Gives the directories in which it has.
pub(crate) fn drop_staging(found: &mut Vec<Found>) -> BTreeSet<RemotePath> {
    let mut roots = BTreeSet::new();
    found.retain(|found| {
        let is_staged = is_staged(&found.path);
        if is_staged && STAGING.contains(&found.path.file_name()) {
            roots.extend(found.path.parent());
        }
        !is_staged
    });
    roots
}

/// The warning about a restore that is under way or unfinished in `roots`.
pub(crate) fn unfinished(roots: &BTreeSet<RemotePath>) -> Option<String> {
    let roots: Vec<&RemotePath> = roots.iter().collect();
    (!roots.is_empty()).then(|| {
        format!(
            "a restore is under way or unfinished in {}: `fleet restore --resume HOST` finishes it, `--rollback HOST` undoes it",
            listing(roots.len(), &roots)
        )
    })
}

fn is_staged(path: &RemotePath) -> bool {
    let mut names = path.as_bytes().split(|&b| b == b'/');
    names.any(|name| STAGING.contains(&name) || name == RECORDS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_staged_is_dropped_and_what_is_named_alike_is_not() {
        let found = |path: &str| Found {
            path: path.parse().expect("a path"),
            facts: None,
        };
        let mut all: Vec<Found> = [
            "/a/.fleet-restore",
            "/a/.fleet-restore/new/x",
            "/a/.fleet-restore.over/rtime",
            "/b/.fleet-restores",
            "/b/.fleet-restores/0123456789ab/record",
            "/a/.fleet-restored",
            "/a/fleet-restore",
        ]
        .map(found)
        .into();
        let roots = drop_staging(&mut all);
        assert_eq!(
            roots.into_iter().collect::<Vec<_>>(),
            ["/a".parse().expect("a path")]
        );
        assert_eq!(all, ["/a/.fleet-restored", "/a/fleet-restore"].map(found));
    }
}
