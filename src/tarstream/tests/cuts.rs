//! Tests of archives that end early.

use super::super::sample::{archive, make_tree, read_all, sh};
use crate::fault::Fault as _;

use super::super::{Error, Event, MemberStream};

/// Where the end-of-archive blocks of `archive` end.
fn end_of(archive: &[u8]) -> usize {
    let mut stream = MemberStream::new(archive);
    let mut end = 0;
    while !matches!(stream.next().expect("whole"), Event::Finished) {
        end = stream.offset_bytes();
    }
    usize::try_from(end).expect("small") + 1024
}

#[test]
fn a_cut_at_any_byte_is_told() {
    let dir = tempfile::tempdir().expect("a folder");
    sh(
        dir.path(),
        "mkdir tree; printf hello > tree/plain; ln tree/plain tree/second; ln -s x tree/link; truncate -s 1M tree/z; printf x >> tree/z",
    );
    let archive = archive(dir.path());
    let end = end_of(&archive);
    for cut in 0..end {
        let error = read_all(&archive[..cut]).expect_err("cut");
        assert!(
            matches!(error, Error::Cut { offset, .. } if offset == cut as u64),
            "{cut}: {error}"
        );
    }
    assert_eq!(read_all(&archive[..end]).expect("whole").len(), 5);
}

#[test]
fn a_cut_at_any_block_of_a_large_tree_is_told() {
    let dir = tempfile::tempdir().expect("a folder");
    make_tree(dir.path());
    let archive = archive(dir.path());
    let end = end_of(&archive);
    for block in (0..end).step_by(512) {
        for cut in [block.saturating_sub(1), block, block + 1] {
            let error = read_all(&archive[..cut]).expect_err("cut");
            assert!(matches!(error, Error::Cut { .. }), "{cut}: {error}");
        }
    }
}

#[test]
fn a_cut_names_the_member_that_is_incomplete() {
    let dir = tempfile::tempdir().expect("a folder");
    sh(dir.path(), "mkdir tree; head -c 2000 /dev/zero > tree/file");
    let archive = archive(dir.path());
    let at = |cut: usize| read_all(&archive[..cut]).expect_err("cut").to_string();
    assert_eq!(
        at(1536 + 1536 + 700),
        "the archive stream ended early at byte 3772, inside `/tree/file`"
    );
    let error = read_all(&archive[..1536]).expect_err("cut");
    assert_eq!(
        error.hint().as_deref(),
        Some(
            "The connection or the remote tar ended early. Run the command again: files that arrived completely are kept."
        )
    );
    assert_eq!(at(1536), "the archive stream ended early at byte 1536");
}
