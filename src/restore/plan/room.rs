//! Asks the target whether there is room for a plan: free space and inodes where something is staged, and
//! whether anything that the plan touches resists every change.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Plan;
use super::space::{FileSystem, Free, Space, needed};
use crate::blocking::blocking;
use crate::guard::{ReadCommand, RestoreTools};
use crate::manifest::Entry;
use crate::name::RemotePath;
use crate::restore::Error;
use crate::source::mounts::Mounts;
use crate::ssh::{Input, ReadSession};
use crate::store::SealedCheckpoint;
use crate::units::listing;

/// Most answers name nothing; this is one about a hundred thousand immutable files.
const ANSWER_MAX_BYTES: usize = 16 << 20;
/// A smaller file with holes saves nothing worth looking for.
const HOLES_MIN_BYTES: u64 = 1 << 20;

/// What a host answered.
#[derive(Debug, Default)]
struct Answer {
    /// By root.
    free: BTreeMap<usize, Vec<Option<u64>>>,
    read_only: BTreeSet<usize>,
    /// Paths that can't be written though their mode allows it.
    fixed: BTreeSet<RemotePath>,
    immutable: BTreeSet<RemotePath>,
    append_only: BTreeSet<RemotePath>,
}

/// Asks the host, as the account that will write, and adds to `plan` what is free and what can't be done.
///
/// # Errors
///
/// [`Error::Ssh`] if the host does not answer, [`Error::Store`] if the checkpoint can't be read.
pub(super) async fn look(
    plan: &mut Plan,
    checkpoint: &Arc<SealedCheckpoint>,
    (mounts, is_root): (&Mounts, bool),
    session: &ReadSession,
) -> Result<(), Error> {
    if plan.roots.is_empty() {
        return Ok(());
    }
    let roots: Vec<RemotePath> = plan.roots.keys().cloned().collect();
    let mut list = Vec::new();
    // The answer has a path in a line. Those with line ends are found before anything changes.
    let asked = plan.roots.values().flat_map(|(_, root)| root.changed());
    for path in asked.filter(|path| !path.as_bytes().contains(&b'\n')) {
        list.extend_from_slice(path.as_bytes());
        list.push(0);
    }
    let command = ReadCommand::Ground { roots };
    let answer = session
        .output(&command, plan.sudo, Input::bytes(list), ANSWER_MAX_BYTES)
        .await?;
    let answer = Answer::parse(&answer.stdout);
    let mut refusals = answer.resists(plan, mounts);
    let spaces = needed(plan, &mut |entry| entry.file_bytes().unwrap_or(0));
    plan.space = file_systems(plan, &spaces, &answer, (mounts, is_root || plan.sudo));
    if plan.tools == RestoreTools::Gnu && plan.space.iter().any(FileSystem::is_short) {
        // A file with holes may take far less.
        let (shared, now) = (Arc::clone(checkpoint), plan.clone());
        let spaces = blocking(move || {
            let mut failed = None;
            let spaces = needed(&now, &mut |entry| {
                stored_bytes(&shared, entry).unwrap_or_else(|error| {
                    failed = Some(error);
                    0
                })
            });
            failed.map_or(Ok(spaces), Err)
        })
        .await?;
        plan.space = file_systems(plan, &spaces, &answer, (mounts, is_root || plan.sudo));
    }
    refusals.extend(plan.space.iter().flat_map(FileSystem::refusals));
    plan.refusals.extend(refusals);
    Ok(())
}

/// How much the content of a file takes without its holes.
fn stored_bytes(checkpoint: &SealedCheckpoint, entry: &Entry) -> Result<u64, crate::store::Error> {
    match entry.file_bytes() {
        Some(bytes) if bytes >= HOLES_MIN_BYTES => checkpoint.stored_bytes(entry),
        other => Ok(other.unwrap_or(0)),
    }
}

/// The file systems of all roots: what is needed, and what is free for root or for others.
fn file_systems(
    plan: &Plan,
    spaces: &BTreeMap<u64, Space>,
    answer: &Answer,
    (mounts, as_root): (&Mounts, bool),
) -> Vec<FileSystem> {
    let mut all: BTreeMap<u64, FileSystem> = BTreeMap::new();
    for (number, (root, (device, _))) in plan.roots.iter().enumerate() {
        let entry = all.entry(*device).or_insert_with(|| FileSystem {
            mount: mounts.of(root).map(|mount| mount.point.clone()),
            roots: Vec::new(),
            needed: spaces.get(device).copied().unwrap_or_default(),
            free: answer.free(number, as_root),
        });
        entry.roots.push(root.clone());
    }
    all.into_values().collect()
}

impl Answer {
    /// Reads lines `space N BLOCK FREE AVAILABLE INODES FREE_INODES`, `read-only N`, `fixed PATH` and
    /// `attributes FLAGS PATH`.
    fn parse(answer: &[u8]) -> Self {
        let mut parsed = Self::default();
        for line in answer.split(|byte| *byte == b'\n') {
            let mut words = line.splitn(2, |byte| *byte == b' ');
            let (Some(kind), Some(rest)) = (words.next(), words.next()) else {
                continue;
            };
            match kind {
                b"space" => {
                    let text = String::from_utf8_lossy(rest);
                    let mut words = text.split(' ');
                    let number = words.next().and_then(|word| word.parse().ok());
                    let numbers = words.map(|word| word.parse().ok()).collect();
                    parsed.free.extend(number.map(|number| (number, numbers)));
                }
                b"read-only" => {
                    let number: Option<usize> = String::from_utf8_lossy(rest).parse().ok();
                    parsed.read_only.extend(number);
                }
                b"fixed" => parsed.fixed.extend(RemotePath::from_bytes(rest).ok()),
                b"attributes" => parsed.attributes(rest),
                _ => {}
            }
        }
        parsed
    }

    /// Reads `FLAGS PATH`.
    fn attributes(&mut self, text: &[u8]) {
        let mut words = text.splitn(2, |byte| *byte == b' ');
        let (Some(flags), Some(path)) = (words.next(), words.next()) else {
            return;
        };
        let Ok(path) = RemotePath::from_bytes(path) else {
            return;
        };
        let list = if flags.contains(&b'i') {
            &mut self.immutable
        } else {
            &mut self.append_only
        };
        list.insert(path);
    }

    /// What is free at the root of that number.
    fn free(&self, number: usize, as_root: bool) -> Free {
        let Some(numbers) = self.free.get(&number) else {
            return Free::default();
        };
        let at = |index: usize| numbers.get(index).copied().flatten();
        let blocks = if as_root { at(1) } else { at(2) };
        Free {
            bytes: at(0)
                .zip(blocks)
                .and_then(|(block, blocks)| block.checked_mul(blocks)),
            // A file system that counts none has none.
            inodes: at(3).filter(|all| *all > 0).and_then(|_| at(4)),
        }
    }

    /// What cannot be changed.
    fn resists(&self, plan: &Plan, mounts: &Mounts) -> Vec<String> {
        let mut refusals = Vec::new();
        let mut asked: BTreeSet<&RemotePath> = BTreeSet::new();
        for (number, (root, (_, root_plan))) in plan.roots.iter().enumerate() {
            if self.read_only.contains(&number) {
                let mount = mounts.of(root).map_or(root, |mount| &mount.point);
                refusals.push(format!(
                    "the file system {mount} is read-only on the host: nothing can be changed in {root}"
                ));
            } else {
                asked.extend(root_plan.changed());
            }
        }
        let of = |paths: &BTreeSet<RemotePath>| -> Vec<RemotePath> {
            let meant = paths.iter().filter(|path| asked.contains(path));
            meant.cloned().collect()
        };
        let (immutable, append_only) = (of(&self.immutable), of(&self.append_only));
        let mut fixed = of(&self.fixed);
        fixed.retain(|path| !immutable.contains(path) && !append_only.contains(path));
        for (paths, why) in [
            (immutable, "immutable on the host, until `chattr -i` is run"),
            (
                append_only,
                "append-only on the host, until `chattr -a` is run",
            ),
            (
                fixed,
                "can't be written on the host, whatever its mode says (`chattr -i` helps if it is immutable)",
            ),
        ] {
            if !paths.is_empty() {
                refusals.push(format!("{}: {why}", listing(paths.len(), &paths)));
            }
        }
        refusals
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_free_depends_on_who_writes() {
        let answer = Answer::parse(
            b"space 0 4096 10 5 100 7\nspace 1 1024 - 3 0 0\nread-only 1\nnoise\nspace x\n",
        );
        let free = |number, as_root| {
            let free = answer.free(number, as_root);
            (free.bytes, free.inodes)
        };
        assert_eq!(free(0, true), (Some(40_960), Some(7)));
        assert_eq!(free(0, false), (Some(20_480), Some(7)));
        assert_eq!(free(1, true), (None, None));
        assert_eq!(free(1, false), (Some(3072), None));
        assert_eq!(free(2, false), (None, None));
        assert_eq!(answer.read_only, BTreeSet::from([1]));
    }

    #[test]
    fn attributes_that_resist_are_told_apart() {
        let answer = Answer::parse(
            b"fixed /a b\nattributes ----i---------e------- /a b\nattributes -----a-- /c\nattributes x\nfixed rel\n",
        );
        let names = |paths: &BTreeSet<RemotePath>| -> Vec<String> {
            paths.iter().map(ToString::to_string).collect()
        };
        assert_eq!(names(&answer.fixed), ["/a b"]);
        assert_eq!(names(&answer.immutable), ["/a b"]);
        assert_eq!(names(&answer.append_only), ["/c"]);
    }
}
