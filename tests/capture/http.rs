//! Tests of `http` sources: answers of web servers through the SSH connection.

mod secrets;
mod tls;

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::HostFixture;
use crate::support::fleet::FleetOutput;
use crate::support::http::{HttpServer, ok};
use crate::support::sshd::{Sshd, free_port};

/// A checkpoint of one source `it`.
fn taken(scene: &HostFixture, source: &Value) -> FleetOutput {
    scene.sources(json!({ "it": source }));
    scene.fleet.checkpoint(&["web"])
}

fn content(scene: &HostFixture, ran: &FleetOutput, file: &str) -> String {
    let path = format!("/fleet-captures/it/{file}");
    scene.fleet.run(&["cat", &ran.id(), &path]).exits(0).stdout
}

/// What failed, with the server's port as `PORT`.
fn failed(ran: &FleetOutput, port: u16) -> String {
    ran.failed()
        .join("\n")
        .replace(&format!(":{port}"), ":PORT")
}

/// Runs fleet with `--json checkpoint web` and more environment.
fn checkpoint_with(
    scene: &HostFixture,
    options: &[&str],
    variables: &[(&str, &Path)],
) -> FleetOutput {
    let arguments = [options, &["--json", "checkpoint", "web"]].concat();
    let mut command = scene.fleet.command(&arguments);
    FleetOutput::of(command.envs(variables.iter().copied()))
}

#[test]
fn an_answer_is_an_entry_of_the_checkpoint() {
    let Some(scene) = HostFixture::start() else {
        return;
    };
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
    let Some(scene) = HostFixture::start() else {
        return;
    };
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
    let Some(scene) = HostFixture::start() else {
        return;
    };
    let endless = format!("HTTP/1.1 200 OK\r\nX: {}", "x".repeat(100_000));
    for (answer, settings, says) in [
        (
            String::new(),
            json!({}),
            "the server closed the connection without a response",
        ),
        (
            "hello\r\n".to_owned(),
            json!({}),
            "the response is not HTTP/1",
        ),
        (
            endless,
            json!({}),
            "the response headers are longer than 65536 bytes",
        ),
        (
            "HTTP/1.1 500 Oops\r\nContent-Length: 1\r\n\r\nx".to_owned(),
            json!({ "optional": true }),
            "the server returned 500 Internal Server Error, expected 200",
        ),
        (
            ok("x"),
            json!({ "status": 204 }),
            "the server returned 200 OK, expected 204",
        ),
        (
            "HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n".to_owned(),
            json!({}),
            "the server returned 302 Found, expected 200",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>"
                .to_owned(),
            json!({ "json": "normalise" }),
            "the response (`text/html`) is not JSON: it is not JSON at line 1, column 1",
        ),
        (
            ok(""),
            json!({ "json": "normalise" }),
            "the response is empty, not JSON",
        ),
        (
            "HTTP/1.1 200 OK\r\n\r\n{\"a\": [1,".to_owned(),
            json!({ "json": "normalise" }),
            "the response is not JSON: it ends too early at line 1, column 9",
        ),
        (
            ok("hello"),
            json!({ "max_bytes": 4 }),
            "the response is longer than 4 bytes",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello".to_owned(),
            json!({}),
            "the response ended early, after 5 bytes",
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhello".to_owned(),
            json!({}),
            "the response ended early, after 5 bytes",
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
    let Some(scene) = HostFixture::start() else {
        return;
    };
    let server = HttpServer::serving("");
    let ran = taken(&scene, &json!({ "http": server.url("/") })).exits(3);
    assert_eq!(failed(&ran, server.port), "web it: the result is empty");
    let ran = taken(
        &scene,
        &json!({ "http": server.url("/"), "may_shrink": true }),
    )
    .exits(0);
    assert_eq!(content(&scene, &ran, "it.txt"), "");
}

#[test]
fn an_answer_without_a_length_is_kept_with_a_warning() {
    let Some(scene) = HostFixture::start() else {
        return;
    };
    let server = HttpServer::saying("HTTP/1.0 200 OK\r\n\r\n{\"a\":1}");
    let ran = taken(&scene, &json!({ "http": server.url("/") })).exits(0);
    assert_eq!(ran.state(), "warned");
    assert!(
        ran.stdout
            .contains("the response has no length, so fleet can't tell whether it is complete"),
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
    let Some(scene) = HostFixture::start() else {
        return;
    };
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
            "web it: GET http://127.0.0.1:PORT/: no complete response within 1 s"
        );
    }
}

#[test]
fn a_server_that_is_not_there_is_absent_where_it_may_be() {
    let Some(scene) = HostFixture::start() else {
        return;
    };
    let port = free_port();
    let url = format!("http://127.0.0.1:{port}/");
    let ran = taken(&scene, &json!({ "http": url })).exits(3);
    assert_eq!(
        failed(&ran, port),
        "web it: GET http://127.0.0.1:PORT/: web refused to forward to 127.0.0.1:PORT: connection refused"
    );
    let ran = taken(&scene, &json!({ "http": url, "optional": true })).exits(0);
    assert_eq!(ran.checkpoint()["parts"][0]["state"], "absent");

    let url = format!("http://no-such-host.invalid:{port}/");
    let ran = taken(&scene, &json!({ "http": url, "optional": true })).exits(3);
    assert!(
        failed(&ran, port).contains("web refused to forward to no-such-host.invalid:PORT: "),
        "{}",
        failed(&ran, port)
    );
}

#[test]
fn forwarding_that_is_forbidden_is_told() {
    let builder = Sshd::builder().option("AllowTcpForwarding no");
    let Some(scene) = HostFixture::with(builder) else {
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
        "web it: GET http://127.0.0.1:PORT/: web refused to forward to 127.0.0.1:PORT: its SSH server forbids forwarding there"
    );
    assert_eq!(server.heads(), Vec::<String>::new());
    // The rest of the host is captured all the same.
    assert_eq!(ran.checkpoint()["parts"][0]["state"], "complete");
}
