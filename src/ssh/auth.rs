//! Logging in: agent, identity files, certificates, then what the operator types.
//!
//! Every step has a limit. What was tried, and why it failed, is told; secrets are not.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use russh::client::{AuthResult, KeyboardInteractiveAuthResponse};
use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::AgentClient;
use russh::keys::{Algorithm, Certificate, HashAlg, PrivateKey, PrivateKeyWithHashAlg, PublicKey};
use russh::{MethodKind, MethodSet};
use tokio::net::UnixStream;

use super::error::Error;
use super::known_hosts::fingerprint;
use super::link::{Handle, Link};
use super::options::{Question, Secret};
use super::prompts::{Prompts, TRIES_MAX};
use super::refusal::{Attempt, AuthenticationFailure};
use super::resolve::Endpoint;
use super::signer::FileSigner;

/// One login on one connection.
pub(super) struct Login<'a> {
    handle: &'a mut Handle,
    link: &'a Link,
    endpoint: &'a Endpoint,
    prompts: &'a Prompts,
    step: Duration,
    methods: MethodSet,
    rsa_hash: Option<Option<HashAlg>>,
    offered: HashSet<String>,
    tried: Vec<Attempt>,
    ended: Option<String>,
}

/// Whether to go on.
enum Step {
    In,
    Next,
    Over,
}

/// Logs in on a fresh connection.
///
/// # Errors
///
/// [`Error::Authentication`] with everything that was tried.
pub(super) async fn log_in(
    handle: &mut Handle,
    link: &Link,
    endpoint: &Endpoint,
    prompts: &Prompts,
    step: Duration,
) -> Result<(), Error> {
    let mut login = Login {
        handle,
        link,
        endpoint,
        prompts,
        step,
        methods: MethodSet::empty(),
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
    })))
}

impl Login<'_> {
    async fn run(&mut self) -> bool {
        let user = self.endpoint.user.clone();
        let none = tokio::time::timeout(self.step, self.handle.authenticate_none(user)).await;
        let mut step = match none {
            Err(_) => self.too_slow(),
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
        // A server that wants two methods accepts the first with "partial success".
        for _ in 0..3 {
            let before = self.methods.clone();
            if matches!(step, Step::Next) && self.methods.contains(&MethodKind::PublicKey) {
                step = self.keys().await;
            }
            if matches!(step, Step::Next) && self.methods.contains(&MethodKind::KeyboardInteractive)
            {
                step = self.keyboard_interactive().await;
            }
            if matches!(step, Step::Next) && self.methods.contains(&MethodKind::Password) {
                step = self.password().await;
            }
            if !matches!(step, Step::Next) || before == self.methods {
                break;
            }
        }
        matches!(step, Step::In)
    }

    fn failed(&mut self, what: &str, why: &str) {
        self.tried.push(Attempt {
            what: what.to_owned(),
            why: why.to_owned(),
        });
    }

    fn too_slow(&mut self) -> Step {
        self.ended = Some(format!("no answer within {} s", self.step.as_secs_f64()));
        Step::Over
    }

    fn broken(&mut self, why: &str) -> Step {
        self.ended = Some(why.to_owned());
        Step::Over
    }

    fn hung_up(&mut self) -> Step {
        let why = match self.link.ended() {
            Error::Lost { source, .. } => source.to_string(),
            other => other.to_string(),
        };
        self.ended = Some(why);
        Step::Over
    }

    /// Takes the server's answer to one attempt.
    fn answered(&mut self, what: &str, result: AuthResult) -> Step {
        match result {
            AuthResult::Success => Step::In,
            AuthResult::Failure {
                remaining_methods,
                partial_success,
            } => {
                let over = self.handle.is_closed() || remaining_methods.is_empty();
                self.methods = remaining_methods;
                if partial_success {
                    self.failed(what, "accepted, but the server wants another method too");
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
        let asked = tokio::time::timeout(self.step, self.handle.best_supported_rsa_hash()).await;
        let hash = match asked {
            Ok(Ok(Some(hash))) => hash,
            // A server that says nothing is old; SHA-2 is the better guess all the same.
            Ok(Ok(None) | Err(_)) | Err(_) => Some(HashAlg::Sha256),
        };
        self.rsa_hash = Some(hash);
        hash
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
        let listed = tokio::time::timeout(self.step, async {
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
            let user = self.endpoint.user.clone();
            let attempt = async {
                match identity {
                    AgentIdentity::PublicKey { key, .. } => {
                        self.handle
                            .authenticate_publickey_with(user, key, hash, &mut agent)
                            .await
                    }
                    AgentIdentity::Certificate { certificate, .. } => {
                        self.handle
                            .authenticate_certificate_with(user, certificate, hash, &mut agent)
                            .await
                    }
                }
            };
            let step = match tokio::time::timeout(self.step, attempt).await {
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
        let key = match self.prompts.key(file).await {
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
            let user = self.endpoint.user.clone();
            let mut signer = FileSigner {
                key: Arc::clone(&key),
                hash,
            };
            let attempt =
                self.handle
                    .authenticate_certificate_with(user, certificate, hash, &mut signer);
            let step = match tokio::time::timeout(self.step, attempt).await {
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
        if !self.offered.insert(fingerprint(key.public_key())) {
            self.failed(&what, "the agent has offered it already");
            return Step::Next;
        }
        let user = self.endpoint.user.clone();
        let attempt = self
            .handle
            .authenticate_publickey(user, PrivateKeyWithHashAlg::new(key, hash));
        match tokio::time::timeout(self.step, attempt).await {
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

    async fn keyboard_interactive(&mut self) -> Step {
        let what = "keyboard-interactive";
        if !self.prompts.can_ask() {
            self.failed(what, "nobody is there to ask");
            return Step::Next;
        }
        for _ in 0..TRIES_MAX {
            let user = self.endpoint.user.clone();
            let started = tokio::time::timeout(
                self.step,
                self.handle
                    .authenticate_keyboard_interactive_start(user, None),
            )
            .await;
            let mut reply = match started {
                Err(_) => return self.too_slow(),
                Ok(Err(_)) => return self.hung_up(),
                Ok(Ok(reply)) => reply,
            };
            let mut asked = false;
            let step = loop {
                match reply {
                    KeyboardInteractiveAuthResponse::Success => return Step::In,
                    KeyboardInteractiveAuthResponse::Failure {
                        remaining_methods,
                        partial_success,
                    } => {
                        break self.answered(
                            what,
                            AuthResult::Failure {
                                remaining_methods,
                                partial_success,
                            },
                        );
                    }
                    KeyboardInteractiveAuthResponse::InfoRequest { prompts, .. } => {
                        let mut answers = Vec::new();
                        for prompt in prompts {
                            asked = true;
                            let question = Question::FromServer {
                                host: self.endpoint.name.clone(),
                                prompt: crate::name::escape(prompt.prompt.trim().as_bytes()),
                                echo: prompt.echo,
                            };
                            let Some(answer) = self.prompts.ask(question).await else {
                                self.failed(what, "no answer was given");
                                return Step::Over;
                            };
                            answers.push(answer.reveal().to_owned());
                        }
                        let answered = tokio::time::timeout(
                            self.step,
                            self.handle
                                .authenticate_keyboard_interactive_respond(answers),
                        )
                        .await;
                        reply = match answered {
                            Err(_) => return self.too_slow(),
                            Ok(Err(_)) => return self.hung_up(),
                            Ok(Ok(reply)) => reply,
                        };
                    }
                }
            };
            if !asked
                || !matches!(step, Step::Next)
                || !self.methods.contains(&MethodKind::KeyboardInteractive)
            {
                return step;
            }
        }
        Step::Next
    }

    async fn password(&mut self) -> Step {
        let what = "password";
        if !self.prompts.can_ask() {
            self.failed(what, "nobody is there to ask");
            return Step::Next;
        }
        for _ in 0..TRIES_MAX {
            let question = Question::Password {
                user: self.endpoint.user.clone(),
                host: self.endpoint.name.clone(),
            };
            let Some(password) = self.prompts.ask(question).await else {
                self.failed(what, "none was given");
                return Step::Next;
            };
            let user = self.endpoint.user.clone();
            let attempt = self
                .handle
                .authenticate_password(user, Secret::reveal(&password));
            let step = match tokio::time::timeout(self.step, attempt).await {
                Err(_) => return self.too_slow(),
                Ok(Err(_)) => return self.hung_up(),
                Ok(Ok(result)) => self.answered(what, result),
            };
            if !matches!(step, Step::Next) || !self.methods.contains(&MethodKind::Password) {
                return step;
            }
        }
        Step::Next
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
