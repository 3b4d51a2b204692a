//! Resolves one host: its own keys first, then those of `defaults` and its profiles.

use std::path::PathBuf;
use std::time::Duration;

use super::super::error::Rule;
use super::super::raw::{self, At, Entries, OneOrMany};
use super::super::value;
use super::super::{Access, Env, Host, Keep, Limits, Place, ProdWords, Tag, WireCompression};
use super::items::Items;
use super::{Findings, Profiles};
use crate::name::HostName;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const STALL_TIMEOUT: Duration = Duration::from_secs(60);

/// Over all hosts; a profile with many sources times many hosts would fill the memory.
const ITEMS_MAX: usize = 250_000;

/// What `defaults` says.
pub(super) struct Base {
    pub(super) user: Option<String>,
    pub(super) port: Option<u16>,
    pub(super) identity: Vec<PathBuf>,
    pub(super) jump: Option<(String, Place)>,
    keep: Option<Keep>,
    max_age: Option<Duration>,
    limits: Limits,
    compression: WireCompression,
}

impl Base {
    pub(super) fn new(raw: Option<&raw::Defaults>, findings: &mut Findings) -> Self {
        let nothing = raw::Defaults::default();
        let raw = raw.unwrap_or(&nothing);
        Self {
            user: findings.take_if_set("user", raw.user.as_ref(), value::argument),
            port: findings.port("port", raw.port.as_ref()),
            identity: identity(raw.identity.as_ref(), findings),
            jump: jump(raw.jump.as_ref(), findings),
            keep: keep(raw.keep.as_ref(), findings),
            max_age: findings.take_if_set("max_age", raw.max_age.as_ref(), value::duration),
            limits: limits(
                raw.connect_timeout.as_ref(),
                raw.stall_timeout.as_ref(),
                Limits {
                    connect_timeout: CONNECT_TIMEOUT,
                    stall_timeout: STALL_TIMEOUT,
                },
                findings,
            ),
            compression: findings
                .take_if_set("compression", raw.compression.as_ref(), value::compression)
                .unwrap_or_default(),
        }
    }
}

/// A host, and the places that only the rules between hosts need.
pub(super) struct Found {
    pub(super) host: Host,
    pub(super) address_place: Place,
    pub(super) jump_place: Option<Place>,
    /// Also when what it says can't be an env, which is a finding of its own.
    pub(super) says_env: bool,
}

pub(super) fn hosts(
    raw: Option<&Entries<Option<raw::Host>>>,
    base: &Base,
    profiles: &Profiles,
    prod: &ProdWords,
    findings: &mut Findings,
) -> Vec<Found> {
    let nothing = raw::Host::default();
    let mut hosts = Vec::new();
    let mut count = 0;
    for (said_name, raw) in raw.map_or(&[][..], |raw| &raw.0) {
        let Some(name) = findings.name::<HostName>(said_name) else {
            continue;
        };
        let raw = raw.as_ref().unwrap_or(&nothing);
        let found = host(name, said_name.place, raw, base, profiles, prod, findings);
        let host = &found.host;
        count += host.sources.len() + host.services.len() + host.probes.len();
        if count > ITEMS_MAX {
            findings.add(said_name.place, Rule::TooManyItems { max: ITEMS_MAX });
            break;
        }
        hosts.push(found);
    }
    hosts
}

fn host(
    name: HostName,
    place: Place,
    raw: &raw::Host,
    base: &Base,
    profiles: &Profiles,
    prod: &ProdWords,
    findings: &mut Findings,
) -> Found {
    let items = Items::of(&name, raw, profiles, findings);
    let own_jump = jump(raw.jump.as_ref(), findings);
    // A bastion named in `defaults` is not reached through itself.
    let jump = own_jump.or_else(|| {
        base.jump
            .clone()
            .filter(|(jump, _)| jump.as_str() != name.as_str())
    });
    let own_identity = identity(raw.identity.as_ref(), findings);
    let host = Host {
        place,
        env: env(raw.env.as_ref(), prod, findings),
        access: access(raw.access.as_ref(), findings),
        tags: tags(raw.tags.as_ref(), prod, findings),
        address: findings.take_if_set("address", raw.address.as_ref(), value::address),
        port: findings.port("port", raw.port.as_ref()).or(base.port),
        user: findings
            .take_if_set("user", raw.user.as_ref(), value::argument)
            .or_else(|| base.user.clone()),
        identity: if own_identity.is_empty() {
            base.identity.clone()
        } else {
            own_identity
        },
        jump: jump.as_ref().map(|(jump, _)| jump.clone()),
        profiles: items.used,
        sources: items.sources,
        services: items.services,
        probes: items.probes,
        bootstrap: items.bootstrap,
        limits: limits(
            raw.connect_timeout.as_ref(),
            raw.stall_timeout.as_ref(),
            base.limits,
            findings,
        ),
        compression: findings
            .take_if_set("compression", raw.compression.as_ref(), value::compression)
            .unwrap_or(base.compression),
        schedule: findings.take_if_set("schedule", raw.schedule.as_ref(), value::schedule),
        keep: keep(raw.keep.as_ref(), findings)
            .or(base.keep)
            .unwrap_or_default(),
        max_age: findings
            .take_if_set("max_age", raw.max_age.as_ref(), value::duration)
            .or(base.max_age),
        name,
    };
    Found {
        host,
        address_place: raw.address.as_ref().map_or(place, |said| said.place),
        jump_place: jump.map(|(_, place)| place),
        says_env: raw.env.is_some(),
    }
}

fn env(
    said: Option<&At<String>>,
    prod: &ProdWords,
    findings: &mut Findings,
) -> Option<(Env, Place)> {
    let said = said?;
    findings
        .take("env", said, |text| value::env(text, prod))
        .map(|env| (env, said.place))
}

fn tags(said: Option<&OneOrMany>, prod: &ProdWords, findings: &mut Findings) -> Vec<(Tag, Place)> {
    said.map_or(&[][..], |said| &said.0)
        .iter()
        .filter_map(|said| {
            findings
                .take("tags", said, |text| value::tag(text, prod))
                .map(|tag| (tag, said.place))
        })
        .collect()
}

fn access(said: Option<&At<String>>, findings: &mut Findings) -> Option<(Access, Place)> {
    let said = said?;
    let choices = [
        ("read-only", Access::ReadOnly),
        ("writable", Access::Writable),
    ];
    let access = findings.take("access", said, |text| value::one_of(text, &choices))?;
    Some((access, said.place))
}

/// The limits of a host or of `defaults`: keys that are absent have the value of `base`.
fn limits(
    connect_timeout: Option<&At<String>>,
    stall_timeout: Option<&At<String>>,
    base: Limits,
    findings: &mut Findings,
) -> Limits {
    Limits {
        connect_timeout: findings
            .take_if_set("connect_timeout", connect_timeout, value::duration)
            .unwrap_or(base.connect_timeout),
        stall_timeout: findings
            .take_if_set("stall_timeout", stall_timeout, value::duration)
            .unwrap_or(base.stall_timeout),
    }
}

fn identity(said: Option<&OneOrMany>, findings: &mut Findings) -> Vec<PathBuf> {
    findings
        .take_all("identity", said, value::some_text)
        .into_iter()
        .map(PathBuf::from)
        .collect()
}

fn jump(said: Option<&At<String>>, findings: &mut Findings) -> Option<(String, Place)> {
    let said = said?;
    findings
        .take("jump", said, value::argument)
        .map(|jump| (jump, said.place))
}

fn keep(said: Option<&At<raw::Keep>>, findings: &mut Findings) -> Option<Keep> {
    let said = said?;
    let raw = &said.value;
    let keep = Keep {
        last: raw.last.unwrap_or_default(),
        within: findings.take_if_set("within", raw.within.as_ref(), value::duration),
        hourly: raw.hourly.unwrap_or_default(),
        daily: raw.daily.unwrap_or_default(),
        weekly: raw.weekly.unwrap_or_default(),
        monthly: raw.monthly.unwrap_or_default(),
        yearly: raw.yearly.unwrap_or_default(),
    };
    if keep.is_unset() && raw.within.is_none() {
        findings.add(
            said.place,
            Rule::Value {
                key: "keep",
                why: "it keeps nothing".to_owned(),
                hint: "Keep at least one kind, as in `keep: { last: 10 }`; without `keep` nothing is pruned.".into(),
            },
        );
    }
    Some(keep)
}
