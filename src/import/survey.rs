//! Surveys a backup: reads it once from end to end, and lists its contents.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::Error;
use super::backup::Backup;
use crate::interrupt::Interrupt;
use crate::manifest::FileTime;
use crate::name::RemotePath;
use crate::tarstream::{self, Event, Head, Kind, Member, MemberStream};

/// More than any backup of one host has; each takes some hundred bytes of memory.
const MEMBERS_MAX: usize = 5_000_000;
/// So much memory the names of any backup may take,
const NAMES_FREE_BYTES: usize = 32 << 20;
/// and so many times its own size those of a larger one: a name of real backups takes a few dozen bytes
/// even when it is compressed,
const NAMES_TIMES_MAX: usize = 128;
/// but never more than this.
const NAMES_MAX_BYTES: usize = 1 << 30;
/// So much of texts is read in all.
const TEXTS_MAX_BYTES: usize = 16 << 20;
/// Files that the old systems write about their backups are no larger.
const TEXT_MAX_BYTES: u64 = 8 << 20;
/// Nor are they deeper than beneath one folder of the backup's own, and one in that.
const TEXT_DEPTH_MAX: usize = 3;
/// What the old systems call what they write about their backups.
const TEXTS: [&str; 7] = [
    "MANIFEST.txt",
    "CHECKPOINT_INFO.txt",
    "sha256sums.txt",
    "SHA256SUMS",
    "SHA256SUMS.txt",
    "sha256sum.txt",
    "checksums.sha256",
];

/// What is in a backup.
#[derive(Debug, Default)]
pub(super) struct Survey {
    /// In the backup's order; names begin with `/` and are relative to it.
    pub(super) members: Vec<Member>,
    /// What its system may have written about it.
    pub(super) texts: BTreeMap<RemotePath, Vec<u8>>,
}

impl Survey {
    /// Reads `backup`. What is no harmless archive is refused.
    pub(super) fn of(backup: &Backup, interrupt: &Interrupt) -> Result<Self, Error> {
        let mut stream = MemberStream::of_archive(backup.stream(interrupt)?);
        let mut survey = Self::default();
        let mut text: Option<Vec<u8>> = None;
        let names_max_bytes = names_max_bytes(backup);
        let (mut names_bytes, mut texts_bytes, mut hole_bytes) = (0, 0, 0_u64);
        loop {
            let event = stream.next();
            match event.map_err(|error| Error::of_stream(&backup.path, error))? {
                Event::Begin { head, .. } => {
                    text = is_text(head).then(Vec::new);
                    hole_bytes = hole_bytes.saturating_add(head.hole_bytes());
                    if hole_bytes > tarstream::HOLES_PART_MAX_BYTES {
                        return Err(Error::Holes {
                            path: backup.path.clone(),
                            member: head.path.clone(),
                        });
                    }
                    names_bytes += head.held_bytes() + BESIDE_BYTES;
                    if names_bytes > names_max_bytes {
                        return Err(Error::Names {
                            path: backup.path.clone(),
                            max_bytes: names_max_bytes,
                        });
                    }
                }
                Event::Data(bytes) => {
                    if let Some(text) = &mut text {
                        texts_bytes += bytes.len();
                        if texts_bytes > TEXTS_MAX_BYTES {
                            return Err(Error::Texts {
                                path: backup.path.clone(),
                                max_bytes: TEXTS_MAX_BYTES,
                            });
                        }
                        text.extend_from_slice(bytes);
                    }
                }
                Event::Hole(_) => {
                    if interrupt.is_raised() {
                        let path = backup.path.clone();
                        return Err(Error::Stopped { path });
                    }
                }
                Event::End(member) => {
                    names_bytes += if member.extended.is_empty() {
                        0
                    } else {
                        EXTENDED_BYTES
                    };
                    if let (Some(mut text), Kind::File { size_bytes }) =
                        (text.take(), &member.head.kind)
                    {
                        text.truncate(usize::try_from(*size_bytes).unwrap_or(usize::MAX));
                        survey.texts.insert(member.head.path.clone(), text);
                    }
                    survey.members.push(member);
                    if survey.members.len() > MEMBERS_MAX {
                        return Err(Error::TooMany {
                            path: backup.path.clone(),
                            max: MEMBERS_MAX,
                        });
                    }
                }
                Event::Finished => break,
            }
        }
        survey.resolve_links();
        Ok(survey)
    }

    /// A further name of a link or a pipe comes as a hard link, and kept as what it is.
    fn resolve_links(&mut self) {
        let mut others: HashMap<RemotePath, Kind> = HashMap::new();
        for member in &mut self.members {
            match &member.head.kind {
                Kind::HardLink { target } => {
                    if let Some(kind) = others.get(target) {
                        member.head.kind = kind.clone();
                    }
                }
                kind @ (Kind::Symlink { .. }
                | Kind::Fifo
                | Kind::CharDevice { .. }
                | Kind::BlockDevice { .. }) => {
                    others.insert(member.head.path.clone(), kind.clone());
                }
                Kind::File { .. } | Kind::Directory => {}
            }
        }
    }

    /// The only thing at the top, if it is a folder (which need not be a member itself).
    pub(super) fn only_folder(&self) -> Option<&[u8]> {
        let mut only = None;
        for member in &self.members {
            let path = member.head.path.member();
            let mut parts = path.splitn(2, |&b| b == b'/');
            let first = parts.next().filter(|first| !first.is_empty());
            let Some(first) = first else { continue };
            let is_within = parts.next().is_some();
            if !is_within && member.head.kind != Kind::Directory {
                return None;
            }
            if *only.get_or_insert(first) != first {
                return None;
            }
        }
        only
    }

    /// The names at the top, once so many folders were taken off; each once.
    pub(super) fn tops(&self, strip: usize) -> BTreeSet<&[u8]> {
        let members = self.members.iter();
        members
            .filter_map(|member| member.head.path.member().split(|&b| b == b'/').nth(strip))
            .collect()
    }

    /// When what was last changed in it was.
    pub(super) fn newest(&self) -> Option<FileTime> {
        let files = self.members.iter().filter(|m| m.sha256.is_some());
        let times = files.map(|member| member.head.mtime);
        times.max_by_key(|time| (time.seconds, time.nanoseconds))
    }
}

/// What is known of a member beside its head: a digest, and that its name was seen.
const BESIDE_BYTES: usize = 64;
/// The digests of its attributes, if it has any.
const EXTENDED_BYTES: usize = 160;

/// How much memory the names in `backup` may take, counted once.
fn names_max_bytes(backup: &Backup) -> usize {
    let Some(packed_bytes) = backup.packed_bytes() else {
        return NAMES_MAX_BYTES;
    };
    usize::try_from(packed_bytes)
        .unwrap_or(usize::MAX)
        .saturating_mul(NAMES_TIMES_MAX)
        .clamp(NAMES_FREE_BYTES, NAMES_MAX_BYTES)
}

fn is_text(head: &Head) -> bool {
    let depth = head.path.member().split(|&b| b == b'/').count();
    let is_named = TEXTS
        .iter()
        .any(|name| head.path.file_name() == name.as_bytes());
    // What is sparse is no text, and begins with its map.
    let is_small = matches!(head.kind, Kind::File { size_bytes }
        if size_bytes <= TEXT_MAX_BYTES && size_bytes <= head.stored_bytes);
    is_named && is_small && depth <= TEXT_DEPTH_MAX
}
