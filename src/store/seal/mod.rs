//! Changes a store: builds and seals a checkpoint, removes some, and takes the lock of a host for both.

pub(in crate::store) mod host_cache;
pub(in crate::store) mod incoming;
pub(in crate::store) mod leftovers;
pub(in crate::store) mod lock;
pub(in crate::store) mod packs;
pub(in crate::store) mod remove;
pub mod tiers;
pub(in crate::store) mod used_stamps;
