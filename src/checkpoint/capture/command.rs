//! Captures the output of a command (`command` and `shell` sources).

use std::time::Duration;

use crate::fault::{Code, Fault, Problem};
use crate::guard::{NotVouched, ReadCommand, VouchedCommand};
use crate::inventory::{CommandLine, CommandSource};
use crate::name::{AccountName, escape};
use crate::redact;
use crate::ssh::{self, Input, Missing};

use super::{CaptureJob, CaptureOutcome, CapturedFiles, Spool, SpoolError, SpooledFile};

/// Why a command's answer is not kept.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Ssh(#[from] ssh::Error),
    #[error(transparent)]
    NotVouched(#[from] NotVouched),
    #[error(transparent)]
    Spool(#[from] SpoolError),
    #[error("`{program}` did not finish within {} s", timeout.as_secs_f64())]
    Endless { program: String, timeout: Duration },
    #[error("`{program}` printed more than {max_bytes} bytes")]
    Flood { program: String, max_bytes: u64 },
    #[error("the host has no `{program}`")]
    NoProgram { program: String },
    #[error("the host has no account `{account}`")]
    NoAccount { account: AccountName },
    #[error("`{program}` exited with {status}{}", said.as_ref().map(|said| format!(": {said}")).unwrap_or_default())]
    Exit {
        program: String,
        status: u32,
        said: Option<String>,
    },
}

impl Fault for Error {
    fn code(&self) -> Code {
        match self {
            Self::Ssh(error) => error.code(),
            Self::NotVouched(error) => error.code(),
            Self::Spool(error) => error.code(),
            Self::Endless { .. } => Code::TimedOut,
            Self::Flood { .. } => Code::LimitExceeded,
            Self::NoProgram { .. } => Code::ToolMissing,
            Self::NoAccount { .. } => Code::AccountMissing,
            Self::Exit { .. } => Code::CommandFailed,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Ssh(error) => return error.hint(),
            Self::NotVouched(error) => return error.hint(),
            Self::Spool(error) => return error.hint(),
            Self::Endless { .. } => {
                "Nothing of it was kept. If it needs longer, raise `timeout` on the source."
            }
            Self::Flood { .. } => {
                "Nothing of it was kept. If that size is expected, set a larger `max_bytes` on the source."
            }
            Self::NoAccount { .. } => {
                "Correct `run_as`, or set `optional: true` on the source if this host doesn't need the account."
            }
            Self::NoProgram { .. } => "Install it on the host, or set `optional: true` on the source if this host doesn't need it.",
            Self::Exit { .. } => "Run it on the host by hand, as the account set in the inventory.",
        }
        .to_owned())
    }
}

/// Runs it, and keeps what it printed.
pub(super) async fn take(taking: &CaptureJob<'_>, command: &CommandSource) -> CaptureOutcome {
    let taken = tokio::time::timeout(command.timeout, run(taking, command)).await;
    let taken = taken.unwrap_or_else(|_| {
        Err(Error::Endless {
            program: program(&command.line),
            timeout: command.timeout,
        })
    });
    match taken {
        Ok(file) => CaptureOutcome::Captured(CapturedFiles {
            files: vec![file],
            ..CapturedFiles::default()
        }),
        Err(Error::Ssh(error)) => CaptureOutcome::of(error),
        Err(Error::NoProgram { .. } | Error::NoAccount { .. }) if taking.source.optional => {
            CaptureOutcome::Absent
        }
        Err(error) => CaptureOutcome::Failed(Problem::of_part(&error)),
    }
}

async fn run(taking: &CaptureJob<'_>, command: &CommandSource) -> Result<SpooledFile, Error> {
    let name = command.file.clone();
    let name = name.unwrap_or_else(|| format!("{}.txt", taking.source.name));
    let mut spool = Spool::create(taking.spool, &name)?;
    let vouched = VouchedCommand::of(taking.host, &taking.source.name, command)?;
    let said = ReadCommand::Run(vouched);
    let sudo = taking.source.sudo || command.run_as.is_some();
    let mut running = taking.session.run(&said, sudo, Input::none()).await?;
    while let Some(bytes) = running.next().await {
        spool.write(&bytes?)?;
        if spool.size_bytes() > command.max_bytes {
            running.stop().await;
            return Err(Error::Flood {
                program: program(&command.line),
                max_bytes: command.max_bytes,
            });
        }
    }
    let exit = running.finish().await?;
    match (exit.missing, &command.run_as) {
        (Some(Missing::Account), Some(account)) => {
            let account = account.clone();
            return Err(Error::NoAccount { account });
        }
        (Some(Missing::Program | Missing::Account), _) => {
            return Err(Error::NoProgram {
                program: program(&command.line),
            });
        }
        (None, _) => {}
    }
    if exit.status != 0 {
        return Err(Error::Exit {
            program: program(&command.line),
            status: exit.status,
            said: exit.stderr.last_line().map(|line| redact::text(&line)),
        });
    }
    Ok(spool.finish())
}

/// The command as messages name it: without its arguments, which may be long or hold a secret.
fn program(line: &CommandLine) -> String {
    match line {
        CommandLine::Argv(argv) => argv
            .first()
            .map_or_else(String::new, |word| escape(word.as_bytes())),
        CommandLine::Shell(_) => "shell".to_owned(),
    }
}
