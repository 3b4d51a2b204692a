//! Which units have to be stopped with a service, and which ones systemd stops along with it.
//!
//! Relations are followed from unit to unit until nothing new is found. Pure: whoever has asked the host
//! hands its answers in and gets the next units to ask for.

use std::collections::{BTreeMap, BTreeSet};

use crate::name::{ServiceName, UnitName};
use crate::scan::services::UnitRef;
use crate::source::services::UnitState;

/// More units than this are not followed. A service of which so many hang is part of the system itself.
pub(super) const UNITS_MAX: usize = 256;

/// What a unit has to do with a service.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// It starts the service, or what wants the service: a socket, timer or path, or a unit that upholds it.
    Trigger,
    /// It is the service.
    Main,
    /// systemd stops it along with the service, and starting it would start the service.
    Dependent,
}

/// A unit and what it has to do with which services.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Related {
    pub(super) role: Role,
    pub(super) of: BTreeSet<ServiceName>,
    pub(super) state: UnitState,
}

/// The units of some services and all that is related to them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Relations {
    /// What they are known to be, before they have been asked for.
    roles: BTreeMap<UnitRef, (Role, BTreeSet<ServiceName>)>,
    /// Those that are only asked for what triggers them.
    wanters: BTreeMap<UnitRef, BTreeSet<ServiceName>>,
    states: BTreeMap<UnitRef, UnitState>,
}

impl Relations {
    pub(super) fn of(mains: impl IntoIterator<Item = (UnitRef, ServiceName)>) -> Self {
        let mut relations = Self::default();
        for (unit, service) in mains {
            relations.add(unit, Role::Main, &BTreeSet::from([service]));
        }
        relations
    }

    /// The units that have to be asked for next; none: all is known.
    pub(super) fn unknown(&self) -> BTreeSet<UnitRef> {
        self.roles
            .keys()
            .chain(self.wanters.keys())
            .filter(|unit| !self.states.contains_key(unit))
            .cloned()
            .collect()
    }

    pub(super) fn is_too_large(&self) -> bool {
        self.roles.len() > UNITS_MAX
    }

    /// Takes what the host has said, and follows it.
    pub(super) fn learn(&mut self, states: BTreeMap<UnitRef, UnitState>) {
        self.states.extend(states);
        // What becomes known of one unit may make more services of another, so all are followed again
        // until nothing changes. There are few.
        loop {
            let before = (self.roles.clone(), self.wanters.clone());
            for (unit, state) in self.states.clone() {
                self.follow(&unit, &state);
            }
            if before == (self.roles.clone(), self.wanters.clone()) {
                return;
            }
        }
    }

    fn follow(&mut self, unit: &UnitRef, state: &UnitState) {
        let beside = |other: &UnitName| UnitRef {
            account: unit.account.clone(),
            unit: other.clone(),
        };
        if let Some((_, of)) = self.roles.get(unit).cloned() {
            for other in state.triggered_by.iter().chain(&state.upheld_by) {
                self.add(beside(other), Role::Trigger, &of);
            }
            for other in &state.stopped_along {
                self.add(beside(other), Role::Dependent, &of);
            }
            for other in &state.wanted_by {
                // Targets are started when the host is; nothing but an operator starts them again.
                if !matches!(other.kind(), "target" | "slice" | "device") {
                    let wanter = self.wanters.entry(beside(other)).or_default();
                    wanter.extend(of.iter().cloned());
                }
            }
        } else if let Some(of) = self.wanters.get(unit).cloned() {
            for other in &state.triggered_by {
                self.add(beside(other), Role::Trigger, &of);
            }
        }
    }

    /// The first role stays, but a unit that is a service itself is that.
    fn add(&mut self, unit: UnitRef, role: Role, of: &BTreeSet<ServiceName>) {
        let known = self
            .roles
            .entry(unit)
            .or_insert_with(|| (role, BTreeSet::new()));
        if role == Role::Main {
            known.0 = role;
        }
        known.1.extend(of.iter().cloned());
    }

    /// What the host has said of a unit that was asked for.
    pub(super) fn state(&self, unit: &UnitRef) -> UnitState {
        self.states.get(unit).cloned().unwrap_or_default()
    }

    /// All of them, with what the host has said. The same unit under two names is there once.
    pub(super) fn into_units(mut self) -> BTreeMap<UnitRef, Related> {
        let mut units: BTreeMap<UnitRef, Related> = BTreeMap::new();
        for (unit, (role, of)) in self.roles {
            let state = self.states.remove(&unit).unwrap_or_default();
            let unit = UnitRef {
                unit: state.id.clone().unwrap_or(unit.unit),
                account: unit.account,
            };
            match units.get_mut(&unit) {
                Some(known) => {
                    known.of.extend(of);
                    if role == Role::Main {
                        known.role = role;
                    }
                }
                None => {
                    units.insert(unit, Related { role, of, state });
                }
            }
        }
        units
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(name: &str) -> UnitRef {
        UnitRef {
            account: None,
            unit: name.parse().expect("a unit"),
        }
    }

    fn service(name: &str) -> ServiceName {
        name.parse().expect("a name")
    }

    fn units(names: &[&str]) -> BTreeSet<UnitName> {
        names
            .iter()
            .map(|name| name.parse().expect("a unit"))
            .collect()
    }

    /// Follows everything on a host that has these units; gives `ROLE NAME: SERVICES` lines.
    fn related(mains: &[(&str, &str)], host: &[(&str, UnitState)]) -> Vec<String> {
        let mains = mains.iter().map(|(name, of)| (unit(name), service(of)));
        let mut relations = Relations::of(mains);
        let mut rounds = 0;
        loop {
            let unknown = relations.unknown();
            if unknown.is_empty() {
                break;
            }
            rounds += 1;
            assert!(rounds < 10, "it ends");
            let states = unknown.into_iter().map(|asked| {
                let found = host.iter().find(|(name, _)| unit(name) == asked);
                let state = found.map(|(_, state)| state.clone()).unwrap_or_default();
                (asked, state)
            });
            relations.learn(states.collect());
        }
        let lines = relations.into_units().into_iter().map(|(unit, related)| {
            let of: Vec<&str> = related.of.iter().map(ServiceName::as_str).collect();
            format!("{:?} {unit}: {}", related.role, of.join(" "))
        });
        lines.collect()
    }

    #[test]
    fn triggers_and_dependents_are_followed_to_their_end() {
        let app = UnitState {
            triggered_by: units(&["app.socket", "app.timer"]),
            stopped_along: units(&["front.service"]),
            wanted_by: units(&["multi-user.target", "front.service", "nightly.service"]),
            ..UnitState::default()
        };
        let front = UnitState {
            upheld_by: units(&["keeper.service"]),
            stopped_along: units(&["site.target"]),
            ..UnitState::default()
        };
        let nightly = UnitState {
            triggered_by: units(&["nightly.timer"]),
            stopped_along: units(&["never.service"]),
            ..UnitState::default()
        };
        let host = [
            ("app.service", app),
            ("front.service", front),
            ("nightly.service", nightly),
        ];
        assert_eq!(
            related(&[("app.service", "app")], &host),
            [
                "Main app.service: app",
                "Trigger app.socket: app",
                "Trigger app.timer: app",
                "Dependent front.service: app",
                "Trigger keeper.service: app",
                "Trigger nightly.timer: app",
                "Dependent site.target: app",
            ]
        );
    }

    #[test]
    fn a_unit_of_two_services_is_of_both_and_a_circle_ends() {
        let one = UnitState {
            stopped_along: units(&["two.service"]),
            ..UnitState::default()
        };
        let two = UnitState {
            stopped_along: units(&["one.service", "last.service"]),
            ..UnitState::default()
        };
        let host = [("one.service", one), ("two.service", two)];
        assert_eq!(
            related(&[("one.service", "a"), ("two.service", "b")], &host),
            [
                "Dependent last.service: a b",
                "Main one.service: a b",
                "Main two.service: a b",
            ]
        );
    }

    #[test]
    fn an_alias_is_the_unit_itself() {
        let state = UnitState {
            id: Some("mariadb.service".parse().expect("a unit")),
            ..UnitState::default()
        };
        assert_eq!(
            related(&[("mysql.service", "db")], &[("mysql.service", state)]),
            ["Main mariadb.service: db"]
        );
    }
}
