//! `postgres` probes: a PostgreSQL server answers a query on a database.

use super::{Attempt, in_words};
use crate::guard::ReadCommand;
use crate::name::AccountName;
use crate::ssh::{Input, Missing, ReadSession};

/// The answer is a digit.
const ANSWER_MAX_BYTES: usize = 4 << 10;

pub(super) async fn check(
    session: &ReadSession,
    database: &str,
    run_as: Option<&AccountName>,
) -> Attempt {
    let command = ReadCommand::Answers {
        database: database.to_owned(),
        run_as: run_as.cloned(),
    };
    let sudo = run_as.is_some_and(|account| account.as_str() != session.user());
    let output = session
        .output(&command, sudo, Input::none(), ANSWER_MAX_BYTES)
        .await
        .map_err(|error| in_words(&error))?;
    match (output.missing, run_as) {
        (Some(Missing::Account), Some(account)) => {
            Err(format!("the host has no account `{account}`"))
        }
        (Some(_), _) => Err("the host has no `psql`".to_owned()),
        (None, _) if output.status == 0 && output.stdout.trim_ascii() == b"1" => {
            Ok("it answers".to_owned())
        }
        (None, _) => Err(output
            .stderr
            .last_line()
            .unwrap_or_else(|| format!("psql exited with {}", output.status))),
    }
}
