//! Options of ssh_config that decide how to connect and log in, beyond address, user and keys; and
//! those that fleet does not follow, as notes for the operator.
//!
//! An option that would change the way to the host or whom fleet trusts, and that fleet cannot follow,
//! is an error before anything is connected.

use russh::MethodKind;

use crate::ssh::config::algorithms::Algorithms;
use crate::ssh::config::ssh_config::SshGOutput;
use crate::ssh::login::prompts::TRIES_MAX;

/// ssh's own default of `RequiredRSASize`.
const RSA_BITS_MIN: u32 = 1024;

/// Methods that fleet has, in the order in which ssh tries them.
const METHODS: [(&str, MethodKind, &str); 3] = [
    ("publickey", MethodKind::PublicKey, "pubkeyauthentication"),
    (
        "keyboard-interactive",
        MethodKind::KeyboardInteractive,
        "kbdinteractiveauthentication",
    ),
    ("password", MethodKind::Password, "passwordauthentication"),
];

/// What ssh_config says about connecting to one host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::ssh) struct Rules {
    /// What is offered in the key exchange.
    pub(in crate::ssh) algorithms: Algorithms,
    /// Login methods that are allowed, in the order in which they are tried.
    pub(in crate::ssh) methods: Vec<MethodKind>,
    /// `BatchMode yes` makes this false: nothing is asked.
    pub(in crate::ssh) may_ask: bool,
    /// `NumberOfPasswordPrompts`.
    pub(in crate::ssh) prompts_max: u32,
    /// `RequiredRSASize`, for keys of hosts and of users.
    pub(in crate::ssh) rsa_bits_min: u32,
    /// `AddressFamily`.
    pub(in crate::ssh) family: Family,
    /// `BindAddress`.
    pub(in crate::ssh) bind: Option<String>,
}

/// Which addresses of a host are connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::ssh) enum Family {
    #[default]
    Any,
    Inet,
    Inet6,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            algorithms: Algorithms::default(),
            methods: METHODS.iter().map(|(_, method, _)| *method).collect(),
            may_ask: true,
            prompts_max: TRIES_MAX,
            rsa_bits_min: RSA_BITS_MIN,
            family: Family::Any,
            bind: None,
        }
    }
}

impl Rules {
    /// The rules in what `ssh -G` printed for a host; `defaults` is what it prints without any
    /// configuration.
    ///
    /// # Errors
    ///
    /// What can't be followed.
    pub(in crate::ssh) fn read(host: &SshGOutput, defaults: &SshGOutput) -> Result<Self, String> {
        if let Some(why) = host.other("refuseconnection") {
            return Err(format!(
                "ssh_config refuses it (`RefuseConnection`): {}",
                crate::name::escape(why.as_bytes())
            ));
        }
        if let Some(interface) = host.set("bindinterface") {
            return Err(format!(
                "`BindInterface {interface}` of ssh_config is not supported; `BindAddress` with an address of that interface is"
            ));
        }
        let number = |key: &str, default: u32| {
            host.other(key)
                .and_then(|value| value.parse().ok())
                .unwrap_or(default)
        };
        Ok(Self {
            algorithms: Algorithms::read(host, defaults)?,
            methods: methods(host),
            may_ask: host.other("batchmode") != Some("yes"),
            prompts_max: number("numberofpasswordprompts", TRIES_MAX),
            rsa_bits_min: number("requiredrsasize", RSA_BITS_MIN),
            family: match host.other("addressfamily") {
                Some("inet") => Family::Inet,
                Some("inet6") => Family::Inet6,
                Some(_) | None => Family::Any,
            },
            bind: host.set("bindaddress").map(str::to_owned),
        })
    }
}

/// The allowed methods in the order of `PreferredAuthentications`.
fn methods(host: &SshGOutput) -> Vec<MethodKind> {
    let allowed = METHODS
        .iter()
        // OpenSSH prints `true` and `false` for `yes` and `no` of PubkeyAuthentication.
        .filter(|(_, _, switch)| !matches!(host.other(switch), Some("no" | "false")));
    match host.set("preferredauthentications") {
        None => allowed.map(|(_, method, _)| *method).collect(),
        Some(list) => list
            .split(',')
            .filter_map(|wanted| {
                allowed
                    .clone()
                    .find(|(name, _, _)| *name == wanted.trim())
                    .map(|(_, method, _)| *method)
            })
            .collect(),
    }
}

/// Options that are set and that fleet does not follow, each with what fleet does instead.
pub(in crate::ssh) fn notes(host: &SshGOutput) -> Vec<String> {
    let mut notes = Vec::new();
    let is =
        |key: &str, values: &[&str]| host.other(key).is_some_and(|value| values.contains(&value));
    if is(
        "stricthostkeychecking",
        &["no", "off", "false", "accept-new"],
    ) {
        notes.push("`StrictHostKeyChecking`: host keys are always checked, and only `fleet trust` adds one");
    }
    if is("nohostauthenticationforlocalhost", &["yes", "true"]) {
        notes.push("`NoHostAuthenticationForLocalhost`: host keys are always checked");
    }
    if is("checkhostip", &["yes", "true"]) {
        notes.push("`CheckHostIP`: host keys are looked up under the host's name alone");
    }
    if is("verifyhostkeydns", &["yes", "true", "ask"]) {
        notes.push("`VerifyHostKeyDNS`: host keys are looked up in known_hosts alone");
    }
    if is("hostbasedauthentication", &["yes", "true"]) {
        notes.push(
            "`HostbasedAuthentication`: fleet logs in with keys, passwords and answers alone",
        );
    }
    if host.set("pkcs11provider").is_some() {
        notes.push("`PKCS11Provider`: load the token's keys into the agent with `ssh-add -s`");
    }
    if host.set("connecttimeout").is_some() {
        notes.push("`ConnectTimeout`: the limit is `connect_timeout` in the inventory");
    }
    notes.into_iter().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(text: &str) -> Result<Rules, String> {
        let defaults = SshGOutput::parse(
            "kexalgorithms curve25519-sha256,ecdh-sha2-nistp256\nciphers aes128-ctr\nmacs hmac-sha2-256\n\
             hostkeyalgorithms ssh-ed25519,rsa-sha2-512\npubkeyacceptedalgorithms ssh-ed25519\n",
        );
        Rules::read(&SshGOutput::parse(text), &defaults)
    }

    #[test]
    fn what_ssh_config_leaves_alone_is_as_fleet_has_it() {
        assert_eq!(
            rules(
                "kexalgorithms curve25519-sha256,ecdh-sha2-nistp256\nciphers aes128-ctr\nbatchmode no\n"
            ),
            Ok(Rules::default())
        );
    }

    #[test]
    fn methods_come_in_the_order_that_is_preferred_and_only_if_they_are_allowed() {
        use MethodKind::{KeyboardInteractive, Password, PublicKey};
        let cases: [(&str, &[MethodKind]); 5] = [
            ("", &[PublicKey, KeyboardInteractive, Password]),
            (
                "passwordauthentication no\n",
                &[PublicKey, KeyboardInteractive],
            ),
            (
                "pubkeyauthentication false\nkbdinteractiveauthentication no\n",
                &[Password],
            ),
            (
                "preferredauthentications password,publickey,gssapi-with-mic\n",
                &[Password, PublicKey],
            ),
            (
                "preferredauthentications password\npasswordauthentication no\n",
                &[],
            ),
        ];
        for (text, methods) in cases {
            assert_eq!(
                rules(text).map(|rules| rules.methods),
                Ok(methods.to_vec()),
                "{text}"
            );
        }
    }

    #[test]
    fn numbers_switches_and_addresses_are_read() {
        let rules = rules(
            "batchmode yes\nnumberofpasswordprompts 1\nrequiredrsasize 3072\naddressfamily inet6\nbindaddress ::1\n",
        );
        assert_eq!(
            rules,
            Ok(Rules {
                may_ask: false,
                prompts_max: 1,
                rsa_bits_min: 3072,
                family: Family::Inet6,
                bind: Some("::1".to_owned()),
                ..Rules::default()
            })
        );
    }

    #[test]
    fn what_leaves_no_way_is_an_error_that_names_both_lists() {
        assert_eq!(
            rules("ciphers 3des-cbc,arcfour\n"),
            Err("`Ciphers` of ssh_config allows 3des-cbc, arcfour, and fleet has aes256-gcm@openssh.com, \
                 aes128-gcm@openssh.com, chacha20-poly1305@openssh.com, aes256-ctr, aes192-ctr, aes128-ctr"
                .to_owned())
        );
        assert_eq!(
            rules("hostkeyalgorithms ssh-rsa\n").map_err(|why| why.starts_with(
                "`HostKeyAlgorithms` of ssh_config allows ssh-rsa, and fleet has ssh-ed25519, "
            )),
            Err(true)
        );
        assert_eq!(
            rules("bindinterface tun0\n"),
            Err("`BindInterface tun0` of ssh_config is not supported; `BindAddress` with an address of that interface is".to_owned())
        );
    }

    #[test]
    fn what_is_not_followed_is_noted() {
        let said = SshGOutput::parse(
            "stricthostkeychecking accept-new\ncheckhostip no\nconnecttimeout 3\nconnecttimeout none\n",
        );
        assert_eq!(
            notes(&said),
            [
                "`StrictHostKeyChecking`: host keys are always checked, and only `fleet trust` adds one",
                "`ConnectTimeout`: the limit is `connect_timeout` in the inventory",
            ]
        );
        assert_eq!(
            notes(&SshGOutput::parse(
                "stricthostkeychecking ask\nconnecttimeout none\n"
            )),
            Vec::<String>::new()
        );
    }
}
