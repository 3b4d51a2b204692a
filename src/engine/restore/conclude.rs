//! Finishes or undoes restores that were cut off: `--resume` and `--rollback`.
//!
//! Everything that it takes is on the host: its own record, and what it has staged and kept.

use std::sync::Arc;

use jiff::Timestamp;

use super::{Error, Reached, judge, reach, record_refusal, serving, warn_unrecorded};
use crate::audit::{Act, Audit, Outcome, Target};
use crate::engine::Workspace;
use crate::event::{Event, HostEvent, Restore, RestoreStep, Sink};
use crate::fault::Problem;
use crate::guard::{Operation, TransactionStep};
use crate::health::probe;
use crate::interrupt::{Interrupt, StopLevel};
use crate::inventory::Host;
use crate::name::HostName;
use crate::restore::services;
use crate::restore::unfinished::{self, Unfinished, Way};
use crate::source::probe::SudoRights;
use crate::ssh::WriteSession;

/// What is under way or unfinished on a host.
#[must_use = "nothing was written yet"]
#[derive(Debug)]
pub struct Pending {
    /// The host.
    pub host: HostName,
    /// The restores.
    pub restores: Vec<Unfinished>,
    session: WriteSession,
    serving: Host,
    target: Target,
}

/// How an unfinished restore ended.
#[derive(Debug)]
pub struct Concluded {
    /// The restore.
    pub restore: Unfinished,
    /// Where the host was brought to, proven; else why not.
    pub ended: Result<Way, Problem>,
}

/// Looks for restores on `host` that have begun and have not ended. Nothing is written.
///
/// # Errors
///
/// [`Error`] if the host is protected or can't be asked.
///
/// # Cancel
///
/// Raise `interrupt`.
pub async fn pending(
    host: &HostName,
    workspace: &Arc<Workspace>,
    audit: &Audit,
    sink: &Sink,
    interrupt: &Interrupt,
) -> Result<Pending, Error> {
    sink(Event::of(host, HostEvent::Started));
    let found = tokio::select! {
        biased;
        () = interrupt.reached(StopLevel::Soon) => Err(Error::Interrupted),
        found = find(host, workspace, sink) => found,
    };
    sink(Event::of(host, Restore::Ended));
    if let Err(error) = &found
        && let Err(unrecorded) = record_refusal(host, audit, error).await
    {
        warn_unrecorded(sink, host, &unrecorded);
    }
    found
}

async fn find(host: &HostName, workspace: &Arc<Workspace>, sink: &Sink) -> Result<Pending, Error> {
    let network = &workspace.network;
    let (host, permit) = judge(&network.inventory, host)?;
    let Reached {
        session,
        address,
        probe,
        ..
    } = reach(host, permit, workspace, sink).await?;
    let mut restores = Unfinished::find(session.reader(), false).await?;
    let may_be_root = match probe.sudo {
        Some(SudoRights::Shell | SudoRights::Nothing) => true,
        Some(SudoRights::Root | SudoRights::Tools | SudoRights::Missing) | None => false,
    };
    if may_be_root {
        match Unfinished::find(session.reader(), true).await {
            Ok(found) => restores.extend(found),
            // An account that may not become root has begun none as root.
            Err(error) if probe.sudo == Some(SudoRights::Nothing) => {
                tracing::debug!(%error, "restores of root can't be listed");
            }
            Err(error) => return Err(error.into()),
        }
    }
    let of = restores.first().and_then(|restore| restore.record.as_ref());
    let source = of.and_then(|record| network.inventory.host(&record.checkpoint.host));
    Ok(Pending {
        host: host.name.clone(),
        serving: serving(host, source),
        restores,
        target: Target {
            address,
            host_key: session.reader().host_key_fingerprint(),
            machine_id: probe.machine_id,
            hostname: probe.hostname,
        },
        session,
    })
}

impl Pending {
    /// Ends the connection: nothing was written.
    pub async fn abandon(self) {
        self.session.close().await;
    }

    /// Brings all restores to an end: forward, or back. What can't go forward stays as it is.
    ///
    /// # Errors
    ///
    /// [`Error::Audit`] if it can't be recorded; nothing more is written then.
    ///
    /// # Cancel
    ///
    /// A step that has begun goes on on the host; the next run finds where it is.
    pub async fn conclude(
        self,
        way: Way,
        audit: &Audit,
        sink: &Sink,
    ) -> Result<Vec<Concluded>, Error> {
        let Self {
            host,
            restores,
            session,
            serving,
            target,
        } = self;
        let mut concluded = Vec::with_capacity(restores.len());
        for restore in restores {
            let record = restore.record.as_ref();
            let act = Act {
                target: target.clone(),
                checkpoint: record.map(|record| record.checkpoint.clone()),
                plan: record.map(|record| record.plan.clone()),
                run: Some(restore.id.to_string()),
                ..Act::new(Operation::Restore, host.clone())
            };
            let begun = audit.begin(act, Timestamp::now()).await?;
            let tell = |step| sink(Event::of(&host, Restore::Step(step)));
            let ended = one(&restore, way, (&session, &serving), &tell).await;
            let ended = ended.map_err(|error| Problem::of(&error));
            let outcome = match &ended {
                Ok(Way::Forward) => Outcome::Done,
                Ok(Way::Back) => Outcome::RolledBack,
                Err(_) => Outcome::Failed,
            };
            let recorded = begun.end(outcome, ended.as_ref().err(), Timestamp::now());
            // What was done stays done, recorded or not.
            if let Err(unrecorded) = recorded.await {
                warn_unrecorded(sink, &host, &unrecorded);
            }
            concluded.push(Concluded { restore, ended });
        }
        sink(Event::of(&host, Restore::Ended));
        session.close().await;
        Ok(concluded)
    }
}

async fn one(
    restore: &Unfinished,
    way: Way,
    (session, host): (&WriteSession, &Host),
    tell: &(dyn Fn(RestoreStep) + Sync),
) -> Result<Way, Error> {
    let transaction = restore.transaction()?;
    let known = restore.record.as_ref().map(|record| &record.services);
    // They may be down before anything else has changed.
    let known = known.filter(|known| !known.is_empty());
    if way == Way::Forward {
        if !restore.can_go_forward() {
            return Err(crate::restore::Error::NotStaged {
                id: restore.id.clone(),
            }
            .into());
        }
        if let Some(known) = known {
            tell(RestoreStep::Stop);
            services::stop(session, &host.services, known).await?;
        }
        tell(RestoreStep::Place);
        transaction.step(session, TransactionStep::Forward).await?;
    } else if restore.may_have_changed() {
        tell(RestoreStep::Undo);
        transaction.step(session, TransactionStep::Back).await?;
    }
    tell(RestoreStep::Prove);
    if way == Way::Forward || restore.may_have_changed() {
        unfinished::prove(&transaction, way, session.reader()).await?;
    }
    if let Some(known) = known {
        tell(RestoreStep::Start);
        match way {
            Way::Forward => {
                services::reload(session, host, known).await?;
                services::start(session, host, known).await?;
                tell(RestoreStep::Probe);
                for outcome in probe::run_all(session.reader(), &host.probes).await? {
                    outcome.required_of(&host.name)?;
                }
            }
            Way::Back => {
                let failed = services::undo(session, host, known).await?;
                if let Some(error) = failed.into_iter().next() {
                    return Err(error.into());
                }
            }
        }
    }
    tell(RestoreStep::Clean);
    transaction.step(session, TransactionStep::Done).await?;
    Ok(way)
}
