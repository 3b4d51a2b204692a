//! Packs stay few: old ones are merged and rewritten without asking the host for anything again.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::HostFixture;
use super::incremental::{fetched, pull};
use crate::support::fleet::FleetOutput;
use crate::support::tree;

/// So many sources share the packs of a checkpoint that each may need but two.
fn with_few_packs(scene: &HostFixture) {
    let mut sources = scene.app();
    for number in 0..15 {
        sources[format!("none-{number}")] =
            json!({ "directory": format!("/nowhere/{number}"), "optional": true });
    }
    scene.sources(sources);
}

/// What `checkpoint.json` of the checkpoint says.
pub(super) fn record(scene: &HostFixture, ran: &FleetOutput) -> Value {
    let id = ran.id();
    let (host, stamp) = id.split_once('@').expect("an id");
    let file = scene
        .fleet
        .store()
        .join(host)
        .join(stamp)
        .join("checkpoint.json");
    serde_json::from_slice(&fs::read(file).expect("a record")).expect("JSON")
}

fn packs(scene: &HostFixture, ran: &FleetOutput) -> Vec<PathBuf> {
    let packs = record(scene, ran)["packs"].clone();
    let packs = packs.as_array().expect("packs").iter();
    packs
        .map(|pack| {
            scene
                .fleet
                .store()
                .join("web")
                .join(pack.as_str().expect("a name"))
        })
        .collect()
}

#[test]
fn a_long_history_needs_few_packs_and_every_checkpoint_stays_whole() {
    let Some(scene) = HostFixture::start() else {
        return;
    };
    with_few_packs(&scene);
    tree::make_hostile(&scene.tree);
    fs::write(scene.tree.join("large"), tree::noise(3 << 20)).expect("a file");
    let mut history: BTreeMap<String, _> = BTreeMap::new();
    for round in 0..7 {
        let (name, content) = (format!("small/{}", round % 4), format!("round {round}"));
        tree::fill(&scene.tree, &[(&name, &content)]);
        let ran = pull(&scene);
        if round > 0 {
            assert_eq!(fetched(&ran), content.len() as u64);
            let large = packs(&scene, &ran)[0].metadata().expect("a pack").len();
            assert!(large > 3 << 20, "the large one was rewritten");
        }
        assert!(packs(&scene, &ran).len() <= 2, "{:?}", packs(&scene, &ran));
        history.insert(ran.id(), tree::describe(&scene.tree));
    }
    for (id, was) in history {
        let is = tree::describe(&scene.tree_in(&scene.fleet.exported(&id)));
        assert_eq!(is, was, "{id}");
    }
    scene.fleet.assert_verified();
}

#[test]
fn a_pack_that_is_mostly_dead_is_rewritten_though_nothing_is_fetched() {
    let Some(scene) = HostFixture::start() else {
        return;
    };
    let mut sources = scene.app();
    sources["app"]["may_shrink"] = json!(true);
    scene.sources(sources);
    for name in ["a", "b", "c"] {
        fs::write(scene.tree.join(name), tree::noise(1 << 20)).expect("a file");
    }
    let first = pull(&scene);
    fs::remove_file(scene.tree.join("a")).expect("removed");
    fs::remove_file(scene.tree.join("c")).expect("removed");
    let second = pull(&scene);
    assert_eq!(fetched(&second), 0);
    let (old, new) = (packs(&scene, &first), packs(&scene, &second));
    assert_eq!((old.len(), new.len()), (1, 1));
    assert_ne!(old, new);
    let length = |pack: &PathBuf| fs::metadata(pack).expect("it is there").len();
    assert!(length(&new[0]) * 2 < length(&old[0]));
    scene.fleet.assert_verified();
}

/// Flips a bit of a pack as a decaying disk does: nothing outside of the file tells.
fn decay(scene: &HostFixture, pack: &Path) {
    let mut bytes = fs::read(pack).expect("it is there");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(pack, bytes).expect("it can be changed");
    let facts = fs::metadata(pack).expect("facts");
    let lock = scene.fleet.store().join("web/.lock");
    let text = fs::read_to_string(&lock).expect("a lock");
    let (holder, memory) = text.split_once('\n').expect("two lines");
    let mut memory: Value = serde_json::from_str(memory).expect("JSON");
    let known = memory["packs"].as_array_mut().expect("packs");
    let known = known
        .iter_mut()
        .find(|known| pack.ends_with(known["pack"].as_str().expect("a name")))
        .expect("it is remembered");
    known["look"]["mtime"] = json!([facts.mtime(), facts.mtime_nsec()]);
    known["look"]["ctime"] = json!([facts.ctime(), facts.ctime_nsec()]);
    fs::write(lock, format!("{holder}\n{memory}\n")).expect("written");
}

#[test]
fn a_pack_that_decayed_unseen_is_never_copied_and_is_fetched_again() {
    let Some(scene) = HostFixture::start() else {
        return;
    };
    let mut sources = scene.app();
    sources["app"]["may_shrink"] = json!(true);
    scene.sources(sources);
    for name in ["a", "b", "c"] {
        fs::write(scene.tree.join(name), tree::noise(1 << 20)).expect("a file");
    }
    let first = pull(&scene);
    decay(&scene, &packs(&scene, &first)[0]);
    fs::remove_file(scene.tree.join("a")).expect("removed");
    fs::remove_file(scene.tree.join("c")).expect("removed");
    let refused = scene.fleet.checkpoint(&["web"]).exits(3);
    let said = refused.failed().join("\n");
    assert!(
        said.contains("app.tar.zst is not what was sealed"),
        "{said}"
    );
    assert_eq!(packs(&scene, &refused), Vec::<PathBuf>::new());
    let mended = scene.fleet.checkpoint(&["web"]).exits(0);
    assert_eq!(
        (mended.state().as_str(), fetched(&mended)),
        ("warned", 1 << 20)
    );
    scene.assert_holds_tree(&mended.id());
}
