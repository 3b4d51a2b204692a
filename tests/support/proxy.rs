//! A TCP proxy that breaks connections in the ways that networks do.
//!
//! It is between a client and a real server on loopback: delays, slows down, and after a number
//! of bytes cuts by reset, close, silence or a flipped bit. Threads; ends when dropped.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

/// How a connection is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// Never.
    Never,
    /// RST in both directions.
    Reset,
    /// FIN in both directions.
    Close,
    /// Nothing is passed on any more, and nothing is said.
    Silence,
    /// One bit of one byte is flipped, then everything is passed on.
    Corrupt,
}

/// Which way the bytes run that are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    /// From the server to the client.
    Down,
    /// From the client to the server.
    Up,
}

/// What the proxy does to every connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Faults {
    /// Each piece is passed on so much later.
    pub(crate) delay: Duration,
    /// Bytes a second in each direction; 0: as fast as it goes.
    pub(crate) rate: u64,
    /// What happens after `after` bytes.
    pub(crate) cut: Cut,
    /// Bytes that pass before the cut.
    pub(crate) after: u64,
    /// In which direction they are counted.
    pub(crate) counted: Direction,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            delay: Duration::ZERO,
            rate: 0,
            cut: Cut::Never,
            after: 0,
            counted: Direction::Down,
        }
    }
}

impl Faults {
    /// So many bytes a second in each direction, and nothing else.
    #[must_use]
    pub(crate) fn slow(rate: u64) -> Self {
        Self {
            rate,
            ..Self::default()
        }
    }

    /// `cut`, when so many bytes have come from the server, and nothing else.
    #[must_use]
    pub(crate) fn cut(cut: Cut, after: u64) -> Self {
        Self {
            cut,
            after,
            ..Self::default()
        }
    }
}

/// How often a thread looks whether its connection was reset.
const LOOK: Duration = Duration::from_millis(20);

struct State {
    faults: Mutex<Faults>,
    ended: AtomicBool,
    silent: AtomicBool,
    accepted: AtomicUsize,
    down: AtomicU64,
    up: AtomicU64,
    pairs: Mutex<Vec<Weak<Pair>>>,
}

/// Both ends of one connection. The sockets close when both threads have let go of it.
struct Pair {
    client: TcpStream,
    server: TcpStream,
    reset: AtomicBool,
    closed: AtomicBool,
}

/// A running proxy.
pub(crate) struct Proxy {
    /// Where it listens, on 127.0.0.1.
    pub(crate) port: u16,
    state: Arc<State>,
}

impl Proxy {
    /// Listens, and passes connections on to `target` on 127.0.0.1.
    #[must_use]
    pub(crate) fn start(target: u16, faults: Faults) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let state = Arc::new(State {
            faults: Mutex::new(faults),
            ended: AtomicBool::new(false),
            silent: AtomicBool::new(false),
            accepted: AtomicUsize::new(0),
            down: AtomicU64::new(0),
            up: AtomicU64::new(0),
            pairs: Mutex::new(Vec::new()),
        });
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                if shared.ended.load(Ordering::SeqCst) {
                    break;
                }
                let Ok(client) = client else { continue };
                shared.accepted.fetch_add(1, Ordering::SeqCst);
                if let Ok(server) = TcpStream::connect(("127.0.0.1", target)) {
                    join(&shared, client, server);
                }
            }
        });
        Self { port, state }
    }

    /// Connections so far.
    #[must_use]
    pub(crate) fn accepted(&self) -> usize {
        self.state.accepted.load(Ordering::SeqCst)
    }

    /// Bytes that ran from the server to clients.
    #[must_use]
    pub(crate) fn down_bytes(&self) -> u64 {
        self.state.down.load(Ordering::SeqCst)
    }

    /// Bytes that ran from clients to the server.
    #[must_use]
    pub(crate) fn up_bytes(&self) -> u64 {
        self.state.up.load(Ordering::SeqCst)
    }

    /// Other faults from now on; bytes are counted from the connection's beginning all the same.
    pub(crate) fn set(&self, faults: Faults) {
        *lock(&self.state.faults) = faults;
    }

    /// From now on nothing is passed on, and nothing is said.
    pub(crate) fn fall_silent(&self) {
        self.state.silent.store(true, Ordering::SeqCst);
    }

    /// Ends all connections now, by [`Cut::Reset`] or [`Cut::Close`].
    pub(crate) fn cut_now(&self, cut: Cut) {
        for pair in lock(&self.state.pairs).drain(..) {
            if let Some(pair) = pair.upgrade() {
                pair.end(cut);
            }
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.state.ended.store(true, Ordering::SeqCst);
        self.cut_now(Cut::Close);
        // Wakes the listener, so that its thread ends.
        drop(TcpStream::connect(("127.0.0.1", self.port)));
    }
}

impl Pair {
    fn end(&self, cut: Cut) {
        match cut {
            Cut::Reset => {
                // A socket that closes without lingering sends RST; the threads let go of it.
                for stream in [&self.client, &self.server] {
                    let second = stream.try_clone().expect("a second handle");
                    tokio::net::TcpSocket::from_std_stream(second)
                        .set_zero_linger()
                        .expect("linger");
                }
                self.reset.store(true, Ordering::SeqCst);
            }
            Cut::Close => {
                // What is still said is read and dropped: a socket that closes over it sends RST, and
                // that takes along what the other side has not read yet.
                self.closed.store(true, Ordering::SeqCst);
                for stream in [&self.client, &self.server] {
                    drop(stream.shutdown(Shutdown::Write));
                }
            }
            Cut::Never | Cut::Silence | Cut::Corrupt => {}
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn join(state: &Arc<State>, client: TcpStream, server: TcpStream) {
    for stream in [&client, &server] {
        stream.set_nodelay(true).expect("nodelay");
        stream.set_read_timeout(Some(LOOK)).expect("a timeout");
    }
    let pair = Arc::new(Pair {
        client,
        server,
        reset: AtomicBool::new(false),
        closed: AtomicBool::new(false),
    });
    lock(&state.pairs).push(Arc::downgrade(&pair));
    for direction in [Direction::Down, Direction::Up] {
        let state = Arc::clone(state);
        let pair = Arc::clone(&pair);
        std::thread::spawn(move || pass(&state, direction, &pair));
    }
}

fn pass(state: &State, direction: Direction, pair: &Pair) {
    let (mut from, mut to) = match direction {
        Direction::Down => (&pair.server, &pair.client),
        Direction::Up => (&pair.client, &pair.server),
    };
    let total = match direction {
        Direction::Down => &state.down,
        Direction::Up => &state.up,
    };
    let mut buffer = vec![0; 64 * 1024];
    let mut passed: u64 = 0;
    let mut corrupted = false;
    loop {
        if pair.reset.load(Ordering::SeqCst) {
            return;
        }
        if pair.closed.load(Ordering::SeqCst) {
            return drain(state, from, &mut buffer);
        }
        let faults = *lock(&state.faults);
        let counts = faults.cut != Cut::Never && faults.counted == direction && !corrupted;
        let room = if counts {
            faults.after.saturating_sub(passed)
        } else {
            u64::MAX
        };
        if room == 0 && faults.cut == Cut::Silence {
            state.silent.store(true, Ordering::SeqCst);
        } else if room == 0 && faults.cut != Cut::Corrupt {
            pair.end(faults.cut);
            continue;
        }
        let mut length = match from.read(&mut buffer) {
            Ok(0) => {
                drop(to.shutdown(Shutdown::Write));
                return;
            }
            Ok(length) => length,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                continue;
            }
            Err(_) => {
                drop(to.shutdown(Shutdown::Write));
                return;
            }
        };
        if state.silent.load(Ordering::SeqCst) {
            continue;
        }
        if length as u64 > room {
            let at = usize::try_from(room).expect("smaller than the buffer");
            if faults.cut == Cut::Corrupt {
                buffer[at] ^= 1;
                corrupted = true;
            } else {
                length = at;
            }
        }
        if !faults.delay.is_zero() {
            std::thread::sleep(faults.delay);
        }
        if let Some(nanos) = (length as u64 * 1_000_000_000).checked_div(faults.rate) {
            std::thread::sleep(Duration::from_nanos(nanos));
        }
        // Before it is passed on: whoever has got it finds it counted.
        total.fetch_add(length as u64, Ordering::SeqCst);
        if to.write_all(&buffer[..length]).is_err() {
            if pair.closed.load(Ordering::SeqCst) {
                continue;
            }
            drop(from.shutdown(Shutdown::Both));
            return;
        }
        passed += length as u64;
    }
}

/// Reads and drops until the other side closes too.
fn drain(state: &State, mut from: &TcpStream, buffer: &mut [u8]) {
    while !state.ended.load(Ordering::SeqCst) {
        match from.read(buffer) {
            Ok(0) => return,
            Err(error) if !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return;
            }
            Ok(_) | Err(_) => {}
        }
    }
}
