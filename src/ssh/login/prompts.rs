//! Questions to the operator, each asked once a run, one at a time; and keys that were read once.

use std::collections::HashMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use russh::keys::PrivateKey;
use tokio::sync::Mutex;

use crate::blocking::blocking;
use crate::ssh::options::{Prompter, Question, Secret};

/// Wrong answers before a question is given up.
pub(in crate::ssh) const TRIES_MAX: u32 = 3;

/// What was answered and read in this run. Shared by all connections, behind asynchronous locks:
/// the fifty connections that need one passphrase wait for one answer.
pub(in crate::ssh) struct Prompts {
    prompter: Option<Arc<dyn Prompter>>,
    terminal: Mutex<()>,
    keys: Mutex<HashMap<PathBuf, Place<KeyOutcome>>>,
    sudo: Mutex<HashMap<(String, String), Place<Secret>>>,
}

/// A place for one answer; whoever fills it holds it meanwhile.
type Place<T> = Arc<Mutex<Option<T>>>;

/// A key, or why there is none.
pub(in crate::ssh) type KeyOutcome = Result<Arc<PrivateKey>, String>;

impl Prompts {
    pub(in crate::ssh) fn new(prompter: Option<Arc<dyn Prompter>>) -> Self {
        Self {
            prompter,
            terminal: Mutex::new(()),
            keys: Mutex::new(HashMap::new()),
            sudo: Mutex::new(HashMap::new()),
        }
    }

    /// There is somebody to ask.
    pub(in crate::ssh) fn can_ask(&self) -> bool {
        self.prompter.is_some()
    }

    /// Asks; none: nobody is there, or the operator declined.
    pub(in crate::ssh) async fn ask(&self, question: Question) -> Option<Secret> {
        let prompter = Arc::clone(self.prompter.as_ref()?);
        let turn = self.terminal.lock().await;
        let answer = blocking(move || prompter.ask(&question)).await;
        drop(turn);
        answer
    }

    /// The place for the sudo password of one account on one host, so that it is asked for once.
    pub(in crate::ssh) async fn sudo(&self, host: &str, user: &str) -> Place<Secret> {
        let key = (host.to_owned(), user.to_owned());
        Arc::clone(self.sudo.lock().await.entry(key).or_default())
    }

    /// The key in `file`, asked for its passphrase at most once a run.
    pub(in crate::ssh) async fn key(&self, file: &Path) -> KeyOutcome {
        let slot = Arc::clone(self.keys.lock().await.entry(file.to_owned()).or_default());
        let mut slot = slot.lock().await;
        if let Some(outcome) = slot.as_ref() {
            return outcome.clone();
        }
        let outcome = self.read(file).await.map(Arc::new);
        *slot = Some(outcome.clone());
        outcome
    }

    async fn read(&self, file: &Path) -> Result<PrivateKey, String> {
        if let Ok(facts) = tokio::fs::metadata(file).await {
            check_mode(&facts, file)?;
        }
        let text = tokio::fs::read_to_string(file)
            .await
            .map_err(|error| match error.kind() {
                std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
                _ => error.to_string(),
            })?;
        // First without a passphrase: one that is given to an unencrypted key makes it unreadable.
        match decode(text.clone(), None).await {
            Ok(key) => return Ok(key),
            Err(error) if !is_encrypted(&error, &text) => return Err(told(&error)),
            Err(_) => {}
        }
        if !self.can_ask() {
            return Err(
                "it is encrypted, and there is no terminal to ask for the passphrase".to_owned(),
            );
        }
        for again in 0..TRIES_MAX {
            let question = Question::Passphrase {
                file: file.to_owned(),
                again: again > 0,
            };
            let Some(passphrase) = self.ask(question).await else {
                return Err("it is encrypted, and no passphrase was given".to_owned());
            };
            if let Ok(key) = decode(text.clone(), Some(passphrase)).await {
                return Ok(key);
            }
        }
        Err("the passphrase is wrong, or it is encrypted in a way that isn't read here (`ssh-keygen -p` writes it anew)".to_owned())
    }
}

/// Refuses a key that others can read, as ssh does: only where it is the operator's own.
fn check_mode(facts: &std::fs::Metadata, file: &Path) -> Result<(), String> {
    let mode = facts.mode() & 0o7777;
    let is_own = facts.uid() == rustix::process::getuid().as_raw();
    if is_own && facts.is_file() && mode & 0o077 != 0 {
        let file = file.display();
        return Err(format!(
            "other accounts can read it (mode {mode:04o}), and ssh does not use such keys; `chmod 600 {file}` prevents it"
        ));
    }
    Ok(())
}

/// Deriving the key takes a tenth of a second, so it isn't done on the loop's threads.
async fn decode(
    text: String,
    passphrase: Option<Secret>,
) -> Result<PrivateKey, russh::keys::Error> {
    blocking(move || russh::keys::decode_secret_key(&text, passphrase.as_ref().map(Secret::reveal)))
        .await
}

fn is_encrypted(error: &russh::keys::Error, text: &str) -> bool {
    matches!(error, russh::keys::Error::KeyIsEncrypted)
        || text.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----")
        || text.contains("Proc-Type: 4,ENCRYPTED")
}

fn told(error: &russh::keys::Error) -> String {
    match error {
        russh::keys::Error::CouldNotReadKey => {
            "it is not a private key that is read here".to_owned()
        }
        other => format!("it can't be read: {other}"),
    }
}
