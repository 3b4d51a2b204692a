//! The byte streams under a connection: TCP, a command, or a hop through a bastion.
//!
//! Every stream can be cut from here at any time, whatever it is waiting for, so that nothing of a
//! connection outlives it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use russh::ChannelMsg;
use russh::client::Msg;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::process::{Child, ChildStdin, ChildStdout};
use tokio::sync::{Notify, mpsc, watch};

/// Anything that an SSH connection can run over.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// A stream that ends when its switch is thrown.
pub(super) struct Cuttable {
    inner: Box<dyn Stream>,
    cut: Pin<Box<dyn Future<Output = ()> + Send>>,
    left: Arc<Notify>,
    is_cut: bool,
}

impl Cuttable {
    /// `cut` turns true, or its sender is dropped: every read and write fails from then on. `left` is
    /// told when our side has been shut, and all that was said has left.
    pub(super) fn new(
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

/// A way through a bastion.
///
/// A task drains the bastion's channel into a queue, so that an inner connection that nobody reads
/// never stops the bastion; the inner connection's windows bound that queue.
pub(super) struct HopStream {
    incoming: mpsc::UnboundedReceiver<Bytes>,
    current: Bytes,
    outgoing: Pin<Box<dyn AsyncWrite + Send>>,
    ended: Pin<Box<dyn Future<Output = ()> + Send>>,
    has_ended: bool,
}

impl HopStream {
    pub(super) fn new(channel: russh::Channel<Msg>) -> Self {
        let (mut read, write) = channel.split();
        let outgoing = Box::pin(write.make_writer());
        let (queue, incoming) = mpsc::unbounded_channel();
        let (end, mut ended) = watch::channel(false);
        tokio::spawn(async move {
            loop {
                let message = tokio::select! {
                    message = read.wait() => message,
                    () = queue.closed() => break,
                };
                match message {
                    Some(ChannelMsg::Data { data }) => {
                        if queue.send(data).is_err() {
                            break;
                        }
                    }
                    Some(ChannelMsg::Eof | ChannelMsg::Close) | None => break,
                    Some(_) => {}
                }
            }
            drop(read);
            drop(queue);
            // Writers on a channel that is gone never wake by themselves.
            end.send_replace(true);
            // The bastion may be gone already, and its channel with it.
            drop(write.close().await);
        });
        Self {
            incoming,
            current: Bytes::new(),
            outgoing,
            ended: Box::pin(async move {
                drop(ended.wait_for(|ended| *ended).await);
            }),
            has_ended: false,
        }
    }
}

impl AsyncRead for HopStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        if self.current.is_empty() {
            match ready!(self.incoming.poll_recv(context)) {
                Some(chunk) => self.current = chunk,
                None => return Poll::Ready(Ok(())),
            }
        }
        let length = self.current.len().min(buffer.remaining());
        buffer.put_slice(&self.current[..length]);
        self.current.advance(length);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for HopStream {
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
const COMMAND_GRACE: Duration = Duration::from_secs(2);

/// The pipes of a ProxyCommand. When they close, it is given a moment to end, and is then killed.
pub(super) struct CommandStream {
    pipes: Option<Pipes>,
    child: Option<Child>,
}

type Pipes = tokio::io::Join<ChildStdout, ChildStdin>;

impl CommandStream {
    pub(super) fn new(stdout: ChildStdout, stdin: ChildStdin, child: Child) -> Self {
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
