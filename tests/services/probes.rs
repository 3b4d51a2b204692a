//! Probes against real servers: they hold, do not, hold later, or never answer.

use std::fs;
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use fleet::fault::{Code, Fault as _};
use fleet::health::probe::{ProbeOutcome, run_all};
use fleet::ssh::Error;

use super::Writable;
use crate::support::http::{HttpServer, ok};
use crate::support::sshd::{Process, Sshd, free_port};

/// What became of these probes, each `NAME: { … }`: `ok` or `failed`, and what was found.
async fn outcomes(sshd: &Sshd, probes: &[String]) -> Vec<String> {
    let lines: String = probes.iter().map(|probe| format!("\n  {probe}")).collect();
    let web = Writable::new(sshd, &format!("probes:{lines}")).await;
    let outcomes = run_all(web.session.reader(), &web.host.probes).await;
    assert_eq!(web.changes(), Vec::<String>::new());
    outcomes.expect("connected").iter().map(told).collect()
}

fn told(outcome: &ProbeOutcome) -> String {
    let word = if outcome.ok { "ok" } else { "failed" };
    format!("{} {word}: {}", outcome.name, outcome.says)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_web_server_is_judged_by_status_and_values() {
    let Some(sshd) = Sshd::builder().start() else {
        return;
    };
    let json = "{\"data\":[{\"id\":\"whisper\"}],\"count\":16.0,\"ready\":true,\"error\":null}";
    let server = HttpServer::serving(json);
    let busy = HttpServer::saying("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n");
    let text = HttpServer::serving("hello");
    let cut = HttpServer::saying(ok(json).replace("whisper", "w"));
    let closed = free_port();
    let probe = |name: &str, url: &str, more: &str| {
        format!("{name}: {{ http: \"{url}\", within: 1s{more} }}")
    };
    let url = server.url("/v1/models?key=hunter2");
    let found = outcomes(
        &sshd,
        &[
            probe("plain", &url, ""),
            probe(
                "values",
                &url,
                ", json: { data.0.id: whisper, count: 16, ready: true, error: null }",
            ),
            probe("other", &url, ", json: { data.0.id: \"large\" }"),
            probe("gone", &url, ", json: { data.1.id: whisper }"),
            probe("type", &url, ", json: { ready: \"true\" }"),
            probe("status", &url, ", status: 204"),
            probe("busy", &busy.url("/"), ""),
            probe("wanted", &busy.url("/"), ", status: 503"),
            probe("text", &text.url("/"), ", json: { a: 1 }"),
            probe("cut", &cut.url("/"), ", json: { data.0.id: whisper }"),
            probe("closed", &format!("http://127.0.0.1:{closed}/"), ""),
        ],
    )
    .await;
    let (last, found) = found.split_last().expect("some");
    assert_eq!(
        found[..9],
        [
            "plain ok: status 200",
            "values ok: status 200, `data.0.id` is `whisper`, `count` is 16, `ready` is true, `error` is null",
            "other failed: `data.0.id` is \"whisper\", not `large`",
            "gone failed: the answer has no `data.1.id`",
            "type failed: `ready` is true, not `true`",
            found[5].as_str(),
            found[6].as_str(),
            "wanted ok: status 503",
            "text failed: the answer is not JSON",
        ]
    );
    assert!(
        found[5].starts_with("status failed: ") && found[5].contains("200"),
        "{}",
        found[5]
    );
    assert!(
        found[6].starts_with("busy failed: ") && found[6].contains("503"),
        "{}",
        found[6]
    );
    assert!(found[9].starts_with("cut failed: "), "{}", found[9]);
    assert!(
        last.starts_with("closed failed: ") && last.contains("refused"),
        "{last}"
    );
    assert!(found.iter().all(|line| !line.contains("hunter2")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_takes_connections_or_does_not() {
    let Some(sshd) = Sshd::builder().start() else {
        return;
    };
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let open = listener.local_addr().expect("an address").port();
    let closed = free_port();
    let found = outcomes(
        &sshd,
        &[
            format!("open: {{ tcp: {open}, within: 1s }}"),
            format!("closed: {{ tcp: {closed}, within: 1s }}"),
        ],
    )
    .await;
    assert_eq!(found[0], format!("open ok: port {open} takes connections"));
    assert!(found[1].starts_with("closed failed: "), "{}", found[1]);
    assert!(found[1].contains("refused"), "{}", found[1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_holds_later_holds() {
    let Some(sshd) = Sshd::builder().start() else {
        return;
    };
    let asked = AtomicU32::new(0);
    let server = HttpServer::answering(move |_, stream| {
        let ready = asked.fetch_add(1, Ordering::SeqCst) >= 3;
        let answer = ok(if ready {
            "{\"ready\":1}"
        } else {
            "{\"ready\":0}"
        });
        drop(stream.write_all(answer.as_bytes()));
    });
    let probe = format!(
        "later: {{ http: \"{}\", json: {{ ready: 1 }}, within: 20s }}",
        server.url("/")
    );
    assert_eq!(
        outcomes(&sshd, &[probe]).await,
        ["later ok: status 200, `ready` is 1"]
    );
    assert_eq!(server.heads().len(), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_never_answers_is_given_up() {
    let Some(sshd) = Sshd::builder().start() else {
        return;
    };
    let (done, is_done) = std::sync::mpsc::channel::<()>();
    let is_done = std::sync::Mutex::new(is_done);
    let server = HttpServer::answering(move |_, _| {
        is_done.lock().expect("a test that ended").recv().ok();
    });
    let begun = Instant::now();
    let probe = format!("hangs: {{ http: \"{}\", within: 1s }}", server.url("/"));
    assert_eq!(
        outcomes(&sshd, &[probe]).await,
        ["hangs failed: no answer within 1 s"]
    );
    assert!(begun.elapsed() < Duration::from_secs(20));
    drop(done);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_is_found_by_its_arguments() {
    let Some(sshd) = Sshd::builder().start() else {
        return;
    };
    let folder = fs::canonicalize(sshd.folder()).expect("a folder");
    let child = Command::new("sleep")
        .arg("86399")
        .current_dir(&folder)
        .stdin(Stdio::null())
        .spawn();
    let child = Process(child.expect("a process"));
    let cwd = folder.display();
    let found = outcomes(
        &sshd,
        &[
            format!("there: {{ process: [sleep, 86399], cwd: \"{cwd}\", within: 3s }}"),
            "elsewhere: { process: [sleep, 86399], cwd: /, within: 3s }".to_owned(),
            format!("other: {{ process: [sleep, 86399, x], cwd: \"{cwd}\", within: 3s }}"),
        ],
    )
    .await;
    assert_eq!(
        found,
        [
            format!("there ok: process {}", child.0.id()),
            "elsewhere failed: no process".to_owned(),
            "other failed: no process".to_owned(),
        ]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_ends_is_no_outcome() {
    let Some(sshd) = Sshd::builder().start() else {
        return;
    };
    let closed = free_port();
    let web = Writable::new(
        &sshd,
        &format!("probes: {{ p: {{ tcp: {closed}, within: 1m }} }}"),
    )
    .await;
    let pids: Vec<u32> = sshd.descendants().iter().map(|(pid, _)| *pid).collect();
    let running = run_all(web.session.reader(), &web.host.probes);
    let ends = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        for pid in pids {
            let killed = Command::new("kill")
                .args(["-KILL", &pid.to_string()])
                .status();
            assert!(killed.expect("kill").success());
        }
    };
    let (outcome, ()) = tokio::join!(running, ends);
    assert!(matches!(outcome, Err(Error::Lost { .. })), "{outcome:?}");
}

#[test]
fn a_failed_probe_is_an_error_where_it_has_to_hold() {
    let outcome = ProbeOutcome {
        name: "models".parse().expect("a name"),
        ok: false,
        says: "status 503".to_owned(),
    };
    let host = "dev-vm".parse().expect("a name");
    let error = outcome.clone().required_of(&host).expect_err("it fails");
    assert_eq!(
        error.to_string(),
        "probe `models` failed on dev-vm: status 503"
    );
    assert_eq!(error.code(), Code::ProbeFailed);
    assert_eq!(
        ProbeOutcome {
            ok: true,
            ..outcome
        }
        .required_of(&host),
        Ok(())
    );
}
