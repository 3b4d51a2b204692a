//! Renders the table of checkpoints for `fleet ls`.

use jiff::Timestamp;

use super::checkpoint::style;
use super::times::ago;
use crate::manifest::Checkpoint;
use crate::report::Table;
use crate::units::size;

/// A line for each checkpoint; none if there are no checkpoints.
#[must_use]
pub fn table<'a>(
    checkpoints: impl Iterator<Item = &'a Checkpoint>,
    now: Timestamp,
) -> Option<String> {
    let mut table = Table::new(&[
        "CHECKPOINT",
        "AGE",
        "STATE",
        "TRIGGER",
        "FILES",
        "SIZE",
        "STORED",
        "DESCRIPTION",
    ]);
    for column in [1, 4, 5, 6] {
        table = table.right(column);
    }
    let mut rows = 0;
    for checkpoint in checkpoints {
        rows += 1;
        let totals = checkpoint.totals();
        table.row(
            style(checkpoint),
            [
                checkpoint.id.to_string(),
                ago(checkpoint.id.stamp.time(), now),
                checkpoint.state_words().to_owned(),
                checkpoint.trigger.as_str().to_owned(),
                totals.files.to_string(),
                size(totals.bytes),
                size(checkpoint.stored_bytes),
                checkpoint.description.clone(),
            ],
        );
    }
    (rows > 0).then(|| table.shown())
}
