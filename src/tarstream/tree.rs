//! Checks whether entries can be extracted without leaving their roots.
//!
//! tar follows a symbolic link that it extracted before, so an entry beneath one would be written
//! wherever the link points.

use std::collections::{HashMap, HashSet};

use crate::fault::{Code, Fault};
use crate::manifest::EntryKind;
use crate::name::RemotePath;

/// Why a set of entries is no tree.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It is under none of the roots.
    #[error("`{path}` was not requested")]
    Outside {
        /// The entry.
        path: RemotePath,
    },
    /// It is listed twice.
    #[error("`{path}` is listed twice")]
    Twice {
        /// The entry.
        path: RemotePath,
    },
    /// The directory that holds it is not among the entries.
    #[error("`{path}` is listed, the directory that holds it is not")]
    Orphan {
        /// The entry.
        path: RemotePath,
    },
    /// What would hold it is not a directory.
    #[error("`{path}` is inside `{above}`, which is not a directory")]
    Beneath {
        /// The entry.
        path: RemotePath,
        /// The link or file above it.
        above: RemotePath,
    },
    /// A hard link to something that is not a regular file of the same part.
    #[error("the hard link `{path}` points to `{target}`, which is not a file of the same source")]
    Link {
        /// The link.
        path: RemotePath,
        /// Its target.
        target: RemotePath,
    },
}

impl Fault for Error {
    fn code(&self) -> Code {
        Code::UnsafeTree
    }

    fn hint(&self) -> Option<String> {
        Some(
            "The tree changed while it was read, or the host sent entries that were not requested. Run the command again."
                .to_owned(),
        )
    }
}

/// What matters of an entry here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape<'a> {
    /// Holds others.
    Directory,
    /// Can have further names.
    File,
    /// A further name of this file.
    Link(&'a RemotePath),
    /// Anything else.
    Other,
}

impl<'a> From<&'a EntryKind> for Shape<'a> {
    fn from(kind: &'a EntryKind) -> Self {
        match kind {
            EntryKind::Directory => Self::Directory,
            EntryKind::File { .. } => Self::File,
            EntryKind::HardLink { target, .. } => Self::Link(target),
            EntryKind::Symlink { .. }
            | EntryKind::Fifo
            | EntryKind::Socket
            | EntryKind::CharDevice { .. }
            | EntryKind::BlockDevice { .. } => Self::Other,
        }
    }
}

/// Finds, for paths that come in byte order from any number of sources, the path above each that was
/// given as something other than a directory.
///
/// Byte order puts `a-b` between `a` and `a/c`, so what is kept is every such path that is a beginning
/// of the last one, byte by byte: memory stays small.
#[derive(Debug, Default)]
pub struct Blockers<T> {
    stack: Vec<(RemotePath, T)>,
}

impl<T> Blockers<T> {
    /// Nothing is known yet.
    #[must_use]
    pub fn new() -> Self {
        Self { stack: Vec::new() }
    }

    /// The topmost path above `path` that is no directory. `path` may not come before those of earlier
    /// calls.
    pub fn above(&mut self, path: &RemotePath) -> Option<&(RemotePath, T)> {
        while let Some((top, _)) = self.stack.last()
            && !path.as_bytes().starts_with(top.as_bytes())
        {
            self.stack.pop();
        }
        let is_above = |(top, _): &&(RemotePath, T)| top != path && path.is_within(top);
        self.stack.iter().find(is_above)
    }

    /// Takes the path of the last [`Blockers::above`] as something that is no directory.
    pub fn add(&mut self, path: RemotePath, facts: T) {
        self.stack.push((path, facts));
    }

    /// Forgets `path`: it is left out itself.
    pub fn remove(&mut self, path: &RemotePath) {
        self.stack.retain(|(known, _)| known != path);
    }
}

/// Checks that no entry of several sources together is beneath one that is no directory. `entries` may
/// come in any order.
///
/// # Errors
///
/// [`Error::Beneath`] for the first such entry by path.
pub fn check_together<'a>(
    entries: impl Iterator<Item = (&'a RemotePath, Shape<'a>)>,
) -> Result<(), Error> {
    let mut sorted: Vec<_> = entries.collect();
    sorted.sort_by_key(|(path, _)| *path);
    let mut blockers = Blockers::new();
    for (path, shape) in sorted {
        if let Some((above, ())) = blockers.above(path) {
            return Err(Error::Beneath {
                path: path.clone(),
                above: above.clone(),
            });
        }
        if shape != Shape::Directory {
            blockers.add(path.clone(), ());
        }
    }
    Ok(())
}

/// Checks that every entry is one of `roots` or is in a directory among the entries (or directly in
/// a root that is itself no entry), and that hard links lead to files among the entries.
///
/// # Errors
///
/// [`Error`] for the first entry, in the order given, that breaks this.
pub fn check<'a>(
    roots: &[RemotePath],
    entries: impl Iterator<Item = (&'a RemotePath, Shape<'a>)>,
) -> Result<(), Error> {
    let listed: Vec<_> = entries.collect();
    let mut kinds = HashMap::with_capacity(listed.len());
    for &(path, kind) in &listed {
        if kinds.insert(path, kind).is_some() {
            return Err(Error::Twice { path: path.clone() });
        }
    }
    let roots: HashSet<_> = roots.iter().collect();
    for &(path, kind) in &listed {
        check_place(path, &roots, &kinds)?;
        if let Shape::Link(target) = kind
            && kinds.get(target) != Some(&Shape::File)
        {
            return Err(Error::Link {
                path: path.clone(),
                target: target.clone(),
            });
        }
    }
    Ok(())
}

fn check_place(
    path: &RemotePath,
    roots: &HashSet<&RemotePath>,
    kinds: &HashMap<&RemotePath, Shape<'_>>,
) -> Result<(), Error> {
    let is_root = roots.contains(path);
    let mut is_beneath_root = is_root;
    let mut is_held = is_root;
    let mut above = path.parent();
    let mut is_parent = true;
    while let Some(dir) = above {
        let is_dir_a_root = roots.contains(&dir);
        is_beneath_root |= is_dir_a_root;
        match kinds.get(&dir) {
            Some(Shape::Directory) => is_held |= is_parent,
            Some(_) => {
                return Err(Error::Beneath {
                    path: path.clone(),
                    above: dir,
                });
            }
            None => is_held |= is_parent && is_dir_a_root,
        }
        is_parent = false;
        above = dir.parent();
    }
    if !is_beneath_root {
        return Err(Error::Outside { path: path.clone() });
    }
    if !is_held {
        return Err(Error::Orphan { path: path.clone() });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Sha256;

    fn path(text: &str) -> RemotePath {
        text.parse().expect("a path")
    }

    fn file() -> EntryKind {
        EntryKind::File {
            size_bytes: 0,
            sha256: Sha256::of(b""),
        }
    }

    fn symlink() -> EntryKind {
        EntryKind::Symlink {
            target: b"/etc".to_vec(),
        }
    }

    fn hard_link(target: &str) -> EntryKind {
        EntryKind::HardLink {
            target: path(target),
            size_bytes: 0,
            sha256: Sha256::of(b""),
        }
    }

    /// The faults of `entries` under the roots `/app` and `/app/sub/root` and `/var/log/x`.
    fn said(entries: &[(&str, EntryKind)]) -> Result<(), Error> {
        let roots = ["/app", "/app/sub/root", "/var/log/x"].map(path);
        let entries: Vec<_> = entries
            .iter()
            .map(|(name, kind)| (path(name), kind.clone()))
            .collect();
        check(
            &roots,
            entries.iter().map(|(name, kind)| (name, kind.into())),
        )
    }

    #[test]
    fn entries_in_listed_directories_or_roots_are_a_tree() {
        let dir = EntryKind::Directory;
        assert_eq!(
            said(&[
                ("/app/d/f", file()),
                ("/app/d", dir.clone()),
                ("/app", dir),
                ("/app/link", symlink()),
                ("/app/hard", hard_link("/app/d/f")),
                ("/app/sub/root", file()),
                ("/var/log/x", file()),
            ]),
            Ok(())
        );
        assert_eq!(said(&[("/app/directly", file())]), Ok(()));
        assert_eq!(said(&[]), Ok(()));
    }

    #[test]
    fn nothing_is_written_through_a_link_or_outside() {
        let dir = EntryKind::Directory;
        let beneath = |name: &str, above: &str| {
            Err(Error::Beneath {
                path: path(name),
                above: path(above),
            })
        };
        for (entries, should) in [
            (
                vec![("/app", symlink()), ("/app/f", file())],
                beneath("/app/f", "/app"),
            ),
            (
                vec![
                    ("/app", dir.clone()),
                    ("/app/l", symlink()),
                    ("/app/l/f", file()),
                ],
                beneath("/app/l/f", "/app/l"),
            ),
            (
                vec![("/app/sub", symlink()), ("/app/sub/root", file())],
                beneath("/app/sub/root", "/app/sub"),
            ),
            (
                vec![("/app/l", symlink()), ("/app/l/d", dir.clone())],
                beneath("/app/l/d", "/app/l"),
            ),
            (
                vec![("/app", dir.clone()), ("/app/d/f", file())],
                Err(Error::Orphan {
                    path: path("/app/d/f"),
                }),
            ),
            (
                vec![("/app2", dir.clone())],
                Err(Error::Outside {
                    path: path("/app2"),
                }),
            ),
            (
                vec![("/var", dir.clone()), ("/var/y", file())],
                Err(Error::Outside { path: path("/var") }),
            ),
            (
                vec![("/app", dir.clone()), ("/app", dir.clone())],
                Err(Error::Twice { path: path("/app") }),
            ),
            (
                vec![("/app", dir.clone()), ("/app/h", hard_link("/app"))],
                Err(Error::Link {
                    path: path("/app/h"),
                    target: path("/app"),
                }),
            ),
            (
                vec![("/app", dir), ("/app/h", hard_link("/etc/passwd"))],
                Err(Error::Link {
                    path: path("/app/h"),
                    target: path("/etc/passwd"),
                }),
            ),
        ] {
            assert_eq!(said(&entries), should);
        }
    }

    #[test]
    fn entries_of_several_sources_are_judged_together() {
        let check = |entries: &[(&str, EntryKind)]| {
            let entries: Vec<_> = entries
                .iter()
                .map(|(name, kind)| (path(name), kind.clone()))
                .collect();
            let shapes = entries.iter().map(|(name, kind)| (name, kind.into()));
            check_together(shapes).map_err(|error| error.to_string())
        };
        let fine = [
            ("/app/l-old/f", file()),
            ("/app/l/f", file()),
            ("/app", EntryKind::Directory),
            ("/app/l-", symlink()),
        ];
        assert_eq!(check(&fine), Ok(()));
        for blocker in [symlink(), file(), EntryKind::Fifo] {
            let beneath = [
                ("/app/l/d/f", file()),
                // By bytes it comes between the two.
                ("/app/l-old/f", file()),
                ("/app/l", blocker),
                ("/app/l-old", EntryKind::Directory),
            ];
            assert_eq!(
                check(&beneath),
                Err("`/app/l/d/f` is inside `/app/l`, which is not a directory".to_owned())
            );
        }
    }

    #[test]
    fn messages_name_the_entry() {
        let error = said(&[("/app/l", symlink()), ("/app/l/d", file())]).expect_err("refused");
        assert_eq!(
            error.to_string(),
            "`/app/l/d` is inside `/app/l`, which is not a directory"
        );
    }
}
