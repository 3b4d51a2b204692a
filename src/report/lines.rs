//! One plain line for each thing that happened: for logs, cron and pipes.
//!
//! Progress within a part is told every ten seconds at most, whoever asks.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::problem::safe;
use super::{Console, count, size};
use crate::event::Event;
use crate::manifest::{Part, PartState};
use crate::name::{HostName, SourceName};

const PROGRESS_EVERY: Duration = Duration::from_secs(10);

/// Writes lines to standard error.
#[derive(Debug)]
pub(super) struct Lines {
    console: Arc<Console>,
    // Events come from many tasks, and when a part was last told of must be one answer for all.
    fetching: Mutex<HashMap<(HostName, SourceName), Fetching>>,
}

#[derive(Debug)]
struct Fetching {
    told: Instant,
    total_bytes: u64,
}

impl Lines {
    pub(super) fn new(console: Arc<Console>) -> Self {
        Self {
            console,
            fetching: Mutex::default(),
        }
    }

    pub(super) fn tell(&self, event: &Event) {
        if let Some(line) = self.line(event, Instant::now()) {
            self.console.aside(&format!("{}\n", safe(&line, "    ")));
        }
    }

    /// The line for `event`; none if there is nothing to say.
    fn line(&self, event: &Event, now: Instant) -> Option<String> {
        match event {
            Event::HostStarted { host } => Some(format!("{host}: started")),
            Event::Connected {
                host,
                user,
                address,
            } => Some(format!("{host}: connected as {user} to {address}")),
            Event::PartStarted { .. } => None,
            Event::Scanned {
                host,
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
            Event::Progress {
                host, part, bytes, ..
            } => {
                let mut fetching = self.lock();
                let part_now = fetching.get_mut(&(host.clone(), part.clone()))?;
                if now.duration_since(part_now.told) < PROGRESS_EVERY {
                    return None;
                }
                part_now.told = now;
                let total = size(part_now.total_bytes);
                Some(format!("{host} {part}: {} of {total}", size(*bytes)))
            }
            Event::Warned {
                host,
                part,
                message,
            } => Some(match part {
                Some(part) => format!("{host} {part}: warning: {message}"),
                None => format!("{host}: warning: {message}"),
            }),
            Event::PartEnded { host, part } => {
                self.lock().remove(&(host.clone(), part.name.clone()));
                Some(format!("{host} {}", ended(part)))
            }
            Event::Sealed { checkpoint } => Some(format!(
                "{}: sealed {}, {}",
                checkpoint.id.host,
                checkpoint.id,
                checkpoint.state().as_str()
            )),
            Event::HostFailed { failure } => {
                Some(format!("{}: failed: {}", failure.host, failure.message))
            }
            Event::Stopping => Some(
                "stopping at the next safe point; press Ctrl-C again to stop at once".to_owned(),
            ),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<(HostName, SourceName), Fetching>> {
        self.fetching.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `app: complete, 980 files, 26.1 MiB, fetched 26.1 MiB`
fn ended(part: &Part) -> String {
    let (name, state) = (&part.name, part.state.as_str());
    match (part.state, &part.failure) {
        (PartState::Failed, Some(failure)) => format!("{name}: {state}: {}", failure.message),
        (PartState::Absent, _) => format!("{name}: {state}"),
        (PartState::Complete | PartState::Warned | PartState::Failed, _) => format!(
            "{name}: {state}, {}, {}, fetched {}",
            count(part.totals.files, "file"),
            size(part.totals.bytes),
            size(part.fetched_bytes)
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_told_every_ten_seconds_at_most() {
        let lines = Lines::new(Arc::default());
        let (host, part): (HostName, SourceName) = (
            "dev-vm".parse().expect("a name"),
            "app".parse().expect("a name"),
        );
        let begin = Instant::now();
        let scanned = Event::Scanned {
            host: host.clone(),
            part: part.clone(),
            files: 1,
            bytes: 4096,
            fetch_bytes: 2048,
        };
        let progress = Event::Progress {
            host,
            part,
            bytes: 1024,
            path: "/a".parse().expect("a path"),
        };
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
}
