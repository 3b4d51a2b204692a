//! Verifies that what seems unchanged is (`--verify-unchanged`): the host hashes it, and the digests are
//! compared.

use crate::name::RemotePath;
use crate::scan::digests::digests;
use crate::ssh::{self, ReadSession};

use super::compare::Comparison;
use crate::units::{NAMED_MAX, listing};

/// Takes back what `comparison` holds for the same and is not. Gives a warning if there is any such file.
///
/// # Errors
///
/// [`ssh::Error`] if the connection ends. A host that cannot hash proves nothing: everything is taken
/// back then.
pub(super) async fn verify(
    comparison: &mut Comparison,
    session: &ReadSession,
    sudo: bool,
) -> Result<Option<String>, ssh::Error> {
    let mut list = Vec::new();
    for (path, _) in comparison.files() {
        list.extend_from_slice(path.as_bytes());
        list.push(0);
    }
    if list.is_empty() {
        return Ok(None);
    }
    let digests = digests(session, sudo, list).await?;
    let mut others: Vec<RemotePath> = Vec::new();
    let mut silent = 0_usize;
    for (path, sha256) in comparison.files() {
        match digests.get(path) {
            Some(found) if *found == sha256 => {}
            Some(_) => others.push(path.clone()),
            None => silent += 1,
        }
    }
    comparison.distrust(|path, sha256| digests.get(path) == Some(&sha256));
    if others.is_empty() && silent == 0 {
        return Ok(None);
    }
    let mut said = Vec::new();
    if !others.is_empty() {
        let count = others.len();
        others.truncate(NAMED_MAX);
        said.push(format!(
            "{count} {} changed without a trace in size and times, fetched again: {}",
            if count == 1 { "file has" } else { "files have" },
            listing(count, &others)
        ));
    }
    if silent > 0 {
        said.push(format!(
            "{silent} {} could not be hashed on the host, fetched again",
            if silent == 1 { "file" } else { "files" },
        ));
    }
    Ok(Some(said.join("; ")))
}
