//! Which host keys are trusted: matching of names and keys against lines of `known_hosts`.
//!
//! Parsing a line is left to `ssh_key`; matching is done here as OpenSSH does it, with
//! `ssh-keygen -F` as the oracle of the tests. Pure but for [`KnownHosts::read`]. A line that can't
//! be understood is kept as a warning and never trusted.
//!
//! Source: sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT"; ssh_config(5), "PATTERNS".

use std::path::{Path, PathBuf};

use hmac::{Hmac, KeyInit as _, Mac as _};
use russh::keys::ssh_key::certificate::CertType;
use russh::keys::ssh_key::known_hosts::{Entry, HostPatterns, Marker};
use russh::keys::{Algorithm, Certificate, EcdsaCurve, HashAlg, PublicKey};
use sha1::Sha1;

/// All lines of some `known_hosts` files.
#[derive(Debug, Clone, Default)]
pub struct KnownHosts {
    lines: Vec<Line>,
    odd: Vec<Place>,
}

/// A line of a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file.
    pub file: PathBuf,
    /// Counted from 1.
    pub line: u32,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.file.display(), self.line)
    }
}

#[derive(Debug, Clone)]
struct Line {
    place: Place,
    entry: Entry,
}

/// What the files say about one host.
#[derive(Debug, Clone)]
pub struct Known<'a> {
    name: String,
    lines: Vec<&'a Line>,
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
                Ok(Some(entry)) => self.lines.push(Line { place, entry }),
                Ok(None) => {}
                Err(()) => self.odd.push(place),
            }
        }
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
        Known { name, lines }
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
pub fn all_algorithms() -> Vec<Algorithm> {
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

    fn revocation(&self, key: &PublicKey) -> Option<&'a Line> {
        self.marked(Some(Marker::Revoked))
            .find(|line| line.entry.public_key().key_data() == key.key_data())
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
    pub fn algorithms(&self) -> Vec<Algorithm> {
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
    pub fn certificate_algorithms(&self) -> Vec<Algorithm> {
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
        self.lines.iter().map(|line| line.place.line).collect()
    }

    /// The name it was looked up as.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// What is wrong with a host certificate of a trusted authority.
fn certificate_flaw(certificate: &Certificate, principal: &str, now: u64) -> Option<String> {
    let authority = certificate.signature_key().fingerprint(HashAlg::Sha256);
    if certificate.cert_type() != CertType::Host {
        return Some("it is a user certificate".to_owned());
    }
    if matches!(
        certificate.signature().algorithm(),
        Algorithm::Rsa { hash: None } | Algorithm::Dsa
    ) {
        return Some("it is signed with SHA-1".to_owned());
    }
    if certificate.verify_signature().is_err() {
        return Some("its signature is wrong".to_owned());
    }
    if now < certificate.valid_after() {
        return Some("it isn't valid yet".to_owned());
    }
    if now >= certificate.valid_before() {
        return Some("it has expired".to_owned());
    }
    if certificate.validate_at(now, [&authority]).is_err() {
        return Some("it isn't valid".to_owned());
    }
    let principal = principal.to_ascii_lowercase();
    let named = certificate.valid_principals().iter().any(|pattern| {
        glob(
            pattern.to_ascii_lowercase().as_bytes(),
            principal.as_bytes(),
        )
    });
    if !named {
        return Some(format!("it isn't made for `{principal}`"));
    }
    certificate
        .critical_options()
        .iter()
        .next()
        .map(|(option, _)| format!("it has the critical option `{option}`"))
}

fn same_kind(a: &Algorithm, b: &Algorithm) -> bool {
    matches!((a, b), (Algorithm::Rsa { .. }, Algorithm::Rsa { .. })) || a == b
}

/// One line; none for blanks and comments.
fn parse(line: &[u8]) -> Result<Option<Entry>, ()> {
    let line = std::str::from_utf8(line).map_err(|_| ())?;
    let fields: Vec<&str> = line
        .split([' ', '\t', '\r'])
        .filter(|field| !field.is_empty())
        .collect();
    match fields.first() {
        None => return Ok(None),
        Some(first) if first.starts_with('#') => return Ok(None),
        Some(_) => {}
    }
    // The comment behind the key says nothing about trust, and may hold what the parser trips over.
    let wanted = if fields[0].starts_with('@') { 4 } else { 3 };
    let kept = fields.get(..wanted).ok_or(())?;
    kept.join(" ").parse().map(Some).map_err(|_| ())
}

fn matches(patterns: &HostPatterns, name: &str) -> bool {
    match patterns {
        HostPatterns::Patterns(patterns) => {
            let mut found = false;
            for pattern in patterns {
                let pattern = pattern.to_ascii_lowercase();
                match pattern.strip_prefix('!') {
                    Some(not) if glob(not.as_bytes(), name.as_bytes()) => return false,
                    Some(_) => {}
                    None => found |= glob(pattern.as_bytes(), name.as_bytes()),
                }
            }
            found
        }
        HostPatterns::HashedName { salt, hash } => hashed(salt, name) == Some(*hash),
    }
}

/// The hash of a name, as `HashKnownHosts` stores it.
pub(super) fn hashed(salt: &[u8], name: &str) -> Option<[u8; 20]> {
    let mut mac = Hmac::<Sha1>::new_from_slice(salt).ok()?;
    mac.update(name.as_bytes());
    Some(mac.finalize().into_bytes().into())
}

/// `*` and `?`, nothing else, in time proportional to the product of the lengths.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                retry = Some((p, t));
                p += 1;
            }
            Some(&byte) if byte == b'?' || byte == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match retry {
                Some((star, from)) => {
                    retry = Some((star, from + 1));
                    p = star + 1;
                    t = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|&byte| byte == b'*')
}
