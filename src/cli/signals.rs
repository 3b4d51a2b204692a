//! Signals: the first asks to stop at the next safe point, the second ends at once.
//!
//! Ctrl-C, SIGTERM and SIGHUP mean the same. A signal that was ignored when the program started
//! (`nohup`, jobs of scripts) stays ignored. The handlers that Tokio installs stay for the rest of the
//! process, so a thread of its own listens from the first [`run`] on: a signal that comes when no run is
//! under way ends the program.

use std::fs;
use std::future::Future;
use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;

use super::ask;
use super::error::{Error, VerbError};
use crate::fault::ExitClass;
use crate::interrupt::{Interrupt, StopLevel};

const SIGNALS: [fn() -> SignalKind; 3] = [
    SignalKind::interrupt,
    SignalKind::terminate,
    SignalKind::hangup,
];

/// After a run only its results are left to print. A program that can't do that by itself in this time
/// (its terminal or its reader is stuck) is ended.
const PRINTING_MAX: Duration = Duration::from_secs(1);

/// The run that a signal is meant for. Shared by the thread that listens and the one that runs a verb.
static CURRENT: Mutex<Option<Interrupt>> = Mutex::new(None);

/// Whether a thread listens already.
static LISTENS: Mutex<bool> = Mutex::new(false);

fn locked<T>(mutex: &'static Mutex<T>) -> MutexGuard<'static, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs `work` to its end. None if the operator asked twice to stop and `work` did not end at that.
/// `notice` is called at the first request. Whatever the operator is asked must be asked by `work`.
///
/// What is dropped then leaves nothing half-sealed: only a rename makes a checkpoint visible.
pub(super) fn run<T>(
    interrupt: &Interrupt,
    notice: impl Fn(),
    work: impl Future<Output = T>,
) -> Result<Option<T>, VerbError> {
    let runtime = Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Error::Start)?;
    *locked(&CURRENT) = Some(interrupt.clone());
    listen()?;
    let ended = runtime.block_on(async {
        let mut work = pin!(work);
        let mut noticed = false;
        loop {
            tokio::select! {
                biased;
                () = interrupt.reached(StopLevel::Soon), if !noticed => {
                    noticed = true;
                    notice();
                }
                // Work that can report what it has when it is to stop at once does so here.
                ended = &mut work => break Some(ended),
                () = interrupt.reached(StopLevel::Now) => break None,
            }
        }
    });
    *locked(&CURRENT) = None;
    // Threads that still read or write files, or the terminal, end with the process; nobody waits for
    // them.
    runtime.shutdown_background();
    // Work may also have been given up at the first wish, with a question left open.
    ask::close();
    Ok(ended)
}

/// Starts the thread that listens, once in a process.
fn listen() -> Result<(), Error> {
    let mut listens = locked(&LISTENS);
    if *listens {
        return Ok(());
    }
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Error::Start)?;
    let mut signals = Vec::new();
    {
        let _context = runtime.enter();
        for kind in SIGNALS.map(|kind| kind()) {
            if !is_ignored(kind) {
                signals.push(signal(kind).map_err(Error::Start)?);
            }
        }
    }
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            runtime.block_on(async {
                let mut listeners = JoinSet::new();
                for mut signal in signals {
                    listeners.spawn(async move {
                        while signal.recv().await.is_some() {
                            received().await;
                        }
                    });
                }
                while listeners.join_next().await.is_some() {}
            });
        })
        .map_err(Error::Start)?;
    *listens = true;
    Ok(())
}

/// Hands a signal to the run under way; without one, ends the program.
async fn received() {
    if let Some(interrupt) = locked(&CURRENT).as_ref() {
        interrupt.raise();
        return;
    }
    tokio::time::sleep(PRINTING_MAX).await;
    ask::close();
    #[expect(
        clippy::exit,
        reason = "the main thread can't be reached: it waits for a terminal or a pipe"
    )]
    std::process::exit(i32::from(ExitClass::Interrupted.status()));
}

/// Whether this process was started with the signal ignored. Where the system does not tell: no.
fn is_ignored(kind: SignalKind) -> bool {
    fs::read_to_string("/proc/self/status")
        .ok()
        .and_then(|status| ignored_mask(&status))
        .is_some_and(|mask| mask >> (kind.as_raw_value() - 1) & 1 == 1)
}

fn ignored_mask(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))?;
    u64::from_str_radix(line.trim(), 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mask_of_ignored_signals_is_read() {
        let status = "Name:\tx\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000001001\n";
        assert_eq!(ignored_mask(status), Some(0x1001));
        assert_eq!(ignored_mask("Name:\tx\n"), None);
    }

    #[test]
    fn work_that_ends_gives_its_answer() {
        let ended = run(&Interrupt::new(), || {}, async { 7 });
        assert_eq!(ended.ok(), Some(Some(7)));
    }

    #[test]
    fn two_wishes_end_work_that_never_ends() {
        let interrupt = Interrupt::new();
        interrupt.raise();
        interrupt.raise();
        let ended = run(&interrupt, || {}, std::future::pending::<()>());
        assert_eq!(ended.ok(), Some(None));
    }
}
