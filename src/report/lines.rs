//! Prints events as plain lines: for logs, cron and pipes.
//!
//! Progress within a part is printed every ten seconds at most, whoever asks. Of many hosts only warnings
//! and failures are printed, and every ten seconds at most how far all of them are.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::problem::safe;
use super::tally::Tally;
use super::text::left_out;
use super::{Console, count, size};
use crate::event::{Capture, Event, HostEvent, Restore, SKIPPED};
use crate::manifest::{Part, PartState};
use crate::name::{HostName, SourceName};

/// The first request to stop, for people.
pub(super) const STOPPING: &str =
    "stopping at the next safe point; press Ctrl-C again to stop at once";

const PROGRESS_EVERY: Duration = Duration::from_secs(10);

/// Writes lines to standard error.
#[derive(Debug)]
pub(super) struct Lines {
    console: Arc<Console>,
    // Events come from many tasks, and when a part was last told of must be one answer for all.
    fetching: Mutex<HashMap<(HostName, SourceName), Fetching>>,
    // With many hosts, events of all of them add up here.
    tally: Option<Mutex<Tally>>,
    only_warnings: bool,
}

#[derive(Debug)]
struct Fetching {
    told: Instant,
    total_bytes: u64,
}

impl Lines {
    pub(super) fn new(console: Arc<Console>, hosts: usize) -> Self {
        let is_many = console.sums_up(hosts);
        Self {
            console,
            fetching: Mutex::default(),
            tally: is_many.then(|| Mutex::new(Tally::new(hosts, PROGRESS_EVERY))),
            only_warnings: false,
        }
    }

    /// Tells warnings and nothing else: failures are printed at the end of the run.
    pub(super) fn of_warnings(console: Arc<Console>) -> Self {
        Self {
            console,
            fetching: Mutex::default(),
            tally: None,
            only_warnings: true,
        }
    }

    pub(super) fn tell(&self, event: &Event) {
        for line in self.lines(event, Instant::now()) {
            self.console.aside(&format!("{}\n", safe(&line, "    ")));
        }
    }

    /// What there is to say at `event`: two lines at most.
    fn lines(&self, event: &Event, now: Instant) -> Vec<String> {
        if self.only_warnings && !is_warning(event) {
            return Vec::new();
        }
        let Some(tally) = &self.tally else {
            return self.line(event, now).into_iter().collect();
        };
        let mut lines = Vec::new();
        if is_trouble(event) {
            lines.extend(self.line(event, now));
        }
        let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
        if tally.tell(event, now) {
            lines.push(tally.line());
        }
        lines
    }

    /// The line for `event`; none if there is nothing to say.
    fn line(&self, event: &Event, now: Instant) -> Option<String> {
        let (host, what) = match event {
            Event::Host { host, what } => (host, what),
            Event::Stopping => return Some(STOPPING.to_owned()),
        };
        match what {
            HostEvent::Started => Some(format!("{host}: started")),
            HostEvent::Connected { user, address } => {
                Some(format!("{host}: connected as {user} to {address}"))
            }
            HostEvent::Warned { part, message } => Some(warning(host, part.as_ref(), message)),
            HostEvent::Skipped => Some(format!("{host}: {SKIPPED}")),
            HostEvent::Failed { failure } => {
                Some(format!("{host}: failed: {}", failure.problem.message))
            }
            HostEvent::Capture(what) => self.capture_line(host, what, now),
            HostEvent::Restore(Restore::Step(step)) => Some(format!("{host}: {}", step.doing())),
            HostEvent::Look(_) | HostEvent::Restore(_) => None,
        }
    }

    fn capture_line(&self, host: &HostName, what: &Capture, now: Instant) -> Option<String> {
        match what {
            Capture::PartStarted { .. } => None,
            Capture::Scanned {
                part,
                files,
                bytes,
                fetch_bytes,
            } => {
                let fetching = Fetching {
                    told: now,
                    total_bytes: *fetch_bytes,
                };
                self.lock().insert((host.clone(), part.clone()), fetching);
                Some(format!(
                    "{host} {part}: {}, {}; {} to fetch",
                    count(*files, "file"),
                    size(*bytes),
                    size(*fetch_bytes)
                ))
            }
            Capture::Progress { part, bytes, .. } => {
                let mut fetching = self.lock();
                let part_now = fetching.get_mut(&(host.clone(), part.clone()))?;
                if now.duration_since(part_now.told) < PROGRESS_EVERY {
                    return None;
                }
                part_now.told = now;
                let total = size(part_now.total_bytes);
                Some(format!("{host} {part}: {} of {total}", size(*bytes)))
            }
            Capture::PartEnded { part } => {
                self.lock().remove(&(host.clone(), part.name.clone()));
                Some(format!("{host} {}", ended(part)))
            }
            Capture::Sealed { checkpoint } => Some(format!(
                "{host}: sealed {}, {}",
                checkpoint.id,
                checkpoint.state_words()
            )),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<(HostName, SourceName), Fetching>> {
        self.fetching.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The line for a warning about a host or one of its parts.
pub(super) fn warning(host: &HostName, part: Option<&SourceName>, message: &str) -> String {
    match part {
        Some(part) => format!("{host} {part}: warning: {message}"),
        None => format!("{host}: warning: {message}"),
    }
}

fn is_warning(event: &Event) -> bool {
    matches!(
        event,
        Event::Host {
            what: HostEvent::Warned { .. },
            ..
        }
    )
}

/// Whether it is printed even of one host among many.
fn is_trouble(event: &Event) -> bool {
    let what = match event {
        Event::Host { what, .. } => what,
        Event::Stopping => return true,
    };
    match what {
        HostEvent::Warned { .. } | HostEvent::Failed { .. } => true,
        HostEvent::Capture(Capture::PartEnded { part }) => part.state == PartState::Failed,
        HostEvent::Started
        | HostEvent::Connected { .. }
        | HostEvent::Skipped
        | HostEvent::Capture(_)
        | HostEvent::Look(_)
        | HostEvent::Restore(_) => false,
    }
}

/// `app: complete, 980 files, 26.1 MiB, fetched 26.1 MiB`
fn ended(part: &Part) -> String {
    let (name, state) = (&part.name, part.state.as_str());
    match (part.state, &part.failure) {
        (PartState::Failed, Some(failure)) => format!("{name}: {state}: {}", failure.message),
        (PartState::Absent, _) => format!("{name}: {state}"),
        (PartState::Complete | PartState::Warned | PartState::Failed, _) => format!(
            "{name}: {state}, {}, {}, fetched {}{}",
            count(part.totals.files, "file"),
            size(part.totals.bytes),
            size(part.fetched_bytes),
            left_out(&part.left_out).map_or_else(String::new, |note| format!("; {note}"))
        ),
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::event::Failure;
    use crate::fault::ExitClass;
    use crate::fault::{Code, Problem};
    use crate::manifest::sample;
    use crate::report::{Color, Verbosity};

    #[test]
    fn progress_is_told_every_ten_seconds_at_most() {
        let lines = Lines::new(Arc::default(), 1);
        let (host, part): (HostName, SourceName) = (
            "dev-vm".parse().expect("a name"),
            "app".parse().expect("a name"),
        );
        let begin = Instant::now();
        let scanned = Event::of(
            &host,
            Capture::Scanned {
                part: part.clone(),
                files: 1,
                bytes: 4096,
                fetch_bytes: 2048,
            },
        );
        let progress = Event::of(
            &host,
            Capture::Progress {
                part,
                bytes: 1024,
                path: "/a".parse().expect("a path"),
            },
        );
        let at = |seconds| begin + Duration::from_secs(seconds);
        let told = "dev-vm app: 1.0 KiB of 2.0 KiB".to_owned();
        assert_eq!(
            lines.line(&scanned, begin).as_deref(),
            Some("dev-vm app: 1 file, 4.0 KiB; 2.0 KiB to fetch")
        );
        assert_eq!(lines.line(&progress, at(9)), None);
        assert_eq!(lines.line(&progress, at(10)), Some(told.clone()));
        assert_eq!(lines.line(&progress, at(19)), None);
        assert_eq!(lines.line(&progress, at(20)), Some(told));
    }

    /// The output of a run in which a host takes 100 ms, every seventieth is down, the fifth is
    /// warned of and the eighth lacks a part.
    fn said(hosts: usize) -> String {
        let lines = Lines::new(Arc::default(), hosts);
        let begin = Instant::now();
        let mut text = String::new();
        for number in 1..=hosts {
            let now = begin + Duration::from_millis(100) * u32::try_from(number).expect("few");
            for event in events(number) {
                for line in lines.lines(&event, now) {
                    text.push_str(&line);
                    text.push('\n');
                }
            }
        }
        text
    }

    fn events(number: usize) -> Vec<Event> {
        let name = format!("h{number}");
        let host: HostName = name.parse().expect("a name");
        let started = Event::of(&host, HostEvent::Started);
        if number.is_multiple_of(70) {
            let failure = Failure {
                host: host.clone(),
                part: None,
                problem: Problem {
                    code: Code::HostUnreachable,
                    message: format!("can't connect to {name} at 203.0.113.7:22"),
                    causes: vec!["connection refused".to_owned()],
                    hint: None,
                    class: ExitClass::Unreachable,
                    specifics: Vec::new(),
                },
            };
            return vec![started, Event::of(&host, HostEvent::Failed { failure })];
        }
        let state = match number {
            5 => PartState::Warned,
            8 => PartState::Failed,
            _ => PartState::Complete,
        };
        let checkpoint = Box::new(sample::checkpoint(&name, state));
        let part = Box::new(checkpoint.parts[0].clone());
        let mut events = vec![
            started,
            Event::of(
                &host,
                HostEvent::Connected {
                    user: "operator".to_owned(),
                    address: "203.0.113.7:22".to_owned(),
                },
            ),
            Event::of(
                &host,
                Capture::PartStarted {
                    part: part.name.clone(),
                },
            ),
            Event::of(
                &host,
                Capture::Scanned {
                    part: part.name.clone(),
                    files: 2,
                    bytes: 1 << 20,
                    fetch_bytes: 1 << 20,
                },
            ),
            Event::of(
                &host,
                Capture::Progress {
                    part: part.name.clone(),
                    bytes: 1 << 19,
                    path: "/srv/app/a".parse().expect("a path"),
                },
            ),
        ];
        if state == PartState::Warned {
            events.push(Event::of(
                &host,
                HostEvent::Warned {
                    part: Some(part.name.clone()),
                    message: "1 file changed while it was read".to_owned(),
                },
            ));
        }
        events.push(Event::of(&host, Capture::PartEnded { part }));
        events.push(Event::of(&host, Capture::Sealed { checkpoint }));
        events
    }

    #[test]
    fn one_host_is_told_of_line_by_line() {
        assert_snapshot!(said(1), @r"
        h1: started
        h1: connected as operator to 203.0.113.7:22
        h1 app: 2 files, 1.0 MiB; 1.0 MiB to fetch
        h1 app: complete, 2 files, 1.0 MiB, fetched 1.0 MiB
        h1: sealed h1@20261121T101500Z, complete
        ");
    }

    #[test]
    fn ten_hosts_are_told_of_line_by_line() {
        assert_snapshot!(said(10));
    }

    #[test]
    fn of_many_hosts_trouble_is_told_and_how_far_they_are() {
        assert_snapshot!(said(500), @r"
        h5 app: warning: 1 file changed while it was read
        h8 app: failed: /srv/app is not there
        h70: failed: can't connect to h70 at 203.0.113.7:22
        100 of 500 hosts done, 1 failed, 99.0 MiB fetched, 9.9 MiB/s
        h140: failed: can't connect to h140 at 203.0.113.7:22
        200 of 500 hosts done, 2 failed, 198.0 MiB fetched, 9.9 MiB/s
        h210: failed: can't connect to h210 at 203.0.113.7:22
        h280: failed: can't connect to h280 at 203.0.113.7:22
        300 of 500 hosts done, 4 failed, 296.0 MiB fetched, 9.8 MiB/s
        h350: failed: can't connect to h350 at 203.0.113.7:22
        400 of 500 hosts done, 5 failed, 395.0 MiB fetched, 9.9 MiB/s
        h420: failed: can't connect to h420 at 203.0.113.7:22
        h490: failed: can't connect to h490 at 203.0.113.7:22
        ");
    }

    #[test]
    fn who_asks_for_more_is_told_all_of_many_hosts() {
        let verbose = Console::new(Color::Never, false, Verbosity::Verbose);
        let lines = Lines::new(Arc::new(verbose), 500);
        let told = lines.lines(&events(1)[0], Instant::now());
        assert_eq!(told, ["h1: started"]);
    }
}
