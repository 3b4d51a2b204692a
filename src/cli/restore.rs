//! `fleet restore`

mod conclude;
mod refused;
mod to_dir;

use std::path::PathBuf;
use std::sync::Arc;

use super::consent;
use super::error::{Error, Status, VerbError};
use super::setup::Setup;
use super::signals;
use crate::audit::Audit;
use crate::digest::Sha256;
use crate::engine::Workspace;
use crate::engine::restore::{self, Ending, Executed, Prepared, Request};
use crate::event::{Event, Sink};
use crate::fault::{ExitClass, Problem};
use crate::interrupt::Interrupt;
use crate::inventory::Start;
use crate::name::{CheckpointRef, HostName, RemotePath, SourceName};
use crate::report::text::restore as text;
use crate::report::{Reporter, Style, Verbosity, json};
use crate::restore::plan::Plan;
use crate::restore::unfinished::Way;

/// Put a checkpoint back onto a host
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Compares the host with the checkpoint, shows what will happen, and asks for the name of the host. Then it \
takes a safety checkpoint of the host as it is, sends what differs, and puts everything in place at once. \
Whatever fails is undone: the host ends restored and proven, or as it was. What the checkpoint does not \
have stays, unless --delete is given. A host that is not `access: writable` is refused; no option \
overrides that.

Examples:
  fleet restore dev-vm@latest --dry-run
  fleet restore dev-vm@latest
  fleet restore dev-vm@~1 /etc/asterisk/pjsip.conf
  fleet restore dev-vm@latest /etc/asterisk --to-dir before/
  fleet restore dev-vm@latest --to new-vm --confirm new-vm
  fleet restore --rollback dev-vm               after a restore that was cut off")]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an option of its own"
)]
pub(super) struct Args {
    /// HOST@STAMP, HOST@latest, HOST@~1, or a unique prefix of the stamp
    #[arg(value_name = "CHECKPOINT", required_unless_present_any = ["resume", "rollback"])]
    checkpoint: Option<CheckpointRef>,

    /// Only these paths and what is below them
    #[arg(value_name = "PATH")]
    paths: Vec<String>,

    /// Restore to this host [default: the checkpoint's host]
    #[arg(long, value_name = "HOST")]
    to: Option<HostName>,

    /// Write the files into this directory of the workstation, not onto a host
    #[arg(long, value_name = "DIR", conflicts_with_all = ["to", "delete", "replace_database", "bootstrap", "dry_run", "plan", "confirm"])]
    to_dir: Option<PathBuf>,

    /// Only this source; may be given several times
    #[arg(long, value_name = "SOURCE")]
    only: Vec<SourceName>,

    /// Remove what the checkpoint does not have
    #[arg(long)]
    delete: bool,

    /// Replace databases that hold something; what they hold is kept in the safety checkpoint
    #[arg(long)]
    replace_database: bool,

    /// Make packages and users first that the inventory declares and the host lacks
    #[arg(long)]
    bootstrap: bool,

    /// Whether to start services that the inventory leaves open: ask, always or never
    #[arg(long, value_name = "WHEN", value_enum)]
    start: Option<StartWhen>,

    /// Show what would happen, and write nothing anywhere
    #[arg(long)]
    dry_run: bool,

    /// Only if the plan is the one with this digest, as --dry-run shows it
    #[arg(long, value_name = "DIGEST", value_parser = plan_digest)]
    plan: Option<Sha256>,

    /// Finish a restore of this host that was cut off
    #[arg(long, value_name = "HOST", conflicts_with_all = ["checkpoint", "rollback", "to", "only", "delete", "replace_database", "bootstrap", "dry_run", "plan"])]
    resume: Option<HostName>,

    /// Undo a restore of this host that was cut off
    #[arg(long, value_name = "HOST", conflicts_with_all = ["checkpoint", "to", "only", "delete", "replace_database", "bootstrap", "dry_run", "plan"])]
    rollback: Option<HostName>,

    /// Confirm with the name of the host, for scripts
    #[arg(long, value_name = "HOST", conflicts_with = "dry_run")]
    confirm: Option<HostName>,
}

/// `--start`
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum StartWhen {
    Ask,
    Always,
    Never,
}

impl From<StartWhen> for Start {
    fn from(when: StartWhen) -> Self {
        match when {
            StartWhen::Ask => Self::Ask,
            StartWhen::Always => Self::Always,
            StartWhen::Never => Self::Never,
        }
    }
}

fn plan_digest(text: &str) -> Result<Sha256, String> {
    let digits = text.strip_prefix("sha256:").unwrap_or(text);
    digits.parse().map_err(|_| {
        "expected the digest that `--dry-run` shows: `sha256:` and 64 hexadecimal digits".to_owned()
    })
}

pub(super) fn run(args: &Args, setup: &Setup) -> Status {
    let console = &setup.console;
    match begin(args, setup) {
        // Programs read how it ended in the summary, whatever kept it from beginning.
        Err(VerbError(problem)) if console.is_json() && args.to_dir.is_none() && !args.dry_run => {
            console.problem(&problem);
            let host = args.target().map(HostName::as_str).unwrap_or_default();
            console.event(&json::RestoreSummary::not_begun(host, &problem))?;
            Ok(Some(problem.class))
        }
        ended => ended,
    }
}

impl Args {
    /// The host that is meant.
    fn target(&self) -> Option<&HostName> {
        let of_checkpoint = self.checkpoint.as_ref().map(|checkpoint| &checkpoint.host);
        let concluded = self.resume.as_ref().or(self.rollback.as_ref());
        concluded.or(self.to.as_ref()).or(of_checkpoint)
    }
}

fn begin(args: &Args, setup: &Setup) -> Status {
    if let Some(host) = &args.resume {
        return conclude::run(host, Way::Forward, args.confirm.as_ref(), setup);
    }
    if let Some(host) = &args.rollback {
        return conclude::run(host, Way::Back, args.confirm.as_ref(), setup);
    }
    // The arguments were checked: there is one.
    let Some(checkpoint) = &args.checkpoint else {
        return Ok(Some(ExitClass::Usage));
    };
    if let Some(dir) = &args.to_dir {
        return to_dir::run(checkpoint, &args.paths, &args.only, dir, setup);
    }
    let inventory = setup.inventory()?;
    // A protected host is refused before anything else, and before any connection.
    let target = args.to.as_ref().unwrap_or(&checkpoint.host).clone();
    let refused = restore::judge(&inventory, &target).err();
    let console = &setup.console;
    let audit = setup.audit();
    if let Some(error) = refused {
        // A dry run writes nothing anywhere.
        return match args.dry_run {
            true => Err(error.into()),
            false => refused::record(&target, setup, audit, error),
        };
    }
    let audit = audit?;
    if !args.dry_run {
        consent::check(args.confirm.as_ref(), &target, console)?;
    }
    let style = if args.dry_run {
        Style::of_look(console)
    } else {
        Style::of(console)
    };
    let reporter = Reporter::new(Arc::clone(console), style, 1);
    let workspace = setup.workspace(inventory, &reporter)?;
    let resolved = setup.look_up(&workspace.store, checkpoint)?;
    let sealed = workspace.store.open_checkpoint(&resolved.id)?;
    let paths = args
        .paths
        .iter()
        .map(|path| sealed.path_of(path.as_bytes()));
    let request = Request {
        checkpoint: resolved.id,
        to: args.to.clone(),
        paths: paths.collect::<Result<Vec<RemotePath>, _>>()?,
        only: args.only.clone(),
        delete: args.delete,
        replace_database: args.replace_database,
        bootstrap: args.bootstrap,
        start: args.start.map(Start::from),
        dry_run: args.dry_run,
    };
    let interrupt = Interrupt::new();
    let sink = reporter.sink();
    let notice = {
        let reporter = Arc::clone(&reporter);
        move || reporter.tell(&Event::Stopping)
    };
    let work = Work {
        args,
        setup,
        reporter: &reporter,
        workspace: &workspace,
        audit: &audit,
        sink: &sink,
        interrupt: &interrupt,
    };
    let ended = signals::run(&interrupt, notice, work.run(&request));
    reporter.finish();
    ended?.ok_or(Error::Stopped)?
}

struct Work<'a> {
    args: &'a Args,
    setup: &'a Setup,
    reporter: &'a Arc<Reporter>,
    workspace: &'a Arc<Workspace>,
    audit: &'a Audit,
    sink: &'a Sink,
    interrupt: &'a Interrupt,
}

impl Work<'_> {
    async fn run(&self, request: &Request) -> Status {
        let prepared = restore::prepare(
            request,
            self.workspace,
            self.audit,
            self.sink,
            self.interrupt,
        )
        .await?;
        let is_other = |digest: &Sha256| *digest != prepared.plan.digest();
        if let Some(wanted) = self.args.plan.filter(is_other) {
            let found = prepared.plan.digest();
            prepared.abandon().await?;
            return Err(consent::Error::OtherPlan { wanted, found }.into());
        }
        if self.args.dry_run {
            return self.show(prepared).await;
        }
        let console = &self.setup.console;
        let plan = prepared.plan.clone();
        let is_executed = plan.refusals.is_empty() && !plan.is_empty();
        // Whoever is asked sees what for.
        let is_shown = console.talk() != Verbosity::Quiet || self.args.confirm.is_none();
        if is_shown && !console.is_json() {
            let shown = text::plan(&plan, console.talk());
            self.reporter.aside(|| console.show(&shown));
        }
        if is_executed
            && self.args.confirm.is_none()
            && let Err(error) =
                consent::ask(console, &text::question(&plan), &plan.target.host).await
        {
            prepared.abandon().await?;
            return Err(error.into());
        }
        let (prepared, plan) = if is_executed && !plan.bootstrap.is_empty() {
            self.bootstrap(prepared, request).await?
        } else {
            (prepared, plan)
        };
        let executed = prepared
            .execute(self.workspace, self.audit, self.sink, self.interrupt)
            .await?;
        self.reporter.finish();
        self.tell(&plan, &executed)
    }

    /// Makes what the host lacks, and plans the restore anew.
    async fn bootstrap(
        &self,
        prepared: Prepared,
        request: &Request,
    ) -> Result<(Prepared, Plan), VerbError> {
        let (audit, sink, interrupt) = (self.audit, self.sink, self.interrupt);
        prepared.bootstrap(audit, sink, interrupt).await?;
        let request = Request {
            bootstrap: false,
            ..request.clone()
        };
        let prepared = restore::prepare(&request, self.workspace, audit, sink, interrupt).await?;
        let plan = prepared.plan.clone();
        Ok((prepared, plan))
    }

    /// A dry run: the plan is the answer.
    async fn show(&self, prepared: Prepared) -> Status {
        let plan = prepared.plan.clone();
        prepared.abandon().await?;
        self.reporter.finish();
        let console = &self.setup.console;
        if console.is_json() {
            console.document(&json::RestorePlan::from(&plan))?;
        } else {
            console.answer(&text::plan(&plan, console.talk()))?;
            console.remark(&text::how_to_execute(&plan));
        }
        Ok((!plan.refusals.is_empty()).then_some(ExitClass::Failed))
    }

    fn tell(&self, plan: &Plan, executed: &Executed) -> Status {
        let console = &self.setup.console;
        let (problem, class) = ending(&executed.ending);
        if let Some(problem) = &problem {
            console.problem(problem);
        }
        if let Some(why) = &executed.unsealed {
            console.warning(&format!(
                "no checkpoint of the restored state was sealed: {}",
                why.line()
            ));
        }
        if console.is_json() {
            console.event(&json::RestoreSummary::of(
                plan,
                executed,
                class,
                problem.as_ref(),
            ))?;
        } else if console.talk() != Verbosity::Quiet {
            console.answer(&text::ended(plan, executed))?;
        }
        Ok(class)
    }
}

/// What went wrong, and the exit status.
fn ending(ending: &Ending) -> (Option<Problem>, Option<ExitClass>) {
    match ending {
        Ending::Restored | Ending::Unchanged => (None, None),
        Ending::RolledBack(problem) if problem.class == ExitClass::Mismatch => {
            (Some(problem.clone()), Some(ExitClass::Mismatch))
        }
        Ending::RolledBack(problem) => (Some(problem.clone()), Some(ExitClass::Failed)),
        Ending::Failed { problem, undo } => {
            let mut problem = problem.clone();
            problem
                .causes
                .push(format!("it could not be undone: {}", undo.line()));
            (Some(problem), Some(ExitClass::Failed))
        }
        Ending::Interrupted => (None, Some(ExitClass::Interrupted)),
    }
}
