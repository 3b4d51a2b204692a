//! Logging in with what the operator types: passwords, and answers to the server's own questions.

use russh::MethodKind;
use russh::client::{AuthResult, KeyboardInteractiveAuthResponse, Prompt};

use crate::ssh::connection::clock::TooSlow;
use crate::ssh::connection::words::one_line;
use crate::ssh::login::auth::{Login, Step};
use crate::ssh::options::{Question, Secret};

/// A server that asks more often than this in one login asks forever: one with a password, a code and a
/// new password, each asked for three times, asks half as often.
const ROUNDS_MAX: usize = 20;

/// Questions in all rounds of one login; one message can hold thousands.
const QUESTIONS_MAX: usize = 40;

/// How much a server has asked in one login.
#[derive(Default)]
struct Asked {
    rounds: usize,
    questions: usize,
}

impl Login<'_> {
    /// Answers the server's questions, and starts anew when the answers were wrong.
    pub(in crate::ssh) async fn keyboard_interactive(&mut self) -> Step {
        let what = "keyboard-interactive";
        if !self.prompts.can_ask() {
            self.failed(what, self.nobody());
            return Step::Next;
        }
        let mut asked = Asked::default();
        for again in 0..self.endpoint.rules.prompts_max {
            let user = self.endpoint.user.clone();
            let started = self
                .clock
                .limit(
                    self.handle
                        .authenticate_keyboard_interactive_start(user, None),
                )
                .await;
            let mut reply = match started {
                Err(TooSlow) => return self.too_slow(),
                Ok(Err(_)) => return self.hung_up(),
                Ok(Ok(reply)) => reply,
            };
            let questions = asked.questions;
            let step = loop {
                match reply {
                    KeyboardInteractiveAuthResponse::Success => return Step::In,
                    KeyboardInteractiveAuthResponse::Failure {
                        remaining_methods,
                        partial_success,
                    } => {
                        break self.answered(
                            what,
                            AuthResult::Failure {
                                remaining_methods,
                                partial_success,
                            },
                        );
                    }
                    KeyboardInteractiveAuthResponse::InfoRequest {
                        name,
                        instructions,
                        prompts,
                    } => {
                        asked.rounds += 1;
                        asked.questions += prompts.len();
                        if asked.rounds > ROUNDS_MAX || asked.questions > QUESTIONS_MAX {
                            let why = "the server asks without end";
                            self.failed(what, why);
                            return Step::Over;
                        }
                        self.link.hear(name.as_bytes());
                        self.link.hear(instructions.as_bytes());
                        let about = one_line(&format!("{name} {instructions}"));
                        let Some(answers) = self.answers(&about, prompts, again > 0).await else {
                            self.failed(what, "no answer was given");
                            return Step::Over;
                        };
                        let answered = self
                            .clock
                            .limit(
                                self.handle
                                    .authenticate_keyboard_interactive_respond(answers),
                            )
                            .await;
                        reply = match answered {
                            Err(TooSlow) => return self.too_slow(),
                            Ok(Err(_)) => return self.hung_up(),
                            Ok(Ok(reply)) => reply,
                        };
                    }
                }
            };
            if asked.questions == questions
                || !matches!(step, Step::Next)
                || !self.methods.contains(&MethodKind::KeyboardInteractive)
            {
                return step;
            }
        }
        Step::Next
    }

    /// The operator's answers to one round; none if one was declined. A server that only tells something
    /// gets no answers.
    async fn answers(&self, about: &str, prompts: Vec<Prompt>, again: bool) -> Option<Vec<String>> {
        let mut answers = Vec::new();
        for (index, prompt) in prompts.into_iter().enumerate() {
            let words = one_line(prompt.prompt.trim());
            let question = Question::FromServer {
                host: self.endpoint.name.clone(),
                prompt: match (index, about.trim()) {
                    (0, about) if !about.is_empty() => format!("{about} {words}"),
                    _ => words,
                },
                echo: prompt.echo,
                again: again && index == 0,
            };
            let pause = self.clock.pause();
            let answer = self.prompts.ask(question).await;
            drop(pause);
            answers.push(answer?.reveal().to_owned());
        }
        Some(answers)
    }

    /// Asks for the account's password, and again when it was wrong.
    pub(in crate::ssh) async fn password(&mut self) -> Step {
        let what = "password";
        if !self.prompts.can_ask() {
            self.failed(what, self.nobody());
            return Step::Next;
        }
        for again in 0..self.endpoint.rules.prompts_max {
            let question = Question::Password {
                user: self.endpoint.user.clone(),
                host: self.endpoint.name.clone(),
                again: again > 0,
            };
            let pause = self.clock.pause();
            let password = self.prompts.ask(question).await;
            drop(pause);
            let Some(password) = password else {
                self.failed(what, "none was given");
                return Step::Next;
            };
            let user = self.endpoint.user.clone();
            let attempt = self
                .handle
                .authenticate_password(user, Secret::reveal(&password));
            let step = match self.clock.limit(attempt).await {
                Err(TooSlow) => return self.too_slow(),
                Ok(Err(_)) => return self.hung_up(),
                Ok(Ok(result)) => self.answered(what, result),
            };
            if !matches!(step, Step::Next) || !self.methods.contains(&MethodKind::Password) {
                return step;
            }
        }
        Step::Next
    }

    fn nobody(&self) -> &'static str {
        if self.endpoint.rules.may_ask {
            "there is no terminal to ask in"
        } else {
            "`BatchMode` of ssh_config forbids to ask"
        }
    }
}
