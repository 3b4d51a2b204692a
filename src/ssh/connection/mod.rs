//! Connections: dialling, the handshake, what russh calls back, and the state that all on it share.

pub(in crate::ssh) mod callbacks;
pub(in crate::ssh) mod cause;
pub(in crate::ssh) mod clock;
pub(in crate::ssh) mod connector;
pub(in crate::ssh) mod dial;
pub(in crate::ssh) mod handshake;
pub(in crate::ssh) mod identification;
pub(in crate::ssh) mod proxy_command;
pub(in crate::ssh) mod refusal;
pub(in crate::ssh) mod specifics;
pub(in crate::ssh) mod state;
pub(in crate::ssh) mod transport;
pub(in crate::ssh) mod words;
