//! Compression on several threads, written in order by one more.
//!
//! Frames are dealt to the workers in turn and collected in the same turn, so order needs no
//! bookkeeping; frames that were copied compressed take their turn like the others. Every queue holds one frame: a slow disk stops the workers, and they stop the caller.
//! What was written is made durable along the way, so that the last sync has little left to do.

use std::fs::File;
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;

use zstd::bulk::Compressor;
use zstd::zstd_safe::{CParameter, compress_bound};

use super::index::Lengths;
use super::settle::Settler;
use super::{Error, FRAME_BYTES};
use crate::digest::Hasher;

/// How many frames wait between two threads.
const QUEUE_FRAMES: usize = 1;

/// What the caller asks for, in order.
enum Job {
    Frame {
        content: Vec<u8>,
        /// Remember the place before it, for [`Job::CutBack`].
        is_marked: bool,
    },
    /// A frame of another pack, as it is there.
    Copied {
        compressed: Vec<u8>,
        content_bytes: usize,
        is_marked: bool,
    },
    /// Drop everything since the last marked frame, that one included.
    CutBack,
}

/// What a worker made of it.
enum Packed {
    Frame {
        compressed: io::Result<Vec<u8>>,
        content_bytes: usize,
        is_marked: bool,
    },
    CutBack,
}

/// The threads behind a pack that is being written.
#[derive(Debug)]
pub(super) struct Pipeline {
    jobs: Vec<SyncSender<Job>>,
    turn: usize,
    used: Receiver<Vec<u8>>,
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
        let (give_back, used) = channel();
        let (mut jobs, mut packed, mut workers) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..threads.max(1) {
            let mut compressor = Compressor::new(level).map_err(failed(&disk.path))?;
            compressor
                .set_parameter(CParameter::ChecksumFlag(true))
                .map_err(failed(&disk.path))?;
            let (job_in, job_out) = sync_channel(QUEUE_FRAMES);
            let (packed_in, packed_out) = sync_channel(QUEUE_FRAMES);
            let (written_in, written_out) = channel();
            let give_back = give_back.clone();
            let worker = std::thread::Builder::new()
                .name("pack-compress".to_owned())
                .spawn(move || {
                    compress_all(compressor, &job_out, &packed_in, &written_out, &give_back);
                })
                .map_err(failed(&disk.path))?;
            jobs.push(job_in);
            packed.push((packed_out, written_in));
            workers.push(worker);
        }
        let path = disk.path.clone();
        let disk = std::thread::Builder::new()
            .name("pack-write".to_owned())
            .spawn(move || disk.write_all(&packed))
            .map_err(failed(&path))?;
        Ok(Self {
            jobs,
            turn: 0,
            used,
            workers,
            disk,
        })
    }

    /// An empty buffer for the next frame.
    pub(super) fn buffer(&self) -> Vec<u8> {
        self.used
            .try_recv()
            .unwrap_or_else(|_| Vec::with_capacity(FRAME_BYTES))
    }

    /// Hands a frame on; waits while the queues are full. False if the threads have ended.
    #[must_use]
    pub(super) fn frame(&mut self, content: Vec<u8>, is_marked: bool) -> bool {
        self.send(Job::Frame { content, is_marked })
    }

    /// Hands a frame on that is compressed already. False if the threads have ended.
    #[must_use]
    pub(super) fn copied(
        &mut self,
        compressed: Vec<u8>,
        content_bytes: usize,
        is_marked: bool,
    ) -> bool {
        self.send(Job::Copied {
            compressed,
            content_bytes,
            is_marked,
        })
    }

    /// Drops all frames since the last marked one. False if the threads have ended.
    #[must_use]
    pub(super) fn cut_back(&mut self) -> bool {
        self.send(Job::CutBack)
    }

    fn send(&mut self, job: Job) -> bool {
        let worker = self.turn % self.jobs.len();
        self.turn += 1;
        self.jobs[worker].send(job).is_ok()
    }

    /// Waits until everything is written.
    pub(super) fn join(self, path: &Path) -> Result<Disk, Error> {
        drop(self.jobs);
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

fn compress_all(
    mut compressor: Compressor<'static>,
    jobs: &Receiver<Job>,
    packed: &SyncSender<Packed>,
    written: &Receiver<Vec<u8>>,
    give_back: &Sender<Vec<u8>>,
) {
    while let Ok(job) = jobs.recv() {
        let done = match job {
            Job::CutBack => Packed::CutBack,
            Job::Copied {
                compressed,
                content_bytes,
                is_marked,
            } => {
                // It brought a buffer of the caller's: another one goes back in its place.
                if let Ok(mut buffer) = written.try_recv() {
                    buffer.clear();
                    drop(give_back.send(buffer));
                }
                Packed::Frame {
                    compressed: Ok(compressed),
                    content_bytes,
                    is_marked,
                }
            }
            Job::Frame {
                mut content,
                is_marked,
            } => {
                let mut buffer = written.try_recv().unwrap_or_default();
                buffer.clear();
                buffer.reserve_exact(compress_bound(content.len()));
                let compressed = compressor
                    .compress_to_buffer(&content, &mut buffer)
                    .map(|_| buffer);
                let content_bytes = content.len();
                content.clear();
                // Nobody takes buffers back once the pack is being closed.
                drop(give_back.send(content));
                Packed::Frame {
                    compressed,
                    content_bytes,
                    is_marked,
                }
            }
        };
        if packed.send(done).is_err() {
            return;
        }
    }
}

/// The pack file while it grows.
#[derive(Debug)]
pub(super) struct Disk {
    path: PathBuf,
    file: File,
    settler: Settler,
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
            settler: Settler::default(),
            hasher: Hasher::new(),
            written: 0,
            frames: Vec::new(),
            mark: None,
        }
    }

    fn write_all(mut self, packed: &[(Receiver<Packed>, Sender<Vec<u8>>)]) -> Result<Self, Error> {
        for (worker, give_back) in packed.iter().cycle() {
            // Jobs are dealt in the same turn: when this worker has none left, nobody has.
            let Ok(next) = worker.recv() else { break };
            match next {
                Packed::CutBack => self.cut_back()?,
                Packed::Frame {
                    compressed,
                    content_bytes,
                    is_marked,
                } => {
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
                    // Nobody takes buffers back once the pack is being closed.
                    drop(give_back.send(compressed));
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
        self.settler
            .advance(&self.file, self.written)
            .map_err(|source| self.write_error(source))
    }

    pub(super) fn frames(&self) -> &[Lengths] {
        &self.frames
    }

    /// Makes the file durable; gives its digest and length.
    pub(super) fn sync(mut self) -> Result<(crate::digest::Sha256, u64), Error> {
        self.settler
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
