//! Exports in the layouts of the backup systems that people come from, read by other programs.

use std::fs;
use std::ops::ControlFlow;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use fleet::store::{ArchiveFormat, Error, Exported, FolderOptions, Layout, SealedCheckpoint};

use super::fixture::{NOW, StoreFixture, capture, describe, facts, grow_tree, walk};

const ID: &str = "dev-vm@20261121T101500Z";
const FOLDER: &str = "monitoring_backup_20261121_101500";

fn go_on(_: &Exported) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn write(root: &Path, name: &str, content: &str) {
    let path = root.join(name);
    fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
    fs::write(path, content).expect("a file");
}

/// Seals a checkpoint of these parts: name, kind, members of the tree.
fn sealed(bed: &StoreFixture, parts: &[(&str, &str, &[&str])]) -> SealedCheckpoint {
    let incoming = bed.begin(NOW);
    let captured = parts.iter().map(|(name, kind, members)| {
        let (mut part, packs) = capture(&incoming, &bed.tree(), name, members, None);
        part.part.kind = (*kind).to_owned();
        (part, packs)
    });
    let captured = captured.collect();
    incoming.seal(facts(captured)).expect("sealed");
    bed.assert_clean();
    bed.open(ID)
}

/// A gateway as the older systems knew it.
fn gateway() -> (StoreFixture, SealedCheckpoint) {
    let bed = StoreFixture::new();
    let tree = bed.tree();
    grow_tree(&tree);
    for (name, content) in [
        ("etc/systemd/system/gw.service", "[Service]\n"),
        ("etc/systemd/system/gw-smoke.timer", "[Timer]\n"),
        ("opt/gw/scripts/tests/gateway/run.sh", "#!/bin/sh\n"),
        ("opt/gw/scripts/service/api/start.sh", "#!/bin/sh\n"),
        ("home/u/app/Stations/audio/Writer.js", "write()\n"),
        ("home/u/app/server.js", "listen()\n"),
        ("home/u/app/.env", "MONITORING_ENABLED=true\n"),
        ("fleet-captures/pip/pip-freeze.txt", "uuid==1\n"),
        ("fleet-captures/node/node.txt", "v18\n"),
        ("fleet-captures/models/models.json", "{}\n"),
        ("fleet-captures/db/monitoring_v2_schema.sql", "CREATE\n"),
    ] {
        write(&tree, name, content);
    }
    let hollow = fs::File::create(tree.join("opt/gw/scripts/hollow")).expect("a file");
    hollow.set_len(4 << 20).expect("a length");
    let checkpoint = sealed(
        &bed,
        &[
            ("app", "directory", &["app"]),
            (
                "systemd",
                "files",
                &[
                    "etc/systemd/system/gw-smoke.timer",
                    "etc/systemd/system/gw.service",
                ],
            ),
            (
                "scripts",
                "directory",
                &[
                    "opt/gw/scripts/hollow",
                    "opt/gw/scripts/service",
                    "opt/gw/scripts/tests",
                ],
            ),
            ("stations", "directory", &["home/u/app/Stations"]),
            ("server", "files", &["home/u/app/server.js"]),
            ("monitoring", "files", &["home/u/app/.env"]),
            ("pip", "command", &["fleet-captures/pip/pip-freeze.txt"]),
            ("node", "command", &["fleet-captures/node/node.txt"]),
            ("models", "http", &["fleet-captures/models/models.json"]),
            (
                "db",
                "postgres",
                &["fleet-captures/db/monitoring_v2_schema.sql"],
            ),
        ],
    );
    (bed, checkpoint)
}

fn extract(archive: &Path, target: &Path) {
    fs::create_dir(target).expect("a folder");
    let output = Command::new("tar")
        .arg("-xpf")
        .arg(archive)
        .arg("-C")
        .arg(target)
        .output()
        .expect("tar");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert!(output.status.success());
}

/// The checkpoint in `layout`, taken out in every way there is.
fn every_way(dir: &Path, checkpoint: &SealedCheckpoint, layout: Layout) -> Vec<PathBuf> {
    let export = checkpoint.laid_out(layout, &[]).expect("a layout");
    let mut found = Vec::new();
    for (ending, format) in [
        ("tar", ArchiveFormat::Tar),
        ("tar.gz", ArchiveFormat::TarGz),
        ("tar.zst", ArchiveFormat::TarZst),
    ] {
        let path = dir.join(format!("x.{ending}"));
        export
            .to_archive(&path, format, &mut go_on)
            .expect("exported");
        let target = dir.join(format!("from-{ending}"));
        extract(&path, &target);
        found.push(target);
    }
    let mut streamed = Vec::new();
    export
        .to_stream(&mut streamed, ArchiveFormat::Tar, &mut go_on)
        .expect("streamed");
    assert!(streamed == fs::read(dir.join("x.tar")).expect("an archive"));
    let target = dir.join("folder");
    export
        .to_folder(&target, FolderOptions::default(), &mut go_on)
        .expect("exported");
    found.push(target);
    found
}

/// Names of all files beneath `root`, as `find -type f` tells them, in its byte order.
fn files(root: &Path) -> Vec<String> {
    walk(root)
        .into_iter()
        .filter(|path| fs::symlink_metadata(path).expect("metadata").is_file())
        .map(|path| {
            let name = path.strip_prefix(root).expect("beneath");
            name.to_string_lossy().into_owned()
        })
        .collect()
}

fn sha256sum(folder: &Path, arguments: &[&str]) -> Vec<u8> {
    let output = Command::new("sha256sum")
        .args(arguments)
        .current_dir(folder)
        .output()
        .expect("sha256sum");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert!(output.status.success());
    output.stdout
}

#[test]
fn a_snapshot_has_a_folder_for_each_source_and_checksums_of_everything() {
    let (bed, checkpoint) = gateway();
    for target in every_way(bed.dir.path(), &checkpoint, Layout::Snapshot) {
        let names = fs::read_dir(&target).expect("a folder").count();
        assert_eq!(names, 1);
        let snapshot = target.join("snapshot");
        let tree = bed.tree();
        assert_eq!(describe(&snapshot.join("app")), describe(&tree.join("app")));
        let others: Vec<String> = files(&snapshot)
            .into_iter()
            .filter(|name| !name.starts_with("app/"))
            .collect();
        assert_eq!(
            others,
            [
                "database/monitoring_v2_schema.sql",
                "env/node.txt",
                "env/pip-freeze.txt",
                "monitoring/.env",
                "runtime/models.json",
                "scripts/hollow",
                "scripts/service/api/start.sh",
                "scripts/tests/gateway/run.sh",
                "server/server.js",
                "sha256sums.txt",
                "stations/audio/Writer.js",
                "systemd/gw-smoke.timer",
                "systemd/gw.service",
            ],
            "{}",
            target.display()
        );
        let hollow = fs::metadata(snapshot.join("scripts/hollow")).expect("metadata");
        assert_eq!(hollow.len(), 4 << 20);
        assert!(hollow.blocks() < 64, "{} blocks", hollow.blocks());
        let sums = fs::metadata(snapshot.join("sha256sums.txt")).expect("metadata");
        assert_eq!((sums.mode() & 0o7777, sums.mtime()), (0o600, 1_795_256_100));

        let told = sha256sum(&snapshot, &["--quiet", "-c", "sha256sums.txt"]);
        assert_eq!(String::from_utf8_lossy(&told), "");
        let script = "find * -type f ! -name sha256sums.txt -exec sha256sum {} +";
        let found = Command::new("sh")
            .args(["-c", script])
            .current_dir(&snapshot)
            .output();
        let found = found.expect("sh").stdout;
        let listed = fs::read(snapshot.join("sha256sums.txt")).expect("the list");
        assert_eq!(sorted_lines(&listed), sorted_lines(&found));
    }
}

fn sorted_lines(text: &[u8]) -> Vec<String> {
    let mut lines: Vec<String> = text
        .split_inclusive(|&b| b == b'\n')
        .map(|line| line.escape_ascii().to_string())
        .collect();
    lines.sort();
    lines
}

#[test]
fn a_monitoring_backup_has_everything_under_its_own_name_and_a_list() {
    let (bed, checkpoint) = gateway();
    for target in every_way(bed.dir.path(), &checkpoint, Layout::Monitoring) {
        let folder = target.join(FOLDER);
        let tree = bed.tree();
        assert_eq!(describe(&folder.join("app")), describe(&tree.join("app")));
        let stations = tree.join("home/u/app/Stations");
        assert_eq!(describe(&folder.join("Stations")), describe(&stations));
        let mut tops: Vec<String> = fs::read_dir(&folder)
            .expect("a folder")
            .map(|item| {
                item.expect("an item")
                    .file_name()
                    .into_string()
                    .expect("text")
            })
            .collect();
        tops.sort();
        assert_eq!(
            tops,
            [
                "Stations",
                "app",
                "file_list.txt",
                "gw-smoke.timer",
                "gw.service",
                "hollow",
                "models.json",
                "monitoring.env",
                "monitoring_v2_schema.sql",
                "node.txt",
                "pip-freeze.txt",
                "server.js",
                "service",
                "tests",
            ]
        );
        let list = fs::read(folder.join("file_list.txt")).expect("the list");
        let escaped: Vec<&[u8]> = list.split(|&b| b == b'\n').collect();
        assert_eq!(escaped.len() - 1, files(&target).len());
        let plain = format!("{FOLDER}/Stations/audio/Writer.js");
        assert!(escaped.contains(&plain.as_bytes()));
        let odd = format!("\\{FOLDER}/app/new\\nline");
        assert!(escaped.contains(&odd.as_bytes()));
        assert_eq!(
            escaped[escaped.len() - 2],
            format!("{FOLDER}/file_list.txt").as_bytes()
        );
    }
}

#[test]
fn links_between_trees_hold_when_the_trees_change_places() {
    let bed = StoreFixture::new();
    let tree = bed.tree();
    write(&tree, "b/first-tree/file", "shared\n");
    fs::create_dir_all(tree.join("a/zz-tree")).expect("folders");
    fs::create_dir_all(tree.join("c/aa-tree")).expect("folders");
    for name in ["a/zz-tree/again", "c/aa-tree/again", "c/again"] {
        fs::hard_link(tree.join("b/first-tree/file"), tree.join(name)).expect("a link");
    }
    symlink("../first-tree/file", tree.join("c/aa-tree/link")).expect("a link");
    // By its path the group's first name comes first, by its own name it comes last.
    let members = &["a/zz-tree", "b/first-tree", "c/aa-tree", "c/again"][..];
    let checkpoint = sealed(&bed, &[("app", "directory", members)]);
    for layout in [Layout::Monitoring, Layout::Snapshot] {
        let dir = bed.dir.path().join(layout.as_str());
        fs::create_dir(&dir).expect("a folder");
        for target in every_way(&dir, &checkpoint, layout) {
            let (top, names) = match layout {
                Layout::Monitoring => (
                    FOLDER,
                    ["zz-tree/again", "first-tree/file", "aa-tree/again", "again"],
                ),
                Layout::Snapshot | Layout::Paths => (
                    "snapshot/app",
                    [
                        "a/zz-tree/again",
                        "b/first-tree/file",
                        "c/aa-tree/again",
                        "c/again",
                    ],
                ),
            };
            for name in names {
                let path = target.join(top).join(name);
                let facts = fs::metadata(&path).expect("metadata");
                assert_eq!(facts.nlink(), 4, "{}", path.display());
                assert_eq!(fs::read(&path).expect("a file"), b"shared\n");
            }
        }
    }
}

/// What is said of a layout that does not fit.
fn refusal(bed: &StoreFixture, parts: &[(&str, &str, &[&str])], layout: Layout) -> [String; 3] {
    let checkpoint = sealed(bed, parts);
    match checkpoint.laid_out(layout, &[]) {
        Err(Error::Collision {
            place,
            first,
            second,
        }) => [place.to_string(), first, second],
        other => [format!("{other:?}"), String::new(), String::new()],
    }
}

#[test]
fn two_things_of_one_place_are_named_both() {
    let tree = |names: &[&str]| {
        let bed = StoreFixture::new();
        for name in names {
            write(&bed.tree(), name, "x\n");
        }
        bed
    };
    let bed = tree(&["a/config/x", "b/config/y"]);
    assert_eq!(
        refusal(
            &bed,
            &[
                ("one", "directory", &["a/config"]),
                ("two", "directory", &["b/config"]),
            ],
            Layout::Monitoring
        ),
        [&*format!("/{FOLDER}/config"), "/a/config", "/b/config"]
    );
    let bed = tree(&["a/x.conf", "b/x.conf"]);
    assert_eq!(
        refusal(
            &bed,
            &[("both", "files", &["a/x.conf", "b/x.conf"])],
            Layout::Monitoring
        ),
        [&*format!("/{FOLDER}/x.conf"), "/a/x.conf", "/b/x.conf"]
    );
    let bed = tree(&["fleet-captures/one/list.txt", "fleet-captures/two/list.txt"]);
    assert_eq!(
        refusal(
            &bed,
            &[
                ("one", "command", &["fleet-captures/one/list.txt"]),
                ("two", "command", &["fleet-captures/two/list.txt"]),
            ],
            Layout::Snapshot
        ),
        [
            "/snapshot/env/list.txt",
            "/fleet-captures/one/list.txt",
            "/fleet-captures/two/list.txt",
        ]
    );
    // A file where another part has a folder.
    let bed = tree(&["fleet-captures/one/x", "srv/x/deep", "srv/y"]);
    assert_eq!(
        refusal(
            &bed,
            &[
                ("one", "command", &["fleet-captures/one/x"]),
                ("env", "files", &["srv/x/deep", "srv/y"]),
            ],
            Layout::Snapshot
        ),
        ["/snapshot/env/x", "/fleet-captures/one/x", "/srv/x/deep"]
    );
    let bed = tree(&["a/file_list.txt"]);
    assert_eq!(
        refusal(
            &bed,
            &[("one", "files", &["a/file_list.txt"])],
            Layout::Monitoring
        ),
        [
            &*format!("/{FOLDER}/file_list.txt"),
            "/a/file_list.txt",
            "the layout's own list",
        ]
    );
    let bed = tree(&["a/x"]);
    assert_eq!(
        refusal(
            &bed,
            &[("sha256sums.txt", "directory", &["a"])],
            Layout::Snapshot
        ),
        ["/snapshot/sha256sums.txt", "/a", "the layout's own list"]
    );
}

#[test]
fn what_two_sources_have_both_is_there_once_or_in_both_folders() {
    let bed = StoreFixture::new();
    write(&bed.tree(), "srv/app/public/x", "x\n");
    let parts: &[(&str, &str, &[&str])] = &[
        ("app", "directory", &["srv/app"]),
        ("again", "directory", &["srv/app"]),
    ];
    let checkpoint = sealed(&bed, parts);
    for (layout, expected) in [
        (Layout::Paths, &["srv/app/public/x"][..]),
        (
            Layout::Snapshot,
            &[
                "snapshot/again/public/x",
                "snapshot/app/public/x",
                "snapshot/sha256sums.txt",
            ],
        ),
        (
            Layout::Monitoring,
            &[
                &*format!("{FOLDER}/app/public/x"),
                &*format!("{FOLDER}/file_list.txt"),
            ],
        ),
    ] {
        let target = bed.dir.path().join(layout.as_str());
        let export = checkpoint.laid_out(layout, &[]).expect("a layout");
        export
            .to_folder(&target, FolderOptions::default(), &mut go_on)
            .expect("exported");
        assert_eq!(files(&target), expected);
    }
}

#[test]
fn only_the_sources_that_are_asked_for_are_taken_out() {
    let (bed, checkpoint) = gateway();
    let only = ["stations", "monitoring", "db"].map(super::fixture::source);
    let target = bed.dir.path().join("out");
    checkpoint
        .laid_out(Layout::Monitoring, &only)
        .and_then(|export| export.to_folder(&target, FolderOptions::default(), &mut go_on))
        .expect("exported");
    let expected = [
        "Stations/audio/Writer.js",
        "file_list.txt",
        "monitoring.env",
        "monitoring_v2_schema.sql",
    ];
    assert_eq!(files(&target.join(FOLDER)), expected);
    let plain = bed.dir.path().join("plain");
    let exported = checkpoint
        .laid_out(Layout::Paths, &only[..1])
        .and_then(|export| export.to_folder(&plain, FolderOptions::default(), &mut go_on));
    assert_eq!(files(&plain), ["home/u/app/Stations/audio/Writer.js"]);
    assert_eq!(exported.map(|exported| exported.entries).ok(), Some(3));
    let unknown = checkpoint.laid_out(Layout::Paths, &[super::fixture::source("none")]);
    assert!(
        matches!(&unknown, Err(Error::NoPart { part, .. }) if part.as_str() == "none"),
        "{unknown:?}"
    );
}

#[test]
fn a_damaged_content_is_never_delivered_under_another_name() {
    let (bed, checkpoint) = gateway();
    let pack = bed
        .store
        .dir()
        .join("dev-vm/packs/20261121T101500Z/stations.tar.zst");
    let mut bytes = fs::read(&pack).expect("a pack");
    bytes[10] ^= 1;
    fs::write(&pack, bytes).expect("a damaged pack");
    let out = bed.dir.path().join("out");
    fs::create_dir(&out).expect("a folder");
    let export = checkpoint
        .laid_out(Layout::Snapshot, &[])
        .expect("a layout");
    for damaged in [
        export.to_archive(&out.join("x.tar"), ArchiveFormat::Tar, &mut go_on),
        export.to_folder(&out.join("new"), FolderOptions::default(), &mut go_on),
    ] {
        assert!(
            matches!(&damaged, Err(Error::Damaged { file, .. }) if file.ends_with("stations.tar.zst")),
            "{damaged:?}"
        );
    }
    let mut output = Vec::new();
    let damaged = export.to_stream(&mut output, ArchiveFormat::Tar, &mut go_on);
    assert!(matches!(damaged, Err(Error::Damaged { .. })), "{damaged:?}");
    assert_eq!(output, b"");
    assert_eq!(walk(&out), Vec::<PathBuf>::new());
}
