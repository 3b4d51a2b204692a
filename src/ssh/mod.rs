//! Talking to hosts: the only module that knows SSH.
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

mod algorithms;
mod arguments;
mod auth;
mod callbacks;
mod cause;
mod clock;
mod connector;
mod dial;
mod drive;
mod error;
mod file_lists;
mod forward;
mod frame;
mod greeting;
mod handshake;
mod host_certificate;
mod host_key_check;
mod key_discovery;
pub mod known_hosts;
mod known_hosts_command;
mod known_hosts_line;
mod link;
mod options;
mod prompts;
mod proxy_command;
mod queue;
mod refusal;
pub mod resolve;
mod revocation;
mod rules;
mod running;
mod said;
mod session;
mod signer;
mod ssh_g;
mod stderr;
mod tokens;
mod transport;
pub mod trust;
mod typed;
mod words;
mod write;

pub use connector::Connector;
pub use error::{Attempts, Cause, Error, ForwardRefusal, NoConnection, ReachRefusal};
pub use forward::Reached;
pub use host_key_check::{CheckFailure, HostKeyCheck};
pub use key_discovery::NotLearned;
pub use known_hosts_command::KnownHostsCommand;
pub use options::{Options, Prompter, Question, Secret, Uses};
pub use refusal::{Attempt, AuthenticationFailure, HostKeyProblem, HostKeyRefusal};
pub use resolve::{Endpoint, Hop, SshConfig};
pub use running::{Body, Completion, Exit, Missing, Running};
/// A host's public key.
pub use russh::keys::PublicKey;
pub use session::{Input, Output, ReadSession};
pub use stderr::Stderr;
pub use words::Words;
pub use write::WriteSession;
