//! Sorts the entries of an export in the order of a walk, each path once: every directory directly before
//! everything in it.
//!
//! Entries files are ordered by bytes, which puts `a-b` between `a` and `a/c`. An extractor that
//! sets a directory's times when it leaves it needs the walk's order. Only entries whose names share
//! a beginning with a longer walk are held back, so memory stays small.

use std::collections::BTreeMap;
use std::iter::Peekable;

use crate::manifest::{Entry, EntryKind};
use crate::name::{RemotePath, SourceName};
use crate::store::Error;
use crate::tarstream::tree::Blockers;

/// An entry, the part it belongs to, and the path that the export gives it.
#[derive(Debug, Clone)]
pub(super) struct Placed {
    pub(super) part: SourceName,
    pub(super) entry: Entry,
    pub(super) place: RemotePath,
}

/// Entries ordered by the bytes of their places.
pub(super) type Stream = Box<dyn Iterator<Item = Result<Placed, Error>>>;

/// Entries in the order of a walk.
pub(super) struct Walk<I: Iterator = Fitting> {
    merged: Peekable<I>,
    held: BTreeMap<Vec<u8>, Placed>,
}

impl<I: Iterator<Item = Result<Placed, Error>>> Walk<I> {
    /// Over entries that are ordered by the bytes of their places.
    pub(super) fn over(merged: I) -> Self {
        Self {
            merged: merged.peekable(),
            held: BTreeMap::new(),
        }
    }

    /// Whether nothing that is still to come can be before `path`.
    fn is_ready(&mut self, path: &[u8]) -> bool {
        let Some(Ok(next)) = self.merged.peek() else {
            return true;
        };
        let next = next.place.as_bytes();
        // What is before `path` and comes later begins with one of its beginnings and a slash,
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
            if let Some((key, placed)) = self.held.pop_first() {
                if self.is_ready(placed.place.as_bytes()) {
                    return Some(Ok(placed));
                }
                self.held.insert(key, placed);
            }
            match self.merged.next()? {
                Ok(placed) => {
                    let key = walk_key(placed.place.as_bytes());
                    self.held.insert(key, placed);
                }
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

/// Bytes that are ordered as a walk is: the slash below every other byte of a name.
fn walk_key(path: &[u8]) -> Vec<u8> {
    path.iter()
        .map(|&byte| if byte == b'/' { 0 } else { byte })
        .collect()
}

/// Entries that together are a tree: what is beneath something that is no directory is left out.
pub(super) struct Fitting {
    merged: Merged,
    blockers: Blockers<()>,
    leaves_out: bool,
    left_out: Vec<RemotePath>,
}

impl Fitting {
    /// Over entries that are ordered by the bytes of their places. Without `leaves_out` all of them.
    pub(super) fn new(merged: Merged, leaves_out: bool) -> Self {
        Self {
            merged,
            blockers: Blockers::new(),
            leaves_out,
            left_out: Vec::new(),
        }
    }

    /// What was left out since the last call.
    pub(super) fn left_out(&mut self) -> Vec<RemotePath> {
        self.left_out.append(&mut self.merged.left_out);
        std::mem::take(&mut self.left_out)
    }
}

impl Iterator for Fitting {
    type Item = Result<Placed, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let placed = match self.merged.next()? {
                Ok(placed) if self.leaves_out => placed,
                other => return Some(other),
            };
            if self.blockers.above(&placed.place).is_some() {
                self.left_out.push(placed.entry.path);
                continue;
            }
            if placed.entry.kind != EntryKind::Directory {
                self.blockers.add(placed.place.clone(), ());
            }
            return Some(Ok(placed));
        }
    }
}

/// Several streams as one. What is on the host once and in two of them comes once, from the first;
/// other entries of one place are an error.
pub(super) struct Merged {
    streams: Vec<Peekable<Stream>>,
    /// What has the path of an entry that came, and is of another type.
    left_out: Vec<RemotePath>,
}

impl Merged {
    pub(super) fn new(streams: Vec<Stream>) -> Self {
        Self {
            streams: streams.into_iter().map(Iterator::peekable).collect(),
            left_out: Vec::new(),
        }
    }

    /// The smallest place that comes next.
    fn first(&mut self) -> Option<Result<RemotePath, Error>> {
        let mut first: Option<RemotePath> = None;
        for stream in &mut self.streams {
            match stream.peek() {
                None => {}
                Some(Err(_)) => return stream.next()?.err().map(Err),
                Some(Ok(next)) if first.as_ref().is_some_and(|first| next.place >= *first) => {}
                Some(Ok(next)) => first = Some(next.place.clone()),
            }
        }
        first.map(Ok)
    }

    fn take(&mut self, place: &RemotePath) -> Result<Option<Placed>, Error> {
        let mut taken: Option<Placed> = None;
        for stream in &mut self.streams {
            while let Some(Ok(next)) =
                stream.next_if(|next| next.as_ref().is_ok_and(|next| next.place == *place))
            {
                match &taken {
                    None => taken = Some(next),
                    Some(taken) if taken.entry.path == next.entry.path => {
                        if !is_same_type(&taken.entry.kind, &next.entry.kind) {
                            self.left_out.push(next.entry.path);
                        }
                    }
                    Some(taken) => return Err(collision(taken, &next)),
                }
            }
        }
        Ok(taken)
    }
}

impl Iterator for Merged {
    type Item = Result<Placed, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let taken = self
            .first()?
            .and_then(|place| self.take(&place))
            .transpose();
        if let Some(Err(_)) = taken {
            self.streams.clear();
        }
        taken
    }
}

/// Whether both are of one type; all names of a regular file are.
fn is_same_type(one: &EntryKind, other: &EntryKind) -> bool {
    let is_file =
        |kind: &EntryKind| matches!(kind, EntryKind::File { .. } | EntryKind::HardLink { .. });
    std::mem::discriminant(one) == std::mem::discriminant(other) || (is_file(one) && is_file(other))
}

/// Two entries of which only one can be at the first one's place.
pub(super) fn collision(first: &Placed, second: &Placed) -> Error {
    Error::Collision {
        place: first.place.clone(),
        first: first.entry.path.to_string(),
        second: second.entry.path.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::manifest::{EntryKind, FileTime, Owner};

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
            extended: None,
            first_name: None,
            unstable: false,
        };
        Ok(Placed {
            part: "app".parse().expect("a name"),
            entry,
            place: path.clone(),
        })
    }

    fn walked(paths: &[RemotePath]) -> Vec<RemotePath> {
        Walk::over(paths.iter().map(placed))
            .map(|placed| placed.expect("no errors").place)
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
            let placed = walk.next().expect("one").expect("no errors");
            assert_eq!(placed.place, *path);
            assert_eq!(walk.held.len(), 0);
        }
    }

    /// A stream of entries at these paths, each with its place.
    fn stream(entries: &[(&str, &str)]) -> Stream {
        let entries: Vec<_> = entries
            .iter()
            .map(|(path, place)| {
                let mut entry = placed(&path.parse().expect("a path"))?;
                entry.place = place.parse().expect("a path");
                Ok(entry)
            })
            .collect();
        Box::new(entries.into_iter())
    }

    #[test]
    fn one_entry_in_two_streams_comes_once_and_two_of_one_place_are_named() {
        let merged = Merged::new(vec![
            stream(&[("/a/x", "/x"), ("/a/z", "/z")]),
            stream(&[
                ("/a/x", "/x"),
                ("/b/y", "/y"),
                ("/b/z", "/z"),
                ("/b/zz", "/zz"),
            ]),
        ]);
        let told: Vec<String> = merged
            .map(|placed| match placed {
                Ok(placed) => placed.place.to_string(),
                Err(error) => error.to_string(),
            })
            .collect();
        assert_eq!(
            told,
            ["/x", "/y", "/a/z and /b/z would both be z in this layout"]
        );
        let mut merged = Merged::new(vec![stream(&[("/a/x", "/x"), ("/b/x", "/x")])]);
        let refused = merged.next().expect("one").map(|placed| placed.place);
        assert!(
            matches!(&refused, Err(Error::Collision { first, second, .. }) if (first.as_str(), second.as_str()) == ("/a/x", "/b/x")),
            "{refused:?}"
        );
        assert!(merged.next().is_none());
    }
}
