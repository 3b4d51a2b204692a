//! Which machine a host is, and what it is like.
//!
//! What it is like is asked beside everything else, and is for people: whatever comes of it, the
//! checkpoint is what it would be without. So asking for it never fails, and nobody waits long.

use std::pin::pin;
use std::time::Duration;

use tokio::sync::watch;

use super::asked_to_stop;
use crate::guard::{self, ReadCommand};
use crate::inventory::{Host, Source, SourceKind};
use crate::manifest::{Facts, HostFacts};
use crate::name::RemotePath;
use crate::source::facts::{ANSWER_MAX_BYTES, parse};
use crate::source::probe::Probe;
use crate::ssh::{self, Input, ReadSession};

/// An answer to the probe is a few hundred bytes.
const PROBE_MAX_BYTES: usize = 64 << 10;

/// How much longer than everything else it may take.
const LONGER_MAX: Duration = Duration::from_secs(5);

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

/// Which machine answered `probe`.
pub(super) fn identity(
    host: &Host,
    session: &ReadSession,
    address: &str,
    probe: &Probe,
) -> HostFacts {
    HostFacts {
        env: host
            .env
            .as_ref()
            .map_or_else(String::new, |(env, _)| env.clone()),
        protected: !guard::protection(host).is_empty(),
        address: address.to_owned(),
        user: session.user().to_owned(),
        host_key: session.host_key_fingerprint(),
        machine_id: probe.machine_id.clone(),
        os: probe.system().to_owned(),
        kernel: probe.kernel.clone(),
        hostname: probe.hostname.clone(),
    }
}

/// Does `work`, and meanwhile asks the host what it is like. What it has not told soon after the work is
/// done is left out, and so is all of it if the operator wants to stop or the work failed.
pub(super) async fn beside<T, E>(
    work: impl Future<Output = Result<T, E>>,
    session: &ReadSession,
    sources: &[&Source],
    before: Option<&Facts>,
    stop: &watch::Receiver<bool>,
) -> Result<(T, Facts), E> {
    let roots = roots(sources);
    let mut answer = Vec::new();
    let mut is_told = false;
    let done = {
        let mut asking = pin!(ask(session, &roots, before, &mut answer));
        let mut work = pin!(work);
        let done = loop {
            tokio::select! {
                done = &mut work => break done?,
                () = &mut asking, if !is_told => is_told = true,
            }
        };
        if !is_told {
            tokio::select! {
                () = asking => {}
                () = asked_to_stop(stop) => {}
                () = tokio::time::sleep(LONGER_MAX) => {
                    tracing::debug!(host = session.host(), "what it is like takes too long to tell");
                }
            }
        }
        done
    };
    Ok((done, parse(&answer, &roots, before)))
}

/// The directories that are captured, each once.
fn roots(sources: &[&Source]) -> Vec<RemotePath> {
    let mut roots: Vec<RemotePath> = Vec::new();
    for source in sources {
        match &source.kind {
            SourceKind::Directory(directory) => {
                let new = directory.roots.iter().filter(|root| !roots.contains(root));
                let new: Vec<RemotePath> = new.cloned().collect();
                roots.extend(new);
            }
            SourceKind::Files(_)
            | SourceKind::Postgres(_)
            | SourceKind::Command(_)
            | SourceKind::Http(_) => {}
        }
    }
    roots
}

/// Collects what the host answers; what has arrived stays there whenever this is dropped.
async fn ask(
    session: &ReadSession,
    roots: &[RemotePath],
    before: Option<&Facts>,
    answer: &mut Vec<u8>,
) {
    if let Err(error) = try_ask(session, roots, before, answer).await {
        tracing::debug!(host = session.host(), %error, "it did not tell what it is like");
    }
}

async fn try_ask(
    session: &ReadSession,
    roots: &[RemotePath],
    before: Option<&Facts>,
    answer: &mut Vec<u8>,
) -> Result<(), ssh::Error> {
    let command = ReadCommand::Facts {
        roots: roots.to_vec(),
        versions: before.map(|facts| facts.programs.clone()),
    };
    let mut running = session.run(&command, false, Input::none()).await?;
    while let Some(bytes) = running.next().await {
        let bytes = bytes?;
        let room = ANSWER_MAX_BYTES - answer.len();
        answer.extend_from_slice(&bytes[..bytes.len().min(room)]);
        if bytes.len() >= room {
            running.stop().await;
            return Ok(());
        }
    }
    running.finish().await?;
    Ok(())
}
