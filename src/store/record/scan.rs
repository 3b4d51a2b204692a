//! The record of a scan's marks of an entry: inode, size and times.

use serde::{Deserialize, Serialize};

use super::RecordError;
use super::entry::time;
use crate::manifest::{Entry, FileTime, ScanMark};

/// Size and time are left out where the entry says the same, and of what has one name only, how many
/// it has and on which device they are.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ScanRecord {
    inode: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    links: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mtime: Option<String>,
    ctime: String,
}

impl ScanRecord {
    pub(super) fn of(mark: &ScanMark, entry: &Entry) -> Self {
        Self {
            inode: mark.inode,
            device: (mark.links != 1).then_some(mark.device),
            links: (mark.links != 1).then_some(mark.links),
            size: (entry.file_bytes() != Some(mark.size_bytes)).then_some(mark.size_bytes),
            mtime: (entry.mtime != mark.mtime).then(|| mark.mtime.to_string()),
            ctime: mark.ctime.to_string(),
        }
    }

    pub(super) fn mark(
        self,
        entry_bytes: Option<u64>,
        entry_mtime: FileTime,
    ) -> Result<ScanMark, RecordError> {
        Ok(ScanMark {
            inode: self.inode,
            device: self.device.unwrap_or(0),
            links: self.links.unwrap_or(1),
            size_bytes: self
                .size
                .or(entry_bytes)
                .ok_or_else(|| RecordError::new("scan.size is missing"))?,
            mtime: match self.mtime {
                Some(text) => time(&text)?,
                None => entry_mtime,
            },
            ctime: time(&self.ctime)?,
        })
    }
}
