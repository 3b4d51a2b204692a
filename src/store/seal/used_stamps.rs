//! The stamps of removed checkpoints: an imported backup gets a stamp of the past, which must not be one that
//! somebody still knows as another checkpoint.
//!
//! A file of lines that are only ever added to. A line that does not read is none; one that was added
//! though its checkpoint was not removed in the end does no harm.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;

use crate::disk;
use crate::name::Stamp;
use crate::store::Error;
use crate::store::HostLock;
use crate::store::files::layout;

impl HostLock {
    /// Remembers that these stamps were used, before nothing else records them any more.
    pub(in crate::store) fn record_used(
        &self,
        stamps: impl Iterator<Item = Stamp>,
    ) -> Result<(), Error> {
        let text: String = stamps.map(|stamp| format!("{stamp}\n")).collect();
        if text.is_empty() {
            return Ok(());
        }
        let path = self.host_dir().join(layout::USED_STAMPS_FILE);
        let is_new = !path.exists();
        let mut file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&path)
            .map_err(Error::io("open", &path))?;
        // What was cut short before ends here, and takes none of these along.
        let text = if is_new { text } else { format!("\n{text}") };
        file.write_all(text.as_bytes())
            .map_err(Error::io("write", &path))?;
        file.sync_all().map_err(Error::io("sync", &path))?;
        if is_new {
            disk::sync_dir(&self.host_dir())?;
        }
        Ok(())
    }

    /// Every stamp of which a checkpoint is, or was, in the store, as far as anything records it.
    pub(in crate::store) fn used_stamps(&self) -> Result<BTreeSet<Stamp>, Error> {
        let host_dir = self.host_dir();
        let mut used = BTreeSet::new();
        for name in disk::names(&host_dir)? {
            let stamp = name.strip_prefix(layout::REMOVED_PREFIX).unwrap_or(&name);
            used.extend(stamp.parse::<Stamp>());
        }
        let packs = host_dir.join(layout::PACKS_DIR);
        if packs.is_dir() {
            for name in disk::names(&packs)? {
                used.extend(name.parse::<Stamp>());
            }
        }
        let path = host_dir.join(layout::USED_STAMPS_FILE);
        match fs::read(&path) {
            Ok(text) => {
                let text = String::from_utf8_lossy(&text);
                used.extend(text.lines().filter_map(|line| line.parse::<Stamp>().ok()));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(Error::io("read", &path)(error)),
        }
        Ok(used)
    }
}
