//! A moving line for each running host: what is read, how much of it, how fast. With many hosts, one
//! for all of them stands below.
//!
//! Lines of hosts that have ended go away; what stays is the summary that the command prints.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::console::FEW_HOSTS;
use super::problem::safe;
use super::tally::Tally;
use crate::event::Event;
use crate::name::{HostName, SourceName};

/// More lines at a time would push the one for all off a small screen; hosts beyond that have theirs
/// when another one's goes away.
const LINES_MAX: usize = 16;

/// How fast all hosts together are is told anew so often.
const RATE_EVERY: Duration = Duration::from_secs(2);

const REDRAWS_PER_SECOND: u8 = 10;

/// Until it is known how much there is to fetch.
const WAITING: &str = "{prefix:.bold} {spinner} {wide_msg}";

const FETCHING: &str = "{prefix:.bold} {bar:16} {binary_bytes:>10} of {binary_total_bytes:<10} {binary_bytes_per_sec:>12}  {wide_msg}";

/// Draws on standard error.
#[derive(Debug)]
pub(super) struct Progress {
    screen: MultiProgress,
    total: Option<Total>,
    // Events come from many tasks, and a host's line is made and removed by different ones.
    hosts: Mutex<HashMap<HostName, Line>>,
}

#[derive(Debug)]
struct Total {
    bar: ProgressBar,
    // Events come from many tasks, and this adds them all up.
    tally: Mutex<Tally>,
}

#[derive(Debug)]
struct Line {
    bar: ProgressBar,
    is_drawn: bool,
    parts: HashMap<SourceName, Fetched>,
}

#[derive(Debug, Default)]
struct Fetched {
    bytes: u64,
    of_bytes: u64,
}

impl Progress {
    pub(super) fn new(hosts: usize) -> Self {
        let target = ProgressDrawTarget::stderr_with_hz(REDRAWS_PER_SECOND);
        let screen = MultiProgress::with_draw_target(target);
        let total = (hosts > FEW_HOSTS).then(|| {
            let bar = unseen(hosts as u64);
            bar.set_style(style(
                "{prefix:.bold} {pos} of {len} hosts done, {elapsed}  {wide_msg}",
            ));
            bar.set_prefix("all");
            Total {
                bar: screen.add(bar),
                tally: Mutex::new(Tally::new(hosts, RATE_EVERY)),
            }
        });
        Self {
            screen,
            total,
            hosts: Mutex::default(),
        }
    }

    pub(super) fn tell(&self, event: &Event) {
        if let Some(total) = &self.total {
            total.tell(event, Instant::now());
        }
        match event {
            Event::HostStarted { host } => self.start(host),
            Event::Connected { host, .. } => self.change(host, |line| {
                line.bar.set_message("connected");
            }),
            Event::PartStarted { host, part } => self.change(host, |line| {
                line.bar.set_message(format!("{part}: looking"));
            }),
            Event::Scanned {
                host,
                part,
                fetch_bytes,
                ..
            } => self.change(host, |line| {
                if line.parts.is_empty() {
                    line.bar.set_style(style(FETCHING));
                    line.bar.reset_eta();
                }
                line.parts.entry(part.clone()).or_default().of_bytes = *fetch_bytes;
                line.draw();
            }),
            Event::Progress {
                host,
                part,
                bytes,
                path,
            } => self.change(host, |line| {
                line.parts.entry(part.clone()).or_default().bytes = *bytes;
                line.bar.set_message(format!("{part}: {path}"));
                line.draw();
            }),
            Event::Warned {
                host,
                part,
                message,
            } => self.say(&match part {
                Some(part) => format!("{host} {part}: warning: {message}"),
                None => format!("{host}: warning: {message}"),
            }),
            Event::PartEnded { host, part } => self.change(host, |line| {
                let fetched = line.parts.entry(part.name.clone()).or_default();
                fetched.bytes = fetched.of_bytes;
                line.bar
                    .set_message(format!("{}: {}", part.name, part.state.as_str()));
                line.draw();
            }),
            Event::Sealed { checkpoint } => self.end(&checkpoint.id.host),
            Event::HostFailed { failure } => self.end(&failure.host),
            Event::Stopping => {
                self.say("stopping at the next safe point; press Ctrl-C again to stop at once");
            }
        }
    }

    pub(super) fn aside<T>(&self, act: impl FnOnce() -> T) -> T {
        self.screen.suspend(act)
    }

    pub(super) fn finish(&self) {
        for (_, line) in self.lock().drain() {
            line.bar.finish_and_clear();
        }
        if let Some(total) = &self.total {
            total.bar.finish_and_clear();
        }
    }

    fn start(&self, host: &HostName) {
        let bar = unseen(0);
        bar.set_style(style(WAITING));
        bar.set_prefix(host.to_string());
        bar.set_message("connecting");
        let mut line = Line {
            bar,
            is_drawn: false,
            parts: HashMap::new(),
        };
        let mut hosts = self.lock();
        if hosts.values().filter(|line| line.is_drawn).count() < LINES_MAX {
            self.place(&mut line);
        }
        hosts.insert(host.clone(), line);
    }

    /// Gives a line its place on the screen.
    fn place(&self, line: &mut Line) {
        let bar = line.bar.clone();
        line.bar = match &self.total {
            Some(total) => self.screen.insert_before(&total.bar, bar),
            None => self.screen.add(bar),
        };
        line.bar.enable_steady_tick(Duration::from_millis(200));
        line.is_drawn = true;
    }

    fn end(&self, host: &HostName) {
        let mut hosts = self.lock();
        if let Some(line) = hosts.remove(host) {
            line.bar.finish_and_clear();
            let mut waiting = hosts.values_mut().filter(|line| !line.is_drawn);
            if let Some(next) = waiting.next().filter(|_| line.is_drawn) {
                self.place(next);
            }
        }
        drop(hosts);
        if let Some(total) = &self.total {
            total.bar.inc(1);
        }
    }

    fn change(&self, host: &HostName, act: impl FnOnce(&mut Line)) {
        if let Some(line) = self.lock().get_mut(host) {
            act(line);
        }
    }

    fn say(&self, text: &str) {
        // The screen is a terminal that just drew; if it is gone, nobody reads this.
        drop(self.screen.println(safe(text, "    ")));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<HostName, Line>> {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Total {
    fn tell(&self, event: &Event, now: Instant) {
        let mut tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        let is_end = matches!(event, Event::Sealed { .. } | Event::HostFailed { .. });
        if tally.tell(event, now) || is_end {
            self.bar.set_message(tally.counts());
        }
    }
}

impl Line {
    fn draw(&self) {
        let of_bytes = self.parts.values().map(|part| part.of_bytes).sum();
        let bytes = self.parts.values().map(|part| part.bytes).sum();
        self.bar.set_length(of_bytes);
        self.bar.set_position(bytes);
    }
}

/// A bar that draws nothing before it has its place on the screen.
fn unseen(length: u64) -> ProgressBar {
    ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::hidden())
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the template is a constant of this file")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Failure;
    use crate::fault::ExitClass;

    fn started(name: &str) -> Event {
        Event::HostStarted {
            host: name.parse().expect("a name"),
        }
    }

    #[test]
    fn a_total_line_stands_below_many_hosts() {
        assert!(Progress::new(10).total.is_none());
        let progress = Progress::new(11);
        progress.tell(&started("a"));
        progress.tell(&Event::HostFailed {
            failure: Failure {
                host: "a".parse().expect("a name"),
                part: None,
                message: "lost".to_owned(),
                causes: Vec::new(),
                hint: None,
                class: ExitClass::Unreachable,
            },
        });
        let total = progress.total.expect("a line for all");
        assert_eq!(
            (total.bar.position(), total.bar.message()),
            (1, "1 failed, 0 B fetched, 0 B/s".to_owned())
        );
    }

    #[test]
    fn lines_of_many_running_hosts_wait_for_their_place() {
        let progress = Progress::new(500);
        let drawn = || {
            let hosts = progress.lock();
            let drawn = hosts.values().filter(|line| line.is_drawn);
            (drawn.count(), hosts.len())
        };
        for number in 0..20 {
            progress.tell(&started(&format!("h{number}")));
        }
        assert_eq!(drawn(), (16, 20));
        let end_drawn = || {
            let hosts = progress.lock();
            let drawn = hosts.iter().find(|(_, line)| line.is_drawn);
            drawn.map(|(host, _)| host.clone()).expect("one is drawn")
        };
        for left in (16..20).rev() {
            progress.end(&end_drawn());
            assert_eq!(drawn(), (16, left));
        }
        progress.end(&end_drawn());
        assert_eq!(drawn(), (15, 15));
    }

    #[test]
    fn a_hosts_line_adds_up_its_parts() {
        let progress = Progress::new(1);
        progress.tell(&started("a"));
        let host: HostName = "a".parse().expect("a name");
        for (part, fetch_bytes, bytes) in [("x", 10, 4), ("y", 20, 6)] {
            let part: SourceName = part.parse().expect("a name");
            progress.tell(&Event::Scanned {
                host: host.clone(),
                part: part.clone(),
                files: 1,
                bytes: 100,
                fetch_bytes,
            });
            progress.tell(&Event::Progress {
                host: host.clone(),
                part,
                bytes,
                path: "/p".parse().expect("a path"),
            });
        }
        let (position, length) = {
            let hosts = progress.lock();
            let bar = &hosts[&host].bar;
            (bar.position(), bar.length())
        };
        assert_eq!((position, length), (10, Some(30)));
        progress.finish();
        assert!(progress.lock().is_empty());
    }
}
