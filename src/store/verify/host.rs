//! Verifies the checkpoints of one host, and the packs that they share.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::{self, File};
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::members::{self, Members};
use super::{Level, VerifyProgress, Watch};
use crate::digest::Sha256;
use crate::disk;
use crate::fault::Code;
use crate::manifest::{Entry, Pack, PackName, Piece};
use crate::name::{CheckpointId, HostName};
use crate::store::Error;
use crate::store::SealedCheckpoint;
use crate::store::Store;
use crate::store::files::entries::{self, Entries};
use crate::store::files::layout;
use crate::store::files::sums;
use crate::store::query::content::Packs;
use crate::store::query::sealed::read_record;
use crate::store::record::checkpoint::{EntriesFacts, Sealed};
use crate::store::record::file_facts::FileFacts;

/// Verifies host after host, and gathers what it finds.
pub(super) struct Verify<'a> {
    pub(super) store: &'a Store,
    pub(super) level: Level,
    pub(super) watch: Watch<'a>,
    pub(super) done_bytes: u64,
    pub(super) total_bytes: u64,
    pub(super) files: u64,
    /// The error code and who needs it, by file and problem.
    pub(super) problems: BTreeMap<(String, String), (Code, BTreeSet<CheckpointId>)>,
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
    /// Verifies these checkpoints of one host.
    pub(super) fn host(
        &mut self,
        host: &HostName,
        ids: &BTreeSet<CheckpointId>,
    ) -> Result<(), Error> {
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
                    Err(e) => self.own_unreadable(id, layout::SUMS_FILE, &e),
                }
                self.sealed_files(id, &dir, &sealed, needs)
            }
            Err(_) if !dir.exists() => Ok(()),
            Err(Error::Damaged { problem, .. }) => {
                self.own(id, layout::CHECKPOINT_FILE, &problem);
                // What the digests beside it vouch for can still be distinguished from what is damaged.
                match fs::read(&sums_path) {
                    Ok(text) => self.summed_files(id, &dir, &sums::parse(&text), needs),
                    Err(e) => {
                        self.own_unreadable(id, layout::SUMS_FILE, &e);
                        Ok(())
                    }
                }
            }
            Err(error @ (Error::Newer { .. } | Error::Needs { .. })) => {
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
        let own = [
            (layout::MANIFEST_FILE, Some(sealed.manifest)),
            (layout::FACTS_FILE, sealed.facts_file),
        ];
        for (file, facts) in own {
            if let Some(facts) = facts {
                let stored_bytes = Some(facts.stored_bytes);
                self.file(id, dir, file, facts.sha256, stored_bytes, needs)?;
            }
        }
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
            Err(e) => self.own_unreadable(id, file, &e),
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
                self.unreadable(shown, &e, needed_by);
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
        // Both whoever reads and whoever hashes holes tells how far it is, and learns whether to go on.
        let (done_bytes, stopped) = (Cell::new(self.done_bytes), Cell::new(false));
        let (watch, total_bytes) = (RefCell::new(&mut self.watch), self.total_bytes);
        let stop = || {
            let progress = VerifyProgress {
                file: &shown,
                done_bytes: done_bytes.get(),
                total_bytes,
            };
            let is_wanted = (watch.borrow_mut())(progress).is_break();
            stopped.set(stopped.get() || is_wanted);
            is_wanted
        };
        let reader = Counted {
            file,
            done_bytes: &done_bytes,
            stop: &stop,
        };
        let read = members::read(reader, &mut || stop());
        let (done_bytes, stopped) = (done_bytes.get(), stopped.get());
        self.done_bytes = done_bytes;
        if stopped {
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
                self.unreadable(shown, &e, needed_by);
                Ok(None)
            }
        }
    }

    /// Whether the content of every entry is where its record says.
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
        let entries = match Entries::open(&path, &shown, facts) {
            Ok(entries) => entries,
            // It was what was sealed a moment ago.
            Err(Error::Damaged { problem, .. }) => {
                self.own(id, file, &problem);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        for entry in entries {
            let entry = match entry {
                Ok(entry) => entry,
                Err(Error::Damaged { problem, .. }) => {
                    self.own(id, file, &problem);
                    return Ok(());
                }
                Err(error) => return Err(error),
            };
            if entry.content.len() > 1 || entry.content.iter().any(|piece| !piece.range.is_whole())
            {
                let is_known = |piece: &Piece| members.contains_key(&piece.pack);
                // Damaged packs were named already.
                if entry.content.iter().all(is_known) && !self.pieces_fit(id, &shown, &entry)? {
                    wrong += 1;
                    first.get_or_insert_with(|| format!("{} in pieces", entry.path));
                }
                continue;
            }
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
            let problem =
                format!("{wrong} entries are at another offset than it says, first {first}");
            self.own(id, file, &problem);
        }
        Ok(())
    }

    /// Whether the pieces of a file's content are together what was sealed. Members' digests tell nothing
    /// of that, so they are read.
    fn pieces_fit(&mut self, id: &CheckpointId, shown: &str, entry: &Entry) -> Result<bool, Error> {
        let read = SealedCheckpoint::open(self.store.dir(), id).and_then(|checkpoint| {
            Packs::default().read_file(&checkpoint, entry, &mut |_, _| self.tell(shown))
        });
        match read {
            Ok(_) => Ok(true),
            Err(Error::Content { .. } | Error::Damaged { .. }) => Ok(false),
            // It was removed meanwhile.
            Err(_) if !layout::checkpoint_dir(self.store.dir(), id).exists() => Ok(true),
            Err(error) => Err(error),
        }
    }

    fn own(&mut self, id: &CheckpointId, file: &str, problem: &str) {
        self.problem(
            layout::shown(id, file),
            problem.to_owned(),
            std::slice::from_ref(id),
        );
    }

    fn own_unreadable(&mut self, id: &CheckpointId, file: &str, error: &io::Error) {
        self.unreadable(layout::shown(id, file), error, std::slice::from_ref(id));
    }

    pub(super) fn problem(&mut self, file: String, problem: String, checkpoints: &[CheckpointId]) {
        self.add(file, problem, Code::StoreDamaged, checkpoints);
    }

    /// A file that can't be read; one that is missing is damage.
    fn unreadable(&mut self, file: String, error: &io::Error, checkpoints: &[CheckpointId]) {
        if error.kind() == io::ErrorKind::NotFound {
            self.problem(file, "it is missing".to_owned(), checkpoints);
        } else {
            let problem = format!("it can't be read: {error}");
            self.add(file, problem, Code::of_io(error), checkpoints);
        }
    }

    fn add(&mut self, file: String, problem: String, code: Code, checkpoints: &[CheckpointId]) {
        let (_, needed_by) =
            (self.problems.entry((file, problem))).or_insert_with(|| (code, BTreeSet::new()));
        needed_by.extend(checkpoints.iter().cloned());
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

/// Reports how much was read, and ends when asked to.
struct Counted<'a> {
    file: File,
    done_bytes: &'a Cell<u64>,
    stop: &'a dyn Fn() -> bool,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        const STEP_BYTES: u64 = 1 << 20;
        let n = self.file.read(buffer)?;
        let before = self.done_bytes.get();
        let now = before + n as u64;
        self.done_bytes.set(now);
        if now / STEP_BYTES != before / STEP_BYTES && (self.stop)() {
            return Err(io::Error::other("stopped"));
        }
        Ok(n)
    }
}
