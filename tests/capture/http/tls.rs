//! Tests of TLS: servers that prove their identity, and servers that do not.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use serde_json::json;

use super::{checkpoint_with, content, failed};
use crate::capture::HostFixture;
use crate::support::http::{Connection, HttpServer, ok};

/// An authority and a server's certificate of it for `localhost`, made by openssl.
struct Authority {
    folder: tempfile::TempDir,
}

impl Authority {
    fn new() -> Option<Self> {
        let openssl = crate::support::sshd::installed("openssl")?;
        let authority = Self {
            folder: tempfile::tempdir().expect("a folder"),
        };
        fs::write(authority.file("names"), "subjectAltName=DNS:localhost\n").expect("a file");
        let new_key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
        for arguments in [
            format!("req -x509 {new_key} -keyout ca.key -out ca.pem -subj /CN=test -days 2"),
            format!("req {new_key} -keyout server.key -out server.csr -subj /CN=localhost"),
            "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out server.pem"
                .to_owned(),
        ] {
            let output = Command::new(&openssl)
                .args(arguments.split(' '))
                .current_dir(authority.folder.path())
                .output()
                .expect("openssl");
            assert!(
                output.status.success(),
                "{arguments}: {}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
        Some(authority)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A server that proves to be `localhost`.
    fn server(&self, answer: String) -> HttpServer {
        use rustls::pki_types::pem::PemObject as _;
        use rustls::pki_types::{CertificateDer, PrivateKeyDer};
        let certificate =
            CertificateDer::from_pem_file(self.file("server.pem")).expect("a certificate");
        let key = PrivateKeyDer::from_pem_file(self.file("server.key")).expect("a key");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .expect("a configuration");
        let config = Arc::new(config);
        HttpServer::behind(
            move |stream| {
                let session = rustls::ServerConnection::new(Arc::clone(&config)).ok()?;
                Some(Box::new(rustls::StreamOwned::new(session, stream)) as Box<dyn Connection>)
            },
            move |_, stream| {
                drop(
                    stream
                        .write_all(answer.as_bytes())
                        .and_then(|()| stream.flush()),
                );
            },
        )
    }
}

#[test]
fn tls_is_spoken_and_the_server_must_prove_its_name() {
    let Some(scene) = HostFixture::start() else {
        return;
    };
    let (Some(authority), Some(other)) = (Authority::new(), Authority::new()) else {
        return;
    };
    let server = authority.server(ok("secret weather"));
    let asked = |host: &str, trusted: &Authority| {
        let url = format!("https://{host}:{}/", server.port);
        scene.sources(json!({ "it": { "http": url } }));
        checkpoint_with(&scene, &[], &[("SSL_CERT_FILE", &trusted.file("ca.pem"))])
    };
    let ran = asked("localhost", &authority).exits(0);
    assert_eq!(content(&scene, &ran, "it.txt"), "secret weather");
    assert_eq!(server.heads().len(), 1);

    for (host, trusted) in [("localhost", &other), ("127.0.0.1", &authority)] {
        let ran = asked(host, trusted).exits(3);
        let told = failed(&ran, server.port);
        assert!(
            told.starts_with(&format!(
                "web it: GET https://{host}:PORT/: its certificate is not trusted: "
            )),
            "{told}"
        );
    }
    // Nothing was said to a server that did not prove to be the right one.
    assert_eq!(server.heads().len(), 1);

    let plain = HttpServer::serving("x");
    let url = format!("https://localhost:{}/", plain.port);
    scene.sources(json!({ "it": { "http": url } }));
    let ran =
        checkpoint_with(&scene, &[], &[("SSL_CERT_FILE", &authority.file("ca.pem"))]).exits(3);
    let told = failed(&ran, plain.port);
    assert!(told.contains("GET https://localhost:PORT/: "), "{told}");
}

#[test]
fn tls_that_is_cut_is_told_apart_from_an_end() {
    let Some(scene) = HostFixture::start() else {
        return;
    };
    let Some(authority) = Authority::new() else {
        return;
    };
    // No length, and no farewell: without TLS that would be an answer with a warning.
    let server = authority.server("HTTP/1.1 200 OK\r\n\r\nhello".to_owned());
    let url = format!("https://localhost:{}/", server.port);
    scene.sources(json!({ "it": { "http": url } }));
    let ran =
        checkpoint_with(&scene, &[], &[("SSL_CERT_FILE", &authority.file("ca.pem"))]).exits(3);
    assert_eq!(
        failed(&ran, server.port),
        "web it: GET https://localhost:PORT/: the response ended early, after 5 bytes"
    );
}
