//! What lies on the operator's disk: packs, and what names them.
//!
//! Sealed things are never changed. Nothing here knows hosts or connections.

pub mod pack;
