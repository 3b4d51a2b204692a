//! Syncs a growing file to disk in the background, on a thread of its own.
//!
//! Whoever writes never waits here. The kernel tells a failed sync only once: it is kept, and told to
//! the writer, who must not take the file for whole before [`BackgroundSync::join`] has said so.

use std::fs::File;
use std::io;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

/// So much is written between two syncs, at least.
const STEP_BYTES: u64 = 16 << 20;

/// The thread, once the file has grown enough to need one.
#[derive(Debug, Default)]
pub(super) struct BackgroundSync {
    asked: u64,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    lengths: SyncSender<u64>,
    thread: JoinHandle<io::Result<()>>,
}

impl BackgroundSync {
    /// The file is `written` bytes long now.
    ///
    /// # Errors
    ///
    /// The error of an earlier sync; or that no thread can be had.
    pub(super) fn advance(&mut self, file: &File, written: u64) -> io::Result<()> {
        // A file that was cut back is shorter than what was asked for.
        if written.saturating_sub(self.asked) < STEP_BYTES {
            return Ok(());
        }
        let running = match self.running.take() {
            Some(running) => running,
            None => Running::start(file.try_clone()?)?,
        };
        match running.lengths.try_send(written) {
            Ok(()) => self.asked = written,
            // Still at the one before: asked again with the next frame.
            Err(TrySendError::Full(_)) => {}
            Err(TrySendError::Disconnected(_)) => return running.join(),
        }
        self.running = Some(running);
        Ok(())
    }

    /// Ends the thread.
    ///
    /// # Errors
    ///
    /// The error of a sync.
    pub(super) fn join(&mut self) -> io::Result<()> {
        self.running.take().map_or(Ok(()), Running::join)
    }
}

impl Drop for BackgroundSync {
    fn drop(&mut self) {
        // The thread must not outlive the writer; the file is unfinished whatever it says.
        drop(self.join());
    }
}

impl Running {
    fn start(file: File) -> io::Result<Self> {
        let (lengths, asked) = sync_channel(0);
        let thread = std::thread::Builder::new()
            .name("pack-sync".to_owned())
            .spawn(move || sync_all(&file, &asked))?;
        Ok(Self { lengths, thread })
    }

    fn join(self) -> io::Result<()> {
        drop(self.lengths);
        self.thread
            .join()
            .unwrap_or_else(|_| Err(io::Error::other("the thread that syncs it has stopped")))
    }
}

fn sync_all(file: &File, asked: &Receiver<u64>) -> io::Result<()> {
    let mut synced = 0;
    while let Ok(length) = asked.recv() {
        file.sync_data()?;
        forget(file, synced, length);
        synced = length;
    }
    Ok(())
}

/// Tells the kernel that what is on the disk won't be read soon: its memory serves the next bytes,
/// and what the workstation had cached stays. Only advice, so its failure means nothing.
#[cfg(target_os = "linux")]
fn forget(file: &File, from: u64, to: u64) {
    let length = std::num::NonZeroU64::new(to.saturating_sub(from));
    rustix::fs::fadvise(file, from, length, rustix::fs::Advice::DontNeed).ok();
}

#[cfg(not(target_os = "linux"))]
fn forget(_: &File, _: u64, _: u64) {}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_file_that_is_synced_along_the_way_keeps_its_bytes() {
        let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
        let mut sync = BackgroundSync::default();
        let chunk: Vec<u8> = (0..=255).cycle().take(1 << 20).collect();
        for written in 1..=40 {
            file.write_all(&chunk).expect("room on the disk");
            sync.advance(file.as_file(), written << 20)
                .expect("the disk syncs");
        }
        sync.join().expect("the disk syncs");
        let read = std::fs::read(file.path()).expect("it is readable");
        assert!(read == chunk.repeat(40));
    }

    #[test]
    fn a_sync_that_fails_is_told_to_the_writer() {
        // A pipe can be written, but never synced.
        let (_reader, writer) = io::pipe().expect("a pipe");
        let file = File::from(std::os::fd::OwnedFd::from(writer));
        let mut sync = BackgroundSync::default();
        sync.advance(&file, STEP_BYTES - 1)
            .expect("too short to sync");
        let mut told = None;
        let mut written = STEP_BYTES;
        while told.is_none() {
            told = sync.advance(&file, written).err();
            written += STEP_BYTES;
        }
        assert_eq!(told.map(|e| e.kind()), Some(io::ErrorKind::InvalidInput));
    }

    #[test]
    fn a_sync_that_fails_is_told_at_the_end() {
        let (_reader, writer) = io::pipe().expect("a pipe");
        let file = File::from(std::os::fd::OwnedFd::from(writer));
        let mut sync = BackgroundSync::default();
        while sync.asked == 0 {
            sync.advance(&file, STEP_BYTES)
                .expect("nothing is known yet");
        }
        let told = sync.join().err();
        assert_eq!(told.map(|e| e.kind()), Some(io::ErrorKind::InvalidInput));
    }
}
