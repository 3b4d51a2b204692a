//! Asks a host which machine it is and which tools it has.

use crate::guard::ReadCommand;
use crate::source::probe::Probe;
use crate::ssh::{self, Input, ReadSession};

/// An answer to the probe is a few hundred bytes.
const PROBE_MAX_BYTES: usize = 64 << 10;

/// Asks a host about itself.
///
/// # Errors
///
/// [`ssh::Error`] if it does not answer.
pub async fn probe(session: &ReadSession, ask_sudo: bool) -> Result<Probe, ssh::Error> {
    let command = ReadCommand::Probe { ask_sudo };
    let answer = session
        .output(&command, false, Input::none(), PROBE_MAX_BYTES)
        .await?;
    Ok(Probe::parse(&answer.stdout))
}
