//! The lock of a host: one run at a time. The kernel frees it with its process.
//!
//! The lock file also says who holds it, and the last stamp that was given out, so that none is
//! given out twice even after its checkpoint was removed. Its content is a help, never the lock.
//! Its first line is short and is written first; what a run may forget ([`HostCache`]) is in the
//! second, so that a write cut short costs that alone.

use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::disk;
use crate::interrupt::Interrupt;
use crate::name::{HostName, Stamp, escape};
use crate::store::Error;
use crate::store::files::layout;
use crate::store::seal::host_cache::{FileClock, HostCache};

const POLL: Duration = Duration::from_millis(100);
/// More than any holder writes.
const RECORD_MAX_BYTES: u64 = 16 * 1024;
/// More than any host's memory takes: some hundred bytes for each of its packs.
const MEMORY_MAX_BYTES: u64 = 64 * 1024 * 1024;
const COMMAND_MAX_CHARS: usize = 200;

/// The right to make a checkpoint of one host, or to remove one. Dropping it frees the host.
#[derive(Debug)]
#[must_use = "dropping the lock frees the host"]
pub struct HostLock {
    pub(in crate::store) store: PathBuf,
    pub(in crate::store) host: HostName,
    pub(in crate::store) last_stamp: Option<Stamp>,
    pub(in crate::store) memory: HostCache,
    file: File,
}

/// Who holds a lock, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Holder {
    /// The process.
    pub pid: Option<u32>,
    /// Its command line, safe to print.
    pub command: String,
    /// When it took the lock.
    pub since: Option<Timestamp>,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.pid {
            Some(pid) => write!(f, "process {pid}")?,
            None => f.write_str("another process")?,
        }
        if !self.command.is_empty() {
            write!(f, " (`{}`)", self.command)?;
        }
        if let Some(since) = self.since {
            write!(f, " since {}", since.strftime("%Y-%m-%d %H:%M:%S UTC"))?;
        }
        Ok(())
    }
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct LockRecord {
    pid: Option<u32>,
    command: String,
    since: Option<String>,
    last_stamp: Option<String>,
}

impl HostLock {
    /// Locks `host`, waiting for at most `wait`, unless `interrupt` is raised.
    pub(in crate::store) fn acquire(
        store: PathBuf,
        host: HostName,
        wait: Option<Duration>,
        interrupt: &Interrupt,
    ) -> Result<Self, Error> {
        let dir = layout::host_dir(&store, &host);
        if !dir.is_dir() {
            disk::create_dir(&dir)?;
            disk::sync_dir(&store)?;
        }
        let path = dir.join(layout::LOCK_FILE);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(Error::io("open", &path))?;
        let began = Instant::now();
        let wait = wait.unwrap_or_default();
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::Error(e)) => return Err(Error::io("lock", &path)(e)),
                Err(TryLockError::WouldBlock) => {}
            }
            let waited = began.elapsed();
            if waited >= wait {
                let record = read(&mut file).unwrap_or_default();
                return Err(Error::Locked {
                    host,
                    holder: record.holder(),
                    waited,
                });
            }
            if interrupt.is_raised() {
                return Err(Error::Interrupted { host });
            }
            thread::sleep(POLL.min(wait - waited));
        }
        let last_stamp = read(&mut file)
            .ok()
            .and_then(|record| record.last_stamp)
            .and_then(|text| text.parse().ok());
        let memory = read_memory(&mut file).unwrap_or_default();
        let mut lock = Self {
            store,
            host,
            last_stamp,
            memory,
            file,
        };
        lock.write().map_err(Error::io("write", &path))?;
        Ok(lock)
    }

    /// The host that is locked.
    #[must_use]
    pub fn host(&self) -> &HostName {
        &self.host
    }

    /// How fast the link to the host was last time, if a run remembered it.
    #[must_use]
    pub fn link_bytes_per_second(&self) -> Option<u64> {
        self.memory.link_bytes_per_second
    }

    /// Remembers how fast the link to the host is. That it can't be written is no fault: the next
    /// run measures again.
    pub fn remember_link_speed(&mut self, bytes_per_second: u64) {
        self.memory.link_bytes_per_second = Some(bytes_per_second);
        self.keep_memory();
    }

    /// Remembers that `stamp` was given out.
    pub(in crate::store) fn reserve(&mut self, stamp: Stamp) -> Result<(), Error> {
        self.last_stamp = Some(stamp);
        let path = self.host_dir().join(layout::LOCK_FILE);
        self.write().map_err(Error::io("write", &path))
    }

    pub(in crate::store) fn host_dir(&self) -> PathBuf {
        layout::host_dir(&self.store, &self.host)
    }

    /// Writes what is remembered, or lets the next run find out again.
    pub(in crate::store) fn keep_memory(&mut self) {
        drop(self.write());
    }

    /// What the store's file system stamps a change with that is made now; none if it won't tell.
    pub(in crate::store) fn file_clock(&self) -> Option<FileClock> {
        // Whatever time is set, the change itself is stamped by the file system.
        self.file.set_modified(SystemTime::now()).ok()?;
        Some(FileClock::of_change(&self.file.metadata().ok()?))
    }

    fn write(&mut self) -> io::Result<()> {
        let record = LockRecord {
            pid: Some(std::process::id()),
            command: command_line(),
            since: Some(Timestamp::now().to_string()),
            last_stamp: self.last_stamp.map(|stamp| stamp.to_string()),
        };
        let mut text = serde_json::to_vec(&record)?;
        text.push(b'\n');
        text.extend(self.memory.to_line());
        self.file.rewind()?;
        self.file.write_all(&text)?;
        self.file.set_len(text.len() as u64)
    }
}

impl Drop for HostLock {
    fn drop(&mut self) {
        // Closing alone is not enough: a child that is just being started still has a copy of the
        // file. If unlocking fails, closing is what is left.
        drop(self.file.unlock());
    }
}

impl LockRecord {
    fn holder(self) -> Holder {
        Holder {
            pid: self.pid,
            command: escape(self.command.as_bytes()),
            since: self.since.and_then(|text| text.parse().ok()),
        }
    }
}

/// Whatever the file says; a holder may be writing it right now.
fn read(file: &mut File) -> io::Result<LockRecord> {
    let mut line = Vec::new();
    file.rewind()?;
    BufReader::new(file.take(RECORD_MAX_BYTES)).read_until(b'\n', &mut line)?;
    Ok(serde_json::from_slice(&line)?)
}

/// What the second line says, if it reads.
fn read_memory(file: &mut File) -> Option<HostCache> {
    let mut text = Vec::new();
    file.rewind().ok()?;
    file.take(MEMORY_MAX_BYTES).read_to_end(&mut text).ok()?;
    let at = text.iter().position(|&byte| byte == b'\n')?;
    HostCache::of_line(&text[at + 1..])
}

fn command_line() -> String {
    let words: Vec<String> = std::env::args_os()
        .enumerate()
        .map(|(at, word)| {
            let word = word.to_string_lossy();
            let name = word.rsplit('/').next().unwrap_or_default();
            if at == 0 {
                name.to_owned()
            } else {
                word.into_owned()
            }
        })
        .collect();
    words.join(" ").chars().take(COMMAND_MAX_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acquire(
        store: &tempfile::TempDir,
        wait: Option<Duration>,
        interrupt: &Interrupt,
    ) -> Result<HostLock, Error> {
        let host = "dev-vm".parse().expect("a name");
        HostLock::acquire(store.path().to_owned(), host, wait, interrupt)
    }

    #[test]
    fn the_refusal_names_the_holder() {
        let store = tempfile::tempdir().expect("a folder");
        let held = acquire(&store, None, &Interrupt::new()).expect("the first");
        let refused = acquire(&store, None, &Interrupt::new());
        let Err(Error::Locked { host, holder, .. }) = refused else {
            unreachable!("not refused: {refused:?}");
        };
        assert_eq!(host, *held.host());
        assert_eq!(holder.pid, Some(std::process::id()));
        assert_eq!(holder.command, escape(command_line().as_bytes()));
        assert!(holder.since.is_some(), "{holder:?}");
        drop(held);
        drop(acquire(&store, None, &Interrupt::new()).expect("free again"));
    }

    #[test]
    fn waiting_ends_when_the_operator_asks() {
        let store = tempfile::tempdir().expect("a folder");
        let _held = acquire(&store, None, &Interrupt::new()).expect("the first");
        let interrupt = Interrupt::new();
        interrupt.raise();
        let stopped = acquire(&store, Some(Duration::from_secs(3600)), &interrupt);
        assert!(
            matches!(&stopped, Err(Error::Interrupted { host }) if host.as_str() == "dev-vm"),
            "{stopped:?}"
        );
    }

    #[test]
    fn waiting_ends_when_the_holder_does() {
        let store = tempfile::tempdir().expect("a folder");
        let held = acquire(&store, None, &Interrupt::new()).expect("the first");
        thread::spawn(move || {
            thread::sleep(Duration::from_millis(50));
            drop(held);
        });
        let wait = Some(Duration::from_secs(3600));
        drop(acquire(&store, wait, &Interrupt::new()).expect("the second"));
    }

    #[test]
    fn a_scribbled_lock_file_is_no_obstacle() {
        let store = tempfile::tempdir().expect("a folder");
        drop(acquire(&store, None, &Interrupt::new()).expect("the first"));
        let path = store.path().join("dev-vm/.lock");
        std::fs::write(&path, b"\xff{").expect("scribble");
        let held = acquire(&store, None, &Interrupt::new()).expect("the second");
        assert_eq!(held.last_stamp, None);
        std::fs::write(&path, b"\xff{").expect("scribble");
        let refused = acquire(&store, None, &Interrupt::new());
        assert!(
            matches!(&refused, Err(Error::Locked { holder, .. }) if *holder == Holder::default()),
            "{refused:?}"
        );
    }

    #[test]
    fn a_write_cut_short_costs_what_may_be_forgotten_alone() {
        let store = tempfile::tempdir().expect("a folder");
        let stamp: Stamp = "20261121T101500Z".parse().expect("a stamp");
        let mut held = acquire(&store, None, &Interrupt::new()).expect("the first");
        held.reserve(stamp).expect("written");
        held.remember_link_speed(7);
        drop(held);
        let path = store.path().join("dev-vm/.lock");
        let mut text = std::fs::read(&path).expect("a lock file");
        text.truncate(text.len() - 3);
        std::fs::write(&path, text).expect("cut");
        let held = acquire(&store, None, &Interrupt::new()).expect("the second");
        assert_eq!(held.last_stamp, Some(stamp));
        assert_eq!(held.link_bytes_per_second(), None);
    }

    #[test]
    fn holders_read_like_this() {
        let holder = Holder {
            pid: Some(7),
            command: "fleet checkpoint dev-vm".to_owned(),
            since: "2026-11-21T10:15:00Z".parse().ok(),
        };
        assert_eq!(
            holder.to_string(),
            "process 7 (`fleet checkpoint dev-vm`) since 2026-11-21 10:15:00 UTC"
        );
        assert_eq!(Holder::default().to_string(), "another process");
    }
}
