//! The steps that change a server: roles, loading beside, and the exchange of names.

use std::sync::Arc;

use super::access::{Answer, ServerAccess};
use super::captured::CapturedDatabase;
use super::plan::PlannedDatabase;
use super::server::{ServerFacts, ask};
use super::{Error, content};
use crate::guard::{DatabaseChange, DatabaseNames, DatabaseStep, WriteCommand};
use crate::name::RestoreId;
use crate::ssh::{Input, ReadSession, WriteSession};
use crate::store::SealedCheckpoint;

/// A server with many thousand tables answers some MiB.
const ANSWER_MAX_BYTES: usize = 64 << 20;

/// How far the restore of a database is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DatabaseState {
    /// Nothing of the restore is there: it has not begun, or is done, or was undone.
    Untouched,
    /// The new database is being loaded, or its loading was cut off.
    Loading,
    /// The new database is complete, and the old one has its name. It may be closed to connections.
    Ready,
    /// The new database has the name; the old one is kept, if there was one.
    Switched,
}

/// A database of a server that is put back.
#[derive(Debug, Clone)]
pub struct DatabaseTarget {
    access: ServerAccess,
    names: DatabaseNames,
    /// There was no database of the name when the restore began.
    creates: bool,
}

/// Makes the roles of a plan. `statements` is [`super::DatabasePlan::making_roles`].
///
/// # Errors
///
/// Any [`Error`]; roles that were made stay.
pub async fn make_roles(
    session: &WriteSession,
    access: &ServerAccess,
    id: &RestoreId,
    statements: &str,
) -> Result<(), Error> {
    if statements.is_empty() {
        return Ok(());
    }
    let target = DatabaseTarget::new(access.clone(), "", id, false);
    target
        .give(session, DatabaseStep::Roles, statements)
        .await?;
    Ok(())
}

impl DatabaseTarget {
    /// The database `name` of the server in the restore `id`. `creates`: there was none of that name when the
    /// restore began.
    #[must_use]
    pub fn new(access: ServerAccess, name: &str, id: &RestoreId, creates: bool) -> Self {
        Self {
            access,
            names: DatabaseNames::new(name, id),
            creates,
        }
    }

    /// Its names.
    #[must_use]
    pub fn names(&self) -> &DatabaseNames {
        &self.names
    }

    /// How far it is.
    ///
    /// # Errors
    ///
    /// As [`ask`]; [`Error::Unexpected`] if its names are such as no step leaves them.
    pub async fn state(&self, session: &ReadSession) -> Result<DatabaseState, Error> {
        state(&ask(session, &self.access, &[]).await?, &self.names)
    }

    /// Loads a database of a checkpoint beside the one that is there, proves that every table has the rows of
    /// its dump, and closes it. Begins anew where an earlier attempt was cut off.
    ///
    /// # Errors
    ///
    /// Any [`Error`]; the live database is untouched, and the new one is to be dropped with
    /// [`Self::drop_beside`].
    ///
    /// # Cancel
    ///
    /// Dropping the future ends the session of psql on the server. The live database is untouched.
    pub async fn load(
        &self,
        session: &WriteSession,
        checkpoint: &Arc<SealedCheckpoint>,
        captured: &CapturedDatabase,
        planned: &PlannedDatabase,
    ) -> Result<(), Error> {
        let making = planned.making(self.names.beside());
        self.give(session, DatabaseStep::Create, &making).await?;
        let dump = content::input(checkpoint, &captured.entry, self.access.head());
        let step = DatabaseStep::Load(captured.format);
        self.run(session, step, captured.size_bytes, dump).await?;
        let answer = self.give(session, DatabaseStep::Complete, "").await?;
        if let Err(error) = compare(captured, &answer.stdout) {
            self.give(session, DatabaseStep::DropBeside, "").await?;
            return Err(error);
        }
        Ok(())
    }

    /// Gives the name to the new database. Sessions on the old one are ended; it is kept, closed to
    /// connections. If it fails, the old one has its name and is open.
    ///
    /// # Errors
    ///
    /// [`Error::Busy`], [`Error::Sessions`], [`Error::Unexpected`] or any other.
    pub async fn switch(&self, session: &WriteSession) -> Result<(), Error> {
        self.give(session, DatabaseStep::Switch, "").await?;
        Ok(())
    }

    /// Gives the name back to the old database, and opens it. Does nothing where the names were not
    /// exchanged.
    ///
    /// # Errors
    ///
    /// As [`Self::switch`].
    pub async fn back(&self, session: &WriteSession) -> Result<(), Error> {
        self.give(session, DatabaseStep::Back, "").await?;
        Ok(())
    }

    /// Drops the new database where it doesn't have the name: the server is as it was, but for roles.
    ///
    /// # Errors
    ///
    /// Any [`Error`].
    pub async fn drop_beside(&self, session: &WriteSession) -> Result<(), Error> {
        self.give(session, DatabaseStep::DropBeside, "").await?;
        Ok(())
    }

    /// Drops the old database: from here there is no way back.
    ///
    /// # Errors
    ///
    /// Any [`Error`].
    pub async fn drop_old(&self, session: &WriteSession) -> Result<(), Error> {
        self.give(session, DatabaseStep::DropOld, "").await?;
        Ok(())
    }

    async fn give(
        &self,
        session: &WriteSession,
        step: DatabaseStep,
        text: &str,
    ) -> Result<Answer, Error> {
        let mut data = self.access.head();
        data.extend_from_slice(text.as_bytes());
        self.run(session, step, text.len() as u64, Input::bytes(data))
            .await
    }

    async fn run(
        &self,
        session: &WriteSession,
        step: DatabaseStep,
        size_bytes: u64,
        input: Input,
    ) -> Result<Answer, Error> {
        let command = WriteCommand::Database(DatabaseChange {
            server: self.access.server.clone(),
            names: self.names.clone(),
            creates: self.creates,
            size_bytes,
            step,
        });
        let running = session.run(&command, self.access.sudo, input).await?;
        self.access.answer(running, ANSWER_MAX_BYTES).await
    }
}

/// How far the restore is whose database has these names.
fn state(facts: &ServerFacts, names: &DatabaseNames) -> Result<DatabaseState, Error> {
    let mark = names.mark();
    let is_ours = |comment: &Option<String>| {
        comment
            .as_ref()
            .is_some_and(|comment| comment.starts_with(&mark))
    };
    let has_name = facts
        .database(names.name())
        .is_some_and(|row| is_ours(&row.comment));
    let has_old = facts.database(names.old()).is_some();
    match (facts.database(names.beside()), has_name, has_old) {
        (None, true, _) => Ok(DatabaseState::Switched),
        (None, false, false) => Ok(DatabaseState::Untouched),
        (Some(row), false, false) if !row.allow && is_ours(&row.comment) => {
            Ok(DatabaseState::Ready)
        }
        (Some(_), false, false) => Ok(DatabaseState::Loading),
        (Some(_), ..) | (None, false, true) => Err(Error::Unexpected {
            word: "names".to_owned(),
        }),
    }
}

/// Compares the rows of the tables with those of the dump.
fn compare(captured: &CapturedDatabase, answer: &[u8]) -> Result<(), Error> {
    for line in String::from_utf8_lossy(answer).lines() {
        if line.is_empty() {
            continue;
        }
        let (schema, table, found): (String, String, u64) =
            serde_json::from_str(line).map_err(|source| Error::Answer { source })?;
        let key = (schema, table);
        if let Some(&expected) = captured.facts.rows.get(&key)
            && expected != found
        {
            let table = format!("{}.{}", key.0, key.1);
            return Err(Error::Rows {
                table,
                expected,
                found,
            });
        }
    }
    Ok(())
}
