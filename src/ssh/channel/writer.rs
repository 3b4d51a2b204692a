//! The task that writes a command's standard input: script and request, then the data, and then lines that
//! show the host that this side lives.
//!
//! The lines follow the data and never come within it: the host reads as many bytes as the request
//! announces before it looks for lines. A stream that is not what was announced gets none.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use russh::ChannelWriteHalf;
use russh::client::Msg;
use tokio::sync::Notify;

use crate::ssh::command::input::{Input, InputError};
use crate::ssh::connection::state::Link;

/// A command with a short answer is sent the first line only after this: to watch for lines costs the host
/// two processes.
const ALIVE_FIRST: Duration = Duration::from_secs(1);

/// The shortest and the longest pause between two lines.
const ALIVE_PAUSE: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(20));

/// A host that has had none of them for so many pauses ends the command.
const ALIVE_PAUSES_MAX: u32 = 6;

/// Everything that is written on a channel behind its command line and a password.
pub(in crate::ssh) struct Writer {
    pub(in crate::ssh) write: Arc<ChannelWriteHalf<Msg>>,
    pub(in crate::ssh) link: Arc<Link>,
    /// Script and request.
    pub(in crate::ssh) preamble: Bytes,
    pub(in crate::ssh) input: Input,
    /// Told when the command has begun.
    pub(in crate::ssh) begun: Arc<Notify>,
    pub(in crate::ssh) lines: AliveLines,
}

/// The lines that show that this side lives.
#[derive(Debug, Clone, Copy)]
pub(in crate::ssh) struct AliveLines {
    /// From the end of the data to the first one.
    first: Duration,
    /// From one to the next.
    pause: Duration,
}

impl AliveLines {
    /// The lines for a command on a host that may be silent for `stall`.
    pub(in crate::ssh) fn new(stall: Duration, has_short_answer: bool) -> Self {
        Self {
            first: if has_short_answer {
                ALIVE_FIRST
            } else {
                Duration::ZERO
            },
            pause: stall.clamp(ALIVE_PAUSE.0, ALIVE_PAUSE.1),
        }
    }

    /// A line: the seconds after which the host takes this side for lost unless another line has come.
    fn text(self) -> String {
        format!("{}\n", (self.pause * ALIVE_PAUSES_MAX).as_secs())
    }
}

impl Writer {
    /// Writes until it is aborted, or the channel is gone.
    ///
    /// # Errors
    ///
    /// [`InputError`] if the data can't be sent as announced. The host is still waiting for the rest of it.
    ///
    /// # Cancel
    ///
    /// A stream is dropped with the future.
    pub(in crate::ssh) async fn run(self) -> Result<(), InputError> {
        let Self {
            write,
            link,
            preamble,
            input,
            begun,
            lines,
        } = self;
        if !send(&write, &link, preamble).await {
            return Ok(());
        }
        // A list may be sent for nothing to a sudo that refuses; a stream may be long.
        let is_stream = input.is_stream();
        if is_stream {
            begun.notified().await;
        }
        let mut pieces = input.open()?;
        loop {
            let next = pieces.next();
            let piece = if is_stream {
                // A slow stream is no silence of the host.
                link.indulging(next).await?
            } else {
                next.await?
            };
            let Some(piece) = piece else { break };
            if !send(&write, &link, piece).await {
                return Ok(());
            }
        }
        drop(pieces);
        tokio::time::sleep(lines.first).await;
        while write.data_bytes(lines.text()).await.is_ok() {
            tokio::time::sleep(lines.pause).await;
        }
        Ok(())
    }
}

/// Waits until the host may be sent all of `bytes`; false if the channel is gone.
async fn send(write: &ChannelWriteHalf<Msg>, link: &Link, bytes: Bytes) -> bool {
    let is_sent = write.data_bytes(bytes).await.is_ok();
    if is_sent {
        link.moved();
    }
    is_sent
}
