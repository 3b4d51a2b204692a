//! Collects what an export could not make as it is recorded, grouped by kind.

use crate::name::RemotePath;

/// So many paths of each kind are kept; the rest is counted.
const NAMED_MAX: usize = 10;

/// The kinds of what an export leaves out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ShortfallKind {
    /// An entry beneath what another part holds as a link or file, or that is something else in another
    /// part: together they are no tree.
    Contradiction,
    /// A socket, which no archive holds and whose program would have to make it.
    Socket,
    /// A device node: only `--devices` makes it, and only root can.
    Device,
    /// Owner and group, which the file system or the account does not let root set.
    Owner,
    /// The set-user-ID and set-group-ID bits of what does not belong to its recorded owner and group.
    SetId,
    /// An ACL. What lacks it gives its group what the ACL gives the owning group.
    Acl,
    /// File capabilities: only root sets them, and only on what belongs to its recorded owner and group.
    Capabilities,
    /// Extended attributes.
    Xattrs,
    /// The SELinux context, which only root sets.
    Selinux,
}

impl ShortfallKind {
    /// The word for it in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Contradiction => "contradiction",
            Self::Socket => "socket",
            Self::Device => "device",
            Self::Owner => "owner",
            Self::SetId => "set-id",
            Self::Acl => "acl",
            Self::Capabilities => "capabilities",
            Self::Xattrs => "xattrs",
            Self::Selinux => "selinux",
        }
    }
}

/// What an export left out, of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shortfall {
    /// What it is.
    pub kind: ShortfallKind,
    /// How many entries lack it.
    pub count: u64,
    /// Where the first ten of them are on the host.
    pub paths: Vec<RemotePath>,
}

impl super::Exported {
    /// Counts that `path` lacks `kind`.
    pub(super) fn lacks(&mut self, kind: ShortfallKind, path: &RemotePath) {
        let at = match self
            .shortfalls
            .binary_search_by_key(&kind, |shortfall| shortfall.kind)
        {
            Ok(at) => at,
            Err(at) => {
                let new = Shortfall {
                    kind,
                    count: 0,
                    paths: Vec::new(),
                };
                self.shortfalls.insert(at, new);
                at
            }
        };
        let shortfall = &mut self.shortfalls[at];
        shortfall.count += 1;
        if shortfall.paths.len() < NAMED_MAX {
            shortfall.paths.push(path.clone());
        }
    }

    /// Whether entries were left out that do not fit into one tree with others.
    #[must_use]
    pub fn has_contradictions(&self) -> bool {
        let mut kinds = self.shortfalls.iter().map(|shortfall| shortfall.kind);
        kinds.any(|kind| kind == ShortfallKind::Contradiction)
    }

    /// Counts an entry that is left out as a whole.
    pub(super) fn skip(&mut self, kind: ShortfallKind, path: &RemotePath) {
        self.skipped += 1;
        self.lacks(kind, path);
    }
}
