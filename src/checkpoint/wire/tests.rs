//! Tests of compression during transfer: when it pays, the measured speed of a link, and damaged streams.

use std::io::Write as _;

use super::*;

const MB: u64 = 1_000_000;

fn wire(wish: WireCompression, speed: Option<u64>, tools: &[&str]) -> Wire {
    let text: String = tools.iter().map(|tool| format!("tool={tool}\n")).collect();
    Wire::new(wish, speed, &Probe::parse(text.as_bytes()))
}

#[test]
fn nothing_is_compressed_unless_the_link_is_known_to_be_slow() {
    use Compression::{Gzip, None as Plain, Zstd};
    let both = ["zstd", "gzip"].as_slice();
    let cases = [
        (None, both, 1_000 * MB, Plain),
        (Some(25 * MB), both, 1_000 * MB, Plain),
        (Some(23 * MB), both, 1_000 * MB, Zstd),
        // Five seconds are not worth it.
        (Some(23 * MB), both, 5 * 23 * MB, Plain),
        (Some(23 * MB), ["gzip"].as_slice(), 1_000 * MB, Plain),
        (Some(5 * MB), ["gzip"].as_slice(), 1_000 * MB, Gzip),
        (Some(5 * MB), [].as_slice(), 1_000 * MB, Plain),
        (Some(0), both, 10, Zstd),
    ];
    for (speed, tools, bytes, begin) in cases {
        let wire = wire(WireCompression::Auto, speed, tools);
        assert_eq!(wire.begin(bytes), Ok(begin), "{speed:?} {tools:?} {bytes}");
    }
}

#[test]
fn a_wish_is_followed_where_the_host_has_the_tool() {
    let slow = Some(MB);
    let begin = |wish, tools: &[&str]| wire(wish, slow, tools).begin(1_000 * MB);
    assert_eq!(
        begin(WireCompression::None, &["zstd"]),
        Ok(Compression::None)
    );
    assert_eq!(
        begin(WireCompression::Gzip, &["gzip"]),
        Ok(Compression::Gzip)
    );
    assert_eq!(
        begin(WireCompression::Zstd, &["zstd"]),
        Ok(Compression::Zstd)
    );
    assert_eq!(begin(WireCompression::Gzip, &["zstd"]), Err("gzip"));
    assert_eq!(begin(WireCompression::Zstd, &["gzip"]), Err("zstd"));
}

#[test]
fn a_speed_needs_time_and_bytes_and_leaves_out_how_it_began() {
    let mut meter = Meter::default();
    let piece = vec![0; 100_000];
    meter.add(&piece, Duration::from_secs(9));
    assert_eq!(meter.bytes_per_second(), None);
    // The warm-up, ten times as slow.
    meter.add(&piece, Duration::from_millis(500));
    for _ in 0..19 {
        meter.add(&piece, Duration::from_millis(100));
        assert_eq!(meter.bytes_per_second(), None);
    }
    meter.add(&piece, Duration::from_millis(100));
    assert_eq!(meter.bytes_per_second(), Some(MB));
}

#[test]
fn time_that_nobody_waited_is_no_time() {
    let mut meter = Meter::default();
    for _ in 0..1_000 {
        meter.add(&[0; 100_000], Duration::ZERO);
    }
    assert_eq!(meter.bytes_per_second(), None);
}

#[test]
fn what_would_not_become_smaller_is_not_compressible() {
    let mut meter = Meter::default();
    let mut noise = vec![0; 64 * 1024];
    getrandom::fill(&mut noise).expect("randomness");
    meter.sample(&noise);
    assert!(!meter.is_compressible());
    for _ in 0..SAMPLED_ONE_IN * 8 {
        meter.sample(&[b'a'; 64 * 1024]);
    }
    assert!(meter.is_compressible());
}

/// A link that gives pieces of 64 KiB as if it had waited for each.
struct Slow(u32);

impl Read for Slow {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0 += 1;
        buffer.fill(b'a');
        Ok(buffer.len())
    }
}

#[test]
fn a_slow_stream_is_ended_once_it_is_known_to_be_slow() {
    let wire = wire(WireCompression::Auto, None, &["zstd"]);
    let mut timed = Timed::new(Slow(0), Some((wire, 1_000 * MB)));
    let mut buffer = vec![0; 64 * 1024];
    timed.read_exact(&mut buffer).expect("it goes on");
    // As if it had taken this long.
    timed.meter.is_warm = true;
    timed.meter.waited = Duration::from_secs(2);
    timed.meter.bytes = MB * 2;
    let error = timed.read(&mut buffer).expect_err("it is ended");
    assert_eq!(error.to_string(), "the rest had better come compressed");
    assert_eq!(timed.better, Some(Compression::Zstd));
}

#[test]
fn a_stream_that_nobody_judges_goes_on() {
    let mut timed = Timed::new(Slow(0), None);
    let mut buffer = vec![0; 64 * 1024];
    timed.meter.is_warm = true;
    timed.meter.waited = Duration::from_secs(200);
    timed.meter.bytes = MB * 2;
    timed.read_exact(&mut buffer).expect("it goes on");
    assert_eq!(timed.better, None);
    assert!(timed.bytes_per_second().is_some_and(|speed| speed < MB));
}

fn encoded(content: &[u8], compression: Compression) -> Vec<u8> {
    match compression {
        Compression::None => content.to_vec(),
        Compression::Gzip => {
            let mut encoder =
                flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(content).expect("memory");
            encoder.finish().expect("memory")
        }
        Compression::Zstd => {
            let mut encoder = zstd::Encoder::new(Vec::new(), 1).expect("memory");
            encoder.include_checksum(true).expect("it can");
            encoder.write_all(content).expect("memory");
            encoder.finish().expect("memory")
        }
    }
}

fn decode(bytes: &[u8], compression: Compression) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    decoded(bytes, compression).read_to_end(&mut content)?;
    Ok(content)
}

#[test]
fn what_was_compressed_comes_back_and_damage_is_an_error() {
    let content: Vec<u8> = (0..200_000_u32)
        .flat_map(|n| (n / 7).to_le_bytes())
        .collect();
    for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
        let whole = encoded(&content, compression);
        assert_eq!(decode(&whole, compression).expect("whole"), content);
        if compression == Compression::None {
            continue;
        }
        assert!(whole.len() < content.len());
        for length in [0, 1, 10, whole.len() / 2, whole.len() - 1] {
            match decode(&whole[..length], compression) {
                // An empty stream is an empty archive, which the reader of archives refuses.
                Ok(content) => assert_eq!((length, content), (0, Vec::new())),
                Err(error) => assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof),
            }
        }
        let mut damaged = whole.clone();
        damaged[whole.len() / 2] ^= 0x40;
        assert!(
            decode(&damaged, compression).is_err_and(|error| !error.to_string().is_empty()),
            "{compression:?}"
        );
    }
}

#[test]
fn a_frame_that_wants_much_memory_is_refused() {
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).expect("memory");
    encoder.window_log(27).expect("it can");
    encoder.write_all(&vec![7; 1 << 20]).expect("memory");
    encoder.flush().expect("memory");
    encoder.write_all(&[8; 1 << 10]).expect("memory");
    let bytes = encoder.finish().expect("memory");
    let error = decode(&bytes, Compression::Zstd).expect_err("too much");
    assert!(error.to_string().contains("memory"), "{error}");
}
