//! Runs commands with sudo: finds out whether it needs a password, asks for that once, and remembers the
//! way for the rest of the session.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::Mutex;

use crate::guard::Sudo;
use crate::name::AccountName;
use crate::ssh::channel::running::Running;
use crate::ssh::command::exec::{Command, Executor};
use crate::ssh::command::input::Input;
use crate::ssh::error::{Cause, Error};
use crate::ssh::login::prompts::TRIES_MAX;
use crate::ssh::options::Question;

/// How sudo lets the account of a session become another one, once that has been tried.
#[derive(Default)]
pub(in crate::ssh) struct SudoMethods(Mutex<HashMap<Option<AccountName>, SudoMethodSlot>>);

/// The place of one account's method; whoever finds it out holds the lock meanwhile.
type SudoMethodSlot = Arc<Mutex<Option<SudoMethod>>>;

/// A way to have sudo run a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SudoMethod {
    /// It runs the whole script without a password.
    Script,
    /// It runs the tools without a password, but no shell.
    Tools,
    /// It runs the whole script with a password.
    Password,
}

impl SudoMethods {
    /// The way to become `account`, or root.
    async fn of(&self, account: Option<&AccountName>) -> SudoMethodSlot {
        Arc::clone(self.0.lock().await.entry(account.cloned()).or_default())
    }
}

/// Starts `command` as the account that it names, or as root.
pub(super) async fn run_with_sudo(
    executor: &Executor,
    command: &impl Command,
    input: Input,
) -> Result<Running, Error> {
    let slot = executor.sudo_methods.of(command.account()).await;
    let mut method = slot.lock().await;
    let known = *method;
    match known {
        Some(SudoMethod::Script) => {
            drop(method);
            let sudo = Sudo::NonInteractive;
            executor.start(command, sudo, None, input).await
        }
        Some(SudoMethod::Tools) => {
            drop(method);
            executor.start(command, Sudo::Tools, None, input).await
        }
        Some(SudoMethod::Password) => {
            drop(method);
            with_password(executor, command, input).await
        }
        // The others wait, so that a sudo that refuses logs and mails it once.
        None => {
            let (found, running) = find_method(executor, command, input).await?;
            *method = Some(found);
            Ok(running)
        }
    }
}

/// Finds out how sudo lets the account run `command`: whole, its tools alone, or with a password.
///
/// It is tried, not asked for: `sudo -l` answers for an account that may run just some other tool.
async fn find_method(
    executor: &Executor,
    command: &impl Command,
    input: Input,
) -> Result<(SudoMethod, Running), Error> {
    let whole = executor.start(command, Sudo::NonInteractive, None, input.clone());
    match whole.await {
        Ok(running) => return Ok((SudoMethod::Script, running)),
        Err(Error::NotBegun { .. }) => {}
        Err(other) => return Err(other),
    }
    // A password that was typed for another command costs no question.
    let (prompts, connection) = (&executor.prompts, &executor.connection);
    let known = prompts.sudo(&connection.name, &connection.user).await;
    let known = known.lock().await.clone();
    if let Some(password) = known {
        let with_it = executor.start(command, Sudo::Password, Some(&password), input.clone());
        match with_it.await {
            Ok(running) => return Ok((SudoMethod::Password, running)),
            Err(Error::NotBegun { .. } | Error::SudoPassword { .. }) => {}
            Err(other) => return Err(other),
        }
    }
    let tools = executor.start(command, Sudo::Tools, None, input.clone());
    let mut running = tools.await?;
    if !prompts.can_ask() || !running.is_refused_by_sudo().await {
        return Ok((SudoMethod::Tools, running));
    }
    let running = with_password(executor, command, input).await?;
    Ok((SudoMethod::Password, running))
}

/// Runs `command` with the password of the account, which is asked for once a run.
async fn with_password(
    executor: &Executor,
    command: &impl Command,
    input: Input,
) -> Result<Running, Error> {
    let (prompts, connection) = (&executor.prompts, &executor.connection);
    let slot = prompts.sudo(&connection.name, &connection.user).await;
    let mut slot = slot.lock().await;
    if let Some(password) = slot.clone() {
        drop(slot);
        return executor
            .start(command, Sudo::Password, Some(&password), input)
            .await;
    }
    for again in 0..TRIES_MAX {
        let question = Question::Sudo {
            user: connection.user.clone(),
            host: connection.name.clone(),
            again: again > 0,
        };
        let Some(password) = prompts.ask(question).await else {
            return Err(Error::SudoRefused {
                host: connection.name.clone(),
                user: connection.user.clone(),
                source: Cause("it requires a password, and none was given".to_owned()),
            });
        };
        match executor
            .start(command, Sudo::Password, Some(&password), input.clone())
            .await
        {
            Err(Error::SudoPassword { .. }) => {}
            Err(other) => return Err(other),
            Ok(running) => {
                *slot = Some(password);
                return Ok(running);
            }
        }
    }
    Err(Error::SudoPassword {
        host: connection.name.clone(),
        user: connection.user.clone(),
    })
}
