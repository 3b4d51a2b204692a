//! Decides what a restore does with each service: a pure function of its state and of what the operator
//! wants.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::inventory::{Service, Start};
use crate::name::ServiceName;

/// What a restore does with a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// It is stopped before the files are replaced, and started afterwards.
    StopStart,
    /// It is stopped before the files are replaced, and stays down.
    Stop,
    /// It goes on, and reads its files again when they are in place.
    Reload,
    /// It is not active, and is started when the files are in place.
    Start,
    /// It is not active, and stays so.
    None,
}

impl Action {
    /// The word for it in JSON and in records.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::StopStart => "stop-start",
            Self::Stop => "stop",
            Self::Reload => "reload",
            Self::Start => "start",
            Self::None => "none",
        }
    }

    /// Whether the service is active when all is done.
    #[must_use]
    pub fn ends_up(self) -> bool {
        match self {
            Self::StopStart | Self::Reload | Self::Start => true,
            Self::Stop | Self::None => false,
        }
    }

    /// Whether the service must be down while files are replaced.
    #[must_use]
    pub fn holds_down(self) -> bool {
        match self {
            Self::StopStart | Self::Stop | Self::Start | Self::None => true,
            Self::Reload => false,
        }
    }
}

/// What the operator wants to be started.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StartRule {
    /// The answer for all services that are `start: ask`; none: as [`Self::agreed`] says. `never` is for the
    /// services that are `start: always`, too.
    pub for_all: Option<Start>,
    /// The services that are `start: ask` and that the operator has agreed to start.
    pub agreed: BTreeSet<ServiceName>,
}

impl StartRule {
    /// Whether `service` may be started.
    #[must_use]
    pub fn allows(&self, service: &Service) -> bool {
        match (service.start, self.for_all) {
            (Start::Never, _) | (_, Some(Start::Never)) => false,
            (Start::Always, _) | (Start::Ask, Some(Start::Always)) => true,
            (Start::Ask, Some(Start::Ask) | None) => self.agreed.contains(&service.name),
        }
    }

    /// What is done with `service`, which is active now or is not.
    #[must_use]
    pub fn action(&self, service: &Service, is_active: bool) -> Action {
        match (is_active, service.reload.is_some(), self.allows(service)) {
            (true, true, _) => Action::Reload,
            (true, false, true) => Action::StopStart,
            (true, false, false) => Action::Stop,
            (false, _, true) => Action::Start,
            (false, _, false) => Action::None,
        }
    }

    /// Whether somebody should be asked about `service`.
    #[must_use]
    pub fn wants_an_answer(&self, service: &Service, is_active: bool) -> bool {
        let is_open = service.start == Start::Ask
            && matches!(self.for_all, None | Some(Start::Ask))
            && !self.agreed.contains(&service.name);
        is_open && !(is_active && service.reload.is_some())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::inventory::{Place, ServiceKind};

    fn service(start: Start, reload: bool) -> Service {
        Service {
            name: "app".parse().expect("a name"),
            place: Place::default(),
            kind: ServiceKind::Unit {
                unit: "app.service".parse().expect("a unit"),
                run_as: None,
            },
            start,
            grace: Duration::from_secs(5),
            reload: reload.then(|| vec!["true".to_owned()]),
        }
    }

    #[test]
    fn each_service_has_one_action() {
        let as_written = StartRule::default();
        let agreed = StartRule {
            agreed: ["app".parse().expect("a name")].into(),
            ..StartRule::default()
        };
        let for_all = |start| StartRule {
            for_all: Some(start),
            ..StartRule::default()
        };
        // start of the inventory, rule, what an active one gets, what an inactive one gets
        for (start, rule, active, inactive) in [
            (Start::Always, &as_written, Action::StopStart, Action::Start),
            (Start::Ask, &as_written, Action::Stop, Action::None),
            (Start::Never, &as_written, Action::Stop, Action::None),
            (Start::Ask, &agreed, Action::StopStart, Action::Start),
            (Start::Never, &agreed, Action::Stop, Action::None),
            (
                Start::Ask,
                &for_all(Start::Always),
                Action::StopStart,
                Action::Start,
            ),
            (
                Start::Never,
                &for_all(Start::Always),
                Action::Stop,
                Action::None,
            ),
            (
                Start::Always,
                &for_all(Start::Never),
                Action::Stop,
                Action::None,
            ),
            (
                Start::Ask,
                &for_all(Start::Never),
                Action::Stop,
                Action::None,
            ),
            (Start::Ask, &for_all(Start::Ask), Action::Stop, Action::None),
            (
                Start::Always,
                &for_all(Start::Ask),
                Action::StopStart,
                Action::Start,
            ),
        ] {
            let plain = service(start, false);
            assert_eq!(rule.action(&plain, true), active, "{start:?} {rule:?}");
            assert_eq!(rule.action(&plain, false), inactive, "{start:?} {rule:?}");
            let reloading = service(start, true);
            assert_eq!(rule.action(&reloading, true), Action::Reload);
            assert_eq!(rule.action(&reloading, false), inactive);
        }
    }

    #[test]
    fn somebody_is_asked_only_where_the_answer_counts() {
        let rule = StartRule::default();
        assert!(rule.wants_an_answer(&service(Start::Ask, false), true));
        assert!(rule.wants_an_answer(&service(Start::Ask, true), false));
        assert!(!rule.wants_an_answer(&service(Start::Ask, true), true));
        assert!(!rule.wants_an_answer(&service(Start::Always, false), true));
        let never = StartRule {
            for_all: Some(Start::Never),
            ..StartRule::default()
        };
        assert!(!never.wants_an_answer(&service(Start::Ask, false), true));
    }
}
