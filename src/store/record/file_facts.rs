//! [`FileFacts`]: digest and length of a file of the store.

use crate::digest::Sha256;

/// Digest and length of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) struct FileFacts {
    pub(in crate::store) sha256: Sha256,
    pub(in crate::store) stored_bytes: u64,
}

impl FileFacts {
    /// Those of a file with this content.
    pub(in crate::store) fn of(content: &[u8]) -> Self {
        Self {
            sha256: Sha256::of(content),
            stored_bytes: content.len() as u64,
        }
    }
}
