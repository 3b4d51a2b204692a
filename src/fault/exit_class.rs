//! Exit statuses of the process, by the class of what went wrong.

/// The process exit status that a fault asks for. The numbers are part of the command-line contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ExitClass {
    /// The work failed.
    Failed = 1,
    /// Wrong usage, wrong configuration, an unknown host or checkpoint.
    Usage = 2,
    /// Some hosts or parts failed, others did not.
    Partial = 3,
    /// The guard refused.
    Refused = 4,
    /// No connection, no authentication, or a host key that is not trusted.
    Unreachable = 5,
    /// Stored content does not match its digest.
    Mismatch = 6,
    /// Another run holds the lock.
    Locked = 7,
    /// The newest checkpoint is older than it may be.
    Stale = 8,
    /// The operator interrupted the run.
    Interrupted = 130,
}

impl ExitClass {
    /// The number handed to the operating system.
    #[must_use]
    pub fn status(self) -> u8 {
        self as u8
    }

    /// What work on several hosts or files asks for: nothing if none of it failed, [`Partial`] if some
    /// of it succeeded, what the failures ask for if they agree, and else `if_they_differ`.
    ///
    /// [`Partial`]: Self::Partial
    #[must_use]
    pub fn of_many(
        any_succeeded: bool,
        failures: impl IntoIterator<Item = Self>,
        if_they_differ: Self,
    ) -> Option<Self> {
        let mut failures = failures.into_iter();
        let first = failures.next()?;
        Some(if any_succeeded {
            Self::Partial
        } else if failures.all(|failure| failure == first) {
            first
        } else {
            if_they_differ
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_failures_ask_for_what_they_agree_on_unless_something_succeeded() {
        use ExitClass::{Failed, Locked, Partial, Unreachable};
        for (any_succeeded, failures, expected) in [
            (false, &[][..], None),
            (true, &[], None),
            (false, &[Unreachable], Some(Unreachable)),
            (true, &[Unreachable], Some(Partial)),
            (false, &[Locked, Locked, Locked], Some(Locked)),
            (false, &[Locked, Locked, Unreachable], Some(Failed)),
            (true, &[Locked, Unreachable], Some(Partial)),
        ] {
            let folded = ExitClass::of_many(any_succeeded, failures.iter().copied(), Failed);
            assert_eq!(folded, expected, "{any_succeeded}, {failures:?}");
        }
    }
}
