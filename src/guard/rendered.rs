//! Rendered commands: what goes over the wire for a read or a write command, and with which rights.

use super::judgement::is_protected;
#[cfg(doc)]
use super::read_command::ReadCommand;
use super::script::{self, Request};
#[cfg(doc)]
use super::write_command::WriteCommand;
use crate::inventory::Host;
use crate::name::AccountName;

/// How much of a host a command may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Priority {
    /// As much as any other.
    Normal,
    /// What others leave over: nice 10, from which the kernel derives the priority for disks. Not the
    /// lowest: a busy host would then never answer.
    Low,
}

impl Priority {
    /// Protected hosts are there for others.
    #[must_use]
    pub fn on(host: &Host) -> Self {
        if is_protected(host) {
            Self::Low
        } else {
            Self::Normal
        }
    }
}

/// How a command gets the rights that it needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sudo {
    /// It runs as the account that logged in.
    No,
    /// `sudo -n` runs the whole script: without a password or not at all.
    NonInteractive,
    /// `sudo -S` runs the whole script: the password is the first line of the standard input, and
    /// nothing else may be sent before the host has answered.
    Password,
    /// The account that logged in runs the script, and `sudo -n` its tools, for an account that may run
    /// those as root but no shell. An account that is root already, or is the one that is asked for,
    /// needs no sudo. What a tool started so does not print keeps it running after a lost connection.
    Tools,
}

/// A command as it goes over the wire: made by [`ReadCommand::render`] and
/// [`WriteCommand::render`] alone, and never changed.
///
/// Its standard input stays open until the closing line has come: an input that ends before that ends
/// the command, so that a connection that is lost leaves nothing behind on the host.
///
/// ```compile_fail,E0616
/// use fleet::guard::{Priority, ReadCommand, Sudo};
/// fn sneak(command: &ReadCommand) -> fleet::guard::Rendered {
///     let mut rendered = command.render("0f", Sudo::No, Priority::Normal, 0);
///     rendered.preamble.extend_from_slice(b"rm -rf /\n");
///     rendered
/// }
/// ```
///
/// ```compile_fail,E0451
/// fn sneak(rendered: fleet::guard::Rendered) -> fleet::guard::Rendered {
///     fleet::guard::Rendered { line: b"rm -rf /".to_vec(), ..rendered }
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    pub(super) verb: &'static str,
    pub(super) line: Vec<u8>,
    pub(super) ready: String,
    pub(super) preamble: Vec<u8>,
    pub(super) opening: String,
    pub(super) closing: String,
}

impl Rendered {
    /// The command that a host gets for `request`, to be run as `account`, or as root or the account that
    /// logged in.
    pub(super) fn of(
        mut request: Request,
        nonce: &str,
        sudo: Sudo,
        account: Option<&AccountName>,
        pace: Priority,
    ) -> Self {
        match pace {
            Priority::Normal => {}
            Priority::Low => request.with("pace", "gentle"),
        }
        match sudo {
            Sudo::No | Sudo::NonInteractive | Sudo::Password => {}
            Sudo::Tools => {
                if let Some(account) = account {
                    request.with("as", account.as_str());
                }
                request.with("tools", "1");
            }
        }
        Self {
            verb: request.verb_name(),
            line: script::command_line(nonce, sudo, account),
            ready: nonce.to_owned(),
            preamble: request.preamble(nonce),
            opening: format!("{nonce} begin plain 1"),
            closing: format!("\n{nonce} end "),
        }
    }

    /// The word that names the command in its request: `probe`, `scan`, `fetch` …
    #[must_use]
    pub fn verb(&self) -> &'static str {
        self.verb
    }

    /// The command line. It is the same for all commands but for the nonce.
    #[must_use]
    pub fn line(&self) -> &[u8] {
        &self.line
    }

    /// The line, without its end, that is printed once the shell reads its input: sudo is satisfied.
    #[must_use]
    pub fn ready(&self) -> &str {
        &self.ready
    }

    /// What the shell reads first; data follows it.
    #[must_use]
    pub fn preamble(&self) -> &[u8] {
        &self.preamble
    }

    /// The line, without its end, that comes before the output; what comes before it is noise of
    /// the login shell.
    #[must_use]
    pub fn opening(&self) -> &str {
        &self.opening
    }

    /// What comes behind the output, followed by the exit status and a line end. Begins with a line
    /// end of its own.
    #[must_use]
    pub fn closing(&self) -> &str {
        &self.closing
    }
}
