//! Runs `KnownHostsCommand`, which prints lines of `known_hosts` for one host.
//!
//! Unlike OpenSSH, which goes on without the lines, a command that can't be started or parsed is a
//! refusal, as is one that fails.
//!
//! Source: ssh_config(5), `KnownHostsCommand`; OpenSSH `sshconnect.c`, `load_hostkeys_command`.

use std::process::Stdio;
use std::time::Duration;

use data_encoding::BASE64;
use russh::keys::{HashAlg, PublicKeyOrCertificate};
use tokio::io::AsyncReadExt as _;

use crate::ssh::config::arguments::words;
use crate::ssh::config::tokens::Tokens;

/// The command may ask a server in the network.
const COMMAND_LIMIT: Duration = Duration::from_secs(30);

/// More lines than this are a mistake.
const OUTPUT_MAX_BYTES: u64 = 16 << 20;

/// The command, split into words, with everything replaced that does not depend on the host's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownHostsCommand {
    program: String,
    arguments: Vec<Vec<Piece>>,
}

/// A part of an argument.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    /// `%f`, `%H`, `%I`, `%K` or `%t`.
    Token(char),
}

/// Why the command is run, as `%I` says it.
#[derive(Debug, Clone, Copy)]
pub(in crate::ssh) enum Reason<'a> {
    /// To learn which algorithms to ask the host for.
    Order,
    /// To check this key.
    HostName(&'a PublicKeyOrCertificate),
}

impl KnownHostsCommand {
    /// Parses what `ssh -G` prints of it, quotes included.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub(in crate::ssh) fn parse(text: &str, tokens: &Tokens<'_>) -> Result<Self, String> {
        let mut words = words(text).ok_or("a quote is left open")?.into_iter();
        let program = words.next().ok_or("it is empty")?;
        if !program.starts_with('/') {
            return Err(format!("`{program}` is not an absolute path"));
        }
        let arguments = words
            .map(|word| pieces(&word, tokens))
            .collect::<Result<_, _>>()?;
        Ok(Self { program, arguments })
    }

    /// Runs it for the host that is looked up as `lookup`; what it printed.
    ///
    /// # Errors
    ///
    /// Why there is nothing that could be relied on.
    pub(in crate::ssh) async fn run(
        &self,
        lookup: &str,
        reason: Reason<'_>,
    ) -> Result<Vec<u8>, String> {
        let mut command = tokio::process::Command::new(&self.program);
        for argument in &self.arguments {
            let mut text = String::new();
            for piece in argument {
                match piece {
                    Piece::Text(piece) => text.push_str(piece),
                    Piece::Token(token) => text.push_str(&value(*token, lookup, reason)?),
                }
            }
            command.arg(text);
        }
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let work = async {
            let mut child = command.spawn().map_err(|error| error.to_string())?;
            let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
                return Err("its output can't be read".to_owned());
            };
            let (mut lines, mut complaint) = (Vec::new(), Vec::new());
            let mut stdout = stdout.take(OUTPUT_MAX_BYTES + 1);
            let mut stderr = stderr.take(4096);
            let (read, _) = tokio::join!(
                stdout.read_to_end(&mut lines),
                stderr.read_to_end(&mut complaint)
            );
            read.map_err(|error| error.to_string())?;
            if lines.len() as u64 > OUTPUT_MAX_BYTES {
                return Err(format!("it printed more than {OUTPUT_MAX_BYTES} bytes"));
            }
            let status = child.wait().await.map_err(|error| error.to_string())?;
            if status.success() {
                return Ok(lines);
            }
            let complaint = crate::name::escape(complaint.trim_ascii());
            Err(if complaint.is_empty() {
                status.to_string()
            } else {
                format!("{status}: {complaint}")
            })
        };
        tokio::time::timeout(COMMAND_LIMIT, work)
            .await
            .unwrap_or_else(|_| {
                Err(format!(
                    "it did not end within {} s",
                    COMMAND_LIMIT.as_secs()
                ))
            })
    }
}

/// What a token stands for.
fn value(token: char, lookup: &str, reason: Reason<'_>) -> Result<String, String> {
    let shown = match reason {
        Reason::Order => None,
        Reason::HostName(shown) => Some(shown),
    };
    let none = || "NONE".to_owned();
    Ok(match (token, shown) {
        ('H', _) => lookup.to_owned(),
        ('I', None) => "ORDER".to_owned(),
        ('I', Some(_)) => "HOSTNAME".to_owned(),
        ('f', Some(shown)) => shown.public_key().fingerprint(HashAlg::Sha256).to_string(),
        ('t', Some(PublicKeyOrCertificate::PublicKey { key, .. })) => key.algorithm().to_string(),
        ('t', Some(PublicKeyOrCertificate::Certificate(certificate))) => {
            certificate.algorithm().to_certificate_type()
        }
        ('K', Some(shown)) => {
            let blob = match shown {
                PublicKeyOrCertificate::PublicKey { key, .. } => key.to_bytes(),
                PublicKeyOrCertificate::Certificate(certificate) => certificate.to_bytes(),
            };
            BASE64.encode(&blob.map_err(|error| error.to_string())?)
        }
        (_, _) => none(),
    })
}

/// Splits a word at the tokens that only this command has, and replaces all others.
fn pieces(word: &str, tokens: &Tokens<'_>) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut text = String::new();
    let mut letters = word.chars();
    while let Some(letter) = letters.next() {
        if letter != '%' {
            text.push(letter);
            continue;
        }
        match letters.next() {
            Some(token @ ('f' | 'H' | 'I' | 'K' | 't')) => {
                pieces.push(Piece::Text(tokens.text(&text)?));
                pieces.push(Piece::Token(token));
                text.clear();
            }
            // Both letters of `%%` go on together, so that `%%H` is no token.
            Some(other) => text.extend(['%', other]),
            None => text.push('%'),
        }
    }
    pieces.push(Piece::Text(tokens.text(&text)?));
    Ok(pieces)
}
