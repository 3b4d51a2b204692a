//! The databases of a restore: compared with the target's servers, loaded beside, switched, and taken back.

use std::sync::Arc;

use super::{Error, Request};
use crate::blocking::blocking;
use crate::guard::PostgresServer;
use crate::inventory::{Dump, Host, Inventory, PostgresSource, Source, SourceKind};
use crate::name::{RemotePath, RestoreId, SourceName};
use crate::restore::databases::{
    self, CapturedDatabases, DatabaseAction, DatabasePlan, DatabaseTarget, PlanOptions,
    PlannedDatabase, ServerAccess, make_roles,
};
use crate::restore::record::{RecordedDatabase, RestoreRecord};
use crate::restore::sources;
use crate::ssh::{ReadSession, WriteSession};
use crate::store::SealedCheckpoint;

/// A part of databases that is restored.
#[derive(Debug)]
struct DatabasePart {
    source: Source,
    access: ServerAccess,
    captured: CapturedDatabases,
    plan: DatabasePlan,
}

/// All databases of a restore.
#[derive(Debug, Default)]
pub(super) struct Databases {
    parts: Vec<DatabasePart>,
    /// Why some can't be restored.
    pub(super) refusals: Vec<String>,
}

impl Databases {
    /// Compares the databases of a checkpoint, as far as the request means them, with those of the target.
    /// Reads only.
    ///
    /// # Errors
    ///
    /// [`Error::Databases`] if the checkpoint can't be read or the connection ends. A server that can't be
    /// asked is a refusal.
    pub(super) async fn plan(
        request: &Request,
        checkpoint: &Arc<SealedCheckpoint>,
        hosts: &[&Host],
        session: &ReadSession,
    ) -> Result<Self, Error> {
        let mut all = Self::default();
        for part in sources::databases_of(checkpoint.checkpoint(), &request.only, hosts) {
            let name = part.part.name.clone();
            let captured = read(checkpoint, &name, &request.paths).await?;
            if captured.databases.is_empty() {
                continue;
            }
            let known = part.source.as_ref();
            let Some((source, postgres)) = known.and_then(|source| Some((source, of(source)?)))
            else {
                all.refusals.push(format!(
                    "the inventory does not say how the databases of `{name}` are reached: it has no \
                     `postgres` source of that name for the host"
                ));
                continue;
            };
            let options = PlanOptions {
                replace: request.replace_database,
                ..PlanOptions::default()
            };
            let planned = async {
                let access = ServerAccess::of(postgres, source.sudo).await?;
                let plan = databases::plan(session, &access, &captured, options).await?;
                Ok::<_, databases::Error>((access, plan))
            };
            match planned.await {
                Ok((access, plan)) => all.parts.push(DatabasePart {
                    source: source.clone(),
                    access,
                    captured,
                    plan,
                }),
                Err(error @ (databases::Error::Ssh(_) | databases::Error::Store(_))) => {
                    return Err(error.into());
                }
                Err(error) => all.refusals.push(format!(
                    "the databases of `{name}` can't be restored: {}",
                    crate::fault::chain(&error).join(": ")
                )),
            }
        }
        Ok(all)
    }

    /// The plan of each part.
    pub(super) fn plans(&self) -> Vec<DatabasePlan> {
        self.parts.iter().map(|part| part.plan.clone()).collect()
    }

    /// How the restored databases are captured.
    pub(super) fn sources(&self) -> impl Iterator<Item = &Source> {
        self.parts.iter().map(|part| &part.source)
    }

    /// How the databases that will be replaced are captured for the safety checkpoint: with all rows, for the
    /// old ones are dropped in the end.
    pub(super) fn safety_sources(&self) -> Vec<Source> {
        self.parts.iter().filter_map(safety_source).collect()
    }

    /// What the host keeps about them.
    pub(super) fn recorded(&self) -> Vec<RecordedDatabase> {
        let of_part = |part: &'_ DatabasePart| {
            let part_name = part.source.name.clone();
            let (server, sudo) = (part.access.server().clone(), part.access.sudo());
            let changing = part.changing().map(move |planned| RecordedDatabase {
                part: part_name.clone(),
                name: planned.name.clone(),
                creates: planned.action == DatabaseAction::Create,
                server: PostgresServer::clone(&server),
                sudo,
            });
            changing.collect::<Vec<_>>()
        };
        self.parts.iter().flat_map(of_part).collect()
    }

    /// Those that change, in the restore `id`.
    pub(super) fn targets(&self, id: &RestoreId) -> Vec<DatabaseTarget> {
        let of_part = |part: &DatabasePart| {
            let target = |planned: &PlannedDatabase| part.target(planned, id);
            part.changing().map(target).collect::<Vec<_>>()
        };
        self.parts.iter().flat_map(of_part).collect()
    }

    /// Makes the roles that are missing, and loads every database beside the live one.
    pub(super) async fn load(
        &self,
        session: &WriteSession,
        id: &RestoreId,
        checkpoint: &Arc<SealedCheckpoint>,
    ) -> Result<(), Error> {
        for part in &self.parts {
            make_roles(session, &part.access, id, part.plan.making_roles()).await?;
            for planned in part.changing() {
                let captured = part.captured.databases.iter();
                let Some(captured) = captured.clone().find(|one| one.name == planned.name) else {
                    continue;
                };
                let target = part.target(planned, id);
                target.load(session, checkpoint, captured, planned).await?;
            }
        }
        Ok(())
    }
}

impl DatabasePart {
    /// The databases that take another one's place.
    fn changing(&self) -> impl Iterator<Item = &PlannedDatabase> {
        let databases = self.plan.databases.iter();
        databases.filter(|planned| planned.action.changes())
    }

    fn target(&self, planned: &PlannedDatabase, id: &RestoreId) -> DatabaseTarget {
        let creates = planned.action == DatabaseAction::Create;
        DatabaseTarget::new(self.access.clone(), &planned.name, id, creates)
    }
}

/// What a checkpoint holds of the databases of a part, as far as `paths` mean it.
async fn read(
    checkpoint: &Arc<SealedCheckpoint>,
    part: &SourceName,
    paths: &[RemotePath],
) -> Result<CapturedDatabases, Error> {
    let (checkpoint, part) = (Arc::clone(checkpoint), part.clone());
    let mut captured = blocking(move || databases::read(&checkpoint, &part)).await?;
    captured.databases.retain(|one| {
        let mut paths = paths.iter().peekable();
        paths.peek().is_none() || paths.any(|path| one.path().is_within(path))
    });
    Ok(captured)
}

fn of(source: &Source) -> Option<&PostgresSource> {
    match &source.kind {
        SourceKind::Postgres(postgres) => Some(postgres),
        SourceKind::Directory(_)
        | SourceKind::Files(_)
        | SourceKind::Command(_)
        | SourceKind::Http(_) => None,
    }
}

fn safety_source(part: &DatabasePart) -> Option<Source> {
    let is_lost = |one: &&PlannedDatabase| one.action != DatabaseAction::Create;
    let lost = part.changing().filter(is_lost).map(|one| one.name.clone());
    let lost: Vec<String> = lost.collect();
    if lost.is_empty() {
        return None;
    }
    let postgres = PostgresSource {
        databases: lost,
        dump: Dump::Full,
        ..of(&part.source)?.clone()
    };
    Some(Source {
        kind: SourceKind::Postgres(postgres),
        optional: false,
        may_shrink: true,
        ..part.source.clone()
    })
}

/// The databases of a restore that was cut off, by what the host keeps. `inventory` knows passwords.
///
/// # Errors
///
/// [`Error::Databases`] if a password is needed and not to be had.
pub(super) async fn of_record(
    record: &RestoreRecord,
    inventory: &Inventory,
) -> Result<Vec<DatabaseTarget>, Error> {
    let hosts = [&record.host, &record.checkpoint.host];
    let mut targets = Vec::with_capacity(record.databases.len());
    for database in &record.databases {
        let known = hosts.iter().filter_map(|host| inventory.host(host));
        let known = known.flat_map(|host| &host.sources);
        let mut known = known.filter(|source| source.name == database.part);
        let access = ServerAccess::recorded(database, known.find_map(of)).await?;
        targets.push(DatabaseTarget::new(
            access,
            &database.name,
            &record.id,
            database.creates,
        ));
    }
    Ok(targets)
}

/// Gives their names to the new databases.
pub(super) async fn switch(
    targets: &[DatabaseTarget],
    session: &WriteSession,
) -> Result<(), databases::Error> {
    for target in targets {
        target.switch(session).await?;
    }
    Ok(())
}

/// Gives their names back to the old databases, the last one first.
pub(super) async fn back(
    targets: &[DatabaseTarget],
    session: &WriteSession,
) -> Result<(), databases::Error> {
    all(targets.iter().rev(), async |one| one.back(session).await).await
}

/// Drops the new databases, which don't have the names.
pub(super) async fn drop_beside(
    targets: &[DatabaseTarget],
    session: &WriteSession,
) -> Result<(), databases::Error> {
    all(targets.iter(), async |one| one.drop_beside(session).await).await
}

/// Drops the old databases.
pub(super) async fn drop_old(
    targets: &[DatabaseTarget],
    session: &WriteSession,
) -> Result<(), databases::Error> {
    all(targets.iter(), async |one| one.drop_old(session).await).await
}

/// Takes a step with each of `targets`. One that fails does not keep the others; the first error is given.
async fn all<'t>(
    targets: impl Iterator<Item = &'t DatabaseTarget>,
    step: impl AsyncFn(&'t DatabaseTarget) -> Result<(), databases::Error>,
) -> Result<(), databases::Error> {
    let mut outcome = Ok(());
    for target in targets {
        outcome = outcome.and(step(target).await);
    }
    outcome
}
