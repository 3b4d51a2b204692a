//! The definition of a protected host, which the rules of the inventory and the guard share.
//!
//! Other modules ask [`crate::guard::is_protected`].

use std::fmt;

use super::{Access, Env, Host, Place, Tag};

/// Why a host is protected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Protection {
    /// `env` means prod.
    Env {
        /// The word as the inventory has it.
        env: Env,
        /// Where.
        place: Place,
    },
    /// A tag means prod.
    Tag {
        /// The word as the inventory has it.
        tag: Tag,
        /// Where.
        place: Place,
    },
    /// There is no `env`, which counts as prod.
    NoEnv {
        /// Where the host begins.
        place: Place,
    },
    /// `access` is read-only.
    ReadOnly {
        /// Where.
        place: Place,
    },
    /// There is no `access`, which means read-only.
    NoAccess {
        /// Where the host begins.
        place: Place,
    },
}

impl Protection {
    /// The line of the inventory that protects the host.
    #[must_use]
    pub fn place(&self) -> Place {
        match self {
            Self::Env { place, .. }
            | Self::Tag { place, .. }
            | Self::NoEnv { place }
            | Self::ReadOnly { place }
            | Self::NoAccess { place } => *place,
        }
    }
}

impl fmt::Display for Protection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env { env, .. } => write!(f, "env is `{env}`"),
            Self::Tag { tag, .. } => write!(f, "tag is `{tag}`"),
            Self::NoEnv { .. } => f.write_str("no env is given, which counts as prod"),
            Self::ReadOnly { .. } => f.write_str("access is `read-only`"),
            Self::NoAccess { .. } => f.write_str("access is not `writable`"),
        }
    }
}

/// Everything that protects `host`, the plainest reason first; empty only for a writable host.
pub(crate) fn protection(host: &Host) -> Vec<Protection> {
    let mut reasons = Vec::new();
    match &host.env {
        None => reasons.push(Protection::NoEnv { place: host.place }),
        Some((env, place)) if env.is_prod() => {
            reasons.push(Protection::Env {
                env: env.clone(),
                place: *place,
            });
        }
        Some(_) => {}
    }
    for (tag, place) in host.tags.iter().filter(|(tag, _)| tag.is_prod()) {
        reasons.push(Protection::Tag {
            tag: tag.clone(),
            place: *place,
        });
    }
    match host.access {
        Some((Access::Writable, _)) => {}
        Some((Access::ReadOnly, place)) => reasons.push(Protection::ReadOnly { place }),
        None => reasons.push(Protection::NoAccess { place: host.place }),
    }
    reasons
}
