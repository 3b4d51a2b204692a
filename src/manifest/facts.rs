//! The state of a host when a checkpoint was taken of it: for people, never for decisions.

use std::time::Duration;

use jiff::Timestamp;

use crate::name::RemotePath;

/// What a host reported about itself beside its files. What it did not report is empty: facts never make a
/// checkpoint partial.
///
/// Texts are the host's own, not escaped. Command lines have no secrets that could be recognised as such.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HostFacts {
    /// How long the system was up.
    pub uptime: Option<Duration>,
    /// The kernel's name for this time of being up; empty if unknown.
    pub boot_id: String,
    /// The file systems that `/` and the captured directories are on.
    pub disks: Vec<Disk>,
    /// The programs that are known by name, each with what it says of its version.
    pub versions: Vec<Version>,
    /// What identified those programs when they were asked (paths, inodes, sizes and times, as the host
    /// writes them), so that they need not be asked again; empty if unknown.
    pub programs: String,
    /// The git work trees that captured directories are, are in, or have right beneath them.
    pub repositories: Vec<Repository>,
    /// What ran from captured directories, or under the name of one.
    pub processes: Vec<Process>,
    /// How many more of those there were.
    pub more_processes: u64,
}

impl HostFacts {
    /// Whether the host reported nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    /// Where it is mounted.
    pub mount: String,
    /// How large it is.
    pub size_bytes: u64,
    /// What is taken.
    pub used_bytes: u64,
    /// What ordinary accounts can still take.
    pub free_bytes: u64,
}

impl Disk {
    /// How full it is for ordinary accounts, rounded up as `df` does.
    #[must_use]
    pub fn used_percent(&self) -> u64 {
        let used = u128::from(self.used_bytes);
        let all = used + u128::from(self.free_bytes);
        let percent = if all == 0 {
            0
        } else {
            (used * 100).div_ceil(all)
        };
        u64::try_from(percent).unwrap_or(100)
    }
}

/// A program and its version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// Name of the program.
    pub program: String,
    /// The first line of what it says.
    pub text: String,
}

/// A git work tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    /// Its uppermost directory.
    pub root: RemotePath,
    /// What is checked out.
    pub head: Head,
    /// The commit that it is at; none before the first.
    pub commit: Option<Commit>,
    /// What differs from that; none if it is unknown.
    pub changes: Option<Changes>,
}

/// What is checked out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Head {
    /// A branch, by its name.
    Branch(String),
    /// No branch, in git's words: `HEAD detached at v1.2`; may be empty.
    Detached(String),
}

/// A commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// Its digest, in hexadecimal.
    pub id: String,
    /// When it was made.
    pub time: Timestamp,
    /// The first line of its message.
    pub subject: String,
}

impl Commit {
    /// The beginning of its digest, as people write it.
    #[must_use]
    pub fn short_id(&self) -> &str {
        self.id.get(..7).unwrap_or(&self.id)
    }
}

/// Files that differ from the commit, or that git does not know.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changes {
    /// How many.
    pub count: u64,
    /// The first of them, as `git status --porcelain` has them: ` M server.js`.
    pub first: Vec<String>,
}

/// A process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// Its account; the number where it has no name in `/etc/passwd`.
    pub user: String,
    /// Its command line, without secrets.
    pub command: String,
    /// The directory that it works in, where that can be seen.
    pub directory: Option<RemotePath>,
    /// How long it had been running.
    pub age: Option<Duration>,
    /// How many processes of the same name it had started.
    pub workers: u64,
}
