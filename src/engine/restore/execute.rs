//! Executes a restore: seals the safety checkpoint, stages, puts in place, proves, and undoes what fails.

use std::sync::Arc;

use jiff::Timestamp;

use super::databases::{self, Databases};
use super::record::{self, State};
use super::staging::{Staging, StagingRun};
use super::start::Start;
use super::undo::Undo;
use super::{Error, Prepared, audited};
use crate::audit::Audit;
use crate::blocking::blocking;
use crate::engine::Workspace;
use crate::event::{Event, Restore, RestoreStep, Sink};
use crate::fault::Problem;
use crate::guard::{Compression, TransactionStep};
use crate::health::probe::ProbeOutcome;
use crate::interrupt::{Interrupt, StopLevel};
use crate::inventory::{Host, Source};
use crate::manifest::{Checkpoint, Entry, Trigger};
use crate::name::{RemotePath, RestoreId};
use crate::restore::Error as RestoreError;
use crate::restore::databases::DatabaseTarget;
use crate::restore::plan::Plan;
use crate::restore::prove::Sight;
use crate::restore::record::RestoreRecord;
use crate::restore::services;
use crate::restore::sources::RestoredPart;
use crate::restore::transaction::Transaction;
use crate::ssh::WriteSession;
use crate::store::SealedCheckpoint;

/// How a restore ended.
#[derive(Debug)]
pub enum Ending {
    /// Everything is in place and proven.
    Restored,
    /// There was nothing to do.
    Unchanged,
    /// It did not work, and everything is as it was.
    RolledBack(Problem),
    /// It did not work, and the host is in between: its record tells what was under way.
    Failed {
        /// What did not work.
        problem: Problem,
        /// Why it could not be undone.
        undo: Problem,
    },
    /// The operator asked to stop, and everything is as it was.
    Interrupted,
}

/// What became of a restore.
#[derive(Debug)]
pub struct Executed {
    /// How it ended.
    pub ending: Ending,
    /// The safety checkpoint; none if nothing had to be done.
    pub safety: Option<Checkpoint>,
    /// The checkpoint of the restored state.
    pub sealed: Option<Checkpoint>,
    /// Why there is none though the host was restored.
    pub unsealed: Option<Problem>,
    /// File content that was sent, uncompressed.
    pub sent_bytes: u64,
    /// What the probes found.
    pub probes: Vec<ProbeOutcome>,
}

/// What it takes to write.
struct Execution<'a> {
    workspace: &'a Arc<Workspace>,
    /// The target, as the inventory has it.
    target: &'a Host,
    address: &'a str,
    plan: &'a Plan,
    parts: &'a [RestoredPart],
    databases: &'a Databases,
    /// The same with the services and probes that are meant.
    host: &'a Host,
    session: &'a WriteSession,
    checkpoint: Arc<SealedCheckpoint>,
    safety: Arc<SealedCheckpoint>,
    compression: Compression,
    sink: &'a Sink,
    interrupt: &'a Interrupt,
    sent_bytes: u64,
    /// What was put in place, as the host has it.
    placed: Vec<Entry>,
    /// Services may be down.
    has_stopped: bool,
    /// A safety checkpoint of what services wrote while they stopped.
    written: Option<Checkpoint>,
    probes: Vec<ProbeOutcome>,
}

impl Prepared {
    /// Puts the checkpoint onto the host. Whatever fails is undone.
    ///
    /// # Errors
    ///
    /// [`Error`] if nothing was written on the host. What happens after that is an [`Ending`].
    ///
    /// # Cancel
    ///
    /// Raise `interrupt`: the restore is undone, or finished if everything is being put in place already.
    pub async fn execute(
        mut self,
        workspace: &Arc<Workspace>,
        audit: &Audit,
        sink: &Sink,
        interrupt: &Interrupt,
    ) -> Result<Executed, Error> {
        if !self.plan.refusals.is_empty() {
            let (checkpoint, host) = (self.plan.checkpoint.clone(), self.plan.target.host.clone());
            let reasons = self.plan.refusals.clone();
            self.abandon().await?;
            return Err(Error::Impossible {
                checkpoint,
                host,
                reasons,
            });
        }
        if self.plan.is_empty() {
            self.abandon().await?;
            return Ok(Executed {
                ending: Ending::Unchanged,
                safety: None,
                sealed: None,
                unsealed: None,
                sent_bytes: 0,
                probes: Vec::new(),
            });
        }
        let safety = self.seal_safety().await?;
        let (shared, id) = (Arc::clone(workspace), safety.id.clone());
        let sealed = blocking(move || shared.store.open_checkpoint(&id)).await?;
        let mut execution = Execution {
            workspace,
            target: &self.permit_host,
            address: &self.address,
            plan: &self.plan,
            parts: &self.parts,
            databases: &self.databases,
            host: &self.serving,
            session: &self.session,
            checkpoint: Arc::clone(&self.checkpoint),
            safety: Arc::new(sealed),
            compression: self.compression,
            sink,
            interrupt,
            sent_bytes: 0,
            placed: Vec::new(),
            has_stopped: false,
            written: None,
            probes: Vec::new(),
        };
        // From here on the host may change.
        let begun = audit
            .begin(audited::act(&self.plan), Timestamp::now())
            .await?;
        let ended = execution.run().await;
        let (outcome, why) = audited::outcome(&ended);
        audited::end(begun, outcome, why.as_ref(), sink).await;
        let (sent_bytes, placed) = (execution.sent_bytes, execution.placed);
        let (probes, written) = (execution.probes, execution.written);
        let (sealed, unsealed) = match ended {
            Ok(Ending::Restored) => self.seal(workspace, placed).await,
            Ok(
                Ending::Unchanged
                | Ending::RolledBack(_)
                | Ending::Failed { .. }
                | Ending::Interrupted,
            )
            | Err(_) => (None, None),
        };
        sink(Event::of(&self.permit_host.name, Restore::Ended));
        self.session.close().await;
        Ok(Executed {
            ending: ended?,
            safety: Some(written.unwrap_or(safety)),
            sealed,
            unsealed,
            sent_bytes,
            probes,
        })
    }
}

impl Prepared {
    /// Seals the safety checkpoint. Once.
    pub(super) async fn seal_safety(&mut self) -> Result<Checkpoint, Error> {
        let written = self.safety.take().and_then(Arc::into_inner);
        let written = written.expect("the plan is made, and nothing else has it");
        Ok(blocking(move || written.seal()).await?)
    }

    /// Seals a checkpoint of the restored state; else why that did not work.
    async fn seal(
        &self,
        workspace: &Arc<Workspace>,
        placed: Vec<Entry>,
    ) -> (Option<Checkpoint>, Option<Problem>) {
        let place = (self.session.reader(), self.address.as_str());
        let restored = &self.plan.checkpoint;
        // The packs of another host are none of this one's.
        let is_own = restored.host == self.permit_host.name;
        let placed = if is_own { placed } else { Vec::new() };
        let sources = self.parts.iter().map(|part| &part.source);
        let mut sources: Vec<Source> = sources.chain(self.databases.sources()).cloned().collect();
        if self.is_whole {
            // As the next checkpoint captures them.
            let own = &self.permit_host.sources;
            sources.retain(|one| !own.iter().any(|source| source.name == one.name));
        }
        let state = State {
            sources,
            is_whole: self.is_whole,
            trigger: Trigger::Restore,
            description: format!("after the restore of {restored}"),
            placed,
        };
        match record::seal(workspace, &self.permit_host, place, state).await {
            Ok(checkpoint) => (Some(checkpoint), None),
            Err(error) => (None, Some(Problem::of(&error))),
        }
    }
}

/// What ended the way forward.
pub(super) enum Stop {
    Interrupted,
    Failed(Box<Error>),
}

impl<E: Into<Error>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Failed(Box::new(error.into()))
    }
}

impl Execution<'_> {
    async fn run(&mut self) -> Result<Ending, Error> {
        let staging = Staging {
            plan: self.plan,
            session: self.session,
            checkpoint: Arc::clone(&self.checkpoint),
            safety: Arc::clone(&self.safety),
            compression: self.compression,
            sink: self.sink,
            interrupt: self.interrupt,
        };
        let staging = staging.begin();
        let mut random = [0; 6];
        getrandom::fill(&mut random).map_err(|error| RestoreError::Spool(error.into()))?;
        let id = RestoreId::of(random);
        let roots: Vec<RemotePath> = self.plan.roots.keys().cloned().collect();
        let record = self.record(&id);
        let session = self.session;
        let targets = self.databases.targets(&id);
        let begun = Transaction::begin(
            session,
            self.plan.sudo,
            id,
            (roots, self.plan.tools),
            record,
        )
        .await;
        let transaction = begun?;
        let mut before = None;
        let stop = match self
            .forward(staging, &transaction, &targets, &mut before)
            .await
        {
            Ok(()) => {
                self.clean(&transaction, &targets).await;
                return Ok(Ending::Restored);
            }
            Err(stop) => stop,
        };
        self.tell(RestoreStep::Undo);
        let plan = self.plan;
        let undo = Undo {
            session,
            host: self.host,
            transaction: &transaction,
            databases: &targets,
            stopped: self.has_stopped.then_some(&plan.services),
            may_have_changed: true,
        };
        let proof = async || {
            if let Some(before) = &before {
                let sight = Sight::of(plan, self.parts, session.reader()).await?;
                sight.is_as(before, plan)?;
            }
            Ok(())
        };
        let undone = undo.run(proof).await;
        Ok(match (stop, undone) {
            (Stop::Interrupted, Ok(())) => Ending::Interrupted,
            (Stop::Failed(error), Ok(())) => Ending::RolledBack(Problem::of(&*error)),
            (stop, Err(undo)) => Ending::Failed {
                problem: match stop {
                    Stop::Interrupted => Problem::of(&Error::Interrupted),
                    Stop::Failed(error) => Problem::of(&*error),
                },
                undo: Problem::of(&undo),
            },
        })
    }

    /// Everything is in place and proven: what stays of the staging folders, or of old databases, is no
    /// failure. `--resume` removes it.
    async fn clean(&self, transaction: &Transaction, targets: &[DatabaseTarget]) {
        self.tell(RestoreStep::Clean);
        let session = self.session;
        let cleaned = async {
            databases::drop_old(targets, session).await?;
            let step = TransactionStep::Done;
            transaction.step(session, step).await?;
            Ok::<_, Error>(())
        };
        if let Err(error) = cleaned.await {
            let host = &self.plan.target.host;
            super::warn(
                self.sink,
                host,
                format!(
                    "what was replaced is still kept on the host: {}; `fleet restore --resume {host}` removes it",
                    Problem::of(&error).line()
                ),
            );
        }
    }

    fn tell(&self, step: RestoreStep) {
        (self.sink)(Event::of(&self.plan.target.host, Restore::Step(step)));
    }

    /// What the host keeps about the restore.
    fn record(&self, id: &RestoreId) -> Vec<u8> {
        let plan = self.plan;
        let record = RestoreRecord {
            id: id.clone(),
            checkpoint: plan.checkpoint.clone(),
            host: plan.target.host.clone(),
            safety: self.safety.id().clone(),
            plan: plan.digest_text(),
            roots: plan.roots.keys().cloned().collect(),
            services: plan.services.clone(),
            databases: self.databases.recorded(),
        };
        record.to_text()
    }

    /// Stages, puts in place, proves, and says on the host that it is so. `before` is set when it is known
    /// what the host had.
    async fn forward(
        &mut self,
        staging: StagingRun<'_>,
        transaction: &Transaction,
        targets: &[DatabaseTarget],
        before: &mut Option<Sight>,
    ) -> Result<(), Stop> {
        let (session, plan, parts) = (self.session, self.plan, self.parts);
        self.tell(RestoreStep::Stage);
        let staged = staging.run(transaction, &mut self.sent_bytes).await?;
        if !targets.is_empty() {
            self.load(&transaction.id).await?;
        }
        transaction.step(session, TransactionStep::Staged).await?;

        // The last look before anything changes.
        let sight = Sight::of(plan, parts, session.reader()).await?;
        sight.is_as_planned(plan)?;
        *before = Some(sight);
        self.go_on()?;
        if !plan.services.is_empty() {
            self.tell(RestoreStep::Stop);
            self.has_stopped = true;
            services::stop(session, &self.host.services, &plan.services).await?;
            // What services wrote while they stopped is what there was before.
            let sight = Sight::of(plan, parts, session.reader()).await?;
            sight.has_nothing_new(plan)?;
            if sight.is_as_planned(plan).is_err() {
                self.written = Some(self.capture_again().await?);
            }
            *before = Some(sight);
        }
        self.tell(RestoreStep::Prepare);
        transaction.step(session, TransactionStep::Prepare).await?;
        self.go_on()?;
        if self.has_stopped {
            services::still_stopped(session, &self.host.services, &plan.services).await?;
        }
        self.tell(RestoreStep::Place);
        transaction.step(session, TransactionStep::Forward).await?;

        self.tell(RestoreStep::Prove);
        let sight = Sight::of(plan, parts, session.reader()).await?;
        sight.is_in_place(plan, &staged)?;
        self.placed = sight.placed(plan);
        let start = Start {
            session,
            host: self.host,
            stopped: self.has_stopped.then_some(&plan.services),
            databases: targets,
            is_other_host: plan.is_of_another_host(),
        };
        let mut started = start.run(&|step| self.tell(step)).await?;
        let judged = start.judge(&mut started);
        self.probes = started.probes;
        judged?;
        for warning in started.warnings {
            super::warn(self.sink, &plan.target.host, warning);
        }
        transaction.step(session, TransactionStep::Commit).await?;
        Ok(())
    }

    /// Captures what the host has since services have stopped.
    async fn capture_again(&self) -> Result<Checkpoint, Error> {
        let restored = &self.plan.checkpoint;
        let state = State {
            sources: self.parts.iter().map(|part| part.source.clone()).collect(),
            is_whole: false,
            trigger: Trigger::PreRestore,
            description: format!("before the restore of {restored}, with services stopped"),
            placed: Vec::new(),
        };
        let place = (self.session.reader(), self.address);
        let sealed = record::seal(self.workspace, self.target, place, state).await?;
        match sealed.parts.iter().find(|part| part.failure.is_some()) {
            None => Ok(sealed),
            Some(part) => Err(Error::NotCaptured {
                part: part.name.clone(),
            }),
        }
    }

    /// Loads all databases beside the live ones, unless the operator asks to stop meanwhile.
    async fn load(&self, id: &RestoreId) -> Result<(), Stop> {
        self.tell(RestoreStep::Load);
        tokio::select! {
            biased;
            () = self.interrupt.reached(StopLevel::Soon) => Err(Stop::Interrupted),
            loaded = self.databases.load(self.session, id, &self.checkpoint) => Ok(loaded?),
        }
    }

    /// A safe point: the operator may want to stop.
    fn go_on(&self) -> Result<(), Stop> {
        if self.interrupt.is_raised() {
            return Err(Stop::Interrupted);
        }
        Ok(())
    }
}
