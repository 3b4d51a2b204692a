//! Write sessions: opened with the guard's permit for one host, and with evidence that it is no protected
//! machine.

use super::command::exec::Command;
use super::command::input::Input;
use super::command::output::Output;
use super::error::Error;
use super::session::ReadSession;
use crate::guard::identity::{Evidence, Target, machine_id_in};
use crate::guard::{Priority, ReadCommand, Rendered, Sudo, WriteCommand, WritePermit};
use crate::inventory::Inventory;
use crate::name::{AccountName, HostName};
use crate::ssh::channel::running::Running;
use crate::ssh::connection::connector::Connector;

/// An answer to the probe is a few hundred bytes.
const PROBE_MAX_BYTES: usize = 64 << 10;

/// A connection to a host that may be written, opened with the guard's permit. Nothing but a
/// [`WriteCommand`] changes the host.
///
/// Without a permit there is none:
///
/// ```compile_fail,E0061
/// async fn sneak(
///     evidence: &fleet::guard::identity::Evidence,
///     connector: &fleet::ssh::Connector,
///     inventory: &fleet::inventory::Inventory,
/// ) {
///     let _ = fleet::ssh::WriteSession::open(evidence, connector, inventory).await;
/// }
/// ```
///
/// Nor without what is known of protected machines:
///
/// ```compile_fail,E0061
/// async fn sneak(
///     permit: fleet::guard::WritePermit,
///     connector: &fleet::ssh::Connector,
///     inventory: &fleet::inventory::Inventory,
/// ) {
///     let _ = fleet::ssh::WriteSession::open(permit, connector, inventory).await;
/// }
/// ```
///
/// And no host but the permit's:
///
/// ```compile_fail,E0061
/// async fn sneak(
///     permit: fleet::guard::WritePermit,
///     evidence: &fleet::guard::identity::Evidence,
///     connector: &fleet::ssh::Connector,
///     inventory: &fleet::inventory::Inventory,
///     other: &fleet::inventory::Host,
/// ) {
///     let _ = fleet::ssh::WriteSession::open(permit, evidence, connector, inventory, other).await;
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
        self.only_host()
    }

    fn account(&self) -> Option<&AccountName> {
        self.account()
    }

    fn has_short_answer(&self) -> bool {
        false
    }
}

impl WriteSession {
    /// Connects to the host of `permit`, which is used up, unless it is a machine that `evidence` knows as
    /// protected.
    ///
    /// Its address is compared before anything is sent to it, the host key that it shows before
    /// authentication, and all host keys that it announces and its machine-id before the session is handed
    /// out. A reconnect is another `open`, and so another comparison.
    ///
    /// # Errors
    ///
    /// [`Error::Protected`], and as [`Connector::connect`]; as [`ReadSession::output`] if the host does not
    /// tell its machine-id.
    ///
    /// # Cancel
    ///
    /// Dropping the future leaves nothing behind.
    pub async fn open(
        permit: WritePermit,
        evidence: &Evidence,
        connector: &Connector,
        inventory: &Inventory,
    ) -> Result<Self, Error> {
        let host = permit.host();
        let endpoint = connector.endpoint(inventory, host).await?;
        let location = endpoint.location().await;
        let mut target = Target {
            location: Some(location),
            ..Target::named(host.name.clone())
        };
        compare(evidence, &target)?;
        let reader = connector
            .connect_for_writing(&endpoint, host, evidence)
            .await?;
        target.host_keys = reader.claimed_host_keys().await;
        let command = ReadCommand::Probe { ask_sudo: false };
        let answer = reader
            .output(&command, false, Input::none(), PROBE_MAX_BYTES)
            .await?;
        target.machine_id = machine_id_in(&answer.stdout);
        match compare(evidence, &target) {
            Ok(()) => Ok(Self { reader, permit }),
            Err(refusal) => {
                reader.close().await;
                Err(refusal)
            }
        }
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

/// Refuses a protected machine.
fn compare(evidence: &Evidence, target: &Target) -> Result<(), Error> {
    evidence.compare(target).map_err(Error::Protected)
}
