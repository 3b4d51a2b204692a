//! Renders what `fleet verify` found in the store.

use anstyle::Style;

use crate::fault::{Code, ExitClass, Problem};
use crate::name::CheckpointId;
use crate::report::Table;
use crate::store::{self, VerifyReport};
use crate::units::{count, first_of};

/// `3 checkpoints and 12 files are as they were sealed`
#[must_use]
pub fn intact(report: &VerifyReport) -> String {
    format!(
        "{} and {} are as they were sealed",
        count(report.checked, "checkpoint"),
        count(report.files, "file")
    )
}

/// That there are problems at all; none if there are none.
#[must_use]
pub fn problem(report: &VerifyReport) -> Option<Problem> {
    let number = report.problems.len() as u64;
    (number > 0).then(|| {
        Problem::new(
            Code::StoreDamaged,
            ExitClass::Mismatch,
            format!("{} in the store", count(number, "problem")),
            Some(
                "Put the named files back from a copy of the store, or take new checkpoints with `--full`."
                    .to_owned(),
            ),
        )
    })
}

/// A line for each damaged or missing file.
#[must_use]
pub fn table(problems: &[store::Problem]) -> String {
    let mut table = Table::new(&["FILE", "PROBLEM", "NEEDED BY"]);
    for problem in problems {
        table.row(
            Style::new(),
            [
                problem.file.clone(),
                problem.problem.clone(),
                names(&problem.checkpoints),
            ],
        );
    }
    table.shown()
}

fn names(checkpoints: &[CheckpointId]) -> String {
    const SHOWN_MAX: usize = 3;
    first_of(SHOWN_MAX, checkpoints.len(), checkpoints.iter().rev())
}
