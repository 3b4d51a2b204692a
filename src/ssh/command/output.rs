//! Collects the output of a command that answers little.

use crate::ssh::channel::running::{Exit, Missing, Running};
use crate::ssh::channel::stderr::Stderr;
use crate::ssh::error::Error;

/// What a command that ended has answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// What it wrote to its standard output, and nothing of the login shell's.
    pub stdout: Vec<u8>,
    /// What it wrote to its standard error; of much, the beginning and the end.
    pub stderr: Stderr,
    /// Its exit status.
    pub status: u32,
    /// What the host lacks, if that is why it did nothing.
    pub missing: Option<Missing>,
}

impl Output {
    /// Waits for the end of `running` and collects what it answers, up to `limit_bytes`.
    ///
    /// # Errors
    ///
    /// As [`Running::finish`]; [`Error::TooMuch`], and the command is stopped.
    pub(in crate::ssh) async fn of(
        mut running: Running,
        limit_bytes: usize,
    ) -> Result<Self, Error> {
        let mut stdout = Vec::new();
        while let Some(chunk) = running.next().await {
            let chunk = chunk?;
            if stdout.len() + chunk.len() > limit_bytes {
                let host = running.completion.host.clone();
                running.stop().await;
                return Err(Error::TooMuch { host, limit_bytes });
            }
            stdout.extend_from_slice(&chunk);
        }
        let Exit {
            status,
            stderr,
            missing,
        } = running.finish().await?;
        Ok(Self {
            stdout,
            stderr,
            status,
            missing,
        })
    }
}
