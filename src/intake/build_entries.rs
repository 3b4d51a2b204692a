//! Builds the entries of a part from the requested list, the received members and what tar wrote to its
//! standard error.
//!
//! An entry is in the part only as the stream has it. What was asked for and did not arrive is
//! vanished, unreadable or a failure; it is never left out in silence.

mod arrivals;
mod link_targets;
mod tar_notes;

use std::collections::{HashMap, HashSet};

use crate::fault::{Code, Fault};
use crate::inventory::Unreadable;
use crate::manifest::{Entry, FileType, PackName};
use crate::name::RemotePath;
use crate::source::notes::Note;
use crate::source::scan::Found;
use crate::tarstream;
use crate::units::size;

use crate::intake::altered::Altered;
use arrivals::{Arrivals, socket};
use link_targets::link_targets;
use tar_notes::Said;

use crate::intake::kept::Difference;
use crate::intake::link_groups::name_groups;
use crate::intake::part::Content;
use crate::intake::receive::Received;
use crate::scan::files::newest;
use crate::units::{NAMED_MAX, listing};

/// What was asked for, and what need not be.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    /// The roots that are there.
    pub(crate) roots: Vec<RemotePath>,
    /// What was fetched, what is recorded as the scan saw it, and what is taken over.
    pub(crate) difference: Difference,
    /// What need not be fetched, because it was just put on the host.
    pub(crate) vouched: Vec<Entry>,
    /// What to do about entries that can't be read.
    pub(crate) unreadable: Unreadable,
    /// It is known already that some can't be.
    pub(crate) has_unreadable: bool,
    /// Of what arrives only so many are kept, the newest first.
    pub(crate) newest: Option<u32>,
    /// What tar sent otherwise than the host has it.
    pub(crate) altered: Option<Altered>,
    /// The stream tells extended attributes and ACLs: what comes without has none. Else that is not known.
    pub(crate) tells_extended: bool,
}

/// The entries of a part, and the warnings about them.
#[derive(Debug)]
pub(crate) struct Composed {
    /// The entries.
    pub(crate) content: Content,
    /// What the operator should know.
    pub(crate) warnings: Vec<String>,
    /// Why the part is not what was asked for, though it has entries.
    pub(crate) failure: Option<Error>,
}

/// Why a part is not what was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Error {
    /// tar could not read some entries.
    #[error("{count} of the entries can't be read: {}", listing(*count, first))]
    Unreadable {
        /// How many.
        count: usize,
        /// The first of them, each with the reason.
        first: Vec<String>,
    },
    /// Entries did not arrive, and nothing says why.
    #[error("{count} of the entries did not arrive: {}", listing(*count, first))]
    Missing {
        /// How many.
        count: usize,
        /// The first of them.
        first: Vec<RemotePath>,
    },
    /// tar failed without a reason that concerns an entry.
    #[error("tar exited with {status}{}", said_text(said))]
    Tar {
        /// Its exit status.
        status: u32,
        /// What it said.
        said: Vec<String>,
    },
    /// What arrived is no tree.
    #[error("the entries that arrived can't be restored safely")]
    Tree(#[from] tarstream::tree::Error),
    /// tar sent entries that are not what the host has.
    #[error(
        "tar sent {} that differs from the host: {}",
        if altered.count == 1 { "an entry".to_owned() } else { format!("{} entries", altered.count) },
        listing(altered.count, &altered.first)
    )]
    Altered {
        /// Which.
        altered: Altered,
    },
    /// A hard link leads to something that did not arrive before it.
    #[error("the hard link `{path}` points to `{target}`, which did not arrive before it")]
    Link {
        /// The link.
        path: RemotePath,
        /// Its target.
        target: RemotePath,
    },
}

fn said_text(said: &[String]) -> String {
    if said.is_empty() {
        String::new()
    } else {
        format!(": {}", said.join("; "))
    }
}

impl Fault for Error {
    fn code(&self) -> Code {
        match self {
            Self::Unreadable { .. } => Code::Unreadable,
            Self::Missing { .. } | Self::Tar { .. } | Self::Link { .. } => Code::TarFailed,
            Self::Altered { .. } => Code::ArchiveRefused,
            Self::Tree(error) => error.code(),
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Unreadable { .. } => {
                "Set `sudo: true` on the source to read them, or `unreadable: skip` to capture the rest without them.".to_owned()
            }
            Self::Missing { .. } | Self::Tar { .. } => {
                "Run the command again; `fleet doctor` shows which tools the host has.".to_owned()
            }
            Self::Altered { .. } => {
                "Something changes what `tar` does on the host: check `TAR_OPTIONS` in the account's environment, and `command -v tar`."
                    .to_owned()
            }
            Self::Tree(error) => return error.hint(),
            Self::Link { .. } => "The tree changed while it was read. Run the command again.".to_owned(),
        })
    }
}

/// Puts a part together. `status` is tar's, `pack` the name of the pack that `received` is in.
pub(crate) fn build_entries(
    asked: Asked,
    received: &mut Received,
    notes: Vec<Note>,
    status: u32,
    pack: &PackName,
) -> Composed {
    let mut said = Said::of(notes);
    let is_cut = received.cut.is_some();
    let Difference {
        mut fetch,
        sockets,
        mut kept,
    } = asked.difference;
    if let Some(count) = asked.newest {
        let heads = received.members.iter().map(|(member, _)| &member.head);
        let times: HashMap<_, _> = heads.map(|head| (&head.path, head.mtime)).collect();
        fetch = newest(fetch, count, |found| times.get(&found.path).copied());
    }
    let mut fresh = Vec::with_capacity(fetch.len() + sockets.len());
    let mut failure = asked.altered.map(|altered| Error::Altered { altered });
    let arrivals = Arrivals {
        targets: link_targets(&received.members),
        sent_bytes: std::mem::take(&mut received.sent_bytes),
        said: &said,
        pack,
        tells_extended: asked.tells_extended,
    };

    // Both lists are walked in path order, and each member becomes an entry and is gone: a large tree is
    // not held twice.
    let mut arrived = std::mem::take(&mut received.members);
    arrived.sort_unstable_by(|(a, at), (b, bt)| a.head.path.cmp(&b.head.path).then(at.cmp(bt)));
    let mut arrived = arrived.into_iter().peekable();
    let mut missing = Missing::default();
    for found in fetch {
        let mut member = None;
        while let Some(next) = arrived.next_if(|next| next.0.head.path <= found.path) {
            member = Some(next).filter(|next| next.0.head.path == found.path);
        }
        let Some((member, offset)) = member else {
            missing.add(found, &said, is_cut);
            continue;
        };
        match arrivals.entry(found, member, offset) {
            Ok(entry) => fresh.extend(entry),
            Err(error) => failure = failure.or(Some(error)),
        }
    }
    drop(arrived);
    fresh.extend(sockets.into_iter().filter_map(socket));
    fresh.extend(asked.vouched);
    fresh.sort_by(|a, b| a.path.cmp(&b.path));
    name_groups(&mut fresh, &received.first_names);

    // Of a tree without its directories the next run would know less than of the one before.
    let is_torn = is_cut && kept.is_some() && !missing.directories.is_empty();
    // What is in a directory that is not there any more is not there either.
    if let Some(kept) = &mut kept {
        missing
            .vanished
            .extend(kept.drop_beneath(&missing.directories));
    }
    let kept = kept.filter(|kept| !kept.entries.is_empty());
    let mut composed = Composed {
        content: Content { kept, fresh },
        warnings: Vec::new(),
        failure,
    };

    // What is missing may explain why tar was not content.
    said.others
        .retain(|text| !text.starts_with("sudo: unable to resolve host"));
    let explained = composed.conclude(missing, &said, asked.unreadable) || asked.has_unreadable;
    if status > tolerated_status(is_cut, explained) {
        composed.fail(Error::Tar {
            status,
            said: said.others,
        });
    }
    if is_torn {
        composed.content = Content::default();
    } else {
        composed.check_tree(&asked.roots);
    }
    composed
}

/// The highest exit status of tar that is no failure by itself.
fn tolerated_status(is_cut: bool, explained: bool) -> u32 {
    match (is_cut, explained) {
        // Nothing explains that a stream ended early.
        (true, _) => 0,
        // Entries that could not be read, or were gone.
        (false, true) => 2,
        // Files that changed while they were read.
        (false, false) => 1,
    }
}

/// What was asked for and did not arrive, by reason.
#[derive(Default)]
struct Missing {
    directories: Vec<RemotePath>,
    vanished: Vec<RemotePath>,
    unread: Vec<String>,
    unexplained: Vec<RemotePath>,
}

impl Missing {
    fn add(&mut self, found: Found, said: &Said, cut: bool) {
        if found.is(FileType::Directory) {
            self.directories.push(found.path.clone());
        }
        let path = found.path;
        if said.gone.contains(&path) {
            self.vanished.push(path);
        } else if let Some(why) = said.unread.get(&path) {
            self.unread.push(format!("{path} ({why})"));
        } else if !cut {
            self.unexplained.push(path);
        }
    }
}

impl Composed {
    /// Collects the warnings, and whether they explain the exit status of tar.
    fn conclude(&mut self, mut missing: Missing, said: &Said, unreadable: Unreadable) -> bool {
        let shrank: Vec<&RemotePath> = sorted(&said.shrank);
        let changed: Vec<&RemotePath> = sorted(&said.changed)
            .into_iter()
            .filter(|path| !said.shrank.contains(*path))
            .collect();
        self.warn("changed while being read", &changed);
        self.warn(
            "got shorter while being read, the missing end is zeros",
            &shrank,
        );
        self.warn("vanished before being read", &missing.vanished);
        if said.dropped_bytes > 0 {
            self.warnings.push(format!(
                "tar said so much that {} of it were not kept: any file may have changed while it was read, \
                 so all are fetched again next time",
                size(said.dropped_bytes)
            ));
        }
        self.warn(
            "came without ACLs and extended attributes, which can't be read",
            &sorted(&said.bare),
        );
        if said.lacks_attributes {
            self.warnings.push(
                "the host's tar was built without extended attributes: ACLs and capabilities are not captured"
                    .to_owned(),
            );
        }
        // Read, but not well: "Read error at byte 0".
        for (path, why) in &said.unread {
            let text = format!("{path} ({why})");
            let arrived = self
                .content
                .fresh
                .binary_search_by(|entry| entry.path.cmp(path))
                .is_ok();
            if arrived && !missing.unread.contains(&text) {
                missing.unread.push(text);
            }
        }
        missing.unread.sort();
        let explained =
            said.dropped_bytes == 0 && (!missing.unread.is_empty() || !missing.vanished.is_empty());
        if !missing.unread.is_empty() {
            let count = missing.unread.len();
            missing.unread.truncate(NAMED_MAX);
            let error = Error::Unreadable {
                count,
                first: missing.unread,
            };
            match unreadable {
                Unreadable::Skip => self.warnings.push(error.to_string()),
                Unreadable::Fail => self.fail(error),
            }
        }
        if !missing.unexplained.is_empty() {
            let count = missing.unexplained.len();
            missing.unexplained.truncate(NAMED_MAX);
            self.fail(Error::Missing {
                count,
                first: missing.unexplained,
            });
        }
        explained
    }

    /// Keeps nothing of a part that is no tree.
    fn check_tree(&mut self, roots: &[RemotePath]) {
        // What a tar altered has all arrived, and may be no tree any more.
        let is_whole = matches!(self.failure, None | Some(Error::Altered { .. }));
        if is_whole
            && !self.content.is_unchanged()
            && let Err(error) = tarstream::tree::check(roots, self.content.shapes())
        {
            self.content = Content::default();
            self.fail(Error::Tree(error));
        }
    }

    fn fail(&mut self, error: Error) {
        if self.failure.is_none() {
            self.failure = Some(error);
        }
    }

    fn warn<T: std::fmt::Display>(&mut self, what: &str, paths: &[T]) {
        if !paths.is_empty() {
            let noun = if paths.len() == 1 { "entry" } else { "entries" };
            self.warnings.push(format!(
                "{} {noun} {what}: {}",
                paths.len(),
                listing(paths.len(), paths)
            ));
        }
    }
}

fn sorted(paths: &HashSet<RemotePath>) -> Vec<&RemotePath> {
    let mut paths: Vec<&RemotePath> = paths.iter().collect();
    paths.sort();
    paths
}

#[cfg(test)]
mod tests;
