//! Real mounts for tests that root runs: a FUSE file system whose numbers are what the test says, and
//! a tmpfs. They end with the value.

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
    server: Option<Process>,
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
            server: Some(Process(child)),
        };
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).expect("text");
        assert_eq!(line, "mounted\n");
        Some(mounted)
    }

    /// A tmpfs at `point`, which is made.
    ///
    /// None where nobody can mount one; that was said loudly.
    pub(crate) fn tmpfs(point: &Path) -> Option<Self> {
        Self::tmpfs_of(point, "rw")
    }

    /// The same with options, as `size=4m,nr_inodes=600`.
    pub(crate) fn tmpfs_of(point: &Path, options: &str) -> Option<Self> {
        is_root().then_some(())?;
        fs::create_dir_all(point).expect("a mount point");
        let mut command = Command::new("mount");
        command.args(["-t", "tmpfs", "-o", options, "fleet-test"]);
        command.arg(point);
        let status = command.status().expect("mount");
        assert!(status.success());
        Some(Self {
            point: point.to_owned(),
            server: None,
        })
    }

    /// Stops the program that serves it: whoever looks at what is not known yet waits.
    pub(crate) fn hang(&self) {
        let server = self.server.as_ref().expect("a program serves it");
        let pid = server.0.id().to_string();
        let status = Command::new("kill").args(["-STOP", &pid]).status();
        assert!(status.expect("kill").success());
    }

    /// Kills the program that serves it: whoever looks at it then learns that it is not connected.
    pub(crate) fn die(&mut self) {
        drop(self.server.take());
        let error = fs::metadata(&self.point).expect_err("nobody serves it");
        assert_eq!(error.raw_os_error(), Some(107), "{error}");
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        drop(self.server.take());
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

/// Sets an attribute of the file system; false where there are none, which was said loudly.
pub(crate) fn has_attribute(change: &str, path: &Path) -> bool {
    let Some(program) = installed("chattr") else {
        return false;
    };
    let is_set = Command::new(program)
        .arg(change)
        .arg(path)
        .output()
        .expect("chattr")
        .status
        .success();
    if !is_set {
        not_here("the file system has no such attributes");
    }
    is_set
}
