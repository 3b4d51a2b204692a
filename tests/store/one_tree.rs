//! Parts that together are no tree, as older versions and hostile hosts made them, and names of one file
//! in several parts: what exports and `RECOVER.md` make of them.

use std::fs;
use std::ops::ControlFlow;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use fleet::manifest::{Entry, EntryKind};
use fleet::store::{ArchiveFormat, Exported, SealedCheckpoint, ShortfallKind};

use super::fixture::{NOW, StoreFixture, capture, capture_as, describe, facts};
use crate::support::recover;

fn go_on(_: &Exported) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn write(path: &Path, content: &str) {
    fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
    fs::write(path, content).expect("a file");
}

/// What was left out because it contradicts something else.
fn contradictions(exported: &Exported) -> Vec<String> {
    let shortfalls = exported.shortfalls.iter();
    shortfalls
        .filter(|shortfall| shortfall.kind == ShortfallKind::Contradiction)
        .flat_map(|shortfall| &shortfall.paths)
        .map(ToString::to_string)
        .collect()
}

fn names(root: &Path) -> Vec<String> {
    let lines = describe(root).into_iter();
    lines
        .map(|line| line.split('"').nth(1).unwrap_or_default().to_owned())
        .collect()
}

fn latest(bed: &StoreFixture) -> SealedCheckpoint {
    bed.open("dev-vm@20261121T101500Z")
}

fn archive(bed: &StoreFixture, name: &str) -> (PathBuf, Exported) {
    let path = bed.dir.path().join(name);
    let exported = latest(bed)
        .export_archive(&path, ArchiveFormat::Tar, &mut go_on)
        .expect("exported");
    (path, exported)
}

fn extract(program: &[&str], archive: &Path, target: &Path) {
    fs::create_dir(target).expect("a folder");
    let output = Command::new(program[0])
        .args(&program[1..])
        .arg("-xpf")
        .arg(archive)
        .arg("-C")
        .arg(target)
        .output()
        .expect("tar");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert!(output.status.success());
}

fn folder(bed: &StoreFixture, name: &str) -> (PathBuf, Exported) {
    let path = bed.dir.path().join(name);
    let exported = latest(bed).export_folder(&path, &mut go_on);
    (path, exported.expect("exported"))
}

fn recovered(bed: &StoreFixture, json: &str, target: &Path) -> Option<Output> {
    let tools = recover::tools(bed.dir.path(), json)?;
    let store = bed.store.dir();
    let folder = "dev-vm/20261121T101500Z";
    let mut command = recover::command(store, bed.dir.path(), &tools, folder, target);
    Some(command.output().expect("sh"))
}

/// The source `app` holds a link `current` to `leads_to`; two others hold what is beneath it.
fn link_across_parts(leads_to: &Path, first: &str, second: &str) -> StoreFixture {
    let bed = StoreFixture::new();
    let (with_link, without) = (bed.dir.path().join("with-link"), bed.tree());
    write(&with_link.join("app/server.js"), "listen\n");
    symlink(leads_to, with_link.join("app/current")).expect("a link");
    write(&without.join("app/current/.env"), "SECRET=1\n");
    write(&without.join("app/current/deep/down"), "deep\n");
    let incoming = bed.begin(NOW);
    let app = capture(&incoming, &with_link, first, &["app"], None);
    let beneath = ["app/current/.env", "app/current/deep"];
    let env = capture(&incoming, &without, second, &beneath, None);
    incoming.seal(facts(vec![app, env])).expect("sealed");
    bed
}

#[test]
fn what_lies_beneath_a_link_of_another_part_is_left_out_of_exports_and_named() {
    // Whichever of the parts is read first.
    for (first, second) in [("app", "env"), ("web", "env")] {
        let outside = tempfile::tempdir().expect("a folder");
        let bed = link_across_parts(outside.path(), first, second);
        let expected = ["app", "app/current", "app/server.js"];
        let left_out = [
            "/app/current/.env",
            "/app/current/deep",
            "/app/current/deep/down",
        ];
        let (target, exported) = folder(&bed, "folder");
        assert_eq!(contradictions(&exported), left_out);
        assert_eq!((exported.entries, exported.skipped), (3, 3));
        assert_eq!(names(&target), expected);
        let (tar, exported) = archive(&bed, "x.tar");
        assert_eq!(contradictions(&exported), left_out);
        for (name, program) in [("gnu", &["tar"][..]), ("busybox", &["busybox", "tar"])] {
            let target = bed.dir.path().join(name);
            extract(program, &tar, &target);
            assert_eq!(names(&target), expected, "{name}");
        }
        // The content is there all the same.
        let mut content = Vec::new();
        let path = "/app/current/.env".parse().expect("a path");
        latest(&bed)
            .write_content(&path, &mut content)
            .expect("written");
        assert_eq!(content, b"SECRET=1\n");
        assert_eq!(fs::read_dir(outside.path()).expect("a folder").count(), 0);
    }
}

#[test]
fn the_script_keeps_files_and_leaves_out_the_link_above_them() {
    for json in ["python3", "jq"] {
        for (first, second) in [("app", "env"), ("web", "env")] {
            let outside = tempfile::tempdir().expect("a folder");
            write(&outside.path().join(".env"), "the workstation's own\n");
            let bed = link_across_parts(outside.path(), first, second);
            let target = bed.dir.path().join("target");
            let Some(output) = recovered(&bed, json, &target) else {
                return;
            };
            assert_eq!(
                String::from_utf8_lossy(&output.stderr),
                format!(
                    "left out, for something else is in its place:\napp/current\n{} holds the rest of \
                     the checkpoint\n",
                    target.display()
                ),
                "{json}"
            );
            assert_eq!(output.status.code(), Some(3));
            let expected = [
                "app",
                "app/current",
                "app/current/.env",
                "app/current/deep",
                "app/current/deep/down",
                "app/server.js",
            ];
            assert_eq!(names(&target), expected);
            assert_eq!(names(outside.path()), [".env"]);
            let own = fs::read_to_string(outside.path().join(".env"));
            assert_eq!(own.expect("a file"), "the workstation's own\n");
        }
    }
}

#[test]
fn a_link_in_one_part_and_what_it_leads_to_in_another_come_back() {
    let bed = StoreFixture::new();
    let tree = bed.tree();
    write(&tree.join("app/releases/5/.env"), "SECRET=1\n");
    symlink("releases/5", tree.join("app/current")).expect("a link");
    symlink("../current/.env", tree.join("app/releases/link")).expect("a link");
    // A part for each, in the order of which every link comes first.
    let incoming = bed.begin(NOW);
    let links = ["app/current", "app/releases/link"];
    let parts = vec![
        capture(&incoming, &tree, "a-links", &links, None),
        capture(&incoming, &tree, "b-env", &["app/releases/5/.env"], None),
        capture(&incoming, &tree, "c-all", &["app"], None),
    ];
    incoming.seal(facts(parts)).expect("sealed");
    let expected = describe(&tree);
    let (target, exported) = folder(&bed, "folder");
    assert_eq!(exported.skipped, 0);
    assert_eq!(describe(&target), expected);
    let (tar, _) = archive(&bed, "x.tar");
    let target = bed.dir.path().join("gnu");
    extract(&["tar"], &tar, &target);
    assert_eq!(describe(&target), expected);
    for json in ["python3", "jq"] {
        let target = bed.dir.path().join(json);
        let Some(output) = recovered(&bed, json, &target) else {
            return;
        };
        assert!(output.status.success(), "{output:?}");
        assert_eq!(describe(&target), expected, "{json}");
    }
}

#[test]
fn one_path_of_two_types_comes_from_the_first_part_and_is_named() {
    let bed = StoreFixture::new();
    let other = bed.dir.path().join("other");
    write(&bed.tree().join("app/x/f"), "file\n");
    fs::create_dir_all(other.join("app")).expect("a folder");
    symlink("/etc", other.join("app/x")).expect("a link");
    let incoming = bed.begin(NOW);
    let parts = vec![
        capture(&incoming, &bed.tree(), "a", &["app"], None),
        capture(&incoming, &other, "b", &["app/x"], None),
    ];
    incoming.seal(facts(parts)).expect("sealed");
    let (target, exported) = folder(&bed, "folder");
    assert_eq!(contradictions(&exported), ["/app/x"]);
    assert_eq!(describe(&target), describe(&bed.tree()));
    for json in ["python3", "jq"] {
        let target = bed.dir.path().join(json);
        let Some(output) = recovered(&bed, json, &target) else {
            return;
        };
        assert_eq!(output.status.code(), Some(3), "{json}: {output:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("\napp/x\n"));
        assert_eq!(describe(&target), describe(&bed.tree()));
    }
}

/// A pack whose member is a link, told by its entry to be something else, and a second one with files
/// beneath it.
fn forged(outside: &Path, forge: &dyn Fn(&mut Entry)) -> StoreFixture {
    let bed = StoreFixture::new();
    let other = bed.dir.path().join("other");
    fs::create_dir_all(other.join("app")).expect("a folder");
    symlink(outside, other.join("app/l")).expect("a link");
    write(&bed.tree().join("app/l/pwned"), "pwned\n");
    let incoming = bed.begin(NOW);
    let parts = vec![
        capture_as(&incoming, &other, "a", &["app/l"], None, forge),
        capture(&incoming, &bed.tree(), "b", &["app/l/pwned"], None),
    ];
    incoming.seal(facts(parts)).expect("sealed");
    bed
}

#[test]
fn a_pack_that_is_not_what_its_entries_say_leads_nowhere() {
    let file = |entry: &mut Entry| {
        entry.kind = EntryKind::File {
            size_bytes: 0,
            sha256: fleet::digest::Sha256::of(b""),
        };
    };
    let directory = |entry: &mut Entry| entry.kind = EntryKind::Directory;
    let fifo = |entry: &mut Entry| entry.kind = EntryKind::Fifo;
    let forgeries: [&dyn Fn(&mut Entry); 3] = [&file, &directory, &fifo];
    for (number, forge) in forgeries.into_iter().enumerate() {
        for json in ["python3", "jq"] {
            let outside = tempfile::tempdir().expect("a folder");
            let bed = forged(outside.path(), forge);
            let target = bed.dir.path().join("target");
            let Some(output) = recovered(&bed, json, &target) else {
                return;
            };
            assert!(!output.status.success(), "{number} {json}: {output:?}");
            assert_eq!(names(outside.path()), [""; 0], "{number} {json}");
            let target = bed.dir.path().join("folder");
            latest(&bed).export_folder(&target, &mut go_on).ok();
            assert_eq!(names(outside.path()), [""; 0], "{number}");
        }
    }
}

#[test]
fn names_that_lead_out_are_refused() {
    let bed = StoreFixture::new();
    write(&bed.tree().join("app/f"), "f\n");
    let incoming = bed.begin(NOW);
    let forge = |entry: &mut Entry| entry.content[0].member = b"../../f".to_vec();
    let part = capture_as(&incoming, &bed.tree(), "a", &["app/f"], None, &forge);
    incoming.seal(facts(vec![part])).expect("sealed");
    for json in ["python3", "jq"] {
        let target = bed.dir.path().join(json);
        let Some(output) = recovered(&bed, json, &target) else {
            return;
        };
        assert!(!output.status.success());
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            said.starts_with("the checkpoint has a name that leads out of it\n"),
            "{said}"
        );
        assert_eq!(names(&target), [""; 0]);
    }
}

#[test]
fn names_of_one_file_stay_together_within_a_part_and_across_parts() {
    let bed = StoreFixture::new();
    let tree = bed.tree();
    write(&tree.join("app/data/z"), "shared\n");
    write(&tree.join("etc/other"), "shared\n");
    fs::create_dir_all(tree.join("srv")).expect("a folder");
    symlink("../nowhere", tree.join("app/link")).expect("a link");
    let fifo = tree.join("app/pipe");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &fifo,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    )
    .expect("a pipe");
    for (from, to) in [
        ("app/data/z", "app/a"),
        ("app/data/z", "etc/z"),
        ("app/data/z", "etc/y-\\odd\n"),
        ("app/data/z", "srv/only"),
        ("app/link", "app/link-too"),
        ("app/link", "srv/link"),
        ("app/pipe", "app/pipe-too"),
        ("app/pipe", "etc/pipe"),
    ] {
        fs::hard_link(tree.join(from), tree.join(to)).expect("a hard link");
    }
    let incoming = bed.begin(NOW);
    let parts = vec![
        capture(&incoming, &tree, "srv", &["srv"], None),
        capture(&incoming, &tree, "app", &["app"], None),
        capture(&incoming, &tree, "etc", &["etc"], None),
    ];
    incoming.seal(facts(parts)).expect("sealed");
    let expected = describe(&tree);
    let (target, exported) = folder(&bed, "folder");
    assert_eq!(describe(&target), expected);
    assert_eq!(exported.entries as usize, expected.len());
    let (tar, exported) = archive(&bed, "x.tar");
    assert_eq!(exported.entries as usize, expected.len());
    let target = bed.dir.path().join("gnu");
    extract(&["tar"], &tar, &target);
    assert_eq!(describe(&target), expected);
    for json in ["python3", "jq"] {
        let target = bed.dir.path().join(json);
        let Some(output) = recovered(&bed, json, &target) else {
            return;
        };
        assert!(output.status.success(), "{output:?}");
        assert_eq!(describe(&target), expected, "{json}");
    }
}
