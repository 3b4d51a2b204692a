//! `fleet cat`

use std::ffi::OsString;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;

use super::error::Status;
use super::setup::Setup;
use crate::name::CheckpointRef;
use crate::report::Console;
use crate::store;

/// Print the content of one file of a checkpoint
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Prints the file as it was on the host, after its content was compared with its SHA-256.

Examples:
  fleet cat dev-vm@latest /etc/asterisk/pjsip.conf
  fleet cat dev-vm@~1 fleet-captures/models/models.json | jq .")]
pub(super) struct Args {
    /// HOST@STAMP, HOST@latest, HOST@~1, or a unique prefix of the stamp
    #[arg(value_name = "CHECKPOINT")]
    checkpoint: CheckpointRef,

    /// The absolute path on the host, or fleet-captures/SOURCE/FILE
    #[arg(value_name = "PATH")]
    path: OsString,
}

pub(super) fn run(args: &Args, setup: &Setup) -> Status {
    let store = setup.store()?;
    let id = setup.look_up(&store, &args.checkpoint)?.id;
    let sealed = store.open_checkpoint(&id)?;
    let path = sealed.path_of(args.path.as_bytes())?;
    let mut output = Output(&setup.console);
    forgive(sealed.write_content(&path, &mut output))?;
    Ok(None)
}

/// A reader that went away wants no more, and that is no failure.
pub(super) fn forgive<T: Default>(written: Result<T, store::Error>) -> Result<T, store::Error> {
    match written {
        Err(store::Error::Output { source }) if source.kind() == io::ErrorKind::BrokenPipe => {
            Ok(T::default())
        }
        written => written,
    }
}

/// Standard output as a writer.
pub(super) struct Output<'a>(pub(super) &'a Console);

impl Write for Output<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.raw(bytes).map_err(io::Error::other)?;
        if self.0.is_closed() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
