//! Wrong arguments, and the texts that clap itself prints.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::global::{Global, When};
use super::refusal::{Answer, refuse, tell_json};
use crate::fault::{Code, ExitClass, Problem};
use crate::report::Console;

/// Verbs that are settled and not built yet, and what helps until then.
const LATER: [(&str, &str); 10] = [
    (
        "rollback",
        "`fleet export CHECKPOINT -o DIR/` takes the files out.",
    ),
    ("pin", "Nothing is ever removed from the store by itself."),
    ("prune", "Nothing is ever removed from the store by itself."),
    ("run", "Type the steps one by one."),
    ("resume", "Type the steps one by one."),
    ("runs", "`fleet ls` lists every checkpoint that was taken."),
    ("status", "`fleet ls` shows how old each checkpoint is."),
    (
        "schedule",
        "Call `fleet checkpoint --all -q` from cron or a systemd timer.",
    ),
    (
        "audit",
        "`fleet guard explain HOST` shows what may be done to a host.",
    ),
    ("serve", "Every command prints JSON with `--json`."),
];

/// Tells what is wrong with the arguments, or prints the help that was asked for.
pub(super) fn answer(error: &clap::Error, arguments: &[OsString]) -> Option<ExitClass> {
    let console = console(arguments);
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            match console.answer(&error.render().ansi().to_string()) {
                Ok(()) => None,
                Err(error) => {
                    console.problem(&Problem::of(&error));
                    Some(ExitClass::Failed)
                }
            }
        }
        _ => Some(refuse_usage(&console, error, arguments)),
    }
}

fn refuse_usage(console: &Console, error: &clap::Error, arguments: &[OsString]) -> ExitClass {
    if let Some(problem) = later(error) {
        return refuse(console, Answer::Document, &problem);
    }
    console.show(&error.render().ansi().to_string());
    if console.is_json() {
        let (message, hint) = texts(error);
        let problem = Problem::new(Code::UsageInvalid, ExitClass::Usage, message, hint);
        tell_json(console, expected(arguments), &problem);
    }
    ExitClass::Usage
}

/// A verb that is not built yet deserves more than `unrecognized subcommand`.
fn later(error: &clap::Error) -> Option<Problem> {
    if error.kind() != ErrorKind::InvalidSubcommand {
        return None;
    }
    let ContextValue::String(word) = error.get(ContextKind::InvalidSubcommand)? else {
        return None;
    };
    let (verb, instead) = LATER.iter().find(|(verb, _)| verb == word)?;
    Some(Problem::new(
        Code::UsageInvalid,
        ExitClass::Usage,
        format!("this version has no `fleet {verb}` yet"),
        Some(format!("{instead} `fleet --help` lists every command.")),
    ))
}

/// clap's first sentence, and the first of its tips.
fn texts(error: &clap::Error) -> (String, Option<String>) {
    let text = error.render().to_string();
    let mut lines = text.lines();
    let first = lines.next().unwrap_or_default();
    let mut message = first.strip_prefix("error: ").unwrap_or(first).to_owned();
    let mut hint = None;
    for line in lines {
        if let Some(tip) = line.trim().strip_prefix("tip: ") {
            hint.get_or_insert(tip.to_owned());
        } else if message.ends_with(':') && line.starts_with("  ") {
            // What is missing stands on the lines below.
            message.push(' ');
            message.push_str(line.trim());
            message.push(':');
        }
    }
    let message = message.trim_end_matches(':').to_owned();
    (message, hint.or(Some("Try `--help`.".to_owned())))
}

/// The arguments did not parse, so that only their words tell how the answer should look.
fn console(arguments: &[OsString]) -> Console {
    let options: Vec<&str> = arguments
        .iter()
        .skip(1)
        .take_while(|word| *word != "--")
        .filter_map(|word| word.to_str())
        .collect();
    let color = options
        .iter()
        .zip(options.iter().skip(1).chain([&""]))
        .find_map(|(word, next)| match (*word, *next) {
            ("--color=always", _) | ("--color", "always") => Some(When::Always),
            ("--color=never", _) | ("--color", "never") => Some(When::Never),
            _ => None,
        });
    Global {
        inventory: None,
        store: None,
        ssh_config: None,
        json: options.contains(&"--json"),
        quiet: false,
        verbose: 0,
        help: None,
        color: color.unwrap_or(When::Auto),
        wait: None,
    }
    .console()
}

/// What the verb would have printed.
fn expected(arguments: &[OsString]) -> Answer {
    let verb = arguments.iter().skip(1).filter_map(|word| word.to_str());
    verb.into_iter()
        .find_map(|word| match word {
            "checkpoint" => Some(Answer::Events),
            "init" | "restore" | "trust" | "export" | "import" => Some(Answer::Summary),
            "ls" | "show" | "diff" | "log" | "cat" | "verify" | "hosts" | "doctor" | "guard" => {
                Some(Answer::Document)
            }
            _ => None,
        })
        .unwrap_or(Answer::Document)
}
