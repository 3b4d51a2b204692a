//! Checks a host key by everything that OpenSSH's configuration names: `RevokedHostKeys`, the known_hosts
//! files, and `KnownHostsCommand`.
//!
//! Here a key is accepted or refused: what can't be read or run is a refusal, for it might have revoked the
//! key. The lines of the files are compared in `known_hosts`, and the handshake asks in
//! `connection/callbacks`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use russh::keys::{Algorithm, PublicKey, PublicKeyOrCertificate};

use crate::blocking::blocking;
use crate::guard::identity::{Evidence, ProtectedMachine, Target};
use crate::name::HostName;
use crate::ssh::config::algorithms::rsa_bits;
use crate::ssh::config::resolve::Endpoint;
use crate::ssh::config::rules::Rules;
use crate::ssh::error::{Cause, Error};
use crate::ssh::host_keys::known_hosts::{KnownHosts, Place, Verdict, fingerprint};
use crate::ssh::host_keys::known_hosts_command::{KnownHostsCommand, Reason};
use crate::ssh::host_keys::revocation::revoked_in;

/// What decides about the keys of one host.
#[derive(Debug, Clone)]
pub struct HostKeyCheck {
    host: String,
    lookup: String,
    principal: String,
    known: Arc<KnownHosts>,
    command: Option<KnownHostsCommand>,
    revoked: Vec<PathBuf>,
    rules: Rules,
    /// For a host that should be written: its name, and what is known of protected machines.
    protected: Option<(HostName, Evidence)>,
}

/// Why host keys can't be checked. No key is accepted then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckFailure {
    /// A line is meant to revoke a key, and can't be parsed.
    #[error("{0} is an @revoked line that can't be parsed")]
    RevokedLine(Place),
    /// A file of `RevokedHostKeys` can't be read.
    #[error("can't read {} (RevokedHostKeys)", .file.display())]
    RevokedFile {
        /// The file.
        file: PathBuf,
        /// Why.
        source: Cause,
    },
    /// A line of `RevokedHostKeys` is no public key.
    #[error("{0} (RevokedHostKeys) is not a public key")]
    RevokedEntry(Place),
    /// A key revocation list can't be judged.
    #[error("can't check the key revocation list {}", .file.display())]
    Krl {
        /// The file.
        file: PathBuf,
        /// Why.
        source: Cause,
    },
    /// `KnownHostsCommand` failed.
    #[error("KnownHostsCommand failed")]
    Command(#[source] Cause),
}

impl CheckFailure {
    /// How it is mended.
    pub(in crate::ssh) fn mend(&self) -> Option<String> {
        match self {
            Self::RevokedLine(place) => Some(format!(
                "Correct {place}: `@revoked HOSTS TYPE KEY`. Until then no host is trusted by that file."
            )),
            Self::RevokedFile { .. } => Some(
                "OpenSSH refuses all hosts then, too. Make the file readable, or change `RevokedHostKeys`."
                    .to_owned(),
            ),
            Self::RevokedEntry(place) => Some(format!(
                "Correct {place}: one public key a line, as in a .pub file, or a list made by `ssh-keygen -k`."
            )),
            Self::Krl { file, .. } => Some(format!(
                "`ssh-keygen -Q -l -f {}` shows what is in it.",
                file.display()
            )),
            Self::Command(_) => {
                Some("OpenSSH refuses the host then, too. Correct `KnownHostsCommand`.".to_owned())
            }
        }
    }
}

impl HostKeyCheck {
    /// Reads the known_hosts files of `endpoint`.
    ///
    /// # Errors
    ///
    /// [`Error::File`] if a file can't be read; [`Error::HostKeyCheck`] if one has an `@revoked` line that
    /// can't be parsed.
    pub async fn of(endpoint: &Endpoint) -> Result<Self, Error> {
        let files = endpoint.known_hosts();
        let read = blocking(move || KnownHosts::read(&files)).await;
        let known = read.map_err(|(file, error)| Error::File {
            file,
            source: error.into(),
        })?;
        let check = Self::with(endpoint, known);
        check.warn(&check.known);
        check.unbroken(&check.known)?;
        Ok(check)
    }

    /// A check that `key` alone passes, unless it is revoked.
    pub(in crate::ssh) fn only(endpoint: &Endpoint, key: &PublicKey) -> Self {
        let mut known = KnownHosts::default();
        known.trust(
            Path::new("the key that was compared"),
            &endpoint.lookup(),
            key,
        );
        Self {
            command: None,
            ..Self::with(endpoint, known)
        }
    }

    fn with(endpoint: &Endpoint, known: KnownHosts) -> Self {
        Self {
            host: endpoint.name.clone(),
            lookup: endpoint.lookup(),
            principal: endpoint.principal().to_owned(),
            known: Arc::new(known),
            command: endpoint.known_hosts_command.clone(),
            revoked: endpoint.revoked_host_keys.clone(),
            rules: endpoint.rules.clone(),
            protected: None,
        }
    }

    /// The same check for `host`, which should be written: the keys of protected machines are refused, too.
    pub(in crate::ssh) fn for_writing(self, host: &HostName, evidence: &Evidence) -> Self {
        Self {
            protected: Some((host.clone(), evidence.clone())),
            ..self
        }
    }

    /// What the files say.
    #[must_use]
    pub fn known(&self) -> &KnownHosts {
        &self.known
    }

    /// The name under which the host's keys are looked up.
    #[must_use]
    pub fn lookup(&self) -> &str {
        &self.lookup
    }

    /// What the files and the command say before the host has shown a key: which algorithms to ask for.
    pub(in crate::ssh) async fn before(&self) -> Result<Arc<KnownHosts>, Error> {
        let Some(command) = &self.command else {
            return Ok(Arc::clone(&self.known));
        };
        let mut known = KnownHosts::clone(&self.known);
        let lines = command
            .run(&self.lookup, Reason::Order)
            .await
            .map_err(|why| self.failed(CheckFailure::Command(Cause(why))))?;
        known.add(Path::new(Place::COMMAND), &lines);
        self.unbroken(&known)?;
        Ok(Arc::new(known))
    }

    /// Why the host must not be written if it has this key; none for a check that is not for writing.
    pub(in crate::ssh) fn protected_machine(
        &self,
        key: &PublicKey,
    ) -> Option<Box<ProtectedMachine>> {
        let (host, evidence) = self.protected.as_ref()?;
        let target = Target {
            host_keys: vec![fingerprint(key)],
            ..Target::named(host.clone())
        };
        evidence.compare(&target).err()
    }

    /// Judges what the host has shown.
    pub async fn judge(&self, shown: &PublicKeyOrCertificate) -> Verdict {
        // That a machine is protected says more than any other flaw of its key.
        if let Some(protected) = self.protected_machine(&shown.public_key()) {
            return Verdict::Protected(protected);
        }
        match self.judged(shown).await {
            Ok(verdict) => verdict,
            Err(failure) => Verdict::Unchecked(failure),
        }
    }

    async fn judged(&self, shown: &PublicKeyOrCertificate) -> Result<Verdict, CheckFailure> {
        if let Some(place) = revoked_in(&self.revoked, shown).await? {
            return Ok(Verdict::Revoked(place));
        }
        let Some(command) = &self.command else {
            return Ok(self.by(&self.known, shown));
        };
        let mut known = KnownHosts::clone(&self.known);
        let lines = command
            .run(&self.lookup, Reason::HostName(shown))
            .await
            .map_err(|why| CheckFailure::Command(Cause(why)))?;
        known.add(Path::new(Place::COMMAND), &lines);
        if let Some(place) = known.broken_revocations().first() {
            return Err(CheckFailure::RevokedLine(place.clone()));
        }
        Ok(self.by(&known, shown))
    }

    fn by(&self, known: &KnownHosts, shown: &PublicKeyOrCertificate) -> Verdict {
        let of = known.of(&self.lookup);
        let verdict = match shown {
            PublicKeyOrCertificate::PublicKey { key, .. } => of.judge(key),
            PublicKeyOrCertificate::Certificate(certificate) => {
                let now = std::time::SystemTime::now()
                    .duration_since(std::time::UNIX_EPOCH)
                    .map_or(0, |since| since.as_secs());
                let verdict = of.judge_certificate(certificate, &self.principal, now);
                let bare = of.judge(&shown.public_key());
                self.by_authority(verdict, &bare, &certificate.signature().algorithm())
            }
        };
        let min = self.rules.rsa_bits_min;
        match (&verdict, rsa_bits(&shown.public_key())) {
            (Verdict::Trusted(_) | Verdict::Unknown, Some(bits)) if bits < min => {
                Verdict::Short { bits, min }
            }
            _ => verdict,
        }
    }

    /// The verdict on a certificate that is signed by `algorithm`, by `CASignatureAlgorithms`. Where the
    /// `bare` key is trusted, no authority is needed.
    fn by_authority(&self, verdict: Verdict, bare: &Verdict, algorithm: &Algorithm) -> Verdict {
        match verdict {
            Verdict::Trusted(place)
                if !matches!(bare, Verdict::Trusted(_))
                    && !self.rules.algorithms.may_certify(algorithm) =>
            {
                Verdict::BadCertificate {
                    place,
                    why: format!(
                        "it is signed with {algorithm}, which `CASignatureAlgorithms` of ssh_config leaves out"
                    ),
                }
            }
            verdict => verdict,
        }
    }

    fn warn(&self, known: &KnownHosts) {
        for place in known.odd() {
            tracing::warn!("{place} can't be understood and is not trusted");
        }
    }

    fn unbroken(&self, known: &KnownHosts) -> Result<(), Error> {
        match known.broken_revocations().first() {
            Some(place) => Err(self.failed(CheckFailure::RevokedLine(place.clone()))),
            None => Ok(()),
        }
    }

    /// The error that stands for a failure of this host's check.
    #[must_use]
    pub fn failed(&self, source: CheckFailure) -> Error {
        Error::HostKeyCheck {
            host: self.host.clone(),
            source: Box::new(source),
        }
    }
}
