//! Bounds of a scan in entries and in bytes, checked while it arrives.

use super::Error;
use crate::name::RemotePath;
use crate::source::scan::Found;

/// What may be found of one source.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ScanLimits {
    /// So many entries.
    pub(crate) entries: usize,
    /// So much memory for them.
    pub(crate) bytes: usize,
}

impl ScanLimits {
    /// More is none of an honest host's: names of a hundred bytes leave room for over three million
    /// entries.
    pub(crate) const HOST: Self = Self {
        entries: 10_000_000,
        bytes: 1 << 30,
    };
}

/// Looks at what a scan brought, from `new` on, so that one without end is ended.
///
/// # Errors
///
/// [`Error::Outside`], [`Error::TooMany`] and [`Error::Memory`].
pub(crate) fn check_found(
    roots: &[RemotePath],
    found: &[Found],
    new: usize,
    held_bytes: &mut usize,
    limits: ScanLimits,
) -> Result<(), Error> {
    let is_outside = |entry: &&Found| !roots.iter().any(|root| entry.path.is_within(root));
    if let Some(entry) = found[new..].iter().find(is_outside) {
        return Err(Error::Outside {
            path: entry.path.clone(),
        });
    }
    if found.len() > limits.entries {
        return Err(Error::TooMany {
            max: limits.entries,
        });
    }
    *held_bytes += found[new..].iter().map(Found::held_bytes).sum::<usize>();
    if *held_bytes > limits.bytes {
        return Err(Error::Memory {
            max_bytes: limits.bytes,
        });
    }
    Ok(())
}
