//! Host keys: which are trusted, which are revoked, and how new ones are added to `known_hosts`.

pub(in crate::ssh) mod check;
pub(in crate::ssh) mod discovery;
pub(in crate::ssh) mod host_certificate;
pub mod known_hosts;
pub(in crate::ssh) mod known_hosts_command;
pub(in crate::ssh) mod known_hosts_line;
pub mod known_keys;
pub(in crate::ssh) mod revocation;
pub mod trust;
