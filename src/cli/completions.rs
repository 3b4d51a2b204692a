//! `fleet completions`

use clap_complete::Shell;

use super::error::Status;
use super::setup::Setup;

/// Print completions for a shell
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  fleet completions bash > ~/.local/share/bash-completion/completions/fleet
  fleet completions zsh > \"${fpath[1]}/_fleet\"
  fleet completions fish > ~/.config/fish/completions/fleet.fish")]
pub(super) struct Args {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Renders completions for `definition`, which has all arguments.
pub(super) fn run(args: &Args, mut definition: clap::Command, setup: &Setup) -> Status {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut definition, "fleet", &mut script);
    setup.console.raw(&script)?;
    Ok(None)
}
