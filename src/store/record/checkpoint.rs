//! `checkpoint.json`: a sealed [`Checkpoint`], and the digests of everything it needs.
//!
//! The file ends with its own seal: the digest of its bytes, with the seal's 64 digits taken as `0`.
//! So damage here is distinguished from damage in the files that it names, and a newer version from both.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::entry::time;
use super::facts::FactsRecord;
use super::failure::FailureRecord;
use super::file_facts::FileFacts;
use super::host::{HostRecord, MachineRecord};
use super::path::{PathRecord, ResolvedRecord};
use super::{RecordError, left_out};
use crate::digest::Sha256;
use crate::fault::Problem;
use crate::manifest::{
    Checkpoint, HostFacts, MachineIdentity, Pack, PackName, Part, PartState, Resolved, Totals,
    Trigger,
};
use crate::name::{RemotePath, SourceName};
use crate::store::files::layout;

const FORMAT: &str = "fleet-checkpoint";
/// The newest version of the record that this program reads and writes.
pub(in crate::store) const VERSION: u64 = 1;
/// What a reader must be able to do for the records that this program reads; the word for it in `needs`.
/// `content-ranges`: pieces of content that are no whole members.
const KNOWN_NEEDS: &[&str] = &["content-ranges"];
const SEAL_KEY: &str = ",\n  \"seal\": \"";
const SEAL_END: &str = "\"\n}\n";
const SEAL_DIGITS: usize = 64;

/// A checkpoint with what only the store knows of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::store) struct Sealed {
    pub(in crate::store) checkpoint: Checkpoint,
    /// One for each part that has entries.
    pub(in crate::store) entries: BTreeMap<SourceName, EntriesFacts>,
    pub(in crate::store) manifest: FileFacts,
    /// `facts.json`; none in checkpoints from before there was one.
    pub(in crate::store) facts_file: Option<FileFacts>,
}

/// What is known of an entries file without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::store) struct EntriesFacts {
    pub(in crate::store) file: FileFacts,
    /// How many lines it has.
    pub(in crate::store) records: u64,
    /// The packs that its entries are in, sorted.
    pub(in crate::store) packs: Vec<PackName>,
    /// Regular files by the ending of their names.
    pub(in crate::store) endings: BTreeMap<String, Totals>,
    /// Regular files by folder, the largest ones; empty in records from before there were any.
    pub(in crate::store) folders: BTreeMap<RemotePath, Totals>,
}

/// Why the bytes of a `checkpoint.json` are not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::store) enum ReadError {
    Newer(u64),
    /// It needs a reader that knows these words; this one does not.
    Needs(Vec<String>),
    Damaged(String),
}

#[derive(Serialize, Deserialize)]
struct CheckpointRecord {
    format: String,
    version: u64,
    id: String,
    started: String,
    finished: String,
    trigger: String,
    /// Written where it is true only; records from before there were any are none.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    subset: bool,
    /// Follows from the parts; written for people and plain tools.
    state: String,
    description: String,
    #[serde(with = "HostRecord")]
    host: MachineIdentity,
    #[serde(skip_serializing_if = "Option::is_none")]
    facts: Option<FactsRecord>,
    parts: Vec<PartRecord>,
    packs: Vec<String>,
    warnings: Vec<String>,
    fetched_bytes: u64,
    stored_bytes: u64,
    digests: Vec<DigestRecord>,
}

#[derive(Deserialize)]
struct VersionRecord {
    format: String,
    version: u64,
    /// What its readers must be able to do; no record is written with any yet.
    #[serde(default)]
    needs: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct PartRecord {
    name: String,
    kind: String,
    state: String,
    roots: Vec<PathRecord>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    resolved: Vec<ResolvedRecord>,
    exclude: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lines: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    left_out: Vec<left_out::LeftOutRecord>,
    files: u64,
    bytes: u64,
    entries: u64,
    fetched_bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    scanned_at: Option<String>,
    warnings: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<FailureRecord>,
    #[serde(skip_serializing_if = "Option::is_none")]
    entries_file: Option<EntriesRecord>,
}

#[derive(Serialize, Deserialize)]
struct EntriesRecord {
    file: String,
    records: u64,
    packs: Vec<String>,
    endings: BTreeMap<String, TotalsRecord>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    folders: Vec<FolderRecord>,
}

#[derive(Serialize, Deserialize)]
struct FolderRecord {
    folder: PathRecord,
    files: u64,
    bytes: u64,
}

#[derive(Serialize, Deserialize)]
struct TotalsRecord {
    files: u64,
    bytes: u64,
}

/// Relative to the checkpoint's folder, as in `SHA256SUMS`.
#[derive(Serialize, Deserialize)]
struct DigestRecord {
    file: String,
    sha256: String,
    bytes: u64,
}

impl Sealed {
    /// The whole text of `checkpoint.json`.
    pub(in crate::store) fn to_text(&self) -> String {
        let json = serde_json::to_string_pretty(&CheckpointRecord::from(self))
            .expect("records hold only strings, numbers and lists of them");
        let body = json
            .strip_suffix("\n}")
            .expect("a pretty-printed object ends on a line of its own");
        let unsealed = format!("{body}{SEAL_KEY}{}{SEAL_END}", "0".repeat(SEAL_DIGITS));
        let seal = Sha256::of(unsealed.as_bytes());
        format!("{body}{SEAL_KEY}{seal}{SEAL_END}")
    }

    /// Reads the bytes of a `checkpoint.json`, its seal first.
    pub(in crate::store) fn read(bytes: &[u8]) -> Result<Self, ReadError> {
        Self::check(bytes)?;
        serde_json::from_slice::<CheckpointRecord>(bytes)
            .map_err(RecordError::of)
            .and_then(Self::try_from)
            .map_err(|e| ReadError::Damaged(e.to_string()))
    }

    /// Reads of the bytes of a `checkpoint.json` just what it is called and which machine it was taken of,
    /// its seal first.
    pub(in crate::store) fn read_machine(bytes: &[u8]) -> Result<MachineRecord, ReadError> {
        Self::check(bytes)?;
        serde_json::from_slice(bytes).map_err(|e| ReadError::Damaged(e.to_string()))
    }

    /// Checks the seal, and whether this program can read the rest.
    fn check(bytes: &[u8]) -> Result<(), ReadError> {
        let damaged = |problem: &str| ReadError::Damaged(problem.to_owned());
        let (body, seal) = split_seal(bytes).ok_or_else(|| damaged("its end is missing"))?;
        let unsealed = [
            body,
            SEAL_KEY.as_bytes(),
            &[b'0'; SEAL_DIGITS],
            SEAL_END.as_bytes(),
        ]
        .concat();
        if Sha256::of(&unsealed).to_string().as_bytes() != seal {
            return Err(damaged("it does not match its seal"));
        }
        let version: VersionRecord =
            serde_json::from_slice(bytes).map_err(|e| ReadError::Damaged(e.to_string()))?;
        if version.format != FORMAT {
            return Err(damaged("it is no checkpoint record"));
        }
        if version.version > VERSION {
            return Err(ReadError::Newer(version.version));
        }
        let unknown = |word: &String| !KNOWN_NEEDS.contains(&word.as_str());
        let unknown: Vec<String> = version.needs.into_iter().filter(unknown).collect();
        if unknown.is_empty() {
            Ok(())
        } else {
            Err(ReadError::Needs(unknown))
        }
    }

    /// Every file that it needs beside `checkpoint.json` and `SHA256SUMS`, relative to its folder.
    pub(in crate::store) fn files(&self) -> Vec<(String, FileFacts)> {
        let mut files = vec![(layout::MANIFEST_FILE.to_owned(), self.manifest)];
        files.extend(
            self.facts_file
                .map(|facts| (layout::FACTS_FILE.to_owned(), facts)),
        );
        for (part, entries) in &self.entries {
            files.push((layout::entries_file(part), entries.file));
        }
        for pack in &self.checkpoint.packs {
            let facts = FileFacts {
                sha256: pack.sha256,
                stored_bytes: pack.stored_bytes,
            };
            files.push((format!("../{}", pack.name), facts));
        }
        files
    }
}

fn split_seal(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let rest = bytes.strip_suffix(SEAL_END.as_bytes())?;
    let (rest, seal) = rest.split_at_checked(rest.len().checked_sub(SEAL_DIGITS)?)?;
    Some((rest.strip_suffix(SEAL_KEY.as_bytes())?, seal))
}

impl From<&Sealed> for CheckpointRecord {
    fn from(sealed: &Sealed) -> Self {
        let checkpoint = &sealed.checkpoint;
        Self {
            format: FORMAT.to_owned(),
            version: VERSION,
            id: checkpoint.id.to_string(),
            started: checkpoint.started.to_string(),
            finished: checkpoint.finished.to_string(),
            trigger: checkpoint.trigger.as_str().to_owned(),
            subset: checkpoint.subset,
            state: checkpoint.state().as_str().to_owned(),
            description: checkpoint.description.clone(),
            host: checkpoint.host.clone(),
            facts: FactsRecord::of(&checkpoint.facts),
            parts: checkpoint
                .parts
                .iter()
                .map(|part| part_record(part, sealed.entries.get(&part.name)))
                .collect(),
            packs: checkpoint
                .packs
                .iter()
                .map(|p| p.name.to_string())
                .collect(),
            warnings: checkpoint.warnings.clone(),
            fetched_bytes: checkpoint.fetched_bytes,
            stored_bytes: checkpoint.stored_bytes,
            digests: sealed
                .files()
                .into_iter()
                .map(|(file, facts)| DigestRecord {
                    file,
                    sha256: facts.sha256.to_string(),
                    bytes: facts.stored_bytes,
                })
                .collect(),
        }
    }
}

fn part_record(part: &Part, entries: Option<&EntriesFacts>) -> PartRecord {
    PartRecord {
        name: part.name.to_string(),
        kind: part.kind.clone(),
        state: part.state.as_str().to_owned(),
        roots: part.roots.iter().map(PathRecord::from).collect(),
        resolved: part.resolved.iter().map(ResolvedRecord::from).collect(),
        exclude: part.exclude.clone(),
        lines: part.lines.clone(),
        left_out: left_out::records(&part.left_out),
        files: part.totals.files,
        bytes: part.totals.bytes,
        entries: part.entries,
        fetched_bytes: part.fetched_bytes,
        scanned_at: part.scanned_at.map(|time| time.to_string()),
        warnings: part.warnings.clone(),
        failure: part.failure.as_ref().map(FailureRecord::from),
        entries_file: entries.map(|facts| EntriesRecord {
            file: layout::entries_file(&part.name),
            records: facts.records,
            packs: facts.packs.iter().map(PackName::to_string).collect(),
            endings: facts
                .endings
                .iter()
                .map(|(ending, totals)| {
                    let record = TotalsRecord {
                        files: totals.files,
                        bytes: totals.bytes,
                    };
                    (ending.clone(), record)
                })
                .collect(),
            folders: facts
                .folders
                .iter()
                .map(|(folder, totals)| FolderRecord {
                    folder: folder.into(),
                    files: totals.files,
                    bytes: totals.bytes,
                })
                .collect(),
        }),
    }
}

impl TryFrom<CheckpointRecord> for Sealed {
    type Error = RecordError;

    fn try_from(record: CheckpointRecord) -> Result<Self, RecordError> {
        let mut digests = BTreeMap::new();
        for digest in record.digests {
            let facts = FileFacts {
                sha256: digest.sha256.parse().map_err(RecordError::of)?,
                stored_bytes: digest.bytes,
            };
            digests.insert(digest.file, facts);
        }
        let digest_of = |file: &str| {
            digests
                .get(file)
                .copied()
                .ok_or_else(|| RecordError::new(format!("it has no digest of {file}")))
        };
        let mut parts = Vec::new();
        let mut entries = BTreeMap::new();
        for mut part in record.parts {
            let entries_record = part.entries_file.take();
            let part = Part::try_from(part)?;
            if let Some(facts) = entries_record {
                let file = digest_of(&layout::entries_file(&part.name))?;
                entries.insert(part.name.clone(), entries_facts(facts, file)?);
            }
            parts.push(part);
        }
        let mut packs = Vec::new();
        for name in record.packs {
            let facts = digest_of(&format!("../{name}"))?;
            packs.push(Pack {
                name: name.parse().map_err(RecordError::of)?,
                sha256: facts.sha256,
                stored_bytes: facts.stored_bytes,
            });
        }
        Ok(Self {
            manifest: digest_of(layout::MANIFEST_FILE)?,
            facts_file: digests.get(layout::FACTS_FILE).copied(),
            entries,
            checkpoint: Checkpoint {
                id: record.id.parse().map_err(RecordError::of)?,
                started: record.started.parse().map_err(RecordError::of)?,
                finished: record.finished.parse().map_err(RecordError::of)?,
                trigger: trigger(&record.trigger)?,
                subset: record.subset,
                description: record.description,
                host: record.host,
                facts: match record.facts {
                    Some(facts) => facts.try_into()?,
                    None => HostFacts::default(),
                },
                parts,
                packs,
                warnings: record.warnings,
                fetched_bytes: record.fetched_bytes,
                stored_bytes: record.stored_bytes,
            },
        })
    }
}

fn entries_facts(record: EntriesRecord, file: FileFacts) -> Result<EntriesFacts, RecordError> {
    Ok(EntriesFacts {
        file,
        records: record.records,
        packs: record
            .packs
            .iter()
            .map(|name| name.parse().map_err(RecordError::of))
            .collect::<Result<_, _>>()?,
        endings: record
            .endings
            .into_iter()
            .map(|(ending, totals)| {
                let totals = Totals {
                    files: totals.files,
                    bytes: totals.bytes,
                };
                (ending, totals)
            })
            .collect(),
        folders: record
            .folders
            .into_iter()
            .map(|folder| {
                let totals = Totals {
                    files: folder.files,
                    bytes: folder.bytes,
                };
                Ok((folder.folder.try_into()?, totals))
            })
            .collect::<Result<_, RecordError>>()?,
    })
}

impl TryFrom<PartRecord> for Part {
    type Error = RecordError;

    fn try_from(record: PartRecord) -> Result<Self, RecordError> {
        Ok(Self {
            name: record.name.parse().map_err(RecordError::of)?,
            kind: record.kind,
            state: part_state(&record.state)?,
            roots: record
                .roots
                .into_iter()
                .map(RemotePath::try_from)
                .collect::<Result<_, _>>()?,
            resolved: record
                .resolved
                .into_iter()
                .map(Resolved::try_from)
                .collect::<Result<_, _>>()?,
            exclude: record.exclude,
            lines: record.lines,
            left_out: left_out::read(record.left_out)?,
            totals: Totals {
                files: record.files,
                bytes: record.bytes,
            },
            entries: record.entries,
            fetched_bytes: record.fetched_bytes,
            scanned_at: record.scanned_at.as_deref().map(time).transpose()?,
            warnings: record.warnings,
            failure: record.failure.map(Problem::from),
        })
    }
}

fn trigger(word: &str) -> Result<Trigger, RecordError> {
    [
        Trigger::Manual,
        Trigger::Scheduled,
        Trigger::Boot,
        Trigger::PreRestore,
        Trigger::Restore,
        Trigger::Playbook,
        Trigger::Import,
    ]
    .into_iter()
    .find(|trigger| trigger.as_str() == word)
    .ok_or_else(|| RecordError::new(format!("`{word}` is no trigger")))
}

fn part_state(word: &str) -> Result<PartState, RecordError> {
    [
        PartState::Complete,
        PartState::Warned,
        PartState::Absent,
        PartState::Failed,
    ]
    .into_iter()
    .find(|state| state.as_str() == word)
    .ok_or_else(|| RecordError::new(format!("`{word}` is no state of a part")))
}

#[cfg(test)]
mod tests;
