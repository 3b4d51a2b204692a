//! Runs a command on a connection: what read sessions and write sessions share.
//!
//! Sessions decide what may be run. Everything behind that is here, once: the dialogue with sudo, the
//! limit on sessions of a connection, the record of what is sent, and the command's input and output.

pub(in crate::ssh) mod exec;
pub(in crate::ssh) mod input;
pub(in crate::ssh) mod output;
pub(in crate::ssh) mod sudo;
