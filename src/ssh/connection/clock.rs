//! The time limit of one attempt to connect and log in: `connect_timeout`, not counting the time in
//! which a person is asked something or an agent waits for a touch.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Clones share one limit.
#[derive(Debug, Clone)]
pub(in crate::ssh) struct Clock {
    limit: Duration,
    begun: Instant,
    /// Shared by the login and by the signer that it waits for.
    pauses: Arc<Mutex<Pauses>>,
}

#[derive(Debug, Default)]
struct Pauses {
    past: Duration,
    since: Option<Instant>,
}

impl Pauses {
    fn begin(&mut self, now: Instant) {
        self.since.get_or_insert(now);
    }

    fn end(&mut self, now: Instant) {
        if let Some(since) = self.since.take() {
            self.past += now - since;
        }
    }

    /// What is left of `limit` that began at `begun`.
    fn left(&self, limit: Duration, begun: Instant, now: Instant) -> Duration {
        let paused = self.past + self.since.map_or(Duration::ZERO, |since| now - since);
        (limit + paused).saturating_sub(now - begun)
    }
}

/// The clock stands still while this lives.
pub(in crate::ssh) struct Pause(Clock);

/// The limit has passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ssh) struct TooSlow;

impl Clock {
    pub(in crate::ssh) fn start(limit: Duration) -> Self {
        Self {
            limit,
            begun: Instant::now(),
            pauses: Arc::default(),
        }
    }

    fn pauses(&self) -> std::sync::MutexGuard<'_, Pauses> {
        self.pauses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn left(&self) -> Duration {
        self.pauses().left(self.limit, self.begun, Instant::now())
    }

    /// Why nothing more is waited for.
    pub(in crate::ssh) fn why(&self) -> String {
        format!("no answer within {} s", self.limit.as_secs_f64())
    }

    /// Stops the clock until the value is dropped.
    pub(in crate::ssh) fn pause(&self) -> Pause {
        self.pauses().begin(Instant::now());
        Pause(self.clone())
    }

    /// Waits for `work` within what is left of the limit.
    ///
    /// # Errors
    ///
    /// [`TooSlow`].
    pub(in crate::ssh) async fn limit<T>(
        &self,
        work: impl Future<Output = T>,
    ) -> Result<T, TooSlow> {
        tokio::pin!(work);
        loop {
            match tokio::time::timeout(self.left(), &mut work).await {
                Ok(done) => return Ok(done),
                // A pause may have begun while this waited.
                Err(_) if self.left() > Duration::ZERO => {}
                Err(_) => return Err(TooSlow),
            }
        }
    }
}

impl Drop for Pause {
    fn drop(&mut self) {
        self.0.pauses().end(Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_not_counted() {
        let seconds = Duration::from_secs;
        let begun = Instant::now();
        let left = |pauses: &Pauses, at| pauses.left(seconds(10), begun, begun + seconds(at));
        let mut pauses = Pauses::default();
        assert_eq!(left(&pauses, 4), seconds(6));
        pauses.begin(begun + seconds(4));
        assert_eq!(left(&pauses, 3600), seconds(6));
        pauses.end(begun + seconds(3600));
        assert_eq!(left(&pauses, 3603), seconds(3));
        assert_eq!(left(&pauses, 3700), seconds(0));
    }

    #[tokio::test]
    async fn one_limit_holds_for_all_steps_together() {
        let clock = Clock::start(Duration::from_millis(20));
        let never = std::future::pending::<()>;
        assert_eq!(clock.limit(async { 1 }).await, Ok(1));
        assert_eq!(clock.limit(never()).await, Err(TooSlow));
        assert_eq!(clock.limit(never()).await, Err(TooSlow));
        assert_eq!(clock.why(), "no answer within 0.02 s");
    }

    #[tokio::test]
    async fn a_pause_within_what_is_waited_for_stops_the_clock_too() {
        let clock = Clock::start(Duration::from_millis(20));
        let inner = clock.clone();
        let (answer, answered) = tokio::sync::oneshot::channel();
        let asking = async move {
            let pause = inner.pause();
            tokio::time::sleep(Duration::from_millis(60)).await;
            answer.send(()).expect("somebody waits");
            drop(pause);
        };
        assert_eq!(clock.limit(asking).await, Ok(()));
        assert_eq!(answered.await, Ok(()));
    }
}
