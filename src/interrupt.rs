//! The request to stop: one token that is handed down to everything that works or waits.
//!
//! Whoever owns it raises it; the work ends at its next safe point and reports what it has. A second request
//! means at once.

use tokio::sync::watch;

/// How urgent the request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum StopLevel {
    /// Nobody asked.
    None,
    /// At the next safe point.
    Soon,
    /// At once.
    Now,
}

/// The request to stop, shared by its clones. Only ever rises.
#[derive(Debug, Clone)]
pub struct Interrupt {
    level: watch::Sender<StopLevel>,
}

impl Default for Interrupt {
    fn default() -> Self {
        Self::new()
    }
}

impl Interrupt {
    /// Nobody wants to stop yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            level: watch::Sender::new(StopLevel::None),
        }
    }

    /// Asks to stop: the first time soon, the second time at once.
    pub fn raise(&self) -> StopLevel {
        self.level.send_modify(|level| {
            *level = match level {
                StopLevel::None => StopLevel::Soon,
                StopLevel::Soon | StopLevel::Now => StopLevel::Now,
            };
        });
        self.level()
    }

    /// What is wanted now.
    #[must_use]
    pub fn level(&self) -> StopLevel {
        *self.level.borrow()
    }

    /// Whether anybody asked to stop.
    #[must_use]
    pub fn is_raised(&self) -> bool {
        self.level() > StopLevel::None
    }

    /// Waits until somebody asks to stop at least as urgently as `level`.
    ///
    /// # Cancel
    ///
    /// Dropping the future loses nothing.
    pub async fn reached(&self, level: StopLevel) {
        let mut watched = self.level.subscribe();
        watched
            .wait_for(|now| *now >= level)
            .await
            .map(|_| ())
            .expect("the sender lives as long as `self`");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_wish_is_soon_and_the_second_is_now() {
        let interrupt = Interrupt::new();
        assert_eq!(interrupt.level(), StopLevel::None);
        assert_eq!(
            [interrupt.raise(), interrupt.raise(), interrupt.raise()],
            [StopLevel::Soon, StopLevel::Now, StopLevel::Now]
        );
    }

    #[tokio::test]
    async fn a_wish_that_was_there_before_is_seen() {
        let interrupt = Interrupt::new();
        interrupt.raise();
        interrupt.reached(StopLevel::Soon).await;
        assert!(interrupt.is_raised());
    }
}
