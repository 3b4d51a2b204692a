//! A server of russh with a handler of the test's, for what no account of this machine does: passwords,
//! questions, and misbehaviour.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fleet::inventory::Host;
use fleet::ssh::{Connector, Error, Options, Prompter, Question, ReadSession, Secret, SshConfig};
use russh::keys::PrivateKey;
use russh::server::{Auth, Handler};
use russh::{MethodKind, MethodSet};

use crate::support::sshd::{host, installed, inventory, keygen, public};

/// A refusal that names the methods that may be tried next.
pub(super) fn reject(methods: &[MethodKind], partial_success: bool) -> Auth {
    Auth::Reject {
        proceed_with_methods: Some(MethodSet::from(methods)),
        partial_success,
    }
}

/// Answers with one word after the other.
struct Words {
    words: Mutex<Vec<&'static str>>,
    asked: Mutex<Vec<String>>,
}

impl Prompter for Words {
    fn ask(&self, question: &Question) -> Option<Secret> {
        let lock = |list| Mutex::lock(list).unwrap_or_else(PoisonError::into_inner);
        lock(&self.asked).push(question.to_string());
        let mut words = self.words.lock().unwrap_or_else(PoisonError::into_inner);
        words.pop().map(|word| Secret::new(word.to_owned()))
    }
}

/// A running server. Ends with the test's runtime.
pub(crate) struct Server {
    /// Keys, `known_hosts` and `ssh_config`.
    pub(crate) folder: tempfile::TempDir,
    /// The server as a host of an inventory, with the account `me`.
    pub(crate) host: Host,
}

/// Starts a server with a handler a connection; none where there is no ssh-keygen.
pub(super) async fn serve<H>(handler: impl Fn() -> H + Send + 'static) -> Option<Server>
where
    H: Handler<Error = russh::Error> + Send + 'static,
{
    installed("ssh-keygen")?;
    let folder = tempfile::tempdir().expect("a folder");
    let key = folder.path().join("host");
    keygen(&key, "ed25519", "");
    keygen(&folder.path().join("me"), "ed25519", "");
    let text = std::fs::read_to_string(&key).expect("a key");
    let config = Arc::new(russh::server::Config {
        keys: vec![PrivateKey::from_openssh(&text).expect("readable")],
        auth_rejection_time: Duration::ZERO,
        auth_rejection_time_initial: Some(Duration::ZERO),
        max_auth_attempts: 1000,
        ..russh::server::Config::default()
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let config = Arc::clone(&config);
            let handler = handler();
            tokio::spawn(async move {
                if let Ok(session) = russh::server::run_stream(config, stream, handler).await {
                    drop(session.await);
                }
            });
        }
    });
    let line = public(&key.with_extension("pub"));
    std::fs::write(
        folder.path().join("known_hosts"),
        format!("[127.0.0.1]:{port} {line}\n"),
    )
    .expect("known_hosts");
    let host = Host {
        address: Some("127.0.0.1".to_owned()),
        port: Some(port),
        user: Some("me".to_owned()),
        identity: vec![folder.path().join("me")],
        ..host("web")
    };
    let server = Server { folder, host };
    server.write_ssh_config("");
    Some(server)
}

impl Server {
    /// The identity file of the account.
    pub(super) fn key(&self) -> std::path::PathBuf {
        self.folder.path().join("me")
    }

    fn write_ssh_config(&self, options: &str) -> std::path::PathBuf {
        let file = self.folder.path().join("ssh_config");
        let known = self.folder.path().join("known_hosts");
        std::fs::write(
            &file,
            format!(
                "Host *\n  UserKnownHostsFile {}\n  GlobalKnownHostsFile none\n  IdentityAgent none\n  {options}\n",
                known.display()
            ),
        )
        .expect("ssh_config");
        file
    }

    /// Connects with more `options` in ssh_config. With `words`, they are the answers to what is asked;
    /// the questions come back.
    pub(super) async fn connect(
        &self,
        options: &str,
        words: Option<&[&'static str]>,
    ) -> (Result<ReadSession, Error>, Vec<String>) {
        let file = self.write_ssh_config(options);
        let prompter = words.map(|words| {
            Arc::new(Words {
                words: Mutex::new(words.iter().rev().copied().collect()),
                asked: Mutex::default(),
            })
        });
        let connector = Connector::new(
            SshConfig { file: Some(file) },
            Options {
                prompter: prompter
                    .clone()
                    .map(|prompter| prompter as Arc<dyn Prompter>),
                ..Options::default()
            },
        );
        let done = connector
            .connect(&inventory(vec![self.host.clone()]), &self.host)
            .await;
        let asked = prompter.map_or_else(Vec::new, |prompter| {
            prompter
                .asked
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone()
        });
        (done, asked)
    }

    /// The same; the account that is logged in, or the message.
    pub(super) async fn log_in(
        &self,
        options: &str,
        words: Option<&[&'static str]>,
    ) -> (Result<String, String>, Vec<String>) {
        let (done, asked) = self.connect(options, words).await;
        let done = done
            .map(|session| session.user().to_owned())
            .map_err(|error| error.to_string());
        (done, asked)
    }
}
