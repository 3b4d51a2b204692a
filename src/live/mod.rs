//! Compares a checkpoint with the live host (`fleet diff --live`): the same scan, and nothing is stored.
//!
//! What is still the same by its marks is looked at no further. The host hashes files that may have
//! changed without another size. Extended attributes, ACLs and capabilities show in a scan only by the
//! inode's time: where that moved and content did not, the entry is fetched for them, up to
//! `EXTENDED_MAX_BYTES` of each source. Nothing is written on the host or in the store, and nothing is
//! locked.

mod contents;
mod fetch_budget;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use futures_util::future::join_all;

use crate::blocking::blocking;
use crate::change::{Change, ChangeKind};
use crate::digest::Sha256;
use crate::fault::Problem;
use crate::inventory::{Host, Source, SourceKind};
use crate::manifest::{Part, PartState};
use crate::name::{RemotePath, SourceName};
use crate::pack;
use crate::source::probe::Probe;
use crate::ssh::{self, ReadSession};
use crate::store::SealedCheckpoint;

use crate::scan::digests::digests;
use crate::scan::directory::{Scanned, is_lost};
use crate::scan::machine::other_machine;
use crate::scan::result::{ScanResult, sorted};
use crate::scan::{self, against};
use crate::units::listing;
use contents::Contents;

pub use crate::intake::HostError as Error;
pub use fetch_budget::FetchBudget;

/// So much of each source, content included, is fetched to compare extended metadata.
const EXTENDED_MAX_BYTES: u64 = 8 << 20;

/// The note on a host whose `find` is too simple.
const NO_FACTS: &str = "its `find` tells just names: the host hashes what were files, and nothing else can be compared";

/// What is not on a host any more as a checkpoint has it.
#[derive(Debug)]
pub struct Live {
    /// One for each source that the checkpoint asked for and the inventory still has.
    pub parts: Vec<LivePart>,
    /// What could not be compared, and why.
    pub notes: Vec<String>,
}

/// What became of one part.
#[derive(Debug)]
pub struct LivePart {
    /// The source.
    pub name: SourceName,
    /// What changed since the checkpoint, by path.
    pub changes: Vec<Change>,
    /// What the operator should know.
    pub notes: Vec<String>,
    /// Why it could not be looked at, or not whole; what is missing then is not in `changes`.
    pub failure: Option<Problem>,
    contents: Option<Contents>,
    left_out: BTreeSet<RemotePath>,
}

/// The content of a file as it is on the host now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LiveContent {
    /// It was fetched.
    Fetched(Vec<u8>),
    /// It was not asked for, did not arrive, or is larger by now than was asked for.
    Unread,
    /// It was not asked for: [`FetchBudget::total_max_bytes`] left no room for it.
    LeftOut,
}

/// Compares `base` with the host behind `session`. With `budget`, files whose content differs or is new
/// are fetched into a temporary folder, which goes with the answer: [`LivePart::content`].
///
/// # Errors
///
/// [`Error`] if the host can't be asked, or the checkpoint or the temporary folder can't be read or
/// written. A source that can't be looked at is a [`LivePart::failure`].
///
/// # Cancel
///
/// Dropping the future leaves nothing. What runs on the host ends with its channel.
pub async fn compare(
    base: &Arc<SealedCheckpoint>,
    host: &Host,
    session: &ReadSession,
    budget: Option<FetchBudget>,
) -> Result<Live, Error> {
    let (sources, mut notes) = sources(base, host);
    let scans = sources
        .iter()
        .map(|(_, source)| scan::scan(source, session));
    // Asked at the same time: each question costs a round trip.
    let (probe, scans) = tokio::join!(scan::probe(session, false), join_all(scans));
    let probe = probe?;
    let other_machine = other_machine(base, &probe);
    let look = Look {
        base,
        session,
        probe,
        is_same_machine: other_machine.is_none(),
    };
    notes.extend(other_machine.map(|other| format!("{other}, so files go by their digests")));
    let looks = sources.iter().zip(scans);
    let looks =
        looks.filter_map(|(&(part, source), scanned)| Some(look.at(part, source, scanned?)));
    let mut parts = Vec::with_capacity(sources.len());
    let mut lost = Vec::new();
    for looked in join_all(looks).await {
        let (part, ended) = looked?;
        parts.push(part);
        lost.extend(ended);
    }
    if let Some(budget) = budget {
        lost.extend(look.fetch(&mut parts, &sources, budget).await?);
    }
    match lost.into_iter().next() {
        Some(error) if parts.iter().all(LivePart::has_nothing) => Err(Error::Ssh(error)),
        Some(_) | None => Ok(Live { parts, notes }),
    }
}

/// The parts of `base` that the inventory still has sources for, and a note about the others.
fn sources<'a>(
    base: &'a SealedCheckpoint,
    host: &'a Host,
) -> (Vec<(&'a Part, &'a Source)>, Vec<String>) {
    let (mut both, mut notes) = (Vec::new(), Vec::new());
    let id = base.id();
    for part in &base.checkpoint().parts {
        match host.sources.iter().find(|source| source.name == part.name) {
            Some(source) if source.kind.is_captured() => notes.push(format!(
                "`{}` is not compared: what a `{}` source answers is asked for by a checkpoint only",
                part.name,
                source.kind.as_str()
            )),
            // The host could only hash whole files.
            Some(source) if part.lines.is_some() || has_lines(source) => notes.push(format!(
                "`{}` is not compared: just lines of its files are kept, and only a checkpoint fetches them",
                part.name
            )),
            Some(source) => both.push((part, source)),
            None => notes.push(format!(
                "`{}` is not compared: it is in {id}, and is no source of {} any more",
                part.name, host.name
            )),
        }
    }
    for source in &host.sources {
        if base.checkpoint().part(&source.name).is_none() {
            notes.push(format!(
                "`{}` is not compared: {id} did not ask for it",
                source.name
            ));
        }
    }
    (both, notes)
}

fn has_lines(source: &Source) -> bool {
    matches!(&source.kind, SourceKind::Files(files) if files.lines.is_some())
}

impl LivePart {
    fn new(name: &SourceName) -> Self {
        Self {
            name: name.clone(),
            changes: Vec::new(),
            notes: Vec::new(),
            failure: None,
            contents: None,
            left_out: BTreeSet::new(),
        }
    }

    /// The content of the file at `path` as it is on the host, if it has up to `max_bytes`. Blocking.
    ///
    /// # Errors
    ///
    /// [`pack::Error`] if the temporary folder can't be read.
    pub fn content(
        &mut self,
        path: &RemotePath,
        max_bytes: u64,
    ) -> Result<LiveContent, pack::Error> {
        if self.left_out.contains(path) {
            return Ok(LiveContent::LeftOut);
        }
        let content = match &mut self.contents {
            Some(contents) => contents.read(path, max_bytes)?,
            None => None,
        };
        Ok(content.map_or(LiveContent::Unread, LiveContent::Fetched))
    }

    fn has_nothing(&self) -> bool {
        self.failure.is_some() && self.changes.is_empty()
    }

    /// The first reason is the one that is kept.
    fn fail(&mut self, why: Problem) {
        self.failure.get_or_insert(why);
    }
}

/// A part, and the end of the connection if it came meanwhile.
type Looked = Result<(LivePart, Option<ssh::Error>), Error>;

/// What it takes to look at sources.
struct Look<'a> {
    base: &'a Arc<SealedCheckpoint>,
    session: &'a ReadSession,
    probe: Probe,
    is_same_machine: bool,
}

impl Look<'_> {
    /// Compares a part with what the scan of its source found.
    async fn at(&self, known: &Part, source: &Source, scanned: Scanned<'_>) -> Looked {
        let mut part = LivePart::new(&source.name);
        let found = match scanned {
            Scanned::Ready {
                result,
                terms,
                opening,
            } => {
                part.notes = self.incomparable(known, source, &result, terms.exclude);
                if !opening.has_facts {
                    part.notes.push(NO_FACTS.to_owned());
                }
                part.notes.extend(result.warnings);
                part.failure = result
                    .unreadable
                    .as_ref()
                    .map(|error| Problem::of_part(error));
                sorted(result.wanted, result.sockets)
            }
            Scanned::Absent => Vec::new(),
            Scanned::Failed(why) => {
                part.fail(why);
                return Ok((part, None));
            }
            Scanned::Lost(error) => return Ok(ended(part, error)),
        };
        let (base, name, trusts_marks) = (
            Arc::clone(self.base),
            source.name.clone(),
            self.is_same_machine,
        );
        let pairs = blocking(move || against::pairs(&base, &name, found, trusts_marks)).await?;

        // What marks and sizes do not tell, digests and extended metadata may.
        let digests = match self.digests(source, &pairs).await {
            Ok(digests) => digests,
            Err(error) => return Ok(ended(part, error)),
        };
        let mut told = against::Told {
            digests,
            ..against::Told::default()
        };
        let lost = self
            .fetch_extended(&mut part, source, &pairs, &mut told)
            .await?;
        self.tell(&mut part, known, against::judge(pairs, &told));
        Ok((part, lost))
    }

    /// In what the source is not asked for, or not found, as it was for the checkpoint.
    fn incomparable(
        &self,
        known: &Part,
        source: &Source,
        result: &ScanResult,
        exclude: &[String],
    ) -> Vec<String> {
        let mut notes = Vec::new();
        if matches!(known.state, PartState::Complete | PartState::Warned)
            && (known.exclude != exclude || known.roots != result.named)
        {
            let what = if matches!(source.kind, SourceKind::Files(_)) {
                "patterns that match something"
            } else {
                "directories or what is excluded"
            };
            notes.push(format!(
                "its {what} are not those of {}, which shows as added or removed",
                self.base.id()
            ));
        }
        let moved = result.resolved.iter().find(|now| {
            let mut then = known.resolved.iter();
            then.any(|then| then.asked == now.asked && then.real != now.real)
        });
        if let Some(moved) = moved {
            notes.push(format!(
                "{} is at {} now, which it was not in {}: that shows as added and removed",
                moved.asked,
                moved.real,
                self.base.id()
            ));
        }
        notes
    }

    /// The digests of files of the same size whose marks changed, as the host computes them.
    async fn digests(
        &self,
        source: &Source,
        pairs: &[against::Candidate],
    ) -> Result<HashMap<RemotePath, Sha256>, ssh::Error> {
        let mut list = Vec::new();
        for path in pairs.iter().filter_map(against::Candidate::doubtful) {
            list.extend_from_slice(path.as_bytes());
            list.push(0);
        }
        if list.is_empty() {
            return Ok(HashMap::new());
        }
        digests(self.session, source.sudo, list).await
    }

    /// Fetches what may have other extended metadata than it had. Gives the end of the connection.
    async fn fetch_extended(
        &self,
        part: &mut LivePart,
        source: &Source,
        pairs: &[against::Candidate],
        told: &mut against::Told,
    ) -> Result<Option<ssh::Error>, Error> {
        let Some(tar) = self.probe.tar_flavour() else {
            return Ok(None);
        };
        let max_bytes = EXTENDED_MAX_BYTES;
        let against::Unseen {
            wanted,
            mut left_out,
        } = against::Unseen::of(pairs, &told.digests, max_bytes);
        let mut lost = None;
        if !wanted.is_empty() {
            let asked = wanted.clone();
            let fetched = contents::fetch(self.session, source.sudo, tar, asked, max_bytes).await;
            let fetched = fetched.map_err(|error| Error::Receive {
                part: source.name.clone(),
                source: error,
            })?;
            let is_missing = |path: &RemotePath| !fetched.extended.contains_key(path);
            left_out.extend(wanted.into_iter().filter(is_missing));
            left_out.sort();
            told.extended = fetched.extended;
            lost = fetched.lost;
        }
        if !left_out.is_empty() {
            let count = left_out.len();
            part.notes.push(format!(
                "ACLs, capabilities and extended attributes of {count} {} are not compared, which only a \
                 checkpoint does: {}",
                if count == 1 { "entry" } else { "entries" },
                listing(count, &left_out)
            ));
        }
        Ok(lost)
    }

    /// Takes over what is known: what a failed part lacks is not called gone.
    fn tell(&self, part: &mut LivePart, known: &Part, judged: against::Judged) {
        let against::Judged { changes, unhashed } = judged;
        let (known_failed, failed) = (known.state == PartState::Failed, part.failure.is_some());
        let (mut not_new, mut not_gone) = (0_u64, 0_u64);
        part.changes = changes;
        part.changes.retain(|change| match change.kind() {
            ChangeKind::Added if known_failed => {
                not_new += 1;
                false
            }
            ChangeKind::Removed if failed => {
                not_gone += 1;
                false
            }
            ChangeKind::Added
            | ChangeKind::Removed
            | ChangeKind::Type
            | ChangeKind::Modified
            | ChangeKind::Metadata => true,
        });
        let entries = |count| if count == 1 { "entry" } else { "entries" };
        if known_failed {
            let missing = match not_new {
                0 => String::new(),
                count => format!(
                    ": {count} {} missing there {} not shown, for not all of it may be new",
                    entries(count),
                    if count == 1 { "is" } else { "are" }
                ),
            };
            let id = self.base.id();
            part.notes.push(format!("it failed in {id}{missing}"));
        }
        if not_gone > 0 {
            part.notes.push(format!(
                "{not_gone} {} not seen now {} not shown, for not all of it may be gone",
                entries(not_gone),
                if not_gone == 1 { "is" } else { "are" }
            ));
        }
        if !unhashed.is_empty() {
            let count = unhashed.len();
            part.notes.push(format!(
                "{count} {} not be hashed on the host, so that a change of content may not show: {}",
                if count == 1 { "file could" } else { "files could" },
                listing(count, &unhashed)
            ));
        }
    }

    /// Fetches what `-p` shows, of all parts at the same time. Gives the ends of the connection.
    async fn fetch(
        &self,
        parts: &mut [LivePart],
        sources: &[(&Part, &Source)],
        budget: FetchBudget,
    ) -> Result<Vec<ssh::Error>, Error> {
        let Some(tar) = self.probe.tar_flavour() else {
            return Ok(Vec::new());
        };
        let allotted = budget.allot(parts.iter().map(|part| part.changes.as_slice()));
        let fetches = parts.iter_mut().zip(allotted).zip(sources);
        let fetches = fetches.map(|((part, allotted), (_, source))| async move {
            part.left_out = allotted.left_out;
            if allotted.wanted.is_empty() {
                return Ok(None);
            }
            let max_bytes = budget.total_max_bytes;
            let fetched =
                contents::fetch(self.session, source.sudo, tar, allotted.wanted, max_bytes).await;
            let fetched = fetched.map_err(|error| Error::Receive {
                part: source.name.clone(),
                source: error,
            })?;
            part.contents = fetched.contents;
            if let Some(why) = fetched.failure {
                part.fail(why);
            }
            Ok(fetched.lost)
        });
        let lost: Result<Vec<_>, Error> = join_all(fetches).await.into_iter().collect();
        Ok(lost?.into_iter().flatten().collect())
    }
}

/// The part as far as it came before an error.
fn ended(mut part: LivePart, error: ssh::Error) -> (LivePart, Option<ssh::Error>) {
    part.fail(Problem::of_part(&error));
    let lost = Some(error).filter(is_lost);
    (part, lost)
}
