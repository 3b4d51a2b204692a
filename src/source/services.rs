//! Parses what a host answers about units and processes.
//!
//! Names of units that the answer holds are checked; one that can't be the name of a unit is passed over.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::guard::ProcessId;
use crate::name::{UnitName, escape};

/// The state of one unit. What the host did not say is empty.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UnitState {
    /// Its name; another one than was asked for, if that is an alias.
    pub id: Option<UnitName>,
    /// The host has a file of that name, or else knows the unit.
    pub is_found: bool,
    /// Where it is between stopped and started.
    pub active: ActiveState,
    /// The same in more detail, in systemd's own word for units of its type.
    pub sub: String,
    /// When it became active, in µs of the host's own clock; none: it has never been. Another run has another.
    pub active_since: Option<u64>,
    /// How a service is to be started, in systemd's own word: `simple`, `oneshot` …
    pub service_type: String,
    /// How its last run ended, in systemd's own word: `success`, `exit-code`, `timeout` …
    pub result: String,
    /// Its files have changed since systemd has read them.
    pub needs_daemon_reload: bool,
    /// systemd has something to do with it: to start or stop it, say.
    pub has_job: bool,
    /// How long systemd lets it stop; none: for ever, or not known.
    pub stop_timeout: Option<Duration>,
    /// What starts it at an event: sockets, timers, paths.
    pub triggered_by: BTreeSet<UnitName>,
    /// What starts it again whenever it is stopped.
    pub upheld_by: BTreeSet<UnitName>,
    /// What starts it along when it is started itself.
    pub wanted_by: BTreeSet<UnitName>,
    /// What systemd stops along with it.
    pub stopped_along: BTreeSet<UnitName>,
}

/// Where a unit is between stopped and started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ActiveState {
    /// It runs, or has done what it is for.
    Active,
    /// It runs, and reads its files again.
    Reloading,
    /// It starts, or waits until it is started again.
    Activating,
    /// It stops.
    Deactivating,
    /// It is stopped.
    #[default]
    Inactive,
    /// It is stopped, and ended badly.
    Failed,
    /// A state that this fleet does not know.
    Other,
}

impl ActiveState {
    fn parse(text: &str) -> Self {
        match text {
            "active" => Self::Active,
            "reloading" | "refreshing" => Self::Reloading,
            "activating" => Self::Activating,
            "deactivating" => Self::Deactivating,
            "inactive" => Self::Inactive,
            "failed" => Self::Failed,
            _ => Self::Other,
        }
    }

    /// It runs, or will without being asked to.
    #[must_use]
    pub fn is_up(self) -> bool {
        match self {
            Self::Active | Self::Reloading | Self::Activating | Self::Other => true,
            Self::Deactivating | Self::Inactive | Self::Failed => false,
        }
    }

    /// Nothing of it runs.
    #[must_use]
    pub fn is_down(self) -> bool {
        matches!(self, Self::Inactive | Self::Failed)
    }

    /// systemd's word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Reloading => "reloading",
            Self::Activating => "activating",
            Self::Deactivating => "deactivating",
            Self::Inactive => "inactive",
            Self::Failed => "failed",
            Self::Other => "in another state",
        }
    }
}

impl UnitState {
    /// For people: `active (running)`, `failed (timeout)`, `not found`.
    #[must_use]
    pub fn says(&self) -> String {
        if !self.is_found {
            return "not found".to_owned();
        }
        let detail = match self.active {
            ActiveState::Failed => &self.result,
            ActiveState::Active
            | ActiveState::Reloading
            | ActiveState::Activating
            | ActiveState::Deactivating
            | ActiveState::Inactive
            | ActiveState::Other => &self.sub,
        };
        format!("{} ({detail})", self.active.as_str())
    }

    fn parse(paragraph: &[&str]) -> Self {
        let mut state = Self::default();
        for line in paragraph {
            let Some((key, value)) = line.split_once('=') else {
                continue;
            };
            match key {
                "Id" => state.id = value.parse().ok(),
                "LoadState" => state.is_found = !matches!(value, "not-found" | ""),
                "ActiveState" => state.active = ActiveState::parse(value),
                "SubState" => state.sub = escape(value.as_bytes()),
                "ActiveEnterTimestampMonotonic" => {
                    state.active_since = value.parse().ok().filter(|&since| since != 0);
                }
                "Type" => state.service_type = escape(value.as_bytes()),
                "Result" => state.result = escape(value.as_bytes()),
                "NeedDaemonReload" => state.needs_daemon_reload = value == "yes",
                "Job" => state.has_job = !matches!(value, "" | "0"),
                "TimeoutStopUSec" => state.stop_timeout = timespan(value),
                "TriggeredBy" => state.triggered_by.extend(names(value)),
                "UpheldBy" => state.upheld_by.extend(names(value)),
                "WantedBy" => state.wanted_by.extend(names(value)),
                "RequiredBy" | "RequisiteOf" | "BoundBy" => {
                    state.wanted_by.extend(names(value));
                    state.stopped_along.extend(names(value));
                }
                "ConsistsOf" | "PropagatesStopTo" => state.stopped_along.extend(names(value)),
                _ => {}
            }
        }
        state
    }
}

fn names(value: &str) -> impl Iterator<Item = UnitName> {
    value
        .split_ascii_whitespace()
        .filter_map(|name| name.parse().ok())
}

/// A time as `systemctl show` prints it: `1min 30s`, `500ms`; none for `infinity`.
fn timespan(text: &str) -> Option<Duration> {
    let mut total = Duration::ZERO;
    for word in text.split_ascii_whitespace() {
        let digits = word.len()
            - word
                .trim_start_matches(|c: char| c.is_ascii_digit() || c == '.')
                .len();
        let (number, unit) = word.split_at(digits);
        let number: f64 = number.parse().ok()?;
        let unit_seconds = match unit {
            "us" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "min" => 60.0,
            "h" => 3_600.0,
            "d" => 86_400.0,
            "w" => 604_800.0,
            "month" => 2_629_800.0,
            "y" => 31_557_600.0,
            _ => return None,
        };
        total += Duration::try_from_secs_f64(number * unit_seconds).ok()?;
    }
    (!total.is_zero()).then_some(total)
}

/// The answer to [`crate::guard::ReadCommand::Services`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Answer {
    /// In the order asked for. With fewer than were asked for, the answer is not whole.
    pub units: Vec<UnitState>,
    /// The account has no service manager: nothing of it runs.
    pub has_no_manager: bool,
    /// The processes of each command that was asked for.
    pub processes: Vec<Vec<ProcessId>>,
    /// This start of the host, as its kernel names it: process numbers mean nothing in another one.
    pub boot: Option<String>,
}

impl Answer {
    /// Reads an answer to a question for `processes` commands.
    #[must_use]
    pub fn parse(answer: &[u8], processes: usize) -> Self {
        let text = String::from_utf8_lossy(answer);
        let mut parsed = Self {
            processes: vec![Vec::new(); processes],
            ..Self::default()
        };
        let mut is_of_units = true;
        let mut paragraph = Vec::new();
        for line in text.lines() {
            match line {
                "[units]" => {}
                "[no manager]" => parsed.has_no_manager = true,
                "[processes]" => is_of_units = false,
                "" if is_of_units => parsed.end_of(&mut paragraph),
                line if is_of_units => paragraph.push(line),
                line => parsed.process(line),
            }
        }
        parsed.end_of(&mut paragraph);
        parsed
    }

    fn end_of(&mut self, paragraph: &mut Vec<&str>) {
        if !paragraph.is_empty() {
            self.units.push(UnitState::parse(paragraph));
            paragraph.clear();
        }
    }

    fn process(&mut self, line: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        match words.as_slice() {
            ["boot", boot] => self.boot = Some(escape(boot.as_bytes())),
            ["process", number, pid, start] => {
                let found = (number.parse::<usize>(), pid.parse(), start.parse());
                if let (Ok(number), Ok(pid), Ok(start)) = found
                    && let Some(of) = self.processes.get_mut(number)
                {
                    of.push(ProcessId { pid, start });
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str = "[units]
Id=app.service
Names=app.service
LoadState=loaded
ActiveState=active
SubState=running
Type=simple
ActiveEnterTimestampMonotonic=45000123
Result=success
NeedDaemonReload=yes
Job=17
TimeoutStopUSec=1min 30s
TriggeredBy=app.socket app.timer
WantedBy=multi-user.target
RequiredBy=front.service
BoundBy=-.mount
ConsistsOf=worker.service

Id=gone.service
LoadState=not-found
ActiveState=inactive
SubState=dead
ActiveEnterTimestampMonotonic=0

Id=bad.service
LoadState=loaded
ActiveState=failed
SubState=failed
Result=timeout
TimeoutStopUSec=infinity
[processes]
boot 1-2
process 1 77 123456
process 9 1 1
process x 1 1
";

    #[test]
    fn an_answer_has_a_paragraph_a_unit() {
        let answer = Answer::parse(ANSWER.as_bytes(), 2);
        let set = |names: &str| {
            names
                .split(' ')
                .map(|name| name.parse().expect("a unit"))
                .collect()
        };
        assert_eq!(
            answer.units[0],
            UnitState {
                id: Some("app.service".parse().expect("a unit")),
                is_found: true,
                active: ActiveState::Active,
                sub: "running".to_owned(),
                active_since: Some(45_000_123),
                service_type: "simple".to_owned(),
                result: "success".to_owned(),
                needs_daemon_reload: true,
                has_job: true,
                stop_timeout: Some(Duration::from_secs(90)),
                triggered_by: set("app.socket app.timer"),
                upheld_by: BTreeSet::new(),
                wanted_by: set("multi-user.target front.service"),
                stopped_along: set("front.service worker.service"),
            }
        );
        let says: Vec<String> = answer.units.iter().map(UnitState::says).collect();
        assert_eq!(says, ["active (running)", "not found", "failed (timeout)"]);
        assert_eq!(answer.units[1].active_since, None);
        assert_eq!(answer.units[2].stop_timeout, None);
        assert_eq!(
            answer.processes,
            [
                vec![],
                vec![ProcessId {
                    pid: 77,
                    start: 123_456
                }]
            ]
        );
        assert_eq!(answer.boot.as_deref(), Some("1-2"));
        let empty = Answer::parse(b"[no manager]\n[processes]\n", 0);
        assert!(empty.has_no_manager && empty.units.is_empty());
    }

    #[test]
    fn times_are_read_as_systemd_prints_them() {
        for (text, seconds) in [
            ("4s", 4.0),
            ("1min 30s", 90.0),
            ("500ms", 0.5),
            ("2h", 7200.0),
        ] {
            assert_eq!(
                timespan(text),
                Some(Duration::from_secs_f64(seconds)),
                "{text}"
            );
        }
        for text in ["infinity", "", "0", "5 apples"] {
            assert_eq!(timespan(text), None, "{text}");
        }
    }
}
