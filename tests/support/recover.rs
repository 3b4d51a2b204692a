//! Getting checkpoints back as `RECOVER.md` says: with plain tools, in a place without fleet.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

const TOOLS: &[&str] = &[
    "sh",
    "tar",
    "zstd",
    "sha256sum",
    "mktemp",
    "rm",
    "mkdir",
    "ls",
    "xargs",
    "grep",
    "base64",
    "awk",
    "find",
    "ln",
    "cat",
    "cp",
    "mv",
    "tr",
];

/// The first `sh` block of the text, saved in `scratch`.
fn script(store: &Path, scratch: &Path) -> PathBuf {
    let text = fs::read_to_string(store.join("RECOVER.md")).expect("a text");
    let (_, block) = text.split_once("```sh\n").expect("a block");
    let (block, _) = block.split_once("```").expect("its end");
    let path = scratch.join("recover.sh");
    fs::write(&path, block).expect("written");
    path
}

/// A folder of nothing but the plain tools and `json`, the one that reads JSON.
pub(crate) fn tools(scratch: &Path, json: &str) -> Option<PathBuf> {
    let dir = scratch.join(format!("bin-{json}"));
    fs::create_dir(&dir).expect("a folder");
    for tool in TOOLS.iter().chain([&json]) {
        symlink(which(tool)?, dir.join(tool)).expect("a link");
    }
    Some(dir)
}

fn which(tool: &str) -> Option<PathBuf> {
    let found = if tool == "python3" {
        // A launcher of several versions would look for its own tools; the system's is everybody's.
        let of_system = PathBuf::from("/usr/bin/python3");
        let of_path = || {
            let ask = ["-c", "import sys; print(sys.executable)"];
            let output = Command::new(tool).args(ask).output().ok()?;
            let path = String::from_utf8_lossy(&output.stdout).trim().to_owned();
            Some(PathBuf::from(path))
        };
        Some(of_system).filter(|p| p.is_file()).or_else(of_path)
    } else {
        let path = std::env::var_os("PATH")?;
        std::env::split_paths(&path)
            .map(|dir| dir.join(tool))
            .find(|path| path.is_file())
    };
    found.filter(|path| path.is_file())
}

/// What puts the checkpoint in `folder` of `store` into `target`, with these tools alone.
pub(crate) fn command(
    store: &Path,
    scratch: &Path,
    tools: &Path,
    folder: &str,
    target: &Path,
) -> Command {
    let mut command = Command::new("/bin/sh");
    command
        .arg(script(store, scratch))
        .arg(store.join(folder))
        .arg(target)
        .env_clear()
        .env("PATH", tools)
        .current_dir(scratch);
    command
}
