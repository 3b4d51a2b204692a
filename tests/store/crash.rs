//! Tests of crashes: kill -9 at every step of making a checkpoint leaves a whole one or none.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;

use fleet::interrupt::Interrupt;
use fleet::store::{SealStep, Store};

use super::fixture::{NOW, StoreFixture, capture, facts, grow_tree, host, time, walk};

const STEP: &str = "FLEET_TEST_DIES_AT";
const FOLDER: &str = "FLEET_TEST_FOLDER";

/// Not a test by itself: the process that is killed.
#[test]
fn the_one_that_dies() {
    let (Ok(step), Ok(folder)) = (std::env::var(STEP), std::env::var(FOLDER)) else {
        return;
    };
    let folder = Path::new(&folder);
    let store = Store::open(&folder.join("store")).expect("a store");
    let lock = store
        .lock(&host(), None, &Interrupt::new())
        .expect("the lock");
    let incoming = lock.begin(time(NOW)).expect("begun");
    let die_at = |name: &str| {
        if step == name {
            rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL)
                .expect("killed");
        }
    };
    die_at("RunningFleet");
    let part = capture(&incoming, &folder.join("tree"), "app", &["app"], None);
    die_at("Written");
    incoming
        .seal_watched(facts(vec![part]), &mut |step| die_at(&format!("{step:?}")))
        .expect("sealed");
}

fn die_at(bed: &StoreFixture, step: &str) {
    let status = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "store::crash::the_one_that_dies", "--quiet"])
        .env(STEP, step)
        .env(FOLDER, bed.dir.path())
        .stdout(std::process::Stdio::null())
        .status()
        .expect("a child");
    assert_eq!(status.signal(), Some(9), "{step}: {status:?}");
}

#[test]
fn a_killed_run_leaves_a_whole_checkpoint_or_none() {
    let mut steps = vec!["RunningFleet".to_owned(), "Written".to_owned()];
    steps.extend(SealStep::ALL.iter().map(|step| format!("{step:?}")));
    for step in steps {
        let bed = StoreFixture::new();
        grow_tree(&bed.tree());
        die_at(&bed, &step);

        let expected = match step.as_str() {
            "CheckpointPlaced" | "Cleaned" => vec!["dev-vm@20261121T101500Z".to_owned()],
            _ => vec![],
        };
        let listed = |bed: &StoreFixture| -> Vec<String> {
            let listing = bed.store.checkpoints(&host()).expect("a listing");
            assert!(listing.damaged.is_empty(), "{step}: {listing:?}");
            listing
                .checkpoints
                .iter()
                .map(|c| c.id.to_string())
                .collect()
        };
        assert_eq!(listed(&bed), expected, "{step}");
        bed.assert_clean();

        // The next run needs no cleaning up by hand, and leaves none.
        bed.seal(NOW, &["app"], None);
        let mut expected = expected;
        expected.push("dev-vm@20261121T101501Z".to_owned());
        assert_eq!(listed(&bed), expected, "{step}");
        bed.assert_clean();
        let folders = walk(&bed.store.dir().join("dev-vm/packs"))
            .iter()
            .filter(|path| path.is_dir())
            .count();
        assert_eq!(folders, expected.len(), "{step}");
        let aside = walk(bed.store.dir())
            .iter()
            .any(|path| path.display().to_string().contains(".incoming"));
        assert!(!aside, "{step}");
    }
}

#[test]
fn a_killed_run_takes_nothing_of_earlier_checkpoints_along() {
    for step in SealStep::ALL {
        let bed = StoreFixture::new();
        grow_tree(&bed.tree());
        let first = bed.seal("2026-11-20T00:00:00Z", &["app"], None);
        die_at(&bed, &format!("{step:?}"));
        drop(bed.begin(NOW));
        let listing = bed.store.checkpoints(&host()).expect("a listing");
        assert_eq!(listing.checkpoints[0], first, "{step:?}");
        bed.assert_clean();
    }
}
