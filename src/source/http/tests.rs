//! Tests of the exchange with web servers, correct and faulty ones, over a pipe in memory.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

use super::*;
use crate::fault::Fault as _;
use crate::inventory::{HttpSource, Secret};
use crate::source::secret::reveal;

fn get(url: &str) -> HttpGet {
    HttpGet::of(&HttpSource {
        url: url.parse().expect("a URL"),
        headers: Vec::new(),
        status: 200,
        normalise_json: false,
        timeout: Duration::from_secs(1),
        max_bytes: 1,
        file: None,
    })
}

fn header(name: &str, value: &str) -> (String, Revealed) {
    let value = reveal(&Secret::Text(value.to_owned())).expect("text");
    (name.to_owned(), value)
}

/// The head of a request as the server reads it.
async fn head(server: &mut DuplexStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(server.read_u8().await.expect("a head"));
    }
    String::from_utf8(head).expect("text")
}

/// What a server was asked, whose answer is `answer` before it closes; and the body, or why not.
async fn asked(
    get: &HttpGet,
    headers: &[(String, Revealed)],
    answer: &[u8],
    max_bytes: u64,
) -> (String, Result<Vec<u8>, Error>) {
    let (client, mut server) = duplex(256 << 10);
    let serving = async {
        let head = head(&mut server).await;
        // A client that has heard enough goes.
        drop(server.write_all(answer).await);
        drop(server);
        head
    };
    let asking = async {
        let mut answer = ask(client, get, headers).await?;
        answer.check(200)?;
        let mut body = Vec::new();
        while let Some(piece) = answer.next(max_bytes).await? {
            body.extend_from_slice(&piece);
        }
        Ok(body)
    };
    tokio::join!(serving, asking)
}

async fn body(answer: &[u8]) -> Result<String, String> {
    let (_, body) = asked(&get("http://h/"), &[], answer, 1000).await;
    body.map(|body| String::from_utf8(body).expect("text"))
        .map_err(|error| error.to_string())
}

#[tokio::test]
async fn a_request_is_a_get_with_what_was_asked_for_and_no_body() {
    let headers = [header("X-Key", "hunter2"), header("x-key", "ü")];
    let get = get("http://[::1]:4000/v1/models?all=1#top");
    let (head, body) = asked(
        &get,
        &headers,
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
        2,
    )
    .await;
    assert_eq!(
        head,
        format!(
            "GET /v1/models?all=1 HTTP/1.1\r\nx-key: hunter2\r\nx-key: ü\r\nhost: [::1]:4000\r\n\
             user-agent: fleet/{}\r\naccept: */*\r\nconnection: close\r\n\r\n",
            env!("CARGO_PKG_VERSION")
        )
    );
    assert_eq!(body.expect("an answer"), b"ok");
}

#[tokio::test]
async fn what_the_inventory_says_beats_what_fleet_would_say() {
    let headers = [
        header("Host", "gw.example.org"),
        header("accept", "text/plain"),
        header("User-Agent", "ops"),
    ];
    let (head, _) = asked(&get("http://h/"), &headers, b"", 1).await;
    assert_eq!(
        head,
        "GET / HTTP/1.1\r\nhost: gw.example.org\r\naccept: text/plain\r\nuser-agent: ops\r\n\
         connection: close\r\n\r\n"
    );
}

#[tokio::test]
async fn an_answer_comes_whole_however_it_is_framed() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello and what nobody asked for",
        "HTTP/1.1 200 Whatever\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\nT: x\r\n\r\n",
        "HTTP/1.0 200 OK\r\n\r\nhello",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Encoding: identity\r\n\r\nhello",
    ] {
        assert_eq!(
            body(answer.as_bytes()).await.as_deref(),
            Ok("hello"),
            "{answer}"
        );
    }
    assert_eq!(
        body(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            .await
            .as_deref(),
        Ok("")
    );
}

#[tokio::test]
async fn whether_the_end_proves_anything_is_told() {
    for (fields, is_framed) in [
        ("Content-Length: 2\r\n", true),
        ("Transfer-Encoding: chunked\r\n", true),
        ("", false),
    ] {
        let (client, mut server) = duplex(1000);
        let text = format!("HTTP/1.1 200 OK\r\n{fields}\r\nok");
        let serving = async {
            head(&mut server).await;
            server.write_all(text.as_bytes()).await.expect("written");
        };
        let get = get("http://h/");
        let (answer, ()) = tokio::join!(ask(client, &get, &[]), serving);
        let answer = answer.expect("a head");
        assert_eq!(answer.is_framed(), is_framed, "{fields}");
    }
}

#[tokio::test]
async fn an_answer_that_is_none_is_told() {
    let flood = format!("HTTP/1.1 200 OK\r\nX: {}", "x".repeat(HEAD_MAX_BYTES));
    let fields = format!("HTTP/1.1 200 OK\r\n{}", "a:b\r\n".repeat(FIELDS_MAX + 1));
    for (answer, told) in [
        ("", "the server closed the connection without a response"),
        (
            "HTTP/1.1 200 OK\r\nConte",
            "the server closed the connection in the middle of the response headers",
        ),
        ("SSH-2.0-OpenSSH_9.2\r\n", "the response is not HTTP/1"),
        ("\x15\x03\x01\0\x02\x02\x16", "the response is not HTTP/1"),
        ("HTTP/2 200 OK\r\n\r\n", "the response is not HTTP/1"),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\n",
            "the response is not HTTP/1",
        ),
        (&flood, "the response headers are longer than 65536 bytes"),
        (&fields, "the response is not HTTP/1"),
    ] {
        assert_eq!(
            body(answer.as_bytes()).await,
            Err(told.to_owned()),
            "{answer:.60}"
        );
    }
}

#[tokio::test]
async fn a_server_that_speaks_first_is_no_web_server() {
    let (client, mut server) = duplex(1000);
    server
        .write_all(b"220 mail.example.org ESMTP\r\n")
        .await
        .expect("written");
    let error = ask(client, &get("http://h/"), &[])
        .await
        .expect_err("no answer");
    assert_eq!(error.to_string(), "the response is not HTTP/1");
}

#[tokio::test]
async fn an_answer_that_is_cut_is_never_taken_for_whole() {
    for (answer, told) in [
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello",
            "the response ended early, after 5 bytes",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n",
            "the response ended early, after 0 bytes",
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
            "the response ended early, after 5 bytes",
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n5\r\nwo",
            "the response ended early, after 7 bytes",
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
            "the response ended early, after 5 bytes",
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nno number\r\n",
            "the response is malformed after 5 bytes",
        ),
    ] {
        assert_eq!(
            body(answer.as_bytes()).await,
            Err(told.to_owned()),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn a_status_that_is_not_wanted_is_told_with_what_helps() {
    for (answer, told, hint) in [
        (
            "HTTP/1.1 500 Oops\r\n\r\n",
            "the server returned 500 Internal Server Error, expected 200",
            "Check the service and its log; set `status` if another code is expected.",
        ),
        (
            "HTTP/1.1 599 Oops\r\n\r\n",
            "the server returned 599, expected 200",
            "Check the service and its log; set `status` if another code is expected.",
        ),
        (
            "HTTP/1.1 401 No\r\n\r\n",
            "the server returned 401 Unauthorized, expected 200",
            "Check `headers` of the source, and the secrets it uses.",
        ),
        (
            "HTTP/1.1 302 Found\r\nLocation: http://h/new?token=hunter2\r\n\r\n",
            "the server returned 302 Found, expected 200",
            "Redirects are not followed. This one leads to `http://h/new`: use that URL, or set the expected code with `status`.",
        ),
        (
            "HTTP/1.1 302 Found\r\nLocation: http://u:hunter2@h/\r\n\r\n",
            "the server returned 302 Found, expected 200",
            "Check the service and its log; set `status` if another code is expected.",
        ),
    ] {
        let (_, body) = asked(&get("http://h/"), &[], answer.as_bytes(), 9).await;
        let error = body.expect_err("another status");
        assert_eq!(error.to_string(), told);
        assert_eq!(error.hint().as_deref(), Some(hint), "{answer}");
    }
}

#[tokio::test]
async fn compression_that_nobody_asked_for_is_refused() {
    assert_eq!(
        body(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx").await,
        Err("the response is encoded as `gzip`, which was not requested".to_owned())
    );
}

#[tokio::test]
async fn more_than_is_wanted_ends_it() {
    let told = Err("the response is longer than 4 bytes".to_owned());
    for answer in [
        // A length is believed before anything has come.
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n",
    ] {
        let (_, body) = asked(&get("http://h/"), &[], answer.as_bytes(), 4).await;
        assert_eq!(body.map_err(|error| error.to_string()), told, "{answer}");
        let (_, body) = asked(&get("http://h/"), &[], answer.as_bytes(), 5).await;
        let told = body.map_err(|error| error.to_string());
        assert_ne!(
            told,
            Err("the response is longer than 4 bytes".to_owned()),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn a_header_that_no_server_would_take_is_not_sent() {
    let (client, _server) = duplex(1000);
    let error = ask(client, &get("http://h/"), &[header("a b", "hunter2")])
        .await
        .expect_err("no header");
    assert_eq!(
        error.to_string(),
        "header `a b` can't be sent: its value has characters that are not allowed in a header"
    );
}

#[tokio::test]
async fn a_server_without_tls_is_told() {
    let (client, mut server) = duplex(1000);
    server
        .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        .await
        .expect("written");
    let error = ask(client, &get("https://h/"), &[])
        .await
        .expect_err("no TLS");
    let hint = match &error {
        Error::NoAuthorities => return,
        other => other.hint(),
    };
    assert!(
        error.to_string().starts_with("TLS handshake failed: "),
        "{error}"
    );
    assert_eq!(
        hint.as_deref(),
        Some(
            "Check that the service uses TLS on this port; for one without TLS, begin the URL with `http://`."
        )
    );
}
