//! OpenSSH's configuration: what `ssh -G` prints for a host, resolved into how it is reached and logged in to.

pub(in crate::ssh) mod algorithms;
pub(in crate::ssh) mod arguments;
pub(in crate::ssh) mod file_lists;
pub(in crate::ssh) mod named_files;
pub mod resolve;
pub(in crate::ssh) mod rules;
pub(in crate::ssh) mod ssh_config;
pub(in crate::ssh) mod ssh_g;
pub(in crate::ssh) mod tokens;
