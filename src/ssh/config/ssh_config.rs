//! Parses what `ssh -G` prints, and what `ssh -J` takes.

use std::collections::BTreeMap;

/// What ssh has built in, in the words of `ssh -G`.
pub(in crate::ssh) const DEFAULTS: &str = "identityfile ~/.ssh/id_rsa
identityfile ~/.ssh/id_ecdsa
identityfile ~/.ssh/id_ecdsa_sk
identityfile ~/.ssh/id_ed25519
identityfile ~/.ssh/id_ed25519_sk
userknownhostsfile ~/.ssh/known_hosts ~/.ssh/known_hosts2
globalknownhostsfile /etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2
";

/// What `ssh -G` says of a host.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::ssh) struct SshGOutput {
    pub(in crate::ssh) hostname: Option<String>,
    pub(in crate::ssh) port: Option<u16>,
    pub(in crate::ssh) user: Option<String>,
    pub(in crate::ssh) identities: Vec<String>,
    pub(in crate::ssh) identity_agent: Option<String>,
    pub(in crate::ssh) identities_only: bool,
    pub(in crate::ssh) certificates: Vec<String>,
    /// A list of files without quotes: see [`crate::ssh::config::file_lists`].
    pub(in crate::ssh) user_known_hosts: String,
    /// The same.
    pub(in crate::ssh) global_known_hosts: String,
    pub(in crate::ssh) known_hosts_command: Option<String>,
    pub(in crate::ssh) revoked_host_keys: Option<String>,
    pub(in crate::ssh) hash_known_hosts: bool,
    pub(in crate::ssh) host_key_alias: Option<String>,
    pub(in crate::ssh) proxy_jump: Option<String>,
    pub(in crate::ssh) proxy_command: Option<String>,
    pub(in crate::ssh) passes_descriptor: bool,
    /// All other options by their names in lower case; of several lines the first.
    others: BTreeMap<String, String>,
}

impl SshGOutput {
    pub(in crate::ssh) fn parse(text: &str) -> Self {
        let mut said = Self::default();
        for line in text.lines() {
            let Some((key, value)) = line.split_once(' ') else {
                continue;
            };
            match key {
                "hostname" => said.hostname = Some(value.to_owned()),
                "port" => said.port = value.parse().ok(),
                "user" => said.user = Some(value.to_owned()),
                "identityfile" => said.identities.push(value.to_owned()),
                "identityagent" => said.identity_agent = Some(value.to_owned()),
                "identitiesonly" => said.identities_only = value == "yes",
                "certificatefile" => said.certificates.push(value.to_owned()),
                "userknownhostsfile" => said.user_known_hosts = value.to_owned(),
                "globalknownhostsfile" => said.global_known_hosts = value.to_owned(),
                "knownhostscommand" => said.known_hosts_command = set(value),
                "revokedhostkeys" => said.revoked_host_keys = set(value),
                "hashknownhosts" => said.hash_known_hosts = value == "yes",
                "hostkeyalias" => said.host_key_alias = Some(value.to_owned()),
                "proxyjump" => said.proxy_jump = Some(value.to_owned()),
                "proxycommand" => said.proxy_command = Some(value.to_owned()),
                "proxyusefdpass" => said.passes_descriptor = value == "yes",
                // ssh says a hundred things more, and newer ones say new things.
                _ => {
                    said.others
                        .entry(key.to_ascii_lowercase())
                        .or_insert_with(|| value.to_owned());
                }
            }
        }
        said
    }

    /// The value of another option.
    pub(in crate::ssh) fn other(&self, key: &str) -> Option<&str> {
        self.others.get(key).map(String::as_str)
    }

    /// The value of another option that is `none` by default.
    pub(in crate::ssh) fn set(&self, key: &str) -> Option<&str> {
        self.other(key).filter(|value| *value != "none")
    }
}

/// A value that is not `none`.
fn set(value: &str) -> Option<String> {
    (!value.eq_ignore_ascii_case("none")).then(|| value.to_owned())
}

/// One host of `ssh -J`: `[user@]host[:port]`, `[user@][address]:port` or `ssh://…`.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::ssh) struct Jump {
    pub(in crate::ssh) user: Option<String>,
    pub(in crate::ssh) host: String,
    pub(in crate::ssh) port: Option<u16>,
}

impl Jump {
    pub(in crate::ssh) fn parse(text: &str) -> Option<Self> {
        let text = text.strip_prefix("ssh://").unwrap_or(text);
        let text = text.strip_suffix('/').unwrap_or(text);
        let (user, place) = match text.rsplit_once('@') {
            Some((user, place)) => (Some(user), place),
            None => (None, text),
        };
        let (host, port) = if let Some(rest) = place.strip_prefix('[') {
            let (host, rest) = rest.split_once(']')?;
            match rest.strip_prefix(':') {
                Some(port) => (host, Some(port)),
                None if rest.is_empty() => (host, None),
                None => return None,
            }
        } else if place.matches(':').count() > 1 {
            (place, None)
        } else {
            match place.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (place, None),
            }
        };
        let port = match port {
            Some(port) => Some(port.parse().ok().filter(|port| *port != 0)?),
            None => None,
        };
        let fine = |word: &str| {
            !word.is_empty()
                && !word.starts_with('-')
                && word
                    .chars()
                    .all(|c| c.is_ascii_graphic() && !"\"'`$\\;&<>|(){}".contains(c))
        };
        if !fine(host) || !user.is_none_or(fine) {
            return None;
        }
        Some(Self {
            user: user.map(str::to_owned),
            host: host.to_owned(),
            port,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jump_is_what_ssh_takes() {
        let jump = |text| {
            Jump::parse(text).map(|jump| {
                (
                    jump.user.unwrap_or_default(),
                    jump.host,
                    jump.port.unwrap_or_default(),
                )
            })
        };
        let is = |user: &str, host: &str, port| Some((user.to_owned(), host.to_owned(), port));
        assert_eq!(jump("bastion"), is("", "bastion", 0));
        assert_eq!(jump("ops@bastion:2222"), is("ops", "bastion", 2222));
        assert_eq!(jump("ops@[fe80::1]:22"), is("ops", "fe80::1", 22));
        assert_eq!(jump("fe80::1"), is("", "fe80::1", 0));
        assert_eq!(jump("ssh://ops@bastion:2222/"), is("ops", "bastion", 2222));
        assert_eq!(jump("a@b@bastion"), is("a@b", "bastion", 0));
        for text in [
            "",
            "-oProxyCommand=x",
            "u@",
            "host:",
            "host:0",
            "host:x",
            "a b",
            "$(id)",
            "[x",
        ] {
            assert_eq!(jump(text), None, "{text}");
        }
    }

    #[test]
    fn what_ssh_says_is_read_line_by_line() {
        let said = SshGOutput::parse(
            "host x\nuser bob\nhostname 10.0.0.1\nport 2222\nidentityfile ~/.ssh/a b\n\
             identitiesonly yes\nuserknownhostsfile /a /b\nhashknownhosts yes\nproxyjump u@a:22,b\n\
             hostkeyalias web\nfuture option\nrevokedhostkeys /r s\nknownhostscommand none\n",
        );
        assert_eq!(
            said,
            SshGOutput {
                hostname: Some("10.0.0.1".to_owned()),
                port: Some(2222),
                user: Some("bob".to_owned()),
                identities: vec!["~/.ssh/a b".to_owned()],
                identities_only: true,
                user_known_hosts: "/a /b".to_owned(),
                revoked_host_keys: Some("/r s".to_owned()),
                hash_known_hosts: true,
                host_key_alias: Some("web".to_owned()),
                others: [("host", "x"), ("future", "option")]
                    .map(|(key, value)| (key.to_owned(), value.to_owned()))
                    .into(),
                proxy_jump: Some("u@a:22,b".to_owned()),
                ..SshGOutput::default()
            }
        );
    }
}
