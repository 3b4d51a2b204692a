//! Logging in: keys, agents, certificates, passwords, and the questions to the operator.

pub(in crate::ssh) mod auth;
pub(in crate::ssh) mod prompts;
pub(in crate::ssh) mod signer;
pub(in crate::ssh) mod typed;
