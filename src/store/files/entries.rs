//! Entries files: one JSON line an entry, in path order, compressed.
//!
//! Writing and reading take the memory of one line. A file is read only after its digest was
//! compared with the checkpoint's, so that no entry of a damaged file is ever delivered.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;

use zstd::zstd_safe::CParameter;

use crate::digest::Sha256;
use crate::disk::{self, Hashing};
use crate::manifest::{Entry, PackName, Totals};
use crate::name::{RemotePath, SourceName};
use crate::store::Error;
use crate::store::files::layout;
use crate::store::files::lines::Lines;
use crate::store::query::folders::Folders;
use crate::store::record::checkpoint::EntriesFacts;
use crate::store::record::entry::EntryRecord;
use crate::store::record::file_facts::FileFacts;

/// Takes only long matches: the digests in every line are full of short ones that cost more than they
/// save. A tenth smaller than at level 3, and faster.
const LEVEL: i32 = 1;
/// A line is like the ones right before it, and what looks alike farther away is chance. With a short
/// memory the file is 6 % smaller than with the level's own.
const MEMORY: [CParameter; 3] = [
    CParameter::WindowLog(17),
    CParameter::HashLog(10),
    CParameter::MinMatch(6),
];
/// Distinct endings that are counted apart.
const ENDINGS_MAX: usize = 256;
/// The count of all further endings.
pub(in crate::store) const OTHER_ENDINGS: &str = "*";

/// Writes the entries of one part.
#[must_use = "entries that are not finished are not sealed"]
pub struct EntriesWriter {
    part: SourceName,
    path: PathBuf,
    encoder: zstd::Encoder<'static, Hashing<File>>,
    line: Vec<u8>,
    last: Option<RemotePath>,
    records: u64,
    totals: Totals,
    packs: BTreeSet<PackName>,
    endings: BTreeMap<String, Totals>,
    is_of_extracts: bool,
    folders: Folders,
}

impl fmt::Debug for EntriesWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EntriesWriter")
            .field("path", &self.path)
            .field("records", &self.records)
            .finish_non_exhaustive()
    }
}

/// The entries of one part, written and synced, ready to be sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "entries that are not handed to the seal are thrown away"]
pub struct WrittenEntries {
    pub(in crate::store) part: SourceName,
    pub(in crate::store) facts: EntriesFacts,
    pub(in crate::store) totals: Totals,
    /// It is the same file as in an earlier checkpoint and takes no room.
    pub(in crate::store) shared: bool,
}

impl WrittenEntries {
    /// How many entries there are, of every kind.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.facts.records
    }

    /// Regular files and their bytes.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.totals
    }

    /// The packs that the entries are in, sorted.
    #[must_use]
    pub fn packs(&self) -> &[PackName] {
        &self.facts.packs
    }
}

impl EntriesWriter {
    /// What is appended from now on are entries of which just lines were kept.
    pub fn of_extracts(self) -> Self {
        Self {
            is_of_extracts: true,
            ..self
        }
    }

    pub(in crate::store) fn create(part: SourceName, path: PathBuf) -> Result<Self, Error> {
        let file = disk::create_file(&path)?;
        let mut encoder =
            zstd::Encoder::new(Hashing::new(file), LEVEL).map_err(Error::io("compress", &path))?;
        encoder
            .include_checksum(true)
            .map_err(Error::io("compress", &path))?;
        for parameter in MEMORY {
            encoder
                .set_parameter(parameter)
                .map_err(Error::io("compress", &path))?;
        }
        Ok(Self {
            part,
            path,
            encoder,
            line: Vec::new(),
            last: None,
            records: 0,
            totals: Totals::default(),
            packs: BTreeSet::new(),
            endings: BTreeMap::new(),
            is_of_extracts: false,
            folders: Folders::default(),
        })
    }

    /// Adds an entry.
    ///
    /// # Errors
    ///
    /// [`Error::Order`] unless its path comes after that of the entry before, [`Error::Io`] if it
    /// can't be written.
    pub fn append(&mut self, entry: &Entry) -> Result<(), Error> {
        self.line.clear();
        let mut record = EntryRecord::from(entry);
        if self.is_of_extracts {
            record = record.into_extract();
        }
        serde_json::to_writer(&mut self.line, &record)
            .expect("records hold only strings, numbers and lists of them");
        self.line.push(b'\n');
        let line = std::mem::take(&mut self.line);
        let packs = entry.content.iter().map(|piece| &piece.pack);
        let appended = self.append_line(&line, &entry.path, entry.file_bytes(), packs);
        self.line = line;
        appended
    }

    /// Adds the entry that `lines` is at, as it is there. The caller tells what it has read of it
    /// before: its path, the size of a regular file, and where its content is.
    ///
    /// # Errors
    ///
    /// As [`EntriesWriter::append`].
    pub fn copy(
        &mut self,
        lines: &EntryLines,
        path: &RemotePath,
        file_bytes: Option<u64>,
        pack: Option<&PackName>,
    ) -> Result<(), Error> {
        self.append_line(&lines.line, path, file_bytes, pack.into_iter())
    }

    fn append_line<'a>(
        &mut self,
        line: &[u8],
        path: &RemotePath,
        file_bytes: Option<u64>,
        packs: impl Iterator<Item = &'a PackName>,
    ) -> Result<(), Error> {
        if let Some(previous) = self.last.as_ref().filter(|last| *path <= **last) {
            return Err(Error::Order {
                path: path.clone(),
                previous: previous.clone(),
            });
        }
        self.encoder
            .write_all(line)
            .map_err(Error::io("write", &self.path))?;
        self.records += 1;
        self.folders.add(path, file_bytes);
        if let Some(bytes) = file_bytes {
            self.count(path, bytes);
        }
        for pack in packs {
            if !self.packs.contains(pack) {
                self.packs.insert(pack.clone());
            }
        }
        match &mut self.last {
            Some(last) => last.clone_from(path),
            last @ None => *last = Some(path.clone()),
        }
        Ok(())
    }

    fn count(&mut self, path: &RemotePath, bytes: u64) {
        self.totals.files += 1;
        self.totals.bytes += bytes;
        let mut ending = ending(path.file_name());
        if self.endings.len() >= ENDINGS_MAX && !self.endings.contains_key(&ending) {
            ending = OTHER_ENDINGS.to_owned();
        }
        let totals = self.endings.entry(ending).or_default();
        totals.files += 1;
        totals.bytes += bytes;
    }

    /// Ends the file and syncs it.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if it can't be written.
    pub fn finish(self) -> Result<WrittenEntries, Error> {
        let (file, sha256, stored_bytes) = self
            .encoder
            .finish()
            .map_err(Error::io("write", &self.path))?
            .into_parts();
        file.sync_all().map_err(Error::io("sync", &self.path))?;
        Ok(WrittenEntries {
            part: self.part,
            facts: EntriesFacts {
                file: FileFacts {
                    sha256,
                    stored_bytes,
                },
                records: self.records,
                packs: self.packs.into_iter().collect(),
                endings: self.endings,
                folders: self.folders.finish(),
            },
            totals: self.totals,
            shared: false,
        })
    }
}

/// The entries of one part as they are in their file, to be copied or read one after the other.
#[derive(Debug)]
pub struct EntryLines {
    lines: Lines,
    line: Vec<u8>,
}

impl EntryLines {
    pub(in crate::store) fn new(lines: Lines) -> Self {
        Self {
            lines,
            line: Vec::new(),
        }
    }

    /// Goes to the next entry; false at the end.
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`] if the file is not what was sealed.
    pub fn advance(&mut self) -> Result<bool, Error> {
        self.lines.read(&mut self.line)
    }

    /// The entry that it is at.
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`] if it does not read.
    pub fn entry(&self) -> Result<Entry, Error> {
        self.lines.entry(&self.line)
    }
}

/// What follows the last dot of a file's name, lower-case; empty where nothing useful does.
fn ending(name: &[u8]) -> String {
    const ENDING_MAX_BYTES: usize = 12;
    let Some(dot) = name.iter().rposition(|&b| b == b'.') else {
        return String::new();
    };
    let ending = &name[dot + 1..];
    let useful = dot > 0
        && (1..=ENDING_MAX_BYTES).contains(&ending.len())
        && ending.iter().all(u8::is_ascii_alphanumeric)
        && !ending.iter().all(u8::is_ascii_digit);
    if useful {
        String::from_utf8_lossy(ending).to_ascii_lowercase()
    } else {
        String::new()
    }
}

/// The entries of one part in path order. Ends after the first error.
#[derive(Debug)]
pub struct Entries {
    lines: Lines,
    line: Vec<u8>,
    from: Option<RemotePath>,
    done: bool,
}

impl Entries {
    /// Opens the file at `path`, which messages call `shown`, after comparing it with `facts`.
    pub(in crate::store) fn open(
        path: &std::path::Path,
        shown: &str,
        facts: &EntriesFacts,
    ) -> Result<Self, Error> {
        Ok(Self {
            lines: Lines::open(path, shown, facts)?,
            line: Vec::new(),
            from: None,
            done: false,
        })
    }

    /// Leaves out what comes before `path`, without parsing it.
    #[must_use]
    pub(in crate::store) fn starting_at(mut self, path: &RemotePath) -> Self {
        self.from = Some(path.clone());
        self
    }

    fn read(&mut self) -> Result<Option<Entry>, Error> {
        let found = match self.from.take() {
            Some(path) => self.lines.read_from(&path, &mut self.line)?,
            None => self.lines.read(&mut self.line)?,
        };
        found.then(|| self.lines.entry(&self.line)).transpose()
    }
}

impl Iterator for Entries {
    type Item = Result<Entry, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let read = self.read().transpose();
        self.done = !matches!(read, Some(Ok(_)));
        read
    }
}

/// Opens a file of a sealed checkpoint; that it is missing is damage.
pub(in crate::store) fn open_stored(path: &std::path::Path, shown: &str) -> Result<File, Error> {
    match File::open(path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            Err(Error::damaged(shown, "it is missing"))
        }
        opened => opened.map_err(Error::io("open", path)),
    }
}

/// Compares what a file is with what was sealed.
pub(in crate::store) fn check(
    shown: &str,
    sealed: FileFacts,
    sha256: Sha256,
    stored_bytes: u64,
) -> Result<(), Error> {
    match difference(sealed.sha256, sealed.stored_bytes, sha256, stored_bytes) {
        None => Ok(()),
        Some(problem) => Err(Error::damaged(shown, problem)),
    }
}

/// How what is found differs from what was sealed.
pub(in crate::store) fn difference(
    sealed_sha256: Sha256,
    sealed_bytes: u64,
    found_sha256: Sha256,
    found_bytes: u64,
) -> Option<String> {
    if found_bytes != sealed_bytes {
        Some(format!(
            "it has {found_bytes} bytes, {sealed_bytes} were sealed"
        ))
    } else if found_sha256 != sealed_sha256 {
        Some("its digest does not match".to_owned())
    } else {
        None
    }
}

/// The file of a part in a checkpoint's folder.
pub(in crate::store) fn path_in(checkpoint_dir: &std::path::Path, part: &SourceName) -> PathBuf {
    checkpoint_dir.join(layout::entries_file(part))
}
