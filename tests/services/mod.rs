//! Tests of services and probes against real servers on loopback: processes, ports, web servers, databases.

mod probes;
mod processes;

use std::path::Path;
use std::sync::{Arc, Mutex};

use fleet::guard::{Operation, permit};
use fleet::inventory::{Host, Inventory};
use fleet::ssh::{Connector, Options, Sent, SshConfig, WriteSession};

use crate::support::sshd::Sshd;

/// The requests that were sent, without their nonce, each with whether it may write.
pub(crate) type Requests = Arc<Mutex<Vec<(bool, String)>>>;

/// A host of an inventory, a connection that may write it, and what is sent there.
pub(crate) struct Writable {
    pub(crate) host: Host,
    pub(crate) session: WriteSession,
    sent: Requests,
}

impl Writable {
    /// The server, with what `keys` say in the inventory, such as `services: { … }`.
    pub(crate) async fn new(sshd: &Sshd, keys: &str) -> Self {
        let mut text = sshd.inventory_text("web");
        for line in keys.lines() {
            text += &format!("    {line}\n");
        }
        Self::of(&text, sshd.ssh_config()).await
    }

    /// The first host of the inventory `text`.
    pub(crate) async fn of(text: &str, config: SshConfig) -> Self {
        let inventory = Inventory::parse(text, Path::new("fleet.yaml")).expect("an inventory");
        let host = inventory.hosts[0].clone();
        let permit = permit(&inventory, &host, Operation::Restore).expect("it is writable");
        let sent = Requests::default();
        let keep = Arc::clone(&sent);
        let options = Options {
            recorder: Some(Arc::new(move |sent: &Sent<'_>| {
                if let Sent::Command(command) = sent {
                    let preamble = String::from_utf8_lossy(command.preamble);
                    let request = preamble.lines().last().unwrap_or_default().to_owned();
                    keep.lock()
                        .expect("no panic")
                        .push((command.writes, request));
                }
            })),
            ..Options::default()
        };
        let connector = Connector::new(config, options);
        let known = crate::support::evidence::gather(&inventory, &connector).await;
        let session = WriteSession::open(permit, &known.evidence, &connector, &inventory).await;
        Self {
            host,
            session: session.expect("a session"),
            sent,
        }
    }

    /// What was sent since the last time to change the host, without the version.
    pub(crate) fn changes(&self) -> Vec<String> {
        let sent = std::mem::take(&mut *self.sent.lock().expect("no panic"));
        sent.into_iter()
            .filter(|(writes, _)| *writes)
            .map(|(_, request)| request.trim_start_matches("fleet 1 ").to_owned())
            .collect()
    }
}
