//! Plans an import: what the checkpoint will hold, checked as a whole before anything is written.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;

use super::backup::Backup;
use super::landing::{Place, Rules, part_of};
use super::record::Record;
use super::survey::Survey;
use super::taken::BackupTime;
use super::{Error, Import, ImportOptions, KIND, sums, taken};
use crate::digest::Sha256;
use crate::interrupt::Interrupt;
use crate::inventory::Host;
use crate::manifest::{EntryKind, Totals};
use crate::name::{RemotePath, SourceName, escape};
use crate::store::{Note, SealedCheckpoint};
use crate::tarstream::tree::{self, Shape};
use crate::tarstream::{Kind, Member};

/// A part names so many roots at most; of one that has more, the folder above all of them is named.
const ROOTS_MAX: usize = 64;
/// What is at the top of a host's file system.
const TOPS_OF_HOSTS: [&[u8]; 17] = [
    b"bin", b"boot", b"dev", b"etc", b"home", b"lib", b"media", b"mnt", b"opt", b"private",
    b"root", b"run", b"sbin", b"srv", b"usr", b"var", b"Users",
];

/// A place of the host at which files of a backup land.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MappedRoot {
    /// The folder (or the file, if just that was mapped).
    pub at: RemotePath,
    /// The part that they are in.
    pub part: SourceName,
    /// Regular files.
    pub files: u64,
    /// The sum of their sizes.
    pub bytes: u64,
}

/// A part of the checkpoint to come.
#[derive(Debug)]
pub(super) struct Planned {
    pub(super) name: SourceName,
    /// As they will be, by path.
    pub(super) members: Vec<Member>,
    /// Where each member of the backup that belongs here lands.
    pub(super) places: HashMap<RemotePath, RemotePath>,
    /// What the part says that it was taken of.
    pub(super) roots: Vec<RemotePath>,
    /// Directories that hold entries without being entries.
    pub(super) holders: Vec<RemotePath>,
    pub(super) totals: Totals,
}

/// As [`Import::plan`].
pub(super) fn plan(
    order: &ImportOptions,
    host: &Host,
    now: Timestamp,
    interrupt: &Interrupt,
) -> Result<Import, Error> {
    let backup = Backup::open(&order.path)?;
    let survey = Survey::of(&backup, interrupt)?;
    let (checked, unread) = sums::check(&backup.path, &survey)?;
    let records = Record::all_of(&survey);
    let taken = taken(order, &backup, &survey, &records, now)?;

    // Which names of the backup become which paths of the host.
    let stripped = stripped(order, &survey);
    let strip = order
        .landing
        .strip
        .unwrap_or(usize::from(stripped.is_some()));
    let own_part: SourceName = KIND.parse().expect("the word is a name");
    let own = records.iter().map(|record| record.path.clone());
    let own = own.chain(checked.iter().map(|list| list.path.clone()));
    let rules = Rules::new(&order.landing, strip, own, &own_part);
    let paths = survey.members.iter().map(|member| &member.head.path);
    if let Some(unused) = rules.unused(&paths) {
        return Err(Error::NoSuchFolder {
            path: backup.path,
            from: escape(unused.from.member()),
        });
    }
    let has_unknown_root = has_unknown_root(order, &survey, strip);

    // What the checkpoint will say of itself.
    let description = description(order, &backup, &records);
    let notes = records.into_iter().map(|record| Note {
        title: format!("{} of the backup", record.file),
        text: record.text,
    });
    let notes = notes.collect();
    let warnings = unread.iter().map(unread_list).collect();

    // The parts, each checked to be a tree, and all of them together.
    let mut parts = Parts {
        order,
        host,
        own_part,
        parts: BTreeMap::new(),
        landed: BTreeMap::new(),
    };
    for member in survey.members {
        parts.take(member, &rules, &backup)?;
    }
    let (landed, parts) = parts.finish(&backup)?;
    if parts.iter().all(|part| part.totals.files == 0) {
        return Err(Error::Empty {
            path: backup.path,
            strip: rules.strip,
        });
    }
    let has_part = |name: &SourceName| parts.iter().any(|part| part.name == *name);
    let subset = !host.sources.iter().all(|source| has_part(&source.name));
    Ok(Import {
        backup,
        subset,
        parts,
        notes,
        taken,
        description,
        landed,
        checked,
        stripped,
        has_unknown_root,
        warnings,
    })
}

/// When the backup was taken, which must not be later than `now`.
fn taken(
    order: &ImportOptions,
    backup: &Backup,
    survey: &Survey,
    records: &[Record],
    now: Timestamp,
) -> Result<BackupTime, Error> {
    let Some(taken) = taken::taken(order.taken, &backup.name(), survey, records.first()) else {
        // Nothing in it has a time, for there is nothing in it.
        return Err(Error::Empty {
            path: backup.path.clone(),
            strip: 0,
        });
    };
    if taken.time > now {
        return Err(Error::Future {
            path: backup.path.clone(),
            taken: taken.time,
            from: taken.to_string(),
        });
    }
    Ok(taken)
}

/// The folder that all names begin with, if it is called after a time and `--strip` was not given: names are
/// used without it.
fn stripped(order: &ImportOptions, survey: &Survey) -> Option<String> {
    let dated = survey
        .only_folder()
        .filter(|folder| taken::moment_in(folder).is_some());
    match order.landing.strip {
        None => dated.map(escape),
        Some(_) => None,
    }
}

/// Whether nothing says where on the host the backup belongs, and its top does not look like the root of a
/// file system.
fn has_unknown_root(order: &ImportOptions, survey: &Survey, strip: usize) -> bool {
    let tops = survey.tops(strip);
    order.landing.at.is_none()
        && order.landing.maps.is_empty()
        && !tops.iter().any(|top| TOPS_OF_HOSTS.contains(top))
}

/// What the operator wrote, else what a record of the backup says, else where it came from.
fn description(order: &ImportOptions, backup: &Backup, records: &[Record]) -> String {
    let recorded = || {
        let mut records = records.iter();
        records.find_map(|record| record.description.clone())
    };
    let given = order.description.clone();
    given
        .or_else(recorded)
        .unwrap_or_else(|| format!("imported from {}", escape(backup.name().as_bytes())))
}

fn unread_list(list: &RemotePath) -> String {
    format!(
        "{} is not a valid checksum list, so files were not verified",
        escape(list.member())
    )
}

/// The parts in the making.
struct Parts<'a> {
    order: &'a ImportOptions,
    host: &'a Host,
    own_part: SourceName,
    parts: BTreeMap<SourceName, Planned>,
    landed: BTreeMap<(RemotePath, SourceName), Totals>,
}

impl Parts<'_> {
    /// Puts a member of the backup where it belongs.
    fn take(&mut self, member: Member, rules: &Rules, backup: &Backup) -> Result<(), Error> {
        let nowhere = |path: &RemotePath| Error::Place {
            path: backup.path.clone(),
            member: path.clone(),
        };
        let from = member.head.path.clone();
        let (to, rule) = match rules.place(&from) {
            Place::At(to, rule) => (to, rule),
            Place::Above => return Ok(()),
            Place::Nowhere => return Err(nowhere(&from)),
        };
        let name = match &self.order.landing.part {
            Some(part) => part.clone(),
            None => part_of(self.host, &to).unwrap_or_else(|| self.own_part.clone()),
        };
        let part = self.parts.entry(name.clone()).or_insert_with(|| Planned {
            name: name.clone(),
            members: Vec::new(),
            places: HashMap::new(),
            roots: Vec::new(),
            holders: Vec::new(),
            totals: Totals::default(),
        });
        let landed = self.landed.entry((rule, name)).or_default();
        let mut member = member;
        let mut is_file = false;
        match &mut member.head.kind {
            Kind::HardLink { target } => {
                let Place::At(to, _) = rules.place(target) else {
                    return Err(nowhere(target));
                };
                *target = to;
                is_file = true;
            }
            Kind::File { size_bytes } => {
                landed.bytes += *size_bytes;
                is_file = true;
            }
            Kind::Directory
            | Kind::Symlink { .. }
            | Kind::Fifo
            | Kind::CharDevice { .. }
            | Kind::BlockDevice { .. } => {}
        }
        landed.files += u64::from(is_file);
        member.head.path = to.clone();
        part.places.insert(from, to);
        part.members.push(member);
        Ok(())
    }

    /// Where files land, and the parts in the inventory's order, each proven to be a tree.
    fn finish(self, backup: &Backup) -> Result<(Vec<MappedRoot>, Vec<Planned>), Error> {
        let mut parts: Vec<Planned> = self.parts.into_values().collect();
        let place = |part: &Planned| {
            let mut sources = self.host.sources.iter();
            sources
                .position(|source| source.name == part.name)
                .unwrap_or(usize::MAX)
        };
        parts.sort_by_key(|part| place(part));
        for part in &mut parts {
            let rules = self.landed.keys().filter(|(_, name)| *name == part.name);
            let rules: BTreeSet<&RemotePath> = rules.map(|(rule, _)| rule).collect();
            part.settle(&rules).map_err(|source| Error::Tree {
                path: backup.path.clone(),
                source,
            })?;
        }
        let shapes = parts.iter().flat_map(Planned::shapes);
        tree::check_together(shapes).map_err(|source| Error::Tree {
            path: backup.path.clone(),
            source,
        })?;
        let landed = self
            .landed
            .into_iter()
            .filter(|(_, totals)| totals.files > 0);
        let landed = landed.map(|((at, part), totals)| MappedRoot {
            at,
            part,
            files: totals.files,
            bytes: totals.bytes,
        });
        Ok((landed.collect(), parts))
    }
}

impl Planned {
    /// Sorts the members, finds the roots and counts.
    fn settle(&mut self, rules: &BTreeSet<&RemotePath>) -> Result<(), tree::Error> {
        self.members.sort_by(|a, b| a.head.path.cmp(&b.head.path));
        let directories: BTreeSet<&RemotePath> = self
            .members
            .iter()
            .filter(|member| member.head.kind == Kind::Directory)
            .map(|member| &member.head.path)
            .collect();
        let mut holders = BTreeSet::new();
        let mut tops = BTreeSet::new();
        for member in &self.members {
            let path = &member.head.path;
            let parent = path.parent();
            if parent
                .as_ref()
                .is_some_and(|parent| directories.contains(parent))
            {
                continue;
            }
            holders.extend(parent);
            let by_rule = rules.iter().filter(|rule| rule.parent().is_some());
            let by_rule = by_rule.filter(|rule| path.is_within(rule));
            let deepest = by_rule.max_by_key(|rule| rule.as_bytes().len());
            tops.insert(deepest.map_or(path, |rule| *rule).clone());
        }
        self.roots = if tops.len() > ROOTS_MAX {
            common(&tops).into_iter().collect()
        } else {
            tops.into_iter().collect()
        };
        self.holders = holders.into_iter().collect();
        tree::check(&self.holders, self.shapes())?;
        let mut totals = Totals::default();
        for (_, kind) in self.kinds() {
            if let Some(
                EntryKind::File { size_bytes, .. } | EntryKind::HardLink { size_bytes, .. },
            ) = kind
            {
                totals.files += 1;
                totals.bytes += size_bytes;
            }
        }
        self.totals = totals;
        Ok(())
    }

    /// Each member, as far as the places of others depend on it.
    fn shapes(&self) -> impl Iterator<Item = (&RemotePath, Shape<'_>)> {
        self.members.iter().map(|member| {
            let shape = match &member.head.kind {
                Kind::Directory => Shape::Directory,
                Kind::File { .. } => Shape::File,
                Kind::HardLink { target } => Shape::Link(target),
                Kind::Symlink { .. }
                | Kind::Fifo
                | Kind::CharDevice { .. }
                | Kind::BlockDevice { .. } => Shape::Other,
            };
            (&member.head.path, shape)
        })
    }

    /// Each member, and what its entry will be.
    fn kinds(&self) -> impl Iterator<Item = (&Member, Option<EntryKind>)> {
        let files: HashMap<&RemotePath, (u64, Sha256)> = self
            .members
            .iter()
            .filter_map(|member| {
                let Kind::File { size_bytes } = member.head.kind else {
                    return None;
                };
                Some((&member.head.path, (size_bytes, member.sha256?)))
            })
            .collect();
        self.members.iter().map(move |member| {
            (
                member,
                member.entry_kind(|target| files.get(target).copied()),
            )
        })
    }

    /// Whether `sealed` has this part with the very same entries.
    pub(super) fn is_in(&self, sealed: &SealedCheckpoint) -> bool {
        let Ok(mut entries) = sealed.entries(&self.name) else {
            return false;
        };
        let all_same = self.kinds().all(|(member, kind)| {
            let Some(Ok(entry)) = entries.next() else {
                return false;
            };
            Some(&entry.kind) == kind.as_ref()
                && entry.path == member.head.path
                && entry.mode == member.head.mode
                && entry.owner == member.head.owner
                && entry.mtime == member.head.mtime
        });
        all_same && entries.next().is_none()
    }
}

/// The deepest folder that holds all of `paths`.
fn common(paths: &BTreeSet<RemotePath>) -> Option<RemotePath> {
    let mut folder = paths.first()?.parent()?;
    while let Some(path) = paths.iter().find(|path| !path.is_within(&folder)) {
        debug_assert!(path.parent().is_some());
        folder = folder.parent()?;
    }
    Some(folder)
}
