//! Tests of parts that contradict each other, in every order.

use super::*;
use crate::fault::{Code, Problem};
use crate::inventory::{FilesSource, Place, Source, SourceKind};
use crate::manifest::{FileTime, Owner};

fn path(text: &str) -> RemotePath {
    text.parse().expect("a path")
}

fn entry(at: &str, kind: EntryKind) -> Entry {
    Entry {
        path: path(at),
        kind,
        first_name: None,
        extended: None,
        mode: 0o644,
        owner: Owner::default(),
        mtime: FileTime {
            seconds: 0,
            nanoseconds: 0,
        },
        scan: None,
        content: Vec::new(),
        unstable: false,
    }
}

fn directory(at: &str) -> Entry {
    entry(at, EntryKind::Directory)
}

fn file(at: &str, content: &str) -> Entry {
    let kind = EntryKind::File {
        size_bytes: content.len() as u64,
        sha256: Sha256::of(content.as_bytes()),
    };
    entry(at, kind)
}

fn hard_link(at: &str, target: &str) -> Entry {
    let kind = EntryKind::HardLink {
        target: path(target),
        size_bytes: 0,
        sha256: Sha256::of(b""),
    };
    entry(at, kind)
}

fn symlink(at: &str) -> Entry {
    let target = b"releases/5".to_vec();
    entry(at, EntryKind::Symlink { target })
}

fn outcome(name: &str, mut fresh: Vec<Entry>) -> Outcome {
    let source = Source {
        name: name.parse().expect("a name"),
        place: Place { line: 1, column: 1 },
        kind: SourceKind::Files(FilesSource {
            globs: Vec::new(),
            newest: None,
            lines: None,
        }),
        optional: false,
        sudo: false,
        may_shrink: false,
    };
    let mut outcome = Outcome::new(&source, PartState::Complete);
    fresh.sort_by(|a, b| a.path.cmp(&b.path));
    outcome.fill(Content { kept: None, fresh }, Vec::new());
    outcome
}

fn paths(outcome: &Outcome) -> Vec<String> {
    let entries = outcome.content.fresh.iter();
    entries.map(|entry| entry.path.to_string()).collect()
}

fn failure(outcome: &Outcome) -> &str {
    let failure = outcome.part.failure.as_ref();
    failure.map_or("", |failure| &failure.message)
}

const PREFIX: &str = "it can't be put into one tree with what other sources hold: ";

#[test]
fn parts_that_agree_stay_as_they_are() {
    let app = || {
        vec![
            directory("/app"),
            symlink("/app/current"),
            // Between the link and what would be beneath it, by bytes.
            directory("/app/current-old"),
            file("/app/current-old/f", "x"),
            file("/app/z", "z"),
        ]
    };
    let mut outcomes = [
        outcome("app", app()),
        outcome("same", app()),
        outcome("env", vec![file("/app/releases/5/.env", "secret")]),
    ];
    assert_eq!(settle(&mut outcomes), []);
    for outcome in &outcomes {
        assert_eq!(outcome.part.state, PartState::Complete);
    }
    assert_eq!(paths(&outcomes[1]).len(), 5);
}

#[test]
fn the_later_part_loses_what_lies_beneath_a_link_of_an_earlier_one() {
    let mut outcomes = [
        outcome("app", vec![directory("/app"), symlink("/app/current")]),
        outcome(
            "env",
            vec![
                file("/app/current/.env", "secret"),
                file("/app/current/x/y", "deep"),
                file("/app/z", "z"),
            ],
        ),
    ];
    let message = format!(
        "{PREFIX}`/app/current/.env` lies beneath `/app/current`, which is a symbolic link in source \
         `app`, and 1 more"
    );
    let told = settle(&mut outcomes);
    assert_eq!(told, [("env".parse().expect("a name"), message.clone())]);
    assert_eq!(outcomes[0].part.state, PartState::Complete);
    assert_eq!(outcomes[1].part.state, PartState::Failed);
    assert_eq!(failure(&outcomes[1]), message);
    assert_eq!(paths(&outcomes[1]), ["/app/z"]);
    assert_eq!(outcomes[1].part.entries, 1);
    assert_eq!(outcomes[1].part.totals.files, 1);
}

#[test]
fn the_later_part_loses_its_link_if_an_earlier_one_has_files_beneath_it() {
    let mut outcomes = [
        outcome("env", vec![file("/app/current/.env", "secret")]),
        outcome(
            "app",
            vec![
                directory("/app"),
                symlink("/app/current"),
                file("/app/z", "z"),
            ],
        ),
        // It contradicts the first part as well.
        outcome("file", vec![file("/app/current", "not a folder")]),
    ];
    settle(&mut outcomes);
    assert_eq!(paths(&outcomes[0]), ["/app/current/.env"]);
    assert_eq!(outcomes[0].part.state, PartState::Complete);
    assert_eq!(paths(&outcomes[1]), ["/app", "/app/z"]);
    assert_eq!(
        failure(&outcomes[1]),
        format!(
            "{PREFIX}`/app/current` is a symbolic link here, and source `env` has \
             `/app/current/.env` beneath it"
        )
    );
    assert_eq!(paths(&outcomes[2]), [""; 0]);
    assert_eq!(outcomes[2].part.state, PartState::Failed);
}

#[test]
fn one_path_of_two_types_fails_the_later_part() {
    let mut outcomes = [
        outcome("link", vec![symlink("/app/current")]),
        outcome(
            "dir",
            vec![directory("/app/current"), file("/app/current/f", "x")],
        ),
    ];
    settle(&mut outcomes);
    assert_eq!(paths(&outcomes[0]), ["/app/current"]);
    assert_eq!(paths(&outcomes[1]), [""; 0]);
    assert_eq!(
        failure(&outcomes[1]),
        format!(
            "{PREFIX}`/app/current` is a directory here and a symbolic link in source `link`, and 1 more"
        )
    );
}

#[test]
fn names_of_a_file_that_is_taken_out_go_with_it() {
    let mut outcomes = [
        outcome("app", vec![symlink("/app/l")]),
        outcome(
            "links",
            vec![
                file("/app/l/first", "x"),
                hard_link("/app/second", "/app/l/first"),
                file("/app/third", "y"),
                hard_link("/app/fourth", "/app/third"),
            ],
        ),
    ];
    settle(&mut outcomes);
    assert_eq!(paths(&outcomes[1]), ["/app/fourth", "/app/third"]);
}

#[test]
fn a_part_that_has_failed_is_checked_as_well() {
    let mut failed = outcome(
        "app",
        vec![
            symlink("/app/l"),
            file("/app/l/f", "x"),
            hard_link("/app/link", "/app/never-arrived"),
        ],
    );
    failed.fail(Problem::in_part(Code::OutputCut, "it was cut", None));
    let mut outcomes = [failed];
    settle(&mut outcomes);
    assert_eq!(paths(&outcomes[0]), ["/app/l"]);
    // The first reason is the one that is kept.
    assert_eq!(failure(&outcomes[0]), "it was cut");
}

#[test]
fn a_file_that_changed_between_two_readings_is_a_warning_and_an_extract_is_not() {
    let mut lines = outcome("lines", vec![file("/app/f", "some")]);
    lines.part.lines = Some("some".to_owned());
    let mut outcomes = [
        outcome("app", vec![file("/app/f", "old")]),
        outcome("again", vec![file("/app/f", "new")]),
        lines,
    ];
    let warning =
        "1 file is not what source `app` has read of the same path; exports take that: /app/f";
    assert_eq!(
        settle(&mut outcomes),
        [("again".parse().expect("a name"), warning.to_owned())]
    );
    assert_eq!(outcomes[1].part.state, PartState::Warned);
    assert_eq!(outcomes[1].part.warnings, [warning]);
    assert_eq!(outcomes[2].part.state, PartState::Complete);
}
