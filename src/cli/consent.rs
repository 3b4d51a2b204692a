//! Consent to write on a host: its name, typed on the terminal or given with `--confirm`.

use std::sync::Arc;

use super::ask;
use crate::digest::Sha256;
use crate::fault::{Code, ExitClass, Fault};
use crate::name::HostName;
use crate::report::Console;

/// There is no consent.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// The operator typed something else.
    #[error("{host} is not restored: its name was not typed")]
    NotTyped {
        /// The host.
        host: HostName,
    },
    /// Nobody can be asked, and nobody has confirmed it.
    #[error("can't ask whether to restore {host}: there is no terminal")]
    NobodyToAsk {
        /// The host.
        host: HostName,
    },
    /// Another host was confirmed.
    #[error("`--confirm {confirmed}` names another host than the one that is restored: {host}")]
    OtherHost {
        /// The host.
        host: HostName,
        /// What was given.
        confirmed: HostName,
    },
    /// The plan is not the one that was meant.
    #[error("the plan has become another: sha256:{found}, not sha256:{wanted}")]
    OtherPlan {
        /// What was given.
        wanted: Sha256,
        /// What it is.
        found: Sha256,
    },
}

impl Fault for Error {
    fn code(&self) -> Code {
        match self {
            Self::NotTyped { .. } | Self::OtherHost { .. } => Code::RestoreNotConfirmed,
            Self::NobodyToAsk { .. } => Code::TerminalNeeded,
            Self::OtherPlan { .. } => Code::RestorePlanChanged,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NotTyped { .. } => "Nothing was written.".to_owned(),
            Self::NobodyToAsk { host } | Self::OtherHost { host, .. } => {
                format!("Add `--confirm {host}` if that is the host you mean.")
            }
            Self::OtherPlan { .. } => {
                "Look at the new plan with `--dry-run`: the host or the checkpoint changed."
                    .to_owned()
            }
        })
    }

    fn exit_class(&self) -> ExitClass {
        ExitClass::Usage
    }
}

/// Whether `host` is or can be confirmed: before any connection.
///
/// # Errors
///
/// [`Error::OtherHost`], [`Error::NobodyToAsk`].
pub(super) fn check(
    confirmed: Option<&HostName>,
    host: &HostName,
    console: &Console,
) -> Result<(), Error> {
    match confirmed {
        Some(confirmed) if confirmed != host => Err(Error::OtherHost {
            host: host.clone(),
            confirmed: confirmed.clone(),
        }),
        Some(_) => Ok(()),
        None if console.can_ask() => Ok(()),
        None => Err(Error::NobodyToAsk { host: host.clone() }),
    }
}

/// Asks the operator to type the name of `host`.
///
/// # Errors
///
/// [`Error::NotTyped`].
pub(super) async fn ask(
    console: &Arc<Console>,
    prompt: &str,
    host: &HostName,
) -> Result<(), Error> {
    let typed = ask::line(console, prompt).await;
    if typed.as_deref() == Some(host.as_str()) {
        return Ok(());
    }
    Err(Error::NotTyped { host: host.clone() })
}
