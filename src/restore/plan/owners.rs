//! Who owns the files of a checkpoint, as the target of a restore knows them: users and groups by name.

use std::sync::Arc;

use super::merged::Merged;
use crate::blocking::blocking;
use crate::name::SourceName;
use crate::restore::Error;
use crate::restore::accounts::{Accounts, OwnerNames};
use crate::restore::sources::RestoredPart;
use crate::ssh::ReadSession;
use crate::store::{self, SealedCheckpoint};

/// The owners of what is restored.
#[derive(Debug, Clone)]
pub struct Owners {
    /// Their names in the checkpoint.
    pub(super) names: OwnerNames,
    /// Those that the target has, and the account that logged in.
    pub(super) accounts: Accounts,
}

impl Owners {
    /// Reads the names of all owners in `parts` of `checkpoint`, and asks the host for them and for `account`.
    ///
    /// # Errors
    ///
    /// [`Error::Store`] if the checkpoint can't be read, [`Error::Ssh`] if the host can't be asked.
    pub async fn of(
        checkpoint: &Arc<SealedCheckpoint>,
        parts: &[RestoredPart],
        account: &str,
        session: &ReadSession,
    ) -> Result<Self, Error> {
        let (checkpoint, parts) = (Arc::clone(checkpoint), listed(parts));
        let names = blocking(move || {
            let mut names = OwnerNames::default();
            for one in Merged::of(&checkpoint, &parts)? {
                names.add(&one?.entry.owner);
            }
            Ok::<_, store::Error>(names)
        })
        .await?;
        let mut asked = names.clone();
        asked.users.insert(account.to_owned());
        let accounts = Accounts::of(&asked, session).await?;
        Ok(Self { names, accounts })
    }
}

/// The parts whose files are put back as they are.
pub(super) fn listed(parts: &[RestoredPart]) -> Vec<SourceName> {
    let parts = parts.iter().filter(|part| !part.has_lines());
    parts.map(|part| part.part.name.clone()).collect()
}
