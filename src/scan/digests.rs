//! Has the host hash files: the SHA-256 of each.

use std::collections::HashMap;

use bytes::Bytes;

use crate::digest::Sha256;
use crate::guard::ReadCommand;
use crate::name::RemotePath;
use crate::ssh::{self, Input, ReadSession};

/// A record is a digest and a path; a host that sends longer ones gets no more names.
const RECORD_MAX_BYTES: usize = 64 << 10;

/// How much longer the answer to a file is than its path: the digest and two bytes.
const BESIDE_BYTES: usize = 64 + 2;

/// The SHA-256 of each file that the host could hash; none if it answers more than it was asked for.
pub(crate) async fn digests(
    session: &ReadSession,
    sudo: bool,
    list: Vec<u8>,
) -> Result<HashMap<RemotePath, Sha256>, ssh::Error> {
    let asked = list.iter().filter(|&&b| b == 0).count();
    let mut left_bytes = list.len() + asked * BESIDE_BYTES;
    let mut running = session
        .run(&ReadCommand::Digest, sudo, Input::bytes(list))
        .await?;
    let mut digests = HashMap::new();
    let mut rest: Vec<u8> = Vec::new();
    while let Some(bytes) = running.next().await {
        let bytes: Bytes = bytes?;
        let Some(left) = left_bytes.checked_sub(bytes.len()) else {
            running.stop().await;
            return Ok(HashMap::new());
        };
        left_bytes = left;
        rest.extend_from_slice(&bytes);
        let mut start = 0;
        while let Some(end) = rest[start..].iter().position(|&b| b == 0) {
            if let Some((path, sha256)) = record(&rest[start..start + end]) {
                digests.insert(path, sha256);
            }
            start += end + 1;
        }
        rest.drain(..start);
        if rest.len() > RECORD_MAX_BYTES {
            running.stop().await;
            return Ok(HashMap::new());
        }
    }
    running.finish().await?;
    Ok(digests)
}

fn record(bytes: &[u8]) -> Option<(RemotePath, Sha256)> {
    let (sha256, path) = bytes.split_at_checked(64)?;
    let sha256 = std::str::from_utf8(sha256).ok()?.parse().ok()?;
    // A star means that the file was read as binary.
    let path = path
        .strip_prefix(b"  ")
        .or_else(|| path.strip_prefix(b" *"))?;
    let path = RemotePath::from_bytes(path).ok()?;
    Some((path, sha256))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_read_and_other_texts_are_not() {
        let sha256 = Sha256::of(b"abc");
        let path: RemotePath = "/a b".parse().expect("a path");
        for text in [format!("{sha256}  /a b"), format!("{sha256} */a b")] {
            assert_eq!(record(text.as_bytes()), Some((path.clone(), sha256)));
        }
        for other in [
            "",
            "sha256sum: /a: Permission denied",
            &format!("{sha256} /a"),
            &format!("SHA256(/a)= {sha256}"),
            &format!("{sha256}  a"),
            &format!("\\{sha256}  /a"),
        ] {
            assert_eq!(record(other.as_bytes()), None, "{other}");
        }
    }
}
