//! Refused connections: a host key that isn't trusted, a login that failed, a forwarding that a host or a
//! bastion refuses.

use std::fmt;
use std::time::Duration;

use crate::fault::Code;
use crate::ssh::connection::words::Words;
use crate::ssh::error::seconds;
use crate::ssh::host_keys::known_hosts::Place;

/// The host key of a host isn't trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostKeyRefusal {
    /// The host.
    pub host: String,
    /// The name under which it was looked up.
    pub lookup: String,
    /// What kind of key it showed.
    pub algorithm: String,
    /// The fingerprint of that.
    pub shown: String,
    /// What is wrong with it.
    pub problem: HostKeyProblem,
}

/// What is wrong with a host key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostKeyProblem {
    /// No line of the files knows the host.
    Unknown,
    /// It has another key.
    Changed {
        /// Where that stands.
        place: Place,
        /// The known fingerprint.
        known: String,
    },
    /// It has keys of other kinds.
    ChangedAlgorithm {
        /// Where one of them stands.
        place: Place,
        /// Its kind.
        algorithm: String,
        /// Its fingerprint.
        known: String,
    },
    /// The key was revoked.
    Revoked {
        /// Where it says so.
        place: Place,
    },
    /// It is an RSA key with fewer bits than `RequiredRSASize` of ssh_config wants.
    Short {
        /// Its length in bits.
        bits: u32,
        /// The least that is taken.
        min: u32,
    },
    /// The certificate isn't good.
    Certificate {
        /// Where its authority stands.
        place: Place,
        /// What is wrong with it.
        why: String,
    },
}

impl HostKeyProblem {
    /// The code of a refusal for this reason.
    pub(in crate::ssh) fn code(&self) -> Code {
        match self {
            Self::Unknown => Code::HostKeyUnknown,
            Self::Changed { .. } | Self::ChangedAlgorithm { .. } => Code::HostKeyChanged,
            Self::Revoked { .. } => Code::HostKeyRevoked,
            Self::Short { .. } | Self::Certificate { .. } => Code::HostKeyRefused,
        }
    }
}

impl fmt::Display for HostKeyRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            host,
            lookup,
            algorithm,
            shown,
            problem,
        } = self;
        match problem {
            HostKeyProblem::Unknown => write!(
                f,
                "the host key of {host} is not known: it shows {algorithm} {shown}, and no known_hosts file has an entry for `{lookup}`"
            ),
            HostKeyProblem::Changed { place, known } => write!(
                f,
                "the host key of {host} has changed: it shows {algorithm} {shown}, {place} says {known}"
            ),
            HostKeyProblem::ChangedAlgorithm {
                place,
                algorithm: known_algorithm,
                known,
            } => write!(
                f,
                "the host key of {host} has changed its type: it shows {algorithm} {shown}, {place} says {known_algorithm} {known}"
            ),
            HostKeyProblem::Revoked { place } => write!(
                f,
                "the host key of {host} was revoked: it shows {algorithm} {shown}, revoked at {place}"
            ),
            HostKeyProblem::Short { bits, min } => write!(
                f,
                "the host key of {host} is too short: {algorithm} {shown} has {bits} bits, `RequiredRSASize` of ssh_config requires {min}"
            ),
            HostKeyProblem::Certificate { place, why } => write!(
                f,
                "the host certificate of {host} is refused: {why} (key {algorithm} {shown}, authority at {place})"
            ),
        }
    }
}

/// What a bastion says about a way that it doesn't open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ForwardRefusal {
    /// Forwarding is forbidden there.
    #[error("forwarding is forbidden")]
    Prohibited,
    /// It can't reach the target.
    #[error("the target can't be reached from there")]
    Unreachable,
    /// Anything else.
    #[error("it refused")]
    Other,
}

/// What was tried to log in, and why each failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthenticationFailure {
    /// The host.
    pub host: String,
    /// The account.
    pub user: String,
    /// One after the other.
    pub tried: Vec<Attempt>,
    /// The server gave up on us, or was too slow.
    pub ended: Option<String>,
    /// Words of the host.
    pub words: Option<Box<Words>>,
}

impl std::error::Error for AuthenticationFailure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.words
            .as_deref()
            .map(|words| words as &(dyn std::error::Error + 'static))
    }
}

/// One way to log in that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// What.
    pub what: String,
    /// Why.
    pub why: String,
}

impl fmt::Display for AuthenticationFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "authentication failed for {} on {}",
            self.user, self.host
        )?;
        let mut separator = ": ";
        for attempt in &self.tried {
            write!(f, "{separator}{} ({})", attempt.what, attempt.why)?;
            separator = ", ";
        }
        if self.tried.is_empty() {
            write!(f, ": no key or password to try")?;
        }
        if let Some(ended) = &self.ended {
            write!(f, "; {ended}")?;
        }
        Ok(())
    }
}

impl HostKeyRefusal {
    /// How it is mended.
    pub(in crate::ssh) fn mend(&self) -> String {
        let Self { host, lookup, .. } = self;
        match &self.problem {
            HostKeyProblem::Unknown => {
                format!(
                    "Compare the fingerprint with the host's own, then run `fleet trust {host}`."
                )
            }
            HostKeyProblem::Changed { place, .. }
            | HostKeyProblem::ChangedAlgorithm { place, .. } => format!(
                "This may be a man-in-the-middle attack. If the host was really reinstalled, {}, then run `fleet trust {host}`.",
                place.removal(lookup)
            ),
            HostKeyProblem::Revoked { .. } => {
                "Do not connect. Ask whoever revoked this key why, and give the host a new one."
                    .to_owned()
            }
            HostKeyProblem::Short { .. } => {
                "Give the host a longer RSA key, or an ed25519 key.".to_owned()
            }
            HostKeyProblem::Certificate { .. } => {
                "Have the authority sign a new host certificate.".to_owned()
            }
        }
    }
}

/// Why a host opens no way to a server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReachRefusal {
    /// Nobody listens there.
    #[error("connection refused")]
    Refused,
    /// The SSH server forbids forwarding, or forwarding to there.
    #[error("its SSH server forbids forwarding there")]
    Prohibited,
    /// It tries and tries.
    #[error("no connection after {}", seconds(.after))]
    Silent {
        /// How long.
        after: Duration,
    },
    /// It can't, and this is what it said, escaped.
    #[error("{said}")]
    Failed {
        /// Its words.
        said: String,
    },
}
