//! `facts` of a `checkpoint.json`: what the host was like. A record from before there were facts has
//! none, and what a host did not tell is left out.
//!
//! `facts.json` beside it has them again, with the description, and no counts or digests: it can be
//! encrypted one day, while `checkpoint.json` stays readable for `prune` and `verify`.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::RecordError;
use super::path::PathRecord;
use crate::manifest::{
    Changes, Checkpoint, Commit, Disk, Head, HostFacts, Process, Repository, Version,
};

/// The format name in `facts.json`.
const FORMAT: &str = "fleet-checkpoint-facts";
/// The version of `facts.json`.
const VERSION: u64 = 1;

/// `facts.json`. `checkpoint.json` has the same for now, and is what fleet reads.
#[derive(Serialize)]
struct FactsFile<'a> {
    format: &'static str,
    version: u64,
    id: String,
    description: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    facts: Option<FactsRecord>,
}

/// The whole text of `facts.json`.
pub(in crate::store) fn facts_file(checkpoint: &Checkpoint) -> String {
    let file = FactsFile {
        format: FORMAT,
        version: VERSION,
        id: checkpoint.id.to_string(),
        description: &checkpoint.description,
        facts: FactsRecord::of(&checkpoint.facts),
    };
    let mut text = serde_json::to_string_pretty(&file)
        .expect("records hold only strings, numbers and lists of them");
    text.push('\n');
    text
}

#[derive(Serialize, Deserialize)]
pub(super) struct FactsRecord {
    #[serde(skip_serializing_if = "Option::is_none")]
    uptime_seconds: Option<u64>,
    boot_id: String,
    disks: Vec<DiskRecord>,
    versions: Vec<VersionRecord>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    programs: String,
    git: Vec<RepositoryRecord>,
    processes: Vec<ProcessRecord>,
    more_processes: u64,
}

#[derive(Serialize, Deserialize)]
struct DiskRecord {
    mount: String,
    size_bytes: u64,
    used_bytes: u64,
    free_bytes: u64,
}

#[derive(Serialize, Deserialize)]
struct VersionRecord {
    program: String,
    text: String,
}

#[derive(Serialize, Deserialize)]
struct RepositoryRecord {
    root: PathRecord,
    /// One of the two is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    branch: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detached: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    commit: Option<CommitRecord>,
    #[serde(skip_serializing_if = "Option::is_none")]
    changes: Option<ChangesRecord>,
}

#[derive(Serialize, Deserialize)]
struct CommitRecord {
    id: String,
    time: String,
    subject: String,
}

#[derive(Serialize, Deserialize)]
struct ChangesRecord {
    count: u64,
    first: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct ProcessRecord {
    pid: u32,
    user: String,
    command: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    directory: Option<PathRecord>,
    #[serde(skip_serializing_if = "Option::is_none")]
    age_seconds: Option<u64>,
    workers: u64,
}

impl FactsRecord {
    /// The record of `facts`; none if there are none.
    pub(super) fn of(facts: &HostFacts) -> Option<Self> {
        (!facts.is_empty()).then(|| Self::from(facts))
    }
}

impl From<&HostFacts> for FactsRecord {
    fn from(facts: &HostFacts) -> Self {
        Self {
            uptime_seconds: facts.uptime.map(|uptime| uptime.as_secs()),
            boot_id: facts.boot_id.clone(),
            disks: facts.disks.iter().map(DiskRecord::from).collect(),
            versions: facts
                .versions
                .iter()
                .map(|version| VersionRecord {
                    program: version.program.clone(),
                    text: version.text.clone(),
                })
                .collect(),
            programs: facts.programs.clone(),
            git: facts
                .repositories
                .iter()
                .map(RepositoryRecord::from)
                .collect(),
            processes: facts.processes.iter().map(ProcessRecord::from).collect(),
            more_processes: facts.more_processes,
        }
    }
}

impl From<&Disk> for DiskRecord {
    fn from(disk: &Disk) -> Self {
        Self {
            mount: disk.mount.clone(),
            size_bytes: disk.size_bytes,
            used_bytes: disk.used_bytes,
            free_bytes: disk.free_bytes,
        }
    }
}

impl From<&Repository> for RepositoryRecord {
    fn from(repository: &Repository) -> Self {
        let (branch, detached) = match &repository.head {
            Head::Branch(name) => (Some(name.clone()), None),
            Head::Detached(words) => (None, Some(words.clone())),
        };
        Self {
            root: (&repository.root).into(),
            branch,
            detached,
            commit: repository.commit.as_ref().map(|commit| CommitRecord {
                id: commit.id.clone(),
                time: commit.time.to_string(),
                subject: commit.subject.clone(),
            }),
            changes: repository.changes.as_ref().map(|changes| ChangesRecord {
                count: changes.count,
                first: changes.first.clone(),
            }),
        }
    }
}

impl From<&Process> for ProcessRecord {
    fn from(process: &Process) -> Self {
        Self {
            pid: process.pid,
            user: process.user.clone(),
            command: process.command.clone(),
            directory: process.directory.as_ref().map(PathRecord::from),
            age_seconds: process.age.map(|age| age.as_secs()),
            workers: process.workers,
        }
    }
}

impl TryFrom<FactsRecord> for HostFacts {
    type Error = RecordError;

    fn try_from(record: FactsRecord) -> Result<Self, RecordError> {
        let disks = record.disks.into_iter().map(|disk| Disk {
            mount: disk.mount,
            size_bytes: disk.size_bytes,
            used_bytes: disk.used_bytes,
            free_bytes: disk.free_bytes,
        });
        let versions = record.versions.into_iter().map(|version| Version {
            program: version.program,
            text: version.text,
        });
        let repositories = record.git.into_iter().map(Repository::try_from);
        let processes = record.processes.into_iter().map(Process::try_from);
        Ok(Self {
            uptime: record.uptime_seconds.map(Duration::from_secs),
            boot_id: record.boot_id,
            disks: disks.collect(),
            versions: versions.collect(),
            programs: record.programs,
            repositories: repositories.collect::<Result<_, _>>()?,
            processes: processes.collect::<Result<_, _>>()?,
            more_processes: record.more_processes,
        })
    }
}

impl TryFrom<RepositoryRecord> for Repository {
    type Error = RecordError;

    fn try_from(record: RepositoryRecord) -> Result<Self, RecordError> {
        Ok(Self {
            root: record.root.try_into()?,
            head: match (record.branch, record.detached) {
                (Some(name), None) => Head::Branch(name),
                (None, Some(words)) => Head::Detached(words),
                (None, None) | (Some(_), Some(_)) => {
                    return Err(RecordError::new("a work tree has a branch or none"));
                }
            },
            commit: record.commit.map(Commit::try_from).transpose()?,
            changes: record.changes.map(|changes| Changes {
                count: changes.count,
                first: changes.first,
            }),
        })
    }
}

impl TryFrom<CommitRecord> for Commit {
    type Error = RecordError;

    fn try_from(record: CommitRecord) -> Result<Self, RecordError> {
        Ok(Self {
            id: record.id,
            time: record.time.parse().map_err(RecordError::of)?,
            subject: record.subject,
        })
    }
}

impl TryFrom<ProcessRecord> for Process {
    type Error = RecordError;

    fn try_from(record: ProcessRecord) -> Result<Self, RecordError> {
        Ok(Self {
            pid: record.pid,
            user: record.user,
            command: record.command,
            directory: record.directory.map(TryInto::try_into).transpose()?,
            age: record.age_seconds.map(Duration::from_secs),
            workers: record.workers,
        })
    }
}
