//! Questions to the operator. They are asked on a terminal or not at all.

use std::io::{self, BufRead};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::report::{Console, Reporter};
use crate::ssh::{Prompter, Question, Secret};

/// Whether a hidden answer is being typed: the terminal does not echo then.
static HIDING: AtomicBool = AtomicBool::new(false);

/// Makes the terminal echo again, if the program ends while a hidden answer is being typed.
pub(super) fn restore_terminal() {
    if HIDING.swap(false, Ordering::SeqCst) {
        // Without `stty` there is nothing left to try.
        drop(Command::new("stty").arg("echo").status());
        // The question's line has no end yet.
        Console::default().show("\n");
    }
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
        let prompt = question.to_string();
        let answer = self.reporter.aside(|| match question {
            Question::FromServer { echo: true, .. } => dialoguer::Input::<String>::new()
                .with_prompt(prompt)
                .allow_empty(true)
                .interact_text(),
            Question::Passphrase { .. }
            | Question::Password { .. }
            | Question::FromServer { .. }
            | Question::Sudo { .. } => {
                HIDING.store(true, Ordering::SeqCst);
                let typed = dialoguer::Password::new()
                    .with_prompt(prompt)
                    .allow_empty_password(true)
                    .interact();
                HIDING.store(false, Ordering::SeqCst);
                typed
            }
        });
        // A terminal that went away has declined.
        answer.ok().map(Secret::new)
    }
}

/// One line that the operator types; none if there is nothing to read.
pub(super) fn line(console: &Console, prompt: &str) -> Option<String> {
    console.prompt(prompt);
    let mut text = String::new();
    match io::stdin().lock().read_line(&mut text) {
        Ok(1..) => Some(text.trim().to_owned()),
        Ok(0) | Err(_) => None,
    }
}
