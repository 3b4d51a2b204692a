//! What the operator types: passwords and a server's own questions, and two methods in a row.
//!
//! The accounts of this machine are none of a test's business, so the server is russh's, which lets
//! in who knows the word; everything else about it is real.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fleet::inventory::Host;
use fleet::ssh::{Connector, Error, Options, Prompter, Question, Secret, SshConfig};
use russh::keys::PrivateKey;
use russh::server::{Auth, Handler, Response, VerifiedPublicKey};
use russh::{MethodKind, MethodSet};

use crate::support::sshd::{host, installed, inventory, keygen, public};

/// What a server asks for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wants {
    Password,
    Questions,
    KeyThenPassword,
}

struct Typed(Wants);

fn reject(methods: &[MethodKind], partial_success: bool) -> Auth {
    Auth::Reject {
        proceed_with_methods: Some(MethodSet::from(methods)),
        partial_success,
    }
}

impl Handler for Typed {
    type Error = russh::Error;

    async fn auth_none(&mut self, _: &str) -> Result<Auth, Self::Error> {
        Ok(match self.0 {
            Wants::Password => reject(&[MethodKind::Password], false),
            Wants::Questions => reject(&[MethodKind::KeyboardInteractive], false),
            Wants::KeyThenPassword => reject(&[MethodKind::PublicKey], false),
        })
    }

    async fn auth_publickey(
        &mut self,
        _: &str,
        _: VerifiedPublicKey<'_>,
    ) -> Result<Auth, Self::Error> {
        Ok(reject(&[MethodKind::Password], true))
    }

    async fn auth_password(&mut self, user: &str, word: &str) -> Result<Auth, Self::Error> {
        Ok(if (user, word) == ("me", "tiger") {
            Auth::Accept
        } else {
            reject(&[MethodKind::Password], false)
        })
    }

    async fn auth_keyboard_interactive<'a>(
        &'a mut self,
        _: &str,
        _: &str,
        response: Option<Response<'a>>,
    ) -> Result<Auth, Self::Error> {
        let Some(mut answers) = response else {
            return Ok(Auth::Partial {
                name: Cow::Borrowed(""),
                instructions: Cow::Borrowed(""),
                prompts: vec![(Cow::Borrowed("one-time code: "), true)].into(),
            });
        };
        Ok(
            if answers.next().is_some_and(|word| &word[..] == b"tiger") {
                Auth::Accept
            } else {
                reject(&[MethodKind::KeyboardInteractive], false)
            },
        )
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

pub(crate) struct Server {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) host: Host,
}

pub(crate) async fn serve(wants: Wants) -> Option<Server> {
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
        ..russh::server::Config::default()
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let config = Arc::clone(&config);
            tokio::spawn(async move {
                if let Ok(session) = russh::server::run_stream(config, stream, Typed(wants)).await {
                    drop(session.await);
                }
            });
        }
    });
    let known = folder.path().join("known_hosts");
    let line = public(&key.with_extension("pub"));
    std::fs::write(&known, format!("[127.0.0.1]:{port} {line}\n")).expect("known_hosts");
    std::fs::write(
        folder.path().join("ssh_config"),
        format!(
            "Host *\n  UserKnownHostsFile {}\n  GlobalKnownHostsFile none\n  IdentityAgent none\n",
            known.display()
        ),
    )
    .expect("ssh_config");
    let host = Host {
        address: Some("127.0.0.1".to_owned()),
        port: Some(port),
        user: Some("me".to_owned()),
        identity: vec![folder.path().join("me")],
        ..host("web")
    };
    Some(Server { folder, host })
}

impl Server {
    async fn log_in(
        &self,
        words: Option<&[&'static str]>,
    ) -> (Result<String, String>, Vec<String>) {
        let prompter = words.map(|words| {
            Arc::new(Words {
                words: Mutex::new(words.iter().rev().copied().collect()),
                asked: Mutex::default(),
            })
        });
        let connector = Connector::new(
            SshConfig {
                file: Some(self.folder.path().join("ssh_config")),
            },
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
        (
            done.map(|session| session.user().to_owned())
                .map_err(|error: Error| error.to_string()),
            asked,
        )
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_is_asked_for_where_somebody_can_be_asked() {
    let Some(server) = serve(Wants::Password).await else {
        return;
    };
    let question = "password of me on web".to_owned();
    assert_eq!(
        server.log_in(None).await,
        (
            Err("web does not let me in: password (nobody is there to ask)".to_owned()),
            Vec::new()
        )
    );
    assert_eq!(
        server.log_in(Some(&["lion", "tiger"])).await,
        (Ok("me".to_owned()), vec![question.clone(); 2])
    );
    assert_eq!(
        server.log_in(Some(&["lion"])).await,
        (
            Err("web does not let me in: password (the server refused it), password (none was given)".to_owned()),
            vec![question; 2]
        )
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_may_ask_its_own_questions() {
    let Some(server) = serve(Wants::Questions).await else {
        return;
    };
    let question = "web asks: one-time code:".to_owned();
    assert_eq!(
        server.log_in(Some(&["lion", "tiger"])).await,
        (Ok("me".to_owned()), vec![question; 2])
    );
    assert_eq!(
        server.log_in(None).await.0,
        Err("web does not let me in: keyboard-interactive (nobody is there to ask)".to_owned())
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_may_want_a_key_and_a_password() {
    let Some(server) = serve(Wants::KeyThenPassword).await else {
        return;
    };
    assert_eq!(
        server.log_in(Some(&["tiger"])).await,
        (
            Ok("me".to_owned()),
            vec!["password of me on web".to_owned()]
        )
    );
}
