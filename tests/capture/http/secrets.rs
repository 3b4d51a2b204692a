//! Tests of headers and queries that hold secrets.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

use serde_json::json;

use super::{checkpoint_with, taken};
use crate::capture::HostFixture;
use crate::support::http::{HttpServer, ok};
use crate::support::secrets::{holds, written};

#[test]
fn a_secret_that_is_not_to_be_had_is_told_before_anything_is_asked() {
    let Some(scene) = HostFixture::start() else {
        return;
    };
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

#[test]
fn secrets_reach_the_server_and_nothing_else() {
    let Some(scene) = HostFixture::start() else {
        return;
    };
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
    for (file, text) in kept.iter().flat_map(|folder| written(folder)) {
        for secret in secrets {
            assert!(!holds(&text, secret), "{secret} in {}", file.display());
        }
    }
}
