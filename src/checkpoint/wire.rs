//! Compression on the wire: file contents come as they are, or compressed where the link is slow.
//!
//! A fetch begins uncompressed and is timed. If the link proves to be slower than what every host can
//! compress, and enough is left, the stream is ended and the rest is fetched compressed; what arrived
//! whole stays. The link's speed is remembered, so that the next run begins right. Where nothing is
//! known, or the link is fast, nothing is ever compressed: on a fast link it only costs.

use std::io::{self, BufReader, Read};
use std::time::{Duration, Instant};

use crate::guard::Compression;
use crate::inventory::WireCompression;
use crate::source::probe::Probe;

/// Every machine compresses faster than this with `zstd -1`, even beside other work.
const ZSTD_BELOW: u64 = 24_000_000;

/// The same for `gzip -1`, which is slower by far.
const GZIP_BELOW: u64 = 6_000_000;

/// To begin anew takes a round trip or two and what had arrived of one file.
const WORTH_IT: Duration = Duration::from_secs(5);

/// The start of a connection says little: its first bytes come slowly on every network.
const WARM_UP: Duration = Duration::from_millis(500);

/// So much waiting, and so many bytes, make a speed.
const MEASURED_AFTER: Duration = Duration::from_secs(2);
const MEASURED_BYTES: u64 = 1 << 20;

/// One piece in so many is compressed here to see whether it would become smaller.
const SAMPLED_ONE_IN: u32 = 8;

/// No more is compressed: a link that has not been judged by then is fast.
const SAMPLED_MAX_BYTES: u64 = 8 << 20;

/// What must be saved, in percent.
const SAVED_MIN_PERCENT: u64 = 20;

/// A frame of a level that the host was not asked for may want more than this; it is refused.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;

/// What is known before a fetch begins, or in the middle of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wire {
    /// What is wished for.
    pub(super) wish: WireCompression,
    /// Of the link, from an earlier run.
    pub(super) bytes_per_second: Option<u64>,
    has_zstd: bool,
    has_gzip: bool,
}

impl Wire {
    pub(super) fn new(wish: WireCompression, bytes_per_second: Option<u64>, probe: &Probe) -> Self {
        Self {
            wish,
            bytes_per_second,
            has_zstd: probe.tools.contains("zstd"),
            has_gzip: probe.tools.contains("gzip"),
        }
    }

    /// How to begin a fetch of `bytes`.
    ///
    /// # Errors
    ///
    /// The tool that is wished for and that the host does not have.
    pub(super) fn begin(&self, bytes: u64) -> Result<Compression, &'static str> {
        match self.wish {
            WireCompression::None => Ok(Compression::None),
            WireCompression::Zstd if self.has_zstd => Ok(Compression::Zstd),
            WireCompression::Zstd => Err("zstd"),
            WireCompression::Gzip if self.has_gzip => Ok(Compression::Gzip),
            WireCompression::Gzip => Err("gzip"),
            WireCompression::Auto => Ok(self
                .bytes_per_second
                .map_or(Compression::None, |speed| self.pays(speed, bytes))),
        }
    }

    /// What pays on a link of such a speed, with so many bytes to come.
    fn pays(&self, bytes_per_second: u64, left_bytes: u64) -> Compression {
        let left = left_bytes / bytes_per_second.max(1);
        if left <= WORTH_IT.as_secs() {
            Compression::None
        } else if self.has_zstd && bytes_per_second < ZSTD_BELOW {
            Compression::Zstd
        } else if self.has_gzip && bytes_per_second < GZIP_BELOW {
            Compression::Gzip
        } else {
            Compression::None
        }
    }
}

/// The speed of a link, by the time in which we waited for it: that in which we were slow ourselves
/// doesn't count, so that a speed is rather too high than too low.
#[derive(Debug, Default)]
pub(super) struct Meter {
    waited: Duration,
    bytes: u64,
    has_begun: bool,
    is_warm: bool,
    pieces: u32,
    sampled_bytes: u64,
    compressed_bytes: u64,
}

impl Meter {
    /// Takes note of a piece that was waited for.
    fn add(&mut self, piece: &[u8], waited: Duration) {
        // What comes before the first byte is not the link's speed.
        if !std::mem::replace(&mut self.has_begun, true) {
            return;
        }
        self.waited += waited;
        self.bytes += piece.len() as u64;
        if !self.is_warm && self.waited >= WARM_UP {
            (self.waited, self.bytes, self.is_warm) = (Duration::ZERO, 0, true);
        }
    }

    fn sample(&mut self, piece: &[u8]) {
        if self.sampled_bytes < SAMPLED_MAX_BYTES
            && self.pieces.is_multiple_of(SAMPLED_ONE_IN)
            && let Ok(compressed) = zstd::bulk::compress(piece, 1)
        {
            self.sampled_bytes += piece.len() as u64;
            self.compressed_bytes += compressed.len() as u64;
        }
        self.pieces = self.pieces.wrapping_add(1);
    }

    /// The speed, if enough has arrived to measure it.
    pub(super) fn bytes_per_second(&self) -> Option<u64> {
        if !self.is_warm || self.waited < MEASURED_AFTER || self.bytes < MEASURED_BYTES {
            return None;
        }
        let micros = u64::try_from(self.waited.as_micros()).ok()?.max(1);
        Some(self.bytes.saturating_mul(1_000_000) / micros)
    }

    /// Whether what came would have been smaller.
    fn is_compressible(&self) -> bool {
        self.compressed_bytes * 100 <= self.sampled_bytes * (100 - SAVED_MIN_PERCENT)
    }
}

/// A stream that is timed while it is read, and ended when the rest had better come compressed.
#[derive(Debug)]
pub(super) struct Timed<R> {
    stream: R,
    meter: Meter,
    /// None: it goes on as it is, however slow.
    judge: Option<(Wire, u64)>,
    /// It ended, well or not; otherwise whoever read it gave up.
    pub(super) has_ended: bool,
    /// What the rest is to be sent through.
    pub(super) better: Option<Compression>,
}

impl<R: Read> Timed<R> {
    /// With `judge`, what is known and the bytes that are to come.
    pub(super) fn new(stream: R, judge: Option<(Wire, u64)>) -> Self {
        Self {
            stream,
            meter: Meter::default(),
            judge,
            has_ended: false,
            better: None,
        }
    }

    /// The speed of the link, if enough has arrived to measure it.
    pub(super) fn bytes_per_second(&self) -> Option<u64> {
        self.meter.bytes_per_second()
    }
}

impl<R: Read> Read for Timed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let begun = Instant::now();
        let read = self.stream.read(buffer);
        self.has_ended = read.as_ref().map_or(true, |&length| length == 0);
        let length = read?;
        let piece = &buffer[..length];
        self.meter.add(piece, begun.elapsed());
        if let Some((wire, left_bytes)) = &mut self.judge {
            *left_bytes = left_bytes.saturating_sub(length as u64);
            self.meter.sample(piece);
            if let Some(speed) = self.meter.bytes_per_second() {
                let better = wire.pays(speed, *left_bytes);
                let is_better = better != Compression::None && self.meter.is_compressible();
                // Judged once: later, more would be lost by beginning anew.
                self.judge = None;
                if is_better {
                    self.better = Some(better);
                    return Err(io::Error::other("the rest had better come compressed"));
                }
            }
        }
        Ok(length)
    }
}

/// The archive that comes compressed.
pub(super) fn decoded<'a, R: Read + 'a>(stream: R, compression: Compression) -> Box<dyn Read + 'a> {
    match compression {
        Compression::None => Box::new(stream),
        Compression::Gzip => Box::new(flate2::read::MultiGzDecoder::new(stream)),
        Compression::Zstd => {
            let mut decoder = zstd::Decoder::with_buffer(BufReader::new(stream))
                .expect("only a dictionary could be wrong, and there is none");
            decoder
                .window_log_max(ZSTD_WINDOW_LOG_MAX)
                .expect("zstd knows this limit");
            Box::new(decoder)
        }
    }
}

#[cfg(test)]
mod tests;
