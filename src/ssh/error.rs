//! SSH errors.

use std::sync::Arc;
use std::time::Duration;

use crate::fault::{Code, ExitClass, Fault, Specific};
use crate::guard::identity::ProtectedMachine;
pub use crate::ssh::command::input::InputError;
pub use crate::ssh::connection::cause::{Attempts, Cause, NoConnection};
use crate::ssh::connection::refusal::{AuthenticationFailure, HostKeyRefusal};
pub use crate::ssh::connection::refusal::{ForwardRefusal, ReachRefusal};
use crate::ssh::connection::specifics::specifics;
use crate::ssh::connection::words::Words;
use crate::ssh::host_keys::check::CheckFailure;

/// A failure that one host's connection, or one command on it, ended with. Cheap to clone, because
/// the end of a connection ends everything on it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// OpenSSH's configuration, or a jump, can't be made sense of.
    #[error("can't resolve how to reach {host}: {why}")]
    Resolve {
        /// The host.
        host: String,
        /// What is wrong.
        why: String,
    },
    /// The system gives this program no more open files.
    #[error("too many files are open to reach {host}")]
    OpenFiles {
        /// The host.
        host: String,
        /// Why.
        source: Cause,
    },
    /// No connection.
    #[error("can't connect to {host} at {address}{attempts}")]
    Connect {
        /// The host.
        host: String,
        /// Where it was looked for.
        address: String,
        /// How often it was tried.
        attempts: Attempts,
        /// Why the last attempt failed.
        source: Box<NoConnection>,
    },
    /// The host key isn't trusted.
    #[error("{0}")]
    HostKey(Box<HostKeyRefusal>),
    /// It is unknown whether the host key is trusted.
    #[error("can't check the host key of {host}")]
    HostKeyCheck {
        /// The host.
        host: String,
        /// Why.
        source: Box<CheckFailure>,
    },
    /// The host should be written, and is a protected machine.
    #[error(transparent)]
    Protected(Box<ProtectedMachine>),
    /// Nobody let us in.
    #[error(transparent)]
    Authentication(Box<AuthenticationFailure>),
    /// A host on the way could not be passed.
    #[error("can't reach {host} through {via}")]
    Hop {
        /// The host.
        host: String,
        /// The host on the way.
        via: String,
        /// Why.
        source: Arc<Error>,
    },
    /// The bastion would not open a way to the host.
    #[error("{via} refused to forward to {address}")]
    Forward {
        /// The host.
        host: String,
        /// The host on the way.
        via: String,
        /// Where it was asked to go.
        address: String,
        /// What it said.
        source: ForwardRefusal,
    },
    /// The host would not open a way to a server that it should see.
    #[error("{host} refused to forward to {address}")]
    Reach {
        /// The host.
        host: String,
        /// Where it was asked to go.
        address: String,
        /// What it said.
        source: ReachRefusal,
    },
    /// The connection ended too early.
    #[error("lost the connection to {host}")]
    Lost {
        /// The host.
        host: String,
        /// Why.
        source: Cause,
    },
    /// Nothing came for too long.
    #[error("{host} sent nothing for {}", seconds(.after))]
    Stalled {
        /// The host.
        host: String,
        /// How long.
        after: Duration,
    },
    /// The host opens no session, or runs no command.
    #[error("can't run commands on {host}: {why}")]
    NoSession {
        /// The host.
        host: String,
        /// What it said.
        why: String,
    },
    /// Too much came before the command's first line.
    #[error("{host} printed text before the command's output: {excerpt}")]
    Noise {
        /// The host.
        host: String,
        /// How it begins, escaped.
        excerpt: String,
    },
    /// The command ended without having begun.
    #[error("{host} did not run the command (exit status {})", or_unknown(.status))]
    NotBegun {
        /// The host.
        host: String,
        /// The channel's exit status.
        status: Option<u32>,
        /// What it said instead.
        source: Cause,
    },
    /// The channel ended without saying how the command did.
    #[error("{host} reported no exit status for the command")]
    NoStatus {
        /// The host.
        host: String,
    },
    /// The output is cut: its last line is missing or contradicts the exit status.
    #[error("the output of {host} is incomplete: its last line is missing (exit status {exit})")]
    NoTrailer {
        /// The host.
        host: String,
        /// The channel's exit status.
        exit: u32,
    },
    /// A signal ended the command.
    #[error("the command on {host} was ended by signal {signal}")]
    Signal {
        /// The host.
        host: String,
        /// Its name, without `SIG`.
        signal: String,
    },
    /// It was stopped from here.
    #[error("the command on {host} was stopped")]
    Stopped {
        /// The host.
        host: String,
    },
    /// The data for a command's standard input is not what was announced. The command was stopped.
    #[error("can't send the data of a command to {host}")]
    Input {
        /// The host.
        host: String,
        /// Why.
        source: InputError,
    },
    /// More output than the caller takes.
    #[error("{host} answered with more than {limit_bytes} bytes")]
    TooMuch {
        /// The host.
        host: String,
        /// How much would have been taken.
        limit_bytes: usize,
    },
    /// sudo wants a password and there is nobody to ask, or it allows the account nothing.
    #[error("sudo on {host} refused {user}")]
    SudoRefused {
        /// The host.
        host: String,
        /// The account.
        user: String,
        /// sudo's own words.
        source: Cause,
    },
    /// The host has no sudo, and the account is not the one that is needed.
    #[error("{host} has no `sudo`, and {user} has no permission to read this")]
    NoSudo {
        /// The host.
        host: String,
        /// The account.
        user: String,
    },
    /// The password for sudo was wrong.
    #[error("sudo on {host} rejected every password of {user}")]
    SudoPassword {
        /// The host.
        host: String,
        /// The account.
        user: String,
    },
    /// The guard let the command run on another host.
    #[error("refused to run a command meant for {vouched} on {host}")]
    OtherHost {
        /// The host of the session.
        host: String,
        /// The only host on which it may run.
        vouched: String,
    },
    /// A file here can't be read or written.
    #[error("can't use {}", .file.display())]
    File {
        /// The file.
        file: std::path::PathBuf,
        /// Why.
        source: Cause,
    },
}

impl Error {
    /// The same with what the other side has said.
    pub(super) fn with_words(mut self, said: Option<Box<Words>>) -> Self {
        if let Self::Connect { source, .. } = &mut self {
            source.words = said;
        }
        self
    }

    /// The same with the number of attempts.
    pub(super) fn after(mut self, made: Attempts) -> Self {
        if let Self::Connect { attempts, .. } = &mut self {
            *attempts = made;
        }
        self
    }
}

/// A duration for people.
pub(in crate::ssh) fn seconds(duration: &Duration) -> String {
    format!("{} s", duration.as_secs_f64())
}

fn or_unknown(status: &Option<u32>) -> String {
    status.map_or_else(|| "unknown".to_owned(), |status| status.to_string())
}

impl Fault for Error {
    fn code(&self) -> Code {
        match self {
            Self::Resolve { .. } => Code::SshConfigInvalid,
            Self::OpenFiles { .. } => Code::TooManyOpenFiles,
            Self::Connect { .. } => Code::HostUnreachable,
            Self::HostKey(refusal) => refusal.problem.code(),
            Self::HostKeyCheck { .. } => Code::HostKeyUnchecked,
            Self::Protected(refusal) => refusal.code(),
            Self::Authentication(_) => Code::AuthenticationFailed,
            Self::Hop { source, .. } => source.code(),
            Self::Forward { source, .. } => match source {
                ForwardRefusal::Prohibited => Code::ForwardingRefused,
                ForwardRefusal::Unreachable | ForwardRefusal::Other => Code::HostUnreachable,
            },
            Self::Reach { source, .. } => match source {
                ReachRefusal::Prohibited => Code::ForwardingRefused,
                ReachRefusal::Refused
                | ReachRefusal::Silent { .. }
                | ReachRefusal::Failed { .. } => Code::ServiceUnreachable,
            },
            Self::Lost { .. } => Code::ConnectionLost,
            Self::Stalled { .. } => Code::HostStalled,
            Self::NoSession { .. } | Self::Noise { .. } | Self::NotBegun { .. } => {
                Code::ShellUnusable
            }
            Self::NoStatus { .. } | Self::NoTrailer { .. } => Code::OutputCut,
            Self::Signal { .. } => Code::CommandKilled,
            Self::Stopped { .. } => Code::Interrupted,
            Self::TooMuch { .. } => Code::LimitExceeded,
            Self::SudoRefused { .. } | Self::SudoPassword { .. } => Code::SudoRefused,
            Self::NoSudo { .. } => Code::SudoMissing,
            Self::OtherHost { .. } => Code::GuardRefused,
            Self::Input { .. } | Self::File { .. } => Code::LocalIoFailed,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Resolve { host, .. } => Some(format!(
                "`ssh -G {host}` shows the configuration that OpenSSH uses."
            )),
            Self::OpenFiles { .. } => Some(
                "Raise the limit, as in `ulimit -n 4096`, or work on fewer hosts at once."
                    .to_owned(),
            ),
            Self::Connect { host, .. } => Some(format!(
                "Check that {host} is up and that its address and port are right; `ssh -G {host}` shows what OpenSSH would use."
            )),
            Self::HostKey(refusal) => Some(refusal.mend()),
            Self::HostKeyCheck { source, .. } => source.mend(),
            Self::Protected(refusal) => refusal.hint(),
            Self::Authentication(failure) => {
                let load = if failure.words.is_some() {
                    "The host's own message may be the reason. Otherwise load"
                } else {
                    "Load"
                };
                Some(format!(
                    "{load} the key with `ssh-add`, or name it under `identity` in the inventory; `ssh {}@{}` shows which methods the server accepts.",
                    failure.user, failure.host
                ))
            }
            Self::Hop { source, .. } => source.hint(),
            Self::Forward { via, source, .. } => Some(match source {
                ForwardRefusal::Prohibited => {
                    format!(
                        "Allow it on {via} (`AllowTcpForwarding`, `PermitOpen` in sshd_config)."
                    )
                }
                ForwardRefusal::Unreachable | ForwardRefusal::Other => {
                    format!("Check that the target is up and can be reached from {via}.")
                }
            }),
            Self::Reach {
                host,
                address,
                source,
            } => Some(match source {
                ReachRefusal::Refused => {
                    format!("Check that the service is running: {host} connects to {address}.")
                }
                ReachRefusal::Prohibited => format!(
                    "Allow it in sshd_config on {host}: `AllowTcpForwarding local` and `PermitOpen {address}`; for a key with `restrict` in authorized_keys: `port-forwarding,permitopen=\"{address}\"`."
                ),
                ReachRefusal::Silent { .. } | ReachRefusal::Failed { .. } => {
                    format!("Check that {address} is right, and that {host} can reach it.")
                }
            }),
            Self::Stalled { host, .. } => Some(format!(
                "`ssh {host} true` shows whether the host can run commands; raise `stall_timeout` in the inventory if it may send nothing for that long."
            )),
            Self::Noise { host, .. } | Self::NotBegun { host, .. } => Some(format!(
                "The account's login shell can't run commands, or prints text. `ssh {host} true` must print nothing."
            )),
            Self::SudoRefused { user, .. } => Some(format!(
                "Run fleet in a terminal to be asked for the password, or allow {user} to use sudo without one (`NOPASSWD` in sudoers)."
            )),
            Self::NoSudo { user, .. } => Some(format!(
                "Install sudo on the host and allow it to {user}, or log in as root."
            )),
            Self::Lost { .. }
            | Self::NoSession { .. }
            | Self::NoStatus { .. }
            | Self::NoTrailer { .. }
            | Self::Signal { .. }
            | Self::Stopped { .. }
            | Self::Input { .. }
            | Self::TooMuch { .. }
            | Self::SudoPassword { .. }
            | Self::OtherHost { .. }
            | Self::File { .. } => None,
        }
    }

    fn specifics(&self) -> Vec<Specific> {
        specifics(self)
    }

    fn exit_class(&self) -> ExitClass {
        match self {
            Self::Resolve { .. } => ExitClass::Usage,
            Self::OtherHost { .. } | Self::Protected(_) => ExitClass::Refused,
            Self::Connect { .. }
            | Self::HostKey(_)
            | Self::HostKeyCheck { .. }
            | Self::Authentication(_)
            | Self::Forward { .. }
            | Self::Lost { .. }
            | Self::Stalled { .. } => ExitClass::Unreachable,
            Self::Hop { source, .. } => source.exit_class(),
            Self::OpenFiles { .. }
            | Self::Reach { .. }
            | Self::NoSession { .. }
            | Self::Noise { .. }
            | Self::NotBegun { .. }
            | Self::NoStatus { .. }
            | Self::NoTrailer { .. }
            | Self::Signal { .. }
            | Self::Stopped { .. }
            | Self::Input { .. }
            | Self::TooMuch { .. }
            | Self::SudoRefused { .. }
            | Self::NoSudo { .. }
            | Self::SudoPassword { .. }
            | Self::File { .. } => ExitClass::Failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::chain;

    /// Every failure that no test on a real server reaches, as the operator reads it.
    #[test]
    fn every_failure_says_what_why_and_how_to_mend_it() {
        let host = || "web".to_owned();
        let cases = [
            (
                Error::Stalled {
                    host: host(),
                    after: Duration::from_secs(60),
                },
                vec!["web sent nothing for 60 s"],
                Some(
                    "`ssh web true` shows whether the host can run commands; raise `stall_timeout` in the inventory if it may send nothing for that long.",
                ),
                ExitClass::Unreachable,
            ),
            (
                Error::NoStatus { host: host() },
                vec!["web reported no exit status for the command"],
                None,
                ExitClass::Failed,
            ),
            (
                Error::NotBegun {
                    host: host(),
                    status: None,
                    source: Cause("it said nothing".to_owned()),
                },
                vec![
                    "web did not run the command (exit status unknown)",
                    "it said nothing",
                ],
                Some(
                    "The account's login shell can't run commands, or prints text. `ssh web true` must print nothing.",
                ),
                ExitClass::Failed,
            ),
            (
                Error::SudoRefused {
                    host: host(),
                    user: "ops".to_owned(),
                    source: Cause("sudo: a password is required".to_owned()),
                },
                vec!["sudo on web refused ops", "sudo: a password is required"],
                Some(
                    "Run fleet in a terminal to be asked for the password, or allow ops to use sudo without one (`NOPASSWD` in sudoers).",
                ),
                ExitClass::Failed,
            ),
            (
                Error::Forward {
                    host: host(),
                    via: "bastion".to_owned(),
                    address: "10.0.0.1:22".to_owned(),
                    source: ForwardRefusal::Other,
                },
                vec!["bastion refused to forward to 10.0.0.1:22", "it refused"],
                Some("Check that the target is up and can be reached from bastion."),
                ExitClass::Unreachable,
            ),
            (
                Error::File {
                    file: "/kh".into(),
                    source: Cause("denied".to_owned()),
                },
                vec!["can't use /kh", "denied"],
                None,
                ExitClass::Failed,
            ),
        ];
        for (error, texts, hint, class) in cases {
            assert_eq!(chain(&error), texts);
            assert_eq!(error.hint().as_deref(), hint);
            assert_eq!(error.exit_class(), class);
        }
    }
}
