//! The layout of a store: names and paths of its files.
//!
//! Whatever begins with `.` is being made or removed, or is a lock, and is invisible to readers.

use std::path::{Path, PathBuf};

use crate::manifest::PackName;
use crate::name::{CheckpointId, HostName, SourceName, Stamp};

/// Format name and version of the whole store.
pub(in crate::store) const STORE_FILE: &str = "fleet-store.json";
/// How to get a checkpoint back without fleet.
pub(in crate::store) const RECOVER_FILE: &str = "RECOVER.md";
/// The record of one checkpoint.
pub(in crate::store) const CHECKPOINT_FILE: &str = "checkpoint.json";
/// The record for people.
pub(in crate::store) const MANIFEST_FILE: &str = "MANIFEST.txt";
/// What people and the host's programs wrote about a checkpoint, apart from its counts and digests.
pub(in crate::store) const FACTS_FILE: &str = "facts.json";
/// Digests of all files of a checkpoint and all packs it needs.
pub(in crate::store) const SUMS_FILE: &str = "SHA256SUMS";
/// Folder of the entries files in a checkpoint.
pub(in crate::store) const ENTRIES_DIR: &str = "entries";
/// Folder of the packs of a host.
pub(in crate::store) const PACKS_DIR: &str = "packs";
/// The lock of a host.
pub(in crate::store) const LOCK_FILE: &str = ".lock";
/// The stamps of a host's checkpoints that were removed.
pub(in crate::store) const USED_STAMPS_FILE: &str = ".spent";
/// What a run is making begins so.
pub(in crate::store) const INCOMING_PREFIX: &str = ".incoming-";
/// What a checkpoint is called while it is being removed begins so.
pub(in crate::store) const REMOVED_PREFIX: &str = ".removed-";
/// The checkpoint folder while it is being made, in the incoming folder.
pub(in crate::store) const INCOMING_CHECKPOINT: &str = "checkpoint";

/// Where captures are spooled, in the incoming folder.
pub(in crate::store) const SPOOL_DIR: &str = "spool";

/// `entries/PART.ndjson.zst`, relative to the checkpoint's folder.
pub(in crate::store) fn entries_file(part: &SourceName) -> String {
    format!("{ENTRIES_DIR}/{part}.ndjson.zst")
}

/// The folder of a host.
pub(in crate::store) fn host_dir(store: &Path, host: &HostName) -> PathBuf {
    store.join(host.as_str())
}

/// The folder of a checkpoint.
pub(in crate::store) fn checkpoint_dir(store: &Path, id: &CheckpointId) -> PathBuf {
    host_dir(store, &id.host).join(id.stamp.to_string())
}

/// The folder of the run that makes the checkpoint of that stamp.
pub(in crate::store) fn incoming_dir(host_dir: &Path, stamp: Stamp) -> PathBuf {
    host_dir.join(format!("{INCOMING_PREFIX}{stamp}"))
}

/// The folder of a checkpoint that is being removed.
pub(in crate::store) fn removed_dir(host_dir: &Path, stamp: Stamp) -> PathBuf {
    host_dir.join(format!("{REMOVED_PREFIX}{stamp}"))
}

/// A pack's file.
pub(in crate::store) fn pack_file(host_dir: &Path, pack: &PackName) -> PathBuf {
    host_dir.join(pack.to_string())
}

/// The last component of a pack's name.
pub(in crate::store) fn pack_file_name(source: &SourceName) -> String {
    format!("{source}.tar.zst")
}

/// A file of a checkpoint as problems name it: relative to the store.
pub(in crate::store) fn shown(id: &CheckpointId, file: &str) -> String {
    format!("{}/{}/{file}", id.host, id.stamp)
}

/// A pack as problems name it: relative to the store.
pub(in crate::store) fn shown_pack(host: &HostName, pack: &PackName) -> String {
    format!("{host}/{pack}")
}
