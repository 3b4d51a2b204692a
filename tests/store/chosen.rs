//! Some paths of a checkpoint, put into a folder that holds other things.

use std::fs;
use std::ops::ControlFlow;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use fleet::fault::{ExitClass, Fault as _};
use fleet::manifest::Resolved;
use fleet::name::RemotePath;
use fleet::store::{Error, Existing, Exported, FolderOptions, SealedCheckpoint};

use super::fixture::{NOW, StoreFixture, capture, describe, facts, grow_tree, source, walk};
use crate::support::disk::SmallDisk;

fn go_on(_: &Exported) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn bed() -> (StoreFixture, SealedCheckpoint) {
    let bed = StoreFixture::new();
    grow_tree(&bed.tree());
    bed.seal(NOW, &["app"], None);
    let checkpoint = bed.open("dev-vm@20261121T101500Z");
    (bed, checkpoint)
}

fn paths(texts: &[&str]) -> Vec<RemotePath> {
    let paths = texts.iter().map(|text| text.parse().expect("a path"));
    paths.collect()
}

/// Puts `chosen` into `target`.
fn put(
    checkpoint: &SealedCheckpoint,
    chosen: &[&str],
    target: &Path,
    existing: Existing,
) -> Result<Exported, Error> {
    let export = checkpoint.chosen(&paths(chosen), &[])?;
    export.into_folder(target, FolderOptions::default(), existing, &mut go_on)
}

/// What the machine's own tar makes of the same paths of the tree.
fn by_tar(bed: &StoreFixture, names: &[&str]) -> PathBuf {
    let target = bed.dir.path().join("by-tar");
    fs::create_dir(&target).expect("a folder");
    let mut pack = Command::new("tar")
        .args(["--format=posix", "-cf", "-", "-C"])
        .arg(bed.tree())
        .args(names)
        .stdout(Stdio::piped())
        .spawn()
        .expect("tar");
    let unpacked = Command::new("tar")
        .args(["-xpf", "-", "-C"])
        .arg(&target)
        .stdin(pack.stdout.take().expect("a pipe"))
        .status();
    assert!(unpacked.expect("tar").success() && pack.wait().expect("tar").success());
    target
}

/// [`describe`] without the folder above everything, which nobody asked for.
fn beneath_app(root: &Path) -> Vec<String> {
    let mut lines = describe(root);
    lines.retain(|line| !line.starts_with("\"app\" "));
    lines
}

#[test]
fn files_and_directories_come_with_all_beneath_and_nothing_else() {
    let (bed, checkpoint) = bed();
    let names = [
        "app/public",
        "app/server.js",
        "app/private",
        "app/deep",
        // Two further names of a file whose first one nobody asked for.
        "app/zz-second-name",
        "app/main.js",
    ];
    let mut chosen: Vec<String> = names.iter().map(|name| format!("/{name}")).collect();
    // What is in another one is there once.
    chosen.push("/app/public/index.html".to_owned());
    chosen.push("/app/public".to_owned());
    let chosen: Vec<&str> = chosen.iter().map(String::as_str).collect();
    let target = bed.dir.path().join("new");
    let exported = put(&checkpoint, &chosen, &target, Existing::Refuse).expect("exported");
    assert_eq!(exported.shortfalls, []);
    let expected = by_tar(&bed, &names);
    assert_eq!(beneath_app(&target), beneath_app(&expected));
    // What is above is private, and nothing else is left.
    let mode = |path: &Path| fs::metadata(path).expect("it is there").mode() & 0o7777;
    assert_eq!((mode(&target), mode(&target.join("app"))), (0o700, 0o700));
    assert_eq!(fs::read_dir(&target).expect("a folder").count(), 1);
}

#[test]
fn no_path_and_the_root_are_everything() {
    let (bed, checkpoint) = bed();
    for chosen in [&[][..], &["/"], &["/app"]] {
        let target = bed
            .dir
            .path()
            .join(format!("new-{}", chosen.concat().len()));
        put(&checkpoint, chosen, &target, Existing::Refuse).expect("exported");
        assert_eq!(describe(&target), describe(&bed.tree()), "{chosen:?}");
    }
}

#[test]
fn a_path_that_the_checkpoint_does_not_have_is_named() {
    let (bed, checkpoint) = bed();
    let target = bed.dir.path().join("new");
    for missing in ["/app/public-", "/app/server.j", "/etc", "/app/server.js/x"] {
        let refused = put(
            &checkpoint,
            &["/app/server.js", missing],
            &target,
            Existing::Refuse,
        );
        assert!(
            matches!(&refused, Err(Error::NoEntry { path, .. }) if path == missing),
            "{refused:?}"
        );
    }
    assert!(!target.exists());
    let refused = checkpoint.chosen(&paths(&["/app"]), &[source("none")]);
    assert!(matches!(refused, Err(Error::NoPart { .. })));
}

#[test]
fn a_path_that_was_asked_for_through_links_is_found_where_it_is() {
    let bed = StoreFixture::new();
    grow_tree(&bed.tree());
    let incoming = bed.begin(NOW);
    let (mut part, packs) = capture(&incoming, &bed.tree(), "app", &["app"], None);
    part.part.resolved.push(Resolved {
        asked: "/current".parse().expect("a path"),
        real: "/app".parse().expect("a path"),
    });
    incoming.seal(facts(vec![(part, packs)])).expect("sealed");
    let checkpoint = bed.open("dev-vm@20261121T101500Z");
    let target = bed.dir.path().join("new");
    put(
        &checkpoint,
        &["/current/public.d"],
        &target,
        Existing::Refuse,
    )
    .expect("exported");
    let file = target.join("app/public.d/x.conf");
    assert_eq!(fs::read(file).expect("a file"), b"x\n");
}

/// A folder with a directory of the tree that has a file of its own.
fn inhabited(bed: &StoreFixture) -> PathBuf {
    let target = bed.dir.path().join("inhabited");
    fs::create_dir_all(target.join("app/public")).expect("folders");
    fs::write(target.join("app/mine"), "mine").expect("a file");
    let mode = fs::Permissions::from_mode(0o751);
    fs::set_permissions(target.join("app/public"), mode).expect("a mode");
    target
}

#[test]
fn other_things_in_the_folder_stay_as_they_are() {
    let (bed, checkpoint) = bed();
    let target = inhabited(&bed);
    put(
        &checkpoint,
        &["/app/public", "/app/public-old"],
        &target,
        Existing::Refuse,
    )
    .expect("exported");
    assert_eq!(fs::read(target.join("app/mine")).expect("a file"), b"mine");
    // A directory that was there keeps its mode; those that were not have theirs.
    let mode = |name: &str| fs::metadata(target.join(name)).expect("it is there").mode() & 0o7777;
    assert_eq!(mode("app/public"), 0o751);
    assert_eq!(mode("app/public/empty"), 0o1777);
    let time = |root: &Path| {
        fs::metadata(root.join("app/public-old"))
            .expect("it is there")
            .mtime()
    };
    assert_eq!(time(&target), time(&bed.tree()));
}

#[test]
fn files_that_are_there_are_refused_or_replaced() {
    let (bed, checkpoint) = bed();
    let target = inhabited(&bed);
    fs::write(target.join("app/public/index.html"), "mine").expect("a file");
    symlink("/etc/passwd", target.join("app/server.js")).expect("a link");
    let before = describe(&target);
    let chosen = ["/app/public", "/app/server.js", "/app/set-id"];
    let refused = put(&checkpoint, &chosen, &target, Existing::Refuse).expect_err("refused");
    assert_eq!(
        refused.to_string(),
        format!(
            "2 files are already in {}: app/public/index.html, app/server.js",
            target.display()
        )
    );
    assert_eq!(
        refused.hint().as_deref(),
        Some("Nothing was written. Choose another directory, or move those files away.")
    );
    assert_eq!(refused.exit_class(), ExitClass::Usage);
    assert_eq!(unaged(&describe(&target)), unaged(&before));

    put(&checkpoint, &chosen, &target, Existing::Replace).expect("replaced");
    let read = |name: &str| fs::read(target.join(name)).expect("a file");
    assert_eq!(read("app/public/index.html"), b"<html>\n");
    assert_eq!(read("app/server.js"), b"listen(3000)\n");
    let server = fs::symlink_metadata(target.join("app/server.js")).expect("it is there");
    assert!(server.is_file());
    assert_eq!(read("app/mine"), b"mine");
}

/// Lines of [`describe`] without times: a folder in which something is made and removed has another one.
fn unaged(lines: &[String]) -> Vec<String> {
    let time = regex::Regex::new(r" \d+\.\d{9} ").expect("an expression");
    let lines = lines.iter();
    lines
        .map(|line| time.replace(line, " ").into_owned())
        .collect()
}

#[test]
fn nothing_is_put_through_a_link_or_in_place_of_a_directory() {
    let (bed, checkpoint) = bed();
    let outside = bed.dir.path().join("outside");
    fs::create_dir(&outside).expect("a folder");
    for existing in [Existing::Refuse, Existing::Replace] {
        for in_the_way in ["link", "file", "directory"] {
            let target = bed.dir.path().join("target");
            fs::create_dir_all(target.join("app")).expect("folders");
            match in_the_way {
                "link" => symlink(&outside, target.join("app/public")).expect("a link"),
                "file" => fs::write(target.join("app/public"), "").expect("a file"),
                _ => fs::create_dir_all(target.join("app/server.js/mine")).expect("folders"),
            }
            let before = describe(&target);
            let refused = put(
                &checkpoint,
                &["/app/public", "/app/server.js"],
                &target,
                existing,
            );
            assert!(matches!(refused, Err(Error::Unsafe { .. })), "{refused:?}");
            assert_eq!(unaged(&describe(&target)), unaged(&before), "{in_the_way}");
            assert_eq!(walk(&outside), Vec::<PathBuf>::new());
            fs::remove_dir_all(&target).expect("removed");
        }
    }
}

#[test]
fn what_fails_before_the_end_leaves_the_folder_as_it_was() {
    let (bed, checkpoint) = bed();
    let target = inhabited(&bed);
    let before = unaged(&describe(&target));
    let chosen = checkpoint.chosen(&paths(&["/app"]), &[]).expect("chosen");
    let mut stop = |_: &Exported| ControlFlow::Break(());
    for target in [&target, &bed.dir.path().join("new")] {
        let options = FolderOptions::default();
        let stopped = chosen.into_folder(target, options, Existing::Replace, &mut stop);
        assert!(matches!(stopped, Err(Error::Stopped)), "{stopped:?}");
    }
    assert!(!bed.dir.path().join("new").exists());
    assert_eq!(unaged(&describe(&target)), before);

    if let Some(disk) = SmallDisk::mount("1m") {
        let full = put(&checkpoint, &["/app"], disk.path(), Existing::Refuse);
        assert!(matches!(full, Err(Error::Io(_))), "{full:?}");
        assert_eq!(walk(disk.path()), Vec::<PathBuf>::new());
    }

    // Content that is not what was sealed is never put anywhere.
    let pack = bed
        .store
        .dir()
        .join("dev-vm/packs/20261121T101500Z/app.tar.zst");
    let mut bytes = fs::read(&pack).expect("a pack");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&pack, bytes).expect("a damaged pack");
    let damaged = put(&checkpoint, &["/app"], &target, Existing::Replace).expect_err("damaged");
    assert_eq!(damaged.exit_class(), ExitClass::Mismatch, "{damaged:?}");
    assert_eq!(unaged(&describe(&target)), before);
}
