//! Paths that were asked for through symbolic links.

use crate::name::RemotePath;

/// A path that was asked for, and where it is in truth: directories above it are symbolic links.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// As it was asked for.
    pub asked: RemotePath,
    /// Reached through no symbolic link.
    pub real: RemotePath,
}

impl Resolved {
    /// The real path of `asked`, if that is this path or is beneath it.
    #[must_use]
    pub fn to_real(&self, asked: &RemotePath) -> Option<RemotePath> {
        moved(asked, &self.asked, &self.real)
    }

    /// What was asked for to reach `real`, if that is this path or is beneath it.
    #[must_use]
    pub fn to_asked(&self, real: &RemotePath) -> Option<RemotePath> {
        moved(real, &self.real, &self.asked)
    }
}

fn moved(path: &RemotePath, from: &RemotePath, to: &RemotePath) -> Option<RemotePath> {
    let mut bytes = to.as_bytes().to_vec();
    match path.relative_to(from)? {
        b"" => {}
        relative => {
            if bytes.last() != Some(&b'/') {
                bytes.push(b'/');
            }
            bytes.extend_from_slice(relative);
        }
    }
    RemotePath::from_bytes(bytes).ok()
}

/// Where `asked` is: the deepest path of `resolved` above it tells.
#[must_use]
pub fn real_path(asked: &RemotePath, resolved: &[Resolved]) -> RemotePath {
    let above = resolved
        .iter()
        .filter(|resolved| asked.is_within(&resolved.asked));
    let deepest = above.max_by_key(|resolved| resolved.asked.as_bytes().len());
    deepest
        .and_then(|resolved| resolved.to_real(asked))
        .unwrap_or_else(|| asked.clone())
}
