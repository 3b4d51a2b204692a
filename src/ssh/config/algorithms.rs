//! Algorithms that a connection offers: fleet's own lists, narrowed by `KexAlgorithms`, `Ciphers`,
//! `MACs`, `HostKeyAlgorithms`, `PubkeyAcceptedAlgorithms` and `CASignatureAlgorithms` of ssh_config.
//!
//! A list that ssh_config leaves at ssh's default changes nothing here. One that it sets decides, in
//! its order: that is how an operator reaches an old server, or keeps away from an algorithm. SHA-1
//! signatures of hosts are the exception, they are never taken.

use std::borrow::Cow;

use russh::keys::ssh_key::public::RsaPublicKey;
use russh::keys::{Algorithm, PublicKey};
use russh::{Preferred, cipher, kex, mac};

use crate::ssh::config::ssh_config::SshGOutput;

/// Key exchange methods in fleet's order. russh does not offer the three NIST curves by itself.
const KEX: [kex::Name; 12] = [
    kex::MLKEM768X25519_SHA256,
    kex::CURVE25519,
    kex::CURVE25519_PRE_RFC_8731,
    kex::ECDH_SHA2_NISTP256,
    kex::ECDH_SHA2_NISTP384,
    kex::ECDH_SHA2_NISTP521,
    kex::DH_GEX_SHA256,
    kex::DH_G18_SHA512,
    kex::DH_G17_SHA512,
    kex::DH_G16_SHA512,
    kex::DH_G15_SHA512,
    kex::DH_G14_SHA256,
];

/// Markers in the list of key exchange methods that are no methods: extension info, and the protection
/// against inserted packets (CVE-2023-48795).
const KEX_MARKERS: [kex::Name; 2] = [
    kex::EXTENSION_SUPPORT_AS_CLIENT,
    kex::EXTENSION_OPENSSH_STRICT_KEX_AS_CLIENT,
];

/// Ciphers that need no MAC come first, they are the fastest.
const CIPHERS: [cipher::Name; 6] = [
    cipher::AES_256_GCM,
    cipher::AES_128_GCM,
    cipher::CHACHA20_POLY1305,
    cipher::AES_256_CTR,
    cipher::AES_192_CTR,
    cipher::AES_128_CTR,
];

/// How many of [`CIPHERS`] bring their own integrity check.
const AUTHENTICATED: usize = 3;

const MACS: [mac::Name; 4] = [
    mac::HMAC_SHA512_ETM,
    mac::HMAC_SHA256_ETM,
    mac::HMAC_SHA512,
    mac::HMAC_SHA256,
];

/// The lists of one endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::ssh) struct Algorithms {
    kex: Vec<kex::Name>,
    ciphers: Vec<cipher::Name>,
    macs: Vec<mac::Name>,
    /// Names in the order of `HostKeyAlgorithms`; none: ssh_config leaves the default.
    host_keys: Option<Vec<String>>,
    /// `PubkeyAcceptedAlgorithms`, likewise.
    user_keys: Option<Vec<String>>,
    /// `CASignatureAlgorithms`, likewise.
    authorities: Option<Vec<String>>,
}

impl Default for Algorithms {
    fn default() -> Self {
        Self {
            kex: KEX.to_vec(),
            ciphers: CIPHERS.to_vec(),
            macs: MACS.to_vec(),
            host_keys: None,
            user_keys: None,
            authorities: None,
        }
    }
}

impl Algorithms {
    /// The lists of what `ssh -G` printed for a host, where they differ from `defaults`: what it prints
    /// without any configuration.
    ///
    /// # Errors
    ///
    /// The name of an option that leaves nothing that fleet has.
    pub(in crate::ssh) fn read(host: &SshGOutput, defaults: &SshGOutput) -> Result<Self, String> {
        let set = |key: &str| -> Option<Vec<String>> {
            let list = host.other(key)?;
            (Some(list) != defaults.other(key))
                .then(|| list.split(',').map(|name| name.trim().to_owned()).collect())
        };
        let mut algorithms = Self {
            host_keys: set("hostkeyalgorithms"),
            user_keys: set("pubkeyacceptedalgorithms"),
            authorities: set("casignaturealgorithms"),
            ..Self::default()
        };
        if let Some(names) = set("kexalgorithms") {
            algorithms.kex = known(&names, |name| {
                kex::Name::try_from(name).ok().filter(|kex| {
                    *kex != kex::NONE && !name.starts_with("ext-info") && !name.contains("strict")
                })
            });
            some("KexAlgorithms", &algorithms.kex, &names, named(&KEX))?;
        }
        if let Some(names) = set("ciphers") {
            algorithms.ciphers = known(&names, |name| {
                cipher::Name::try_from(name)
                    .ok()
                    .filter(|cipher| *cipher != cipher::NONE && *cipher != cipher::CLEAR)
            });
            some("Ciphers", &algorithms.ciphers, &names, named(&CIPHERS))?;
        }
        if let Some(names) = set("macs") {
            let macs = known(&names, |name| {
                mac::Name::try_from(name)
                    .ok()
                    .filter(|mac| *mac != mac::NONE)
            });
            if macs.is_empty() {
                // Ciphers that check themselves need none; the list is then offered for show.
                algorithms
                    .ciphers
                    .retain(|cipher| CIPHERS[..AUTHENTICATED].contains(cipher));
                some("MACs", &algorithms.ciphers, &names, named(&MACS))?;
            } else {
                algorithms.macs = macs;
            }
        }
        if let Some(names) = &algorithms.host_keys {
            let has = crate::ssh::host_keys::known_hosts::all_algorithms();
            let usable: Vec<&String> = names
                .iter()
                .filter(|name| {
                    has.iter().any(|algorithm| {
                        **name == algorithm.to_string() || **name == algorithm.to_certificate_type()
                    })
                })
                .collect();
            let has = has.iter().map(ToString::to_string);
            some("HostKeyAlgorithms", &usable, names, has)?;
        }
        Ok(algorithms)
    }

    /// What is offered in a key exchange that asks for host keys of the kinds `keys`, and for
    /// certificates of the kinds `certificates`.
    pub(in crate::ssh) fn preferred(
        &self,
        keys: Vec<Algorithm>,
        certificates: Vec<Algorithm>,
    ) -> Preferred {
        Preferred {
            key: keys.into(),
            host_key_certificates: certificates.into(),
            kex: self.kex.iter().copied().chain(KEX_MARKERS).collect(),
            cipher: Cow::Owned(self.ciphers.clone()),
            mac: Cow::Owned(self.macs.clone()),
            ..Preferred::DEFAULT
        }
    }

    /// Of `known`, the kinds of host key that ssh_config allows, in its order; all that it allows where
    /// that is none, so that the refusal can name the key that the host shows.
    pub(in crate::ssh) fn host_keys(&self, known: Vec<Algorithm>) -> Vec<Algorithm> {
        let allowed = Self::ordered(self.host_keys.as_ref(), known, |algorithm| {
            algorithm.to_string()
        });
        if allowed.is_empty() {
            let all = crate::ssh::host_keys::known_hosts::all_algorithms();
            return Self::ordered(self.host_keys.as_ref(), all, |algorithm| {
                algorithm.to_string()
            });
        }
        allowed
    }

    /// The same for kinds of host certificate; none stays none.
    pub(in crate::ssh) fn host_certificates(&self, known: Vec<Algorithm>) -> Vec<Algorithm> {
        Self::ordered(
            self.host_keys.as_ref(),
            known,
            Algorithm::to_certificate_type,
        )
    }

    fn ordered(
        list: Option<&Vec<String>>,
        algorithms: Vec<Algorithm>,
        name: impl Fn(&Algorithm) -> String,
    ) -> Vec<Algorithm> {
        let Some(list) = list else {
            return algorithms;
        };
        list.iter()
            .filter_map(|wanted| {
                algorithms
                    .iter()
                    .find(|algorithm| name(algorithm) == *wanted)
                    .cloned()
            })
            .collect()
    }

    /// ssh_config lets a signature by this algorithm log in; `certificate`: with a certificate.
    pub(in crate::ssh) fn may_log_in(&self, algorithm: &Algorithm, certificate: bool) -> bool {
        let name = if certificate {
            algorithm.to_certificate_type()
        } else {
            algorithm.to_string()
        };
        self.user_keys
            .as_ref()
            .is_none_or(|list| list.contains(&name))
    }

    /// ssh_config takes host certificates that are signed by this algorithm.
    pub(in crate::ssh) fn may_certify(&self, algorithm: &Algorithm) -> bool {
        self.authorities
            .as_ref()
            .is_none_or(|list| list.contains(&algorithm.to_string()))
    }
}

fn known<T: Copy>(names: &[String], find: impl Fn(&str) -> Option<T>) -> Vec<T> {
    names.iter().filter_map(|name| find(name)).collect()
}

/// Names both lists if nothing is left.
fn some<T>(
    option: &str,
    left: &[T],
    set: &[String],
    has: impl IntoIterator<Item = String>,
) -> Result<(), String> {
    if !left.is_empty() {
        return Ok(());
    }
    let has: Vec<String> = has.into_iter().collect();
    Err(format!(
        "`{option}` of ssh_config allows {}, and fleet has {}",
        set.join(", "),
        has.join(", ")
    ))
}

fn named<T: AsRef<str>>(names: &[T]) -> impl Iterator<Item = String> {
    names.iter().map(|name| name.as_ref().to_owned())
}

/// The length of an RSA key in bits; none for other keys.
pub(in crate::ssh) fn rsa_bits(key: &PublicKey) -> Option<u32> {
    key.key_data().rsa().map(RsaPublicKey::key_size)
}
