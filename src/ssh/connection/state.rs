//! The state that a connection and everything on it share: whether it lives, why it ended, and when its
//! last byte came.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use russh::ChannelId;
use russh::keys::PublicKey;
use tokio::sync::{Notify, OwnedSemaphorePermit, watch};
use tokio::time::Instant;

use crate::ssh::connection::words::{Speaker, Transcript, Words, one_line};
use crate::ssh::error::{Cause, Error};
use crate::ssh::host_keys::known_hosts::Verdict;

/// A server that opens more channels than this is cut off: nothing here ever asked it to open one.
const OPENED_MAX: usize = 16;

/// How long the last words of a command that ended may take to arrive.
const LAST_WORDS_MAX: Duration = Duration::from_millis(500);

/// The state of one connection, shared by its loop, its commands and its session. The lock is held
/// for moments only, by parties that must not wait for one another.
#[derive(Debug)]
pub(in crate::ssh) struct Link {
    host: String,
    cut: watch::Sender<bool>,
    /// Told when the last word has left.
    left: Arc<Notify>,
    /// What the host said about the last way that it didn't open.
    refusal: watch::Sender<Option<String>>,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    ended: Option<Error>,
    last_byte: Instant,
    /// Consumers that are slow right now; while there are any, silence is not the host's fault.
    slow_consumers: usize,
    shown: Option<PublicKey>,
    verdict: Option<Verdict>,
    announced: Announced,
    said: Transcript,
    command_said: Transcript,
    /// Reads the standard error of a `ProxyCommand`.
    ears: Option<tokio::task::JoinHandle<()>>,
    /// Channels that the server tried to open.
    opened: usize,
    places: HashMap<ChannelId, OwnedSemaphorePermit>,
    commands: HashMap<ChannelId, Pulse>,
}

/// What tells that a command on a channel lives.
#[derive(Debug)]
struct Pulse {
    /// Its opening line came. What comes before it is noise of the login shell, and no sign of life.
    has_begun: bool,
    /// When it last sent a blank line on its standard error, which says that a silent tool goes on.
    last_beat: Instant,
}

/// The host keys that a host has announced after authentication; not proven yet.
#[derive(Debug, Clone)]
pub(in crate::ssh) enum Announced {
    Nothing,
    Keys(Vec<PublicKey>),
    /// A second list came: none of them counts.
    Twice,
}

impl Inner {
    /// When there was last a sign that the host lives, and the command on `channel`, if it is one.
    fn last_sign(&self, channel: Option<ChannelId>) -> Instant {
        let beat = channel.and_then(|channel| self.commands.get(&channel));
        beat.map_or(self.last_byte, |pulse| pulse.last_beat.max(self.last_byte))
    }
}

impl Link {
    pub(in crate::ssh) fn new(host: &str) -> Arc<Self> {
        Arc::new(Self {
            host: host.to_owned(),
            cut: watch::Sender::new(false),
            left: Arc::new(Notify::new()),
            refusal: watch::Sender::new(None),
            inner: Mutex::new(Inner {
                ended: None,
                last_byte: Instant::now(),
                slow_consumers: 0,
                shown: None,
                verdict: None,
                announced: Announced::Nothing,
                said: Transcript::default(),
                command_said: Transcript::default(),
                ears: None,
                opened: 0,
                places: HashMap::new(),
                commands: HashMap::new(),
            }),
        })
    }

    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(in crate::ssh) fn switch(&self) -> watch::Receiver<bool> {
        self.cut.subscribe()
    }

    /// Signalled when everything has been sent and nothing more will be.
    pub(in crate::ssh) fn left(&self) -> Arc<Notify> {
        Arc::clone(&self.left)
    }

    /// The connection has ended.
    pub(in crate::ssh) fn is_cut(&self) -> bool {
        *self.cut.borrow()
    }

    /// Ends the connection and everything on it; the first reason stays.
    pub(in crate::ssh) fn end(&self, why: Error) {
        self.inner().ended.get_or_insert(why);
        self.cut.send_replace(true);
    }

    /// Why the connection ended.
    pub(in crate::ssh) fn ended(&self) -> Error {
        self.inner().ended.clone().unwrap_or_else(|| Error::Lost {
            host: self.host.clone(),
            source: Cause::from(&russh::Error::Disconnect),
        })
    }

    /// The connection has ended by itself; nothing is left to cut but what still waits for it.
    pub(in crate::ssh) fn over(&self, source: Cause) {
        self.inner().ended.get_or_insert_with(|| Error::Lost {
            host: self.host.clone(),
            source,
        });
        self.cut.send_replace(true);
    }

    pub(in crate::ssh) fn moved(&self) {
        self.inner().last_byte = Instant::now();
    }

    /// A command is started on `channel`.
    pub(in crate::ssh) fn start(&self, channel: ChannelId) {
        let pulse = Pulse {
            has_begun: false,
            last_beat: Instant::now(),
        };
        self.inner().commands.insert(channel, pulse);
    }

    /// The opening line of the command on `channel` came.
    pub(in crate::ssh) fn begun(&self, channel: ChannelId) {
        let mut inner = self.inner();
        inner.last_byte = Instant::now();
        if let Some(pulse) = inner.commands.get_mut(&channel) {
            pulse.has_begun = true;
        }
    }

    /// The host sent `bytes` on `channel`. Blank lines on standard error are a sign of life of this
    /// command alone: one that waits for a tool must not hide another one that hangs.
    pub(in crate::ssh) fn received(&self, channel: ChannelId, bytes: &[u8], is_stderr: bool) {
        let now = Instant::now();
        let mut inner = self.inner();
        match inner.commands.get_mut(&channel) {
            Some(pulse) if !pulse.has_begun => {}
            Some(pulse) if is_stderr && bytes.iter().all(|&byte| byte == b'\n') => {
                pulse.last_beat = now;
            }
            Some(_) | None => inner.last_byte = now,
        }
    }

    /// Waits for `work`, as long as there are bytes on the connection at least every `limit`.
    ///
    /// The time in which a consumer here was slow doesn't count.
    ///
    /// # Errors
    ///
    /// [`Error::Stalled`], and the connection is ended; or why it ended meanwhile.
    pub(in crate::ssh) async fn patiently<T>(
        &self,
        limit: Duration,
        work: impl Future<Output = T>,
    ) -> Result<T, Error> {
        self.patiently_on(None, limit, work).await
    }

    /// The same for the command on `channel`, whose own signs of life count, too.
    ///
    /// # Errors
    ///
    /// As [`Self::patiently`]; the connection is not ended where another command is alive.
    pub(in crate::ssh) async fn patiently_on<T>(
        &self,
        channel: Option<ChannelId>,
        limit: Duration,
        work: impl Future<Output = T>,
    ) -> Result<T, Error> {
        let begun = Instant::now();
        let mut cut = self.cut.subscribe();
        tokio::pin!(work);
        loop {
            let deadline = begun.max(self.inner().last_sign(channel)) + limit;
            tokio::select! {
                biased;
                done = &mut work => return Ok(done),
                _ = cut.wait_for(|cut| *cut) => return Err(self.ended()),
                () = tokio::time::sleep_until(deadline) => {
                    let inner = self.inner();
                    let waited_for_us = inner.slow_consumers > 0;
                    let now = Instant::now();
                    let moved = begun.max(inner.last_sign(channel)) + limit > now;
                    let is_alive = inner.commands.values().any(|pulse| pulse.last_beat + limit > now);
                    drop(inner);
                    if waited_for_us {
                        self.moved();
                    } else if !moved {
                        let stalled = Error::Stalled { host: self.host.clone(), after: limit };
                        if !is_alive {
                            self.end(stalled.clone());
                        }
                        return Err(stalled);
                    }
                }
            }
        }
    }

    /// Waits for a consumer here; meanwhile silence is not the host's fault.
    pub(in crate::ssh) async fn indulging<T>(&self, work: impl Future<Output = T>) -> T {
        struct Slow<'a>(&'a Link);
        impl Drop for Slow<'_> {
            fn drop(&mut self) {
                let mut inner = self.0.inner();
                inner.slow_consumers -= 1;
                inner.last_byte = Instant::now();
            }
        }
        self.inner().slow_consumers += 1;
        let slow = Slow(self);
        let done = work.await;
        drop(slow);
        done
    }

    /// Gives a session's place to its channel; it is free again when the host has closed it.
    pub(in crate::ssh) fn occupy(&self, channel: ChannelId, place: OwnedSemaphorePermit) {
        self.inner().places.insert(channel, place);
    }

    /// Frees the place of a channel.
    pub(in crate::ssh) fn vacate(&self, channel: ChannelId) {
        let mut inner = self.inner();
        inner.commands.remove(&channel);
        inner.places.remove(&channel);
    }

    /// What the host will say about ways that it doesn't open, from now on.
    pub(in crate::ssh) fn refusals(&self) -> watch::Receiver<Option<String>> {
        self.refusal.send_replace(None);
        self.refusal.subscribe()
    }

    /// The host said why it doesn't open a way.
    pub(in crate::ssh) fn refused(&self, said: String) {
        self.refusal.send_replace(Some(said));
    }

    /// The host has shown a key.
    pub(in crate::ssh) fn show(&self, key: PublicKey, verdict: Option<Verdict>) {
        let mut inner = self.inner();
        inner.shown = Some(key);
        inner.verdict = verdict;
    }

    /// The key that the host has shown.
    pub(in crate::ssh) fn shown(&self) -> Option<PublicKey> {
        self.inner().shown.clone()
    }

    /// What was made of it.
    pub(in crate::ssh) fn verdict(&self) -> Option<Verdict> {
        self.inner().verdict.clone()
    }

    /// The host announces its keys.
    pub(in crate::ssh) fn announce(&self, keys: Vec<PublicKey>) {
        let mut inner = self.inner();
        inner.announced = match inner.announced {
            Announced::Nothing => Announced::Keys(keys),
            // OpenSSH ends the connection: a host announces its keys once.
            Announced::Keys(_) | Announced::Twice => Announced::Twice,
        };
    }

    /// The keys that the host announced after authentication; not proven yet.
    pub(in crate::ssh) fn announced(&self) -> Announced {
        self.inner().announced.clone()
    }

    /// Why the connection ended, if it has said so already.
    pub(in crate::ssh) fn reason(&self) -> Option<Error> {
        self.inner().ended.clone()
    }

    /// Keeps text of the host.
    pub(in crate::ssh) fn hear(&self, text: &[u8]) {
        self.inner().said.add(text);
    }

    /// Keeps text of a `ProxyCommand`.
    pub(in crate::ssh) fn hear_command(&self, text: &[u8]) {
        tracing::info!(
            host = self.host,
            "its ProxyCommand said: {}",
            one_line(&String::from_utf8_lossy(text))
        );
        self.inner().command_said.add(text);
    }

    /// Keeps the task that reads what a `ProxyCommand` says.
    pub(in crate::ssh) fn listen(&self, ears: tokio::task::JoinHandle<()>) {
        self.inner().ears = Some(ears);
    }

    /// What the host said before it was logged in to, escaped and bounded.
    pub(in crate::ssh) fn banner(&self) -> Option<String> {
        self.inner().said.text()
    }

    /// What the host said, and a `ProxyCommand`; the last words of a command that has ended are waited
    /// for.
    pub(in crate::ssh) async fn words(&self) -> Option<Box<Words>> {
        let ears = self.inner().ears.take();
        if let Some(mut ears) = ears {
            // A command that runs on has said what it has said.
            drop(tokio::time::timeout(LAST_WORDS_MAX, &mut ears).await);
        }
        let inner = self.inner();
        Words::of([
            (Speaker::Host(self.host.clone()), &inner.said),
            (Speaker::ProxyCommand, &inner.command_said),
        ])
    }

    /// Counts a channel that the server wants to open, and ends the connection at too many.
    pub(in crate::ssh) fn count_opened(&self) {
        let mut inner = self.inner();
        inner.opened += 1;
        if inner.opened <= OPENED_MAX {
            return;
        }
        drop(inner);
        self.end(Error::Lost {
            host: self.host.clone(),
            source: Cause("the host opened channels that fleet did not request".to_owned()),
        });
    }
}
