//! The task that drives a command: it always reads the channel, while another one writes to it.
//!
//! What is data goes into a bounded queue; what is noise, trailer or complaint does not.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use russh::client::Msg;
use russh::{ChannelMsg, ChannelReadHalf, ChannelWriteHalf, Sig};
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::guard::{Rendered, Sudo};
use crate::ssh::channel::frame::{Frame, Trailer};
use crate::ssh::channel::queue::{Queue, Refused};
use crate::ssh::channel::running::{Body, Completion, Exit, Missing, Outcome, Running};
use crate::ssh::channel::stderr::Stderr;
use crate::ssh::channel::writer::{AliveLines, Writer};
use crate::ssh::command::input::{Input, InputError};
use crate::ssh::connection::state::Link;
use crate::ssh::error::{Cause, Error};
use crate::ssh::options::Secret;

/// After closing line and exit status the channel may stay open for so long: a background process that
/// a login shell started holds it open for ever.
const LINGER_MAX: Duration = Duration::from_secs(2);

/// Everything it takes to start a command on an open channel.
pub(in crate::ssh) struct Start {
    pub(in crate::ssh) link: Arc<Link>,
    pub(in crate::ssh) host: String,
    pub(in crate::ssh) user: String,
    /// For the next byte.
    pub(in crate::ssh) stall: Duration,
    /// For the answer to a password.
    pub(in crate::ssh) answer: Duration,
    pub(in crate::ssh) rendered: Rendered,
    /// A host that may not send more never waits for this side.
    pub(in crate::ssh) has_short_answer: bool,
    pub(in crate::ssh) sudo: Sudo,
    pub(in crate::ssh) password: Option<Secret>,
    pub(in crate::ssh) input: Input,
}

impl Start {
    /// Starts it, and waits until it has answered with its opening line.
    pub(in crate::ssh) async fn run(self, channel: russh::Channel<Msg>) -> Result<Running, Error> {
        let (queue, receiver) = Queue::bounded(Arc::clone(&self.link));
        let outcome = Arc::new(OnceLock::new());
        let (stop, stopping) = watch::channel(false);
        let (begin, begun) = oneshot::channel();
        let host = self.host.clone();
        let user = self.user.clone();
        let is_password = self.password.is_some();
        let answer = self.answer;
        let (read, write) = channel.split();
        let drive = ChannelTask {
            frame: Frame::new(self.rendered.opening(), self.rendered.closing()),
            start: self,
            write: Arc::new(write),
            queue,
            stderr: Stderr::default(),
            begin: Some(begin),
            has_begun: Arc::new(Notify::new()),
            writer: None,
            writer_failed: mpsc::channel(1),
            linger_until: None,
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
struct ChannelTask {
    start: Start,
    frame: Frame,
    write: Arc<ChannelWriteHalf<Msg>>,
    queue: Queue,
    stderr: Stderr,
    begin: Option<oneshot::Sender<()>>,
    /// Lets a stream follow the request.
    has_begun: Arc<Notify>,
    writer: Option<JoinHandle<()>>,
    writer_failed: (mpsc::Sender<InputError>, mpsc::Receiver<InputError>),
    linger_until: Option<Instant>,
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

impl ChannelTask {
    async fn run(
        mut self,
        mut read: ChannelReadHalf,
        mut stopping: watch::Receiver<bool>,
    ) -> Ended {
        let result = self.follow(&mut read, &mut stopping).await;
        // In this order: nothing here waits for the host any more, then the host is informed.
        drop(read);
        if let Some(writer) = self.writer.take() {
            writer.abort();
            // A stream is gone when the command is.
            drop(writer.await);
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

    /// Closes the channel. That ends the command's standard input, which the host watches; a signal
    /// would reach the login shell's process group only, and the command isn't in it.
    async fn hang_up(&self) {
        let goodbye = async {
            drop(self.write.close().await);
        };
        drop(tokio::time::timeout(self.start.answer, goodbye).await);
        self.start.link.vacate(self.write.id());
    }

    #[expect(
        clippy::too_many_lines,
        reason = "one select over everything that happens to a channel; its arms share the state of the loop"
    )]
    async fn follow(
        &mut self,
        read: &mut ChannelReadHalf,
        stopping: &mut watch::Receiver<bool>,
    ) -> Outcome {
        let link = Arc::clone(&self.start.link);
        let stall = self.start.stall;
        let channel = self.write.id();
        link.start(channel);
        let line = self.start.rendered.line().to_vec();
        if self.write.exec(true, line).await.is_err() {
            return Err(link.ended());
        }
        match &self.start.password {
            // sudo reads what follows a wrong password as the next one, so nothing does.
            Some(password) => {
                let line = Bytes::from(format!("{}\n", password.reveal()));
                let sent = link.patiently(stall, self.write.data_bytes(line)).await?;
                if sent.is_err() {
                    return Err(link.ended());
                }
            }
            None => self.send_input(),
        }
        loop {
            let message = tokio::select! {
                biased;
                _ = stopping.wait_for(|stop| *stop) => {
                    return Err(Error::Stopped { host: self.start.host.clone() });
                }
                Some(source) = self.writer_failed.1.recv() => {
                    return Err(Error::Input { host: self.start.host.clone(), source });
                }
                message = link.patiently_on(Some(channel), stall, read.wait()) => {
                    Some(message.map_err(|error| self.not_run(error))?)
                }
                () = until(self.linger_until) => None,
            };
            let Some(message) = message else {
                return self.conclude(stopping).await;
            };
            match message {
                None => {
                    return if self.closed {
                        self.conclude(stopping).await
                    } else {
                        Err(self.not_run(link.ended()))
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
                    if self.writer.is_none() && self.is_ready() {
                        self.send_input();
                    }
                    if self.frame.is_open() {
                        self.begun();
                    }
                    self.deliver(out, stopping).await?;
                    if !self.input_ended && self.frame.is_closed() {
                        self.input_ended = true;
                        if let Some(writer) = &self.writer {
                            writer.abort();
                        }
                        // The command has said its last word; a channel that is gone already is fine.
                        drop(self.write.eof().await);
                    }
                    self.linger();
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
                Some(ChannelMsg::ExitStatus { exit_status }) => {
                    self.exit = Some(exit_status);
                    self.linger();
                }
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

    /// The shell reads its standard input: sudo has no more questions.
    fn is_ready(&self) -> bool {
        let line = format!("{}\n", self.start.rendered.ready());
        let mut noise = self.frame.noise().windows(line.len());
        self.frame.is_open() || noise.any(|window| window == line.as_bytes())
    }

    /// The opening line came. Whoever waited for it may have gone; the stop that this means comes by
    /// its own way.
    fn begun(&mut self) {
        if let Some(begin) = self.begin.take() {
            self.start.link.begun(self.write.id());
            begin.send(()).ok();
            self.has_begun.notify_one();
        }
    }

    /// Nothing but the close of the channel is missing: it is not waited for without end.
    fn linger(&mut self) {
        let has_ended = self.exit.is_some() && self.frame.is_closed();
        self.linger_until = match self.linger_until {
            Some(until) if has_ended => Some(until),
            None if has_ended => Some(Instant::now() + LINGER_MAX),
            Some(_) | None => None,
        };
    }

    /// Lets script, request and data follow, in a task of its own.
    fn send_input(&mut self) {
        let writer = Writer {
            write: Arc::clone(&self.write),
            link: Arc::clone(&self.start.link),
            preamble: Bytes::copy_from_slice(self.start.rendered.preamble()),
            input: std::mem::take(&mut self.start.input),
            begun: Arc::clone(&self.has_begun),
            lines: AliveLines::new(self.start.stall, self.start.has_short_answer),
        };
        let failed = self.writer_failed.0.clone();
        self.writer = Some(tokio::spawn(async move {
            if let Err(error) = writer.run().await {
                // The receiver may be gone.
                failed.send(error).await.ok();
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
            // What sudo says of an account that it allows nothing is no wrong password.
            if self.start.sudo == Sudo::Password && !self.is_refused() {
                return Err(self.wrong_password());
            }
            return Err(self.not_begun());
        }
        let Some(exit) = self.exit else {
            return Err(Error::NoStatus { host });
        };
        let missing = match trailer {
            Some(Trailer { status, missing }) if status == exit => missing,
            Some(_) | None => return Err(Error::NoTrailer { host, exit }),
        };
        let missing = match missing.as_deref() {
            None => None,
            Some("program") => Some(Missing::Program),
            Some("account") => Some(Missing::Account),
            Some("sudo") => {
                return Err(Error::NoSudo {
                    host,
                    user: self.start.user.clone(),
                });
            }
            Some(other) => {
                return Err(Error::NotBegun {
                    host,
                    status: Some(exit),
                    source: Cause(format!("it does not serve such a {other}")),
                });
            }
        };
        if self.start.sudo == Sudo::Tools && exit != 0 && !self.data_seen && self.is_refused() {
            return Err(Error::SudoRefused {
                host,
                user: self.start.user.clone(),
                source: Cause(self.stderr.last_line().unwrap_or_default()),
            });
        }
        Ok(Exit {
            status: exit,
            stderr: std::mem::take(&mut self.stderr),
            missing,
        })
    }

    /// A login shell that printed something and let the time limit pass runs no command.
    fn not_run(&self, error: Error) -> Error {
        match error {
            Error::Stalled { .. } if !self.frame.is_open() && !self.frame.noise().is_empty() => {
                self.not_begun()
            }
            other => other,
        }
    }

    /// sudo has refused, in its own words.
    fn is_refused(&self) -> bool {
        SUDO_REFUSALS.iter().any(|text| self.stderr.contains(text))
    }

    fn not_begun(&self) -> Error {
        let said = self.stderr.last_line().unwrap_or_else(|| {
            let noise = self.frame.noise().trim_ascii();
            crate::name::escape(&noise[..noise.len().min(120)])
        });
        Error::NotBegun {
            host: self.start.host.clone(),
            status: self.exit,
            source: Cause(if said.is_empty() {
                "it said nothing".to_owned()
            } else {
                said
            }),
        }
    }
}

/// What sudo says when it runs nothing for an account, in the C locale.
const SUDO_REFUSALS: [&str; 6] = [
    "sudo: a password is required",
    "sudo: a terminal is required",
    "sudo: sorry, you must have a tty",
    "is not in the sudoers file",
    "is not allowed to execute",
    "may not run sudo",
];

/// Ends at `deadline`; never without one.
async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
