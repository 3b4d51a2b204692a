//! `known_hosts`: matches names and keys of hosts against its lines.
//!
//! Parsing a key is left to `ssh_key`; matching is ours, as OpenSSH does it, with `ssh-keygen -F` as the
//! oracle of the tests. Pure but for [`KnownHosts::read`]. A line that can't be understood is kept as a
//! warning and never trusted; one that was meant to revoke a key is an error of whoever asks.
//!
//! Source: sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT"; ssh_config(5), "PATTERNS".

use std::path::{Path, PathBuf};

use russh::keys::ssh_key::known_hosts::{Entry, HostPatterns, Marker};
use russh::keys::{Algorithm, Certificate, EcdsaCurve, HashAlg, PublicKey};

use crate::guard::identity::ProtectedMachine;
use crate::ssh::host_keys::check::CheckFailure;
use crate::ssh::host_keys::host_certificate::certificate_flaw;
use crate::ssh::host_keys::known_hosts_line::{Parsed, Unparsed, is_complex, matches, parse};

/// All lines of some `known_hosts` files.
#[derive(Debug, Clone, Default)]
pub struct KnownHosts {
    lines: Vec<Line>,
    revoked: Vec<Revocation>,
    odd: Vec<Place>,
    broken: Vec<Place>,
}

/// A line of a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file.
    pub file: PathBuf,
    /// Counted from 1; 0 stands for the whole file.
    pub line: u32,
}

impl Place {
    /// Stands for the file of lines that `KnownHostsCommand` printed.
    pub(in crate::ssh) const COMMAND: &str = "KnownHostsCommand";

    /// How to take the key at this place away, which the host `lookup` no longer has; as a clause.
    #[must_use]
    pub fn removal(&self, lookup: &str) -> String {
        if self.file == Path::new(Self::COMMAND) {
            "make `KnownHostsCommand` print the new key".to_owned()
        } else {
            format!(
                "remove the old key with `ssh-keygen -R '{lookup}' -f {}`",
                self.file.display()
            )
        }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.line {
            0 => write!(f, "{}", self.file.display()),
            line => write!(f, "{}:{line}", self.file.display()),
        }
    }
}

#[derive(Debug, Clone)]
struct Line {
    place: Place,
    entry: Entry,
}

/// A line that revokes a key.
#[derive(Debug, Clone)]
struct Revocation {
    place: Place,
    hosts: HostPatterns,
    /// The key as it is on the wire.
    key: Vec<u8>,
}

/// What the files say about one host.
#[derive(Debug, Clone)]
pub struct Known<'a> {
    name: String,
    lines: Vec<&'a Line>,
    revoked: Vec<&'a Revocation>,
}

/// What is to be done with a key that a host has shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is the host's, says this line.
    Trusted(Place),
    /// No line speaks of this host.
    Unknown,
    /// The host has another key of this kind.
    Changed {
        /// Where that one is.
        place: Place,
        /// Its fingerprint.
        known: String,
    },
    /// The host is known by keys of other kinds only.
    ChangedAlgorithm {
        /// Where one of them is.
        place: Place,
        /// Its kind.
        algorithm: String,
        /// Its fingerprint.
        known: String,
    },
    /// The key, or the authority behind it, was revoked.
    Revoked(Place),
    /// The authority is trusted, but the certificate isn't good for this host now.
    BadCertificate {
        /// Where the authority is.
        place: Place,
        /// What is wrong with it.
        why: String,
    },
    /// It is an RSA key with fewer bits than `RequiredRSASize` of ssh_config wants.
    Short {
        /// Its length in bits.
        bits: u32,
        /// The least that is taken.
        min: u32,
    },
    /// It is unknown whether the key is trusted.
    Unchecked(CheckFailure),
    /// The host should be written, and the key is that of a protected machine.
    Protected(Box<ProtectedMachine>),
}

impl KnownHosts {
    /// Reads `files`; one that isn't there is empty.
    ///
    /// # Errors
    ///
    /// The file, and why it couldn't be read.
    pub fn read(files: &[PathBuf]) -> Result<Self, (PathBuf, std::io::Error)> {
        let mut known = Self::default();
        for file in files {
            match std::fs::read(file) {
                Ok(text) => known.add(file, &text),
                Err(error)
                    if matches!(
                        error.kind(),
                        std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory
                    ) => {}
                Err(error) => return Err((file.clone(), error)),
            }
        }
        Ok(known)
    }

    /// Adds the lines of `text`, which stands in `file`.
    pub fn add(&mut self, file: &Path, text: &[u8]) {
        for (index, line) in text.split(|&byte| byte == b'\n').enumerate() {
            let place = Place {
                file: file.to_owned(),
                line: u32::try_from(index + 1).unwrap_or(u32::MAX),
            };
            match parse(line) {
                Ok(Parsed::Trusting(entry)) => self.lines.push(Line { place, entry }),
                Ok(Parsed::Revoking(hosts, key)) => {
                    self.revoked.push(Revocation { place, hosts, key });
                }
                Ok(Parsed::Nothing) => {}
                Err(Unparsed::Odd) => self.odd.push(place),
                Err(Unparsed::Revocation) => self.broken.push(place),
            }
        }
    }

    /// Adds the line of one key for the host that is looked up as `name`.
    pub(in crate::ssh) fn trust(&mut self, file: &Path, name: &str, key: &PublicKey) {
        let mut key = key.clone();
        key.set_comment("");
        if let Ok(key) = key.to_openssh() {
            self.add(file, format!("{name} {}", key.trim()).as_bytes());
        }
    }

    /// Lines that are meant to revoke a key and can't be parsed. Nobody can tell which key that is, so
    /// none is to be trusted while there are any.
    #[must_use]
    pub(in crate::ssh) fn broken_revocations(&self) -> &[Place] {
        &self.broken
    }

    /// Lines that could not be understood and are not trusted.
    #[must_use]
    pub fn odd(&self) -> &[Place] {
        &self.odd
    }

    /// What is known of the host that is looked up as `name`, see [`lookup_name`].
    #[must_use]
    pub fn of(&self, name: &str) -> Known<'_> {
        let name = name.to_ascii_lowercase();
        let lines = self
            .lines
            .iter()
            .filter(|line| matches(line.entry.host_patterns(), &name))
            .collect();
        let revoked = self
            .revoked
            .iter()
            .filter(|line| matches(&line.hosts, &name))
            .collect();
        Known {
            name,
            lines,
            revoked,
        }
    }

    /// Why further keys of the host `name` are not added beside the ones it has, of which `keys` are
    /// some; none: nothing is in the way.
    ///
    /// OpenSSH's `UpdateHostKeys` stops for the same reasons: a line for the host has a marker or more
    /// than one name, or a key is known under another name.
    pub(in crate::ssh) fn update_obstacle(&self, name: &str, keys: &[PublicKey]) -> Option<String> {
        let name = name.to_ascii_lowercase();
        for line in &self.lines {
            let place = &line.place;
            if matches(line.entry.host_patterns(), &name) {
                if line.entry.marker().is_some() {
                    return Some(format!("{place} names an authority for the host"));
                }
                if is_complex(line.entry.host_patterns()) {
                    return Some(format!("{place} is for several hosts"));
                }
            } else if keys
                .iter()
                .any(|key| key.key_data() == line.entry.public_key().key_data())
            {
                return Some(format!(
                    "{place} knows a key of the host under another name"
                ));
            }
        }
        self.revoked
            .iter()
            .find(|line| matches(&line.hosts, &name))
            .map(|line| format!("{} revokes a key of the host", line.place))
    }
}

/// The name under which a host is looked up: `address`, or `[address]:port` off port 22.
#[must_use]
pub fn lookup_name(address: &str, port: u16) -> String {
    if port == 22 {
        address.to_owned()
    } else {
        format!("[{address}]:{port}")
    }
}

/// All host key algorithms that fleet takes, best first. SHA-1 signatures are not among them.
#[must_use]
pub(in crate::ssh) fn all_algorithms() -> Vec<Algorithm> {
    vec![
        Algorithm::Ed25519,
        Algorithm::Ecdsa {
            curve: EcdsaCurve::NistP256,
        },
        Algorithm::Ecdsa {
            curve: EcdsaCurve::NistP384,
        },
        Algorithm::Ecdsa {
            curve: EcdsaCurve::NistP521,
        },
        Algorithm::Rsa {
            hash: Some(HashAlg::Sha512),
        },
        Algorithm::Rsa {
            hash: Some(HashAlg::Sha256),
        },
    ]
}

/// The fingerprint as `ssh-keygen -l` prints it.
#[must_use]
pub fn fingerprint(key: &PublicKey) -> String {
    key.fingerprint(HashAlg::Sha256).to_string()
}

impl<'a> Known<'a> {
    fn marked(&self, marker: Option<Marker>) -> impl Iterator<Item = &'a Line> + '_ {
        self.lines
            .iter()
            .copied()
            .filter(move |line| line.entry.marker().copied() == marker)
    }

    fn revocation(&self, key: &PublicKey) -> Option<&'a Revocation> {
        let key = key.to_bytes().ok()?;
        self.revoked.iter().copied().find(|line| line.key == key)
    }

    /// No line that could make a key trusted speaks of the host.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.marked(None).next().is_none()
            && self.marked(Some(Marker::CertAuthority)).next().is_none()
    }

    /// The algorithms to ask the host for: those of its keys that are not revoked, or all where
    /// none is known, so that the refusal can show what the host has.
    #[must_use]
    pub(in crate::ssh) fn algorithms(&self) -> Vec<Algorithm> {
        let keys: Vec<&PublicKey> = self
            .marked(None)
            .map(|line| line.entry.public_key())
            .collect();
        if keys.is_empty() {
            return all_algorithms();
        }
        let good: Vec<&PublicKey> = keys
            .iter()
            .copied()
            .filter(|key| self.revocation(key).is_none())
            .collect();
        let keys = if good.is_empty() { keys } else { good };
        all_algorithms()
            .into_iter()
            .filter(|algorithm| {
                keys.iter()
                    .any(|key| same_kind(&key.algorithm(), algorithm))
            })
            .collect()
    }

    /// The algorithms for which to ask for a certificate: all, if an authority is known.
    #[must_use]
    pub(in crate::ssh) fn certificate_algorithms(&self) -> Vec<Algorithm> {
        if self.marked(Some(Marker::CertAuthority)).next().is_some() {
            all_algorithms()
        } else {
            Vec::new()
        }
    }

    /// Where the host is known, its kind of key and fingerprint: the first line without a marker.
    #[must_use]
    pub fn first(&self) -> Option<(Place, String, String)> {
        self.marked(None).next().map(|line| {
            let key = line.entry.public_key();
            (
                line.place.clone(),
                key.algorithm().to_string(),
                fingerprint(key),
            )
        })
    }

    /// The keys of the host, revoked or not, each with its place; keys of authorities are not among them.
    pub fn keys(&self) -> impl Iterator<Item = (&'a Place, &'a PublicKey)> + '_ {
        let lines = self.marked(None);
        lines.map(|line| (&line.place, line.entry.public_key()))
    }

    /// Judges a key that the host has shown.
    #[must_use]
    pub fn judge(&self, key: &PublicKey) -> Verdict {
        if let Some(line) = self.revocation(key) {
            return Verdict::Revoked(line.place.clone());
        }
        let mut same = None;
        let mut other = None;
        for line in self.marked(None) {
            let known = line.entry.public_key();
            if known.key_data() == key.key_data() {
                return Verdict::Trusted(line.place.clone());
            }
            if same_kind(&known.algorithm(), &key.algorithm()) {
                same.get_or_insert(line);
            } else {
                other.get_or_insert(line);
            }
        }
        match (same, other) {
            (Some(line), _) => Verdict::Changed {
                place: line.place.clone(),
                known: fingerprint(line.entry.public_key()),
            },
            (None, Some(line)) => Verdict::ChangedAlgorithm {
                place: line.place.clone(),
                algorithm: line.entry.public_key().algorithm().to_string(),
                known: fingerprint(line.entry.public_key()),
            },
            (None, None) => Verdict::Unknown,
        }
    }

    /// Judges a certificate that the host has shown, at `now` in seconds since 1970. One of an
    /// authority that isn't known is judged by its bare key, as OpenSSH does it.
    #[must_use]
    pub fn judge_certificate(
        &self,
        certificate: &Certificate,
        principal: &str,
        now: u64,
    ) -> Verdict {
        let key = PublicKey::new(certificate.public_key().clone(), "");
        let authority = PublicKey::new(certificate.signature_key().clone(), "");
        for revoked in [&key, &authority] {
            if let Some(line) = self.revocation(revoked) {
                return Verdict::Revoked(line.place.clone());
            }
        }
        let trusted = self
            .marked(Some(Marker::CertAuthority))
            .find(|line| line.entry.public_key().key_data() == authority.key_data());
        let Some(line) = trusted else {
            return self.judge(&key);
        };
        let place = line.place.clone();
        match certificate_flaw(certificate, principal, now) {
            None => Verdict::Trusted(place),
            Some(why) => Verdict::BadCertificate { place, why },
        }
    }

    /// The numbers of all lines that speak of the host.
    #[must_use]
    pub fn lines(&self) -> Vec<u32> {
        let revoked = self.revoked.iter().map(|line| line.place.line);
        let mut lines: Vec<u32> = self.lines.iter().map(|line| line.place.line).collect();
        lines.extend(revoked);
        lines.sort_unstable();
        lines
    }

    /// The name it was looked up as.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

fn same_kind(a: &Algorithm, b: &Algorithm) -> bool {
    matches!((a, b), (Algorithm::Rsa { .. }, Algorithm::Rsa { .. })) || a == b
}
