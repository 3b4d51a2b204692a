//! Renders the result of `fleet checkpoint`: a line for each checkpoint or, of many hosts, a summary.

use std::time::Duration;

use anstyle::{AnsiColor, Style};

use crate::engine::checkpoint::Outcome;
use crate::event::Failure;
use crate::fault::{Code, ExitClass, Problem};
use crate::interrupt::StopLevel;
use crate::manifest::{Checkpoint, State, Totals};
use crate::units::{count, duration, size};

/// The lines of the checkpoints that are not complete, and one for all the others.
#[must_use]
pub fn summary(checkpoints: &[Checkpoint]) -> String {
    let (complete, others): (Vec<&Checkpoint>, Vec<&Checkpoint>) = checkpoints
        .iter()
        .partition(|checkpoint| checkpoint.state() == State::Complete);
    let mut text: String = others.into_iter().map(line).collect();
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
#[must_use]
pub fn closing(outcome: &Outcome, hosts: usize, took: Duration) -> String {
    let in_state = |state| {
        let all = outcome.checkpoints.iter();
        all.filter(|checkpoint| checkpoint.state() == state).count()
    };
    let failed = outcome.failed.iter().filter(|f| f.part.is_none()).count();
    let rest = hosts.saturating_sub(outcome.checkpoints.len() + failed);
    let rest_is = if outcome.interrupted {
        "not done"
    } else {
        "skipped"
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

/// The problem that a failure is. A failed part names its host and part; a host's error names its host
/// itself.
#[must_use]
pub fn failed(failure: &Failure) -> Problem {
    let mut problem = failure.problem.clone();
    if let Some(part) = &failure.part {
        problem.message = format!(
            "can't checkpoint source `{part}` on {}: {}",
            failure.host, problem.message
        );
    }
    problem
}

/// What an interrupted run says: how it was stopped, and what was sealed until then.
#[must_use]
pub fn stopped(outcome: &Outcome, level: StopLevel) -> Problem {
    let how = match level {
        StopLevel::Now => "stopped at once",
        StopLevel::None | StopLevel::Soon => "stopped before all hosts were done",
    };
    let sealed = match outcome.checkpoints.len() as u64 {
        0 => "Nothing was sealed".to_owned(),
        number => format!("{} sealed and kept", was(number)),
    };
    Problem::new(
        Code::Interrupted,
        ExitClass::Interrupted,
        how,
        Some(format!(
            "{sealed}, and nothing needs cleaning up. Run the same command again to go on."
        )),
    )
}

fn was(number: u64) -> String {
    let verb = if number == 1 { "was" } else { "were" };
    format!("{} {verb}", count(number, "checkpoint"))
}

/// `dev-vm@20261121T101500Z  complete  980 files, 26.1 MiB  (fetched 26.1 MiB, stored 9.8 MiB, 1.2 s)`
#[must_use]
pub fn line(checkpoint: &Checkpoint) -> String {
    let totals = checkpoint.totals();
    let took = checkpoint.finished.duration_since(checkpoint.started);
    let style = style(checkpoint);
    format!(
        "{}  {style}{}{style:#}  {}, {}  (fetched {}, stored {}, {})\n",
        checkpoint.id,
        checkpoint.state_words(),
        count(totals.files, "file"),
        size(totals.bytes),
        size(checkpoint.fetched_bytes),
        size(checkpoint.stored_bytes),
        duration(Duration::try_from(took).unwrap_or_default()),
    )
}

/// The colour of a line about that checkpoint.
#[must_use]
pub fn style(checkpoint: &Checkpoint) -> Style {
    let style = match checkpoint.state() {
        State::Complete => Style::new(),
        State::Warned => Style::new().fg_color(Some(AnsiColor::Yellow.into())),
        State::Partial => Style::new().fg_color(Some(AnsiColor::Red.into())),
    };
    match checkpoint.subset {
        true => style.dimmed(),
        false => style,
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
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
                    problem: Problem::new(
                        Code::HostUnreachable,
                        ExitClass::Unreachable,
                        "lost",
                        None,
                    ),
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
        let answer = summary(&outcome.checkpoints);
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
            "512 hosts: 486 complete, 1 warned, 1 partial, 12 failed, 12 skipped; 488.0 MiB fetched in 41.3 s"
        );
    }
}
