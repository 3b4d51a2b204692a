//! The record of what is sent to a host.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use fleet::ssh::{Connector, Error, Input, Options, Sent, SentCommand};

use super::forward::get;
use super::{fetch_plain, list, probe, scan};
use crate::support::sshd::{Sshd, inventory};

/// Whether it may write, its verb, its command line without the nonce, its request, and its data.
type Kept = (bool, &'static str, String, String, Vec<u8>);

fn kept(sent: &SentCommand<'_>) -> Kept {
    let preamble = String::from_utf8(sent.preamble.to_vec()).expect("text");
    let nonce = preamble.lines().next().expect("a nonce");
    let request = preamble.lines().last().expect("a request");
    let line = String::from_utf8(sent.line.to_vec()).expect("text");
    (
        sent.writes,
        sent.verb,
        line.replace(nonce, "NONCE"),
        request.to_owned(),
        sent.input.as_bytes().expect("no stream").to_vec(),
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_command_that_is_sent_is_recorded() -> Result<(), Error> {
    let Some(sshd) = Sshd::builder().start() else {
        return Ok(());
    };
    let file = sshd.folder().join("it's secret");
    std::fs::write(&file, "content").expect("a file");
    let sent = Arc::new(Mutex::new(Vec::new()));
    let keep = Arc::clone(&sent);
    let options = Options {
        recorder: Some(Arc::new(move |sent: &Sent<'_>| {
            let Sent::Command(command) = sent else {
                unreachable!("nothing was requested");
            };
            assert_eq!(command.host, "web");
            keep.lock().expect("no panic").push(kept(command));
        })),
        ..Options::default()
    };
    let host = sshd.host("web");
    let session = Connector::new(sshd.ssh_config(), options)
        .connect(&inventory(vec![host.clone()]), &host)
        .await?;
    for (command, input) in [
        (probe(), Input::none()),
        (scan(&file), Input::none()),
        (fetch_plain(), list(&[&file], 0)),
    ] {
        let output = session.output(&command, false, input, 1 << 20).await?;
        assert_eq!(output.status, 0);
    }
    let sent = std::mem::take(&mut *sent.lock().expect("no panic"));
    let verbs: Vec<_> = sent
        .iter()
        .map(|(writes, verb, ..)| (*writes, *verb))
        .collect();
    assert_eq!(verbs, [(false, "probe"), (false, "scan"), (false, "fetch")]);
    // The command line is the same for all of them, and holds nothing of what is asked.
    let lines: Vec<&String> = sent.iter().map(|(_, _, line, ..)| line).collect();
    assert!(
        lines
            .iter()
            .all(|line| *line == lines[0] && !line.contains("secret"))
    );
    let (_, _, _, request, data) = &sent[2];
    assert!(request.starts_with("fleet 1 fetch bytes="), "{request}");
    let expected = [&file.to_str().expect("text").as_bytes()[1..], b"\0"].concat();
    assert_eq!(*data, expected);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_request_is_recorded_though_nobody_answers_it() -> Result<(), Error> {
    let Some(sshd) = Sshd::builder().start() else {
        return Ok(());
    };
    let sent = Arc::new(Mutex::new(Vec::new()));
    let keep = Arc::clone(&sent);
    let options = Options {
        recorder: Some(Arc::new(move |sent: &Sent<'_>| {
            let text = match sent {
                Sent::Command(command) => command.verb.to_owned(),
                Sent::Request { host, request } => format!("{host}: {request}"),
                Sent::Connect { host, request } => format!("{host}: {request}"),
            };
            keep.lock().expect("no panic").push(text);
        })),
        ..Options::default()
    };
    let host = sshd.host("web");
    let session = Connector::new(sshd.ssh_config(), options)
        .connect(&inventory(vec![host.clone()]), &host)
        .await?;
    // Port 1 of the loopback interface has no server.
    let request = get("127.0.0.1", 1);
    let refused = session
        .open_forward(&request, Duration::from_secs(10))
        .await;
    assert!(matches!(refused, Err(Error::Reach { .. })));
    assert_eq!(
        *sent.lock().expect("no panic"),
        ["web: GET http://127.0.0.1:1/"]
    );
    Ok(())
}
