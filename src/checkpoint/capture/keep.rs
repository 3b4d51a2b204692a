//! Turns captured output into entries: content that the last checkpoint has stays in its pack, new
//! content goes into a pack of this one.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

use jiff::Timestamp;

use crate::fault::{Code, Problem};
use crate::inventory::Source;
use crate::manifest::{
    ContentRange, Entry, EntryKind, Extended, FileTime, Pack, PackName, PartState, Piece,
};
use crate::name::RemotePath;
use crate::pack::PackOptions;
use crate::source::scan::Found;
use crate::store::Note;
use crate::tarstream::{self, Head};

use super::super::history::Known;
use super::{CapturedFiles, SpooledFile};
use crate::intake::kept::Kept;
use crate::intake::part::{Content, Outcome};
use crate::intake::receive::{self, Intake, Unasked};
use crate::shrinkage::{Holds, Terms, shrinkage};

/// The directory that holds captures in a checkpoint, as a path on the host.
const FOLDER: &str = "/fleet-captures";
/// The two blocks that end an archive.
const END_BYTES: u64 = 2 * tarstream::BLOCK_BYTES as u64;

/// What it takes to keep what was captured of one source.
#[derive(Debug)]
pub(in crate::checkpoint) struct Keeping {
    /// The source.
    pub(in crate::checkpoint) source: Source,
    /// What the pack is called.
    pub(in crate::checkpoint) pack: PackName,
    /// Where it is written.
    pub(in crate::checkpoint) pack_path: PathBuf,
    /// What earlier checkpoints know.
    pub(in crate::checkpoint) known: Known,
    /// Packs that are not what was sealed.
    pub(in crate::checkpoint) lost: BTreeSet<PackName>,
}

impl Keeping {
    /// Makes a part of what was captured. Blocking.
    ///
    /// # Errors
    ///
    /// [`receive::Error`] if the pack can't be written.
    pub(in crate::checkpoint) fn keep(
        self,
        mut captured: CapturedFiles,
    ) -> Result<Outcome, receive::Error> {
        let mut outcome = Outcome::new(&self.source, PartState::Complete);
        let root = format!("{FOLDER}/{}", self.source.name);
        outcome.part.roots = root.parse().into_iter().collect();
        captured.files.sort_by(|a, b| a.name.cmp(&b.name));
        let mut files: Vec<(RemotePath, SpooledFile)> = Vec::new();
        for file in captured.files {
            match format!("{root}/{}", file.name).parse() {
                Ok(path) => files.push((path, file)),
                Err(error) => {
                    let message = format!("`{}` is no name for a file: {error}", file.name);
                    outcome.fail(Problem::in_part(Code::InventoryInvalid, message, None));
                    return Ok(outcome);
                }
            }
        }
        let kept = match self.kept(&files) {
            Ok(kept) => kept,
            Err(error) => {
                captured.warnings.push(format!(
                    "what the last checkpoint holds can't be read, so everything is kept anew: {}",
                    crate::fault::chain(&error).join(": ")
                ));
                None
            }
        };
        let is_kept = |path: &RemotePath| {
            let mut entries = kept.iter().flat_map(|kept| &kept.entries);
            entries.any(|entry| entry.path == *path)
        };
        files.retain(|(path, _)| !is_kept(path));
        let mut fresh = Vec::new();
        if !files.is_empty() {
            match self.pack(&files, &mut outcome)? {
                Some(entries) => fresh = entries,
                None => return Ok(outcome),
            }
        }
        outcome.note = note(&self.source, &captured.notes);
        outcome.part.fetched_bytes = files.iter().map(|(_, file)| file.size_bytes).sum();
        outcome.fill(Content { kept, fresh }, captured.warnings);
        let terms = Terms {
            may_shrink: self.source.may_shrink,
            optional: self.source.optional,
            holds: Holds::Answer,
        };
        if let Some(failure) = shrinkage(&outcome.part, self.known.previous.as_ref(), terms) {
            outcome.fail(failure);
        }
        Ok(outcome)
    }

    /// What the last checkpoint has of `files` with the same content.
    fn kept(
        &self,
        files: &[(RemotePath, SpooledFile)],
    ) -> Result<Option<Kept>, crate::store::Error> {
        let Some(base) = &self.known.base else {
            return Ok(None);
        };
        Kept::of_files(base, &self.source.name, &self.lost, |path, sha256| {
            files
                .binary_search_by(|(known, _)| known.cmp(path))
                .is_ok_and(|at| files[at].1.sha256 == sha256)
        })
    }

    /// Writes `files` into a pack of their own. None: the part has failed.
    fn pack(
        &self,
        files: &[(RemotePath, SpooledFile)],
        outcome: &mut Outcome,
    ) -> Result<Option<Vec<Entry>>, receive::Error> {
        let mtime = FileTime {
            seconds: Timestamp::now().as_second(),
            nanoseconds: 0,
        };
        let wanted: Vec<Found> = files
            .iter()
            .map(|(path, _)| Found {
                path: path.clone(),
                facts: None,
            })
            .collect();
        let mut archive: Box<dyn Read> = Box::new(io::empty());
        for (path, file) in files {
            let head = Head::of_private_file(path.clone(), file.size_bytes, mtime);
            let blocks = head.to_blocks().unwrap_or_default();
            let content = Late::new(file.path.clone()).take(file.size_bytes);
            let padding = io::repeat(0).take(tarstream::padding(file.size_bytes) as u64);
            archive = Box::new(
                archive
                    .chain(io::Cursor::new(blocks))
                    .chain(content)
                    .chain(padding),
            );
        }
        let archive = archive.chain(io::repeat(0).take(END_BYTES));

        let mut intake = Intake::create(self.pack_path.clone(), PackOptions::default())?;
        let read = intake.read(archive, &wanted, Unasked::Refuse, |_, _| {});
        let received = match intake.end(read) {
            Ok(received) => received,
            Err(error) if error.is_local() => return Err(error),
            Err(error) => {
                outcome.fail(Problem::of_part(&error));
                return Ok(None);
            }
        };
        if let Some(cut) = &received.cut {
            outcome.fail(Problem::of_part(cut));
            return Ok(None);
        }
        let mut entries = Vec::with_capacity(files.len());
        for ((path, file), (member, offset_bytes)) in files.iter().zip(received.members) {
            if member.sha256 != Some(file.sha256) {
                outcome.fail(Problem::in_part(
                    Code::LocalIoFailed,
                    format!("{} changed before it was kept", file.path.display()),
                    Some("Look at the disk of the store, and run the command again.".to_owned()),
                ));
                return Ok(None);
            }
            entries.push(Entry {
                path: path.clone(),
                kind: EntryKind::File {
                    size_bytes: file.size_bytes,
                    sha256: file.sha256,
                },
                mode: member.head.mode,
                owner: member.head.owner,
                mtime,
                scan: None,
                content: vec![Piece {
                    pack: self.pack.clone(),
                    member: path.member().to_vec(),
                    offset_bytes,
                    range: ContentRange::default(),
                }],
                extended: Some(Extended::default()),
                first_name: None,
                unstable: false,
            });
        }
        outcome.pack = received.pack.map(|pack| Pack {
            name: self.pack.clone(),
            sha256: pack.sha256,
            stored_bytes: pack.stored_bytes,
        });
        Ok(Some(entries))
    }
}

/// A line for each, beneath the source's name.
fn note(source: &Source, notes: &[(String, String)]) -> Option<Note> {
    let lines = notes.iter().map(|(what, said)| format!("{what}: {said}\n"));
    let text: String = lines.collect();
    (!text.is_empty()).then(|| Note {
        title: format!("{} ({})", source.name, source.kind.as_str()),
        text: text.into_bytes(),
    })
}

/// A file that is opened when its turn comes.
struct Late {
    path: PathBuf,
    file: Option<File>,
}

impl Late {
    fn new(path: PathBuf) -> Self {
        Self { path, file: None }
    }
}

impl Read for Late {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let file = match &mut self.file {
            Some(file) => file,
            file @ None => file.insert(File::open(&self.path)?),
        };
        file.read(buffer)
    }
}
