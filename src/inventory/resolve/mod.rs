//! Resolves a parsed inventory: parses values, applies defaults and profiles, and checks every rule. All
//! problems are collected, so that one run reports them all.

mod exclude;
mod host;
mod items;
mod kind;
mod probe;
mod rules;
mod service;
mod source;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::error::{Problem, Rule, TOLD_MAX};
use super::prod_words::ProdWords;
use super::raw::{At, Entries, File, OneOrMany};
use super::value::{self, Refusal};
use super::{Defaults, Inventory, Place, Profile};
use crate::name::{ParseNameError, ProfileName};

/// Patterns and names beyond this cost more to check than they can be worth.
const VALUE_MAX_BYTES: usize = 4096;

/// The problems found so far.
#[derive(Default)]
pub(super) struct Findings(Vec<Problem>);

impl Findings {
    fn add(&mut self, place: Place, rule: Rule) {
        self.0.push(Problem::new(place, rule));
    }

    fn add_pair(&mut self, place: Place, also: Place, rule: Rule) {
        self.0.push(Problem {
            place: Some(place),
            rule,
            also: Some(also),
        });
    }

    /// Whether the next problem would be reported, too.
    fn are_all_told(&self) -> bool {
        self.0.len() < TOLD_MAX
    }

    pub(super) fn into_problems(self) -> Vec<Problem> {
        self.0
    }

    /// The value, or none and a finding.
    fn take<T>(
        &mut self,
        key: &'static str,
        said: &At<String>,
        parse: impl Fn(&str) -> Result<T, Refusal>,
    ) -> Option<T> {
        if said.value.len() > VALUE_MAX_BYTES && !matches!(key, "shell" | "command") {
            self.add(
                said.place,
                Rule::Value {
                    key,
                    why: format!("it is longer than {VALUE_MAX_BYTES} bytes"),
                    hint: "Shorten it.".into(),
                },
            );
            return None;
        }
        parse(&said.value)
            .map_err(|refusal| self.add(said.place, refusal.at_key(key)))
            .ok()
    }

    fn take_if_set<T>(
        &mut self,
        key: &'static str,
        said: Option<&At<String>>,
        parse: impl Fn(&str) -> Result<T, Refusal>,
    ) -> Option<T> {
        said.and_then(|said| self.take(key, said, parse))
    }

    fn take_all<T>(
        &mut self,
        key: &'static str,
        said: Option<&OneOrMany>,
        parse: impl Fn(&str) -> Result<T, Refusal>,
    ) -> Vec<T> {
        said.map_or(&[][..], |said| &said.0)
            .iter()
            .filter_map(|text| self.take(key, text, &parse))
            .collect()
    }

    fn name<T: FromStr<Err = ParseNameError>>(&mut self, said: &At<String>) -> Option<T> {
        said.value
            .parse()
            .map_err(|error| self.add(said.place, Rule::Name(error)))
            .ok()
    }

    fn port(&mut self, key: &'static str, said: Option<&At<u16>>) -> Option<u16> {
        let said = said?;
        if said.value == 0 {
            self.add(
                said.place,
                Rule::Value {
                    key,
                    why: "0 is not a port".to_owned(),
                    hint: "Ports go from 1 to 65535.".into(),
                },
            );
            return None;
        }
        Some(said.value)
    }
}

/// A profile; the place of each of its sources is in the sources.
type Profiles = BTreeMap<ProfileName, Profile>;

/// What `raw` means. With findings, the value is incomplete and must not be used.
pub(super) fn inventory(raw: &File, file: &Path, findings: &mut Findings) -> Inventory {
    let store = findings
        .take_if_set("store", raw.store.as_ref(), value::some_text)
        .map(PathBuf::from);
    let profiles = profiles(raw.profiles.as_ref(), findings);
    let prod =
        ProdWords::with(findings.take_all("protect", raw.protect.as_ref(), value::prod_word));
    let base = host::Base::new(raw.defaults.as_ref(), findings);
    let hosts = host::hosts(raw.hosts.as_ref(), &base, &profiles, &prod, findings);
    rules::judge(&hosts, findings);
    Inventory {
        file: file.to_owned(),
        store,
        defaults: Defaults {
            user: base.user,
            port: base.port,
            identity: base.identity,
            jump: base.jump.map(|(jump, _)| jump),
        },
        profiles,
        hosts: hosts.into_iter().map(|found| found.host).collect(),
    }
}

fn profiles(
    raw: Option<&Entries<Option<super::raw::Profile>>>,
    findings: &mut Findings,
) -> Profiles {
    let mut profiles = Profiles::new();
    for (name, profile) in raw.map_or(&[][..], |raw| &raw.0) {
        let Some(name) = findings.name::<ProfileName>(name) else {
            continue;
        };
        let resolved = profile.as_ref().map(|profile| Profile {
            sources: all(profile.sources.as_ref(), source::source, findings),
            services: all(profile.services.as_ref(), service::service, findings),
            probes: all(profile.probes.as_ref(), probe::probe, findings),
            bootstrap: service::bootstrap(profile, findings),
        });
        profiles.insert(name, resolved.unwrap_or_default());
    }
    profiles
}

/// The items of a mapping that `resolve` can take.
fn all<R, T>(
    raw: Option<&Entries<R>>,
    resolve: impl Fn(&At<String>, &R, &mut Findings) -> Option<T>,
    findings: &mut Findings,
) -> Vec<T> {
    raw.map_or(&[][..], |raw| &raw.0)
        .iter()
        .filter_map(|(name, raw)| resolve(name, raw, findings))
        .collect()
}
