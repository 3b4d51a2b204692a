//! The record of what was active on a host before a restore, and of what was decided about it.
//!
//! It is kept on the host until the restore has ended, so that the services can be brought back from another
//! workstation. It names services, units and processes; what is run is never taken from it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::decision::{Action, StartRule};
use super::relations::{Related, Role};
use crate::guard::ProcessId;
use crate::inventory::Service;
use crate::name::ServiceName;
use crate::scan::services::UnitRef;
use crate::source::services::ActiveState;

/// The version of the text form.
const VERSION: u32 = 1;

/// What was active, and what is done about it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ServiceRecord {
    /// The services of the inventory, in its order.
    pub services: Vec<ServiceLine>,
    /// Their units, and all that have to be stopped with them or stop along with them.
    pub units: Vec<UnitLine>,
    /// This start of the host; the processes mean nothing in another one.
    pub boot: Option<String>,
}

/// A service as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceLine {
    /// Its name in the inventory.
    pub name: ServiceName,
    /// It was active.
    pub was_up: bool,
    /// Its state, for people: `active (running)`, `2 processes`, `not found`.
    pub state: String,
    /// What is done with it.
    pub action: Action,
    /// Its processes, if it is a process.
    pub processes: Vec<ProcessId>,
}

/// A unit as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitLine {
    /// The unit.
    pub unit: UnitRef,
    /// What it has to do with the services.
    pub role: Role,
    /// The services.
    pub of: BTreeSet<ServiceName>,
    /// It was active, or about to be.
    pub was_up: bool,
}

/// The text is no record of services.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseRecordError {
    /// A newer fleet has written it.
    #[error("the record of services has version {found}, and this fleet reads version {VERSION}")]
    Version {
        /// What it says.
        found: u32,
    },
    /// It is damaged.
    #[error("line {line} of the record of services can't be read: {why}")]
    Line {
        /// From 1.
        line: usize,
        /// What is wrong.
        why: String,
    },
    /// It is cut.
    #[error("the record of services is incomplete")]
    Cut,
}

/// A line of the text form: one JSON value.
#[derive(Serialize, Deserialize)]
#[serde(tag = "line", rename_all = "kebab-case", deny_unknown_fields)]
enum Line {
    Services {
        version: u32,
        boot: Option<String>,
        services: usize,
        units: usize,
    },
    Service {
        name: String,
        up: bool,
        state: String,
        action: Action,
        processes: Vec<(u32, u64)>,
    },
    Unit {
        unit: String,
        account: Option<String>,
        role: Role,
        of: Vec<String>,
        up: bool,
    },
}

impl ServiceRecord {
    /// Nothing has to be stopped, started or reloaded.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.services.is_empty()
    }

    /// The line of a service.
    #[must_use]
    pub fn service(&self, name: &ServiceName) -> Option<&ServiceLine> {
        self.services.iter().find(|line| line.name == *name)
    }

    /// Decides anew what is done with each of `services`, the inventory's.
    pub fn decide(&mut self, services: &[Service], rule: &StartRule) {
        for line in &mut self.services {
            if let Some(service) = services.iter().find(|service| service.name == line.name) {
                line.action = rule.action(service, line.was_up);
            }
        }
    }

    /// Whether all services that a unit belongs to have an action that `holds`.
    pub(super) fn all_of(
        &self,
        of: &BTreeSet<ServiceName>,
        holds: impl Fn(Action) -> bool,
    ) -> bool {
        of.iter()
            .filter_map(|name| self.service(name))
            .all(|line| holds(line.action))
    }

    /// Whether one of the services that a unit belongs to has an action that `holds`.
    pub(super) fn any_of(
        &self,
        of: &BTreeSet<ServiceName>,
        holds: impl Fn(Action) -> bool,
    ) -> bool {
        of.iter()
            .filter_map(|name| self.service(name))
            .any(|line| holds(line.action))
    }

    /// Whether a unit was about to start when it was looked at: it may have ended and been started again
    /// and again.
    pub(super) fn was_starting(&self, unit: &UnitRef) -> bool {
        let starting = ActiveState::Activating.as_str();
        self.units
            .iter()
            .filter(|line| line.unit == *unit && line.role == Role::Main)
            .flat_map(|line| &line.of)
            .filter_map(|name| self.service(name))
            .any(|line| line.state.starts_with(starting))
    }

    pub(super) fn set_units(&mut self, related: BTreeMap<UnitRef, Related>) {
        let lines = related.into_iter().map(|(unit, related)| UnitLine {
            unit,
            role: related.role,
            of: related.of,
            was_up: related.state.active.is_up(),
        });
        self.units = lines.collect();
    }

    /// The record as text: JSON values, one a line, ASCII aside from what names hold.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut lines = vec![Line::Services {
            version: VERSION,
            boot: self.boot.clone(),
            services: self.services.len(),
            units: self.units.len(),
        }];
        lines.extend(self.services.iter().map(|line| Line::Service {
            name: line.name.to_string(),
            up: line.was_up,
            state: line.state.clone(),
            action: line.action,
            processes: line.processes.iter().map(|p| (p.pid, p.start)).collect(),
        }));
        lines.extend(self.units.iter().map(|line| Line::Unit {
            unit: line.unit.unit.to_string(),
            account: line.unit.account.as_ref().map(ToString::to_string),
            role: line.role,
            of: line.of.iter().map(ToString::to_string).collect(),
            up: line.was_up,
        }));
        let lines = lines.iter().map(|line| {
            // Numbers, text and lists of them always can be written.
            let mut text = serde_json::to_string(line).unwrap_or_default();
            text.push('\n');
            text
        });
        lines.collect()
    }

    /// Reads what [`Self::to_text`] has written.
    ///
    /// # Errors
    ///
    /// [`ParseRecordError`] if it is not whole.
    pub fn parse(text: &str) -> Result<Self, ParseRecordError> {
        #[derive(Deserialize)]
        struct Head {
            version: u32,
        }

        let at = |line: usize, why: &dyn std::fmt::Display| ParseRecordError::Line {
            line,
            why: why.to_string(),
        };
        let mut record = Self::default();
        let mut expected = None;
        for (index, text) in text.lines().enumerate() {
            let number = index + 1;
            if index == 0 {
                let head: Head = serde_json::from_str(text).map_err(|error| at(1, &error))?;
                if head.version != VERSION {
                    return Err(ParseRecordError::Version {
                        found: head.version,
                    });
                }
            }
            match serde_json::from_str(text).map_err(|error| at(number, &error))? {
                Line::Services {
                    boot,
                    services,
                    units,
                    ..
                } => {
                    record.boot = boot;
                    expected = Some((services, units));
                }
                Line::Service {
                    name,
                    up,
                    state,
                    action,
                    processes,
                } => record.services.push(ServiceLine {
                    name: name.parse().map_err(|error| at(number, &error))?,
                    was_up: up,
                    state,
                    action,
                    processes: processes
                        .into_iter()
                        .map(|(pid, start)| ProcessId { pid, start })
                        .collect(),
                }),
                Line::Unit {
                    unit,
                    account,
                    role,
                    of,
                    up,
                } => record.units.push(UnitLine {
                    unit: UnitRef {
                        unit: unit.parse().map_err(|error| at(number, &error))?,
                        account: account
                            .map(|account| account.parse())
                            .transpose()
                            .map_err(|error| at(number, &error))?,
                    },
                    role,
                    of: of
                        .iter()
                        .map(|name| name.parse())
                        .collect::<Result<_, _>>()
                        .map_err(|error| at(number, &error))?,
                    was_up: up,
                }),
            }
        }
        if expected == Some((record.services.len(), record.units.len())) {
            Ok(record)
        } else {
            Err(ParseRecordError::Cut)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> ServiceRecord {
        ServiceRecord {
            services: vec![
                ServiceLine {
                    name: "app".parse().expect("a name"),
                    was_up: true,
                    state: "active (running)".to_owned(),
                    action: Action::StopStart,
                    processes: Vec::new(),
                },
                ServiceLine {
                    name: "server".parse().expect("a name"),
                    was_up: true,
                    state: "1 process".to_owned(),
                    action: Action::Stop,
                    processes: vec![ProcessId { pid: 7, start: 99 }],
                },
            ],
            units: vec![UnitLine {
                unit: UnitRef {
                    account: Some("clerk".parse().expect("an account")),
                    unit: "app.socket".parse().expect("a unit"),
                },
                role: Role::Trigger,
                of: ["app".parse().expect("a name")].into(),
                was_up: true,
            }],
            boot: Some("1-2".to_owned()),
        }
    }

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let text = record().to_text();
        assert_eq!(
            text,
            "{\"line\":\"services\",\"version\":1,\"boot\":\"1-2\",\"services\":2,\"units\":1}\n\
             {\"line\":\"service\",\"name\":\"app\",\"up\":true,\"state\":\"active (running)\",\
             \"action\":\"stop-start\",\"processes\":[]}\n\
             {\"line\":\"service\",\"name\":\"server\",\"up\":true,\"state\":\"1 process\",\
             \"action\":\"stop\",\"processes\":[[7,99]]}\n\
             {\"line\":\"unit\",\"unit\":\"app.socket\",\"account\":\"clerk\",\"role\":\"trigger\",\
             \"of\":[\"app\"],\"up\":true}\n"
        );
        assert_eq!(ServiceRecord::parse(&text), Ok(record()));
        let empty = ServiceRecord::default();
        assert_eq!(ServiceRecord::parse(&empty.to_text()), Ok(empty));
    }

    #[test]
    fn a_record_that_is_not_whole_is_refused() {
        let text = record().to_text();
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        for cut in 0..lines.len() {
            assert_eq!(
                ServiceRecord::parse(&lines[..cut].concat()),
                Err(ParseRecordError::Cut),
                "{cut} lines"
            );
        }
        assert_eq!(
            ServiceRecord::parse(&text.replace("\"version\":1", "\"version\":2,\"new\":[]")),
            Err(ParseRecordError::Version { found: 2 })
        );
        for (from, to) in [
            ("app.socket", "--now"),
            ("\"trigger\"", "\"evil\""),
            ("\"clerk\"", "\"$(id)\""),
            ("\"up\":true", "\"up\":true,\"argv\":[\"evil\"]"),
        ] {
            let error = ServiceRecord::parse(&text.replace(from, to));
            assert!(
                matches!(error, Err(ParseRecordError::Line { .. })),
                "{to}: {error:?}"
            );
        }
    }
}
