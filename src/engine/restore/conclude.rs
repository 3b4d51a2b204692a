//! Finishes or undoes restores that were cut off: `--resume` and `--rollback`.
//!
//! Everything that it takes is on the host: its own record, and what it has staged and kept.

use std::sync::Arc;

use jiff::Timestamp;

use super::start::Start;
use super::undo::Undo;
use super::{Error, Reached, audited, databases, judge, reach, record_refusal, serving};
use crate::audit::{Act, Audit, Outcome, Target};
use crate::engine::Workspace;
use crate::event::{Event, HostEvent, Restore, RestoreStep, Sink};
use crate::fault::Problem;
use crate::guard::{Operation, TransactionStep};
use crate::interrupt::{Interrupt, StopLevel};
use crate::inventory::{Host, Inventory};
use crate::name::HostName;
use crate::restore::databases::{DatabaseState, DatabaseTarget};
use crate::restore::services::{self, ServiceRecord};
use crate::restore::transaction::Transaction;
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
        audited::warn(sink, host, &unrecorded);
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

    /// Brings all restores to an end: forward, or back. What can't go forward stays as it is; one that is in
    /// place and proven is ended forward, whatever is asked for. `inventory` knows the passwords of databases.
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
        inventory: &Inventory,
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
            let ended = one(&restore, way, (&session, &serving), inventory, sink).await;
            let ended = ended.map_err(|error| Problem::of(&error));
            let outcome = match &ended {
                Ok(Way::Forward) => Outcome::Done,
                Ok(Way::Back) => Outcome::RolledBack,
                Err(_) => Outcome::Failed,
            };
            audited::end(begun, outcome, ended.as_ref().err(), sink).await;
            concluded.push(Concluded { restore, ended });
        }
        sink(Event::of(&host, Restore::Ended));
        session.close().await;
        Ok(concluded)
    }
}

/// An unfinished restore, and what it takes to end it.
struct Ending<'a> {
    restore: &'a Unfinished,
    session: &'a WriteSession,
    host: &'a Host,
    transaction: Transaction,
    /// What was active before; none: nothing was stopped.
    stopped: Option<&'a ServiceRecord>,
    databases: Vec<DatabaseTarget>,
    sink: &'a Sink,
    tell: &'a (dyn Fn(RestoreStep) + Sync),
}

/// Ends `restore`, if it can in the way that is asked for. One that is in place and proven already can only be
/// ended forward.
async fn one(
    restore: &Unfinished,
    way: Way,
    (session, host): (&WriteSession, &Host),
    inventory: &Inventory,
    sink: &Sink,
) -> Result<Way, Error> {
    let record = restore.record.as_ref();
    let tell = |step| sink(Event::of(&host.name, Restore::Step(step)));
    let ending = Ending {
        restore,
        session,
        host,
        transaction: restore.transaction()?,
        // They may be down before anything else has changed.
        stopped: record
            .map(|record| &record.services)
            .filter(|known| !known.is_empty()),
        databases: match record {
            Some(record) => databases::of_record(record, inventory).await?,
            None => Vec::new(),
        },
        sink,
        tell: &tell,
    };
    if restore.is_committed {
        ending.clean().await?;
        return Ok(Way::Forward);
    }
    match way {
        Way::Forward => ending.forward().await?,
        Way::Back => ending.back().await?,
    }
    Ok(way)
}

impl Ending<'_> {
    async fn forward(&self) -> Result<(), Error> {
        let (session, host, tell) = (self.session, self.host, self.tell);
        if !self.restore.can_go_forward() || !self.are_loaded().await {
            let id = self.restore.id.clone();
            return Err(crate::restore::Error::NotStaged { id }.into());
        }
        if let Some(known) = self.stopped {
            tell(RestoreStep::Stop);
            services::stop(session, &host.services, known).await?;
        }
        tell(RestoreStep::Place);
        let transaction = &self.transaction;
        transaction.step(session, TransactionStep::Forward).await?;
        tell(RestoreStep::Prove);
        unfinished::prove(transaction, Way::Forward, session.reader()).await?;
        let record = self.restore.record.as_ref();
        let start = Start {
            session,
            host,
            stopped: self.stopped,
            databases: &self.databases,
            is_other_host: record.is_some_and(|record| record.checkpoint.host != record.host),
        };
        let mut started = start.run(tell).await?;
        start.judge(&mut started)?;
        for warning in started.warnings {
            super::warn(self.sink, &host.name, warning);
        }
        transaction.step(session, TransactionStep::Commit).await?;
        self.clean().await
    }

    /// Whether every database was loaded to its end. A server that does not answer may be one of the services
    /// that were stopped, which is after that.
    async fn are_loaded(&self) -> bool {
        for target in &self.databases {
            match target.state(self.session.reader()).await {
                Ok(DatabaseState::Ready | DatabaseState::Switched) => {}
                Ok(DatabaseState::Untouched | DatabaseState::Loading) => return false,
                Err(error) => tracing::debug!(%error, "a database's state can't be asked"),
            }
        }
        true
    }

    /// Removes what was replaced.
    async fn clean(&self) -> Result<(), Error> {
        (self.tell)(RestoreStep::Clean);
        databases::drop_old(&self.databases, self.session).await?;
        let step = TransactionStep::Done;
        self.transaction.step(self.session, step).await?;
        Ok(())
    }

    async fn back(&self) -> Result<(), Error> {
        (self.tell)(RestoreStep::Undo);
        let undo = Undo {
            session: self.session,
            host: self.host,
            transaction: &self.transaction,
            databases: &self.databases,
            stopped: self.stopped,
            may_have_changed: self.restore.may_have_changed(),
        };
        let proof = async || {
            (self.tell)(RestoreStep::Prove);
            let reader = self.session.reader();
            Ok(unfinished::prove(&self.transaction, Way::Back, reader).await?)
        };
        undo.run(proof).await
    }
}
