//! TLS to a web server: by rustls, with the authorities that this workstation trusts.
//!
//! Nothing turns the proof of a certificate off.

use std::io;
use std::sync::{Arc, OnceLock};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{Error, Stream};
use crate::blocking::blocking;

/// Shakes hands with the server that calls itself `host`.
pub(super) async fn wrap<S: Stream>(stream: S, host: &str) -> Result<TlsStream<S>, Error> {
    let name = ServerName::try_from(host.to_owned()).map_err(|_| Error::Unaskable)?;
    // Reads the authorities from disk, once.
    let config = blocking(config).await?;
    TlsConnector::from(config)
        .connect(name, stream)
        .await
        .map_err(failed)
}

fn config() -> Result<Arc<ClientConfig>, Error> {
    static CONFIG: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    if let Some(config) = CONFIG.get() {
        return Ok(Arc::clone(config));
    }
    let mut roots = RootCertStore::empty();
    // Odd ones among a hundred are no reason to trust none.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err(Error::NoAuthorities);
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::Tls {
            why: error.to_string(),
        })?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::clone(CONFIG.get_or_init(|| Arc::new(config))))
}

fn failed(error: io::Error) -> Error {
    let inner = error.get_ref();
    match inner.and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidCertificate(why)) => Error::Certificate {
            why: why.to_string(),
        },
        Some(other) => Error::Tls {
            why: other.to_string(),
        },
        None => match error.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe => Error::Early,
            _ => Error::Broken { source: error },
        },
    }
}
