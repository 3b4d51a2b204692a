//! Command-line arguments: the verbs, and what each prints with `--json`.
//!
//! Verbs that are planned and not built are not declared; [`super::usage`] knows their names.

use clap::{Parser, Subcommand};

use super::global::Global;
use super::refusal::Answer;
use super::{
    cat, checkpoint, completions, diff, doctor, export, guard, hosts, import, init, log, ls, man,
    restore, show, trust, verify,
};

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
Select hosts by name, by @ENV-or-TAG, or with --all. A checkpoint is HOST@STAMP, HOST@latest, \
HOST@~1 (one before), or any unique prefix of the stamp.

Exit status: 0 done, 1 failed, 2 usage or configuration, 3 some hosts or sources failed, \
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
    Restore(restore::Args),
    Guard(guard::Args),
    Completions(completions::Args),
    Man(man::Args),
}

impl Verb {
    pub(super) fn answer(&self) -> Answer {
        match self {
            Self::Checkpoint(_) => Answer::Events,
            // A dry run is refused in the shape of a summary as well.
            Self::Restore(_)
            | Self::Init(_)
            | Self::Trust(_)
            | Self::Export(_)
            | Self::Import(_) => Answer::Summary,
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

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
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
