//! Progress bars: one for each running host and, with many hosts, one for all of them below.
//!
//! Lines of hosts that have ended go away; what stays is the summary that the command prints.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::console::FEW_HOSTS;
use super::lines::{STOPPING, warning};
use super::problem::safe;
use super::tally::Tally;
use super::text::left_out;
use super::text::restore::restoring;
use crate::event::{Capture, Event, HostEvent, Look, Restore, SKIPPED};
use crate::name::{HostName, SourceName};

/// More lines at a time would push the one for all off a small screen; hosts beyond that have theirs
/// when another one's goes away.
const LINES_MAX: usize = 16;

/// How often the speed of all hosts together is updated.
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
    hosts: Mutex<Hosts>,
}

#[derive(Debug, Default)]
struct Hosts {
    lines: BTreeMap<HostName, Line>,
    /// What is to be printed when the screen is ours again; none while it is.
    held: Option<Vec<String>>,
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
    /// Of a run on `hosts` hosts.
    pub(super) fn new(hosts: usize) -> Self {
        Self::counted(Tally::new(hosts, RATE_EVERY), hosts)
    }

    /// Of a run that looks at `hosts` hosts and fetches nothing.
    pub(super) fn of_look(hosts: usize) -> Self {
        Self::counted(Tally::of_look(hosts, RATE_EVERY), hosts)
    }

    fn counted(tally: Tally, hosts: usize) -> Self {
        let target = ProgressDrawTarget::stderr_with_hz(REDRAWS_PER_SECOND);
        let screen = MultiProgress::with_draw_target(target);
        let total = (hosts > FEW_HOSTS).then(|| {
            let bar = unseen(hosts as u64);
            bar.set_style(style(
                "{prefix:.bold} {pos} of {len} hosts done, {elapsed}  {wide_msg}",
            ));
            bar.set_prefix("all");
            let bar = screen.add(bar);
            // Shown before the first host is done, and its clock goes on between two of them.
            bar.tick();
            bar.enable_steady_tick(Duration::from_secs(1));
            Total {
                bar,
                tally: Mutex::new(tally),
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
            Event::Host { host, what } => self.tell_of(host, what),
            // Whoever is being asked sees the end of the run at once, and this is of no use after it.
            Event::Stopping if self.lock().held.is_some() => {}
            Event::Stopping => self.say(STOPPING),
        }
    }

    fn tell_of(&self, host: &HostName, what: &HostEvent) {
        match what {
            HostEvent::Started => self.start(host),
            HostEvent::Connected { .. } => self.change(host, |line| {
                line.bar.set_message("connected");
            }),
            HostEvent::Warned { part, message } => {
                self.say(&warning(host, part.as_ref(), message));
            }
            HostEvent::Skipped => self.say(&format!("{host}: {SKIPPED}")),
            HostEvent::Failed { .. }
            | HostEvent::Look(Look::Ended)
            | HostEvent::Restore(Restore::Ended) => self.end(host),
            HostEvent::Restore(what) => self.change(host, |line| {
                line.bar.set_message(restoring(what));
            }),
            HostEvent::Look(Look::Started { sources }) => self.change(host, |line| {
                line.bar.set_message(looking(sources));
            }),
            HostEvent::Capture(what) => self.tell_of_capture(host, what),
        }
    }

    fn tell_of_capture(&self, host: &HostName, what: &Capture) {
        match what {
            Capture::PartStarted { part } => self.change(host, |line| {
                line.bar.set_message(format!("{part}: looking"));
            }),
            Capture::Scanned {
                part, fetch_bytes, ..
            } => self.change(host, |line| {
                if line.parts.is_empty() {
                    line.bar.set_style(style(FETCHING));
                    line.bar.reset_eta();
                }
                line.parts.entry(part.clone()).or_default().of_bytes = *fetch_bytes;
                line.draw();
            }),
            Capture::Progress { part, bytes, path } => self.change(host, |line| {
                line.parts.entry(part.clone()).or_default().bytes = *bytes;
                line.bar.set_message(format!("{part}: {path}"));
                line.draw();
            }),
            Capture::PartEnded { part } => {
                if let Some(note) = left_out(&part.left_out) {
                    self.say(&format!("{host} {}: {note}", part.name));
                }
                self.change(host, |line| {
                    let fetched = line.parts.entry(part.name.clone()).or_default();
                    fetched.bytes = fetched.of_bytes;
                    line.bar
                        .set_message(format!("{}: {}", part.name, part.state.as_str()));
                    line.draw();
                });
            }
            Capture::Sealed { .. } => self.end(host),
        }
    }

    /// Leaves the screen to `act`. Whoever tells of an event meanwhile does not wait for its end: a
    /// question is answered when the operator comes back from lunch, and connections live on.
    pub(super) fn aside<T>(&self, act: impl FnOnce() -> T) -> T {
        self.leave();
        let done = act();
        self.come_back();
        done
    }

    /// Takes every line from the screen first, so that none is drawn again behind its clearing.
    fn leave(&self) {
        let mut hosts = self.lock();
        for line in hosts.lines.values_mut().filter(|line| line.is_drawn) {
            self.screen.remove(&line.bar);
            line.is_drawn = false;
        }
        if let Some(total) = &self.total {
            self.screen.remove(&total.bar);
        }
        // As with [`Progress::say`].
        drop(self.screen.clear());
        hosts.held.get_or_insert_default();
    }

    fn come_back(&self) {
        let mut hosts = self.lock();
        if let Some(total) = &self.total {
            drop(self.screen.add(total.bar.clone()));
        }
        let held = hosts.held.take();
        self.fill(&mut hosts);
        drop(hosts);
        for text in held.into_iter().flatten() {
            self.say(&text);
        }
    }

    pub(super) fn finish(&self) {
        let hosts = std::mem::take(&mut *self.lock());
        for line in hosts.lines.values() {
            line.bar.finish_and_clear();
        }
        if let Some(total) = &self.total {
            total.bar.finish_and_clear();
        }
        for text in hosts.held.into_iter().flatten() {
            self.say(&text);
        }
    }

    fn start(&self, host: &HostName) {
        let bar = unseen(0);
        bar.set_style(style(WAITING));
        bar.set_prefix(host.to_string());
        bar.set_message("connecting");
        let line = Line {
            bar,
            is_drawn: false,
            parts: HashMap::new(),
        };
        let mut hosts = self.lock();
        hosts.lines.insert(host.clone(), line);
        self.fill(&mut hosts);
    }

    /// Gives lines that wait their place on the screen, as long as there is room.
    fn fill(&self, hosts: &mut Hosts) {
        if hosts.held.is_some() {
            return;
        }
        let drawn = hosts.lines.values().filter(|line| line.is_drawn).count();
        let waiting = hosts.lines.values_mut().filter(|line| !line.is_drawn);
        for line in waiting.take(LINES_MAX.saturating_sub(drawn)) {
            self.place(line);
        }
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
        if let Some(line) = hosts.lines.remove(host) {
            line.bar.finish_and_clear();
            self.fill(&mut hosts);
        }
        drop(hosts);
        if let Some(total) = &self.total {
            total.bar.inc(1);
        }
    }

    fn change(&self, host: &HostName, act: impl FnOnce(&mut Line)) {
        if let Some(line) = self.lock().lines.get_mut(host) {
            act(line);
        }
    }

    fn say(&self, text: &str) {
        if let Some(held) = &mut self.lock().held {
            held.push(text.to_owned());
            return;
        }
        // The screen is a terminal that just drew; if it is gone, nobody reads this.
        drop(self.screen.println(safe(text, "    ")));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Hosts> {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Total {
    fn tell(&self, event: &Event, now: Instant) {
        let mut tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        let is_end = matches!(
            event,
            Event::Host {
                what: HostEvent::Failed { .. }
                    | HostEvent::Look(Look::Ended)
                    | HostEvent::Capture(Capture::Sealed { .. }),
                ..
            }
        );
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

/// `looking at app, etc`
fn looking(sources: &[SourceName]) -> String {
    let names: Vec<&str> = sources.iter().map(SourceName::as_str).collect();
    format!("looking at {}", names.join(", "))
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
    use crate::fault::{Code, ExitClass, Problem};

    fn started(name: &str) -> Event {
        Event::of(&name.parse().expect("a name"), HostEvent::Started)
    }

    #[test]
    fn a_total_line_stands_below_many_hosts() {
        assert!(Progress::new(10).total.is_none());
        let progress = Progress::new(11);
        progress.tell(&started("a"));
        progress.tell(&Event::of(
            &"a".parse().expect("a name"),
            HostEvent::Failed {
                failure: Failure {
                    host: "a".parse().expect("a name"),
                    part: None,
                    problem: Problem::new(
                        Code::HostUnreachable,
                        ExitClass::Unreachable,
                        "lost",
                        None,
                    ),
                },
            },
        ));
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
            let drawn = hosts.lines.values().filter(|line| line.is_drawn);
            (drawn.count(), hosts.lines.len())
        };
        for number in 0..20 {
            progress.tell(&started(&format!("h{number}")));
        }
        assert_eq!(drawn(), (16, 20));
        let end_drawn = || {
            let hosts = progress.lock();
            let drawn = hosts.lines.iter().find(|(_, line)| line.is_drawn);
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
            progress.tell(&Event::of(
                &host,
                Capture::Scanned {
                    part: part.clone(),
                    files: 1,
                    bytes: 100,
                    fetch_bytes,
                },
            ));
            progress.tell(&Event::of(
                &host,
                Capture::Progress {
                    part,
                    bytes,
                    path: "/p".parse().expect("a path"),
                },
            ));
        }
        let (position, length) = {
            let hosts = progress.lock();
            let bar = &hosts.lines[&host].bar;
            (bar.position(), bar.length())
        };
        assert_eq!((position, length), (10, Some(30)));
        progress.finish();
        assert!(progress.lock().lines.is_empty());
    }

    #[test]
    fn nobody_waits_while_the_screen_is_left_to_a_question() {
        let progress = Progress::of_look(20);
        progress.tell(&started("a"));
        let drawn = |progress: &Progress| {
            let hosts = progress.lock();
            let lines = hosts.lines.iter();
            let drawn = lines.filter(|(_, line)| line.is_drawn);
            drawn.map(|(host, _)| host.to_string()).collect::<Vec<_>>()
        };
        progress.aside(|| {
            progress.tell(&started("b"));
            progress.tell(&Event::of(
                &"a".parse().expect("a name"),
                HostEvent::Warned {
                    part: None,
                    message: "slow".to_owned(),
                },
            ));
            progress.tell(&Event::of(&"a".parse().expect("a name"), Look::Ended));
            assert_eq!(drawn(&progress), Vec::<String>::new());
            let held = progress.lock().held.clone();
            assert_eq!(held, Some(vec!["a: warning: slow".to_owned()]));
        });
        assert_eq!(drawn(&progress), ["b"]);
        assert_eq!(progress.lock().held, None);
        let total = progress.total.as_ref().expect("a line for all");
        assert_eq!(
            (total.bar.position(), total.bar.message()),
            (1, String::new())
        );
    }

    #[test]
    fn a_run_may_end_in_the_middle_of_a_question() {
        let progress = Progress::of_look(1);
        progress.aside(|| {
            progress.tell(&Event::Stopping);
            assert_eq!(progress.lock().held, Some(Vec::new()));
            progress.finish();
            assert_eq!(progress.lock().held, None);
        });
        assert!(progress.lock().lines.is_empty());
    }

    #[test]
    fn what_is_not_done_yet_is_told_of_a_host_that_is_looked_at() {
        let progress = Progress::of_look(1);
        let host: HostName = "a".parse().expect("a name");
        progress.tell(&started("a"));
        progress.tell(&Event::of(
            &host,
            Look::Started {
                sources: ["app", "etc"]
                    .map(|name| name.parse().expect("a name"))
                    .into(),
            },
        ));
        let message = progress.lock().lines[&host].bar.message();
        assert_eq!(message, "looking at app, etc");
        progress.tell(&Event::of(&host, Look::Ended));
        assert!(progress.lock().lines.is_empty());
    }
}
