//! A dropbear of a test's own, known to the workstation of an [`Sshd`].

use std::path::Path;
use std::process::{Command, Stdio};

use super::sshd::{Process, Sshd, eventually, free_port, installed};

/// Starts it; its process, and its port on loopback. With `home` it sees that folder in place of the home
/// of root. None if it is not installed.
pub(crate) fn dropbear(sshd: &Sshd, home: Option<&Path>) -> Option<(Process, u16)> {
    let program = installed("dropbear")?;
    let key = sshd.folder().join("dropbear_key");
    let made = Command::new("dropbearkey")
        .args(["-t", "ed25519", "-f"])
        .arg(&key)
        .output()
        .expect("dropbearkey");
    let said = String::from_utf8_lossy(&made.stdout).into_owned();
    let line = said
        .lines()
        .find(|line| line.starts_with("ssh-ed25519 "))
        .expect("a public key");
    let port = free_port();
    let mut command = match home {
        None => Command::new(program),
        Some(home) => {
            let script = "mount --bind \"$1\" /root && shift && exec \"$@\"";
            let mut command = Command::new("unshare");
            command
                .args(["--mount", "sh", "-c", script, "sh"])
                .arg(home)
                .arg(program);
            command
        }
    };
    let child = command
        .args(["-F", "-E", "-s", "-p", &format!("127.0.0.1:{port}"), "-r"])
        .arg(&key)
        .arg("-P")
        .arg(sshd.folder().join("dropbear_pid"))
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("dropbear");
    let process = Process(child);
    eventually("dropbear listens", || {
        std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
    });
    sshd.write_known_hosts(&format!("[127.0.0.1]:{port} {line}\n"));
    Some((process, port))
}
