//! Files that OpenSSH's configuration names: identity files, certificates, the agent's socket, known_hosts
//! files, and revoked host keys.

use std::path::PathBuf;

use crate::ssh::config::resolve::{SshConfig, Wish, broken};
use crate::ssh::config::ssh_config::SshGOutput;
use crate::ssh::config::tokens::Tokens;
use crate::ssh::error::Error;
use crate::ssh::host_keys::known_hosts_command::KnownHostsCommand;

/// Resolves names of files for a login. What can't be resolved is passed over with a warning.
pub(super) struct NamedFiles<'a> {
    tokens: &'a Tokens<'a>,
    /// What was passed over.
    pub(super) warnings: Vec<String>,
}

impl<'a> NamedFiles<'a> {
    pub(super) fn new(tokens: &'a Tokens<'a>, warnings: Vec<String>) -> Self {
        Self { tokens, warnings }
    }

    /// The files of these names, without `none`.
    pub(super) fn paths(&mut self, words: &[String]) -> Vec<PathBuf> {
        let words = words.iter().filter(|word| *word != "none");
        words.filter_map(|word| self.path(word)).collect()
    }

    /// The agent's socket, as `IdentityAgent` names it.
    pub(super) fn agent(&mut self, word: Option<&str>) -> Option<PathBuf> {
        match word {
            Some("none") => None,
            None | Some("SSH_AUTH_SOCK") => std::env::var_os("SSH_AUTH_SOCK").map(PathBuf::from),
            Some(word) => match word.strip_prefix('$').filter(|word| !word.starts_with('{')) {
                Some(variable) => std::env::var_os(variable).map(PathBuf::from),
                // Newer versions of ssh have replaced the tokens already; a `%` that is left is a letter.
                None => match self.tokens.path(word) {
                    Ok(path) => Some(path),
                    Err(_) => match self.tokens.beneath_home(word) {
                        Ok(path) => Some(path),
                        Err(_) => self.path(word),
                    },
                },
            },
        }
    }

    fn path(&mut self, word: &str) -> Option<PathBuf> {
        match self.tokens.path(word) {
            Ok(path) => Some(path),
            Err(why) => {
                let name = self.tokens.name;
                self.warnings
                    .push(format!("{name}: `{word}` is ignored: {why}"));
                None
            }
        }
    }
}

impl SshConfig {
    /// The known_hosts files of the user, and those of the machine.
    ///
    /// # Errors
    ///
    /// [`Error::Resolve`]: a file that is passed over might revoke a key.
    pub(super) async fn known_hosts(
        &self,
        wish: &Wish,
        said: &SshGOutput,
        tokens: &Tokens<'_>,
    ) -> Result<(Vec<PathBuf>, Vec<PathBuf>), Error> {
        let user = (&*said.user_known_hosts, "UserKnownHostsFile");
        let global = (&*said.global_known_hosts, "GlobalKnownHostsFile");
        let mut lists = [Vec::new(), Vec::new()];
        for (list, (value, option)) in lists.iter_mut().zip([user, global]) {
            for file in self.files(tokens.name, wish, option, value).await? {
                // ssh has replaced tokens in these names.
                let path = tokens.beneath_home(&file);
                list.push(path.map_err(|why| invalid(tokens, option, value, &why))?);
            }
        }
        Ok(lists.into())
    }
}

/// The file of keys that are never accepted.
///
/// # Errors
///
/// [`Error::Resolve`].
pub(super) fn revoked_host_keys(
    said: &SshGOutput,
    tokens: &Tokens<'_>,
) -> Result<Vec<PathBuf>, Error> {
    let files = said.revoked_host_keys.iter().map(|file| {
        let path = tokens.path(file);
        path.map_err(|why| invalid(tokens, "RevokedHostKeys", file, &why))
    });
    files.collect()
}

/// The command that prints further lines of known_hosts.
///
/// # Errors
///
/// [`Error::Resolve`].
pub(super) fn known_hosts_command(
    said: &SshGOutput,
    tokens: &Tokens<'_>,
) -> Result<Option<KnownHostsCommand>, Error> {
    let command = said.known_hosts_command.as_deref().map(|command| {
        let parsed = KnownHostsCommand::parse(command, tokens);
        parsed.map_err(|why| invalid(tokens, "KnownHostsCommand", command, &why))
    });
    command.transpose()
}

fn invalid(tokens: &Tokens<'_>, option: &str, value: &str, why: &str) -> Error {
    broken(tokens.name, format!("`{option} {value}`: {why}"))
}
