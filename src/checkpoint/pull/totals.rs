//! Adds up what the streams of a pull report, and puts the end of the pull together.

use super::transfer::Transfer;
use super::{CompleteStream, TransferOutcome, compressor_failed, kept};
use crate::intake::kept::Difference;
use crate::intake::receive;
use crate::ssh::{self, Exit};

/// What all streams of a pull reported, added up.
#[derive(Default)]
pub(super) struct StreamTotals {
    pub(super) stderr: Vec<u8>,
    /// Output on standard error that was not kept.
    pub(super) dropped_bytes: u64,
    /// The exit status of the streams before the last one.
    pub(super) status: u32,
}

impl StreamTotals {
    /// Ends before everything has come. What arrived is kept.
    pub(super) async fn stop_short(
        self,
        transfer: Transfer,
        pulled: TransferOutcome,
    ) -> Result<(Difference, TransferOutcome), receive::Error> {
        let pulled = TransferOutcome {
            dropped_bytes: self.dropped_bytes,
            ..pulled
        };
        transfer.stop_short(pulled, self.stderr).await
    }

    /// Puts together what there is when nothing more comes.
    pub(super) fn conclude(
        self,
        whole: CompleteStream,
        exit: Result<Exit, ssh::Error>,
    ) -> Result<(Difference, TransferOutcome), receive::Error> {
        let CompleteStream {
            transfer,
            received,
            broken,
            is_damaged,
        } = whole;
        let ended = match exit {
            // Nobody read on, so that the exit status is that of a broken pipe.
            _ if is_damaged => TransferOutcome::nothing(),
            Ok(exit) => TransferOutcome {
                status: exit.status.max(self.status),
                failure: compressor_failed(transfer.compression, exit.status),
                ..TransferOutcome::nothing()
            },
            Err(error) => TransferOutcome::failed(&error),
        };
        let pulled = TransferOutcome {
            stderr: self.stderr,
            dropped_bytes: self.dropped_bytes,
            broken,
            bytes_per_second: transfer.bytes_per_second,
            ..ended
        };
        kept(transfer.difference, received, pulled)
    }
}

/// The exit status of a stream that another one follows, or why none can follow.
pub(super) fn ended_well(
    next: &Transfer,
    exit: Result<Exit, ssh::Error>,
) -> Result<u32, Box<TransferOutcome>> {
    let exit = exit.map_err(|error| TransferOutcome::failed(&error))?;
    match compressor_failed(next.compression, exit.status) {
        None => Ok(exit.status),
        Some(failure) => Err(Box::new(TransferOutcome {
            failure: Some(failure),
            ..TransferOutcome::nothing()
        })),
    }
}
