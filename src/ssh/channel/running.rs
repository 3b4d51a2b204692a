//! A running command as its consumer sees it: a body, and how it ends.
//!
//! Success is reported only when the trailer, the exit status and the channel's close were all seen; an
//! output that was cut is never told as an end.

use std::io::Read;
use std::sync::{Arc, OnceLock};

use bytes::{Buf as _, Bytes};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::ssh::channel::queue::Queued;
use crate::ssh::channel::stderr::Stderr;
use crate::ssh::error::Error;

/// How a command ended that ended well: it was run to its end, whatever its status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exit {
    /// Its exit status.
    pub status: u32,
    /// What it wrote to its standard error.
    pub stderr: Stderr,
    /// What the host lacks, if that is why it did nothing.
    pub missing: Option<Missing>,
}

/// What a host can lack for a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// The program that was to be run.
    Program,
    /// The account that was to run it.
    Account,
}

/// How a command ended.
pub(in crate::ssh) type Outcome = Result<Exit, Error>;

/// A command that runs. Dropping it stops the command.
#[must_use = "a command that is dropped is stopped"]
#[derive(Debug)]
pub struct Running {
    pub(in crate::ssh) body: Body,
    pub(in crate::ssh) completion: Completion,
}

/// What a command writes to its standard output, and nothing else.
#[derive(Debug)]
pub struct Body {
    pub(in crate::ssh) queue: mpsc::UnboundedReceiver<Queued>,
    pub(in crate::ssh) ahead: Option<Bytes>,
    pub(in crate::ssh) outcome: Arc<OnceLock<Outcome>>,
    pub(in crate::ssh) told: bool,
}

/// How a command ends. Dropping it stops the command.
#[must_use = "only `finish` tells whether the output is whole"]
#[derive(Debug)]
pub struct Completion {
    pub(in crate::ssh) done: JoinHandle<()>,
    pub(in crate::ssh) outcome: Arc<OnceLock<Outcome>>,
    pub(in crate::ssh) stop: watch::Sender<bool>,
    /// The standard error of a command that did not end well.
    pub(in crate::ssh) said: Arc<OnceLock<Stderr>>,
    pub(in crate::ssh) host: String,
}

impl Running {
    /// The next piece of the output; none at its end. An error is returned once, before the end.
    ///
    /// # Cancel
    ///
    /// Nothing is lost.
    pub async fn next(&mut self) -> Option<Result<Bytes, Error>> {
        self.body.next().await
    }

    /// Waits for the end; output that wasn't taken is dropped.
    ///
    /// # Errors
    ///
    /// Every [`Error`] that means that the output can't be trusted to be whole.
    pub async fn finish(mut self) -> Result<Exit, Error> {
        while self.body.next().await.is_some() {}
        self.completion.finish().await
    }

    /// Stops the command: stops reading, closes its channel, sends it TERM.
    pub async fn stop(self) {
        let Self { body, completion } = self;
        drop(body);
        completion.stop().await;
    }

    /// Parts, for a consumer on a thread of its own. The body must be read to its end or dropped
    /// before [`Completion::finish`] can return.
    #[must_use = "a command that is dropped is stopped"]
    pub fn split(self) -> (Body, Completion) {
        (self.body, self.completion)
    }

    /// sudo wanted a password and got none. Waits for the first byte, or for the end.
    pub(in crate::ssh) async fn is_refused_by_sudo(&mut self) -> bool {
        match self.body.next().await {
            Some(Ok(chunk)) => {
                self.body.ahead = Some(chunk);
                false
            }
            Some(Err(Error::SudoRefused { .. })) => true,
            Some(Err(_)) => {
                self.body.told = false;
                false
            }
            None => false,
        }
    }
}

impl Body {
    /// The next piece; none at the end. An error is returned once, before the end.
    pub async fn next(&mut self) -> Option<Result<Bytes, Error>> {
        if let Some(chunk) = self.ahead.take() {
            return Some(Ok(chunk));
        }
        match self.queue.recv().await {
            Some((chunk, _room)) => Some(Ok(chunk)),
            None => self.end().map(Err),
        }
    }

    fn end(&mut self) -> Option<Error> {
        if std::mem::replace(&mut self.told, true) {
            return None;
        }
        match self.outcome.get() {
            Some(Ok(_)) | None => None,
            Some(Err(error)) => Some(error.clone()),
        }
    }
}

/// For a thread that may block; never call it on a task.
///
/// An output that was cut is an error, never an end.
impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let mut chunk = match self.ahead.take() {
            Some(chunk) => chunk,
            None => match self.queue.blocking_recv() {
                Some((chunk, _room)) => chunk,
                None => {
                    // Here the error is returned as often as it is asked for.
                    return match self.outcome.get() {
                        Some(Ok(_)) => Ok(0),
                        Some(Err(error)) => Err(std::io::Error::other(error.clone())),
                        None => Err(std::io::ErrorKind::UnexpectedEof.into()),
                    };
                }
            },
        };
        let length = chunk.len().min(buffer.len());
        chunk.copy_to_slice(&mut buffer[..length]);
        if !chunk.is_empty() {
            self.ahead = Some(chunk);
        }
        Ok(length)
    }
}

impl Completion {
    /// Waits until the channel has closed.
    ///
    /// # Errors
    ///
    /// As [`Running::finish`].
    pub async fn finish(self) -> Result<Exit, Error> {
        self.finish_unless(std::future::pending()).await
    }

    /// Waits until the channel has closed; stops the command if `stop` comes first.
    ///
    /// # Errors
    ///
    /// As [`Running::finish`]; [`Error::Stopped`] if it was stopped.
    async fn finish_unless(self, stop: impl Future<Output = ()>) -> Result<Exit, Error> {
        self.end_unless(stop).await.0
    }

    /// The same, and what the command has said on its standard error, however it ended.
    pub async fn end_unless(
        mut self,
        stop: impl Future<Output = ()>,
    ) -> (Result<Exit, Error>, Stderr) {
        // The task sets the outcome before it ends; it can't be cancelled but with the runtime.
        let done = &mut self.done;
        let is_stopped = tokio::select! {
            biased;
            _ = &mut *done => false,
            () = stop => true,
        };
        if is_stopped {
            self.stop.send_replace(true);
            drop(done.await);
        }
        let ended = self.outcome.get().cloned().unwrap_or_else(|| {
            Err(Error::Stopped {
                host: self.host.clone(),
            })
        });
        let said = match &ended {
            Ok(exit) => exit.stderr.clone(),
            Err(_) => self.said.get().cloned().unwrap_or_default(),
        };
        (ended, said)
    }

    /// Stops the command, and waits until that was sent to the host.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        drop((&mut self.done).await);
    }
}

impl Drop for Completion {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}
