//! `fleet restore --resume` and `--rollback`

use std::sync::Arc;

use super::super::consent;
use super::super::error::{Error, Status};
use super::super::setup::Setup;
use super::super::signals;
use super::refused;
use crate::audit::Audit;
use crate::engine::Workspace;
use crate::engine::restore::{self, Concluded};
use crate::event::{Event, Sink};
use crate::fault::{ExitClass, Problem};
use crate::interrupt::Interrupt;
use crate::name::HostName;
use crate::report::text::restore as text;
use crate::report::{Reporter, Style, Verbosity, json};
use crate::restore::Error as CutOff;
use crate::restore::unfinished::Way;

/// Brings what is unfinished on `host` to an end.
pub(super) fn run(
    host: &HostName,
    way: Way,
    confirmed: Option<&HostName>,
    setup: &Setup,
) -> Status {
    let inventory = setup.inventory()?;
    let refused = restore::judge(&inventory, host).err();
    let audit = setup.audit();
    if let Some(error) = refused {
        return refused::record(host, setup, audit, error);
    }
    let audit = audit?;
    let console = &setup.console;
    consent::check(confirmed, host, console)?;
    let reporter = Reporter::new(Arc::clone(console), Style::of(console), 1);
    let workspace = setup.workspace(inventory, &reporter)?;
    let interrupt = Interrupt::new();
    let notice = {
        let reporter = Arc::clone(&reporter);
        move || reporter.tell(&Event::Stopping)
    };
    let work = Work {
        host,
        way,
        is_confirmed: confirmed.is_some(),
        setup,
        reporter: &reporter,
        workspace: &workspace,
        audit: &audit,
        sink: &reporter.sink(),
        interrupt: &interrupt,
    };
    let ended = signals::run(&interrupt, notice, work.run());
    reporter.finish();
    ended?.ok_or(Error::Stopped)?
}

struct Work<'a> {
    host: &'a HostName,
    way: Way,
    is_confirmed: bool,
    setup: &'a Setup,
    reporter: &'a Arc<Reporter>,
    workspace: &'a Arc<Workspace>,
    audit: &'a Audit,
    sink: &'a Sink,
    interrupt: &'a Interrupt,
}

impl Work<'_> {
    async fn run(&self) -> Status {
        let pending = restore::pending(
            self.host,
            self.workspace,
            self.audit,
            self.sink,
            self.interrupt,
        )
        .await?;
        let console = &self.setup.console;
        if pending.restores.is_empty() {
            pending.abandon().await;
            return self.tell(&[]);
        }
        if !console.is_json() && (console.talk() != Verbosity::Quiet || !self.is_confirmed) {
            let shown = text::pending(&pending);
            self.reporter.aside(|| console.show(&shown));
        }
        if !self.is_confirmed {
            let prompt = text::question_to_conclude(self.host, self.way);
            if let Err(error) = consent::ask(console, &prompt, self.host).await {
                pending.abandon().await;
                return Err(error.into());
            }
        }
        let inventory = &self.workspace.network.inventory;
        let concluded = pending
            .conclude(self.way, inventory, self.audit, self.sink)
            .await?;
        self.reporter.finish();
        self.tell(&concluded)
    }

    fn tell(&self, concluded: &[Concluded]) -> Status {
        let console = &self.setup.console;
        let mut failed = None;
        for one in concluded {
            if let Some(problem) = self.problem(one) {
                console.problem(&problem);
                failed = failed.or(Some((one, problem)));
            }
        }
        let class = failed.is_some().then_some(ExitClass::Failed);
        if console.is_json() {
            let (shown, problem) = failed.unzip();
            let shown = shown.or(concluded.last());
            let summary =
                json::RestoreSummary::concluded(self.host, shown, class, problem.as_ref());
            console.event(&summary)?;
        } else if console.talk() != Verbosity::Quiet {
            console.answer(&text::concluded(self.host, concluded))?;
        }
        Ok(class)
    }

    /// Why a restore is not where it was to be brought to.
    fn problem(&self, concluded: &Concluded) -> Option<Problem> {
        let restore = &concluded.restore;
        match &concluded.ended {
            Err(problem) => Some(problem.clone()),
            Ok(way) if *way == self.way => None,
            Ok(_) => Some(Problem::of(&CutOff::Committed {
                id: restore.id.clone(),
                safety: restore.record.as_ref().map(|record| record.safety.clone()),
            })),
        }
    }
}
