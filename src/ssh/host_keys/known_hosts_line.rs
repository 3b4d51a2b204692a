//! Parses a line of `known_hosts`, and matches host names against its patterns.
//!
//! A line is bytes: only its first fields must be text, so that a comment behind the key may be in any
//! encoding. A line that revokes a key is never skipped: what can't be parsed is told apart from other
//! lines that make no sense.
//!
//! Source: sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT"; ssh_config(5), "PATTERNS"; OpenSSH `hostfile.c`.

use hmac::{Hmac, KeyInit as _, Mac as _};
use russh::keys::ssh_key::known_hosts::{Entry, HostPatterns};
use sha1::Sha1;

use crate::ssh::host_keys::revocation::key_blob;

/// The marker of a key that is never trusted.
const REVOKED: &str = "@revoked";

/// What a line says.
pub(in crate::ssh) enum Parsed {
    /// Nothing: a blank line or a comment.
    Nothing,
    /// A key of a host or of an authority.
    Trusting(Entry),
    /// A key that was revoked: the hosts, and the key as it is on the wire.
    Revoking(HostPatterns, Vec<u8>),
}

/// Why a line says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ssh) enum Unparsed {
    /// It makes no sense, and trusts nothing.
    Odd,
    /// It is meant to revoke a key.
    Revocation,
}

/// Parses one line.
pub(in crate::ssh) fn parse(line: &[u8]) -> Result<Parsed, Unparsed> {
    let fields: Vec<&[u8]> = line
        .split(|byte| matches!(byte, b' ' | b'\t' | b'\r'))
        .filter(|field| !field.is_empty())
        .collect();
    match fields.first() {
        None => return Ok(Parsed::Nothing),
        Some(first) if first.starts_with(b"#") => return Ok(Parsed::Nothing),
        Some(_) => {}
    }
    // OpenSSH takes a single marker, spelled exactly; a second one or another spelling still shows what
    // was meant.
    let revokes = fields
        .iter()
        .take_while(|field| field.starts_with(b"@"))
        .any(|field| {
            field
                .get(..REVOKED.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(REVOKED.as_bytes()))
        });
    if revokes {
        revoking(&fields).ok_or(Unparsed::Revocation)
    } else {
        trusting(&fields).ok_or(Unparsed::Odd)
    }
}

fn revoking(fields: &[&[u8]]) -> Option<Parsed> {
    let [marker, hosts, kind, key] = texts(fields.get(..4)?)?[..] else {
        return None;
    };
    if marker != REVOKED {
        return None;
    }
    let hosts = hosts.parse().ok()?;
    Some(Parsed::Revoking(hosts, key_blob(kind, key)?))
}

fn trusting(fields: &[&[u8]]) -> Option<Parsed> {
    // The comment behind the key says nothing about trust, and may hold what the parser trips over.
    let wanted = if fields[0].starts_with(b"@") { 4 } else { 3 };
    let text = texts(fields.get(..wanted)?)?.join(" ");
    text.parse().ok().map(Parsed::Trusting)
}

fn texts<'a>(fields: &[&'a [u8]]) -> Option<Vec<&'a str>> {
    fields
        .iter()
        .map(|field| std::str::from_utf8(field).ok())
        .collect()
}

/// Whether a line with these patterns speaks of the host `name`, which is in lower case.
pub(in crate::ssh) fn matches(patterns: &HostPatterns, name: &str) -> bool {
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
        // OpenSSH takes salts of this length only.
        HostPatterns::HashedName { salt, hash } => {
            salt.len() == hash.len() && hashed(salt, name) == Some(*hash)
        }
    }
}

/// The hash of a name, as `HashKnownHosts` stores it.
pub(in crate::ssh) fn hashed(salt: &[u8], name: &str) -> Option<[u8; 20]> {
    let mut mac = Hmac::<Sha1>::new_from_slice(salt).ok()?;
    mac.update(name.as_bytes());
    Some(mac.finalize().into_bytes().into())
}

/// `*` and `?`, nothing else, in time proportional to the product of the lengths.
pub(in crate::ssh) fn glob(pattern: &[u8], text: &[u8]) -> bool {
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

/// Whether the patterns are more than one name and its address, or have wildcards: a line that OpenSSH
/// never writes, and so one that it does not extend by further keys.
pub(in crate::ssh) fn is_complex(patterns: &HostPatterns) -> bool {
    match patterns {
        HostPatterns::Patterns(patterns) => {
            patterns.len() > 2
                || patterns
                    .iter()
                    .any(|pattern| pattern.contains(['*', '?', '!']))
        }
        HostPatterns::HashedName { .. } => false,
    }
}
