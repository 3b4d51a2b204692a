//! Forwards a connection through a host to a server as the host sees it: for the guard's `GET`, to see
//! whether a port takes connections, and for nothing else.
//!
//! Nothing runs on the host for it: the SSH server itself makes the connection.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use russh::ChannelOpenFailure;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{Mutex, Semaphore};
use tokio::time::Instant;

use super::error::{Error, ReachRefusal};
use super::options::Sent;
use super::session::ReadSession;
use crate::guard::{HttpGet, TcpConnect};
use crate::ssh::connection::transport::ChannelStream;

/// How long the words of a refusal may come behind it. They are in the same packet.
const WORDS_MAX: Duration = Duration::from_secs(1);

/// The ways through one connection.
///
/// sshd counts them apart from its sessions and without a limit, so they take no session's place; that
/// there are never many at once is for the sake of the servers.
pub(super) struct ForwardSlots {
    places: Arc<Semaphore>,
    /// One is opened at a time: a refusal's words don't say whose they are.
    turn: Mutex<()>,
    /// A way was given up while it was being opened: words that come may be about that one.
    is_muddled: AtomicBool,
}

impl ForwardSlots {
    pub(super) fn new(places: usize) -> Self {
        Self {
            places: Arc::new(Semaphore::new(places)),
            turn: Mutex::new(()),
            is_muddled: AtomicBool::new(false),
        }
    }
}

/// A way to a server. Reading it never stops anything else on the connection; a connection that is lost
/// is an error and never an end. Dropping it closes the way.
pub struct ForwardedStream {
    stream: ChannelStream,
    asked: Instant,
}

impl ForwardedStream {
    /// When the host was asked to open it.
    #[must_use]
    pub fn asked(&self) -> Instant {
        self.asked
    }
}

impl std::fmt::Debug for ForwardedStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ForwardedStream").finish_non_exhaustive()
    }
}

/// Where a way leads, as the host sees it.
struct ForwardTarget<'a> {
    host: &'a str,
    port: u16,
    /// The same for people.
    place: String,
}

impl ReadSession {
    /// Why the connection has ended, if it has.
    #[must_use]
    pub fn ended(&self) -> Option<Error> {
        let link = &self.connection().link;
        link.is_cut().then(|| link.ended())
    }

    /// Opens a way to the server that `request` is for, as the host sees it. `limit` counts from the
    /// moment the host is asked; other ways may have to be waited for before that.
    ///
    /// # Errors
    ///
    /// [`Error::Reach`] if there is no way, or the end of the connection.
    ///
    /// # Cancel
    ///
    /// Dropping the future leaves at most a way that nobody uses, until the connection ends.
    pub async fn open_forward(
        &self,
        request: &HttpGet,
        limit: Duration,
    ) -> Result<ForwardedStream, Error> {
        let url = request.url();
        let host = &self.connection().name;
        let target = ForwardTarget {
            host: url.host(),
            port: url.port(),
            place: url.place(),
        };
        self.open_way(&target, &Sent::Request { host, request }, limit)
            .await
    }

    /// Sees whether something takes connections where `request` says, and closes the connection at once.
    /// Nothing is sent on it.
    ///
    /// # Errors
    ///
    /// As [`Self::open_forward`].
    ///
    /// # Cancel
    ///
    /// As there.
    pub async fn reach(&self, request: &TcpConnect, limit: Duration) -> Result<(), Error> {
        let host = &self.connection().name;
        let target = ForwardTarget {
            host: TcpConnect::HOST,
            port: request.port().get(),
            place: request.to_string(),
        };
        let sent = Sent::Connect { host, request };
        self.open_way(&target, &sent, limit).await.map(drop)
    }

    async fn open_way(
        &self,
        target: &ForwardTarget<'_>,
        sent: &Sent<'_>,
        limit: Duration,
    ) -> Result<ForwardedStream, Error> {
        let connection = self.connection();
        let (link, ways) = (&connection.link, &connection.ways);
        let place = Arc::clone(&ways.places)
            .acquire_owned()
            .await
            .map_err(|_| link.ended())?;
        let turn = ways.turn.lock().await;
        if let Some(recorder) = &self.executor.recorder {
            recorder(sent);
        }
        let refused = |source| Error::Reach {
            host: connection.name.clone(),
            address: target.place.clone(),
            source,
        };
        let mut words = link.refusals();
        let mut cut = link.switch();
        let asked = Instant::now();
        let opening = connection.handle.channel_open_direct_tcpip(
            target.host,
            u32::from(target.port),
            "127.0.0.1",
            0,
        );
        let opened = tokio::select! {
            biased;
            opened = opening => opened,
            _ = cut.wait_for(|cut| *cut) => return Err(link.ended()),
            () = tokio::time::sleep_until(asked + limit) => {
                ways.is_muddled.store(true, Ordering::Relaxed);
                return Err(refused(ReachRefusal::Silent { after: limit }));
            }
        };
        match opened {
            Ok(channel) => Ok(ForwardedStream {
                stream: ChannelStream::answer(channel, Arc::clone(link), place),
                asked,
            }),
            Err(russh::Error::ChannelOpenFailure(why)) => {
                let source = match why {
                    ChannelOpenFailure::AdministrativelyProhibited => ReachRefusal::Prohibited,
                    ChannelOpenFailure::ConnectFailed
                        if !ways.is_muddled.load(Ordering::Relaxed) =>
                    {
                        let said = words.wait_for(Option::is_some);
                        match tokio::time::timeout(WORDS_MAX, said).await {
                            Ok(Ok(said)) => in_words(said.as_deref().unwrap_or_default()),
                            Ok(Err(_)) | Err(_) => unreachable_there(),
                        }
                    }
                    ChannelOpenFailure::ConnectFailed => unreachable_there(),
                    ChannelOpenFailure::UnknownChannelType => ReachRefusal::Failed {
                        said: "its SSH server knows no forwarding".to_owned(),
                    },
                    ChannelOpenFailure::ResourceShortage | ChannelOpenFailure::Other { .. } => {
                        ReachRefusal::Failed {
                            said: "it opens no more ways".to_owned(),
                        }
                    }
                };
                drop(turn);
                Err(refused(source))
            }
            Err(_) => Err(link.ended()),
        }
    }
}

fn unreachable_there() -> ReachRefusal {
    ReachRefusal::Failed {
        said: "it can't be reached from there".to_owned(),
    }
}

/// SSH has one number for every connection that fails; only the words tell them apart.
fn in_words(said: &str) -> ReachRefusal {
    if said.to_ascii_lowercase().contains("refused") {
        ReachRefusal::Refused
    } else {
        ReachRefusal::Failed {
            said: said.to_owned(),
        }
    }
}

impl AsyncRead for ForwardedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for ForwardedStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
