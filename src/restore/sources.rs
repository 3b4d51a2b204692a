//! The sources of a restore: what is looked at on the target, from the checkpoint's record and the inventory.

use crate::fault::Code;
use crate::inventory::{DirectorySource, FilesSource, Host, Place, Source, SourceKind, Unreadable};
use crate::manifest::{Checkpoint, Part, PartState, real_path};
use crate::name::{RemotePath, SourceName};

/// A part of the checkpoint, and how it is looked at on the target.
#[derive(Debug, Clone)]
pub struct RestoredPart {
    /// The part.
    pub part: Part,
    /// Directories, for a `directory` source: the real ones.
    pub roots: Vec<RemotePath>,
    /// How it is read on the target. What is not there is no failure.
    pub source: Source,
    /// Why the checkpoint may lack files that its host had, which `--delete` must not remove then.
    pub lacks: Option<Lack>,
}

/// Why a part may lack files that its host had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lack {
    /// Only the newest files are kept.
    Older,
    /// What could not be read was left out.
    Unreadable,
    /// The inventory has no such source any more, which could tell.
    Unknown,
}

impl std::fmt::Display for Lack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Older => "only its newest files are kept",
            Self::Unreadable => "what could not be read was left out of it",
            Self::Unknown => "the inventory does not tell how its files were chosen",
        })
    }
}

/// The parts of `checkpoint` that hold files of the host, as far as `only` names them (none: all). `hosts`
/// are those whose inventory tells how a source of a part's name is read, the target first.
///
/// Roots and patterns are those of the record. What is excluded is the record's as well.
#[must_use]
pub fn of_checkpoint(
    checkpoint: &Checkpoint,
    only: &[SourceName],
    hosts: &[&Host],
) -> Vec<RestoredPart> {
    let meant = |part: &&Part| only.is_empty() || only.contains(&part.name);
    let parts = checkpoint.parts.iter().filter(meant);
    parts.filter_map(|part| of_part(part, hosts)).collect()
}

/// A part of the checkpoint that holds dumps of databases.
#[derive(Debug, Clone)]
pub struct DumpedPart {
    /// The part.
    pub part: Part,
    /// How its server is reached on the target; none if no inventory entry says it.
    pub source: Option<Source>,
}

/// The parts of `checkpoint` that hold databases, as [`of_checkpoint`] gives those that hold files.
#[must_use]
pub fn databases_of(
    checkpoint: &Checkpoint,
    only: &[SourceName],
    hosts: &[&Host],
) -> Vec<DumpedPart> {
    let meant = |part: &&Part| {
        (only.is_empty() || only.contains(&part.name))
            && part.kind == "postgres"
            && part.state != PartState::Absent
    };
    let parts = checkpoint.parts.iter().filter(meant);
    parts
        .map(|part| DumpedPart {
            part: part.clone(),
            source: known(part, hosts).cloned(),
        })
        .collect()
}

/// The source of the part's name and kind.
fn known<'h>(part: &Part, hosts: &[&'h Host]) -> Option<&'h Source> {
    hosts
        .iter()
        .flat_map(|host| &host.sources)
        .find(|source| source.name == part.name && source.kind.as_str() == part.kind)
}

fn of_part(part: &Part, hosts: &[&Host]) -> Option<RestoredPart> {
    if part.state == PartState::Absent || part.roots.is_empty() {
        return None;
    }
    let known = known(part, hosts);
    let (roots, kind) = match part.kind.as_str() {
        "directory" => {
            let mut roots: Vec<RemotePath> = part
                .roots
                .iter()
                .map(|root| real_path(root, &part.resolved))
                .collect();
            roots.sort();
            roots.dedup();
            let one_file_system = match known.map(|known| &known.kind) {
                Some(SourceKind::Directory(directory)) => directory.one_file_system,
                Some(
                    SourceKind::Files(_)
                    | SourceKind::Postgres(_)
                    | SourceKind::Command(_)
                    | SourceKind::Http(_),
                )
                | None => true,
            };
            let source = DirectorySource {
                roots: roots.clone(),
                exclude: part.exclude.clone(),
                one_file_system,
                unreadable: Unreadable::Fail,
            };
            (roots, SourceKind::Directory(source))
        }
        "files" => {
            let globs = part.roots.iter();
            let source = FilesSource {
                globs: globs
                    .map(|glob| String::from_utf8_lossy(glob.as_bytes()).into_owned())
                    .collect(),
                newest: None,
                lines: part.lines.clone(),
            };
            (Vec::new(), SourceKind::Files(source))
        }
        _ => return None,
    };
    let lacks = match known {
        Some(known) => lack(part, &known.kind),
        None => (part.kind == "files").then_some(Lack::Unknown),
    };
    Some(RestoredPart {
        part: part.clone(),
        roots,
        lacks,
        source: Source {
            name: part.name.clone(),
            place: known.map_or_else(Place::default, |known| known.place),
            kind,
            optional: true,
            sudo: known.is_some_and(|known| known.sudo),
            may_shrink: true,
        },
    })
}

fn lack(part: &Part, known: &SourceKind) -> Option<Lack> {
    match known {
        SourceKind::Files(files) => files.newest.map(|_| Lack::Older),
        SourceKind::Directory(directory) => {
            let skips = directory.unreadable == Unreadable::Skip;
            (skips && !part.warnings.is_empty()).then_some(Lack::Unreadable)
        }
        SourceKind::Postgres(_) | SourceKind::Command(_) | SourceKind::Http(_) => None,
    }
}

/// Has root read those of `parts` in which something can't be read otherwise, as `failed` tells: damage may be
/// that an account lost its own files. Whether there are any.
pub fn read_by_root<'f>(
    parts: &mut [RestoredPart],
    failed: impl Iterator<Item = &'f Part>,
) -> bool {
    let mut any = false;
    for part in failed {
        let code = part.failure.as_ref().map(|failure| failure.code);
        if code != Some(Code::SudoNeeded) {
            continue;
        }
        let meant = parts.iter_mut().filter(|one| one.part.name == part.name);
        for source in meant.map(|one| &mut one.source) {
            any |= !source.sudo;
            source.sudo = true;
        }
    }
    any
}

impl RestoredPart {
    /// Whether only lines of its files were kept.
    #[must_use]
    pub fn has_lines(&self) -> bool {
        self.part.lines.is_some()
    }

    /// The directory that is looked at for what is at `path`: the deepest root above it, or the directory
    /// that holds a file.
    #[must_use]
    pub fn root_of(&self, path: &RemotePath) -> Option<RemotePath> {
        match &self.source.kind {
            SourceKind::Directory(_) => {
                let above = self.roots.iter().filter(|root| path.is_within(root));
                above.max_by_key(|root| root.as_bytes().len()).cloned()
            }
            SourceKind::Files(_)
            | SourceKind::Postgres(_)
            | SourceKind::Command(_)
            | SourceKind::Http(_) => path.parent(),
        }
    }
}
