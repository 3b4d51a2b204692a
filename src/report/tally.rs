//! Counts the progress of a run on many hosts from its events.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::size;
use crate::event::{Capture, Event, HostEvent, Look};
use crate::name::{HostName, SourceName};

/// Counts of a run, and how fast content arrived in the last window of time.
#[derive(Debug)]
pub(super) struct Tally {
    hosts: usize,
    done: usize,
    failed: usize,
    /// What came for parts that have ended.
    ended_bytes: u64,
    running_bytes: HashMap<(HostName, SourceName), u64>,
    /// Nothing is fetched, and bytes are not shown.
    only_looks: bool,
    window: Duration,
    /// When the window began, and what had been fetched then.
    since: Option<(Instant, u64)>,
    bytes_per_second: u64,
}

impl Tally {
    /// Of a run on `hosts` hosts.
    pub(super) fn new(hosts: usize, window: Duration) -> Self {
        Self {
            hosts,
            done: 0,
            failed: 0,
            ended_bytes: 0,
            running_bytes: HashMap::new(),
            only_looks: false,
            window,
            since: None,
            bytes_per_second: 0,
        }
    }

    /// Of a run that looks at `hosts` hosts and fetches nothing.
    pub(super) fn of_look(hosts: usize, window: Duration) -> Self {
        Self {
            only_looks: true,
            ..Self::new(hosts, window)
        }
    }

    /// Counts what happened; tells whether a window of time has passed with it.
    pub(super) fn tell(&mut self, event: &Event, now: Instant) -> bool {
        if let Event::Host { host, what } = event {
            self.count(host, what);
        }
        let fetched = self.fetched_bytes();
        let (begun, had) = *self.since.get_or_insert((now, fetched));
        let passed = now.duration_since(begun);
        if passed < self.window {
            return false;
        }
        let millis = passed.as_millis().max(1);
        let came = u128::from(fetched.saturating_sub(had));
        self.bytes_per_second = u64::try_from(came * 1000 / millis).unwrap_or(u64::MAX);
        self.since = Some((now, fetched));
        true
    }

    fn count(&mut self, host: &HostName, what: &HostEvent) {
        match what {
            HostEvent::Capture(Capture::Progress { part, bytes, .. }) => {
                let key = (host.clone(), part.clone());
                self.running_bytes.insert(key, *bytes);
            }
            HostEvent::Capture(Capture::PartEnded { part }) => {
                self.running_bytes
                    .remove(&(host.clone(), part.name.clone()));
                self.ended_bytes += part.fetched_bytes;
            }
            HostEvent::Capture(Capture::Sealed { .. }) | HostEvent::Look(Look::Ended) => {
                self.end(host);
            }
            HostEvent::Failed { .. } => {
                self.failed += 1;
                self.end(host);
            }
            HostEvent::Started
            | HostEvent::Connected { .. }
            | HostEvent::Warned { .. }
            | HostEvent::Skipped
            | HostEvent::Capture(Capture::PartStarted { .. } | Capture::Scanned { .. })
            | HostEvent::Look(Look::Started { .. })
            | HostEvent::Restore(_) => {}
        }
    }

    /// `120 of 500 hosts done, 3 failed, 1.2 GiB fetched, 45.0 MiB/s`
    pub(super) fn line(&self) -> String {
        format!(
            "{} of {} hosts done, {}",
            self.done,
            self.hosts,
            self.counts()
        )
    }

    /// `3 failed, 1.2 GiB fetched, 45.0 MiB/s`; `3 failed` or nothing if nothing is fetched.
    pub(super) fn counts(&self) -> String {
        let failed = (self.failed > 0).then(|| format!("{} failed", self.failed));
        let fetched = (!self.only_looks).then(|| {
            let (fetched, rate) = (size(self.fetched_bytes()), size(self.bytes_per_second));
            format!("{fetched} fetched, {rate}/s")
        });
        let counts: Vec<String> = failed.into_iter().chain(fetched).collect();
        counts.join(", ")
    }

    fn fetched_bytes(&self) -> u64 {
        self.ended_bytes + self.running_bytes.values().sum::<u64>()
    }

    /// What came for parts that did not get to their end came nevertheless.
    fn end(&mut self, host: &HostName) {
        self.done += 1;
        let ended_bytes = &mut self.ended_bytes;
        self.running_bytes.retain(|(of, _), bytes| {
            if of == host {
                *ended_bytes += *bytes;
            }
            of != host
        });
    }
}
