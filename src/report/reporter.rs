//! Reports a run while it goes on: progress bars, plain lines, lines of JSON, or nothing.
//!
//! A reporter takes events from many tasks at once; it never blocks for longer than one write.

use std::sync::Arc;

use super::lines::Lines;
use super::progress::Progress;
use super::{Console, Verbosity, json};
use crate::event::{Capture, Event, HostEvent, Sink};

/// What a reporter looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Nothing is shown.
    Silent,
    /// A line for each warning.
    Warnings,
    /// A moving line for each running host, and one for all if they are many.
    Moving,
    /// The same of hosts that are looked at, of which nothing is fetched.
    Looking,
    /// A line for each thing that happened; of many hosts, for warnings and failures, and every ten
    /// seconds one that tells how far it is.
    Plain,
    /// A line of JSON for each thing that happened.
    Json,
}

/// Shows what happens.
#[derive(Debug)]
pub struct Reporter {
    console: Arc<Console>,
    face: Face,
}

#[derive(Debug)]
enum Face {
    Silent,
    Moving(Progress),
    Plain(Lines),
    Json,
}

impl Style {
    /// What suits this console.
    #[must_use]
    pub fn of(console: &Console) -> Self {
        match (console.is_json(), console.talk()) {
            (true, _) => Self::Json,
            (false, Verbosity::Quiet) => Self::Warnings,
            (false, Verbosity::Normal) if console.can_move() => Self::Moving,
            (false, Verbosity::Normal | Verbosity::Verbose) => Self::Plain,
        }
    }

    /// What suits this console while hosts are looked at: the answer tells everything, so that there
    /// is nothing to say where no line can move.
    #[must_use]
    pub fn of_look(console: &Console) -> Self {
        match Self::of(console) {
            Self::Moving | Self::Looking => Self::Looking,
            Self::Silent | Self::Warnings | Self::Plain | Self::Json => Self::Silent,
        }
    }
}

impl Reporter {
    /// A reporter for a run on `hosts` hosts.
    #[must_use]
    pub fn new(console: Arc<Console>, style: Style, hosts: usize) -> Arc<Self> {
        let face = match style {
            Style::Silent => Face::Silent,
            Style::Moving => Face::Moving(Progress::new(hosts)),
            Style::Looking => Face::Moving(Progress::of_look(hosts)),
            Style::Warnings => Face::Plain(Lines::of_warnings(Arc::clone(&console))),
            Style::Plain => Face::Plain(Lines::new(Arc::clone(&console), hosts)),
            Style::Json => Face::Json,
        };
        Arc::new(Self { console, face })
    }

    /// Shows one thing that happened.
    pub fn tell(&self, event: &Event) {
        match event {
            Event::Host {
                what: HostEvent::Capture(Capture::Progress { .. }),
                ..
            } => tracing::trace!(?event),
            event => tracing::debug!(?event),
        }
        match &self.face {
            Face::Silent => {}
            Face::Moving(progress) => progress.tell(event),
            Face::Plain(lines) => lines.tell(event),
            // The summary goes the same way, and its failure is reported once for all.
            Face::Json => {
                if let Some(event) = json::Event::of(event) {
                    drop(self.console.event(&event));
                }
            }
        }
    }

    /// A sink that shows every event.
    #[must_use]
    pub fn sink(self: &Arc<Self>) -> Sink {
        let reporter = Arc::clone(self);
        Arc::new(move |event| reporter.tell(&event))
    }

    /// Does something that writes to the terminal itself, with moving lines out of the way.
    pub fn aside<T>(&self, act: impl FnOnce() -> T) -> T {
        match &self.face {
            Face::Moving(progress) => progress.aside(act),
            Face::Silent | Face::Plain(_) | Face::Json => act(),
        }
    }

    /// Takes moving lines away for good: what is printed next stays.
    pub fn finish(&self) {
        match &self.face {
            Face::Moving(progress) => progress.finish(),
            Face::Silent | Face::Plain(_) | Face::Json => {}
        }
    }
}
