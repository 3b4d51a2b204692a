//! Takes in what a host sends: a tar stream becomes a pack and the entries of a part.
//!
//! A checkpoint, an import and `fleet diff --live` share it. Nothing here is sealed.

pub(crate) mod altered;
pub(crate) mod build_entries;
pub(crate) mod entries;
mod extract;
mod fetch_list;
mod host_error;
pub(crate) mod kept;
mod link_groups;
pub(crate) mod part;
pub(crate) mod receive;
pub(crate) mod repack;

pub(crate) use fetch_list::fetch_list;
pub use host_error::HostError;
pub use receive::Error;
