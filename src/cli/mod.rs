//! The command line: arguments become a request, the request goes to the floors below, and what comes
//! back becomes an exit status. One file a verb.
//!
//! Nothing here decides what may be done, and nothing here prints: that is for `guard` and `report`.

mod args;
mod ask;
mod cat;
mod checkpoint;
mod completions;
mod consent;
mod diff;
mod doctor;
mod error;
mod export;
mod exposed;
mod global;
mod guard;
mod hosts;
mod import;
mod init;
mod log;
mod ls;
mod man;
mod open_files;
mod refusal;
mod restore;
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

use self::args::{Cli, Verb};
use self::error::{Status, VerbError};
use self::setup::Setup;
use crate::fault::ExitClass;

/// Runs the program with the arguments of this process.
#[must_use]
pub fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let class = match Cli::try_parse_from(&arguments) {
        Ok(cli) => run(cli),
        Err(error) => usage::answer(&error, &arguments),
    };
    ExitCode::from(class.map_or(0, ExitClass::status))
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
        Err(VerbError(problem)) => Some(refusal::refuse(&console, answer, &problem)),
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
        Verb::Restore(args) => restore::run(&args, setup),
        Verb::Guard(guard::Args {
            question: guard::Question::Explain(args),
        }) => guard::run(&args, setup),
        Verb::Completions(args) => completions::run(&args, Cli::command(), setup),
        Verb::Man(args) => man::run(&args, Cli::command(), setup),
    }
}
