//! Checkpoints of many hosts.

use crate::event::Failure;
use crate::fault::ExitClass;
use crate::manifest::{Checkpoint, State, Trigger};
use crate::name::SourceName;

use super::Selection;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Of which hosts.
    pub selection: Selection,
    /// What the operator says about it; may be empty.
    pub description: String,
    /// Why.
    pub trigger: Trigger,
    /// Only these sources; empty: all.
    pub only: Vec<SourceName>,
    /// Everything is fetched, whatever is known to be unchanged.
    pub full: bool,
    /// How many hosts at once; at least 1.
    pub jobs: usize,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outcome {
    /// The checkpoints that were sealed, partial ones too, in the inventory's order.
    pub checkpoints: Vec<Checkpoint>,
    /// Hosts without a checkpoint, and failed parts.
    pub failed: Vec<Failure>,
    /// The operator stopped it.
    pub interrupted: bool,
}

impl Outcome {
    /// The exit status: 0 if everything was sealed whole; 3 if only some hosts or parts failed; what
    /// the failures ask for if they agree and nothing was sealed; 130 after an interruption.
    #[must_use]
    pub fn exit_class(&self) -> Option<ExitClass> {
        if self.interrupted {
            return Some(ExitClass::Interrupted);
        }
        let first = self.failed.first()?.class;
        if !self.checkpoints.is_empty() {
            return Some(ExitClass::Partial);
        }
        if self.failed.iter().all(|failure| failure.class == first) {
            Some(first)
        } else {
            Some(ExitClass::Failed)
        }
    }

    /// Whether every checkpoint is free of failures.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.failed.is_empty() && self.checkpoints.iter().all(|c| c.state() != State::Partial)
    }
}
