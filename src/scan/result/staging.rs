//! Leaves out what a restore stages on a host: it is no part of any source.

use crate::name::RemotePath;
use crate::source::scan::Found;

/// The folder in which a restore stages what it puts into a root, and the name that it has while it is
/// removed.
const STAGING: [&[u8]; 2] = [b".fleet-restore", b".fleet-restore.over"];

/// Drops what a restore has staged.
pub(crate) fn drop_staging(found: &mut Vec<Found>) {
    found.retain(|found| !is_staged(&found.path));
}

fn is_staged(path: &RemotePath) -> bool {
    let mut names = path.as_bytes().split(|&b| b == b'/');
    names.any(|name| STAGING.contains(&name))
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
            "/a/.fleet-restored",
            "/a/fleet-restore",
        ]
        .map(found)
        .into();
        drop_staging(&mut all);
        assert_eq!(all, ["/a/.fleet-restored", "/a/fleet-restore"].map(found));
    }
}
