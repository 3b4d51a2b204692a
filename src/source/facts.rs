//! Parses the answer to `facts`: the state of a host.
//!
//! Every line may be a stranger's: names of processes, branches and files are whatever their makers
//! liked. What does not read is passed over, every text and list has a bound, and command lines leave
//! here without secrets.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use jiff::Timestamp;

use crate::manifest::{Commit, Disk, Head, HostFacts, Process, Repository, Version};
use crate::name::RemotePath;
use crate::redact;

/// More than this of an answer is not read.
pub const ANSWER_MAX_BYTES: usize = 512 << 10;

const TEXT_MAX_CHARS: usize = 200;
const COMMAND_MAX_CHARS: usize = 300;
const DISKS_MAX: usize = 16;
const VERSIONS_MAX: usize = 24;
const REPOSITORIES_MAX: usize = 8;
const CHANGES_MAX: usize = 50;
const PROCESSES_MAX: usize = 32;

/// The order in which programs are listed.
const PROGRAMS: [&str; 8] = [
    "node", "npm", "python3", "asterisk", "postgres", "psql", "nginx", "docker",
];

/// What identifies programs is no longer.
const PROGRAMS_MAX_BYTES: usize = 8 << 10;

/// Where the host does not tell when the connection was made: a process of this age is not of it.
const LOGIN_AGE_SECONDS: u64 = 60;

/// Reads the answer to [`crate::guard::ReadCommand::Facts`], as much of it as arrived. `roots` are the
/// directories that it was asked with, and `before` are the facts whose programs it named.
#[must_use]
pub fn parse(answer: &[u8], roots: &[RemotePath], before: Option<&HostFacts>) -> HostFacts {
    let mut reading = Reading {
        before: before.cloned().unwrap_or_default(),
        ..Reading::default()
    };
    // What comes after the last line end was cut.
    let whole = answer.iter().rposition(|&b| b == b'\n').unwrap_or(0);
    for line in answer[..whole].split(|&b| b == b'\n') {
        reading.line(line);
    }
    reading.finish(roots)
}

#[derive(Default)]
struct Reading {
    facts: HostFacts,
    before: HostFacts,
    uptime_seconds: Option<u64>,
    ticks_per_second: Option<u64>,
    /// When fleet's connection began, in ticks since the system came up.
    login: Option<u64>,
    processes: Vec<Raw>,
    users: HashMap<String, String>,
    /// The lines that belong to the repository before them.
    in_repository: bool,
}

/// A process as the host lists it.
struct Raw {
    pid: u32,
    parent: u32,
    name: String,
    started: u64,
    uid: String,
    directory: Option<RemotePath>,
    arguments: Vec<String>,
}

impl Reading {
    fn line(&mut self, line: &[u8]) {
        let Some(split) = line.iter().position(|&b| b == b'=') else {
            self.count(line);
            return;
        };
        let (key, value) = (&line[..split], &line[split + 1..]);
        match key {
            b"uptime" => {
                let seconds = text(value).split('.').next().and_then(|s| s.parse().ok());
                self.uptime_seconds = seconds;
                self.facts.uptime = seconds.map(Duration::from_secs);
            }
            b"boot_id" => self.facts.boot_id = text(value),
            b"hz" => self.ticks_per_second = text(value).parse().ok().filter(|hz| *hz > 0),
            b"disk" => self.disk(&text(value)),
            b"version" => self.version(&text(value)),
            b"versions" if value == b"same" => {
                self.facts.versions = std::mem::take(&mut self.before.versions);
                self.facts.programs = std::mem::take(&mut self.before.programs);
            }
            b"versions" if value.len() <= PROGRAMS_MAX_BYTES => {
                // It goes back as it came.
                self.facts.programs = String::from_utf8_lossy(value).into_owned();
            }
            b"login" => self.login = stat(value).map(|stat| stat.started),
            b"stat" => self.processes.extend(stat(value)),
            b"uid" | b"cwd" | b"argv" => self.process(key, value),
            b"user" => {
                if let Some((uid, name)) = text(value).split_once(' ') {
                    self.users.insert(uid.to_owned(), name.to_owned());
                }
            }
            b"git" => self.repository(value),
            b"branch" | b"detached" | b"commit" | b"change" | b"status" if self.in_repository => {
                self.detail(key, value);
            }
            _ => tracing::debug!("a host said something that nobody asked for"),
        }
    }

    fn disk(&mut self, line: &str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        // A device's name may hold blanks, and so may the place where it is mounted.
        let Some(percent) = words.iter().position(|word| word.ends_with('%')) else {
            return;
        };
        let number = |back: usize| {
            let word = words.get(percent.checked_sub(back)?)?;
            word.parse::<u64>().ok()?.checked_mul(1024)
        };
        let mount = words[percent + 1..].join(" ");
        let (Some(size_bytes), Some(used_bytes), Some(free_bytes)) =
            (number(3), number(2), number(1))
        else {
            return;
        };
        let disks = &mut self.facts.disks;
        if !mount.is_empty()
            && disks.len() < DISKS_MAX
            && disks.iter().all(|disk| disk.mount != mount)
        {
            disks.push(Disk {
                mount,
                size_bytes,
                used_bytes,
                free_bytes,
            });
        }
    }

    fn version(&mut self, line: &str) {
        if let Some((program, text)) = line.split_once(' ')
            && PROGRAMS.contains(&program)
            && self.facts.versions.len() < VERSIONS_MAX
        {
            self.facts.versions.push(Version {
                program: program.to_owned(),
                text: text.trim().to_owned(),
            });
        }
    }

    fn process(&mut self, key: &[u8], value: &[u8]) {
        let Some(process) = self.processes.last_mut() else {
            return;
        };
        match key {
            b"uid" => process.uid = text(value),
            b"cwd" => process.directory = RemotePath::from_bytes(value).ok(),
            _ => {
                let words = value.split(|&b| b == 0x1f);
                process.arguments = words
                    .map(|word| String::from_utf8_lossy(word).into_owned())
                    .collect();
                while process.arguments.last().is_some_and(String::is_empty) {
                    process.arguments.pop();
                }
            }
        }
    }

    fn repository(&mut self, root: &[u8]) {
        self.end_repository();
        let root = RemotePath::from_bytes(root).ok();
        self.in_repository = root.is_some() && self.facts.repositories.len() < REPOSITORIES_MAX;
        if let Some(root) = root.filter(|_| self.in_repository) {
            self.facts.repositories.push(Repository {
                root,
                head: Head::Detached(String::new()),
                commit: None,
                changes: None,
            });
        }
    }

    fn detail(&mut self, key: &[u8], value: &[u8]) {
        let Some(repository) = self.facts.repositories.last_mut() else {
            return;
        };
        match key {
            b"branch" => repository.head = Head::Branch(text(value)),
            b"detached" => repository.head = Head::Detached(text(value)),
            b"commit" => repository.commit = commit(&text(value)),
            // The leading blank of a change is part of what it says.
            b"change" => {
                let changes = repository.changes.get_or_insert_default();
                if changes.first.len() < CHANGES_MAX {
                    changes
                        .first
                        .push(cut(&String::from_utf8_lossy(value), TEXT_MAX_CHARS));
                }
            }
            // What an unfinished status did not tell is not known to be unchanged.
            _ if value == b"0" => {
                repository.changes.get_or_insert_default();
            }
            _ => {
                repository.changes = None;
                self.in_repository = false;
            }
        }
    }

    /// How many lines `git status` had, the one with its exit status among them.
    fn count(&mut self, line: &[u8]) {
        let count = std::str::from_utf8(line)
            .ok()
            .and_then(|line| line.parse::<u64>().ok());
        let last = self
            .facts
            .repositories
            .last_mut()
            .filter(|_| self.in_repository);
        if let (Some(count), Some(changes)) = (count, last.and_then(|last| last.changes.as_mut())) {
            changes.count = count.saturating_sub(1).max(changes.first.len() as u64);
            self.in_repository = false;
        }
    }

    /// Without its end a list of changes is no answer.
    fn end_repository(&mut self) {
        if std::mem::take(&mut self.in_repository)
            && let Some(last) = self.facts.repositories.last_mut()
        {
            last.changes = None;
        }
    }

    fn finish(mut self, roots: &[RemotePath]) -> HostFacts {
        self.end_repository();
        let place = |version: &Version| PROGRAMS.iter().position(|name| *name == version.program);
        self.facts.versions.sort_by(|a, b| {
            let text = |version: &Version| version.text.clone();
            place(a).cmp(&place(b)).then_with(|| text(a).cmp(&text(b)))
        });
        self.facts.disks.sort_by(|a, b| a.mount.cmp(&b.mount));
        self.tell_processes(roots);
        self.facts
    }

    /// Whatever began after the connection may be fleet's own. Of a process and the others of its name
    /// that it started, the first is listed and the others are counted.
    fn tell_processes(&mut self, roots: &[RemotePath]) {
        let hz = self.ticks_per_second.unwrap_or(100);
        let now = self
            .uptime_seconds
            .map(|seconds| seconds.saturating_mul(hz));
        let login = self
            .login
            .or_else(|| Some(now?.saturating_sub(LOGIN_AGE_SECONDS * hz)));
        let Some(login) = login else {
            return;
        };
        let mut meant = std::mem::take(&mut self.processes);
        meant.retain(|process| process.started <= login && process.is_meant(roots));
        meant.sort_by_key(|process| process.pid);
        let names: BTreeMap<u32, String> = meant
            .iter()
            .map(|process| (process.pid, process.name.clone()))
            .collect();
        let is_worker = |process: &Raw| names.get(&process.parent) == Some(&process.name);
        let mut workers: BTreeMap<u32, u64> = BTreeMap::new();
        for process in meant.iter().filter(|process| is_worker(process)) {
            *workers.entry(process.parent).or_default() += 1;
        }
        meant.retain(|process| !is_worker(process));
        self.facts.more_processes = meant.len().saturating_sub(PROCESSES_MAX) as u64;
        let told = meant.into_iter().take(PROCESSES_MAX);
        self.facts.processes = told
            .map(|process| {
                let words: Vec<&str> = process.arguments.iter().map(String::as_str).collect();
                let command = redact::command_line(&words);
                let ticks = now.and_then(|now| now.checked_sub(process.started));
                Process {
                    pid: process.pid,
                    user: self.users.get(&process.uid).cloned().unwrap_or(process.uid),
                    command: match command.trim() {
                        // A kernel's thread, or one that has ended but for its name.
                        "" => format!("[{}]", cut(&process.name, TEXT_MAX_CHARS)),
                        command => cut(command, COMMAND_MAX_CHARS),
                    },
                    directory: process.directory,
                    age: ticks.map(|ticks| Duration::from_secs(ticks / hz)),
                    workers: workers.get(&process.pid).copied().unwrap_or(0),
                }
            })
            .collect();
    }
}

impl Raw {
    /// Whether it runs in one of the directories, has a path below one in its arguments, or has the name of one.
    /// The host compared letters only.
    fn is_meant(&self, roots: &[RemotePath]) -> bool {
        roots.iter().any(|root| {
            let within = self
                .directory
                .as_ref()
                .is_some_and(|directory| directory.is_within(root));
            let named = root.file_name().starts_with(self.name.as_bytes())
                && (root.file_name().len() == self.name.len() || self.name.len() >= 15);
            let told = self
                .arguments
                .iter()
                .any(|word| names_path(word.as_bytes(), root.as_bytes()));
            within || (named && !self.name.is_empty()) || told
        })
    }
}

/// Whether `word` holds `path`, and not only as the beginning of another name.
fn names_path(word: &[u8], path: &[u8]) -> bool {
    let ends = |after: Option<&u8>| {
        after.is_none_or(|byte| {
            !(byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
        })
    };
    word.windows(path.len())
        .enumerate()
        .any(|(at, here)| here == path && ends(word.get(at + path.len())))
}

/// A line of `/proc/PID/stat`; the name in its brackets may hold brackets and blanks.
fn stat(line: &[u8]) -> Option<Raw> {
    let line = String::from_utf8_lossy(line);
    let (pid, rest) = line.split_once(" (")?;
    let (name, rest) = rest.rsplit_once(") ")?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    Some(Raw {
        pid: pid.parse().ok()?,
        parent: fields.get(1)?.parse().ok()?,
        name: name.to_owned(),
        // The 22nd of all fields, of which two are gone.
        started: fields.get(19)?.parse().ok()?,
        uid: String::new(),
        directory: None,
        arguments: Vec::new(),
    })
}

/// `DIGEST SECONDS SUBJECT`
fn commit(line: &str) -> Option<Commit> {
    let (id, rest) = line.split_once(' ')?;
    let (seconds, subject) = rest.split_once(' ').unwrap_or((rest, ""));
    let is_digest = id.len() >= 40 && id.bytes().all(|b| b.is_ascii_hexdigit());
    is_digest.then_some(())?;
    Some(Commit {
        id: id.to_owned(),
        time: Timestamp::from_second(seconds.parse().ok()?).ok()?,
        subject: subject.to_owned(),
    })
}

fn text(value: &[u8]) -> String {
    cut(String::from_utf8_lossy(value).trim(), TEXT_MAX_CHARS)
}

/// The beginning of a text that is too long to be kept.
fn cut(text: &str, max_chars: usize) -> String {
    match text.char_indices().nth(max_chars) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests;
