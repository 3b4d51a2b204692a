//! The errors for which a source cannot be captured as it was asked for.

use std::fmt;

use crate::fault::{Code, Fault};
use crate::name::{RemotePath, escape};
use crate::units::size;

use crate::source::lines::{FILE_MAX_BYTES, WITHOUT_LINES_HINT};
use crate::units::{NAMED_MAX, listing};

/// What helps when the rights of an account are not the reason.
const GONE_HINT: &str =
    "If something is mounted there, its server does not answer: mount it again.";

/// An entry that can't be read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Unread {
    /// Which.
    pub(crate) path: RemotePath,
    /// Why, unless the account may not.
    pub(crate) why: Option<String>,
}

impl Unread {
    fn is_no_matter_of_rights(&self) -> bool {
        self.why.is_some()
    }
}

impl From<RemotePath> for Unread {
    /// The account may not.
    fn from(path: RemotePath) -> Self {
        Self { path, why: None }
    }
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.why {
            Some(why) => write!(f, "{} ({})", self.path, escape(why.as_bytes())),
            None => self.path.fmt(f),
        }
    }
}

/// Why a source cannot be captured as it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Error {
    /// A root is not there.
    #[error("{root} does not exist")]
    Missing {
        /// The root.
        root: RemotePath,
    },
    /// A root cannot be reached or read by the account.
    #[error("{root} can't be read: permission denied")]
    Denied {
        /// The root.
        root: RemotePath,
    },
    /// A root cannot be looked at.
    #[error("{root} can't be read: {}", escape(why.as_bytes()))]
    Failed {
        /// The root.
        root: RemotePath,
        /// What the host says.
        why: String,
    },
    /// A root is a symbolic link.
    #[error("{root} is a symbolic link to {}", escape(target))]
    Link {
        /// The root.
        root: RemotePath,
        /// The text of the link.
        target: Vec<u8>,
    },
    /// A root is no directory.
    #[error("{root} is not a directory")]
    NotADirectory {
        /// The root.
        root: RemotePath,
    },
    /// The scan failed in a way that nothing explains.
    #[error("the scan failed: {}", some_of(said))]
    Scan {
        /// The messages of `find`.
        said: Vec<String>,
    },
    /// Some entries can't be read.
    #[error("{}", unreadable_text(*count, first))]
    Unreadable {
        /// How many.
        count: usize,
        /// The first of them.
        first: Vec<Unread>,
    },
    /// Some files can't be read, or directories that may hold some.
    #[error("{}", unreadable_text(*count, first))]
    UnreadableFiles {
        /// How many.
        count: usize,
        /// The first of them.
        first: Vec<Unread>,
    },
    /// A pattern matches nothing.
    #[error("nothing matches `{}`", escape(glob.as_bytes()))]
    NothingMatches {
        /// The pattern.
        glob: String,
    },
    /// A pattern matches directories, and nothing else.
    #[error("only directories match `{}`", escape(glob.as_bytes()))]
    OnlyDirectories {
        /// The pattern.
        glob: String,
    },
    /// Files are too large to be looked through.
    #[error("{}", too_large_text(*count, first))]
    TooLarge {
        /// How many.
        count: usize,
        /// The first of them.
        first: Vec<RemotePath>,
    },
    /// The scan tells of what is elsewhere.
    #[error("find reported `{path}`, which is outside the source")]
    Outside {
        /// The entry.
        path: RemotePath,
    },
    /// The scan tells of more than any host has.
    #[error("the source has more than {max} entries")]
    TooMany {
        /// So many are taken.
        max: usize,
    },
    /// The scan takes more memory than it may.
    #[error("the list of entries takes more than {} of memory", size(*max_bytes as u64))]
    Memory {
        /// So much it may.
        max_bytes: usize,
    },
    /// There is nothing in it.
    #[error("{} is empty", roots_text(roots))]
    Empty {
        /// The roots that are there.
        roots: Vec<RemotePath>,
    },
}

fn unreadable_text(count: usize, first: &[Unread]) -> String {
    let noun = if count == 1 { "entry" } else { "entries" };
    format!("{count} {noun} can't be read: {}", listing(count, first))
}

fn too_large_text(count: usize, first: &[RemotePath]) -> String {
    let noun = if count == 1 { "file is" } else { "files are" };
    let mib = FILE_MAX_BYTES >> 20;
    let files = listing(count, first);
    format!("{count} {noun} larger than {mib} MiB, too large for `lines`: {files}")
}

/// The first of the lines, and how many more there are.
fn some_of(said: &[String]) -> String {
    match said.get(..NAMED_MAX) {
        Some(first) if said.len() > NAMED_MAX => {
            let more = said.len() - NAMED_MAX;
            format!("{}; and {more} more lines", first.join("; "))
        }
        Some(_) | None => said.join("; "),
    }
}

fn roots_text(roots: &[RemotePath]) -> String {
    roots
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}

impl Fault for Error {
    fn code(&self) -> Code {
        match self {
            Self::Missing { .. } => Code::RootMissing,
            Self::Denied { .. } => Code::SudoNeeded,
            Self::Failed { .. } => Code::Unreadable,
            Self::Unreadable { first, .. } | Self::UnreadableFiles { first, .. }
                if first.iter().all(Unread::is_no_matter_of_rights) =>
            {
                Code::Unreadable
            }
            Self::Unreadable { .. } | Self::UnreadableFiles { .. } => Code::SudoNeeded,
            Self::Link { .. } | Self::NotADirectory { .. } => Code::NotADirectory,
            Self::Scan { .. } | Self::Outside { .. } => Code::ScanFailed,
            Self::NothingMatches { .. } | Self::OnlyDirectories { .. } => Code::NothingMatches,
            Self::TooLarge { .. } | Self::TooMany { .. } | Self::Memory { .. } => {
                Code::LimitExceeded
            }
            Self::Empty { .. } => Code::PartEmpty,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Missing { .. } => {
                "Correct the path, or set `optional: true` on the source if this host doesn't need it.".to_owned()
            }
            Self::Failed { .. } => GONE_HINT.to_owned(),
            Self::UnreadableFiles { first, .. } if first.iter().all(Unread::is_no_matter_of_rights) => GONE_HINT.to_owned(),
            Self::Denied { .. } | Self::UnreadableFiles { .. } => "Set `sudo: true` on the source, or log in as an account with permission to read it.".to_owned(),
            Self::NothingMatches { .. } => {
                "Correct the pattern, or set `optional: true` on the source if this host doesn't need it.".to_owned()
            }
            Self::OnlyDirectories { .. } => {
                "Use a `directory:` source to capture a directory.".to_owned()
            }
            Self::TooLarge { .. } => WITHOUT_LINES_HINT.to_owned(),
            Self::Link { target, .. } if target.starts_with(b"/") => {
                format!("Name the directory itself: `directory: {}`.", escape(target))
            }
            Self::Link { .. } => "Name the directory that it points to.".to_owned(),
            Self::NotADirectory { .. } => "Use a `files:` source to capture single files.".to_owned(),
            Self::Scan { .. } => "`fleet doctor` shows what each source would read.".to_owned(),
            Self::Outside { .. } => "Nothing of it was used. Check `find --version` and `command -v find` on the host.".to_owned(),
            Self::TooMany { .. } | Self::Memory { .. } => {
                "Check the host, or split it into several sources and `exclude` what is not needed.".to_owned()
            }
            Self::Unreadable { first, .. } if first.iter().all(Unread::is_no_matter_of_rights) => {
                format!("{GONE_HINT} Or leave it out with `exclude`, or set `unreadable: skip` to capture the rest.")
            }
            Self::Unreadable { .. } => {
                "Set `sudo: true` on the source to read them, or `unreadable: skip` to capture the rest without them.".to_owned()
            }
            Self::Empty { .. } => "If that is expected, set `may_shrink: true` on the source.".to_owned(),
        })
    }
}
