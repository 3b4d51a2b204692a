//! Restore of one host: plan, safety checkpoint, execution, and the way back.
//!
//! [`prepare`] judges the host, looks at it and makes the plan. Whoever calls it shows the plan and asks for
//! consent. [`Prepared::execute`] writes. Nothing is written on the host before that.

mod audited;
mod bootstrap;
mod conclude;
mod databases;
mod error;
mod execute;
mod record;
mod staging;
mod start;
mod undo;

use std::sync::Arc;

use tempfile::TempDir;

use crate::audit::Audit;
use crate::blocking::blocking;
use crate::checkpoint::{self, CaptureOptions, History, WrittenCheckpoint};
use crate::engine::Workspace;
use crate::event::{Event, HostEvent, Restore, RestoreStep, Sink};
use crate::evidence;
use crate::guard::{self, Operation, WritePermit};
use crate::interrupt::{Interrupt, StopLevel};
use crate::inventory::{Bootstrap, Host, Inventory, Source, Start};
use crate::manifest::{Trigger, Uncounted};
use crate::name::{CheckpointId, HostName, RemotePath, SourceName};
use crate::restore::plan::compare::Terms;
use crate::restore::plan::make::{Basis, make};
use crate::restore::plan::owners::Owners;
use crate::restore::plan::sides::LiveEntries;
use crate::restore::plan::{Plan, Target};
use crate::restore::services::{self, StartRule};
use crate::restore::sources::{self, RestoredPart};
use crate::scan;
use crate::source::probe::{Probe, SudoRights};
use crate::ssh::{ReadSession, WriteSession};
use crate::store::{self, HostLock, SealedCheckpoint, Store};

use databases::Databases;

pub use audited::record_refusal;
pub use conclude::{Concluded, Pending, pending};
pub use error::Error;
pub use execute::{Ending, Executed};

/// What is asked for.
#[derive(Debug, Clone)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a decision of its own"
)]
pub struct Request {
    /// What is restored.
    pub checkpoint: CheckpointId,
    /// Where to; none: the checkpoint's host.
    pub to: Option<HostName>,
    /// Only these paths and what is beneath them; empty: all.
    pub paths: Vec<RemotePath>,
    /// Only these sources; empty: all.
    pub only: Vec<SourceName>,
    /// What the checkpoint does not have is removed.
    pub delete: bool,
    /// Databases that hold something may be replaced.
    pub replace_database: bool,
    /// Packages, groups and users that the inventory declares are made first.
    pub bootstrap: bool,
    /// Whether services are started that the inventory leaves to the operator; none: they stay down.
    pub start: Option<Start>,
    /// Only the plan is wanted: nothing is written, on the host or here.
    pub dry_run: bool,
}

/// A restore that can be executed.
#[must_use = "nothing was written yet"]
pub struct Prepared {
    /// All that will happen.
    pub plan: Plan,
    permit_host: Host,
    /// The target, with the services and probes that are meant.
    serving: Host,
    session: WriteSession,
    address: String,
    checkpoint: Arc<SealedCheckpoint>,
    parts: Vec<RestoredPart>,
    /// Everything of the checkpoint is meant.
    is_whole: bool,
    databases: Databases,
    /// Root is reached through sudo.
    sudo: bool,
    /// The safety checkpoint, until it is sealed.
    safety: Option<Arc<WrittenCheckpoint>>,
    compression: guard::Compression,
    // Removed when it is dropped: where a dry run keeps what it fetched.
    _scratch: Option<TempDir>,
}

impl std::fmt::Debug for Prepared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Prepared")
            .field("plan", &self.plan)
            .finish_non_exhaustive()
    }
}

/// The target of a restore, judged: before anything is connected to.
///
/// # Errors
///
/// [`Error::UnknownHost`], and [`Error::Refused`] if the host is protected.
pub fn judge<'i>(
    inventory: &'i Inventory,
    target: &HostName,
) -> Result<(&'i Host, WritePermit), Error> {
    let host = inventory.host(target).ok_or_else(|| Error::UnknownHost {
        host: target.clone(),
        file: inventory.file.clone(),
    })?;
    let permit = guard::permit(inventory, host, Operation::Restore)?;
    Ok((host, permit))
}

fn warn(sink: &Sink, host: &HostName, message: String) {
    let warning = HostEvent::Warned {
        part: None,
        message,
    };
    sink(Event::of(host, warning));
}

/// Looks at the target and makes the plan. Nothing is written on the host.
///
/// # Errors
///
/// [`Error`] if the host is protected or cannot be reached, or the checkpoint cannot be read.
///
/// # Cancel
///
/// Raise `interrupt`. Dropping the future leaves a folder in the store that the next run removes.
pub async fn prepare(
    request: &Request,
    workspace: &Arc<Workspace>,
    audit: &Audit,
    sink: &Sink,
    interrupt: &Interrupt,
) -> Result<Prepared, Error> {
    let target = request.to.as_ref().unwrap_or(&request.checkpoint.host);
    let (host, permit) = judge(&workspace.network.inventory, target)?;
    let (shared, id) = (Arc::clone(workspace), request.checkpoint.clone());
    let sealed = blocking(move || shared.store.open_checkpoint(&id)).await?;
    let checkpoint = Arc::new(sealed);
    let source_host = workspace.network.inventory.host(&request.checkpoint.host);
    let hosts: Vec<&Host> = std::iter::once(host).chain(source_host).collect();
    for name in &request.only {
        if checkpoint.checkpoint().part(name).is_none() {
            return Err(Error::NoSuchPart {
                name: name.clone(),
                checkpoint: request.checkpoint.clone(),
                known: checkpoint
                    .checkpoint()
                    .parts
                    .iter()
                    .map(|p| p.name.clone())
                    .collect(),
            });
        }
    }
    let parts = sources::of_checkpoint(checkpoint.checkpoint(), &request.only, &hosts);
    sink(Event::of(&host.name, HostEvent::Started));
    let look = Look {
        request,
        host,
        hosts,
        serving: serving(host, source_host),
        checkpoint: &checkpoint,
        parts,
        workspace,
        sink,
        interrupt,
    };
    let looked = tokio::select! {
        biased;
        () = interrupt.reached(StopLevel::Soon) => Err(Error::Interrupted),
        looked = look.run(permit) => looked,
    };
    sink(Event::of(&host.name, Restore::Ended));
    // A dry run writes nothing anywhere.
    if let Err(error) = &looked
        && !request.dry_run
        && let Err(unrecorded) = record_refusal(target, audit, error).await
    {
        audited::warn(sink, target, &unrecorded);
    }
    looked
}

/// `target` with its own services and probes, or those of the host that the checkpoint is of.
pub(super) fn serving(target: &Host, source: Option<&Host>) -> Host {
    let mut serving = target.clone();
    if let Some(source) = source {
        if serving.services.is_empty() {
            serving.services.clone_from(&source.services);
        }
        if serving.probes.is_empty() {
            serving.probes.clone_from(&source.probes);
        }
        if serving.bootstrap == Bootstrap::default() {
            serving.bootstrap.clone_from(&source.bootstrap);
        }
    }
    serving
}

/// A target that is connected to, and is no protected machine.
struct Reached {
    session: WriteSession,
    /// `address:port`.
    address: String,
    /// What the machine can do, sudo included.
    probe: Probe,
    /// What is not known of protected machines.
    warnings: Vec<String>,
}

/// Connects to `host`, compared with what is known of protected machines.
async fn reach(
    host: &Host,
    permit: WritePermit,
    workspace: &Workspace,
    sink: &Sink,
) -> Result<Reached, Error> {
    let network = &workspace.network;
    let (inventory, connector) = (&network.inventory, &network.connector);
    let endpoint = connector.endpoint(inventory, host).await?;
    let address = format!("{}:{}", endpoint.address, endpoint.port);
    let known = evidence::gather(inventory, &workspace.store, connector).await?;
    let session = WriteSession::open(permit, &known.evidence, connector, inventory).await?;
    sink(Event::of(
        &host.name,
        HostEvent::Connected {
            user: session.reader().user().to_owned(),
            address: address.clone(),
        },
    ));
    let probe = scan::probe(session.reader(), true).await?;
    Ok(Reached {
        session,
        address,
        probe,
        warnings: known.warnings,
    })
}

/// What it takes to look at a target.
struct Look<'a> {
    request: &'a Request,
    host: &'a Host,
    /// Whose inventory entries tell how things are read, the target first.
    hosts: Vec<&'a Host>,
    serving: Host,
    checkpoint: &'a Arc<SealedCheckpoint>,
    parts: Vec<RestoredPart>,
    workspace: &'a Arc<Workspace>,
    sink: &'a Sink,
    interrupt: &'a Interrupt,
}

impl Look<'_> {
    /// Connects, captures the target as it is, and makes the plan.
    async fn run(mut self, permit: WritePermit) -> Result<Prepared, Error> {
        let (lock, scratch) = self.lock().await?;
        let Reached {
            session,
            address,
            probe,
            warnings,
        } = reach(self.host, permit, self.workspace, self.sink).await?;
        self.tell(RestoreStep::Compare);
        let (request, reader) = (self.request, session.reader());
        let databases = Databases::plan(request, self.checkpoint, &self.hosts, reader).await?;
        let place = (reader, address.as_str());
        let sudo = !probe.is_root;
        let compression = staging::compression(&probe, lock.link_bytes_per_second());
        // The host is asked for its accounts while it is looked at.
        let owners = Owners::of(self.checkpoint, &self.parts, &probe.account, reader);
        let (captured, owners) = tokio::join!(self.capture(lock, place, &databases), owners);
        let (mut safety, owners) = (captured?, owners?);
        if probe.sudo == Some(SudoRights::Shell)
            && sources::read_by_root(&mut self.parts, safety.failed())
        {
            blocking(move || safety.abandon()).await?;
            let lock = self.lock_in(scratch.as_ref()).await?;
            safety = self.capture(lock, place, &databases).await?;
        }
        let safety = Arc::new(safety);
        let mut plan = self
            .plan(&safety, (probe, owners), place, &databases)
            .await?;
        plan.warnings.extend(warnings);
        Ok(Prepared {
            plan,
            serving: self.serving,
            permit_host: self.host.clone(),
            session,
            address,
            checkpoint: Arc::clone(self.checkpoint),
            is_whole: self.request.only.is_empty() && self.request.paths.is_empty(),
            parts: self.parts,
            databases,
            safety: Some(safety),
            compression,
            sudo,
            _scratch: scratch,
        })
    }

    fn tell(&self, step: RestoreStep) {
        (self.sink)(Event::of(&self.host.name, Restore::Step(step)));
    }

    /// Locks the target in the store; a dry run locks it in one that is removed afterwards.
    async fn lock(&self) -> Result<(HostLock, Option<TempDir>), Error> {
        let scratch = self.request.dry_run.then(tempfile::tempdir).transpose();
        let scratch = scratch.map_err(Error::Scratch)?;
        let lock = self.lock_in(scratch.as_ref()).await?;
        Ok((lock, scratch))
    }

    async fn lock_in(&self, scratch: Option<&TempDir>) -> Result<HostLock, Error> {
        let store = match scratch {
            Some(folder) => Store::open_or_create(&folder.path().join("store"))?,
            None => self.workspace.store.clone(),
        };
        let (name, wait) = (self.host.name.clone(), self.workspace.wait);
        let interrupt = self.interrupt.clone();
        Ok(blocking(move || store.lock(&name, wait, &interrupt)).await?)
    }

    /// Captures what the target has of the checkpoint's sources: the safety checkpoint, not sealed.
    async fn capture(
        &self,
        mut lock: HostLock,
        place: (&ReadSession, &str),
        databases: &Databases,
    ) -> Result<WrittenCheckpoint, Error> {
        let (shared, interrupt) = (Arc::clone(self.workspace), self.interrupt.clone());
        let dry_run = self.request.dry_run;
        let mut sources: Vec<Source> = self.parts.iter().map(|part| part.source.clone()).collect();
        // A dry run writes nothing, and has no need of their rows.
        if !dry_run {
            sources.extend(databases.safety_sources());
        }
        let names: Vec<SourceName> = sources.iter().map(|source| source.name.clone()).collect();
        let (incoming, history) = blocking(move || {
            let history = if dry_run {
                History::peek(&shared.store, lock.host(), &names)?
            } else {
                History::read(&shared.store, &mut lock, &names, false, &interrupt)?
            };
            Ok::<_, store::Error>((lock.begin((shared.clock)())?, history))
        })
        .await?;
        let order = CaptureOptions {
            description: format!("before the restore of {}", self.request.checkpoint),
            trigger: Trigger::PreRestore,
            only: Vec::new(),
            full: false,
            verify_unchanged: false,
            compression: None,
        };
        let target = Host {
            sources,
            ..self.host.clone()
        };
        let quiet: Sink = Arc::new(|_| {});
        let gathered = checkpoint::gather(
            &order,
            &target,
            place,
            incoming,
            &history,
            self.interrupt,
            &quiet,
        );
        let gathered = gathered.await?;
        Ok(blocking(move || gathered.write()).await?)
    }

    async fn plan(
        &self,
        safety: &Arc<WrittenCheckpoint>,
        (probe, owners): (Probe, Owners),
        (session, address): (&ReadSession, &str),
        databases: &Databases,
    ) -> Result<Plan, Error> {
        let live: LiveEntries = {
            let safety = Arc::clone(safety);
            Arc::new(move |part: &SourceName| safety.entries(part))
        };
        let basis = Basis {
            checkpoint: Arc::clone(self.checkpoint),
            parts: self.parts.clone(),
            live,
            owners,
            target: Target {
                host: self.host.name.clone(),
                address: address.to_owned(),
                host_key: session.host_key_fingerprint(),
                machine_id: probe.machine_id.clone(),
                hostname: probe.hostname.clone(),
            },
            terms: Terms {
                paths: self.request.paths.clone(),
                delete: self.request.delete,
                ..Terms::default()
            },
            probe,
            bootstrap: self.serving.bootstrap.clone(),
            databases: databases.plans(),
        };
        let mut plan = make(&basis, session).await?;
        plan.warnings.extend(plan.missing.warnings());
        if self.request.bootstrap {
            plan.bootstrap =
                crate::restore::bootstrap::change(&self.serving.bootstrap, &plan.missing);
            plan.refusals
                .extend(crate::restore::bootstrap::obstacle(&plan, &basis.probe));
        }
        plan.refusals.extend(databases.refusals.iter().cloned());
        if !plan.is_empty() {
            let rule = StartRule {
                for_all: self.request.start,
                ..StartRule::default()
            };
            let services = &self.serving.services;
            plan.services = services::record(session, services, &rule).await?;
        }
        plan.refusals.extend(safety.failed().map(|part| {
            let why = part
                .failure
                .as_ref()
                .map(|failure| failure.message.as_str());
            format!(
                "no safety checkpoint can be taken: `{}` failed: {}",
                part.name,
                why.unwrap_or("for an unknown reason")
            )
        }));
        if self.checkpoint.checkpoint().uncounted() == Some(Uncounted::PreRestore) {
            plan.warnings.push(
                "this checkpoint was taken before a restore, of a host that may have been damaged"
                    .to_owned(),
            );
        }
        Ok(plan)
    }
}

impl Prepared {
    /// Gives it up: nothing was written on the host.
    ///
    /// # Errors
    ///
    /// [`Error::Capture`] if what was captured can't be removed; the next run does it.
    pub async fn abandon(self) -> Result<(), Error> {
        let Self {
            session, safety, ..
        } = self;
        session.close().await;
        if let Some(safety) = safety.and_then(Arc::into_inner) {
            blocking(move || safety.abandon()).await?;
        }
        Ok(())
    }
}
