//! How a host is reached: the inventory's words first, then OpenSSH's configuration, then defaults.
//!
//! OpenSSH itself reads its configuration (`ssh -G`), so that Include, Match and patterns mean what
//! they mean everywhere. It tells how to connect, never what may be written; and whatever it says
//! about `StrictHostKeyChecking`, host keys are strict here.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use super::error::Error;
use super::file_lists::{Trace, split_plainly};
use super::known_hosts::lookup_name;
use super::known_hosts_command::KnownHostsCommand;
use super::said::{DEFAULTS, Jump, Said};
use super::tokens::Tokens;
use crate::inventory::{Host, Inventory};
use crate::name::HostName;

/// `ssh -G` answers from local files; a `Match exec` that hangs must not hang us.
const SSH_G_LIMIT: Duration = Duration::from_secs(10);

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
}

/// What a connection goes through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hop {
    /// Another machine.
    Jump(Box<Endpoint>),
    /// A command's standard input and output.
    Command(String),
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
    pub fn principal(&self) -> &str {
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
struct Wish {
    address: Option<String>,
    port: Option<u16>,
    user: Option<String>,
    identities: Vec<PathBuf>,
    jump: Option<String>,
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

        let (text, mut warnings) = self.ask(name, &wish).await?;
        let said = Said::parse(&text);
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
                None => paths(&[word.to_owned()]).pop(),
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
            .clone()
            .or(said.proxy_jump)
            .filter(|jump| jump != "none");
        let hop = match (jump, command) {
            (Some(jump), _) => {
                let chain: Vec<&str> = jump.split(',').map(str::trim).collect();
                Some(Hop::Jump(Box::new(
                    Box::pin(self.chain(inventory, name, &chain, visited)).await?,
                )))
            }
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

    /// The files of a list that `ssh -G` printed as `value`.
    async fn files(
        &self,
        name: &str,
        wish: &Wish,
        option: &str,
        value: &str,
    ) -> Result<Vec<String>, Error> {
        if let Some(files) = split_plainly(value) {
            return Ok(files);
        }
        let mut command = self.command(name, wish, &["-vvv"]);
        let trace = match tokio::time::timeout(SSH_G_LIMIT, command.output()).await {
            Ok(Ok(output)) => Trace::parse(&output.stderr),
            Ok(Err(_)) | Err(_) => Trace::default(),
        };
        trace.split(option, value).map_err(|why| Error::Resolve {
            host: name.to_owned(),
            why,
        })
    }

    /// `ssh -G` for a host, with more options.
    fn command(&self, name: &str, wish: &Wish, options: &[&str]) -> tokio::process::Command {
        let mut command = tokio::process::Command::new("ssh");
        command.args(options);
        if let Some(file) = &self.file {
            command.arg("-F").arg(file);
        }
        command.arg("-G");
        if let Some(address) = &wish.address {
            command.arg(format!("-oHostName={}", address.replace('%', "%%")));
        }
        if let Some(port) = wish.port {
            command.arg(format!("-oPort={port}"));
        }
        if let Some(user) = &wish.user {
            command.arg(format!("-oUser={user}"));
        }
        command
            .arg("--")
            .arg(name)
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    /// What ssh makes of `name`; its built-in defaults where there is no ssh.
    async fn ask(&self, name: &str, wish: &Wish) -> Result<(String, Vec<String>), Error> {
        let broken = |why: String| Error::Resolve {
            host: name.to_owned(),
            why,
        };
        let mut command = self.command(name, wish, &[]);
        let output = match tokio::time::timeout(SSH_G_LIMIT, command.output()).await {
            Err(_) => {
                return Err(broken(format!(
                    "`ssh -G {name}` did not answer within {} s",
                    SSH_G_LIMIT.as_secs()
                )));
            }
            Ok(Err(error)) if error.kind() == std::io::ErrorKind::NotFound => {
                let warning = format!(
                    "there is no `ssh` here, so OpenSSH's configuration is not read for {name}"
                );
                return Ok((DEFAULTS.to_owned(), vec![warning]));
            }
            Ok(Err(error)) if is_out_of_files(&error) => {
                return Err(Error::OpenFiles {
                    host: name.to_owned(),
                    source: error.into(),
                });
            }
            Ok(Err(error)) => return Err(broken(format!("`ssh -G {name}`: {error}"))),
            Ok(Ok(output)) => output,
        };
        if output.status.success() {
            Ok((
                String::from_utf8_lossy(&output.stdout).into_owned(),
                Vec::new(),
            ))
        } else {
            let said = crate::name::escape(output.stderr.trim_ascii());
            Err(broken(format!("`ssh -G {name}` says: {said}")))
        }
    }
}

/// Whether it is this program, or the whole system, that has too many files open.
fn is_out_of_files(error: &std::io::Error) -> bool {
    let code = error.raw_os_error();
    [rustix::io::Errno::MFILE, rustix::io::Errno::NFILE]
        .iter()
        .any(|errno| code == Some(errno.raw_os_error()))
}

/// The user's home, as ssh finds it: where the account says, or else the environment.
pub(super) fn home() -> Option<PathBuf> {
    std::env::home_dir().filter(|home| home.is_absolute() && home != Path::new("/nonexistent"))
}

fn local_user() -> String {
    ["USER", "LOGNAME"]
        .iter()
        .find_map(|variable| std::env::var(variable).ok())
        .filter(|user| !user.is_empty())
        .unwrap_or_else(|| "root".to_owned())
}
