//! The files of a store: their layout, entries files, `MANIFEST.txt` and `SHA256SUMS`.

pub(in crate::store) mod entries;
pub(in crate::store) mod layout;
pub(in crate::store) mod lines;
pub(in crate::store) mod manifest_text;
pub(in crate::store) mod sums;
