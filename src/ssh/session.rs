//! Read sessions: what fleet can do with a connection to any host.

use super::command::exec::{Command, Executor};
use super::command::input::Input;
use super::command::output::Output;
use super::error::Error;
use crate::guard::{Priority, ReadCommand, Rendered, Sudo};
use crate::name::{AccountName, HostName};
use crate::ssh::channel::running::Running;
use crate::ssh::connection::connector::Connection;
use crate::ssh::host_keys::known_hosts::fingerprint;

/// A connection on which nothing but a [`ReadCommand`] can be sent, and nothing but a
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
    pub(super) executor: Executor,
}

impl Command for ReadCommand {
    const WRITES: bool = false;

    fn rendered(&self, nonce: &str, sudo: Sudo, pace: Priority, data_bytes: u64) -> Rendered {
        self.render(nonce, sudo, pace, data_bytes)
    }

    fn only_host(&self) -> Option<&HostName> {
        self.only_host()
    }

    fn account(&self) -> Option<&AccountName> {
        self.account()
    }

    fn has_short_answer(&self) -> bool {
        self.has_short_answer()
    }
}

impl std::fmt::Debug for ReadSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReadSession")
            .field("host", &self.connection().name)
            .field("host_key", &self.host_key_fingerprint())
            .finish_non_exhaustive()
    }
}

impl ReadSession {
    pub(super) fn new(executor: Executor) -> Self {
        Self { executor }
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.executor.connection
    }

    /// The machine, as the operator names it.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.connection().name
    }

    /// The account that is logged in.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.connection().user
    }

    /// The fingerprint of the key that the host has shown, as `ssh-keygen -l` prints it.
    #[must_use]
    pub fn host_key_fingerprint(&self) -> String {
        fingerprint(&self.connection().host_key)
    }

    /// What the host said before it was logged in to: lines of text, escaped, at most 4 KiB.
    #[must_use]
    pub fn banner(&self) -> Option<String> {
        self.connection().link.banner()
    }

    /// The fingerprints of all keys that the host announces and proves to have; the one that it has
    /// shown comes first, and is all there is where the host announces nothing.
    ///
    /// # Errors
    ///
    /// [`Error::Lost`] if the connection ends, [`Error::Connect`] if a proof is wrong.
    pub async fn proven_host_keys(&self) -> Result<Vec<String>, Error> {
        let mut keys = vec![self.host_key_fingerprint()];
        for key in self.connection().announced_keys().await.unwrap_or_default() {
            let print = fingerprint(&key);
            if !keys.contains(&print) && self.connection().proves(&key).await? {
                keys.push(print);
            }
        }
        Ok(keys)
    }

    /// The fingerprints of the key that the host has shown and of all that it announces, proven or not: a
    /// key that it only claims to have can speak against it, never for it.
    pub(super) async fn claimed_host_keys(&self) -> Vec<String> {
        let announced = self.connection().announced_keys().await;
        let mut keys = vec![self.host_key_fingerprint()];
        keys.extend(announced.unwrap_or_default().iter().map(fingerprint));
        keys
    }

    /// Starts `command`, and waits until the host has begun it.
    ///
    /// With `sudo`, a password is asked for only where the host wants one and somebody can be asked:
    /// once a run. An attempt that sudo refuses may be followed by another one, with the same input.
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
        self.executor.run(command, sudo, input).await
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
        Output::of(self.run(command, sudo, input).await?, limit_bytes).await
    }

    /// Says goodbye and ends everything on the connection. Dropping does the same, less politely.
    pub async fn close(self) {
        self.connection().close().await;
    }
}
