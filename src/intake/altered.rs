//! Compares what tar sent with what the scan saw: type, mode, owner, modification time, size, link
//! text and hard links.
//!
//! A `tar` that is wrapped, or that takes options from its environment, can send entries that are not
//! the host's. Whatever differs is scanned once more after the fetch: if the host still reports what
//! the first scan reported (change time and inode number included), then tar altered the entry, and
//! the part fails. If the host reports something else by now, then the entry changed meanwhile, and it
//! is fetched again next time.

use std::collections::HashMap;

use crate::guard::{FactsFrom, ReadCommand};
use crate::inventory::glob::Walk;
use crate::manifest::{FileTime, FileType};
use crate::name::{RemotePath, escape};
use crate::source::scan::{Facts, Found};
use crate::ssh::ReadSession;
use crate::tarstream::{Head, Kind};

use crate::intake::receive::Received;
use crate::scan::directory::{self, ScanError};
use crate::units::NAMED_MAX;

/// So many entries are scanned again by one command, which starts one `find` for each.
const BATCH_MAX: usize = 64;

/// The paths of one command take no more room than this: some servers accept 9,000 bytes in all.
const BATCH_MAX_BYTES: usize = 6000;

/// If the first thousand that differ have all changed on the host, then so have the others.
const BATCHES_MAX: usize = 16;

/// One entry that tar sent otherwise than the scan saw it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Mismatch {
    path: RemotePath,
    /// What the scan saw.
    facts: Facts,
    /// What differs, for people.
    what: Vec<String>,
}

/// Entries that tar altered on their way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Altered {
    /// How many, as far as it is known.
    pub(crate) count: usize,
    /// The first of them, each with what differs.
    pub(crate) first: Vec<String>,
}

/// The entries of `received` that are not what the scan saw of them. `wanted` is sorted by path. Where
/// `find` reports only names, there is nothing to compare.
pub(crate) fn mismatches(wanted: &[Found], received: &Received) -> Vec<Mismatch> {
    let facts_of = |path: &RemotePath| {
        let at = wanted.binary_search_by(|found| found.path.cmp(path)).ok()?;
        wanted[at].facts.as_ref()
    };
    let mut first_names: HashMap<(u64, u64), &RemotePath> = HashMap::new();
    let mut mismatches = Vec::new();
    for (member, _) in &received.members {
        let head = &member.head;
        let Some(facts) = facts_of(&head.path) else {
            continue;
        };
        let sent_bytes = received.sent_bytes.get(&head.path).copied();
        let mut what = differences(facts, head, sent_bytes);
        what.extend(match &head.kind {
            Kind::File { .. } if facts.kind == FileType::File && facts.mark.links > 1 => {
                let first = first_names.insert(inode(facts), &head.path);
                first.map(|first| format!("a file of its own instead of a hard link to {first}"))
            }
            Kind::HardLink { target } if facts.kind == FileType::File => facts_of(target)
                .filter(|of_target| inode(of_target) != inode(facts))
                .map(|_| format!("a hard link to {target}, which is another file")),
            Kind::File { .. }
            | Kind::HardLink { .. }
            | Kind::Directory
            | Kind::Symlink { .. }
            | Kind::Fifo
            | Kind::CharDevice { .. }
            | Kind::BlockDevice { .. } => None,
        });
        if !what.is_empty() {
            mismatches.push(Mismatch {
                path: head.path.clone(),
                facts: facts.clone(),
                what,
            });
        }
    }
    mismatches
}

fn inode(facts: &Facts) -> (u64, u64) {
    (facts.mark.device, facts.mark.inode)
}

/// What the headers of a member report otherwise than the scan.
fn differences(facts: &Facts, head: &Head, sent_bytes: Option<u64>) -> Vec<String> {
    let kind = head.kind.file_type();
    if kind != facts.kind {
        return vec![format!(
            "{} instead of {}",
            kind.with_article(),
            facts.kind.with_article()
        )];
    }
    let mut what = metadata(facts, head);
    match &head.kind {
        Kind::File { size_bytes } => {
            let sent = sent_bytes.unwrap_or(*size_bytes);
            if sent != facts.mark.size_bytes {
                let seen = facts.mark.size_bytes;
                what.push(format!("{sent} bytes instead of {seen}"));
            }
        }
        Kind::Symlink { target } if *target != facts.link => {
            let (sent, seen) = (escape(target), escape(&facts.link));
            what.push(format!("a link to {sent} instead of {seen}"));
        }
        Kind::Symlink { .. }
        | Kind::HardLink { .. }
        | Kind::Directory
        | Kind::Fifo
        | Kind::CharDevice { .. }
        | Kind::BlockDevice { .. } => {}
    }
    what
}

fn metadata(facts: &Facts, head: &Head) -> Vec<String> {
    let mut what = Vec::new();
    if head.mode != facts.mode {
        what.push(format!(
            "mode {:04o} instead of {:04o}",
            head.mode, facts.mode
        ));
    }
    let (owner, seen) = ((head.owner.uid, head.owner.gid), (facts.uid, facts.gid));
    if owner != seen {
        what.push(format!(
            "owner {}:{} instead of {}:{}",
            owner.0, owner.1, seen.0, seen.1
        ));
    }
    if !is_time(head.mtime, facts.mark.mtime) {
        what.push(format!(
            "time {} instead of {}",
            head.mtime, facts.mark.mtime
        ));
    }
    what
}

/// Whether an archive tells this time. Some tars write whole seconds only.
fn is_time(sent: FileTime, seen: FileTime) -> bool {
    sent == seen || (sent.nanoseconds == 0 && sent.seconds == seen.seconds)
}

/// Scans what differs once more. Gives what tar altered; none if all of it changed on the host.
///
/// # Errors
///
/// [`ScanError`] if the host does not answer.
///
/// # Cancel
///
/// Dropping the future leaves nothing behind.
pub(crate) async fn judge(
    mismatches: &[Mismatch],
    sudo: bool,
    session: &ReadSession,
) -> Result<Option<Altered>, ScanError> {
    let (mut rest, mut changed) = (mismatches, 0);
    for _ in 0..BATCHES_MAX {
        if rest.is_empty() {
            break;
        }
        let batch;
        (batch, rest) = rest.split_at(batch_length(rest));
        let now = scan_again(batch, sudo, session).await?;
        let altered: Vec<&Mismatch> = batch
            .iter()
            .filter(|mismatch| {
                now.get(&mismatch.path)
                    .is_some_and(|now| is_same(now, &mismatch.facts))
            })
            .collect();
        changed += batch.len() - altered.len();
        if !altered.is_empty() {
            let named = altered.iter().take(NAMED_MAX);
            let named = named.map(|one| format!("{} ({})", one.path, one.what.join(", ")));
            return Ok(Some(Altered {
                count: mismatches.len() - changed,
                first: named.collect(),
            }));
        }
    }
    Ok(None)
}

fn batch_length(rest: &[Mismatch]) -> usize {
    let mut bytes = 0;
    let fits = rest.iter().take(BATCH_MAX).take_while(|mismatch| {
        bytes += mismatch.path.as_bytes().len();
        bytes <= BATCH_MAX_BYTES
    });
    fits.count().max(1)
}

async fn scan_again(
    batch: &[Mismatch],
    sudo: bool,
    session: &ReadSession,
) -> Result<HashMap<RemotePath, Facts>, ScanError> {
    let paths: Vec<RemotePath> = batch.iter().map(|one| one.path.clone()).collect();
    let walks = paths.iter().map(|path| Walk {
        from: path.clone(),
        depth_min: 0,
        depth_max: Some(0),
        name: None,
    });
    let command = ReadCommand::ScanFiles {
        walks: walks.collect(),
        facts: FactsFrom::Find,
    };
    // What is gone by now is not found, and that is all that its exit status would say.
    let listing = directory::list(&command, &paths, sudo, session).await?;
    let found = listing.found.into_iter();
    Ok(found
        .filter_map(|found| Some((found.path, found.facts?)))
        .collect())
}

/// Whether the host still reports what it reported. Change times move with every change of content
/// or metadata, so that an entry that was changed and changed back is not the same.
fn is_same(now: &Facts, before: &Facts) -> bool {
    (now.kind, now.mode, now.uid, now.gid) == (before.kind, before.mode, before.uid, before.gid)
        && now.mark == before.mark
        && now.link == before.link
}

#[cfg(test)]
mod tests;
