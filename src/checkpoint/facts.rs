//! Asks a host for its identity and its state (uptime, disks, versions, processes, git) while its files
//! are read.
//!
//! What it is like is asked beside everything else, and is for people: whatever comes of it, the
//! checkpoint is what it would be without. So asking for it never fails, and nobody waits long.

use std::pin::pin;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::guard::{self, ReadCommand};
use crate::interrupt::{Interrupt, StopLevel};
use crate::inventory::{Host, Source, SourceKind};
use crate::manifest::{HostFacts, MachineIdentity};
use crate::name::RemotePath;
use crate::source::facts::{ANSWER_MAX_BYTES, parse};
use crate::source::probe::Probe;
use crate::ssh::{self, Input, ReadSession};

/// How much longer than everything else it may take.
const LONGER_MAX: Duration = Duration::from_secs(5);

/// The line between the answer of the probe and the facts.
const PROBE_ENDS: &[u8] = b"\nfacts=\n";

/// Which machine answered `probe`.
pub(super) fn identity(
    host: &Host,
    session: &ReadSession,
    address: &str,
    probe: &Probe,
) -> MachineIdentity {
    MachineIdentity {
        env: host
            .env
            .as_ref()
            .map_or_else(String::new, |(env, _)| env.to_string()),
        protected: guard::is_protected(host),
        address: address.to_owned(),
        user: session.user().to_owned(),
        host_key: session.host_key_fingerprint(),
        machine_id: probe.machine_id.clone(),
        os: probe.system().to_owned(),
        kernel: probe.kernel.clone(),
        hostname: probe.hostname.clone(),
    }
}

/// Asks a host which machine it is and what it is like, by one command, while `work` is done. `work` gets
/// the first answer as soon as it is there. What the host has not answered soon after the work is
/// done is left out, and so is all of it if the operator wants to stop or the work failed.
///
/// `before` are facts of an earlier checkpoint: what the programs in them are is not asked again while
/// they are the same.
pub(super) async fn beside<T, E, W>(
    work: impl FnOnce(ProbeAnswer) -> W,
    session: &ReadSession,
    sources: &[&Source],
    before: Option<&HostFacts>,
    interrupt: &Interrupt,
) -> Result<(T, HostFacts), E>
where
    W: Future<Output = Result<T, E>>,
{
    let roots = roots(sources);
    let (probed, probe) = oneshot::channel();
    let mut answer = Answer {
        bytes: Vec::new(),
        facts_from: None,
        probed: Some(probed),
    };
    let mut is_told = false;
    let done = {
        let mut asking = pin!(ask(session, &roots, before, &mut answer));
        let mut work = pin!(work(ProbeAnswer {
            probe,
            host: session.host().to_owned(),
        }));
        let done = loop {
            tokio::select! {
                done = &mut work => break done?,
                () = &mut asking, if !is_told => is_told = true,
            }
        };
        if !is_told {
            tokio::select! {
                () = asking => {}
                () = interrupt.reached(StopLevel::Soon) => {}
                () = tokio::time::sleep(LONGER_MAX) => {
                    tracing::debug!(host = session.host(), "what it is like takes too long to tell");
                }
            }
        }
        done
    };
    let facts = answer
        .facts_from
        .map_or(&[][..], |from| &answer.bytes[from..]);
    Ok((done, parse(facts, &roots, before)))
}

/// The answer of the probe, which comes before the facts.
pub(super) struct ProbeAnswer {
    probe: oneshot::Receiver<Result<Probe, ssh::Error>>,
    host: String,
}

impl ProbeAnswer {
    /// Waits for it.
    ///
    /// # Errors
    ///
    /// [`ssh::Error`] if the host does not answer.
    pub(super) async fn get(self) -> Result<Probe, ssh::Error> {
        let host = self.host;
        self.probe
            .await
            .unwrap_or(Err(ssh::Error::Stopped { host }))
    }
}

/// What a host has answered so far.
struct Answer {
    bytes: Vec<u8>,
    /// Where the facts begin, once the probe's answer is whole.
    facts_from: Option<usize>,
    /// Who waits for the probe's answer.
    probed: Option<oneshot::Sender<Result<Probe, ssh::Error>>>,
}

impl Answer {
    /// Takes more of it; whether there is room for still more.
    fn take(&mut self, bytes: &[u8]) -> bool {
        let room = ANSWER_MAX_BYTES - self.bytes.len();
        // The line may have begun in the piece before.
        let new_from = self.bytes.len().saturating_sub(PROBE_ENDS.len() - 1);
        self.bytes
            .extend_from_slice(&bytes[..bytes.len().min(room)]);
        if self.facts_from.is_none() {
            let mut windows = self.bytes[new_from..].windows(PROBE_ENDS.len());
            if let Some(at) = windows.position(|window| window == PROBE_ENDS) {
                let at = new_from + at;
                self.facts_from = Some(at + PROBE_ENDS.len());
                let probe = Probe::parse(&self.bytes[..=at]);
                self.tell(Ok(probe));
            }
        }
        bytes.len() < room
    }

    fn tell(&mut self, probe: Result<Probe, ssh::Error>) {
        if let Some(probed) = self.probed.take() {
            // Whoever waited may have failed meanwhile.
            probed.send(probe).ok();
        }
    }
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
    before: Option<&HostFacts>,
    answer: &mut Answer,
) {
    let asked = try_ask(session, roots, before, answer).await;
    match asked {
        Err(error) => {
            tracing::debug!(host = session.host(), %error, "it did not tell what it is like");
            answer.tell(Err(error));
        }
        // A host that ends without the line between has told all that it can.
        Ok(()) => {
            let probe = Probe::parse(&answer.bytes);
            answer.tell(Ok(probe));
        }
    }
}

async fn try_ask(
    session: &ReadSession,
    roots: &[RemotePath],
    before: Option<&HostFacts>,
    answer: &mut Answer,
) -> Result<(), ssh::Error> {
    let command = ReadCommand::Facts {
        roots: roots.to_vec(),
        versions: before.map(|facts| facts.programs.clone()),
    };
    let mut running = session.run(&command, false, Input::none()).await?;
    while let Some(bytes) = running.next().await {
        if !answer.take(&bytes?) {
            running.stop().await;
            return Ok(());
        }
    }
    running.finish().await?;
    Ok(())
}
