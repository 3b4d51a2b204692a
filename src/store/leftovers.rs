//! What dead runs left, removed under the host's lock. Readers never clean.

use std::path::Path;

use super::{Error, disk, layout};
use crate::name::Stamp;

/// Removes what dead runs left. The packs of one go before the mark that tells they are dead.
pub(super) fn clear(host_dir: &Path) -> Result<(), Error> {
    for name in disk::names(host_dir)? {
        let Some(stamp) = name.strip_prefix(layout::INCOMING_PREFIX) else {
            continue;
        };
        if stamp.parse::<Stamp>().is_ok() && !host_dir.join(stamp).exists() {
            let packs = host_dir.join(layout::PACKS_DIR);
            if packs.is_dir() {
                disk::remove_tree(&packs.join(stamp))?;
                disk::sync_dir(&packs)?;
            }
        }
        disk::remove_tree(&host_dir.join(&name))?;
        disk::sync_dir(host_dir)?;
    }
    Ok(())
}
