//! How a scan is said: one `find` for each root.

use super::{Prune, ReadCommand};
use crate::guard::shell::quote;
use crate::name::RemotePath;

pub(super) fn scan(
    prefix: &[u8],
    roots: &[RemotePath],
    prune: &[Prune],
    one_file_system: bool,
) -> Vec<u8> {
    let mut script = b"cd /; s=0; if find / -maxdepth 0 -printf '' >/dev/null 2>&1; then \
        set -- \\( \\( -type f -o -type d \\) -not -readable -printf '!' , \
        -type d -not -executable -printf '!' , -printf "
        .to_vec();
    script.extend(quote(ReadCommand::SCAN_FORMAT.as_bytes()));
    // With the rights of the scan itself: a sudo that refuses says so before anything is answered.
    script.extend_from_slice(b" \\); ");
    script.extend_from_slice(prefix);
    script.extend_from_slice(
        b"find / -maxdepth 0 -printf \"gnu $(date +%s.%N)\\\\0\"; else set -- -print0; ",
    );
    script.extend_from_slice(prefix);
    script.extend_from_slice(b"find / -maxdepth 0 -print0; fi || exit; ");
    for root in roots {
        script.extend_from_slice(prefix);
        // A root that is a symbolic link is reported as one, not followed.
        script.extend_from_slice(b"find -P ");
        script.extend(quote(root.as_bytes()));
        if one_file_system {
            script.extend_from_slice(b" -xdev");
        }
        if !prune.is_empty() {
            script.extend(prunes(root, prune));
        }
        script.extend_from_slice(b" \"$@\" || s=$?; ");
    }
    script.extend_from_slice(b"exit $s");
    script
}

fn prunes(root: &RemotePath, prune: &[Prune]) -> Vec<u8> {
    let below = |rest: &str| {
        let mut pattern = glob_literal(
            root.as_bytes()
                .strip_suffix(b"/")
                .unwrap_or(root.as_bytes()),
        );
        pattern.push(b'/');
        pattern.extend_from_slice(rest.as_bytes());
        quote(&pattern)
    };
    let mut text = b" \\( -type d -path ".to_vec();
    text.extend(below("*"));
    text.extend_from_slice(b" \\(");
    for (index, item) in prune.iter().enumerate() {
        if index > 0 {
            text.extend_from_slice(b" -o");
        }
        match item {
            Prune::Name(pattern) => {
                text.extend_from_slice(b" -name ");
                text.extend(quote(pattern.as_bytes()));
            }
            Prune::Beneath(path) => {
                text.extend_from_slice(b" -path ");
                text.extend(below(&String::from_utf8_lossy(&glob_literal(
                    path.as_bytes(),
                ))));
            }
        }
    }
    text.extend_from_slice(b" \\) -prune \\) -o");
    text
}

/// A pattern of `find` that matches just `bytes`.
fn glob_literal(bytes: &[u8]) -> Vec<u8> {
    let mut pattern = Vec::with_capacity(bytes.len());
    for &byte in bytes {
        if matches!(byte, b'*' | b'?' | b'[' | b'\\') {
            pattern.push(b'\\');
        }
        pattern.push(byte);
    }
    pattern
}
