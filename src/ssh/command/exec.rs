//! Executes a rendered command: takes a session of the connection, opens a channel, records what is sent,
//! and starts the command with a fresh nonce.

use std::sync::Arc;
use std::time::Duration;

use russh::{ChannelOpenFailure, client};
use tokio::sync::OwnedSemaphorePermit;

use crate::guard::{Priority, Rendered, Sudo};
use crate::name::{AccountName, HostName};
use crate::ssh::channel::running::Running;
use crate::ssh::channel::task::Start;
use crate::ssh::command::input::Input;
use crate::ssh::command::sudo::{SudoMethods, run_with_sudo};
use crate::ssh::connection::connector::Connection;
use crate::ssh::error::Error;
use crate::ssh::login::prompts::Prompts;
use crate::ssh::options::{Recorder, Secret, Sent, SentCommand};

/// A refused session is asked for again this often: sshd frees places late.
const OPENS_MAX: u32 = 20;

/// The pause before that.
const OPEN_PAUSE: Duration = Duration::from_millis(100);

/// A command that the guard renders. A session implements it for the one kind of command that it may run.
pub(in crate::ssh) trait Command: Sync {
    /// Whether it may write on the host.
    const WRITES: bool;

    /// The command as it goes over the wire, with `data_bytes` of data behind its request.
    fn rendered(&self, nonce: &str, sudo: Sudo, pace: Priority, data_bytes: u64) -> Rendered;

    /// The only host on which it may run; none: any host.
    fn only_host(&self) -> Option<&HostName>;

    /// The account that it runs as, if not root or the one that logged in.
    fn account(&self) -> Option<&AccountName>;

    /// Whether the answer is so short that the host never waits until it may send more of it.
    fn has_short_answer(&self) -> bool;
}

/// Runs commands on one connection. Dropping it ends everything on the connection.
pub(in crate::ssh) struct Executor {
    pub(in crate::ssh) connection: Arc<Connection>,
    pub(in crate::ssh) prompts: Arc<Prompts>,
    pub(in crate::ssh) pace: Priority,
    pub(in crate::ssh) sudo_methods: SudoMethods,
    pub(in crate::ssh) recorder: Option<Recorder>,
}

impl Executor {
    /// Starts `command`, and waits until the host has begun it.
    ///
    /// # Errors
    ///
    /// [`Error::OtherHost`] before anything is sent, [`Error::NoSession`], [`Error::Noise`],
    /// [`Error::NotBegun`], [`Error::SudoPassword`], [`Error::SudoRefused`], or the end of the connection.
    ///
    /// # Cancel
    ///
    /// Dropping the future stops the command.
    pub(in crate::ssh) async fn run(
        &self,
        command: &impl Command,
        sudo: bool,
        input: Input,
    ) -> Result<Running, Error> {
        if let Some(vouched) = command.only_host()
            && vouched.as_str() != self.connection.name
        {
            return Err(Error::OtherHost {
                host: self.connection.name.clone(),
                vouched: vouched.to_string(),
            });
        }
        if sudo {
            run_with_sudo(self, command, input).await
        } else {
            self.start(command, Sudo::No, None, input).await
        }
    }

    /// One attempt to start `command`.
    pub(super) async fn start<C: Command>(
        &self,
        command: &C,
        sudo: Sudo,
        password: Option<&Secret>,
        input: Input,
    ) -> Result<Running, Error> {
        let connection = &self.connection;
        let rendered = command.rendered(&nonce(), sudo, self.pace, input.length_bytes());
        let (channel, place) = self.open_session().await?;
        connection.link.occupy(channel.id(), place);
        if let Some(recorder) = &self.recorder {
            recorder(&Sent::Command(SentCommand {
                host: &connection.name,
                verb: rendered.verb(),
                writes: C::WRITES,
                line: rendered.line(),
                preamble: rendered.preamble(),
                input: &input,
            }));
        }
        Start {
            link: Arc::clone(&connection.link),
            host: connection.name.clone(),
            user: connection.user.clone(),
            stall: connection.limits.stall_timeout,
            answer: connection.limits.connect_timeout,
            rendered,
            has_short_answer: command.has_short_answer(),
            sudo,
            password: password.cloned(),
            input,
        }
        .run(channel)
        .await
    }

    /// Waits until one more session may be open on the connection, and opens it.
    async fn open_session(
        &self,
    ) -> Result<(russh::Channel<client::Msg>, OwnedSemaphorePermit), Error> {
        let connection = &self.connection;
        let place = Arc::clone(&connection.sessions)
            .acquire_owned()
            .await
            .map_err(|_| connection.link.ended())?;
        let limit = connection.limits.stall_timeout;
        let mut opens = 1;
        loop {
            let opening = connection.handle.channel_open_session();
            match connection.link.patiently(limit, opening).await? {
                Ok(channel) => return Ok((channel, place)),
                Err(russh::Error::ChannelOpenFailure(
                    ChannelOpenFailure::ConnectFailed | ChannelOpenFailure::ResourceShortage,
                )) if opens < OPENS_MAX => {
                    opens += 1;
                    tokio::time::sleep(OPEN_PAUSE * opens).await;
                }
                Err(russh::Error::ChannelOpenFailure(why)) => {
                    return Err(Error::NoSession {
                        host: connection.name.clone(),
                        why: refusal(why),
                    });
                }
                Err(_) => return Err(connection.link.ended()),
            }
        }
    }
}

/// Why a host opens no session, for people.
fn refusal(why: ChannelOpenFailure) -> String {
    match why {
        ChannelOpenFailure::AdministrativelyProhibited => "sessions are forbidden".to_owned(),
        ChannelOpenFailure::ConnectFailed | ChannelOpenFailure::ResourceShortage => {
            "it opens no more sessions".to_owned()
        }
        ChannelOpenFailure::UnknownChannelType => "it knows no sessions".to_owned(),
        ChannelOpenFailure::Other { reason, .. } => crate::name::escape(reason.as_bytes()),
    }
}

/// A word that no host can know beforehand.
fn nonce() -> String {
    let mut bytes = [0; 16];
    // Without randomness no connection could have been made; should it fail all the same, the
    // address of a fresh map's seed is still nothing that a host could know.
    if getrandom::fill(&mut bytes).is_err() {
        use std::hash::{BuildHasher as _, Hasher as _};
        for half in bytes.chunks_mut(8) {
            let seed = std::hash::RandomState::new().build_hasher().finish();
            half.copy_from_slice(&seed.to_ne_bytes());
        }
    }
    data_encoding::HEXLOWER.encode(&bytes)
}
