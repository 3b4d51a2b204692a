//! Command-line arguments: the global options and the verbs.
//!
//! Verbs that are planned and not built are not declared; [`super::usage`] knows their names.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::{ArgAction, Parser, Subcommand, ValueEnum};

use super::{
    cat, checkpoint, completions, diff, doctor, export, guard, hosts, import, init, log, ls, man,
    show, trust, verify,
};
use crate::report::{Color, Console, Verbosity};

/// Checkpoints of hosts over SSH, and hosts that can't be written by accident.
#[derive(Debug, Parser)]
#[command(
    name = "fleet",
    version,
    max_term_width = 100,
    disable_help_flag = true,
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = "\
Hosts are meant by name, @ENV-or-TAG, or --all. A checkpoint is HOST@STAMP, HOST@latest,
HOST@~1 (one before), or any unique prefix of the stamp.

Exit status: 0 done, 1 failed, 2 usage or configuration, 3 some hosts or parts failed,
4 refused by the guard, 5 not connected, 6 damaged, 7 locked, 130 interrupted.

Examples:
  fleet init                                   write a first inventory
  fleet checkpoint dev-vm -m \"before the codec change\"
  fleet ls dev-vm
  fleet export dev-vm@latest -o dev-vm.tar.gz"
)]
pub(super) struct Cli {
    #[command(flatten)]
    pub(super) global: Global,
    #[command(subcommand)]
    pub(super) verb: Verb,
}

/// Options that every verb takes.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Global options")]
pub(super) struct Global {
    /// The inventory [default: inventory/fleet.yaml, fleet.yaml, or the user's configuration]
    #[arg(
        short,
        long,
        value_name = "FILE",
        env = "FLEET_INVENTORY",
        hide_env_values = true,
        global = true,
        value_parser = path_parser()
    )]
    pub(super) inventory: Option<PathBuf>,

    /// Where checkpoints are kept [default: the inventory's `store`, or the user's data]
    #[arg(
        long,
        value_name = "DIR",
        env = "FLEET_STORE",
        hide_env_values = true,
        global = true,
        value_parser = path_parser()
    )]
    pub(super) store: Option<PathBuf>,

    /// OpenSSH's configuration, as `ssh -F` takes it
    #[arg(short = 'F', long, value_name = "FILE", global = true)]
    pub(super) ssh_config: Option<PathBuf>,

    /// Print JSON to standard output
    #[arg(long, global = true)]
    pub(super) json: bool,

    /// Say nothing but answers and problems
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(super) quiet: bool,

    /// Tell what happens underneath, on standard error; more with -vv and -vvv
    #[arg(short, long, action = ArgAction::Count, global = true)]
    pub(super) verbose: u8,

    /// Print help
    #[arg(short, long, action = ArgAction::HelpShort, global = true)]
    pub(super) help: Option<bool>,

    /// When to use colours; `auto` is on a terminal, unless NO_COLOR is set
    #[arg(
        long,
        value_name = "WHEN",
        value_enum,
        default_value = "auto",
        global = true
    )]
    pub(super) color: When,

    /// Wait so long for a host that another run works on, as 30s or 5m [default: not at all]
    #[arg(long, value_name = "DURATION", value_parser = duration, global = true)]
    pub(super) wait: Option<Duration>,
}

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum When {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    Init(init::Args),
    Hosts(hosts::Args),

    Trust(trust::Args),
    Doctor(doctor::Args),
    Checkpoint(checkpoint::Args),
    Ls(ls::Args),
    Show(show::Args),
    Diff(diff::Args),
    Log(log::Args),
    Cat(cat::Args),
    Verify(verify::Args),
    Export(export::Args),
    Import(import::Args),
    Guard(guard::Args),
    Completions(completions::Args),
    Man(man::Args),
}

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

impl Verb {
    pub(super) fn answer(&self) -> Answer {
        match self {
            Self::Checkpoint(_) => Answer::Events,
            Self::Init(_) | Self::Trust(_) | Self::Export(_) | Self::Import(_) => Answer::Summary,
            Self::Hosts(_)
            | Self::Doctor(_)
            | Self::Ls(_)
            | Self::Show(_)
            | Self::Diff(_)
            | Self::Log(_)
            | Self::Cat(_)
            | Self::Verify(_)
            | Self::Guard(_)
            | Self::Completions(_)
            | Self::Man(_) => Answer::Document,
        }
    }
}

impl Global {
    pub(super) fn console(&self) -> Console {
        let talk = match (self.quiet, self.verbose) {
            (true, _) => Verbosity::Quiet,
            (false, 0) => Verbosity::Normal,
            (false, _) => Verbosity::Verbose,
        };
        Console::new(self.color.into(), self.json, talk)
    }
}

impl From<When> for Color {
    fn from(when: When) -> Self {
        match when {
            When::Auto => Self::Auto,
            When::Always => Self::Always,
            When::Never => Self::Never,
        }
    }
}

/// Takes empty text, which [`super::setup`] reads as *not given*: that is what an empty environment
/// variable means.
fn path_parser() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().map(|text: OsString| PathBuf::from(text))
}

fn duration(text: &str) -> Result<Duration, String> {
    let time: jiff::SignedDuration = text
        .parse()
        .map_err(|_| "write a number with its unit, as 30s, 5m or 1h30m".to_owned())?;
    Duration::try_from(time).map_err(|_| "it must not be negative".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn durations_have_a_unit() {
        assert_eq!(duration("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(duration("5m"), Ok(Duration::from_secs(300)));
        assert_eq!(duration("1h30m"), Ok(Duration::from_secs(5400)));
        assert_eq!(
            duration("30"),
            Err("write a number with its unit, as 30s, 5m or 1h30m".to_owned())
        );
        assert_eq!(duration("-5s"), Err("it must not be negative".to_owned()));
    }

    #[test]
    fn global_options_stand_before_or_after_the_verb() {
        for words in [
            ["fleet", "--store", "x", "--json", "hosts"],
            ["fleet", "hosts", "--json", "--store", "x"],
        ] {
            let cli = Cli::try_parse_from(words).expect("good arguments");
            assert_eq!(cli.global.store, Some("x".into()));
            assert!(cli.global.json);
        }
    }
}
