//! Selects hosts: names, `@ENV-or-TAG`, all, and exceptions.

use std::str::FromStr;

use crate::fault::{Code, ExitClass, Fault};
use crate::inventory::{Host, Inventory};
use crate::name::{HostName, ParseNameError, did_you_mean, nearest};

/// One word of a selection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selector {
    /// The host of that name.
    Host(HostName),
    /// Every host of that env, or with that tag.
    Group(String),
}

impl FromStr for Selector {
    type Err = ParseNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.strip_prefix('@') {
            // A group is a word of the same shape as a host's name.
            Some(group) => group
                .parse::<HostName>()
                .map(|word| Self::Group(word.to_string())),
            None => text.parse().map(Self::Host),
        }
    }
}

/// Which hosts are meant.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selection {
    /// Every host of the inventory.
    pub all: bool,
    /// These.
    pub include: Vec<Selector>,
    /// But not these.
    pub exclude: Vec<Selector>,
}

/// The selection means nothing in this inventory.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectionError {
    /// No host has that name.
    #[error("there is no host `{name}` in {inventory}")]
    UnknownHost {
        /// The name.
        name: HostName,
        /// The file.
        inventory: String,
        /// The name that was probably meant.
        nearest: Option<HostName>,
    },
    /// No host has that env or tag.
    #[error("no host in {inventory} has the env or tag `{group}`")]
    UnknownGroup {
        /// The word.
        group: String,
        /// The file.
        inventory: String,
        /// Every env and tag that there is.
        known: Vec<String>,
    },
    /// The selection names no host, or leaves none.
    #[error("no host is selected")]
    Empty,
}

impl Fault for SelectionError {
    fn code(&self) -> Code {
        match self {
            Self::UnknownHost { .. } => Code::UnknownHost,
            Self::UnknownGroup { .. } => Code::UnknownGroup,
            Self::Empty => Code::NothingSelected,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::UnknownHost {
                nearest: Some(nearest),
                ..
            } => did_you_mean(nearest),
            Self::UnknownHost { nearest: None, .. } => "`fleet hosts` lists every host.".to_owned(),
            Self::UnknownGroup { known, .. } if known.is_empty() => {
                "No host of this inventory has an env or tag.".to_owned()
            }
            Self::UnknownGroup { known, .. } => format!("There are: @{}.", known.join(", @")),
            Self::Empty => "Name hosts or `@ENV-or-TAG` groups, or use `--all`.".to_owned(),
        })
    }

    fn exit_class(&self) -> ExitClass {
        ExitClass::Usage
    }
}

impl Selection {
    /// The hosts of one selector.
    #[must_use]
    pub fn only(selector: Selector) -> Self {
        Self {
            include: vec![selector],
            ..Self::default()
        }
    }

    /// The hosts that are meant, in the inventory's order, each once.
    ///
    /// # Errors
    ///
    /// [`SelectionError`] if a word means nothing, in an exception too, or no host is left.
    pub fn of<'a>(&self, inventory: &'a Inventory) -> Result<Vec<&'a Host>, SelectionError> {
        for selector in self.include.iter().chain(&self.exclude) {
            check(selector, inventory)?;
        }
        let chosen: Vec<&Host> = inventory
            .hosts
            .iter()
            .filter(|host| self.all || self.include.iter().any(|selector| means(selector, host)))
            .filter(|host| !self.exclude.iter().any(|selector| means(selector, host)))
            .collect();
        if chosen.is_empty() {
            Err(SelectionError::Empty)
        } else {
            Ok(chosen)
        }
    }
}

/// The host of that name.
///
/// # Errors
///
/// [`SelectionError::UnknownHost`], with the name that was probably meant.
pub fn host<'a>(inventory: &'a Inventory, name: &HostName) -> Result<&'a Host, SelectionError> {
    inventory
        .host(name)
        .ok_or_else(|| SelectionError::UnknownHost {
            name: name.clone(),
            inventory: inventory.file.display().to_string(),
            nearest: nearest(name.as_str(), &inventory.hosts, |host| host.name.as_str())
                .map(|host| host.name.clone()),
        })
}

fn check(selector: &Selector, inventory: &Inventory) -> Result<(), SelectionError> {
    match selector {
        Selector::Host(name) => host(inventory, name).map(|_| ()),
        Selector::Group(group) => {
            if inventory.hosts.iter().any(|host| means(selector, host)) {
                return Ok(());
            }
            let mut known: Vec<String> = inventory.hosts.iter().flat_map(words).collect();
            known.sort();
            known.dedup();
            Err(SelectionError::UnknownGroup {
                group: group.clone(),
                inventory: inventory.file.display().to_string(),
                known,
            })
        }
    }
}

fn words(host: &Host) -> Vec<String> {
    let tags = host.tags.iter().map(|(tag, _)| tag.to_string());
    host.env
        .iter()
        .map(|(env, _)| env.to_string())
        .chain(tags)
        .collect()
}

fn means(selector: &Selector, host: &Host) -> bool {
    match selector {
        Selector::Host(name) => host.name == *name,
        Selector::Group(group) => words(host)
            .iter()
            .any(|word| word.eq_ignore_ascii_case(group)),
    }
}
