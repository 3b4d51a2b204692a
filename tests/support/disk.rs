//! A small file system that fills up quickly, for tests of full disks.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// A disk of its own that is soon full. Only root can mount one; others skip what needs it.
pub(crate) struct SmallDisk {
    dir: tempfile::TempDir,
}

impl SmallDisk {
    pub(crate) fn mount(size: &str) -> Option<Self> {
        let dir = tempfile::tempdir().expect("a folder");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
            .arg(dir.path())
            .stderr(Stdio::null())
            .status();
        mounted
            .is_ok_and(|status| status.success())
            .then(|| Self { dir })
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Leaves so many pages of room.
    pub(crate) fn fill(&self, free_pages: u64) {
        const PAGE_BYTES: u64 = 4096;
        let mut filler = fs::File::create(self.path().join("filler")).expect("a file");
        let full = std::io::copy(&mut std::io::repeat(7), &mut filler);
        assert_eq!(
            full.map_err(|e| e.kind()),
            Err(std::io::ErrorKind::StorageFull)
        );
        let length = filler.metadata().expect("metadata").len();
        filler
            .set_len(length.saturating_sub(free_pages * PAGE_BYTES))
            .expect("room");
    }

    pub(crate) fn empty(&self) {
        fs::remove_file(self.path().join("filler")).expect("removed");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg("-l").arg(self.path()).status();
        assert!(unmounted.is_ok_and(|status| status.success()));
    }
}
