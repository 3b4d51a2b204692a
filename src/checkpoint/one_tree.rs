//! Checks that the entries of all parts of a checkpoint form one tree, and takes out what does not fit.
//!
//! Each part was checked when it was built, but its source was read at a moment of its own, by a host
//! that may be hostile: one source can hold a symbolic link where another one has files beneath it. An
//! extractor would write those through the link. So no entry may be beneath a path that any part has
//! as something other than a directory, and a path that two parts have is of one type in both. The later
//! part of two that contradict each other fails and loses what does not fit.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashSet};

use crate::digest::Sha256;
use crate::fault::{Code, Problem};
use crate::manifest::{Entry, EntryKind, FileType, PartState};
use crate::name::{RemotePath, SourceName};
use crate::tarstream::tree::Blockers;

use crate::intake::kept::KeptEntry;
use crate::intake::part::{Content, Outcome};
use crate::units::{NAMED_MAX, listing};

/// An entry of one part.
#[derive(Debug, Clone, Copy)]
struct Item<'a> {
    path: &'a RemotePath,
    part: usize,
    kind: FileType,
    /// Of a regular file under its first name.
    sha256: Option<Sha256>,
}

impl<'a> Item<'a> {
    fn kept(part: usize, entry: &'a KeptEntry) -> Self {
        Self {
            path: &entry.path,
            part,
            kind: entry.kind,
            sha256: entry.sha256,
        }
    }

    fn fresh(part: usize, entry: &'a Entry) -> Self {
        let sha256 = match entry.kind {
            EntryKind::File { sha256, .. } => Some(sha256),
            EntryKind::HardLink { .. }
            | EntryKind::Directory
            | EntryKind::Symlink { .. }
            | EntryKind::Fifo
            | EntryKind::Socket
            | EntryKind::CharDevice { .. }
            | EntryKind::BlockDevice { .. } => None,
        };
        Self {
            path: &entry.path,
            part,
            kind: entry.kind.file_type(),
            sha256,
        }
    }
}

/// The entries of all parts by path, those of one path by part.
struct Merged<'a> {
    streams: Vec<Box<dyn Iterator<Item = Item<'a>> + 'a>>,
    next: BinaryHeap<Reverse<(&'a RemotePath, usize, usize)>>,
    items: Vec<Option<Item<'a>>>,
}

impl<'a> Merged<'a> {
    fn new(contents: impl Iterator<Item = &'a Content>) -> Self {
        let mut merged = Self {
            streams: Vec::new(),
            next: BinaryHeap::new(),
            items: Vec::new(),
        };
        for (part, content) in contents.enumerate() {
            let kept = content.kept.iter().flat_map(|kept| &kept.entries);
            merged.add(Box::new(kept.map(move |entry| Item::kept(part, entry))));
            let fresh = content.fresh.iter();
            merged.add(Box::new(fresh.map(move |entry| Item::fresh(part, entry))));
        }
        merged
    }

    fn add(&mut self, stream: Box<dyn Iterator<Item = Item<'a>> + 'a>) {
        self.streams.push(stream);
        self.items.push(None);
        self.advance(self.streams.len() - 1);
    }

    fn advance(&mut self, stream: usize) {
        let item = self.streams[stream].next();
        if let Some(item) = &item {
            self.next.push(Reverse((item.path, item.part, stream)));
        }
        self.items[stream] = item;
    }
}

impl<'a> Iterator for Merged<'a> {
    type Item = Item<'a>;

    fn next(&mut self) -> Option<Item<'a>> {
        let Reverse((_, _, stream)) = self.next.pop()?;
        let item = self.items[stream];
        self.advance(stream);
        item
    }
}

/// What is wrong with one part.
#[derive(Debug, Default)]
struct Faults {
    /// What does not fit is taken out.
    out: HashSet<RemotePath>,
    /// The first contradiction, in words.
    first: String,
    /// Files that an earlier part has with other content.
    other_content: Vec<RemotePath>,
    other_content_count: usize,
    /// The part that has the first of those.
    other_part: usize,
}

/// Finds contradictions between parts, in their order.
struct Check {
    names: Vec<SourceName>,
    /// Of files of these parts only lines are kept.
    extracts: Vec<bool>,
    faults: BTreeMap<usize, Faults>,
}

impl Check {
    fn run(&mut self, merged: Merged<'_>) {
        let mut blockers: Blockers<(usize, FileType)> = Blockers::new();
        let mut group: Vec<Item<'_>> = Vec::new();
        for item in merged {
            if group.first().is_some_and(|first| first.path != item.path) {
                self.judge(&group, &mut blockers);
                group.clear();
            }
            group.push(item);
        }
        self.judge(&group, &mut blockers);
    }

    /// Judges what the parts have at one path.
    fn judge(&mut self, group: &[Item<'_>], blockers: &mut Blockers<(usize, FileType)>) {
        let mut first: Option<Item<'_>> = None;
        for &item in group {
            if self.is_blocked(item, blockers) {
                continue;
            }
            let Some(first) = first else {
                first = Some(item);
                continue;
            };
            if first.kind != item.kind {
                let text = format!(
                    "`{}` is {} here and {} in source `{}`",
                    item.path,
                    item.kind.with_article(),
                    first.kind.with_article(),
                    self.names[first.part]
                );
                self.take_out(item.part, item.path, text);
            } else if let (Some(one), Some(other)) = (first.sha256, item.sha256)
                && one != other
                && !self.extracts[first.part]
                && !self.extracts[item.part]
            {
                let faults = self.faults.entry(item.part).or_default();
                if faults.other_content_count == 0 {
                    faults.other_part = first.part;
                }
                faults.other_content_count += 1;
                if faults.other_content.len() < NAMED_MAX {
                    faults.other_content.push(item.path.clone());
                }
            }
        }
        if let Some(first) = first
            && first.kind != FileType::Directory
        {
            blockers.add(first.path.clone(), (first.part, first.kind));
        }
    }

    /// Whether the item is taken out for what is above it. Where that belongs to a later part, it goes
    /// itself.
    fn is_blocked(&mut self, item: Item<'_>, blockers: &mut Blockers<(usize, FileType)>) -> bool {
        while let Some((above, (part, kind))) = blockers.above(item.path) {
            let (above, part, kind) = (above.clone(), *part, *kind);
            let beneath = format!("`{}` lies beneath `{above}`", item.path);
            if part <= item.part {
                let owner = &self.names[part];
                let text = format!(
                    "{beneath}, which is {} in source `{owner}`",
                    kind.with_article()
                );
                self.take_out(item.part, item.path, text);
                return true;
            }
            let owner = &self.names[item.part];
            let text = format!(
                "`{above}` is {} here, and source `{owner}` has `{}` beneath it",
                kind.with_article(),
                item.path
            );
            self.take_out(part, &above, text);
            blockers.remove(&above);
        }
        false
    }

    fn take_out(&mut self, part: usize, path: &RemotePath, text: String) {
        let faults = self.faults.entry(part).or_default();
        if faults.out.is_empty() {
            faults.first = text;
        }
        faults.out.insert(path.clone());
    }
}

/// Makes one tree of the parts in `outcomes`: the later of two parts that contradict each other fails,
/// and loses what does not fit. Returns a message for each part that changed.
pub(super) fn settle(outcomes: &mut [Outcome]) -> Vec<(SourceName, String)> {
    let parts = outcomes.iter().map(|outcome| &outcome.part);
    let mut check = Check {
        names: parts.clone().map(|part| part.name.clone()).collect(),
        extracts: parts.map(|part| part.lines.is_some()).collect(),
        faults: BTreeMap::new(),
    };
    check.run(Merged::new(outcomes.iter().map(|outcome| &outcome.content)));
    let mut told = Vec::new();
    for (part, faults) in check.faults {
        let outcome = &mut outcomes[part];
        let name = outcome.part.name.clone();
        if faults.other_content_count > 0 {
            let count = faults.other_content_count;
            let warning = format!(
                "{count} {} not what source `{}` has read of the same path; exports take that: {}",
                if count == 1 { "file is" } else { "files are" },
                check.names[faults.other_part],
                listing(count, &faults.other_content)
            );
            outcome.part.warnings.push(warning.clone());
            if outcome.part.state == PartState::Complete {
                outcome.part.state = PartState::Warned;
            }
            told.push((name.clone(), warning));
        }
        if !faults.out.is_empty() {
            let failure = contradiction(&faults);
            told.push((name, failure.message.clone()));
            outcome.content.take_out(faults.out);
            outcome.recount();
            outcome.fail(failure);
        }
    }
    // A part that has failed may have lost what others of its entries lead to.
    for outcome in outcomes {
        if outcome.part.state == PartState::Failed && outcome.content.take_out(HashSet::new()) {
            outcome.recount();
        }
    }
    told
}

fn contradiction(faults: &Faults) -> Problem {
    let more = match faults.out.len() - 1 {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    let message = format!(
        "it can't be put into one tree with what other sources hold: {}{more}",
        faults.first
    );
    let hint = "The tree changed between the two readings, or the host sent what it does not have. Run \
                the command again.";
    Problem::in_part(Code::SourcesContradict, message, Some(hint.to_owned()))
}

impl Content {
    /// Takes out the entries at `paths`, and further names of what is not there. Gives whether anything
    /// went.
    fn take_out(&mut self, paths: HashSet<RemotePath>) -> bool {
        let before = self.entries();
        let kept = self.kept.iter_mut();
        for kept in kept {
            kept.entries.retain(|entry| !paths.contains(&entry.path));
        }
        self.fresh.retain(|entry| !paths.contains(&entry.path));
        drop(paths);
        let kept = self.kept.iter().flat_map(|kept| &kept.entries);
        let firsts: HashSet<RemotePath> = kept
            .filter_map(|entry| entry.first_name.as_deref())
            .chain(self.fresh.iter().filter_map(Entry::link_target))
            .cloned()
            .collect();
        if !firsts.is_empty() {
            let kept = self.kept.iter().flat_map(|kept| &kept.entries);
            let there: HashSet<&RemotePath> = kept
                .filter(|entry| entry.first_name.is_none())
                .map(|entry| &entry.path)
                .chain(
                    self.fresh
                        .iter()
                        .filter(|entry| entry.link_target().is_none())
                        .map(|entry| &entry.path),
                )
                .filter(|path| firsts.contains(*path))
                .collect();
            let gone: HashSet<RemotePath> = firsts
                .iter()
                .filter(|first| !there.contains(first))
                .cloned()
                .collect();
            if let Some(kept) = &mut self.kept {
                kept.entries.retain(|entry| {
                    let first = entry.first_name.as_deref();
                    !first.is_some_and(|first| gone.contains(first))
                });
            }
            self.fresh.retain(|entry| {
                let first = entry.link_target();
                !first.is_some_and(|first| gone.contains(first))
            });
        }
        if self
            .kept
            .as_ref()
            .is_some_and(|kept| kept.entries.is_empty())
        {
            self.kept = None;
        }
        self.entries() != before
    }
}

#[cfg(test)]
mod tests;
