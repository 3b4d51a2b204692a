//! Fan-out: runs the same work on many hosts, so many at a time, and gives the results in the order of the
//! hosts.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::interrupt::{Interrupt, StopLevel};

/// Runs `work` for each of `hosts`, at most `at_once` (at least 1) of them at a time. The results come in
/// the order of `hosts`, however long each took.
///
/// When `interrupt` is raised, hosts that still wait for their turn are given up; work that has begun watches
/// for it itself. When it is raised to [`StopLevel::Now`], all work is dropped. The result of a host whose
/// work did not begin or did not end is `None`.
///
/// # Cancel
///
/// Dropping the future drops the work on every host.
pub(super) async fn fan_out<Host, T, Work>(
    hosts: impl IntoIterator<Item = Host>,
    at_once: usize,
    interrupt: &Interrupt,
    work: impl Fn(Host) -> Work,
) -> Vec<Option<T>>
where
    T: Send + 'static,
    Work: Future<Output = T> + Send + 'static,
{
    let turns = Arc::new(Semaphore::new(at_once.max(1)));
    let mut tasks = JoinSet::new();
    for (index, host) in hosts.into_iter().enumerate() {
        let (turns, interrupt, work) = (Arc::clone(&turns), interrupt.clone(), work(host));
        tasks.spawn(async move {
            let turn = tokio::select! {
                biased;
                () = interrupt.reached(StopLevel::Soon) => None,
                turn = turns.acquire() => turn.ok(),
            };
            match turn {
                Some(_turn) => (index, Some(work.await)),
                None => (index, None),
            }
        });
    }
    let mut results: Vec<Option<T>> = std::iter::repeat_with(|| None).take(tasks.len()).collect();
    loop {
        let ended = tokio::select! {
            biased;
            ended = tasks.join_next() => ended,
            // What is dropped with the tasks leaves nothing half-sealed: only a rename makes a checkpoint
            // visible.
            () = interrupt.reached(StopLevel::Now) => None,
        };
        let Some(ended) = ended else { return results };
        let (index, result) = ended.expect("a host's work does not panic");
        results[index] = result;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::Barrier;

    use super::*;

    #[tokio::test]
    async fn results_come_in_the_order_of_the_hosts_and_no_more_than_so_many_run_at_once() {
        // Each pair of hosts waits for one another, so that exactly two run at a time.
        let (pair, running) = (Arc::new(Barrier::new(2)), Arc::new(AtomicUsize::new(0)));
        let interrupt = Interrupt::new();
        let results = fan_out(0..6, 2, &interrupt, |host| {
            let (pair, running) = (Arc::clone(&pair), Arc::clone(&running));
            async move {
                let at_once = running.fetch_add(1, Ordering::SeqCst) + 1;
                pair.wait().await;
                running.fetch_sub(1, Ordering::SeqCst);
                assert!(at_once <= 2);
                host * 10
            }
        });
        assert_eq!(results.await, [0, 10, 20, 30, 40, 50].map(Some),);
    }

    #[tokio::test]
    async fn hosts_that_wait_are_given_up_soon_and_running_ones_at_once() {
        let interrupt = Interrupt::new();
        let results = fan_out(0..3, 1, &interrupt, |host| {
            let interrupt = interrupt.clone();
            async move {
                interrupt.raise();
                host
            }
        });
        assert_eq!(results.await, [Some(0), None, None]);

        let interrupt = Interrupt::new();
        let results = fan_out(0..2, 2, &interrupt, |_| {
            let interrupt = interrupt.clone();
            async move {
                interrupt.raise();
                interrupt.raise();
                std::future::pending::<()>().await;
            }
        });
        assert_eq!(results.await, [None, None]);
    }
}
