//! Waits until units that were asked to start are active, and a little longer, for some end at once.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use super::change::{PAUSE, look_at_units};
use super::error::Error;
use crate::scan::services::UnitRef;
use crate::source::services::{ActiveState, UnitState};
use crate::ssh::WriteSession;

/// A unit that starts for longer is given up. systemd's own default is 90 s.
const START_MAX: Duration = Duration::from_secs(120);

/// So long a unit that fails may be started again by systemd before it counts as failed.
const RESTART_MAX: Duration = Duration::from_secs(10);

/// What is started must still run, and not have been started again, so much later.
pub(super) const SETTLES: Duration = Duration::from_millis(700);

/// Services that are active, but may yet end: systemd takes a program that could be started for active.
#[derive(Debug, Default)]
pub(super) struct Settling(BTreeMap<UnitRef, Run>);

/// One run of a service.
#[derive(Debug)]
struct Run {
    /// When it became active, by the clock of the host.
    since: Option<u64>,
    /// When it was first seen to be.
    seen: Instant,
}

/// Where a unit that was started is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// It is active, or has done what it had to do.
    Started,
    /// It did not start, or has ended.
    Failed,
    /// Not known yet.
    Open,
}

impl Settling {
    /// Takes note of a unit that is active.
    pub(super) fn add(&mut self, unit: UnitRef, state: &UnitState) {
        if may_end(&unit, state) {
            let (since, seen) = (state.active_since, Instant::now());
            self.0.insert(unit, Run { since, seen });
        }
    }

    /// Waits until all of `units`, which were asked to start, are active or have ended well.
    ///
    /// # Errors
    ///
    /// [`Error::UnitNotStarted`] for the first one that failed.
    pub(super) async fn wait_for_start(
        &mut self,
        session: &WriteSession,
        units: &BTreeSet<UnitRef>,
    ) -> Result<(), Error> {
        let asked = Instant::now();
        let mut left = units.clone();
        while !left.is_empty() {
            for (unit, state) in look_at_units(session, &left).await?.units {
                match outcome(&unit, &state, asked.elapsed()) {
                    Outcome::Started => {
                        left.remove(&unit);
                        self.add(unit, &state);
                    }
                    Outcome::Failed => return Err(not_started(unit, &state)),
                    Outcome::Open => {}
                }
            }
            if !left.is_empty() {
                sleep(PAUSE).await;
            }
        }
        Ok(())
    }

    /// Waits until it is clear that everything stays active, and returns an error for each that did not.
    ///
    /// # Errors
    ///
    /// [`Error`] if the host does not tell.
    pub(super) async fn end(mut self, session: &WriteSession) -> Result<Vec<Error>, Error> {
        let asked = Instant::now();
        let mut failed = Vec::new();
        if let Some(last) = self.0.values().map(|run| run.seen).max() {
            sleep_until(last + SETTLES).await;
        }
        while !self.0.is_empty() {
            let names = self.0.keys().cloned().collect();
            for (unit, state) in look_at_units(session, &names).await?.units {
                let Some(run) = self.0.get_mut(&unit) else {
                    continue;
                };
                match run.outcome(&unit, &state, asked, Instant::now()) {
                    Outcome::Started => drop(self.0.remove(&unit)),
                    Outcome::Failed => {
                        self.0.remove(&unit);
                        failed.push(not_started(unit, &state));
                    }
                    Outcome::Open => {}
                }
            }
            if !self.0.is_empty() {
                sleep(PAUSE).await;
            }
        }
        Ok(failed)
    }
}

impl Run {
    /// Where it is `now`; units were `asked` for first at that time.
    fn outcome(
        &mut self,
        unit: &UnitRef,
        state: &UnitState,
        asked: Instant,
        now: Instant,
    ) -> Outcome {
        let after = now - asked;
        match outcome(unit, state, after) {
            Outcome::Started if !may_end(unit, state) => Outcome::Started,
            Outcome::Started if state.active_since == self.since => {
                if now - self.seen < SETTLES {
                    Outcome::Open
                } else {
                    Outcome::Started
                }
            }
            // It has ended in between, and was started again.
            Outcome::Started if after < RESTART_MAX => {
                self.since = state.active_since;
                self.seen = now;
                Outcome::Open
            }
            Outcome::Started | Outcome::Failed => Outcome::Failed,
            Outcome::Open => Outcome::Open,
        }
    }
}

fn not_started(unit: UnitRef, state: &UnitState) -> Error {
    let state = if may_end(&unit, state) {
        "it ends and is started again and again".to_owned()
    } else {
        state.says()
    };
    Error::UnitNotStarted { unit, state }
}

/// Whether a unit is active by a process that may end.
fn may_end(unit: &UnitRef, state: &UnitState) -> bool {
    let is_active = matches!(state.active, ActiveState::Active | ActiveState::Reloading);
    // `exited` is what a service without a process is by its own settings.
    is_active && unit.unit.kind() == "service" && state.sub != "exited"
}

/// Where a unit is that was to start `after` ago.
fn outcome(unit: &UnitRef, state: &UnitState, after: Duration) -> Outcome {
    let is_restarting = state.sub.starts_with("auto-restart");
    let has_time = after < START_MAX && (!is_restarting || after < RESTART_MAX);
    match state.active {
        ActiveState::Active | ActiveState::Reloading => Outcome::Started,
        ActiveState::Failed => Outcome::Failed,
        ActiveState::Inactive if !state.has_job => {
            // What has a job of its own ends when that is done, and so may what is started when needed.
            let ends = unit.unit.kind() != "service"
                || state.service_type == "oneshot"
                || !state.triggered_by.is_empty();
            if state.is_found && ends && state.result == "success" {
                Outcome::Started
            } else {
                Outcome::Failed
            }
        }
        ActiveState::Inactive
        | ActiveState::Activating
        | ActiveState::Deactivating
        | ActiveState::Other => {
            if has_time {
                Outcome::Open
            } else {
                Outcome::Failed
            }
        }
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

    fn state(active: ActiveState, sub: &str, result: &str) -> UnitState {
        UnitState {
            is_found: true,
            active,
            sub: sub.to_owned(),
            result: result.to_owned(),
            service_type: "simple".to_owned(),
            ..UnitState::default()
        }
    }

    #[test]
    fn a_unit_has_started_failed_or_needs_more_time() {
        use ActiveState::{Activating, Active, Failed, Inactive};
        let now = Duration::ZERO;
        let has_job = |state| UnitState {
            has_job: true,
            ..state
        };
        let oneshot = |state| UnitState {
            service_type: "oneshot".to_owned(),
            ..state
        };
        let triggered = |state| UnitState {
            triggered_by: [unit("a.timer").unit].into(),
            ..state
        };
        let dead = || state(Inactive, "dead", "success");
        let restarts = || state(Activating, "auto-restart", "exit-code");
        let starts = || has_job(state(Activating, "start", "success"));
        for (state, after, expected) in [
            (state(Active, "running", "success"), now, Outcome::Started),
            (state(Failed, "failed", "exit-code"), now, Outcome::Failed),
            (has_job(dead()), now, Outcome::Open),
            (dead(), now, Outcome::Failed),
            (oneshot(dead()), now, Outcome::Started),
            (triggered(dead()), now, Outcome::Started),
            (
                oneshot(state(Inactive, "dead", "exit-code")),
                now,
                Outcome::Failed,
            ),
            (starts(), START_MAX / 2, Outcome::Open),
            (starts(), START_MAX, Outcome::Failed),
            (restarts(), now, Outcome::Open),
            (restarts(), RESTART_MAX, Outcome::Failed),
            (UnitState::default(), now, Outcome::Failed),
        ] {
            let found = outcome(&unit("a.service"), &state, after);
            assert_eq!(found, expected, "{state:?} {after:?}");
        }
        assert_eq!(
            outcome(&unit("a.path"), &dead(), now),
            Outcome::Started,
            "what is no service has no process to lose"
        );
    }

    #[test]
    fn a_service_must_stay_active_in_the_same_run() {
        let service = unit("a.service");
        let active = |since| UnitState {
            active_since: Some(since),
            ..state(ActiveState::Active, "running", "success")
        };
        let asked = Instant::now();
        let mut run = Run {
            since: Some(1),
            seen: asked,
        };
        let mut at = |state: &UnitState, after| run.outcome(&service, state, asked, asked + after);
        assert_eq!(at(&active(1), Duration::ZERO), Outcome::Open);
        assert_eq!(at(&active(1), SETTLES), Outcome::Started);
        // Another run has to last as long.
        assert_eq!(at(&active(2), SETTLES), Outcome::Open);
        assert_eq!(at(&active(2), SETTLES * 3 / 2), Outcome::Open);
        assert_eq!(at(&active(2), 2 * SETTLES), Outcome::Started);
        assert_eq!(at(&active(3), RESTART_MAX), Outcome::Failed);
        let ended = state(ActiveState::Inactive, "dead", "success");
        assert_eq!(at(&ended, SETTLES), Outcome::Failed);
        let exited = state(ActiveState::Active, "exited", "success");
        assert_eq!(at(&exited, Duration::ZERO), Outcome::Started);
    }
}
