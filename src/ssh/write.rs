//! Write sessions: opened with the guard's permit for one host, and with nothing else.

use super::command::exec::Command;
use super::command::input::Input;
use super::command::output::Output;
use super::error::Error;
use super::session::ReadSession;
use crate::guard::{Priority, Rendered, Sudo, WriteCommand, WritePermit};
use crate::inventory::Inventory;
use crate::name::{AccountName, HostName};
use crate::ssh::channel::running::Running;
use crate::ssh::connection::connector::Connector;

/// A connection to a host that may be written, opened with the guard's permit. Nothing but a
/// [`WriteCommand`] changes the host.
///
/// Without a permit there is none:
///
/// ```compile_fail,E0061
/// async fn sneak(connector: &fleet::ssh::Connector, inventory: &fleet::inventory::Inventory) {
///     let _ = fleet::ssh::WriteSession::open(connector, inventory).await;
/// }
/// ```
///
/// And no host but the permit's:
///
/// ```compile_fail,E0061
/// async fn sneak(
///     permit: fleet::guard::WritePermit,
///     connector: &fleet::ssh::Connector,
///     inventory: &fleet::inventory::Inventory,
///     other: &fleet::inventory::Host,
/// ) {
///     let _ = fleet::ssh::WriteSession::open(permit, connector, inventory, other).await;
/// }
/// ```
///
/// A session that was opened for reading takes no command that writes:
///
/// ```compile_fail,E0308
/// async fn sneak(session: &fleet::ssh::ReadSession, command: &fleet::guard::WriteCommand) {
///     let _ = session.run(command, false, fleet::ssh::Input::none()).await;
/// }
/// ```
///
/// ```compile_fail,E0451
/// fn sneak(reader: fleet::ssh::ReadSession, permit: fleet::guard::WritePermit) -> fleet::ssh::WriteSession {
///     fleet::ssh::WriteSession { reader, permit }
/// }
/// ```
#[derive(Debug)]
pub struct WriteSession {
    reader: ReadSession,
    permit: WritePermit,
}

impl Command for WriteCommand {
    const WRITES: bool = true;

    fn rendered(&self, nonce: &str, sudo: Sudo, pace: Priority, data_bytes: u64) -> Rendered {
        self.render(nonce, sudo, pace, data_bytes)
    }

    fn only_host(&self) -> Option<&HostName> {
        None
    }

    fn account(&self) -> Option<&AccountName> {
        self.account()
    }

    fn has_short_answer(&self) -> bool {
        false
    }
}

impl WriteSession {
    /// Connects to the host of `permit`, which is used up.
    ///
    /// # Errors
    ///
    /// As [`Connector::connect`].
    pub async fn open(
        permit: WritePermit,
        connector: &Connector,
        inventory: &Inventory,
    ) -> Result<Self, Error> {
        let reader = connector.connect(inventory, permit.host()).await?;
        Ok(Self { reader, permit })
    }

    /// The same connection, for reading.
    #[must_use]
    pub fn reader(&self) -> &ReadSession {
        &self.reader
    }

    /// Starts `command`, and waits until the host has begun it. As [`ReadSession::run`].
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn run(
        &self,
        command: &WriteCommand,
        sudo: bool,
        input: Input,
    ) -> Result<Running, Error> {
        self.reader.executor.run(command, sudo, input).await
    }

    /// Runs `command` to its end and collects what it answers, up to `limit_bytes`.
    ///
    /// # Errors
    ///
    /// As [`ReadSession::output`].
    pub async fn output(
        &self,
        command: &WriteCommand,
        sudo: bool,
        input: Input,
        limit_bytes: usize,
    ) -> Result<Output, Error> {
        Output::of(self.run(command, sudo, input).await?, limit_bytes).await
    }

    /// Ends everything on the connection, as [`ReadSession::close`].
    pub async fn close(self) {
        self.reader.close().await;
    }

    /// What it may be used for.
    pub fn permit(&self) -> &WritePermit {
        &self.permit
    }
}
