//! Checks a host certificate whose authority is trusted: type, signature, validity, names, options.

use russh::keys::ssh_key::certificate::CertType;
use russh::keys::{Algorithm, Certificate, HashAlg};

use crate::ssh::host_keys::known_hosts_line::glob;

/// What is wrong with a host certificate of a trusted authority.
pub(in crate::ssh) fn certificate_flaw(
    certificate: &Certificate,
    principal: &str,
    now: u64,
) -> Option<String> {
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
