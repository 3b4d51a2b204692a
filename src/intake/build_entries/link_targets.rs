//! Targets of hard links: tar sends content and extended metadata only with the first name of a file.

use std::collections::{HashMap, HashSet};

use crate::digest::Sha256;
use crate::manifest::Extended;
use crate::name::RemotePath;
use crate::tarstream::{self, Member};

/// A file that a hard link leads to.
pub(super) struct LinkTarget {
    /// Where its member begins in the pack.
    pub(super) offset_bytes: u64,
    pub(super) size_bytes: u64,
    pub(super) sha256: Sha256,
    pub(super) extended: Extended,
}

/// The files that hard links lead to.
pub(super) fn link_targets(members: &[(Member, u64)]) -> HashMap<RemotePath, LinkTarget> {
    let mut targets: HashMap<RemotePath, LinkTarget> = HashMap::new();
    let linked: HashSet<&RemotePath> = members
        .iter()
        .filter_map(|(member, _)| match &member.head.kind {
            tarstream::Kind::HardLink { target } => Some(target),
            tarstream::Kind::File { .. }
            | tarstream::Kind::Directory
            | tarstream::Kind::Symlink { .. }
            | tarstream::Kind::Fifo
            | tarstream::Kind::CharDevice { .. }
            | tarstream::Kind::BlockDevice { .. } => None,
        })
        .collect();
    for (member, offset) in members {
        if let tarstream::Kind::File { size_bytes } = member.head.kind
            && let Some(sha256) = member.sha256
            && linked.contains(&member.head.path)
        {
            let target = LinkTarget {
                offset_bytes: *offset,
                size_bytes,
                sha256,
                extended: member.extended.clone(),
            };
            targets.insert(member.head.path.clone(), target);
        }
    }
    targets
}
