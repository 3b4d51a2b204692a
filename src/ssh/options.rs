//! Options that all connections of a run share: limits, and how to ask the operator something.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::command::input::Input;
use crate::guard::{HttpGet, TcpConnect};

/// How connections are made. [`Options::default`] is right for everything but tests and terminals.
#[derive(Clone)]
pub struct Options {
    /// Asks the operator; none: nothing is asked, and what would need an answer is skipped.
    pub prompter: Option<Arc<dyn Prompter>>,
    /// Is told each key and known_hosts file that a connection uses; none: nobody wants to know.
    pub uses: Option<Uses>,
    /// Records all that is sent to a host; none: nothing is recorded.
    pub recorder: Option<Recorder>,
    /// Handshakes at the same time, in all.
    pub handshakes_max: usize,
    /// Handshakes at the same time through one bastion.
    pub handshakes_per_bastion_max: usize,
    /// Sessions at the same time on one connection; sshd allows 10 and frees a place late.
    pub sessions_max: usize,
    /// A silent peer is asked for a sign of life this often; three without an answer end it.
    pub keepalive: Duration,
    /// Pause before the second attempt to connect; the third waits four times as long.
    pub retry_pause: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            prompter: None,
            uses: None,
            recorder: None,
            handshakes_max: 24,
            handshakes_per_bastion_max: 8,
            sessions_max: 8,
            keepalive: Duration::from_secs(15),
            retry_pause: Duration::from_millis(250),
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("asks", &self.prompter.is_some())
            .field("handshakes_max", &self.handshakes_max)
            .field(
                "handshakes_per_bastion_max",
                &self.handshakes_per_bastion_max,
            )
            .field("sessions_max", &self.sessions_max)
            .field("keepalive", &self.keepalive)
            .field("retry_pause", &self.retry_pause)
            .finish()
    }
}

/// Takes what a file is, and where it is; it need not exist.
pub type Uses = Arc<dyn Fn(&str, &Path) + Send + Sync>;

/// Takes everything that is sent to a host, before it is sent.
pub type Recorder = Arc<dyn Fn(&Sent<'_>) + Send + Sync>;

/// What is sent to a host.
#[derive(Debug, Clone, Copy)]
pub enum Sent<'a> {
    /// A command.
    Command(SentCommand<'a>),
    /// A request to a web server as the host sees it.
    Request {
        /// The host, as the operator names it.
        host: &'a str,
        /// The request.
        request: &'a HttpGet,
    },
    /// A connection to a port of the host's own, on which nothing is sent.
    Connect {
        /// The host, as the operator names it.
        host: &'a str,
        /// The port.
        request: &'a TcpConnect,
    },
}

/// A command on its way to a host: everything that is sent on its channel, but for passwords.
#[derive(Debug, Clone, Copy)]
pub struct SentCommand<'a> {
    /// The host, as the operator names it.
    pub host: &'a str,
    /// The word that names the command: `probe`, `scan`, `fetch` …
    pub verb: &'static str,
    /// Whether it may write on the host.
    pub writes: bool,
    /// The command line.
    pub line: &'a [u8],
    /// What the shell reads first: nonce, script and request.
    pub preamble: &'a [u8],
    /// The data behind it. A stream has not been read yet: nothing but its length is known.
    pub input: &'a Input,
}

/// Asks the operator for a secret. Called from a thread that may block, one question at a time.
pub trait Prompter: Send + Sync {
    /// The answer; none: the operator declined.
    fn ask(&self, question: &Question) -> Option<Secret>;
}

/// What the operator is asked for. The `Display` text is the prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// The passphrase of an identity file.
    Passphrase {
        /// The file.
        file: PathBuf,
        /// The last answer was wrong.
        again: bool,
    },
    /// The password of an account.
    Password {
        /// The account.
        user: String,
        /// The host, as the operator names it.
        host: String,
        /// The last answer was wrong.
        again: bool,
    },
    /// What the server itself asks, as in two-factor logins.
    FromServer {
        /// The host, as the operator names it.
        host: String,
        /// The server's words, escaped.
        prompt: String,
        /// The answer may be shown while it is typed.
        echo: bool,
        /// The last answers were wrong.
        again: bool,
    },
    /// The password for sudo.
    Sudo {
        /// The account.
        user: String,
        /// The host, as the operator names it.
        host: String,
        /// The last answer was wrong.
        again: bool,
    },
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Passphrase { again, .. }
        | Self::Password { again, .. }
        | Self::FromServer { again, .. }
        | Self::Sudo { again, .. }) = self;
        if *again {
            f.write_str("that was wrong, try again: ")?;
        }
        match self {
            Self::Passphrase { file, .. } => write!(f, "passphrase for {}", file.display()),
            Self::Password { user, host, .. } => write!(f, "password of {user} on {host}"),
            Self::FromServer { host, prompt, .. } => write!(f, "{host} asks: {prompt}"),
            Self::Sudo { user, host, .. } => write!(f, "sudo password of {user} on {host}"),
        }
    }
}

/// A text that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps it.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The text itself.
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_never_shows_in_debug() {
        assert_eq!(
            format!("{:?}", Secret::new("hunter2".to_owned())),
            "Secret(…)"
        );
    }

    #[test]
    fn a_question_names_what_it_is_about() {
        let texts = [
            Question::Passphrase {
                file: "/home/a/.ssh/id".into(),
                again: false,
            },
            Question::Password {
                user: "a".to_owned(),
                host: "dev-vm".to_owned(),
                again: true,
            },
            Question::FromServer {
                host: "dev-vm".to_owned(),
                prompt: "code:".to_owned(),
                echo: true,
                again: false,
            },
            Question::Sudo {
                user: "a".to_owned(),
                host: "dev-vm".to_owned(),
                again: false,
            },
        ]
        .map(|question| question.to_string());
        assert_eq!(
            texts,
            [
                "passphrase for /home/a/.ssh/id",
                "that was wrong, try again: password of a on dev-vm",
                "dev-vm asks: code:",
                "sudo password of a on dev-vm"
            ]
        );
    }
}
