//! Digests of an entry's extended metadata: extended attributes, ACLs, capabilities, SELinux context.
//!
//! Equal digests mean equal metadata, whatever order a host names it in. Contents of attributes can be
//! secrets, so records hold digests alone; the values are in the pack, in the member's tar header.

use crate::digest::Sha256;

/// The classes of extended metadata, each with a digest of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ExtendedClass {
    /// Extended attributes that are in no other class.
    Xattrs,
    /// The access ACL, as far as the mode does not tell it, and the default ACL.
    Acl,
    /// File capabilities.
    Capabilities,
    /// The SELinux context.
    Selinux,
}

impl ExtendedClass {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Xattrs, Self::Acl, Self::Capabilities, Self::Selinux];
}

/// The digests of one entry's extended metadata; by default it has none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Extended {
    // Few entries have any: those that have none take a pointer's room.
    digests: Option<Box<[Option<Sha256>; 4]>>,
}

impl Extended {
    /// The digests of what there is of each class, in the order of [`ExtendedClass::ALL`].
    #[must_use]
    pub fn new(digests: [Option<Sha256>; 4]) -> Self {
        let has_any = digests.iter().any(Option::is_some);
        Self {
            digests: has_any.then(|| Box::new(digests)),
        }
    }

    /// The digest of that class; none if the entry has nothing of it.
    #[must_use]
    pub fn digest(&self, class: ExtendedClass) -> Option<Sha256> {
        self.digests.as_ref()?[class as usize]
    }

    /// Whether the entry has none of it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.digests.is_none()
    }
}
