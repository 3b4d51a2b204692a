//! Runs probes: checks that a host works, each tried again until it holds or its time is over.
//!
//! Nothing is changed on the host. A probe that does not hold is an outcome, not an error; only a connection
//! that ends is one.

mod http;
mod postgres;
mod process;
mod tcp;
mod unit;

use std::time::Duration;

use futures_util::stream::{self, StreamExt as _};
use tokio::time::{Instant, sleep, timeout_at};

use crate::fault::{Code, Fault, chain};
use crate::inventory::{Probe, ProbeKind};
use crate::name::{HostName, ProbeName};
use crate::ssh::{Error, ReadSession};

/// The pause before another attempt.
const PAUSE: Duration = Duration::from_millis(300);

/// Probes that run at the same time: an SSH server takes about ten sessions.
const AT_ONCE: usize = 4;

/// What became of a probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeOutcome {
    /// Its name.
    pub name: ProbeName,
    /// It holds.
    pub ok: bool,
    /// What was found, in a few words.
    pub says: String,
}

/// A probe that does not hold, where that is a failure.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("probe `{name}` failed on {host}: {says}")]
pub struct ProbeFailed {
    /// The host.
    pub host: HostName,
    /// The probe.
    pub name: ProbeName,
    /// What was found.
    pub says: String,
}

impl Fault for ProbeFailed {
    fn code(&self) -> Code {
        Code::ProbeFailed
    }

    fn hint(&self) -> Option<String> {
        Some(
            "Check the service on the host; if it only needs longer, raise `within` on the probe."
                .to_owned(),
        )
    }
}

impl ProbeOutcome {
    /// Nothing if the probe holds.
    ///
    /// # Errors
    ///
    /// [`ProbeFailed`] if it does not.
    pub fn required_of(self, host: &HostName) -> Result<(), ProbeFailed> {
        if self.ok {
            return Ok(());
        }
        Err(ProbeFailed {
            host: host.clone(),
            name: self.name,
            says: self.says,
        })
    }
}

/// What one attempt has found: what holds, or what does not.
type Attempt = Result<String, String>;

/// Runs all of `probes`, some at the same time. The outcomes have their order.
///
/// # Errors
///
/// The end of the connection.
///
/// # Cancel
///
/// Dropping the future stops what runs.
pub async fn run_all(session: &ReadSession, probes: &[Probe]) -> Result<Vec<ProbeOutcome>, Error> {
    let outcomes: Vec<Result<ProbeOutcome, Error>> = stream::iter(probes)
        .map(|probe| run(session, probe))
        .buffered(AT_ONCE)
        .collect()
        .await;
    outcomes.into_iter().collect()
}

/// Runs `probe` until it holds, but not longer than its `within`.
///
/// # Errors
///
/// The end of the connection.
///
/// # Cancel
///
/// Dropping the future stops what runs.
pub async fn run(session: &ReadSession, probe: &Probe) -> Result<ProbeOutcome, Error> {
    let deadline = Instant::now() + probe.within;
    let outcome = |ok, says| ProbeOutcome {
        name: probe.name.clone(),
        ok,
        says,
    };
    let mut last = None;
    loop {
        let attempt = timeout_at(deadline, attempt(session, &probe.kind, deadline)).await;
        match attempt {
            Ok(Ok(says)) => return Ok(outcome(true, says)),
            Ok(Err(says)) => last = Some(says),
            Err(_) => {}
        }
        if let Some(ended) = session.ended() {
            return Err(ended);
        }
        if Instant::now() + PAUSE >= deadline {
            let says = last
                .unwrap_or_else(|| format!("no answer within {} s", probe.within.as_secs_f64()));
            return Ok(outcome(false, says));
        }
        sleep(PAUSE).await;
    }
}

async fn attempt(session: &ReadSession, kind: &ProbeKind, deadline: Instant) -> Attempt {
    match kind {
        ProbeKind::Unit { unit, run_as } => unit::check(session, unit, run_as.as_ref()).await,
        ProbeKind::Http(probe) => http::check(session, probe, deadline).await,
        ProbeKind::Tcp { .. } => tcp::check(session, kind, deadline).await,
        ProbeKind::Process(probe) => process::check(session, probe).await,
        ProbeKind::Postgres { database, run_as } => {
            postgres::check(session, database, run_as.as_ref()).await
        }
    }
}

/// An error with its causes, in one line.
fn in_words(error: &(dyn std::error::Error + 'static)) -> String {
    chain(error).join(": ")
}
