//! A web server of a few lines on loopback, which answers whatever a test wants, also what no server
//! should.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

/// A connection, encrypted or not.
pub(crate) trait Connection: Read + Write + Send {}

impl<S: Read + Write + Send> Connection for S {}

/// A server that answers one request a connection. Ends with the value.
pub(crate) struct HttpServer {
    /// Its port on 127.0.0.1.
    pub(crate) port: u16,
    heads: Arc<Mutex<Vec<String>>>,
    ends: Arc<AtomicBool>,
    accepting: Option<JoinHandle<()>>,
}

impl HttpServer {
    /// Says `answer` to every request, and closes.
    pub(crate) fn saying(answer: impl Into<Vec<u8>>) -> Self {
        let answer = answer.into();
        Self::answering(move |_, stream| {
            // A client that has heard enough goes.
            drop(stream.write_all(&answer));
        })
    }

    /// Says `body` with status 200 and its length.
    pub(crate) fn serving(body: &str) -> Self {
        Self::saying(ok(body))
    }

    /// `answer` is told the head of each request.
    pub(crate) fn answering(
        answer: impl Fn(&str, &mut dyn Connection) + Send + Sync + 'static,
    ) -> Self {
        Self::behind(|stream| Some(Box::new(stream)), answer)
    }

    /// Every connection is wrapped first; none: it is closed.
    pub(crate) fn behind(
        wrap: impl Fn(TcpStream) -> Option<Box<dyn Connection>> + Send + Sync + 'static,
        answer: impl Fn(&str, &mut dyn Connection) + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let heads = Arc::new(Mutex::new(Vec::new()));
        let ends = Arc::new(AtomicBool::new(false));
        let (kept, ended) = (Arc::clone(&heads), Arc::clone(&ends));
        let accepting = std::thread::spawn(move || {
            let (wrap, answer) = (Arc::new(wrap), Arc::new(answer));
            for stream in listener.incoming().map_while(Result::ok) {
                if ended.load(Ordering::SeqCst) {
                    return;
                }
                let (wrap, answer, kept) =
                    (Arc::clone(&wrap), Arc::clone(&answer), Arc::clone(&kept));
                std::thread::spawn(move || {
                    let Some(mut stream) = wrap(stream) else {
                        return;
                    };
                    let Some(head) = head(stream.as_mut()) else {
                        return;
                    };
                    kept.lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push(head.clone());
                    answer(&head, stream.as_mut());
                });
            }
        });
        Self {
            port,
            heads,
            ends,
            accepting: Some(accepting),
        }
    }

    /// The heads of all requests so far.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.heads
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Its address with this path.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::SeqCst);
        // Wakes whoever waits for the next connection.
        drop(TcpStream::connect(("127.0.0.1", self.port)));
        if let Some(thread) = self.accepting.take() {
            drop(thread.join());
        }
    }
}

/// An answer with status 200 and its length.
pub(crate) fn ok(body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Up to the blank line; none if the client goes before.
fn head(stream: &mut dyn Connection) -> Option<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).ok()? == 0 {
            return None;
        }
        head.push(byte[0]);
    }
    String::from_utf8(head).ok()
}
