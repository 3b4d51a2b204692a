//! Finds the file systems beneath a source that `one_file_system` leaves out: tmpfs, NFS, btrfs
//! subvolumes, bind mounts of other file systems. What `exclude` leaves out is none of them.

use std::collections::HashMap;

use crate::inventory::{Source, SourceKind};
use crate::manifest::{FileType, LeftOut};
use crate::name::RemotePath;
use crate::source::mounts::Mounts;
use crate::source::scan::Found;

use crate::scan::result::ScanResult;

/// Those that are beneath `source` by its `plan`, sorted by path.
pub(crate) fn left_out(source: &Source, result: &ScanResult, mounts: &Mounts) -> Vec<LeftOut> {
    match &source.kind {
        SourceKind::Directory(directory) if directory.one_file_system => beneath(result, mounts),
        SourceKind::Directory(_)
        | SourceKind::Files(_)
        | SourceKind::Postgres(_)
        | SourceKind::Command(_)
        | SourceKind::Http(_) => Vec::new(),
    }
}

fn beneath(result: &ScanResult, mounts: &Mounts) -> Vec<LeftOut> {
    let devices: HashMap<&RemotePath, Option<u64>> = result
        .wanted
        .iter()
        .filter(|found| result.roots.contains(&found.path))
        .map(|found| (&found.path, device(found)))
        .collect();
    let is_left_out = |found: &&Found| {
        // Some finds report only names: then the mount table decides.
        let is_directory = found.facts.is_none() || found.is(FileType::Directory);
        let mut roots = result.roots.iter();
        is_directory
            && roots.all(|root| {
                !found.path.is_within(root)
                    || match (device(found), devices.get(root)) {
                        (Some(device), Some(Some(of_root))) => device != *of_root,
                        _ => is_mounted(&found.path, root, mounts),
                    }
            })
    };
    let left_out = result.wanted.iter().filter(is_left_out);
    left_out
        .map(|found| LeftOut {
            path: found.path.clone(),
            kind: kind(&found.path, mounts),
        })
        .collect()
}

fn device(found: &Found) -> Option<u64> {
    found.facts.as_ref().map(|facts| facts.mark.device)
}

/// Whether another file system than that of `root` is mounted at `path`.
fn is_mounted(path: &RemotePath, root: &RemotePath, mounts: &Mounts) -> bool {
    match (mounts.of(path), mounts.of(root)) {
        (Some(mount), Some(of_root)) => mount.point == *path && mount.device != of_root.device,
        _ => false,
    }
}

fn kind(path: &RemotePath, mounts: &Mounts) -> String {
    match mounts.of(path) {
        Some(mount) if mount.point == *path => mount.kind.clone(),
        Some(mount) if mount.kind == "btrfs" => "btrfs subvolume".to_owned(),
        Some(_) | None => "another file system".to_owned(),
    }
}

#[cfg(test)]
mod tests;
