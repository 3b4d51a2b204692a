//! Prints the result of a run on many hosts: what is as it should be is summed up.

use std::time::Duration;

use crate::engine::checkpoint::Outcome;
use crate::manifest::{Checkpoint, State, Totals};
use crate::report::{count, duration, size};

/// The lines of the checkpoints that are not complete, and one for all the others.
pub(super) fn answer(checkpoints: &[Checkpoint]) -> String {
    let (complete, others): (Vec<&Checkpoint>, Vec<&Checkpoint>) = checkpoints
        .iter()
        .partition(|checkpoint| checkpoint.state() == State::Complete);
    let mut text: String = others.into_iter().map(super::line).collect();
    if complete.is_empty() {
        return text;
    }
    let totals =
        complete
            .iter()
            .map(|checkpoint| checkpoint.totals())
            .fold(Totals::default(), |sum, of| Totals {
                files: sum.files + of.files,
                bytes: sum.bytes + of.bytes,
            });
    let subsets = match complete.iter().filter(|c| c.subset).count() as u64 {
        0 => String::new(),
        number => format!(", {} of the hosts' sources", count(number, "subset")),
    };
    let sum = |of: fn(&Checkpoint) -> u64| size(complete.iter().map(|c| of(c)).sum());
    text.push_str(&format!(
        "{} complete{}  {}, {}  (fetched {}, stored {})\n",
        count(complete.len() as u64, "checkpoint"),
        subsets,
        count(totals.files, "file"),
        size(totals.bytes),
        sum(|checkpoint| checkpoint.fetched_bytes),
        sum(|checkpoint| checkpoint.stored_bytes),
    ));
    text
}

/// `500 hosts: 486 complete, 2 warned, 12 failed; 1.2 GiB fetched in 41.0 s`
pub(super) fn closing(outcome: &Outcome, hosts: usize, took: Duration) -> String {
    let in_state = |state| {
        let all = outcome.checkpoints.iter();
        all.filter(|checkpoint| checkpoint.state() == state).count()
    };
    let failed = outcome.failed.iter().filter(|f| f.part.is_none()).count();
    let rest = hosts.saturating_sub(outcome.checkpoints.len() + failed);
    let rest_is = if outcome.interrupted {
        "not done"
    } else {
        "passed over"
    };
    let mut counts = format!("{} complete", in_state(State::Complete));
    for (number, what) in [
        (in_state(State::Warned), State::Warned.as_str()),
        (in_state(State::Partial), State::Partial.as_str()),
        (failed, "failed"),
        (rest, rest_is),
    ] {
        if number > 0 {
            counts.push_str(&format!(", {number} {what}"));
        }
    }
    let fetched: u64 = outcome.checkpoints.iter().map(|c| c.fetched_bytes).sum();
    format!(
        "{}: {counts}; {} fetched in {}",
        count(hosts as u64, "host"),
        size(fetched),
        duration(took)
    )
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::event::Failure;
    use crate::fault::ExitClass;
    use crate::manifest::{PartState, sample};

    /// Every fortieth host is down, the fifth is warned of and the eighth lacks a part.
    fn outcome(hosts: usize) -> Outcome {
        let mut outcome = Outcome::default();
        for number in 1..=hosts {
            let name = format!("h{number}");
            let state = match number {
                5 => PartState::Warned,
                8 => PartState::Failed,
                _ => PartState::Complete,
            };
            if number.is_multiple_of(40) {
                outcome.failed.push(Failure {
                    host: name.parse().expect("a name"),
                    part: None,
                    message: "lost".to_owned(),
                    causes: Vec::new(),
                    hint: None,
                    class: ExitClass::Unreachable,
                });
            } else {
                outcome.checkpoints.push(sample::checkpoint(&name, state));
            }
        }
        outcome
    }

    fn shown(hosts: usize, interrupted: bool) -> String {
        let mut outcome = outcome(hosts.min(500));
        outcome.interrupted = interrupted;
        let answer = answer(&outcome.checkpoints);
        let answer = anstream::adapter::strip_str(&answer).to_string();
        answer + &closing(&outcome, hosts, Duration::from_millis(41_250))
    }

    #[test]
    fn what_is_complete_is_summed_up() {
        assert_snapshot!(shown(1, false), @r"
        1 checkpoint complete  2 files, 1.0 MiB  (fetched 1.0 MiB, stored 512.0 KiB)
        1 host: 1 complete; 1.0 MiB fetched in 41.3 s
        ");
        assert_snapshot!(shown(10, false), @r"
        h5@20261121T101500Z  warned  2 files, 1.0 MiB  (fetched 1.0 MiB, stored 512.0 KiB, 1.5 s)
        h8@20261121T101500Z  partial  2 files, 1.0 MiB  (fetched 1.0 MiB, stored 512.0 KiB, 1.5 s)
        8 checkpoints complete  16 files, 8.0 MiB  (fetched 8.0 MiB, stored 4.0 MiB)
        10 hosts: 8 complete, 1 warned, 1 partial; 10.0 MiB fetched in 41.3 s
        ");
        assert_snapshot!(shown(500, false), @r"
        h5@20261121T101500Z  warned  2 files, 1.0 MiB  (fetched 1.0 MiB, stored 512.0 KiB, 1.5 s)
        h8@20261121T101500Z  partial  2 files, 1.0 MiB  (fetched 1.0 MiB, stored 512.0 KiB, 1.5 s)
        486 checkpoints complete  972 files, 486.0 MiB  (fetched 486.0 MiB, stored 243.0 MiB)
        500 hosts: 486 complete, 1 warned, 1 partial, 12 failed; 488.0 MiB fetched in 41.3 s
        ");
    }

    #[test]
    fn hosts_without_an_end_are_counted() {
        let last = |text: String| text.lines().last().unwrap_or_default().to_owned();
        assert_eq!(
            last(shown(512, true)),
            "512 hosts: 486 complete, 1 warned, 1 partial, 12 failed, 12 not done; 488.0 MiB fetched in 41.3 s"
        );
        assert_eq!(
            last(shown(512, false)),
            "512 hosts: 486 complete, 1 warned, 1 partial, 12 failed, 12 passed over; 488.0 MiB fetched in 41.3 s"
        );
    }
}
