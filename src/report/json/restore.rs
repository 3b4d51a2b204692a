//! `fleet restore --json`: the plan of a dry run, and the summary of a restore.

use schemars::JsonSchema;
use serde::Serialize;

use super::diff::text_or_base64;
use super::{Problem, SummaryTag, Version};
use crate::engine::restore::{Concluded, Ending, Executed};
use crate::fault;
use crate::fault::ExitClass;
use crate::name::HostName;
use crate::restore::databases::DatabasePlan;
use crate::restore::plan::compare::Action;
use crate::restore::plan::{PartPlan, Plan, PlannedChange, missing, space};
use crate::restore::unfinished::Way;

/// `restore --dry-run`
#[derive(Debug, Serialize, JsonSchema)]
pub struct RestorePlan {
    /// The version of this shape.
    pub version: Version,
    /// `sha256:…`, for `--plan`.
    pub plan: String,
    /// `HOST@STAMP`.
    pub checkpoint: String,
    /// The machine.
    pub target: Target,
    /// What happens to each part.
    pub parts: Vec<Part>,
    /// What happens to databases.
    pub databases: Vec<Database>,
    /// The roles that are made on database servers.
    pub roles: Vec<Role>,
    /// What happens to services.
    pub services: Vec<Service>,
    /// What the host lacks beside files. `--bootstrap` makes what is declared.
    pub bootstrap: BootstrapMissing,
    /// What is needed and what is free, by file system.
    pub space: Vec<FileSystem>,
    /// What the operator should know.
    pub warnings: Vec<String>,
    /// Why it cannot be executed.
    pub refusals: Vec<String>,
}

/// The machine that is restored.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Target {
    /// Its name in the inventory.
    pub host: String,
    /// `address:port`.
    pub address: String,
    /// `SHA256:…`
    pub host_key: String,
    /// Text of `/etc/machine-id`.
    pub machine_id: String,
    /// What it calls itself.
    pub hostname: String,
}

/// What happens to a part.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Part {
    /// The source.
    pub name: String,
    /// Paths that are made.
    pub create: u64,
    /// Paths whose content is replaced.
    pub overwrite: u64,
    /// Paths whose metadata changes.
    pub metadata: u64,
    /// Paths at which another kind of object is put.
    #[serde(rename = "type")]
    pub kind: u64,
    /// Paths that are removed.
    pub delete: u64,
    /// Entries that are as they should be.
    pub unchanged: u64,
    /// File content that is sent, uncompressed.
    pub send_bytes: u64,
    /// Every path to which something happens.
    pub changes: Vec<Change>,
}

/// What happens to a path.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Change {
    /// `create`, `overwrite`, `metadata`, `type` or `delete`.
    pub change: String,
    /// The path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The same in base64, if it is not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path_b64: Option<String>,
}

/// What happens to a database.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Database {
    /// The source.
    pub part: String,
    /// Its name.
    pub name: String,
    /// `create`, `load`, `replace`, `unchanged` or `refuse`.
    pub action: String,
    /// Why, for people.
    pub why: String,
    /// What will be lost, for people.
    pub losses: Vec<String>,
    /// The length of its dump.
    pub bytes: u64,
}

/// A role that is made on a database server.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Role {
    /// The source.
    pub part: String,
    /// Its name.
    pub name: String,
    /// It is a superuser.
    pub superuser: bool,
}

/// What happens to a service.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Service {
    /// Its name in the inventory.
    pub name: String,
    /// Its state, for people.
    pub state: String,
    /// `stop-start`, `stop`, `reload`, `start` or `none`.
    pub action: String,
}

/// What a host lacks, and the commands that would make it.
#[derive(Debug, Serialize, JsonSchema)]
pub struct BootstrapMissing {
    /// Packages that the inventory names.
    pub packages: Vec<Lack>,
    /// Groups that the inventory names, or that files of the checkpoint belong to.
    pub groups: Vec<Lack>,
    /// Users, likewise.
    pub users: Vec<Lack>,
}

/// One thing that a host lacks.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Lack {
    /// Its name.
    pub name: String,
    /// The inventory names it under `users` or `packages`.
    pub declared: bool,
    /// What makes it, run as root; none where the host has no tool that fleet knows.
    pub command: Option<String>,
}

/// A file system on which something is staged.
#[derive(Debug, Serialize, JsonSchema)]
pub struct FileSystem {
    /// Its mount point, as far as that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mount: Option<String>,
    /// The directories on it in which something changes.
    pub roots: Vec<String>,
    /// What the restore needs until it has ended.
    pub needed_bytes: u64,
    /// What the restore needs until it has ended.
    pub needed_inodes: u64,
    /// What is free for the account that writes; none: not known.
    pub free_bytes: Option<u64>,
    /// What is free; none: not known, or not counted.
    pub free_inodes: Option<u64>,
}

/// What a probe found afterwards.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ProbeFound {
    /// Its name in the inventory.
    pub name: String,
    /// It holds.
    pub ok: bool,
    /// What was found.
    pub says: String,
}

/// The last line of `restore`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct RestoreSummary {
    /// The last line of the command.
    #[serde(rename = "type")]
    pub kind: SummaryTag,
    /// The version of this shape.
    pub version: Version,
    /// The exit status.
    pub exit: u8,
    /// The host.
    pub host: String,
    /// `HOST@STAMP`.
    pub checkpoint: Option<String>,
    /// The safety checkpoint, `HOST@STAMP`.
    pub safety: Option<String>,
    /// The checkpoint of the restored state, `HOST@STAMP`.
    pub sealed: Option<String>,
    /// `restored`, `unchanged`, `rolled-back`, `refused`, `failed` or `interrupted`.
    pub outcome: String,
    /// Paths to which something happened.
    pub changed: u64,
    /// Paths that were removed.
    pub deleted: u64,
    /// Databases that were created or replaced.
    pub databases: Vec<String>,
    /// File content that was sent, uncompressed.
    pub sent_bytes: u64,
    /// What the probes found.
    pub probes: Vec<ProbeFound>,
    /// Why it did not work.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Problem>,
}

impl From<&Plan> for RestorePlan {
    fn from(plan: &Plan) -> Self {
        let target = &plan.target;
        Self {
            version: Version,
            plan: plan.digest_text(),
            checkpoint: plan.checkpoint.to_string(),
            target: Target {
                host: target.host.to_string(),
                address: target.address.clone(),
                host_key: target.host_key.clone(),
                machine_id: target.machine_id.clone(),
                hostname: target.hostname.clone(),
            },
            parts: plan.parts.iter().map(Part::from).collect(),
            databases: plan.databases.iter().flat_map(databases).collect(),
            roles: plan.databases.iter().flat_map(roles).collect(),
            services: plan
                .services
                .services
                .iter()
                .map(|service| Service {
                    name: service.name.to_string(),
                    state: service.state.clone(),
                    action: service.action.as_str().to_owned(),
                })
                .collect(),
            bootstrap: BootstrapMissing::from(&plan.missing),
            space: plan.space.iter().map(FileSystem::from).collect(),
            warnings: plan.warnings.clone(),
            refusals: plan.refusals.clone(),
        }
    }
}

fn databases(part: &DatabasePlan) -> impl Iterator<Item = Database> {
    part.databases.iter().map(|database| Database {
        part: part.part.to_string(),
        name: database.name.clone(),
        action: database.action.as_str().to_owned(),
        why: database.why.clone(),
        losses: database.losses.clone(),
        bytes: database.size_bytes,
    })
}

fn roles(part: &DatabasePlan) -> impl Iterator<Item = Role> {
    part.roles.iter().map(|role| Role {
        part: part.part.to_string(),
        name: role.name.clone(),
        superuser: role.is_superuser,
    })
}

impl From<&missing::Missing> for BootstrapMissing {
    fn from(missing: &missing::Missing) -> Self {
        let lacks = |lacks: &[missing::Lack]| lacks.iter().map(Lack::from).collect();
        Self {
            packages: lacks(&missing.packages),
            groups: lacks(&missing.groups),
            users: lacks(&missing.users),
        }
    }
}

impl From<&missing::Lack> for Lack {
    fn from(lack: &missing::Lack) -> Self {
        Self {
            name: lack.name.clone(),
            declared: lack.is_declared,
            command: lack.command.clone(),
        }
    }
}

impl From<&space::FileSystem> for FileSystem {
    fn from(on: &space::FileSystem) -> Self {
        Self {
            mount: on.mount.as_ref().map(ToString::to_string),
            roots: on.roots.iter().map(ToString::to_string).collect(),
            needed_bytes: on.needed.bytes,
            needed_inodes: on.needed.inodes,
            free_bytes: on.free.bytes,
            free_inodes: on.free.inodes,
        }
    }
}

impl From<&PartPlan> for Part {
    fn from(part: &PartPlan) -> Self {
        let count = |action| part.count(action) as u64;
        Self {
            name: part.name.to_string(),
            create: count(Action::Create),
            overwrite: count(Action::Overwrite),
            metadata: count(Action::Metadata),
            kind: count(Action::Type),
            delete: count(Action::Delete),
            unchanged: part.unchanged,
            send_bytes: part.send_bytes,
            changes: part.changes.iter().map(Change::from).collect(),
        }
    }
}

impl From<&PlannedChange> for Change {
    fn from(change: &PlannedChange) -> Self {
        let (path, path_b64) = text_or_base64(change.path.as_bytes());
        Self {
            change: change.action.as_str().to_owned(),
            path,
            path_b64,
        }
    }
}

impl RestoreSummary {
    /// Why a restore of `host` did not begin: nothing was written there.
    #[must_use]
    pub fn not_begun(host: &str, problem: &fault::Problem) -> Self {
        let outcome = match problem.class {
            ExitClass::Refused => "refused",
            ExitClass::Interrupted => "interrupted",
            ExitClass::Failed
            | ExitClass::Usage
            | ExitClass::Partial
            | ExitClass::Unreachable
            | ExitClass::Mismatch
            | ExitClass::Locked
            | ExitClass::Stale => "failed",
        };
        Self::without_changes(host, outcome, Some(problem.class), Some(problem))
    }

    fn without_changes(
        host: &str,
        outcome: &str,
        class: Option<ExitClass>,
        error: Option<&fault::Problem>,
    ) -> Self {
        Self {
            kind: SummaryTag,
            version: Version,
            exit: class.map_or(0, ExitClass::status),
            host: host.to_owned(),
            checkpoint: None,
            safety: None,
            sealed: None,
            outcome: outcome.to_owned(),
            changed: 0,
            deleted: 0,
            databases: Vec::new(),
            sent_bytes: 0,
            probes: Vec::new(),
            error: error.map(Problem::from),
        }
    }

    /// How a restore that was cut off was ended; none: nothing was under way.
    #[must_use]
    pub fn concluded(
        host: &HostName,
        concluded: Option<&Concluded>,
        class: Option<ExitClass>,
        error: Option<&fault::Problem>,
    ) -> Self {
        let record = concluded.and_then(|concluded| concluded.restore.record.as_ref());
        let ended = concluded.map(|concluded| &concluded.ended);
        let outcome = match ended {
            None => "unchanged",
            Some(Ok(Way::Forward)) => "restored",
            Some(Ok(Way::Back)) => "rolled-back",
            Some(Err(_)) => "failed",
        };
        Self {
            checkpoint: record.map(|record| record.checkpoint.to_string()),
            safety: record.map(|record| record.safety.to_string()),
            databases: match ended {
                Some(Ok(Way::Forward)) => record
                    .iter()
                    .flat_map(|record| &record.databases)
                    .map(|database| database.name.clone())
                    .collect(),
                Some(Ok(Way::Back) | Err(_)) | None => Vec::new(),
            },
            ..Self::without_changes(host.as_str(), outcome, class, error)
        }
    }

    /// How a restore ended.
    #[must_use]
    pub fn of(
        plan: &Plan,
        executed: &Executed,
        class: Option<ExitClass>,
        error: Option<&fault::Problem>,
    ) -> Self {
        let (outcome, is_done) = match &executed.ending {
            Ending::Restored => ("restored", true),
            Ending::Unchanged => ("unchanged", false),
            Ending::RolledBack(_) => ("rolled-back", false),
            Ending::Failed { .. } => ("failed", false),
            Ending::Interrupted => ("interrupted", false),
        };
        let done = |number: usize| if is_done { number as u64 } else { 0 };
        Self {
            checkpoint: Some(plan.checkpoint.to_string()),
            safety: executed.safety.as_ref().map(|safety| safety.id.to_string()),
            sealed: executed.sealed.as_ref().map(|sealed| sealed.id.to_string()),
            changed: done(plan.changed()),
            deleted: done(plan.deleted()),
            databases: plan
                .changed_databases()
                .filter(|_| is_done)
                .map(|database| database.name.clone())
                .collect(),
            sent_bytes: executed.sent_bytes,
            probes: executed
                .probes
                .iter()
                .map(|probe| ProbeFound {
                    name: probe.name.to_string(),
                    ok: probe.ok,
                    says: probe.says.clone(),
                })
                .collect(),
            ..Self::without_changes(plan.target.host.as_str(), outcome, class, error)
        }
    }
}
