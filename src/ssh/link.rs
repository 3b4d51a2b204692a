//! What a connection and everything on it share: whether it lives, why it ended, and when its last
//! byte came.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use russh::client::{DisconnectReason, Handler, Session};
use russh::keys::{PublicKey, PublicKeyOrCertificate};
use russh::{ChannelId, ChannelOpenFailure, client};
use tokio::sync::{Notify, OwnedSemaphorePermit, watch};
use tokio::time::Instant;

use super::error::{Cause, Error};
use super::host_key_check::HostKeyCheck;
use super::known_hosts::Verdict;
use std::sync::Arc;

/// The state of one connection, shared by its loop, its commands and its session. The lock is held
/// for moments only, by parties that must not wait for one another.
#[derive(Debug)]
pub(super) struct Link {
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
    banner: Option<String>,
    places: HashMap<ChannelId, OwnedSemaphorePermit>,
}

/// The host keys that a host has announced after authentication; not proven yet.
#[derive(Debug, Clone)]
pub(super) enum Announced {
    Nothing,
    Keys(Vec<PublicKey>),
    /// A second list came: none of them counts.
    Twice,
}

impl Link {
    pub(super) fn new(host: &str) -> Arc<Self> {
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
                banner: None,
                places: HashMap::new(),
            }),
        })
    }

    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn switch(&self) -> watch::Receiver<bool> {
        self.cut.subscribe()
    }

    /// Told when everything that was said has left and nothing more will be.
    pub(super) fn left(&self) -> Arc<Notify> {
        Arc::clone(&self.left)
    }

    /// The connection has ended.
    pub(super) fn is_cut(&self) -> bool {
        *self.cut.borrow()
    }

    /// Ends the connection and everything on it; the first reason stays.
    pub(super) fn end(&self, why: Error) {
        self.inner().ended.get_or_insert(why);
        self.cut.send_replace(true);
    }

    /// Why the connection ended.
    pub(super) fn ended(&self) -> Error {
        self.inner().ended.clone().unwrap_or_else(|| Error::Lost {
            host: self.host.clone(),
            source: Cause::from(&russh::Error::Disconnect),
        })
    }

    fn keep(&self, why: Error) {
        self.inner().ended.get_or_insert(why);
    }

    pub(super) fn moved(&self) {
        self.inner().last_byte = Instant::now();
    }

    /// Waits for `work`, as long as there are bytes on the connection at least every `limit`.
    ///
    /// The time in which a consumer here was slow doesn't count.
    ///
    /// # Errors
    ///
    /// [`Error::Stalled`], and the connection is ended; or why it ended meanwhile.
    pub(super) async fn patiently<T>(
        &self,
        limit: Duration,
        work: impl Future<Output = T>,
    ) -> Result<T, Error> {
        let begun = Instant::now();
        let mut cut = self.cut.subscribe();
        tokio::pin!(work);
        loop {
            let deadline = begun.max(self.inner().last_byte) + limit;
            tokio::select! {
                biased;
                done = &mut work => return Ok(done),
                _ = cut.wait_for(|cut| *cut) => return Err(self.ended()),
                () = tokio::time::sleep_until(deadline) => {
                    let inner = self.inner();
                    let waited_for_us = inner.slow_consumers > 0;
                    let moved = begun.max(inner.last_byte) + limit > Instant::now();
                    drop(inner);
                    if waited_for_us {
                        self.moved();
                    } else if !moved {
                        let stalled = Error::Stalled { host: self.host.clone(), after: limit };
                        self.end(stalled.clone());
                        return Err(stalled);
                    }
                }
            }
        }
    }

    /// Waits for a consumer here; meanwhile silence is not the host's fault.
    pub(super) async fn indulging<T>(&self, work: impl Future<Output = T>) -> T {
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
    pub(super) fn occupy(&self, channel: ChannelId, place: OwnedSemaphorePermit) {
        self.inner().places.insert(channel, place);
    }

    /// Frees the place of a channel.
    pub(super) fn vacate(&self, channel: ChannelId) {
        self.inner().places.remove(&channel);
    }

    /// What the host will say about ways that it doesn't open, from now on.
    pub(super) fn refusals(&self) -> watch::Receiver<Option<String>> {
        self.refusal.send_replace(None);
        self.refusal.subscribe()
    }

    /// The key that the host has shown.
    pub(super) fn shown(&self) -> Option<PublicKey> {
        self.inner().shown.clone()
    }

    /// What was made of it.
    pub(super) fn verdict(&self) -> Option<Verdict> {
        self.inner().verdict.clone()
    }

    /// The keys that the host announced after authentication; not proven yet.
    pub(super) fn announced(&self) -> Announced {
        self.inner().announced.clone()
    }

    /// What the host said before authentication.
    pub(super) fn banner(&self) -> Option<String> {
        self.inner().banner.clone()
    }
}

/// How a connection decides about host keys.
pub(super) enum Trust {
    /// By what OpenSSH's configuration names.
    Check(Box<HostKeyCheck>),
    /// Never: the key is only looked at.
    Look,
}

/// What russh calls back.
pub(super) struct Callbacks {
    pub(super) link: Arc<Link>,
    pub(super) trust: Trust,
}

impl Handler for Callbacks {
    type Error = russh::Error;

    async fn check_server_key(
        &mut self,
        shown: &PublicKeyOrCertificate,
    ) -> Result<bool, Self::Error> {
        let verdict = match &self.trust {
            Trust::Look => None,
            Trust::Check(check) => Some(check.judge(shown).await),
        };
        let trusted = matches!(verdict, Some(Verdict::Trusted(_)));
        let mut inner = self.link.inner();
        inner.shown = Some(shown.public_key());
        inner.verdict = verdict;
        Ok(trusted)
    }

    async fn auth_banner(&mut self, banner: &str, _: &mut Session) -> Result<(), Self::Error> {
        self.link.inner().banner = Some(banner.chars().take(1000).collect());
        Ok(())
    }

    async fn channel_close(
        &mut self,
        channel: ChannelId,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        self.link.vacate(channel);
        Ok(())
    }

    async fn channel_open_failure(
        &mut self,
        _: ChannelId,
        _: ChannelOpenFailure,
        description: &str,
        _: &str,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        // OpenSSH says so where it has nothing to say.
        if !description.is_empty() && description != "open failed" {
            let said = crate::name::escape(description.as_bytes());
            let said = said.chars().take(200).collect();
            self.link.refusal.send_replace(Some(said));
        }
        Ok(())
    }

    async fn data(&mut self, _: ChannelId, _: &[u8], _: &mut Session) -> Result<(), Self::Error> {
        self.link.moved();
        Ok(())
    }

    async fn extended_data(
        &mut self,
        _: ChannelId,
        _: u32,
        _: &[u8],
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        self.link.moved();
        Ok(())
    }

    async fn openssh_ext_host_keys_announced(
        &mut self,
        keys: Vec<PublicKey>,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        let mut inner = self.link.inner();
        inner.announced = match inner.announced {
            Announced::Nothing => Announced::Keys(keys),
            // OpenSSH ends the connection: a host announces its keys once.
            Announced::Keys(_) | Announced::Twice => Announced::Twice,
        };
        Ok(())
    }

    async fn disconnected(
        &mut self,
        reason: DisconnectReason<Self::Error>,
    ) -> Result<(), Self::Error> {
        let source = match &reason {
            DisconnectReason::ReceivedDisconnect(said) => Cause(format!(
                "the host ended it: {}",
                crate::name::escape(said.message.as_bytes())
            )),
            DisconnectReason::Error(error) => Cause::from(error),
        };
        self.link.keep(Error::Lost {
            host: self.link.host.clone(),
            source,
        });
        self.link.cut.send_replace(true);
        match reason {
            DisconnectReason::ReceivedDisconnect(_) => Ok(()),
            DisconnectReason::Error(error) => Err(error),
        }
    }
}

/// A connection's handle.
pub(super) type Handle = client::Handle<Callbacks>;
