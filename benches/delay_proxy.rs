//! A TCP proxy that makes loopback as slow and as far away as a network.
//!
//!     delay_proxy TARGET ONE_WAY_MS MBIT_PER_SECOND
//!
//! It listens on a port of its own on 127.0.0.1, prints the port, and passes connections on to
//! `TARGET`. Each byte arrives so many milliseconds later; all connections together share the rate
//! in each direction (0: no limit). A connection opens as late as if TCP's handshake had made the
//! way too. When its standard input ends, it prints what passed, as one line of JSON, and ends.
//!
//! It holds at least twice what is under way at that rate and delay, so that it never is the limit
//! itself; beyond that a slow reader slows the writer. TCP's slow start is not imitated.

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{Instant, sleep_until};

/// The largest piece that is passed on at once: half a millisecond of a gigabit.
const PIECE_MAX_BYTES: usize = 64 * 1024;
/// What a link without a limit is taken for when buffers are measured out.
const UNLIMITED_BYTES_PER_SECOND: f64 = 10e9 / 8.0;
const BUFFER_MIN_BYTES: f64 = 4.0 * 1024.0 * 1024.0;

/// One direction of the network that all connections share.
struct Direction {
    delay: Duration,
    /// 0: no limit.
    bytes_per_second: f64,
    /// When the link has sent what it was given. Locked for a few instructions, never over an await.
    free_at: Mutex<Instant>,
    bytes: AtomicU64,
}

impl Direction {
    fn new(delay: Duration, bytes_per_second: f64) -> Self {
        Self {
            delay,
            bytes_per_second,
            free_at: Mutex::new(Instant::now()),
            bytes: AtomicU64::new(0),
        }
    }

    fn is_plain(&self) -> bool {
        self.delay.is_zero() && self.bytes_per_second == 0.0
    }

    /// When a piece that is handed over now arrives.
    fn arrival(&self, size_bytes: usize) -> Instant {
        let now = Instant::now();
        if self.bytes_per_second == 0.0 {
            return now + self.delay;
        }
        let mut free_at = self.free_at.lock().unwrap_or_else(PoisonError::into_inner);
        let takes = Duration::from_secs_f64(size_bytes as f64 / self.bytes_per_second);
        *free_at = now.max(*free_at) + takes;
        *free_at + self.delay
    }

    fn buffer_bytes(&self) -> usize {
        let rate = if self.bytes_per_second == 0.0 {
            UNLIMITED_BYTES_PER_SECOND
        } else {
            self.bytes_per_second
        };
        (2.0 * rate * self.delay.as_secs_f64()).max(BUFFER_MIN_BYTES) as usize
    }
}

/// Bytes under way, and the room that they take.
struct Piece {
    arrives: Instant,
    bytes: Vec<u8>,
    _room: OwnedSemaphorePermit,
}

async fn pass(direction: Arc<Direction>, from: OwnedReadHalf, to: OwnedWriteHalf) {
    // An end, whichever side it comes from, reaches the other side as the end of the stream.
    if direction.is_plain() {
        copy(&direction, from, to).await.unwrap_or_default();
    } else {
        let (sender, receiver) = mpsc::unbounded_channel();
        let reading = tokio::spawn(take_in(Arc::clone(&direction), from, sender));
        deliver(receiver, to).await.unwrap_or_default();
        reading.abort();
    }
}

async fn copy(
    direction: &Direction,
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
) -> io::Result<()> {
    let mut buffer = vec![0; 4 * PIECE_MAX_BYTES];
    loop {
        let size = from.read(&mut buffer).await?;
        if size == 0 {
            return to.shutdown().await;
        }
        direction.bytes.fetch_add(size as u64, Ordering::Relaxed);
        to.write_all(&buffer[..size]).await?;
    }
}

async fn take_in(
    direction: Arc<Direction>,
    mut from: OwnedReadHalf,
    pieces: mpsc::UnboundedSender<Piece>,
) {
    let room = Arc::new(Semaphore::new(direction.buffer_bytes()));
    let mut buffer = vec![0; PIECE_MAX_BYTES];
    loop {
        let Ok(mut piece_room) = Arc::clone(&room)
            .acquire_many_owned(PIECE_MAX_BYTES as u32)
            .await
        else {
            return;
        };
        // The end of the stream makes the way too, as a piece of its own without bytes.
        let size = from.read(&mut buffer).await.unwrap_or_default();
        drop(piece_room.split(PIECE_MAX_BYTES - size));
        direction.bytes.fetch_add(size as u64, Ordering::Relaxed);
        let piece = Piece {
            arrives: direction.arrival(size),
            bytes: buffer[..size].to_vec(),
            _room: piece_room,
        };
        if pieces.send(piece).is_err() || size == 0 {
            return;
        }
    }
}

async fn deliver(
    mut pieces: mpsc::UnboundedReceiver<Piece>,
    mut to: OwnedWriteHalf,
) -> io::Result<()> {
    while let Some(piece) = pieces.recv().await {
        if piece.arrives > Instant::now() {
            sleep_until(piece.arrives).await;
        }
        to.write_all(&piece.bytes).await?;
    }
    to.shutdown().await
}

async fn join(client: TcpStream, target: String, up: Arc<Direction>, down: Arc<Direction>) {
    // The server learns of a connection with the third packet of its handshake.
    sleep_until(Instant::now() + 2 * up.delay + down.delay).await;
    let Ok(server) = TcpStream::connect(target).await else {
        return;
    };
    if client.set_nodelay(true).is_err() || server.set_nodelay(true).is_err() {
        return;
    }
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::join!(
        pass(up, from_client, to_server),
        pass(down, from_server, to_client)
    );
}

async fn run(target: String, delay: Duration, bytes_per_second: f64) -> io::Result<()> {
    let up = Arc::new(Direction::new(delay, bytes_per_second));
    let down = Arc::new(Direction::new(delay, bytes_per_second));
    let connections = Arc::new(AtomicU64::new(0));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    say(&listener.local_addr()?.port().to_string())?;
    let (server_up, server_down, count) =
        (Arc::clone(&up), Arc::clone(&down), Arc::clone(&connections));
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::Relaxed);
            let (up, down) = (Arc::clone(&server_up), Arc::clone(&server_down));
            tokio::spawn(join(client, target.clone(), up, down));
        }
    });
    // A thread of its own reads: the runtime must not wait for a read that can't be given up.
    let (ended, end) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        drop(io::copy(&mut io::stdin(), &mut io::sink()));
        ended.send(()).unwrap_or_default();
    });
    drop(end.await);
    say(&format!(
        "{{\"up_bytes\":{},\"down_bytes\":{},\"connections\":{}}}",
        up.bytes.load(Ordering::Relaxed),
        down.bytes.load(Ordering::Relaxed),
        connections.load(Ordering::Relaxed)
    ))
}

fn say(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let asked = match words.as_slice() {
        [target, delay_ms, mbit] => delay_ms
            .parse::<f64>()
            .ok()
            .and_then(|ms| Duration::try_from_secs_f64(ms / 1000.0).ok())
            .zip(mbit.parse::<f64>().ok().filter(|mbit| *mbit >= 0.0))
            .map(|(delay, mbit)| (target.clone(), delay, mbit * 1e6 / 8.0)),
        _ => None,
    };
    let Some((target, delay, bytes_per_second)) = asked else {
        drop(writeln!(
            io::stderr(),
            "usage: delay_proxy TARGET ONE_WAY_MS MBIT_PER_SECOND"
        ));
        return ExitCode::from(2);
    };
    let ran = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .and_then(|runtime| runtime.block_on(run(target, delay, bytes_per_second)));
    match ran {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            drop(writeln!(io::stderr(), "delay_proxy: {error}"));
            ExitCode::FAILURE
        }
    }
}
