//! Resolves how a host is reached: the inventory first, then OpenSSH's configuration, then defaults.
//!
//! OpenSSH itself reads its configuration (`ssh -G`), so that Include, Match and patterns mean what
//! they mean everywhere. It tells how to connect, never what may be written; and whatever it says
//! about `StrictHostKeyChecking`, host keys are strict here.

use std::path::{Path, PathBuf};

use crate::inventory::{Host, Inventory};
use crate::name::HostName;
use crate::ssh::config::rules::{Rules, notes};
use crate::ssh::config::ssh_config::{Jump, SshGOutput};
use crate::ssh::config::ssh_g::defaults;
use crate::ssh::config::tokens::{Local, Tokens};
use crate::ssh::error::Error;
use crate::ssh::host_keys::known_hosts::lookup_name;
use crate::ssh::host_keys::known_hosts_command::KnownHostsCommand;

/// More hosts on the way than this is a mistake.
const HOPS_MAX: usize = 8;

/// Where OpenSSH's configuration comes from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SshConfig {
    /// As `ssh -F` takes it; none: what ssh itself reads.
    pub file: Option<PathBuf>,
}

/// Everything it takes to connect to one machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// The machine, as the operator names it.
    pub name: String,
    /// Where it is.
    pub address: String,
    /// Port of the SSH server.
    pub port: u16,
    /// Account to log in to.
    pub user: String,
    /// Identity files, in order.
    pub identities: Vec<PathBuf>,
    /// The agent's socket; none: no agent.
    pub agent: Option<PathBuf>,
    /// Of the agent's keys, only those of the identity files.
    pub identities_only: bool,
    /// Certificates, beside those that lie next to their identity file.
    pub certificates: Vec<PathBuf>,
    /// The user's known_hosts files; the first is the one that is added to.
    pub user_known_hosts: Vec<PathBuf>,
    /// The machine's.
    pub global_known_hosts: Vec<PathBuf>,
    /// A command that prints further lines of known_hosts.
    pub known_hosts_command: Option<KnownHostsCommand>,
    /// Files of keys that are never accepted.
    pub revoked_host_keys: Vec<PathBuf>,
    /// New names are hashed.
    pub hash_known_hosts: bool,
    /// The name for host keys in place of the address.
    pub host_key_alias: Option<String>,
    /// What it goes through.
    pub hop: Option<Hop>,
    /// What was passed over while finding this out.
    pub warnings: Vec<String>,
    /// Options of ssh_config that are set and that fleet does not follow.
    pub notes: Vec<String>,
    /// How to connect and log in.
    pub(in crate::ssh) rules: Rules,
}

/// What a connection goes through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hop {
    /// Another machine.
    Jump(Box<Endpoint>),
    /// A command's standard input and output.
    Command(String),
    /// A command that passes the connection as a descriptor (`ProxyUseFdpass`).
    Descriptor(String),
}

impl Endpoint {
    /// The name under which host keys are looked up: the alias, else the address, with the port
    /// unless that is 22.
    #[must_use]
    pub fn lookup(&self) -> String {
        self.host_key_alias
            .clone()
            .unwrap_or_else(|| lookup_name(&self.address, self.port))
    }

    /// The name that a host certificate must be made for.
    #[must_use]
    pub(in crate::ssh) fn principal(&self) -> &str {
        self.host_key_alias.as_deref().unwrap_or(&self.address)
    }

    /// All known_hosts files.
    #[must_use]
    pub fn known_hosts(&self) -> Vec<PathBuf> {
        [
            self.user_known_hosts.as_slice(),
            self.global_known_hosts.as_slice(),
        ]
        .concat()
    }

    /// Where it is, for people.
    #[must_use]
    pub fn place(&self) -> String {
        if self.address.contains(':') {
            format!("[{}]:{}", self.address, self.port)
        } else {
            format!("{}:{}", self.address, self.port)
        }
    }
}

/// What is already settled before ssh is asked.
#[derive(Debug, Clone, Default)]
pub(in crate::ssh) struct Wish {
    pub(in crate::ssh) address: Option<String>,
    pub(in crate::ssh) port: Option<u16>,
    pub(in crate::ssh) user: Option<String>,
    pub(in crate::ssh) identities: Vec<PathBuf>,
    pub(in crate::ssh) jump: Option<String>,
}

impl SshConfig {
    /// How `host` is reached.
    ///
    /// # Errors
    ///
    /// [`Error::Resolve`] if OpenSSH's configuration is broken, or a jump makes no sense.
    pub async fn resolve(&self, inventory: &Inventory, host: &Host) -> Result<Endpoint, Error> {
        let mut visited = Vec::new();
        self.host(inventory, host, &mut visited).await
    }

    async fn host(
        &self,
        inventory: &Inventory,
        host: &Host,
        visited: &mut Vec<String>,
    ) -> Result<Endpoint, Error> {
        let wish = Wish {
            address: host.address.clone(),
            port: host.port,
            user: host.user.clone(),
            identities: host.identity.clone(),
            jump: host.jump.clone(),
        };
        self.machine(inventory, host.name.as_str(), wish, visited)
            .await
    }

    async fn machine(
        &self,
        inventory: &Inventory,
        name: &str,
        wish: Wish,
        visited: &mut Vec<String>,
    ) -> Result<Endpoint, Error> {
        let broken = |why: String| Error::Resolve {
            host: name.to_owned(),
            why,
        };
        if visited.iter().any(|seen| seen == name) {
            return Err(broken(format!(
                "it is reached through itself: {} → {name}",
                visited.join(" → ")
            )));
        }
        if visited.len() >= HOPS_MAX {
            return Err(broken(format!("more than {HOPS_MAX} hosts are on the way")));
        }
        visited.push(name.to_owned());

        let (asked, defaults) = tokio::join!(self.ask(name, &wish, &[]), defaults());
        let (text, mut warnings) = asked?;
        let said = SshGOutput::parse(&text);
        let rules = Rules::read(&said, defaults).map_err(broken)?;
        let notes = notes(&said);
        let named = wish.identities.iter().map(|path| path.to_string_lossy());
        let local = if Local::is_needed(&text) || named.clone().any(|word| Local::is_needed(&word))
        {
            self.local(name, &wish).await?
        } else {
            None
        };
        let home = home();
        let local_user = local_user();
        let address = wish
            .address
            .clone()
            .or(said.hostname)
            .unwrap_or_else(|| name.to_owned())
            .to_ascii_lowercase();
        let port = wish.port.or(said.port).unwrap_or(22);
        let user = wish
            .user
            .clone()
            .or(said.user)
            .unwrap_or_else(|| local_user.clone());
        let alias = said.host_key_alias.map(|alias| alias.to_ascii_lowercase());
        let tokens = Tokens {
            home: home.as_deref(),
            local_user: &local_user,
            name,
            address: &address,
            port,
            user: &user,
            alias: alias.as_deref(),
            jump: said.proxy_jump.as_deref(),
            local: local.as_ref(),
        };
        let mut paths = |words: &[String]| -> Vec<PathBuf> {
            words
                .iter()
                .filter(|word| *word != "none")
                .filter_map(|word| match tokens.path(word) {
                    Ok(path) => Some(path),
                    Err(why) => {
                        warnings.push(format!("{name}: `{word}` is passed over: {why}"));
                        None
                    }
                })
                .collect()
        };
        let identities = if wish.identities.is_empty() {
            paths(&said.identities)
        } else {
            let words: Vec<String> = wish
                .identities
                .iter()
                .map(|path| path.to_string_lossy().into_owned())
                .collect();
            paths(&words)
        };
        let certificates = paths(&said.certificates);
        let agent = match said.identity_agent.as_deref() {
            Some("none") => None,
            None | Some("SSH_AUTH_SOCK") => std::env::var_os("SSH_AUTH_SOCK").map(PathBuf::from),
            Some(word) => match word.strip_prefix('$').filter(|word| !word.starts_with('{')) {
                Some(variable) => std::env::var_os(variable).map(PathBuf::from),
                // Newer versions of ssh have replaced the tokens already; a `%` that is left is a letter.
                None => match tokens.path(word).or_else(|_| tokens.beneath_home(word)) {
                    Ok(path) => Some(path),
                    Err(_) => paths(&[word.to_owned()]).pop(),
                },
            },
        };
        // ssh has replaced tokens in these names; a file that is passed over might revoke a key.
        let mut known_hosts = Vec::new();
        for (option, value) in [
            ("UserKnownHostsFile", &said.user_known_hosts),
            ("GlobalKnownHostsFile", &said.global_known_hosts),
        ] {
            let files = self.files(name, &wish, option, value).await?;
            let paths = files.iter().map(|file| tokens.beneath_home(file));
            let paths: Result<Vec<PathBuf>, String> = paths.collect();
            known_hosts.push(paths.map_err(|why| broken(format!("`{option} {value}`: {why}")))?);
        }
        let global_known_hosts = known_hosts.pop().unwrap_or_default();
        let user_known_hosts = known_hosts.pop().unwrap_or_default();
        let revoked_host_keys = match said.revoked_host_keys.as_deref() {
            None => Vec::new(),
            Some(file) => vec![
                tokens
                    .path(file)
                    .map_err(|why| broken(format!("`RevokedHostKeys {file}`: {why}")))?,
            ],
        };
        let known_hosts_command = match said.known_hosts_command.as_deref() {
            None => None,
            Some(command) => Some(
                KnownHostsCommand::parse(command, &tokens)
                    .map_err(|why| broken(format!("`KnownHostsCommand {command}`: {why}")))?,
            ),
        };
        let command = match said.proxy_command.as_deref() {
            None | Some("none") => None,
            Some(command) => Some(tokens.command(command).map_err(broken)?),
        };
        let jump = wish
            .jump
            .as_ref()
            .or(said.proxy_jump.as_ref())
            .filter(|jump| *jump != "none");
        let hop = match (jump, command) {
            (Some(jump), _) => {
                let jump = tokens.command(jump).map_err(broken)?;
                let chain: Vec<&str> = jump.split(',').map(str::trim).collect();
                Some(Hop::Jump(Box::new(
                    Box::pin(self.chain(inventory, name, &chain, visited)).await?,
                )))
            }
            (None, Some(command)) if said.passes_descriptor => Some(Hop::Descriptor(command)),
            (None, Some(command)) => Some(Hop::Command(command)),
            (None, None) => None,
        };
        visited.pop();
        Ok(Endpoint {
            name: name.to_owned(),
            address,
            port,
            user,
            identities,
            agent,
            identities_only: said.identities_only,
            certificates,
            user_known_hosts,
            global_known_hosts,
            known_hosts_command,
            revoked_host_keys,
            hash_known_hosts: said.hash_known_hosts,
            host_key_alias: alias,
            hop,
            warnings,
            notes,
            rules,
        })
    }

    /// The last machine of a list of jumps, which goes through those before it.
    async fn chain(
        &self,
        inventory: &Inventory,
        for_host: &str,
        chain: &[&str],
        visited: &mut Vec<String>,
    ) -> Result<Endpoint, Error> {
        let broken = |why: String| Error::Resolve {
            host: for_host.to_owned(),
            why,
        };
        let Some((last, before)) = chain.split_last() else {
            return Err(broken("the list of jumps is empty".to_owned()));
        };
        if chain.len() > HOPS_MAX {
            return Err(broken(format!("more than {HOPS_MAX} hosts are on the way")));
        }
        let known = last
            .parse::<HostName>()
            .ok()
            .and_then(|name| inventory.host(&name));
        let mut endpoint = if let Some(host) = known {
            let host = Host {
                jump: if before.is_empty() {
                    host.jump.clone()
                } else {
                    Some("none".to_owned())
                },
                ..host.clone()
            };
            Box::pin(self.host(inventory, &host, visited)).await?
        } else {
            let jump = Jump::parse(last)
                .ok_or_else(|| broken(format!("`{last}` is not a host to jump over")))?;
            let wish = Wish {
                port: jump.port,
                user: jump.user,
                jump: (!before.is_empty()).then(|| "none".to_owned()),
                ..Wish::default()
            };
            Box::pin(self.machine(inventory, &jump.host, wish, visited)).await?
        };
        if !before.is_empty() {
            let through = Box::pin(self.chain(inventory, for_host, before, visited)).await?;
            endpoint.hop = Some(Hop::Jump(Box::new(through)));
        }
        Ok(endpoint)
    }
}

/// The user's home, as ssh finds it: where the account says, or else the environment.
pub(in crate::ssh) fn home() -> Option<PathBuf> {
    std::env::home_dir().filter(|home| home.is_absolute() && home != Path::new("/nonexistent"))
}

fn local_user() -> String {
    ["USER", "LOGNAME"]
        .iter()
        .find_map(|variable| std::env::var(variable).ok())
        .filter(|user| !user.is_empty())
        .unwrap_or_else(|| "root".to_owned())
}
