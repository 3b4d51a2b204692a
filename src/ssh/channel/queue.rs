//! The queue between a channel's reader and whoever takes its data: bounded by bytes, not by pieces.
//!
//! russh moves all channels of a connection in one loop. Up to the bound nobody waits for a slow
//! consumer; past it the whole connection does, and that silence is not taken for the host's.

use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use crate::ssh::connection::state::Link;
use crate::ssh::error::Error;

/// Data that waits for a consumer.
const QUEUE_MAX_BYTES: usize = 2 << 20;

/// A piece of data, and the room that it takes in the queue.
pub(in crate::ssh) type Queued = (Bytes, Option<OwnedSemaphorePermit>);

/// The reader's end of the queue.
pub(in crate::ssh) struct Queue {
    pieces: mpsc::UnboundedSender<Queued>,
    /// None: something else bounds it.
    room: Option<Arc<Semaphore>>,
    link: Arc<Link>,
}

/// Why a piece was not taken.
pub(in crate::ssh) enum Refused {
    /// Nobody wants it any more.
    Unwanted,
    /// The connection has ended, and why.
    Ended(Error),
}

impl Queue {
    /// An empty queue, and the consumer's end of it.
    pub(in crate::ssh) fn bounded(link: Arc<Link>) -> (Self, mpsc::UnboundedReceiver<Queued>) {
        let room = Arc::new(Semaphore::new(QUEUE_MAX_BYTES));
        Self::with(Some(room), link)
    }

    /// The same without a bound, for data that is bounded elsewhere.
    pub(in crate::ssh) fn unbounded(link: Arc<Link>) -> (Self, mpsc::UnboundedReceiver<Queued>) {
        Self::with(None, link)
    }

    fn with(
        room: Option<Arc<Semaphore>>,
        link: Arc<Link>,
    ) -> (Self, mpsc::UnboundedReceiver<Queued>) {
        let (pieces, receiver) = mpsc::unbounded_channel();
        (Self { pieces, room, link }, receiver)
    }

    /// Ends when the consumer has gone.
    pub(in crate::ssh) async fn closed(&self) {
        self.pieces.closed().await;
    }

    /// Waits for room, and hands `piece` on; gives up when `stopped` ends.
    pub(in crate::ssh) async fn push(
        &self,
        piece: Bytes,
        stopped: impl Future<Output = ()>,
    ) -> Result<(), Refused> {
        let room = match &self.room {
            None => None,
            Some(room) => Some(self.take(room, piece.len(), stopped).await?),
        };
        self.pieces
            .send((piece, room))
            .map_err(|_| Refused::Unwanted)
    }

    async fn take(
        &self,
        room: &Arc<Semaphore>,
        bytes: usize,
        stopped: impl Future<Output = ()>,
    ) -> Result<OwnedSemaphorePermit, Refused> {
        let wanted = u32::try_from(bytes.min(QUEUE_MAX_BYTES)).unwrap_or(u32::MAX);
        if let Ok(taken) = Arc::clone(room).try_acquire_many_owned(wanted) {
            return Ok(taken);
        }
        let taken = Arc::clone(room).acquire_many_owned(wanted);
        let mut cut = self.link.switch();
        let waited = self.link.indulging(async {
            tokio::select! {
                taken = taken => taken.ok(),
                () = self.closed() => None,
                () = stopped => None,
                // The connection's loop waits for this channel; it must end with it.
                _ = cut.wait_for(|cut| *cut) => None,
            }
        });
        match waited.await {
            Some(taken) => Ok(taken),
            None if self.link.is_cut() => Err(Refused::Ended(self.link.ended())),
            None => Err(Refused::Unwanted),
        }
    }
}
