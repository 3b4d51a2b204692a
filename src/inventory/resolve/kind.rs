//! What sources, services and probes have in common: exactly one key that says what the item is, and values
//! that several kinds take.

use super::super::error::Rule;
use super::super::raw::{At, Kinds};
use super::super::value;
use super::super::{Item, Place};
use super::Findings;
use crate::name::RemotePath;

/// An item and its name in the file.
pub(super) struct Named<'a> {
    pub(super) item: Item,
    pub(super) name: &'a At<String>,
}

impl Named<'_> {
    /// A key is missing.
    pub(super) fn needs(&self, key: &'static str, hint: &'static str, findings: &mut Findings) {
        findings.add(
            self.name.place,
            Rule::Incomplete {
                item: self.item,
                name: self.name.value.clone(),
                key,
                hint,
            },
        );
    }
}

/// The key that says what the item is; every one of its `keys` that does not belong to it is a finding.
pub(super) fn kind(
    named: &Named<'_>,
    keys: &[(&'static str, Place)],
    kinds: Kinds,
    common: &[&str],
    findings: &mut Findings,
) -> Option<&'static str> {
    let mut found = keys.iter().filter_map(|(key, place)| {
        kinds
            .iter()
            .find(|(kind, _)| kind == key)
            .map(|k| (k, *place))
    });
    let Some(((kind, own_keys), place)) = found.next() else {
        findings.add(
            named.name.place,
            Rule::NoKind {
                item: named.item,
                name: named.name.value.clone(),
            },
        );
        return None;
    };
    if let Some(((second, _), second_place)) = found.next() {
        findings.add_pair(
            second_place.max(place),
            second_place.min(place),
            Rule::TwoKinds {
                item: named.item,
                name: named.name.value.clone(),
                first: kind,
                second,
            },
        );
        return None;
    }
    for (key, place) in keys {
        if key != kind && !own_keys.contains(key) && !common.contains(key) {
            let owners = kinds.iter().filter(|(_, keys)| keys.contains(key));
            findings.add(
                *place,
                Rule::ForeignKey {
                    item: named.item,
                    key,
                    kind,
                    owners: owners.map(|(kind, _)| *kind).collect(),
                },
            );
        }
    }
    Some(kind)
}

/// A list that names nothing.
pub(super) fn nothing(key: &'static str) -> Rule {
    Rule::Value {
        key,
        why: "it names nothing".to_owned(),
        hint: match key {
            "process" | "reload" => "Name the program and its arguments, or remove it.".into(),
            _ => "Name at least one, or remove the source.".into(),
        },
    }
}

/// A program with its arguments.
pub(super) fn argv(
    key: &'static str,
    said: &At<Vec<At<String>>>,
    findings: &mut Findings,
) -> Vec<String> {
    if said
        .value
        .first()
        .is_none_or(|program| program.value.is_empty())
    {
        findings.add(said.place, nothing(key));
    }
    said.value
        .iter()
        .filter_map(|text| {
            findings.take(key, text, |text| match text {
                "" => Ok(String::new()),
                text => value::some_text(text),
            })
        })
        .collect()
}

/// The status of an HTTP answer; 200 if the key is absent.
pub(super) fn some_status(said: Option<&At<u16>>, findings: &mut Findings) -> u16 {
    said.map_or(200, |said| {
        if !(100..=599).contains(&said.value) {
            findings.add(
                said.place,
                Rule::Value {
                    key: "status",
                    why: format!("{} is not an HTTP status", said.value),
                    hint: "Write a number from 100 to 599.".into(),
                },
            );
        }
        said.value
    })
}

/// An absolute path of a directory.
pub(super) fn directory(
    key: &'static str,
    said: Option<&At<String>>,
    findings: &mut Findings,
) -> Option<RemotePath> {
    let said = said?;
    said.value
        .parse()
        .map_err(|error: crate::name::ParsePathError| {
            findings.add(
                said.place,
                Rule::Value {
                    key,
                    why: error.to_string(),
                    hint: "Write the whole path, as in `/opt/app`; `~` is not expanded.".into(),
                },
            );
        })
        .ok()
}
