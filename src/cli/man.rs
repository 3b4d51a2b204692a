//! `fleet man`

use std::fs;
use std::path::PathBuf;

use super::error::{Error, Status};
use super::setup::Setup;

/// Print the manual page, or write one page for each command
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  fleet man | man -l -
  fleet man --dir ~/.local/share/man/man1")]
pub(super) struct Args {
    /// Write fleet.1, fleet-checkpoint.1 and so on into this directory
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// Renders the pages of `definition`, which has all arguments.
pub(super) fn run(args: &Args, definition: clap::Command, setup: &Setup) -> Status {
    let Some(dir) = &args.dir else {
        let mut page = Vec::new();
        clap_mangen::Man::new(definition)
            .render(&mut page)
            .map_err(Error::Start)?;
        setup.console.raw(&page)?;
        return Ok(None);
    };
    let failed = |source| Error::Write {
        file: dir.clone(),
        source,
    };
    fs::create_dir_all(dir).map_err(failed)?;
    clap_mangen::generate_to(definition, dir).map_err(failed)?;
    setup
        .console
        .remark(&format!("wrote manual pages to {}", dir.display()));
    Ok(None)
}
