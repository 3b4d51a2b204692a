//! All entries of a checkpoint, each path once, in the order of a walk: every directory directly
//! before everything in it.
//!
//! Entries files are ordered by bytes, which puts `a-b` between `a` and `a/c`. An extractor that
//! sets a directory's times when it leaves it needs the walk's order. Only entries whose names share
//! a beginning with a longer walk are held back, so memory stays small.

use std::collections::BTreeMap;
use std::iter::Peekable;

use crate::manifest::Entry;
use crate::name::SourceName;
use crate::store::entries::Entries;
use crate::store::{Error, SealedCheckpoint};

/// An entry and the part it belongs to.
pub(super) type Placed = (SourceName, Entry);

/// Entries of all parts in the order of a walk.
pub(super) struct Walk<I: Iterator = Merged> {
    merged: Peekable<I>,
    held: BTreeMap<Vec<u8>, Placed>,
}

impl Walk {
    pub(super) fn new(checkpoint: &SealedCheckpoint) -> Result<Self, Error> {
        Ok(Self::over(Merged::new(checkpoint)?))
    }
}

impl<I: Iterator<Item = Result<Placed, Error>>> Walk<I> {
    /// Over entries that are ordered by the bytes of their paths.
    fn over(merged: I) -> Self {
        Self {
            merged: merged.peekable(),
            held: BTreeMap::new(),
        }
    }

    /// Whether nothing that is still to come can stand before `path`.
    fn is_ready(&mut self, path: &[u8]) -> bool {
        let Some(Ok((_, next))) = self.merged.peek() else {
            return true;
        };
        let next = next.path.as_bytes();
        // What stands before `path` and comes later begins with one of its beginnings and a slash,
        // where `path` has a byte below the slash: `a/c` before `a-b`.
        path.iter().enumerate().all(|(at, &byte)| {
            let beginning = &path[..at];
            byte >= b'/' || beginning.ends_with(b"/") || {
                let common = next
                    .iter()
                    .zip(beginning)
                    .take_while(|(a, b)| a == b)
                    .count();
                common < at || next.get(at).is_some_and(|&b| b > b'/')
            }
        })
    }
}

impl<I: Iterator<Item = Result<Placed, Error>>> Iterator for Walk<I> {
    type Item = Result<Placed, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some((key, (part, entry))) = self.held.pop_first() {
                if self.is_ready(entry.path.as_bytes()) {
                    return Some(Ok((part, entry)));
                }
                self.held.insert(key, (part, entry));
            }
            match self.merged.next()? {
                Ok((part, entry)) => {
                    let key = walk_key(entry.path.as_bytes());
                    self.held.insert(key, (part, entry));
                }
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

/// Bytes that are ordered as a walk is: the slash below every other byte of a name.
pub(super) fn walk_key(path: &[u8]) -> Vec<u8> {
    path.iter()
        .map(|&byte| if byte == b'/' { 0 } else { byte })
        .collect()
}

/// Entries of all parts by the bytes of their paths; of one path the first part's, and a whole file
/// before lines of it.
pub(super) struct Merged {
    parts: Vec<(SourceName, Peekable<Entries>)>,
}

impl Merged {
    fn new(checkpoint: &SealedCheckpoint) -> Result<Self, Error> {
        let parts = checkpoint
            .parts_by_weight()
            .map(|part| Ok((part.clone(), checkpoint.entries(part)?.peekable())))
            .collect::<Result<_, Error>>()?;
        Ok(Self { parts })
    }
}

impl Iterator for Merged {
    type Item = Result<Placed, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut first: Option<(usize, crate::name::RemotePath)> = None;
        for (at, (_, entries)) in self.parts.iter_mut().enumerate() {
            match entries.peek() {
                None => {}
                Some(Err(_)) => {
                    let error = entries.next()?.err()?;
                    self.parts.clear();
                    return Some(Err(error));
                }
                Some(Ok(entry)) if first.as_ref().is_some_and(|(_, p)| entry.path >= *p) => {}
                Some(Ok(entry)) => first = Some((at, entry.path.clone())),
            }
        }
        let (chosen, path) = first?;
        let mut taken = None;
        for (at, (part, entries)) in self.parts.iter_mut().enumerate() {
            let same = entries.next_if(|e| e.as_ref().is_ok_and(|e| e.path == path));
            if let (true, Some(Ok(entry))) = (at == chosen, same) {
                taken = Some(Ok((part.clone(), entry)));
            }
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::manifest::{EntryKind, FileTime, Owner};
    use crate::name::RemotePath;

    fn placed(path: &RemotePath) -> Result<Placed, Error> {
        let entry = Entry {
            path: path.clone(),
            kind: EntryKind::Directory,
            mode: 0o755,
            owner: Owner::default(),
            mtime: FileTime {
                seconds: 0,
                nanoseconds: 0,
            },
            scan: None,
            content: Vec::new(),
            unstable: false,
        };
        Ok(("app".parse().expect("a name"), entry))
    }

    fn walked(paths: &[RemotePath]) -> Vec<RemotePath> {
        Walk::over(paths.iter().map(placed))
            .map(|placed| placed.expect("no errors").1.path)
            .collect()
    }

    proptest! {
        #[test]
        fn any_set_of_paths_comes_in_the_order_of_a_walk(
            names in proptest::collection::btree_set("(/[-.a0 ]{1,3}){1,4}", 0..60),
        ) {
            let mut paths: Vec<RemotePath> = names
                .into_iter()
                .filter_map(|name| RemotePath::from_bytes(name).ok())
                .collect();
            paths.sort();
            let mut expected = paths.clone();
            expected.sort_by_key(|path| walk_key(path.as_bytes()));
            prop_assert_eq!(walked(&paths), expected);
        }
    }

    #[test]
    fn nothing_is_held_back_without_a_reason() {
        let paths: Vec<RemotePath> = [
            "/home/u/.cache",
            "/home/u/a.js",
            "/home/u/b.js",
            "/home/u/c",
        ]
        .iter()
        .map(|path| path.parse().expect("a path"))
        .collect();
        let mut walk = Walk::over(paths.iter().map(placed));
        for path in &paths {
            let (_, entry) = walk.next().expect("one").expect("no errors");
            assert_eq!(entry.path, *path);
            assert_eq!(walk.held.len(), 0);
        }
    }
}
