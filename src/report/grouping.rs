//! Groups the messages about many hosts by error code and text, so that a run over many hosts prints each
//! once.
//!
//! What belongs to one host (its name, and the values that an error names as specific to it) does not tell
//! two texts apart.

use std::collections::HashMap;

use crate::fault::{Code, Specific};
use crate::name::HostName;
use crate::units::listing;

/// The messages about one host.
#[derive(Debug, Clone)]
pub struct HostMessages {
    /// The host.
    pub host: HostName,
    /// The codes of its errors.
    pub codes: Vec<Code>,
    /// The texts.
    pub texts: Vec<String>,
    /// What of the texts is specific to the host, beside its name.
    pub specifics: Vec<Specific>,
}

/// Hosts with the same messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Their indexes in what was grouped, ascending; at least one.
    pub members: Vec<usize>,
    /// The texts of the first, with `HOST`, `ADDRESS`, `FINGERPRINT` or `TIME` where the others differ.
    pub texts: Vec<String>,
}

/// Groups hosts with the same messages, in the order of the first of each group.
#[must_use]
pub fn groups(said: &[HostMessages]) -> Vec<Group> {
    let mut places = HashMap::new();
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for (index, one) in said.iter().enumerate() {
        let labels: Vec<&str> = one.specifics.iter().map(Specific::label).collect();
        let all = values(one, |_| true);
        let key = (&one.codes, labels, replaced_all(&one.texts, &all));
        let place = *places.entry(key).or_insert(groups.len());
        match groups.get_mut(place) {
            Some(members) => members.push(index),
            None => groups.push(vec![index]),
        }
    }
    groups
        .into_iter()
        .map(|members| Group {
            texts: shared(said, &members),
            members,
        })
        .collect()
}

/// The texts of the first of `members`, without what is not the same for all.
fn shared(said: &[HostMessages], members: &[usize]) -> Vec<String> {
    let first = &said[members[0]];
    if members.iter().all(|at| said[*at].host == first.host) {
        return first.texts.clone();
    }
    let differs = |index: usize| {
        let of_first = first.specifics.get(index);
        members
            .iter()
            .any(|at| said[*at].specifics.get(index) != of_first)
    };
    replaced_all(&first.texts, &values(first, differs))
}

/// The host's name, and those of its specifics that `is_wanted` by their index, the longest first: one may
/// be part of another.
fn values(said: &HostMessages, is_wanted: impl Fn(usize) -> bool) -> Vec<(&str, &'static str)> {
    let mut values = vec![(said.host.as_str(), "HOST")];
    for (index, specific) in said.specifics.iter().enumerate() {
        let value = specific.value();
        if is_wanted(index) && !value.is_empty() && value != said.host.as_str() {
            values.push((value, specific.label()));
        }
    }
    values.sort_by_key(|(value, _)| std::cmp::Reverse(value.len()));
    values
}

fn replaced_all(texts: &[String], values: &[(&str, &str)]) -> Vec<String> {
    let replaced = |text: &String| {
        let mut text = text.clone();
        for (value, label) in values {
            text = replaced(&text, value, label);
        }
        text
    };
    texts.iter().map(replaced).collect()
}

/// `value` replaced where it is no piece of a longer name or number.
fn replaced(text: &str, value: &str, label: &str) -> String {
    let joins = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
    let mut done = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(value) {
        let (before, behind) = (&rest[..at], &rest[at + value.len()..]);
        let mut next = behind.chars();
        let goes_on = match next.next() {
            Some('.') => next.next().is_some_and(joins),
            Some(c) => joins(c),
            None => false,
        };
        let began =
            (done.chars().chain(before.chars()).last()).is_some_and(|c| joins(c) || c == '.');
        done.push_str(before);
        done.push_str(if began || goes_on { value } else { label });
        rest = behind;
    }
    done + rest
}

/// `web-1, web-2`; the first ten of many, and how many more.
#[must_use]
pub fn names(hosts: &[&HostName]) -> String {
    listing(hosts.len(), hosts)
}

#[cfg(test)]
mod tests;
