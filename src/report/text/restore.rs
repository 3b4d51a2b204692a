//! Renders the plan of a restore, and how it ended.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::engine::restore::{Concluded, Ending, Executed, Pending};
use crate::event::{Restore, RestoreStep};
use crate::name::{HostName, RemotePath, escape};
use crate::report::Verbosity;
use crate::restore::databases::{DatabaseAction, DatabasePlan};
use crate::restore::plan::compare::Action;
use crate::restore::plan::missing::Lack;
use crate::restore::plan::space::FileSystem;
use crate::restore::plan::{PartPlan, Plan, PlannedChange};
use crate::restore::services;
use crate::restore::unfinished::Way;
use crate::units::{count, size};

/// So many paths of a part are named one by one.
const NAMED_MAX: usize = 50;
/// So many directories of a part with more.
const DIRECTORIES_MAX: usize = 20;

/// Everything that will happen.
#[must_use]
pub fn plan(plan: &Plan, verbosity: Verbosity) -> String {
    let target = &plan.target;
    let mut text = format!(
        "{} to {}\n  address   {}\n  host key  {}\n  hostname  {}\n",
        plan.checkpoint, target.host, target.address, target.host_key, target.hostname
    );
    let (changed, same): (Vec<&PartPlan>, Vec<&PartPlan>) =
        plan.parts.iter().partition(|part| !part.changes.is_empty());
    for part in changed {
        push_part(&mut text, part, verbosity);
    }
    if !same.is_empty() {
        let names: Vec<&str> = same.iter().map(|part| part.name.as_str()).collect();
        text.push_str(&format!("\nunchanged: {}\n", names.join(", ")));
    }
    for part in &plan.databases {
        push_databases(&mut text, part);
    }
    push_services(&mut text, plan);
    push_missing(&mut text, plan);
    push_space(&mut text, plan, verbosity);
    for warning in &plan.warnings {
        text.push_str(&format!("\nwarning: {warning}"));
    }
    for refusal in &plan.refusals {
        text.push_str(&format!("\nnot possible: {refusal}"));
    }
    if !plan.warnings.is_empty() || !plan.refusals.is_empty() {
        text.push('\n');
    }
    text.push_str(&format!(
        "\n{}\nplan {}\n",
        summary(plan),
        plan.digest_text()
    ));
    text
}

/// `3 to create, 1 to overwrite; 12 KiB to send`
fn summary(plan: &Plan) -> String {
    if plan.is_empty() {
        return match plan.refusals.is_empty() {
            true => "nothing differs".to_owned(),
            false => "nothing can be done".to_owned(),
        };
    }
    let of = |action| {
        let number: usize = plan.parts.iter().map(|part| part.count(action)).sum();
        (number > 0).then(|| format!("{number} to {}", verb(action)))
    };
    let mut counts: Vec<String> = Action::ALL.into_iter().filter_map(of).collect();
    let databases = plan.changed_databases();
    let (number, bytes) = databases.fold((0, plan.send_bytes()), |(number, bytes), one| {
        (number + 1, bytes + one.size_bytes)
    });
    if number > 0 {
        counts.push(format!("{} to load", count(number, "database")));
    }
    format!("{}; {} to send", counts.join(", "), size(bytes))
}

/// The databases of a part: what is done with each, why, and what will be lost.
fn push_databases(text: &mut String, part: &DatabasePlan) {
    text.push_str(&format!(
        "\n{} (PostgreSQL {}):\n",
        part.part,
        part.server_version.split(' ').next().unwrap_or_default()
    ));
    for role in &part.roles {
        let superuser = if role.is_superuser {
            ", a superuser"
        } else {
            ""
        };
        let name = escape(role.name.as_bytes());
        text.push_str(&format!("  create    role {name}{superuser}\n"));
    }
    for database in &part.databases {
        // Why one is refused is said with the other refusals.
        let why = match database.action {
            DatabaseAction::Refuse => String::new(),
            DatabaseAction::Create
            | DatabaseAction::Load
            | DatabaseAction::Replace
            | DatabaseAction::Unchanged => format!(": {}", database.why),
        };
        text.push_str(&format!(
            "  {:<9} database {}  {}{why}\n",
            database.action.as_str(),
            escape(database.name.as_bytes()),
            size(database.size_bytes),
        ));
        for loss in &database.losses {
            text.push_str(&format!("            lost: {loss}\n"));
        }
        if database.action == DatabaseAction::Replace {
            text.push_str("            (the safety checkpoint keeps what is replaced)\n");
        }
    }
}

fn verb(action: Action) -> &'static str {
    match action {
        Action::Create => "create",
        Action::Overwrite => "overwrite",
        Action::Type => "replace by another type",
        Action::Metadata => "change in metadata",
        Action::Delete => "delete",
    }
}

fn push_services(text: &mut String, plan: &Plan) {
    if plan.services.services.is_empty() {
        return;
    }
    text.push_str("\nservices:\n");
    for service in &plan.services.services {
        let what = match service.action {
            services::Action::StopStart => "is stopped, and started again",
            services::Action::Stop => "is stopped and stays down (--start always starts it)",
            services::Action::Reload => "goes on, and reads its files again",
            services::Action::Start if plan.is_of_another_host() => "is started, if it can be",
            services::Action::Start => "is started",
            services::Action::None => "stays down",
        };
        text.push_str(&format!("  {} ({}) {what}\n", service.name, service.state));
    }
}

/// What the host lacks, and the commands that would make it.
fn push_missing(text: &mut String, plan: &Plan) {
    let is_made = |lack: &Lack| lack.is_declared && !plan.bootstrap.is_empty();
    let (made, left): (Vec<_>, Vec<_>) = plan.missing.iter().partition(|(_, lack)| is_made(lack));
    push_lacks(text, "made on the host first, as root:", &made);
    let heading = "missing on the host, and not made by this restore (--bootstrap makes what the inventory \
                   declares); as root:";
    push_lacks(text, heading, &left);
}

fn push_lacks(text: &mut String, heading: &str, lacks: &[(&str, &Lack)]) {
    if lacks.is_empty() {
        return;
    }
    text.push_str(&format!("\n{heading}\n"));
    for (what, lack) in lacks {
        let name = escape(lack.name.as_bytes());
        match &lack.command {
            Some(command) => text.push_str(&format!("  {command}\n")),
            None => text.push_str(&format!("  {what} {name}\n")),
        }
    }
}

/// What is needed and free, where it is little or everything is to be shown.
fn push_space(text: &mut String, plan: &Plan, verbosity: Verbosity) {
    let is_shown = |on: &&FileSystem| verbosity == Verbosity::Verbose || on.is_tight();
    let shown: Vec<&FileSystem> = plan.space.iter().filter(is_shown).collect();
    if shown.is_empty() {
        return;
    }
    text.push_str("\nspace until the restore has ended:\n");
    for on in shown {
        let bytes = on.free.bytes.map(size);
        let inodes = on.free.inodes.map(|free| format!(" and {free} inodes"));
        let free = bytes.map_or_else(
            || "not known".to_owned(),
            |bytes| format!("{bytes}{}", inodes.unwrap_or_default()),
        );
        text.push_str(&format!(
            "  {}  {} and {} needed, {free} free\n",
            on.name(),
            size(on.needed.bytes),
            count(on.needed.inodes, "inode"),
        ));
    }
}

fn push_part(text: &mut String, part: &PartPlan, verbosity: Verbosity) {
    let unchanged = format!("{} unchanged", part.unchanged);
    let of = |action: Action| {
        let number = part.count(action);
        (number > 0).then(|| format!("{number} {}", action.as_str()))
    };
    let counts: Vec<String> = Action::ALL.into_iter().filter_map(of).collect();
    text.push_str(&format!(
        "\n{}: {}, {unchanged}\n",
        part.name,
        counts.join(", ")
    ));
    if part.changes.len() <= NAMED_MAX || verbosity == Verbosity::Verbose {
        for change in &part.changes {
            push_change(text, change);
        }
    } else {
        push_directories(text, part);
    }
}

fn push_change(text: &mut String, change: &PlannedChange) {
    let slash = if change.is_directory { "/" } else { "" };
    let bytes = match change.action {
        Action::Create | Action::Overwrite | Action::Delete if change.bytes > 0 => {
            format!("  {}", size(change.bytes))
        }
        Action::Create | Action::Overwrite | Action::Delete | Action::Type | Action::Metadata => {
            String::new()
        }
    };
    text.push_str(&format!(
        "  {:<9} {}{slash}{bytes}\n",
        change.action.as_str(),
        change.path
    ));
}

/// Many changes by directory: as deep as fits, those that lose most first.
fn push_directories(text: &mut String, part: &PartPlan) {
    let mut directories = by_directory(part, 1);
    for depth in 2.. {
        let deeper = by_directory(part, depth);
        if deeper.len() > DIRECTORIES_MAX || deeper.len() == directories.len() && depth > 64 {
            break;
        }
        directories = deeper;
    }
    let mut directories: Vec<_> = directories.into_iter().collect();
    directories.sort_by_key(|(path, counts)| {
        let total: usize = counts.iter().sum();
        (
            Reverse((counts[Action::Delete as usize], total)),
            path.clone(),
        )
    });
    for (path, counts) in directories {
        let of = |action: Action| {
            let number = counts[action as usize];
            (number > 0).then(|| format!("{number} {}", action.as_str()))
        };
        let counts: Vec<String> = Action::ALL.into_iter().filter_map(of).collect();
        text.push_str(&format!(
            "  {}  {}\n",
            directory_name(&path),
            counts.join(", ")
        ));
    }
    text.push_str("  (-v shows every path)\n");
}

/// How many paths change in each directory of so many components, and beneath it.
fn by_directory(part: &PartPlan, depth: usize) -> BTreeMap<RemotePath, [usize; 5]> {
    let mut directories: BTreeMap<RemotePath, [usize; 5]> = BTreeMap::new();
    for change in &part.changes {
        let directory = change.path.parent().unwrap_or_else(RemotePath::root);
        let bytes = directory.as_bytes();
        let mut slashes = bytes
            .iter()
            .enumerate()
            .skip(1)
            .filter(|(_, b)| **b == b'/');
        let end = slashes.nth(depth - 1).map_or(bytes.len(), |(at, _)| at);
        let directory = RemotePath::from_bytes(&bytes[..end]).unwrap_or(directory);
        directories.entry(directory).or_default()[change.action as usize] += 1;
    }
    directories
}

fn directory_name(path: &RemotePath) -> String {
    let path = path.to_string();
    if path.ends_with('/') {
        path
    } else {
        format!("{path}/")
    }
}

/// What a moving line shows while a restore goes on.
#[must_use]
pub fn restoring(what: &Restore) -> String {
    match what {
        Restore::Step(step) => step.doing().to_owned(),
        Restore::Progress { bytes, total_bytes } => {
            let doing = RestoreStep::Stage.doing();
            format!("{doing}: {} of {}", size(*bytes), size(*total_bytes))
        }
        Restore::Ended => String::new(),
    }
}

/// The next command after a dry run.
#[must_use]
pub fn how_to_execute(plan: &Plan) -> String {
    if !plan.refusals.is_empty() {
        "nothing was written; this plan cannot be executed".to_owned()
    } else if plan.is_empty() {
        "nothing was written, and nothing has to be".to_owned()
    } else {
        format!(
            "nothing was written; run the command without --dry-run to restore {}",
            plan.target.host
        )
    }
}

/// What the operator is asked.
#[must_use]
pub fn question(plan: &Plan) -> String {
    format!(
        "Type the name of the host to restore it ({}):",
        plan.target.host
    )
}

/// How a restore ended.
#[must_use]
pub fn ended(plan: &Plan, executed: &Executed) -> String {
    let host = &plan.target.host;
    let safety = executed.safety.as_ref();
    let before = safety.map(|safety| format!("the state before is {}\n", safety.id));
    let mut before = before.unwrap_or_default();
    for probe in &executed.probes {
        let ok = if probe.ok { "ok" } else { "FAILED" };
        before.push_str(&format!("probe {}: {ok}, {}\n", probe.name, probe.says));
    }
    if let Some(sealed) = &executed.sealed {
        before.push_str(&format!("the restored state is {}\n", sealed.id));
    }
    match &executed.ending {
        Ending::Restored => {
            let databases = plan.changed_databases().count() as u64;
            let databases = match databases {
                0 => String::new(),
                number => format!("{} loaded, ", count(number, "database")),
            };
            format!(
                "{host} is restored to {}: {}, {} deleted, {} sent, {databases}all proven\n{before}",
                plan.checkpoint,
                count(plan.changed() as u64, "change"),
                plan.deleted(),
                size(executed.sent_bytes),
            )
        }
        Ending::Unchanged => format!(
            "{host} is as {} has it; nothing was written\n",
            plan.checkpoint
        ),
        Ending::RolledBack(_) | Ending::Interrupted => {
            format!("{host} is as it was, which is proven\n{before}")
        }
        Ending::Failed { .. } => {
            format!("{host} is in between: its staging folders `.fleet-restore` are kept\n{before}")
        }
    }
}

/// What is under way or unfinished on a host.
#[must_use]
pub fn pending(pending: &Pending) -> String {
    let mut text = String::new();
    for restore in &pending.restores {
        let what = match &restore.record {
            Some(record) => format!("{} to {}", record.checkpoint, record.host),
            None => "a restore whose record does not read".to_owned(),
        };
        let state = if restore.is_running {
            "a command of it is still at work"
        } else if restore.is_committed {
            "everything is in place and proven: it can be finished"
        } else if restore.can_go_forward() && restore.roots.is_empty() {
            "its databases may have been loaded: it can be undone, and finished if they were"
        } else if restore.can_go_forward() {
            "everything has arrived: it can be finished or undone"
        } else if restore.may_have_changed() {
            "it was being undone"
        } else {
            "nothing has changed: it can be undone"
        };
        text.push_str(&format!("restore {}: {what}\n  {state}\n", restore.id));
        for root in restore.record.iter().flat_map(|record| &record.roots) {
            text.push_str(&format!("  {root}\n"));
        }
        for database in restore.record.iter().flat_map(|record| &record.databases) {
            let name = escape(database.name.as_bytes());
            text.push_str(&format!("  database {name}\n"));
        }
    }
    text
}

/// What the operator is asked.
#[must_use]
pub fn question_to_conclude(host: &HostName, way: Way) -> String {
    let what = match way {
        Way::Forward => "finish",
        Way::Back => "undo",
    };
    format!("Type the name of the host to {what} it ({host}):")
}

/// How restores that were cut off ended.
#[must_use]
pub fn concluded(host: &HostName, concluded: &[Concluded]) -> String {
    if concluded.is_empty() {
        return format!("no restore is under way on {host}\n");
    }
    let mut text = String::new();
    for one in concluded {
        let (id, record) = (&one.restore.id, one.restore.record.as_ref());
        let line = match (&one.ended, record) {
            (Ok(Way::Forward), Some(record)) => {
                format!(
                    "{host} is restored to {}, which is proven",
                    record.checkpoint
                )
            }
            (Ok(Way::Forward), None) => format!("restore {id} of {host} is finished"),
            (Ok(Way::Back), _) => {
                format!("{host} is as it was before restore {id}, which is proven")
            }
            (Err(_), _) => format!("restore {id} of {host} is still unfinished"),
        };
        text.push_str(&line);
        text.push('\n');
        if let Some(record) = record {
            text.push_str(&format!("the state before is {}\n", record.safety));
        }
    }
    text
}
