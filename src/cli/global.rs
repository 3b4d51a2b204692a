//! Global options, which every verb takes before or after its name.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::{ArgAction, ValueEnum};

use crate::report::{Color, Console, Verbosity};

/// Options that every verb takes.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Global options")]
pub(super) struct Global {
    /// The inventory [default: inventory/fleet.yaml, fleet.yaml, or ~/.config/fleet/fleet.yaml]
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

    /// Where checkpoints are kept [default: the inventory's `store`, or ~/.local/share/fleet]
    #[arg(
        long,
        value_name = "DIR",
        env = "FLEET_STORE",
        hide_env_values = true,
        global = true,
        value_parser = path_parser()
    )]
    pub(super) store: Option<PathBuf>,

    /// OpenSSH configuration file, as for `ssh -F`
    #[arg(short = 'F', long, value_name = "FILE", global = true)]
    pub(super) ssh_config: Option<PathBuf>,

    /// Print JSON to standard output
    #[arg(long, global = true)]
    pub(super) json: bool,

    /// Print only results, warnings and errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(super) quiet: bool,

    /// Print details to standard error; repeat for more (-vv, -vvv)
    #[arg(short, long, action = ArgAction::Count, global = true)]
    pub(super) verbose: u8,

    /// Print help
    #[arg(short, long, action = ArgAction::HelpShort, global = true)]
    pub(super) help: Option<bool>,

    /// When to use colours; `auto`: on a terminal, unless NO_COLOR is set
    #[arg(
        long,
        value_name = "WHEN",
        value_enum,
        default_value = "auto",
        global = true
    )]
    pub(super) color: When,

    /// How long to wait for a host that is locked by another run, such as 30s or 5m [default: 0]
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
}
