//! The state of a host as JSON.

use schemars::JsonSchema;
use serde::Serialize;

use super::show::text;
use crate::manifest::{self, Head};

/// What the host was like. What the host did not report is empty or null.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Facts {
    /// How long the system was up.
    pub uptime_seconds: Option<u64>,
    /// The kernel's identifier of this boot.
    pub boot_id: String,
    /// The file systems of `/` and the captured directories.
    pub disks: Vec<Disk>,
    /// Versions, as the programs print them.
    pub versions: Vec<ProgramVersion>,
    /// The git work trees in, above and directly below the captured directories.
    pub git: Vec<WorkTree>,
    /// What ran from captured directories, or under the name of one.
    pub processes: Vec<Process>,
    /// How many more of those there were.
    pub more_processes: u64,
}

/// A file system.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Disk {
    /// Where it is mounted.
    pub mount: String,
    /// Its size.
    pub size_bytes: u64,
    /// Space in use.
    pub used_bytes: u64,
    /// Space that ordinary accounts can still use.
    pub free_bytes: u64,
}

/// A program and its version.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ProgramVersion {
    /// Its name.
    pub program: String,
    /// The first line of what it prints.
    pub version: String,
}

/// A git work tree.
#[derive(Debug, Serialize, JsonSchema)]
pub struct WorkTree {
    /// Its top directory.
    pub root: String,
    /// The branch; null if none is checked out.
    pub branch: Option<String>,
    /// Without a branch: the checked-out commit, as `git status` prints it.
    pub detached: Option<String>,
    /// The commit; null before the first.
    pub commit: Option<Commit>,
    /// How many files differ from it or are untracked; null if git did not report it.
    pub changed: Option<u64>,
    /// The first of them, as `git status --porcelain` has them.
    pub changes: Vec<String>,
}

/// A commit.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Commit {
    /// Its digest.
    pub id: String,
    /// When it was made, RFC 3339 in UTC.
    pub time: String,
    /// The first line of its message.
    pub subject: String,
}

/// A process.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// Its account.
    pub user: String,
    /// Its command line, without secrets.
    pub command: String,
    /// The directory that it worked in.
    pub directory: Option<String>,
    /// How long it had been running.
    pub age_seconds: Option<u64>,
    /// How many processes of the same name it had started.
    pub workers: u64,
}

impl From<&manifest::HostFacts> for Facts {
    fn from(facts: &manifest::HostFacts) -> Self {
        Self {
            uptime_seconds: facts.uptime.map(|uptime| uptime.as_secs()),
            boot_id: facts.boot_id.clone(),
            disks: facts.disks.iter().map(Disk::from).collect(),
            versions: facts
                .versions
                .iter()
                .map(|version| ProgramVersion {
                    program: version.program.clone(),
                    version: version.text.clone(),
                })
                .collect(),
            git: facts.repositories.iter().map(WorkTree::from).collect(),
            processes: facts.processes.iter().map(Process::from).collect(),
            more_processes: facts.more_processes,
        }
    }
}

impl From<&manifest::Disk> for Disk {
    fn from(disk: &manifest::Disk) -> Self {
        Self {
            mount: disk.mount.clone(),
            size_bytes: disk.size_bytes,
            used_bytes: disk.used_bytes,
            free_bytes: disk.free_bytes,
        }
    }
}

impl From<&manifest::Repository> for WorkTree {
    fn from(repository: &manifest::Repository) -> Self {
        let (branch, detached) = match &repository.head {
            Head::Branch(name) => (Some(name.clone()), None),
            Head::Detached(words) => (None, Some(words.clone())),
        };
        let changes = repository.changes.as_ref();
        Self {
            root: text(&repository.root),
            branch,
            detached,
            commit: repository.commit.as_ref().map(|commit| Commit {
                id: commit.id.clone(),
                time: commit.time.to_string(),
                subject: commit.subject.clone(),
            }),
            changed: changes.map(|changes| changes.count),
            changes: changes
                .map(|changes| changes.first.clone())
                .unwrap_or_default(),
        }
    }
}

impl From<&manifest::Process> for Process {
    fn from(process: &manifest::Process) -> Self {
        Self {
            pid: process.pid,
            user: process.user.clone(),
            command: process.command.clone(),
            directory: process.directory.as_ref().map(text),
            age_seconds: process.age.map(|age| age.as_secs()),
            workers: process.workers,
        }
    }
}
