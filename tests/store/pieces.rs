//! Content that is kept in pieces of other members: no program writes it yet, and readers know it.

use std::cell::RefCell;
use std::fs;
use std::ops::ControlFlow;
use std::process::Command;

use fleet::digest::Sha256;
use fleet::manifest::{ContentRange, Entry, EntryKind, Piece};
use fleet::store::{ArchiveFormat, Error, Level, SealedCheckpoint};

use crate::support::recover;

use super::fixture::{NOW, StoreFixture, capture_as, describe, facts};

const ID: &str = "dev-vm@20261121T101500Z";
const HEAD: &[u8] = b"0123456789";
const TAIL_BYTES: usize = 3 << 20;

fn range(from_bytes: u64, length_bytes: Option<u64>) -> ContentRange {
    ContentRange {
        from_bytes,
        length_bytes,
    }
}

/// A checkpoint in which `app/z` is these ranges of `app/a`, of `app/b` and of `app/a` again.
fn sealed(ranges: [ContentRange; 3]) -> (StoreFixture, SealedCheckpoint) {
    let bed = StoreFixture::quick();
    let app = bed.tree().join("app");
    fs::create_dir_all(&app).expect("a folder");
    let tail: Vec<u8> = (0..TAIL_BYTES).map(|at| (at / 7 % 251) as u8).collect();
    fs::write(app.join("a"), HEAD).expect("a file");
    fs::write(app.join("b"), &tail).expect("a file");
    let whole = [&HEAD[2..5], &tail[(2 << 20)..], HEAD].concat();
    fs::write(app.join("z"), &whole).expect("a file");
    let incoming = bed.begin(NOW);
    let places: RefCell<Vec<Piece>> = RefCell::default();
    let edit = |entry: &mut Entry| match entry.path.as_bytes() {
        b"/app/a" | b"/app/b" => places.borrow_mut().extend(entry.content.clone()),
        b"/app/z" => {
            let places = places.borrow();
            let from = [&places[0], &places[1], &places[0]];
            let pieces = from.into_iter().zip(ranges);
            entry.content = pieces
                .map(|(place, range)| Piece {
                    range,
                    ..place.clone()
                })
                .collect();
            let expected = EntryKind::File {
                size_bytes: whole.len() as u64,
                sha256: Sha256::of(&whole),
            };
            assert_eq!(entry.kind, expected);
        }
        _ => {}
    };
    let part = capture_as(&incoming, &bed.tree(), "app", &["app"], None, &edit);
    incoming.seal(facts(vec![part])).expect("sealed");
    let checkpoint = bed.open(ID);
    (bed, checkpoint)
}

/// As it should be.
fn fitting() -> (StoreFixture, SealedCheckpoint) {
    sealed([
        range(2, Some(3)),
        range(2 << 20, None),
        ContentRange::default(),
    ])
}

#[test]
fn pieces_are_read_one_after_the_other() {
    let (bed, checkpoint) = fitting();
    bed.assert_clean();
    let path = "/app/z".parse().expect("a path");
    let mut content = Vec::new();
    let length = checkpoint
        .write_content(&path, &mut content)
        .expect("content");
    assert_eq!(length, content.len() as u64);
    assert!(content == fs::read(bed.tree().join("app/z")).expect("a file"));
}

#[test]
fn exports_hold_the_whole_file() {
    let (bed, checkpoint) = fitting();
    let folder = bed.dir.path().join("folder");
    checkpoint
        .export_folder(&folder, &mut |_| ControlFlow::Continue(()))
        .expect("exported");
    assert_eq!(describe(&folder), describe(&bed.tree()));

    let archive = bed.dir.path().join("x.tar");
    checkpoint
        .export_archive(&archive, ArchiveFormat::Tar, &mut |_| {
            ControlFlow::Continue(())
        })
        .expect("exported");
    let extracted = bed.dir.path().join("extracted");
    fs::create_dir(&extracted).expect("a folder");
    let output = Command::new("tar")
        .arg("-xpf")
        .arg(&archive)
        .arg("-C")
        .arg(&extracted)
        .output()
        .expect("tar");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(describe(&extracted), describe(&bed.tree()));
}

#[test]
fn pieces_that_do_not_make_the_file_are_damage() {
    let rest = || range(2 << 20, None);
    let all = ContentRange::default();
    for (ranges, problem) in [
        (
            [range(1, Some(3)), rest(), all],
            "its digest is another one",
        ),
        (
            [range(2, Some(9)), rest(), all],
            "a piece of it is longer than its member",
        ),
        (
            [range(11, None), rest(), all],
            "a piece of it is longer than its member",
        ),
        (
            [range(2, Some(3)), rest(), rest()],
            "a piece of it is longer than its member",
        ),
    ] {
        let (bed, checkpoint) = sealed(ranges);
        let path = "/app/z".parse().expect("a path");
        let mut content = Vec::new();
        let error = checkpoint
            .write_content(&path, &mut content)
            .expect_err("refused");
        assert!(
            matches!(&error, Error::Content { problem: found, .. } if found == problem),
            "{error:?}"
        );
        assert_eq!(content, b"");
        let problems = bed.verify(Level::Full).problems;
        assert!(
            matches!(problems.as_slice(), [one] if one.problem
                == "1 entries are at another offset than it says, first /app/z in pieces"),
            "{problems:?}"
        );
    }
}

#[test]
fn the_script_leaves_them_out_and_names_them() {
    for json in ["python3", "jq"] {
        let (bed, _) = fitting();
        let Some(tools) = recover::tools(bed.dir.path(), json) else {
            continue;
        };
        let target = bed.dir.path().join("target");
        let folder = "dev-vm/20261121T101500Z";
        let output = recover::command(bed.store.dir(), bed.dir.path(), &tools, folder, &target)
            .output()
            .expect("sh");
        assert_eq!(
            String::from_utf8_lossy(&output.stderr),
            format!(
                "left out, for the content is in pieces (RECOVER.md says how to put them together):\n\
                 app/z\n{} holds the rest of the checkpoint\n",
                target.display()
            ),
            "{json}"
        );
        assert_eq!(output.status.code(), Some(3));
        assert!(!target.join("app/z").exists());
        for name in ["app/a", "app/b"] {
            let same = fs::read(target.join(name)).expect("a file");
            assert!(
                same == fs::read(bed.tree().join(name)).expect("a file"),
                "{name}"
            );
        }
    }
}
