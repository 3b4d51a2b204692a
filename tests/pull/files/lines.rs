//! Files of which only some lines are kept.

use std::fs;
use std::path::Path;

use super::*;
use crate::support::recover;

const SECRET: &str = "hunter2-of-the-test";

fn env(value: u32) -> String {
    format!("PASSWORD={SECRET}\nMONITORING_PORT={value}\n# MONITORING_ remark\nMONITORING_ON=yes\n")
}

fn lines(value: u32) -> String {
    format!("MONITORING_PORT={value}\nMONITORING_ON=yes\n")
}

/// What the file is in an exported checkpoint.
fn exported(scene: &HostFixture, checkpoint: &str, name: &str) -> String {
    let out = scene.tree_in(&scene.fleet.exported(checkpoint));
    fs::read_to_string(out.join(name)).expect("a file")
}

/// Every byte that the store keeps, unpacked.
fn stored(folder: &Path) -> Vec<u8> {
    let mut all = Vec::new();
    for item in fs::read_dir(folder).expect("a folder") {
        let path = item.expect("an item").path();
        if path.is_dir() {
            all.extend(stored(&path));
        } else if path.extension().is_some_and(|ending| ending == "zst") {
            let file = fs::File::open(&path).expect("a file");
            all.extend(zstd::decode_all(file).expect("it unpacks"));
        } else {
            all.extend(fs::read(&path).expect("a file"));
        }
    }
    all
}

fn holds_secret(scene: &HostFixture) -> bool {
    let stored = stored(scene.fleet.store());
    let mut pieces = stored.windows(SECRET.len());
    pieces.any(|bytes| bytes == SECRET.as_bytes())
}

fn mon_env(scene: &HostFixture) -> Value {
    json!({ "files": glob(scene, ".env"), "lines": "^MONITORING_" })
}

#[test]
fn just_the_lines_reach_the_store_and_an_unchanged_file_is_not_sent_again() {
    let Some(scene) = HostFixture::start() else {
        return;
    };
    tree::fill(&scene.tree, &[(".env", &env(1))]);
    scene.sources(json!({ "mon-env": mon_env(&scene) }));
    let first = complete(&scene);
    assert_eq!(fetched(&first), env(1).len() as u64);
    assert_eq!(exported(&scene, &first.id(), ".env"), lines(1));
    let length = json!(lines(1).len());
    assert_eq!(first.checkpoint()["bytes"], length);
    assert_eq!(shown(&scene)["parts"][0]["lines"], "^MONITORING_");
    let said = scene.fleet.run(&["show", "web@latest"]).exits(0).stdout;
    assert!(
        said.contains("mon-env: only lines with ^MONITORING_"),
        "{said}"
    );
    let said = scene
        .fleet
        .run(&["cat", "web@latest", &glob(&scene, ".env")]);
    assert_eq!(said.exits(0).stdout, lines(1));

    let again = complete(&scene);
    assert_eq!(
        (fetched(&again), &again.checkpoint()["bytes"]),
        (0, &length)
    );
    assert_eq!(exported(&scene, &again.id(), ".env"), lines(1));
    tree::fill(&scene.tree, &[(".env", &env(23))]);
    let changed = complete(&scene);
    assert_eq!(exported(&scene, &changed.id(), ".env"), lines(23));
    assert_eq!(exported(&scene, &first.id(), ".env"), lines(1));

    // What the host could hash is the whole file: it is fetched, and no warning is made of it.
    rest(&scene);
    let proven = scene.fleet.checkpoint(&["web", "--verify-unchanged"]);
    let proven = proven.exits(0);
    assert_eq!(proven.state(), "complete", "{}", proven.stdout);
    assert_eq!(fetched(&proven), env(23).len() as u64);
    assert!(!holds_secret(&scene));
}

#[test]
fn other_lines_are_fetched_though_the_file_is_the_same() {
    let Some(scene) = HostFixture::start() else {
        return;
    };
    tree::fill(&scene.tree, &[(".env", &env(1))]);
    scene.sources(json!({ "env": mon_env(&scene) }));
    complete(&scene);
    // Less than half of the bytes: no shrinkage, for other lines were asked for.
    scene.sources(json!({ "env": { "files": glob(&scene, ".env"), "lines": "ON=" } }));
    let ran = complete(&scene);
    assert_eq!(exported(&scene, &ran.id(), ".env"), "MONITORING_ON=yes\n");
    scene.sources(json!({ "env": { "files": glob(&scene, ".env") } }));
    let ran = complete(&scene);
    assert_eq!(exported(&scene, &ran.id(), ".env"), env(1));
    scene.sources(json!({ "env": mon_env(&scene) }));
    let ran = complete(&scene);
    assert_eq!(exported(&scene, &ran.id(), ".env"), lines(1));
    assert_eq!(fetched(&ran), env(1).len() as u64);
}

#[test]
fn lines_that_no_file_has_fail_the_part_unless_that_may_be() {
    let Some(scene) = HostFixture::start() else {
        return;
    };
    tree::fill(&scene.tree, &[(".env", "PASSWORD=x\n"), ("real", &env(1))]);
    symlink("real", scene.tree.join("link")).expect("a link");
    scene.sources(json!({ "mon-env": mon_env(&scene) }));
    let ran = checkpoint(&scene).exits(3);
    assert_eq!(
        ran.failed(),
        ["web mon-env: no line matches `^MONITORING_`"]
    );
    assert!(ran.hints()[0].starts_with("Correct `lines`, or set `may_shrink: true`"));
    let link = json!({ "files": glob(&scene, "link"), "lines": "^MONITORING_" });
    scene.sources(json!({ "mon-env": link }));
    let ran = checkpoint(&scene).exits(3);
    assert!(ran.hints()[0].contains("A symbolic link is kept as a link"));
    for tolerated in ["optional", "may_shrink"] {
        let mut source = mon_env(&scene);
        source[tolerated] = json!(true);
        scene.sources(json!({ "mon-env": source }));
        let ran = complete(&scene);
        assert_eq!(exported(&scene, &ran.id(), ".env"), "");
    }
    // Some files without them are nothing to speak of.
    let both = json!({ "files": glob(&scene, "{.env,real}"), "lines": "^MONITORING_" });
    scene.sources(json!({ "mon-env": both }));
    let ran = complete(&scene);
    assert_eq!(exported(&scene, &ran.id(), ".env"), "");
    assert_eq!(exported(&scene, &ran.id(), "real"), lines(1));
}

#[test]
fn files_that_are_too_large_are_refused_before_anything_is_sent() {
    let Some(scene) = HostFixture::start() else {
        return;
    };
    tree::fill(&scene.tree, &[(".env", &env(1))]);
    let file = fs::File::options()
        .append(true)
        .open(scene.tree.join(".env"));
    file.expect("a file")
        .set_len((16 << 20) + 1)
        .expect("a length");
    scene.sources(json!({ "mon-env": mon_env(&scene) }));
    let ran = checkpoint(&scene).exits(3);
    assert_eq!(
        ran.failed(),
        [format!(
            "web mon-env: 1 file is larger than 16 MiB, too large for `lines`: {}",
            glob(&scene, ".env")
        )]
    );
    assert_eq!(
        ran.hints(),
        ["Capture the whole file: a source of its own, without `lines`."]
    );
}

#[test]
fn names_of_one_file_stay_names_of_one_file_and_holes_are_no_lines() {
    let Some(scene) = HostFixture::start() else {
        return;
    };
    tree::fill(
        &scene.tree,
        &[("a.env", &env(1)), ("holes.env", "MONITORING_X=1\n")],
    );
    fs::hard_link(scene.tree.join("a.env"), scene.tree.join("b.env")).expect("a link");
    let holes = scene.tree.join("holes.env");
    let file = fs::File::options()
        .append(true)
        .open(&holes)
        .expect("a file");
    file.set_len(3 << 20).expect("a length");
    scene.sources(json!({ "env": { "files": glob(&scene, "*.env"), "lines": "^MONITORING_" } }));
    let first = complete(&scene);
    for ran in [first, complete(&scene)] {
        let out = scene.tree_in(&scene.fleet.exported(&ran.id()));
        let described = tree::describe(&out);
        let facts = |name: &str| described[Path::new(name)].clone();
        assert_eq!(facts("a.env"), facts("b.env"));
        assert_eq!(exported(&scene, &ran.id(), "b.env"), lines(1));
        assert_eq!(exported(&scene, &ran.id(), "holes.env"), "MONITORING_X=1\n");
    }
    assert_eq!(fetched(&complete(&scene)), 0);
    assert!(!holds_secret(&scene));
}

#[test]
fn a_whole_file_counts_before_its_lines_whatever_the_sources_are_called() {
    let Some(scene) = HostFixture::start() else {
        return;
    };
    tree::fill(
        &scene.tree,
        &[(".env", &env(1)), ("other", "x"), ("own.env", &env(2))],
    );
    // By name, one comes before `app` and one after it.
    scene.sources(json!({
        "alerts": { "files": glob(&scene, "{.env,own.env}"), "lines": "^MONITORING_" },
        "app": { "directory": scene.tree, "exclude": ["own.env"] },
        "mon-env": mon_env(&scene),
    }));
    for _ in 0..2 {
        let ran = complete(&scene);
        assert_eq!(exported(&scene, &ran.id(), ".env"), env(1));
        assert_eq!(exported(&scene, &ran.id(), "own.env"), lines(2));
        let said = scene.fleet.run(&["cat", &ran.id(), &glob(&scene, ".env")]);
        assert_eq!(said.exits(0).stdout, env(1));
        let archive = scene.fleet.folder().join(format!("{}.tar", ran.id()));
        let name = archive.display().to_string();
        let made = scene.fleet.run(&["export", &ran.id(), "-o", &name]);
        assert_eq!(made.exits(0).exit, Some(0));
        let mut archive = tar::Archive::new(fs::File::open(archive).expect("an archive"));
        let sizes = archive.entries().expect("entries").filter_map(|entry| {
            let entry = entry.expect("an entry");
            let is_env = entry.path_bytes().ends_with(b"/.env");
            is_env.then(|| entry.size())
        });
        assert_eq!(sizes.collect::<Vec<_>>(), [env(1).len() as u64]);
        recovers(&scene, &ran.id());
    }
}

/// Without fleet it is the same.
fn recovers(scene: &HostFixture, checkpoint: &str) {
    for json in ["python3", "jq"] {
        let scratch = tempfile::tempdir().expect("a folder");
        let Some(tools) = recover::tools(scratch.path(), json) else {
            continue;
        };
        let target = scratch.path().join("target");
        let folder = checkpoint.replace('@', "/");
        let mut command = recover::command(
            scene.fleet.store(),
            scratch.path(),
            &tools,
            &folder,
            &target,
        );
        let output = command.output().expect("sh");
        assert!(output.status.success(), "{json}: {output:?}");
        let got = |name| fs::read_to_string(scene.tree_in(&target).join(name)).expect("a file");
        assert_eq!((got(".env"), got("own.env")), (env(1), lines(2)), "{json}");
    }
}

#[test]
fn hosts_with_other_tools_give_lines_too() {
    let Some(scene) = with_busybox() else { return };
    tree::fill(&scene.tree, &[(".env", &env(1))]);
    scene.sources(json!({ "mon-env": mon_env(&scene) }));
    for _ in 0..2 {
        let ran = complete(&scene);
        assert_eq!(exported(&scene, &ran.id(), ".env"), lines(1));
    }
    let file = fs::File::options()
        .append(true)
        .open(scene.tree.join(".env"));
    file.expect("a file")
        .set_len((16 << 20) + 1)
        .expect("a length");
    let ran = checkpoint(&scene).exits(3);
    assert_eq!(
        ran.failed(),
        [format!(
            "web mon-env: `{}` is larger than 16 MiB, too large for `lines`",
            glob(&scene, ".env")
        )]
    );
    assert!(!holds_secret(&scene));
}
