//! Reads a store: finds checkpoints, opens and compares them, and follows the history of a path.

pub(in crate::store) mod compare;
pub(in crate::store) mod content;
pub(in crate::store) mod find;
pub(in crate::store) mod folders;
pub(in crate::store) mod history;
pub(in crate::store) mod machines;
pub(in crate::store) mod newest;
pub(in crate::store) mod sealed;
