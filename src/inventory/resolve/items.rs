//! Collects what a host has by name: the sources, services and probes of its profiles, then its own.

use std::collections::{BTreeMap, BTreeSet};

use super::super::error::Rule;
use super::super::raw;
use super::super::{Bootstrap, Item, Place, Probe, Service, Source, User};
use super::{Findings, Profiles, all, probe, service, source};
use crate::name::{HostName, ProfileName, nearest};

/// What a host has, and the profiles that it has it from.
#[derive(Default)]
pub(super) struct Items {
    pub(super) used: Vec<ProfileName>,
    pub(super) sources: Vec<Source>,
    pub(super) services: Vec<Service>,
    pub(super) probes: Vec<Probe>,
    pub(super) bootstrap: Bootstrap,
}

/// The names that are taken, each with who brought it and where.
type Seen = BTreeMap<String, (String, Place)>;

/// Adds the items of one profile or of the host itself, and finds names that are there already.
struct Adding<'a> {
    host: &'a HostName,
    findings: &'a mut Findings,
    sources: Seen,
    services: Seen,
    probes: Seen,
    users: BTreeMap<String, (String, User)>,
}

impl Items {
    pub(super) fn of(
        name: &HostName,
        raw: &raw::Host,
        profiles: &Profiles,
        findings: &mut Findings,
    ) -> Self {
        let used = used(name, raw, profiles, findings);
        let own_sources = all(raw.sources.as_ref(), source::source, findings);
        let own_services = all(raw.services.as_ref(), service::service, findings);
        let own_probes = all(raw.probes.as_ref(), probe::probe, findings);
        let mut items = Self::default();
        let mut adding = Adding {
            host: name,
            findings,
            sources: Seen::new(),
            services: Seen::new(),
            probes: Seen::new(),
            users: BTreeMap::new(),
        };
        for profile_name in used {
            if let Some(profile) = profiles.get(&profile_name) {
                let bringer = format!("profile `{profile_name}`");
                adding.sources(&bringer, &profile.sources, &mut items.sources);
                adding.services(&bringer, &profile.services, &mut items.services);
                adding.probes(&bringer, &profile.probes, &mut items.probes);
                let place = raw.profiles.as_ref().and_then(|said| said.0.first());
                let place = place.map(|said| said.place).unwrap_or_default();
                adding.bootstrap(&bringer, place, &profile.bootstrap, &mut items.bootstrap);
            }
            items.used.push(profile_name);
        }
        adding.sources("its own", &own_sources, &mut items.sources);
        adding.services("its own", &own_services, &mut items.services);
        adding.probes("its own", &own_probes, &mut items.probes);
        items
    }
}

/// The profiles that `raw` uses.
fn used(
    name: &HostName,
    raw: &raw::Host,
    profiles: &Profiles,
    findings: &mut Findings,
) -> Vec<ProfileName> {
    let mut used = Vec::new();
    let mut named = BTreeSet::new();
    for said in raw.profiles.as_ref().map_or(&[][..], |said| &said.0) {
        let Some(profile_name) = findings.name::<ProfileName>(said) else {
            continue;
        };
        if !named.insert(profile_name.clone()) {
            findings.add(
                said.place,
                Rule::ProfileTwice {
                    host: name.clone(),
                    name: profile_name,
                },
            );
            continue;
        }
        if !profiles.contains_key(&profile_name) {
            // Costly with many profiles, and not reported beyond the first problems.
            let nearest = if findings.are_all_told() {
                nearest(profile_name.as_str(), profiles.keys(), |name| name.as_str())
                    .map(ToString::to_string)
            } else {
                None
            };
            findings.add(
                said.place,
                Rule::UnknownProfile {
                    nearest,
                    name: profile_name,
                },
            );
            continue;
        }
        used.push(profile_name);
    }
    used
}

impl Adding<'_> {
    fn sources(&mut self, bringer: &str, items: &[Source], into: &mut Vec<Source>) {
        for source in items {
            let name = source.name.as_str();
            if is_new(
                Item::Source,
                self.host,
                (bringer, name, source.place),
                &mut self.sources,
                self.findings,
            ) {
                into.push(source.clone());
            }
        }
    }

    fn services(&mut self, bringer: &str, items: &[Service], into: &mut Vec<Service>) {
        for service in items {
            let name = service.name.as_str();
            if is_new(
                Item::Service,
                self.host,
                (bringer, name, service.place),
                &mut self.services,
                self.findings,
            ) {
                into.push(service.clone());
            }
        }
    }

    fn probes(&mut self, bringer: &str, items: &[Probe], into: &mut Vec<Probe>) {
        for probe in items {
            let name = probe.name.as_str();
            if is_new(
                Item::Probe,
                self.host,
                (bringer, name, probe.place),
                &mut self.probes,
                self.findings,
            ) {
                into.push(probe.clone());
            }
        }
    }

    /// Packages once each; accounts once each, if all profiles describe them the same way.
    fn bootstrap(&mut self, bringer: &str, place: Place, from: &Bootstrap, into: &mut Bootstrap) {
        for package in &from.packages {
            if !into.packages.contains(package) {
                into.packages.push(package.clone());
            }
        }
        for user in &from.users {
            match self.users.get(user.name.as_str()) {
                None => {
                    let brought = (bringer.to_owned(), user.clone());
                    self.users.insert(user.name.to_string(), brought);
                    into.users.push(user.clone());
                }
                Some((_, known)) if known == user => {}
                Some((first, _)) => self.findings.add(
                    place,
                    Rule::UserTwice {
                        host: self.host.clone(),
                        name: user.name.clone(),
                        first: first.clone(),
                        second: bringer.to_owned(),
                    },
                ),
            }
        }
    }
}

/// Whether nothing of that sort and name is there yet; else it is a finding.
fn is_new(
    item: Item,
    host: &HostName,
    (bringer, name, place): (&str, &str, Place),
    seen: &mut Seen,
    findings: &mut Findings,
) -> bool {
    if let Some((first, first_place)) = seen.get(name) {
        findings.add_pair(
            place,
            *first_place,
            Rule::ItemTwice {
                item,
                host: host.clone(),
                name: name.to_owned(),
                bringers: format!("one of {first}, one of {bringer}"),
            },
        );
        return false;
    }
    seen.insert(name.to_owned(), (bringer.to_owned(), place));
    true
}
