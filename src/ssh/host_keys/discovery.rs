//! Finds the keys of a host: those that it offers to strangers, and further ones that it proves to have
//! after login.
//!
//! A key that the host offers is no more than a candidate. A key that it proves is as good as the one
//! that authenticated the connection; the conditions are those of OpenSSH's `UpdateHostKeys`, or stricter.
//!
//! Source: OpenSSH `PROTOCOL`, "hostkeys-00@openssh.com"; `clientloop.c`, `client_input_hostkeys`.

use std::sync::Arc;

use russh::keys::ssh_key::public::KeyData;
use russh::keys::{Algorithm, PublicKey};

use crate::inventory::Limits;
use crate::ssh::config::algorithms::rsa_bits;
use crate::ssh::config::resolve::{Endpoint, Hop};
use crate::ssh::connection::clock::Clock;
use crate::ssh::connection::connector::{Connection, Connector};
use crate::ssh::connection::state::Announced;
use crate::ssh::error::{Attempts, Cause, Error};
use crate::ssh::host_keys::check::HostKeyCheck;
use crate::ssh::host_keys::known_hosts::{Verdict, all_algorithms};
use crate::ssh::login::prompts::Prompts;

/// Why no further keys of a host could be learned.
#[derive(Debug, thiserror::Error)]
pub enum NotLearned {
    /// The known_hosts files are not in a shape that further keys may be added to.
    #[error("{0}")]
    Obstacle(String),
    /// There is no connection that the compared key authenticates, or no login without a question.
    #[error("can't log in to have them proven")]
    Login(#[source] Error),
    /// The host announces no keys, as dropbear.
    #[error("the host does not announce its keys")]
    NotAnnounced,
    /// The host announced the same key, or its list, twice.
    #[error("the host announced its keys twice")]
    AnnouncedTwice,
    /// The host did not prove a key, or proved it wrongly.
    #[error("the host did not prove that it has them")]
    NotProven(#[source] Error),
}

impl Connector {
    /// All keys that the host shows, one handshake for each kind; nothing is logged in to. What is on
    /// the way must be trusted already.
    ///
    /// # Errors
    ///
    /// [`Error::Connect`], or why a host on the way could not be passed.
    pub async fn offered_keys(
        &self,
        endpoint: &Endpoint,
        limits: Limits,
    ) -> Result<Vec<PublicKey>, Error> {
        let (through, _) = match &endpoint.hop {
            Some(Hop::Jump(jump)) => {
                let (connection, places) =
                    self.bastion(jump, limits)
                        .await
                        .map_err(|error| Error::Hop {
                            host: endpoint.name.clone(),
                            via: jump.name.clone(),
                            source: Arc::new(error),
                        })?;
                (Some(connection), Some(places))
            }
            Some(Hop::Command(_) | Hop::Descriptor(_)) | None => (None, None),
        };
        let mut keys: Vec<PublicKey> = Vec::new();
        let mut asked_rsa = false;
        for algorithm in all_algorithms() {
            if matches!(algorithm, Algorithm::Rsa { .. }) {
                if asked_rsa {
                    continue;
                }
                asked_rsa = true;
            }
            let wanted = match algorithm {
                Algorithm::Rsa { .. } => all_algorithms()
                    .into_iter()
                    .filter(|algorithm| matches!(algorithm, Algorithm::Rsa { .. }))
                    .collect(),
                other => vec![other],
            };
            let preferred = endpoint.rules.algorithms.preferred(wanted, Vec::new());
            let clock = Clock::start(limits.connect_timeout);
            if let Some(key) = self
                .look(endpoint, through.as_deref(), preferred, &clock)
                .await?
                && !keys.contains(&key)
                // A key that is never used need not be trusted.
                && rsa_bits(&key).is_none_or(|bits| bits >= endpoint.rules.rsa_bits_min)
            {
                keys.push(key);
            }
        }
        Ok(keys)
    }

    /// The keys of the host beside `compared` that it announces and proves on a connection that
    /// `compared` authenticates, and that nothing speaks against. Logs in without asking anything.
    ///
    /// `offered` are the keys that the host showed to a stranger; `check` is what is known of the host.
    ///
    /// # Errors
    ///
    /// [`NotLearned`]; then no further key is to be trusted.
    pub async fn further_keys(
        &self,
        endpoint: &Endpoint,
        limits: Limits,
        compared: &PublicKey,
        offered: &[PublicKey],
        check: &HostKeyCheck,
    ) -> Result<Vec<PublicKey>, NotLearned> {
        let only = HostKeyCheck::only(endpoint, compared);
        let connection = self
            .open_checked(endpoint, only, &Prompts::new(None), limits)
            .await
            .map_err(|(error, _)| NotLearned::Login(error))?;
        let learned = connection.learn(compared, offered, check).await;
        connection.close().await;
        learned
    }
}

impl Connection {
    /// The keys that the host has announced; none if it announced nothing, or more than once.
    pub(in crate::ssh) async fn announced_keys(&self) -> Result<Vec<PublicKey>, NotLearned> {
        // The announcement follows authentication; the answer to a question comes after it.
        let ping = self.handle.send_ping();
        drop(tokio::time::timeout(self.limits.connect_timeout, ping).await);
        let announced = match self.link.announced() {
            Announced::Nothing => return Err(NotLearned::NotAnnounced),
            Announced::Twice => return Err(NotLearned::AnnouncedTwice),
            Announced::Keys(keys) => keys,
        };
        let mut keys: Vec<PublicKey> = Vec::new();
        for key in announced.into_iter().filter(is_taken) {
            if keys.iter().any(|other| other.key_data() == key.key_data()) {
                return Err(NotLearned::AnnouncedTwice);
            }
            keys.push(key);
        }
        Ok(keys)
    }

    /// Whether the host proves that it has the private half of `key`; no, if it declines.
    pub(in crate::ssh) async fn proves(&self, key: &PublicKey) -> Result<bool, Error> {
        let limit = self.limits.connect_timeout;
        let proof = self.handle.hostkeys_prove(vec![key.clone()]);
        match tokio::time::timeout(limit, proof).await {
            Ok(Ok(())) => Ok(true),
            Ok(Err(russh::Error::RequestDenied)) => Ok(false),
            Ok(Err(error)) => Err(Error::Connect {
                host: self.name.clone(),
                address: self.name.clone(),
                attempts: Attempts::default(),
                source: Cause::from(&error).into(),
            }),
            Err(_) => Err(Error::Stalled {
                host: self.name.clone(),
                after: limit,
            }),
        }
    }

    async fn learn(
        &self,
        compared: &PublicKey,
        offered: &[PublicKey],
        check: &HostKeyCheck,
    ) -> Result<Vec<PublicKey>, NotLearned> {
        let announced = self.announced_keys().await?;
        if let Some(why) = check.known().update_obstacle(check.lookup(), &announced) {
            return Err(NotLearned::Obstacle(why));
        }
        let mut learned = Vec::new();
        for key in announced {
            if key.key_data() == compared.key_data() {
                continue;
            }
            // russh takes a proof that an RSA key signed with SHA-1, and OpenSSH does not. One that was
            // also shown in a key exchange is proven over a hash that this side had a part in.
            if matches!(key.key_data(), KeyData::Rsa(_))
                && !offered
                    .iter()
                    .any(|shown| shown.key_data() == key.key_data())
            {
                continue;
            }
            match check.judge(&key.clone().into()).await {
                Verdict::Unknown | Verdict::ChangedAlgorithm { .. } => {}
                Verdict::Trusted(_)
                | Verdict::Changed { .. }
                | Verdict::Revoked(_)
                | Verdict::Short { .. }
                | Verdict::BadCertificate { .. }
                | Verdict::Protected(_) => continue,
                Verdict::Unchecked(failure) => {
                    return Err(NotLearned::NotProven(check.failed(failure)));
                }
            }
            if self.proves(&key).await.map_err(NotLearned::NotProven)? {
                learned.push(key);
            }
        }
        Ok(learned)
    }
}

/// Whether fleet takes keys of this kind: no certificates, no kinds that it never asks for.
fn is_taken(key: &PublicKey) -> bool {
    matches!(
        key.key_data(),
        KeyData::Ed25519(_) | KeyData::Ecdsa(_) | KeyData::Rsa(_)
    )
}
