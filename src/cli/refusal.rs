//! Prints why a verb has no answer: for people, and as JSON in the shape that the verb would have printed.

use crate::fault::{ExitClass, Problem};
use crate::report::{Console, json};

/// What a verb prints with `--json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// One document.
    Document,
    /// Events, then a summary with checkpoints and failures.
    Events,
    /// A summary.
    Summary,
}

/// Tells why there is no answer, on standard error for people and on standard output for programs.
pub(super) fn refuse(console: &Console, answer: Answer, problem: &Problem) -> ExitClass {
    console.problem(problem);
    if console.is_json() {
        tell_json(console, answer, problem);
    }
    problem.class
}

/// The same for programs, in the shape of an `answer`.
pub(super) fn tell_json(console: &Console, answer: Answer, problem: &Problem) {
    let written = match answer {
        Answer::Document => console.document(&json::Errored::from(problem)),
        Answer::Events => console.event(&json::Event::failed(problem)),
        Answer::Summary => console.event(&json::WorkFailed::from(problem)),
    };
    if let Err(error) = written {
        let second = Problem::of(&error);
        // The first problem may be that nothing can be written.
        if second != *problem {
            console.problem(&second);
        }
    }
}
