//! Streams the content of a checkpoint's file to a host: read and compared with its digest first, then sent,
//! never whole in memory.

use std::io::{self, Cursor, Write};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream;
use tokio::io::AsyncReadExt as _;
use tokio::sync::mpsc;
use tokio_util::io::StreamReader;

use crate::blocking::blocking;
use crate::manifest::Entry;
use crate::ssh::Input;
use crate::store::SealedCheckpoint;

/// So many pieces of 64 KiB wait until they are sent.
const PIECES_MAX: usize = 4;

/// `head`, and behind it the content of `entry`, a regular file.
pub(super) fn input(checkpoint: &Arc<SealedCheckpoint>, entry: &Entry, head: Vec<u8>) -> Input {
    let length_bytes = head.len() as u64 + entry.file_bytes().unwrap_or_default();
    let (checkpoint, entry) = (Arc::clone(checkpoint), entry.clone());
    Input::stream(length_bytes, move || {
        let (sender, mut pieces) = mpsc::channel(PIECES_MAX);
        let (checkpoint, entry) = (Arc::clone(&checkpoint), entry.clone());
        // It ends when nobody takes what it reads.
        drop(blocking(move || {
            let mut output = Sender(sender);
            if let Err(error) = checkpoint.write_entry(&entry, &mut output) {
                let texts = crate::fault::chain(&error).join(": ");
                drop(output.0.blocking_send(Err(io::Error::other(texts))));
            }
        }));
        let pieces = StreamReader::new(stream::poll_fn(move |context| pieces.poll_recv(context)));
        Ok(Cursor::new(head.clone()).chain(pieces))
    })
}

/// Hands on what is written, a piece at a time.
struct Sender(mpsc::Sender<io::Result<Bytes>>);

impl Write for Sender {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let sent = self.0.blocking_send(Ok(Bytes::copy_from_slice(bytes)));
        sent.map_err(|_| io::ErrorKind::BrokenPipe)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
