//! Real mounts for tests that root runs: a FUSE file system whose numbers are what the test says. They
//! end with the value.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use super::not_here;
use super::sshd::{Process, installed};

/// A mounted file system.
pub(crate) struct Mounted {
    point: PathBuf,
    server: Process,
}

impl Mounted {
    /// A FUSE file system at `point`, which is made: `files` is `{NAME: [CONTENT, SIZE, BLOCKS]}`.
    ///
    /// None where nobody can mount one; that was said loudly.
    pub(crate) fn fuse(point: &Path, files: &Value) -> Option<Self> {
        if !Path::new("/dev/fuse").exists() {
            not_here("there is no /dev/fuse");
            return None;
        }
        let python = installed("python3").filter(|_| is_root())?;
        fs::create_dir_all(point).expect("a mount point");
        let mut child = Command::new(python)
            .args(["-c", include_str!("fuse.py")])
            .arg(point)
            .arg(files.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 starts");
        let stdout = child.stdout.take().expect("piped");
        let mounted = Self {
            point: point.to_owned(),
            server: Process(child),
        };
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).expect("text");
        assert_eq!(line, "mounted\n");
        Some(mounted)
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // Whoever asks it meanwhile gets no answer, and need not wait.
        drop(self.server.0.kill());
        let mut command = Command::new("umount");
        // Whoever still uses it keeps it until then.
        drop(command.arg("-l").arg(&self.point).status());
    }
}

fn is_root() -> bool {
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        not_here("only root can mount file systems");
    }
    is_root
}
