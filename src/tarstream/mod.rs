//! Tar streams as hosts send them: one pass over the raw bytes that names every member, hashes
//! every file's content, and refuses what plain tar could read differently.
//!
//! The raw bytes of a member (all its header blocks, data and padding) are handed on unchanged, so
//! that extended attributes, ACLs, sparse maps and nanosecond times survive exactly; this module
//! only reads along. Whatever it accepts, GNU tar extracts to the same names, kinds and contents.
//!
//! It must not touch files or clocks, must not allocate by a size that the stream declares, and
//! never panics on any input. Whether a member was asked for is the caller's to judge.
//!
//! Sources: POSIX pax, "ustar Interchange Format" and "pax Extended Header"; GNU tar manual,
//! "Storing Sparse Files", "PAX Format, Version 1.0".

mod acl;
mod archive;
mod attributes;
mod blocks;
mod content;
mod error;
mod header;
mod layout;
mod member;
mod pax;
mod relocate;
mod rename;
mod render;
mod stream;
pub mod tree;

#[cfg(test)]
pub(crate) mod sample;
#[cfg(test)]
mod tests;

pub use acl::{Acl, AclEntry, AclTag};
pub use attributes::{
    Attributes, CAPABILITY, POSIX_ACL_ACCESS, POSIX_ACL_DEFAULT, SELINUX_CONTEXT, StoredAcl,
    access_acl_records, attribute_records, xattr_key,
};
pub use content::MemberContent;
pub use error::Error;
pub use layout::padding;
pub use member::{Head, Kind, Member};
pub use relocate::Relocated;
pub use rename::Rename;
pub use render::Record;
pub use stream::{Event, MemberStream};

/// The size of a tar block in bytes.
pub const BLOCK_BYTES: usize = 512;

/// The longest body of one extended header (`x`, `L` or `K`) in bytes.
pub const EXTENDED_MAX_BYTES: u64 = 1 << 20;

/// The longest name of a member, and the longest target of a link, in bytes: what Linux can open.
const NAME_MAX_BYTES: usize = 4096;

/// The longest name of a user or group in bytes.
const ACCOUNT_MAX_BYTES: usize = 256;

/// The most members of one archive: each takes some memory until its end.
pub const MEMBERS_MAX: usize = 10_000_000;

/// The most bytes of holes that one sparse file may have.
const HOLES_MAX_BYTES: u64 = 1 << 40;

/// The most bytes of holes that all sparse files of one part may have: each is hashed as zeros, which
/// takes minutes for as many.
pub const HOLES_PART_MAX_BYTES: u64 = 256 << 30;

/// The most regions of data that one sparse file may have.
const SPARSE_MAX_REGIONS: usize = 1 << 20;

/// The most bytes of zeros that may follow the end-of-archive blocks.
const TRAILER_MAX_BYTES: u64 = 16 << 20;
