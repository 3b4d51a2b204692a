//! Ctrl-C and its kin: the first asks to stop at the next safe point, the second ends at once.
//!
//! SIGTERM and SIGHUP mean the same as Ctrl-C. A signal that was ignored when the program started
//! (`nohup`, jobs of scripts) stays ignored.

use std::fs;
use std::future::Future;
use std::pin::pin;

use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;

use super::ask;
use super::error::{Error, Stop};
use crate::engine::{Interrupt, StopLevel};

const SIGNALS: [fn() -> SignalKind; 3] = [
    SignalKind::interrupt,
    SignalKind::terminate,
    SignalKind::hangup,
];

/// Runs `work` to its end; none if the operator asked twice to stop. `notice` is called at the
/// first wish.
///
/// What is dropped then leaves nothing half-sealed: only a rename makes a checkpoint visible.
pub(super) fn run<T>(
    interrupt: &Interrupt,
    notice: impl Fn(),
    work: impl Future<Output = T>,
) -> Result<Option<T>, Stop> {
    let runtime = Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Error::Start)?;
    let ended = runtime.block_on(async {
        let mut watchers = JoinSet::new();
        for kind in SIGNALS.map(|kind| kind()) {
            if is_ignored(kind) {
                continue;
            }
            let mut signals = signal(kind).map_err(Error::Start)?;
            let wish = interrupt.clone();
            watchers.spawn(async move {
                while signals.recv().await.is_some() {
                    wish.raise();
                }
            });
        }
        let mut work = pin!(work);
        let mut noticed = false;
        loop {
            tokio::select! {
                biased;
                () = interrupt.reached(StopLevel::Now) => break Ok::<_, Error>(None),
                () = interrupt.reached(StopLevel::Soon), if !noticed => {
                    noticed = true;
                    notice();
                }
                ended = &mut work => break Ok(Some(ended)),
            }
        }
    });
    // Threads that still read or write files end with the process; nobody waits for them.
    runtime.shutdown_background();
    // Work may also have been given up at the first wish, with a question left open.
    ask::restore_terminal();
    Ok(ended?)
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
