//! Looks for secrets in everything that was written down.

use std::fs;
use std::path::{Path, PathBuf};

/// Every file beneath `folder`, those in zstd as they were before.
#[must_use]
pub(crate) fn written(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if entry.file_type().expect("a type").is_dir() {
            files.extend(written(&path));
            continue;
        }
        let bytes = fs::read(&path).expect("a file");
        let is_packed = path.extension().is_some_and(|ending| ending == "zst");
        let plain = if is_packed {
            zstd::decode_all(bytes.as_slice()).expect("zstd")
        } else {
            bytes
        };
        files.push((path, plain));
    }
    files
}

/// Whether a text is somewhere in these bytes.
#[must_use]
pub(crate) fn holds(bytes: &[u8], text: &str) -> bool {
    String::from_utf8_lossy(bytes).contains(text)
}
