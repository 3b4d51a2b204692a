//! Renders the note that `HOST@latest` skips newer checkpoints, which every verb that reads one prints.

use jiff::Timestamp;

use super::times::ago;
use crate::manifest::Uncounted;
use crate::name::CheckpointRef;
use crate::store::{Resolved, Skipped};
use crate::units::count;

/// `dev-vm@latest is 3 d old; 5 newer partial checkpoints are skipped (newest dev-vm@…)`
#[must_use]
pub fn note(reference: &CheckpointRef, resolved: &Resolved, now: Timestamp) -> Option<String> {
    let newest = &resolved.skipped.first()?.id;
    let number = resolved.skipped.len() as u64;
    let kinds = [Uncounted::Partial, Uncounted::Subset, Uncounted::PreRestore];
    let count_of = |why| {
        let of = |skipped: &&Skipped| skipped.why == why;
        resolved.skipped.iter().filter(of).count() as u64
    };
    let counts: Vec<(u64, Uncounted)> = kinds
        .into_iter()
        .map(|why| (count_of(why), why))
        .filter(|(number, _)| *number > 0)
        .collect();
    let what = match counts.as_slice() {
        [(number, Uncounted::Subset)] => count(*number, "newer subset"),
        [(number, why)] => count(*number, &format!("newer {} checkpoint", why.as_str())),
        _ => {
            let counts: Vec<String> = counts
                .into_iter()
                .map(|(number, why)| match why {
                    Uncounted::Subset => count(number, "subset"),
                    Uncounted::Partial | Uncounted::PreRestore => {
                        format!("{number} {}", why.as_str())
                    }
                })
                .collect();
            let number = count(number, "newer checkpoint");
            format!("{number} ({})", counts.join(", "))
        }
    };
    let (verb, newest) = match number {
        1 => ("is", format!("{newest}")),
        _ => ("are", format!("newest {newest}")),
    };
    let age = ago(resolved.id.stamp.time(), now);
    Some(format!(
        "{reference} is {age} old; {what} {verb} skipped ({newest})"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noted(skipped: &[(&str, Uncounted)]) -> Option<String> {
        let id = |stamp: &str| format!("dev-vm@{stamp}").parse().expect("a checkpoint");
        let resolved = Resolved {
            id: id("20261118T101500Z"),
            skipped: skipped
                .iter()
                .map(|(stamp, why)| Skipped {
                    id: id(stamp),
                    why: *why,
                })
                .collect(),
        };
        let reference = "dev-vm@latest".parse().expect("a reference");
        let now = "2026-11-21T10:15:00Z".parse().expect("a time");
        note(&reference, &resolved, now)
    }

    #[test]
    fn the_note_counts_what_was_skipped_by_its_reason() {
        use Uncounted::{Partial, PreRestore, Subset};
        let (a, b, c) = ("20261121T101400Z", "20261120T101500Z", "20261119T101500Z");
        for (skipped, expected) in [
            (
                &[(a, Partial)][..],
                "1 newer partial checkpoint is skipped (dev-vm@20261121T101400Z)",
            ),
            (
                &[(a, Partial), (b, Partial)],
                "2 newer partial checkpoints are skipped (newest dev-vm@20261121T101400Z)",
            ),
            (
                &[(a, Subset), (b, Subset)],
                "2 newer subsets are skipped (newest dev-vm@20261121T101400Z)",
            ),
            (
                &[(a, Subset), (b, Partial), (c, PreRestore)],
                "3 newer checkpoints (1 partial, 1 subset, 1 pre-restore) are skipped (newest dev-vm@20261121T101400Z)",
            ),
        ] {
            let expected = format!("dev-vm@latest is 3 d old; {expected}");
            assert_eq!(noted(skipped), Some(expected));
        }
        assert_eq!(noted(&[]), None);
    }
}
