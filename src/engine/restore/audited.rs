//! Records in the audit file that a restore was allowed or refused, and how it ended.

use jiff::Timestamp;

use super::{Ending, Error};
use crate::audit::{self, Act, Audit, Begun, Outcome, Target};
use crate::event::Sink;
use crate::fault::{ExitClass, Fault, Problem};
use crate::guard::Operation;
use crate::name::HostName;
use crate::restore::plan::Plan;

/// Records that the guard refused to restore `target`; other errors are none of its refusals.
///
/// # Errors
///
/// [`audit::Error`] if it can't be recorded. The refusal stands all the same.
pub async fn record_refusal(
    target: &HostName,
    audit: &Audit,
    refused: &dyn Fault,
) -> Result<(), audit::Error> {
    if refused.exit_class() != ExitClass::Refused {
        return Ok(());
    }
    let act = Act::new(Operation::Restore, target.clone());
    audit.refuse(&act, refused, Timestamp::now()).await
}

/// Tells the operator what is not in the audit file.
pub(super) fn warn(sink: &Sink, host: &HostName, error: &audit::Error) {
    super::warn(sink, host, Problem::of(error).line());
}

/// What the audit file keeps of a restore.
pub(super) fn act(plan: &Plan) -> Act {
    let target = &plan.target;
    Act {
        target: Target {
            address: target.address.clone(),
            host_key: target.host_key.clone(),
            machine_id: target.machine_id.clone(),
            hostname: target.hostname.clone(),
        },
        checkpoint: Some(plan.checkpoint.clone()),
        plan: Some(plan.digest_text()),
        ..Act::new(Operation::Restore, target.host.clone())
    }
}

/// Records how a restore ended. What was done stays done, recorded or not.
pub(super) async fn end(begun: Begun, outcome: Outcome, why: Option<&Problem>, sink: &Sink) {
    let host = begun.act().host.clone();
    if let Err(error) = begun.end(outcome, why, Timestamp::now()).await {
        warn(sink, &host, &error);
    }
}

/// The outcome of an execution, and why it is that.
pub(super) fn outcome(ended: &Result<Ending, Error>) -> (Outcome, Option<Problem>) {
    match ended {
        Ok(Ending::Restored) => (Outcome::Done, None),
        Ok(Ending::Unchanged) => (Outcome::Unchanged, None),
        Ok(Ending::RolledBack(problem)) => (Outcome::RolledBack, Some(problem.clone())),
        Ok(Ending::Failed { problem, .. }) => (Outcome::Failed, Some(problem.clone())),
        Ok(Ending::Interrupted) => (Outcome::Interrupted, None),
        Err(error) => (Outcome::Failed, Some(Problem::of(error))),
    }
}
