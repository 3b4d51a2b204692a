//! Standard output and standard error: whether each is a terminal, and writing to it.
//!
//! A reader that went away (`fleet ls | head`) is no failure: what is left to say is dropped quietly.
//! Every other failure to write is an error, for an answer that was cut short is a wrong answer.

use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};
use serde::Serialize;

use super::problem::{by_kind, problem_text, safe};
use crate::fault::{Code, Fault, Problem};
use crate::name::HostName;

/// The answer could not be written, and what arrived of it is not whole.
#[derive(Debug, thiserror::Error)]
#[error("can't write to standard output")]
pub struct WriteError(#[from] io::Error);

impl Fault for WriteError {
    fn code(&self) -> Code {
        Code::OutputFailed
    }
}

/// Up to so many hosts, each is reported by itself: more would not fit on a screen, where `started`,
/// `connected` and the parts of one host take half a dozen lines.
pub(super) const FEW_HOSTS: usize = 10;

/// When colours are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Color {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// How many messages are printed beside the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Verbosity {
    /// Problems and warnings only.
    Quiet,
    /// What a person wants to see.
    #[default]
    Normal,
    /// Diagnostics too: they are lines, and moving displays would tear them.
    Verbose,
}

/// Standard output and standard error of this run.
#[derive(Debug, Default)]
pub struct Console {
    color: Color,
    json: bool,
    talk: Verbosity,
    closed: AtomicBool,
}

impl Console {
    /// The console of a run.
    #[must_use]
    pub fn new(color: Color, json: bool, talk: Verbosity) -> Self {
        Self {
            color,
            json,
            talk,
            closed: AtomicBool::new(false),
        }
    }

    /// Whether standard output holds JSON alone.
    #[must_use]
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// Whether the reader of standard output went away.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// How many messages are printed beside the answer.
    #[must_use]
    pub fn talk(&self) -> Verbosity {
        self.talk
    }

    /// True if output for `hosts` hosts is grouped instead of printed per host. JSON and `--verbose` are never
    /// grouped.
    #[must_use]
    pub fn sums_up(&self, hosts: usize) -> bool {
        hosts > FEW_HOSTS && !self.json && self.talk != Verbosity::Verbose
    }

    /// Whether a person sits there who can be asked: both ends are a terminal.
    #[must_use]
    pub fn can_ask(&self) -> bool {
        io::stdin().is_terminal() && io::stderr().is_terminal()
    }

    /// Whether standard error is a terminal that can show moving lines.
    #[must_use]
    pub(super) fn can_move(&self) -> bool {
        io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
    }

    /// Writes a part of the answer to standard output, colours as the operator wants them.
    ///
    /// # Errors
    ///
    /// [`WriteError`], unless the reader just went away.
    pub fn answer(&self, text: &str) -> Result<(), WriteError> {
        if self.is_closed() {
            return Ok(());
        }
        let stdout = io::stdout();
        let choice = self.choice(&stdout);
        let mut stream = AutoStream::new(stdout.lock(), choice);
        self.forgive(
            stream
                .write_all(text.as_bytes())
                .and_then(|()| stream.flush()),
        )
    }

    /// Whether the answer is read by a person, or is to have colours: else its bytes go on as they
    /// are.
    #[must_use]
    pub fn is_shown(&self) -> bool {
        io::stdout().is_terminal() || self.color == Color::Always
    }

    /// Writes one JSON document, indented, to standard output.
    ///
    /// # Errors
    ///
    /// As [`Console::answer`].
    pub fn document(&self, document: &impl Serialize) -> Result<(), WriteError> {
        let mut text = serde_json::to_string_pretty(document).map_err(io::Error::from)?;
        text.push('\n');
        self.raw(text.as_bytes())
    }

    /// Writes one JSON document on one line to standard output.
    ///
    /// # Errors
    ///
    /// As [`Console::answer`].
    pub fn event(&self, event: &impl Serialize) -> Result<(), WriteError> {
        let mut text = serde_json::to_string(event).map_err(io::Error::from)?;
        text.push('\n');
        self.raw(text.as_bytes())
    }

    /// Writes bytes to standard output as they are.
    ///
    /// # Errors
    ///
    /// As [`Console::answer`].
    pub fn raw(&self, bytes: &[u8]) -> Result<(), WriteError> {
        if self.is_closed() {
            return Ok(());
        }
        let mut stdout = io::stdout().lock();
        self.forgive(stdout.write_all(bytes).and_then(|()| stdout.flush()))
    }

    /// Tells a problem on standard error.
    pub fn problem(&self, problem: &Problem) {
        self.aside(&problem_text(problem));
    }

    /// Tells the problems of a run on `hosts` hosts on standard error: each, or those of one kind
    /// together where [`Console::sums_up`] says so.
    pub fn problems(&self, hosts: usize, problems: &[(HostName, Problem)]) {
        if self.sums_up(hosts) {
            self.aside(&by_kind(problems));
        } else {
            for (_, problem) in problems {
                self.problem(problem);
            }
        }
    }

    /// Tells something that the operator should know on standard error.
    pub fn warning(&self, text: &str) {
        let style = Style::new().bold().fg_color(Some(AnsiColor::Yellow.into()));
        self.aside(&format!(
            "{style}warning{style:#}: {}\n",
            safe(text, "    ")
        ));
    }

    /// Adds something on standard error without which the answer may be misread: even if quiet.
    pub fn note(&self, text: &str) {
        let style = Style::new().bold();
        self.aside(&format!("{style}note{style:#}: {}\n", safe(text, "    ")));
    }

    /// Says something on standard error that may be left out: unless quiet.
    pub fn remark(&self, text: &str) {
        match self.talk {
            Verbosity::Quiet => {}
            Verbosity::Normal | Verbosity::Verbose => self.aside(&format!("{}\n", safe(text, ""))),
        }
    }

    /// Asks something; the answer is read elsewhere.
    pub fn prompt(&self, text: &str) {
        self.aside(&format!("{} ", safe(text, "")));
    }

    /// Writes prepared text, colours included, to standard error: what a question is about, or what
    /// is wrong with the arguments.
    pub fn show(&self, text: &str) {
        self.aside(text);
    }

    /// Writes prepared text to standard error. If nobody reads there, the error is dropped.
    pub(super) fn aside(&self, text: &str) {
        let stderr = io::stderr();
        let choice = self.choice(&stderr);
        let mut stream = AutoStream::new(stderr.lock(), choice);
        drop(stream.write_all(text.as_bytes()));
    }

    fn choice(&self, stream: &impl anstream::stream::RawStream) -> ColorChoice {
        match self.color {
            Color::Auto => AutoStream::choice(stream),
            Color::Always => ColorChoice::AlwaysAnsi,
            Color::Never => ColorChoice::Never,
        }
    }

    fn forgive(&self, written: io::Result<()>) -> Result<(), WriteError> {
        match written {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.closed.store(true, Ordering::Relaxed);
                Ok(())
            }
            written => Ok(written?),
        }
    }
}
