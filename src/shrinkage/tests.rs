//! Tests of the rules for shrunk and empty sources, for each kind of source.

use super::*;
use crate::manifest::{PartState, Totals};

fn part(files: u64, bytes: u64) -> Part {
    Part {
        name: "app".parse().expect("a name"),
        kind: "directory".to_owned(),
        state: PartState::Complete,
        roots: Vec::new(),
        resolved: Vec::new(),
        exclude: Vec::new(),
        lines: None,
        left_out: Vec::new(),
        totals: Totals { files, bytes },
        entries: files,
        fetched_bytes: 0,
        scanned_at: None,
        warnings: Vec::new(),
        failure: None,
    }
}

fn terms(holds: Holds) -> Terms {
    Terms {
        may_shrink: false,
        optional: false,
        holds,
    }
}

fn message(now: &Part, before: Option<&Part>, terms: Terms) -> Option<String> {
    shrinkage(now, before, terms).map(|failure| failure.message)
}

#[test]
fn half_is_enough_and_less_is_not() {
    let shrank = |files, bytes| {
        Some(format!(
            "it shrank to under half: from 10 files, 10000 bytes to {files} files, {bytes} bytes"
        ))
    };
    let answers =
        |files: u64, bytes| (files > 0 && bytes == 0).then(|| "the result is empty".to_owned());
    for (files, bytes, of_files, of_newest) in [
        (5, 5000, None, None),
        (4, 9000, shrank(4, 9000), shrank(4, 9000)),
        (10, 4999, shrank(10, 4999), None),
        (20, 20_000, None, None),
        (10, 0, shrank(10, 0), None),
    ] {
        let (now, before) = (part(files, bytes), part(10, 10_000));
        assert_eq!(message(&now, Some(&before), terms(Holds::Files)), of_files);
        assert_eq!(
            message(&now, Some(&before), terms(Holds::NewestFiles)),
            of_newest
        );
        let of_answer = answers(files, bytes).or_else(|| of_files.clone());
        assert_eq!(
            message(&now, Some(&before), terms(Holds::Answer)),
            of_answer
        );
        // The first time there is nothing to compare with, and the inventory may allow it.
        assert_eq!(message(&now, None, terms(Holds::Files)), None);
        let allowed = Terms {
            may_shrink: true,
            ..terms(Holds::Answer)
        };
        assert_eq!(message(&now, Some(&before), allowed), None);
    }
}

#[test]
fn small_answers_may_shrink_and_none_may_be_empty() {
    let before = part(1, 4095);
    assert_eq!(
        message(&part(1, 1), Some(&before), terms(Holds::Answer)),
        None
    );
    let before = part(1, 4096);
    assert!(message(&part(1, 1), Some(&before), terms(Holds::Answer)).is_some());
    assert_eq!(
        message(&part(1, 0), None, terms(Holds::Answer)).as_deref(),
        Some("the result is empty")
    );
}

#[test]
fn lines_that_match_nothing_are_told_and_other_lines_are_no_measure() {
    let lines = |files, bytes, text: &str| Part {
        lines: Some(text.to_owned()),
        ..part(files, bytes)
    };
    let now = lines(2, 0, "^KEY=");
    assert_eq!(
        message(&now, None, terms(Holds::Files)).as_deref(),
        Some("no line matches `^KEY=`")
    );
    let optional = Terms {
        optional: true,
        ..terms(Holds::Files)
    };
    assert_eq!(message(&now, None, optional), None);
    let before = lines(2, 10_000, "KEY");
    assert_eq!(
        message(&lines(2, 10, "^KEY="), Some(&before), terms(Holds::Files)),
        None
    );
}
