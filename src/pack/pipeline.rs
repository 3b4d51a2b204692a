//! Compresses frames on several threads, and writes them in order on one more.
//!
//! Whichever worker is free takes the next frame, for some frames take several times as long as
//! others; the writing thread waits for them in the caller's order. Every queue is short: a slow disk
//! stops the workers, and they stop the caller. What was written is made durable along the way, so that
//! the last sync has little left to do.

use std::fs::File;
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use zstd::bulk::Compressor;
use zstd::zstd_safe::{CParameter, compress_bound};

use super::background_sync::BackgroundSync;
use super::index::Lengths;
use super::{Error, FRAME_MAX_BYTES, PackOptions};
use crate::digest::Hasher;

/// How many frames wait for a worker.
const QUEUE_FRAMES: usize = 1;
/// The default level's own is 17, which is for frames a quarter as long: text gets 0.4 % smaller for 512
/// KiB a worker, in the same time.
const HASH_LOG: u32 = 18;
/// The default level's own.
const CHAIN_LOG: u32 = 16;
/// What takes only long matches. Logs and tables of numbers, where short ones are chance and cost more
/// than they save, get 3 % smaller with it than at level 3, a third faster.
const LONG_MATCHES_LEVEL: i32 = 1;
/// What the first frames of a pack are compressed at: most packs are small, and every pack that they are
/// merged into has their frames as they are. An eighth smaller than at level 3, in three times the time.
const EARLY_LEVEL: i32 = 7;
/// How much of a pack's content that is.
const EARLY_BYTES: u64 = 16 << 20;
/// How much of a frame is tried both ways. On trees of sources and binaries it takes the better one
/// for all but one frame in a thousand.
const TRIAL_BYTES: usize = 128 * 1024;

/// A frame to compress.
struct Job {
    content: Vec<u8>,
    /// It is one of the first.
    is_early: bool,
    packed: SyncSender<io::Result<Vec<u8>>>,
}

/// What the writing thread does, in the caller's order.
enum Turn {
    Frame {
        /// Gives the compressed frame when it is ready.
        compressed: Receiver<io::Result<Vec<u8>>>,
        content_bytes: usize,
        /// Remember the place before it, for [`Turn::CutBack`].
        is_marked: bool,
    },
    /// Drop everything since the last marked frame, that one included.
    CutBack,
}

/// Buffers that were used, for the next frames.
#[derive(Debug, Clone, Default)]
struct Pool(Arc<Mutex<Vec<Vec<u8>>>>);

impl Pool {
    fn take(&self) -> Option<Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    fn give_back(&self, mut buffer: Vec<u8>) {
        buffer.clear();
        let mut buffers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        buffers.push(buffer);
    }
}

/// The threads behind a pack that is being written.
#[derive(Debug)]
pub(super) struct Pipeline {
    jobs: SyncSender<Job>,
    turns: SyncSender<Turn>,
    /// How much content was handed on to be compressed.
    handed_bytes: u64,
    contents: Pool,
    packed: Pool,
    workers: Vec<JoinHandle<()>>,
    disk: JoinHandle<Result<Disk, Error>>,
}

impl Pipeline {
    /// Starts `threads` workers, at least one, that compress at `level`.
    pub(super) fn start(disk: Disk, level: i32, threads: usize) -> Result<Self, Error> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| Error::Compress { path, source }
        };
        let threads = threads.max(1);
        let (contents, packed) = (Pool::default(), Pool::default());
        let (jobs, job_out) = sync_channel(QUEUE_FRAMES);
        let (turns, turn_out) = sync_channel(threads + QUEUE_FRAMES);
        let job_out = Arc::new(Mutex::new(job_out));
        let mut workers = Vec::new();
        for _ in 0..threads {
            let compressor = FrameCompressor::new(level).map_err(failed(&disk.path))?;
            let (job_out, contents, packed) = (job_out.clone(), contents.clone(), packed.clone());
            let worker = std::thread::Builder::new()
                .name("pack-compress".to_owned())
                .spawn(move || compress_all(compressor, &job_out, &contents, &packed))
                .map_err(failed(&disk.path))?;
            workers.push(worker);
        }
        let path = disk.path.clone();
        let give_back = packed.clone();
        let disk = std::thread::Builder::new()
            .name("pack-write".to_owned())
            .spawn(move || disk.write_all(&turn_out, &give_back))
            .map_err(failed(&path))?;
        Ok(Self {
            jobs,
            turns,
            handed_bytes: 0,
            contents,
            packed,
            workers,
            disk,
        })
    }

    /// An empty buffer for the next frame.
    pub(super) fn buffer(&self) -> Vec<u8> {
        self.contents
            .take()
            .unwrap_or_else(|| Vec::with_capacity(FRAME_MAX_BYTES))
    }

    /// Hands a frame on; waits while the queues are full. False if the threads have ended.
    #[must_use]
    pub(super) fn frame(&mut self, content: Vec<u8>, is_marked: bool) -> bool {
        let (packed, compressed) = sync_channel(1);
        let turn = Turn::Frame {
            compressed,
            content_bytes: content.len(),
            is_marked,
        };
        let job = Job {
            is_early: self.handed_bytes < EARLY_BYTES,
            content,
            packed,
        };
        self.handed_bytes += job.content.len() as u64;
        self.turns.send(turn).is_ok() && self.jobs.send(job).is_ok()
    }

    /// Hands a frame on that is compressed already. False if the threads have ended.
    #[must_use]
    pub(super) fn copied(&mut self, frame: &[u8], content_bytes: usize, is_marked: bool) -> bool {
        let mut buffer = self.packed.take().unwrap_or_default();
        buffer.extend_from_slice(frame);
        let (packed, compressed) = sync_channel(1);
        let turn = Turn::Frame {
            compressed,
            content_bytes,
            is_marked,
        };
        packed.send(Ok(buffer)).is_ok() && self.turns.send(turn).is_ok()
    }

    /// Drops all frames since the last marked one. False if the threads have ended.
    #[must_use]
    pub(super) fn cut_back(&mut self) -> bool {
        self.turns.send(Turn::CutBack).is_ok()
    }

    /// Waits until everything is written.
    pub(super) fn join(self, path: &Path) -> Result<Disk, Error> {
        drop((self.jobs, self.turns));
        let mut is_whole = true;
        for worker in self.workers {
            is_whole &= worker.join().is_ok();
        }
        match self.disk.join() {
            Ok(Ok(disk)) if is_whole => Ok(disk),
            Ok(Err(error)) => Err(error),
            Ok(Ok(_)) | Err(_) => Err(Error::Stopped {
                path: path.to_owned(),
            }),
        }
    }
}

/// Compresses frame by frame, each the better one of two ways.
struct FrameCompressor {
    zstd: Compressor<'static>,
    level: i32,
}

impl FrameCompressor {
    fn new(level: i32) -> io::Result<Self> {
        let mut zstd = Compressor::new(level)?;
        zstd.set_parameter(CParameter::ChecksumFlag(true))?;
        Ok(Self { zstd, level })
    }

    /// Puts the compressed frame in place of what is in `buffer`.
    fn compress(&mut self, content: &[u8], is_early: bool, buffer: &mut Vec<u8>) -> io::Result<()> {
        buffer.clear();
        buffer.reserve_exact(compress_bound(content.len()));
        // A level that was asked for is kept to.
        if self.level == PackOptions::default().level {
            let sample = &content[..content.len().min(TRIAL_BYTES)];
            self.choose(sample, is_early, buffer)?;
        }
        self.zstd.compress_to_buffer(content, buffer).map(|_| ())
    }

    /// Sets what suits content that begins like this.
    fn choose(&mut self, sample: &[u8], is_early: bool, buffer: &mut Vec<u8>) -> io::Result<()> {
        let mut all_bytes = None;
        if is_early {
            // What takes most memory comes first, so that none is asked for twice.
            self.look_harder()?;
            all_bytes = Some(self.zstd.compress_to_buffer(sample, buffer)?);
        }
        self.look_for_long_matches()?;
        let long_bytes = self.zstd.compress_to_buffer(sample, buffer)?;
        if long_bytes >= sample.len() {
            return Ok(()); // Noise: nobody finds anything in it.
        }
        let all_bytes = match all_bytes {
            Some(bytes) => bytes,
            None => {
                self.look_for_all_matches()?;
                self.zstd.compress_to_buffer(sample, buffer)?
            }
        };
        if long_bytes <= all_bytes {
            self.look_for_long_matches()
        } else if is_early && all_bytes < sample.len() / 8 * 7 {
            self.look_harder()
        } else {
            // What hardly compresses is not worth more time.
            self.look_for_all_matches()
        }
    }

    /// The parameters are given, for zstd takes others for a sample than for a frame, and would get itself
    /// other memory each time.
    fn look_for_long_matches(&mut self) -> io::Result<()> {
        self.set(LONG_MATCHES_LEVEL, 14, CHAIN_LOG, 7)
    }

    fn look_for_all_matches(&mut self) -> io::Result<()> {
        self.set(self.level, HASH_LOG, CHAIN_LOG, 5)
    }

    fn look_harder(&mut self) -> io::Result<()> {
        self.set(EARLY_LEVEL, 0, 0, 0)
    }

    /// Where a number is 0, it is the level's own.
    fn set(
        &mut self,
        level: i32,
        hash_log: u32,
        chain_log: u32,
        shortest_match: u32,
    ) -> io::Result<()> {
        for parameter in [
            CParameter::CompressionLevel(level),
            CParameter::HashLog(hash_log),
            CParameter::ChainLog(chain_log),
            CParameter::MinMatch(shortest_match),
        ] {
            self.zstd.set_parameter(parameter)?;
        }
        Ok(())
    }
}

/// Compresses until there are no more jobs. Never waits for whoever takes what comes of them.
fn compress_all(
    mut compressor: FrameCompressor,
    jobs: &Mutex<Receiver<Job>>,
    contents: &Pool,
    packed: &Pool,
) {
    loop {
        let next = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = next else { return };
        let mut buffer = packed.take().unwrap_or_default();
        let compressed = compressor
            .compress(&job.content, job.is_early, &mut buffer)
            .map(|()| buffer);
        contents.give_back(job.content);
        // Nobody waits for it once writing has failed.
        drop(job.packed.send(compressed));
    }
}

/// The pack file while it grows.
#[derive(Debug)]
pub(super) struct Disk {
    path: PathBuf,
    file: File,
    background_sync: BackgroundSync,
    hasher: Hasher,
    written: u64,
    frames: Vec<Lengths>,
    mark: Option<Mark>,
}

/// A place to go back to.
#[derive(Debug)]
struct Mark {
    hasher: Hasher,
    written: u64,
    frames: usize,
}

impl Disk {
    pub(super) fn new(path: PathBuf, file: File) -> Self {
        Self {
            path,
            file,
            background_sync: BackgroundSync::default(),
            hasher: Hasher::new(),
            written: 0,
            frames: Vec::new(),
            mark: None,
        }
    }

    fn write_all(mut self, turns: &Receiver<Turn>, give_back: &Pool) -> Result<Self, Error> {
        while let Ok(turn) = turns.recv() {
            match turn {
                Turn::CutBack => self.cut_back()?,
                Turn::Frame {
                    compressed,
                    content_bytes,
                    is_marked,
                } => {
                    let Ok(compressed) = compressed.recv() else {
                        // Its worker is gone, which `join` will find.
                        return Err(Error::Stopped { path: self.path });
                    };
                    let compressed = compressed.map_err(|source| Error::Compress {
                        path: self.path.clone(),
                        source,
                    })?;
                    if is_marked {
                        self.mark = Some(Mark {
                            hasher: self.hasher.clone(),
                            written: self.written,
                            frames: self.frames.len(),
                        });
                    }
                    self.frames.push(Lengths {
                        compressed: short(compressed.len()),
                        content: short(content_bytes),
                    });
                    self.append(&compressed)?;
                    give_back.give_back(compressed);
                }
            }
        }
        Ok(self)
    }

    fn cut_back(&mut self) -> Result<(), Error> {
        if let Some(mark) = self.mark.take() {
            self.hasher = mark.hasher;
            self.written = mark.written;
            self.frames.truncate(mark.frames);
            self.file
                .set_len(self.written)
                .and_then(|()| self.file.seek(SeekFrom::Start(self.written)))
                .map_err(|source| self.write_error(source))?;
        }
        Ok(())
    }

    /// Writes `bytes` at the end, hashed.
    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.file
            .write_all(bytes)
            .map_err(|source| self.write_error(source))?;
        self.hasher.update(bytes);
        self.written += bytes.len() as u64;
        self.background_sync
            .advance(&self.file, self.written)
            .map_err(|source| self.write_error(source))
    }

    pub(super) fn frames(&self) -> &[Lengths] {
        &self.frames
    }

    /// Makes the file durable; gives its digest and length.
    pub(super) fn sync(mut self) -> Result<(crate::digest::Sha256, u64), Error> {
        self.background_sync
            .join()
            .and_then(|()| self.file.sync_all())
            .map_err(|source| self.write_error(source))?;
        Ok((self.hasher.finish(), self.written))
    }

    pub(super) fn write_error(&self, source: io::Error) -> Error {
        Error::Write {
            path: self.path.clone(),
            source,
        }
    }
}

fn short(bytes: usize) -> u32 {
    u32::try_from(bytes).expect("a frame is a few MiB at most")
}
