//! Tests of the files that are read otherwise than by `tar --sparse`.

use super::*;
use crate::manifest::{FileTime, ScanMark};

const MIB: u64 = 1 << 20;

fn file(at: &str, size_bytes: u64, blocks: u64, device: u64) -> Found {
    let time = FileTime {
        seconds: 7,
        nanoseconds: 0,
    };
    let facts = Facts {
        kind: FileType::File,
        mode: 0o644,
        uid: 0,
        gid: 0,
        mark: ScanMark {
            inode: 1,
            device,
            links: 1,
            size_bytes,
            mtime: time,
            ctime: time,
        },
        blocks,
        link: Vec::new(),
        readable: true,
    };
    Found {
        path: at.parse().expect("a path"),
        facts: Some(facts),
    }
}

fn mounts() -> Mounts {
    let mut mounts = Mounts::default();
    for line in [
        "254:0 ext4 /",
        "0:5 proc /proc",
        "0:6 sysfs /sys",
        "0:7 fuse.rclone /cloud",
        "0:8 tmpfs /run",
        "0:9 odd /odd",
    ] {
        mounts.push(line);
    }
    mounts
}

#[test]
fn just_files_whose_size_says_nothing_are_read_to_their_end() {
    let mut found = vec![
        file("/cloud/empty", 0, 0, 7),
        file("/cloud/sized", 5, 0, 7),
        file("/etc/empty", 0, 0, 0xfe00),
        file("/etc/hosts", 5, 8, 0xfe00),
        file("/proc/version", 0, 0, 5),
        file("/run/empty", 0, 0, 8),
        file("/sys/x", 4096, 0, 6),
    ];
    let taken = take(&mut found, &mounts());
    let paths = |found: &[Found]| -> Vec<String> {
        found.iter().map(|found| found.path.to_string()).collect()
    };
    assert_eq!(paths(&taken), ["/cloud/empty", "/proc/version", "/sys/x"]);
    assert_eq!(found.len(), 4);
    // Where nothing is known of file systems, an empty file is one.
    assert_eq!(paths(&take(&mut found, &Mounts::default())), [""; 0]);
}

#[test]
fn a_file_without_blocks_is_a_hole_only_where_blocks_are_counted() {
    let mounts = mounts();
    for (at, size_bytes, blocks, expected) in [
        ("/small", 60, 0, true),
        ("/hole", 1 << 40, 0, false),
        ("/sparse", 1 << 40, 8, false),
        ("/empty", 0, 0, false),
        ("/run/hole", 100 * MIB, 0, false),
        ("/cloud/large", 100 * MIB, 0, true),
        ("/odd/large", 100 * MIB, 0, true),
    ] {
        let found = file(at, size_bytes, blocks, 1);
        assert_eq!(lacks_blocks(&found, &mounts), expected, "{at}");
    }
    let unknown = file("/hole", 1 << 40, 0, 1);
    assert!(lacks_blocks(&unknown, &Mounts::default()));
}
