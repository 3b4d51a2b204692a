//! Restores sources of which just lines are kept: those lines are replaced in the files as they are on the
//! host, and all other lines stay.

use std::collections::HashMap;
use std::sync::Arc;

use super::Error;
use super::accounts::Accounts;
use super::plan::compare::{Action, Differences, Item, Terms};
use super::plan::merged::PartEntry;
use super::sources::RestoredPart;
use crate::blocking::blocking;
use crate::digest::Sha256;
use crate::manifest::{Entry, EntryKind, FileType};
use crate::name::RemotePath;
use crate::scan::unsized_files;
use crate::source::lines::Lines;
use crate::source::scan::Found;
use crate::ssh::ReadSession;
use crate::store::{self, Entries, SealedCheckpoint};

/// A file whose lines differ.
struct Differing {
    wanted: Entry,
    lines: Vec<u8>,
    live: Option<Entry>,
}

/// Adds what differs of `part` to `differences`. `live` are its entries on the target.
///
/// # Errors
///
/// [`Error::Store`] if the checkpoint can't be read, [`Error::Ssh`] and [`Error::Ground`] if the files on the
/// host can't.
pub(super) async fn compare(
    checkpoint: &Arc<SealedCheckpoint>,
    part: &RestoredPart,
    live: Option<Entries>,
    (terms, accounts): (&Terms, &Accounts),
    session: &ReadSession,
    differences: &mut Differences,
) -> Result<(), Error> {
    let Some(Ok(lines)) = part.part.lines.as_deref().map(Lines::new) else {
        return Ok(());
    };
    let (sealed, name, meant) = (
        Arc::clone(checkpoint),
        part.part.name.clone(),
        terms.clone(),
    );
    let (differing, unchanged) = blocking(move || differing(&sealed, &name, live, &meant)).await?;
    differences.meant += differing.len() as u64 + unchanged;
    *differences
        .unchanged
        .entry(part.part.name.clone())
        .or_default() += unchanged;
    let there = differing.iter().filter(|one| one.live.is_some());
    let asked: Vec<Found> = there
        .map(|one| Found {
            path: one.wanted.path.clone(),
            facts: None,
        })
        .collect();
    let read = unsized_files::read(asked, part.source.sudo, session).await;
    if let Some(error) = read.lost {
        return Err(error.into());
    }
    if let Some(problem) = read.failure {
        return Err(Error::Ground(problem.line().into()));
    }
    let contents = read.read.into_iter();
    let mut contents: HashMap<RemotePath, Vec<u8>> = contents
        .map(|file| (file.found.path, file.content))
        .collect();
    for one in differing {
        let content = contents.remove(&one.wanted.path).unwrap_or_default();
        let content = lines.replaced(&content, &one.lines);
        differences.items.push(item(one, &content, part, accounts));
    }
    differences.items.sort_by(|a, b| a.path().cmp(b.path()));
    Ok(())
}

/// The files of the checkpoint whose lines are others on the target, and how many are not.
fn differing(
    checkpoint: &SealedCheckpoint,
    part: &crate::name::SourceName,
    live: Option<Entries>,
    terms: &Terms,
) -> Result<(Vec<Differing>, u64), store::Error> {
    let mut there: HashMap<RemotePath, Entry> = HashMap::new();
    for entry in live.into_iter().flatten() {
        let entry = entry?;
        there.insert(entry.path.clone(), entry);
    }
    let (mut differing, mut unchanged) = (Vec::new(), 0);
    if !checkpoint.parts_with_entries().any(|name| name == part) {
        return Ok((differing, unchanged));
    }
    for entry in checkpoint.entries(part)? {
        let wanted = entry?;
        if wanted.kind.file_type() != FileType::File || !terms.is_restored(&wanted.path) {
            continue;
        }
        let live = there.remove(&wanted.path);
        if live.as_ref().and_then(Entry::file_sha256) == wanted.file_sha256() {
            unchanged += 1;
            continue;
        }
        let mut lines = Vec::new();
        checkpoint.write_entry_of(part, &wanted, &mut lines)?;
        differing.push(Differing {
            wanted,
            lines,
            live,
        });
    }
    Ok((differing, unchanged))
}

/// What is done about a file: it gets `content`, and keeps the owner and mode that it has.
fn item(one: Differing, content: &[u8], part: &RestoredPart, accounts: &Accounts) -> Item {
    let Differing { wanted, live, .. } = one;
    let owner = match &live {
        Some(live) => live.owner.clone(),
        None => accounts.owner(&wanted.owner),
    };
    let of = |entry| PartEntry {
        part: part.part.name.clone(),
        entry,
    };
    let entry = Entry {
        kind: EntryKind::File {
            size_bytes: content.len() as u64,
            sha256: Sha256::of(content),
        },
        mode: live.as_ref().map_or(wanted.mode, |live| live.mode),
        owner,
        content: Vec::new(),
        scan: None,
        extended: None,
        ..wanted
    };
    Item {
        action: match live {
            Some(_) => Action::Overwrite,
            None => Action::Create,
        },
        wanted: Some(Arc::new(of(entry))),
        live: live.map(of).map(Arc::new),
        is_put: true,
        content: Some(content.into()),
    }
}
