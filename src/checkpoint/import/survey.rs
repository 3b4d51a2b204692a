//! What is in a backup, found by reading it once from end to end.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::backup::Backup;
use super::{Error, Wish};
use crate::manifest::FileTime;
use crate::name::RemotePath;
use crate::tarstream::{Event, Head, Kind, Member, MemberStream};

/// More than any backup of one host has; each takes some hundred bytes of memory.
const MEMBERS_MAX: usize = 5_000_000;
/// Files that the old systems write about their backups are no larger.
const TEXT_MAX_BYTES: u64 = 8 << 20;
/// Nor do they lie deeper than beneath one folder of the backup's own, and one in that.
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
    pub(super) fn of(backup: &Backup, stop: &Wish) -> Result<Self, Error> {
        let mut stream = MemberStream::of_archive(backup.stream(stop)?);
        let mut survey = Self::default();
        let mut text: Option<Vec<u8>> = None;
        loop {
            let event = stream.next();
            match event.map_err(|error| Error::of_stream(&backup.path, error))? {
                Event::Begin { head, .. } => text = is_text(head).then(Vec::new),
                Event::Data(bytes) => {
                    if let Some(text) = &mut text {
                        text.extend_from_slice(bytes);
                    }
                }
                Event::End(member) => {
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

    /// A further name of a link or a pipe is told as a hard link, and kept as what it is.
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
