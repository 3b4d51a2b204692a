//! The byte streams under a connection: TCP, a command, or a hop through a bastion; and those that go
//! through one.
//!
//! Every stream can be cut from here at any time, whatever it is waiting for, so that nothing of a
//! connection outlives it.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use russh::ChannelMsg;
use russh::client::Msg;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::process::{Child, ChildStdin, ChildStdout};
use tokio::sync::{Notify, OwnedSemaphorePermit, mpsc, watch};

use crate::ssh::channel::queue::{Queue, Queued, Refused};
use crate::ssh::connection::state::Link;
use crate::ssh::error::Error;

/// Anything that an SSH connection can run over.
pub(in crate::ssh) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// A stream that ends when its switch is thrown.
pub(in crate::ssh) struct Cuttable {
    inner: Box<dyn Stream>,
    cut: Pin<Box<dyn Future<Output = ()> + Send>>,
    left: Arc<Notify>,
    is_cut: bool,
}

impl Cuttable {
    /// `cut` turns true, or its sender is dropped: every read and write fails from then on. `left` is
    /// signalled when our side has been shut, and everything has been sent.
    pub(in crate::ssh) fn new(
        inner: Box<dyn Stream>,
        mut cut: watch::Receiver<bool>,
        left: Arc<Notify>,
    ) -> Self {
        Self {
            inner,
            cut: Box::pin(async move {
                // A dropped sender means that nobody is left who could use the stream.
                drop(cut.wait_for(|cut| *cut).await);
            }),
            left,
            is_cut: false,
        }
    }

    fn check(&mut self, context: &mut Context<'_>) -> std::io::Result<()> {
        if !self.is_cut && self.cut.as_mut().poll(context).is_ready() {
            self.is_cut = true;
        }
        if self.is_cut {
            return Err(std::io::Error::new(
                std::io::ErrorKind::ConnectionAborted,
                "the connection was ended from here",
            ));
        }
        Ok(())
    }
}

impl AsyncRead for Cuttable {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        self.check(context)?;
        Pin::new(&mut self.inner).poll_read(context, buffer)
    }
}

impl AsyncWrite for Cuttable {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        self.check(context)?;
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_flush(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        self.check(context)?;
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        self.check(context)?;
        let shut = ready!(Pin::new(&mut self.inner).poll_shutdown(context));
        self.left.notify_one();
        Poll::Ready(shut)
    }
}

/// A channel to a server that the host can see, as a stream.
///
/// A task drains the channel into a queue, so that a consumer that is slow stops nothing else on the
/// connection.
pub(in crate::ssh) struct ChannelStream {
    incoming: mpsc::UnboundedReceiver<Queued>,
    current: Bytes,
    outgoing: Pin<Box<dyn AsyncWrite + Send>>,
    ended: Pin<Box<dyn Future<Output = ()> + Send>>,
    has_ended: bool,
    lost: Arc<OnceLock<Error>>,
}

impl ChannelStream {
    /// A way through a bastion, for another connection: that one's windows bound the queue, and it
    /// knows by itself whether it has ended well.
    pub(in crate::ssh) fn hop(channel: russh::Channel<Msg>, link: Arc<Link>) -> Self {
        let (queue, incoming) = Queue::unbounded(link);
        Self::drained(channel, queue, incoming, None)
    }

    /// A way for one answer, with a queue of its own bound. A lost connection is reported as an
    /// error, never as the answer's end. `place` is kept as long as the channel is.
    pub(in crate::ssh) fn answer(
        channel: russh::Channel<Msg>,
        link: Arc<Link>,
        place: OwnedSemaphorePermit,
    ) -> Self {
        let (queue, incoming) = Queue::bounded(Arc::clone(&link));
        Self::drained(channel, queue, incoming, Some((link, place)))
    }

    fn drained(
        channel: russh::Channel<Msg>,
        queue: Queue,
        incoming: mpsc::UnboundedReceiver<Queued>,
        answer: Option<(Arc<Link>, OwnedSemaphorePermit)>,
    ) -> Self {
        let (mut read, write) = channel.split();
        let outgoing = Box::pin(write.make_writer());
        let (end, mut ended) = watch::channel(false);
        let lost = Arc::new(OnceLock::new());
        let why = Arc::clone(&lost);
        tokio::spawn(async move {
            let loss = loop {
                let message = tokio::select! {
                    message = read.wait() => message,
                    () = queue.closed() => break None,
                };
                match message {
                    Some(ChannelMsg::Data { data }) => {
                        match queue.push(data, std::future::pending()).await {
                            Ok(()) => {}
                            Err(Refused::Unwanted) => break None,
                            Err(Refused::Ended(why)) => break Some(why),
                        }
                    }
                    Some(ChannelMsg::Eof | ChannelMsg::Close) => break None,
                    None => break answer.as_ref().map(|(link, _)| link.ended()),
                    Some(_) => {}
                }
            };
            drop(read);
            if let (Some(loss), Some(_)) = (loss, &answer) {
                // The first one stays; there is no other writer.
                drop(why.set(loss));
            }
            // Only now, so that whoever sees the end of the queue finds the reason.
            drop(queue);
            // Writers on a channel that is gone never wake by themselves.
            end.send_replace(true);
            // The connection may be gone already, and its channel with it.
            drop(write.close().await);
            drop(answer);
        });
        Self {
            incoming,
            current: Bytes::new(),
            outgoing,
            ended: Box::pin(async move {
                drop(ended.wait_for(|ended| *ended).await);
            }),
            has_ended: false,
            lost,
        }
    }
}

impl AsyncRead for ChannelStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        if self.current.is_empty() {
            match ready!(self.incoming.poll_recv(context)) {
                Some((chunk, _room)) => self.current = chunk,
                None => {
                    return Poll::Ready(match self.lost.get() {
                        None => Ok(()),
                        Some(why) => Err(std::io::Error::other(why.clone())),
                    });
                }
            }
        }
        let length = self.current.len().min(buffer.remaining());
        buffer.put_slice(&self.current[..length]);
        self.current.advance(length);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for ChannelStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        if !self.has_ended && self.ended.as_mut().poll(context).is_ready() {
            self.has_ended = true;
        }
        if self.has_ended {
            return Poll::Ready(Err(std::io::ErrorKind::BrokenPipe.into()));
        }
        self.outgoing.as_mut().poll_write(context, bytes)
    }

    fn poll_flush(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        if self.has_ended {
            return Poll::Ready(Ok(()));
        }
        self.outgoing.as_mut().poll_flush(context)
    }

    fn poll_shutdown(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        // Dropping the queue makes the drain close the channel, which says more than an end of data.
        self.incoming.close();
        Poll::Ready(Ok(()))
    }
}

/// How long a ProxyCommand may take to end by itself once its pipes are closed.
pub(in crate::ssh) const COMMAND_GRACE: Duration = Duration::from_secs(2);

/// The pipes of a ProxyCommand. When they close, it is given a moment to end, and is then killed.
pub(in crate::ssh) struct CommandStream {
    pipes: Option<Pipes>,
    child: Option<Child>,
}

type Pipes = tokio::io::Join<ChildStdout, ChildStdin>;

impl CommandStream {
    pub(in crate::ssh) fn new(stdout: ChildStdout, stdin: ChildStdin, child: Child) -> Self {
        Self {
            pipes: Some(tokio::io::join(stdout, stdin)),
            child: Some(child),
        }
    }

    fn pipes(&mut self) -> std::io::Result<Pin<&mut Pipes>> {
        self.pipes
            .as_mut()
            .map(Pin::new)
            .ok_or_else(|| std::io::ErrorKind::BrokenPipe.into())
    }
}

impl Drop for CommandStream {
    fn drop(&mut self) {
        drop(self.pipes.take());
        if let (Some(mut child), Ok(runtime)) =
            (self.child.take(), tokio::runtime::Handle::try_current())
        {
            // A child that is dropped is killed.
            runtime.spawn(async move {
                drop(tokio::time::timeout(COMMAND_GRACE, child.wait()).await);
            });
        }
    }
}

impl AsyncRead for CommandStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        self.pipes()?.poll_read(context, buffer)
    }
}

impl AsyncWrite for CommandStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        self.pipes()?.poll_write(context, bytes)
    }

    fn poll_flush(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        self.pipes()?.poll_flush(context)
    }

    fn poll_shutdown(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        self.pipes()?.poll_shutdown(context)
    }
}
