//! Reads the identification line with which an SSH server begins, and measures how far away it is.
//!
//! A window must be as large as what is on the way, and must be settled before the handshake begins.
//! So our line is sent here, ahead of russh, and the host's line and the beginning of its key exchange
//! are waited for: the host begins that when it has heard us, so this takes one round trip, whatever
//! lies in between, and it is one that the handshake would wait for anyway. russh then finds its line
//! said and the answer there. Lines that a host sends before its own are passed to the caller, and russh
//! does not see them.

use std::borrow::Cow;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use russh::SshId;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::time::Instant;

/// More than this is no greeting; what to make of it is russh's affair.
const HEARD_MAX_BYTES: usize = 8 << 10;

/// A host that waits for us to begin the key exchange is not kept waiting longer than this, and twice
/// what its line took.
const GRACE: Duration = Duration::from_millis(50);

/// The window of a host that is near: more is slower there, since its sshd holds what the window
/// allows in a buffer that it moves about.
const WINDOW_MIN_BYTES: u32 = 4 << 20;

/// What a far host may have on the way at most. It is memory of its sshd while the network is slow.
const WINDOW_MAX_BYTES: u32 = 32 << 20;

/// The same behind a bastion: what arrives while nobody reads is held here.
const WINDOW_BEHIND_BASTION_MAX_BYTES: u32 = 16 << 20;

/// A window is opened anew when half of it is used up, so that a full gigabit takes twice its
/// 125 MB/s times the round trip.
const WINDOW_BYTES_PER_SECOND: u64 = 250_000_000;

/// Bytes that a channel may have on the way to be as fast as the network over `round_trip`.
pub(in crate::ssh) fn window_bytes(round_trip: Duration, behind_bastion: bool) -> u32 {
    let max = if behind_bastion {
        WINDOW_BEHIND_BASTION_MAX_BYTES
    } else {
        WINDOW_MAX_BYTES
    };
    let micros = u64::try_from(round_trip.as_micros()).unwrap_or(u64::MAX);
    let wanted = micros.saturating_mul(WINDOW_BYTES_PER_SECOND / 1_000_000);
    u32::try_from(wanted)
        .unwrap_or(u32::MAX)
        .clamp(WINDOW_MIN_BYTES, max)
}

/// A stream on which the greetings have been exchanged already.
pub(in crate::ssh) struct Identified<S> {
    stream: S,
    /// Ours, as far as russh has not sent it once more.
    said: Vec<u8>,
    /// The host's, as far as russh has not read it.
    heard: Vec<u8>,
}

/// Exchanges greetings. The time is one round trip and what the host takes to start a session; it is
/// too long rather than too short. What the host sends before its line, or instead of it, goes to `hear`
/// as soon as a line of it is whole.
///
/// # Errors
///
/// What the stream says. An end of the stream is none: russh will see it too.
///
/// # Cancel
///
/// The stream is dropped.
pub(in crate::ssh) async fn greet<S>(
    mut stream: S,
    id: &SshId,
    mut hear: impl FnMut(&[u8]),
) -> io::Result<(Identified<S>, Duration)>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let said = match id {
        SshId::Standard(line) => format!("{line}\r\n").into_bytes(),
        SshId::Raw(line) => Cow::as_ref(line).as_bytes().to_vec(),
    };
    let begun = Instant::now();
    let mut heard = Vec::with_capacity(2 << 10);
    if let Err(error) = say(&mut stream, &said).await {
        // A host that has hung up may have said why.
        while heard.len() < HEARD_MAX_BYTES && matches!(stream.read_buf(&mut heard).await, Ok(1..))
        {
        }
        hear(&heard);
        return Err(error);
    }
    let mut deadline = None;
    let mut passed = 0;
    while heard.len() < HEARD_MAX_BYTES {
        let more = stream.read_buf(&mut heard);
        let length = match deadline {
            None => more.await?,
            Some(deadline) => match tokio::time::timeout_at(deadline, more).await {
                Ok(length) => length?,
                Err(_) => break,
            },
        };
        passed += before_line(&heard[passed..], &mut hear);
        match after_line(&heard[passed..]) {
            _ if length == 0 => break,
            Some(0) => {
                deadline.get_or_insert_with(|| Instant::now() + begun.elapsed() * 2 + GRACE);
            }
            Some(_) => break,
            None => {}
        }
    }
    match after_line(&heard[passed..]) {
        None => hear(&heard[passed..]),
        Some(behind) => {
            heard.drain(..passed);
            if !is_ssh_2(&heard) {
                hear(&heard[..heard.len() - behind]);
            }
        }
    }
    let round_trip = begun.elapsed();
    Ok((
        Identified {
            stream,
            said,
            heard,
        },
        round_trip,
    ))
}

async fn say(stream: &mut (impl AsyncWrite + Unpin), line: &[u8]) -> io::Result<()> {
    stream.write_all(line).await?;
    stream.flush().await
}

/// SSH 2, or a server that speaks it beside an older version.
fn is_ssh_2(line: &[u8]) -> bool {
    line.starts_with(b"SSH-2.0-") || line.starts_with(b"SSH-1.99-")
}

impl<S> Identified<S> {
    /// The host identified itself as one that speaks an older version alone.
    pub(in crate::ssh) fn is_too_old(&self) -> bool {
        after_line(&self.heard).is_some() && !is_ssh_2(&self.heard)
    }
}

/// Passes whole lines that are not the host's identification to `hear`; how many bytes they are.
fn before_line(heard: &[u8], hear: &mut impl FnMut(&[u8])) -> usize {
    let mut rest = heard;
    while !rest.starts_with(b"SSH-")
        && let Some(end) = rest.iter().position(|&byte| byte == b'\n')
    {
        let line;
        (line, rest) = rest.split_at(end + 1);
        hear(line);
    }
    heard.len() - rest.len()
}

/// How many bytes follow the host's line, if that is there and whole.
fn after_line(heard: &[u8]) -> Option<usize> {
    let end = heard.iter().position(|&byte| byte == b'\n')?;
    heard.starts_with(b"SSH-").then(|| heard.len() - (end + 1))
}

impl<S: AsyncRead + Unpin> AsyncRead for Identified<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.heard.is_empty() {
            return Pin::new(&mut self.stream).poll_read(context, buffer);
        }
        let length = self.heard.len().min(buffer.remaining());
        buffer.put_slice(&self.heard[..length]);
        self.heard.drain(..length);
        if self.heard.is_empty() {
            self.heard = Vec::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Identified<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.said.is_empty() {
            return Pin::new(&mut self.stream).poll_write(context, bytes);
        }
        let length = self.said.len().min(bytes.len());
        if self.said[..length] != bytes[..length] {
            return Poll::Ready(Err(io::Error::other(
                "the greeting differs from the one that was sent",
            )));
        }
        self.said.drain(..length);
        Poll::Ready(Ok(length))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: SshId = SshId::Standard(Cow::Borrowed("SSH-2.0-test"));

    #[test]
    fn a_window_is_as_large_as_what_is_on_the_way_of_a_gigabit() {
        let cases = [
            (0, false, 4 << 20),
            (25, false, 6_250_000),
            (40, false, 10_000_000),
            (40, true, 10_000_000),
            (100, false, 25_000_000),
            (100, true, 16 << 20),
            (1_000, false, 32 << 20),
            (u64::MAX, false, 32 << 20),
            (u64::MAX, true, 16 << 20),
        ];
        for (millis, behind, bytes) in cases {
            assert_eq!(
                window_bytes(Duration::from_millis(millis), behind),
                bytes,
                "{millis} ms"
            );
        }
    }

    #[tokio::test]
    async fn the_way_there_and_back_ends_with_the_beginning_of_the_key_exchange() {
        let (near, mut far) = tokio::io::duplex(64);
        let host = tokio::spawn(async move {
            far.write_all(b"a law\r\nSSH-2.0-xy\r\n")
                .await
                .expect("room");
            let mut line = [0; 14];
            far.read_exact(&mut line).await.expect("our line");
            far.write_all(b"KEXINIT").await.expect("room");
            let mut rest = Vec::new();
            far.read_to_end(&mut rest).await.expect("the rest");
            (line.to_vec(), rest)
        });
        let mut lines = Vec::new();
        let (mut greeted, round_trip) = greet(near, &ID, |line| lines.push(line.to_vec()))
            .await
            .expect("greetings");
        assert_eq!(greeted.heard, b"SSH-2.0-xy\r\nKEXINIT");
        assert_eq!(lines, [b"a law\r\n"]);
        assert!(round_trip > Duration::ZERO);
        for part in [b"SSH-2".as_slice(), b".0-test\r\n", b"kex!"] {
            greeted.write_all(part).await.expect("it is taken");
        }
        let mut read = [0; 3];
        greeted.read_exact(&mut read).await.expect("what was heard");
        assert_eq!(&read, b"SSH");
        greeted.shutdown().await.expect("the end");
        let mut read = Vec::new();
        greeted.read_to_end(&mut read).await.expect("the end");
        assert_eq!(read, b"-2.0-xy\r\nKEXINIT");
        let (line, rest) = host.await.expect("no panic");
        assert_eq!(line, b"SSH-2.0-test\r\n");
        assert_eq!(rest, b"kex!");
    }

    #[tokio::test]
    async fn a_host_that_waits_for_us_to_begin_is_not_kept_waiting() {
        let (near, mut far) = tokio::io::duplex(64);
        far.write_all(b"SSH-2.0-x\r\n").await.expect("room");
        let (greeted, _) = greet(near, &ID, |_| {}).await.expect("greetings");
        assert_eq!(greeted.heard, b"SSH-2.0-x\r\n");
    }

    #[tokio::test]
    async fn a_host_that_hangs_up_before_we_speak_is_heard() {
        let (near, far) = tokio::io::duplex(64);
        let (read, mut write) = tokio::io::split(near);
        let (mut far_read, mut far_write) = tokio::io::split(far);
        far_write.write_all(b"full\n").await.expect("room");
        far_write.shutdown().await.expect("the end");
        write.shutdown().await.expect("the end");
        far_read
            .read_to_end(&mut Vec::new())
            .await
            .expect("the end");
        let mut lines = Vec::new();
        let broken = read.unsplit(write);
        let greeted = greet(broken, &ID, |line| lines.push(line.to_vec())).await;
        assert_eq!(
            greeted.err().map(|error| error.kind()),
            Some(io::ErrorKind::BrokenPipe)
        );
        assert_eq!(lines, [b"full\n"]);
    }

    #[tokio::test]
    async fn an_end_is_left_for_russh_to_see() {
        let (near, far) = tokio::io::duplex(64);
        let (read, mut write) = tokio::io::split(far);
        write.write_all(b"busy\ngo away").await.expect("room");
        write.shutdown().await.expect("the end");
        let mut lines = Vec::new();
        let (mut greeted, _) = greet(near, &ID, |line| lines.push(line.to_vec()))
            .await
            .expect("greetings");
        assert_eq!(lines, [&b"busy\n"[..], b"go away"]);
        let mut text = String::new();
        greeted.read_to_string(&mut text).await.expect("the end");
        assert_eq!(text, "busy\ngo away");
        drop(read);
    }
}
