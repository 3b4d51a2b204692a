//! Takes a restore back: databases, files and services are as they were, which is proven.

use super::{Error, databases};
use crate::guard::TransactionStep;
use crate::inventory::Host;
use crate::restore::databases::DatabaseTarget;
use crate::restore::services::{self, ServiceRecord};
use crate::restore::transaction::Transaction;
use crate::ssh::WriteSession;

/// What has to be known of a restore to take it back.
pub(super) struct Undo<'a> {
    pub(super) session: &'a WriteSession,
    /// The target, with its services.
    pub(super) host: &'a Host,
    pub(super) transaction: &'a Transaction,
    pub(super) databases: &'a [DatabaseTarget],
    /// What was active before; none: nothing was stopped.
    pub(super) stopped: Option<&'a ServiceRecord>,
    /// Files may be in place already.
    pub(super) may_have_changed: bool,
}

impl Undo<'_> {
    /// Puts everything back, and removes what was staged. `proof` proves that the files are what they were.
    ///
    /// # Errors
    ///
    /// [`Error`]: what was staged stays on the host then, for another attempt.
    pub(super) async fn run(
        &self,
        proof: impl AsyncFnOnce() -> Result<(), Error>,
    ) -> Result<(), Error> {
        let session = self.session;
        let mut stopped = Ok(());
        if let Some(known) = self.stopped
            && self.may_have_changed
        {
            // Some may run on the new files. What does not stop is no reason to leave those there.
            stopped = services::stop(session, &self.host.services, known).await;
        }
        // The server may be one of the services.
        let mut named_back = databases::back(self.databases, session).await;
        if self.may_have_changed {
            let step = TransactionStep::Back;
            self.transaction.step(session, step).await?;
            proof().await?;
        }
        let mut failed = Vec::new();
        if let Some(known) = self.stopped {
            failed = services::undo(session, self.host, known).await?;
        }
        if named_back.is_err() {
            named_back = databases::back(self.databases, session).await;
        }
        named_back?;
        databases::drop_beside(self.databases, session).await?;
        stopped?;
        if let Some(error) = failed.into_iter().next() {
            return Err(error.into());
        }
        let step = TransactionStep::Done;
        self.transaction.step(session, step).await?;
        Ok(())
    }
}
