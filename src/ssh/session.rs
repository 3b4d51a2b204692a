//! Read sessions: what fleet can do with a connection to any host.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use russh::{ChannelOpenFailure, client};
use tokio::sync::Mutex;

use super::error::{Cause, Error};
use super::options::{Question, Recorder, Secret, SentCommand};
use crate::guard::{Priority, ReadCommand, Sudo};
use crate::name::AccountName;
use crate::ssh::channel::running::{Exit, Running};
use crate::ssh::channel::stderr::Stderr;
use crate::ssh::channel::task::Start;
use crate::ssh::connection::connector::Connection;
use crate::ssh::host_keys::known_hosts::fingerprint;
use crate::ssh::login::prompts::{Prompts, TRIES_MAX};

/// A refused session is asked for again this often: sshd frees places late.
const OPENS_MAX: u32 = 20;

/// The pause before that.
const OPEN_PAUSE: Duration = Duration::from_millis(100);

/// A connection on which nothing but a [`ReadCommand`] can be said, and nothing but a
/// [`HttpGet`](crate::guard::HttpGet) asked for. Dropping it ends everything on it.
///
/// It can't be made into one that writes:
///
/// ```compile_fail,E0308
/// fn sneak(session: fleet::ssh::ReadSession) -> fleet::ssh::WriteSession {
///     session
/// }
/// ```
///
/// ```compile_fail,E0277
/// fn sneak(session: fleet::ssh::ReadSession) -> fleet::ssh::WriteSession {
///     session.into()
/// }
/// ```
///
/// ```compile_fail,E0308
/// async fn sneak(session: &fleet::ssh::ReadSession) {
///     let _ = session.run("rm -rf /", false, fleet::ssh::Input::none()).await;
/// }
/// ```
pub struct ReadSession {
    pub(super) connection: Arc<Connection>,
    shared: Shared,
}

/// What a session has from its connector.
pub(super) struct Shared {
    pub(super) prompts: Arc<Prompts>,
    pub(super) pace: Priority,
    pub(super) ways: SudoMethods,
    pub(super) recorder: Option<Recorder>,
}

/// How sudo lets the account of this session become another one, once that has been tried.
#[derive(Default)]
pub(super) struct SudoMethods(Mutex<HashMap<Option<AccountName>, SudoMethodSlot>>);

/// The place of one account's way; whoever finds it out holds the lock meanwhile.
type SudoMethodSlot = Arc<Mutex<Option<SudoMethod>>>;

/// A way to have sudo run a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SudoMethod {
    /// It runs the whole script without a password.
    Script,
    /// It runs the tools without a password, but no shell.
    Tools,
    /// It runs the whole script with a password.
    Password,
}

impl SudoMethods {
    /// The way to become `account`, or root.
    async fn of(&self, account: Option<&AccountName>) -> SudoMethodSlot {
        Arc::clone(self.0.lock().await.entry(account.cloned()).or_default())
    }
}

impl std::fmt::Debug for ReadSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReadSession")
            .field("host", &self.connection.name)
            .field("host_key", &self.host_key_fingerprint())
            .finish_non_exhaustive()
    }
}

/// What a command is given on its standard input.
#[derive(Clone, Default)]
pub struct Input(pub(super) Vec<Bytes>);

/// It may be a password: only its length is shown.
impl std::fmt::Debug for Input {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Input({} bytes)", self.length_bytes())
    }
}

impl Input {
    /// Nothing.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// These bytes.
    #[must_use]
    pub fn bytes(bytes: impl Into<Bytes>) -> Self {
        Self(vec![bytes.into()])
    }

    /// These pieces, one behind the other.
    #[must_use]
    pub fn pieces(pieces: Vec<Bytes>) -> Self {
        Self(pieces)
    }

    /// Its bytes, piece by piece.
    pub fn as_pieces(&self) -> impl Iterator<Item = &[u8]> {
        self.0.iter().map(|piece| &**piece)
    }

    fn length_bytes(&self) -> u64 {
        self.0.iter().map(|piece| piece.len() as u64).sum()
    }
}

/// What a command that ended has answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// What it wrote to its standard output, and nothing of the login shell's.
    pub stdout: Vec<u8>,
    /// What it wrote to its standard error; of much, the beginning and the end.
    pub stderr: Stderr,
    /// Its exit status.
    pub status: u32,
}

impl ReadSession {
    pub(super) fn new(connection: Arc<Connection>, shared: Shared) -> Self {
        Self { connection, shared }
    }

    /// The machine, as the operator names it.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.connection.name
    }

    /// The account that is logged in.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.connection.user
    }

    /// The fingerprint of the key that the host has shown, as `ssh-keygen -l` prints it.
    #[must_use]
    pub fn host_key_fingerprint(&self) -> String {
        fingerprint(&self.connection.host_key)
    }

    /// What the host said before it was logged in to: lines of text, escaped, at most 4 KiB.
    #[must_use]
    pub fn banner(&self) -> Option<String> {
        self.connection.link.banner()
    }

    /// The fingerprints of all keys that the host announces and proves to have; the one that it has
    /// shown comes first, and is all there is where the host announces nothing.
    ///
    /// # Errors
    ///
    /// [`Error::Lost`] if the connection ends, [`Error::Connect`] if a proof is wrong.
    pub async fn proven_host_keys(&self) -> Result<Vec<String>, Error> {
        let mut keys = vec![self.host_key_fingerprint()];
        for key in self.connection.announced_keys().await.unwrap_or_default() {
            let print = fingerprint(&key);
            if !keys.contains(&print) && self.connection.proves(&key).await? {
                keys.push(print);
            }
        }
        Ok(keys)
    }

    /// Starts `command`, and waits until the host has begun it.
    ///
    /// With `sudo`, a password is asked for only where the host wants one and somebody can be asked:
    /// once a run. The input is sent only after the command has answered.
    ///
    /// Every command that runs must be read or dropped before anything else is waited for: past 2 MiB
    /// that nobody takes, the whole connection waits with it, and so does the next `run`.
    ///
    /// # Errors
    ///
    /// [`Error::OtherHost`] before anything is sent, [`Error::NoSession`], [`Error::Noise`],
    /// [`Error::NotBegun`], [`Error::SudoPassword`], or the end of the connection.
    pub async fn run(
        &self,
        command: &ReadCommand,
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
        if !sudo {
            return self.start(command, Sudo::No, None, input).await;
        }
        let way = self.shared.ways.of(command.account()).await;
        let mut way = way.lock().await;
        match *way {
            Some(SudoMethod::Script) => {
                drop(way);
                self.start(command, Sudo::NonInteractive, None, input).await
            }
            Some(SudoMethod::Tools) => {
                drop(way);
                self.start(command, Sudo::Tools, None, input).await
            }
            Some(SudoMethod::Password) => {
                drop(way);
                self.with_password(command, input).await
            }
            // The others wait, so that a sudo that refuses logs and mails it once.
            None => {
                let (found, running) = self.first_with_sudo(command, input).await?;
                *way = Some(found);
                Ok(running)
            }
        }
    }

    /// Finds out how sudo lets the account run `command`: whole, its tools alone, or with a password.
    ///
    /// It is tried, not asked for: `sudo -l` answers for an account that may run just some other tool.
    async fn first_with_sudo(
        &self,
        command: &ReadCommand,
        input: Input,
    ) -> Result<(SudoMethod, Running), Error> {
        let whole = self.start(command, Sudo::NonInteractive, None, input.clone());
        match whole.await {
            Ok(running) => return Ok((SudoMethod::Script, running)),
            Err(Error::NotBegun { .. }) => {}
            Err(other) => return Err(other),
        }
        let prompts = &self.shared.prompts;
        let known = prompts
            .sudo(&self.connection.name, &self.connection.user)
            .await;
        let known = known.lock().await.clone();
        if let Some(password) = known {
            let with_it = self.start(command, Sudo::Password, Some(&password), input.clone());
            match with_it.await {
                Ok(running) => return Ok((SudoMethod::Password, running)),
                Err(Error::NotBegun { .. } | Error::SudoPassword { .. }) => {}
                Err(other) => return Err(other),
            }
        }
        let mut running = self
            .start(command, Sudo::Tools, None, input.clone())
            .await?;
        if !prompts.can_ask() || !running.is_refused_by_sudo().await {
            return Ok((SudoMethod::Tools, running));
        }
        let running = self.with_password(command, input).await?;
        Ok((SudoMethod::Password, running))
    }

    /// Runs `command` with the password of the account, which is asked for once a run.
    async fn with_password(&self, command: &ReadCommand, input: Input) -> Result<Running, Error> {
        let slot = self
            .shared
            .prompts
            .sudo(&self.connection.name, &self.connection.user)
            .await;
        let mut slot = slot.lock().await;
        if let Some(password) = slot.clone() {
            drop(slot);
            return self
                .start(command, Sudo::Password, Some(&password), input)
                .await;
        }
        for again in 0..TRIES_MAX {
            let question = Question::Sudo {
                user: self.connection.user.clone(),
                host: self.connection.name.clone(),
                again: again > 0,
            };
            let Some(password) = self.shared.prompts.ask(question).await else {
                return Err(Error::SudoRefused {
                    host: self.connection.name.clone(),
                    user: self.connection.user.clone(),
                    source: Cause("it wants a password, and none was given".to_owned()),
                });
            };
            match self
                .start(command, Sudo::Password, Some(&password), input.clone())
                .await
            {
                Err(Error::SudoPassword { .. }) => {}
                Err(other) => return Err(other),
                Ok(running) => {
                    *slot = Some(password);
                    return Ok(running);
                }
            }
        }
        Err(Error::SudoPassword {
            host: self.connection.name.clone(),
            user: self.connection.user.clone(),
        })
    }

    /// Runs `command` to its end and collects what it answers, up to `limit_bytes`.
    ///
    /// # Errors
    ///
    /// As [`ReadSession::run`] and [`Running::finish`]; [`Error::TooMuch`], and the command is stopped.
    pub async fn output(
        &self,
        command: &ReadCommand,
        sudo: bool,
        input: Input,
        limit_bytes: usize,
    ) -> Result<Output, Error> {
        let mut running = self.run(command, sudo, input).await?;
        let mut stdout = Vec::new();
        while let Some(chunk) = running.next().await {
            let chunk = chunk?;
            if stdout.len() + chunk.len() > limit_bytes {
                running.stop().await;
                return Err(Error::TooMuch {
                    host: self.connection.name.clone(),
                    limit_bytes,
                });
            }
            stdout.extend_from_slice(&chunk);
        }
        let Exit { status, stderr, .. } = running.finish().await?;
        Ok(Output {
            stdout,
            stderr,
            status,
        })
    }

    /// Says goodbye and ends everything on the connection. Dropping does the same, less politely.
    pub async fn close(self) {
        self.connection.close().await;
    }

    async fn start(
        &self,
        command: &ReadCommand,
        sudo: Sudo,
        password: Option<&Secret>,
        input: Input,
    ) -> Result<Running, Error> {
        let connection = &self.connection;
        let rendered = command.render(&nonce(), sudo, self.shared.pace, input.length_bytes());
        let place = Arc::clone(&connection.sessions)
            .acquire_owned()
            .await
            .map_err(|_| connection.link.ended())?;
        let channel = self.open_channel().await?;
        connection.link.occupy(channel.id(), place);
        if let Some(recorder) = &self.shared.recorder {
            recorder(&SentCommand {
                host: &connection.name,
                verb: rendered.verb(),
                writes: false,
                line: rendered.line(),
                preamble: rendered.preamble(),
                input: &input,
            });
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

    async fn open_channel(&self) -> Result<russh::Channel<client::Msg>, Error> {
        let connection = &self.connection;
        let limit = connection.limits.stall_timeout;
        let mut opens = 1;
        loop {
            let opening = connection.handle.channel_open_session();
            match connection.link.patiently(limit, opening).await? {
                Ok(channel) => return Ok(channel),
                Err(russh::Error::ChannelOpenFailure(
                    ChannelOpenFailure::ConnectFailed | ChannelOpenFailure::ResourceShortage,
                )) if opens < OPENS_MAX => {
                    opens += 1;
                    tokio::time::sleep(OPEN_PAUSE * opens).await;
                }
                Err(russh::Error::ChannelOpenFailure(why)) => {
                    return Err(Error::NoSession {
                        host: connection.name.clone(),
                        why: match why {
                            ChannelOpenFailure::AdministrativelyProhibited => {
                                "sessions are forbidden".to_owned()
                            }
                            ChannelOpenFailure::ConnectFailed
                            | ChannelOpenFailure::ResourceShortage => {
                                "it opens no more sessions".to_owned()
                            }
                            ChannelOpenFailure::UnknownChannelType => {
                                "it knows no sessions".to_owned()
                            }
                            ChannelOpenFailure::Other { reason, .. } => {
                                crate::name::escape(reason.as_bytes())
                            }
                        },
                    });
                }
                Err(_) => return Err(connection.link.ended()),
            }
        }
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
