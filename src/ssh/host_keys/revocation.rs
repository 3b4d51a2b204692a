//! Checks a host key against `RevokedHostKeys`: text files with one public key a line, and key revocation
//! lists (KRL), which `ssh-keygen -Q` judges.
//!
//! A file that can't be read or understood means that no host key is accepted, as in OpenSSH. It is
//! stricter in one thing: a line of a text file that is no public key is an error, for whoever wrote it
//! meant to revoke something.
//!
//! Source: ssh_config(5), `RevokedHostKeys`; OpenSSH `authfile.c`, `PROTOCOL.krl`.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use data_encoding::BASE64;
use russh::keys::{Algorithm, Certificate, PublicKey, PublicKeyOrCertificate};

use crate::ssh::error::Cause;
use crate::ssh::host_keys::check::CheckFailure;
use crate::ssh::host_keys::known_hosts::Place;

/// How a key revocation list begins.
const KRL_MAGIC: &[u8] = b"SSHKRL\n\0";

/// `ssh-keygen -Q` reads two local files.
const KEYGEN_LIMIT: Duration = Duration::from_secs(10);

/// Where the key, or the authority that signed its certificate, is revoked; none: nowhere.
pub(in crate::ssh) async fn revoked_in(
    files: &[PathBuf],
    shown: &PublicKeyOrCertificate,
) -> Result<Option<Place>, CheckFailure> {
    for file in files {
        let text = tokio::fs::read(file)
            .await
            .map_err(|error| CheckFailure::RevokedFile {
                file: file.clone(),
                source: error.into(),
            })?;
        let found = if text.starts_with(KRL_MAGIC) {
            in_krl(file, shown).await?.then_some(0)
        } else {
            in_text(file, &text, shown)?
        };
        if let Some(line) = found {
            return Ok(Some(Place {
                file: file.clone(),
                line,
            }));
        }
    }
    Ok(None)
}

/// The line of a text file that revokes the key or its authority.
fn in_text(
    file: &Path,
    text: &[u8],
    shown: &PublicKeyOrCertificate,
) -> Result<Option<u32>, CheckFailure> {
    let blobs = blobs_of(shown);
    let mut found = None;
    for (index, line) in text.split(|&byte| byte == b'\n').enumerate() {
        let number = u32::try_from(index + 1).unwrap_or(u32::MAX);
        let mut fields = line
            .split(|byte| matches!(byte, b' ' | b'\t' | b'\r'))
            .filter(|field| !field.is_empty());
        let Some(kind) = fields.next().filter(|kind| !kind.starts_with(b"#")) else {
            continue;
        };
        let blob = fields.next().and_then(|key| {
            key_blob(
                std::str::from_utf8(kind).ok()?,
                std::str::from_utf8(key).ok()?,
            )
        });
        let Some(blob) = blob else {
            return Err(CheckFailure::RevokedEntry(Place {
                file: file.to_owned(),
                line: number,
            }));
        };
        if blobs.contains(&blob) {
            found.get_or_insert(number);
        }
    }
    Ok(found)
}

/// The key as it is on the wire, and the authority's key behind a certificate.
fn blobs_of(shown: &PublicKeyOrCertificate) -> Vec<Vec<u8>> {
    let mut keys = vec![shown.public_key()];
    if let Some(certificate) = shown.certificate() {
        keys.push(PublicKey::new(certificate.signature_key().clone(), ""));
    }
    keys.iter().filter_map(|key| key.to_bytes().ok()).collect()
}

/// Whether a key revocation list revokes the key, its certificate or its authority.
async fn in_krl(file: &Path, shown: &PublicKeyOrCertificate) -> Result<bool, CheckFailure> {
    let failed = |why: String| CheckFailure::Krl {
        file: file.to_owned(),
        source: Cause(why),
    };
    let text = match shown {
        PublicKeyOrCertificate::PublicKey { key, .. } => {
            let mut key = key.clone();
            key.set_comment("");
            key.to_openssh()
        }
        PublicKeyOrCertificate::Certificate(certificate) => certificate.to_openssh(),
    }
    .map_err(|error| failed(error.to_string()))?;
    let mut key = tempfile::NamedTempFile::new().map_err(|error| failed(error.to_string()))?;
    writeln!(key, "{}", text.trim()).map_err(|error| failed(error.to_string()))?;
    let asked = tokio::process::Command::new("ssh-keygen")
        .arg("-Q")
        .arg("-f")
        .arg(file)
        .arg(key.path())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = match tokio::time::timeout(KEYGEN_LIMIT, asked).await {
        Ok(Ok(output)) => output,
        Ok(Err(error)) => return Err(failed(format!("ssh-keygen: {error}"))),
        Err(_) => {
            return Err(failed(format!(
                "ssh-keygen did not answer within {} s",
                KEYGEN_LIMIT.as_secs()
            )));
        }
    };
    match output.status.code() {
        Some(0) => Ok(false),
        // It also answers so for a key that it could not check.
        Some(1) => Ok(true),
        Some(_) | None => Err(failed(crate::name::escape(output.stderr.trim_ascii()))),
    }
}

/// A public key of any type as it is on the wire, from its type and its base64 text; of a certificate,
/// the key that it certifies. None if the text is no such key.
///
/// A type that is not known here is taken as it is: it may be revoked all the same.
pub(in crate::ssh) fn key_blob(kind: &str, base64: &str) -> Option<Vec<u8>> {
    let blob = BASE64.decode(base64.as_bytes()).ok()?;
    let (length, rest) = blob.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    if rest.get(..length)? != kind.as_bytes() {
        return None;
    }
    if let Ok(certificate) = Certificate::from_bytes(&blob) {
        return PublicKey::new(certificate.public_key().clone(), "")
            .to_bytes()
            .ok();
    }
    match PublicKey::from_bytes(&blob) {
        Ok(key) => key.to_bytes().ok(),
        Err(_) if is_known(kind) => None,
        Err(_) => Some(blob),
    }
}

/// Whether keys of this type are parsed here, so that one that can't be parsed is damaged.
fn is_known(kind: &str) -> bool {
    !matches!(
        (Algorithm::new(kind), Algorithm::new_certificate(kind)),
        (
            Err(_) | Ok(Algorithm::Other(_)),
            Err(_) | Ok(Algorithm::Other(_))
        )
    )
}
