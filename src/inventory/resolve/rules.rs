//! The rules of the file as a whole: what may be writable, which hosts are one machine, which
//! commands may run on prod, and how hosts are reached.
//!
//! They only refuse. Whether a host may be written in a run is the guard's to decide.

use std::collections::BTreeMap;

use super::super::error::Rule;
use super::super::value::same_address;
use super::super::{Access, Host, Place, Protection, Source, SourceKind, protection};
use super::Findings;
use super::host::Found;
use crate::name::{HostName, SourceName};
use crate::units::first_of;

/// So many hosts are named in a message.
const NAMED_MAX: usize = 3;

pub(super) fn judge(hosts: &[Found], findings: &mut Findings) {
    for found in hosts {
        writable_prod(found, findings);
    }
    one_machine(hosts, findings);
    one_name(hosts, findings);
    not_vouched(hosts, findings);
    jump_circles(hosts, findings);
}

fn is_writable(host: &Host) -> bool {
    matches!(host.access, Some((Access::Writable, _)))
}

/// What makes it prod: its env, else a tag.
fn prod_word(host: &Host) -> Option<(String, Place)> {
    protection(host)
        .into_iter()
        .find_map(|reason| match reason {
            Protection::Env { env, place } => Some((format!("its env is `{env}`"), place)),
            Protection::Tag { tag, place } => Some((format!("it has the tag `{tag}`"), place)),
            Protection::NoEnv { .. }
            | Protection::ReadOnly { .. }
            | Protection::NoAccess { .. } => None,
        })
}

fn writable_prod(found: &Found, findings: &mut Findings) {
    let host = &found.host;
    let Some((Access::Writable, access_place)) = host.access else {
        return;
    };
    if let Some((because, place)) = prod_word(host) {
        findings.add_pair(
            access_place,
            place,
            Rule::ProdWritable {
                host: host.name.clone(),
                because,
            },
        );
    } else if !found.says_env {
        findings.add_pair(
            access_place,
            host.place,
            Rule::NoEnvWritable {
                host: host.name.clone(),
            },
        );
    }
}

/// A host is known by its name and by its address: OpenSSH would take either for the machine.
fn one_machine(hosts: &[Found], findings: &mut Findings) {
    let mut known: BTreeMap<String, Vec<&Found>> = BTreeMap::new();
    for found in hosts {
        let name = same_address(found.host.name.as_str());
        let address = found.host.address.as_deref().map(same_address);
        for key in [
            Some(name.clone()),
            address.filter(|address| *address != name),
        ] {
            let Some(key) = key else { continue };
            known.entry(key).or_default().push(found);
        }
    }
    for (address, mut sharers) in known {
        sharers.sort_by_key(|found| found.address_place);
        // Each against the first of the other access: as many findings as hosts, not as pairs.
        let Some(first) = sharers.first() else {
            continue;
        };
        let unlike = |found: &&&Found| is_writable(&found.host) != is_writable(&first.host);
        for found in sharers.iter().filter(unlike) {
            findings.add_pair(
                found.address_place,
                first.address_place,
                Rule::OneAddress {
                    host: found.host.name.clone(),
                    other: first.host.name.clone(),
                    address: address.clone(),
                },
            );
        }
    }
}

fn one_name(hosts: &[Found], findings: &mut Findings) {
    let mut known: BTreeMap<String, &Host> = BTreeMap::new();
    for Found { host, .. } in hosts {
        let key = host.name.as_str().to_ascii_lowercase();
        if let Some(other) = known.get(&key) {
            findings.add_pair(
                host.place,
                other.place,
                Rule::OneName {
                    host: host.name.clone(),
                    other: other.name.clone(),
                },
            );
        } else {
            known.insert(key, host);
        }
    }
}

/// One finding a source, naming the protected hosts that have it.
fn not_vouched(hosts: &[Found], findings: &mut Findings) {
    let mut unvouched: BTreeMap<(Place, &SourceName), Vec<&HostName>> = BTreeMap::new();
    for Found { host, .. } in hosts {
        if protection(host).is_empty() {
            continue;
        }
        for source in host.sources.iter().filter(|source| runs_unvouched(source)) {
            unvouched
                .entry((source.place, &source.name))
                .or_default()
                .push(&host.name);
        }
    }
    for ((place, source_name), names) in unvouched {
        let quoted = names.iter().map(|name| format!("`{name}`"));
        let hosts = first_of(NAMED_MAX, names.len(), quoted);
        findings.add(
            place,
            Rule::NotVouched {
                source_name: source_name.clone(),
                hosts,
            },
        );
    }
}

fn runs_unvouched(source: &Source) -> bool {
    match &source.kind {
        SourceKind::Command(command) => !command.reads_only,
        SourceKind::Directory(_)
        | SourceKind::Files(_)
        | SourceKind::Postgres(_)
        | SourceKind::Http(_) => false,
    }
}

/// A chain `a,b` goes through both; whatever is no host of this inventory ends the search.
fn jump_circles(hosts: &[Found], findings: &mut Findings) {
    #[derive(Clone, Copy, PartialEq)]
    enum Mark {
        New,
        Open,
        Done,
    }

    let index: BTreeMap<&str, usize> = hosts
        .iter()
        .enumerate()
        .map(|(at, found)| (found.host.name.as_str(), at))
        .collect();
    let next: Vec<Vec<usize>> = hosts
        .iter()
        .map(|found| {
            let jump = found.host.jump.as_deref().unwrap_or_default();
            jump.split(',')
                .filter_map(|hop| index.get(hop).copied())
                .collect()
        })
        .collect();
    let mut marks = vec![Mark::New; hosts.len()];
    for start in 0..hosts.len() {
        // Depth first without recursion, for a chain may be as long as the inventory.
        let mut path: Vec<(usize, usize)> = Vec::new();
        if marks[start] == Mark::New {
            marks[start] = Mark::Open;
            path.push((start, 0));
        }
        while let Some((at, edge)) = path.last_mut() {
            let Some(&to) = next[*at].get(*edge) else {
                marks[*at] = Mark::Done;
                path.pop();
                continue;
            };
            *edge += 1;
            match marks[to] {
                Mark::New => {
                    marks[to] = Mark::Open;
                    path.push((to, 0));
                }
                Mark::Open => {
                    let entered = path.iter().position(|(at, _)| *at == to).unwrap_or(0);
                    let mut circle: Vec<String> = path[entered..]
                        .iter()
                        .map(|(at, _)| format!("`{}`", hosts[*at].host.name))
                        .collect();
                    circle.push(format!("`{}`", hosts[to].host.name));
                    let found = &hosts[to];
                    findings.add(
                        found.jump_place.unwrap_or(found.host.place),
                        Rule::JumpCircle {
                            host: found.host.name.clone(),
                            circle,
                        },
                    );
                }
                Mark::Done => {}
            }
        }
    }
}
