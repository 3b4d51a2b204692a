//! The task that drives a command: it always reads the channel, while another one writes to it.
//!
//! What is data goes into a bounded queue; what is noise, trailer or complaint does not.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use russh::client::Msg;
use russh::{ChannelMsg, ChannelReadHalf, ChannelWriteHalf, Sig};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use super::error::{Cause, Error};
use super::frame::Frame;
use super::link::Link;
use super::options::Secret;
use super::queue::{Queue, Refused};
use super::running::{Body, Completion, Exit, Outcome, Running};
use super::session::Input;
use super::stderr::Stderr;
use crate::guard::{Rendered, Sudo};

/// Input is sent in pieces of this size.
const PIECE_BYTES: usize = 256 << 10;

/// Everything it takes to start a command on an open channel.
pub(super) struct Start {
    pub(super) link: Arc<Link>,
    pub(super) host: String,
    pub(super) user: String,
    /// For the next byte.
    pub(super) stall: Duration,
    /// For the answer to a password.
    pub(super) answer: Duration,
    pub(super) rendered: Rendered,
    pub(super) sudo: Sudo,
    pub(super) password: Option<Secret>,
    pub(super) input: Input,
}

impl Start {
    /// Starts it, and waits until it has answered with its opening line.
    pub(super) async fn run(self, channel: russh::Channel<Msg>) -> Result<Running, Error> {
        let (queue, receiver) = Queue::bounded(Arc::clone(&self.link));
        let outcome = Arc::new(OnceLock::new());
        let (stop, stopping) = watch::channel(false);
        let (begin, begun) = oneshot::channel();
        let host = self.host.clone();
        let user = self.user.clone();
        let is_password = self.password.is_some();
        let answer = self.answer;
        let (read, write) = channel.split();
        let drive = Drive {
            frame: Frame::new(&self.rendered.opening, &self.rendered.closing),
            start: self,
            write: Arc::new(write),
            queue,
            stderr: Stderr::default(),
            begin: Some(begin),
            writer: None,
            data_seen: false,
            exit: None,
            signal: None,
            closed: false,
            input_ended: false,
        };
        let said = Arc::new(OnceLock::new());
        let (kept, kept_said) = (Arc::clone(&outcome), Arc::clone(&said));
        let done = tokio::spawn(async move {
            let ended = drive.run(read, stopping).await;
            drop(kept_said.set(ended.said));
            // The first one stays; there is no other writer.
            drop(kept.set(ended.result));
            // Only now, so that whoever sees the end of the queue finds the outcome.
            drop(ended.queue);
        });
        let completion = Completion {
            done,
            outcome: Arc::clone(&outcome),
            stop,
            said,
            host: host.clone(),
        };
        let running = Running {
            body: Body {
                queue: receiver,
                ahead: None,
                outcome,
                told: false,
            },
            completion,
        };
        let has_begun = if is_password {
            // sudo would wait for another password forever, and says so in the host's language.
            match tokio::time::timeout(answer, begun).await {
                Ok(begun) => begun.is_ok(),
                Err(_) => {
                    running.stop().await;
                    return Err(Error::SudoPassword { host, user });
                }
            }
        } else {
            begun.await.is_ok()
        };
        if has_begun {
            return Ok(running);
        }
        match running.finish().await {
            Err(error) => Err(error),
            Ok(exit) => Err(Error::NotBegun {
                host,
                status: Some(exit.status),
                source: Cause("it said nothing".to_owned()),
            }),
        }
    }
}

/// The task that reads a channel.
struct Drive {
    start: Start,
    frame: Frame,
    write: Arc<ChannelWriteHalf<Msg>>,
    queue: Queue,
    stderr: Stderr,
    begin: Option<oneshot::Sender<()>>,
    writer: Option<JoinHandle<()>>,
    data_seen: bool,
    exit: Option<u32>,
    signal: Option<String>,
    closed: bool,
    input_ended: bool,
}

struct Ended {
    result: Outcome,
    /// What a command that did not end well had said.
    said: Stderr,
    queue: Queue,
}

impl Drive {
    async fn run(
        mut self,
        mut read: ChannelReadHalf,
        mut stopping: watch::Receiver<bool>,
    ) -> Ended {
        let result = self.follow(&mut read, &mut stopping).await;
        // In this order: nothing here waits for the host any more, then the host is told.
        drop(read);
        if let Some(writer) = self.writer.take() {
            writer.abort();
        }
        if !self.closed && !self.start.link.is_cut() {
            self.hang_up().await;
        }
        Ended {
            result,
            said: self.stderr,
            queue: self.queue,
        }
    }

    /// Tells the host to end the command. A connection that is gone needs no telling.
    async fn hang_up(&self) {
        let goodbye = async {
            drop(self.write.signal(Sig::TERM).await);
            drop(self.write.close().await);
        };
        drop(tokio::time::timeout(self.start.answer, goodbye).await);
        self.start.link.vacate(self.write.id());
    }

    async fn follow(
        &mut self,
        read: &mut ChannelReadHalf,
        stopping: &mut watch::Receiver<bool>,
    ) -> Outcome {
        let link = Arc::clone(&self.start.link);
        let stall = self.start.stall;
        let line = std::mem::take(&mut self.start.rendered.line);
        if self.write.exec(true, line).await.is_err() {
            return Err(link.ended());
        }
        if let Some(password) = &self.start.password {
            let line = Bytes::from(format!("{}\n", password.reveal()));
            let sent = link.patiently(stall, self.write.data_bytes(line)).await?;
            if sent.is_err() {
                return Err(link.ended());
            }
        }
        loop {
            let message = tokio::select! {
                biased;
                _ = stopping.wait_for(|stop| *stop) => {
                    return Err(Error::Stopped { host: self.start.host.clone() });
                }
                message = link.patiently(stall, read.wait()) => message?,
            };
            match message {
                None => {
                    return if self.closed {
                        self.conclude(stopping).await
                    } else {
                        Err(link.ended())
                    };
                }
                Some(ChannelMsg::Data { data }) => {
                    let mut out = Vec::new();
                    if let Err(noise) = self.frame.push(data, &mut out) {
                        return Err(Error::Noise {
                            host: self.start.host.clone(),
                            excerpt: crate::name::escape(&noise.excerpt),
                        });
                    }
                    if self.frame.is_open() && self.begin.is_some() {
                        self.begun();
                    }
                    self.deliver(out, stopping).await?;
                    if !self.input_ended && self.frame.is_closed() {
                        self.input_ended = true;
                        // The command has said its last word; a channel that is gone already is fine.
                        drop(self.write.eof().await);
                    }
                }
                Some(ChannelMsg::ExtendedData { data, .. }) => {
                    self.stderr.push(&data);
                    if self.start.sudo == Sudo::Password
                        && !self.frame.is_open()
                        && self.stderr.contains("try again")
                    {
                        return Err(self.wrong_password());
                    }
                }
                Some(ChannelMsg::Failure) => {
                    return Err(Error::NoSession {
                        host: self.start.host.clone(),
                        why: "it refused to run one".to_owned(),
                    });
                }
                Some(ChannelMsg::ExitStatus { exit_status }) => self.exit = Some(exit_status),
                Some(ChannelMsg::ExitSignal { signal_name, .. }) => {
                    let signal = match signal_name {
                        Sig::Custom(name) => crate::name::escape(name.as_bytes()),
                        known => format!("{known:?}"),
                    };
                    self.signal = Some(signal);
                }
                Some(ChannelMsg::Close) => {
                    self.closed = true;
                    return self.conclude(stopping).await;
                }
                Some(_) => {}
            }
        }
    }

    /// The opening line came: tells so, and lets the input follow.
    fn begun(&mut self) {
        if let Some(begin) = self.begin.take() {
            // Whoever waited may have gone; the stop that this means comes by its own way.
            begin.send(()).ok();
        }
        if self.start.input.0.is_empty() {
            return;
        }
        let write = Arc::clone(&self.write);
        let link = Arc::clone(&self.start.link);
        let input = std::mem::take(&mut self.start.input);
        self.writer = Some(tokio::spawn(async move {
            for mut rest in input.0 {
                while !rest.is_empty() {
                    let piece = rest.split_to(rest.len().min(PIECE_BYTES));
                    if write.data_bytes(piece).await.is_err() {
                        return;
                    }
                    link.moved();
                }
            }
        }));
    }

    async fn deliver(
        &mut self,
        chunks: Vec<Bytes>,
        stopping: &mut watch::Receiver<bool>,
    ) -> Result<(), Error> {
        for chunk in chunks {
            self.data_seen = true;
            let stopped = async {
                drop(stopping.wait_for(|stop| *stop).await);
            };
            match self.queue.push(chunk, stopped).await {
                Ok(()) => {}
                Err(Refused::Ended(why)) => return Err(why),
                Err(Refused::Unwanted) => {
                    return Err(Error::Stopped {
                        host: self.start.host.clone(),
                    });
                }
            }
        }
        Ok(())
    }

    fn wrong_password(&self) -> Error {
        Error::SudoPassword {
            host: self.start.host.clone(),
            user: self.start.user.clone(),
        }
    }

    /// The channel has closed: is everything there?
    async fn conclude(&mut self, stopping: &mut watch::Receiver<bool>) -> Outcome {
        let host = self.start.host.clone();
        let mut out = Vec::new();
        let trailer = self.frame.finish(&mut out);
        self.deliver(out, stopping).await?;
        if let Some(signal) = self.signal.take() {
            return Err(Error::Signal { host, signal });
        }
        if !self.frame.is_open() {
            if self.start.sudo == Sudo::Password {
                return Err(self.wrong_password());
            }
            let said = self.stderr.last_line().unwrap_or_else(|| {
                let noise = self.frame.noise().trim_ascii();
                crate::name::escape(&noise[..noise.len().min(300)])
            });
            return Err(Error::NotBegun {
                host,
                status: self.exit,
                source: Cause(if said.is_empty() {
                    "it said nothing".to_owned()
                } else {
                    said
                }),
            });
        }
        let Some(exit) = self.exit else {
            return Err(Error::NoStatus { host });
        };
        if trailer != Some(exit) {
            return Err(Error::NoTrailer { host, exit });
        }
        if self.start.sudo == Sudo::NonInteractive
            && exit != 0
            && !self.data_seen
            && (self.stderr.contains("sudo: a password is required")
                || self.stderr.contains("sudo: a terminal is required"))
        {
            return Err(Error::SudoRefused {
                host,
                user: self.start.user.clone(),
            });
        }
        Ok(Exit {
            status: exit,
            stderr: std::mem::take(&mut self.stderr),
        })
    }
}
