//! Checkpoints of moments in the past: stamps that nothing else ever had, and nothing half-made.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;

use fleet::interrupt::Interrupt;
use fleet::name::Stamp;
use fleet::store::{Incoming, SealStep, Store};

use super::fixture::{NOW, StoreFixture, capture, facts, grow_tree, host, time, walk};

const STEP: &str = "FLEET_TEST_PAST_DIES_AT";
const FOLDER: &str = "FLEET_TEST_PAST_FOLDER";
const PAST: &str = "2025-10-28T17:32:04Z";

fn begin_at(store: &Store, taken: &str) -> Incoming {
    let lock = store
        .lock(&host(), None, &Interrupt::new())
        .expect("the lock");
    lock.begin_at(time(taken)).expect("begun")
}

fn seal_at(bed: &StoreFixture, taken: &str) -> String {
    let incoming = begin_at(&bed.store, taken);
    let part = capture(&incoming, &bed.tree(), "app", &["app"], None);
    let sealed = incoming.seal(facts(vec![part])).expect("sealed");
    sealed.id.stamp.to_string()
}

fn listed(bed: &StoreFixture) -> Vec<String> {
    let listing = bed.store.checkpoints(&host()).expect("a listing");
    assert!(listing.damaged.is_empty(), "{listing:?}");
    let ids = listing.checkpoints.iter().map(|c| c.id.stamp.to_string());
    ids.collect()
}

#[test]
fn the_past_lies_before_what_is_there_and_changes_nothing_of_it() {
    let bed = StoreFixture::quick();
    grow_tree(&bed.tree());
    bed.seal(NOW, &["app"], None);
    assert_eq!(seal_at(&bed, PAST), "20251028T173204Z");
    assert_eq!(seal_at(&bed, PAST), "20251028T173205Z");
    assert_eq!(seal_at(&bed, NOW), "20261121T101501Z");
    // What comes next is later than everything that was given out.
    let next = bed.seal(NOW, &["app"], None);
    assert_eq!(next.id.stamp.to_string(), "20261121T101502Z");
    assert_eq!(
        listed(&bed),
        [
            "20251028T173204Z",
            "20251028T173205Z",
            "20261121T101500Z",
            "20261121T101501Z",
            "20261121T101502Z"
        ]
    );
    bed.assert_clean();
}

#[test]
fn the_first_checkpoint_of_a_host_may_be_one_of_the_past() {
    let bed = StoreFixture::quick();
    grow_tree(&bed.tree());
    assert_eq!(seal_at(&bed, NOW), "20261121T101500Z");
    let next = bed.seal(PAST, &["app"], None);
    assert_eq!(next.id.stamp.to_string(), "20261121T101501Z");
}

#[test]
fn what_was_removed_keeps_its_stamp_for_ever() {
    let bed = StoreFixture::quick();
    grow_tree(&bed.tree());
    bed.seal(NOW, &["app"], None);
    for stamp in ["20251028T173204Z", "20251028T173205Z", "20251028T173206Z"] {
        assert_eq!(seal_at(&bed, PAST), stamp);
        let stamp: Stamp = stamp.parse().expect("a stamp");
        let mut lock = bed
            .store
            .lock(&host(), None, &Interrupt::new())
            .expect("the lock");
        lock.remove(&[stamp]).expect("removed");
    }
    assert_eq!(listed(&bed), ["20261121T101500Z"]);
}

#[test]
fn what_was_given_up_leaves_its_stamp_to_the_next() {
    let bed = StoreFixture::quick();
    grow_tree(&bed.tree());
    for _ in 0..2 {
        let incoming = begin_at(&bed.store, PAST);
        let written = capture(&incoming, &bed.tree(), "app", &["app"], None);
        drop(written);
        incoming.abandon().expect("abandoned");
    }
    drop(begin_at(&bed.store, PAST));
    assert_eq!(listed(&bed), Vec::<String>::new());
    assert_eq!(seal_at(&bed, PAST), "20251028T173204Z");
    bed.assert_clean();
}

/// Not a test by itself: the process that is killed.
#[test]
fn the_one_that_dies() {
    let (Ok(step), Ok(folder)) = (std::env::var(STEP), std::env::var(FOLDER)) else {
        return;
    };
    let folder = Path::new(&folder);
    let store = Store::open(&folder.join("store")).expect("a store");
    let incoming = begin_at(&store, PAST);
    let part = capture(&incoming, &folder.join("tree"), "app", &["app"], None);
    incoming
        .seal_watched(facts(vec![part]), &mut |done| {
            if format!("{done:?}") == step {
                let process = rustix::process::getpid();
                let signal = rustix::process::Signal::KILL;
                rustix::process::kill_process(process, signal).expect("killed");
            }
        })
        .expect("sealed");
}

#[test]
fn a_killed_run_leaves_one_of_the_past_whole_or_not_at_all() {
    for step in SealStep::ALL {
        let bed = StoreFixture::quick();
        grow_tree(&bed.tree());
        bed.seal(NOW, &["app"], None);
        let status = Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", "store::past::the_one_that_dies", "--quiet"])
            .env(STEP, format!("{step:?}"))
            .env(FOLDER, bed.dir.path())
            .stdout(std::process::Stdio::null())
            .status()
            .expect("a child");
        assert_eq!(status.signal(), Some(9), "{step:?}: {status:?}");
        let is_sealed = match step {
            SealStep::CheckpointPlaced | SealStep::Cleaned => true,
            SealStep::ContentSynced | SealStep::RecordsSynced | SealStep::PacksPlaced => false,
        };
        let mut expected = vec!["20261121T101500Z".to_owned()];
        if is_sealed {
            expected.insert(0, "20251028T173204Z".to_owned());
        }
        assert_eq!(listed(&bed), expected, "{step:?}");
        bed.assert_clean();
        // The same again gets the same stamp, unless that is used now.
        let again = if is_sealed {
            "20251028T173205Z"
        } else {
            "20251028T173204Z"
        };
        assert_eq!(seal_at(&bed, PAST), again, "{step:?}");
        bed.assert_clean();
        let aside = walk(bed.store.dir())
            .iter()
            .any(|path| path.display().to_string().contains(".incoming"));
        assert!(!aside, "{step:?}");
    }
}
