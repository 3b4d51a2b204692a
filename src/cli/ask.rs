//! Asks the operator on the terminal: for a line that is shown, and for passwords that are not.
//!
//! Questions belong inside [`signals::run`](super::signals::run): the thread that reads the terminal can't be
//! interrupted, so a signal ends the wait for it, and [`close`] puts the terminal back as it was.

use std::io::{self, BufRead as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use crate::blocking::blocking;
use crate::report::{Console, Reporter};
use crate::ssh::{Prompter, Question, Secret};

/// The terminal of this process. It is shared by the thread that reads an answer and the one that ends
/// the program meanwhile; the lock is never held while an answer is awaited.
static TERMINAL: Mutex<State> = Mutex::new(State {
    question: Open::None,
    is_closed: false,
});

struct State {
    question: Open,
    /// The program is ending: nothing is asked any more.
    is_closed: bool,
}

/// A question that waits for its answer.
enum Open {
    None,
    /// The terminal echoes what is typed.
    Shown,
    /// It does not, and had these settings before.
    Hidden(Box<Termios>),
}

fn terminal() -> MutexGuard<'static, State> {
    TERMINAL.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ends a question that has no answer yet: the terminal echoes again, and the next text begins on a line
/// of its own. Nothing is asked after that.
pub(super) fn close() {
    let mut terminal = terminal();
    terminal.is_closed = true;
    let open = match std::mem::replace(&mut terminal.question, Open::None) {
        Open::None => false,
        Open::Shown => true,
        Open::Hidden(settings) => {
            restore(&settings);
            true
        }
    };
    drop(terminal);
    if open {
        Console::default().show("\n");
    }
}

fn restore(settings: &Termios) {
    // A terminal that went away has no settings left to restore.
    tcsetattr(io::stdin(), OptionalActions::Now, settings).ok();
}

/// Asks for passphrases and passwords, with moving lines out of the way.
pub(super) struct Terminal {
    reporter: Arc<Reporter>,
}

impl Terminal {
    /// Who is asked; none without a terminal.
    pub(super) fn of(console: &Console, reporter: &Arc<Reporter>) -> Option<Arc<dyn Prompter>> {
        let reporter = Arc::clone(reporter);
        console
            .can_ask()
            .then(|| Arc::new(Self { reporter }) as Arc<dyn Prompter>)
    }
}

impl Prompter for Terminal {
    fn ask(&self, question: &Question) -> Option<Secret> {
        let mut prompt = question.to_string();
        // A server's own question may have its end already.
        if !prompt.ends_with([':', '?']) {
            prompt.push(':');
        }
        let answer = self.reporter.aside(|| match question {
            Question::FromServer { echo: true, .. } => shown(&Console::default(), &prompt),
            Question::Passphrase { .. }
            | Question::Password { .. }
            | Question::FromServer { .. }
            | Question::Sudo { .. } => hidden(&Console::default(), &prompt),
        });
        answer.map(Secret::new)
    }
}

/// One line that the operator types, without blanks around it; none if there is nothing to read.
///
/// # Cancel
///
/// Dropping the future leaves a thread behind that still reads the terminal; [`close`] says on the screen
/// that nobody waits for it.
pub(super) async fn line(console: &Arc<Console>, prompt: &str) -> Option<String> {
    let (console, prompt) = (Arc::clone(console), prompt.to_owned());
    let answer = blocking(move || shown(&console, &prompt)).await;
    answer.map(|text| text.trim().to_owned())
}

/// Asks and waits for a line; what is typed is seen. None if the terminal went away, or if the program
/// is ending.
fn shown(console: &Console, prompt: &str) -> Option<String> {
    {
        let mut terminal = terminal();
        if terminal.is_closed {
            return None;
        }
        terminal.question = Open::Shown;
    }
    console.prompt(prompt);
    let answer = read_line();
    terminal().question = Open::None;
    answer
}

/// The same; what is typed is not seen.
fn hidden(console: &Console, prompt: &str) -> Option<String> {
    let settings = tcgetattr(io::stdin()).ok()?;
    let mut silent = settings.clone();
    silent.local_modes.remove(LocalModes::ECHO);
    silent
        .local_modes
        .insert(LocalModes::ECHONL | LocalModes::ICANON | LocalModes::ISIG);
    {
        let mut terminal = terminal();
        if terminal.is_closed {
            return None;
        }
        // What was typed before the question is no answer to it.
        tcsetattr(io::stdin(), OptionalActions::Flush, &silent).ok()?;
        terminal.question = Open::Hidden(Box::new(settings));
    }
    console.prompt(prompt);
    let answer = read_line();
    let question = std::mem::replace(&mut terminal().question, Open::None);
    if let Open::Hidden(settings) = question {
        restore(&settings);
    }
    answer
}

/// A line without its end; none at the end of the input.
fn read_line() -> Option<String> {
    let mut text = String::new();
    match io::stdin().lock().read_line(&mut text) {
        Ok(1..) => {
            let line = text.strip_suffix('\n').unwrap_or(&text);
            Some(line.strip_suffix('\r').unwrap_or(line).to_owned())
        }
        Ok(0) | Err(_) => None,
    }
}
