//! SSH: connections, sessions and commands. The only module that knows the protocol.
//!
//! A [`Connector`] opens one connection a host, and one a bastion for all hosts behind it. What a
//! [`ReadSession`] can say is the guard's closed list of reading commands, and a way to a web server
//! there is opened for the guard's `GET` alone; a [`WriteSession`] is opened with the guard's permit.
//! Host keys are always strict, every wait has a limit, and a command has succeeded only when its
//! trailer, its exit status and its channel's close were seen.
//!
//! What russh needs of its users, and what this module therefore keeps to: every channel has a task
//! that always reads it, writing is a task of its own that ends with the reader, and every channel is
//! drained into a queue of its own.

mod channel;
mod command;
pub mod config;
mod connection;
mod error;
mod forward;
pub mod host_keys;
mod login;
mod options;
mod session;
mod write;

pub use channel::running::{Body, Completion, Exit, Missing, Running};
pub use channel::stderr::Stderr;
pub use command::input::Input;
pub use command::output::Output;
pub use config::resolve::{Endpoint, Hop, SshConfig};
pub use connection::connector::Connector;
pub use connection::refusal::{Attempt, AuthenticationFailure, HostKeyProblem, HostKeyRefusal};
pub use connection::words::Words;
pub use error::{Attempts, Cause, Error, ForwardRefusal, InputError, NoConnection, ReachRefusal};
pub use forward::ForwardedStream;
pub use host_keys::check::{CheckFailure, HostKeyCheck};
pub use host_keys::discovery::NotLearned;
pub use host_keys::known_hosts_command::KnownHostsCommand;
pub use options::{Options, Prompter, Question, Recorder, Secret, Sent, SentCommand, Uses};
/// A host's public key.
pub use russh::keys::PublicKey;
pub use session::ReadSession;
pub use write::WriteSession;
