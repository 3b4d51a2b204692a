//! Makes the packages, groups and users that a fresh host lacks, before its restore is planned anew with them.

use jiff::Timestamp;

use super::{Error, Prepared, audited};
use crate::audit::{Audit, Outcome};
use crate::event::{Event, Restore, RestoreStep, Sink};
use crate::fault::Problem;
use crate::interrupt::{Interrupt, StopLevel};
use crate::restore::bootstrap;

impl Prepared {
    /// Seals the safety checkpoint, and makes what the plan says. What is put back afterwards has to be planned
    /// anew: packages bring files, and users have numbers only then.
    ///
    /// # Errors
    ///
    /// [`Error`]; what was made before it failed stays on the host.
    ///
    /// # Cancel
    ///
    /// Raise `interrupt`: the tool at work is ended.
    pub async fn bootstrap(
        mut self,
        audit: &Audit,
        sink: &Sink,
        interrupt: &Interrupt,
    ) -> Result<(), Error> {
        let host = self.plan.target.host.clone();
        self.seal_safety().await?;
        let begun = audit
            .begin(audited::act(&self.plan), Timestamp::now())
            .await?;
        sink(Event::of(&host, Restore::Step(RestoreStep::Bootstrap)));
        let made = bootstrap::make(&self.session, self.sudo, self.plan.bootstrap.clone());
        let made = tokio::select! {
            biased;
            () = interrupt.reached(StopLevel::Soon) => Err(Error::Interrupted),
            made = made => made.map_err(Error::from),
        };
        let (outcome, why) = match &made {
            Ok(()) => (Outcome::Done, None),
            Err(Error::Interrupted) => (Outcome::Interrupted, None),
            Err(error) => (Outcome::Failed, Some(Problem::of(error))),
        };
        audited::end(begun, outcome, why.as_ref(), sink).await;
        sink(Event::of(&host, Restore::Ended));
        self.session.close().await;
        made
    }
}
