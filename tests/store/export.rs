//! Exports and single contents, read by other programs than fleet.

use std::fs;
use std::ops::ControlFlow;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use fleet::disk;
use fleet::store::{
    ArchiveFormat, Destination, Error, Exported, Level, Scope, SealedCheckpoint, Store,
};

use super::fixture::{
    GROUPS, NOW, StoreFixture, capture, describe, facts, give_away, grow_tree, id, walk,
};
use crate::support::disk::SmallDisk;

fn go_on(_: &Exported) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// Three packs: the first, a changed file and a new folder, a changed hard-link group.
fn bed() -> (StoreFixture, SealedCheckpoint) {
    let bed = StoreFixture::new();
    grow_tree(&bed.tree());
    bed.seal(NOW, &["app"], None);
    let first = bed.open("dev-vm@20261121T101500Z");
    fs::write(bed.tree().join("app/public/index.html"), "<html>2\n").expect("a file");
    fs::create_dir_all(bed.tree().join("app/public/new/empty")).expect("folders");
    bed.seal(NOW, &["app/public"], Some(&first));
    let second = bed.open("dev-vm@20261121T101501Z");
    bed.seal(NOW, &GROUPS, Some(&second));
    let third = bed.open("dev-vm@20261121T101502Z");
    assert_eq!(third.checkpoint().packs.len(), 3);
    bed.assert_clean();
    (bed, third)
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

#[test]
fn plain_tar_rebuilds_the_tree_from_every_format() {
    let (bed, checkpoint) = bed();
    let expected = describe(&bed.tree());
    for name in ["x.tar", "x.tar.gz", "x.tgz", "x.tar.zst"] {
        let path = bed.dir.path().join(name);
        let Ok(Destination::Archive(_, format)) = Destination::of(&path) else {
            unreachable!("{name} is an archive");
        };
        let exported = checkpoint
            .export_archive(&path, format, &mut go_on)
            .expect("exported");
        assert_eq!(exported.entries as usize, expected.len());
        assert_eq!(exported.bytes, checkpoint.checkpoint().totals().bytes);
        let target = bed.dir.path().join(format!("from-{name}"));
        extract(&path, &target);
        assert_eq!(describe(&target), expected, "{name}");
    }
}

#[test]
fn an_archive_names_every_path_once_in_the_order_of_a_walk() {
    let (bed, checkpoint) = bed();
    let path = bed.dir.path().join("x.tar");
    checkpoint
        .export_archive(&path, ArchiveFormat::Tar, &mut go_on)
        .expect("exported");
    let output = Command::new("tar")
        .arg("-tf")
        .arg(&path)
        .output()
        .expect("tar");
    let text = String::from_utf8_lossy(&output.stdout);
    let names: Vec<&str> = text
        .lines()
        .map(|name| name.trim_end_matches('/'))
        .filter(|name| name.starts_with("app/p"))
        .collect();
    assert_eq!(
        names,
        [
            "app/pipe",
            "app/private",
            "app/private/key",
            "app/public",
            "app/public/empty",
            "app/public/index.html",
            "app/public/main-too.js",
            "app/public/new",
            "app/public/new/empty",
            "app/public/pipe-too",
            "app/public/third",
            "app/public-old",
            "app/public-old/index.html",
            "app/public.d",
            "app/public.d/x.conf",
        ]
    );
    assert_eq!(fs::metadata(&path).expect("metadata").len() % 10_240, 0);
}

#[test]
fn a_stream_holds_what_an_archive_holds() {
    let (bed, checkpoint) = bed();
    let path = bed.dir.path().join("x.tar");
    let mut streamed = Vec::new();
    checkpoint
        .export_stream(&mut streamed, ArchiveFormat::Tar, &mut go_on)
        .expect("streamed");
    checkpoint
        .export_archive(&path, ArchiveFormat::Tar, &mut go_on)
        .expect("exported");
    assert!(streamed == fs::read(&path).expect("an archive"));
}

#[test]
fn a_folder_export_rebuilds_the_tree() {
    let (bed, checkpoint) = bed();
    let new = bed.dir.path().join("new");
    let empty = bed.dir.path().join("empty");
    fs::create_dir(&empty).expect("a folder");
    for target in [new, empty] {
        checkpoint
            .export_folder(&target, &mut go_on)
            .expect("exported");
        assert_eq!(describe(&target), describe(&bed.tree()));
    }
}

const FOLDER: &str = "FLEET_TEST_EXPORTS";
/// Somebody who is not root.
const NOBODY: u32 = 65_534;

/// Not a test by itself: the process of another account.
#[test]
fn the_one_that_exports() {
    let Ok(folder) = std::env::var(FOLDER) else {
        return;
    };
    let folder = Path::new(&folder);
    Store::open(&folder.join("store"))
        .expect("a store")
        .open_checkpoint(&id("dev-vm@20261121T101500Z"))
        .expect("a checkpoint")
        .export_folder(&folder.join("target"), &mut go_on)
        .expect("exported");
}

#[test]
fn a_folder_export_needs_no_root() {
    if !rustix::process::geteuid().is_root() {
        // The other test of folders is this one then.
        return;
    }
    let bed = StoreFixture::new();
    grow_tree(&bed.tree());
    give_away(&bed.tree(), NOBODY);
    bed.seal(NOW, &["app"], None);
    give_away(bed.dir.path(), NOBODY);
    let program = bed.dir.path().join("program");
    // By a program of its own: a child that another test starts meanwhile would inherit our open copy,
    // and what is open for writing can't be run.
    let copied = Command::new("cp")
        .arg(std::env::current_exe().expect("this program"))
        .arg(&program)
        .status();
    assert!(copied.expect("cp").success());
    let output = Command::new(program)
        .args(["--exact", "store::export::the_one_that_exports"])
        .env(FOLDER, bed.dir.path())
        .current_dir(bed.dir.path())
        .uid(NOBODY)
        .gid(NOBODY)
        .output()
        .expect("a child");
    assert!(output.status.success(), "{output:?}");
    assert_eq!(
        describe(&bed.dir.path().join("target")),
        describe(&bed.tree())
    );
}

#[test]
fn nothing_that_is_there_is_overwritten() {
    let (bed, checkpoint) = bed();
    let file = bed.dir.path().join("x.tar");
    fs::write(&file, "mine").expect("a file");
    let refused = checkpoint.export_archive(&file, ArchiveFormat::Tar, &mut go_on);
    assert!(matches!(&refused, Err(Error::TargetExists { path }) if *path == file));
    let refused = checkpoint.export_folder(&bed.tree(), &mut go_on);
    assert!(matches!(&refused, Err(Error::TargetNotEmpty { path }) if *path == bed.tree()));
    assert_eq!(fs::read(&file).expect("a file"), b"mine");
}

#[test]
fn a_stopped_export_leaves_nothing() {
    let (bed, checkpoint) = bed();
    let out = bed.dir.path().join("out");
    fs::create_dir(&out).expect("a folder");
    let mut stop = |_: &Exported| ControlFlow::Break(());
    for stopped in [
        checkpoint.export_archive(&out.join("x.tar"), ArchiveFormat::Tar, &mut stop),
        checkpoint.export_folder(&out.join("new"), &mut stop),
        checkpoint.export_folder(&out, &mut stop),
    ] {
        assert!(matches!(stopped, Err(Error::Stopped)), "{stopped:?}");
    }
    assert_eq!(walk(&out), Vec::<std::path::PathBuf>::new());
}

#[test]
fn two_parts_with_one_path_export_it_once() {
    let bed = StoreFixture::new();
    grow_tree(&bed.tree());
    let incoming = bed.begin(NOW);
    let app = capture(&incoming, &bed.tree(), "app", &["app"], None);
    let env = capture(&incoming, &bed.tree(), "web", &["app/public"], None);
    incoming.seal(facts(vec![app, env])).expect("sealed");
    bed.assert_clean();
    let path = bed.dir.path().join("x.tar");
    bed.open("dev-vm@20261121T101500Z")
        .export_archive(&path, ArchiveFormat::Tar, &mut go_on)
        .expect("exported");
    let target = bed.dir.path().join("target");
    extract(&path, &target);
    assert_eq!(describe(&target), describe(&bed.tree()));
}

#[test]
fn contents_are_delivered_as_they_were() {
    let (bed, checkpoint) = bed();
    for path in [
        &b"/app/server.js"[..],
        b"app/server.js",
        b"/app//large.bin",
        b"/app/zeros",
        b"/app/empty",
        b"/app/bytes-\xff\xfe",
        b"/app/zz-second-name",
        b"/app/public/third",
    ] {
        let path = checkpoint.path_of(path).expect("a path");
        let mut content = Vec::new();
        let length = checkpoint
            .write_content(&path, &mut content)
            .expect("content");
        let member = std::os::unix::ffi::OsStrExt::from_bytes(path.member());
        let member: &std::ffi::OsStr = member;
        let expected = fs::read(bed.tree().join(member)).expect("a file");
        assert!(
            content == expected && length == expected.len() as u64,
            "{path}"
        );
    }
}

#[test]
fn what_has_no_content_says_what_it_is() {
    let (_bed, checkpoint) = bed();
    let refuse = |path: &str| {
        let path = checkpoint.path_of(path.as_bytes()).expect("a path");
        let mut output = Vec::new();
        let error = checkpoint
            .write_content(&path, &mut output)
            .expect_err("no content");
        assert_eq!(output, b"");
        match error {
            Error::NotAFile {
                what, points_to, ..
            } => (what, points_to),
            other => (other.to_string(), None),
        }
    };
    assert_eq!(refuse("/app"), ("a directory".to_owned(), None));
    assert_eq!(refuse("/app/pipe"), ("a named pipe".to_owned(), None));
    assert_eq!(
        refuse("/app/main.js"),
        ("a symbolic link".to_owned(), Some("server.js".to_owned()))
    );
    let missing = "/app/none is not in dev-vm@20261121T101502Z".to_owned();
    assert_eq!(refuse("/app/none"), (missing, None));
    let odd = checkpoint.path_of(b"../etc/passwd");
    assert!(
        matches!(&odd, Err(Error::NoEntry { checkpoint, path })
            if *checkpoint == id("dev-vm@20261121T101502Z") && path == "../etc/passwd"),
        "{odd:?}"
    );
}

#[test]
fn an_export_onto_a_full_disk_leaves_nothing() {
    let Some(disk) = SmallDisk::mount("1m") else {
        return;
    };
    let (_bed, checkpoint) = bed();
    for failed in [
        checkpoint.export_archive(&disk.path().join("x.tar"), ArchiveFormat::Tar, &mut go_on),
        checkpoint.export_folder(&disk.path().join("new"), &mut go_on),
    ] {
        assert!(
            matches!(&failed, Err(Error::Io(disk::Error { action: "write", source, .. }))
                if source.kind() == std::io::ErrorKind::StorageFull),
            "{failed:?}"
        );
    }
    assert_eq!(walk(disk.path()), Vec::<std::path::PathBuf>::new());
}

/// One file with a hole of a GiB before its end.
fn bed_with_a_hole() -> (StoreFixture, SealedCheckpoint) {
    use std::os::unix::fs::FileExt as _;
    let bed = StoreFixture::new();
    let folder = bed.tree().join("app");
    fs::create_dir_all(&folder).expect("a folder");
    let file = fs::File::create(folder.join("big")).expect("a file");
    file.write_all_at(b"end", 1 << 30).expect("written");
    bed.seal(NOW, &["app"], None);
    let checkpoint = bed.open("dev-vm@20261121T101500Z");
    (bed, checkpoint)
}

type Watch<'a> = &'a mut dyn FnMut(&Exported) -> ControlFlow<()>;

#[test]
fn an_export_stops_within_a_file() {
    let (bed, checkpoint) = bed_with_a_hole();
    let stops = |export: &dyn Fn(Watch<'_>)| {
        // The folder is done, and the file is not: each further question is asked within it.
        let mut asked = 0;
        export(&mut |exported| {
            asked += usize::from(exported.entries > 0);
            match asked {
                0..6 => ControlFlow::Continue(()),
                _ => ControlFlow::Break(()),
            }
        });
        assert_eq!(asked, 6, "it ends at once");
    };
    let archive = bed.dir.path().join("x.tar");
    stops(&|watch| {
        let ended = checkpoint.export_archive(&archive, ArchiveFormat::Tar, watch);
        assert!(matches!(ended, Err(Error::Stopped)));
    });
    assert!(!archive.exists());
    let folder = bed.dir.path().join("folder");
    stops(&|watch| {
        let ended = checkpoint.export_folder(&folder, watch);
        assert!(matches!(ended, Err(Error::Stopped)));
    });
    assert!(!folder.exists());
}

#[test]
fn verifying_stops_within_a_hole() {
    let (bed, _) = bed_with_a_hole();
    let mut asked = 0;
    let ended = bed.store.verify(&Scope::All, Level::Full, &mut |progress| {
        // Once before the pack is read; it has less than a MiB.
        asked += usize::from(progress.file.ends_with("app.tar.zst"));
        match asked {
            0..3 => ControlFlow::Continue(()),
            _ => ControlFlow::Break(()),
        }
    });
    assert!(matches!(ended, Err(Error::Stopped)));
    assert_eq!(asked, 3);
}
