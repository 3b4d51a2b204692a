//! Builds a checkpoint: everything is written aside, synced, and becomes visible by one rename.
//!
//! `STORE/HOST/.incoming-STAMP/` holds `packs/` and `checkpoint/`. Sealing puts the packs in place
//! first, then the checkpoint's folder, then removes what is left. As long as `.incoming-STAMP` is
//! there without `STAMP`, `packs/STAMP` belongs to a dead run and is removed by the next one
//! ([`leftovers`]), under the lock. Readers never clean.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::disk;
use crate::manifest::{self, Checkpoint, MachineIdentity, Pack, PackName, Part, Trigger};
use crate::name::{CheckpointId, SourceName, Stamp};
use crate::store::Error;
use crate::store::files::entries::{self, Entries, EntriesWriter, WrittenEntries};
use crate::store::files::layout;
use crate::store::files::manifest_text;
use crate::store::files::sums;
use crate::store::query::sealed::SealedCheckpoint;
use crate::store::record::checkpoint::Sealed;
use crate::store::record::facts::facts_file;
use crate::store::record::file_facts::FileFacts;
use crate::store::seal::leftovers;
use crate::store::seal::lock::HostLock;

/// A checkpoint that is being made. Nothing of it is visible before [`Incoming::seal`].
///
/// Dropped without either end, what was written stays aside until the next run removes it.
#[derive(Debug)]
#[must_use = "a checkpoint that is neither sealed nor abandoned leaves its files to the next run"]
pub struct Incoming {
    pub(in crate::store) lock: HostLock,
    pub(in crate::store) stamp: Stamp,
    dir: PathBuf,
}

/// What is sealed, beside what the store itself knows.
#[derive(Debug)]
pub struct Facts {
    /// When the work began, by the workstation's clock.
    pub started: Timestamp,
    /// When everything had arrived.
    pub finished: Timestamp,
    /// Why it was taken.
    pub trigger: Trigger,
    /// Only some of the host's sources were asked for.
    pub subset: bool,
    /// The operator's description; may be empty.
    pub description: String,
    /// Which machine it really was.
    pub host: MachineIdentity,
    /// What that machine was like.
    pub observed: manifest::HostFacts,
    /// One for each source, in the inventory's order.
    pub parts: Vec<PartFacts>,
    /// The packs that this run wrote, and older ones as an earlier checkpoint names them. One of
    /// this run that is missing here is hashed again, an older one is looked up in the history.
    pub packs: Vec<Pack>,
    /// What concerns the whole host.
    pub warnings: Vec<String>,
    /// File content that crossed the wire, uncompressed.
    pub fetched_bytes: u64,
    /// Further texts for people that `MANIFEST.txt` shows at its end.
    pub notes: Vec<Note>,
}

/// A part and its entries.
#[derive(Debug)]
pub struct PartFacts {
    /// The part. Its `totals` and `entries` are set from what was written.
    pub part: Part,
    /// None for a part that holds nothing: absent, or failed at once.
    pub entries: Option<WrittenEntries>,
}

/// A text of the host for people, with its title. Shown escaped, line by line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// What it is.
    pub title: String,
    /// The text, as the host gave it.
    pub text: Vec<u8>,
}

/// The steps of sealing, each named when it is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SealStep {
    /// Packs and entries that nothing names are gone, the others are synced.
    ContentSynced,
    /// `checkpoint.json`, `facts.json`, `MANIFEST.txt` and `SHA256SUMS` are written and synced.
    RecordsSynced,
    /// The packs are in their place, unseen.
    PacksPlaced,
    /// The checkpoint has appeared.
    CheckpointPlaced,
    /// The folder it was made in is gone.
    Cleaned,
}

impl SealStep {
    /// In the order in which they happen.
    pub const ALL: [Self; 5] = [
        Self::ContentSynced,
        Self::RecordsSynced,
        Self::PacksPlaced,
        Self::CheckpointPlaced,
        Self::Cleaned,
    ];
}

impl HostLock {
    /// Begins a checkpoint at `now`, after removing what dead runs left.
    ///
    /// Its stamp is later than every stamp that was ever given out for the host.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if the store can't be read or written.
    pub fn begin(mut self, now: Timestamp) -> Result<Incoming, Error> {
        let host_dir = layout::host_dir(&self.store, &self.host);
        let last = self.last_known_stamp()?;
        leftovers::clear(&host_dir)?;
        self.finish_removal()?;
        let stamp = match last {
            Some(last) => Stamp::of(now).max(last.next()),
            None => Stamp::of(now),
        };
        self.reserve(stamp)?;
        self.make(stamp)
    }

    /// Begins a checkpoint of a moment in the past, after removing what dead runs left: `taken`, or the
    /// next second of which no checkpoint was ever sealed.
    ///
    /// What is begun and never sealed leaves its stamp to whoever comes next.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if the store can't be read or written.
    pub fn begin_at(mut self, taken: Timestamp) -> Result<Incoming, Error> {
        let host_dir = layout::host_dir(&self.store, &self.host);
        let last = self.last_known_stamp()?;
        leftovers::clear(&host_dir)?;
        self.finish_removal()?;
        let used = self.used_stamps()?;
        let mut stamp = Stamp::of(taken);
        while used.contains(&stamp) {
            stamp = stamp.next();
        }
        if last.is_none_or(|last| stamp > last) {
            self.reserve(stamp)?;
        }
        self.make(stamp)
    }

    /// Makes the folders of a checkpoint that gets `stamp`.
    fn make(self, stamp: Stamp) -> Result<Incoming, Error> {
        let host_dir = self.host_dir();
        let dir = layout::incoming_dir(&host_dir, stamp);
        let checkpoint = dir.join(layout::INCOMING_CHECKPOINT);
        for folder in [
            &dir,
            &dir.join(layout::PACKS_DIR),
            &checkpoint,
            &checkpoint.join(layout::ENTRIES_DIR),
        ] {
            disk::create_dir(folder)?;
        }
        disk::sync_dir(&host_dir)?;
        Ok(Incoming {
            lock: self,
            stamp,
            dir,
        })
    }
}

impl Incoming {
    /// What it will be called.
    #[must_use]
    pub fn id(&self) -> CheckpointId {
        CheckpointId {
            host: self.lock.host.clone(),
            stamp: self.stamp,
        }
    }

    /// What a pack of `source` is called in entries of this checkpoint.
    #[must_use]
    pub fn pack_name(&self, source: &SourceName) -> PackName {
        PackName {
            stamp: self.stamp,
            source: source.clone(),
        }
    }

    /// Where the pack of `source` is written. The file is the caller's to create.
    #[must_use]
    pub fn pack_path(&self, source: &SourceName) -> PathBuf {
        self.dir
            .join(layout::PACKS_DIR)
            .join(layout::pack_file_name(source))
    }

    /// Where what is captured of `source` may be spooled; removed with the rest when it is sealed. The
    /// folder is the caller's to make.
    #[must_use]
    pub fn spool_path(&self, source: &SourceName) -> PathBuf {
        self.dir.join(layout::SPOOL_DIR).join(source.as_str())
    }

    /// Begins the entries of `source`.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if the file can't be created, or was before.
    pub fn entries(&self, source: &SourceName) -> Result<EntriesWriter, Error> {
        EntriesWriter::create(source.clone(), self.entries_path(source))
    }

    /// Takes the entries of `source` from an earlier checkpoint of the host, for nothing changed.
    ///
    /// They share the earlier file where the file system can, else they are copied.
    ///
    /// # Errors
    ///
    /// [`Error::NoPart`] if the earlier one has none, [`Error::Damaged`] if they are not what was
    /// sealed, [`Error::Io`] if they can't be taken.
    pub fn share_entries(
        &self,
        source: &SourceName,
        earlier: &SealedCheckpoint,
    ) -> Result<WrittenEntries, Error> {
        let (facts, totals) = earlier.entries_facts(source)?;
        let from = entries::path_in(earlier.dir(), source);
        let to = self.entries_path(source);
        let shared = fs::hard_link(&from, &to).is_ok();
        if !shared {
            fs::copy(&from, &to).map_err(Error::io("copy", &from))?;
            disk::make_private(&to, false)?;
            disk::sync_file(&to)?;
        }
        let shown = layout::shown(earlier.id(), &layout::entries_file(source));
        let file = entries::open_stored(&to, &shown)?;
        let (sha256, stored_bytes) = disk::digest(file).map_err(Error::io("read", &to))?;
        entries::check(&shown, facts.file, sha256, stored_bytes)?;
        Ok(WrittenEntries {
            part: source.clone(),
            facts: facts.clone(),
            totals,
            shared,
        })
    }

    /// The entries that were `written` for it, in path order.
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`] if they are not what was written, [`Error::Io`] if they can't be read.
    pub fn written_entries(&self, written: &WrittenEntries) -> Result<Entries, Error> {
        let path = self.entries_path(&written.part);
        let shown = layout::shown(&self.id(), &layout::entries_file(&written.part));
        Entries::open(&path, &shown, &written.facts)
    }

    /// Seals it: from here on it is listed, and never changes.
    ///
    /// # Errors
    ///
    /// [`Error::Facts`] if `facts` contradict what was written, [`Error::Io`] if it can't be
    /// written. Nothing is visible then, and what was written is removed.
    pub fn seal(self, facts: Facts) -> Result<Checkpoint, Error> {
        self.seal_watched(facts, &mut |_| {})
    }

    /// As [`Incoming::seal`]; `watch` is called after each step.
    ///
    /// # Errors
    ///
    /// As [`Incoming::seal`].
    pub fn seal_watched(
        mut self,
        facts: Facts,
        watch: &mut dyn FnMut(SealStep),
    ) -> Result<Checkpoint, Error> {
        match self.try_seal(facts, watch) {
            Ok(checkpoint) => Ok(checkpoint),
            Err(error) => {
                // The first error is more useful than one that the disk may raise again; what stays is
                // removed by the next run.
                drop(self.abandon());
                Err(error)
            }
        }
    }

    /// Removes everything that was written and frees the host.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if it can't be removed; the next run tries again.
    pub fn abandon(self) -> Result<(), Error> {
        leftovers::clear(&self.host_dir())
    }

    fn try_seal(
        &mut self,
        facts: Facts,
        watch: &mut dyn FnMut(SealStep),
    ) -> Result<Checkpoint, Error> {
        let host_dir = self.host_dir();
        let making = self.checkpoint_dir();
        let own_packs = self.sync_content(&facts)?;
        watch(SealStep::ContentSynced);

        let sealed = self.write_records(facts, &own_packs)?;
        watch(SealStep::RecordsSynced);

        if !own_packs.is_empty() {
            let packs = host_dir.join(layout::PACKS_DIR);
            disk::create_dir(&packs)?;
            disk::rename(
                &self.dir.join(layout::PACKS_DIR),
                &packs.join(self.stamp.to_string()),
            )?;
            disk::sync_dir(&packs)?;
            disk::sync_dir(&self.dir)?;
            disk::sync_dir(&host_dir)?;
        }
        watch(SealStep::PacksPlaced);

        let place = host_dir.join(self.stamp.to_string());
        disk::rename(&making, &place)?;
        if let Err(error) = disk::sync_dir(&host_dir) {
            // What may not last must not be seen.
            drop(disk::rename(&place, &making));
            return Err(error.into());
        }
        watch(SealStep::CheckpointPlaced);

        let is_new = |pack: &&Pack| pack.name.stamp == self.stamp;
        let new: Vec<Pack> = sealed
            .checkpoint
            .packs
            .iter()
            .filter(is_new)
            .cloned()
            .collect();
        self.lock.remember_packs(&new);
        // It is sealed; what can't be removed now is removed by the next run.
        drop(disk::remove_tree(&self.dir));
        watch(SealStep::Cleaned);
        Ok(sealed.checkpoint)
    }

    /// Removes packs and entries that nothing names, and syncs the others. Returns the packs.
    fn sync_content(&self, facts: &Facts) -> Result<Vec<PackName>, Error> {
        let mut named_packs = BTreeSet::new();
        let mut named_entries = BTreeSet::new();
        for part in &facts.parts {
            let Some(entries) = &part.entries else {
                continue;
            };
            if entries.part != part.part.name || !named_entries.insert(entries.part.clone()) {
                return Err(self.contradiction(format!(
                    "part `{}` comes with entries of `{}`",
                    part.part.name, entries.part
                )));
            }
            let own = |pack: &&PackName| pack.stamp == self.stamp;
            named_packs.extend(entries.facts.packs.iter().filter(own).cloned());
        }
        let packs_dir = self.dir.join(layout::PACKS_DIR);
        let pack_files: BTreeSet<String> = named_packs
            .iter()
            .map(|pack| layout::pack_file_name(&pack.source))
            .collect();
        keep_and_sync(&packs_dir, &pack_files)?;
        let entries_files = named_entries
            .iter()
            .filter_map(|part| {
                layout::entries_file(part)
                    .split_once('/')
                    .map(|f| f.1.to_owned())
            })
            .collect();
        keep_and_sync(
            &self.checkpoint_dir().join(layout::ENTRIES_DIR),
            &entries_files,
        )?;
        disk::sync_dir(&self.dir)?;
        Ok(named_packs.into_iter().collect())
    }

    fn write_records(&self, facts: Facts, own_packs: &[PackName]) -> Result<Sealed, Error> {
        let making = self.checkpoint_dir();
        let notes = facts.notes;
        let mut parts = Vec::new();
        let mut entries = BTreeMap::new();
        let mut stored_bytes = 0;
        for mut part in facts.parts {
            if parts.iter().any(|p: &Part| p.name == part.part.name) {
                return Err(self.contradiction(format!("part `{}` is there twice", part.part.name)));
            }
            part.part.totals = part.entries.as_ref().map(|e| e.totals).unwrap_or_default();
            part.part.entries = part.entries.as_ref().map_or(0, |e| e.facts.records);
            if let Some(written) = part.entries {
                if !written.shared {
                    stored_bytes += written.facts.file.stored_bytes;
                }
                entries.insert(written.part, written.facts);
            }
            parts.push(part.part);
        }
        let needed: BTreeSet<&PackName> = entries.values().flat_map(|e| &e.packs).collect();
        let packs = self.pack_facts(&needed, &facts.packs)?;
        for pack in packs.iter().filter(|p| own_packs.contains(&p.name)) {
            stored_bytes += pack.stored_bytes;
        }
        let checkpoint = Checkpoint {
            id: self.id(),
            started: facts.started,
            finished: facts.finished,
            trigger: facts.trigger,
            subset: facts.subset,
            description: facts.description,
            host: facts.host,
            facts: facts.observed,
            parts,
            packs,
            warnings: facts.warnings,
            fetched_bytes: facts.fetched_bytes,
            stored_bytes,
        };
        let manifest = manifest_text::text(&checkpoint, &entries, &notes);
        let facts_file = facts_file(&checkpoint);
        let mut sealed = Sealed {
            manifest: FileFacts::of(manifest.as_bytes()),
            facts_file: Some(FileFacts::of(facts_file.as_bytes())),
            checkpoint,
            entries,
        };
        // The record tells its own length among others: twice, for the number may grow a digit.
        let content_bytes = stored_bytes + (manifest.len() + facts_file.len()) as u64;
        for _ in 0..2 {
            let record = sealed.to_text();
            let sums = sums::text(record.as_bytes(), &sealed);
            sealed.checkpoint.stored_bytes = content_bytes + (record.len() + sums.len()) as u64;
        }
        let record = sealed.to_text();
        let sums = sums::text(record.as_bytes(), &sealed);
        disk::write_files(
            &making,
            &[
                (layout::MANIFEST_FILE, manifest.as_bytes()),
                (layout::FACTS_FILE, facts_file.as_bytes()),
                (layout::CHECKPOINT_FILE, record.as_bytes()),
                (layout::SUMS_FILE, sums.as_bytes()),
            ],
        )?;
        Ok(sealed)
    }

    pub(in crate::store) fn contradiction(&self, problem: String) -> Error {
        Error::Facts {
            checkpoint: self.id(),
            problem,
        }
    }

    fn host_dir(&self) -> PathBuf {
        self.lock.host_dir()
    }

    fn checkpoint_dir(&self) -> PathBuf {
        self.dir.join(layout::INCOMING_CHECKPOINT)
    }

    fn entries_path(&self, source: &SourceName) -> PathBuf {
        entries::path_in(&self.checkpoint_dir(), source)
    }
}

/// Removes the files of `dir` that are not in `keep`, makes the others private and durable.
fn keep_and_sync(dir: &Path, keep: &BTreeSet<String>) -> Result<(), Error> {
    for name in disk::names(dir)? {
        let path = dir.join(&name);
        if keep.contains(&name) {
            disk::make_private(&path, false)?;
            disk::sync_file(&path)?;
        } else {
            fs::remove_file(&path).map_err(Error::io("remove", &path))?;
        }
    }
    Ok(disk::sync_dir(dir)?)
}
