//! A history of ten steps, in which everything becomes something else: each checkpoint of it comes back
//! with plain tools, byte for byte.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use serde_json::json;

use super::HostFixture;
use super::incremental::pull;
use crate::support::{recover, tree};

type Step = fn(&Path);

fn write(path: &Path, content: &[u8]) {
    fs::create_dir_all(path.parent().expect("beneath the root")).expect("directories");
    fs::write(path, content).expect("a file");
}

fn remove(path: &Path) {
    let is_directory = path.symlink_metadata().expect("it is there").is_dir();
    let removed = if is_directory {
        fs::remove_dir_all(path)
    } else {
        fs::remove_file(path)
    };
    removed.expect("removed");
}

const STEPS: [Step; 10] = [
    |tree| {
        tree::make_hostile(tree);
        write(&tree.join("k/file"), b"a file");
        write(&tree.join("k/dir/in/deep"), b"deep");
        symlink("file", tree.join("k/link")).expect("a link");
        write(&tree.join("large"), &tree::noise(3 << 20));
    },
    // Each kind becomes another.
    |tree| {
        remove(&tree.join("k/file"));
        write(&tree.join("k/file/now"), b"beneath");
        remove(&tree.join("k/dir"));
        symlink("file", tree.join("k/dir")).expect("a link");
        remove(&tree.join("k/link"));
        write(&tree.join("k/link"), b"no link");
    },
    // And back, another way round.
    |tree| {
        remove(&tree.join("k/file"));
        symlink("dir", tree.join("k/file")).expect("a link");
        remove(&tree.join("k/dir"));
        write(&tree.join("k/dir"), b"a file now");
        remove(&tree.join("k/link"));
        write(&tree.join("k/link/in"), b"a directory now");
    },
    // Names of one file come and go.
    |tree| {
        fs::hard_link(tree.join("k/dir"), tree.join("k/second")).expect("a link");
        fs::hard_link(tree.join("large"), tree.join("k/large")).expect("a link");
        remove(&tree.join("hard"));
    },
    |tree| {
        remove(&tree.join("k/dir"));
        remove(&tree.join("large"));
        write(&tree.join("new\nline"), b"another line");
    },
    // Metadata alone.
    |tree| {
        fs::set_permissions(tree.join("k/large"), fs::Permissions::from_mode(0o604)).expect("mode");
        fs::set_permissions(tree.join("dir/..."), fs::Permissions::from_mode(0o700)).expect("mode");
        let file = fs::File::open(tree.join("-rf")).expect("opened");
        file.set_modified(std::time::UNIX_EPOCH).expect("a time");
    },
    // What was renamed, and what is beneath it.
    |tree| {
        fs::rename(tree.join("dir"), tree.join("moved")).expect("renamed");
        fs::rename(tree.join("k/large"), tree.join("large")).expect("renamed");
    },
    // Most of the first pack dies.
    |tree| write(&tree.join("large"), &tree::noise((2 << 20) + 1)),
    |tree| {
        remove(&tree.join("moved"));
        write(&tree.join("empty-dir/not any more"), b"");
    },
    |tree| {
        remove(&tree.join("large"));
        write(&tree.join("large/small"), b"the last");
    },
];

#[test]
fn every_checkpoint_of_ten_steps_comes_back_with_plain_tools() {
    let Some(scene) = HostFixture::start() else {
        return;
    };
    let mut sources = scene.app();
    sources["app"]["may_shrink"] = json!(true);
    // So many sources share the packs of a checkpoint that each may need but four.
    for number in 0..7 {
        sources[format!("none-{number}")] =
            json!({ "directory": format!("/nowhere/{number}"), "optional": true });
    }
    scene.sources(sources);
    let mut history = Vec::new();
    for step in STEPS {
        step(&scene.tree);
        history.push((pull(&scene).id(), tree::describe(&scene.tree)));
    }
    scene.fleet.assert_verified();
    // One of the two readers of JSON is enough for all, the other one has tests of its own.
    for (reader, checkpoints) in [("python3", &history[..]), ("jq", &history[9..])] {
        let scratch = tempfile::tempdir().expect("a folder");
        let Some(tools) = recover::tools(scratch.path(), reader) else {
            crate::support::skipped(&format!("{reader} is not installed"));
            continue;
        };
        for (id, was) in checkpoints {
            let target = scratch.path().join(id);
            let folder = id.replace('@', "/");
            let store = scene.fleet.store();
            let recovered = recover::command(store, scratch.path(), &tools, &folder, &target)
                .output()
                .expect("sh");
            assert!(recovered.status.success(), "{reader} {id}: {recovered:?}");
            let is = tree::describe(&scene.tree_in(&target));
            assert_eq!(is, *was, "{reader} {id}");
        }
    }
}
