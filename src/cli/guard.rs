//! `fleet guard explain`

use super::error::Status;
use super::setup::Setup;
use crate::engine;
use crate::fault::ExitClass;
use crate::guard::{Decision, Judgement, Operation, judge};
use crate::name::HostName;
use crate::report::{json, text};

/// Ask what may be done to a host
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    pub(super) question: Question,
}

#[derive(Debug, clap::Subcommand)]
pub(super) enum Question {
    Explain(Explain),
}

/// Show every rule that allows or denies an operation on a host
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Operations: `checkpoint` reads a host; `restore` (put files back), `service` (start or stop a \
service) and `run` (run a command) change it. Of these, this version \
only has `checkpoint`.

With an operation, the exit status is the decision: 0 allow, 4 deny. Without one, all are shown and \
the exit status is 0. Only the inventory decides; no flag overrides it.

Examples:
  fleet guard explain prod-vm
  fleet guard explain prod-vm restore || echo \"not there\"")]
pub(super) struct Explain {
    /// The host
    #[arg(value_name = "HOST")]
    host: HostName,

    /// checkpoint, restore, service or run
    #[arg(value_name = "OPERATION")]
    operation: Option<Operation>,
}

pub(super) fn run(args: &Explain, setup: &Setup) -> Status {
    let inventory = setup.inventory()?;
    let host = engine::host(&inventory, &args.host)?;
    let operations = match &args.operation {
        Some(operation) => std::slice::from_ref(operation),
        None => &Operation::ALL,
    };
    let judgements: Vec<Judgement> = operations
        .iter()
        .map(|operation| judge(host, *operation))
        .collect();
    let file = inventory.file.display().to_string();
    if setup.console.is_json() {
        setup.console.document(&json::Explain {
            version: json::Version,
            host: host.name.to_string(),
            operations: judgements
                .iter()
                .map(|judgement| json::Judged::of(judgement, &file))
                .collect(),
        })?;
    } else {
        let table = text::guard::table(&judgements, &file);
        setup.console.answer(&table)?;
    }
    let denied = judgements
        .iter()
        .any(|judgement| judgement.decision == Decision::Deny);
    Ok((args.operation.is_some() && denied).then_some(ExitClass::Refused))
}
