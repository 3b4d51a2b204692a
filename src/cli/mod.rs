//! The command line: arguments become a request, the request goes to the floors below, and what comes
//! back becomes an exit status. One file a verb.
//!
//! Nothing here decides what may be done, and nothing here prints: that is for `guard` and `report`.

mod args;
mod ask;
mod cat;
mod checkpoint;
mod completions;
mod diff;
mod doctor;
mod error;
mod export;
mod exposed;
mod guard;
mod hosts;
mod import;
mod init;
mod log;
mod ls;
mod man;
mod open_files;
mod select;
mod setup;
mod show;
mod signals;
mod stored;
mod trust;
mod usage;
mod verify;

use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{CommandFactory, Parser};

use self::args::{Answer, Cli, Verb};
use self::error::VerbError;
use self::setup::Setup;
use crate::fault::ExitClass;
use crate::report::{Console, Problem, json};

/// How a verb ended: none is 0.
type Status = Result<Option<ExitClass>, VerbError>;

/// Runs the program with the arguments of this process.
#[must_use]
pub fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let class = match Cli::try_parse_from(&arguments) {
        Ok(cli) => run(cli),
        Err(error) => usage::answer(&error, &arguments),
    };
    ExitCode::from(class.map_or(0, ExitClass::code))
}

/// The definition of all arguments, for completions and manual pages.
fn definition() -> clap::Command {
    Cli::command()
}

fn run(cli: Cli) -> Option<ExitClass> {
    let Cli { global, verb } = cli;
    setup::trace(global.verbose);
    open_files::raise();
    let console = Arc::new(global.console());
    let answer = verb.answer();
    let setup = Setup::new(Arc::clone(&console), global);
    match dispatch(verb, &setup) {
        Ok(class) => class,
        Err(VerbError(problem)) => Some(refuse(&console, answer, &problem)),
    }
}

fn dispatch(verb: Verb, setup: &Setup) -> Status {
    match verb {
        Verb::Init(args) => init::run(&args, setup),
        Verb::Hosts(args) => hosts::run(&args, setup),

        Verb::Trust(args) => trust::run(&args, setup),
        Verb::Doctor(args) => doctor::run(&args, setup),
        Verb::Checkpoint(args) => checkpoint::run(&args, setup),
        Verb::Ls(args) => ls::run(&args, setup),
        Verb::Show(args) => show::run(&args, setup),
        Verb::Diff(args) => diff::run(&args, setup),
        Verb::Log(args) => log::run(&args, setup),
        Verb::Cat(args) => cat::run(&args, setup),
        Verb::Verify(args) => verify::run(&args, setup),
        Verb::Export(args) => export::run(&args, setup),
        Verb::Import(args) => import::run(&args, setup),
        Verb::Guard(guard::Args {
            question: guard::Question::Explain(args),
        }) => guard::run(&args, setup),
        Verb::Completions(args) => completions::run(&args, setup),
        Verb::Man(args) => man::run(&args, setup),
    }
}

/// Tells why there is no answer, on standard error for people and on standard output for programs.
fn refuse(console: &Console, answer: Answer, problem: &Problem) -> ExitClass {
    console.problem(problem);
    if console.is_json() {
        tell_json(console, answer, problem);
    }
    problem.class
}

fn tell_json(console: &Console, answer: Answer, problem: &Problem) {
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
