//! Resolves how a host is reached: the inventory first, then OpenSSH's configuration, then defaults.
//!
//! OpenSSH itself reads its configuration (`ssh -G`), so that Include, Match and patterns mean what
//! they mean everywhere. It tells how to connect, never what may be written; and whatever it says
//! about `StrictHostKeyChecking`, host keys are strict here.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::guard::identity::Location;
use crate::inventory::{Host, Inventory};
use crate::name::HostName;
use crate::ssh::config::named_files::{NamedFiles, known_hosts_command, revoked_host_keys};
use crate::ssh::config::rules::{Rules, notes};
use crate::ssh::config::ssh_config::{Jump, SshGOutput};
use crate::ssh::config::ssh_g::defaults;
use crate::ssh::config::tokens::{Local, Tokens};
use crate::ssh::error::Error;
use crate::ssh::host_keys::known_hosts::lookup_name;
use crate::ssh::host_keys::known_hosts_command::KnownHostsCommand;

/// How long a name may take to resolve that is only compared.
const NAME_TIMEOUT: Duration = Duration::from_secs(5);

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

impl Hop {
    /// A text that is the same for the same way.
    fn signature(&self) -> String {
        match self {
            Self::Jump(jump) => {
                let before = jump.hop.as_ref().map(Self::signature);
                format!("{},{}", before.unwrap_or_default(), jump.place())
            }
            Self::Command(command) | Self::Descriptor(command) => command.clone(),
        }
    }
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

    /// Where it is, for comparing it with other hosts. The name is resolved unless something is on the way,
    /// from where it may mean something else; one that can't be resolved is compared as it is.
    pub async fn location(&self) -> Location {
        let via = match &self.hop {
            None => String::new(),
            Some(hop) => hop.signature(),
        };
        let location = Location::new(&self.address, self.port, via);
        if self.hop.is_some() {
            return location;
        }
        let name = self.address.trim_matches(['[', ']']).trim_end_matches('.');
        let found = tokio::time::timeout(NAME_TIMEOUT, tokio::net::lookup_host((name, self.port)));
        match found.await {
            Ok(Ok(addresses)) => location.resolved(addresses.map(|address| address.ip())),
            Ok(Err(_)) | Err(_) => location,
        }
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

    /// How the machine `name` is reached: as `wish` says, and where that says nothing, as `ssh -G` does.
    async fn machine(
        &self,
        inventory: &Inventory,
        name: &str,
        wish: Wish,
        visited: &mut Vec<String>,
    ) -> Result<Endpoint, Error> {
        check_way(name, visited)?;
        visited.push(name.to_owned());

        // What OpenSSH makes of its configuration, and what it would make of none.
        let (asked, defaults) = tokio::join!(self.ask(name, &wish, &[]), defaults());
        let (text, warnings) = asked?;
        let said = SshGOutput::parse(&text);
        let rules = Rules::read(&said, defaults).map_err(|why| broken(name, why))?;

        // Where the machine is, and who logs in: the inventory comes first.
        let local_user = local_user();
        let place = Place::of(name, &wish, &said, &local_user);

        // Tokens in names of files and in commands stand for these. Some of them only ssh itself knows.
        let identities = named_identities(&wish, &said);
        let needs_local = |word: &String| Local::is_needed(word);
        let local = if Local::is_needed(&text) || identities.iter().any(needs_local) {
            self.local(name, &wish).await?
        } else {
            None
        };
        let home = home();
        let tokens = Tokens {
            home: home.as_deref(),
            local_user: &local_user,
            name,
            address: &place.address,
            port: place.port,
            user: &place.user,
            alias: place.alias.as_deref(),
            jump: said.proxy_jump.as_deref(),
            local: local.as_ref(),
        };

        // Keys to log in with: one that can't be named is passed over with a warning.
        let mut files = NamedFiles::new(&tokens, warnings);
        let identities = files.paths(&identities);
        let certificates = files.paths(&said.certificates);
        let agent = files.agent(said.identity_agent.as_deref());
        let warnings = files.warnings;

        // Host keys that are trusted and revoked: here that is an error.
        let (user_known_hosts, global_known_hosts) =
            self.known_hosts(&wish, &said, &tokens).await?;
        let revoked_host_keys = revoked_host_keys(&said, &tokens)?;
        let known_hosts_command = known_hosts_command(&said, &tokens)?;

        // What the connection goes through, which may be resolved in the same way.
        let hop = self.hop(inventory, &wish, &said, &tokens, visited).await?;
        visited.pop();
        Ok(Endpoint {
            name: name.to_owned(),
            identities,
            agent,
            identities_only: said.identities_only,
            certificates,
            user_known_hosts,
            global_known_hosts,
            known_hosts_command,
            revoked_host_keys,
            hash_known_hosts: said.hash_known_hosts,
            hop,
            warnings,
            notes: notes(&said),
            rules,
            address: place.address,
            port: place.port,
            user: place.user,
            host_key_alias: place.alias,
        })
    }

    /// What a connection goes through: the jumps of the inventory, else those of ssh_config, else its
    /// command.
    async fn hop(
        &self,
        inventory: &Inventory,
        wish: &Wish,
        said: &SshGOutput,
        tokens: &Tokens<'_>,
        visited: &mut Vec<String>,
    ) -> Result<Option<Hop>, Error> {
        let in_text = |text: &str| tokens.command(text).map_err(|why| broken(tokens.name, why));
        // A command that makes no sense is an error even where a jump comes before it.
        let command = match said.proxy_command.as_deref() {
            None | Some("none") => None,
            Some(command) => Some(in_text(command)?),
        };
        let jump = wish.jump.as_ref().or(said.proxy_jump.as_ref());
        Ok(match (jump.filter(|jump| *jump != "none"), command) {
            (Some(jump), _) => {
                let jump = in_text(jump)?;
                let chain: Vec<&str> = jump.split(',').map(str::trim).collect();
                let last = Box::pin(self.chain(inventory, tokens.name, &chain, visited)).await?;
                Some(Hop::Jump(Box::new(last)))
            }
            (None, Some(command)) if said.passes_descriptor => Some(Hop::Descriptor(command)),
            (None, Some(command)) => Some(Hop::Command(command)),
            (None, None) => None,
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
        let broken = |why: String| broken(for_host, why);
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

/// Where a machine is, and who logs in.
struct Place {
    address: String,
    port: u16,
    user: String,
    /// The name for host keys.
    alias: Option<String>,
}

impl Place {
    fn of(name: &str, wish: &Wish, said: &SshGOutput, local_user: &str) -> Self {
        let address = wish.address.as_deref().or(said.hostname.as_deref());
        let user = wish.user.as_deref().or(said.user.as_deref());
        let alias = said.host_key_alias.as_deref();
        Self {
            address: address.unwrap_or(name).to_ascii_lowercase(),
            port: wish.port.or(said.port).unwrap_or(22),
            user: user.unwrap_or(local_user).to_owned(),
            alias: alias.map(str::to_ascii_lowercase),
        }
    }
}

/// The identity files as they are named: those of the inventory, else those of ssh_config.
fn named_identities(wish: &Wish, said: &SshGOutput) -> Vec<String> {
    if wish.identities.is_empty() {
        return said.identities.clone();
    }
    let identities = wish.identities.iter();
    identities
        .map(|path| path.to_string_lossy().into_owned())
        .collect()
}

/// Refuses a way that comes by a machine twice, or has too many of them.
fn check_way(name: &str, visited: &[String]) -> Result<(), Error> {
    if visited.iter().any(|seen| seen == name) {
        let way = visited.join(" → ");
        return Err(broken(
            name,
            format!("it is reached through itself: {way} → {name}"),
        ));
    }
    if visited.len() >= HOPS_MAX {
        return Err(broken(
            name,
            format!("more than {HOPS_MAX} hosts are on the way"),
        ));
    }
    Ok(())
}

/// The configuration of `host` makes no sense.
pub(super) fn broken(host: &str, why: String) -> Error {
    Error::Resolve {
        host: host.to_owned(),
        why,
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
