//! Logging in: agent, identity files, certificates, then what the operator types.
//!
//! All steps together have one limit, which does not count the time in which somebody types. What was
//! tried, and why it failed, is in the error; secrets are not.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use russh::client::AuthResult;
use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::AgentClient;
use russh::keys::{Algorithm, Certificate, HashAlg, PrivateKey, PrivateKeyWithHashAlg, PublicKey};
use russh::{MethodKind, MethodSet};
use tokio::net::UnixStream;

use crate::ssh::config::algorithms::rsa_bits;
use crate::ssh::config::resolve::Endpoint;
use crate::ssh::config::rules::Rules;
use crate::ssh::connection::callbacks::Handle;
use crate::ssh::connection::clock::{Clock, TooSlow};
use crate::ssh::connection::refusal::{Attempt, AuthenticationFailure};
use crate::ssh::connection::state::Link;
use crate::ssh::error::Error;
use crate::ssh::host_keys::known_hosts::fingerprint;
use crate::ssh::login::prompts::Prompts;
use crate::ssh::login::signer::{AgentSigner, FileSigner};

/// A server may accept a method and want another one this often.
const PARTIAL_MAX: usize = 4;

/// One login on one connection.
pub(in crate::ssh) struct Login<'a> {
    pub(in crate::ssh) handle: &'a mut Handle,
    pub(in crate::ssh) link: &'a Link,
    pub(in crate::ssh) endpoint: &'a Endpoint,
    pub(in crate::ssh) prompts: &'a Prompts,
    pub(in crate::ssh) clock: Clock,
    /// What the server takes now.
    pub(in crate::ssh) methods: MethodSet,
    /// How often it has accepted a method and wanted another one.
    partial: usize,
    rsa_hash: Option<Option<HashAlg>>,
    offered: HashSet<String>,
    tried: Vec<Attempt>,
    ended: Option<String>,
}

/// Whether to go on.
pub(in crate::ssh) enum Step {
    In,
    Next,
    Over,
}

/// Logs in on a fresh connection.
///
/// # Errors
///
/// [`Error::Authentication`] with everything that was tried.
pub(in crate::ssh) async fn log_in(
    handle: &mut Handle,
    link: &Link,
    endpoint: &Endpoint,
    prompts: &Prompts,
    clock: Clock,
) -> Result<(), Error> {
    let mut login = Login {
        handle,
        link,
        endpoint,
        prompts,
        clock,
        methods: MethodSet::empty(),
        partial: 0,
        rsa_hash: None,
        offered: HashSet::new(),
        tried: Vec::new(),
        ended: None,
    };
    if login.run().await {
        return Ok(());
    }
    Err(Error::Authentication(Box::new(AuthenticationFailure {
        host: endpoint.name.clone(),
        user: endpoint.user.clone(),
        tried: login.tried,
        ended: login.ended,
        words: link.words().await,
    })))
}

impl Login<'_> {
    async fn run(&mut self) -> bool {
        let user = self.endpoint.user.clone();
        let none = self.clock.limit(self.handle.authenticate_none(user)).await;
        let mut step = match none {
            Err(TooSlow) => self.too_slow(),
            Ok(Err(error)) => self.broken(&error.to_string()),
            Ok(Ok(AuthResult::Success)) => Step::In,
            Ok(Ok(AuthResult::Failure {
                remaining_methods, ..
            })) => {
                // This refusal is how the server tells what it takes; it is no failed attempt.
                self.methods = remaining_methods;
                if self.methods.is_empty() && self.handle.is_closed() {
                    self.hung_up()
                } else {
                    Step::Next
                }
            }
        };
        // Each method is tried once; all are open again when the server has accepted one of several.
        let mut exhausted: Vec<MethodKind> = Vec::new();
        let mut partial = 0;
        while matches!(step, Step::Next) && self.partial <= PARTIAL_MAX {
            if self.partial > partial {
                partial = self.partial;
                exhausted.clear();
            }
            let allowed = &self.endpoint.rules.methods;
            let Some(method) = allowed
                .iter()
                .copied()
                .find(|method| self.methods.contains(method) && !exhausted.contains(method))
            else {
                self.turned_off();
                break;
            };
            exhausted.push(method);
            step = match method {
                MethodKind::PublicKey => self.keys().await,
                MethodKind::KeyboardInteractive => self.keyboard_interactive().await,
                MethodKind::Password => self.password().await,
                MethodKind::None | MethodKind::HostBased | MethodKind::GssapiWithMic => Step::Next,
            };
        }
        matches!(step, Step::In)
    }

    /// Names methods that the server takes and ssh_config forbids.
    fn turned_off(&mut self) {
        let forbidden: Vec<&str> = self
            .methods
            .iter()
            .filter(|method| Rules::default().methods.contains(method))
            .filter(|method| !self.endpoint.rules.methods.contains(method))
            .map(<&str>::from)
            .collect();
        for method in forbidden {
            self.failed(method, "turned off in ssh_config");
        }
    }

    pub(in crate::ssh) fn failed(&mut self, what: &str, why: &str) {
        self.tried.push(Attempt {
            what: what.to_owned(),
            why: why.to_owned(),
        });
    }

    pub(in crate::ssh) fn too_slow(&mut self) -> Step {
        self.ended = Some(self.clock.why());
        Step::Over
    }

    pub(in crate::ssh) fn broken(&mut self, why: &str) -> Step {
        self.ended = Some(why.to_owned());
        Step::Over
    }

    pub(in crate::ssh) fn hung_up(&mut self) -> Step {
        let why = match self.link.ended() {
            Error::Lost { source, .. } => source.to_string(),
            other => other.to_string(),
        };
        self.ended = Some(why);
        Step::Over
    }

    /// Takes the server's answer to one attempt.
    pub(in crate::ssh) fn answered(&mut self, what: &str, result: AuthResult) -> Step {
        match result {
            AuthResult::Success => Step::In,
            AuthResult::Failure {
                remaining_methods,
                partial_success,
            } => {
                let over = self.handle.is_closed() || remaining_methods.is_empty();
                self.methods = remaining_methods;
                if partial_success {
                    self.partial += 1;
                    self.failed(what, "accepted, but the server requires another method too");
                } else {
                    self.failed(what, "the server refused it");
                }
                if over { self.hung_up() } else { Step::Next }
            }
        }
    }

    async fn rsa_hash(&mut self, algorithm: &Algorithm) -> Option<HashAlg> {
        if !matches!(algorithm, Algorithm::Rsa { .. }) {
            return None;
        }
        if let Some(hash) = self.rsa_hash {
            return hash;
        }
        let asked = self
            .clock
            .limit(self.handle.best_supported_rsa_hash())
            .await;
        let best = match asked {
            Ok(Ok(Some(hash))) => hash,
            // A server that says nothing is old; SHA-2 is the better guess all the same.
            Ok(Ok(None) | Err(_)) | Err(TooSlow) => Some(HashAlg::Sha256),
        };
        let algorithms = &self.endpoint.rules.algorithms;
        let hash = [best, Some(HashAlg::Sha512), Some(HashAlg::Sha256)]
            .into_iter()
            .find(|hash| algorithms.may_log_in(&Algorithm::Rsa { hash: *hash }, false))
            .unwrap_or(best);
        self.rsa_hash = Some(hash);
        hash
    }

    /// Why ssh_config does not let `key` be used; none if it does.
    fn forbidden(
        &self,
        key: &PublicKey,
        hash: Option<HashAlg>,
        certificate: bool,
    ) -> Option<String> {
        let min = self.endpoint.rules.rsa_bits_min;
        if let Some(bits) = rsa_bits(key).filter(|bits| *bits < min) {
            return Some(format!(
                "it has {bits} bits, `RequiredRSASize` of ssh_config requires {min}"
            ));
        }
        let algorithm = match key.algorithm() {
            Algorithm::Rsa { .. } => Algorithm::Rsa { hash },
            other => other,
        };
        (!self
            .endpoint
            .rules
            .algorithms
            .may_log_in(&algorithm, certificate))
        .then(|| "`PubkeyAcceptedAlgorithms` of ssh_config leaves its kind out".to_owned())
    }

    async fn keys(&mut self) -> Step {
        let mut step = Step::Next;
        if let Some(socket) = self.endpoint.agent.clone() {
            step = self.agent(&socket).await;
        }
        for file in self.endpoint.identities.clone() {
            if !matches!(step, Step::Next) || !self.methods.contains(&MethodKind::PublicKey) {
                break;
            }
            step = self.file(&file).await;
        }
        step
    }

    async fn agent(&mut self, socket: &Path) -> Step {
        let what = format!("agent {}", socket.display());
        let listed = self
            .clock
            .limit(async {
                let mut agent = AgentClient::<UnixStream>::connect_uds(socket).await?;
                let identities = agent.request_identities().await?;
                Ok::<_, russh::keys::Error>((agent, identities))
            })
            .await;
        let (mut agent, mut identities) = match listed {
            Ok(Ok(listed)) => listed,
            Ok(Err(error)) => {
                self.failed(&what, &format!("it can't be asked: {error}"));
                return Step::Next;
            }
            Err(_) => {
                self.failed(&what, "it doesn't answer");
                return Step::Next;
            }
        };
        let configured = configured_keys(&self.endpoint.identities).await;
        if self.endpoint.identities_only {
            identities.retain(|identity| configured.contains(&fingerprint(&identity.public_key())));
        }
        // Each key offered counts against MaxAuthTries, so the likely ones come first.
        identities
            .sort_by_key(|identity| !configured.contains(&fingerprint(&identity.public_key())));
        if identities.is_empty() {
            self.failed(&what, "it holds no key for this host");
            return Step::Next;
        }
        for identity in identities {
            let key = identity.public_key().into_owned();
            let what = format!("agent key {}", fingerprint(&key));
            let hash = self.rsa_hash(&key.algorithm()).await;
            let is_certificate = matches!(identity, AgentIdentity::Certificate { .. });
            if let Some(why) = self.forbidden(&key, hash, is_certificate) {
                self.failed(&what, &why);
                continue;
            }
            let user = self.endpoint.user.clone();
            let mut signer = AgentSigner {
                agent: &mut agent,
                clock: self.clock.clone(),
            };
            let attempt = async {
                match identity {
                    AgentIdentity::PublicKey { key, .. } => {
                        self.handle
                            .authenticate_publickey_with(user, key, hash, &mut signer)
                            .await
                    }
                    AgentIdentity::Certificate { certificate, .. } => {
                        self.handle
                            .authenticate_certificate_with(user, certificate, hash, &mut signer)
                            .await
                    }
                }
            };
            let step = match self.clock.limit(attempt).await {
                Err(_) => return self.too_slow(),
                Ok(Ok(result)) => {
                    self.offered.insert(fingerprint(&key));
                    self.answered(&what, result)
                }
                Ok(Err(error)) => {
                    self.failed(&what, &format!("the agent didn't sign: {error}"));
                    if self.handle.is_closed() {
                        return self.hung_up();
                    }
                    Step::Next
                }
            };
            if !matches!(step, Step::Next) || !self.methods.contains(&MethodKind::PublicKey) {
                return step;
            }
        }
        Step::Next
    }

    async fn file(&mut self, file: &Path) -> Step {
        let what = format!("key {}", file.display());
        let pause = self.clock.pause();
        let read = self.prompts.key(file).await;
        drop(pause);
        let key = match read {
            Ok(key) => key,
            Err(why) => {
                self.failed(&what, &why);
                return Step::Next;
            }
        };
        if self.handle.is_closed() {
            return self.hung_up();
        }
        let hash = self.rsa_hash(&key.algorithm()).await;
        for certificate in self.certificates_of(file, &key).await {
            let what = format!(
                "certificate `{}` with {what}",
                crate::name::escape(certificate.key_id().as_bytes())
            );
            if let Some(why) = self.forbidden(key.public_key(), hash, true) {
                self.failed(&what, &why);
                continue;
            }
            let user = self.endpoint.user.clone();
            let mut signer = FileSigner {
                key: Arc::clone(&key),
                hash,
            };
            let attempt =
                self.handle
                    .authenticate_certificate_with(user, certificate, hash, &mut signer);
            let step = match self.clock.limit(attempt).await {
                Err(_) => return self.too_slow(),
                Ok(Ok(result)) => self.answered(&what, result),
                Ok(Err(error)) => {
                    self.failed(&what, &error.to_string());
                    Step::Next
                }
            };
            if !matches!(step, Step::Next) || !self.methods.contains(&MethodKind::PublicKey) {
                return step;
            }
        }
        if let Some(why) = self.forbidden(key.public_key(), hash, false) {
            self.failed(&what, &why);
            return Step::Next;
        }
        if !self.offered.insert(fingerprint(key.public_key())) {
            self.failed(&what, "the agent has offered it already");
            return Step::Next;
        }
        let user = self.endpoint.user.clone();
        let attempt = self
            .handle
            .authenticate_publickey(user, PrivateKeyWithHashAlg::new(key, hash));
        match self.clock.limit(attempt).await {
            Err(_) => self.too_slow(),
            Ok(Ok(result)) => self.answered(&what, result),
            Ok(Err(_)) => self.hung_up(),
        }
    }

    /// The certificates for a key: beside its file, and those named for the host.
    async fn certificates_of(&self, file: &Path, key: &PrivateKey) -> Vec<Certificate> {
        let mut beside = file.as_os_str().to_owned();
        beside.push("-cert.pub");
        let mut found = Vec::new();
        for path in [PathBuf::from(beside)]
            .iter()
            .chain(&self.endpoint.certificates)
        {
            let Ok(text) = tokio::fs::read_to_string(path).await else {
                continue;
            };
            if let Ok(certificate) = Certificate::from_openssh(text.trim())
                && certificate.public_key() == key.public_key().key_data()
                && !found.contains(&certificate)
            {
                found.push(certificate);
            }
        }
        found
    }
}

/// The fingerprints of the keys that identity files stand for, without reading private parts.
async fn configured_keys(identities: &[PathBuf]) -> HashSet<String> {
    let mut keys = HashSet::new();
    for file in identities {
        let mut beside = file.as_os_str().to_owned();
        beside.push(".pub");
        for path in [PathBuf::from(beside), file.clone()] {
            let Ok(text) = tokio::fs::read_to_string(&path).await else {
                continue;
            };
            let key = PublicKey::from_openssh(text.trim())
                .or_else(|_| PrivateKey::from_openssh(&text).map(|key| key.public_key().clone()));
            if let Ok(key) = key {
                keys.insert(fingerprint(&key));
                break;
            }
        }
    }
    keys
}
