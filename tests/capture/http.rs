//! What web servers answer, asked through the SSH connection.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::Scene;
use crate::support::fleet::Ran;
use crate::support::http::{Connection, HttpServer, ok};
use crate::support::sshd::{Sshd, free_port};

/// A checkpoint of one source `it`.
fn taken(scene: &Scene, source: &Value) -> Ran {
    scene.sources(json!({ "it": source }));
    scene.fleet.checkpoint(&["web"])
}

fn content(scene: &Scene, ran: &Ran, file: &str) -> String {
    let path = format!("/fleet-captures/it/{file}");
    scene.fleet.run(&["cat", &ran.id(), &path]).exits(0).stdout
}

/// What failed, with the server's port as `PORT`.
fn failed(ran: &Ran, port: u16) -> String {
    ran.failed()
        .join("\n")
        .replace(&format!(":{port}"), ":PORT")
}

/// Runs fleet with `--json checkpoint web` and more environment.
fn checkpoint_with(scene: &Scene, options: &[&str], variables: &[(&str, &Path)]) -> Ran {
    let arguments = [options, &["--json", "checkpoint", "web"]].concat();
    let mut command = scene.fleet.command(&arguments);
    let output = command
        .envs(variables.iter().copied())
        .output()
        .expect("fleet starts");
    Ran {
        exit: output.status.code(),
        stdout: String::from_utf8(output.stdout).expect("text"),
        stderr: String::from_utf8(output.stderr).expect("text"),
    }
}

#[test]
fn an_answer_is_an_entry_of_the_checkpoint() {
    let Some(scene) = Scene::start() else { return };
    let server = HttpServer::serving("{\"b\":1,\"a\":2}");
    let ran = taken(&scene, &json!({ "http": server.url("/v1/models?all") })).exits(0);
    assert_eq!(ran.state(), "complete");
    // Not a byte is changed unless it is asked for.
    assert_eq!(content(&scene, &ran, "it.txt"), "{\"b\":1,\"a\":2}");
    let part = &ran.checkpoint()["parts"][0];
    assert_eq!(
        (&part["state"], &part["files"], &part["bytes"]),
        (&json!("complete"), &json!(1), &json!(13))
    );
    let heads = server.heads();
    assert_eq!(heads.len(), 1);
    assert!(
        heads[0].starts_with(&format!(
            "GET /v1/models?all HTTP/1.1\r\nhost: 127.0.0.1:{}\r\n",
            server.port
        )),
        "{}",
        heads[0]
    );
    let named = taken(
        &scene,
        &json!({ "http": server.url("/"), "file": "models.json" }),
    )
    .exits(0);
    assert_eq!(content(&scene, &named, "models.json"), "{\"b\":1,\"a\":2}");
    scene.fleet.assert_verified();
}

#[test]
fn normalised_json_changes_only_with_its_content() {
    let Some(scene) = Scene::start() else { return };
    let answers = Arc::new(Mutex::new(vec![
        "{ \"b\": [2, 1], \"a\": 12345678901234567890.10 }",
        "{\"a\":12345678901234567890.10,\r\n\"b\":[2,1]}\n",
        "{\"a\":12345678901234567890.11,\"b\":[2,1]}",
    ]));
    let server = HttpServer::answering(move |_, stream| {
        let answer = answers.lock().expect("answers").remove(0);
        let chunked = format!(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{answer}\r\n0\r\n\r\n",
            answer.len()
        );
        stream.write_all(chunked.as_bytes()).expect("written");
    });
    let first = taken(
        &scene,
        &json!({ "http": server.url("/"), "json": "normalise" }),
    )
    .exits(0);
    let normal = "{\n  \"a\": 12345678901234567890.10,\n  \"b\": [\n    2,\n    1\n  ]\n}\n";
    assert_eq!(content(&scene, &first, "it.json"), normal);

    let second = scene.fleet.checkpoint(&["web"]).exits(0);
    assert_eq!(second.checkpoint()["fetched_bytes"], 0);
    let packs = scene.fleet.store().join("web/packs");
    assert_eq!(fs::read_dir(&packs).expect("packs").count(), 1);
    assert_eq!(content(&scene, &second, "it.json"), normal);

    let third = scene.fleet.checkpoint(&["web"]).exits(0);
    assert_eq!(
        content(&scene, &third, "it.json"),
        normal.replace(".10", ".11")
    );
    assert_eq!(fs::read_dir(&packs).expect("packs").count(), 2);
    scene.fleet.assert_verified();
}

#[test]
fn an_answer_that_is_wrong_makes_the_part_failed_and_says_why() {
    let Some(scene) = Scene::start() else { return };
    let endless = format!("HTTP/1.1 200 OK\r\nX: {}", "x".repeat(100_000));
    for (answer, settings, says) in [
        (
            String::new(),
            json!({}),
            "it closed the connection without an answer",
        ),
        (
            "hello\r\n".to_owned(),
            json!({}),
            "what it answers is not HTTP/1",
        ),
        (
            endless,
            json!({}),
            "the head of its answer is longer than 65536 bytes",
        ),
        (
            "HTTP/1.1 500 Oops\r\nContent-Length: 1\r\n\r\nx".to_owned(),
            json!({ "optional": true }),
            "it answered 500 Internal Server Error, not 200",
        ),
        (
            ok("x"),
            json!({ "status": 204 }),
            "it answered 200 OK, not 204",
        ),
        (
            "HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n".to_owned(),
            json!({}),
            "it answered 302 Found, not 200",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>"
                .to_owned(),
            json!({ "json": "normalise" }),
            "its answer (`text/html`) is no JSON: it is not JSON at line 1, column 1",
        ),
        (
            ok(""),
            json!({ "json": "normalise" }),
            "its answer is empty, and no JSON",
        ),
        (
            "HTTP/1.1 200 OK\r\n\r\n{\"a\": [1,".to_owned(),
            json!({ "json": "normalise" }),
            "its answer is no JSON: it ends too early at line 1, column 9",
        ),
        (
            ok("hello"),
            json!({ "max_bytes": 4 }),
            "its answer is longer than 4 bytes",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello".to_owned(),
            json!({}),
            "its answer was cut after 5 bytes",
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhello".to_owned(),
            json!({}),
            "its answer was cut after 5 bytes",
        ),
    ] {
        let server = HttpServer::saying(answer);
        let mut source = settings;
        source["http"] = json!(server.url("/a?b"));
        let ran = taken(&scene, &source).exits(3);
        assert_eq!(
            failed(&ran, server.port),
            format!("web it: GET http://127.0.0.1:PORT/a?…: {says}"),
            "{source}"
        );
        assert_eq!(ran.state(), "partial");
        assert!(!ran.hints()[0].is_empty(), "{source}");
    }
}

#[test]
fn an_empty_answer_is_a_failure_unless_it_may_be() {
    let Some(scene) = Scene::start() else { return };
    let server = HttpServer::serving("");
    let ran = taken(&scene, &json!({ "http": server.url("/") })).exits(3);
    assert_eq!(
        failed(&ran, server.port),
        "web it: it answered with nothing"
    );
    let ran = taken(
        &scene,
        &json!({ "http": server.url("/"), "may_shrink": true }),
    )
    .exits(0);
    assert_eq!(content(&scene, &ran, "it.txt"), "");
}

#[test]
fn an_answer_without_a_length_is_kept_with_a_warning() {
    let Some(scene) = Scene::start() else { return };
    let server = HttpServer::saying("HTTP/1.0 200 OK\r\n\r\n{\"a\":1}");
    let ran = taken(&scene, &json!({ "http": server.url("/") })).exits(0);
    assert_eq!(ran.state(), "warned");
    assert!(
        ran.stdout
            .contains("its answer has no length, so nobody can tell whether it is whole"),
        "{}",
        ran.stdout
    );
    // What parses is whole.
    let ran = taken(
        &scene,
        &json!({ "http": server.url("/"), "json": "normalise" }),
    )
    .exits(0);
    assert_eq!(ran.state(), "complete");
}

#[test]
fn a_server_that_never_ends_its_answer_is_given_up() {
    let Some(scene) = Scene::start() else { return };
    for (head, settings) in [
        ("", json!({})),
        ("HTTP/1.1 200 OK\r\nX: y\r\n", json!({})),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello",
            json!({ "json": "normalise" }),
        ),
    ] {
        let server = HttpServer::answering(move |_, stream| {
            stream.write_all(head.as_bytes()).expect("written");
            // Until the client goes.
            let mut byte = [0];
            drop(stream.read(&mut byte));
        });
        let mut source = settings;
        source["http"] = json!(server.url("/"));
        source["timeout"] = json!("1s");
        let ran = taken(&scene, &source).exits(3);
        assert_eq!(
            failed(&ran, server.port),
            "web it: GET http://127.0.0.1:PORT/: no whole answer within 1 s"
        );
    }
}

#[test]
fn a_server_that_is_not_there_is_absent_where_it_may_be() {
    let Some(scene) = Scene::start() else { return };
    let port = free_port();
    let url = format!("http://127.0.0.1:{port}/");
    let ran = taken(&scene, &json!({ "http": url })).exits(3);
    assert_eq!(
        failed(&ran, port),
        "web it: GET http://127.0.0.1:PORT/: web opens no way to 127.0.0.1:PORT: connection refused"
    );
    let ran = taken(&scene, &json!({ "http": url, "optional": true })).exits(0);
    assert_eq!(ran.checkpoint()["parts"][0]["state"], "absent");

    let url = format!("http://no-such-host.invalid:{port}/");
    let ran = taken(&scene, &json!({ "http": url, "optional": true })).exits(3);
    assert!(
        failed(&ran, port).contains("web opens no way to no-such-host.invalid:PORT: "),
        "{}",
        failed(&ran, port)
    );
}

#[test]
fn forwarding_that_is_forbidden_is_told() {
    let builder = Sshd::builder().option("AllowTcpForwarding no");
    let Some(scene) = Scene::with(builder) else {
        return;
    };
    let server = HttpServer::serving("x");
    fs::write(scene.tree.join("file"), "x").expect("a file");
    let mut sources = scene.app();
    sources["it"] = json!({ "http": server.url("/"), "optional": true });
    scene.sources(sources);
    let ran = scene.fleet.checkpoint(&["web"]).exits(3);
    assert_eq!(
        failed(&ran, server.port),
        "web it: GET http://127.0.0.1:PORT/: web opens no way to 127.0.0.1:PORT: its SSH server forbids forwarding there"
    );
    assert_eq!(server.heads(), Vec::<String>::new());
    // The rest of the host is captured all the same.
    assert_eq!(ran.checkpoint()["parts"][0]["state"], "complete");
}

#[test]
fn a_secret_that_is_not_to_be_had_is_told_before_anything_is_asked() {
    let Some(scene) = Scene::start() else { return };
    let server = HttpServer::serving("x");
    let file = scene.fleet.folder().join("key");
    fs::write(&file, "hunter2\nhunter3\n").expect("a file");
    for (value, says) in [
        (
            json!({ "env": "FLEET_TEST_NO_SUCH" }),
            "environment variable `FLEET_TEST_NO_SUCH` is not set".to_owned(),
        ),
        (
            json!({ "file": file }),
            format!("the secret in {} has several lines", file.display()),
        ),
    ] {
        let source = json!({ "http": server.url("/"), "headers": { "X-Key": value } });
        let ran = taken(&scene, &source).exits(3);
        assert_eq!(
            ran.failed(),
            [format!("web it: can't send header `X-Key`: {says}")]
        );
        assert!(!ran.stdout.contains("hunter"), "{}", ran.stdout);
    }
    assert_eq!(server.heads(), Vec::<String>::new());
}

/// Every file beneath `folder`, unpacked where it is packed.
fn texts(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut texts = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let bytes = fs::read(&path).expect("a file");
            let plain = match path.extension() {
                Some(ending) if ending == "zst" => {
                    zstd::decode_all(bytes.as_slice()).expect("zstd")
                }
                Some(_) | None => bytes,
            };
            texts.push((path, plain));
        }
    }
    texts
}

#[test]
fn secrets_reach_the_server_and_nothing_else() {
    let Some(scene) = Scene::start() else { return };
    let secrets = [
        "sk-test-env-4711",
        "sk-test-file-4712",
        "sk-test-text-4713",
        "sk-test-query-4714",
    ];
    let leaks = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&leaks);
    let server = HttpServer::answering(move |head, stream| {
        for process in fs::read_dir("/proc").expect("/proc").flatten() {
            let line = fs::read(process.path().join("cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line).into_owned();
            if secrets.iter().any(|secret| line.contains(secret)) {
                seen.lock().expect("a list").push(line);
            }
        }
        let answer = if head.starts_with("GET /bad") {
            "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n".to_owned()
        } else {
            ok("{\"fine\": true}")
        };
        stream.write_all(answer.as_bytes()).expect("written");
    });
    let file = scene.fleet.folder().join("key");
    fs::write(&file, format!("{}\n", secrets[1])).expect("a file");
    for path in ["/good", "/bad"] {
        scene.sources(json!({ "it": {
            "http": server.url(&format!("{path}?token={}", secrets[3])),
            "json": "normalise",
            "headers": {
                "Authorization": { "env": "FLEET_TEST_KEY" },
                "X-File": { "file": file },
                "X-Text": secrets[2],
            },
        }}));
        for options in [&["-v"][..], &[]] {
            let ran = checkpoint_with(
                &scene,
                options,
                &[("FLEET_TEST_KEY", Path::new(secrets[0]))],
            );
            assert_eq!(
                ran.exit,
                Some(if path == "/good" { 0 } else { 3 }),
                "{}",
                ran.stderr
            );
            let shown = scene.fleet.run(&["show", &ran.id()]);
            let log = scene.sshd.log();
            for secret in secrets {
                for said in [&ran.stdout, &ran.stderr, &shown.stdout, &shown.stderr, &log] {
                    assert!(!said.contains(secret), "{secret} in {said}");
                }
            }
        }
    }
    let head = server.heads().remove(0);
    for (line, secret) in [
        ("authorization: ", secrets[0]),
        ("x-file: ", secrets[1]),
        ("x-text: ", secrets[2]),
        ("GET /good?token=", secrets[3]),
    ] {
        assert!(head.contains(&format!("{line}{secret}")), "{head}");
    }
    assert_eq!(*leaks.lock().expect("a list"), Vec::<String>::new());
    let kept = [
        scene.fleet.store().to_owned(),
        scene.fleet.folder().join("state"),
    ];
    for (file, text) in kept.iter().flat_map(|folder| texts(folder)) {
        for secret in secrets {
            let found = text
                .windows(secret.len())
                .any(|part| part == secret.as_bytes());
            assert!(!found, "{secret} in {}", file.display());
        }
    }
}

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
    let Some(scene) = Scene::start() else { return };
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
    let Some(scene) = Scene::start() else { return };
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
        "web it: GET https://localhost:PORT/: its answer was cut after 5 bytes"
    );
}
