//! Maps the entries of each part to paths of an export layout.
//!
//! Layouts move whole trees and never look inside of them, so that what is relative stays right:
//! links, and names that files hold. Nothing is judged here; two entries of one place are found by
//! [`Merged`](super::order::Merged).

use super::Layout;
use super::order::{Merged, Placed, Stream, Walk};
use crate::manifest::{Entry, EntryKind};
use crate::name::{CheckpointId, RemotePath, SourceName};
use crate::store::{Error, SealedCheckpoint};

/// Where the entries of a checkpoint go, part by part; parts that are left out have no place.
#[derive(Debug)]
pub(super) struct Places {
    parts: Vec<(SourceName, PartPlaces)>,
}

/// Where the entries of one part go.
#[derive(Debug)]
enum PartPlaces {
    /// Every path stays what it is.
    Paths,
    /// So it does, but nothing else comes than these and what is beneath them; none is in another one.
    Chosen(Vec<RemotePath>),
    /// What is named goes elsewhere; together it is everything.
    Moved {
        /// Trees that are moved as a whole; none is in another one.
        trees: Vec<Move>,
        /// Single entries, by place.
        singles: Vec<Placed>,
    },
}

/// `from` and all that is beneath it go to `to`.
#[derive(Debug, Clone)]
struct Move {
    from: RemotePath,
    to: RemotePath,
}

impl Move {
    fn place(&self, path: &RemotePath) -> Option<RemotePath> {
        Some(match path.relative_to(&self.from)? {
            b"" => self.to.clone(),
            relative => beneath(&self.to, relative),
        })
    }
}

impl Places {
    /// Places for all entries of `parts`.
    pub(super) fn of(
        checkpoint: &SealedCheckpoint,
        layout: Layout,
        parts: Vec<SourceName>,
    ) -> Result<Self, Error> {
        let mut placed = Vec::with_capacity(parts.len());
        for part in parts {
            let places = match layout {
                Layout::Paths => PartPlaces::Paths,
                Layout::Snapshot => snapshot(checkpoint, &part, &tops(checkpoint, &part)?),
                Layout::Monitoring => monitoring(checkpoint, &part, tops(checkpoint, &part)?),
            };
            placed.push((part, places));
        }
        Ok(Self { parts: placed })
    }

    /// Places for `paths` in `parts`, and for what is beneath them.
    pub(super) fn chosen(
        checkpoint: &SealedCheckpoint,
        parts: Vec<SourceName>,
        paths: &[RemotePath],
    ) -> Result<Self, Error> {
        let mut missing: Vec<&RemotePath> = paths.iter().collect();
        let mut placed = Vec::with_capacity(parts.len());
        for part in parts {
            let mut roots: Vec<RemotePath> = Vec::new();
            for path in paths {
                let real = checkpoint.real_path_in(&part, path);
                let mut entries = within(checkpoint, &part, &real)?;
                if entries.next().transpose()?.is_some() {
                    missing.retain(|missing| *missing != path);
                    roots.push(real);
                }
            }
            placed.push((part, PartPlaces::Chosen(outermost(roots))));
        }
        match missing.first() {
            None => Ok(Self { parts: placed }),
            Some(path) => Err(Error::NoEntry {
                checkpoint: checkpoint.id().clone(),
                path: path.to_string(),
            }),
        }
    }

    /// Where the entry of `part` at `path` goes. `path` is one of its entries.
    pub(super) fn of_entry(&self, part: &SourceName, path: &RemotePath) -> RemotePath {
        let known = self.parts.iter().find(|(name, _)| name == part);
        let moved = match known {
            None | Some((_, PartPlaces::Paths | PartPlaces::Chosen(_))) => None,
            Some((_, PartPlaces::Moved { trees, singles })) => {
                let single = || singles.iter().find(|single| single.entry.path == *path);
                let in_tree = trees.iter().find_map(|tree| tree.place(path));
                in_tree.or_else(|| single().map(|single| single.place.clone()))
            }
        };
        moved.unwrap_or_else(|| path.clone())
    }

    /// All entries by the bytes of their places.
    pub(super) fn streams(&self, checkpoint: &SealedCheckpoint) -> Result<Vec<Stream>, Error> {
        let mut streams: Vec<Stream> = Vec::new();
        for (part, places) in &self.parts {
            match places {
                PartPlaces::Paths => streams.push(whole(checkpoint, part)?),
                PartPlaces::Chosen(roots) => {
                    for root in roots {
                        streams.push(within(checkpoint, part, root)?);
                    }
                }
                PartPlaces::Moved { trees, singles } => {
                    for tree in trees {
                        streams.push(moved(checkpoint, part, tree)?);
                    }
                    let singles: Vec<Result<Placed, Error>> =
                        singles.iter().cloned().map(Ok).collect();
                    streams.push(Box::new(singles.into_iter()));
                }
            }
        }
        Ok(streams)
    }

    /// The same with what is not chosen of the parts: it may have the content of what is.
    pub(super) fn whole_streams(
        &self,
        checkpoint: &SealedCheckpoint,
    ) -> Result<Vec<Stream>, Error> {
        let is_chosen = |(_, places): &(_, PartPlaces)| matches!(places, PartPlaces::Chosen(_));
        if self.parts.iter().any(is_chosen) {
            let parts = self.parts.iter();
            return parts.map(|(part, _)| whole(checkpoint, part)).collect();
        }
        self.streams(checkpoint)
    }
}

/// Those of `paths` that are in no other one of them.
fn outermost(mut paths: Vec<RemotePath>) -> Vec<RemotePath> {
    paths.sort_by_key(|path| path.as_bytes().len());
    let mut outermost: Vec<RemotePath> = Vec::new();
    for path in paths {
        if !outermost.iter().any(|above| path.is_within(above)) {
            outermost.push(path);
        }
    }
    outermost
}

fn whole(checkpoint: &SealedCheckpoint, part: &SourceName) -> Result<Stream, Error> {
    let part = part.clone();
    let entries = checkpoint.entries(&part)?;
    Ok(Box::new(entries.map(move |entry| {
        entry.map(|entry| Placed {
            part: part.clone(),
            place: entry.path.clone(),
            entry,
        })
    })))
}

/// The entry at `root` and those beneath it, where they are.
fn within(
    checkpoint: &SealedCheckpoint,
    part: &SourceName,
    root: &RemotePath,
) -> Result<Stream, Error> {
    let (part, root) = (part.clone(), root.clone());
    let entries = checkpoint.entries(&part)?.starting_at(&root);
    let beginning = root.clone();
    let entries = entries.take_while(move |entry| match entry {
        Ok(entry) => entry.path.as_bytes().starts_with(beginning.as_bytes()),
        Err(_) => true,
    });
    // `a-b` is among what begins like `a`.
    let entries = entries.filter(move |entry| match entry {
        Ok(entry) => entry.path.is_within(&root),
        Err(_) => true,
    });
    Ok(Box::new(entries.map(move |entry| {
        entry.map(|entry| Placed {
            part: part.clone(),
            place: entry.path.clone(),
            entry,
        })
    })))
}

/// The entries of one tree. One beginning replaced by another keeps their order.
fn moved(checkpoint: &SealedCheckpoint, part: &SourceName, tree: &Move) -> Result<Stream, Error> {
    let (part, tree) = (part.clone(), tree.clone());
    let from = tree.from.clone();
    let entries = checkpoint.entries(&part)?.starting_at(&tree.from);
    let entries = entries.take_while(move |entry| match entry {
        Ok(entry) => entry.path.as_bytes().starts_with(from.as_bytes()),
        Err(_) => true,
    });
    Ok(Box::new(entries.filter_map(move |entry| match entry {
        // `a-b` is among what is beneath `a`.
        Ok(entry) => tree.place(&entry.path).map(|place| {
            Ok(Placed {
                part: part.clone(),
                entry,
                place,
            })
        }),
        Err(error) => Some(Err(error)),
    })))
}

/// The entries of `part` that are beneath no other of its entries.
fn tops(checkpoint: &SealedCheckpoint, part: &SourceName) -> Result<Vec<Entry>, Error> {
    let mut tops: Vec<Entry> = Vec::new();
    for placed in Walk::over(Merged::new(vec![whole(checkpoint, part)?])) {
        let entry = placed?.entry;
        if !tops
            .last()
            .is_some_and(|top| entry.path.is_within(&top.path))
        {
            tops.push(entry);
        }
    }
    Ok(tops)
}

/// `snapshot/PART/…`, or a folder for all captures of one kind.
fn snapshot(checkpoint: &SealedCheckpoint, part: &SourceName, tops: &[Entry]) -> PartPlaces {
    let known = checkpoint.checkpoint().part(part);
    let folder = match known.map_or("", |part| part.kind.as_str()) {
        "command" => "env",
        "http" => "runtime",
        "postgres" => "database",
        _ => part.as_str(),
    };
    let tree = base(tops).map(|from| Move {
        from,
        to: named(&["snapshot", folder]),
    });
    PartPlaces::Moved {
        trees: tree.into_iter().collect(),
        singles: Vec::new(),
    }
}

/// The one directory that everything is in, or else the deepest folder that all have in common.
fn base(tops: &[Entry]) -> Option<RemotePath> {
    if let [top] = tops
        && top.kind == EntryKind::Directory
    {
        return Some(top.path.clone());
    }
    let parents = tops.iter().filter_map(|top| top.path.parent());
    parents.reduce(|common, parent| {
        let mut common = common;
        while !parent.is_within(&common) {
            common = common.parent().expect("everything lies within the root");
        }
        common
    })
}

/// `monitoring_backup_YYYYMMDD_HHMMSS/NAME`.
fn monitoring(checkpoint: &SealedCheckpoint, part: &SourceName, tops: Vec<Entry>) -> PartPlaces {
    let folder = monitoring_folder(checkpoint.id());
    let (mut trees, mut singles) = (Vec::new(), Vec::new());
    for top in tops {
        let place = beneath(&folder, &own_name(part, &top.path));
        if top.kind == EntryKind::Directory {
            trees.push(Move {
                from: top.path,
                to: place,
            });
        } else {
            singles.push(Placed {
                part: part.clone(),
                entry: top,
                place,
            });
        }
    }
    singles.sort_by(|a: &Placed, b: &Placed| a.place.cmp(&b.place));
    PartPlaces::Moved { trees, singles }
}

/// The folder that everything is in.
pub(super) fn monitoring_folder(id: &CheckpointId) -> RemotePath {
    let time = id.stamp.time().strftime("%Y%m%d_%H%M%S");
    named(&[&format!("monitoring_backup_{time}")])
}

/// What a file or directory is called when its path is gone. What would be hidden, or has no name, is
/// called after its part: `.env` of `monitoring` is `monitoring.env`.
fn own_name(part: &SourceName, path: &RemotePath) -> Vec<u8> {
    match path.file_name() {
        name if name.is_empty() || name.starts_with(b".") => {
            [part.as_str().as_bytes(), name].concat()
        }
        name => name.to_vec(),
    }
}

/// An absolute path of these words.
pub(super) fn named(words: &[&str]) -> RemotePath {
    RemotePath::from_bytes(format!("/{}", words.join("/")))
        .expect("words are no dots and no slashes")
}

/// `name` in `folder`; `name` is (the end of) a path.
pub(super) fn beneath(folder: &RemotePath, name: &[u8]) -> RemotePath {
    RemotePath::from_bytes([folder.as_bytes(), b"/", name].concat())
        .expect("the end of a path under a folder that is not the root")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::{FileTime, Owner};

    fn path(text: &str) -> RemotePath {
        text.parse().expect("a path")
    }

    /// A directory if its name ends with a slash.
    fn top(text: &str) -> Entry {
        Entry {
            path: path(text),
            kind: if text.ends_with('/') {
                EntryKind::Directory
            } else {
                EntryKind::Fifo
            },
            mode: 0,
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
        }
    }

    #[test]
    fn a_part_keeps_what_lies_beneath_its_folder() {
        for (tops, expected) in [
            (&["/opt/gw/config/"][..], "/opt/gw/config"),
            (&["/"], "/"),
            (&["/etc/hosts"], "/etc"),
            (
                &[
                    "/etc/systemd/system/a.service",
                    "/etc/systemd/system/b.timer",
                ],
                "/etc/systemd/system",
            ),
            (
                &["/opt/gw/scripts/service/api/", "/opt/gw/scripts/tests/gw/"],
                "/opt/gw/scripts",
            ),
            (&["/opt/homer-app/", "/opt/homer-ui/"], "/opt"),
            (&["/etc/x/", "/opt/y"], "/"),
            (&["/a/b/", "/a/b-c"], "/a"),
        ] {
            let tops: Vec<Entry> = tops.iter().map(|text| top(text)).collect();
            assert_eq!(base(&tops), Some(path(expected)), "{expected}");
        }
        assert_eq!(base(&[]), None);
    }

    #[test]
    fn a_tree_is_moved_by_whole_names() {
        let tree = Move {
            from: path("/a/b"),
            to: path("/x"),
        };
        for (from, to) in [
            ("/a/b", Some("/x")),
            ("/a/b/c/d", Some("/x/c/d")),
            ("/a/b-c", None),
            ("/a", None),
        ] {
            assert_eq!(tree.place(&path(from)), to.map(path), "{from}");
        }
        let tree = Move {
            from: path("/"),
            to: path("/x/root"),
        };
        assert_eq!(tree.place(&path("/etc/y")), Some(path("/x/root/etc/y")));
    }

    #[test]
    fn what_would_be_hidden_is_called_after_its_part() {
        let part = "monitoring".parse().expect("a name");
        for (from, name) in [
            ("/opt/app/Stations", "Stations"),
            ("/opt/app/.env", "monitoring.env"),
            ("/opt/app/.env.media", "monitoring.env.media"),
            ("/", "monitoring"),
        ] {
            assert_eq!(own_name(&part, &path(from)), name.as_bytes(), "{from}");
        }
    }
}
