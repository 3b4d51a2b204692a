//! Looks at the directories of a target in which something will be put: which of them are there, on which
//! file system, and whether the way to them leads through symbolic links.

use std::collections::{BTreeSet, HashMap};

use crate::guard::{FactsFrom, ReadCommand};
use crate::inventory::glob::Walk;
use crate::manifest::FileType;
use crate::name::RemotePath;
use crate::scan::directory::{Listing, ScanError, list};
use crate::scan::result::STAGING_FOLDER;
use crate::source::scan::Facts;
use crate::ssh::ReadSession;

/// So many paths are asked for with one command.
const AT_ONCE_MAX: usize = 256;

/// What is where something will be put.
#[derive(Debug, Default)]
pub struct Ground {
    facts: HashMap<RemotePath, Facts>,
    /// Paths that are reached through a symbolic link, and where they really are.
    elsewhere: HashMap<RemotePath, RemotePath>,
}

/// A directory in which something will be put cannot take it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Obstacle {
    /// This is no directory, and lies above what was captured.
    NotADirectory(RemotePath),
    /// The first is reached through a symbolic link and is really the second.
    Elsewhere(RemotePath, RemotePath),
}

impl std::fmt::Display for Obstacle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotADirectory(path) => {
                write!(
                    f,
                    "{path} is no directory on the host, and something is to be put into it"
                )
            }
            Self::Elsewhere(path, real) => write!(
                f,
                "{path} is {real} on the host, reached through a symbolic link: nothing is put through links"
            ),
        }
    }
}

impl Ground {
    /// Looks at `directories` and all that is above them.
    ///
    /// # Errors
    ///
    /// [`ScanError`] if the host's answer is none.
    pub(crate) async fn of(
        directories: &BTreeSet<RemotePath>,
        sudo: bool,
        session: &ReadSession,
    ) -> Result<Self, ScanError> {
        let mut all: BTreeSet<RemotePath> = BTreeSet::new();
        for directory in directories {
            let mut above = Some(directory.clone());
            while let Some(path) = above {
                above = path.parent();
                if !all.insert(path) {
                    break;
                }
            }
        }
        let staging = |path: &RemotePath| path.join(STAGING_FOLDER).ok();
        let staged: Vec<RemotePath> = all.iter().filter_map(staging).collect();
        all.extend(staged);
        let mut ground = Self::default();
        let all: Vec<RemotePath> = all.into_iter().collect();
        for some in all.chunks(AT_ONCE_MAX) {
            let walks = some.iter().map(|path| Walk {
                from: path.clone(),
                depth_min: 0,
                depth_max: Some(0),
                name: None,
            });
            let command = ReadCommand::ScanFiles {
                walks: walks.collect(),
                facts: FactsFrom::FindOrStat,
            };
            let Listing {
                found, resolved, ..
            } = list(&command, some, sudo, session).await?;
            for found in found {
                if let Some(facts) = found.facts {
                    ground.facts.insert(found.path, facts);
                }
            }
            let moved = resolved
                .into_iter()
                .filter(|resolved| resolved.asked != resolved.real);
            ground
                .elsewhere
                .extend(moved.map(|resolved| (resolved.asked, resolved.real)));
        }
        Ok(ground)
    }

    /// The deepest directory at or above `path` that is there, and the number of its file system.
    ///
    /// # Errors
    ///
    /// [`Obstacle`] if what is there is no directory, or is somewhere else.
    pub fn nearest(&self, path: &RemotePath) -> Result<(RemotePath, u64), Obstacle> {
        let mut at = path.clone();
        loop {
            if let Some(facts) = self.facts.get(&at) {
                if facts.kind != FileType::Directory {
                    return Err(Obstacle::NotADirectory(at));
                }
                if let Some(real) = self.elsewhere.get(&at) {
                    return Err(Obstacle::Elsewhere(at, real.clone()));
                }
                return Ok((at, facts.mark.device));
            }
            let Some(parent) = at.parent() else {
                return Err(Obstacle::NotADirectory(at));
            };
            at = parent;
        }
    }

    /// Whether a restore is under way or unfinished in the directory `root`.
    #[must_use]
    pub fn is_staged_in(&self, root: &RemotePath) -> bool {
        root.join(STAGING_FOLDER)
            .is_ok_and(|path| self.facts.contains_key(&path))
    }

    /// What is at `path`, if anything is.
    #[must_use]
    pub fn at(&self, path: &RemotePath) -> Option<&Facts> {
        self.facts.get(path)
    }
}
