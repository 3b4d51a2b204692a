//! Finding damage: every stored byte is compared with what was sealed, every pack read once.
//!
//! Memory: 16 bytes for each member of the packs of one host; contents are streamed. Nothing is
//! mended and nothing is written here.

mod members;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::{self, File};
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use self::members::Members;
use super::entries::{self, Entries};
use super::record::checkpoint::{EntriesFacts, FileFacts, Sealed};
use super::sealed::read_record;
use super::{Error, Store, disk, layout, sums};
use crate::digest::Sha256;
use crate::manifest::{Pack, PackName};
use crate::name::{CheckpointId, HostName};

/// What is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Everything.
    All,
    /// All checkpoints of some hosts, and some checkpoints, with all packs that they need.
    Some {
        /// The hosts.
        hosts: Vec<HostName>,
        /// The checkpoints.
        checkpoints: Vec<CheckpointId>,
    },
}

/// How closely.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Every byte, and that every entry's content lies where its record says.
    Full,
    /// Packs only by their presence and length, everything else as with [`Level::Full`].
    Quick,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VerifyReport {
    /// How many checkpoints were looked at.
    pub checked: u64,
    /// How many files were looked at; one that several checkpoints need counts once.
    pub files: u64,
    /// What is wrong, by file.
    pub problems: Vec<Problem>,
}

/// A damaged or missing file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Relative to the store.
    pub file: String,
    /// What is wrong with it.
    pub problem: String,
    /// The checkpoints that need it, in order.
    pub checkpoints: Vec<CheckpointId>,
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VerifyProgress<'a> {
    /// The file that is being read, relative to the store.
    pub file: &'a str,
    /// Bytes of packs that were read.
    pub done_bytes: u64,
    /// Bytes of packs of the host that is being verified, and of those before it.
    pub total_bytes: u64,
}

type Watch<'a> = &'a mut dyn FnMut(VerifyProgress<'_>) -> ControlFlow<()>;

impl Store {
    /// Compares what is stored with what was sealed.
    ///
    /// `watch` is told how far it is, at least once for each MiB read, and may end it. Damage is in
    /// the report and no error.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownHost`] and [`Error::UnknownCheckpoint`] for what is not there to be verified,
    /// [`Error::Stopped`] if `watch` ended it, [`Error::Io`] if the store can't be read.
    pub fn verify(
        &self,
        scope: &Scope,
        level: Level,
        watch: Watch<'_>,
    ) -> Result<VerifyReport, Error> {
        let mut verify = Verify {
            store: self,
            level,
            watch,
            done_bytes: 0,
            total_bytes: 0,
            files: 1,
            problems: BTreeMap::new(),
        };
        if let Some(problem) = self.store_file_problem()? {
            verify.problem(layout::STORE_FILE.to_owned(), problem, &[]);
        }
        let mut checked = 0;
        for (host, ids) in self.in_scope(scope)? {
            checked += ids.len() as u64;
            verify.host(&host, &ids)?;
        }
        Ok(VerifyReport {
            checked,
            files: verify.files,
            problems: verify
                .problems
                .into_iter()
                .map(|((file, problem), checkpoints)| Problem {
                    file,
                    problem,
                    checkpoints: checkpoints.into_iter().collect(),
                })
                .collect(),
        })
    }

    fn in_scope(&self, scope: &Scope) -> Result<BTreeMap<HostName, BTreeSet<CheckpointId>>, Error> {
        let mut chosen: BTreeMap<HostName, BTreeSet<CheckpointId>> = BTreeMap::new();
        match scope {
            Scope::All => {
                for host in self.hosts()? {
                    let ids = self.ids(&host)?.into_iter().collect();
                    chosen.insert(host, ids);
                }
            }
            Scope::Some { hosts, checkpoints } => {
                for host in hosts {
                    let ids = self.ids(host)?;
                    if ids.is_empty() {
                        return Err(self.unknown_host(host)?);
                    }
                    chosen.entry(host.clone()).or_default().extend(ids);
                }
                for id in checkpoints {
                    if !layout::checkpoint_dir(self.dir(), id).is_dir() {
                        return Err(self.unknown_checkpoint(id)?);
                    }
                    chosen
                        .entry(id.host.clone())
                        .or_default()
                        .insert(id.clone());
                }
            }
        }
        Ok(chosen)
    }
}

struct Verify<'a> {
    store: &'a Store,
    level: Level,
    watch: Watch<'a>,
    done_bytes: u64,
    total_bytes: u64,
    files: u64,
    problems: BTreeMap<(String, String), BTreeSet<CheckpointId>>,
}

/// What the checkpoints of one host need together.
#[derive(Default)]
struct Needs {
    packs: BTreeMap<(PackName, Sha256, Option<u64>), Vec<CheckpointId>>,
    /// Entries files that are whole, each content once.
    entries: BTreeMap<Sha256, (CheckpointId, String, EntriesFacts)>,
    /// Digests of files that share an inode are taken once.
    digests: HashMap<(u64, u64), (Sha256, u64)>,
}

impl Verify<'_> {
    fn host(&mut self, host: &HostName, ids: &BTreeSet<CheckpointId>) -> Result<(), Error> {
        let mut needs = Needs::default();
        for id in ids {
            self.checkpoint(id, &mut needs)?;
        }
        let lengths = needs.packs.keys().map(|(name, _, sealed)| {
            sealed.unwrap_or_else(|| {
                let path = layout::host_dir(self.store.dir(), host).join(name.to_string());
                fs::metadata(path).map_or(0, |m| m.len())
            })
        });
        self.total_bytes += lengths.sum::<u64>();
        let mut members = BTreeMap::new();
        for ((name, sha256, sealed_bytes), needed_by) in &needs.packs {
            if let Some(found) = self.pack(host, name, *sha256, *sealed_bytes, needed_by)? {
                members.insert(name.clone(), found);
            }
        }
        if self.level == Level::Full {
            for (id, shown, facts) in needs.entries.values() {
                self.places(id, shown, facts, &needs, &members)?;
            }
        }
        Ok(())
    }

    fn checkpoint(&mut self, id: &CheckpointId, needs: &mut Needs) -> Result<(), Error> {
        let dir = layout::checkpoint_dir(self.store.dir(), id);
        let sums_path = dir.join(layout::SUMS_FILE);
        self.files += 2;
        match read_record(&dir, id) {
            Ok((sealed, record)) => {
                let expected = sums::text(&record, &sealed);
                match fs::read(&sums_path) {
                    Ok(found) if found == expected.as_bytes() => {}
                    Ok(_) => self.own(id, layout::SUMS_FILE, "it is not what was sealed"),
                    Err(e) => self.own(id, layout::SUMS_FILE, &unreadable(&e)),
                }
                self.sealed_files(id, &dir, &sealed, needs)
            }
            Err(_) if !dir.exists() => Ok(()),
            Err(Error::Damaged { problem, .. }) => {
                self.own(id, layout::CHECKPOINT_FILE, &problem);
                // What the digests beside it vouch for can still be told from what is damaged.
                match fs::read(&sums_path) {
                    Ok(text) => self.summed_files(id, &dir, &sums::parse(&text), needs),
                    Err(e) => {
                        self.own(id, layout::SUMS_FILE, &unreadable(&e));
                        Ok(())
                    }
                }
            }
            Err(error @ Error::Newer { .. }) => {
                self.own(id, layout::CHECKPOINT_FILE, &error.to_string());
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    fn sealed_files(
        &mut self,
        id: &CheckpointId,
        dir: &Path,
        sealed: &Sealed,
        needs: &mut Needs,
    ) -> Result<(), Error> {
        let manifest = Some(sealed.manifest.stored_bytes);
        self.file(
            id,
            dir,
            layout::MANIFEST_FILE,
            sealed.manifest.sha256,
            manifest,
            needs,
        )?;
        for (part, facts) in &sealed.entries {
            let file = layout::entries_file(part);
            let FileFacts {
                sha256,
                stored_bytes,
            } = facts.file;
            if self.file(id, dir, &file, sha256, Some(stored_bytes), needs)? {
                let first = || (id.clone(), file, facts.clone());
                needs.entries.entry(sha256).or_insert_with(first);
            }
        }
        for Pack {
            name,
            sha256,
            stored_bytes,
        } in &sealed.checkpoint.packs
        {
            let key = (name.clone(), *sha256, Some(*stored_bytes));
            needs.packs.entry(key).or_default().push(id.clone());
        }
        Ok(())
    }

    fn summed_files(
        &mut self,
        id: &CheckpointId,
        dir: &Path,
        lines: &[(String, Sha256)],
        needs: &mut Needs,
    ) -> Result<(), Error> {
        for (file, sha256) in lines {
            if let Some(pack) = file.strip_prefix("../").and_then(|name| name.parse().ok()) {
                let key = (pack, *sha256, None);
                needs.packs.entry(key).or_default().push(id.clone());
            } else if file == layout::MANIFEST_FILE || file.starts_with("entries/") {
                self.file(id, dir, file, *sha256, None, needs)?;
            }
        }
        Ok(())
    }

    /// Compares one file of a checkpoint's folder; true if it is what was sealed.
    fn file(
        &mut self,
        id: &CheckpointId,
        dir: &Path,
        file: &str,
        sha256: Sha256,
        sealed_bytes: Option<u64>,
        needs: &mut Needs,
    ) -> Result<bool, Error> {
        self.files += 1;
        let shown = layout::shown(id, file);
        self.tell(&shown)?;
        let mut digest = || -> io::Result<(Sha256, u64)> {
            let opened = File::open(dir.join(file))?;
            let facts = opened.metadata()?;
            let inode = (facts.dev(), facts.ino());
            if let Some(known) = needs.digests.get(&inode) {
                return Ok(*known);
            }
            let digest = disk::digest(opened)?;
            if facts.nlink() > 1 {
                needs.digests.insert(inode, digest);
            }
            Ok(digest)
        };
        match digest() {
            Ok((found, length)) => {
                let sealed = FileFacts {
                    sha256,
                    stored_bytes: sealed_bytes.unwrap_or(length),
                };
                match entries::check(&shown, sealed, found, length) {
                    Ok(()) => return Ok(true),
                    Err(Error::Damaged { problem, .. }) => self.own(id, file, &problem),
                    Err(other) => return Err(other),
                }
            }
            Err(e) => self.own(id, file, &unreadable(&e)),
        }
        Ok(false)
    }

    /// Compares a pack; gives its members if it is what was sealed and was read.
    fn pack(
        &mut self,
        host: &HostName,
        name: &PackName,
        sha256: Sha256,
        sealed_bytes: Option<u64>,
        needed_by: &[CheckpointId],
    ) -> Result<Option<Members>, Error> {
        self.files += 1;
        let shown = layout::shown_pack(host, name);
        self.tell(&shown)?;
        let path = layout::host_dir(self.store.dir(), host).join(name.to_string());
        let opened = File::open(&path).and_then(|file| Ok((file.metadata()?.len(), file)));
        let (length, file) = match opened {
            Ok(opened) => opened,
            Err(e) => {
                self.problem(shown, unreadable(&e), needed_by);
                return Ok(None);
            }
        };
        if let Some(sealed) = sealed_bytes.filter(|sealed| *sealed != length) {
            let problem = format!("it has {length} bytes, {sealed} were sealed");
            self.problem(shown, problem, needed_by);
            return Ok(None);
        }
        if self.level == Level::Quick {
            return Ok(None);
        }
        let mut reader = Counted {
            file,
            done_bytes: &mut self.done_bytes,
            tell: |done_bytes| {
                (self.watch)(VerifyProgress {
                    file: &shown,
                    done_bytes,
                    total_bytes: self.total_bytes,
                })
            },
            stopped: false,
        };
        let read = members::read(&mut reader);
        if reader.stopped {
            return Err(Error::Stopped);
        }
        match read {
            Ok((found, _)) if found != sha256 => {
                self.problem(shown, "its digest does not match".to_owned(), needed_by);
                Ok(None)
            }
            Ok((_, Ok(members))) => Ok(Some(members)),
            Ok((_, Err(problem))) => {
                self.problem(shown, problem, needed_by);
                Ok(None)
            }
            Err(e) => {
                self.problem(shown, unreadable(&e), needed_by);
                Ok(None)
            }
        }
    }

    /// Whether the content of every entry lies where its record says.
    fn places(
        &mut self,
        id: &CheckpointId,
        file: &str,
        facts: &EntriesFacts,
        needs: &Needs,
        members: &BTreeMap<PackName, Members>,
    ) -> Result<(), Error> {
        let shown = layout::shown(id, file);
        let path = layout::checkpoint_dir(self.store.dir(), id).join(file);
        self.tell(&shown)?;
        let mut wrong = 0_u64;
        let mut first = None;
        for entry in Entries::open(&path, shown.clone(), facts)? {
            let entry = match entry {
                Ok(entry) => entry,
                Err(Error::Damaged { problem, .. }) => {
                    self.own(id, file, &problem);
                    return Ok(());
                }
                Err(error) => return Err(error),
            };
            for piece in &entry.content {
                let is_there = match members.get(&piece.pack) {
                    Some(members) => members.has(&entry, piece),
                    // A damaged pack was named already; one that nothing vouches for is wrong.
                    None => needs.packs.keys().any(|(name, _, _)| *name == piece.pack),
                };
                if !is_there {
                    wrong += 1;
                    first.get_or_insert_with(|| format!("{} in {}", entry.path, piece.pack));
                }
            }
        }
        if let Some(first) = first {
            let problem = format!("{wrong} entries lie elsewhere than it says, first {first}");
            self.own(id, file, &problem);
        }
        Ok(())
    }

    fn own(&mut self, id: &CheckpointId, file: &str, problem: &str) {
        self.problem(
            layout::shown(id, file),
            problem.to_owned(),
            std::slice::from_ref(id),
        );
    }

    fn problem(&mut self, file: String, problem: String, checkpoints: &[CheckpointId]) {
        self.problems
            .entry((file, problem))
            .or_default()
            .extend(checkpoints.iter().cloned());
    }

    fn tell(&mut self, file: &str) -> Result<(), Error> {
        let progress = VerifyProgress {
            file,
            done_bytes: self.done_bytes,
            total_bytes: self.total_bytes,
        };
        match (self.watch)(progress) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(Error::Stopped),
        }
    }
}

fn unreadable(error: &io::Error) -> String {
    if error.kind() == io::ErrorKind::NotFound {
        "it is missing".to_owned()
    } else {
        format!("it can't be read: {error}")
    }
}

/// Tells how much was read, and ends when it is told to.
struct Counted<'a, F> {
    file: File,
    done_bytes: &'a mut u64,
    tell: F,
    stopped: bool,
}

impl<F: FnMut(u64) -> ControlFlow<()>> Read for Counted<'_, F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        const STEP_BYTES: u64 = 1 << 20;
        let n = self.file.read(buffer)?;
        let before = *self.done_bytes / STEP_BYTES;
        *self.done_bytes += n as u64;
        if *self.done_bytes / STEP_BYTES != before && (self.tell)(*self.done_bytes).is_break() {
            self.stopped = true;
            return Err(io::Error::other("stopped"));
        }
        Ok(n)
    }
}
