//! `ProxyCommand`: a program that stands for the network. Its standard input and output are the
//! connection, or with `ProxyUseFdpass` it passes a connected socket and ends. What it writes to its
//! standard error is kept as the reason for a failure.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::process::Stdio;
use std::sync::Arc;

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use tokio::io::{AsyncReadExt as _, Interest};
use tokio::net::{TcpStream, UnixStream};
use tokio::process::{Child, ChildStderr, Command};

use crate::ssh::connection::state::Link;
use crate::ssh::connection::transport::{COMMAND_GRACE, CommandStream};
use crate::ssh::connection::words::WORDS_MAX_BYTES;

fn shell(command: &str) -> Command {
    let mut shell = Command::new("sh");
    shell
        .arg("-c")
        .arg(format!("exec {command}"))
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    shell
}

/// Starts a command whose standard input and output are the connection.
///
/// # Errors
///
/// There is no shell, or there are no pipes.
pub(in crate::ssh) fn start(command: &str, link: &Arc<Link>) -> io::Result<CommandStream> {
    let mut child = shell(command)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    listen(child.stderr.take(), link);
    match (child.stdout.take(), child.stdin.take()) {
        (Some(stdout), Some(stdin)) => Ok(CommandStream::new(stdout, stdin, child)),
        _ => Err(io::ErrorKind::BrokenPipe.into()),
    }
}

/// Starts a command that connects and passes the socket over its standard output, and takes it.
///
/// # Errors
///
/// The command ended without passing a socket.
///
/// # Cancel
///
/// The command is killed.
pub(in crate::ssh) async fn receive(command: &str, link: &Arc<Link>) -> io::Result<TcpStream> {
    let (near, far) = std::os::unix::net::UnixStream::pair()?;
    near.set_nonblocking(true)?;
    let near = UnixStream::from_std(near)?;
    let mut child = shell(command)
        .stdin(OwnedFd::from(far.try_clone()?))
        .stdout(OwnedFd::from(far))
        .spawn()?;
    listen(child.stderr.take(), link);
    let passed = near
        .async_io(Interest::READABLE, || receive_descriptor(&near))
        .await?;
    reap(child);
    // Whatever kind of stream socket it is, reading and writing it are the same.
    let stream = std::net::TcpStream::from(passed);
    stream.set_nonblocking(true)?;
    TcpStream::from_std(stream)
}

fn receive_descriptor(socket: &UnixStream) -> io::Result<OwnedFd> {
    let mut byte = [0];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    recvmsg(
        socket,
        &mut [io::IoSliceMut::new(&mut byte)],
        &mut control,
        RecvFlags::CMSG_CLOEXEC,
    )?;
    control
        .drain()
        .find_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
            _ => None,
        })
        .ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the ProxyCommand passed no connection (`ProxyUseFdpass` is on)",
            )
        })
}

/// The command has done its work: it is given a moment to end, and is then killed.
fn reap(mut child: Child) {
    tokio::spawn(async move {
        drop(tokio::time::timeout(COMMAND_GRACE, child.wait()).await);
    });
}

/// Keeps what the command writes to its standard error, line by line, as long as it runs.
fn listen(stderr: Option<ChildStderr>, link: &Arc<Link>) {
    let Some(mut stderr) = stderr else { return };
    // Whoever waits for the connection's end must not wait for this.
    let weak = Arc::downgrade(link);
    link.listen(tokio::spawn(async move {
        let mut heard = Vec::new();
        loop {
            let length = stderr.read_buf(&mut heard).await.unwrap_or(0);
            let whole = match heard.iter().rposition(|&byte| byte == b'\n') {
                Some(end) => end + 1,
                None if length == 0 || heard.len() >= WORDS_MAX_BYTES => heard.len(),
                None => 0,
            };
            if let Some(link) = weak.upgrade()
                && whole > 0
            {
                link.hear_command(&heard[..whole]);
            }
            heard.drain(..whole);
            if length == 0 {
                break;
            }
        }
    }));
}
