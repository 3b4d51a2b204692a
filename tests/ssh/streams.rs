//! Data that is sent to a command while it is read: at length, to consumers that stop, from sources that
//! fail.
//!
//! The command is the one that reads files of a list; on this host, the tool that takes the list is the
//! test's.

use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use fleet::fault::{ExitClass, Fault as _, chain};
use fleet::guard::ReadCommand;
use fleet::ssh::{Error, Input, Running};
use sha2::Digest as _;
use tokio::io::{AsyncRead, ReadBuf};

use super::answers::{Answers, asking};
use super::forward::still_works;
use super::session;
use crate::support::host_fixture::program;
use crate::support::sshd::{Builder, Sshd, eventually, inventory, user};

const MIB: u64 = 1 << 20;

/// What can be on the way to a tool that takes nothing: the window of OpenSSH, 2 MiB, pipes, and the one
/// piece that is read ahead.
const ON_THE_WAY_MAX: u64 = 4 * MIB;

/// What became of a source.
#[derive(Default)]
struct Watched {
    opened: AtomicU64,
    taken_bytes: AtomicU64,
    dropped: AtomicU64,
    /// Nothing comes while it is set.
    paused: AtomicBool,
}

impl Watched {
    fn taken_bytes(&self) -> u64 {
        self.taken_bytes.load(Ordering::SeqCst)
    }

    fn is_dropped(&self) -> bool {
        self.dropped.load(Ordering::SeqCst) == self.opened.load(Ordering::SeqCst)
    }
}

/// Bytes that are never the same as their neighbours of another line or page.
struct Source {
    watched: Arc<Watched>,
    at: u64,
    end: u64,
    fails: bool,
    pause: Pin<Box<tokio::time::Sleep>>,
}

impl Drop for Source {
    fn drop(&mut self) {
        self.watched.dropped.fetch_add(1, Ordering::SeqCst);
    }
}

fn byte(at: u64) -> u8 {
    (at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8
}

impl AsyncRead for Source {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.watched.paused.load(Ordering::SeqCst) {
            ready!(self.pause.as_mut().poll(context));
            let next = tokio::time::Instant::now() + std::time::Duration::from_millis(5);
            self.pause.as_mut().reset(next);
        }
        if self.at == self.end {
            return Poll::Ready(if self.fails {
                Err(io::Error::other("the disk is gone"))
            } else {
                Ok(())
            });
        }
        let length = (buffer.remaining() as u64)
            .min(self.end - self.at)
            .min(10_000);
        let bytes: Vec<u8> = (self.at..self.at + length).map(byte).collect();
        buffer.put_slice(&bytes);
        self.at += length;
        self.watched.taken_bytes.fetch_add(length, Ordering::SeqCst);
        Poll::Ready(Ok(()))
    }
}

/// A stream that is announced to have `length` bytes and gives `end` of them.
fn stream(length: u64, end: u64, fails: bool) -> (Input, Arc<Watched>) {
    let watched = Arc::new(Watched::default());
    let kept = Arc::clone(&watched);
    let input = Input::stream(length, move || {
        kept.opened.fetch_add(1, Ordering::SeqCst);
        Ok(Source {
            watched: Arc::clone(&kept),
            at: 0,
            end,
            fails,
            pause: Box::pin(tokio::time::sleep(std::time::Duration::ZERO)),
        })
    });
    (input, watched)
}

/// A host whose tool for a list is `script`, in a folder that the script knows as `$d`.
struct Tool {
    sshd: Sshd,
    folder: tempfile::TempDir,
}

impl Tool {
    fn start(builder: Builder, script: &str) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let script = format!("d={}\n{script}", folder.path().display());
        program(folder.path(), "xargs", &script);
        // The host would keep the list in memory until it is whole, as is right for lists.
        let dd = "case $* in *iflag=*) exit 1 ;; esac\nexec /bin/dd \"$@\"";
        program(folder.path(), "dd", dd);
        let path = format!(
            "SetEnv PATH={}:/usr/bin:/bin HOME=/",
            folder.path().display()
        );
        let sshd = builder.option(path).start()?;
        Some(Self { sshd, folder })
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn is_running(&self, line: &str) -> bool {
        let all = self.sshd.descendants();
        all.iter().any(|(_, text)| text.starts_with(line))
    }
}

fn length(file: &Path) -> u64 {
    std::fs::metadata(file).map_or(0, |facts| facts.len())
}

/// Everything that it answers, and its status.
async fn answer(mut running: Running) -> Result<(String, u32), Error> {
    let mut text = String::new();
    while let Some(chunk) = running.next().await {
        text += &String::from_utf8_lossy(&chunk?);
    }
    Ok((text, running.finish().await?.status))
}

/// Waits in the tool's script until the test lets it go on.
const WAIT: &str = "while ! [ -e \"$d/go\" ]; do sleep 0.02; done";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_arrives_whole_and_lines_follow_it() -> Result<(), Error> {
    let script = format!("sha256sum\n{WAIT}");
    let builder = Sshd::builder().option("RekeyLimit 16M");
    let Some(tool) = Tool::start(builder, &script) else {
        return Ok(());
    };
    let session = session(&tool.sshd).await?;
    let (input, watched) = stream(64 * MIB, 64 * MIB, false);
    let running = session.run(&ReadCommand::Read, false, input).await?;
    // With the first line, the host begins to count the seconds to the next one.
    eventually("the host has read a line", || tool.is_running("sleep 5"));
    std::fs::write(tool.file("go"), "").expect("a file");
    let bytes: Vec<u8> = (0..64 * MIB).map(byte).collect();
    let expected = data_encoding::HEXLOWER.encode(&sha2::Sha256::digest(&bytes));
    assert_eq!(answer(running).await?, (format!("{expected}  -\n"), 0));
    assert_eq!(watched.opened.load(Ordering::SeqCst), 1);
    assert!(watched.is_dropped());
    drop(session);
    tool.sshd.wait_until_idle();
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_waits_for_a_slow_host() -> Result<(), Error> {
    let script = format!("head -c {MIB} >/dev/null\n{WAIT}\nwc -c");
    let Some(tool) = Tool::start(Sshd::builder(), &script) else {
        return Ok(());
    };
    let session = session(&tool.sshd).await?;
    let (input, watched) = stream(64 * MIB, 64 * MIB, false);
    let running = session.run(&ReadCommand::Read, false, input).await?;
    eventually("the window is full", || watched.taken_bytes() > 2 * MIB);
    // Another command finds its way beside it.
    still_works(&session).await?;
    let queued = watched.taken_bytes() - MIB;
    assert!(queued < ON_THE_WAY_MAX, "{queued}");
    assert!(!tool.is_running("sleep 5"), "no line comes within the data");
    std::fs::write(tool.file("go"), "").expect("a file");
    let left = format!("{}\n", 63 * MIB);
    assert_eq!(answer(running).await?, (left, 0));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_stream_is_no_silence_of_the_host() -> Result<(), Error> {
    let Some(tool) = Tool::start(Sshd::builder(), "wc -c") else {
        return Ok(());
    };
    let mut host = tool.sshd.host("web");
    host.limits.stall_timeout = std::time::Duration::from_millis(300);
    let session = super::connector(&tool.sshd)
        .connect(&inventory(vec![host.clone()]), &host)
        .await?;
    let (input, watched) = stream(MIB, MIB, false);
    watched.paused.store(true, Ordering::SeqCst);
    let running = session.run(&ReadCommand::Read, false, input).await?;
    // The slow disk: the only thing that this test is about.
    tokio::time::sleep(std::time::Duration::from_millis(1200)).await;
    watched.paused.store(false, Ordering::SeqCst);
    assert_eq!(answer(running).await?, (format!("{MIB}\n"), 0));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_that_has_enough_ends_well() -> Result<(), Error> {
    let Some(tool) = Tool::start(Sshd::builder(), "head -c 1000 | wc -c\nexit 3") else {
        return Ok(());
    };
    let session = session(&tool.sshd).await?;
    let (input, watched) = stream(64 * MIB, 64 * MIB, false);
    let output = session
        .output(&ReadCommand::Read, false, input, 1 << 20)
        .await?;
    assert_eq!((output.status, &*output.stdout), (3, &b"1000\n"[..]));
    let taken = watched.taken_bytes();
    assert!(watched.is_dropped() && taken < ON_THE_WAY_MAX, "{taken}");
    still_works(&session).await?;
    drop(session);
    tool.sshd.wait_until_idle();
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_is_not_what_was_announced_is_an_error() -> Result<(), Error> {
    let Some(tool) = Tool::start(Sshd::builder(), "cat >\"$d/got\"\n: >\"$d/ended\"") else {
        return Ok(());
    };
    let session = session(&tool.sshd).await?;
    for (end, fails, why) in [
        (8 * MIB, true, "the data can't be read: the disk is gone"),
        (
            8 * MIB,
            false,
            "the data ended after 8388608 of 16777216 bytes",
        ),
        (
            16 * MIB + 1,
            false,
            "the data is longer than the 16777216 bytes that were announced",
        ),
    ] {
        let (input, watched) = stream(16 * MIB, end, fails);
        let running = session.run(&ReadCommand::Read, false, input).await?;
        let error = running.finish().await.expect_err(why);
        assert_eq!(
            chain(&error),
            ["can't send the data of a command to web", why]
        );
        assert_eq!(error.exit_class(), ExitClass::Failed);
        assert!(watched.is_dropped());
        eventually("the tool is gone", || !tool.is_running("cat"));
        let got = length(&tool.file("got"));
        assert!(got < 16 * MIB, "{got}");
    }
    still_works(&session).await?;
    drop(session);
    tool.sshd.wait_until_idle();
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_ends_with_its_command() -> Result<(), Error> {
    // It takes nothing, so that the end of its input is not seen behind all that waits for it. It beats,
    // as the tools of scripts do that are silent for long, and so it finds that nobody listens.
    let script = "while sleep 0.02; do echo >&2 || exit 1; done";
    let Some(tool) = Tool::start(Sshd::builder(), script) else {
        return Ok(());
    };
    let line = format!("/bin/sh {}", tool.file("xargs").display());
    let is_running = || tool.is_running(&line);
    let session = session(&tool.sshd).await?;
    for (is_paused, is_polite) in [(true, true), (true, false), (false, true), (false, false)] {
        let (input, watched) = stream(64 * MIB, 64 * MIB, false);
        watched.paused.store(is_paused, Ordering::SeqCst);
        let running = session.run(&ReadCommand::Read, false, input).await?;
        eventually("it is being sent", || {
            is_paused || watched.taken_bytes() > 2 * MIB
        });
        eventually("the tool runs", is_running);
        if is_polite {
            running.stop().await;
            assert!(watched.is_dropped());
        } else {
            drop(running);
            eventually("it is dropped", || watched.is_dropped());
        }
        eventually("the tool is gone", || !is_running());
    }
    // So does one whose connection is closed.
    let (input, watched) = stream(64 * MIB, 64 * MIB, false);
    let running = session.run(&ReadCommand::Read, false, input).await?;
    drop(session);
    let error = running.finish().await.expect_err("its connection is gone");
    assert_eq!(error.to_string(), "the command on web was stopped");
    assert!(watched.is_dropped());
    tool.sshd.wait_until_idle();
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_sudo_refused_is_opened_again() -> Result<(), Error> {
    // The last argument is what comes before a tool: sudo, where it may run nothing but tools.
    let script = "head -c 1000 >/dev/null\nfor s; do :; done\n$s true || exit 1\nwc -c";
    let Some(tool) = Tool::start(Sshd::builder(), script) else {
        return Ok(());
    };
    super::sudo::fake_sudo(tool.folder.path());
    let answers = Answers::new("tiger");
    let host = tool.sshd.host("web");
    let session = asking(&tool.sshd, &answers)
        .connect(&inventory(vec![host.clone()]), &host)
        .await?;
    for opened in [2, 1] {
        let (input, watched) = stream(8 * MIB, 8 * MIB, false);
        let running = session.run(&ReadCommand::Read, true, input).await?;
        let left = format!("{}\n", 8 * MIB - 1000);
        assert_eq!(answer(running).await?, (left, 0));
        assert_eq!(watched.opened.load(Ordering::SeqCst), opened);
        assert!(watched.is_dropped());
    }
    assert_eq!(
        answers.asked(),
        [format!("sudo password of {} on web", user())]
    );
    Ok(())
}
