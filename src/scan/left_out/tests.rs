//! Tests of the directories that count as left out.

use super::*;
use crate::manifest::{FileTime, ScanMark};
use crate::source::scan::Facts;

fn found(kind: FileType, at: &str, device: Option<u64>) -> Found {
    let time = FileTime {
        seconds: 7,
        nanoseconds: 0,
    };
    let facts = device.map(|device| Facts {
        kind,
        mode: 0o755,
        uid: 0,
        gid: 0,
        mark: ScanMark {
            inode: 1,
            device,
            links: 1,
            size_bytes: 0,
            mtime: time,
            ctime: time,
        },
        blocks: 0,
        link: Vec::new(),
        readable: true,
    });
    Found {
        path: at.parse().expect("a path"),
        facts,
    }
}

fn mounts() -> Mounts {
    let mut mounts = Mounts::default();
    for line in ["8:1 btrfs /", "0:9 tmpfs /a/run", "8:1 btrfs /a/same"] {
        mounts.push(line);
    }
    mounts
}

fn names(roots: &[&str], wanted: Vec<Found>, mounts: &Mounts) -> Vec<String> {
    let result = ScanResult {
        roots: roots.iter().map(|at| at.parse().expect("a path")).collect(),
        wanted,
        ..ScanResult::default()
    };
    let left_out = beneath(&result, mounts).into_iter();
    left_out.map(|one| one.to_string()).collect()
}

#[test]
fn directories_on_another_device_than_their_root_are_left_out() {
    use FileType::{Directory, File};
    let wanted = || {
        vec![
            found(Directory, "/a", Some(1)),
            found(File, "/a/bound", Some(2)),
            found(Directory, "/a/other", Some(4)),
            found(Directory, "/a/run", Some(3)),
            found(Directory, "/a/same", Some(1)),
        ]
    };
    assert_eq!(
        names(&["/a"], wanted(), &mounts()),
        ["/a/other (btrfs subvolume)", "/a/run (tmpfs)"]
    );
    assert_eq!(
        names(&["/a"], wanted(), &Mounts::default()),
        [
            "/a/other (another file system)",
            "/a/run (another file system)"
        ]
    );
    // What is a root of its own is not left out.
    assert_eq!(
        names(&["/a", "/a/run"], wanted(), &mounts()),
        ["/a/other (btrfs subvolume)"]
    );
}

#[test]
fn where_find_reports_only_names_the_mount_table_decides() {
    let names_only = |at| found(FileType::Directory, at, None);
    let wanted = ["/a", "/a/b", "/a/run", "/a/same"].map(names_only).to_vec();
    assert_eq!(names(&["/a"], wanted, &mounts()), ["/a/run (tmpfs)"]);
}
