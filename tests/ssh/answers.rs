//! An operator who always gives the same answer.

use std::sync::{Arc, Mutex, PoisonError};

use fleet::ssh::{Connector, Options, Prompter, Question, Secret};

use crate::support::sshd::Sshd;

/// Answers every question with the same text, and remembers the questions.
pub(super) struct Answers {
    answer: &'static str,
    asked: Mutex<Vec<String>>,
}

impl Answers {
    pub(super) fn new(answer: &'static str) -> Arc<Self> {
        Arc::new(Self {
            answer,
            asked: Mutex::default(),
        })
    }

    pub(super) fn asked(&self) -> Vec<String> {
        self.asked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Prompter for Answers {
    fn ask(&self, question: &Question) -> Option<Secret> {
        self.asked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(question.to_string());
        Some(Secret::new(self.answer.to_owned()))
    }
}

/// A connector that asks `answers`.
pub(super) fn asking(sshd: &Sshd, answers: &Arc<Answers>) -> Connector {
    Connector::new(
        sshd.ssh_config(),
        Options {
            prompter: Some(Arc::clone(answers) as Arc<dyn Prompter>),
            ..Options::default()
        },
    )
}
