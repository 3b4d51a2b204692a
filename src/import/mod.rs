//! Imports a backup that another system made, as a checkpoint of the moment when it was taken.
//!
//! The backup is read twice. The first reading decides everything: whether it is harmless, when it was
//! taken, where its files land, whether they match their own digests; nothing is written. The second
//! writes, and what it reads must be what the first one read. No host is asked for anything.

mod backup;
mod error;
mod folder;
mod landing;
mod plan;
mod record;
mod sums;
mod survey;
mod taken;

use std::path::PathBuf;

use jiff::Timestamp;

use crate::event::{Capture, Event, Sink};
use crate::fault::Fault as _;
use crate::guard;
use crate::interrupt::Interrupt;
use crate::inventory::{Host, Unreadable};
use crate::manifest::{self, Checkpoint, MachineIdentity, Pack, Part, PartState, Totals, Trigger};
use crate::name::{CheckpointId, RemotePath, SourceName, Stamp};
use crate::pack::PackOptions;
use crate::source::scan::Found;
use crate::store::{Facts, Incoming, Note, PartFacts, Store};
use crate::tarstream::{Member, Relocated};

use crate::intake::build_entries::{Asked, build_entries};
use crate::intake::entries;
use crate::intake::kept::Difference;
use crate::intake::receive::{Intake, Received, Unasked};

pub use error::Error;
pub use landing::{Mapping, ParseMappingError, PathMapping};
pub use plan::MappedRoot;
pub use sums::Checked;
pub use taken::{BackupTime, TimeSource};

use backup::Backup;
use plan::Planned;

/// The word that stands for the kind of source in an imported part.
const KIND: &str = "import";
/// A backup that was taken over is looked for among so many seconds from its time on: one that was
/// taken over beside others of the same second has a later stamp.
const SECONDS_LOOKED_AT: i64 = 600;

/// One backup, and what is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportOptions {
    /// The folder or archive.
    pub path: PathBuf,
    /// Where things land.
    pub landing: PathMapping,
    /// When it was taken, if the operator says so.
    pub taken: Option<Timestamp>,
    /// What the operator says about it; none: what its own system said, or its name.
    pub description: Option<String>,
}

/// A backup that was read, and what will be made of it.
#[derive(Debug)]
pub struct Import {
    backup: Backup,
    parts: Vec<Planned>,
    notes: Vec<Note>,
    /// When it was taken.
    pub taken: BackupTime,
    /// Its description.
    pub description: String,
    /// Where its files land.
    pub landed: Vec<MappedRoot>,
    /// The lists of digests that it matches.
    pub checked: Vec<Checked>,
    /// The folder that was taken off all names because it is called after a time; escaped.
    pub stripped: Option<String>,
    /// Nothing shows where on the host it belongs, and it lands at `/`.
    pub has_unknown_root: bool,
    /// Some sources of the host have nothing in it.
    pub subset: bool,
    /// What the operator should know.
    pub warnings: Vec<String>,
}

impl Import {
    /// Reads the backup that `order` names, for `host`. It may not have been taken after `now`. Reading
    /// ends when `interrupt` is raised.
    ///
    /// Blocking; takes the memory of the names in it.
    ///
    /// # Errors
    ///
    /// [`Error`] if it can't be taken over.
    pub fn plan(
        order: &ImportOptions,
        host: &Host,
        now: Timestamp,
        interrupt: &Interrupt,
    ) -> Result<Self, Error> {
        plan::plan(order, host, now, interrupt)
    }

    /// The checkpoint of `host` that this was taken over as before, if there is one.
    ///
    /// # Errors
    ///
    /// [`Error::Store`] if the store can't be read.
    pub fn already(&self, store: &Store, host: &Host) -> Result<Option<CheckpointId>, Error> {
        let first = Stamp::of(self.taken.time);
        let last = first.after_seconds(SECONDS_LOOKED_AT);
        for id in store.ids_within(&host.name, first..=last)? {
            // One that is damaged is not taken for this one; `verify` tells of it.
            let Ok(sealed) = store.open_checkpoint(&id) else {
                continue;
            };
            let checkpoint = sealed.checkpoint();
            if checkpoint.trigger != Trigger::Import || checkpoint.parts.len() != self.parts.len() {
                continue;
            }
            let mut is_same = true;
            for part in &self.parts {
                is_same = is_same && part.is_in(&sealed);
            }
            if is_same {
                return Ok(Some(id));
            }
        }
        Ok(None)
    }

    /// Regular files and their bytes.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.parts
            .iter()
            .fold(Totals::default(), |sum, part| Totals {
                files: sum.files + part.totals.files,
                bytes: sum.bytes + part.totals.bytes,
            })
    }

    /// The parts that it will have.
    pub fn parts(&self) -> impl Iterator<Item = &SourceName> {
        self.parts.iter().map(|part| &part.name)
    }

    /// Reads the backup again, writes it into `incoming` and seals that.
    ///
    /// Blocking. When `interrupt` is raised, it ends as soon as it can and nothing is sealed.
    ///
    /// # Errors
    ///
    /// [`Error`]; nothing is visible in the store then.
    pub fn execute(
        self,
        host: &Host,
        incoming: Incoming,
        interrupt: &Interrupt,
        sink: &Sink,
    ) -> Result<Checkpoint, Error> {
        let started = Timestamp::now();
        let mut facts = Facts {
            started,
            finished: started,
            trigger: Trigger::Import,
            subset: self.subset,
            description: self.description,
            host: MachineIdentity {
                env: host
                    .env
                    .as_ref()
                    .map_or_else(String::new, |(env, _)| env.to_string()),
                protected: guard::is_protected(host),
                ..MachineIdentity::default()
            },
            parts: Vec::new(),
            packs: Vec::new(),
            warnings: self.warnings,
            fetched_bytes: 0,
            notes: self.notes,
            observed: manifest::HostFacts::default(),
        };
        for part in &self.parts {
            let taken = Taking {
                backup: &self.backup,
                part,
                host,
                incoming: &incoming,
                interrupt,
                sink,
            };
            match taken.run() {
                Ok((part, pack)) => {
                    facts.parts.push(part);
                    facts.packs.extend(pack);
                }
                Err(error) => {
                    // The first error is more useful; what can't be removed is removed by the next run.
                    drop(incoming.abandon());
                    return Err(error);
                }
            }
        }
        facts.finished = Timestamp::now();
        Ok(incoming.seal(facts)?)
    }
}

/// What it takes to write one part.
struct Taking<'a> {
    backup: &'a Backup,
    part: &'a Planned,
    host: &'a Host,
    incoming: &'a Incoming,
    interrupt: &'a Interrupt,
    sink: &'a Sink,
}

impl Taking<'_> {
    /// Writes the part, and gives the facts of it and its pack.
    fn run(&self) -> Result<(PartFacts, Option<Pack>), Error> {
        let name = &self.part.name;
        self.tell(Capture::PartStarted { part: name.clone() });
        self.tell(Capture::Scanned {
            part: name.clone(),
            files: self.part.totals.files,
            bytes: self.part.totals.bytes,
            fetch_bytes: self.part.totals.bytes,
        });

        // Everything that was planned is read once more, and has to be what was read for the plan.
        let wanted: Vec<Found> = self
            .part
            .members
            .iter()
            .map(|member| Found {
                path: member.head.path.clone(),
                facts: None,
            })
            .collect();
        let mut received = self.read(&wanted)?;
        self.compare(&received)?;
        let asked = Asked {
            altered: None,
            roots: self.part.holders.clone(),
            difference: Difference::everything(wanted),
            vouched: Vec::new(),
            unreadable: Unreadable::Fail,
            has_unreadable: false,
            newest: None,
            tells_extended: false,
        };
        let pack = received.pack.take();
        let built = build_entries(
            asked,
            &mut received,
            Vec::new(),
            0,
            &self.incoming.pack_name(name),
        );
        if let Some(failure) = built.failure {
            return Err(Error::Part {
                part: name.clone(),
                problem: crate::fault::chain(&failure).join(": "),
                code: failure.code(),
            });
        }

        // The record of the part, and its entries.
        let mut part = Part {
            name: name.clone(),
            kind: KIND.to_owned(),
            state: PartState::Complete,
            roots: self.part.roots.clone(),
            resolved: Vec::new(),
            exclude: Vec::new(),
            lines: None,
            left_out: Vec::new(),
            totals: built.content.totals(),
            entries: built.content.entries(),
            fetched_bytes: 0,
            scanned_at: None,
            warnings: built.warnings,
            failure: None,
        };
        if !part.warnings.is_empty() {
            part.state = PartState::Warned;
        }
        let entries = entries::write(self.incoming, name, entries::Files::Whole, built.content)?;
        self.tell(Capture::PartEnded {
            part: Box::new(part.clone()),
        });
        let pack = pack.map(|pack| Pack {
            name: self.incoming.pack_name(name),
            sha256: pack.sha256,
            stored_bytes: pack.stored_bytes,
        });
        Ok((PartFacts { part, entries }, pack))
    }

    fn tell(&self, what: Capture) {
        (self.sink)(Event::of(&self.host.name, what));
    }

    /// Writes what belongs into this part into its pack.
    fn read(&self, wanted: &[Found]) -> Result<Received, Error> {
        let name = &self.part.name;
        let failed = |error| Error::of_receive(&self.backup.path, name, error);
        let stream = Relocated::new(self.backup.stream(self.interrupt)?, |path: &RemotePath| {
            self.part.places.get(path).cloned()
        });
        let options = PackOptions::default();
        let mut intake = Intake::create(self.incoming.pack_path(name), options).map_err(failed)?;
        intake.stop_when(self.interrupt.clone());
        let read = intake.read(stream, wanted, Unasked::Refuse, |bytes, path| {
            self.tell(Capture::Progress {
                part: name.clone(),
                bytes,
                path: path.clone(),
            });
        });
        let mut received = intake.end(read).map_err(failed)?;
        match received.cut.take() {
            Some(_) if self.interrupt.is_raised() => Err(Error::Stopped {
                path: self.backup.path.clone(),
            }),
            // The stream is made here, so that an end before its time has its reason in it.
            Some(cut) => Err(Error::of_stream(&self.backup.path, cut)),
            None => Ok(received),
        }
    }

    /// What was read is what was judged.
    fn compare(&self, received: &Received) -> Result<(), Error> {
        let mut found: Vec<&Member> = received.members.iter().map(|(member, _)| member).collect();
        found.sort_by(|a, b| a.head.path.cmp(&b.head.path));
        let mut planned = self.part.members.iter();
        for member in found {
            let same = planned.next().is_some_and(|planned| {
                // How long the data is depends on how holes are encoded.
                planned.sha256 == member.sha256
                    && planned.head.path == member.head.path
                    && planned.head.kind == member.head.kind
                    && planned.head.mode == member.head.mode
                    && planned.head.owner == member.head.owner
                    && planned.head.mtime == member.head.mtime
            });
            if !same {
                return Err(self.changed(Some(&member.head.path)));
            }
        }
        match planned.next() {
            Some(missing) => Err(self.changed(Some(&missing.head.path))),
            None => Ok(()),
        }
    }

    fn changed(&self, path: Option<&RemotePath>) -> Error {
        Error::Changed {
            path: self.backup.path.clone(),
            what: path.map(ToString::to_string),
        }
    }
}
