//! Patches of changed files for `fleet diff -p`: reads both sides of a change, within limits.

use crate::change::{self, Attribute, Change, ChangeKind, Side};
use crate::fault::{Code, ExitClass, Fault};
use crate::live::{LiveContent, LivePart};
use crate::manifest::Entry;
use crate::name::SourceName;
use crate::store::SealedCheckpoint;
use crate::{pack, store};

/// Files with more than this on either side have no patch.
pub const PATCH_MAX_BYTES: u64 = 1024 * 1024;

/// What is fetched from a host for patches in all. Someone reads them; until then they are in a temporary
/// folder, which may be memory, and a host that is looked at is not to send a tree. That is what
/// checkpoints are for, and those are compared without any such limit.
pub const PATCHES_MAX_BYTES: u64 = 64 * 1024 * 1024;

/// The newer side of a comparison, from which contents are read.
#[derive(Debug)]
pub enum Newer<'n> {
    /// A checkpoint.
    Sealed(&'n SealedCheckpoint),
    /// The host as it is now.
    Live(&'n mut LivePart),
}

/// The patch of a change, or why there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Patch {
    /// No content of a file changed.
    None,
    /// The bytes of a patch.
    Text(Vec<u8>),
    /// One of both sides is no text.
    Binary,
    /// One of both sides has more than [`PATCH_MAX_BYTES`].
    Large,
    /// The host did not send what is there now.
    Unread,
    /// With this file, more than [`PATCHES_MAX_BYTES`] would have been fetched.
    LeftOut,
}

/// A content can't be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// That of a checkpoint.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// That of the host, which was fetched to a temporary folder.
    #[error(transparent)]
    Fetched(#[from] pack::Error),
}

impl Fault for Error {
    fn code(&self) -> Code {
        match self {
            Self::Store(error) => error.code(),
            Self::Fetched(error) => error.code(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Store(error) => error.hint(),
            Self::Fetched(error) => error.hint(),
        }
    }

    fn exit_class(&self) -> ExitClass {
        match self {
            Self::Store(error) => error.exit_class(),
            Self::Fetched(error) => error.exit_class(),
        }
    }
}

/// The patch of a `change` of `part` from `old` to `newer`. Blocking.
///
/// # Errors
///
/// [`Error`] if one of the sides can't be read.
pub fn patch(
    old: &SealedCheckpoint,
    newer: &mut Newer<'_>,
    part: &SourceName,
    change: &Change,
) -> Result<Patch, Error> {
    let is_file = |side: Option<&Entry>| side.is_none_or(|entry| entry.file_bytes().is_some());
    if !is_file(change.before()) || !is_file(change.after()) {
        return Ok(Patch::None);
    }

    // Where only metadata changed, the heads of the patch tell it, and no content is read.
    let is_read = match change.kind() {
        ChangeKind::Added | ChangeKind::Removed => true,
        ChangeKind::Modified | ChangeKind::Metadata | ChangeKind::Type => {
            change.differs().contains(&Attribute::Content)
        }
    };
    let is_large = |bytes: Option<u64>| bytes.is_some_and(|bytes| bytes > PATCH_MAX_BYTES);
    let bytes_before = change.before().and_then(Entry::file_bytes);
    if is_read && (is_large(bytes_before) || is_large(change.bytes_after())) {
        return Ok(Patch::Large);
    }

    let sealed_content = |sealed: &SealedCheckpoint, side: Option<&Entry>| {
        let mut content = Vec::new();
        if let Some(entry) = side.filter(|_| is_read) {
            sealed.write_entry_of(part, entry, &mut content)?;
        }
        Ok::<_, store::Error>(content)
    };
    let now = match newer {
        Newer::Live(live) if is_read && change.after().is_some() => {
            match live.content(change.path(), PATCH_MAX_BYTES)? {
                LiveContent::Fetched(content) => content,
                LiveContent::Unread => return Ok(Patch::Unread),
                LiveContent::LeftOut => return Ok(Patch::LeftOut),
            }
        }
        Newer::Live(_) => Vec::new(),
        Newer::Sealed(new) => sealed_content(new, change.after())?,
    };
    let before = sealed_content(old, change.before())?;
    if !change::is_text(&before) || !change::is_text(&now) {
        return Ok(Patch::Binary);
    }

    let side = |entry: Option<&Entry>, content| {
        let mode = entry?.mode;
        Some(Side { mode, content })
    };
    let (before, now) = (side(change.before(), &before), side(change.after(), &now));
    Ok(Patch::Text(change::unified(change.path(), before, now)))
}
